/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of COPY's binary form: what is digested does not depend on where the
 * bytes are cut, and nothing that is broken passes. */
#include "agent/rows.h"
#include "agent/tuples.h"
#include "base/buf.h"
#include "base/mem.h"

#include "../cmocka_api.h"

#include <string.h>

static void
begin (struct buf *b)
{
  assert_ok (buf_put (b, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19));
}

static void
end (struct buf *b)
{
  assert_ok (buf_put (b, "\377\377", 2));
}

/* A row of an int8 part (-1: none), a NULL and a text. */
static void
row (struct buf *b, int part, const char *text)
{
  unsigned char len[4] = { 0, 0, 0, (unsigned char)strlen (text) };
  unsigned char number[12] = { [3] = 8, [11] = (unsigned char)part };
  assert_ok (buf_put (b, part < 0 ? "\0\2" : "\0\3", 2));
  if (part >= 0)
    assert_ok (buf_put (b, number, sizeof number));
  assert_ok (buf_put (b, "\377\377\377\377", 4));
  assert_ok (buf_put (b, len, sizeof len));
  assert_ok (buf_put_str (b, text));
}

static struct err *
take (const struct buf *b, size_t len, size_t step, const json_t *streams,
      json_t **out)
{
  struct tuples *t = tuples_new (streams);
  struct err *e = NULL;
  for (size_t at = 0; at < len && e == NULL; at += step)
    e = tuples_put (t, b->data + at, len - at < step ? len - at : step);
  if (e == NULL)
    e = tuples_end (t);
  if (e == NULL && out != NULL)
    *out = tuples_result (t);
  tuples_free (t);
  return e;
}

static json_t *
digest_of (const struct buf *b, size_t step, const json_t *streams)
{
  json_t *out = NULL;
  assert_ok (take (b, b->len, step, streams, &out));
  return out;
}

static void
rows_count_the_same_wherever_the_stream_is_cut (void **state)
{
  (void)state;
  struct buf b CLEANUP_BUF = BUF_INIT;
  json_t *streams CLEANUP_JSON = json_pack ("[s, s, s]", "0:", "1", "2");
  begin (&b);
  row (&b, 7, "one");
  row (&b, 9, "two");
  row (&b, 7, "");
  end (&b);
  begin (&b);
  row (&b, -1, "three");
  end (&b);
  begin (&b);
  end (&b);
  json_t *whole CLEANUP_JSON = digest_of (&b, b.len, streams);
  assert_int_equal (json_object_size (whole), 3);
  assert_memory_equal (json_text (whole, "0:7"), "2 ", 2);
  assert_memory_equal (json_text (whole, "0:9"), "1 ", 2);
  assert_memory_equal (json_text (whole, "1"), "1 ", 2);
  for (size_t step = 1; step < b.len; step++) {
    json_t *cut CLEANUP_JSON = digest_of (&b, step, streams);
    assert_true (json_equal (whole, cut));
  }
}

/* "ROWS SUM" of one stream, the only one. */
static char *
sum_of (const struct buf *b, const char *name, const char *group)
{
  json_t *streams CLEANUP_JSON = json_pack ("[s]", name);
  json_t *got CLEANUP_JSON = digest_of (b, b->len, streams);
  return mem_strdup (json_text (got, group));
}

static void
the_part_is_none_of_the_row_and_a_null_is_no_empty_text (void **state)
{
  (void)state;
  struct buf with CLEANUP_BUF = BUF_INIT, without CLEANUP_BUF = BUF_INIT;
  struct buf other CLEANUP_BUF = BUF_INIT;
  begin (&with);
  row (&with, 3, "a");
  row (&with, 3, "b");
  end (&with);
  begin (&without);
  row (&without, -1, "b");
  row (&without, -1, "a");
  end (&without);
  begin (&other);
  row (&other, -1, "b");
  row (&other, -1, "a");
  memset (other.data + 21, 0, 4); /* the first field of "b": empty, not NULL */
  end (&other);
  char *a CLEANUP_FREE = sum_of (&with, "0:", "0:3");
  char *b CLEANUP_FREE = sum_of (&without, "0", "0");
  char *c CLEANUP_FREE = sum_of (&other, "0", "0");
  assert_memory_equal (a, "2 ", 2);
  assert_string_equal (a, b);
  assert_string_not_equal (b, c);
}

static void
what_is_cut_short_or_no_such_form_is_refused (void **state)
{
  (void)state;
  struct buf b CLEANUP_BUF = BUF_INIT;
  json_t *parted CLEANUP_JSON = json_pack ("[s]", "0:");
  begin (&b);
  row (&b, -1, "abc");
  end (&b);
  for (size_t len = 0; len < b.len; len++)
    assert_code (take (&b, len, 5, NULL, NULL), "RH-PROGRAM-TUPLES");
  assert_ok (take (&b, b.len, 5, NULL, NULL));
  assert_code (take (&b, b.len, 5, parted, NULL), "RH-PROGRAM-TUPLES");
  static const struct {
    size_t at;
    unsigned char is;
  } bad[] = { { 0, 'p' }, { 13, 1 }, { 19, 0x7f }, { 21, 0x80 } };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    unsigned char was = b.data[bad[i].at];
    b.data[bad[i].at] = bad[i].is;
    assert_code (take (&b, b.len, b.len, NULL, NULL), "RH-PROGRAM-TUPLES");
    b.data[bad[i].at] = was;
  }
  begin (&b);
  assert_code (take (&b, b.len, 5, NULL, NULL), "RH-PROGRAM-TUPLES");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (rows_count_the_same_wherever_the_stream_is_cut),
    cmocka_unit_test (the_part_is_none_of_the_row_and_a_null_is_no_empty_text),
    cmocka_unit_test (what_is_cut_short_or_no_such_form_is_refused),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
