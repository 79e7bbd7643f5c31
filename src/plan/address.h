/* SPDX-License-Identifier: Apache-2.0 */
/* Item addresses as `rehome copy` and `compare` take them; DESIGN.md's rules:
 * starts with "/" or ".": a local path, literal.  Else what stands before the
 * first colon is a KIND or a HOST ("[v6]", "ssh://HOST:PORT/..."); after HOST
 * comes "/path", literal, or "KIND:NAME?key=value&...".  A leading "-" is
 * refused.  docs/ADDRESSES.md is the normative table and a test. */
#ifndef REHOME_PLAN_ADDRESS_H
#define REHOME_PLAN_ADDRESS_H

#include "base/cleanup.h"
#include "base/err.h"
#include "wire/json.h"

struct address {
  char *host;      /* NULL: this machine; never begins with "-" */
  int port;        /* 0: as ssh says */
  char *kind;      /* "files", "mariadb", ... */
  char *name;      /* path, or name in its kind */
  json_t *options; /* object of strings, never NULL */
};

/* `is_kind` tells known kinds. */
struct err *address_parse (const char *text, bool (*is_kind) (const char *),
                           struct address *out);
void address_clear (struct address *a);

#endif
