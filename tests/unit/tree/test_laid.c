/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds that are laid up and applied later, in order; the audit of what was
 * sent; and a copy that is taken away again. */
#include "ground.h"

#include "tree/audit.h"
#include "tree/discard.h"
#include "tree/laid.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The ground's stream, or its first bytes. */
struct played {
  const struct buf *from;
  size_t at, end;
};

static struct err *
play (void *ctx, void *data, size_t cap, size_t *len)
{
  struct played *p = ctx;
  size_t n = p->end - p->at < cap ? p->end - p->at : cap;
  memcpy (data, p->from->data + p->at, n);
  p->at += n;
  *len = n;
  return NULL;
}

static const char *
laid_dir (struct ground *g)
{
  return on_dst (g, "../laid");
}

/* What changed on the source since its last acknowledged round. */
static struct err *
lay (struct ground *g, bool whole, size_t cut)
{
  CLEANUP_JSON json_t *out = NULL;
  struct tree_watch watch = { 0 };
  g->send.base = true;
  g->send.round = 1;
  TRY (ground_send (g));
  struct played p = { &g->stream, 0, g->stream.len - cut };
  struct source in = { play, &p };
  TRY (tree_lay (laid_dir (g), "item", whole, &in, &watch, &out));
  return whole ? NULL : tree_commit (g->src_index, "item", 1);
}

static size_t
rounds (struct ground *g)
{
  CLEANUP_JSON json_t *out = NULL;
  assert_ok (tree_laid (laid_dir (g), "item", &out));
  return json_array_size (json_object_get (out, "rounds"));
}

/* How many are left then. */
static long
apply (struct ground *g)
{
  CLEANUP_JSON json_t *out = NULL;
  struct tree_watch watch = { 0 };
  struct tree_receive a = { .root = g->dst,
                            .index_dir = g->dst_index,
                            .index = "item",
                            .maps = &g->maps,
                            .delete_limit = 10 };
  assert_ok (tree_laid_apply (laid_dir (g), &a, &watch, &out));
  return (long)json_integer_value (json_object_get (out, "left"));
}

static void
assert_text (const char *path, const char *text)
{
  CLEANUP_FREE char *is = get_file (path);
  assert_non_null (is);
  assert_string_equal (is, text);
}

static void
begin (struct ground *g)
{
  make_dir (on_src (g, "d"));
  put_file (on_src (g, "d/a"), "one");
  put_file (on_src (g, "gone"), "to be removed");
  assert_ok (ground_copy (g));
}

static void
what_is_laid_up_changes_nothing_until_it_is_applied_in_order (void **state)
{
  struct ground *g = *state;
  begin (g);
  put_file (on_src (g, "d/a"), "second");
  assert_ok (lay (g, false, 0));
  put_file (on_src (g, "d/a"), "the third");
  unlink (on_src (g, "gone"));
  assert_ok (lay (g, false, 0));
  assert_int_equal (rounds (g), 2);
  assert_text (on_dst (g, "d/a"), "one");
  assert_int_equal (apply (g), 1);
  assert_text (on_dst (g, "d/a"), "second");
  assert_true (is_there (on_dst (g, "gone")));
  assert_int_equal (apply (g), 0);
  assert_text (on_dst (g, "d/a"), "the third");
  assert_false (is_there (on_dst (g, "gone")));
  assert_int_equal (apply (g), 0); /* nothing is left to be applied */
}

static bool
is_new (struct ground *g)
{
  CLEANUP_JSON json_t *out = NULL;
  assert_ok (tree_laid (laid_dir (g), "item", &out));
  return json_is_true (json_object_get (out, "new"));
}

static void
a_round_is_new_until_the_sender_has_acknowledged_it (void **state)
{
  struct ground *g = *state;
  begin (g);
  assert_false (is_new (g));
  put_file (on_src (g, "d/a"), "second");
  assert_ok (lay (g, false, 0));
  assert_true (is_new (g));
  assert_ok (tree_laid_acknowledge (laid_dir (g), "item"));
  assert_false (is_new (g));
  assert_int_equal (rounds (g), 1);
}

static void
a_round_that_breaks_off_is_not_kept (void **state)
{
  struct ground *g = *state;
  begin (g);
  put_file (on_src (g, "d/a"), "second");
  CLEANUP_ERR struct err *e = lay (g, false, 3);
  assert_non_null (e);
  assert_int_equal (rounds (g), 0);
  assert_false (is_there (on_dst (g, "../laid/.item.part")));
  assert_ok (lay (g, false, 0));
  assert_int_equal (apply (g), 0);
  assert_text (on_dst (g, "d/a"), "second");
}

