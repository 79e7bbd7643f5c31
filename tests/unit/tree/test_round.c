/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds after the first copy: what they see, what they leave alone. */
#include "ground.h"

#include "tree/detail.h"
#include "tree/index.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* So that no entry's ctime is too near to when it is read. */
static void
settle (void)
{
  struct timespec t = { 0, 70000000 };
  nanosleep (&t, NULL);
}

static void
few_files (struct ground *g)
{
  make_dir (on_src (g, "d"));
  put_file (on_src (g, "d/a"), "aaaa");
  put_file (on_src (g, "d/b"), "bbbb");
  put_file (on_src (g, "c"), "cccc");
  settle ();
}

static void
nothing_changed_sends_the_root_alone (void **state)
{
  struct ground *g = *state;
  few_files (g);
  assert_ok (ground_copy (g));
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "entries"), 1);
  assert_int_equal (ground_sent (g, "files"), 0);
  assert_int_equal (ground_sent (g, "walked"), 5);
  assert_same_trees (g->src, g->dst);
}

static void
a_change_whose_mtime_was_put_back_is_sent (void **state)
{
  struct ground *g = *state;
  few_files (g);
  set_mtime (on_src (g, "d/a"), 1000, 0);
  settle ();
  assert_ok (ground_copy (g));
  put_file (on_src (g, "d/a"), "AAAA");
  set_mtime (on_src (g, "d/a"), 1000, 0);
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "files"), 1);
  char *text CLEANUP_FREE = get_file (on_dst (g, "d/a"));
  assert_string_equal (text, "AAAA");
  assert_same_trees (g->src, g->dst);
}

static void
a_change_of_metadata_sends_no_content (void **state)
{
  struct ground *g = *state;
  few_files (g);
  assert_ok (ground_copy (g));
  assert_int_equal (chmod (on_src (g, "c"), 0600), 0);
  assert_int_equal (chown (on_src (g, "d/a"), 12, 13), 0);
  set_acl (on_src (g, "d/b"), "system.posix_acl_access", 1, 2);
  set_mtime (on_src (g, "d"), 5000, 6);
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "files"), 0);
  assert_same_trees (g->src, g->dst);
}

static void
a_directory_keeps_its_time_when_a_file_in_it_is_rewritten (void **state)
{
  struct ground *g = *state;
  few_files (g);
  set_mtime (on_src (g, "d"), 777, 8);
  set_mtime (g->src, 888, 9);
  settle ();
  assert_ok (ground_copy (g));
  int fd = open (on_src (g, "d/a"), O_WRONLY | O_APPEND);
  assert_int_equal (write (fd, "more", 4), 4);
  close (fd);
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "files"), 1);
  assert_same_trees (g->src, g->dst);
}

static void
what_is_gone_is_deleted (void **state)
{
  struct ground *g = *state;
  few_files (g);
  assert_ok (ground_copy (g));
  assert_int_equal (unlink (on_src (g, "d/a")), 0);
  assert_int_equal (unlink (on_src (g, "d/b")), 0);
  assert_int_equal (rmdir (on_src (g, "d")), 0);
  put_file (on_src (g, "e"), "new");
  assert_ok (ground_round (g));
  assert_int_equal (ground_got (g, "deleted"), 3);
  assert_same_trees (g->src, g->dst);
}

static void
a_directory_becomes_a_file_and_a_file_a_directory (void **state)
{
  struct ground *g = *state;
  few_files (g);
  assert_ok (ground_copy (g));
  RUN ("rm", "-r", on_src (g, "d"), on_src (g, "c"));
  put_file (on_src (g, "d"), "now a file");
  make_dir (on_src (g, "c"));
  put_file (on_src (g, "c/x"), "x");
  assert_ok (ground_round (g));
  assert_same_trees (g->src, g->dst);
}

static void
more_deletions_than_allowed_are_refused_and_nothing_is_deleted (void **state)
{
  struct ground *g = *state;
  few_files (g);
  assert_ok (ground_copy (g));
  RUN ("rm", "-r", on_src (g, "d"), on_src (g, "c"));
  g->receive.delete_limit = 3;
  assert_code (ground_round (g), "RH-TREE-DELETES");
  assert_true (is_there (on_dst (g, "d/a")));
  assert_true (is_there (on_dst (g, "c")));
}

