/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/queries.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
  QUERIES_MAX = 10,
  NAME_MAX_BYTES = 60,
  SQL_MAX = 8000,
  RUNS = 5,
  QUICK_US = 2000000, /* what takes longer is run once */
  SLOWER_US = 50000
};

/* ---- The plan ---- */

static struct err *
wrong (const char *expected)
{
  return err_new (ERR_CORRECT, "RH-PLAN-VALUE", "'queries': expected %s",
                  expected);
}

static bool
is_name (const char *name)
{
  size_t len = strlen (name);
  for (size_t i = 0; i < len; i++)
    if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
      return false;
  return len > 0 && len <= NAME_MAX_BYTES;
}

/* The server decides in the end; this finds what was meant otherwise. */
static bool
begins_to_read (const char *sql)
{
  static const char *const words[] = { "select", "with", "values" };
  sql += strspn (sql, " \t\r\n");
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    size_t len = strlen (words[i]);
    if (strncasecmp (sql, words[i], len) == 0
        && !isalnum ((unsigned char)sql[len]) && sql[len] != '_')
      return true;
  }
  return *sql == '(';
}

static bool
is_twice (const json_t *list, size_t at, const char *name)
{
  for (size_t i = 0; i < at; i++)
    if (strcmp (json_text (json_array_get (list, i), "name"), name) == 0)
      return true;
  return false;
}

static struct err *
check_one (const json_t *list, size_t at)
{
  static const char *const keys[] = { "name", "sql", NULL };
  const json_t *one = json_array_get (list, at);
  if (!json_is_object (one))
    return wrong ("a list of {name: ..., sql: ...}");
  TRY (spec_keys (one, keys));
  const char *name = json_string_value (json_at (one, "name"));
  const char *sql = json_string_value (json_at (one, "sql"));
  if (name == NULL || !is_name (name))
    return wrong ("a name of at most 60 bytes for each");
  if (is_twice (list, at, name))
    return wrong ("another name for each");
  if (sql == NULL || strlen (sql) > SQL_MAX || !begins_to_read (sql))
    return wrong ("under sql one statement of at most 8000 bytes that begins "
                  "with SELECT, WITH or VALUES");
  return NULL;
}

struct err *
queries_check (const json_t *spec)
{
  const json_t *list = json_at (spec, "queries");
  if (list == NULL)
    return NULL;
  if (!json_is_array (list) || json_array_size (list) > QUERIES_MAX)
    return wrong ("a list of at most 10 of {name: ..., sql: ...}");
  for (size_t i = 0; i < json_array_size (list); i++)
    TRY (check_one (list, i));
  return NULL;
}

static const json_t *
declared (const struct plan_item *item)
{
  return json_at (item->spec, "queries");
}

struct err *
queries_describe (struct graph *g, const char *provider,
                  const struct plan_item *item, const char *shown, long at)
{
  static const struct step_row row
      = { "queries",   "declared queries of %s on the target",
          STAGE_GUARD, STEP_PURE,
          SIDE_TARGET, 0 };
  if (json_array_size (declared (item)) == 0)
    return NULL;
  return steps_add (g, &row, provider, item->name, shown, at, NULL, NULL);
}

/* ---- Runs ---- */

struct took {
  int64_t us, rows;
};

static int
by_time (const void *a, const void *b)
{
  const struct took *x = a, *y = b;
  return (x->us > y->us) - (x->us < y->us);
}

bool
queries_median (const char *said, int64_t *us, int64_t *rows, unsigned *runs)
{
  struct took all[RUNS];
  unsigned n = 0;
  while (*said != '\0' && n < RUNS) {
    char *end;
    long long first
        = isdigit ((unsigned char)*said) ? strtoll (said, &end, 10) : -1;
    if (first >= 0 && *end == '\t')
      all[n++] = (struct took){ first, strtoll (end + 1, NULL, 10) };
    said += strcspn (said, "\n");
    said += *said == '\n';
  }
  if (n == 0)
    return false;
  qsort (all, n, sizeof *all, by_time);
  *us = all[n / 2].us;
  *rows = all[n / 2].rows;
  *runs = n;
  return true;
}

/* As the plan has it, without ';' at its end; the caller frees. */
static char *
statement (const json_t *query)
{
  const char *sql = json_text (query, "sql");
  size_t len = strlen (sql);
  while (len > 0 && strchr ("; \t\r\n", sql[len - 1]) != NULL)
    len--;
  return mem_strndup (sql, len);
}

