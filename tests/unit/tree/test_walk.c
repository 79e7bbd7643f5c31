/* SPDX-License-Identifier: Apache-2.0 */
/* Walks of trees that are large enough for threads to go ahead, beside the
 * names that scandir gives and what lstat says. */
#include "ground.h"

#include "tree/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void
fill (struct ground *g, const char *dir, int files)
{
  char path[256];
  make_dir (on_src (g, dir));
  for (int f = 0; f < files; f++) {
    snprintf (path, sizeof path, "%s/f%d", dir, f);
    put_file (on_src (g, path), "x");
  }
}

/* Flat, deep and wide parts. */
static void
large (struct ground *g)
{
  char path[128];
  fill (g, "flat", 2500);
  for (int d = 0; d < 300; d++) {
    snprintf (path, sizeof path, "flat/d%d", d);
    fill (g, path, d % 4);
  }
  for (int d = 0; d < 60; d++) {
    snprintf (path, sizeof path, "wide%d", d);
    fill (g, path, d == 7 ? 900 : 5);
    for (int e = 0; e < 5; e++) {
      snprintf (path, sizeof path, "wide%d/sub%d", d, e);
      fill (g, path, 3);
    }
  }
  snprintf (path, sizeof path, "wide7/deep");
  fill (g, path, 2);
  for (size_t n = strlen (path); n < 100; n += 2) {
    snprintf (path + n, sizeof path - n, "/a");
    fill (g, path, 2);
  }
}

static int
bytewise (const struct dirent **a, const struct dirent **b)
{
  return strcmp ((*a)->d_name, (*b)->d_name);
}

static int
no_dots (const struct dirent *d)
{
  return strcmp (d->d_name, ".") != 0 && strcmp (d->d_name, "..") != 0;
}

