/* SPDX-License-Identifier: Apache-2.0 */
/* What the first look at a tree does when the target's probe fails. */
#include "canned.h"

#include "cmocka_api.h"

#include "provider/files.h"
#include "provider/provider.h"

#include <string.h>

static bool
was_asked (const struct canned *c, const char *verb)
{
  size_t i;
  json_t *one;
  json_array_foreach (json_object_get (c->host, "asked"), i, one)
  {
    if (strcmp (json_string_value (one), verb) == 0)
      return true;
  }
  return false;
}

/* Whether the source was counted behind a probe that failed so; the look
 * itself ends at what these hosts do not answer. */
static bool
counts_behind (const char *code)
{
  static const char text[] = "rehome: 1\nname: shop\n"
                             "source: {host: root@old}\nitems:\n"
                             "  - files: /srv/x\n";
  json_t *a CLEANUP_JSON
      = json_pack ("{s:{s:s}, s:{s:s}}", "facts", "machine_id", "a", "files",
                   "/srv/x/", "");
  json_t *b CLEANUP_JSON
      = json_pack ("{s:{s:s}, s:{s:s}}", "facts", "machine_id", "b", "fail",
                   "tree.probe", code);
  CLEANUP_PLAN struct plan *plan = NULL;
  assert_ok (
      plan_parse (text, strlen (text), "plan.yaml", provider_kinds (), &plan));
  struct canned source, target;
  canned_init (&source, "source", a);
  canned_init (&target, "target", b);
  const struct step_call call = { .plan = plan,
                                  .item = plan_item (plan, 0),
                                  .source = &source.port,
                                  .target = &target.port,
                                  .migration = "shop" };
  json_t *result CLEANUP_JSON = NULL;
  struct err *e CLEANUP_ERR = files_usage (&call, &result);
  assert_non_null (e);
  assert_true (was_asked (&target, "tree.probe"));
  bool counted = was_asked (&source, "tree.usage");
  if (!counted)
    assert_string_equal (err_code (e), code);
  return counted;
}

static void
one_that_could_not_write_says_nothing (void **state)
{
  (void)state;
  assert_true (counts_behind ("RH-TREE-WRITE"));
}

/* It may have left its directory, which only the next one takes away. */
static void
one_that_was_cut_off_is_made_again (void **state)
{
  (void)state;
  assert_false (counts_behind ("RH-LINK-LOST"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (one_that_could_not_write_says_nothing),
    cmocka_unit_test (one_that_was_cut_off_is_made_again),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