static void
hard_links_follow_their_inode_over_rounds (void **state)
{
  struct ground *g = *state;
  few_files (g);
  assert_int_equal (link (on_src (g, "c"), on_src (g, "d/c2")), 0);
  settle ();
  assert_ok (ground_copy (g));
  assert_int_equal (link (on_src (g, "c"), on_src (g, "z")), 0);
  put_file (on_src (g, "c"), "other content");
  assert_ok (ground_round (g));
  assert_same_trees (g->src, g->dst);
  assert_int_equal (unlink (on_src (g, "c")), 0);
  assert_ok (ground_round (g));
  assert_same_trees (g->src, g->dst);
  assert_int_equal (unlink (on_src (g, "z")), 0);
  put_file (on_src (g, "z"), "alone");
  assert_ok (ground_round (g));
  assert_same_trees (g->src, g->dst);
}

static void
append_once (struct ground *g)
{
  g->meanwhile = NULL;
  int fd = open (on_src (g, "d/a"), O_WRONLY | O_APPEND);
  assert_int_equal (write (fd, "more", 4), 4);
  close (fd);
}

/* Large enough for the stream to be taken while it is read. */
static void
large_file (struct ground *g)
{
  few_files (g);
  assert_int_equal (truncate (on_src (g, "d/a"), 0), 0);
  char *of CLEANUP_FREE = mem_printf ("of=%s", on_src (g, "d/a"));
  RUN ("dd", "if=/dev/urandom", "bs=1M", "count=3", "status=none", of);
  settle ();
}

static void
a_file_that_changes_while_it_is_read_is_sent_again (void **state)
{
  struct ground *g = *state;
  large_file (g);
  g->meanwhile = append_once;
  assert_ok (ground_copy (g));
  assert_int_equal (ground_sent (g, "dirty"), 1);
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "dirty"), 0);
  assert_same_trees (g->src, g->dst);
}

static void
in_the_final_round_it_is_an_error (void **state)
{
  struct ground *g = *state;
  large_file (g);
  g->meanwhile = append_once;
  g->send.final = true;
  assert_code (ground_copy (g), "RH-TREE-CHANGING");
}

static void
a_round_without_acknowledgement_is_sent_again (void **state)
{
  struct ground *g = *state;
  few_files (g);
  assert_ok (ground_copy (g));
  put_file (on_src (g, "c"), "changed");
  put_file (on_src (g, "new"), "new");
  g->keep_uncommitted = true;
  assert_ok (ground_round (g));
  g->keep_uncommitted = false;
  unlink (on_src (g, "new")); /* of which the source then never knew */
  assert_code (ground_round (g), "RH-TREE-RESUME");
  g->send.listing = true;
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "files"), 1);
  assert_same_trees (g->src, g->dst);
  g->send.listing = false;
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "files"), 0);
}

static void
without_an_acknowledged_index_there_is_no_round (void **state)
{
  struct ground *g = *state;
  few_files (g);
  assert_code (ground_round (g), "RH-TREE-NOBASE");
  assert_ok (ground_copy (g));
  char *acked CLEANUP_FREE = mem_printf ("%s/item.acked", g->src_index);
  assert_int_equal (truncate (acked, 100), 0);
  assert_code (ground_round (g), "RH-TREE-NOBASE");
}

/* Makes the acknowledged index say that `rel` was read after its last change:
 * what a store through a mapping looks like. */
