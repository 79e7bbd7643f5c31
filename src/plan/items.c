/* SPDX-License-Identifier: Apache-2.0 */
/* The items of a plan: which kind each is, its spec, its order; items.h. */
#include "plan/items.h"

#include "base/mem.h"

#include <string.h>

#define ITEMS_MAX 1000

/* Kinds that rehome is to know; find() says which this version does. */
static const char *const kind_words[]
    = { "files",      "accounts", "service",    "cron", "mariadb",
        "postgresql", "address",  "containers", "mail", NULL };

static struct err *
unknown_kind (struct node key, const struct plan_kinds *kinds)
{
  const char *near = node_nearest (key.key, kind_words);
  if (near != NULL && strcmp (near, key.key) == 0)
    return node_key_fault (
        key, "RH-PLAN-NOTYET",
        strcmp (near, "address") == 0
            ? "the kind \"%s\" among items; expected it under cutover, switch"
            : "the kind \"%s\", which this version does not move yet; "
              "expected files, accounts, service, cron, mariadb, "
              "postgresql or sqlite",
        near);
  CLEANUP_FREE char *guess = near != NULL && kinds->find (near) != NULL
                                 ? mem_printf (" (did you mean \"%s\"?)", near)
                                 : mem_strdup ("");
  return node_key_fault (key, "RH-PLAN-KIND",
                         "no key of this item is a kind: \"%.80s\"%s; expected "
                         "files, accounts, service, cron, mariadb, "
                         "postgresql or sqlite",
                         key.key, guess);
}

/* The one key of the item that is a kind. */
static struct err *
find_kind (struct node item, const struct plan_kinds *kinds,
           const struct plan_kind **out)
{
  const char *key, *first = NULL;
  json_t *value;
  *out = NULL;
  TRY (node_map (item, "an item: a mapping such as files: /srv/shop"));
  json_object_foreach ((json_t *)item.value, key, value)
  {
    const struct plan_kind *kind = kinds->find (key);
    if (first == NULL)
      first = key;
    if (kind != NULL && *out != NULL)
      return node_key_fault (node_member (item, key), "RH-PLAN-KIND",
                             "the kind \"%s\" beside \"%s\"; expected one kind "
                             "an item",
                             key, (*out)->kind);
    if (kind != NULL)
      *out = kind;
  }
  if (*out != NULL)
    return NULL;
  if (first == NULL)
    return node_expected (item, "an item: a mapping such as files: /srv/shop");
  return unknown_kind (node_member (item, first), kinds);
}

/* The item's mapping with the kind first and without what is common to all
 * kinds. */
static json_t *
spec_of (const json_t *item, const char *kind)
{
  const char *key;
  json_t *value, *spec = json_object ();
  json_object_set (spec, kind, json_object_get (item, kind));
  json_object_foreach ((json_t *)item, key, value)
  {
    if (strcmp (key, kind) != 0 && strcmp (key, "after") != 0)
      json_object_set (spec, key, value);
  }
  return spec;
}

/* The next word in single or double quotes from *at on; the caller frees. */
static char *
next_quoted (const char **at)
{
  const char *open = *at + strcspn (*at, "'\"");
  if (*open == '\0')
    return NULL;
  const char *shut = strchr (open + 1, *open);
  *at = shut != NULL ? shut + 1 : open + 1;
  return mem_strndup (open + 1, shut != NULL ? (size_t)(shut - open) - 1 : 0);
}

/* Goes from `n` to the part that a quoted word of a message names: a member,
 * a member's member ("ready.http"), or an element. */
static bool
step_into (struct node *n, const char *word)
{
  size_t len = strcspn (word, ".");
  for (size_t i = 0; json_is_array (n->value) && i < json_array_size (n->value);
       i++)
  {
    const char *text = json_string_value (json_array_get (n->value, i));
    if (text != NULL && strcmp (text, word) == 0) {
      *n = node_element (*n, i);
      return true;
    }
  }
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)n->value, key, value)
  {
    if (strlen (key) != len || strncmp (key, word, len) != 0)
      continue;
    *n = node_member (*n, key);
    if (word[len] == '.')
      step_into (n, word + len + 1);
    return true;
  }
  return false;
}

/* The part of an item that a provider's message quotes, else the item. */
static struct node
locate (struct node item, const char *message)
{
  for (;;) {
    CLEANUP_FREE char *word = next_quoted (&message);
    if (word == NULL)
      return item;
    step_into (&item, word);
  }
}

/* The provider's word on its spec, with the place in front. */
static struct err *
check_spec (struct node item, const struct plan_kind *kind, const json_t *spec)
{
  CLEANUP_ERR struct err *e = kind->check != NULL ? kind->check (spec) : NULL;
  if (e == NULL)
    return NULL;
  const char *code = err_code (e), *text = err_message (e);
  bool own = strncmp (code, "RH-PLAN-", 8) == 0;
  struct node n = locate (item, text);
  CLEANUP_ERR struct err *placed
      = strcmp (code, "RH-PLAN-KEY") == 0 && n.key != NULL
            ? node_key_fault (n, "RH-PLAN-ITEM", "%s: %s", kind->kind, text)
            : node_fault (n, "RH-PLAN-ITEM", "%s: %s", kind->kind, text);
  return err_remote (ERR_CORRECT, own ? code : "RH-PLAN-ITEM",
                     err_message (placed), err_safe (e), err_advice (e));
}

