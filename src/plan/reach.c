/* SPDX-License-Identifier: Apache-2.0 */
/* How clients reach the work: the addresses that are switched and the smoke
 * checks; see sections.h. */
#include "plan/sections.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

static bool
is_numeric (const char *s, size_t len, int *family)
{
  unsigned char bytes[16];
  char text[INET6_ADDRSTRLEN];
  if (len == 0 || len >= sizeof text)
    return false;
  memcpy (text, s, len);
  text[len] = '\0';
  *family = strchr (text, ':') != NULL ? AF_INET6 : AF_INET;
  return inet_pton (*family, text, bytes) == 1;
}

static bool
is_cidr (const char *s)
{
  int family;
  const char *slash = strchr (s, '/');
  if (slash == NULL || !is_numeric (s, (size_t)(slash - s), &family))
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

/* http://HOST[:PORT][/PATH] with a numeric host or localhost; `loopback` says
 * whether it only leads to the host itself. */
static bool
is_url (const char *url, bool *loopback)
{
  const char *host = url + strlen ("http://"), *end;
  int family;
  for (const char *c = url; *c != '\0'; c++)
    if (!isgraph ((unsigned char)*c))
      return false;
  if (strncmp (url, "http://", 7) != 0 || strlen (url) > 2000)
    return false;
  bool bracket = *host == '[';
  host += bracket;
  end = host + strcspn (host, bracket ? "]" : ":/?#");
  size_t len = (size_t)(end - host);
  if (bracket && *end++ != ']')
    return false;
  bool local = !bracket && len == 9 && strncmp (host, "localhost", 9) == 0;
  if (!local
      && (!is_numeric (host, len, &family) || (family == AF_INET6) != bracket))
    return false;
  *loopback
      = local || (family == AF_INET && strncmp (host, "127.", 4) == 0)
        || (family == AF_INET6 && len == 3 && strncmp (host, "::1", 3) == 0);
  if (*end != ':')
    return *end == '\0' || *end == '/' || *end == '?';
  size_t digits = strspn (end + 1, "0123456789");
  char after = end[1 + digits];
  return digits > 0 && digits <= 5 && atoi (end + 1) >= 1
         && atoi (end + 1) <= 65535
         && (after == '\0' || after == '/' || after == '?');
}

static struct err *
smoke_from (struct node n, bool loopback, const char **out)
{
  static const char *const sides[] = { "target", "controller", NULL };
  size_t which = loopback ? 0 : 1;
  if (n.value != NULL)
    TRY (node_choice (n, sides, &which));
  if (loopback && which == 1)
    return node_value_fault (
        n, "target, because a loopback address leads to the host itself");
  *out = sides[which];
  return NULL;
}

static struct err *
smoke_entry (struct node entry, json_t *out)
{
  static const char *const keys[] = { "http", "status", "from", NULL };
  static const char what[]
      = "a URL such as http://10.77.0.10/ with a numeric host or localhost";
  const char *url, *from = NULL;
  long status = 200;
  bool loopback = false;
  TRY (node_keys (entry, "a mapping such as {http: URL, status: 200}", keys));
  struct node n = node_member (entry, "http");
  if (n.value == NULL)
    return node_fault (n, "RH-PLAN-MISSING", "no key \"http\"; expected %s",
                       what);
  TRY (node_text (n, what, &url));
  if (strncmp (url, "https://", 8) == 0)
    return node_fault (n, "RH-PLAN-NOTYET",
                       "http: found a URL with https, which smoke checks "
                       "cannot do yet; expected %s",
                       what);
  if (!is_url (url, &loopback))
    return node_value_fault (n, what);
  struct node s = node_member (entry, "status");
  if (s.value != NULL)
    TRY (node_int (s, "a status of HTTP between 100 and 599", 100, 599,
                   &status));
  TRY (smoke_from (node_member (entry, "from"), loopback, &from));
  json_array_append_new (out,
                         json_pack ("{s:s, s:I, s:s}", "http", url, "status",
                                    (json_int_t)status, "from", from));
  return NULL;
}

struct err *
section_smoke (struct node n, json_t **out)
{
  CLEANUP_JSON json_t *list = json_array ();
  if (n.value != NULL)
    TRY (node_list (n, "a list of smoke checks"));
  for (size_t i = 0; n.value != NULL && i < json_array_size (n.value); i++)
    TRY (smoke_entry (node_element (n, i), list));
  *out = STEAL (list);
  return NULL;
}
