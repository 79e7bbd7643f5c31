/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/samples.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"
#include "provider/beside.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 5 }; /* of a table */

int64_t
samples_place (int64_t low, int64_t high, unsigned n, unsigned of,
               uint64_t seed)
{
  uint64_t width = ((uint64_t)high - (uint64_t)low) / of;
  uint64_t at = (uint64_t)low + width * n;
  /* Knuth's multiplier for a linear congruence modulo 2^64. */
  uint64_t luck = (seed + n) * UINT64_C (6364136223846793005) >> 16;
  return (int64_t)(width == 0 ? at : at + luck % width);
}

/* ---- Which ---- */

static bool
number_of (const char *text, int64_t *out)
{
  char *end;
  errno = 0;
  *out = strtoll (text, &end, 10);
  return errno == 0 && end != text && *end == '\0';
}

static struct err *
ask_reach (const struct step_call *call, const struct samples_engine *engine,
           const json_t *tables, char **out)
{
  struct buf sql CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  json_array_foreach ((json_t *)(uintptr_t)tables, i, one)
  {
    if (*json_text (one, "key") != '\0')
      TRY (engine->reach (&sql, i, one));
  }
  TRY (buf_put (&sql, "", 1));
  if (sql.len == 1)
    *out = mem_strdup ("");
  else
    TRY (engine->run (call, call->source, (const char *)sql.data, out));
  return NULL;
}

/* A table without rows has no least key. */
static struct err *
choose (const struct samples_engine *engine, const json_t *tables, char *reach,
        struct buf *sql)
{
  uint64_t seed = (uint64_t)monotonic_ms ();
  char *at = reach;
  for (char *line; (line = strsep (&at, "\n")) != NULL;) {
    int64_t index, low, high;
    const char *a = strsep (&line, "\t");
    const char *b = line == NULL ? NULL : strsep (&line, "\t");
    if (b == NULL || line == NULL || !number_of (a, &index)
        || !number_of (b, &low) || !number_of (line, &high) || high < low)
      continue;
    const json_t *table = json_array_get (tables, (size_t)index);
    for (unsigned n = 0; table != NULL && n < SAMPLES; n++)
      TRY (engine->record (sql, (size_t)index, table,
                           samples_place (low, high, n, SAMPLES, seed)));
  }
  return buf_put (sql, "", 1);
}

/* ---- What both say ---- */

static char *
digest_of (const char *text)
{
  struct sha256_ctx ctx;
  uint8_t raw[SHA256_DIGEST_SIZE];
  sha256_init (&ctx);
  sha256_update (&ctx, strlen (text), (const uint8_t *)text);
  sha256_digest (&ctx, sizeof raw, raw);
  return text_hex (raw, sizeof raw / 2);
}

/* Adds what a side says to {TABLE: {KEY: {SIDE: digest}}}. */
static void
take (const json_t *tables, char *said, const char *side, json_t *found)
{
  char *at = said;
  for (char *line; (line = strsep (&at, "\n")) != NULL;) {
    int64_t index;
    const char *a = strsep (&line, "\t");
    const char *key = line == NULL ? NULL : strsep (&line, "\t");
    if (key == NULL || !number_of (a, &index))
      continue;
    const char *name
        = json_text (json_array_get (tables, (size_t)index), "name");
    if (*name == '\0')
      continue;
    char *digest CLEANUP_FREE = digest_of (line == NULL ? "" : line);
    json_t *table = json_object_get (found, name);
    if (table == NULL)
      json_object_set_new (found, name, table = json_object ());
    json_t *record = json_object_get (table, key);
    if (record == NULL)
      json_object_set_new (table, key,
                           record = json_pack ("{s:s}", "key", key));
    json_object_set_new (record, side, json_string (digest));
  }
}

static json_t *
judge (json_t *found, json_t *differences)
{
  json_t *out = json_object ();
  const char *name, *key;
  json_t *table, *record;
  json_object_foreach (found, name, table)
  {
    json_t *list = json_array ();
    json_object_foreach (table, key, record)
    {
      const json_t *target = json_object_get (record, "target");
      if (!json_equal (json_object_get (record, "source"), target))
        json_array_append_new (
            differences,
            json_sprintf ("record %s of table %s %s", key, name,
                          target == NULL ? "is missing there" : "differs"));
      json_array_append (list, record);
    }
    json_object_set_new (out, name, list);
  }
  return out;
}

struct reading {
  const struct step_call *call;
  const struct samples_engine *engine;
  struct port *port;
  const char *sql;
  char *said;
};

static struct err *
read_side (void *ctx)
{
  struct reading *r = ctx;
  return r->engine->run (r->call, r->port, r->sql, &r->said);
}

static struct err *
read_both (const struct step_call *call, const struct samples_engine *engine,
           const char *sql, char **source, char **target)
{
  struct reading a = { call, engine, call->source, sql, NULL };
  struct reading b = { call, engine, call->target, sql, NULL };
  const struct beside both[] = { { read_side, &a }, { read_side, &b } };
  struct err *e = beside_run (call, both, 2, 2);
  *source = a.said;
  *target = b.said;
  return e;
}

struct err *
samples_compare (const struct step_call *call,
                 const struct samples_engine *engine, const json_t *tables,
                 json_t *differences, json_t **out)
{
  char *reach CLEANUP_FREE = NULL;
  char *source CLEANUP_FREE = NULL;
  char *target CLEANUP_FREE = NULL;
  struct buf sql CLEANUP_BUF = BUF_INIT;
  json_t *found CLEANUP_JSON = json_object ();
  TRY (ask_reach (call, engine, tables, &reach));
  TRY (choose (engine, tables, reach, &sql));
  if (sql.len > 1)
    TRY (read_both (call, engine, (const char *)sql.data, &source, &target));
  if (source != NULL && target != NULL) {
    take (tables, source, "source", found);
    take (tables, target, "target", found);
  }
  *out = judge (found, differences);
  return NULL;
}
