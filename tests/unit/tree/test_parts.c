/* SPDX-License-Identifier: Apache-2.0 */
/* The parts: order of paths, entries, patterns, id maps, indexes, manifest. */
#include "ground.h"

#include "tree/index.h"
#include "tree/usage.h"
#include "tree/xattrs.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
order (const char *a, const char *b)
{
  return tree_path_cmp (a, strlen (a), b, strlen (b));
}

static void
paths_are_ordered_as_a_walk_meets_them (void **state)
{
  (void)state;
  static const char *const sorted[]
      = { "",    "a",   "a/b", "a/b/c", "a/b.c", "a\x01",
          "a-b", "a.b", "a0",  "ab",    "b",     "\xff" };
  for (size_t i = 0; i < sizeof sorted / sizeof *sorted; i++)
    for (size_t k = 0; k < sizeof sorted / sizeof *sorted; k++) {
      int want = i < k ? -1 : i > k;
      assert_int_equal (order (sorted[i], sorted[k]), want);
    }
}

static void
only_plain_relative_paths_are_taken (void **state)
{
  (void)state;
  static const char *const bad[]
      = { "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b" };
  static const char *const good[] = { "", "a", "...", "a/..b", ".a/b.", "a b" };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false (tree_path_ok (bad[i], strlen (bad[i])));
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    assert_true (tree_path_ok (good[i], strlen (good[i])));
  assert_false (tree_path_ok ("a\0b", 3));
  char *longest CLEANUP_FREE = mem_alloc (70000);
  memset (longest, 'x', 256);
  assert_true (tree_path_ok (longest, 255));
  assert_false (tree_path_ok (longest, 256));
  for (size_t i = 1; i < 70000; i += 2)
    longest[i - 1] = 'x', longest[i] = '/';
  assert_true (tree_path_ok (longest, 65535));
  assert_false (tree_path_ok (longest, 65537));
}

static void
an_entry_comes_back_as_it_was (void **state)
{
  (void)state;
  struct buf b CLEANUP_BUF = BUF_INIT;
  struct tree_entry e
      = { .type = TREE_FILE,
          .marks = TREE_HAS_XXH | TREE_HAS_SHA | TREE_PROJECT | TREE_ATIME,
          .project = 4242,
          .atime = { -7, 8 },
          .mode = 06755,
          .uid = 1,
          .gid = UINT32_MAX,
          .nlink = 3,
          .iflags = TREE_APPEND,
          .size = 1ull << 40,
          .dev = 5,
          .ino = 6,
          .rdev = 7,
          .blocks = 8,
          .mtime = { -5, 999999999 },
          .ctime = { 6, 7 },
          .xxh = { 1 },
          .sha = { 2 },
          .path = "d/name",
          .path_len = 6,
          .target = "",
          .link = "a",
          .link_len = 1,
          .is_link = true };
  struct tree_entry got;
  assert_ok (entry_encode (&e, &b));
  struct cursor c = { b.data, b.len };
  assert_ok (entry_decode (&c, &got));
  assert_int_equal (c.left, 0);
  assert_string_equal (got.path, "d/name");
  assert_string_equal (got.link, "a");
  assert_int_equal (got.project, 4242);
  assert_true (tree_time_equal (got.atime, e.atime));
  assert_true (got.is_link);
  assert_true (entry_same_inode (&e, &got) && entry_same_meta (&e, &got));
  assert_true (got.mtime.sec == -5 && got.mtime.nsec == 999999999);
  for (size_t n = 0; n < b.len; n++) {
    c = (struct cursor){ b.data, n };
    struct err *bad CLEANUP_ERR = entry_decode (&c, &got);
    assert_non_null (bad);
  }
}

static void
refuse_encoded (const struct tree_entry *e)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  struct tree_entry got;
  assert_ok (entry_encode (e, &b));
  struct cursor c = { b.data, b.len };
  assert_code (entry_decode (&c, &got), "RH-TREE-STREAM");
}

