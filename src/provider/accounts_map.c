/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map of ids.  Users and groups are treated alike as a list of (name, id)
 * on each host:
 *   1. what both know by the same name becomes the target's id;
 *   2. what is moved keeps its id where no other name on the target has it;
 *   3. what is moved and whose id is taken gets one that is free on both;
 *   4. what is not moved, is not on the target by name, and whose id now
 *      belongs to another there, gets a free id too, so that no file changes
 *      hands and the map can be reversed.
 */
#include "base/mem.h"
#include "provider/accounts_db.h"

#include <string.h>

struct named {
  const char *name;
  uint32_t id;
};

struct names {
  struct named *v;
  size_t n;
};

static void
names_free (struct names *n)
{
  free (n->v);
}

static const struct named *
by_name (const struct names *n, const char *name)
{
  for (size_t i = 0; i < n->n; i++)
    if (strcmp (n->v[i].name, name) == 0)
      return &n->v[i];
  return NULL;
}

static const struct named *
by_id (const struct names *n, uint32_t id)
{
  for (size_t i = 0; i < n->n; i++)
    if (n->v[i].id == id)
      return &n->v[i];
  return NULL;
}

static struct names
users_of (const struct accounts_db *db)
{
  struct names n = { mem_alloc ((db->users_n + 1) * sizeof *n.v), 0 };
  for (size_t i = 0; i < db->users_n; i++)
    n.v[n.n++] = (struct named){ db->users[i].name, db->users[i].uid };
  return n;
}

static struct names
groups_of (const struct accounts_db *db)
{
  struct names n = { mem_alloc ((db->groups_n + 1) * sizeof *n.v), 0 };
  for (size_t i = 0; i < db->groups_n; i++)
    n.v[n.n++] = (struct named){ db->groups[i].name, db->groups[i].gid };
  return n;
}

/* The map under construction for one of the two kinds. */
struct mapping {
  const char *kind;
  struct names source, target;
  uint32_t *to; /* for each of source.v */
  bool *set;
  const json_t *move;
};

static bool
is_moved (const struct mapping *m, const char *name)
{
  size_t i;
  json_t *one;
  json_array_foreach (m->move, i, one)
  {
    if (strcmp (json_string_value (one), name) == 0)
      return true;
  }
  return false;
}

static bool
is_given (const struct mapping *m, uint32_t id)
{
  for (size_t i = 0; i < m->source.n; i++)
    if (m->set[i] && m->to[i] == id)
      return true;
  return false;
}

/* Free on both hosts and not given yet; ordinary ids go up from 1000, ids of
 * the system down from 999. */
static struct err *
free_id (const struct mapping *m, uint32_t like, uint32_t *out)
{
  bool ordinary = like >= 1000;
  for (uint32_t id = ordinary ? 1000 : 999; ordinary ? id < 60000 : id > 100;
       id = ordinary ? id + 1 : id - 1)
    if (by_id (&m->source, id) == NULL && by_id (&m->target, id) == NULL
        && !is_given (m, id))
    {
      *out = id;
      return NULL;
    }
  return err_new (ERR_BLOCKED, "RH-ACCOUNTS-FULL",
                  "no %s id is free on both hosts", m->kind);
}

static void
give (struct mapping *m, size_t i, uint32_t id)
{
  m->to[i] = id;
  m->set[i] = true;
}

/* Two names with one id (toor, root) are one id: the first decides. */
static bool
is_alias (struct mapping *m, size_t i)
{
  for (size_t k = 0; k < i; k++)
    if (m->source.v[k].id == m->source.v[i].id)
      return true;
  return false;
}

/* Rules 2, 3 and 4 for one name. */
static struct err *
settle (struct mapping *m, size_t i, json_t *aside)
{
  const struct named *who = &m->source.v[i];
  const struct named *taken = by_id (&m->target, who->id);
  uint32_t id = who->id;
  if (taken != NULL || is_given (m, id)) {
    TRY (free_id (m, id, &id));
    if (!is_moved (m, who->name))
      json_array_append_new (
          aside,
          json_pack ("{s:s,s:s,s:I,s:I,s:s}", "kind", m->kind, "name",
                     who->name, "from", (json_int_t)who->id, "to",
                     (json_int_t)id, "taken_by",
                     taken == NULL ? "another id that moves" : taken->name));
  }
  give (m, i, id);
  return NULL;
}

