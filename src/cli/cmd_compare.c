/* SPDX-License-Identifier: Apache-2.0 */
/* rehome compare ITEM ITEM: are they the same? */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/both.h"
#include "cli/say.h"
#include "report/moved.h"
#include "report/standing.h"
#include "report/words.h"

#include <stdio.h>
#include <string.h>

static json_t *
arguments (const struct invocation *in, const struct address *a)
{
  return json_pack ("{s:o, s:o, s:s}", "root",
                    json_bytes (a->name, strlen (a->name)), "exclude",
                    both_rules (in, true), "mode", "full");
}

static void
print_example (const json_t *x)
{
  CLEANUP_FREE char *path = words_of (x, "path");
  CLEANUP_FREE char *kinds = NULL;
  const json_t *list = json_object_get (x, "kinds");
  CLEANUP_BUF struct buf b = BUF_INIT;
  size_t i;
  json_t *k;
  json_array_foreach (list, i, k)
      err_free (buf_printf (&b, "%s%s", i > 0 ? ", " : "",
                            json_is_string (k) ? json_string_value (k) : "?"));
  kinds = b.data != NULL ? buf_steal_str (&b) : mem_strdup ("");
  printf ("  %s: %s\n", path, kinds);
}

static void
print (const json_t *r, bool equal)
{
  CLEANUP_FREE char *entries
      = standing_count (moved_number (json_object_get (r, "entries")));
  CLEANUP_FREE char *digest = words_of (r, "digest");
  size_t i;
  json_t *x;
  printf ("%s: %s entries, digest %s\n", equal ? "equal" : "NOT equal", entries,
          digest);
  json_array_foreach (json_object_get (r, "examples"), i, x) print_example (x);
}

static struct err *
compare (const struct invocation *in, bool *equal)
{
  CLEANUP_BOTH struct both i = { 0 };
  CLEANUP_JSON json_t *out = NULL, *r = NULL;
  TRY (both_parse (in, &i));
  TRY (both_open (&i));
  CLEANUP_JSON json_t *list = arguments (in, &i.from);
  CLEANUP_JSON json_t *with = arguments (in, &i.to);
  json_object_set_new (with, "limit", json_integer (100));
  struct port *p = link_port (i.source);
  TRY (p->ops->pipe (p, "tree.list", list, link_port (i.target), "tree.compare",
                     with, NULL, NULL, &out, &r));
  *equal = json_is_true (json_object_get (r, "equal"));
  if (has (in, OPT_JSON))
    say_json (r);
  else
    print (r, *equal);
  return NULL;
}

int
cmd_compare (const struct invocation *in)
{
  bool equal = false;
  struct err *e = compare (in, &equal);
  if (e != NULL)
    return say_err (in, e);
  return equal ? EXIT_OK : EXIT_UNEQUAL;
}