static void
marks_that_cannot_be_are_refused (void **state)
{
  (void)state;
  struct tree_entry e = { .type = TREE_FILE, .path = "f", .path_len = 1 };
  e.target = e.link = "";
  e.marks = TREE_PROJECT; /* of project 0 */
  refuse_encoded (&e);
  e.marks = TREE_INHERIT; /* a file */
  refuse_encoded (&e);
  e.marks = TREE_ATIME;
  e.atime.nsec = 1000000000;
  refuse_encoded (&e);
}

static void
what_lies_below_a_directory_left_out_is_hidden (void **state)
{
  (void)state;
  json_t *list CLEANUP_JSON = json_pack ("[s, s]", "+ *.c", "/build/");
  struct filter *f CLEANUP_FILTER = NULL;
  assert_ok (filter_read (list, &f));
  assert_true (filter_hides (f, "build/x.c", 9, false));
  assert_false (filter_excludes (f, "build/x.c", 9, false));
  assert_false (filter_hides (f, "src/build", 9, true));
  assert_false (filter_hides (NULL, "build", 5, true));
}

static void
the_same_inode_must_not_differ_in_anything_that_a_stat_tells (void **state)
{
  (void)state;
  const struct tree_entry e = { .type = TREE_FILE, .dev = 1, .ino = 2 };
  struct tree_entry o = e;
  assert_true (entry_same_inode (&e, &o));
  o.ctime.nsec++;
  assert_false (entry_same_inode (&e, &o));
  o = e;
  o.dev++;
  assert_false (entry_same_inode (&e, &o));
  o = e;
  o.mtime.sec++;
  assert_false (entry_same_inode (&e, &o));
  o = e;
  o.size++;
  assert_false (entry_same_inode (&e, &o));
  o = e;
  o.marks = TREE_DOUBTFUL;
  assert_false (entry_same_inode (&e, &o));
  o.marks = TREE_DIRTY;
  assert_false (entry_same_inode (&e, &o));
}

static void
patterns_match_as_rsyncs_do (void **state)
{
  (void)state;
  static const struct {
    const char *pattern, *path;
    bool dir, out;
  } rows[] = {
    { "*.tmp", "a.tmp", false, true },
    { "*.tmp", "d/a.tmp", false, true },
    { "*.tmp", "d/a.tmpx", false, false },
    { "cache/", "d/cache", true, true },
    { "cache/", "d/cache", false, false },
    { "/cache", "cache", true, true },
    { "/cache", "d/cache", true, false },
    { "d/cache", "x/d/cache", true, true },
    { "/d/cache", "x/d/cache", true, false },
    { "/d/*", "d/a", false, true },
    { "/d/*", "d/a/b", false, false },
    { "/d/**", "d/a/b", false, true },
    { "a?c", "abc", false, true },
    { "a?c", "a/c", false, false },
    { "[a-c]x", "bx", false, true },
    { "[!a-c]x", "bx", false, false },
    { "[!a-c]x", "dx", false, true },
    { "a[", "a[", false, false },
    { "a\\", "a\\", false, true },
    { "[[:digit:]]x", "7x", false, true },
    { "- a", "a", false, true },
    { "+ a", "a", false, false },
    { "/d/***", "d", true, true },
    { "/d/***", "d", false, false },
    { "/d/***", "d/a/b", false, true },
    { "**/a", "a", false, true },
    { "x**a", "d/x/y/a", false, true },
    { "\\*", "*", false, true },
    { "\\*", "x", false, false },
    { "a*/b", "a/c/b", false, false },
    { "a**/b", "a/c/b", false, true },
    { "***.o", "d/x.o", false, true },
    { "x*?*y", "xy", false, false },
    { "x*?*y", "xzy", false, true },
    { "[[:digit]x", "dx", false, true },
    { "[[:none:]a]x", "ax", false, true },
    { "*", "", true, false },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    json_t *list CLEANUP_JSON = json_pack ("[s]", rows[i].pattern);
    struct filter *f CLEANUP_FILTER = NULL;
    assert_ok (filter_read (list, &f));
    if (filter_excludes (f, rows[i].path, strlen (rows[i].path), rows[i].dir)
        != rows[i].out)
      fail_msg ("%s on %s", rows[i].pattern, rows[i].path);
  }
  json_t *empty CLEANUP_JSON = json_pack ("[s]", "/");
  struct filter *f CLEANUP_FILTER = NULL;
  assert_code (filter_read (empty, &f), "RH-TREE-EXCLUDE");
}

