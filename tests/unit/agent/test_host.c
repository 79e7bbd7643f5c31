/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs about the host, its processes and sockets. */
#include "verbs.h"

#include "../host/held.h"

static struct err *
host (const char *verb, json_t *args, json_t **result)
{
  return call_verb (verbs_host, verb, args, result);
}

static struct err *
process (const char *verb, json_t *args, json_t **result)
{
  return call_verb (verbs_process, verb, args, result);
}

/* The row of `rows` with this pid, or NULL. */
static json_t *
row_of (const json_t *o, const char *rows, pid_t pid)
{
  size_t i;
  json_t *row;
  json_array_foreach (json_object_get (o, rows), i,
                      row) if (json_integer_value (json_object_get (row, "pid"))
                               == pid) return row;
  return NULL;
}

/* --- facts, space, sync
 * -------------------------------------------------------- */

static void
facts_and_space_and_sync_answer (void **state)
{
  CLEANUP_JSON json_t *facts = NULL;
  CLEANUP_JSON json_t *space = NULL;
  CLEANUP_JSON json_t *none = NULL;
  assert_ok (host ("facts", json_object (), &facts));
  assert_true (strlen (str_of (facts, "hostname")) > 0);
  assert_ok (host (
      "space", json_pack ("{s:s+}", "path", *state, "/none/at/all"), &space));
  assert_true (strtoull (str_of (space, "bytes_total"), NULL, 10) > 0);
  assert_true (strlen (str_of (space, "filesystem")) > 0);
  assert_false (bool_of (space, "readonly"));
  assert_ok (host ("sync", json_pack ("{s:s}", "path", *state), &none));
  json_t *no;
  assert_code (host ("space", json_pack ("{s:s}", "path", "tmp"), &no),
               "RH-PATH-ESCAPE");
  assert_code (host ("sync", json_pack ("{s:s}", "path", "/none"), &no),
               "RH-FILE-SYNC");
}

/* --- run
 * -------------------------------------------------------------------------- */

static void
run_gives_status_and_output (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *got = NULL;
  json_t *args = json_pack ("{s:[s,s,s], s:o, s:{s:s}}", "argv", "sh", "-c",
                            "cat; echo $A >&2; exit 7", "input",
                            base64_of ("in"), "env", "A", "100%25");
  assert_ok (host ("run", args, &got));
  CLEANUP_FREE char *out = blob_of (got, "out");
  CLEANUP_FREE char *err = blob_of (got, "err");
  assert_string_equal (out, "in");
  assert_string_equal (err, "100%\n");
  assert_int_equal (int_of (got, "status"), 7);
  assert_false (bool_of (got, "timed_out"));
  assert_false (bool_of (got, "truncated"));
}

static void
words_are_percent_encoded_bytes (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *got = NULL;
  assert_ok (host (
      "run", json_pack ("{s:[s,s]}", "argv", "echo", "a%FFb%25c $(id) %0A"),
      &got));
  CLEANUP_FREE char *out = blob_of (got, "out");
  assert_string_equal (out, "a\xff"
                            "b%c $(id) \n\n");
}

static void
a_program_that_takes_too_long_is_killed_and_told (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *got = NULL;
  assert_ok (host ("run",
                   json_pack ("{s:[s,s], s:i}", "argv", "sleep", "30",
                              "timeout_ms", 100),
                   &got));
  assert_true (bool_of (got, "timed_out"));
  assert_int_equal (int_of (got, "signal"), SIGKILL);
  assert_null (json_object_get (got, "status"));
}

