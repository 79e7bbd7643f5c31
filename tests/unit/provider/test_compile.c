/* SPDX-License-Identifier: Apache-2.0 */
/* From a plan to its graph, with the providers that there are. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "provider/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define HEAD                                             \
  "rehome: 1\nname: shop\nsource: {host: old}\nitems:\n" \
  "  - accounts: [shop]\n"                               \
  "  - files: /srv/shop\n"                               \
  "  - cron: [/etc/cron.d/shop]\n"                       \
  "  - service: nginx.service\n"                         \
  "  - service: shop.service\n"

static struct plan *
parse (const char *text)
{
  struct plan *p;
  CLEANUP_ERR struct err *e
      = plan_parse (text, strlen (text), "p", provider_kinds (), &p);
  if (e != NULL)
    fail_msg ("%s", err_message (e));
  return p;
}

static struct graph *
compile (const struct plan *p)
{
  struct graph *g;
  CLEANUP_ERR struct err *e = provider_compile (p, &g);
  if (e != NULL)
    fail_msg ("%s: %s", err_code (e), err_message (e));
  return g;
}

static size_t
place_of (const struct graph *g, const char *id)
{
  for (size_t i = 0; i < graph_len (g); i++)
    if (strcmp (graph_at (g, i)->id, id) == 0)
      return i;
  fail_msg ("no step %s", id);
  return 0;
}

static bool
has_provider (const struct graph *g, const char *provider)
{
  for (size_t i = 0; i < graph_len (g); i++)
    if (strcmp (graph_at (g, i)->provider, provider) == 0)
      return true;
  return false;
}

static void
every_kind_of_item_and_the_move_have_steps (void **state)
{
  static const char *const kinds[]
      = { "move", "accounts", "files", "cron", "service" };
  (void)state;
  CLEANUP_PLAN struct plan *p = parse (HEAD);
  CLEANUP_GRAPH struct graph *g = compile (p);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (!has_provider (g, kinds[i]))
      fail_msg ("%s has no step", kinds[i]);
  assert_false (has_provider (g, "address"));
}

static void
addresses_have_steps_where_the_plan_switches_some (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = parse (
      HEAD "cutover: {switch: [{address: {move: 10.0.0.1/24, interface: e}}]}"
           "\n");
  CLEANUP_GRAPH struct graph *g = compile (p);
  assert_true (has_provider (g, "address"));
}

static void
each_step_needs_only_earlier_ones (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = parse (HEAD);
  CLEANUP_GRAPH struct graph *g = compile (p);
  for (size_t i = 0; i < graph_len (g); i++)
    for (const char *const *need = graph_at (g, i)->needs; *need != NULL;
         need++)
      assert_true (place_of (g, *need) < i);
}

static void
every_step_of_an_item_knows_its_place_in_the_plan (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = parse (HEAD);
  CLEANUP_GRAPH struct graph *g = compile (p);
  for (size_t i = 0; i < graph_len (g); i++) {
    const struct step *s = graph_at (g, i);
    if (s->item >= 0)
      assert_string_equal (plan_item (p, (size_t)s->item)->kind, s->provider);
  }
}

/* The operation itself, or the one that it means on the way back. */
static const struct step_op *
op_of (const struct step *s)
{
  const struct provider *p = provider_find (s->provider);
  const struct step_op *op = p->ops;
  const struct step_call call = { .step = s };
  const struct back_op *back = back_op_of (p, &call);
  const char *name = back != NULL ? back->as : s->op;
  while (op->op != NULL && strcmp (op->op, name) != 0)
    op++;
  return op;
}

static void
every_step_has_its_operation_and_each_reversible_one_an_undo (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = parse (
      HEAD "cutover: {switch: [{address: {move: 10.0.0.1/24, interface: e}}]}"
           "\n");
  CLEANUP_GRAPH struct graph *g = compile (p);
  for (size_t i = 0; i < graph_len (g); i++) {
    const struct step *s = graph_at (g, i);
    const struct step_op *op = op_of (s);
    if (op->op == NULL || op->run == NULL)
      fail_msg ("%s has no operation", s->id);
    if (s->cls == STEP_REVERSIBLE && op->undo == NULL)
      fail_msg ("%s cannot be undone", s->id);
  }
}

