/* SPDX-License-Identifier: Apache-2.0 */
/* A place that is also others': what a receive made that did not end goes when
 * the source has lost it since, and nothing else does. */
#include "ground.h"

#include "tree/made.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
tree_of_two (struct ground *g)
{
  make_dir (on_src (g, "d"));
  put_file (on_src (g, "d/a"), "a");
  put_file (on_src (g, "z"), "z");
  g->receive.keep = g->receive.merge = true;
}

static void
fill (const char *path, const char *mebibytes)
{
  CLEANUP_FREE char *of = mem_printf ("of=%s", path);
  CLEANUP_FREE char *count = mem_printf ("count=%s", mebibytes);
  RUN ("dd", "if=/dev/urandom", "bs=1M", "status=none", count, of);
}

/* A round that is cut, with names that only it has. */
static void
cut_round_with_news (struct ground *g)
{
  make_dir (on_src (g, "d/new"));
  put_file (on_src (g, "d/new/one"), "one");
  make_dir (on_src (g, "d/shared"));
  put_file (on_src (g, "d/shared/one"), "one");
  fill (on_src (g, "y"), "3");
  g->cut = 2000000;
  assert_code (ground_round (g), "RH-TEST-CUT");
  g->cut = 0;
}

static void
what_the_source_lost_again_goes (void **state)
{
  struct ground *g = *state;
  tree_of_two (g);
  assert_ok (ground_copy (g));
  put_file (on_dst (g, "d/foreign"), "foreign");
  cut_round_with_news (g);
  assert_true (is_there (on_dst (g, "d/new/one")));
  assert_false (is_there (on_dst (g, ".rehome-tmp"))); /* half of y was there */
  put_file (on_dst (g, "d/shared/foreign"), "foreign");
  RUN ("rm", "-r", on_src (g, "d/new"), on_src (g, "d/shared"),
       on_src (g, "y"));
  g->send.listing = true;
  assert_ok (ground_round (g));
  assert_false (is_there (on_dst (g, "d/new")));
  assert_false (is_there (on_dst (g, "d/shared/one")));
  assert_false (is_there (on_dst (g, "y")));
  assert_true (is_there (on_dst (g, "d/shared/foreign")));
  assert_true (is_there (on_dst (g, "d/foreign")));
  assert_true (is_there (on_dst (g, "d/a")));
}

/* It ended, and who led it died before the source heard of that. */
static void
what_nobody_acknowledged_goes_when_the_source_lost_it (void **state)
{
  struct ground *g = *state;
  tree_of_two (g);
  put_file (on_src (g, "d/new"), "new");
  g->keep_uncommitted = true;
  assert_ok (ground_copy (g));
  g->keep_uncommitted = false;
  put_file (on_dst (g, "d/foreign"), "foreign");
  unlink (on_src (g, "d/new"));
  assert_ok (ground_copy (g));
  assert_false (is_there (on_dst (g, "d/new")));
  assert_true (is_there (on_dst (g, "d/a")));
  assert_true (is_there (on_dst (g, "d/foreign")));
}

static void
what_is_left_out_since_stays (void **state)
{
  struct ground *g = *state;
  CLEANUP_FILTER struct filter *out = NULL;
  CLEANUP_JSON json_t *rules = json_pack ("[s]", "new/");
  tree_of_two (g);
  assert_ok (ground_copy (g));
  cut_round_with_news (g);
  assert_ok (filter_read (rules, &out));
  g->send.filter = g->receive.filter = out;
  g->send.listing = true;
  assert_ok (ground_round (g));
  assert_true (is_there (on_dst (g, "d/new/one")));
}

static void
too_many_of_them_are_refused (void **state)
{
  struct ground *g = *state;
  tree_of_two (g);
  assert_ok (ground_copy (g));
  cut_round_with_news (g);
  RUN ("rm", "-r", on_src (g, "d/new"), on_src (g, "d/shared"));
  g->send.listing = true;
  g->receive.delete_limit = 3;
  assert_code (ground_round (g), "RH-TREE-DELETES");
  assert_true (is_there (on_dst (g, "d/new/one")));
  g->receive.delete_limit = 4; /* two directories, two files */
  assert_ok (ground_round (g));
  assert_false (is_there (on_dst (g, "d/new")));
}

static void
die (struct ground *g)
{
  if (is_there (on_dst (g, "d/c")))
    kill (getpid (), SIGKILL);
}

