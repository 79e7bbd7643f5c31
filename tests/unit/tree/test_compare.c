/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing: each kind of planted difference is found and named. */
#include "ground.h"

#include "tree/index.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static void
settle (void)
{
  struct timespec t = { 0, 70000000 };
  nanosleep (&t, NULL);
}

static void
copied (struct ground *g)
{
  static const unsigned char cap[20] = { 1, 0, 0, 2, 0, 4 };
  make_dir (on_src (g, "d"));
  put_file (on_src (g, "d/a"), "aaaa");
  put_file (on_src (g, "d/b"), "bbbb");
  put_file (on_src (g, "c"), "cccc");
  assert_int_equal (link (on_src (g, "c"), on_src (g, "c2")), 0);
  assert_int_equal (symlink ("c", on_src (g, "l")), 0);
  set_acl (on_src (g, "d"), "system.posix_acl_default", 1, 2);
  assert_int_equal (
      setxattr (on_src (g, "d/b"), "security.capability", cap, 20, 0), 0);
  settle ();
  assert_ok (ground_copy (g));
  settle ();
}

static json_t *
compared (struct ground *g, bool full, bool baseline)
{
  json_t *out = NULL;
  assert_ok (ground_compare (g, full, baseline, NULL, &out));
  return out;
}

static long
number (const json_t *j, const char *key)
{
  return (long)json_integer_value (json_object_get (j, key));
}

static void
expect_equal (struct ground *g, bool full)
{
  json_t *out CLEANUP_JSON = compared (g, full, false);
  char *text CLEANUP_FREE = json_dumps (json_object_get (out, "examples"), 0);
  assert_string_equal (text, "[]");
  assert_true (json_is_true (json_object_get (out, "equal")));
  assert_int_equal (number (out, "entries"), 7);
}

/* One difference of this kind at this path, in full and in quick mode. */
static void
expect_difference (struct ground *g, const char *path, const char *kind)
{
  for (int full = 0; full < 2; full++) {
    json_t *out CLEANUP_JSON = compared (g, full, false);
    assert_true (json_is_false (json_object_get (out, "equal")));
    json_t *kinds = json_object_get (out, "kinds");
    if (number (kinds, kind) < 1)
      fail_msg ("no %s: %s", kind, json_dumps (out, 0));
    const json_t *examples = json_object_get (out, "examples");
    bool named = false;
    for (size_t i = 0; i < json_array_size (examples); i++)
      named = named
              || strcmp (json_string_value (json_object_get (
                             json_array_get (examples, i), "path")),
                         path)
                     == 0;
    assert_true (named);
  }
}

static void
a_copy_is_equal_in_both_modes (void **state)
{
  struct ground *g = *state;
  copied (g);
  expect_equal (g, true);
  expect_equal (g, false);
}

static struct err *
drop (void *ctx, const void *data, size_t len)
{
  (void)ctx;
  (void)data;
  (void)len;
  return NULL;
}

static void
the_digest_of_both_sides_is_one (void **state)
{
  struct ground *g = *state;
  copied (g);
  struct tree_list l = { .what = { .root = g->src, .full = true } };
  struct tree_watch watch = { 0 };
  json_t *out CLEANUP_JSON = compared (g, true, false);
  const char *mine = json_string_value (json_object_get (out, "digest"));
  l.what.root = g->dst;
  json_t *listed CLEANUP_JSON = NULL;
  struct sink into = { drop, NULL };
  assert_ok (tree_list (&l, &into, &watch, &listed));
  assert_string_equal (json_string_value (json_object_get (listed, "digest")),
                       mine);
}

static void
changed_content_is_found (void **state)
{
  struct ground *g = *state;
  copied (g);
  put_file (on_dst (g, "d/a"), "aaXa");
  expect_difference (g, "d/a", "content");
}

