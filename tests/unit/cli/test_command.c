/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of commands and options. */
#include "groups.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

static struct err *
parse (const char *command, struct invocation *in, int n,
       const char *const *argv)
{
  const struct command *c = command_find (command);
  assert_non_null (c);
  return command_parse (c, n, argv, in);
}

static void
values_come_behind_or_with_an_equals_sign (void **state)
{
  static const char *const a[] = { "--confirm", "shop-old", "p.yaml" };
  static const char *const b[] = { "p.yaml", "--confirm=shop-old" };
  struct invocation in;
  (void)state;
  assert_ok (parse ("cutover", &in, 3, a));
  assert_string_equal (in.value[OPT_CONFIRM], "shop-old");
  assert_string_equal (in.args[0], "p.yaml");
  invocation_clear (&in);
  assert_ok (parse ("cutover", &in, 2, b));
  assert_string_equal (in.value[OPT_CONFIRM], "shop-old");
  assert_int_equal (in.arg_count, 1);
  invocation_clear (&in);
}

static void
what_is_wrong_is_usage (void **state)
{
  static const char *const bad[][3] = {
    { "--fly", "p.yaml", NULL },      { "p.yaml", "more", NULL },
    { "--json=yes", "p.yaml", NULL }, { "-x", "p.yaml", NULL },
    { "p.yaml", "--state", NULL },    { "--html=x", "p.yaml", NULL },
  };
  struct invocation in;
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_code (parse ("sync", &in, 2, bad[i]), "RH-CLI-USAGE");
    invocation_clear (&in);
  }
  assert_code (parse ("sync", &in, 0, NULL), "RH-CLI-USAGE");
  invocation_clear (&in);
}

static void
behind_two_dashes_all_is_argument (void **state)
{
  static const char *const argv[] = { "--", "--json" };
  struct invocation in;
  (void)state;
  assert_ok (parse ("sync", &in, 2, argv));
  assert_false (has (&in, OPT_JSON));
  assert_string_equal (in.args[0], "--json");
  invocation_clear (&in);
}

static void
the_tables_are_whole (void **state)
{
  (void)state;
  for (size_t i = 0; i < OPT_COUNT; i++) {
    assert_int_equal (option_table[i].id, i);
    assert_true (strlen (option_table[i].about) > 5);
    for (size_t k = 0; k < i; k++)
      assert_string_not_equal (option_table[i].name, option_table[k].name);
  }
  for (const struct command *c = command_table; c->name != NULL; c++) {
    assert_true (c->least <= c->most);
    assert_non_null (c->run);
    assert_ptr_equal (command_find (c->name), c);
  }
}

static void
each_command_is_in_the_help (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  (void)state;
  assert_ok (help_all (&b));
  for (const struct command *c = command_table; c->name != NULL; c++) {
    CLEANUP_FREE char *line = mem_printf ("  rehome %s", c->name);
    assert_true ((strstr ((char *)b.data, line) != NULL) == !c->hidden);
  }
}

static void
the_man_page_is_made_of_the_tables (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  const char *root = getenv ("REHOME_SOURCE_ROOT");
  assert_non_null (root);
  CLEANUP_FREE char *path = mem_printf ("%s/man/rehome.1.scd", root);
  FILE *f = fopen (path, "re");
  (void)state;
  assert_non_null (f);
  assert_ok (help_man (&b));
  CLEANUP_FREE char *there = mem_alloc (b.len + 2);
  size_t n = fread (there, 1, b.len + 1, f);
  fclose (f);
  assert_int_equal (n, b.len);
  assert_memory_equal (there, b.data, n);
}

const struct CMUnitTest command_tests[] = {
  cmocka_unit_test (values_come_behind_or_with_an_equals_sign),
  cmocka_unit_test (what_is_wrong_is_usage),
  cmocka_unit_test (behind_two_dashes_all_is_argument),
  cmocka_unit_test (the_tables_are_whole),
  cmocka_unit_test (each_command_is_in_the_help),
  cmocka_unit_test (the_man_page_is_made_of_the_tables),
};
const size_t command_count = sizeof command_tests / sizeof *command_tests;
