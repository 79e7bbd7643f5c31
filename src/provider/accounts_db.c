/* SPDX-License-Identifier: Apache-2.0 */
/* passwd, shadow and group, decoded. */
#include "provider/accounts_db.h"

#include "base/mem.h"

#include <string.h>

#define FIELDS_MAX 9

/* Splits a line at ':' into at most FIELDS_MAX pieces, in place. */
static size_t
fields_of (char *line, char *out[FIELDS_MAX])
{
  size_t n = 0;
  for (char *next; n < FIELDS_MAX; line = next) {
    out[n++] = line;
    next = strchr (line, ':');
    if (next == NULL)
      break;
    *next++ = '\0';
  }
  return n;
}

static struct err *
id_of (const char *text, const char *who, uint32_t *out)
{
  char *end;
  unsigned long v = strtoul (text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != '\0' || v > UINT32_MAX - 1)
    return err_new (ERR_CORRUPT, "RH-ACCOUNTS-FORMAT",
                    "'%s' is no valid id of %s", text, who);
  *out = (uint32_t)v;
  return NULL;
}

/* Calls `take` for each line with its fields. */
static struct err *
each_line (const char *text, size_t least, struct accounts_db *db,
           struct err *(*take) (struct accounts_db *db, char **field))
{
  char *copy CLEANUP_FREE = mem_strdup (text);
  char *rest = copy;
  struct err *e = NULL;
  size_t len = strlen (copy);
  for (char *line; e == NULL && (line = strsep (&rest, "\n")) != NULL;) {
    char *field[FIELDS_MAX] = { NULL };
    if (line[0] == '#' || line[0] == '+' || line[0] == '-' || line[0] == '\0')
      continue;
    if (fields_of (line, field) >= least)
      e = take (db, field);
  }
  explicit_bzero (copy, len);
  return e;
}

static struct err *
take_user (struct accounts_db *db, char **field)
{
  uint32_t uid;
  uint32_t gid;
  TRY (id_of (field[2], field[0], &uid));
  TRY (id_of (field[3], field[0], &gid));
  if (db->users_n == db->users_cap) {
    db->users_cap = db->users_cap == 0 ? 64 : db->users_cap * 2;
    db->users = mem_resize (db->users, db->users_cap, sizeof *db->users);
  }
  struct account *a = &db->users[db->users_n++];
  memset (a, 0, sizeof *a);
  a->name = mem_strdup (field[0]);
  a->uid = uid;
  a->gid = gid;
  a->gecos = mem_strdup (field[4]);
  a->home = mem_strdup (field[5]);
  a->shell = mem_strdup (field[6]);
  return NULL;
}

static struct err *
take_shadow (struct accounts_db *db, char **field)
{
  struct account *a = (struct account *)(uintptr_t)accounts_user (db, field[0]);
  if (a == NULL || a->hash != NULL)
    return NULL;
  a->hash = mem_strdup (field[1]);
  for (size_t i = 0; i < AGE_COUNT; i++)
    a->age[i] = mem_strdup (field[2 + i] == NULL ? "" : field[2 + i]);
  return NULL;
}

static struct err *
take_group (struct accounts_db *db, char **field)
{
  uint32_t gid;
  TRY (id_of (field[2], field[0], &gid));
  if (db->groups_n == db->groups_cap) {
    db->groups_cap = db->groups_cap == 0 ? 64 : db->groups_cap * 2;
    db->groups = mem_resize (db->groups, db->groups_cap, sizeof *db->groups);
  }
  struct account_group *g = &db->groups[db->groups_n++];
  memset (g, 0, sizeof *g);
  g->name = mem_strdup (field[0]);
  g->gid = gid;
  g->members = json_array ();
  for (char *name; (name = strsep (&field[3], ",")) != NULL;)
    if (name[0] != '\0')
      json_array_append_new (g->members, json_string (name));
  return NULL;
}

struct err *
accounts_db_parse (const char *passwd, const char *shadow, const char *group,
                   struct accounts_db **out)
{
  struct accounts_db *db CLEANUP_ACCOUNTS = mem_alloc (sizeof *db);
  TRY (each_line (passwd, 7, db, take_user));
  TRY (each_line (shadow, 2, db, take_shadow));
  TRY (each_line (group, 4, db, take_group));
  *out = STEAL (db);
  return NULL;
}

void
accounts_db_free (struct accounts_db *db)
{
  if (db == NULL)
    return;
  for (size_t i = 0; i < db->users_n; i++) {
    struct account *a = &db->users[i];
    free (a->name);
    free (a->gecos);
    free (a->home);
    free (a->shell);
    if (a->hash != NULL)
      explicit_bzero (a->hash, strlen (a->hash));
    free (a->hash);
    for (size_t k = 0; k < AGE_COUNT; k++)
      free (a->age[k]);
  }
  for (size_t i = 0; i < db->groups_n; i++) {
    free (db->groups[i].name);
    json_decref (db->groups[i].members);
  }
  free (db->users);
  free (db->groups);
  free (db);
}

const struct account *
accounts_user (const struct accounts_db *db, const char *name)
{
  for (size_t i = 0; i < db->users_n; i++)
    if (strcmp (db->users[i].name, name) == 0)
      return &db->users[i];
  return NULL;
}

const struct account *
accounts_uid (const struct accounts_db *db, uint32_t uid)
{
  for (size_t i = 0; i < db->users_n; i++)
    if (db->users[i].uid == uid)
      return &db->users[i];
  return NULL;
}

const struct account_group *
accounts_group (const struct accounts_db *db, const char *name)
{
  for (size_t i = 0; i < db->groups_n; i++)
    if (strcmp (db->groups[i].name, name) == 0)
      return &db->groups[i];
  return NULL;
}

const struct account_group *
accounts_gid (const struct accounts_db *db, uint32_t gid)
{
  for (size_t i = 0; i < db->groups_n; i++)
    if (db->groups[i].gid == gid)
      return &db->groups[i];
  return NULL;
}

bool
accounts_member (const struct account_group *group, const char *user)
{
  size_t i;
  json_t *one;
  json_array_foreach (group->members, i, one)
  {
    if (strcmp (json_string_value (one), user) == 0)
      return true;
  }
  return false;
}