static struct err *
check_after (struct node n)
{
  const char *name;
  if (n.value == NULL)
    return NULL;
  TRY (node_list (n, "a list of items, such as [\"files:/srv/shop\"]"));
  for (size_t i = 0; i < json_array_size (n.value); i++)
    TRY (node_text (node_element (n, i), "an item, such as files:/srv/shop",
                    &name));
  return NULL;
}

static long
find_item (const struct items *items, const char *name)
{
  for (size_t i = 0; i < items->list.n; i++)
    if (strcmp (items->list.v[i].name, name) == 0)
      return (long)i;
  return -1;
}

static struct err *
read_item (struct node n, const struct plan_kinds *kinds, struct items *out)
{
  const struct plan_kind *kind;
  TRY (find_kind (n, kinds, &kind));
  if (kind == NULL)
    return err_new (ERR_BUG, "RH-PLAN-KIND", "an item without a kind");
  struct node after = node_member (n, "after");
  TRY (check_after (after));
  CLEANUP_JSON json_t *spec = spec_of (n.value, kind->kind);
  TRY (check_spec (n, kind, spec));
  CLEANUP_FREE char *own = kind->name (spec);
  CLEANUP_FREE char *name = mem_printf ("%s:%s", kind->kind, own);
  long twin = find_item (out, name);
  if (twin >= 0)
    return node_fault (n, "RH-PLAN-TWICE",
                       "the item %.200s again, after line %d; expected each "
                       "item once",
                       name, out->list.v[twin].line);
  const struct yaml_mark *m = yaml_mark_of (n.doc, n.in, n.key, n.index);
  *VEC_PUSH (&out->list) = (struct plan_item){ .kind = kind->kind,
                                               .name = STEAL (name),
                                               .spec = STEAL (spec),
                                               .line = m->at.line,
                                               .column = m->at.column,
                                               .after = after.value };
  return NULL;
}

/* The nearest name of an item, for a slip in `after`. */
static const char *
near_item (const struct items *items, const char *word)
{
  CLEANUP_FREE const char **names
      = mem_alloc ((items->list.n + 1) * sizeof *names);
  for (size_t i = 0; i < items->list.n; i++)
    names[i] = items->list.v[i].name;
  return node_nearest (word, names);
}

static struct err *
check_names (struct node after, const struct items *items)
{
  for (size_t i = 0; i < json_array_size (after.value); i++) {
    struct node n = node_element (after, i);
    const char *word = json_string_value (n.value);
    if (find_item (items, word) >= 0)
      continue;
    const char *near = near_item (items, word);
    if (near != NULL)
      return node_fault (n, "RH-PLAN-VALUE",
                         "after: no item is called \"%.200s\" (did you mean "
                         "\"%.200s\"?); expected an item of this plan",
                         word, near);
    return node_fault (n, "RH-PLAN-VALUE",
                       "after: no item is called \"%.200s\"; expected an "
                       "item of this plan",
                       word);
  }
  return NULL;
}

/* Walks `after` from item `i`; 1: on the way, 2: no cycle below. */
static struct err *
walk (struct node list, const struct items *items, size_t i, char *state)
{
  const json_t *after = items->list.v[i].after;
  state[i] = 1;
  for (size_t k = 0; k < json_array_size (after); k++) {
    const char *word = json_string_value (json_array_get (after, k));
    long next = find_item (items, word);
    if (state[next] == 1)
      return node_fault (
          node_element (node_member (node_element (list, i), "after"), k),
          "RH-GRAPH-CYCLE",
          "%.200s comes after %.200s, which comes after it; expected an "
          "order without a cycle",
          items->list.v[i].name, word);
    if (state[next] == 0)
      TRY (walk (list, items, (size_t)next, state));
  }
  state[i] = 2;
  return NULL;
}

static struct err *
check_order (struct node list, const struct items *items)
{
  CLEANUP_FREE char *state = mem_alloc (items->list.n + 1);
  for (size_t i = 0; i < items->list.n; i++)
    TRY (check_names (node_member (node_element (list, i), "after"), items));
  for (size_t i = 0; i < items->list.n; i++)
    if (state[i] == 0)
      TRY (walk (list, items, i, state));
  return NULL;
}

struct err *
items_read (struct node n, const struct plan_kinds *kinds, struct items *out)
{
  TRY (node_list (n, "a list of items, each on a line that begins with -"));
  size_t count = json_array_size (n.value);
  if (count == 0)
    return node_value_fault (n, "at least one item");
  if (count > ITEMS_MAX)
    return node_fault (n, "RH-PLAN-SIZE",
                       "%zu items; expected at most %d in a plan", count,
                       ITEMS_MAX);
  for (size_t i = 0; i < count; i++)
    TRY (read_item (node_element (n, i), kinds, out));
  return check_order (n, out);
}

void
items_clear (struct items *items)
{
  for (size_t i = 0; i < items->list.n; i++) {
    free ((char *)items->list.v[i].name);
    json_decref ((json_t *)items->list.v[i].spec);
  }
  VEC_FREE (&items->list);
}
