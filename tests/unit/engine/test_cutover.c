/* SPDX-License-Identifier: Apache-2.0 */
/* Stories of a cutover, from the proof to the acceptance. */
#include "play.h"

#include "../cmocka_api.h"

#include <string.h>

static void
a_cutover_does_what_is_missing_and_ends_guarded (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
  assert_int_equal (engine_writer (p->engine), WRITER_TARGET);
  assert_int_equal (engine_rounds (p->engine), 2);
  assert_int_equal (engine_step (p->engine, "guard#audit", NULL), STEP_DONE);
  assert_true (engine_idle (p->engine));
  assert_int_equal (engine_goal (p->engine), REQUEST_COUNT);
}

static void
proof_lies_between_two_rounds_before_the_freeze (void **state)
{
  struct play *p = *state;
  static const char *const want[]
      = { "round#copy", "prove#equal", "recheck#space", "round#copy",
          "hold#cron",  "hold#jobs",   "freeze#flag" };
  size_t next = 0;
  play_request (p, REQUEST_CUTOVER);
  play_out (p);
  for (size_t i = 0; i < p->journal.n && next < 7; i++) {
    const struct record *r = &p->journal.v[i];
    if (r->type == RECORD_INTENT && strncmp (r->step, "look", 4) != 0
        && strncmp (r->step, "prep", 4) != 0)
      assert_string_equal (r->step, want[next++]);
  }
  assert_int_equal (next, 7);
}

static void
the_writer_is_none_from_the_first_freeze_intent_on (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, "hold#jobs");
  assert_int_equal (engine_writer (p->engine), WRITER_SOURCE);
  assert_int_equal (play_timer_set (p, "downtime-limit"), -1);
  play_to_step (p, "freeze#flag");
  assert_int_equal (engine_writer (p->engine), WRITER_NONE);
  assert_int_equal (play_timer_set (p, "downtime-limit"), PLAY_LIMIT_MS);
}

static void
the_writer_is_the_target_from_the_pivots_outcome_on (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, "pivot#open");
  assert_int_equal (engine_phase (p->engine), PHASE_OPENING);
  assert_int_equal (engine_writer (p->engine), WRITER_NONE);
  assert_int_equal (play_timer_set (p, "downtime-limit"), -1);
  play_ends (p, "pivot#open");
  assert_int_equal (engine_writer (p->engine), WRITER_TARGET);
  assert_true (engine_opened_at (p->engine) > engine_frozen_at (p->engine));
}

static void
how_long_it_was_frozen_is_recorded (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_out (p);
  assert_int_equal (play_count (p, RECORD_MEASURE), 1);
  for (size_t i = 0; i < p->journal.n; i++)
    if (p->journal.v[i].type == RECORD_MEASURE) {
      const json_t *d = p->journal.v[i].data;
      assert_int_equal (json_integer_value (json_at (d, "frozen_ms")),
                        engine_opened_at (p->engine)
                            - engine_frozen_at (p->engine));
    }
}

static void
an_unequal_proof_before_the_freeze_only_stops (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, "prove#equal");
  play_fails (p, "prove#equal", ERR_UNEQUAL);
  assert_int_equal (engine_phase (p->engine), PHASE_SYNCING);
  assert_int_equal (engine_goal (p->engine), REQUEST_COUNT);
  assert_string_equal (play_attention (p), "RH-TEST-FAILED");
  assert_int_equal (engine_frozen_at (p->engine), 0);
}

static void
a_fresh_check_that_fails_blocks_the_cutover (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, "recheck#space");
  play_fails (p, "recheck#space", ERR_BLOCKED);
  assert_int_equal (engine_phase (p->engine), PHASE_SYNCING);
  assert_string_equal (engine_why (p->engine), "blocked");
  assert_string_equal (play_attention (p), "RH-ENGINE-BLOCKED");
  play_request (p, REQUEST_RESUME);
  assert_int_equal (engine_goal (p->engine), REQUEST_CUTOVER);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
}

