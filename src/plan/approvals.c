/* SPDX-License-Identifier: Apache-2.0 */
/* Who approves, by role; see sections.h. */
#include "plan/sections.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define MOST_ROLES 2
#define MOST_PEOPLE 20
#define NAME_MAX_LEN 100
#define KEY_MAX_LEN 4096

static bool
is_plain (const char *s, size_t most, const char *also)
{
  for (const char *c = s; *c != '\0'; c++)
    if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-'
          || strchr (also, *c) != NULL))
      return false;
  return *s != '\0' && *s != '-' && strlen (s) <= most;
}

/* A line of its own in what is signed. */
static bool
is_line (const char *s)
{
  for (const char *c = s; *c != '\0'; c++)
    if ((unsigned char)*c < ' ' || *c == 0x7f)
      return false;
  return *s != '\0' && *s != ' ' && strlen (s) <= NAME_MAX_LEN;
}

/* The blob of a public key begins with its type, as the line does (RFC 4253,
 * 6.6: a 32-bit length, then the name). */
static bool
is_key (const char *type, size_t type_len, const char *base64)
{
  CLEANUP_FREE unsigned char *blob = NULL;
  size_t len = 0;
  CLEANUP_ERR struct err *e = text_unbase64 (base64, &blob, &len);
  return e == NULL && len > 4 + type_len && blob[0] == 0 && blob[1] == 0
         && (size_t)(blob[2] << 8 | blob[3]) == type_len
         && memcmp (blob + 4, type, type_len) == 0;
}

/* "TYPE BASE64" of a line as a .pub file has it, or NULL; the caller frees. */
static char *
key_words (const char *line)
{
  size_t type = strcspn (line, " ");
  if (strlen (line) > KEY_MAX_LEN || type == 0 || line[type] == '\0')
    return NULL;
  size_t end = strcspn (line + type + 1, " ");
  CLEANUP_FREE char *base64 = mem_strndup (line + type + 1, end);
  return is_key (line, type, base64) ? mem_strndup (line, type + 1 + end)
                                     : NULL;
}

static struct err *
member_text (struct node map, const char *key, const char *what,
             struct node *at, const char **out)
{
  *at = node_member (map, key);
  if (at->value == NULL)
    return node_fault (map, "RH-PLAN-MISSING", "no key \"%s\"; expected %s",
                       key, what);
  return node_text (*at, what, out);
}

/* No two roles have the same person, and no two people the same key. */
static bool
is_known (const json_t *roles, const json_t *people, const char *key,
          const char *value)
{
  size_t i, j;
  json_t *role, *one;
  json_array_foreach (people, j, one)
  {
    const char *was = json_string_value (json_object_get (one, key));
    if (was != NULL && strcmp (was, value) == 0)
      return true;
  }
  json_array_foreach (roles, i, role)
  {
    if (is_known (NULL, json_object_get (role, "people"), key, value))
      return true;
  }
  return false;
}

static struct err *
read_account (struct node entry, bool needed, const char **out)
{
  static const char what[]
      = "the account by which the approver works here, such as anna: where two "
        "roles are asked for, it may not ask for what it approved";
  struct node n = node_member (entry, "account");
  *out = NULL;
  if (n.value == NULL && !needed)
    return NULL;
  TRY (member_text (entry, "account", what, &n, out));
  return is_plain (*out, 32, "_.ABCDEFGHIJKLMNOPQRSTUVWXYZ")
             ? NULL
             : node_value_fault (n, what);
}

static struct err *
read_person (struct node entry, bool two, const json_t *roles, json_t *people)
{
  static const char *const keys[] = { "name", "key", "account", NULL };
  static const char form[] = "a person: a mapping with name, key, account";
  static const char named[] = "the name of a person, each once";
  static const char keyed[]
      = "a public ssh key, each once, such as \"ssh-ed25519 AAAA...\"";
  const char *name = "", *key = "", *account = NULL;
  struct node n, k;
  TRY (node_keys (entry, form, keys));
  TRY (member_text (entry, "name", named, &n, &name));
  TRY (member_text (entry, "key", keyed, &k, &key));
  TRY (read_account (entry, two, &account));
  CLEANUP_FREE char *words = key_words (key);
  if (!is_line (name))
    return node_value_fault (n, named);
  if (words == NULL)
    return node_value_fault (k, keyed);
  if (is_known (roles, people, "name", name))
    return node_fault (n, "RH-PLAN-TWICE",
                       "%s a second time; expected each person once", name);
  if (is_known (roles, people, "key", words))
    return node_fault (k, "RH-PLAN-TWICE",
                       "a key a second time; expected one of each person");
  json_array_append_new (people, json_pack ("{s:s, s:s, s:s*}", "name", name,
                                            "key", words, "account", account));
  return NULL;
}

static struct err *
read_people (struct node n, bool two, const json_t *roles, json_t *people)
{
  static const char what[] = "a list of the people, at least one";
  TRY (node_list (n, what));
  size_t count = json_array_size (n.value);
  if (count == 0 || count > MOST_PEOPLE)
    return node_value_fault (n, what);
  for (size_t i = 0; i < count; i++)
    TRY (read_person (node_element (n, i), two, roles, people));
  return NULL;
}

static struct err *
read_role (struct node entry, bool two, json_t *roles)
{
  static const char *const keys[] = { "role", "people", NULL };
  static const char what[] = "a role: a-z, 0-9 and -, each once";
  CLEANUP_JSON json_t *people = json_array ();
  const char *role = "";
  struct node n;
  TRY (node_keys (entry, "a mapping with role and people", keys));
  TRY (member_text (entry, "role", what, &n, &role));
  if (!is_plain (role, 32, "") || is_known (NULL, roles, "role", role))
    return node_value_fault (n, what);
  struct node list = node_member (entry, "people");
  if (list.value == NULL)
    return node_fault (entry, "RH-PLAN-MISSING",
                       "no key \"people\"; expected "
                       "a list of them");
  TRY (read_people (list, two, roles, people));
  json_array_append_new (roles, json_pack ("{s:s, s:O}", "role", role, "people",
                                           people));
  return NULL;
}

struct err *
section_approvals (struct node n, json_t **out)
{
  static const char what[] = "a list of at most two roles";
  CLEANUP_JSON json_t *roles = json_array ();
  if (n.value != NULL)
    TRY (node_list (n, what));
  size_t count = n.value != NULL ? json_array_size (n.value) : 0;
  if (count > MOST_ROLES)
    return node_value_fault (n, what);
  for (size_t i = 0; i < count; i++)
    TRY (read_role (node_element (n, i), count == MOST_ROLES, roles));
  *out = STEAL (roles);
  return NULL;
}
