/* SPDX-License-Identifier: Apache-2.0 */
/* The table of transitions as a graph: nothing unreachable, no trap. */
#include "engine/phases.h"

#include "../cmocka_api.h"

static void
spread (bool seen[PHASE_COUNT], bool forward)
{
  const struct transition *t;
  for (bool more = true; more;) {
    more = false;
    for (size_t i = 0; (t = transition_at (i)) != NULL; i++) {
      enum phase a = forward ? t->from : t->to;
      enum phase b = forward ? t->to : t->from;
      if (seen[a] && !seen[b])
        seen[b] = more = true;
    }
  }
}

static void
every_phase_can_be_reached (void **state)
{
  (void)state;
  bool seen[PHASE_COUNT] = { [PHASE_PLANNED] = true };
  spread (seen, true);
  for (unsigned p = 0; p < PHASE_COUNT; p++)
    assert_true (seen[p]);
}

static void
every_phase_has_a_way_to_the_end (void **state)
{
  (void)state;
  bool seen[PHASE_COUNT] = { [PHASE_ACCEPTED] = true };
  spread (seen, false);
  for (unsigned p = 0; p < PHASE_COUNT; p++)
    assert_true (seen[p]);
}

/* From the hold to the pivot each phase can fail, and be aborted on request;
 * while frozen also by the limit. */
static void
every_failure_before_the_pivot_has_a_way_back (void **state)
{
  (void)state;
  for (unsigned p = PHASE_HOLDING; p <= PHASE_OUTSIDE; p++) {
    enum phase from = (enum phase)p;
    assert_non_null (transition_find (from, PHASE_ABORTING, WHY_FAILED));
    assert_non_null (transition_find (from, PHASE_ABORTING, WHY_REQUEST));
    if (from != PHASE_HOLDING)
      assert_non_null (
          transition_find (from, PHASE_ABORTING, WHY_DOWNTIME_LIMIT));
  }
}

static void
after_the_pivot_there_is_no_way_back_but_by_a_sure_probe (void **state)
{
  (void)state;
  const struct transition *t;
  for (size_t i = 0; (t = transition_at (i)) != NULL; i++)
    if (t->from >= PHASE_OPENING && t->from <= PHASE_ACCEPTED
        && (t->to < t->from || t->to > PHASE_ACCEPTED))
    {
      assert_int_equal (t->from, PHASE_OPENING);
      assert_int_equal (t->why, WHY_NOT_OPENED);
    }
}

static void
no_transition_stands_in_the_table_twice (void **state)
{
  (void)state;
  const struct transition *t;
  for (size_t i = 0; (t = transition_at (i)) != NULL; i++)
    assert_ptr_equal (transition_find (t->from, t->to, t->why), t);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (every_phase_can_be_reached),
    cmocka_unit_test (every_phase_has_a_way_to_the_end),
    cmocka_unit_test (every_failure_before_the_pivot_has_a_way_back),
    cmocka_unit_test (after_the_pivot_there_is_no_way_back_but_by_a_sure_probe),
    cmocka_unit_test (no_transition_stands_in_the_table_twice),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
