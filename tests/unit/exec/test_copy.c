/* SPDX-License-Identifier: Apache-2.0 */
/* Which steps of a plan a copy takes. */
#include "exec/copy.h"

#include "../cmocka_api.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "provider/provider.h"

#include <string.h>

static struct graph *
graph_of (const char *item, bool proof)
{
  char *text CLEANUP_FREE = mem_printf (
      "rehome: 1\nname: copy\nsource: {host: old}\nitems:\n  - %s\n", item);
  struct plan *p = NULL;
  struct graph *all = NULL, *g = NULL;
  CLEANUP_ERR struct err *e
      = plan_parse (text, strlen (text), "p", provider_kinds (), &p);
  if (e == NULL)
    e = provider_compile (p, &all);
  if (e == NULL)
    e = copy_graph (all, proof, &g);
  if (e != NULL)
    fail_msg ("%s: %s", item, err_message (e));
  graph_free (all);
  plan_free (p);
  return g;
}

/* Or no second copy could begin anew: nothing undoes a copy. */
static void
no_step_of_a_copy_has_an_undo (void **state)
{
  (void)state;
  static const char *const items[] = { "files: /srv/shop", "sqlite: /srv/a.db",
                                       "postgresql: crm", "mariadb: shop" };
  for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) {
    struct graph *g = graph_of (items[i], true);
    assert_true (graph_len (g) > 1);
    for (size_t k = 0; k < graph_len (g); k++) {
      const struct step *s = graph_at (g, k);
      assert_true (s->cls == STEP_PURE || s->cls == STEP_IDEMPOTENT);
    }
    graph_free (g);
  }
}

static void
a_proof_is_taken_where_it_is_asked_for (void **state)
{
  (void)state;
  struct graph *with = graph_of ("postgresql: crm", true);
  struct graph *without = graph_of ("postgresql: crm", false);
  assert_non_null (graph_find (with, "postgresql:crm#seed"));
  assert_non_null (graph_find (with, "postgresql:crm#prove"));
  assert_null (graph_find (with, "postgresql:crm#stop"));
  assert_null (graph_find (without, "postgresql:crm#prove"));
  graph_free (with);
  graph_free (without);
}

int
main (void)
{
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test (no_step_of_a_copy_has_an_undo),
    cmocka_unit_test (a_proof_is_taken_where_it_is_asked_for),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
