/* SPDX-License-Identifier: Apache-2.0 */
/* Stories of a controller that dies and of the one that takes over. */
#include "play.h"

#include "base/mem.h"

#include "../cmocka_api.h"

#include <string.h>

static void
cut_over_to (struct play *p, const char *step)
{
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, step);
}

static void
an_interrupted_step_is_probed_and_never_assumed (void **state)
{
  struct play *p = *state;
  cut_over_to (p, "prepare#seed");
  play_crash (p, 1000);
  assert_int_equal (p->calls.n, 1);
  assert_true (play_is (p, "prepare#seed", EFFECT_PROBE));
  play_probed (p, "prepare#seed", PROBE_NOT_DONE);
  assert_true (play_is (p, "prepare#seed", EFFECT_RUN));
  assert_int_equal (play_call (p, "prepare#seed")->attempt, 2);
}

static void
an_interrupted_look_is_simply_taken_again (void **state)
{
  struct play *p = *state;
  play_request (p, REQUEST_SYNC);
  play_crash (p, 1000);
  assert_true (play_is (p, "look#a", EFFECT_RUN));
  assert_int_equal (play_call (p, "look#a")->attempt, 2);
}

static void
a_step_whose_result_the_host_remembers_is_done (void **state)
{
  struct play *p = *state;
  cut_over_to (p, "prepare#seed");
  play_crash (p, 1000);
  json_t *data CLEANUP_JSON = json_pack ("{s:i}", "files", 20000);
  struct event ev = { .kind = EVENT_PROBED,
                      .step = "prepare#seed",
                      .attempt = 1,
                      .probe = PROBE_DONE,
                      .data = data };
  struct effects out CLEANUP (effects_clear) = { 0 };
  assert_ok (engine_next (p->engine, &ev, &out));
  assert_int_equal (out.v[0].kind, EFFECT_APPEND);
  const json_t *result = json_at (out.v[0].data, "result");
  assert_int_equal (json_integer_value (json_at (result, "files")), 20000);
  assert_string_equal (json_string_value (json_at (out.v[0].data, "probe")),
                       "done");
}

static void
a_repeatable_step_without_its_result_is_repeated (void **state)
{
  struct play *p = *state;
  cut_over_to (p, "prepare#seed");
  play_crash (p, 1000);
  play_probed (p, "prepare#seed", PROBE_DONE);
  assert_true (play_is (p, "prepare#seed", EFFECT_RUN));
}

static void
a_reversible_step_that_was_done_is_not_done_twice (void **state)
{
  struct play *p = *state;
  cut_over_to (p, "freeze#stop");
  play_crash (p, 1000);
  play_probed (p, "freeze#stop", PROBE_DONE);
  assert_int_equal (engine_step (p->engine, "freeze#stop", NULL), STEP_DONE);
  assert_true (play_is (p, "final#copy", EFFECT_RUN));
}

static void
what_cannot_be_told_while_frozen_goes_back (void **state)
{
  struct play *p = *state;
  cut_over_to (p, "freeze#stop");
  play_crash (p, 1000);
  play_probed (p, "freeze#stop", PROBE_UNKNOWN);
  assert_int_equal (engine_phase (p->engine), PHASE_ABORTING);
  assert_string_equal (play_attention (p), "RH-ENGINE-UNKNOWN");
  play_out (p);
  assert_int_equal (engine_step (p->engine, "freeze#stop", NULL), STEP_UNDONE);
  assert_int_equal (engine_phase (p->engine), PHASE_ABORTED);
}

static void
resumed_within_the_limit_a_cutover_goes_on_with_what_is_left (void **state)
{
  struct play *p = *state;
  cut_over_to (p, "final#copy");
  int64_t frozen = p->now - engine_frozen_at (p->engine);
  play_crash (p, 10000);
  assert_int_equal (play_timer_set (p, "downtime-limit"),
                    PLAY_LIMIT_MS - 10000 - frozen);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
}

/* Found by the simulator. */
static void
a_clock_that_jumps_neither_lengthens_nor_ends_what_is_left (void **state)
{
  struct play *p = *state;
  p->boot = "this boot";
  cut_over_to (p, "final#copy");
  int64_t frozen = p->now - engine_frozen_at (p->engine);
  play_jump (p, -3600000);
  play_crash (p, 10000);
  assert_int_equal (play_timer_set (p, "downtime-limit"),
                    PLAY_LIMIT_MS - 10000 - frozen);
  play_jump (p, 7200000);
  play_crash (p, 10000);
  assert_int_equal (play_timer_set (p, "downtime-limit"),
                    PLAY_LIMIT_MS - 20000 - frozen);
}

