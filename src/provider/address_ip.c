/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and routes as ip(8) tells and takes them. */
#include "provider/address_ip.h"

#include "base/buf.h"
#include "base/mem.h"
#include "provider/address.h"
#include "provider/steps.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

char *
cidr_address (const char *cidr)
{
  return mem_strndup (cidr, strcspn (cidr, "/"));
}

char *
cidr_slug (const char *cidr)
{
  char *slug = mem_strdup (cidr);
  for (char *c = slug; *c != '\0'; c++)
    if (!isalnum ((unsigned char)*c))
      *c = '-';
  return slug;
}

bool
cidr_is_six (const char *cidr)
{
  return strchr (cidr, ':') != NULL;
}

bool
cidr_holds (const char *cidr, const char *address)
{
  unsigned char a[16] = { 0 };
  unsigned char b[16] = { 0 };
  char *own CLEANUP_FREE = cidr_address (cidr);
  const char *slash = strchr (cidr, '/');
  int family = cidr_is_six (cidr) ? AF_INET6 : AF_INET;
  int bits = slash == NULL ? (family == AF_INET ? 32 : 128) : atoi (slash + 1);
  if (inet_pton (family, own, a) != 1 || inet_pton (family, address, b) != 1
      || bits < 0 || bits > (family == AF_INET ? 32 : 128))
    return false;
  for (int i = 0; i < bits; i++) {
    unsigned char mask = (unsigned char)(0x80 >> (i % 8));
    if ((a[i / 8] & mask) != (b[i / 8] & mask))
      return false;
  }
  return true;
}

static const char *
text_of (const json_t *o, const char *key)
{
  return json_string_value (json_object_get (o, key));
}

const json_t *
ip_find (const json_t *links, const char *cidr, const char **interface)
{
  char *want CLEANUP_FREE = cidr_address (cidr);
  size_t i;
  size_t k;
  json_t *link;
  json_t *one;
  json_array_foreach (links, i, link)
  {
    json_array_foreach (json_object_get (link, "addr_info"), k, one)
    {
      const char *local = text_of (one, "local");
      if (local == NULL || strcmp (local, want) != 0)
        continue;
      if (interface != NULL)
        *interface = text_of (link, "ifname");
      return one;
    }
  }
  return NULL;
}

static const json_t *
link_of (const json_t *links, const char *interface)
{
  size_t i;
  json_t *link;
  json_array_foreach (links, i, link)
  {
    const char *name = text_of (link, "ifname");
    if (name != NULL && strcmp (name, interface) == 0)
      return link;
  }
  return NULL;
}

static bool
is_global (const json_t *entry)
{
  const char *scope = text_of (entry, "scope");
  return scope != NULL && strcmp (scope, "global") == 0
         && text_of (entry, "local") != NULL;
}

json_t *
ip_family (const json_t *links, const char *interface, const char *like)
{
  json_t *found = json_array ();
  const char *family = cidr_is_six (like) ? "inet6" : "inet";
  size_t i;
  json_t *one;
  json_array_foreach (json_object_get (link_of (links, interface), "addr_info"),
                      i, one)
  {
    const char *own = text_of (one, "family");
    if (own != NULL && strcmp (own, family) == 0 && is_global (one))
      json_array_append (found, one);
  }
  return found;
}

const char *
ip_interface_for (const json_t *links, const char *cidr)
{
  size_t i;
  size_t k;
  json_t *link;
  json_t *one;
  json_array_foreach (links, i, link)
  {
    json_array_foreach (json_object_get (link, "addr_info"), k, one)
    {
      if (is_global (one) && cidr_holds (cidr, text_of (one, "local")))
        return text_of (link, "ifname");
    }
  }
  return NULL;
}

char *
ip_addr_line (const char *verb, const json_t *entry, const char *interface)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  const char *local = text_of (entry, "local");
  err_free (buf_printf (&b, "addr %s %s/%lld", verb, local,
                        (long long)json_integer_value (
                            json_object_get (entry, "prefixlen"))));
  if (strcmp (verb, "del") != 0) {
    const char *brd = text_of (entry, "broadcast");
    const char *label = text_of (entry, "label");
    const json_t *metric = json_object_get (entry, "metric");
    if (brd != NULL)
      err_free (buf_printf (&b, " broadcast %s", brd));
    if (label != NULL && !cidr_is_six (local))
      err_free (buf_printf (&b, " label %s", label));
    if (json_is_true (json_object_get (entry, "noprefixroute")))
      err_free (buf_put_str (&b, " noprefixroute"));
    if (json_is_integer (metric))
      err_free (buf_printf (&b, " metric %lld",
                            (long long)json_integer_value (metric)));
    if (cidr_is_six (local))
      err_free (buf_put_str (&b, " nodad"));
  }
  err_free (buf_printf (&b, " dev %s", interface));
  if (strcmp (verb, "del") != 0
      && json_is_true (json_object_get (entry, "deprecated")))
    err_free (buf_put_str (&b, " preferred_lft 0"));
  return buf_steal_str (&b);
}

