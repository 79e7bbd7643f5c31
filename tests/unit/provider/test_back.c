/* SPDX-License-Identifier: Apache-2.0 */
/* The way back in terms of the way there. */
#include "../cmocka_api.h"

#include "base/mem.h"
#include "provider/provider.h"

#include <string.h>

static const struct back_op mirrored = { "back-stop", BACK_MIRRORED, "stop" };
static const struct back_op undone = { "back-give", BACK_UNDONE, "take" };

static const struct step stop = { .id = "service:shop#back-stop",
                                  .op = "back-stop",
                                  .stage = STAGE_BACK_FREEZE,
                                  .side = SIDE_TARGET };

static void
a_mirrored_call_changes_the_hosts_over (void **state)
{
  struct port source = { .name = "source" }, target = { .name = "target" };
  struct step_call call
      = { .step = &stop, .source = &source, .target = &target };
  (void)state;
  struct back_call *b = back_call_new (&call, &mirrored);
  const struct step_call *inner = back_call_inner (b);
  assert_ptr_equal (inner->source, &target);
  assert_ptr_equal (inner->target, &source);
  assert_true (inner->back);
  assert_string_equal (inner->step->id, "service:shop#stop");
  assert_string_equal (inner->step->op, "stop");
  back_call_free (b);
}

static void
results_of_the_way_back_stand_for_those_of_the_way_there (void **state)
{
  CLEANUP_JSON json_t *inputs
      = json_pack ("{s:{s:i}, s:{s:i}, s:{s:i}, s:{s:b}}", "x#arm", "n", 1,
                   "x#back-arm", "n", 2, "y#arm", "n", 3, "y#back-arm",
                   "passed_over", 1);
  struct step_call call = { .step = &stop, .inputs = inputs };
  (void)state;
  struct back_call *b = back_call_new (&call, &mirrored);
  const json_t *seen = back_call_inner (b)->inputs;
  assert_int_equal (json_integer_value (json_at (json_at (seen, "x#arm"), "n")),
                    2);
  assert_int_equal (json_integer_value (json_at (json_at (seen, "y#arm"), "n")),
                    3);
  back_call_free (b);
}

static void
an_error_of_a_mirrored_call_names_the_right_host (void **state)
{
  struct step_call call = { .step = &stop };
  (void)state;
  struct back_call *b = back_call_new (&call, &mirrored);
  CLEANUP_ERR struct err *e = back_call_err (
      b, err_new (ERR_REFUSED, "RH-SERVICE-RUNNING",
                  "it runs on the source, and the target of /the source"));
  assert_string_equal (err_message (e),
                       "it runs on the target, and the source of /the target");
  back_call_free (b);
}

static void
an_undone_call_leaves_the_hosts_where_they_are (void **state)
{
  struct port source = { .name = "source" };
  struct step_call call = { .step = &stop, .source = &source };
  (void)state;
  struct back_call *b = back_call_new (&call, &undone);
  assert_ptr_equal (back_call_inner (b)->source, &source);
  assert_false (back_call_inner (b)->back);
  back_call_free (b);
}

static const char *
mode_said (const char *items, const json_t *said)
{
  CLEANUP_FREE char *text
      = mem_printf ("rehome: 1\nname: shop\nsource: {host: old}\nitems: %s\n",
                    items);
  CLEANUP_PLAN struct plan *p = NULL;
  assert_ok (
      plan_parse (text, strlen (text), "shop.yaml", provider_kinds (), &p));
  return reverse_name (provider_reverse (p, said));
}

static const char *
mode_of (const char *items)
{
  return mode_said (items, NULL);
}

static void
the_migration_has_the_weakest_mode_of_its_items (void **state)
{
  (void)state;
  assert_string_equal (mode_of ("[{service: shop.service}]"), "empty");
  assert_string_equal (
      mode_of ("[{service: shop.service}, {files: /srv/shop}]"), "delta");
}

static void
what_an_items_last_look_said_counts_more_than_its_kind (void **state)
{
  (void)state;
  static const char items[] = "[{postgresql: crm, in-step: replicate}]";
  CLEANUP_JSON json_t *stands
      = json_pack ("{s:{s:s}}", "postgresql:crm", "reverse", "replicate");
  CLEANUP_JSON json_t *stopped
      = json_pack ("{s:{s:s}}", "postgresql:crm", "reverse", "none");
  CLEANUP_JSON json_t *other
      = json_pack ("{s:{s:s}}", "postgresql:crm", "reverse", "nonsense");
  assert_string_equal (mode_of (items), "delta");
  assert_string_equal (mode_said (items, stands), "replicate");
  assert_string_equal (mode_said (items, stopped), "none");
  assert_string_equal (mode_said (items, other), "delta");
}

static void
without_the_target_only_its_steps_are_passed_over (void **state)
{
  struct step other = stop;
  struct step_call call = { .step = &stop, .alone = true };
  (void)state;
  assert_true (back_passes (&call));
  other.side = SIDE_SOURCE;
  call.step = &other;
  assert_false (back_passes (&call));
  other.side = SIDE_TARGET;
  other.stage = STAGE_FREEZE;
  assert_false (back_passes (&call));
  call.alone = false;
  other.stage = STAGE_BACK_FREEZE;
  assert_false (back_passes (&call));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_mirrored_call_changes_the_hosts_over),
    cmocka_unit_test (results_of_the_way_back_stand_for_those_of_the_way_there),
    cmocka_unit_test (an_error_of_a_mirrored_call_names_the_right_host),
    cmocka_unit_test (an_undone_call_leaves_the_hosts_where_they_are),
    cmocka_unit_test (the_migration_has_the_weakest_mode_of_its_items),
    cmocka_unit_test (what_an_items_last_look_said_counts_more_than_its_kind),
    cmocka_unit_test (without_the_target_only_its_steps_are_passed_over),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
