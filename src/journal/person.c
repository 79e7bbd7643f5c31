/* SPDX-License-Identifier: Apache-2.0 */
/* People as salted hashes; see person.h. */
#include "journal/person.h"

#include "base/mem.h"
#include "base/text.h"
#include "journal/db.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define PREFIX "operator:#"
#define BLOB "actor"
#define SALT 32

struct person {
  char *name;
  char salted[65], blob[65];
};

void
people_clear (struct people *p)
{
  for (size_t i = 0; i < p->n; i++)
    free (p->v[i].name);
  free (p->v);
  memset (p, 0, sizeof *p);
}

/* "operator" alone is no one. */
static bool
is_person (const char *actor)
{
  return actor != NULL && strstr (actor, "operator:") != NULL
         && strncmp (actor, PREFIX, strlen (PREFIX)) != 0;
}

static struct err *
meet (struct store *s, struct people *p, const char *name,
      const struct person **out)
{
  for (size_t i = 0; i < p->n; i++)
    if (strcmp (p->v[i].name, name) == 0) {
      *out = &p->v[i];
      return NULL;
    }
  struct person one = { 0 };
  unsigned char salt[SALT];
  if (getrandom (salt, sizeof salt, 0) != sizeof salt)
    return err_sys (errno, "RH-STATE-ID", "no randomness");
  CLEANUP_FREE char *blob = record_salted_blob (salt, name, strlen (name));
  record_salted (salt, name, strlen (name), one.salted);
  TRY (store_put_blob (s, blob, strlen (blob), one.blob));
  one.name = mem_strdup (name);
  p->v = mem_resize (p->v, p->n + 1, sizeof *p->v);
  p->v[p->n] = one;
  *out = &p->v[p->n++];
  return NULL;
}

struct err *
person_hide (struct store *s, struct people *p, struct record *r)
{
  const struct person *who;
  if (!is_person (r->actor))
    return NULL;
  TRY (meet (s, p, r->actor, &who));
  free (r->actor);
  r->actor = mem_printf (PREFIX "%s", who->salted);
  if (r->blobs == NULL)
    r->blobs = json_object ();
  json_object_set_new (r->blobs, BLOB, json_string (who->blob));
  return NULL;
}

char *
person_name (struct store *s, const struct record *r)
{
  const char *blob = json_string_value (json_at (r->blobs, BLOB));
  CLEANUP_FREE char *data = NULL;
  CLEANUP_FREE unsigned char *value = NULL;
  size_t len = 0, n = 0;
  if (blob == NULL || strncmp (r->actor, PREFIX, strlen (PREFIX)) != 0)
    return mem_strdup (r->actor);
  CLEANUP_ERR struct err *e = store_get_blob (s, blob, &data, &len);
  if (e == NULL)
    e = record_salted_open (data, len, r->actor + strlen (PREFIX), &value, &n);
  return e == NULL ? mem_strndup ((const char *)value, n)
                   : mem_strdup (r->actor);
}

/* ---- Erasing ---- */

/* "anna" in "operator:anna", and in "anna (operator:root)". */
static bool
names (const char *value, size_t len, const char *account)
{
  size_t n = strlen (account);
  for (size_t i = 0; n > 0 && i + n <= len; i++) {
    bool begins = i == 0 || strchr (":( ", value[i - 1]) != NULL;
    bool ends = i + n == len || strchr (") ", value[i + n]) != NULL;
    if (begins && ends && memcmp (value + i, account, n) == 0)
      return true;
  }
  return false;
}

/* Its value, without the hash that says that it is the right one: what cannot
 * be read names nobody. */
static bool
blob_names (const char *data, size_t len, const char *account)
{
  CLEANUP_JSON json_t *o = NULL;
  CLEANUP_FREE unsigned char *value = NULL;
  size_t n = 0;
  CLEANUP_ERR struct err *e = json_parse (data, len, (size_t)8 << 20, &o);
  const char *text = json_string_value (json_object_get (o, "value"));
  if (e != NULL || text == NULL || json_object_get (o, "salt") == NULL)
    return false;
  e = text_unbase64 (text, &value, &n);
  return e == NULL && names ((const char *)value, n, account);
}

/* Also those whose record was never written. */
static struct err *
find_blobs (struct store *s, const char *account, json_t *found)
{
  sqlite3_stmt *st CLEANUP_STMT = NULL;
  bool row;
  TRY (sql_begin (s->db, "SELECT sha256, data FROM blob WHERE data IS NOT NULL",
                  &st));
  for (;;) {
    TRY (sql_step (s->db, st, &row));
    if (!row)
      return NULL;
    const char *data = sqlite3_column_blob (st, 1);
    size_t len = (size_t)sqlite3_column_bytes (st, 1);
    if (data != NULL && blob_names (data, len, account))
      json_array_append_new (
          found, json_string ((const char *)sqlite3_column_text (st, 0)));
  }
}

struct err *
person_erase (struct store *s, const char *account, unsigned *n)
{
  CLEANUP_JSON json_t *found = json_array ();
  size_t i;
  json_t *one;
  TRY (find_blobs (s, account, found));
  json_array_foreach (found, i, one)
      TRY (store_erase_blob (s, json_string_value (one)));
  *n = (unsigned)json_array_size (found);
  return NULL;
}
