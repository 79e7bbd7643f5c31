/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes become safe text, and the same bytes again. */
#include "../cmocka_api.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void
assert_escaped (const char *bytes, size_t len, const char *expected)
{
  char *s = text_escape (bytes, len);
  assert_string_equal (s, expected);
  free (s);
}

static void
control_bytes_and_backslash_cannot_reach_a_terminal (void **state)
{
  (void)state;
  assert_escaped ("a\x1b[2J\n\\", 8, "a\\x1b[2J\\x0a\\x5c\\x00");
  assert_escaped ("\x7f", 1, "\\x7f");
}

static void
a_c1_control_written_as_utf8_is_escaped_too (void **state)
{
  (void)state;
  assert_escaped ("\xc2\x9b"
                  "2J",
                  4, "\\xc2\\x9b2J");
  assert_escaped ("\xc2\xa0", 2, "\xc2\xa0");
}

static void
bytes_that_are_not_utf8_are_escaped_one_by_one (void **state)
{
  (void)state;
  assert_escaped ("\xff\xc3\xa9\xc3", 4, "\\xff\xc3\xa9\\xc3");
  assert_escaped ("\xed\xa0\x80", 3, "\\xed\\xa0\\x80"); /* surrogate */
  assert_escaped ("\xc0\xaf", 2, "\\xc0\\xaf");          /* overlong */
  assert_escaped ("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80");
}

static void
every_string_of_two_bytes_survives_encoding (void **state)
{
  (void)state;
  for (int i = 0; i < 65536; i++) {
    char in[3] = { (char)(i >> 8), (char)(i & 0xff), 'z' };
    char *text = text_encode (in, 3);
    char *back = NULL;
    size_t len = 0;
    if (!text_is_utf8 (text, strlen (text)))
      fail_msg ("%04x is not text", i);
    assert_ok (text_decode (text, &back, &len));
    if (len != 3 || memcmp (in, back, 3) != 0)
      fail_msg ("%04x came back as another", i);
    free (text);
    free (back);
  }
}

static void
encoding_leaves_plain_names_alone (void **state)
{
  (void)state;
  char *s = text_encode ("/srv/gr\xc3\xbc\xc3\x9f e%", 14);
  assert_string_equal (s, "/srv/gr\xc3\xbc\xc3\x9f e%25");
  free (s);
}

static void
malformed_escapes_are_refused (void **state)
{
  (void)state;
  static const char *const bad[] = { "%", "%4", "%zz", "a%4g", "%%41" };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char *back = NULL;
    size_t len;
    assert_code (text_decode (bad[i], &back, &len), "RH-TEXT-ESCAPE");
    assert_null (back);
  }
}

static void
base64_is_that_of_the_rfc (void **state)
{
  (void)state;
  static const char *const pairs[][2] = {
    { "", "" },
    { "f", "Zg==" },
    { "fo", "Zm8=" },
    { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" },
    { "fooba", "Zm9vYmE=" },
    { "foobar", "Zm9vYmFy" },
  };
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    char *s = text_base64 (pairs[i][0], strlen (pairs[i][0]));
    unsigned char *back = NULL;
    size_t len;
    assert_string_equal (s, pairs[i][1]);
    assert_ok (text_unbase64 (s, &back, &len));
    assert_int_equal (len, strlen (pairs[i][0]));
    assert_memory_equal (back, pairs[i][0], len);
    free (back);
    free (s);
  }
}

static void
what_is_not_base64_is_refused (void **state)
{
  (void)state;
  static const char *const bad[]
      = { "A",    "AA",   "AAA",    "A===", "====", "Zg==Zg==",
          "Zh==", "Zm9=", "Zm9v\n", "Zm 9", "Zm9*" };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    unsigned char *back = NULL;
    size_t len;
    assert_code (text_unbase64 (bad[i], &back, &len), "RH-TEXT-BASE64");
    assert_null (back);
  }
}

static void
hex_is_lower_case (void **state)
{
  (void)state;
  char *s = text_hex ((const unsigned char *)"\x00\xab\xff", 3);
  assert_string_equal (s, "00abff");
  free (s);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (control_bytes_and_backslash_cannot_reach_a_terminal),
    cmocka_unit_test (a_c1_control_written_as_utf8_is_escaped_too),
    cmocka_unit_test (bytes_that_are_not_utf8_are_escaped_one_by_one),
    cmocka_unit_test (every_string_of_two_bytes_survives_encoding),
    cmocka_unit_test (encoding_leaves_plain_names_alone),
    cmocka_unit_test (malformed_escapes_are_refused),
    cmocka_unit_test (base64_is_that_of_the_rfc),
    cmocka_unit_test (what_is_not_base64_is_refused),
    cmocka_unit_test (hex_is_lower_case),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
