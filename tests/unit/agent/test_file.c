/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs about small files. */
#include "verbs.h"

#include "host/durable.h"

#include <errno.h>
#include <sys/xattr.h>

static struct err *
file (const char *verb, json_t *args, json_t **result)
{
  return call_verb (verbs_file, verb, args, result);
}

static json_t *
path_of (void **state, const char *name)
{
  CLEANUP_FREE char *path = mem_printf ("%s/%s", (char *)*state, name);
  return json_bytes (path, strlen (path));
}

static json_t *
at (void **state, const char *name)
{
  return json_pack ("{s:o}", "path", path_of (state, name));
}

static json_t *
writing (void **state, const char *name, const char *text)
{
  return json_pack ("{s:o, s:o}", "path", path_of (state, name), "content",
                    base64_of (text));
}

static void
a_file_is_written_and_read_back (void **state)
{
  CLEANUP_JSON json_t *none = NULL;
  CLEANUP_JSON json_t *got = NULL;
  json_t *args = writing (state, "a%b\nc", "some text");
  json_object_set_new (args, "mode", json_integer (0640));
  json_object_set_new (args, "mtime_ns", json_string ("-1500000000"));
  assert_ok (file ("file.write", args, &none));
  assert_ok (file ("file.read", at (state, "a%b\nc"), &got));
  CLEANUP_FREE char *text = blob_of (got, "content");
  assert_string_equal (text, "some text");
  assert_true (bool_of (got, "exists"));
  assert_string_equal (str_of (got, "type"), "file");
  assert_int_equal (int_of (got, "mode"), 0640);
  assert_int_equal (int_of (got, "uid"), geteuid ());
  assert_string_equal (str_of (got, "size"), "9");
  assert_string_equal (str_of (got, "mtime_ns"), "-1500000000");
  /* sha256sum of "some text" */
  assert_string_equal (
      str_of (got, "digest"),
      "b94f6f125c79e3a5ffaa826f584c10d52ada669e6762051b826b55776d05aed2");
}

static void
what_is_absent_is_no_error_to_look_at (void **state)
{
  static const char *const verbs[] = { "file.read", "file.stat", "file.list" };
  for (size_t i = 0; i < 3; i++) {
    CLEANUP_JSON json_t *got = NULL;
    CLEANUP_JSON json_t *deep = NULL;
    assert_ok (file (verbs[i], at (state, "none"), &got));
    assert_false (bool_of (got, "exists"));
    assert_ok (file (verbs[i], at (state, "none/deep/er"), &deep));
    assert_false (bool_of (deep, "exists"));
  }
}

static void
a_rewritten_file_keeps_owner_mode_and_attributes (void **state)
{
  if (geteuid () != 0)
    skip ();
  CLEANUP_FREE char *path = mem_printf ("%s/f", (char *)*state);
  put_file (path, "old");
  assert_int_equal (chown (path, 123, 456), 0);
  assert_int_equal (chmod (path, 0604), 0);
  assert_int_equal (setxattr (path, "user.note", "kept", 4, 0), 0);
  CLEANUP_JSON json_t *none = NULL;
  assert_ok (file ("file.write", writing (state, "f", "new"), &none));
  struct stat st;
  stat (path, &st);
  assert_int_equal (st.st_uid, 123);
  assert_int_equal (st.st_gid, 456);
  assert_int_equal (st.st_mode & 07777, 0604);
  char note[8] = "";
  assert_int_equal (getxattr (path, "user.note", note, 7), 4);
  assert_string_equal (note, "kept");
}

static void
given_attributes_are_all_it_has (void **state)
{
  CLEANUP_FREE char *path = mem_printf ("%s/f", (char *)*state);
  put_file (path, "old");
  assert_int_equal (setxattr (path, "user.old", "x", 1, 0), 0);
  json_t *args = writing (state, "f", "new");
  json_object_set_new (args, "xattrs",
                       json_pack ("{s:o}", "user.new", base64_of ("v\x01")));
  CLEANUP_JSON json_t *none = NULL;
  CLEANUP_JSON json_t *got = NULL;
  assert_ok (file ("file.write", args, &none));
  assert_ok (file ("file.stat", at (state, "f"), &got));
  json_t *xattrs = json_object_get (got, "xattrs");
  CLEANUP_FREE char *value = blob_of (xattrs, "user.new");
  assert_string_equal (value, "v\x01");
  assert_null (json_object_get (xattrs, "user.old"));
}

