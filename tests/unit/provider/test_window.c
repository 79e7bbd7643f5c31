/* SPDX-License-Identifier: Apache-2.0 */
/* The maintenance window: when it is open, when it opens next, and that a
 * cutover waits for it. */
#include "canned.h"

#include "plan/plan.h"
#include "provider/move.h"

#include "cmocka_api.h"

#include <string.h>

#define HEAD                                                  \
  "rehome: 1\nname: shop\nsource: {host: root@old}\nitems:\n" \
  "  - files: /srv/shop\n"
#define BERLIN                                                  \
  HEAD "cutover: {window: {days: [sat, sun], from: \"01:00\", " \
       "to: \"05:00\", zone: Europe/Berlin}}\n"
#define NIGHT                                                   \
  HEAD "cutover: {window: {days: [fri, sun], from: \"22:00\", " \
       "to: \"04:30\"}}\n"
#define WHOLE \
  HEAD "cutover: {window: {days: [wed], from: \"06:00\", to: \"06:00\"}}\n"

enum { MON, TUE, WED, THU, FRI, SAT, SUN };

static struct plan *
plan_of (const char *text)
{
  struct plan *p = NULL;
  assert_ok (
      plan_parse (text, strlen (text), "plan.yaml", provider_kinds (), &p));
  return p;
}

static int
wait_at (const char *text, int day, int hour, int minute)
{
  CLEANUP_PLAN struct plan *p = plan_of (text);
  return move_window_wait (plan_window (p), (day * 24 + hour) * 60 + minute);
}

static void
a_window_is_open_from_its_first_minute_to_its_end (void **state)
{
  (void)state;
  assert_int_equal (wait_at (BERLIN, SAT, 0, 59), 1);
  assert_int_equal (wait_at (BERLIN, SAT, 1, 0), 0);
  assert_int_equal (wait_at (BERLIN, SAT, 4, 59), 0);
  assert_int_equal (wait_at (BERLIN, SAT, 5, 0), 20 * 60);
}

static void
a_closed_window_opens_on_the_next_of_its_days (void **state)
{
  (void)state;
  assert_int_equal (wait_at (BERLIN, SUN, 5, 0), (5 * 24 + 20) * 60);
  assert_int_equal (wait_at (BERLIN, MON, 1, 0), 5 * 24 * 60);
  assert_int_equal (wait_at (BERLIN, FRI, 2, 30), (24 - 2) * 60 + 30);
}

static void
a_window_over_midnight_belongs_to_the_day_it_opens (void **state)
{
  (void)state;
  assert_int_equal (wait_at (NIGHT, FRI, 3, 0), 19 * 60);
  assert_int_equal (wait_at (NIGHT, FRI, 22, 0), 0);
  assert_int_equal (wait_at (NIGHT, SAT, 4, 29), 0);
  assert_int_equal (wait_at (NIGHT, SAT, 4, 30), (24 + 17) * 60 + 30);
}

static void
a_window_goes_on_over_the_end_of_the_week (void **state)
{
  (void)state;
  assert_int_equal (wait_at (NIGHT, SUN, 23, 59), 0);
  assert_int_equal (wait_at (NIGHT, MON, 0, 0), 0);
  assert_int_equal (wait_at (NIGHT, MON, 4, 30), (4 * 24 + 17) * 60 + 30);
}

static void
the_same_time_twice_is_a_whole_day (void **state)
{
  (void)state;
  assert_int_equal (wait_at (WHOLE, WED, 5, 59), 1);
  assert_int_equal (wait_at (WHOLE, WED, 6, 0), 0);
  assert_int_equal (wait_at (WHOLE, THU, 5, 59), 0);
  assert_int_equal (wait_at (WHOLE, THU, 6, 0), 6 * 24 * 60);
}

/* Runs `move#OP` where the target's `date` says `time` in Europe/Berlin. */
static struct err *
run_at (const char *op, const char *text, const char *time, json_t **result)
{
  CLEANUP_PLAN struct plan *p = plan_of (text);
  CLEANUP_JSON json_t *host = json_pack (
      "{s:{s:s,s:s},s:{s:s,s:s}}", "files", "/usr/share/zoneinfo/Europe/Berlin",
      "TZif", "/usr/share/zoneinfo/Africa/Cairo", "TZif", "programs",
      "env TZ=Europe/Berlin date ", time, "env TZ=UTC date ", time);
  struct canned c;
  struct step step = { .op = op };
  canned_init (&c, "target", host);
  struct step_call call
      = { .plan = p, .step = &step, .target = &c.port, .migration = "shop" };
  return provider_run (&provider_move, &call, result);
}

