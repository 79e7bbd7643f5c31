/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of a test's own, removed with what is in it. */
#include "desk.h"

#include "base/mem.h"

#include <dirent.h>
#include <string.h>

int
desk_setup (void **state)
{
  char *dir = mem_strdup ("/tmp/rehome-journal-XXXXXX");
  *state = dir;
  return mkdtemp (dir) != NULL ? 0 : -1;
}

int
desk_teardown (void **state)
{
  char *dir = *state;
  DIR *d = opendir (dir);
  for (struct dirent *e; d != NULL && (e = readdir (d)) != NULL;) {
    char *path CLEANUP_FREE = mem_printf ("%s/%s", dir, e->d_name);
    unlink (path);
  }
  closedir (d);
  rmdir (dir);
  free (dir);
  return 0;
}

struct err *
desk_open (const char *dir, struct store **out)
{
  return store_open_writer (dir, "shop", PLAN, strlen (PLAN), out);
}

struct err *
desk_append (struct store *s, int n)
{
  struct record r CLEANUP (record_clear)
      = { .type = RECORD_INTENT,
          .epoch = 1,
          .time_ms = 1700000000000 + n,
          .actor = mem_strdup ("engine"),
          .step = mem_strdup ("files:/srv/shop#seed"),
          .attempt = 1,
          .data = json_pack ("{s:i}", "n", n) };
  return store_append (s, &r, NULL);
}

static struct err *
count (void *ctx, const struct record *r, const char *line)
{
  (void)line;
  *(uint64_t *)ctx = r->seq;
  return NULL;
}

struct err *
desk_count (const char *dir, uint64_t *n)
{
  struct store *s CLEANUP_STORE = NULL;
  *n = 0;
  TRY (store_open_reader (dir, &s));
  return store_each (s, 0, count, n);
}
