/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of others is checked before it is used. */
#include "../cmocka_api.h"

#include "base/mem.h"
#include "wire/json.h"

#include <string.h>

static json_t *
parsed (const char *text)
{
  json_t *o = NULL;
  assert_ok (json_parse (text, strlen (text), 1000, &o));
  return o;
}

static void
assert_refused (const char *text, size_t len, const char *code)
{
  json_t *o = NULL;
  assert_code (json_parse (text, len, 1000, &o), code);
  assert_null (o);
}

static void
text_that_is_not_json_is_refused (void **state)
{
  (void)state;
  static const char *const bad[] = { "",
                                     "{",
                                     "{}x",
                                     "{\"a\":}",
                                     "nul",
                                     "[1,]",
                                     "{'a':1}",
                                     "\"text\"",
                                     "{\"a\":1e999}",
                                     "[\"\xff\"]",
                                     "[\"\\u0000\"]",
                                     "[99999999999999999999]" };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_refused (bad[i], strlen (bad[i]), "RH-WIRE-JSON");
}

static void
a_zero_byte_inside_is_refused (void **state)
{
  (void)state;
  assert_refused ("{}\0{}", 5, "RH-WIRE-JSON");
}

static void
a_member_that_comes_twice_is_refused (void **state)
{
  (void)state;
  assert_refused ("{\"a\":1,\"a\":2}", 13, "RH-WIRE-JSON");
}

static void
nesting_beyond_the_limit_is_refused (void **state)
{
  (void)state;
  char text[400];
  memset (text, '[', 200);
  memset (text + 200, ']', 200);
  assert_refused (text, 400, "RH-WIRE-JSON");
  json_t *o = NULL;
  assert_ok (json_parse (text + 200 - 64, 128, 1000, &o));
  json_decref (o);
}

static void
brackets_inside_strings_are_not_nesting (void **state)
{
  (void)state;
  char text[400] = "[\"";
  memset (text + 2, '[', 300);
  memcpy (text + 302, "\\\"[\"]", 6);
  json_decref (parsed (text));
}

static void
more_bytes_than_allowed_are_refused (void **state)
{
  (void)state;
  json_t *o = NULL;
  assert_code (json_parse ("[1,2,3]", 7, 6, &o), "RH-LIMIT");
}

static void
a_missing_or_wrong_member_is_named (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *o = parsed ("{\"s\":\"x\",\"n\":5,\"b\":true}");
  const char *s;
  int64_t n;
  bool b;
  CLEANUP_ERR struct err *e = json_get_str (o, "path", &s);
  assert_string_equal (err_code (e), "RH-WIRE-FIELD");
  assert_non_null (strstr (err_message (e), "\"path\""));
  assert_code (json_get_str (o, "n", &s), "RH-WIRE-FIELD");
  assert_code (json_get_int (o, "s", 0, 9, &n), "RH-WIRE-FIELD");
  assert_code (json_get_int (o, "n", 6, 9, &n), "RH-WIRE-FIELD");
  assert_code (json_opt_bool (o, "n", false, &b), "RH-WIRE-FIELD");
  assert_code (json_opt_str (o, "n", "d", &s), "RH-WIRE-FIELD");
  assert_ok (json_opt_str (o, "absent", "d", &s));
  assert_string_equal (s, "d");
  assert_ok (json_get_int (o, "n", 0, 5, &n));
  assert_int_equal (n, 5);
}

static void
members_of_what_is_no_object_are_missing (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *o = parsed ("[1]");
  const char *s;
  assert_code (json_get_str (o, "a", &s), "RH-WIRE-FIELD");
  assert_code (json_get_str (NULL, "a", &s), "RH-WIRE-FIELD");
}