static void
a_cutover_outside_is_told_when_the_window_opens (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *result = NULL;
  CLEANUP_ERR struct err *e = run_at ("window", BERLIN, "2 10:03\n", &result);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-MOVE-WINDOW");
  assert_int_equal (err_class_of (e), ERR_BLOCKED);
  assert_non_null (strstr (err_message (e), "tue 10:03"));
  assert_non_null (strstr (err_message (e),
                           "next on sat 01:00 (Europe/Berlin), in about "
                           "3 d 14 h"));
}

static void
a_cutover_within_goes_on (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *result = NULL;
  assert_ok (run_at ("window", BERLIN, "7 04:59\n", &result));
  assert_non_null (json_at (result, "window"));
}

static void
a_preflight_outside_only_says_so (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *result = NULL;
  assert_ok (run_at ("window-look", NIGHT, "1 12:00\n", &result));
  const char *said
      = json_string_value (json_array_get (json_at (result, "findings"), 0));
  assert_non_null (strstr (said, "fri 22:00 (UTC)"));
}

/* date(1) would take it for UTC. */
static void
a_zone_that_the_target_does_not_know_is_refused (void **state)
{
  (void)state;
  static const char *const zones[] = { "Europe/Berln", "Europe", "UTC+2" };
  for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
    char text[400];
    CLEANUP_JSON json_t *result = NULL;
    snprintf (text, sizeof text,
              HEAD "cutover: {window: {from: \"00:00\", to: \"00:00\", zone: "
                   "%s}}\n",
              zones[i]);
    CLEANUP_ERR struct err *e
        = run_at ("window-look", text, "2 10:03\n", &result);
    assert_non_null (e);
    assert_string_equal (err_code (e), "RH-MOVE-ZONE");
  }
}

static void
what_is_no_time_is_an_error (void **state)
{
  (void)state;
  static const char *const said[] = { "", "0 10:00\n", "1 24:00\n", "Tue\n" };
  for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
    CLEANUP_JSON json_t *result = NULL;
    CLEANUP_ERR struct err *e = run_at ("window", BERLIN, said[i], &result);
    assert_non_null (e);
    assert_string_equal (err_code (e), "RH-HOST-COMMAND");
  }
}

static bool
has_step (const char *text, const char *id)
{
  CLEANUP_PLAN struct plan *p = plan_of (text);
  CLEANUP_GRAPH struct graph *g = NULL;
  assert_ok (provider_compile (p, &g));
  for (size_t i = 0; i < graph_len (g); i++)
    if (strcmp (graph_at (g, i)->id, id) == 0)
      return graph_at (g, i)->stage
             == (strcmp (id, "move#window") == 0 ? STAGE_RECHECK
                                                 : STAGE_PREFLIGHT);
  return false;
}

static void
only_a_plan_with_a_window_has_its_steps (void **state)
{
  (void)state;
  assert_true (has_step (BERLIN, "move#window"));
  assert_true (has_step (BERLIN, "move#window-look"));
  assert_false (has_step (HEAD, "move#window"));
  assert_false (has_step (HEAD, "move#window-look"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_window_is_open_from_its_first_minute_to_its_end),
    cmocka_unit_test (a_closed_window_opens_on_the_next_of_its_days),
    cmocka_unit_test (a_window_over_midnight_belongs_to_the_day_it_opens),
    cmocka_unit_test (a_window_goes_on_over_the_end_of_the_week),
    cmocka_unit_test (the_same_time_twice_is_a_whole_day),
    cmocka_unit_test (a_cutover_outside_is_told_when_the_window_opens),
    cmocka_unit_test (a_cutover_within_goes_on),
    cmocka_unit_test (a_preflight_outside_only_says_so),
    cmocka_unit_test (a_zone_that_the_target_does_not_know_is_refused),
    cmocka_unit_test (what_is_no_time_is_an_error),
    cmocka_unit_test (only_a_plan_with_a_window_has_its_steps),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
