/* SPDX-License-Identifier: Apache-2.0 */
/* The digest of a tree: equal for a faithful copy, other for each difference;
 * and what a final round and a quick look write. */
#include "ground.h"

#include "tree/canon.h"
#include "tree/index.h"
#include "tree/overlay.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static const unsigned char cap[20] = { 1, 0, 0, 2, 0, 4 };

static void
settle (void)
{
  struct timespec t = { 0, 70000000 };
  nanosleep (&t, NULL);
}

static void
make_source (struct ground *g)
{
  make_dir (on_src (g, "d"));
  put_file (on_src (g, "d/a"), "aaaa");
  put_file (on_src (g, "d/b"), "bbbb");
  put_file (on_src (g, "c"), "cccc");
  put_file (on_src (g, "only"), "here");
  assert_int_equal (link (on_src (g, "c"), on_src (g, "c2")), 0);
  assert_int_equal (symlink ("c", on_src (g, "l")), 0);
  assert_int_equal (chown (on_src (g, "d/a"), 1001, 1002), 0);
  set_acl (on_src (g, "d"), "system.posix_acl_default", 1001, 1002);
  assert_int_equal (
      setxattr (on_src (g, "d/b"), "security.capability", cap, 20, 0), 0);
  settle ();
}

/* Copied, then a final round after one more change. */
static void
moved (struct ground *g)
{
  make_source (g);
  assert_ok (ground_copy (g));
  put_file (on_src (g, "d/a"), "AAAA");
  settle ();
  g->send.final = true;
  g->send.maps = &g->maps;
  assert_ok (ground_round (g));
  settle ();
}

static char *
target_canon (struct ground *g)
{
  struct tree_watch watch = { 0 };
  struct inventory_args what
      = { .root = g->dst, .index_dir = g->dst_index, .index = "item" };
  json_t *out CLEANUP_JSON = NULL;
  assert_ok (tree_digest (&what, &watch, &out));
  return mem_strdup (json_string_value (json_object_get (out, "canon")));
}

static const char *
source_canon (const struct ground *g)
{
  const char *s = json_string_value (json_object_get (g->sent, "canon"));
  assert_non_null (s);
  return s;
}

static void
test_both_sides_of_a_copy_have_the_same_digest (void **state)
{
  struct ground *g = *state;
  moved (g);
  char *target CLEANUP_FREE = target_canon (g);
  assert_string_equal (source_canon (g), target);
}

static void
test_the_digest_of_the_source_has_the_ids_of_the_target (void **state)
{
  struct ground *g = *state;
  json_t *uids CLEANUP_JSON = json_pack ("[[i, i]]", 1001, 2001);
  json_t *gids CLEANUP_JSON = json_pack ("[[i, i]]", 1002, 2002);
  assert_ok (idmap_read (uids, &g->maps.uids));
  assert_ok (idmap_read (gids, &g->maps.gids));
  moved (g);
  struct stat st;
  assert_int_equal (stat (on_dst (g, "d/a"), &st), 0);
  assert_int_equal (st.st_uid, 2001);
  char *target CLEANUP_FREE = target_canon (g);
  assert_string_equal (source_canon (g), target);
}

/* ---- One difference each, made on the target behind a digest ---- */

