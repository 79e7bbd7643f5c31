/* SPDX-License-Identifier: Apache-2.0 */
/* Stories of the guard and of the way back after the pivot. */
#include "play.h"

#include "../cmocka_api.h"

#include <string.h>

static void
guard (struct play *p)
{
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, "guard#round");
}

static void
the_first_reverse_round_begins_with_the_guard_and_the_audit_beside_it (
    void **state)
{
  struct play *p = *state;
  guard (p);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
  assert_true (play_is (p, "guard#audit", EFFECT_RUN));
  assert_int_equal (engine_back_since (p->engine), 0);
  play_ends (p, "guard#round");
  assert_true (engine_back_since (p->engine) > 0);
  assert_int_equal (play_timer_set (p, "round"), 300000);
  assert_true (play_is (p, "guard#audit", EFFECT_RUN));
}

static void
a_long_audit_does_not_hold_up_the_rounds (void **state)
{
  struct play *p = *state;
  guard (p);
  play_ends (p, "guard#round");
  play_timer (p, "round");
  assert_true (play_is (p, "guard#round", EFFECT_RUN));
  assert_true (play_is (p, "guard#audit", EFFECT_RUN));
}

static void
a_round_that_fails_is_followed_by_another_in_its_time (void **state)
{
  struct play *p = *state;
  guard (p);
  play_fails (p, "guard#round", ERR_REFUSED);
  assert_string_not_equal (play_attention (p), "");
  play_timer (p, "round");
  play_ends (p, "guard#round");
  assert_string_equal (play_attention (p), "");
}

static void
a_rollback_ends_with_the_source_serving (void **state)
{
  struct play *p = *state;
  guard (p);
  play_request (p, REQUEST_ROLLBACK);
  play_to (p, PHASE_BACK_HOLDING);
  assert_int_equal (engine_writer (p->engine), WRITER_TARGET);
  play_to_step (p, "back#flag");
  assert_int_equal (engine_writer (p->engine), WRITER_NONE);
  assert_int_equal (play_timer_set (p, "downtime-limit"), PLAY_LIMIT_MS);
  play_to_step (p, "back#open");
  assert_int_equal (engine_writer (p->engine), WRITER_SOURCE);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_ROLLED_BACK);
  assert_true (engine_back_opened_at (p->engine)
               >= engine_back_frozen_at (p->engine));
  assert_true (engine_opened_at (p->engine) > 0);
  assert_int_equal (play_count (p, RECORD_MEASURE), 2);
}

static void
a_rollback_that_fails_leaves_the_target_serving (void **state)
{
  struct play *p = *state;
  guard (p);
  play_request (p, REQUEST_ROLLBACK);
  play_to_step (p, "back#start");
  play_fails (p, "back#start", ERR_REFUSED);
  assert_int_equal (engine_phase (p->engine), PHASE_BACK_ABORTING);
  play_to (p, PHASE_GUARDED);
  assert_int_equal (engine_writer (p->engine), WRITER_TARGET);
  static const char *const want[]
      = { "back#start", "back#flag", "back#hold", "back#apply" };
  assert_int_equal (p->undo_n, 4);
  for (unsigned i = 0; i < 4; i++)
    assert_string_equal (p->undone[i], want[i]);
  assert_string_not_equal (play_attention (p), "");
}

static void
the_limit_takes_a_rollback_back (void **state)
{
  struct play *p = *state;
  guard (p);
  play_request (p, REQUEST_ROLLBACK);
  play_to_step (p, "back#final");
  play_timer (p, "downtime-limit");
  play_to (p, PHASE_GUARDED);
  assert_string_equal (play_attention (p), "RH-ENGINE-DOWNTIME-LIMIT");
}

static void
without_the_target_there_is_no_limit_to_go_back_at (void **state)
{
  struct play *p = *state;
  guard (p);
  play_request (p, REQUEST_ROLLBACK_ALONE);
  play_to_step (p, "back#flag");
  assert_true (engine_alone (p->engine));
  assert_int_equal (play_timer_set (p, "downtime-limit"), -1);
}

static void
a_rollback_can_be_called_off_until_its_pivot (void **state)
{
  struct play *p = *state;
  guard (p);
  play_request (p, REQUEST_ROLLBACK);
  play_to_step (p, "back#verify");
  play_request (p, REQUEST_ABORT);
  play_to (p, PHASE_GUARDED);
  assert_int_equal (engine_writer (p->engine), WRITER_TARGET);
  play_request (p, REQUEST_ROLLBACK);
  play_to_step (p, "back#pivot");
  play_request (p, REQUEST_ABORT);
  assert_string_equal (play_refused (p), "RH-ENGINE-PASTPIVOT");
}

static void
what_a_check_finds_stops_the_rollback_before_it_changes_anything (void **state)
{
  struct play *p = *state;
  guard (p);
  play_request (p, REQUEST_ROLLBACK);
  play_to_step (p, "back#check");
  play_fails (p, "back#check", ERR_BLOCKED);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
  assert_int_equal (p->undo_n, 0);
  assert_string_equal (play_attention (p), "RH-ENGINE-BLOCKED");
}

static void
before_the_pivot_there_is_nothing_to_roll_back (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_ROLLBACK);
  assert_string_equal (play_refused (p), "RH-ENGINE-NOROLLBACK");
}

static void
what_was_accepted_is_not_rolled_back (void **state)
{
  struct play *p = *state;
  guard (p);
  play_request (p, REQUEST_ACCEPT);
  play_to (p, PHASE_ACCEPTED);
  play_request (p, REQUEST_ROLLBACK);
  assert_string_equal (play_refused (p), "RH-ENGINE-ACCEPTED");
}

static void
a_crash_in_the_guard_does_not_begin_the_wait_anew (void **state)
{
  struct play *p = *state;
  guard (p);
  play_ends (p, "guard#round");
  play_ends (p, "guard#audit");
  play_crash (p, 100000);
  assert_true (play_timer_set (p, "round") <= 200000);
  assert_true (play_timer_set (p, "round") > 0);
}

#define STORY(f) \
  cmocka_unit_test_setup_teardown (f, play_setup_back, play_teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    STORY (
        the_first_reverse_round_begins_with_the_guard_and_the_audit_beside_it),
    STORY (a_long_audit_does_not_hold_up_the_rounds),
    STORY (a_round_that_fails_is_followed_by_another_in_its_time),
    STORY (a_rollback_ends_with_the_source_serving),
    STORY (a_rollback_that_fails_leaves_the_target_serving),
    STORY (the_limit_takes_a_rollback_back),
    STORY (without_the_target_there_is_no_limit_to_go_back_at),
    STORY (a_rollback_can_be_called_off_until_its_pivot),
    STORY (what_a_check_finds_stops_the_rollback_before_it_changes_anything),
    STORY (before_the_pivot_there_is_nothing_to_roll_back),
    STORY (what_was_accepted_is_not_rolled_back),
    STORY (a_crash_in_the_guard_does_not_begin_the_wait_anew),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
