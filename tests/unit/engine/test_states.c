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
  seen[PHASE_ROLLED_BACK] = true;
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
  for (unsigned p = 0; p < PHASE_COUNT; p++) {
    enum phase from = (enum phase)p;
    const struct course *c = course_of (phase_way (from));
    if (!phase_in_window (from))
      continue;
    assert_non_null (transition_find (from, c->aborting, WHY_FAILED));
    assert_non_null (transition_find (from, c->aborting, WHY_REQUEST));
    if (from != c->holding)
      assert_non_null (transition_find (from, c->aborting, WHY_DOWNTIME_LIMIT));
  }
}

static void
after_the_pivot_the_way_back_is_a_rollback_or_a_sure_probe (void **state)
{
  (void)state;
  const struct transition *t;
  for (size_t i = 0; (t = transition_at (i)) != NULL; i++)
    if (t->from >= PHASE_OPENING && t->from <= PHASE_ACCEPTED
        && (t->to < t->from || t->to > PHASE_ACCEPTED))
    {
      bool rolls = t->from == PHASE_GUARDED && t->to == PHASE_RETURNING;
      assert_true (rolls || t->why == WHY_NOT_OPENED);
    }
}

/* A rollback that ends before its pivot leaves the target serving; after it
 * nothing leads to the target again. */
static void
a_rollback_ends_with_one_of_the_two_serving (void **state)
{
  (void)state;
  const struct transition *t;
  for (size_t i = 0; (t = transition_at (i)) != NULL; i++) {
    if (t->from == PHASE_BACK_ABORTING && t->to == PHASE_GUARDED)
      assert_true (t->sets_writer && t->writer == WRITER_TARGET);
    assert_int_not_equal (t->from, PHASE_ROLLED_BACK);
    if (t->to == PHASE_ROLLED_BACK)
      assert_int_equal (t->from, PHASE_BACK_OPENING);
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

/* Which writers each phase can be in, over all ways there are. */
static bool may_write[PHASE_COUNT][WRITER_TARGET + 1];

static bool
comes (enum phase p, enum writer before, enum writer now)
{
  assert_true (before == now || before == WRITER_NONE || now == WRITER_NONE);
  bool fresh = !may_write[p][now];
  may_write[p][now] = true;
  return fresh;
}

/* The phase cannot be done before its own steps changed the writer. */
static bool
too_early (const struct transition *t, enum writer w)
{
  bool early = false;
  for (enum way way = WAY_OUT; way < WAY_COUNT; way++)
    early |= (t->from == writer_frozen[way].phase
              && w != writer_frozen[way].writer)
             || (t->from == writer_opened[way].phase
                 && w != writer_opened[way].writer);
  return t->why == WHY_DONE && early;
}

/* What a record inside a phase, and each transition, makes of one writer. */
static bool
follow (enum phase p, enum writer w)
{
  bool fresh = false;
  for (enum way way = WAY_OUT; way < WAY_COUNT; way++) {
    if (writer_frozen[way].phase == p)
      fresh |= comes (p, w, writer_frozen[way].writer);
    if (writer_opened[way].phase == p)
      fresh |= comes (p, w, writer_opened[way].writer);
  }
  const struct transition *t;
  for (size_t i = 0; (t = transition_at (i)) != NULL; i++) {
    bool sure = t->why == WHY_NOT_OPENED && w != WRITER_NONE;
    if (t->from == p && !sure && !too_early (t, w))
      fresh |= comes (t->to, w, t->sets_writer ? t->writer : w);
  }
  return fresh;
}

static void
the_writer_never_goes_from_one_host_to_the_other_at_once (void **state)
{
  (void)state;
  may_write[PHASE_PLANNED][WRITER_SOURCE] = true;
  for (bool fresh = true; fresh;) {
    fresh = false;
    for (enum phase p = PHASE_PLANNED; p < PHASE_COUNT; p++)
      for (enum writer w = WRITER_SOURCE; w <= WRITER_TARGET; w++)
        fresh |= may_write[p][w] && follow (p, w);
  }
  assert_true (may_write[PHASE_ACCEPTED][WRITER_TARGET]);
  assert_true (may_write[PHASE_ROLLED_BACK][WRITER_SOURCE]);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (every_phase_can_be_reached),
    cmocka_unit_test (every_phase_has_a_way_to_the_end),
    cmocka_unit_test (every_failure_before_the_pivot_has_a_way_back),
    cmocka_unit_test (
        after_the_pivot_the_way_back_is_a_rollback_or_a_sure_probe),
    cmocka_unit_test (a_rollback_ends_with_one_of_the_two_serving),
    cmocka_unit_test (the_writer_never_goes_from_one_host_to_the_other_at_once),
    cmocka_unit_test (no_transition_stands_in_the_table_twice),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