static bool
leaves_out (const char *pattern, const char *path)
{
  json_t *list CLEANUP_JSON = json_pack ("[s]", pattern);
  struct filter *f CLEANUP_FILTER = NULL;
  assert_ok (filter_read (list, &f));
  return filter_excludes (f, path, strlen (path), false);
}

/* Tried one length after the other these would take years. */
static void
stars_that_nest_deeply_still_match (void **state)
{
  (void)state;
  char many[201], *path CLEANUP_FREE, *far CLEANUP_FREE;
  memset (many, 'a', 200);
  many[200] = 0;
  path = mem_printf ("%s/%s/x%sb", many, many, many);
  far = mem_printf ("%s/%s/x%sc", many, many, many);
  static const char *const patterns[]
      = { "**a*a*a*a*a*a*a*a*a*a*b", "/**a**a**a**a**a**a**a**a**[b]",
          "x*[!b]*[!b]*[!b]*[!b]*[!b]*[!b]*[!b]*[!b]b",
          "[a-x]**?*?*?*?*?*?*?*?*?*?*?b" };
  for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
    assert_true (leaves_out (patterns[i], path));
    assert_false (leaves_out (patterns[i], far));
  }
}

static void
an_id_map_is_injective_and_leaves_others_alone (void **state)
{
  (void)state;
  struct idmap m;
  json_t *good CLEANUP_JSON = json_pack ("[[i,i],[i,i]]", 5, 6, 1, 9);
  json_t *twice CLEANUP_JSON = json_pack ("[[i,i],[i,i]]", 5, 6, 5, 7);
  json_t *merged CLEANUP_JSON = json_pack ("[[i,i],[i,i]]", 5, 6, 7, 6);
  json_t *negative CLEANUP_JSON = json_pack ("[[i,i]]", -1, 6);
  assert_ok (idmap_read (good, &m));
  assert_int_equal (idmap_get (&m, 5), 6);
  assert_int_equal (idmap_get (&m, 1), 9);
  assert_int_equal (idmap_get (&m, 6), 6);
  idmap_free (&m);
  assert_code (idmap_read (twice, &m), "RH-TREE-IDMAP");
  assert_code (idmap_read (merged, &m), "RH-TREE-IDMAP");
  assert_code (idmap_read (negative, &m), "RH-TREE-IDMAP");
}

static void
acl_entries_are_mapped_and_put_in_order (void **state)
{
  (void)state;
  /* name, then version 2 and the entries user:10:7, user:20:6 */
  unsigned char set[] = "\x17system.posix_acl_access\x14\0\0\0\2\0\0\0"
                        "\2\0\7\0\x0a\0\0\0\2\0\6\0\x14\0\0\0";
  size_t len = sizeof set - 1;
  struct idmaps maps = { 0 };
  struct buf out CLEANUP_BUF = BUF_INIT;
  json_t *pairs CLEANUP_JSON = json_pack ("[[i,i]]", 10, 30);
  assert_ok (idmap_read (pairs, &maps.uids));
  assert_ok (xattrs_check (set, len));
  assert_ok (xattrs_map (set, len, &maps, &out));
  static const unsigned char want[]
      = { 2, 0, 6, 0, 20, 0, 0, 0, 2, 0, 7, 0, 30, 0, 0, 0 };
  assert_memory_equal (out.data + len - 16, want, 16);
  idmaps_free (&maps);
}

static struct index_writer *
index_of_two (struct ground *g, char **path)
{
  struct index_writer *w;
  *path = mem_printf ("%s/x/i.acked", g->dir);
  assert_ok (index_create (*path, &w));
  struct tree_entry e = { .type = TREE_DIR, .path = "", .target = "" };
  assert_ok (index_put (w, &e));
  e.type = TREE_FILE;
  e.path = "f";
  e.path_len = 1;
  assert_ok (index_put (w, &e));
  return w;
}

