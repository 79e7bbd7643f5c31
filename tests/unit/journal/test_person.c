/* SPDX-License-Identifier: Apache-2.0 */
/* People in the journal: not named in the chain, and erasable beside it. */
#include "desk.h"

#include "base/mem.h"
#include "journal/person.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "../cmocka_api.h"

#define WHO "operator:annaberg (operator:root)"

/* One request by WHO, as the owner writes it. */
static void
ask (struct store *s, struct people *p, char salt[65])
{
  struct record r CLEANUP (record_clear)
      = { .type = RECORD_REQUEST,
          .epoch = 1,
          .time_ms = 1700000000000,
          .actor = mem_strdup (WHO),
          .data = json_pack ("{s:s}", "request", "sync") };
  CLEANUP_FREE char *data = NULL;
  size_t len;
  assert_ok (person_hide (s, p, &r));
  assert_ok (store_append (s, &r, NULL));
  assert_ok (store_get_blob (
      s, json_string_value (json_object_get (r.blobs, "actor")), &data, &len));
  CLEANUP_JSON json_t *o = NULL;
  assert_ok (json_parse (data, len, 4096, &o));
  snprintf (salt, 65, "%s", json_string_value (json_object_get (o, "salt")));
}

/* In any file of the journal: database, log, index of the log. */
static bool
some_file_holds (const char *dir, const char *needle)
{
  bool found = false;
  DIR *d = opendir (dir);
  for (struct dirent *e; d != NULL && (e = readdir (d)) != NULL;) {
    CLEANUP_FREE char *path = mem_printf ("%s/%s", dir, e->d_name);
    CLEANUP_FREE char *bytes = mem_alloc (1 << 20);
    FILE *f = fopen (path, "rb");
    size_t n = f != NULL ? fread (bytes, 1, 1 << 20, f) : 0;
    if (f != NULL)
      fclose (f);
    found |= memmem (bytes, n, needle, strlen (needle)) != NULL;
  }
  closedir (d);
  return found;
}

static struct err *
name_it (void *ctx, const struct record *r, const char *line)
{
  struct store *s = ((void **)ctx)[0];
  char **name = ((void **)ctx)[1];
  (void)line;
  free (*name);
  *name = person_name (s, r);
  return NULL;
}

static char *
last_name (struct store *s)
{
  char *name = NULL;
  void *both[] = { s, &name };
  assert_ok (store_each (s, 0, name_it, both));
  return name;
}

static void
the_chain_names_nobody_and_the_reader_knows (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  struct people p CLEANUP (people_clear) = { 0 };
  char salt[65];
  assert_ok (desk_open (*state, &s));
  ask (s, &p, salt);
  assert_false (some_file_holds (*state, "annaberg"));
  assert_true (some_file_holds (*state, salt));
  CLEANUP_FREE char *name = last_name (s);
  assert_string_equal (name, WHO);
}

static void
after_erasing_no_byte_of_name_or_salt_is_left (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  struct people p CLEANUP (people_clear) = { 0 };
  char salt[65];
  unsigned n = 0;
  uint64_t records = 0;
  assert_ok (desk_open (*state, &s));
  ask (s, &p, salt);
  ask (s, &p, salt);
  assert_ok (desk_append (s, 2));
  assert_ok (person_erase (s, "annaberg", &n));
  assert_int_equal (n, 1);
  assert_false (some_file_holds (*state, salt));
  assert_false (
      some_file_holds (*state, "b3BlcmF0b3I6YW5uYWJlcmc")); /* base64 */
  assert_ok (desk_count (*state, &records));
  assert_int_equal (records, 3);
  store_close (STEAL (s));
  assert_false (some_file_holds (*state, salt));
}

static void
what_was_erased_is_shown_as_it_stands_in_the_chain (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  struct people p CLEANUP (people_clear) = { 0 };
  char salt[65];
  unsigned n = 0;
  assert_ok (desk_open (*state, &s));
  ask (s, &p, salt);
  assert_ok (person_erase (s, "root", &n));
  assert_int_equal (n, 1);
  CLEANUP_FREE char *name = last_name (s);
  assert_int_equal (strncmp (name, "operator:#", 10), 0);
}

static void
others_of_a_similar_name_stay (void **state)
{
  struct store *s CLEANUP_STORE = NULL;
  struct people p CLEANUP (people_clear) = { 0 };
  char salt[65];
  unsigned n = 1;
  assert_ok (desk_open (*state, &s));
  ask (s, &p, salt);
  assert_ok (person_erase (s, "anna", &n));
  assert_int_equal (n, 0);
  assert_true (some_file_holds (*state, salt));
}

#define WITH_DESK(f) \
  cmocka_unit_test_setup_teardown (f, desk_setup, desk_teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH_DESK (the_chain_names_nobody_and_the_reader_knows),
    WITH_DESK (after_erasing_no_byte_of_name_or_salt_is_left),
    WITH_DESK (what_was_erased_is_shown_as_it_stands_in_the_chain),
    WITH_DESK (others_of_a_similar_name_stay),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
