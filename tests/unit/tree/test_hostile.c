/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that no honest sender makes: each is refused, and nothing outside
 * the root is touched. */
#include "ground.h"

#include "tree/records.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct err *
to_stream (void *ctx, const void *data, size_t len)
{
  struct ground *g = ctx;
  return buf_put (&g->stream, data, len);
}

struct made {
  struct sink sink;
  struct record_writer w;
};

static struct made *
begin (struct ground *g, uint32_t flags)
{
  static struct made m;
  m = (struct made){ { to_stream, g }, { 0 } };
  m.w.sink = &m.sink;
  buf_reset (&g->stream);
  assert_ok (record_begin (&m.w, flags, 0, 0));
  return &m;
}

static struct tree_entry
entry (enum tree_type type, const char *path)
{
  return (struct tree_entry){ .type = type,
                              .mode = 0755,
                              .path = path,
                              .path_len = strlen (path),
                              .target = "",
                              .link = "" };
}

static void
add (struct made *m, const struct tree_entry *e)
{
  assert_ok (record_entry (&m->w, REC_CONTENT, e));
}

static void
add_file (struct made *m, const char *path)
{
  struct tree_entry e = entry (TREE_FILE, path);
  e.size = 4;
  add (m, &e);
  assert_ok (record_put (&m->w, REC_DATA, "evil", 4));
  unsigned char end[24] = { 4 };
  assert_ok (record_put (&m->w, REC_FILE_END, end, sizeof end));
}

static void
add_root (struct made *m)
{
  struct tree_entry e = entry (TREE_DIR, "");
  add (m, &e);
}

static void
finish (struct made *m)
{
  assert_ok (record_finish (&m->w));
  record_writer_free (&m->w);
}

static void
refused (struct ground *g, const char *code)
{
  g->receive.seed = true;
  assert_code (ground_receive (g), code);
}

static void
names_that_leave_the_root_are_refused (void **state)
{
  struct ground *g = *state;
  static const char *const names[]
      = { "../out", "/tmp/out", "a/../../out",   "..",         ".", "a//b",
          "a/./b",  "a/",       ".rehome-tmp/x", ".rehome-tmp" };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct made *m = begin (g, 0);
    add_root (m);
    add_file (m, names[i]);
    finish (m);
    refused (g, "RH-TREE-STREAM");
  }
  assert_false (is_there (on_dst (g, "../out")));
}

static void
nothing_is_written_through_a_link (void **state)
{
  struct ground *g = *state;
  char *out CLEANUP_FREE = mem_printf ("%s/out", g->dir);
  make_dir (out);
  struct made *m = begin (g, 0);
  add_root (m);
  struct tree_entry e = entry (TREE_LINK, "a");
  e.target = out;
  e.target_len = strlen (out);
  add (m, &e);
  add_file (m, "a/x");
  finish (m);
  refused (g, "RH-TREE-MISSING");
  char *x CLEANUP_FREE = mem_printf ("%s/x", out);
  assert_false (is_there (x));
}

static void
a_link_that_lies_there_already_is_not_followed (void **state)
{
  struct ground *g = *state;
  make_dir (on_src (g, "d"));
  put_file (on_src (g, "d/f"), "one");
  assert_ok (ground_copy (g));
  char *out CLEANUP_FREE = mem_printf ("%s/out", g->dir);
  make_dir (out);
  RUN ("rm", "-r", on_dst (g, "d"));
  assert_int_equal (symlink (out, on_dst (g, "d")), 0);
  put_file (on_src (g, "d/f"), "two");
  assert_ok (ground_round (g));
  char *f CLEANUP_FREE = mem_printf ("%s/f", out);
  assert_false (is_there (f));
  assert_same_trees (g->src, g->dst);
}

static void
a_hard_link_to_the_outside_is_refused (void **state)
{
  struct ground *g = *state;
  struct made *m = begin (g, 0);
  add_root (m);
  struct tree_entry e = entry (TREE_FILE, "x");
  e.is_link = true;
  e.link = "../src/secret";
  e.link_len = strlen (e.link);
  add (m, &e);
  finish (m);
  refused (g, "RH-TREE-STREAM");
}

static void
entries_out_of_order_or_twice_are_refused (void **state)
{
  struct ground *g = *state;
  static const char *const pairs[][2]
      = { { "b", "a" }, { "a", "a" }, { "a.b", "a/c" } };
  for (size_t i = 0; i < 3; i++) {
    struct made *m = begin (g, 0);
    add_root (m);
    struct tree_entry e = entry (TREE_FIFO, pairs[i][0]);
    add (m, &e);
    e = entry (TREE_FIFO, pairs[i][1]);
    add (m, &e);
    finish (m);
    refused (g, "RH-TREE-STREAM");
  }
}

static void
deletions_in_a_first_copy_of_the_root_and_too_many_are_refused (void **state)
{
  struct ground *g = *state;
  put_file (on_src (g, "f"), "x");
  assert_ok (ground_copy (g));
  struct made *m = begin (g, 0);
  assert_ok (record_u64 (&m->w, REC_DELETES, 1));
  finish (m);
  refused (g, "RH-TREE-STREAM");
  static const char *const paths[] = { "", "../src/f", "f" };
  for (size_t i = 0; i < 3; i++) {
    m = begin (g, STREAM_DELTA | STREAM_LISTING);
    assert_ok (record_u64 (&m->w, REC_DELETES, i == 2 ? 0 : 1));
    assert_ok (record_put (&m->w, REC_DELETE, paths[i], strlen (paths[i])));
    finish (m);
    g->receive.seed = false;
    assert_code (ground_receive (g), "RH-TREE-STREAM");
  }
  assert_true (is_there (on_src (g, "f")));
  assert_true (is_there (on_dst (g, "f")));
}