static void
hide_change (struct ground *g, const char *rel)
{
  struct index *x CLEANUP_INDEX = NULL;
  struct index_writer *w CLEANUP_INDEX_WRITER = NULL;
  const struct tree_entry *e;
  struct stat st;
  char *acked CLEANUP_FREE = mem_printf ("%s/item.acked", g->src_index);
  char *fresh CLEANUP_FREE = mem_printf ("%s/item.new-9", g->src_index);
  assert_ok (index_open (acked, &x));
  assert_ok (index_create (fresh, &w));
  assert_int_equal (stat (on_src (g, rel), &st), 0);
  for (;;) {
    assert_ok (index_next (x, &e));
    if (e == NULL)
      break;
    struct tree_entry copy = *e;
    if (strcmp (e->path, rel) == 0) {
      copy.mtime = (struct tree_time){ st.st_mtim.tv_sec,
                                       (uint32_t)st.st_mtim.tv_nsec };
      copy.ctime = (struct tree_time){ st.st_ctim.tv_sec,
                                       (uint32_t)st.st_ctim.tv_nsec };
    }
    assert_ok (index_put (w, &copy));
  }
  assert_ok (index_finish (w));
  assert_ok (tree_commit (g->src_index, "item", 9));
}

static void
a_mapped_file_is_read_when_asked_for (void **state)
{
  struct ground *g = *state;
  few_files (g);
  assert_ok (ground_copy (g));
  put_file (on_src (g, "c"), "CCCC");
  hide_change (g, "c");
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "files"), 0);
  json_t *list CLEANUP_JSON = json_pack ("[s]", on_src (g, "c"));
  struct paths paths;
  assert_ok (paths_read (list, g->src, &paths));
  g->send.reread = &paths;
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "files"), 1);
  char *text CLEANUP_FREE = get_file (on_dst (g, "c"));
  assert_string_equal (text, "CCCC");
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "files"), 0);
  g->send.force = &paths;
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "files"), 1);
  paths_free (&paths);
}

/* Content in the way. */

static void
foreign_content_is_named_and_left_alone (void **state)
{
  struct ground *g = *state;
  few_files (g);
  make_dir (g->dst);
  put_file (on_dst (g, "theirs"), "mine");
  struct err *e CLEANUP_ERR = ground_copy (g);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-TREE-INWAY");
  assert_non_null (strstr (err_message (e), "theirs"));
  assert_false (is_there (on_dst (g, "c")));
  char *text CLEANUP_FREE = get_file (on_dst (g, "theirs"));
  assert_string_equal (text, "mine");
}

static void
foreign_content_is_kept_aside_where_allowed (void **state)
{
  struct ground *g = *state;
  few_files (g);
  make_dir (g->dst);
  put_file (on_dst (g, "theirs"), "mine");
  char *aside CLEANUP_FREE = mem_printf ("%s/aside", g->dir);
  g->receive.overwrite = true;
  g->receive.aside = aside;
  assert_ok (ground_copy (g));
  assert_same_trees (g->src, g->dst);
  const char *kept = json_string_value (json_object_get (g->got, "kept_aside"));
  assert_non_null (kept);
  char *path CLEANUP_FREE = mem_printf ("%s/theirs", kept);
  assert_true (is_there (path));
}

static void
another_directory_in_the_place_of_the_copy_is_in_the_way (void **state)
{
  struct ground *g = *state;
  few_files (g);
  assert_ok (ground_copy (g));
  RUN ("rm", "-r", g->dst);
  make_dir (g->dst);
  put_file (on_dst (g, "theirs"), "mine");
  assert_code (ground_round (g), "RH-TREE-INWAY");
  assert_code (ground_copy (g), "RH-TREE-INWAY");
  assert_true (is_there (on_dst (g, "theirs")));
}

static void
a_copy_that_is_gone_is_not_brought_up_to_date (void **state)
{
  struct ground *g = *state;
  few_files (g);
  assert_ok (ground_copy (g));
  RUN ("rm", "-r", g->dst);
  assert_code (ground_round (g), "RH-TREE-MISSING");
  assert_ok (ground_copy (g));
  assert_same_trees (g->src, g->dst);
}

static void
the_directory_above_the_root_keeps_its_time (void **state)
{
  struct ground *g = *state;
  few_files (g);
  char *above CLEANUP_FREE = mem_printf ("%s/above", g->dir);
  char *root CLEANUP_FREE = mem_printf ("%s/copy", above);
  make_dir (above);
  set_mtime (above, 4242, 7);
  g->receive.root = root;
  assert_ok (ground_copy (g));
  struct stat st;
  assert_int_equal (stat (above, &st), 0);
  assert_int_equal (st.st_mtim.tv_sec, 4242);
  assert_int_equal (st.st_mtim.tv_nsec, 7);
}

