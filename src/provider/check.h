/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking a service as its clients do: readiness and smoke checks of a plan
 * (plan/check.h), made on a host through its port.  http and tcp are asked by
 * the agent itself; https by that host's own `openssl s_client`, which checks
 * the certificate against the name or the address before a byte is asked,
 * or is compared with the plan's fingerprint; a command runs with its
 * arguments and no shell.
 */
#ifndef REHOME_PROVIDER_CHECK_H
#define REHOME_PROVIDER_CHECK_H

#include "provider/provider.h"

/* One try.  *why is NULL where it passed, else what was wrong (the caller
 * frees); `ms` is what the answer took.  An error is a lost connection or a
 * fence, not a failed check. */
struct err *check_try (struct port *p, const json_t *check, char **why,
                       json_int_t *ms);
/* The same inside a network namespace of that host (NULL: its own); not for
 * commands. */
struct err *check_try_in (struct port *p, const json_t *check,
                          const char *netns, char **why, json_int_t *ms);
bool check_needs_tls (const json_t *check);
/* Has this host what it takes to ask?  "RH-CHECK-OPENSSL", "RH-CHECK-CA";
 * `ca_moves`: the file of `ca` may come with what moves. */
struct err *check_can_ask (struct port *p, const json_t *check, bool ca_moves);
/* The arguments of openssl for an https check; new reference.  Pure. */
json_t *check_tls_argv (const json_t *check);
/* From what s_client wrote: why the check did not pass, or NULL; the caller
 * frees.  Pure. */
char *check_tls_verdict (const json_t *check, const char *out,
                         const char *said);

#endif