static void
an_index_is_whole_or_not_there (void **state)
{
  struct ground *g = *state;
  char *path CLEANUP_FREE = NULL;
  struct index *x = NULL;
  struct index_writer *w = index_of_two (g, &path);
  assert_ok (index_open (path, &x));
  assert_null (x);
  assert_ok (index_finish (w));
  index_writer_free (w);
  assert_ok (index_open (path, &x));
  const struct tree_entry *e;
  assert_ok (index_seek (x, "f", 1, NULL, NULL, &e));
  assert_non_null (e);
  index_free (x);
}

static void
any_changed_byte_of_an_index_is_noticed (void **state)
{
  struct ground *g = *state;
  char *path CLEANUP_FREE = NULL;
  struct index_writer *w = index_of_two (g, &path);
  assert_ok (index_finish (w));
  index_writer_free (w);
  unsigned char bytes[1024];
  FILE *f = fopen (path, "r");
  size_t n = fread (bytes, 1, sizeof bytes, f);
  fclose (f);
  for (size_t i = 0; i < n; i++) {
    struct index *x = NULL;
    bytes[i] ^= 4;
    assert_code (index_open_bytes (bytes, n, &x), "RH-TREE-INDEX");
    bytes[i] ^= 4;
    assert_code (index_open_bytes (bytes, i, &x), "RH-TREE-INDEX");
  }
}

static void
usage_counts_inodes_once_and_leaves_out_what_is_excluded (void **state)
{
  struct ground *g = *state;
  make_dir (on_src (g, "d"));
  put_file (on_src (g, "d/a"), "12345");
  put_file (on_src (g, "x.tmp"), "12345");
  assert_int_equal (link (on_src (g, "d/a"), on_src (g, "b")), 0);
  assert_int_equal (symlink ("b", on_src (g, "l")), 0);
  json_t *list CLEANUP_JSON = json_pack ("[s]", "*.tmp");
  struct filter *filter CLEANUP_FILTER = NULL;
  struct tree_watch watch = { 0 };
  json_t *out CLEANUP_JSON = NULL;
  assert_ok (filter_read (list, &filter));
  assert_ok (tree_usage (g->src, filter, NULL, &watch, &out));
  assert_int_equal (json_integer_value (json_object_get (out, "files")), 2);
  assert_int_equal (json_integer_value (json_object_get (out, "dirs")), 2);
  assert_int_equal (json_integer_value (json_object_get (out, "links")), 1);
  assert_string_equal (json_string_value (json_object_get (out, "bytes")), "5");
}

/* What is announced, what is counted while it runs, and what was sent. */
static void
holes_and_further_names_are_not_counted_as_data (void **state)
{
  struct ground *g = *state;
  uint64_t data = 0;
  char *to CLEANUP_FREE = mem_printf ("of=%s", on_src (g, "sparse"));
  char *whole CLEANUP_FREE = mem_printf ("of=%s", on_src (g, "whole"));
  RUN ("dd", "if=/dev/urandom", to, "bs=64k", "count=4", "seek=600",
       "status=none");
  RUN ("dd", "if=/dev/urandom", whole, "bs=1k", "count=100", "status=none");
  assert_int_equal (link (on_src (g, "whole"), on_src (g, "again")), 0);
  struct tree_watch watch = { 0 };
  json_t *out CLEANUP_JSON = NULL;
  struct filter *none CLEANUP_FILTER = NULL;
  assert_ok (filter_read (NULL, &none));
  assert_ok (tree_usage (g->src, none, NULL, &watch, &out));
  assert_ok (json_get_u64 (out, "data", &data));
  assert_int_equal (data, 4 * 65536 + 100 * 1024);
  assert_ok (ground_copy (g));
  assert_int_equal (ground_sent (g, "bytes"), data);
  assert_int_equal (g->counted, data);
}

