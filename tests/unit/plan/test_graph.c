/* SPDX-License-Identifier: Apache-2.0 */
/* The step graph: order, refusals, drawings. */
#include "plan/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct err *
add (struct graph *g, const char *id, enum stage stage, enum step_class cls,
     const char *const *needs)
{
  return graph_add (g, &(struct step){ .id = id,
                                       .provider = "test",
                                       .op = "look",
                                       .title = id,
                                       .item = -1,
                                       .stage = stage,
                                       .cls = cls,
                                       .side = SIDE_SOURCE,
                                       .needs = needs });
}

#define NEEDS(...)      \
  (const char *const[]) \
  {                     \
    __VA_ARGS__, NULL   \
  }

static void
assert_code (struct err *e, const char *code)
{
  CLEANUP_ERR struct err *mine = e;
  assert_non_null (mine);
  assert_string_equal (err_code (mine), code);
}

static void
steps_are_ordered_by_stage_then_needs_then_as_added (void **state)
{
  (void)state;
  CLEANUP_GRAPH struct graph *g = graph_new ();
  static const char *const want[] = { "look", "c", "a", "b", "last" };
  assert_null (add (g, "last", STAGE_FINAL, STEP_PURE, NULL));
  assert_null (add (g, "a", STAGE_PREPARE, STEP_PURE, NEEDS ("c")));
  assert_null (add (g, "b", STAGE_PREPARE, STEP_PURE, NEEDS ("a", "look")));
  assert_null (add (g, "c", STAGE_PREPARE, STEP_PURE, NULL));
  assert_null (add (g, "look", STAGE_PREFLIGHT, STEP_PURE, NULL));
  assert_null (graph_seal (g));
  assert_int_equal (graph_len (g), 5);
  for (size_t i = 0; i < 5; i++)
    assert_string_equal (graph_at (g, i)->id, want[i]);
  assert_ptr_equal (graph_find (g, "b"), graph_at (g, 3));
  assert_string_equal (graph_find (g, "b")->needs[1], "look");
  assert_null (graph_find (g, "b")->needs[2]);
  assert_null (graph_find (g, "nobody"));
  assert_null (graph_at (g, 5));
}

static void
a_cycle_is_refused_and_named (void **state)
{
  (void)state;
  CLEANUP_GRAPH struct graph *g = graph_new ();
  assert_null (add (g, "in", STAGE_START, STEP_PURE, NEEDS ("a")));
  assert_null (add (g, "a", STAGE_START, STEP_PURE, NEEDS ("b")));
  assert_null (add (g, "b", STAGE_START, STEP_PURE, NEEDS ("c")));
  assert_null (add (g, "c", STAGE_START, STEP_PURE, NEEDS ("a")));
  CLEANUP_ERR struct err *e = graph_seal (g);
  assert_string_equal (err_code (e), "RH-GRAPH-CYCLE");
  assert_non_null (strstr (err_message (e), "a needs b needs c needs a"));
}

static void
a_step_that_needs_itself_is_a_cycle (void **state)
{
  (void)state;
  CLEANUP_GRAPH struct graph *g = graph_new ();
  assert_null (add (g, "a", STAGE_START, STEP_PURE, NEEDS ("a")));
  assert_code (graph_seal (g), "RH-GRAPH-CYCLE");
}

static void
the_same_id_twice_is_refused (void **state)
{
  (void)state;
  CLEANUP_GRAPH struct graph *g = graph_new ();
  assert_null (add (g, "a", STAGE_START, STEP_PURE, NULL));
  assert_code (add (g, "a", STAGE_FINAL, STEP_PURE, NULL), "RH-GRAPH-TWICE");
}

static void
a_need_that_does_not_exist_is_refused (void **state)
{
  (void)state;
  CLEANUP_GRAPH struct graph *g = graph_new ();
  assert_null (add (g, "a", STAGE_START, STEP_PURE, NEEDS ("ghost")));
  assert_code (graph_seal (g), "RH-GRAPH-NEEDS");
}

static void
a_need_of_a_later_stage_is_refused (void **state)
{
  (void)state;
  CLEANUP_GRAPH struct graph *g = graph_new ();
  assert_null (add (g, "early", STAGE_PREPARE, STEP_PURE, NEEDS ("late")));
  assert_null (add (g, "late", STAGE_FINAL, STEP_PURE, NULL));
  assert_code (graph_seal (g), "RH-GRAPH-STAGE");
}

static void
opening_without_a_pivot_is_refused (void **state)
{
  (void)state;
  CLEANUP_GRAPH struct graph *g = graph_new ();
  assert_null (add (g, "open", STAGE_OPEN, STEP_FORWARD, NULL));
  assert_code (graph_seal (g), "RH-GRAPH-PIVOT");
  assert_null (add (g, "pivot", STAGE_PIVOT, STEP_PIVOT, NULL));
  assert_null (graph_seal (g));
}