static void
there_is_no_pause_while_the_source_is_frozen (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, "freeze#stop");
  play_request (p, REQUEST_PAUSE);
  assert_string_equal (play_refused (p), "RH-ENGINE-NOPAUSE");
  assert_false (engine_paused (p->engine));
}

static void
a_pause_while_holding_is_kept_before_the_freeze (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, "hold#jobs");
  play_request (p, REQUEST_PAUSE);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_HOLDING);
  play_request (p, REQUEST_RESUME);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
}

static void
an_abort_after_the_pivot_is_refused (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, "pivot#open");
  size_t records = p->journal.n;
  play_request (p, REQUEST_ABORT);
  assert_string_equal (play_refused (p), "RH-ENGINE-PASTPIVOT");
  assert_int_equal (p->journal.n, records);
  play_out (p);
  play_request (p, REQUEST_ABORT);
  assert_string_equal (play_refused (p), "RH-ENGINE-PASTPIVOT");
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
}

static void
opening_goes_on_until_it_succeeds (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, "open#enable");
  for (int i = 0; i < 6; i++) {
    play_fails (p, "open#enable", ERR_REFUSED);
    play_request (p, REQUEST_RESUME); /* there is nothing to take up */
    assert_string_equal (play_attention (p), "RH-TEST-FAILED");
    play_timer (p, "retry:open#enable");
  }
  assert_int_equal (engine_phase (p->engine), PHASE_OPENING);
  play_ends (p, "open#enable");
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
  assert_string_equal (play_attention (p), "");
}

static void
a_look_in_the_guard_that_fails_is_shown_and_tried_when_asked (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, "guard#audit");
  play_fails (p, "guard#audit", ERR_UNEQUAL);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
  assert_string_equal (play_attention (p), "RH-TEST-FAILED");
  assert_true (engine_idle (p->engine));
  play_request (p, REQUEST_RESUME);
  play_ends (p, "guard#audit");
  assert_string_equal (play_attention (p), "");
}

static void
only_an_operator_accepts_and_only_what_is_guarded (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_ACCEPT);
  assert_string_equal (play_refused (p), "RH-ENGINE-NOTGUARDED");
  play_request (p, REQUEST_CUTOVER);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
  play_request (p, REQUEST_ACCEPT);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_ACCEPTED);
  assert_int_equal (engine_writer (p->engine), WRITER_TARGET);
}

static void
an_acceptance_that_fails_can_be_asked_for_again (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_out (p);
  play_request (p, REQUEST_ACCEPT);
  play_fails (p, "accept#clean", ERR_REFUSED);
  assert_int_equal (engine_phase (p->engine), PHASE_ACCEPTING);
  assert_string_equal (play_attention (p), "RH-TEST-FAILED");
  play_request (p, REQUEST_ACCEPT);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_ACCEPTED);
}

static void
of_two_that_fail_together_both_are_tried_again (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_out (p);
  play_request (p, REQUEST_ACCEPT);
  play_fails (p, "accept#clean", ERR_REFUSED);
  play_fails (p, "accept#other", ERR_REFUSED);
  play_request (p, REQUEST_RESUME);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_ACCEPTED);
}

static void
a_second_request_does_not_disturb_a_cutover (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, "freeze#flag");
  play_request (p, REQUEST_CUTOVER);
  assert_string_equal (play_refused (p), "RH-ENGINE-BUSY");
  play_request (p, REQUEST_SYNC);
  assert_string_equal (play_refused (p), "RH-ENGINE-BUSY");
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
}

/* Everything but the walk that runs beside ends. */
static void
play_without_still (struct play *p, const char *to)
{
  static const char *const steps[]
      = { "start#gate",  "start#unit",  "inside#smoke",
          "switch#take", "switch#give", "outside#smoke" };
  play_to_step (p, "start#gate");
  for (size_t i = 0; i < 6 && strcmp (steps[i], to) != 0; i++)
    play_ends (p, steps[i]);
}

