/* SPDX-License-Identifier: Apache-2.0 */
/* Every code that the source uses is explained, and the document is the
 * table. */
#include "../cmocka_api.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "report/codes.h"

#include <ctype.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>

static char *
slurp (const char *path)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  FILE *f = fopen (path, "re");
  char part[65536];
  size_t n;
  assert_non_null (f);
  while ((n = fread (part, 1, sizeof part, f)) > 0)
    assert_ok (buf_put (&b, part, n));
  fclose (f);
  return buf_steal_str (&b);
}

static int unexplained, seen;

/* A literal "RH-AREA-WHAT": two parts at least, or RH-LIMIT. */
static void
check_literal (const char *path, const char *start)
{
  char code[64];
  size_t n = 0;
  while (n < sizeof code - 1
         && (isupper ((unsigned char)start[n]) || start[n] == '-'
             || isdigit ((unsigned char)start[n])))
    n++;
  if (start[n] != '"' || start[n - 1] == '-')
    return;
  memcpy (code, start, n);
  code[n] = '\0';
  if (strchr (code + 3, '-') == NULL && strcmp (code, "RH-LIMIT") != 0)
    return;
  seen++;
  if (codes_find (code) == NULL) {
    print_error ("%s: %s has no explanation\n", path, code);
    unexplained++;
  }
}

static int
check_file (const char *path, const struct stat *st, int type, struct FTW *ftw)
{
  size_t len = strlen (path);
  (void)st;
  (void)ftw;
  if (type != FTW_F || len < 2 || strcmp (path + len - 2, ".c") != 0)
    return 0;
  CLEANUP_FREE char *text = slurp (path);
  for (const char *p = text; (p = strstr (p, "\"RH-")) != NULL; p++)
    check_literal (path, p + 1);
  return 0;
}

static char *
in_source (const char *rest)
{
  const char *root = getenv ("REHOME_SOURCE_ROOT");
  assert_non_null (root);
  return mem_printf ("%s/%s", root, rest);
}

static void
every_code_of_the_source_is_explained (void **state)
{
  CLEANUP_FREE char *src = in_source ("src");
  (void)state;
  assert_int_equal (nftw (src, check_file, 16, FTW_PHYS), 0);
  assert_true (seen > 200);
  assert_int_equal (unexplained, 0);
}

static void
rows_are_sorted_and_whole (void **state)
{
  (void)state;
  for (const struct code_row *c = code_table; c->code != NULL; c++) {
    assert_true (strlen (c->means) > 8 && strlen (c->safe) > 8);
    assert_true (strlen (c->todo) > 4);
    if (c[1].code != NULL)
      assert_true (strcmp (c->code, c[1].code) < 0);
  }
}

static void
the_document_is_the_table (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  CLEANUP_FREE char *path = in_source ("docs/ERRORS.md");
  CLEANUP_FREE char *text = slurp (path);
  (void)state;
  assert_ok (codes_markdown (&b));
  assert_string_equal ((char *)b.data, text);
}

static void
what_is_no_code_is_not_found (void **state)
{
  (void)state;
  assert_null (codes_find ("RH-NO-SUCH"));
  assert_null (codes_find (""));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (every_code_of_the_source_is_explained),
    cmocka_unit_test (rows_are_sorted_and_whole),
    cmocka_unit_test (the_document_is_the_table),
    cmocka_unit_test (what_is_no_code_is_not_found),
  };
  return cmocka_run_group_tests_name ("codes", tests, NULL, NULL);
}