char *
queries_first (const struct plan_item *item)
{
  const json_t *list = declared (item);
  return json_array_size (list) == 0 ? NULL
                                     : statement (json_array_get (list, 0));
}

static struct err *
run_query (const struct step_call *call, const struct queries_engine *engine,
           struct port *p, const json_t *query, unsigned runs, json_t **out)
{
  char *said CLEANUP_FREE = NULL;
  char *sql CLEANUP_FREE = statement (query);
  int64_t us, rows;
  struct err *e = engine->run (call, p, sql, runs, &said);
  if (e != NULL)
    return err_wrap (e, "the query '%s' on the %s", json_text (query, "name"),
                     p->name);
  if (!queries_median (said, &us, &rows, &runs))
    return err_new (ERR_CORRUPT, "RH-QUERY-REFUSED",
                    "the %s's server did not say how long the query '%s' took",
                    p->name, json_text (query, "name"));
  *out = json_pack ("{s:I, s:i, s:I}", "us", (json_int_t)us, "runs", (int)runs,
                    "rows", (json_int_t)rows);
  return NULL;
}

struct err *
queries_try (const struct step_call *call, const struct queries_engine *engine)
{
  size_t i;
  json_t *one;
  json_array_foreach ((json_t *)(uintptr_t)declared (call->item), i, one)
  {
    json_t *said CLEANUP_JSON = NULL;
    struct err *e CLEANUP_ERR
        = run_query (call, engine, call->source, one, 1, &said);
    if (e == NULL)
      continue;
    if (strncmp (err_code (e), "RH-PROGRAM-", 11) != 0
        && strcmp (err_code (e), "RH-HOST-COMMAND") != 0)
      return STEAL (e);
    return err_advise (err_new (ERR_BLOCKED, "RH-QUERY-REFUSED", "%s",
                                err_message (e)),
                       "nothing was changed",
                       "a declared query is one statement that reads, and ends "
                       "within " QUERIES_SECONDS " s; correct it in the plan");
  }
  return NULL;
}

/* {NAME: ...}; what fails is a finding. */
static json_t *
time_all (const struct step_call *call, const struct queries_engine *engine,
          struct port *p, json_t *findings)
{
  json_t *out = json_object ();
  size_t i;
  json_t *one;
  json_array_foreach ((json_t *)(uintptr_t)declared (call->item), i, one)
  {
    json_t *took CLEANUP_JSON = NULL;
    struct err *e CLEANUP_ERR = run_query (call, engine, p, one, 1, &took);
    if (e == NULL && json_integer_value (json_at (took, "us")) < QUICK_US) {
      json_decref (STEAL (took)); /* the caches are warm now */
      e = run_query (call, engine, p, one, RUNS, &took);
    }
    if (e != NULL)
      json_array_append_new (findings, json_string (err_message (e)));
    else
      json_object_set (out, json_text (one, "name"), took);
  }
  return out;
}

static json_t *
findings_of (json_t *result)
{
  json_t *list = json_object_get (result, "findings");
  if (list == NULL)
    json_object_set_new (result, "findings", list = json_array ());
  return list;
}

void
queries_before (const struct step_call *call,
                const struct queries_engine *engine, json_t *result)
{
  if (json_array_size (declared (call->item)) > 0)
    json_object_set_new (result, "queries",
                         time_all (call, engine, call->source,
                                   findings_of (result)));
}

/* ---- Side by side ---- */

bool
queries_slower (int64_t before_us, int64_t after_us)
{
  return after_us / 2 > before_us && after_us - before_us > SLOWER_US;
}

struct err *
queries_after (const struct step_call *call,
               const struct queries_engine *engine, json_t **result)
{
  json_t *findings = json_array ();
  json_t *times = time_all (call, engine, call->target, findings);
  const json_t *before
      = json_at (steps_input (call, "%s#prove", call->item->name), "queries");
  const char *name;
  json_t *one;
  json_object_foreach (times, name, one)
  {
    const json_t *was = json_at (json_object_get (before, name), "us");
    int64_t a = json_integer_value (was);
    int64_t b = json_integer_value (json_at (one, "us"));
    if (was != NULL && queries_slower (a, b))
      json_array_append_new (
          findings, json_sprintf ("the query '%s' takes %.1f ms on the target, "
                                  "and took %.1f ms on the source before",
                                  name, (double)b / 1000, (double)a / 1000));
  }
  *result = json_pack ("{s:o, s:o}", "queries", times, "findings", findings);
  return NULL;
}
