/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers keep their maximum; cursors never read beyond the end. */
#include "../cmocka_api.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"

#include <string.h>

static void
grows_and_ends_with_a_nul (void **state)
{
  (void)state;
  CLEANUP_BUF struct buf b = BUF_INIT;
  for (int i = 0; i < 1000; i++)
    assert_ok (buf_printf (&b, "%03d,", i));
  assert_int_equal (b.len, 4000);
  assert_int_equal (b.data[4000], 0);
  assert_memory_equal (b.data + 3996, "999,", 4);
}

static void
refuses_more_than_its_maximum_and_stays_as_it_was (void **state)
{
  (void)state;
  CLEANUP_BUF struct buf b = BUF_INIT_MAX (10);
  assert_ok (buf_put_str (&b, "12345678"));
  assert_code (buf_put_str (&b, "abc"), "RH-LIMIT");
  assert_int_equal (b.len, 8);
  assert_string_equal ((char *)b.data, "12345678");
  assert_ok (buf_put_str (&b, "90"));
}

static void
a_blob_that_does_not_fit_leaves_no_length_behind (void **state)
{
  (void)state;
  CLEANUP_BUF struct buf b = BUF_INIT_MAX (10);
  assert_code (buf_put_blob (&b, "1234567", 7), "RH-LIMIT");
  assert_int_equal (b.len, 0);
}

static void
consume_drops_the_front (void **state)
{
  (void)state;
  CLEANUP_BUF struct buf b = BUF_INIT;
  assert_ok (buf_put_str (&b, "abcdef"));
  buf_consume (&b, 4);
  assert_string_equal ((char *)b.data, "ef");
  buf_consume (&b, 100);
  assert_int_equal (b.len, 0);
}

static void
an_empty_buffer_is_stolen_as_an_empty_string (void **state)
{
  (void)state;
  struct buf b = BUF_INIT;
  char *s = buf_steal_str (&b);
  assert_string_equal (s, "");
  free (s);
}

static void
integers_are_little_endian_and_come_back (void **state)
{
  (void)state;
  CLEANUP_BUF struct buf b = BUF_INIT;
  uint8_t a;
  uint16_t s;
  uint32_t i;
  uint64_t l;
  assert_ok (buf_put_u8 (&b, 0xab));
  assert_ok (buf_put_u16 (&b, 0x1234));
  assert_ok (buf_put_u32 (&b, 0xdeadbeef));
  assert_ok (buf_put_u64 (&b, 0x0102030405060708));
  assert_memory_equal (b.data + 1, "\x34\x12\xef\xbe\xad\xde\x08", 7);
  struct cursor c = { b.data, b.len };
  assert_ok (cursor_u8 (&c, &a));
  assert_ok (cursor_u16 (&c, &s));
  assert_ok (cursor_u32 (&c, &i));
  assert_ok (cursor_u64 (&c, &l));
  assert_int_equal (a, 0xab);
  assert_int_equal (s, 0x1234);
  assert_int_equal (i, 0xdeadbeef);
  assert_true (l == 0x0102030405060708);
  assert_int_equal (c.left, 0);
}

static void
a_cursor_that_is_too_short_says_so_and_stays (void **state)
{
  (void)state;
  struct cursor c = { (const unsigned char *)"abc", 3 };
  uint32_t v;
  assert_code (cursor_u32 (&c, &v), "RH-WIRE-SHORT");
  assert_int_equal (c.left, 3);
}

static void
a_blob_longer_than_its_cap_or_its_bytes_is_refused (void **state)
{
  (void)state;
  const unsigned char *p;
  size_t n;
  struct cursor c = { (const unsigned char *)"\xff\xff\xff\xff", 4 };
  assert_code (cursor_blob (&c, 1000, &p, &n), "RH-LIMIT");
  struct cursor d = { (const unsigned char *)"\x05\0\0\0abcd", 8 };
  assert_code (cursor_blob (&d, 1000, &p, &n), "RH-WIRE-SHORT");
  assert_int_equal (d.left, 8);
}

static void
sizes_from_outside_are_capped_and_cannot_overflow (void **state)
{
  (void)state;
  void *p;
  assert_code (mem_checked (SIZE_MAX / 2, 4, SIZE_MAX, "entries", &p),
               "RH-LIMIT");
  assert_code (mem_checked (11, 10, 100, "entries", &p), "RH-LIMIT");
  assert_ok (mem_checked (10, 10, 100, "entries", &p));
  free (p);
}

static void
a_vector_gives_zeroed_elements (void **state)
{
  (void)state;
  struct {
    VEC (int) list;
  } s = { 0 };
  for (int i = 0; i < 100; i++) {
    int *e = VEC_PUSH (&s.list);
    assert_int_equal (*e, 0);
    *e = i;
  }
  assert_int_equal (s.list.n, 100);
  assert_int_equal (s.list.v[57], 57);
  VEC_FREE (&s.list);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (grows_and_ends_with_a_nul),
    cmocka_unit_test (refuses_more_than_its_maximum_and_stays_as_it_was),
    cmocka_unit_test (a_blob_that_does_not_fit_leaves_no_length_behind),
    cmocka_unit_test (consume_drops_the_front),
    cmocka_unit_test (an_empty_buffer_is_stolen_as_an_empty_string),
    cmocka_unit_test (integers_are_little_endian_and_come_back),
    cmocka_unit_test (a_cursor_that_is_too_short_says_so_and_stays),
    cmocka_unit_test (a_blob_longer_than_its_cap_or_its_bytes_is_refused),
    cmocka_unit_test (sizes_from_outside_are_capped_and_cannot_overflow),
    cmocka_unit_test (a_vector_gives_zeroed_elements),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
