/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks the smoke checks from outside: the controller where it is a third
 * host, else the source, which has to have a way to the moved address left.
 * Pure, but for client_find. */
#ifndef REHOME_PROVIDER_ADDRESS_CLIENT_H
#define REHOME_PROVIDER_ADDRESS_CLIENT_H

#include "provider/provider.h"

enum client_way {
  CLIENT_NONE,  /* nothing that stays leads there */
  CLIENT_ROUTE, /* a route by a gateway that stays in reach */
  CLIENT_LINK   /* an address that stays is in the same network */
};

/* What leads from the source to `host` once all of `switches` (the plan's
 * section) have gone; `links` and `routes` are what `ip -j addr show` and
 * `ip -j route show` say before. */
enum client_way client_way (const json_t *links, const json_t *routes,
                            const json_t *switches, const char *host);
/* The host that an http or a tcp check leads to, without brackets, NULL of a
 * command; the caller frees. */
char *client_host (const json_t *check);
/* The host that asks this check: the controller where there is a third one and
 * it gets there, else the source, then with the way that it has left (LINK
 * for a command). */
struct err *client_find (const struct step_call *call, const json_t *check,
                         struct port **out, enum client_way *way);
/* The first of `switches` whose network holds the host, borrowed; or NULL. */
const char *client_switch (const json_t *switches, const char *host);

#endif
