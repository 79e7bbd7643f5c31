/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's thread: what is decided is durable, then done. */
#include "stage.h"

#include "base/mem.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define WITH_STAGE(t) \
  cmocka_unit_test_setup_teardown (t, stage_setup, stage_teardown)

/* Every record's "type step" and what the journal says besides. */
struct reading {
  json_t *lines;
  int forecasts;
  uint64_t freeze_seq, forecast_seq;
};

static struct err *
read_one (void *ctx, const struct record *r, const char *line)
{
  struct reading *all = ctx;
  (void)line;
  json_array_append_new (
      all->lines, json_sprintf ("%s%s%s", record_type_name (r->type),
                                r->step ? " " : "", r->step ? r->step : ""));
  if (r->type == RECORD_FORECAST) {
    all->forecasts++;
    all->forecast_seq = r->seq;
  }
  if (r->type == RECORD_INTENT && strcmp (r->step, "freeze") == 0)
    all->freeze_seq = r->seq;
  return NULL;
}

static void
read_journal (const struct stage_set *s, struct reading *all)
{
  struct store *store CLEANUP_STORE = NULL;
  memset (all, 0, sizeof *all);
  all->lines = json_array ();
  assert_ok (store_open_reader (s->dir, &store));
  assert_ok (store_each (store, 0, read_one, all));
}

static int
count_lines (const struct reading *all, const char *what)
{
  size_t i;
  int n = 0;
  json_t *l;
  json_array_foreach (all->lines, i, l) n
      += strcmp (json_string_value (l), what) == 0;
  return n;
}

static void
a_sync_runs_each_step_and_comes_into_step (void **state)
{
  struct stage_set *s = *state;
  struct reading all;
  stage_open (s, "a");
  stage_run (s);
  assert_ok (loop_request (s->loop, REQUEST_SYNC, "operator:test", NULL));
  stage_until_in_step (s);
  stage_close (s);
  assert_null (s->ended);
  assert_int_equal (stage_count ("run look"), 1);
  assert_int_equal (stage_count ("run seed"), 1);
  assert_true (stage_count ("run round") >= 1);
  assert_int_equal (stage_count ("run freeze"), 0);
  read_journal (s, &all);
  assert_int_equal (count_lines (&all, "intent seed"), 1);
  assert_int_equal (count_lines (&all, "outcome seed"), 1);
  json_decref (all.lines);
}

static void
a_cutover_is_forecast_before_the_freeze_begins (void **state)
{
  struct stage_set *s = *state;
  struct reading all;
  stage_open (s, "a");
  stage_run (s);
  assert_ok (loop_request (s->loop, REQUEST_CUTOVER, "operator:test", NULL));
  stage_until_phase (s, "guarded");
  stage_close (s);
  read_journal (s, &all);
  assert_int_equal (all.forecasts, 1);
  assert_true (all.forecast_seq < all.freeze_seq);
  json_decref (all.lines);
}

static void
a_refused_step_goes_back_and_undoes (void **state)
{
  struct stage_set *s = *state;
  play.fail = "smoke";
  stage_open (s, "a");
  stage_run (s);
  assert_ok (loop_request (s->loop, REQUEST_CUTOVER, "operator:test", NULL));
  stage_until_phase (s, "aborted");
  stage_close (s);
  assert_int_equal (stage_count ("undo freeze"), 1);
  assert_int_equal (stage_count ("run pivot"), 0);
}

static void
a_refused_request_is_the_askers_error (void **state)
{
  struct stage_set *s = *state;
  stage_open (s, "a");
  stage_run (s);
  assert_code (loop_request (s->loop, REQUEST_ACCEPT, "operator:test", NULL),
               "RH-ENGINE-NOTGUARDED");
  assert_ok (loop_request (s->loop, REQUEST_SYNC, "operator:test", NULL));
}

