/* SPDX-License-Identifier: Apache-2.0 */
/* tree-names ROOT RULE...: the paths that a walk under these rules meets, each
 * ended by a NUL, directories with a slash. */
#include "base/mem.h"
#include "tree/walk.h"

#include <stdio.h>
#include <string.h>

static struct err *
run (char **argv)
{
  CLEANUP_JSON json_t *rules = json_array ();
  CLEANUP_FILTER struct filter *filter = NULL;
  CLEANUP_WALK struct walk *walk = NULL;
  for (size_t i = 2; argv[i] != NULL; i++)
    json_array_append_new (rules, json_bytes (argv[i], strlen (argv[i])));
  TRY (filter_read (rules, &filter));
  TRY (walk_open (argv[1], filter, &walk));
  for (;;) {
    struct tree_entry *e;
    TRY (walk_next (walk, &e));
    if (e == NULL)
      return NULL;
    if (e->path_len > 0)
      printf ("%s%s%c", e->path, e->type == TREE_DIR ? "/" : "", '\0');
  }
}

int
main (int argc, char **argv)
{
  if (argc < 2)
    return 2;
  CLEANUP_ERR struct err *e = run (argv);
  if (e != NULL)
    fprintf (stderr, "%s\n", err_message (e));
  return e != NULL;
}