/* One that could not read everything says no count of deletions. */
static void
a_source_that_did_not_see_everything_removes_nothing (void **state)
{
  struct ground *g = *state;
  put_file (on_src (g, "f"), "x");
  assert_ok (ground_copy (g));
  for (int sees = 0; sees < 2; sees++) {
    struct made *m = begin (g, STREAM_DELTA | STREAM_LISTING);
    add_root (m);
    if (sees)
      assert_ok (record_u64 (&m->w, REC_DELETES, 0));
    finish (m);
    g->receive.seed = false;
    assert_ok (ground_receive (g));
    assert_int_equal (is_there (on_dst (g, "f")), !sees);
  }
}

static void
data_without_a_file_and_a_file_without_end_are_refused (void **state)
{
  struct ground *g = *state;
  struct made *m = begin (g, 0);
  add_root (m);
  assert_ok (record_put (&m->w, REC_DATA, "x", 1));
  finish (m);
  refused (g, "RH-TREE-STREAM");
  m = begin (g, 0);
  add_root (m);
  struct tree_entry e = entry (TREE_FILE, "f");
  add (m, &e);
  finish (m);
  refused (g, "RH-TREE-STREAM");
}

static void
more_content_than_was_said_is_refused (void **state)
{
  struct ground *g = *state;
  struct made *m = begin (g, 0);
  add_root (m);
  struct tree_entry e = entry (TREE_FILE, "f");
  e.size = 3;
  add (m, &e);
  assert_ok (record_put (&m->w, REC_DATA, "evil", 4));
  finish (m);
  refused (g, "RH-TREE-STREAM");
}

static void
holes_that_never_end_are_refused (void **state)
{
  struct ground *g = *state;
  struct made *m = begin (g, 0);
  add_root (m);
  struct tree_entry e = entry (TREE_FILE, "f");
  add (m, &e);
  assert_ok (record_u64 (&m->w, REC_HOLE, UINT64_MAX));
  finish (m);
  refused (g, "RH-TREE-STREAM");
}

static void
attributes_that_are_not_carried_are_refused (void **state)
{
  struct ground *g = *state;
  static const char *const sets[]
      = { "\x0bsecurity.evm\x01\0\0\0x", "\x0bsystem.nope\x01\0\0\0x",
          "\x06user.b\0\0\0\0\x06user.a\0\0\0\0", "\x06user.a\xff\xff\xff\xff",
          "\xffuser.a" };
  static const size_t lens[] = { 17, 17, 22, 11, 7 };
  for (size_t i = 0; i < 5; i++) {
    struct made *m = begin (g, 0);
    struct tree_entry e = entry (TREE_DIR, "");
    e.xattrs = (const unsigned char *)sets[i];
    e.xattrs_len = lens[i];
    add (m, &e);
    finish (m);
    refused (g, "RH-TREE-STREAM");
  }
}

static void
a_stream_that_ends_early_or_goes_on_is_refused (void **state)
{
  struct ground *g = *state;
  put_file (on_src (g, "f"), "hello");
  assert_ok (ground_send (g));
  size_t len = g->stream.len;
  for (size_t cut = 0; cut < len; cut += cut < 400 ? 1 : 37) {
    g->stream.len = cut;
    refused (g, "RH-TREE-STREAM");
  }
  g->stream.len = len;
  assert_ok (buf_put (&g->stream, "x", 1));
  refused (g, "RH-TREE-STREAM");
}

static void
a_length_above_the_limit_is_refused_before_it_is_read (void **state)
{
  struct ground *g = *state;
  struct made *m = begin (g, 0);
  finish (m);
  /* "rehome-tree 1\n", then the head record's header and 20 bytes */
  unsigned char *h = g->stream.data + 14 + 28;
  h[0] = REC_DATA;
  memset (h + 4, 0xff, 4);
  refused (g, "RH-TREE-STREAM");
}

#define CASE(f) \
  cmocka_unit_test_setup_teardown (f, ground_set_up, ground_tear_down)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    CASE (names_that_leave_the_root_are_refused),
    CASE (nothing_is_written_through_a_link),
    CASE (a_link_that_lies_there_already_is_not_followed),
    CASE (a_hard_link_to_the_outside_is_refused),
    CASE (entries_out_of_order_or_twice_are_refused),
    CASE (deletions_in_a_first_copy_of_the_root_and_too_many_are_refused),
    CASE (a_source_that_did_not_see_everything_removes_nothing),
    CASE (data_without_a_file_and_a_file_without_end_are_refused),
    CASE (more_content_than_was_said_is_refused),
    CASE (holes_that_never_end_are_refused),
    CASE (attributes_that_are_not_carried_are_refused),
    CASE (a_stream_that_ends_early_or_goes_on_is_refused),
    CASE (a_length_above_the_limit_is_refused_before_it_is_read),
  };
  ground_needs_root ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