static void
an_empty_directory_is_not_in_the_way (void **state)
{
  struct ground *g = *state;
  few_files (g);
  make_dir (g->dst);
  assert_ok (ground_copy (g));
  assert_same_trees (g->src, g->dst);
}

/* Interruptions. */

static void
a_first_copy_that_was_cut_is_made_whole_by_the_next (void **state)
{
  struct ground *g = *state;
  large_file (g);
  put_file (on_src (g, "b-gone"), "is there at first");
  for (size_t cut = 5000; cut < 3000000; cut = cut * 3) {
    g->cut = cut;
    assert_code (ground_copy (g), "RH-TEST-CUT");
  }
  g->cut = 0;
  assert_int_equal (unlink (on_src (g, "b-gone")), 0);
  assert_ok (ground_copy (g));
  assert_same_trees (g->src, g->dst);
}

static void
a_round_that_was_cut_is_mended_by_a_listing (void **state)
{
  struct ground *g = *state;
  large_file (g);
  set_mtime (on_src (g, "d"), 99, 0);
  assert_ok (ground_copy (g));
  put_file (on_src (g, "aa-new"), "will be gone");
  RUN ("cp", on_src (g, "d/a"), on_src (g, "d/zz"));
  g->cut = 2000000;
  assert_code (ground_round (g), "RH-TEST-CUT");
  assert_true (is_there (on_dst (g, "aa-new")));
  assert_false (is_there (on_dst (g, ".rehome-tmp")));
  make_dir (on_dst (g, ".rehome-tmp")); /* as one that is killed leaves it */
  put_file (on_dst (g, ".rehome-tmp/0"), "half");
  g->cut = 0;
  assert_int_equal (unlink (on_src (g, "aa-new")), 0);
  assert_int_equal (unlink (on_src (g, "d/zz")), 0);
  set_mtime (on_src (g, "d"), 99, 0);
  assert_code (ground_round (g), "RH-TREE-RESUME");
  g->send.listing = true;
  assert_ok (ground_round (g));
  assert_false (is_there (on_dst (g, ".rehome-tmp")));
  assert_int_equal (ground_sent (g, "files"), 0);
  assert_same_trees (g->src, g->dst);
  g->send.listing = false;
  assert_ok (ground_round (g));
}

static void
a_byte_that_changed_on_the_way_is_noticed (void **state)
{
  struct ground *g = *state;
  few_files (g);
  assert_ok (ground_send (g));
  unsigned char *at = memmem (g->stream.data, g->stream.len, "cccc", 4);
  assert_non_null (at);
  at[1] ^= 1;
  g->receive.seed = true;
  assert_code (ground_receive (g), "RH-TREE-CORRUPT");
}

static void
a_full_disk_is_said_and_what_is_there_is_kept (void **state)
{
  struct ground *g = *state;
  large_file (g);
  put_file (on_src (g, "aa"), "first");
  make_dir (g->dst);
  RUN ("mount", "-t", "tmpfs", "-o", "size=1m", "none", g->dst);
  struct err *e CLEANUP_ERR = ground_copy (g);
  bool first = is_there (on_dst (g, "aa"));
  RUN ("mount", "-o", "remount,size=10m", g->dst);
  struct err *again CLEANUP_ERR = ground_copy (g);
  if (again == NULL)
    assert_same_trees (g->src, g->dst);
  RUN ("umount", g->dst);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-TREE-NOSPACE");
  assert_true (first);
  assert_null (again);
}

static void
a_mount_below_is_reported_and_not_entered (void **state)
{
  struct ground *g = *state;
  few_files (g);
  make_dir (on_src (g, "m"));
  RUN ("mount", "-t", "tmpfs", "none", on_src (g, "m"));
  put_file (on_src (g, "m/inside"), "x");
  struct err *e CLEANUP_ERR = ground_copy (g);
  RUN ("umount", on_src (g, "m"));
  assert_null (e);
  assert_int_equal (ground_sent (g, "mounts"), 1);
  assert_false (is_there (on_dst (g, "m/inside")));
}