static void
nothing_is_added_after_the_seal (void **state)
{
  (void)state;
  CLEANUP_GRAPH struct graph *g = graph_new ();
  assert_null (graph_seal (g));
  assert_code (add (g, "a", STAGE_START, STEP_PURE, NULL), "RH-GRAPH-SEALED");
}

static void
what_is_added_is_copied (void **state)
{
  (void)state;
  CLEANUP_GRAPH struct graph *g = graph_new ();
  char id[] = "mine";
  CLEANUP_JSON json_t *args = json_pack ("{s:s}", "path", "/srv");
  struct step s = { .id = id, .provider = "p", .op = "o", .args = args };
  assert_null (graph_add (g, &s));
  id[0] = 'x';
  json_object_clear (args);
  assert_null (graph_seal (g));
  const struct step *got = graph_find (g, "mine");
  assert_string_equal (got->title, "mine");
  assert_string_equal (json_string_value (json_object_get (got->args, "path")),
                       "/srv");
}

static struct err *
add_of_item (struct graph *g, const char *id, long item)
{
  return graph_add (g, &(struct step){ .id = id,
                                       .provider = "test",
                                       .op = "look",
                                       .item = item,
                                       .stage = STAGE_START });
}

static void
an_item_after_another_waits_for_its_steps_of_the_same_stage (void **state)
{
  (void)state;
  CLEANUP_GRAPH struct graph *g = graph_new ();
  assert_null (add_of_item (g, "web", 0));
  assert_null (add_of_item (g, "db", 1));
  graph_after (g, 0, 1);
  assert_null (graph_seal (g));
  assert_string_equal (graph_at (g, 0)->id, "db");
  assert_string_equal (graph_at (g, 1)->needs[0], "db");
}

static void
in_a_freeze_what_depends_on_another_stops_first (void **state)
{
  (void)state;
  CLEANUP_GRAPH struct graph *g = graph_new ();
  struct step web = { .id = "web",
                      .provider = "test",
                      .op = "stop",
                      .item = 0,
                      .stage = STAGE_FREEZE };
  struct step db = web;
  db.id = "db";
  db.item = 1;
  assert_null (graph_add (g, &db));
  assert_null (graph_add (g, &web));
  graph_after (g, 0, 1);
  assert_null (graph_seal (g));
  assert_string_equal (graph_at (g, 0)->id, "web");
  assert_string_equal (graph_at (g, 1)->needs[0], "web");
}

static void
the_text_has_a_line_for_each_step (void **state)
{
  (void)state;
  CLEANUP_GRAPH struct graph *g = graph_new ();
  assert_null (add (g, "b", STAGE_START, STEP_REVERSIBLE, NEEDS ("a")));
  assert_null (add (g, "a", STAGE_FREEZE, STEP_IDEMPOTENT, NULL));
  assert_null (graph_seal (g));
  CLEANUP_FREE char *text = graph_text (g);
  assert_string_equal (text, "freeze     idempotent  source   a\n"
                             "start      reversible  source   b  <- a\n");
}

static void
dot_quotes_what_comes_from_a_plan (void **state)
{
  (void)state;
  CLEANUP_GRAPH struct graph *g = graph_new ();
  assert_null (add (g, "files:/a\"b\\c", STAGE_START, STEP_PURE, NULL));
  assert_null (add (g, "z", STAGE_START, STEP_PURE, NEEDS ("files:/a\"b\\c")));
  assert_null (graph_seal (g));
  CLEANUP_FREE char *dot = graph_dot (g);
  assert_non_null (strstr (dot, "digraph move {"));
  assert_non_null (strstr (dot, "subgraph cluster_start {"));
  assert_non_null (strstr (dot, "\"files:/a\\\"b\\\\c\" -> \"z\";"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (steps_are_ordered_by_stage_then_needs_then_as_added),
    cmocka_unit_test (a_cycle_is_refused_and_named),
    cmocka_unit_test (a_step_that_needs_itself_is_a_cycle),
    cmocka_unit_test (the_same_id_twice_is_refused),
    cmocka_unit_test (a_need_that_does_not_exist_is_refused),
    cmocka_unit_test (a_need_of_a_later_stage_is_refused),
    cmocka_unit_test (opening_without_a_pivot_is_refused),
    cmocka_unit_test (nothing_is_added_after_the_seal),
    cmocka_unit_test (what_is_added_is_copied),
    cmocka_unit_test (
        an_item_after_another_waits_for_its_steps_of_the_same_stage),
    cmocka_unit_test (in_a_freeze_what_depends_on_another_stops_first),
    cmocka_unit_test (the_text_has_a_line_for_each_step),
    cmocka_unit_test (dot_quotes_what_comes_from_a_plan),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