static struct err *
mapping_fill (struct mapping *m, json_t *aside)
{
  for (size_t i = 0; i < m->source.n; i++) {
    const struct named *same = by_name (&m->target, m->source.v[i].name);
    if (same != NULL && !is_alias (m, i) && !is_given (m, same->id))
      give (m, i, same->id);
  }
  for (int moved = 1; moved >= 0; moved--)
    for (size_t i = 0; i < m->source.n; i++)
      if (!m->set[i] && !is_alias (m, i)
          && is_moved (m, m->source.v[i].name) == (moved == 1))
        TRY (settle (m, i, aside));
  return NULL;
}

/* [[from, to]...] of what changes. */
static json_t *
pairs_of (const struct mapping *m)
{
  json_t *pairs = json_array ();
  for (size_t i = 0; i < m->source.n; i++)
    if (m->set[i] && m->to[i] != m->source.v[i].id)
      json_array_append_new (pairs,
                             json_pack ("[I,I]", (json_int_t)m->source.v[i].id,
                                        (json_int_t)m->to[i]));
  return pairs;
}

static struct err *
moved_of (const struct mapping *m, json_t **out)
{
  json_t *list CLEANUP_JSON = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (m->move, i, one)
  {
    const char *name = json_string_value (one);
    const struct named *who = by_name (&m->source, name);
    if (who == NULL)
      return err_todo (err_new (ERR_BLOCKED, "RH-ACCOUNTS-ABSENT",
                                "there is no %s '%s' on the source", m->kind,
                                name),
                       "take '%s' out of the plan, or correct it", name);
    size_t at = (size_t)(who - m->source.v);
    json_array_append_new (
        list,
        json_pack ("{s:s,s:I,s:I}", "name", name, "from", (json_int_t)who->id,
                   "id", (json_int_t)(m->set[at] ? m->to[at] : who->id)));
  }
  *out = STEAL (list);
  return NULL;
}

static struct err *
map_one (struct mapping *m, json_t *out, const char *pairs, const char *moved,
         json_t *aside)
{
  m->to = mem_alloc ((m->source.n + 1) * sizeof *m->to);
  m->set = mem_alloc ((m->source.n + 1) * sizeof *m->set);
  TRY (mapping_fill (m, aside));
  json_t *list = NULL;
  TRY (moved_of (m, &list));
  json_object_set_new (out, moved, list);
  json_object_set_new (out, pairs, pairs_of (m));
  return NULL;
}

static void
mapping_clear (struct mapping *m)
{
  names_free (&m->source);
  names_free (&m->target);
  free (m->to);
  free (m->set);
}

struct err *
accounts_map (const struct accounts_db *source,
              const struct accounts_db *target, const json_t *users,
              const json_t *groups, json_t **out)
{
  json_t *map CLEANUP_JSON = json_object ();
  json_t *aside CLEANUP_JSON = json_array ();
  struct mapping u CLEANUP (mapping_clear)
      = { "user", users_of (source), users_of (target), NULL, NULL, users };
  struct mapping g CLEANUP (mapping_clear)
      = { "group", groups_of (source), groups_of (target), NULL, NULL, groups };
  TRY (map_one (&u, map, "uids", "users", aside));
  TRY (map_one (&g, map, "gids", "groups", aside));
  json_object_set (map, "moved_aside", aside);
  *out = STEAL (map);
  return NULL;
}

uint32_t
accounts_mapped (const json_t *pairs, uint32_t id)
{
  size_t i;
  json_t *pair;
  json_array_foreach (pairs, i, pair)
  {
    if (json_integer_value (json_array_get (pair, 0)) == (json_int_t)id)
      return (uint32_t)json_integer_value (json_array_get (pair, 1));
  }
  return id;
}
