/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at one side: the frozen source is what the last round gave, and on the
 * target nothing is new but what the rounds wrote behind the proof. */
#include "ground.h"

#include "tree/still.h"
#include "tree/touched.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void
settle (void)
{
  struct timespec t = { 0, 70000000 };
  nanosleep (&t, NULL);
}

/* Copied, and compared in full: what the target writes from now on counts. */
static void
proven (struct ground *g)
{
  json_t *out = NULL;
  make_dir (on_src (g, "d"));
  put_file (on_src (g, "d/a"), "aaaa");
  put_file (on_src (g, "d/b"), "bbbb");
  put_file (on_src (g, "c"), "cccc");
  settle ();
  assert_ok (ground_copy (g));
  settle ();
  assert_ok (ground_compare (g, true, true, NULL, &out));
  assert_true (json_is_true (json_object_get (out, "equal")));
  json_decref (out);
}

static json_t *
look (struct ground *g, bool target, const struct hints *except)
{
  struct tree_watch watch = { 0 };
  json_t *out = NULL;
  struct tree_still a
      = { .what = { .root = target ? g->dst : g->src,
                    .index_dir = target ? g->dst_index : g->src_index,
                    .index = "item",
                    .look = true,
                    .only = target ? "seen" : "acked" },
          .except = except,
          .limit = 10 };
  assert_ok (tree_still (&a, &watch, &out));
  return out;
}

/* `path` NULL: nothing differs; else it is the only one but directories. */
static void
assert_differs (struct ground *g, bool target, const struct hints *except,
                const char *path)
{
  json_t *out = look (g, target, except);
  const json_t *examples = json_object_get (out, "examples");
  bool named = false;
  size_t i;
  json_t *one;
  json_array_foreach (examples, i, one) named
      |= path != NULL && strcmp (json_string_value (one), path) == 0;
  if (path == NULL && json_array_size (examples) > 0)
    fail_msg ("%s differs", json_string_value (json_array_get (examples, 0)));
  assert_int_equal (json_is_true (json_object_get (out, "same")), path == NULL);
  assert_true (path == NULL || named);
  json_decref (out);
}

static void
known_touched (struct ground *g, struct hints *out)
{
  bool known;
  assert_ok (touched_read (g->dst_index, "item", &known, out));
  assert_true (known);
  hints_seal (out);
}

static void
nothing_differs_behind_a_proof (void **state)
{
  struct ground *g = *state;
  CLEANUP_HINTS struct hints none = { 0 };
  proven (g);
  known_touched (g, &none);
  assert_differs (g, true, &none, NULL);
  assert_differs (g, false, NULL, NULL);
}

static void
what_somebody_writes_on_the_target_is_seen (void **state)
{
  struct ground *g = *state;
  struct stat st;
  proven (g);
  assert_int_equal (stat (on_dst (g, "d/a"), &st), 0);
  put_file (on_dst (g, "d/a"), "aaXa");
  set_mtime (on_dst (g, "d/a"), st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  assert_differs (g, true, NULL, "d/a");
}

static void
a_file_that_is_new_or_gone_is_seen (void **state)
{
  struct ground *g = *state;
  proven (g);
  put_file (on_src (g, "new"), "new");
  assert_differs (g, false, NULL, "new");
  assert_int_equal (unlink (on_src (g, "new")), 0);
  assert_int_equal (unlink (on_src (g, "d/b")), 0);
  assert_differs (g, false, NULL, "d/b");
}

static void
other_rights_are_seen (void **state)
{
  struct ground *g = *state;
  proven (g);
  assert_int_equal (chmod (on_src (g, "c"), 0600), 0);
  assert_differs (g, false, NULL, "c");
}

static void
what_a_round_wrote_may_differ_and_is_named (void **state)
{
  struct ground *g = *state;
  CLEANUP_HINTS struct hints touched = { 0 };
  proven (g);
  put_file (on_src (g, "d/a"), "another");
  assert_int_equal (unlink (on_src (g, "d/b")), 0);
  settle ();
  assert_ok (ground_round (g));
  known_touched (g, &touched);
  assert_true (hints_cover (&touched, "d/a", 3));
  assert_true (hints_cover (&touched, "d/b", 3));
  assert_false (hints_cover (&touched, "c", 1));
  assert_differs (g, true, NULL, "d/a");
  assert_differs (g, true, &touched, NULL);
  assert_differs (g, false, NULL, NULL);
}

static void
besides_what_a_round_wrote_others_are_still_seen (void **state)
{
  struct ground *g = *state;
  CLEANUP_HINTS struct hints touched = { 0 };
  proven (g);
  put_file (on_src (g, "d/a"), "another");
  settle ();
  assert_ok (ground_round (g));
  put_file (on_dst (g, "c"), "cXcc");
  known_touched (g, &touched);
  assert_differs (g, true, &touched, "c");
}

/* Only what is touched is compared, and a difference there is found. */
static void
a_comparison_of_what_was_touched_finds_what_differs (void **state)
{
  struct ground *g = *state;
  CLEANUP_HINTS struct hints touched = { 0 };
  proven (g);
  put_file (on_src (g, "d/a"), "another");
  settle ();
  assert_ok (ground_round (g));
  put_file (on_dst (g, "d/a"), "anXther");
  known_touched (g, &touched);
  for (int i = 0; i < 2; i++) {
    json_t *out = NULL;
    assert_ok (ground_compare_some (g, &touched, &out));
    assert_int_equal (json_is_true (json_object_get (out, "equal")), i == 1);
    assert_true (json_integer_value (json_object_get (out, "entries")) < 5);
    json_decref (out);
    put_file (on_dst (g, "d/a"), "another");
    struct stat st;
    assert_int_equal (stat (on_src (g, "d/a"), &st), 0);
    set_mtime (on_dst (g, "d/a"), st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  }
}

/* After a receive that did not end, everything counts as touched. */
static void
after_an_interruption_all_counts_as_touched (void **state)
{
  struct ground *g = *state;
  CLEANUP_HINTS struct hints touched = { 0 };
  CLEANUP_FREE char *of = mem_printf ("of=%s", on_src (g, "d/a"));
  bool known;
  proven (g);
  RUN ("/bin/dd", "if=/dev/urandom", "bs=1M", "count=3", "status=none", of);
  settle ();
  g->cut = 2000000;
  assert_code (ground_round (g), "RH-TEST-CUT");
  assert_ok (touched_read (g->dst_index, "item", &known, &touched));
  assert_false (known);
}

int
main (void)
{
#define WITH(t) \
  cmocka_unit_test_setup_teardown (t, ground_set_up, ground_tear_down)
  const struct CMUnitTest tests[] = {
    WITH (nothing_differs_behind_a_proof),
    WITH (what_somebody_writes_on_the_target_is_seen),
    WITH (a_file_that_is_new_or_gone_is_seen),
    WITH (other_rights_are_seen),
    WITH (what_a_round_wrote_may_differ_and_is_named),
    WITH (besides_what_a_round_wrote_others_are_still_seen),
    WITH (a_comparison_of_what_was_touched_finds_what_differs),
    WITH (after_an_interruption_all_counts_as_touched),
  };
  ground_needs_root ();
  return cmocka_run_group_tests_name ("still", tests, NULL, NULL);
}
