/* SPDX-License-Identifier: Apache-2.0 */
/* Large files of which single blocks change, and that grow; first copies that
 * are interrupted and go on. */
#include "ground.h"

#include "tree/blocks.h"
#include "tree/index.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static void
settle (void)
{
  struct timespec t = { 0, 70000000 };
  nanosleep (&t, NULL);
}

static void
fill (const char *path, size_t len, unsigned seed)
{
  unsigned char *p = mem_alloc (len);
  for (size_t i = 0; i < len; i++)
    p[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  assert_int_equal (write (fd, p, len), len);
  close (fd);
  free (p);
}

static void
poke (const char *path, off_t at, const char *text)
{
  int fd = open (path, O_WRONLY);
  assert_int_equal (pwrite (fd, text, strlen (text), at), strlen (text));
  close (fd);
}

static void
copied (struct ground *g, size_t len)
{
  fill (on_src (g, "big"), len, 1);
  put_file (on_src (g, "small"), "small");
  settle ();
  g->send.patch = true;
  assert_ok (ground_copy (g));
}

static void
of_a_file_changed_in_place_the_blocks_that_changed_are_sent (void **state)
{
  struct ground *g = *state;
  copied (g, 5 * MIB + 77);
  poke (on_src (g, "big"), 10, "first block");
  poke (on_src (g, "big"), 3 * MIB - 4, "over a border");
  poke (on_src (g, "big"), 5 * MIB + 70, "the end");
  settle ();
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "bytes"), 3 * 4096 + 77);
  assert_same_trees (g->src, g->dst);
  poke (on_src (g, "big"), MIB, "and again");
  settle ();
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "bytes"), 4096);
  assert_same_trees (g->src, g->dst);
}

static void
the_file_keeps_its_inode_on_the_target (void **state)
{
  struct ground *g = *state;
  struct stat before, after;
  copied (g, 2 * MIB);
  assert_int_equal (stat (on_dst (g, "big"), &before), 0);
  poke (on_src (g, "big"), MIB, "x");
  assert_ok (ground_round (g));
  assert_int_equal (stat (on_dst (g, "big"), &after), 0);
  assert_int_equal (before.st_ino, after.st_ino);
  assert_same_trees (g->src, g->dst);
}

static void
of_a_file_that_grew_the_tail_is_sent (void **state)
{
  struct ground *g = *state;
  copied (g, 3 * MIB + 5);
  int fd = open (on_src (g, "big"), O_WRONLY | O_APPEND);
  assert_int_equal (write (fd, "and more", 8), 8);
  close (fd);
  settle ();
  g->send.grown = true;
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "bytes"), 13);
  assert_same_trees (g->src, g->dst);
}

/* A block that the sample misses, and a tail. */
static void
hide_in_growth (struct ground *g)
{
  copied (g, 4 * MIB);
  poke (on_src (g, "big"), 5 * 4096 + 1, "hidden");
  int fd = open (on_src (g, "big"), O_WRONLY | O_APPEND);
  assert_int_equal (write (fd, "tail", 4), 4);
  close (fd);
  settle ();
}

static void
a_change_that_a_grown_file_hides_is_found_where_nothing_follows (void **state)
{
  struct ground *g = *state;
  hide_in_growth (g);
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "bytes"), 4096 + 4);
  assert_same_trees (g->src, g->dst);
}

static void
a_change_that_a_grown_file_hides_is_found_in_the_final_round (void **state)
{
  struct ground *g = *state;
  hide_in_growth (g);
  g->send.grown = true;
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "bytes"), 4);
  g->send.final = true;
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "bytes"), 4096);
  assert_same_trees (g->src, g->dst);
}