static void
wide_numbers_are_decimal_strings (void **state)
{
  (void)state;
  uint64_t v;
  CLEANUP_JSON json_t *o = json_object ();
  json_object_set_new (o, "v", json_u64 (UINT64_MAX));
  assert_ok (json_get_u64 (o, "v", &v));
  assert_true (v == UINT64_MAX);
  static const char *const bad[] = {
    "", "18446744073709551616", "-1", "+1", " 1", "1 ", "01", "0x1", "1e3"
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    json_object_set_new (o, "v", json_string (bad[i]));
    assert_code (json_get_u64 (o, "v", &v), "RH-WIRE-FIELD");
  }
}

static void
names_of_any_bytes_survive_but_zero_bytes_do_not (void **state)
{
  (void)state;
  static const char name[] = "/srv/a\n\xff%\x01";
  char *back = NULL;
  size_t len;
  CLEANUP_JSON json_t *o = json_object ();
  json_object_set_new (o, "p", json_bytes (name, strlen (name)));
  assert_ok (json_get_bytes (o, "p", &back, &len));
  assert_string_equal (back, name);
  assert_int_equal (len, strlen (name));
  free (back);
  json_object_set_new (o, "p", json_string ("a%00b"));
  assert_code (json_get_bytes (o, "p", &back, &len), "RH-WIRE-FIELD");
  assert_null (back);
}

static void
a_line_is_sorted_and_without_spaces (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *o = parsed ("{ \"b\" : [1, 2], \"a\": \"\xc3\xa9\" }");
  char *s = json_line (o);
  assert_string_equal (s, "{\"a\":\"\xc3\xa9\",\"b\":[1,2]}");
  free (s);
}

static void
an_error_crosses_the_wire_whole (void **state)
{
  (void)state;
  CLEANUP_ERR struct err *e
      = err_advise (err_new (ERR_BLOCKED, "RH-TEST-X", "bad \xff byte"),
                    "all is safe", "do that");
  CLEANUP_JSON json_t *o = json_from_err (e);
  CLEANUP_ERR struct err *back = json_to_err (o);
  assert_string_equal (err_code (back), "RH-TEST-X");
  assert_int_equal (err_class_of (back), ERR_BLOCKED);
  assert_string_equal (err_message (back), "bad \\xff byte");
  assert_string_equal (err_safe (back), "all is safe");
  assert_string_equal (err_advice (back), "do that");
}

static void
an_error_with_a_foreign_code_or_class_is_not_taken (void **state)
{
  (void)state;
  static const char *const bad[] = {
    "{\"code\":\"rm -rf\",\"class\":\"bug\",\"message\":\"m\"}",
    "{\"code\":\"RH-\",\"class\":\"bug\",\"message\":\"m\"}",
    "{\"code\":\"RH-A\\u001b\",\"class\":\"bug\",\"message\":\"m\"}",
    "{\"code\":\"RH-A\",\"class\":\"nice\",\"message\":\"m\"}",
    "{\"code\":\"RH-A\",\"class\":\"bug\"}",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CLEANUP_JSON json_t *o = parsed (bad[i]);
    assert_code (json_to_err (o), "RH-WIRE-FIELD");
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (text_that_is_not_json_is_refused),
    cmocka_unit_test (a_zero_byte_inside_is_refused),
    cmocka_unit_test (a_member_that_comes_twice_is_refused),
    cmocka_unit_test (nesting_beyond_the_limit_is_refused),
    cmocka_unit_test (brackets_inside_strings_are_not_nesting),
    cmocka_unit_test (more_bytes_than_allowed_are_refused),
    cmocka_unit_test (a_missing_or_wrong_member_is_named),
    cmocka_unit_test (members_of_what_is_no_object_are_missing),
    cmocka_unit_test (wide_numbers_are_decimal_strings),
    cmocka_unit_test (names_of_any_bytes_survive_but_zero_bytes_do_not),
    cmocka_unit_test (a_line_is_sorted_and_without_spaces),
    cmocka_unit_test (an_error_crosses_the_wire_whole),
    cmocka_unit_test (an_error_with_a_foreign_code_or_class_is_not_taken),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
