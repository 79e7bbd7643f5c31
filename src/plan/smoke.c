/* SPDX-License-Identifier: Apache-2.0 */
/* The smoke checks of a plan; see sections.h. */
#include "plan/check.h"
#include "plan/sections.h"

#include <string.h>

/* Exactly one of them, and who it leads to; NULL of the endpoint: a command,
 * which leads nowhere by itself. */
static struct err *
smoke_kind (struct node entry, bool *loopback)
{
  static const char *const kinds[] = { "http", "tcp", "command", NULL };
  static const char http[] = "a URL such as http://10.77.0.10/ or "
                             "https://10.77.0.10/ with a numeric host or "
                             "localhost";
  static const char tcp[] = "a numeric host and a port, such as 10.77.0.10:25";
  struct node found = { .value = NULL };
  const char *text;
  *loopback = false;
  for (size_t i = 0; kinds[i] != NULL; i++) {
    struct node n = node_member (entry, kinds[i]);
    if (n.value == NULL)
      continue;
    if (found.value != NULL)
      return node_key_fault (n, "RH-PLAN-KEY",
                             "\"%s\" beside \"%s\"; expected one of them a "
                             "check",
                             n.key, found.key);
    found = n;
  }
  if (found.value == NULL)
    return node_fault (entry, "RH-PLAN-MISSING",
                       "a check that asks nothing; expected http, tcp or "
                       "command");
  if (strcmp (found.key, "command") == 0)
    return NULL;
  bool url = strcmp (found.key, "http") == 0;
  TRY (node_text (found, url ? http : tcp, &text));
  if (!(url ? check_is_url (text, loopback)
            : check_is_endpoint (text, loopback)))
    return node_value_fault (found, url ? http : tcp);
  return NULL;
}

static struct err *
smoke_from (struct node entry, bool loopback, const char **out)
{
  static const char *const sides[] = { "target", "controller", NULL };
  struct node n = node_member (entry, "from");
  bool command = json_object_get (entry.value, "command") != NULL;
  size_t which = loopback || command ? 0 : 1;
  if (n.value != NULL)
    TRY (node_choice (n, sides, &which));
  if (loopback && which == 1)
    return node_value_fault (
        n, "target, because a loopback address leads to the host itself");
  *out = sides[which];
  return NULL;
}

static struct err *
smoke_status (struct node entry)
{
  struct node n = node_member (entry, "status");
  long status;
  if (n.value == NULL)
    return NULL;
  if (json_object_get (entry.value, "http") != NULL)
    return node_int (n, "a status of HTTP between 100 and 599", 100, 599,
                     &status);
  if (json_object_get (entry.value, "command") != NULL)
    return node_int (n, "an exit status between 0 and 255", 0, 255, &status);
  return NULL;
}

/* What the check itself refuses names a key: there it stands. */
static struct err *
smoke_fits (struct node entry)
{
  static const char *const keys[]
      = { "command", "status", "name", "ca", "fingerprint" };
  CLEANUP_ERR struct err *e = check_fits (entry.value);
  if (e == NULL)
    return NULL;
  struct node at = entry;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    size_t len = strlen (keys[i]);
    if (strncmp (err_message (e) + 1, keys[i], len) == 0
        && err_message (e)[len + 1] == '\'')
      at = node_member (entry, keys[i]);
  }
  return node_fault (at, err_code (e), "%s", err_message (e));
}

static struct err *
smoke_entry (struct node entry, json_t *out)
{
  static const char *const keys[]
      = { "http", "tcp",  "command",     "status", "name",
          "ca",   "from", "fingerprint", NULL };
  const char *from = NULL;
  bool loopback = false;
  TRY (node_keys (entry, "a mapping such as {http: URL, status: 200}", keys));
  TRY (smoke_kind (entry, &loopback));
  TRY (smoke_status (entry));
  TRY (smoke_from (entry, loopback, &from));
  TRY (smoke_fits (entry));
  json_t *one = json_deep_copy (entry.value);
  if (json_object_get (one, "tcp") == NULL)
    json_object_set_new (one, "status", json_integer (check_wants (one)));
  json_object_set_new (one, "from", json_string (from));
  json_array_append_new (out, one);
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
