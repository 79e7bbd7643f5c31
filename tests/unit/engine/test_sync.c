/* SPDX-License-Identifier: Apache-2.0 */
/* Stories of preflight, first copy, rounds and proof: the source serves. */
#include "play.h"

#include "../cmocka_api.h"

#include <string.h>

static void
nothing_happens_before_somebody_asks (void **state)
{
  struct play *p = *state;
  assert_int_equal (engine_phase (p->engine), PHASE_PLANNED);
  assert_int_equal (p->calls.n, 0);
  assert_int_equal (p->done, 1);
  assert_true (engine_idle (p->engine));
}

static void
a_rehearsal_is_asked_for_in_step_and_rounds_go_on_behind_it (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_TEST);
  assert_string_equal (play_refused (p), "RH-ENGINE-NOTSYNCED");
  play_request (p, REQUEST_SYNC);
  play_out (p);
  play_request (p, REQUEST_TEST);
  assert_int_equal (engine_phase (p->engine), PHASE_TESTING);
  play_ends (p, "round#copy");
  assert_true (play_is (p, "test#both", EFFECT_RUN));
  play_ends (p, "test#both");
  assert_int_equal (engine_phase (p->engine), PHASE_SYNCING);
  assert_int_equal (engine_goal (p->engine), REQUEST_SYNC);
  assert_int_equal (engine_step (p->engine, "test#both", NULL), STEP_DONE);
  play_ends (p, "round#copy");
  assert_true (engine_in_step (p->engine));
}

static void
a_rehearsal_that_fails_is_told_and_rounds_go_on (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  play_out (p);
  play_request (p, REQUEST_TEST);
  play_ends (p, "round#copy");
  play_fails (p, "test#both", ERR_BLOCKED);
  assert_int_equal (engine_phase (p->engine), PHASE_SYNCING);
  assert_non_null (engine_attention (p->engine));
  assert_int_equal (engine_goal (p->engine), REQUEST_SYNC);
  assert_int_not_equal (engine_step (p->engine, "test#both", NULL), STEP_DONE);
}

static void
a_rehearsal_can_be_cancelled (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  play_out (p);
  play_request (p, REQUEST_TEST);
  play_ends (p, "round#copy");
  play_request (p, REQUEST_ABORT);
  play_fails (p, "test#both", ERR_TRANSIENT);
  assert_int_equal (engine_phase (p->engine), PHASE_SYNCING);
  assert_true (engine_aborted (p->engine));
}

static void
a_step_runs_only_when_its_intent_is_durable (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  assert_true (play_is (p, "look#a", EFFECT_RUN));
  bool seen = false;
  for (size_t i = 0; i < p->journal.n; i++)
    seen |= p->journal.v[i].type == RECORD_INTENT
            && strcmp (p->journal.v[i].step, "look#a") == 0;
  assert_true (seen);
}

static void
steps_run_side_by_side_as_their_needs_allow (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  assert_non_null (play_call (p, "look#a"));
  assert_non_null (play_call (p, "look#b"));
  assert_null (play_call (p, "look#c"));
  play_ends (p, "look#a");
  assert_non_null (play_call (p, "look#c"));
  assert_non_null (json_at (p->inputs, "look#a"));
  assert_null (json_at (p->inputs, "look#b"));
}

static void
a_sync_seeds_and_then_keeps_in_step_by_rounds (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_SYNCING);
  assert_true (engine_in_step (p->engine));
  assert_int_equal (engine_rounds (p->engine), 1);
  assert_int_equal (play_timer_set (p, "round"), 60000);
  play_timer (p, "round");
  assert_false (engine_in_step (p->engine));
  assert_int_equal (play_call (p, "round#copy")->attempt, 2);
  play_ends (p, "round#copy");
  assert_int_equal (engine_rounds (p->engine), 2);
  assert_int_equal (engine_writer (p->engine), WRITER_SOURCE);
}