static void
one_with_everything_takes_the_place_of_those_before_it (void **state)
{
  struct ground *g = *state;
  begin (g);
  put_file (on_src (g, "d/a"), "second");
  assert_ok (lay (g, true, 0));
  put_file (on_src (g, "d/a"), "the third");
  assert_ok (lay (g, true, 0));
  assert_int_equal (rounds (g), 1);
  assert_int_equal (apply (g), 0);
  assert_text (on_dst (g, "d/a"), "the third");
}

static json_t *
audit (struct ground *g)
{
  json_t *out = NULL;
  struct tree_watch watch = { 0 };
  struct tree_audit a
      = { .what
          = { .root = g->src, .index_dir = g->src_index, .index = "item" },
          .limit = 10 };
  assert_ok (tree_audit (&a, &watch, &out));
  return out;
}

static void
the_audit_finds_content_that_changed_behind_its_time (void **state)
{
  struct ground *g = *state;
  struct stat st;
  begin (g);
  CLEANUP_JSON json_t *before = audit (g);
  assert_true (json_is_true (json_object_get (before, "equal")));
  assert_int_equal (stat (on_src (g, "d/a"), &st), 0);
  put_file (on_src (g, "d/a"), "two"); /* as long as it was */
  set_mtime (on_src (g, "d/a"), st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  CLEANUP_JSON json_t *after = audit (g);
  assert_false (json_is_true (json_object_get (after, "equal")));
  const json_t *first = json_array_get (json_object_get (after, "examples"), 0);
  assert_string_equal (json_string_value (json_object_get (first, "path")),
                       "d/a");
  assert_string_equal (
      json_string_value (json_array_get (json_object_get (first, "kinds"), 0)),
      "content");
}

/* One byte, with the times that the file had. */
static void
poke_behind_its_time (const char *path, off_t at)
{
  struct stat st;
  assert_int_equal (stat (path, &st), 0);
  int fd = open (path, O_WRONLY);
  assert_int_equal (pwrite (fd, "!", 1, at), 1);
  close (fd);
  set_mtime (path, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

/* The index has no digest of the whole of such a file. */
static void
the_audit_holds_a_file_that_went_in_parts_against_its_blocks (void **state)
{
  struct ground *g = *state;
  struct timespec settle = { 0, 70000000 };
  char line[4000];
  int fd = open (on_src (g, "big"), O_WRONLY | O_CREAT, 0644);
  for (int i = 0; i < 700; i++) {
    memset (line, 'a' + i % 26, sizeof line);
    assert_int_equal (write (fd, line, sizeof line), sizeof line);
  }
  close (fd);
  g->send.patch = true;
  nanosleep (&settle, NULL);
  assert_ok (ground_copy (g));
  fd = open (on_src (g, "big"), O_WRONLY);
  assert_int_equal (pwrite (fd, "changed", 7, 1234567), 7);
  close (fd);
  nanosleep (&settle, NULL);
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "bytes"), 4096);
  CLEANUP_JSON json_t *before = audit (g);
  assert_true (json_is_true (json_object_get (before, "equal")));
  poke_behind_its_time (on_src (g, "big"), 2000000);
  CLEANUP_JSON json_t *after = audit (g);
  assert_false (json_is_true (json_object_get (after, "equal")));
}

static void
the_audit_names_what_is_missing_and_what_is_new (void **state)
{
  struct ground *g = *state;
  begin (g);
  unlink (on_src (g, "gone"));
  put_file (on_src (g, "d/new"), "new");
  CLEANUP_JSON json_t *out = audit (g);
  bool missing = false, extra = false;
  size_t i;
  json_t *one;
  json_array_foreach (json_object_get (out, "examples"), i, one)
  {
    const char *path = json_string_value (json_object_get (one, "path"));
    const char *kind = json_string_value (
        json_array_get (json_object_get (one, "kinds"), 0));
    missing |= strcmp (path, "gone") == 0 && strcmp (kind, "missing") == 0;
    extra |= strcmp (path, "d/new") == 0 && strcmp (kind, "extra") == 0;
  }
  assert_true (missing);
  assert_true (extra);
}

static struct err *
collect (void *ctx, const void *data, size_t len)
{
  return buf_put (ctx, data, len);
}

/* *kept: how many entries stay. */
static void
discard (struct ground *g, bool dry, long *entries, long *kept)
{
  CLEANUP_JSON json_t *given = NULL;
  CLEANUP_JSON json_t *out = NULL;
  CLEANUP_BUF struct buf stream = BUF_INIT;
  struct tree_watch watch = { 0 };
  struct tree_discard a = { .root = g->dst, .dry = dry, .limit = 10 };
  struct sink sink = { collect, &stream };
  assert_ok (tree_given (g->src_index, "item", &sink, &given));
  struct played p = { &stream, 0, stream.len };
  struct source in = { play, &p };
  assert_ok (tree_discard (&a, &in, &watch, &out));
  *entries = (long)json_integer_value (json_object_get (out, "entries"));
  *kept = (long)json_integer_value (json_object_get (out, "kept"));
}

static void
a_copy_goes_but_for_what_others_made_or_changed (void **state)
{
  struct ground *g = *state;
  long entries, kept;
  begin (g);
  put_file (on_dst (g, "d/foreign"), "theirs");
  put_file (on_dst (g, "gone"), "changed by them");
  discard (g, true, &entries, &kept);
  assert_int_equal (kept, 2);
  assert_true (is_there (on_dst (g, "d/a")));
  discard (g, false, &entries, &kept);
  assert_int_equal (entries, 1);
  assert_int_equal (kept, 2);
  assert_false (is_there (on_dst (g, "d/a")));
  assert_text (on_dst (g, "d/foreign"), "theirs");
  assert_text (on_dst (g, "gone"), "changed by them");
  unlink (on_dst (g, "d/foreign"));
  unlink (on_dst (g, "gone"));
  discard (g, false, &entries, &kept);
  assert_int_equal (kept, 0);
  assert_false (is_there (on_dst (g, "")));
  discard (g, false, &entries, &kept); /* again: nothing is there */
  assert_int_equal (entries + kept, 0);
}

static void
what_a_killed_receive_left_under_temporary_names_goes_with_the_copy (
    void **state)
{
  struct ground *g = *state;
  long entries, kept;
  begin (g);
  make_dir (on_dst (g, ".rehome-tmp"));
  put_file (on_dst (g, ".rehome-tmp/0"), "half a fi");
  discard (g, true, &entries, &kept);
  assert_true (is_there (on_dst (g, ".rehome-tmp/0")));
  discard (g, false, &entries, &kept);
  assert_int_equal (kept, 0);
  assert_false (is_there (on_dst (g, "")));
}

/* What lies beyond a link that somebody put in a directory's place is not
 * entered. */
static void
a_link_in_the_place_of_a_directory_is_not_followed (void **state)
{
  struct ground *g = *state;
  long entries, kept;
  begin (g);
  make_dir (on_dst (g, "../elsewhere"));
  assert_int_equal (rename (on_dst (g, "d/a"), on_dst (g, "../elsewhere/a")),
                    0);
  assert_int_equal (rmdir (on_dst (g, "d")), 0);
  assert_int_equal (symlink ("../elsewhere", on_dst (g, "d")), 0);
  discard (g, false, &entries, &kept);
  assert_true (is_there (on_dst (g, "../elsewhere/a")));
  assert_int_equal (kept, 1);
}

int
main (void)
{
#define WITH(t) \
  cmocka_unit_test_setup_teardown (t, ground_set_up, ground_tear_down)
  const struct CMUnitTest tests[] = {
    WITH (what_is_laid_up_changes_nothing_until_it_is_applied_in_order),
    WITH (a_round_is_new_until_the_sender_has_acknowledged_it),
    WITH (a_round_that_breaks_off_is_not_kept),
    WITH (one_with_everything_takes_the_place_of_those_before_it),
    WITH (the_audit_finds_content_that_changed_behind_its_time),
    WITH (the_audit_holds_a_file_that_went_in_parts_against_its_blocks),
    WITH (the_audit_names_what_is_missing_and_what_is_new),
    WITH (a_copy_goes_but_for_what_others_made_or_changed),
    WITH (what_a_killed_receive_left_under_temporary_names_goes_with_the_copy),
    WITH (a_link_in_the_place_of_a_directory_is_not_followed),
  };
  ground_needs_root ();
  return cmocka_run_group_tests_name ("laid", tests, NULL, NULL);
}
