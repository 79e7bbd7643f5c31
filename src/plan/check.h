/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A check of a service as its clients see it, in the two places where a plan
 * has one: `smoke`, and `ready` of a service.  One of
 *
 *   http: URL       http:// or https:// with a numeric host or localhost
 *   tcp: ...        a connection
 *   command: [...]  a program with its arguments, never a shell's line
 *
 * and `status` (of HTTP, 200; of a program, 0), `name` (the Host that is asked
 * for, and that a certificate must have), `ca` (a file of certificates to
 * trust), `fingerprint` (SHA-256 of the server's certificate, in place of any
 * other trust).  Pure.
 */
#ifndef REHOME_PLAN_CHECK_H
#define REHOME_PLAN_CHECK_H

#include "base/err.h"
#include "wire/json.h"

#include <stdbool.h>

/* Of `len` bytes a numeric address; *family: AF_INET or AF_INET6. */
bool check_is_address (const char *s, size_t len, int *family);
/* Is it such a URL?  `loopback`: it only leads to the host itself. */
bool check_is_url (const char *url, bool *loopback);
bool check_is_https (const char *url);
/* HOST:PORT or [HOST]:PORT with a numeric host, or localhost:PORT. */
bool check_is_endpoint (const char *text, bool *loopback);

/* `http`, `command`, `status`, `name`, `ca` and `fingerprint` of a check, each
 * where it makes sense: "RH-PLAN-VALUE", "RH-PLAN-TYPE", "RH-PLAN-KEY".  Which
 * keys there may be besides is the caller's. */
struct err *check_fits (const json_t *check);
/* What counts as passed: 200, or 0 of a command, unless `status` says. */
int check_wants (const json_t *check);
/* For people: the URL, "tcp 10.0.0.1:25", the command; caller frees. */
char *check_words (const json_t *check);

#endif