/* One line for each entry: path, inode, size and ctime. */
static void
list (const char *root, const char *rel, const char *leave_out, struct buf *out)
{
  struct stat st;
  CLEANUP_FREE char *full = mem_printf ("%s/%s", root, rel);
  assert_int_equal (lstat (full, &st), 0);
  CLEANUP_FREE char *line
      = mem_printf ("%s %lu %ld %ld.%09ld\n", rel, (unsigned long)st.st_ino,
                    S_ISREG (st.st_mode) ? (long)st.st_size : 0L,
                    (long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
  assert_ok (buf_put (out, line, strlen (line)));
  if (!S_ISDIR (st.st_mode))
    return;
  struct dirent **names;
  int n = scandir (full, &names, no_dots, bytewise);
  assert_true (n >= 0);
  for (int i = 0; i < n; i++) {
    CLEANUP_FREE char *path
        = mem_printf ("%s%s%s", rel, *rel ? "/" : "", names[i]->d_name);
    if (leave_out == NULL || strcmp (names[i]->d_name, leave_out) != 0)
      list (root, path, leave_out, out);
    free (names[i]);
  }
  free (names);
}

static void
walked (const char *root, const struct filter *filter, struct buf *out)
{
  CLEANUP_WALK struct walk *w = NULL;
  struct tree_entry *e;
  assert_ok (walk_open (root, filter, &w));
  for (;;) {
    assert_ok (walk_next (w, &e));
    if (e == NULL)
      break;
    struct stat st;
    if (e->path_len > 0) { /* the place that is told is the entry's */
      assert_int_equal (
          fstatat (walk_dirfd (w), walk_name (w), &st, AT_SYMLINK_NOFOLLOW), 0);
      assert_int_equal (st.st_ino, e->ino);
    }
    CLEANUP_FREE char *line
        = mem_printf ("%s %lu %ld %ld.%09ld\n", e->path, (unsigned long)e->ino,
                      (long)e->size, (long)e->ctime.sec, (long)e->ctime.nsec);
    assert_ok (buf_put (out, line, strlen (line)));
  }
  assert_int_equal (walk_notes (w)->unreadable, 0);
}

static void
assert_walks_so (struct ground *g, const struct filter *filter,
                 const char *leave_out)
{
  CLEANUP_BUF struct buf is = { .max = 16 << 20 };
  CLEANUP_BUF struct buf should = { .max = 16 << 20 };
  list (g->src, "", leave_out, &should);
  walked (g->src, filter, &is);
  assert_int_equal (is.len, should.len);
  assert_memory_equal (is.data, should.data, is.len);
}

static void
test_a_walk_with_threads_gives_every_entry_in_order (void **state)
{
  large (*state);
  assert_walks_so (*state, NULL, NULL);
}

static void
test_what_is_left_out_is_not_walked_by_threads (void **state)
{
  CLEANUP_FILTER struct filter *f = NULL;
  json_t *rules CLEANUP_JSON = json_pack ("[s]", "sub3");
  large (*state);
  assert_ok (filter_read (rules, &f));
  assert_walks_so (*state, f, "sub3");
}

static void
test_a_walk_ends_early_with_threads_at_work (void **state)
{
  struct ground *g = *state;
  large (g);
  for (int stop = 600; stop < 4000; stop += 170) {
    CLEANUP_WALK struct walk *w = NULL;
    struct tree_entry *e;
    assert_ok (walk_open (g->src, NULL, &w));
    for (int i = 0; i < stop; i++)
      assert_ok (walk_next (w, &e));
    assert_non_null (e);
  }
}

/* Walks to the entry that `stop` names. */
static void
walk_to (struct walk *w, const char *stop)
{
  struct tree_entry *e;
  do {
    assert_ok (walk_next (w, &e));
    assert_non_null (e);
  } while (strcmp (e->path, stop) != 0);
}

static void
test_a_directory_that_was_replaced_is_not_entered_by_its_old_name (void **state)
{
  struct ground *g = *state;
  CLEANUP_WALK struct walk *w = NULL;
  struct tree_entry *e;
  const struct timespec t = { 0, 100000000 };
  large (g);
  nanosleep (&t, NULL); /* what changed just then is looked at again */
  assert_ok (walk_open (g->src, NULL, &w));
  walk_to (w, "wide1");
  nanosleep (&t, NULL); /* the threads are there by now */
  RUN ("rm", "-r", on_src (g, "wide1/sub1"));
  RUN ("ln", "-s", "/etc", on_src (g, "wide1/sub1"));
  for (;;) {
    assert_ok (walk_next (w, &e));
    assert_non_null (e);
    if (strcmp (e->path, "wide10") == 0)
      break;
    assert_null (strstr (e->path, "passwd"));
  }
}

static void
test_what_was_seen_long_ago_is_looked_at_again (void **state)
{
  struct ground *g = *state;
  CLEANUP_WALK struct walk *w = NULL;
  struct tree_entry *e;
  struct timespec t = { 0, 100000000 };
  struct stat st;
  large (g);
  nanosleep (&t, NULL);
  assert_ok (walk_open (g->src, NULL, &w));
  walk_to (w, "wide2/f0");
  t.tv_sec = 1;
  nanosleep (&t, NULL);
  put_file (on_src (g, "wide2/f1"), "longer than it was");
  assert_ok (walk_next (w, &e));
  assert_string_equal (e->path, "wide2/f1");
  assert_int_equal (lstat (on_src (g, "wide2/f1"), &st), 0);
  assert_int_equal (e->size, st.st_size);
  assert_int_equal (e->ctime.nsec, st.st_ctim.tv_nsec);
}

int
main (void)
{
  ground_needs_root ();
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (
        test_a_walk_with_threads_gives_every_entry_in_order, ground_set_up,
        ground_tear_down),
    cmocka_unit_test_setup_teardown (
        test_what_is_left_out_is_not_walked_by_threads, ground_set_up,
        ground_tear_down),
    cmocka_unit_test_setup_teardown (
        test_a_walk_ends_early_with_threads_at_work, ground_set_up,
        ground_tear_down),
    cmocka_unit_test_setup_teardown (
        test_a_directory_that_was_replaced_is_not_entered_by_its_old_name,
        ground_set_up, ground_tear_down),
    cmocka_unit_test_setup_teardown (
        test_what_was_seen_long_ago_is_looked_at_again, ground_set_up,
        ground_tear_down),
  };
  return cmocka_run_group_tests_name ("walk", tests, NULL, NULL);
}