static void
a_file_that_became_shorter_or_mostly_new_is_sent_whole (void **state)
{
  struct ground *g = *state;
  copied (g, 4 * MIB);
  assert_int_equal (truncate (on_src (g, "big"), 3 * MIB), 0);
  settle ();
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "bytes"), 3 * MIB);
  assert_same_trees (g->src, g->dst);
  fill (on_src (g, "big"), 3 * MIB, 99);
  settle ();
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "bytes"), 3 * MIB);
  assert_same_trees (g->src, g->dst);
  poke (on_src (g, "big"), MIB, "small again");
  settle ();
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "bytes"), 4096);
  assert_same_trees (g->src, g->dst);
}

static void
new_times_alone_send_no_block (void **state)
{
  struct ground *g = *state;
  copied (g, 2 * MIB);
  set_mtime (on_src (g, "big"), 1000, 5);
  settle ();
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "bytes"), 0);
  assert_same_trees (g->src, g->dst);
  poke (on_src (g, "big"), MIB, "x");
  settle ();
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "bytes"), 4096);
  assert_same_trees (g->src, g->dst);
}

static void
a_torn_block_index_sends_the_file_whole (void **state)
{
  struct ground *g = *state;
  copied (g, 2 * MIB);
  char *path CLEANUP_FREE = NULL;
  assert_ok (index_path (g->src_index, "item", "blk", &path));
  char *line CLEANUP_FREE = mem_printf (
      "for f in %s/*; do printf x | dd of=\"$f\" bs=1 seek=999 conv=notrunc "
      "status=none; done",
      path);
  RUN ("sh", "-c", line);
  poke (on_src (g, "big"), MIB, "x");
  settle ();
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "bytes"), 2 * MIB);
  assert_same_trees (g->src, g->dst);
}

static void
a_target_that_was_written_to_refuses_blocks (void **state)
{
  struct ground *g = *state;
  copied (g, 2 * MIB);
  poke (on_dst (g, "big"), 0, "foreign");
  poke (on_src (g, "big"), MIB, "x");
  assert_code (ground_round (g), "RH-TREE-PATCH");
  g->send.patch = false;
  g->send.listing = true;
  assert_ok (ground_round (g));
  assert_same_trees (g->src, g->dst);
}

/* Blocks are written in place: a round that does not end is undone first. */
static void
an_interrupted_patch_is_put_back_before_the_next_round (void **state)
{
  struct ground *g = *state;
  copied (g, 8 * MIB);
  poke (on_src (g, "big"), MIB, "one");
  poke (on_src (g, "big"), 8 * MIB, "grown");
  fill (on_src (g, "zz"), 30000, 7);
  settle ();
  g->send.base = true;
  g->send.final = true; /* no short cut for what grew */
  assert_ok (ground_send (g));
  g->cut = g->stream.len - 30;
  g->receive.seed = false;
  struct err *e = ground_receive (g);
  assert_non_null (e);
  err_free (e);
  struct stat st;
  assert_int_equal (stat (on_dst (g, "big"), &st), 0);
  assert_int_equal (st.st_size, 8 * MIB + 5);
  g->cut = 0;
  /* The block that was sent is what it was before again. */
  fill (on_src (g, "big"), 8 * MIB, 1);
  unlink (on_src (g, "zz"));
  settle ();
  g->send.listing = true;
  assert_ok (ground_round (g));
  assert_same_trees (g->src, g->dst);
}

static void
cut_short (struct ground *g)
{
  g->meanwhile = NULL;
  assert_int_equal (truncate (on_src (g, "big"), MIB), 0);
}

static void
write_behind (struct ground *g)
{
  g->meanwhile = NULL;
  poke (on_src (g, "big"), 77, "behind what was compared");
}

/* A file that is cut short while its blocks are sent loses its end on the
 * target, too. */