static void
links_are_told_and_never_read_through (void **state)
{
  CLEANUP_JSON json_t *none = NULL;
  CLEANUP_JSON json_t *got = NULL;
  json_t *args = at (state, "l");
  json_object_set_new (args, "target", json_string ("/etc/passwd"));
  assert_ok (file ("file.link", args, &none));
  assert_ok (file ("file.stat", at (state, "l"), &got));
  assert_string_equal (str_of (got, "type"), "link");
  assert_string_equal (str_of (got, "link"), "/etc/passwd");
  json_t *no;
  assert_code (file ("file.read", at (state, "l"), &no), "RH-FILE-TYPE");
  json_t *rows = NULL;
  CLEANUP_FREE char *dir_link = mem_printf ("%s/d", (char *)*state);
  assert_int_equal (symlink ("/etc", dir_link), 0);
  assert_code (file ("file.list", at (state, "d"), &rows), "RH-FILE-TYPE");
  json_decref (rows);
}

static void
writing_over_a_link_replaces_the_link (void **state)
{
  CLEANUP_FREE char *victim = mem_printf ("%s/victim", (char *)*state);
  CLEANUP_FREE char *link = mem_printf ("%s/l", (char *)*state);
  put_file (victim, "untouched");
  assert_int_equal (symlink ("victim", link), 0);
  CLEANUP_JSON json_t *none = NULL;
  assert_ok (file ("file.write", writing (state, "l", "new"), &none));
  CLEANUP_FREE char *text = get_file (victim);
  assert_string_equal (text, "untouched");
}

static void
a_strangers_directory_does_not_lead_a_write_elsewhere (void **state)
{
  if (geteuid () != 0)
    skip ();
  CLEANUP_FREE char *link = mem_printf ("%s/home", (char *)*state);
  assert_int_equal (symlink ("/etc", link), 0);
  assert_int_equal (lchown (link, 1000, 1000), 0);
  json_t *no;
  assert_code (file ("file.write", writing (state, "home/x", "x"), &no),
               "RH-PATH-SYMLINK");
  assert_code (file ("file.remove", at (state, "home/passwd"), &no),
               "RH-PATH-SYMLINK");
  json_t *args = at (state, "home/d");
  assert_code (file ("file.mkdir", args, &no), "RH-PATH-SYMLINK");
}

static void
in_the_state_directory_no_link_is_followed (void **state)
{
  CLEANUP_FREE char *dir = mem_printf ("%s/state/shop", (char *)*state);
  CLEANUP_FREE char *link = mem_printf ("%s/state/shop/l", (char *)*state);
  assert_ok (durable_mkdirs (dir, 0700));
  assert_int_equal (symlink ("/tmp", link), 0);
  json_t *no;
  assert_code (file ("file.write", writing (state, "state/shop/l/x", "x"), &no),
               "RH-PATH-SYMLINK");
}

static void
dots_and_relative_paths_are_refused (void **state)
{
  json_t *no;
  assert_code (file ("file.stat", at (state, "a/../b"), &no), "RH-PATH-ESCAPE");
  assert_code (file ("file.read", json_pack ("{s:s}", "path", "etc/passwd"),
                     &no),
               "RH-PATH-ESCAPE");
  assert_code (file ("file.remove", at (state, "state/../x"), &no),
               "RH-PATH-ESCAPE");
  assert_code (file ("file.stat", json_pack ("{s:s}", "path", "/a%00b"), &no),
               "RH-WIRE-FIELD");
  assert_code (file ("file.stat", json_object (), &no), "RH-WIRE-FIELD");
}

static void
exclusive_and_parents_do_as_they_say (void **state)
{
  CLEANUP_JSON json_t *one = NULL;
  json_t *no;
  assert_code (file ("file.write", writing (state, "a/b/f", "x"), &no),
               "RH-PATH-OPEN");
  json_t *args = writing (state, "a/b/f", "x");
  json_object_set_new (args, "parents", json_true ());
  assert_ok (file ("file.write", args, &one));
  args = writing (state, "a/b/f", "y");
  json_object_set_new (args, "exclusive", json_true ());
  assert_code (file ("file.write", args, &no), "RH-FILE-EXISTS");
}

static void
too_large_a_file_is_refused_but_can_be_looked_at (void **state)
{
  CLEANUP_FREE char *path = mem_printf ("%s/f", (char *)*state);
  put_file (path, "x");
  assert_int_equal (truncate (path, (4 << 20) + 1), 0);
  json_t *no;
  CLEANUP_JSON json_t *got = NULL;
  assert_code (file ("file.read", at (state, "f"), &no), "RH-FILE-SIZE");
  assert_ok (file ("file.stat", at (state, "f"), &got));
  assert_string_equal (str_of (got, "size"), "4194305");
  assert_null (json_object_get (got, "digest"));
}

static void
a_fifo_does_not_hold_the_agent (void **state)
{
  CLEANUP_FREE char *path = mem_printf ("%s/p", (char *)*state);
  assert_int_equal (mkfifo (path, 0600), 0);
  CLEANUP_JSON json_t *got = NULL;
  json_t *no;
  assert_ok (file ("file.stat", at (state, "p"), &got));
  assert_string_equal (str_of (got, "type"), "fifo");
  assert_code (file ("file.read", at (state, "p"), &no), "RH-FILE-TYPE");
}

