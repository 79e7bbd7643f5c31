/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of docs/ADDRESSES.md, row by row. */
#include "plan/address.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COLUMNS 6

static bool
is_kind (const char *word)
{
  static const char *const kinds[]
      = { "files",  "accounts", "service",   "cron",
          "sqlite", "mariadb",  "postgresql" };
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp (word, kinds[i]) == 0)
      return true;
  return false;
}

static FILE *
open_page (void)
{
  const char *here = __FILE__;
  size_t len = (size_t)(strstr (here, "tests/unit/plan") - here);
  CLEANUP_FREE char *path
      = mem_printf ("%.*sdocs/ADDRESSES.md", (int)len, here);
  FILE *page = fopen (path, "re");
  if (page == NULL)
    fail_msg ("cannot open %s", path);
  return page;
}

/* Splits "| a | `b` |" in place; backquotes and blanks go. */
static size_t
cells (char *line, char **out)
{
  size_t n = 0;
  for (char *p = line + 1, *bar; n < COLUMNS; p = bar + 1) {
    bar = strchr (p, '|');
    if (bar == NULL)
      break;
    *bar = '\0';
    while (*p == ' ' || *p == '`')
      p++;
    char *end = p + strlen (p);
    while (end > p && (end[-1] == ' ' || end[-1] == '`'))
      *--end = '\0';
    out[n++] = p;
  }
  return n;
}

static const char *
cell_or_null (const char *cell)
{
  return strcmp (cell, "-") == 0 ? NULL : cell;
}

static void
assert_same (const char *row, const char *what, const char *got,
             const char *want)
{
  if ((got == NULL) != (want == NULL)
      || (got != NULL && strcmp (got, want) != 0))
    fail_msg ("%s: %s is %s, the table says %s", row, what,
              got != NULL ? got : "none", want != NULL ? want : "none");
}

/* "a=b c=d", or NULL for none. */
static char *
options_text (const json_t *options)
{
  const char *key;
  json_t *value;
  char *text = NULL;
  json_object_foreach ((json_t *)options, key, value)
  {
    char *longer
        = mem_printf ("%s%s%s=%s", text != NULL ? text : "",
                      text != NULL ? " " : "", key, json_string_value (value));
    free (text);
    text = longer;
  }
  return text;
}

static void
check_taken (char **c)
{
  struct address a;
  CLEANUP_ERR struct err *e = address_parse (c[0], is_kind, &a);
  if (e != NULL)
    fail_msg ("%s: %s", c[0], err_message (e));
  CLEANUP_FREE char *port = a.port != 0 ? mem_printf ("%d", a.port) : NULL;
  CLEANUP_FREE char *options = options_text (a.options);
  assert_same (c[0], "host", a.host, cell_or_null (c[1]));
  assert_same (c[0], "port", port, cell_or_null (c[2]));
  assert_same (c[0], "kind", a.kind, c[3]);
  assert_same (c[0], "name", a.name, c[4]);
  assert_same (c[0], "options", options, cell_or_null (c[5]));
  address_clear (&a);
}

static void
check_refused (char **c)
{
  struct address a;
  CLEANUP_ERR struct err *e = address_parse (c[0], is_kind, &a);
  if (e == NULL) {
    address_clear (&a);
    fail_msg ("%s is taken; the table says %s", c[0], c[1]);
  }
  assert_same (c[0], "code", err_code (e), c[1]);
  assert_non_null (err_advice (e));
}

/* Runs `check` on each row below the heading; gives their count. */
static size_t
each_row (const char *heading, size_t columns, void (*check) (char **))
{
  char line[1024], *c[COLUMNS];
  bool inside = false;
  size_t rows = 0;
  FILE *page = open_page ();
  while (fgets (line, sizeof line, page) != NULL) {
    if (line[0] == '#')
      inside = strncmp (line + 3, heading, strlen (heading)) == 0;
    if (!inside || strncmp (line, "| `", 3) != 0)
      continue;
    assert_int_equal (cells (line, c), columns);
    check (c);
    rows++;
  }
  fclose (page);
  return rows;
}

static void
every_row_of_the_table_is_taken_as_it_says (void **state)
{
  (void)state;
  assert_true (each_row ("Taken", 6, check_taken) >= 25);
}

static void
every_row_of_the_table_of_refusals_is_refused_with_its_code (void **state)
{
  (void)state;
  assert_true (each_row ("Refused", 3, check_refused) >= 25);
}

static void
an_address_without_end_is_refused (void **state)
{
  (void)state;
  struct address a;
  CLEANUP_FREE char *text = mem_alloc (10001);
  memset (text, '/', 10000);
  CLEANUP_ERR struct err *e = address_parse (text, is_kind, &a);
  assert_string_equal (err_code (e), "RH-ADDRESS-FORM");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (every_row_of_the_table_is_taken_as_it_says),
    cmocka_unit_test (
        every_row_of_the_table_of_refusals_is_refused_with_its_code),
    cmocka_unit_test (an_address_without_end_is_refused),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
