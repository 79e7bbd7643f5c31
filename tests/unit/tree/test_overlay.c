/* SPDX-License-Identifier: Apache-2.0 */
/* Finding single entries in an index, and the segments above it. */
#include "ground.h"

#include "base/mem.h"
#include "tree/index.h"
#include "tree/overlay.h"

#include <stdio.h>
#include <string.h>

#define MANY 3000

static struct tree_entry
entry (const char *path, uint64_t size)
{
  return (struct tree_entry){ .type = *path != 0 ? TREE_FILE : TREE_DIR,
                              .path = path,
                              .path_len = strlen (path),
                              .size = *path != 0 ? size : 0,
                              .target = "" };
}

static char *
at (const struct ground *g, const char *suffix)
{
  return mem_printf ("%s/x/i.acked%s", g->dir, suffix);
}

/* The root and f00000, f00002, ..., each with its number as its size. */
static void
make_index (const struct ground *g)
{
  char *path CLEANUP_FREE = at (g, "");
  CLEANUP_INDEX_WRITER struct index_writer *w = NULL;
  struct tree_entry e = entry ("", 0);
  assert_ok (index_create (path, &w));
  assert_ok (index_put (w, &e));
  for (unsigned i = 0; i < MANY; i++) {
    char name[16];
    snprintf (name, sizeof name, "f%05u", i * 2);
    e = entry (name, i * 2);
    assert_ok (index_put (w, &e));
  }
  assert_ok (index_finish (w));
}

static struct index *
open_it (const struct ground *g)
{
  char *path CLEANUP_FREE = at (g, "");
  struct index *x = NULL;
  assert_ok (index_open_few (path, &x));
  assert_non_null (x);
  return x;
}

static uint64_t
id_of (const struct ground *g)
{
  CLEANUP_INDEX struct index *x = open_it (g);
  return index_id (x);
}

static struct overlay_writer *
segment (const struct ground *g, const char *number, uint64_t id)
{
  char *path CLEANUP_FREE = at (g, number);
  struct overlay_writer *w = NULL;
  assert_ok (overlay_create (path, id, &w));
  return w;
}

static void
put (struct overlay_writer *w, const char *path, uint64_t size)
{
  struct tree_entry e = entry (path, size);
  assert_ok (overlay_put (w, &e));
}

static void
gone (struct overlay_writer *w, const char *path)
{
  assert_ok (overlay_gone (w, path, strlen (path)));
}

static void
end (struct overlay_writer *w)
{
  assert_ok (overlay_finish (w));
  overlay_writer_free (w);
}

/* The size under a path, or -1. */
static int64_t
size_at (struct index *x, const char *path)
{
  const struct tree_entry *e;
  assert_ok (index_find (x, path, strlen (path), &e));
  return e == NULL ? -1 : (int64_t)e->size;
}

static void
every_entry_is_found_from_anywhere (void **state)
{
  make_index (*state);
  CLEANUP_INDEX struct index *x = open_it (*state);
  for (unsigned i = 0; i < MANY; i++) {
    unsigned n = i * 1871 % MANY * 2;
    char name[16];
    snprintf (name, sizeof name, "f%05u", n);
    assert_int_equal (size_at (x, name), n);
    snprintf (name, sizeof name, "f%05u", n + 1);
    assert_int_equal (size_at (x, name), -1);
  }
  assert_int_equal (size_at (x, ""), 0);
  assert_int_equal (size_at (x, "zzz"), -1);
}

static void
the_reading_goes_on_behind_what_was_found (void **state)
{
  make_index (*state);
  CLEANUP_INDEX struct index *x = open_it (*state);
  const struct tree_entry *e;
  assert_int_equal (size_at (x, "f00100"), 100);
  assert_ok (index_next (x, &e));
  assert_string_equal (e->path, "f00102");
  assert_int_equal (size_at (x, "f00101"), -1);
  assert_ok (index_next (x, &e));
  assert_string_equal (e->path, "f00102");
}