static void
a_read_only_bind_mount_of_the_root_does_not_matter (void **state)
{
  struct ground *g = *state;
  few_files (g);
  RUN ("mount", "--bind", g->src, g->src);
  RUN ("mount", "-o", "remount,bind,ro", g->src);
  struct err *e CLEANUP_ERR = ground_copy (g);
  RUN ("umount", g->src);
  assert_null (e);
  assert_same_trees (g->src, g->dst);
}

static void
an_entry_is_doubtful_within_50_ms_of_its_ctime (void **state)
{
  (void)state;
  struct tree_entry e = { .ctime = { 100, 10000000 } };
  assert_false (detail_doubtful (&e, (struct tree_time){ 100, 60000001 }));
  assert_true (detail_doubtful (&e, (struct tree_time){ 100, 60000000 }));
  assert_true (detail_doubtful (&e, (struct tree_time){ 100, 5000000 }));
  e.ctime = (struct tree_time){ 99, 980000000 };
  assert_true (detail_doubtful (&e, (struct tree_time){ 100, 20000000 }));
}

static void
a_doubtful_entry_is_read_again_and_not_sent_again (void **state)
{
  struct ground *g = *state;
  few_files (g);
  put_file (on_src (g, "fresh"), "just now");
  assert_ok (ground_copy (g));
  struct index *x CLEANUP_INDEX = NULL;
  const struct tree_entry *e;
  char *acked CLEANUP_FREE = mem_printf ("%s/item.acked", g->src_index);
  assert_ok (index_open (acked, &x));
  assert_ok (index_seek (x, "fresh", 5, NULL, NULL, &e));
  assert_non_null (e);
  assert_true (e->marks & TREE_DOUBTFUL);
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "files"), 0);
}

#define CASE(f) \
  cmocka_unit_test_setup_teardown (f, ground_set_up, ground_tear_down)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    CASE (nothing_changed_sends_the_root_alone),
    CASE (a_change_whose_mtime_was_put_back_is_sent),
    CASE (a_change_of_metadata_sends_no_content),
    CASE (a_directory_keeps_its_time_when_a_file_in_it_is_rewritten),
    CASE (what_is_gone_is_deleted),
    CASE (a_directory_becomes_a_file_and_a_file_a_directory),
    CASE (more_deletions_than_allowed_are_refused_and_nothing_is_deleted),
    CASE (hard_links_follow_their_inode_over_rounds),
    CASE (a_file_that_changes_while_it_is_read_is_sent_again),
    CASE (in_the_final_round_it_is_an_error),
    CASE (a_round_without_acknowledgement_is_sent_again),
    CASE (without_an_acknowledged_index_there_is_no_round),
    CASE (a_mapped_file_is_read_when_asked_for),
    CASE (foreign_content_is_named_and_left_alone),
    CASE (foreign_content_is_kept_aside_where_allowed),
    CASE (another_directory_in_the_place_of_the_copy_is_in_the_way),
    CASE (a_copy_that_is_gone_is_not_brought_up_to_date),
    CASE (the_directory_above_the_root_keeps_its_time),
    CASE (an_empty_directory_is_not_in_the_way),
    CASE (a_first_copy_that_was_cut_is_made_whole_by_the_next),
    CASE (a_round_that_was_cut_is_mended_by_a_listing),
    CASE (a_byte_that_changed_on_the_way_is_noticed),
    CASE (a_full_disk_is_said_and_what_is_there_is_kept),
    CASE (a_mount_below_is_reported_and_not_entered),
    CASE (a_read_only_bind_mount_of_the_root_does_not_matter),
    CASE (an_entry_is_doubtful_within_50_ms_of_its_ctime),
    CASE (a_doubtful_entry_is_read_again_and_not_sent_again),
  };
  ground_needs_root ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
