/* SPDX-License-Identifier: Apache-2.0 */
/* What a rehearsal of the way back runs; see sections.h. */
#include "plan/sections.h"

#include <string.h>

static struct err *
read_scratch (struct node n)
{
  static const char what[] = "a list of absolute paths without '..'";
  TRY (node_list (n, what));
  for (size_t i = 0; i < json_array_size (n.value); i++) {
    const char *path = "";
    TRY (node_text (node_element (n, i), what, &path));
    if (path[0] != '/' || path[1] == '\0' || strstr (path, "/..") != NULL)
      return node_value_fault (node_element (n, i), what);
  }
  return NULL;
}

struct err *
section_rehearsal (struct node n, json_t **out)
{
  static const char *const keys[] = { "write", "check", "scratch", NULL };
  static const char what[]
      = "a list of a program's path and its arguments, such as "
        "[/usr/local/bin/order, --test]";
  *out = NULL;
  if (n.value == NULL) {
    *out = json_object ();
    return NULL;
  }
  TRY (node_keys (n, "a mapping with write, check, scratch", keys));
  for (size_t i = 0; i < 2; i++) {
    struct node command = node_member (n, keys[i]);
    if (command.value != NULL)
      TRY (node_command (command, what));
  }
  struct node scratch = node_member (n, "scratch");
  if (scratch.value != NULL)
    TRY (read_scratch (scratch));
  *out = json_deep_copy (n.value);
  return NULL;
}