static void
the_last_walk_runs_beside_the_start_and_only_the_pivot_waits (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_without_still (p, "");
  assert_int_equal (engine_phase (p->engine), PHASE_OUTSIDE);
  assert_true (play_is (p, "still#source", EFFECT_RUN));
  assert_null (play_call (p, "pivot#open"));
  play_ends (p, "still#source");
  assert_true (play_is (p, "pivot#open", EFFECT_RUN));
}

static void
a_walk_that_is_to_be_tried_again_is_waited_for (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_without_still (p, "outside#smoke");
  play_fails (p, "still#source", ERR_TRANSIENT);
  play_ends (p, "outside#smoke");
  assert_null (play_call (p, "pivot#open"));
  play_timer (p, "retry:still#source");
  play_ends (p, "still#source");
  assert_true (play_is (p, "pivot#open", EFFECT_RUN));
}

static void
a_last_walk_that_fails_takes_the_address_back (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_without_still (p, "outside#smoke");
  play_fails (p, "still#source", ERR_UNEQUAL);
  assert_int_equal (engine_phase (p->engine), PHASE_ABORTING);
  play_out (p);
  assert_int_equal (engine_writer (p->engine), WRITER_SOURCE);
  assert_int_equal (engine_step (p->engine, "switch#give", NULL), STEP_UNDONE);
  assert_int_equal (engine_step (p->engine, "pivot#open", NULL), STEP_WAITING);
}

static void
a_walk_that_has_ended_is_not_repeated_in_this_cutover (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, "start#gate");
  play_ends (p, "still#source");
  play_to_step (p, "outside#smoke");
  assert_null (play_call (p, "still#source"));
  play_ends (p, "outside#smoke");
  assert_true (play_is (p, "pivot#open", EFFECT_RUN));
}

static void
another_cutover_walks_again (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, "start#gate");
  play_ends (p, "still#source");
  play_fails (p, "start#gate", ERR_REFUSED);
  play_out (p);
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, "start#gate");
  assert_true (play_is (p, "still#source", EFFECT_RUN));
}

static void
a_walk_that_a_crash_cut_short_is_made_again (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_CUTOVER);
  play_without_still (p, "outside#smoke");
  play_crash (p, 1000);
  play_ends (p, "still#source");
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
}

#define STORY(f) cmocka_unit_test_setup_teardown (f, play_setup, play_teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    STORY (a_cutover_does_what_is_missing_and_ends_guarded),
    STORY (proof_lies_between_two_rounds_before_the_freeze),
    STORY (the_writer_is_none_from_the_first_freeze_intent_on),
    STORY (the_writer_is_the_target_from_the_pivots_outcome_on),
    STORY (how_long_it_was_frozen_is_recorded),
    STORY (an_unequal_proof_before_the_freeze_only_stops),
    STORY (a_fresh_check_that_fails_blocks_the_cutover),
    STORY (there_is_no_pause_while_the_source_is_frozen),
    STORY (a_pause_while_holding_is_kept_before_the_freeze),
    STORY (an_abort_after_the_pivot_is_refused),
    STORY (opening_goes_on_until_it_succeeds),
    STORY (a_look_in_the_guard_that_fails_is_shown_and_tried_when_asked),
    STORY (only_an_operator_accepts_and_only_what_is_guarded),
    STORY (an_acceptance_that_fails_can_be_asked_for_again),
    STORY (a_second_request_does_not_disturb_a_cutover),
    STORY (the_last_walk_runs_beside_the_start_and_only_the_pivot_waits),
    STORY (a_walk_that_is_to_be_tried_again_is_waited_for),
    STORY (a_last_walk_that_fails_takes_the_address_back),
    STORY (a_walk_that_has_ended_is_not_repeated_in_this_cutover),
    STORY (another_cutover_walks_again),
    STORY (a_walk_that_a_crash_cut_short_is_made_again),
    cmocka_unit_test_setup_teardown (
        of_two_that_fail_together_both_are_tried_again, play_setup_two_gates,
        play_teardown),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
