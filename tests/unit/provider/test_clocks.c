/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks that disagree block a move and its freeze; a host that is slow to
 * answer has no other clock. */
#include "plan/plan.h"
#include "provider/move.h"

#include "cmocka_api.h"

#include <string.h>
#include <time.h>

/* A host that is `ahead_ms` of this one, and takes its time to answer the
 * first time: half of it after it has looked at its clock. */
struct clocked {
  struct port port;
  const char *name;
  long ahead_ms;
  long first_ms;
  int asked;
};

static void
nap (long ms)
{
  struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
  nanosleep (&t, NULL);
}

static struct err *
call (struct port *p, const char *verb, const json_t *args,
      void (*tick) (void *ctx, const json_t *progress), void *ctx,
      json_t **result)
{
  struct clocked *c = (struct clocked *)p;
  struct timespec now;
  (void)args;
  (void)tick;
  (void)ctx;
  assert_string_equal (verb, "facts");
  clock_gettime (CLOCK_REALTIME, &now);
  if (c->asked++ == 0)
    nap (c->first_ms);
  *result = json_pack ("{s:s, s:s, s:b, s:i, s:I}", "machine_id", c->name,
                       "hostname", c->name, "systemd", 1, "uid", 0, "time_ms",
                       (json_int_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000
                                    + c->ahead_ms));
  return NULL;
}

static const struct port_ops ops = { .call = call };

static struct err *
identity (long ahead_ms, long first_ms)
{
  static const char text[]
      = "rehome: 1\nname: shop\nsource: {host: root@old}\nitems:\n"
        "  - files: /srv/shop\n";
  CLEANUP_PLAN struct plan *plan = NULL;
  CLEANUP_JSON json_t *result = NULL;
  struct clocked source = { .port = { .ops = &ops, .name = "source" },
                            .name = "old",
                            .first_ms = first_ms };
  struct clocked target = { .port = { .ops = &ops, .name = "target" },
                            .name = "new",
                            .ahead_ms = ahead_ms };
  assert_ok (
      plan_parse (text, strlen (text), "plan.yaml", provider_kinds (), &plan));
  struct step_call c
      = { .plan = plan, .source = &source.port, .target = &target.port };
  return move_identity (&c, &result);
}

static void
clocks_that_agree_within_two_seconds_pass (void **state)
{
  (void)state;
  assert_ok (identity (0, 0));
  assert_ok (identity (1500, 0));
  assert_ok (identity (-1500, 0));
}

static void
clocks_that_differ_by_more_block_the_move (void **state)
{
  (void)state;
  assert_code (identity (2500, 0), "RH-MOVE-SKEW");
  assert_code (identity (-2500, 0), "RH-MOVE-SKEW");
}

/* The first answer may wait for the connection to be made. */
static void
a_slow_first_answer_is_no_other_clock (void **state)
{
  (void)state;
  assert_ok (identity (1500, 1200));
  assert_ok (identity (-1500, 1200));
  assert_code (identity (2500, 1200), "RH-MOVE-SKEW");
  assert_code (identity (-2500, 1200), "RH-MOVE-SKEW");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (clocks_that_agree_within_two_seconds_pass),
    cmocka_unit_test (clocks_that_differ_by_more_block_the_move),
    cmocka_unit_test (a_slow_first_answer_is_no_other_clock),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
