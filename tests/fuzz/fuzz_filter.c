/* SPDX-License-Identifier: Apache-2.0 */
/* A filter's rules and a path, a line each, the path last: matching ends, and
 * a path whose parent is left out is hidden, too. */
#include "base/mem.h"
#include "tree/filter.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static json_t *
rules_of (const uint8_t *data, size_t size)
{
  json_t *rules = json_array ();
  for (size_t at = 0; at < size;) {
    const uint8_t *end = memchr (data + at, '\n', size - at);
    size_t n = end != NULL ? (size_t)(end - data) - at : size - at;
    json_array_append_new (rules, json_bytes ((const char *)data + at, n));
    at += n + 1;
  }
  return rules;
}

static void
parent_hides (const struct filter *f, const char *path, size_t len)
{
  const char *slash = memrchr (path, '/', len);
  if (slash == NULL || slash == path)
    return;
  if (filter_hides (f, path, (size_t)(slash - path), true)
      && !filter_hides (f, path, len, false))
    __builtin_trap ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const uint8_t *cut = memrchr (data, '\n', size);
  if (cut == NULL || size > 4096)
    return 0;
  size_t head = (size_t)(cut - data);
  size_t len = size - head - 1;
  CLEANUP_FREE char *path = mem_strndup ((const char *)cut + 1, len);
  CLEANUP_JSON json_t *rules = rules_of (data, head);
  CLEANUP_FILTER struct filter *f = NULL;
  CLEANUP_ERR struct err *e = filter_read (rules, &f);
  if (e != NULL || len == 0 || strlen (path) != len)
    return 0;
  filter_excludes (f, path, len, true);
  filter_hides (f, path, len, false);
  parent_hides (f, path, len);
  return 0;
}