static void
after_a_reboot_only_the_wall_clock_tells_what_is_left (void **state)
{
  struct play *p = *state;
  p->boot = "this boot";
  cut_over_to (p, "final#copy");
  int64_t frozen = p->now - engine_frozen_at (p->engine);
  p->boot = "the next boot";
  p->jumped = p->now;
  play_crash (p, 10000);
  assert_int_equal (play_timer_set (p, "downtime-limit"),
                    PLAY_LIMIT_MS - 10000 - frozen);
}

static void
resumed_after_the_limit_it_goes_back_without_waiting_for_probes (void **state)
{
  struct play *p = *state;
  cut_over_to (p, "start#unit");
  play_crash (p, PLAY_LIMIT_MS + 1);
  assert_int_equal (p->calls.n, 1);
  assert_true (play_is (p, "start#unit", EFFECT_UNDO));
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_ABORTED);
  assert_string_equal (play_attention (p), "RH-ENGINE-DOWNTIME-LIMIT");
  assert_int_equal (engine_step (p->engine, "start#unit", NULL), STEP_UNDONE);
}

static void
a_pivot_interrupted_by_a_crash_is_probed_and_goes_on (void **state)
{
  struct play *p = *state;
  cut_over_to (p, "pivot#open");
  play_crash (p, 1000);
  assert_int_equal (engine_phase (p->engine), PHASE_OPENING);
  assert_true (play_is (p, "pivot#open", EFFECT_PROBE));
  play_probed (p, "pivot#open", PROBE_NOT_DONE);
  assert_true (play_is (p, "pivot#open", EFFECT_RUN));
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
}

static void
a_pivot_that_never_happened_is_not_begun_after_the_limit (void **state)
{
  struct play *p = *state;
  cut_over_to (p, "pivot#open");
  play_crash (p, PLAY_LIMIT_MS + 1);
  play_probed (p, "pivot#open", PROBE_NOT_DONE);
  assert_int_equal (engine_phase (p->engine), PHASE_ABORTING);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_ABORTED);
}

static void
a_pivot_that_happened_before_a_long_crash_stays (void **state)
{
  struct play *p = *state;
  cut_over_to (p, "pivot#open");
  play_crash (p, 10 * PLAY_LIMIT_MS);
  play_probed (p, "pivot#open", PROBE_DONE);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
  assert_int_equal (engine_writer (p->engine), WRITER_TARGET);
}

static void
an_abort_taken_over_does_not_probe_what_it_undoes (void **state)
{
  struct play *p = *state;
  cut_over_to (p, "freeze#stop");
  play_request (p, REQUEST_ABORT);
  assert_true (play_call (p, "freeze#stop")->cancelled);
  play_crash (p, 1000);
  assert_int_equal (p->calls.n, 1);
  assert_true (play_is (p, "freeze#stop", EFFECT_UNDO));
}

static void
an_interrupted_undo_is_undone_again (void **state)
{
  struct play *p = *state;
  cut_over_to (p, "outside#smoke");
  play_request (p, REQUEST_ABORT);
  play_ends (p, "outside#smoke");
  assert_true (play_is (p, "switch#give", EFFECT_UNDO));
  play_crash (p, 100000);
  assert_true (play_is (p, "switch#give", EFFECT_UNDO));
  assert_int_equal (play_call (p, "switch#give")->attempt, 2);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_ABORTED);
}

static void
a_retry_that_waited_goes_on_at_once_after_a_crash (void **state)
{
  struct play *p = *state;
  cut_over_to (p, "prepare#seed");
  play_fails (p, "prepare#seed", ERR_TRANSIENT);
  assert_null (play_call (p, "prepare#seed"));
  play_crash (p, 1000);
  assert_true (play_is (p, "prepare#seed", EFFECT_RUN));
}

static void
a_replay_alone_decides_nothing (void **state)
{
  struct play *p = *state;
  cut_over_to (p, "final#copy");
  struct engine *reader = engine_new (p->graph, &p->limits);
  struct effects out CLEANUP (effects_clear) = { 0 };
  for (size_t i = 0; i < p->journal.n; i++) {
    struct event ev
        = { .kind = EVENT_RECORD, .record = &p->journal.v[i], .replay = true };
    assert_ok (engine_next (reader, &ev, &out));
  }
  assert_int_equal (out.n, 0);
  json_t *a CLEANUP_JSON = engine_describe (reader);
  json_t *b CLEANUP_JSON = engine_describe (p->engine);
  assert_true (json_equal (a, b));
  engine_free (reader);
}

