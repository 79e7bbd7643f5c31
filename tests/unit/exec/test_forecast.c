/* SPDX-License-Identifier: Apache-2.0 */
/* Measures and the forecast, as pure functions of records. */
#include "stage.h"

#include "base/mem.h"
#include "exec/forecast.h"
#include "exec/measure.h"

#include <string.h>

static void
tell (struct measure *m, enum record_type type, const char *step, int64_t ms,
      json_t *data)
{
  struct record r CLEANUP (record_clear)
      = { .type = type,
          .time_ms = 1700000000000 + ms,
          .boot_id = mem_strdup ("one"),
          .mono_ns = (uint64_t)(ms + 5000) * 1000000u,
          .step = mem_strdup (step),
          .data = data != NULL ? data : json_object () };
  measure_record (m, &r);
}

static void
ran (struct measure *m, const char *step, int64_t from, int64_t to)
{
  tell (m, RECORD_INTENT, step, from, NULL);
  tell (m, RECORD_OUTCOME, step, to, json_pack ("{s:{}}", "result"));
}

struct pair {
  struct graph *g;
  struct measure *m;
};

static int
setup (void **state)
{
  struct pair *p = mem_alloc (sizeof *p);
  p->g = stage_graph ();
  p->m = measure_new (p->g);
  *state = p;
  return 0;
}

static int
teardown (void **state)
{
  struct pair *p = *state;
  measure_free (p->m);
  graph_free (p->g);
  free (p);
  return 0;
}

static void
downtime_is_from_the_freezes_intent_to_the_pivots_outcome (void **state)
{
  struct pair *p = *state;
  bool opened = false;
  int64_t ms = 0;
  ran (p->m, "freeze", 1000, 1200);
  assert_false (measure_downtime (p->m, false, &opened, &ms));
  assert_true (measure_frozen_since (p->m) > 0);
  ran (p->m, "final", 1200, 1300);
  ran (p->m, "pivot", 2400, 2500);
  assert_true (measure_downtime (p->m, false, &opened, &ms));
  assert_true (opened);
  assert_int_equal (ms, 1500);
}

static void
an_aborted_cutover_has_a_downtime_of_its_own (void **state)
{
  struct pair *p = *state;
  bool opened = true;
  int64_t ms = 0;
  ran (p->m, "freeze", 1000, 1200);
  tell (p->m, RECORD_PHASE, NULL, 3000, json_pack ("{s:s}", "to", "aborted"));
  assert_true (measure_downtime (p->m, false, &opened, &ms));
  assert_false (opened);
  assert_int_equal (ms, 2000);
}

static void
a_failed_pivot_does_not_end_the_downtime (void **state)
{
  struct pair *p = *state;
  bool opened;
  int64_t ms;
  ran (p->m, "freeze", 1000, 1200);
  tell (p->m, RECORD_INTENT, "pivot", 2000, NULL);
  tell (p->m, RECORD_OUTCOME, "pivot", 2100,
        json_pack ("{s:{s:s}}", "error", "code", "RH-X"));
  assert_false (measure_downtime (p->m, false, &opened, &ms));
}

static void
an_undo_is_not_taken_for_a_run (void **state)
{
  struct pair *p = *state;
  ran (p->m, "freeze", 1000, 1200);
  tell (p->m, RECORD_INTENT, "freeze", 5000, json_pack ("{s:b}", "undo", 1));
  tell (p->m, RECORD_OUTCOME, "freeze", 9000, json_pack ("{s:b}", "undo", 1));
  assert_int_equal (measure_step_ms (p->m, "freeze"), 200);
}

static void
after_a_reboot_the_wall_clock_counts (void **state)
{
  struct pair *p = *state;
  bool opened;
  int64_t ms;
  struct record r CLEANUP (record_clear) = { .type = RECORD_OUTCOME,
                                             .time_ms = 1700000000000 + 61000,
                                             .boot_id = mem_strdup ("two"),
                                             .mono_ns = 500000000000u,
                                             .step = mem_strdup ("pivot"),
                                             .data = json_object () };
  tell (p->m, RECORD_INTENT, "freeze", 1000, NULL);
  measure_record (p->m, &r);
  assert_true (measure_downtime (p->m, false, &opened, &ms));
  assert_int_equal (ms, 60000);
}