static void
all_checks_are_made_although_one_fails (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  play_fails (p, "look#b", ERR_BLOCKED);
  assert_int_equal (engine_phase (p->engine), PHASE_SEEDING);
  play_ends (p, "look#a");
  play_fails (p, "look#c", ERR_BLOCKED);
  assert_int_equal (engine_phase (p->engine), PHASE_PLANNED);
  assert_string_equal (play_attention (p), "RH-ENGINE-BLOCKED");
  const json_t *found = json_at (engine_attention (p->engine), "findings");
  assert_int_equal (json_array_size (found), 2);
  assert_string_equal (json_string_value (
                           json_at (json_array_get (found, 0), "step")),
                       "look#b");
  assert_int_equal (engine_goal (p->engine), REQUEST_COUNT);
}

static void
a_check_that_needs_a_failed_one_is_not_made (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  play_fails (p, "look#a", ERR_BLOCKED);
  play_ends (p, "look#b");
  assert_int_equal (engine_phase (p->engine), PHASE_PLANNED);
  assert_null (play_call (p, "look#c"));
}

static void
a_passing_fault_is_tried_again_after_a_while (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  play_to_step (p, "prepare#seed");
  play_fails (p, "prepare#seed", ERR_TRANSIENT);
  assert_null (play_call (p, "prepare#seed"));
  assert_int_equal (play_timer_set (p, "retry:prepare#seed"), 100);
  play_timer (p, "retry:prepare#seed");
  play_fails (p, "prepare#seed", ERR_TRANSIENT);
  assert_int_equal (play_timer_set (p, "retry:prepare#seed"), 150);
  play_timer (p, "retry:prepare#seed");
  assert_string_equal (play_attention (p), "");
  play_fails (p, "prepare#seed", ERR_TRANSIENT);
  assert_string_equal (play_attention (p), "RH-TEST-FAILED");
  assert_int_equal (p->alarms, 1);
  assert_int_equal (engine_phase (p->engine), PHASE_PLANNED);
}

static void
what_was_prepared_is_not_prepared_again (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  play_to_step (p, "round#copy");
  play_fails (p, "round#copy", ERR_REFUSED);
  assert_int_equal (engine_goal (p->engine), REQUEST_COUNT);
  play_request (p, REQUEST_RESUME);
  assert_int_equal (engine_goal (p->engine), REQUEST_SYNC);
  play_out (p);
  uint32_t attempt;
  assert_int_equal (engine_step (p->engine, "prepare#seed", &attempt),
                    STEP_DONE);
  assert_int_equal (attempt, 1);
  assert_true (engine_in_step (p->engine));
}

static void
a_paused_move_begins_no_step_until_it_is_resumed (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  play_request (p, REQUEST_PAUSE);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_SEEDING);
  assert_true (engine_paused (p->engine));
  assert_true (engine_idle (p->engine));
  play_request (p, REQUEST_RESUME);
  play_out (p);
  assert_true (engine_in_step (p->engine));
}

/* Found by the simulator: the pause had told the step to end, the resume came
 * before it had, and its end was taken for a failure. */
static void
what_a_pause_ended_is_no_failure_once_it_is_resumed (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  play_to_step (p, "prepare#seed");
  play_request (p, REQUEST_PAUSE);
  assert_true (play_call (p, "prepare#seed")->cancelled);
  play_request (p, REQUEST_SYNC);
  play_fails (p, "prepare#seed", ERR_REFUSED);
  assert_string_equal (play_attention (p), "");
  play_out (p);
  assert_true (engine_in_step (p->engine));
}

static void
an_abort_while_seeding_cancels_and_needs_no_attention (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  play_to_step (p, "prepare#seed");
  play_request (p, REQUEST_ABORT);
  assert_true (play_call (p, "prepare#seed")->cancelled);
  assert_int_equal (engine_phase (p->engine), PHASE_SEEDING);
  play_fails (p, "prepare#seed", ERR_REFUSED);
  assert_int_equal (engine_phase (p->engine), PHASE_PLANNED);
  assert_string_equal (play_attention (p), "");
  assert_int_equal (p->alarms, 0);
}