static json_t *
words (void)
{
  return json_pack ("[s, s, s, s, s]", "user", "special", "hardlink", "mode",
                    "odd-name");
}

static json_t *
known_usage (struct ground *g)
{
  CLEANUP_FREE char *acked = mem_printf ("%s/item.acked", g->src_index);
  struct filter *none CLEANUP_FILTER = NULL;
  json_t *uses CLEANUP_JSON = words ();
  json_t *out = NULL;
  assert_ok (filter_read (NULL, &none));
  assert_ok (tree_usage_known (g->src, none, uses, acked, &out));
  return out;
}

static void
the_index_counts_what_a_walk_counts (void **state)
{
  struct ground *g = *state;
  struct tree_watch watch = { 0 };
  struct filter *none CLEANUP_FILTER = NULL;
  json_t *walked CLEANUP_JSON = NULL;
  make_dir (on_src (g, "d"));
  put_file (on_src (g, "d/a"), "12345");
  assert_int_equal (link (on_src (g, "d/a"), on_src (g, "b")), 0);
  assert_int_equal (symlink ("b", on_src (g, "l")), 0);
  assert_int_equal (mkfifo (on_src (g, "p"), 0600), 0);
  assert_null (known_usage (g));
  assert_ok (filter_read (NULL, &none));
  json_t *uses CLEANUP_JSON = words ();
  RUN ("setfattr", "-n", "user.note", "-v", "1", on_src (g, "d/a"));
  assert_ok (ground_copy (g));
  assert_ok (tree_usage (g->src, none, uses, &watch, &walked));
  assert_int_equal (json_object_size (json_object_get (walked, "uses")), 4);
  json_t *known CLEANUP_JSON = known_usage (g);
  assert_true (json_is_true (json_object_get (known, "known")));
  json_object_del (known, "known");
  assert_true (json_equal (known, walked));
}

/* A name that went while the copy was made is no name outside. */
static void
names_that_the_index_lacks_are_looked_for (void **state)
{
  struct ground *g = *state;
  put_file (on_src (g, "a"), "12345");
  assert_int_equal (link (on_src (g, "a"), on_src (g, "../elsewhere")), 0);
  assert_ok (ground_copy (g));
  assert_null (known_usage (g));
}

/* Nothing may be deleted because an index says that all is there. */
static void
of_an_emptied_or_another_root_the_index_says_nothing (void **state)
{
  struct ground *g = *state;
  put_file (on_src (g, "a"), "12345");
  assert_ok (ground_copy (g));
  json_t *known CLEANUP_JSON = known_usage (g);
  assert_non_null (known);
  assert_int_equal (unlink (on_src (g, "a")), 0);
  assert_null (known_usage (g));
  RUN ("mv", g->src, on_src (g, "../moved"));
  make_dir (g->src);
  put_file (on_src (g, "a"), "12345");
  assert_null (known_usage (g));
}

static struct err *
to_file (void *ctx, const void *data, size_t len)
{
  assert_int_equal (fwrite (data, 1, len, ctx), len);
  return NULL;
}

static void
sha256sum_takes_the_manifest (void **state)
{
  struct ground *g = *state;
  make_dir (on_src (g, "d"));
  put_file (on_src (g, "d/plain"), "one");
  put_file (on_src (g, "d/new\nline"), "two");
  put_file (on_src (g, "d/back\\slash"), "three");
  put_file (on_src (g, " space"), "");
  assert_int_equal (link (on_src (g, "d/plain"), on_src (g, "z")), 0);
  assert_ok (ground_copy (g));
  json_t *proof CLEANUP_JSON = NULL;
  assert_ok (ground_compare (g, true, false, NULL, &proof)); /* reads it back */
  char *path CLEANUP_FREE = mem_printf ("%s/manifest", g->dir);
  FILE *f = fopen (path, "w");
  struct sink sink = { to_file, f };
  json_t *out CLEANUP_JSON = NULL;
  assert_ok (tree_manifest (g->src_index, "item", "-", &sink, &out));
  fclose (f);
  assert_int_equal (json_integer_value (json_object_get (out, "lines")), 5);
  assert_int_equal (chdir (g->dst), 0);
  RUN ("sha256sum", "-c", "--strict", "--quiet", path);
  put_file (on_dst (g, "d/new\nline"), "TWO");
  char *check CLEANUP_FREE = mem_printf ("! sha256sum -c --status %s", path);
  RUN ("sh", "-c", check);
  assert_int_equal (chdir ("/"), 0);
}

