/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/item_path.h"

#include "base/mem.h"

#include <stdint.h>
#include <string.h>

#define TEXT_MAX 100

char *
item_path (const char *path)
{
  size_t n = strlen (path);
  while (n > 1 && path[n - 1] == '/')
    n--;
  return mem_strndup (path, n);
}

char *
item_path_from (const json_t *spec, const char *key)
{
  return item_path (json_string_value (json_at (spec, key)));
}

char *
item_path_to (const json_t *spec, const char *key)
{
  const char *to = json_string_value (json_at (spec, "to"));
  return to != NULL ? item_path (to) : item_path_from (spec, key);
}

char *
item_path_index (const char *kind, const char *path, bool target)
{
  uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
  char text[TEXT_MAX + 1];
  size_t n = 0;
  for (const char *p = path; *p != 0; p++) {
    h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')
                 || (*p >= '0' && *p <= '9');
    if (n < TEXT_MAX)
      text[n++] = plain ? *p : '-';
  }
  text[n] = 0;
  return mem_printf ("%s%s-%08x%s", kind, text, (unsigned)(h ^ h >> 32),
                     target ? "-to" : "");
}