static void
an_undo_that_is_missing_is_an_error_not_a_success (void **state)
{
  (void)state;
  struct step step = { .id = "x#y", .op = "look", .cls = STEP_REVERSIBLE };
  struct step_call call = { .step = &step };
  CLEANUP_JSON json_t *result = NULL;
  CLEANUP_ERR struct err *e = provider_undo (&provider_cron, &call, &result);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-STEP-NOUNDO");
}

static void
there_is_one_pivot_each_way (void **state)
{
  (void)state;
  size_t pivots = 0, back = 0;
  CLEANUP_PLAN struct plan *p = parse (HEAD);
  CLEANUP_GRAPH struct graph *g = compile (p);
  for (size_t i = 0; i < graph_len (g); i++)
    if (graph_at (g, i)->cls == STEP_PIVOT) {
      pivots++;
      back += graph_at (g, i)->stage == STAGE_BACK_PIVOT;
    }
  assert_int_equal (pivots, 2);
  assert_int_equal (back, 1);
}

static void
a_service_after_another_starts_after_it (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *plain = parse (HEAD);
  CLEANUP_PLAN struct plan *p
      = parse ("rehome: 1\nname: shop\nsource: {host: old}\nitems:\n"
               "  - service: nginx.service\n"
               "    after: [\"service:shop.service\"]\n"
               "  - service: shop.service\n");
  CLEANUP_GRAPH struct graph *g = compile (plain);
  CLEANUP_GRAPH struct graph *h = compile (p);
  assert_true (place_of (g, "service:nginx.service#start")
               < place_of (g, "service:shop.service#start"));
  assert_true (place_of (h, "service:nginx.service#start")
               > place_of (h, "service:shop.service#start"));
}

static void
a_service_stops_before_the_database_that_it_uses (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p
      = parse ("rehome: 1\nname: shop\nsource: {host: old}\nitems:\n"
               "  - mariadb: shop\n"
               "  - postgresql: crm\n"
               "    after: [\"service:shop.service\"]\n"
               "  - service: shop.service\n"
               "    after: [\"mariadb:shop\"]\n");
  CLEANUP_GRAPH struct graph *g = compile (p);
  size_t stop = place_of (g, "service:shop.service#stop");
  assert_true (stop < place_of (g, "mariadb:shop#stop"));
  assert_true (stop < place_of (g, "postgresql:crm#stop"));
  assert_true (place_of (g, "service:shop.service#back-stop")
               < place_of (g, "mariadb:shop#back-stop"));
}

static void
address_and_move_are_no_kinds_of_items (void **state)
{
  (void)state;
  assert_non_null (provider_find ("address"));
  assert_non_null (provider_find ("move"));
  assert_null (provider_kinds ()->find ("address"));
  assert_null (provider_kinds ()->find ("move"));
  assert_null (provider_find ("containers"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (every_kind_of_item_and_the_move_have_steps),
    cmocka_unit_test (addresses_have_steps_where_the_plan_switches_some),
    cmocka_unit_test (each_step_needs_only_earlier_ones),
    cmocka_unit_test (every_step_of_an_item_knows_its_place_in_the_plan),
    cmocka_unit_test (
        every_step_has_its_operation_and_each_reversible_one_an_undo),
    cmocka_unit_test (an_undo_that_is_missing_is_an_error_not_a_success),
    cmocka_unit_test (there_is_one_pivot_each_way),
    cmocka_unit_test (a_service_after_another_starts_after_it),
    cmocka_unit_test (a_service_stops_before_the_database_that_it_uses),
    cmocka_unit_test (address_and_move_are_no_kinds_of_items),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
