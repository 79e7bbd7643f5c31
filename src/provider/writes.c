/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/writes.h"

#include "base/mem.h"
#include "provider/steps.h"

#include <stdio.h>
#include <string.h>

static struct err *
compose (const struct writes_engine *engine, const json_t *tables, char **out)
{
  struct buf sql CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  TRY (buf_put_str (&sql, engine->begin));
  json_array_foreach ((json_t *)(uintptr_t)tables, i, one)
  {
    TRY (engine->one (&sql, i, one));
  }
  TRY (buf_put_str (&sql, engine->end));
  *out = buf_steal_str (&sql);
  return NULL;
}

static void
judge_line (const char *name, long rows, bool could, const char *why,
            json_t *tried, json_t *differences, json_t *findings)
{
  const char *colon = *why == '\0' ? "" : ": ";
  if (could)
    words_add (tried, name);
  if (could && rows < 1)
    json_array_append_new (differences,
                           json_sprintf ("table %s takes no change%s%s", name,
                                         colon, why));
  if (!could && *why != '\0')
    json_array_append_new (findings,
                           json_sprintf ("no change was tried in table %s: %s",
                                         name, why));
}

struct err *
writes_try (const struct step_call *call, const struct writes_engine *engine,
            const json_t *tables, json_t *tried, json_t *differences,
            json_t *findings)
{
  char *sql CLEANUP_FREE = NULL;
  char *said CLEANUP_FREE = NULL;
  TRY (compose (engine, tables, &sql));
  TRY (engine->run (call, sql, &said));
  char *at = said;
  for (char *line; (line = strsep (&at, "\n")) != NULL;) {
    unsigned index, could;
    long rows;
    int end = 0;
    if (sscanf (line, "%u %ld %u %n", &index, &rows, &could, &end) != 3)
      continue;
    judge_line (json_text (json_array_get (tables, index), "name"), rows,
                could != 0, line + end, tried, differences, findings);
  }
  return NULL;
}
