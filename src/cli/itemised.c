/* SPDX-License-Identifier: Apache-2.0 */
/* Itemised lines. */
#include "cli/itemised.h"

#include "base/mem.h"
#include "report/words.h"

#include <stdio.h>
#include <string.h>

bool
itemised_has (const json_t *example, const char *kind)
{
  size_t i;
  json_t *k;
  json_array_foreach (json_object_get (example, "kinds"), i,
                      k) if (json_is_string (k)
                             && strcmp (json_string_value (k), kind)
                                    == 0) return true;
  return false;
}

static char
type_letter (const json_t *entry)
{
  const char *type = json_string_value (json_object_get (entry, "type"));
  if (type == NULL || strcmp (type, "file") == 0)
    return 'f';
  if (strcmp (type, "dir") == 0)
    return 'd';
  if (strcmp (type, "link") == 0)
    return 'L';
  return strcmp (type, "char") == 0 || strcmp (type, "block") == 0 ? 'D' : 'S';
}

/* What stands behind the first two letters. */
static void
put_attributes (const json_t *x, char *out)
{
  static const struct {
    const char *kind;
    char letter;
    size_t at;
  } rows[]
      = { { "link", 'c', 0 },   { "type", 'c', 0 },  { "size", 's', 1 },
          { "mtime", 't', 2 },  { "mode", 'p', 3 },  { "owner", 'o', 4 },
          { "group", 'g', 5 },  { "atime", 'u', 6 }, { "acl", 'a', 7 },
          { "xattr", 'x', 8 },  { "flags", 'x', 8 }, { "capability", 'x', 8 },
          { "project", 'x', 8 } };
  memset (out, '.', 9);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (itemised_has (x, rows[i].kind))
      out[rows[i].at] = rows[i].letter;
}

char *
itemised_line (const json_t *x)
{
  const json_t *source = json_object_get (x, "source");
  CLEANUP_FREE char *path = words_of (x, "path");
  const char *shown = *path != 0 ? path : ".";
  if (itemised_has (x, "extra"))
    return mem_printf ("*deleting   %s%s", shown,
                       type_letter (json_object_get (x, "target")) == 'd' ? "/"
                                                                          : "");
  char line[12] = "..";
  bool fresh = itemised_has (x, "missing");
  bool sent = fresh || itemised_has (x, "content") || itemised_has (x, "size")
              || itemised_has (x, "type");
  line[1] = type_letter (source);
  bool file = line[1] == 'f';
  bool linked = json_is_string (json_object_get (source, "link"));
  if (linked && (fresh || itemised_has (x, "link")))
    line[0] = 'h';
  else if (sent || itemised_has (x, "link"))
    line[0] = file ? '>' : 'c';
  if (fresh)
    memset (line + 2, '+', 9);
  else
    put_attributes (x, line + 2);
  line[11] = 0;
  CLEANUP_FREE char *first = words_of (source, "link");
  return mem_printf ("%s %s%s%s%s", line, shown, line[1] == 'd' ? "/" : "",
                     line[0] == 'h' ? " => " : "", first);
}

void
itemised_print (const json_t *preview)
{
  const json_t *items = json_object_get (preview, "examples");
  json_int_t all
      = json_integer_value (json_object_get (preview, "differences"));
  size_t i;
  json_t *x;
  json_array_foreach (items, i, x)
  {
    CLEANUP_FREE char *line = itemised_line (x);
    puts (line);
  }
  if ((json_int_t)json_array_size (items) < all)
    printf ("and %lld more\n",
            (long long)all - (long long)json_array_size (items));
}