static void
what_an_interrupted_patch_cut_off_is_put_back (void **state)
{
  struct ground *g = *state;
  struct stat st;
  copied (g, 4 * MIB);
  for (size_t i = 1; i < 400; i++)
    poke (on_src (g, "big"), (off_t)(i * 8192), "changed");
  fill (on_src (g, "zz"), 30000, 7);
  settle ();
  g->send.base = true;
  g->meanwhile = cut_short;
  assert_ok (ground_send (g));
  assert_null (g->meanwhile);
  g->cut = g->stream.len - 30;
  g->receive.seed = false;
  assert_code (ground_receive (g), "RH-TEST-CUT");
  assert_int_equal (stat (on_dst (g, "big"), &st), 0);
  assert_int_equal (st.st_size, MIB);
  g->cut = 0;
  fill (on_src (g, "big"), 4 * MIB, 1); /* as it was */
  unlink (on_src (g, "zz"));
  settle ();
  g->send.listing = true;
  assert_ok (ground_round (g));
  assert_same_trees (g->src, g->dst);
}

/* Changes much, and again while it is sent; the next round makes it equal. */
static void
changed_meanwhile (struct ground *g, void (*change) (struct ground *g))
{
  copied (g, 4 * MIB);
  for (size_t i = 1; i < 400; i++)
    poke (on_src (g, "big"), (off_t)(i * 8192), "changed");
  settle ();
  g->meanwhile = change;
  assert_ok (ground_round (g));
  assert_null (g->meanwhile);
  assert_int_equal (ground_sent (g, "dirty"), 1);
  settle ();
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "dirty"), 0);
  assert_same_trees (g->src, g->dst);
}

static void
a_file_cut_short_while_its_blocks_are_sent_is_dirty (void **state)
{
  changed_meanwhile (*state, cut_short);
}

static void
a_block_written_behind_the_comparison_is_dirty (void **state)
{
  changed_meanwhile (*state, write_behind);
}

static void
in_the_final_round_a_change_of_blocks_meanwhile_is_an_error (void **state)
{
  struct ground *g = *state;
  copied (g, 4 * MIB);
  for (size_t i = 1; i < 400; i++)
    poke (on_src (g, "big"), (off_t)(i * 8192), "changed");
  settle ();
  g->meanwhile = write_behind;
  g->send.final = true;
  assert_code (ground_round (g), "RH-TREE-CHANGING");
}

static void
a_file_that_is_gone_takes_its_block_index_along (void **state)
{
  struct ground *g = *state;
  copied (g, 2 * MIB);
  char *path CLEANUP_FREE = NULL;
  assert_ok (index_path (g->src_index, "item", "blk", &path));
  unlink (on_src (g, "big"));
  assert_ok (ground_round (g));
  RUN ("sh", "-c", "test -z \"$(ls \"$0\")\"", path);
}

/* --- resume ------------------------------------------------------------- */

static void
tree_to_interrupt (struct ground *g)
{
  make_dir (on_src (g, "a"));
  put_file (on_src (g, "a/one"), "one");
  put_file (on_src (g, "a/two"), "two");
  fill (on_src (g, "b"), 6 * MIB, 3);
  make_dir (on_src (g, "c"));
  fill (on_src (g, "c/small"), 30000, 4);
  put_file (on_src (g, "c/last"), "last");
  settle ();
  g->send.patch = true;
}

/* A first copy that is cut after `cut` bytes of the stream. */
static void
cut_first_copy (struct ground *g, size_t cut)
{
  g->send.attempt = g->receive.attempt = g->send.attempt + 1;
  g->send.base = g->send.resume != NULL;
  g->send.listing = g->send.base;
  g->receive.seed = !g->receive.merge;
  assert_ok (ground_send (g));
  g->cut = cut;
  struct err *e = ground_receive (g);
  assert_non_null (e);
  err_free (e);
  g->cut = 0;
}

static void
point_of (struct ground *g, struct resume_point *p)
{
  resume_point_free (p);
  assert_ok (resume_mark_get (g->dst_index, "item", p));
}

