/* SPDX-License-Identifier: Apache-2.0 */
/* What a filesystem can hold, what a tree uses of it, preallocation. */
#include "ground.h"

#include "tree/prealloc.h"
#include "tree/probe.h"
#include "tree/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t
names_in (const char *path)
{
  DIR *d = opendir (path);
  size_t n = 0;
  assert_non_null (d);
  while (readdir (d) != NULL)
    n++;
  closedir (d);
  return n - 2;
}

static void
a_probe_leaves_nothing_and_no_time (void **state)
{
  struct ground *g = *state;
  make_dir (g->dst);
  set_mtime (g->dst, 1000000000, 7);
  json_t *out CLEANUP_JSON = NULL;
  assert_ok (probe_root (g->dst, &out));
  struct stat st;
  assert_int_equal (stat (g->dst, &st), 0);
  assert_int_equal (st.st_mtim.tv_sec, 1000000000);
  assert_int_equal (st.st_mtim.tv_nsec, 7);
  assert_int_equal (names_in (g->dst), 0);
  assert_true (json_is_array (json_object_get (out, "lacks")));
}

static void
a_probe_looks_where_the_root_would_lie (void **state)
{
  struct ground *g = *state;
  size_t before = names_in (g->dir);
  json_t *out CLEANUP_JSON = NULL;
  assert_ok (probe_root (on_dst (g, "not/there/yet"), &out));
  assert_int_equal (names_in (g->dir), before);
}

static json_int_t
uses (struct ground *g, const char *word, const char **first)
{
  json_t *words CLEANUP_JSON = json_pack ("[s]", word);
  struct tree_watch watch = { 0 };
  json_t *out = NULL;
  assert_ok (tree_usage (g->src, NULL, words, &watch, &out));
  const json_t *used = json_object_get (json_object_get (out, "uses"), word);
  json_int_t n = json_integer_value (json_object_get (used, "count"));
  static char path[256];
  const char *p
      = json_string_value (json_array_get (json_object_get (used, "paths"), 0));
  snprintf (path, sizeof path, "%s", p != NULL ? p : "");
  *first = path;
  json_decref (out);
  return n;
}

static void
what_a_tree_uses_is_counted_with_examples (void **state)
{
  struct ground *g = *state;
  const char *first;
  make_dir (on_src (g, "d"));
  put_file (on_src (g, "d/Name"), "x");
  put_file (on_src (g, "d/name"), "x");
  put_file (on_src (g, "name"), "x");
  put_file (on_src (g, "odd\xff"), "x");
  assert_int_equal (mkfifo (on_src (g, "pipe"), 0600), 0);
  set_acl (on_src (g, "d"), "system.posix_acl_access", 1, 2);
  set_mtime (on_src (g, "name"), 2177452800, 0);
  assert_int_equal (uses (g, "case", &first), 1);
  assert_string_equal (first, "d/name");
  assert_int_equal (uses (g, "special", &first), 1);
  assert_string_equal (first, "pipe");
  assert_int_equal (uses (g, "acl", &first), 1);
  assert_string_equal (first, "d");
  assert_int_equal (uses (g, "after-2038", &first), 1);
  assert_int_equal (uses (g, "after-2106", &first), 0);
  assert_int_equal (uses (g, "odd-name", &first), 1);
  assert_string_equal (first, "odd%FF");
}

static void
preallocation_is_found_and_made_again (void **state)
{
  struct ground *g = *state;
  make_dir (g->dst);
  int from = open (on_src (g, "f"), O_RDWR | O_CREAT, 0600);
  int to = open (on_dst (g, "f"), O_RDWR | O_CREAT, 0600);
  assert_true (from >= 0 && to >= 0);
  if (fallocate (from, FALLOC_FL_KEEP_SIZE, 0, 1 << 20) < 0)
    skip ();
  struct prealloc p = { 0 };
  assert_true (prealloc_likely (0, 2048));
  assert_false (prealloc_likely (100, 8));
  prealloc_find (from, 0, &p);
  assert_int_equal (p.n, 1);
  assert_int_equal (p.v[0].at, 0);
  assert_int_equal (p.v[0].len, 1 << 20);
  bool lost;
  assert_int_equal (prealloc_apply (to, p.v[0].at, p.v[0].len, &lost), 0);
  struct stat st;
  assert_int_equal (fstat (to, &st), 0);
  assert_int_equal (st.st_size, 0);
  assert_true (st.st_blocks >= 2048);
  prealloc_free (&p);
  close (from);
  close (to);
}

struct beside {
  const char *root;
  const json_t *want;
  int other; /* answers that were not that of one alone */
};

static void *
probe_often (void *arg)
{
  struct beside *b = arg;
  for (int i = 0; i < 50; i++) {
    json_t *got = NULL;
    struct err *e = probe_root (b->root, &got);
    b->other += e != NULL || !json_equal (got, b->want);
    err_free (e);
    json_decref (got);
  }
  return NULL;
}

static void
two_roots_in_one_directory_are_probed_side_by_side (void **state)
{
  struct ground *g = *state;
  CLEANUP_JSON json_t *alone = NULL;
  CLEANUP_FREE char *one = mem_strdup (on_dst (g, "not/there/one"));
  CLEANUP_FREE char *two = mem_strdup (on_dst (g, "not/there/two"));
  assert_ok (probe_root (one, &alone));
  struct beside b[2] = { { one, alone, 0 }, { two, alone, 0 } };
  pthread_t t[2];
  for (int i = 0; i < 2; i++)
    assert_int_equal (pthread_create (&t[i], NULL, probe_often, &b[i]), 0);
  for (int i = 0; i < 2; i++)
    pthread_join (t[i], NULL);
  assert_int_equal (b[0].other + b[1].other, 0);
}

int
main (void)
{
  ground_needs_root ();
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (a_probe_leaves_nothing_and_no_time,
                                     ground_set_up, ground_tear_down),
    cmocka_unit_test_setup_teardown (a_probe_looks_where_the_root_would_lie,
                                     ground_set_up, ground_tear_down),
    cmocka_unit_test_setup_teardown (
        two_roots_in_one_directory_are_probed_side_by_side, ground_set_up,
        ground_tear_down),
    cmocka_unit_test_setup_teardown (what_a_tree_uses_is_counted_with_examples,
                                     ground_set_up, ground_tear_down),
    cmocka_unit_test_setup_teardown (preallocation_is_found_and_made_again,
                                     ground_set_up, ground_tear_down),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
