/* SPDX-License-Identifier: Apache-2.0 */
/* Smoke checks from outside are asked by the source, which has to have a way
 * to the moved address left.  Pure. */
#ifndef REHOME_PROVIDER_ADDRESS_CLIENT_H
#define REHOME_PROVIDER_ADDRESS_CLIENT_H

#include "wire/json.h"

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
/* The host of an http URL, without brackets; the caller frees. */
char *client_host (const char *url);
/* The first of `switches` whose network holds the host, borrowed; or NULL. */
const char *client_switch (const json_t *switches, const char *host);

#endif