static void
changed_content_is_found_where_size_and_mtime_were_put_back (void **state)
{
  struct ground *g = *state;
  copied (g);
  expect_equal (g, false);
  struct stat st;
  assert_int_equal (stat (on_dst (g, "d/a"), &st), 0);
  put_file (on_dst (g, "d/a"), "aaXa");
  set_mtime (on_dst (g, "d/a"), st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  expect_difference (g, "d/a", "content");
}

static void
another_mode_owner_group_and_mtime_are_found (void **state)
{
  struct ground *g = *state;
  copied (g);
  assert_int_equal (chmod (on_dst (g, "c"), 0600), 0);
  expect_difference (g, "c", "mode");
  assert_int_equal (chown (on_dst (g, "d"), 5, 0), 0);
  expect_difference (g, "d", "owner");
  assert_int_equal (lchown (on_dst (g, "l"), 0, 7), 0);
  expect_difference (g, "l", "group");
  set_mtime (on_dst (g, "d"), 5, 6);
  expect_difference (g, "d", "mtime");
}

static void
a_lost_acl_capability_and_attribute_are_found (void **state)
{
  struct ground *g = *state;
  copied (g);
  assert_int_equal (removexattr (on_dst (g, "d"), "system.posix_acl_default"),
                    0);
  expect_difference (g, "d", "acl");
  assert_int_equal (removexattr (on_dst (g, "d/b"), "security.capability"), 0);
  expect_difference (g, "d/b", "capability");
  assert_int_equal (setxattr (on_dst (g, "d/a"), "user.new", "x", 1, 0), 0);
  expect_difference (g, "d/a", "xattr");
}

static void
missing_extra_and_another_type_are_found (void **state)
{
  struct ground *g = *state;
  copied (g);
  assert_int_equal (unlink (on_dst (g, "d/a")), 0);
  expect_difference (g, "d/a", "missing");
  put_file (on_dst (g, "d/zz"), "x");
  expect_difference (g, "d/zz", "extra");
  assert_int_equal (unlink (on_dst (g, "d/b")), 0);
  make_dir (on_dst (g, "d/b"));
  expect_difference (g, "d/b", "type");
}

static void
another_link_and_a_broken_hard_link_are_found (void **state)
{
  struct ground *g = *state;
  copied (g);
  assert_int_equal (unlink (on_dst (g, "l")), 0);
  assert_int_equal (symlink ("d", on_dst (g, "l")), 0);
  expect_difference (g, "l", "link");
  assert_int_equal (unlink (on_dst (g, "c2")), 0);
  RUN ("cp", "-a", on_dst (g, "c"), on_dst (g, "c2"));
  expect_difference (g, "c2", "link");
}

static void
a_lost_inode_flag_is_found (void **state)
{
  struct ground *g = *state;
  put_file (on_src (g, "locked"), "x");
  RUN ("chattr", "+i", on_src (g, "locked"));
  copied (g);
  RUN ("chattr", "-i", on_dst (g, "locked"));
  expect_difference (g, "locked", "flags");
}

static void
with_a_baseline_what_changed_since_is_not_counted (void **state)
{
  struct ground *g = *state;
  copied (g);
  put_file (on_src (g, "d/a"), "changed");
  put_file (on_src (g, "d/new"), "new");
  RUN ("rm", on_src (g, "d/b"));
  RUN ("cp", "-r", on_src (g, "d"), on_src (g, "d2"));
  json_t *out CLEANUP_JSON = compared (g, true, true);
  assert_true (json_is_true (json_object_get (out, "equal")));
  assert_int_equal (number (out, "dirty"), 8);
  put_file (on_dst (g, "c"), "planted");
  json_t *planted CLEANUP_JSON = compared (g, true, true);
  assert_int_equal (number (planted, "differences"), 1);
  json_t *without CLEANUP_JSON = compared (g, true, false);
  assert_true (number (without, "differences") > 4);
}

static void
quick_reads_nothing_twice_and_forced_files_always (void **state)
{
  struct ground *g = *state;
  copied (g);
  json_t *first CLEANUP_JSON = compared (g, false, false);
  assert_int_equal (number (first, "read"), 3);
  settle ();
  json_t *again CLEANUP_JSON = compared (g, false, false);
  assert_int_equal (number (again, "read"), 0);
  assert_true (json_is_true (json_object_get (again, "equal")));
  json_t *list CLEANUP_JSON = json_pack ("[s]", on_dst (g, "c"));
  struct paths paths;
  json_t *forced CLEANUP_JSON = NULL;
  assert_ok (paths_read (list, g->dst, &paths));
  assert_ok (ground_compare (g, false, false, &paths, &forced));
  assert_int_equal (number (forced, "read"), 1);
  paths_free (&paths);
}

static void
ids_are_compared_through_the_map (void **state)
{
  struct ground *g = *state;
  put_file (on_src (g, "f"), "x");
  assert_int_equal (chown (on_src (g, "f"), 1001, 1002), 0);
  set_acl (on_src (g, "f"), "system.posix_acl_access", 1001, 1002);
  json_t *uids CLEANUP_JSON = json_pack ("[[i,i]]", 1001, 2001);
  json_t *gids CLEANUP_JSON = json_pack ("[[i,i]]", 1002, 2002);
  assert_ok (idmap_read (uids, &g->maps.uids));
  assert_ok (idmap_read (gids, &g->maps.gids));
  assert_ok (ground_copy (g));
  json_t *out CLEANUP_JSON = compared (g, true, false);
  assert_true (json_is_true (json_object_get (out, "equal")));
  idmap_free (&g->maps.uids);
  json_t *bad CLEANUP_JSON = compared (g, true, false);
  json_t *kinds = json_object_get (bad, "kinds");
  assert_int_equal (number (kinds, "owner"), 1);
  assert_int_equal (number (kinds, "acl"), 1);
}

static void
a_forced_send_repairs_what_differs (void **state)
{
  struct ground *g = *state;
  copied (g);
  put_file (on_dst (g, "d/a"), "aaXa");
  put_file (on_dst (g, "extra"), "x");
  assert_int_equal (chmod (on_dst (g, "c"), 0600), 0);
  assert_int_equal (unlink (on_dst (g, "l")), 0);
  json_t *list CLEANUP_JSON = json_pack ("[s,s,s]", on_src (g, "d/a"),
                                         on_src (g, "c"), on_src (g, "l"));
  struct paths paths;
  assert_ok (paths_read (list, g->src, &paths));
  g->send.force = &paths;
  g->send.listing = true;
  assert_ok (ground_round (g));
  assert_same_trees (g->src, g->dst);
  paths_free (&paths);
}

#define CASE(f) \
  cmocka_unit_test_setup_teardown (f, ground_set_up, ground_tear_down)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    CASE (a_copy_is_equal_in_both_modes),
    CASE (the_digest_of_both_sides_is_one),
    CASE (changed_content_is_found),
    CASE (changed_content_is_found_where_size_and_mtime_were_put_back),
    CASE (another_mode_owner_group_and_mtime_are_found),
    CASE (a_lost_acl_capability_and_attribute_are_found),
    CASE (missing_extra_and_another_type_are_found),
    CASE (another_link_and_a_broken_hard_link_are_found),
    CASE (a_lost_inode_flag_is_found),
    CASE (with_a_baseline_what_changed_since_is_not_counted),
    CASE (quick_reads_nothing_twice_and_forced_files_always),
    CASE (ids_are_compared_through_the_map),
    CASE (a_forced_send_repairs_what_differs),
  };
  ground_needs_root ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