static void
byte (struct ground *g)
{
  struct stat st;
  assert_int_equal (stat (on_dst (g, "d/a"), &st), 0);
  put_file (on_dst (g, "d/a"), "AxAA");
  set_mtime (on_dst (g, "d/a"), st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void
owner (struct ground *g)
{
  assert_int_equal (chown (on_dst (g, "d/a"), 7, 1002), 0);
}

static void
group (struct ground *g)
{
  assert_int_equal (chown (on_dst (g, "d/a"), 1001, 7), 0);
}

static void
mode (struct ground *g)
{
  assert_int_equal (chmod (on_dst (g, "only"), 0604), 0);
}

static void
mtime (struct ground *g)
{
  set_mtime (on_dst (g, "only"), 7, 7);
}

static void
acl (struct ground *g)
{
  assert_int_equal (removexattr (on_dst (g, "d"), "system.posix_acl_default"),
                    0);
}

static void
capability (struct ground *g)
{
  assert_int_equal (removexattr (on_dst (g, "d/b"), "security.capability"), 0);
}

static void
attribute (struct ground *g)
{
  assert_int_equal (setxattr (on_dst (g, "only"), "user.x", "y", 1, 0), 0);
}

static void
value (struct ground *g)
{
  assert_int_equal (setxattr (on_dst (g, "only"), "user.x", "z", 1, 0), 0);
}

/* The time of the directory is put back: only the entry tells. */
static void
with_root_time (struct ground *g, void (*change) (struct ground *g))
{
  struct stat st;
  assert_int_equal (stat (g->dst, &st), 0);
  change (g);
  set_mtime (g->dst, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void
make_extra (struct ground *g)
{
  put_file (on_dst (g, "extra"), "");
}

static void
extra (struct ground *g)
{
  with_root_time (g, make_extra);
}

static void
make_missing (struct ground *g)
{
  assert_int_equal (unlink (on_dst (g, "only")), 0);
}

static void
missing (struct ground *g)
{
  with_root_time (g, make_missing);
}

static void
make_apart (struct ground *g)
{
  RUN ("/bin/cp", "-a", on_dst (g, "c"), on_dst (g, "c3"));
  RUN ("/bin/mv", on_dst (g, "c3"), on_dst (g, "c2"));
}

static void
links_apart (struct ground *g)
{
  with_root_time (g, make_apart);
}

static void
make_elsewhere (struct ground *g)
{
  RUN ("/bin/ln", "-sfn", "d", on_dst (g, "l"));
}

static void
link_target (struct ground *g)
{
  with_root_time (g, make_elsewhere);
}

static void
test_each_difference_gives_another_digest (void **state)
{
  static void (*const changes[]) (struct ground *g)
      = { byte,      owner, group, mode,    mtime,       acl,        capability,
          attribute, value, extra, missing, links_apart, link_target };
  struct ground *g = *state;
  moved (g);
  char *last CLEANUP_FREE = target_canon (g);
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    changes[i](g);
    settle ();
    char *now = target_canon (g);
    if (strcmp (now, last) == 0)
      fail_msg ("change %zu is not seen", i);
    free (last);
    last = now;
  }
}

/* ---- What is written ---- */

static void
test_a_final_round_writes_a_segment (void **state)
{
  struct ground *g = *state;
  moved (g);
  char *path CLEANUP_FREE = mem_printf ("%s/item.acked", g->src_index);
  CLEANUP_INDEX struct index *x = NULL;
  const struct tree_entry *e;
  assert_ok (index_open (path, &x));
  assert_int_equal (overlay_segments (index_overlay (x)), 1);
  assert_ok (index_find (x, "d/a", 3, &e));
  struct stat st;
  assert_int_equal (stat (on_src (g, "d/a"), &st), 0);
  assert_int_equal (e->ctime.nsec, st.st_ctim.tv_nsec);
}

/* Whether NAME.seen has the path, and how many segments lie above it. */
static bool
seen_has (struct ground *g, const char *rel, size_t *segments)
{
  char *path CLEANUP_FREE = mem_printf ("%s/item.seen", g->dst_index);
  CLEANUP_INDEX struct index *x = NULL;
  const struct tree_entry *e;
  assert_ok (index_open (path, &x));
  *segments = overlay_segments (index_overlay (x));
  assert_ok (index_find (x, rel, strlen (rel), &e));
  return e != NULL;
}

static void
test_a_quick_look_writes_what_it_learnt_above_what_was_known (void **state)
{
  struct ground *g = *state;
  size_t segments;
  moved (g);
  free (target_canon (g));
  assert_true (seen_has (g, "only", &segments));
  assert_int_equal (segments, 0);
  missing (g);
  extra (g);
  free (target_canon (g));
  assert_false (seen_has (g, "only", &segments));
  assert_int_equal (segments, 1);
  assert_true (seen_has (g, "extra", &segments));
  assert_true (seen_has (g, "d/b", &segments));
}

static void
test_many_quick_looks_leave_few_segments (void **state)
{
  struct ground *g = *state;
  size_t segments;
  moved (g);
  for (int i = 0; i < 40; i++) {
    set_mtime (on_dst (g, "only"), i, i);
    free (target_canon (g));
  }
  assert_true (seen_has (g, "only", &segments));
  assert_true (segments <= 16);
}

int
main (void)
{
  ground_needs_root ();
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (
        test_both_sides_of_a_copy_have_the_same_digest, ground_set_up,
        ground_tear_down),
    cmocka_unit_test_setup_teardown (
        test_the_digest_of_the_source_has_the_ids_of_the_target, ground_set_up,
        ground_tear_down),
    cmocka_unit_test_setup_teardown (test_each_difference_gives_another_digest,
                                     ground_set_up, ground_tear_down),
    cmocka_unit_test_setup_teardown (test_a_final_round_writes_a_segment,
                                     ground_set_up, ground_tear_down),
    cmocka_unit_test_setup_teardown (
        test_a_quick_look_writes_what_it_learnt_above_what_was_known,
        ground_set_up, ground_tear_down),
    cmocka_unit_test_setup_teardown (test_many_quick_looks_leave_few_segments,
                                     ground_set_up, ground_tear_down),
  };
  return cmocka_run_group_tests_name ("canon", tests, NULL, NULL);
}