static void
later_segments_stand_above_earlier_ones_and_the_file (void **state)
{
  struct ground *g = *state;
  make_index (g);
  struct overlay_writer *w = segment (g, ".1", id_of (g));
  put (w, "f00004", 40);
  put (w, "f00005", 50);
  gone (w, "f00002");
  gone (w, "f00008");
  end (w);
  w = segment (g, ".2", id_of (g));
  put (w, "f00004", 41);
  put (w, "f00002", 22);
  gone (w, "f00005");
  end (w);
  CLEANUP_INDEX struct index *x = open_it (g);
  assert_int_equal (size_at (x, "f00002"), 22);
  assert_int_equal (size_at (x, "f00004"), 41);
  assert_int_equal (size_at (x, "f00005"), -1);
  assert_int_equal (size_at (x, "f00008"), -1);
  assert_int_equal (size_at (x, "f00006"), 6);
}

static void
one_who_reads_all_sees_file_and_segments_as_one (void **state)
{
  struct ground *g = *state;
  make_index (g);
  struct overlay_writer *w = segment (g, ".1", id_of (g));
  put (w, "f00001", 1);
  put (w, "g", 7);
  gone (w, "f00002");
  end (w);
  char *path CLEANUP_FREE = at (g, "");
  CLEANUP_INDEX struct index *x = NULL;
  const struct tree_entry *e = NULL;
  static const char *const first[]
      = { "", "f00000", "f00001", "f00004", "f00006" };
  size_t n = 0;
  char last[16] = "";
  assert_ok (index_open (path, &x));
  for (;; n++) {
    assert_ok (index_next (x, &e));
    if (e == NULL)
      break;
    if (n < 5)
      assert_string_equal (e->path, first[n]);
    snprintf (last, sizeof last, "%s", e->path);
  }
  assert_int_equal (n, 1 + MANY + 2 - 1);
  assert_string_equal (last, "g");
}

static void
a_segment_of_another_index_counts_for_nothing (void **state)
{
  struct ground *g = *state;
  make_index (g);
  struct overlay_writer *w = segment (g, ".1", id_of (g) + 1);
  gone (w, "f00002");
  end (w);
  CLEANUP_INDEX struct index *x = open_it (g);
  assert_int_equal (size_at (x, "f00002"), 2);
  assert_null (index_overlay (x));
}

static void
any_changed_byte_of_a_segment_is_noticed (void **state)
{
  struct ground *g = *state;
  char *path CLEANUP_FREE = at (g, ".1");
  make_index (g);
  struct overlay_writer *w = segment (g, ".1", id_of (g));
  put (w, "f00004", 40);
  gone (w, "f00002");
  end (w);
  unsigned char bytes[1024];
  FILE *f = fopen (path, "r+");
  size_t n = fread (bytes, 1, sizeof bytes, f);
  for (size_t i = 0; i < n; i++) {
    struct index *x = NULL;
    char *index CLEANUP_FREE = at (g, "");
    fseek (f, (long)i, SEEK_SET);
    fputc (bytes[i] ^ 4, f);
    fflush (f);
    assert_code (index_open_few (index, &x), "RH-TREE-INDEX");
    fseek (f, (long)i, SEEK_SET);
    fputc (bytes[i], f);
    fflush (f);
  }
  fclose (f);
}

static void
a_changed_block_is_noticed_when_it_is_read (void **state)
{
  struct ground *g = *state;
  char *path CLEANUP_FREE = at (g, "");
  make_index (g);
  FILE *f = fopen (path, "r+");
  fseek (f, 100, SEEK_SET);
  fputc (0x7f, f);
  fclose (f);
  CLEANUP_INDEX struct index *x = open_it (g);
  const struct tree_entry *e;
  assert_int_equal (size_at (x, "f05990"), 5990);
  assert_code (index_find (x, "f00000", 6, &e), "RH-TREE-INDEX");
}

#define on_ground(test) \
  cmocka_unit_test_setup_teardown (test, ground_set_up, ground_tear_down)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    on_ground (every_entry_is_found_from_anywhere),
    on_ground (the_reading_goes_on_behind_what_was_found),
    on_ground (later_segments_stand_above_earlier_ones_and_the_file),
    on_ground (one_who_reads_all_sees_file_and_segments_as_one),
    on_ground (a_segment_of_another_index_counts_for_nothing),
    on_ground (any_changed_byte_of_a_segment_is_noticed),
    on_ground (a_changed_block_is_noticed_when_it_is_read),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
