/* SPDX-License-Identifier: Apache-2.0 */
/* rehome compare ITEM ITEM: are they the same? */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/both.h"
#include "cli/itemised.h"
#include "cli/say.h"
#include "report/moved.h"
#include "report/standing.h"
#include "report/words.h"

#include <stdio.h>
#include <string.h>

#define ASKED 1000 /* examples from the agent */
#define SHOWN 5    /* of each kind */

/* Each kind of difference: what it means, and the field that shows it. */
static const struct kind_words {
  const char *kind, *means, *field;
} kinds[] = {
  { "missing", "are missing on the target", NULL },
  { "extra", "are on the target alone", NULL },
  { "type", "are of another type", "type" },
  { "content", "have another content", NULL },
  { "size", "have another size", "size" },
  { "mode", "have other permissions", "mode" },
  { "owner", "have another owner", "uid" },
  { "group", "have another group", "gid" },
  { "mtime", "have another time", "mtime" },
  { "acl", "have another ACL", NULL },
  { "xattr", "have other attributes", NULL },
  { "capability", "have other capabilities", NULL },
  { "link", "are linked otherwise", "target" },
  { "flags", "have other inode flags", NULL },
  { "project", "have another project id", NULL },
  { "atime", "have another access time", NULL },
};

static struct err *
arguments (const struct invocation *in, const struct address *a, bool target,
           json_t **out)
{
  CLEANUP_JSON json_t *uids = NULL, *gids = NULL;
  TRY (both_map (in, OPT_MAP_USER, &uids));
  TRY (both_map (in, OPT_MAP_GROUP, &gids));
  *out = json_pack ("{s:o, s:o, s:s}", "root",
                    json_bytes (a->name, strlen (a->name)), "exclude",
                    both_rules (in, true), "mode", "full");
  if (!target)
    return NULL;
  json_object_set (*out, "uids", uids);
  json_object_set (*out, "gids", gids);
  json_object_set_new (*out, "limit", json_integer (ASKED));
  return NULL;
}

/* "1001, on the target 0", or nothing. */
static char *
both_values (const json_t *example, const char *field)
{
  const json_t *here = json_object_get (example, "source");
  const json_t *there = json_object_get (example, "target");
  const json_t *a = json_object_get (here, field);
  const json_t *b = json_object_get (there, field);
  if (json_is_integer (a) && json_is_integer (b))
    return mem_printf (": %lld, on the target %lld",
                       (long long)json_integer_value (a),
                       (long long)json_integer_value (b));
  if (!json_is_string (a) || !json_is_string (b))
    return mem_strdup ("");
  CLEANUP_FREE char *x = words_of (here, field);
  CLEANUP_FREE char *y = words_of (there, field);
  return mem_printf (": %s, on the target %s", x, y);
}

static void
print_kind (const json_t *r, const struct kind_words *k)
{
  json_int_t n = json_integer_value (
      json_object_get (json_object_get (r, "kinds"), k->kind));
  size_t i, shown = 0;
  json_t *x;
  if (n == 0)
    return;
  CLEANUP_FREE char *count = standing_count (n);
  printf ("%-10s  %s %s\n", k->kind, count, k->means);
  json_array_foreach (json_object_get (r, "examples"), i, x)
  {
    if (!itemised_has (x, k->kind) || shown == SHOWN)
      continue;
    CLEANUP_FREE char *path = words_of (x, "path");
    CLEANUP_FREE char *values
        = k->field != NULL ? both_values (x, k->field) : mem_strdup ("");
    printf ("              %s%s\n", *path != 0 ? path : ".", values);
    shown++;
  }
  if ((json_int_t)shown < n)
    printf ("              and %lld more\n", (long long)n - (long long)shown);
}

static void
print_side (const char *name, const char *item, const json_t *r)
{
  CLEANUP_FREE char *digest = words_of (r, "digest");
  CLEANUP_FREE char *files
      = standing_count (moved_number (json_object_get (r, "read")));
  CLEANUP_FREE char *bytes
      = standing_bytes (moved_number (json_object_get (r, "bytes")));
  printf ("%s  %s  read %s files, %s  (%s)\n", name, digest, files, bytes,
          item);
}

/* What was passed over is said, too. */
static void
print_left_out (const char *name, const json_t *r)
{
  static const char *const what[][2]
      = { { "mount_paths", "a filesystem of its own" },
          { "swap_paths", "a swap file" } };
  for (size_t k = 0; k < 2; k++) {
    size_t i;
    json_t *path;
    json_array_foreach (json_object_get (r, what[k][0]), i, path)
        fprintf (stderr, "not compared: %s on the %s, which is %s\n",
                 json_string_value (path), name, what[k][1]);
  }
}

static void
print (const struct invocation *in, const json_t *out, const json_t *r,
       bool equal)
{
  CLEANUP_FREE char *entries
      = standing_count (moved_number (json_object_get (r, "entries")));
  CLEANUP_FREE char *differ
      = standing_count (moved_number (json_object_get (r, "differences")));
  print_left_out ("source", out);
  print_left_out ("target", r);
  if (equal)
    printf ("equal: %s entries, content and metadata\n", entries);
  else
    printf ("NOT equal: %s differ, of %s entries of the source\n\n", differ,
            entries);
  for (size_t i = 0; !equal && i < sizeof kinds / sizeof *kinds; i++)
    print_kind (r, &kinds[i]);
  if (!equal)
    printf ("\n");
  print_side ("source", in->args[0], out);
  print_side ("target", in->args[1], r);
}

static struct err *
compare (const struct invocation *in, bool *equal)
{
  CLEANUP_BOTH struct both i = { 0 };
  CLEANUP_JSON json_t *out = NULL, *r = NULL, *list = NULL, *with = NULL;
  TRY (both_parse (in, false, &i));
  TRY (arguments (in, &i.from, false, &list));
  TRY (arguments (in, &i.to, true, &with));
  TRY (both_open (&i));
  struct port *p = link_port (i.source);
  TRY (p->ops->pipe (p, "tree.list", list, link_port (i.target), "tree.compare",
                     with, NULL, NULL, &out, &r));
  *equal = json_is_true (json_object_get (r, "equal"));
  json_object_set (r, "source", out);
  if (has (in, OPT_JSON))
    say_json (r);
  else
    print (in, out, r, *equal);
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