static void
go_on (struct ground *g, const struct resume_point *p)
{
  g->send.attempt = g->receive.attempt = g->send.attempt + 1;
  g->send.resume = p;
  g->send.base = g->send.listing = true;
  g->send.round = 0;
  g->receive.seed = !g->receive.merge;
  assert_ok (ground_send (g));
  assert_ok (ground_receive (g));
  assert_ok (tree_commit (g->src_index, "item", 0));
  assert_ok (tree_acknowledge (g->dst_index, "item"));
  g->send.resume = NULL;
  g->send.attempt = g->receive.attempt = 0;
  g->send.listing = false;
}

static void
an_interrupted_first_copy_goes_on_within_a_file (void **state)
{
  struct ground *g = *state;
  CLEANUP (resume_point_free) struct resume_point p = { 0 };
  tree_to_interrupt (g);
  cut_first_copy (g, 4 * MIB);
  point_of (g, &p);
  assert_string_equal (p.path, "b");
  assert_true (p.offset > 3 * MIB && p.offset < 4 * MIB);
  go_on (g, &p);
  assert_true (ground_sent (g, "bytes") < (long)(3 * MIB));
  assert_same_trees (g->src, g->dst);
  point_of (g, &p);
  assert_int_equal (p.attempt, 0);
  /* And the block index is there for the next round. */
  poke (on_src (g, "b"), MIB, "x");
  settle ();
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "bytes"), 4096);
  assert_same_trees (g->src, g->dst);
}

/* There files come under temporary names: the one that is under way begins
 * anew. */
static void
among_what_is_others_an_interrupted_first_copy_goes_on (void **state)
{
  struct ground *g = *state;
  CLEANUP (resume_point_free) struct resume_point p = { 0 };
  tree_to_interrupt (g);
  fill (on_src (g, "d"), 3 * MIB, 5);
  RUN ("mkdir", "-p", on_dst (g, "z"));
  put_file (on_dst (g, "z/foreign"), "foreign");
  g->receive.merge = g->receive.keep = true;
  cut_first_copy (g, 8 * MIB);
  point_of (g, &p);
  assert_string_equal (p.path, "d");
  assert_true (p.inside && p.offset == 0);
  go_on (g, &p);
  assert_int_equal (ground_sent (g, "bytes"), 3 * MIB);
  RUN ("cmp", on_src (g, "b"), on_dst (g, "b"));
  RUN ("cmp", on_src (g, "d"), on_dst (g, "d"));
  assert_true (is_there (on_dst (g, "z/foreign")));
  assert_false (is_there (on_dst (g, ".rehome-tmp")));
}

static void
a_foreign_directory_stays_also_when_the_copy_goes_on (void **state)
{
  struct ground *g = *state;
  CLEANUP (resume_point_free) struct resume_point p = { 0 };
  tree_to_interrupt (g);
  put_file (on_src (g, "z"), "a file here");
  RUN ("mkdir", "-p", on_dst (g, "z"));
  put_file (on_dst (g, "z/foreign"), "foreign");
  g->receive.merge = g->receive.keep = true;
  cut_first_copy (g, 6 * MIB + 20000);
  point_of (g, &p);
  g->send.attempt = g->receive.attempt = g->send.attempt + 1;
  g->send.resume = &p;
  g->send.base = g->send.listing = true;
  assert_ok (ground_send (g));
  assert_code (ground_receive (g), "RH-TREE-INWAY");
  assert_true (is_there (on_dst (g, "z/foreign")));
}

static void
what_was_sent_is_not_sent_again (void **state)
{
  struct ground *g = *state;
  CLEANUP (resume_point_free) struct resume_point p = { 0 };
  tree_to_interrupt (g);
  cut_first_copy (g, 6 * MIB + 20000);
  point_of (g, &p);
  go_on (g, &p);
  assert_true (ground_sent (g, "bytes") < 40000);
  assert_same_trees (g->src, g->dst);
}

