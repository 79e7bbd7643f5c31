/* SPDX-License-Identifier: Apache-2.0 */
/* What a PostgreSQL item may say, and how SQL is quoted. */
#include "provider/postgresql_home.h"

#include "base/mem.h"

#include "../cmocka_api.h"

static void
strings_are_quoted_so_that_nothing_gets_out (void **state)
{
  (void)state;
  static const struct {
    const char *text, *quoted;
  } cases[] = {
    { "crm", "'crm'" },
    { "", "''" },
    { "a'b; DROP--", "'a''b; DROP--'" },
    { "a\\'b", " E'a\\\\''b'" },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char *got CLEANUP_FREE = postgresql_literal (cases[i].text);
    assert_string_equal (got, cases[i].quoted);
  }
}

static struct err *
check_name (const char *name)
{
  json_t *spec CLEANUP_JSON = json_pack ("{s:s}", "postgresql", name);
  return provider_postgresql.kind.check (spec);
}

static void
names_that_psql_would_read_as_something_else_are_refused (void **state)
{
  (void)state;
  static const char *const bad[]
      = { "",     "-x",  "host=evil", "postgresql://x",
          "a\"b", "a b", "template1", "postgres" };
  assert_ok (check_name ("crm"));
  assert_ok (check_name ("Crm_2.a-b"));
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_code (check_name (bad[i]), "RH-PLAN-VALUE");
}

static void
other_words_of_an_item_are_refused (void **state)
{
  (void)state;
  json_t *key CLEANUP_JSON
      = json_pack ("{s:s, s:b}", "postgresql", "crm", "overwirte", 1);
  json_t *remote CLEANUP_JSON
      = json_pack ("{s:s, s:s}", "postgresql", "crm", "remote", "yes");
  assert_code (provider_postgresql.kind.check (key), "RH-PLAN-KEY");
  assert_code (provider_postgresql.kind.check (remote), "RH-PLAN-VALUE");
}

static struct err *
check_word (const char *key, const char *value)
{
  json_t *spec CLEANUP_JSON
      = json_pack ("{s:s, s:s}", "postgresql", "crm", key, value);
  return provider_postgresql.kind.check (spec);
}

static void
how_it_is_kept_in_step_has_two_words_and_a_restart_one (void **state)
{
  (void)state;
  assert_ok (check_word ("in-step", "rounds"));
  assert_ok (check_word ("in-step", "replicate"));
  assert_ok (check_word ("restart", "allowed"));
  assert_code (check_word ("in-step", "replication"), "RH-PLAN-VALUE");
  assert_code (check_word ("restart", "true"), "RH-PLAN-VALUE");
}

#define APPLIER(pid, error, table)                                          \
  "2026-11-21 22:04:48 UTC [" pid "] ERROR:  " error                        \
  "\n2026-11-21 22:04:48 UTC [" pid "] DETAIL:  Key (id)=(1) exists.\n"     \
  "2026-11-21 22:04:48 UTC [" pid "] CONTEXT:  processing remote data for " \
  "replication origin \"pg_16399\" during message type \"INSERT\" for "     \
  "replication target relation \"" table "\" in transaction 748\n"

/* The process tells whose error it was; what is cut off is none. */
static void
the_log_says_why_an_applier_stopped (void **state)
{
  (void)state;
  static const struct {
    const char *log, *said;
  } cases[] = {
    { "", "" },
    { "no newline", "" },
    { APPLIER ("7", "old", "public.a") APPLIER ("8", "new", "public.b"),
      "new (public.b)" },
    { "t [8] ERROR:  mine\nt [9] crm ERROR:  of another\n"
      "t [8] CONTEXT:  processing remote data for replication origin "
      "\"pg_16399\" during message type \"COMMIT\"\n"
      "t [9] HINT:  for replication target relation \"public.c\"\n",
      "mine" },
    { "t CONTEXT:  processing remote data for replication origin "
      "\"pg_16399\"",
      "" },
    { "t [8] CONTEXT:  processing remote data for replication origin "
      "\"pg_16399\" of \"x\" target relation \"",
      "" },
    { "t [8] ERROR:  its\nt [8] CONTEXT:  processing remote data for "
      "replication origin \"pg_163990\"\n",
      "" },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char *log CLEANUP_FREE = mem_strdup (cases[i].log);
    char *said CLEANUP_FREE = postgresql_log_error (log, "pg_16399");
    assert_string_equal (said, cases[i].said);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (the_log_says_why_an_applier_stopped),
    cmocka_unit_test (strings_are_quoted_so_that_nothing_gets_out),
    cmocka_unit_test (names_that_psql_would_read_as_something_else_are_refused),
    cmocka_unit_test (other_words_of_an_item_are_refused),
    cmocka_unit_test (how_it_is_kept_in_step_has_two_words_and_a_restart_one),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