/* The receiver is killed at once, with nothing written out by itself. */
static void
a_killed_first_copy_leaves_nothing_that_the_source_lost (void **state)
{
  struct ground *g = *state;
  tree_of_two (g);
  fill (on_src (g, "d/b"), "2");
  fill (on_src (g, "d/c"), "2");
  g->receive.seed = true;
  assert_ok (ground_send (g));
  pid_t child = fork ();
  assert_true (child >= 0);
  if (child == 0) {
    g->giving = die;
    err_free (ground_receive (g));
    _exit (0);
  }
  int status;
  assert_int_equal (waitpid (child, &status, 0), child);
  assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
  put_file (on_dst (g, "foreign"), "foreign");
  assert_int_equal (unlink (on_src (g, "d/b")), 0);
  assert_ok (ground_copy (g));
  assert_false (is_there (on_dst (g, "d/b")));
  assert_true (is_there (on_dst (g, "foreign")));
}

static void
after_a_whole_receive_nothing_is_remembered (void **state)
{
  struct ground *g = *state;
  tree_of_two (g);
  assert_ok (ground_copy (g));
  CLEANUP_FREE char *log = mem_printf ("%s/item.made", g->dst_index);
  assert_false (is_there (log));
}

static void
add_three (struct ground *g)
{
  struct made *m;
  assert_ok (made_open (g->dst_index, "log", false, &m));
  assert_ok (made_add (m, "a", 1, true));
  assert_ok (made_add (m, "a/file", 6, false));
  assert_ok (made_add (m, "b", 1, false));
  made_free (m);
}

static void
expect (struct made *m, uint64_t *at, const char *path, bool is_dir)
{
  struct made_entry e;
  bool more;
  assert_ok (made_next (m, at, &e, &more));
  assert_int_equal (more, path != NULL);
  if (path == NULL)
    return;
  assert_int_equal (e.len, strlen (path));
  assert_memory_equal (e.path, path, e.len);
  assert_int_equal (e.is_dir, is_dir);
}

/* The length is written last: one whose length is there and whose path is not
 * is what a power cut leaves. */
static void
a_torn_record_and_all_behind_it_do_not_count (void **state)
{
  struct ground *g = *state;
  RUN ("mkdir", "-p", g->dst_index);
  add_three (g);
  CLEANUP_FREE char *path = mem_printf ("%s/log.made", g->dst_index);
  CLEANUP_FD int fd = open (path, O_WRONLY | O_CLOEXEC);
  assert_int_equal (pwrite (fd, "", 1, 6 + 5 + 3), 1); /* in "a/file" */
  struct made *m;
  uint64_t at = 0;
  assert_ok (made_open (g->dst_index, "log", true, &m));
  expect (m, &at, "a", true);
  expect (m, &at, NULL, false);
  assert_ok (made_add (m, "c", 1, false));
  made_free (m);
  at = 0;
  assert_ok (made_open (g->dst_index, "log", true, &m));
  expect (m, &at, "a", true);
  expect (m, &at, "c", false);
  expect (m, &at, NULL, false);
  made_free (m);
}

static void
records_beyond_the_first_window_are_there (void **state)
{
  struct ground *g = *state;
  RUN ("mkdir", "-p", g->dst_index);
  CLEANUP_FREE char *path = mem_alloc (60001);
  memset (path, 'p', 60000);
  struct made *m;
  assert_ok (made_open (g->dst_index, "log", false, &m));
  for (int c = 'a'; c <= 'z'; c++) {
    path[0] = (char)c;
    assert_ok (made_add (m, path, 60000, false));
  }
  made_free (m);
  uint64_t at = 0;
  assert_ok (made_open (g->dst_index, "log", true, &m));
  for (int c = 'a'; c <= 'z'; c++) {
    path[0] = (char)c;
    expect (m, &at, path, false);
  }
  expect (m, &at, NULL, false);
  made_free (m);
}

int
main (void)
{
  ground_needs_root ();
#define T(f) \
  cmocka_unit_test_setup_teardown (f, ground_set_up, ground_tear_down)
  const struct CMUnitTest tests[] = {
    T (what_the_source_lost_again_goes),
    T (what_nobody_acknowledged_goes_when_the_source_lost_it),
    T (what_is_left_out_since_stays),
    T (too_many_of_them_are_refused),
    T (a_killed_first_copy_leaves_nothing_that_the_source_lost),
    T (after_a_whole_receive_nothing_is_remembered),
    T (a_torn_record_and_all_behind_it_do_not_count),
    T (records_beyond_the_first_window_are_there),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
