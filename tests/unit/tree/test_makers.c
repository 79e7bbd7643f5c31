/* SPDX-License-Identifier: Apache-2.0 */
/* Small files made by several threads: what they get, and what the failure of
 * one thread does. */
#include "ground.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char *
file_of (struct ground *g, int dir, int file)
{
  char rel[32];
  snprintf (rel, sizeof rel, "d%02d/f%02d", dir, file);
  return on_src (g, rel);
}

/* Directories of 30 files each, `len` bytes: several threads, many batches. */
static void
many_files (struct ground *g, int dirs, size_t len)
{
  char *text CLEANUP_FREE = mem_alloc (len + 1);
  memset (text, 'x', len);
  for (int d = 0; d < dirs; d++) {
    char rel[32];
    snprintf (rel, sizeof rel, "d%02d", d);
    make_dir (on_src (g, rel));
    for (int i = 0; i < 30; i++)
      put_file (file_of (g, d, i), i % 3 == 0 ? "" : text);
  }
}

static void
files_of_many_owners_and_modes_arrive_as_they_are (void **state)
{
  struct ground *g = *state;
  many_files (g, 40, 700);
  for (int d = 0; d < 40; d++) {
    char rel[32];
    snprintf (rel, sizeof rel, "d%02d", d);
    for (int i = 0; i < 30; i++) {
      const char *path = file_of (g, d, i);
      if (i % 5 == 0)
        assert_int_equal (chown (path, 1000, 2000), 0);
      assert_int_equal (chmod (path, i % 7 == 0 ? 04755 : 0400 + (mode_t)i), 0);
      if (i % 11 == 0)
        assert_int_equal (setxattr (path, "user.k", "v", 1, 0), 0);
      set_mtime (path, 1000000 + i, d);
    }
    assert_int_equal (chmod (on_src (g, rel), d % 2 != 0 ? 0555 : 02770), 0);
    set_mtime (on_src (g, rel), 2000000 + d, 7);
  }
  assert_ok (ground_copy (g));
  assert_same_trees (g->src, g->dst);
}

static void
what_the_place_of_the_copy_hands_down_does_not_stay (void **state)
{
  struct ground *g = *state;
  many_files (g, 3, 100);
  assert_int_equal (chown (g->dir, 0, 4321), 0);
  assert_int_equal (chmod (g->dir, 02755), 0);
  set_acl (g->dir, "system.posix_acl_default", 1003, 1004);
  assert_ok (ground_copy (g));
  assert_same_trees (g->src, g->dst);
}

static void
a_full_disk_in_one_thread_stops_all_and_names_a_file (void **state)
{
  struct ground *g = *state;
  many_files (g, 20, 20000);
  make_dir (g->dst);
  RUN ("mount", "-t", "tmpfs", "-o", "size=2m", "none", g->dst);
  struct err *e CLEANUP_ERR = ground_copy (g);
  bool first = is_there (on_dst (g, "d00/f01"));
  bool last = is_there (on_dst (g, "d19/f29"));
  RUN ("mount", "-o", "remount,size=40m", g->dst);
  struct err *again CLEANUP_ERR = ground_copy (g);
  if (again == NULL)
    assert_same_trees (g->src, g->dst);
  RUN ("umount", g->dst);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-TREE-NOSPACE");
  assert_non_null (strstr (err_message (e), "/f"));
  assert_true (first);
  assert_false (last);
  assert_null (again);
}

static void
a_file_that_changed_on_the_way_is_not_made (void **state)
{
  struct ground *g = *state;
  put_file (on_src (g, "one"), "the word is honey");
  put_file (on_src (g, "two"), "another");
  assert_ok (ground_send (g));
  unsigned char *at
      = memmem (g->stream.data, g->stream.len, "honey", strlen ("honey"));
  assert_non_null (at);
  at[0] = 'H';
  struct err *e CLEANUP_ERR = ground_receive (g);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-TREE-CORRUPT");
  assert_false (is_there (on_dst (g, "one")));
}

#define CASE(f) \
  cmocka_unit_test_setup_teardown (f, ground_set_up, ground_tear_down)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    CASE (files_of_many_owners_and_modes_arrive_as_they_are),
    CASE (what_the_place_of_the_copy_hands_down_does_not_stay),
    CASE (a_full_disk_in_one_thread_stops_all_and_names_a_file),
    CASE (a_file_that_changed_on_the_way_is_not_made),
  };
  ground_needs_root ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