static void
what_is_not_started_and_what_is_malformed (void **state)
{
  (void)state;
  json_t *no;
  assert_code (host ("run", json_pack ("{s:[s]}", "argv", "rehome-none"), &no),
               "RH-AGENT-RUN");
  json_t *bad[] = {
    json_object (),
    json_pack ("{s:[]}", "argv"),
    json_pack ("{s:s}", "argv", "echo hi"),
    json_pack ("{s:[i]}", "argv", 3),
    json_pack ("{s:[s]}", "argv", "a%00b"),
    json_pack ("{s:[s], s:i}", "argv", "true", "timeout_ms", 0),
    json_pack ("{s:[s], s:i}", "argv", "true", "max_output", 1 << 30),
    json_pack ("{s:[s], s:{s:s}}", "argv", "true", "env", "A=B", "x"),
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_code (host ("run", bad[i], &no), "RH-WIRE-FIELD");
}

static void
http_and_announce_pass_on_what_is_wrong (void **state)
{
  (void)state;
  json_t *no;
  assert_code (host ("http", json_pack ("{s:s}", "url", "https://127.0.0.1/"),
                     &no),
               "RH-HTTP-SCHEME");
  assert_code (host ("http", json_pack ("{s:s}", "url", "http://127.0.0.1:1/"),
                     &no),
               "RH-HTTP-CONNECT");
  assert_code (host ("announce",
                     json_pack ("{s:s, s:s}", "interface", "none", "address",
                                "192.0.2.1"),
                     &no),
               "RH-NET-ANNOUNCE");
}

/* --- processes
 * ----------------------------------------------------------------------- */

static void
the_list_tells_of_this_process (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *all = NULL;
  CLEANUP_JSON json_t *nobody = NULL;
  assert_ok (process ("process.list", json_object (), &all));
  json_t *own = row_of (all, "processes", getpid ());
  assert_non_null (own);
  assert_int_equal (int_of (own, "ppid"), getppid ());
  assert_true (strtoull (str_of (own, "start"), NULL, 10) > 0);
  assert_true (json_array_size (json_object_get (own, "cmdline")) >= 1);
  assert_false (bool_of (own, "kernel"));
  assert_ok (
      process ("process.list", json_pack ("{s:[i]}", "users", 64999), &nobody));
  assert_int_equal (json_array_size (json_object_get (nobody, "processes")), 0);
}

static int
writes_and_maps (const char *dir)
{
  for (int i = 0; i < 12; i++) {
    CLEANUP_FREE char *path = mem_printf ("%s/srv/f%02d", dir, i);
    if (open (path, O_WRONLY | O_CREAT, 0644) < 0)
      return -1;
  }
  return 0;
}

static void
writers_are_told_with_the_path_they_are_under (void **state)
{
  CLEANUP_FREE char *srv = mem_printf ("%s/srv", (char *)*state);
  CLEANUP_FREE char *first = mem_printf ("%s/f00", srv);
  assert_int_equal (mkdir (srv, 0755), 0);
  pid_t pid = held_start (writes_and_maps, *state);
  CLEANUP_JSON json_t *got = NULL;
  struct err *e
      = process ("process.writers", json_pack ("{s:[s]}", "paths", srv), &got);
  held_end (pid);
  assert_ok (e);
  json_t *rows = json_object_get (got, "writers");
  assert_int_equal (json_array_size (rows), 12);
  json_t *row = json_array_get (rows, 0);
  assert_int_equal (int_of (row, "pid"), pid);
  assert_string_equal (str_of (row, "path"), first);
  assert_string_equal (str_of (row, "under"), srv);
  assert_string_equal (str_of (row, "how"), "fd");
  assert_false (bool_of (row, "deleted"));
  assert_true (int_of (got, "unreadable") >= 0);
  json_t *no;
  assert_code (process ("process.writers",
                        json_pack ("{s:[s]}", "paths", "srv"), &no),
               "RH-WIRE-FIELD");
}

static int
writes_in_var (const char *dir)
{
  CLEANUP_FREE char *base = mem_printf ("/var/tmp/%s", strrchr (dir, '/') + 1);
  CLEANUP_FREE char *srv = mem_printf ("%s/srv", base);
  return mkdir (base, 0755) == 0 && mkdir (srv, 0755) == 0
             ? writes_and_maps (base)
             : -1;
}

static void
open_files_are_one_row_a_process (void **state)
{
  char *base = mem_printf ("/var/tmp/%s", strrchr ((char *)*state, '/') + 1);
  pid_t pid = held_start (writes_in_var, *state);
  CLEANUP_JSON json_t *got = NULL;
  struct err *e = process ("process.open", json_object (), &got);
  held_end (pid);
  void *away = base;
  assert_int_equal (scratch_remove (&away), 0);
  assert_ok (e);
  json_t *row = row_of (got, "writers", pid);
  assert_non_null (row);
  assert_int_equal (int_of (row, "count"), 12);
  assert_int_equal (json_array_size (json_object_get (row, "paths")), 8);
}

static void
listeners_are_rows (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *got = NULL;
  assert_ok (process ("process.listeners", json_object (), &got));
  assert_true (json_is_array (json_object_get (got, "listeners")));
}

static int
waits (const char *dir)
{
  (void)dir;
  return 0;
}

static void
suspending_needs_a_record_in_the_state_directory (void **state)
{
  CLEANUP_FREE char *record
      = mem_printf ("%s/state/shop/freeze/record", (char *)*state);
  pid_t pid = held_start (waits, *state);
  CLEANUP_JSON json_t *list = NULL;
  assert_ok (process ("process.list", json_object (), &list));
  json_t *start = json_object_get (row_of (list, "processes", pid), "start");
  json_t *args = json_pack ("{s:[{s:i, s:O}], s:s}", "pids", "pid", pid,
                            "start", start, "record", "/tmp/record");
  json_t *no;
  assert_code (process ("process.suspend", json_incref (args), &no),
               "RH-PROCESS-RECORD");
  json_object_set_new (args, "record", json_string (record));
  CLEANUP_JSON json_t *one = NULL;
  CLEANUP_JSON json_t *two = NULL;
  struct err *e = process ("process.suspend", args, &one);
  bool kept = access (record, F_OK) == 0;
  struct err *second
      = process ("process.resume", json_pack ("{s:s}", "record", record), &two);
  held_end (pid);
  assert_ok (e);
  assert_ok (second);
  assert_true (kept);
  assert_int_equal (int_of (one, "suspended"), 1);
  assert_int_equal (int_of (two, "resumed"), 1);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    in_state (facts_and_space_and_sync_answer),
    in_state (run_gives_status_and_output),
    in_state (words_are_percent_encoded_bytes),
    in_state (a_program_that_takes_too_long_is_killed_and_told),
    in_state (what_is_not_started_and_what_is_malformed),
    in_state (http_and_announce_pass_on_what_is_wrong),
    in_state (the_list_tells_of_this_process),
    in_state (writers_are_told_with_the_path_they_are_under),
    in_state (open_files_are_one_row_a_process),
    in_state (listeners_are_rows),
    in_state (suspending_needs_a_record_in_the_state_directory),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