static struct err *
feed_record (struct play *p, struct record *r)
{
  struct event ev = { .kind = EVENT_RECORD, .record = r, .replay = true };
  struct effects out CLEANUP (effects_clear) = { 0 };
  struct engine *e = engine_new (p->graph, &p->limits);
  struct record claimed = { .type = RECORD_CLAIMED, .seq = 1, .epoch = 3 };
  json_t *data CLEANUP_JSON = json_pack ("{s:s}", "controller", "one");
  claimed.data = data;
  struct event first
      = { .kind = EVENT_RECORD, .record = &claimed, .replay = true };
  struct err *bad = engine_next (e, &first, &out);
  if (bad == NULL)
    bad = engine_next (e, &ev, &out);
  engine_free (e);
  return bad;
}

static void
another_controller_cannot_take_an_epoch_that_is_taken (void **state)
{
  json_t *data CLEANUP_JSON = json_pack ("{s:s}", "controller", "two");
  struct record r
      = { .type = RECORD_CLAIMED, .seq = 2, .epoch = 3, .data = data };
  assert_code (feed_record (*state, &r), "RH-ENGINE-RECORD");
  r.epoch = 2;
  assert_code (feed_record (*state, &r), "RH-ENGINE-RECORD");
  r.epoch = 4;
  assert_ok (feed_record (*state, &r));
}

static void
a_record_that_cannot_be_is_refused (void **state)
{
  json_t *phase CLEANUP_JSON = json_pack ("{s:s, s:s, s:s}", "from", "planned",
                                          "to", "guarded", "why", "done");
  struct record jump
      = { .type = RECORD_PHASE, .seq = 2, .epoch = 3, .data = phase };
  assert_code (feed_record (*state, &jump), "RH-ENGINE-RECORD");
  json_t *none CLEANUP_JSON = json_object ();
  struct record early = { .type = RECORD_INTENT,
                          .seq = 2,
                          .epoch = 3,
                          .step = mem_strdup ("pivot#open"),
                          .attempt = 1,
                          .data = none };
  assert_code (feed_record (*state, &early), "RH-ENGINE-RECORD");
  free (early.step);
  struct record stale
      = { .type = RECORD_WAIVER, .seq = 2, .epoch = 2, .data = none };
  assert_code (feed_record (*state, &stale), "RH-ENGINE-RECORD");
  struct record gap
      = { .type = RECORD_WAIVER, .seq = 3, .epoch = 3, .data = none };
  assert_code (feed_record (*state, &gap), "RH-ENGINE-RECORD");
}

#define STORY(f) cmocka_unit_test_setup_teardown (f, play_setup, play_teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    STORY (an_interrupted_step_is_probed_and_never_assumed),
    STORY (an_interrupted_look_is_simply_taken_again),
    STORY (a_step_whose_result_the_host_remembers_is_done),
    STORY (a_repeatable_step_without_its_result_is_repeated),
    STORY (a_reversible_step_that_was_done_is_not_done_twice),
    STORY (what_cannot_be_told_while_frozen_goes_back),
    STORY (resumed_within_the_limit_a_cutover_goes_on_with_what_is_left),
    STORY (a_clock_that_jumps_neither_lengthens_nor_ends_what_is_left),
    STORY (after_a_reboot_only_the_wall_clock_tells_what_is_left),
    STORY (resumed_after_the_limit_it_goes_back_without_waiting_for_probes),
    STORY (a_pivot_interrupted_by_a_crash_is_probed_and_goes_on),
    STORY (a_pivot_that_never_happened_is_not_begun_after_the_limit),
    STORY (a_pivot_that_happened_before_a_long_crash_stays),
    STORY (an_abort_taken_over_does_not_probe_what_it_undoes),
    STORY (an_interrupted_undo_is_undone_again),
    STORY (a_retry_that_waited_goes_on_at_once_after_a_crash),
    STORY (a_replay_alone_decides_nothing),
    STORY (another_controller_cannot_take_an_epoch_that_is_taken),
    STORY (a_record_that_cannot_be_is_refused),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
