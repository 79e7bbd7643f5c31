/* SPDX-License-Identifier: Apache-2.0 */
/* Who can ask for a moved address from outside. */
#include "provider/address_client.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "provider/address_ip.h"
#include "provider/remote.h"

#include <string.h>

static const char *
text_of (const json_t *o, const char *key)
{
  return json_string_value (json_object_get (o, key));
}

static const char *
moved_cidr (const json_t *entry)
{
  return text_of (json_object_get (entry, "address"), "move");
}

char *
client_host (const json_t *check)
{
  const char *url = text_of (check, "http");
  const char *tcp = text_of (check, "tcp");
  if (url == NULL && tcp == NULL)
    return NULL;
  const char *at = url == NULL ? NULL : strstr (url, "://");
  const char *host = at == NULL ? tcp : at + 3;
  if (host[0] == '[')
    return mem_strndup (host + 1, strcspn (host + 1, "]"));
  return mem_strndup (host, strcspn (host, ":/?#"));
}

const char *
client_switch (const json_t *switches, const char *host)
{
  size_t i;
  json_t *one;
  json_array_foreach (switches, i, one)
  {
    const char *cidr = moved_cidr (one);
    if (cidr != NULL && cidr_holds (cidr, host))
      return cidr;
  }
  return NULL;
}

static bool
moves (const json_t *switches, const char *local)
{
  size_t i;
  json_t *one;
  json_array_foreach (switches, i, one)
  {
    const char *cidr = moved_cidr (one);
    char *own CLEANUP_FREE = cidr == NULL ? NULL : cidr_address (cidr);
    if (own != NULL && strcmp (own, local) == 0)
      return true;
  }
  return false;
}

/* Is `host` in the network of an address that stays? */
static bool
on_link (const json_t *links, const json_t *switches, const char *host)
{
  size_t i;
  size_t k;
  json_t *link;
  json_t *one;
  json_array_foreach (links, i, link)
  {
    json_array_foreach (json_object_get (link, "addr_info"), k, one)
    {
      const char *local = text_of (one, "local");
      const char *scope = text_of (one, "scope");
      if (local == NULL || scope == NULL || strcmp (scope, "global") != 0
          || moves (switches, local))
        continue;
      char *cidr CLEANUP_FREE = mem_printf (
          "%s/%lld", local,
          (long long)json_integer_value (json_object_get (one, "prefixlen")));
      if (cidr_holds (cidr, host))
        return true;
    }
  }
  return false;
}

enum client_way
client_way (const json_t *links, const json_t *routes, const json_t *switches,
            const char *host)
{
  if (on_link (links, switches, host))
    return CLIENT_LINK;
  size_t i;
  json_t *route;
  json_array_foreach (routes, i, route)
  {
    const char *dst = text_of (route, "dst");
    const char *gateway = text_of (route, "gateway");
    const char *src = text_of (route, "prefsrc");
    if (dst == NULL || gateway == NULL
        || cidr_is_six (gateway) != cidr_is_six (host)
        || (strcmp (dst, "default") != 0 && !cidr_holds (dst, host))
        || (src != NULL && moves (switches, src)))
      continue;
    if (on_link (links, switches, gateway))
      return CLIENT_ROUTE;
  }
  return CLIENT_NONE;
}

static struct err *
way_from (struct port *p, const json_t *switches, const char *host,
          enum client_way *way)
{
  json_t *links CLEANUP_JSON = NULL;
  json_t *routes CLEANUP_JSON = NULL;
  TRY (
      remote_json (p, remote_argv (ARGV ("ip", "-j", "addr", "show")), &links));
  TRY (remote_json (p,
                    remote_argv (ARGV ("ip", "-j",
                                       cidr_is_six (host) ? "-6" : "-4",
                                       "route", "show")),
                    &routes));
  *way = client_way (links, routes, switches, host);
  return NULL;
}

struct err *
client_find (const struct step_call *call, const json_t *check,
             struct port **out, enum client_way *way)
{
  char *host CLEANUP_FREE = client_host (check);
  *out = call->controller != NULL ? call->controller : call->source;
  *way = CLIENT_LINK;
  if (host == NULL)
    return NULL;
  TRY (way_from (*out, plan_switch (call->plan), host, way));
  if (*way != CLIENT_NONE || call->controller == NULL)
    return NULL;
  *out = call->source;
  return way_from (*out, plan_switch (call->plan), host, way);
}