static void
a_stopped_owner_probes_what_it_left_under_way (void **state)
{
  struct stage_set *s = *state;
  struct reading all;
  play.hold = "seed";
  stage_open (s, "a");
  stage_run (s);
  assert_ok (loop_request (s->loop, REQUEST_SYNC, "operator:test", NULL));
  stage_wait ("run seed");
  stage_close (s);
  read_journal (s, &all);
  assert_int_equal (count_lines (&all, "outcome seed"), 0);
  json_decref (all.lines);
  play.hold = NULL;
  stage_open (s, "a");
  assert_int_equal (loop_epoch (s->loop), 2);
  stage_run (s);
  stage_until_in_step (s);
  assert_int_equal (stage_count ("probe seed"), 1);
  assert_int_equal (stage_count ("run seed"), 2);
  assert_int_equal (stage_count ("run look"), 1);
}

static void
what_a_probe_finds_done_is_not_done_again (void **state)
{
  struct stage_set *s = *state;
  play.hold = "freeze";
  stage_open (s, "a");
  stage_run (s);
  assert_ok (loop_request (s->loop, REQUEST_CUTOVER, "operator:test", NULL));
  stage_wait ("run freeze");
  stage_close (s);
  play.hold = NULL;
  play.probe = PROBED_DONE;
  stage_open (s, "a");
  stage_run (s);
  stage_until_phase (s, "guarded");
  assert_int_equal (stage_count ("run freeze"), 1);
  assert_int_equal (stage_count ("run pivot"), 1);
}

static void
a_request_after_the_end_is_answered (void **state)
{
  struct stage_set *s = *state;
  stage_open (s, "a");
  stage_run (s);
  loop_stop (s->loop);
  pthread_join (s->thread, NULL);
  s->threaded = false;
  assert_code (loop_request (s->loop, REQUEST_SYNC, "operator:test", NULL),
               "RH-EXEC-STOPPED");
}

/* The disk takes no more: SQLite's writes fail from here on. */
static void
fill_disk (bool full)
{
  struct rlimit r = { full ? 1 : RLIM_INFINITY, RLIM_INFINITY };
  signal (SIGXFSZ, SIG_IGN);
  assert_int_equal (setrlimit (RLIMIT_FSIZE, &r), 0);
}

static void
nothing_runs_without_its_durable_record (void **state)
{
  struct stage_set *s = *state;
  play.hold = "seed";
  stage_open (s, "a");
  stage_run (s);
  assert_ok (loop_request (s->loop, REQUEST_SYNC, "operator:test", NULL));
  stage_wait ("run seed");
  fill_disk (true);
  stage_release ();
  pthread_join (s->thread, NULL);
  s->threaded = false;
  fill_disk (false);
  assert_non_null (s->ended);
  assert_int_equal (stage_count ("run round"), 0);
}

static void
an_owner_ends_by_itself_when_nothing_is_left (void **state)
{
  struct stage_set *s = *state;
  stage_open (s, "a");
  stage_close (s);
  stage_open (s, "a");
  struct loop_parts parts
      = { .store = s->store,
          .graph = s->graph,
          .limits = &(struct plan_limits){ 30000, 1, 1, 300000 },
          .migration = "shop-12345678",
          .find = stage_find,
          .linger_ms = 200 };
  struct loop *l = loop_new (&parts);
  assert_ok (loop_replay (l));
  assert_ok (loop_append (l, RECORD_CLAIMED, "controller",
                          json_pack ("{s:s}", "controller", "a")));
  assert_ok (loop_run (l));
  assert_true (loop_is_over (l));
  assert_true (loop_free (l));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH_STAGE (a_sync_runs_each_step_and_comes_into_step),
    WITH_STAGE (a_cutover_is_forecast_before_the_freeze_begins),
    WITH_STAGE (a_refused_step_goes_back_and_undoes),
    WITH_STAGE (a_refused_request_is_the_askers_error),
    WITH_STAGE (a_stopped_owner_probes_what_it_left_under_way),
    WITH_STAGE (what_a_probe_finds_done_is_not_done_again),
    WITH_STAGE (a_request_after_the_end_is_answered),
    WITH_STAGE (nothing_runs_without_its_durable_record),
    WITH_STAGE (an_owner_ends_by_itself_when_nothing_is_left),
  };
  return cmocka_run_group_tests_name ("loop", tests, NULL, NULL);
}