static void
a_second_abort_cancels_as_the_first_did (void **state)
{
  struct play *p = *state;
  an_abort_while_seeding_cancels_and_needs_no_attention (state);
  play_request (p, REQUEST_SYNC);
  play_to_step (p, "prepare#seed");
  play_request (p, REQUEST_ABORT);
  assert_true (play_call (p, "prepare#seed")->cancelled);
}

static void
a_cancelled_round_does_not_fail_the_request_that_follows (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  play_to_step (p, "round#copy");
  play_request (p, REQUEST_ABORT);
  assert_true (play_call (p, "round#copy")->cancelled);
  play_request (p, REQUEST_CUTOVER);
  play_fails (p, "round#copy", ERR_REFUSED);
  assert_string_equal (play_attention (p), "");
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
}

static void
an_abort_while_in_step_ends_the_rounds (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  play_out (p);
  play_request (p, REQUEST_ABORT);
  assert_int_equal (play_timer_set (p, "round"), -1);
  assert_true (engine_idle (p->engine));
  assert_int_equal (engine_phase (p->engine), PHASE_SYNCING);
}

/* Another plan is recorded; whether the engine leaves the phase for it. */
static bool
replan (struct play *p, uint64_t seq, const char *plan)
{
  json_t *data CLEANUP_JSON = json_pack ("{s:s}", "plan", plan);
  struct record r
      = { .type = RECORD_PLANNED, .seq = seq, .epoch = p->epoch, .data = data };
  struct effects out CLEANUP (effects_clear) = { 0 };
  struct event ev = { .kind = EVENT_RECORD, .record = &r };
  assert_ok (engine_next (p->engine, &ev, &out));
  bool leaves = false;
  for (size_t i = 0; i < out.n; i++)
    leaves |= out.v[i].kind == EFFECT_APPEND && out.v[i].type == RECORD_PHASE;
  return leaves;
}

static void
a_replaced_plan_is_prepared_anew (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  play_out (p);
  uint64_t seq = p->journal.n;
  assert_false (replan (p, seq + 1, "first"));
  assert_false (replan (p, seq + 2, "first"));
  assert_true (replan (p, seq + 3, "second"));
}

static void
after_a_crash_the_next_round_comes_when_it_was_due (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  play_out (p);
  play_crash (p, 20000);
  assert_int_equal (play_timer_set (p, "round"), 40000);
  play_crash (p, 90000);
  assert_int_equal (play_timer_set (p, "round"), 0);
}

#define STORY(f) cmocka_unit_test_setup_teardown (f, play_setup, play_teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    STORY (nothing_happens_before_somebody_asks),
    STORY (a_rehearsal_is_asked_for_in_step_and_rounds_go_on_behind_it),
    STORY (a_rehearsal_that_fails_is_told_and_rounds_go_on),
    STORY (a_rehearsal_can_be_cancelled),
    STORY (a_step_runs_only_when_its_intent_is_durable),
    STORY (steps_run_side_by_side_as_their_needs_allow),
    STORY (a_sync_seeds_and_then_keeps_in_step_by_rounds),
    STORY (all_checks_are_made_although_one_fails),
    STORY (a_check_that_needs_a_failed_one_is_not_made),
    STORY (a_passing_fault_is_tried_again_after_a_while),
    STORY (what_was_prepared_is_not_prepared_again),
    STORY (a_paused_move_begins_no_step_until_it_is_resumed),
    STORY (what_a_pause_ended_is_no_failure_once_it_is_resumed),
    STORY (an_abort_while_seeding_cancels_and_needs_no_attention),
    STORY (a_second_abort_cancels_as_the_first_did),
    STORY (a_cancelled_round_does_not_fail_the_request_that_follows),
    STORY (an_abort_while_in_step_ends_the_rounds),
    STORY (a_replaced_plan_is_prepared_anew),
    STORY (after_a_crash_the_next_round_comes_when_it_was_due),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