/* Every byte that a name can hold, those that sha256sum escapes in every
 * place, and what it takes for something else than a name. */
static void
put_hostile_names (struct ground *g)
{
  static const char *const names[]
      = { "-",        "--",       " ",          "*",           "\\",
          "\\\\",     "\\n",      "\n",         "\r",          "\r\n",
          "a\\",      "\\a",      "a\n",        "\na",         "a\\nb",
          "a\\rb",    "a\\\nb",   "ends with ", "\xff\xfe",    "\xc3",
          "\xc3\xa4", "#comment", "a  b",       "\x1b[31mred", "\t" };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    put_file (on_src (g, names[i]), names[i]);
  for (int c = 1; c < 256; c++)
    if (c != '/') {
      char name[] = { 'b', (char)c, 'e', 0 };
      put_file (on_src (g, name), name);
    }
}

static void
sha256sum_takes_every_name_of_the_manifest (void **state)
{
  struct ground *g = *state;
  put_hostile_names (g);
  assert_ok (ground_copy (g));
  json_t *proof CLEANUP_JSON = NULL;
  assert_ok (ground_compare (g, true, false, NULL, &proof));
  char *path CLEANUP_FREE = mem_printf ("%s/manifest", g->dir);
  FILE *f = fopen (path, "w");
  struct sink sink = { to_file, f };
  json_t *out CLEANUP_JSON = NULL;
  assert_ok (tree_manifest (g->src_index, "item", "-", &sink, &out));
  fclose (f);
  assert_int_equal (json_integer_value (json_object_get (out, "lines")),
                    25 + 254);
  assert_int_equal (chdir (g->dst), 0);
  RUN ("sha256sum", "-c", "--strict", "--quiet", path);
  /* Each line names a file of its own: any that is gone is missed. */
  RUN ("find", ".", "-type", "f", "-delete");
  char *none CLEANUP_FREE
      = mem_printf ("test \"$(sha256sum -c %s 2>/dev/null </dev/null"
                    " | grep -ac 'FAILED open or read$')\" = 279",
                    path);
  RUN ("sh", "-c", none);
  assert_int_equal (chdir ("/"), 0);
}

#define CASE(f) \
  cmocka_unit_test_setup_teardown (f, ground_set_up, ground_tear_down)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    CASE (paths_are_ordered_as_a_walk_meets_them),
    CASE (only_plain_relative_paths_are_taken),
    CASE (an_entry_comes_back_as_it_was),
    CASE (marks_that_cannot_be_are_refused),
    CASE (what_lies_below_a_directory_left_out_is_hidden),
    CASE (the_same_inode_must_not_differ_in_anything_that_a_stat_tells),
    CASE (patterns_match_as_rsyncs_do),
    CASE (stars_that_nest_deeply_still_match),
    CASE (an_id_map_is_injective_and_leaves_others_alone),
    CASE (acl_entries_are_mapped_and_put_in_order),
    CASE (an_index_is_whole_or_not_there),
    CASE (any_changed_byte_of_an_index_is_noticed),
    CASE (usage_counts_inodes_once_and_leaves_out_what_is_excluded),
    CASE (the_index_counts_what_a_walk_counts),
    CASE (names_that_the_index_lacks_are_looked_for),
    CASE (of_an_emptied_or_another_root_the_index_says_nothing),
    CASE (holes_and_further_names_are_not_counted_as_data),
    CASE (sha256sum_takes_the_manifest),
    CASE (sha256sum_takes_every_name_of_the_manifest),
  };
  ground_needs_root ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