static void
the_range_is_never_wider_than_three_to_one (void **state)
{
  struct pair *p = *state;
  for (int64_t ms = 1; ms < 10000000; ms *= 7) {
    CLEANUP_FORECAST struct forecast f = { 0 };
    ran (p->m, "freeze", 0, ms);
    forecast_make (p->g, p->m, false, &f);
    assert_true (f.lower_ms >= 1);
    assert_true (f.lower_ms < f.upper_ms);
    assert_true (f.upper_ms <= 3 * f.lower_ms);
  }
}

static void
what_was_measured_moves_it (void **state)
{
  struct pair *p = *state;
  CLEANUP_FORECAST struct forecast before = { 0 }, after = { 0 };
  forecast_make (p->g, p->m, false, &before);
  ran (p->m, "final", 0, 20000);
  forecast_make (p->g, p->m, false, &after);
  assert_true (after.lower_ms > before.upper_ms);
  const json_t *first = json_array_get (after.causes, 0);
  assert_string_equal (json_string_value (json_object_get (first, "stage")),
                       "final");
  assert_string_equal (json_string_value (json_object_get (first, "basis")),
                       "measured");
}

static void
what_lies_outside_the_freeze_does_not_count (void **state)
{
  struct pair *p = *state;
  CLEANUP_FORECAST struct forecast before = { 0 }, after = { 0 };
  forecast_make (p->g, p->m, false, &before);
  ran (p->m, "seed", 0, 3600000);
  ran (p->m, "enable", 0, 3600000);
  forecast_make (p->g, p->m, false, &after);
  assert_int_equal (before.upper_ms, after.upper_ms);
}

/* The upper end, of a provider whose round took ten seconds; `op`: of the step
 * behind its last round. */
static int64_t
upper_with (const char *provider, const char *op)
{
  static const char *const no_needs[] = { NULL };
  static const struct {
    const char *id;
    enum stage stage;
    enum step_class cls;
  } steps[] = { { "x#round", STAGE_ROUND, STEP_IDEMPOTENT },
                { "x#stop", STAGE_FREEZE, STEP_REVERSIBLE },
                { "x#final", STAGE_FINAL, STEP_IDEMPOTENT },
                { "x#verify", STAGE_VERIFY, STEP_IDEMPOTENT },
                { "x#pivot", STAGE_PIVOT, STEP_PIVOT } };
  struct graph *g = graph_new ();
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    struct step s = { .id = steps[i].id,
                      .provider = provider,
                      .op = steps[i].stage == STAGE_VERIFY ? op : "op",
                      .title = "a step",
                      .stage = steps[i].stage,
                      .cls = steps[i].cls,
                      .side = SIDE_BOTH,
                      .needs = no_needs };
    assert_ok (graph_add (g, &s));
  }
  assert_ok (graph_seal (g));
  struct measure *m = measure_new (g);
  CLEANUP_FORECAST struct forecast f = { 0 };
  ran (m, "x#round", 0, 10000);
  forecast_make (g, m, false, &f);
  measure_free (m);
  graph_free (g);
  return f.upper_ms;
}

static void
a_provider_says_what_its_last_round_costs_of_a_round (void **state)
{
  (void)state;
  int64_t whole = upper_with ("postgresql", "verify");
  int64_t half = upper_with ("mariadb", "verify");
  assert_true (whole > 10000);
  assert_true (half < whole * 2 / 3);
}

static void
a_provider_says_what_a_step_of_another_kind_costs (void **state)
{
  (void)state;
  int64_t proof = upper_with ("postgresql", "verify");
  int64_t home = upper_with ("postgresql", "home");
  assert_true (home > 10000);
  assert_true (home < proof - 8000);
}

#define TEST(t) cmocka_unit_test_setup_teardown (t, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (downtime_is_from_the_freezes_intent_to_the_pivots_outcome),
    TEST (an_aborted_cutover_has_a_downtime_of_its_own),
    TEST (a_failed_pivot_does_not_end_the_downtime),
    TEST (an_undo_is_not_taken_for_a_run),
    TEST (after_a_reboot_the_wall_clock_counts),
    cmocka_unit_test (a_provider_says_what_a_step_of_another_kind_costs),
    TEST (the_range_is_never_wider_than_three_to_one),
    TEST (what_was_measured_moves_it),
    TEST (what_lies_outside_the_freeze_does_not_count),
    cmocka_unit_test (a_provider_says_what_its_last_round_costs_of_a_round),
  };
  return cmocka_run_group_tests_name ("forecast", tests, NULL, NULL);
}
