/* SPDX-License-Identifier: Apache-2.0 */
/* How clients reach the work: the addresses that are switched; see
 * sections.h. */
#include "plan/sections.h"

#include "base/mem.h"
#include "plan/check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

static bool
is_cidr (const char *s)
{
  int family;
  const char *slash = strchr (s, '/');
  if (slash == NULL || !check_is_address (s, (size_t)(slash - s), &family))
    return false;
  size_t digits = strlen (slash + 1);
  if (digits == 0 || digits > 3 || strspn (slash + 1, "0123456789") != digits)
    return false;
  return atoi (slash + 1) <= (family == AF_INET ? 32 : 128);
}

static bool
is_interface (const char *s)
{
  if (strlen (s) > 15 || strcmp (s, ".") == 0 || strcmp (s, "..") == 0)
    return false;
  for (; *s != '\0'; s++)
    if (!isgraph ((unsigned char)*s) || strchr ("/:%", *s) != NULL)
      return false;
  return true;
}

static struct err *
need_text (struct node map, const char *key, const char *what,
           bool (*is) (const char *), const char **out)
{
  struct node n = node_member (map, key);
  if (n.value == NULL)
    return node_fault (n, "RH-PLAN-MISSING", "no key \"%s\"; expected %s", key,
                       what);
  TRY (node_text (n, what, out));
  return is (*out) ? NULL : node_value_fault (n, what);
}

static bool
moves_already (const json_t *list, const char *cidr)
{
  if (cidr == NULL)
    return false;
  size_t len = strcspn (cidr, "/");
  for (size_t i = 0; i < json_array_size (list); i++) {
    const json_t *a = json_object_get (json_array_get (list, i), "address");
    const char *other = json_string_value (json_object_get (a, "move"));
    if (other != NULL && strcspn (other, "/") == len
        && strncmp (other, cidr, len) == 0)
      return true;
  }
  return false;
}

static struct err *
switch_entry (struct node entry, json_t *out)
{
  static const char *const kinds[] = { "address", NULL };
  static const char *const keys[] = { "move", "interface", NULL };
  static const char what[]
      = "a mapping such as address: {move: 10.77.0.10/24, interface: eth0}";
  const char *move = NULL, *interface = NULL;
  TRY (node_keys (entry, what, kinds));
  struct node a = node_member (entry, "address");
  TRY (node_keys (a, what, keys));
  TRY (need_text (a, "move",
                  "an address with its prefix length, such as 10.77.0.10/24",
                  is_cidr, &move));
  TRY (need_text (a, "interface", "the name of an interface, such as eth0",
                  is_interface, &interface));
  if (moves_already (out, move))
    return node_fault (entry, "RH-PLAN-TWICE",
                       "the address %s a second time; expected each once",
                       move);
  json_array_append_new (out, json_pack ("{s:{s:s, s:s}}", "address", "move",
                                         move, "interface", interface));
  return NULL;
}

struct err *
section_switch (struct node n, json_t **out)
{
  CLEANUP_JSON json_t *list = json_array ();
  if (n.value != NULL)
    TRY (node_list (n, "a list of names and addresses to switch"));
  for (size_t i = 0; n.value != NULL && i < json_array_size (n.value); i++)
    TRY (switch_entry (node_element (n, i), list));
  *out = STEAL (list);
  return NULL;
}