static void
directories_are_made_and_listed_in_order (void **state)
{
  CLEANUP_JSON json_t *made = NULL;
  CLEANUP_JSON json_t *again = NULL;
  json_t *args = at (state, "d/sub");
  json_object_set_new (args, "parents", json_true ());
  json_object_set_new (args, "mode", json_integer (02750));
  json_t *copy = json_deep_copy (args);
  assert_ok (file ("file.mkdir", args, &made));
  assert_true (bool_of (made, "made"));
  assert_ok (file ("file.mkdir", copy, &again));
  assert_false (bool_of (again, "made"));
  CLEANUP_JSON json_t *one = NULL;
  CLEANUP_JSON json_t *two = NULL;
  assert_ok (file ("file.write", writing (state, "d/b\xff", "x"), &one));
  json_t *link = at (state, "d/a");
  json_object_set_new (link, "target", json_string ("b"));
  assert_ok (file ("file.link", link, &two));
  CLEANUP_JSON json_t *list = NULL;
  assert_ok (file ("file.list", at (state, "d"), &list));
  json_t *rows = json_object_get (list, "entries");
  assert_int_equal (json_array_size (rows), 3);
  assert_string_equal (str_of (json_array_get (rows, 0), "name"), "a");
  assert_string_equal (str_of (json_array_get (rows, 0), "link"), "b");
  assert_string_equal (str_of (json_array_get (rows, 1), "name"), "b%FF");
  assert_string_equal (str_of (json_array_get (rows, 2), "type"), "dir");
  assert_int_equal (int_of (json_array_get (rows, 2), "mode"), 02750);
}

static void
renaming_replaces_only_when_told (void **state)
{
  CLEANUP_JSON json_t *one = NULL;
  CLEANUP_JSON json_t *two = NULL;
  CLEANUP_JSON json_t *three = NULL;
  assert_ok (file ("file.write", writing (state, "a", "a"), &one));
  assert_ok (file ("file.write", writing (state, "b", "b"), &two));
  json_t *args = json_pack ("{s:o, s:o}", "from", path_of (state, "a"), "to",
                            path_of (state, "b"));
  json_t *copy = json_deep_copy (args);
  json_t *no;
  assert_code (file ("file.rename", args, &no), "RH-FILE-EXISTS");
  json_object_set_new (copy, "replace", json_true ());
  assert_ok (file ("file.rename", copy, &three));
}

static void
trees_are_removed_only_below_the_state_directory (void **state)
{
  CLEANUP_FREE char *inside = mem_printf ("%s/state/shop/x", (char *)*state);
  CLEANUP_FREE char *outside = mem_printf ("%s/srv/x", (char *)*state);
  assert_ok (durable_mkdirs (inside, 0700));
  assert_ok (durable_mkdirs (outside, 0700));
  static const char *const refused[] = { "srv", "state", "statex", "state/" };
  for (size_t i = 0; i < 4; i++) {
    json_t *args = at (state, refused[i]);
    json_t *no;
    json_object_set_new (args, "recursive", json_true ());
    assert_code (file ("file.remove", args, &no), "RH-FILE-RECURSIVE");
  }
  json_t *args = at (state, "state/shop");
  json_object_set_new (args, "recursive", json_true ());
  CLEANUP_JSON json_t *got = NULL;
  assert_ok (file ("file.remove", args, &got));
  assert_true (bool_of (got, "removed"));
  assert_int_not_equal (access (inside, F_OK), 0);
  assert_int_equal (access (outside, F_OK), 0);
}

static void
removing_what_is_absent_says_so (void **state)
{
  CLEANUP_JSON json_t *got = NULL;
  assert_ok (file ("file.remove", at (state, "none/x"), &got));
  assert_false (bool_of (got, "removed"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    in_state (a_file_is_written_and_read_back),
    in_state (what_is_absent_is_no_error_to_look_at),
    in_state (a_rewritten_file_keeps_owner_mode_and_attributes),
    in_state (given_attributes_are_all_it_has),
    in_state (links_are_told_and_never_read_through),
    in_state (writing_over_a_link_replaces_the_link),
    in_state (a_strangers_directory_does_not_lead_a_write_elsewhere),
    in_state (in_the_state_directory_no_link_is_followed),
    in_state (dots_and_relative_paths_are_refused),
    in_state (exclusive_and_parents_do_as_they_say),
    in_state (too_large_a_file_is_refused_but_can_be_looked_at),
    in_state (a_fifo_does_not_hold_the_agent),
    in_state (directories_are_made_and_listed_in_order),
    in_state (renaming_replaces_only_when_told),
    in_state (trees_are_removed_only_below_the_state_directory),
    in_state (removing_what_is_absent_says_so),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