static void
what_changed_since_the_interruption_is_sent (void **state)
{
  struct ground *g = *state;
  CLEANUP (resume_point_free) struct resume_point p = { 0 };
  tree_to_interrupt (g);
  cut_first_copy (g, 4 * MIB);
  point_of (g, &p);
  put_file (on_src (g, "a/one"), "ONE");
  poke (on_src (g, "b"), 5, "other");
  unlink (on_src (g, "a/two"));
  put_file (on_src (g, "a/three"), "3");
  settle ();
  go_on (g, &p);
  assert_true (ground_sent (g, "bytes") >= (long)(6 * MIB));
  assert_same_trees (g->src, g->dst);
}

static void
the_target_damaged_meanwhile_is_noticed (void **state)
{
  struct ground *g = *state;
  CLEANUP (resume_point_free) struct resume_point p = { 0 };
  tree_to_interrupt (g);
  cut_first_copy (g, 4 * MIB);
  point_of (g, &p);
  poke (on_dst (g, "b"), 100, "damage");
  g->send.attempt = g->receive.attempt = 9;
  g->send.resume = &p;
  g->send.base = g->send.listing = true;
  assert_ok (ground_send (g));
  assert_code (ground_receive (g), "RH-TREE-CORRUPT");
}

/* Cut again and again, each time at another place, with changes between. */
static void
many_interruptions_end_equal (void **state)
{
  struct ground *g = *state;
  tree_to_interrupt (g);
  cut_first_copy (g, 300000);
  for (unsigned i = 1; i < 24; i++) {
    CLEANUP (resume_point_free) struct resume_point p = { 0 };
    point_of (g, &p);
    if (i % 3 == 0)
      poke (on_src (g, i % 2 ? "b" : "c/small"), (off_t)i * 977, "changed");
    if (i % 5 == 0)
      set_mtime (on_src (g, "a/two"), 1000 + i, 0);
    settle ();
    g->send.resume = p.attempt != 0 ? &p : NULL;
    if (i == 23) {
      go_on (g, &p);
      break;
    }
    g->send.base = g->send.listing = g->send.resume != NULL;
    g->send.attempt = g->receive.attempt = g->send.attempt + 1;
    assert_ok (ground_send (g));
    g->cut = 1 + g->stream.len * (i % 7) / 7;
    err_free (ground_receive (g));
    g->cut = 0;
  }
  assert_same_trees (g->src, g->dst);
}

int
main (void)
{
  ground_needs_root ();
#define T(f) \
  cmocka_unit_test_setup_teardown (f, ground_set_up, ground_tear_down)
  const struct CMUnitTest tests[] = {
    T (of_a_file_changed_in_place_the_blocks_that_changed_are_sent),
    T (the_file_keeps_its_inode_on_the_target),
    T (of_a_file_that_grew_the_tail_is_sent),
    T (a_change_that_a_grown_file_hides_is_found_where_nothing_follows),
    T (a_change_that_a_grown_file_hides_is_found_in_the_final_round),
    T (a_file_that_became_shorter_or_mostly_new_is_sent_whole),
    T (new_times_alone_send_no_block),
    T (a_torn_block_index_sends_the_file_whole),
    T (a_target_that_was_written_to_refuses_blocks),
    T (an_interrupted_patch_is_put_back_before_the_next_round),
    T (what_an_interrupted_patch_cut_off_is_put_back),
    T (a_file_cut_short_while_its_blocks_are_sent_is_dirty),
    T (a_block_written_behind_the_comparison_is_dirty),
    T (in_the_final_round_a_change_of_blocks_meanwhile_is_an_error),
    T (a_file_that_is_gone_takes_its_block_index_along),
    T (an_interrupted_first_copy_goes_on_within_a_file),
    T (among_what_is_others_an_interrupted_first_copy_goes_on),
    T (a_foreign_directory_stays_also_when_the_copy_goes_on),
    T (what_was_sent_is_not_sent_again),
    T (what_changed_since_the_interruption_is_sent),
    T (the_target_damaged_meanwhile_is_noticed),
    T (many_interruptions_end_equal),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