char *
ip_route_line (const json_t *route, const char *interface)
{
  static const char *const words[][2] = { { "gateway", "via" },
                                          { "protocol", "proto" },
                                          { "scope", "scope" },
                                          { "prefsrc", "src" } };
  const char *dst = text_of (route, "dst");
  const char *proto = text_of (route, "protocol");
  if (dst == NULL || (proto != NULL && strcmp (proto, "kernel") == 0)
      || (proto != NULL && strcmp (proto, "ra") == 0))
    return NULL;
  struct buf b CLEANUP_BUF = BUF_INIT;
  err_free (buf_printf (&b, "route replace %s", dst));
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    const char *value = text_of (route, words[i][0]);
    if (value != NULL)
      err_free (buf_printf (&b, " %s %s", words[i][1], value));
  }
  err_free (buf_printf (&b, " dev %s", interface));
  const json_t *metric = json_object_get (route, "metric");
  if (json_is_integer (metric))
    err_free (buf_printf (&b, " metric %lld",
                          (long long)json_integer_value (metric)));
  size_t i;
  json_t *flag;
  json_array_foreach (json_object_get (route, "flags"), i, flag)
  {
    if (json_is_string (flag)
        && strcmp (json_string_value (flag), "onlink") == 0)
      err_free (buf_put_str (&b, " onlink"));
  }
  return buf_steal_str (&b);
}

static void
add_line (json_t *lines, char *line)
{
  if (line != NULL)
    json_array_append_new (lines, json_string (line));
  free (line);
}

/* Routes that speak from `without` or one of `gone` are left out. */
static void
add_routes (json_t *lines, const json_t *record, const char *without,
            const json_t *gone)
{
  const char *interface = text_of (record, "interface");
  size_t i;
  json_t *route;
  json_array_foreach (json_object_get (record, "routes"), i, route)
  {
    const char *src = text_of (route, "prefsrc");
    if (src != NULL
        && ((without != NULL && strcmp (src, without) == 0)
            || words_have (gone, src)))
      continue;
    add_line (lines, ip_route_line (route, interface));
  }
}

json_t *
address_take_batch (const json_t *record, const json_t *gone)
{
  json_t *lines = json_array ();
  const char *cidr = text_of (record, "cidr");
  const char *interface = text_of (record, "interface");
  char *own CLEANUP_FREE = cidr_address (cidr);
  size_t i;
  json_t *one;
  json_array_append_new (lines,
                         json_sprintf ("addr del %s dev %s", cidr, interface));
  json_array_foreach (json_object_get (record, "addresses"), i, one)
  {
    const char *local = text_of (one, "local");
    if (strcmp (local, own) != 0 && !words_have (gone, local))
      add_line (lines, ip_addr_line ("replace", one, interface));
  }
  add_routes (lines, record, own, gone);
  return lines;
}

/* All go and come again in their order: it decides which is primary.  Those of
 * the network of `cidr`, or (NULL) all. */
static json_t *
restore (const json_t *record, const char *cidr)
{
  static const char *const verbs[] = { "del", "add" };
  json_t *lines = json_array ();
  const char *interface = text_of (record, "interface");
  size_t i;
  json_t *one;
  for (size_t v = 0; v < sizeof verbs / sizeof verbs[0]; v++)
    json_array_foreach (json_object_get (record, "addresses"), i, one)
    {
      if (cidr == NULL || cidr_holds (cidr, text_of (one, "local")))
        add_line (lines, ip_addr_line (verbs[v], one, interface));
    }
  add_routes (lines, record, NULL, NULL);
  return lines;
}

json_t *
address_restore_batch (const json_t *record)
{
  return restore (record, text_of (record, "cidr"));
}

json_t *
address_restore_all_batch (const json_t *record)
{
  return restore (record, NULL);
}

/* Entries of the same interface before `move`: array of their CIDRs. */
static json_t *
before (const json_t *switches, const json_t *move)
{
  json_t *found = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (switches, i, one)
  {
    const json_t *other = json_object_get (one, "address");
    if (other == NULL)
      continue;
    if (strcmp (text_of (other, "move"), text_of (move, "move")) == 0)
      break;
    if (strcmp (text_of (other, "interface"), text_of (move, "interface")) == 0)
      json_array_append (found, json_object_get (other, "move"));
  }
  return found;
}

json_t *
address_taken_before (const json_t *switches, const json_t *move)
{
  json_t *gone = json_array ();
  json_t *list CLEANUP_JSON = before (switches, move);
  size_t i;
  json_t *one;
  json_array_foreach (list, i, one)
  {
    char *address CLEANUP_FREE = cidr_address (json_string_value (one));
    json_array_append_new (gone, json_string (address));
  }
  return gone;
}

bool
address_back_before (const json_t *switches, const json_t *move)
{
  json_t *list CLEANUP_JSON = before (switches, move);
  const char *cidr = text_of (move, "move");
  char *own CLEANUP_FREE = cidr_address (cidr);
  size_t i;
  json_t *one;
  json_array_foreach (list, i, one)
  {
    char *other CLEANUP_FREE = cidr_address (json_string_value (one));
    if (cidr_holds (json_string_value (one), own) && cidr_holds (cidr, other))
      return true;
  }
  return false;
}
