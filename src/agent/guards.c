/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guards.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "host/space.h"
#include "host/spawn.h"

#include <string.h>

enum {
  GUARDS_MAX = 64,
  WORDS_MAX = 64,
  RUN_MS = 60000,
  NAME_MAX_LEN = 128,
  LAST_TRIES = 3
};

struct guard {
  char *name;
  char **argv; /* NULL-terminated */
  char *path;  /* NULL: the disk does not count */
  uint64_t floor;
  int64_t idle_ms, renewed_ms;
};

struct guards {
  VEC (struct guard) list;
};

static void
guard_clear (struct guard *g)
{
  for (size_t i = 0; g->argv != NULL && g->argv[i] != NULL; i++)
    free (g->argv[i]);
  free (g->argv);
  free (g->name);
  free (g->path);
}

struct guards *
guards_new (void)
{
  return mem_alloc (sizeof (struct guards));
}

void
guards_free (struct guards *g)
{
  if (g == NULL)
    return;
  for (size_t i = 0; i < g->list.n; i++)
    guard_clear (&g->list.v[i]);
  VEC_FREE (&g->list);
  free (g);
}

static struct err *
read_argv (const json_t *args, struct guard *out)
{
  json_t *words;
  TRY (json_get_array (args, "argv", &words));
  size_t n = json_array_size (words);
  if (n == 0 || n > WORDS_MAX)
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD", "\"argv\"");
  out->argv = mem_alloc ((n + 1) * sizeof *out->argv);
  for (size_t i = 0; i < n; i++) {
    const char *word = json_string_value (json_array_get (words, i));
    size_t len = 0;
    if (word == NULL)
      return err_new (ERR_CORRUPT, "RH-WIRE-FIELD", "\"argv\"");
    TRY (text_decode (word, &out->argv[i], &len));
    if (memchr (out->argv[i], 0, len) != NULL)
      return err_new (ERR_CORRUPT, "RH-WIRE-FIELD", "\"argv\"");
  }
  return NULL;
}

static struct err *
read_guard (const json_t *args, struct guard *out)
{
  const char *name;
  int64_t idle_s;
  TRY (json_get_str (args, "name", &name));
  if (name[0] == '\0' || strlen (name) > NAME_MAX_LEN)
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD", "\"name\"");
  out->name = mem_strdup (name);
  TRY (json_get_int (args, "idle_s", 1, 31536000, &idle_s));
  out->idle_ms = idle_s * 1000;
  TRY (read_argv (args, out));
  if (json_at (args, "path") == NULL)
    return NULL;
  TRY (json_get_bytes (args, "path", &out->path, NULL));
  if (out->path[0] != '/')
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD", "\"path\"");
  return json_get_u64 (args, "floor", &out->floor);
}

void
guards_drop (struct guards *g, const char *name)
{
  for (size_t i = 0; i < g->list.n; i++)
    if (strcmp (g->list.v[i].name, name) == 0) {
      guard_clear (&g->list.v[i]);
      g->list.v[i] = g->list.v[--g->list.n];
      return;
    }
}

struct err *
guards_set (struct guards *g, const json_t *args, int64_t now_ms)
{
  CLEANUP (guard_clear) struct guard one = { .renewed_ms = now_ms };
  TRY (read_guard (args, &one));
  guards_drop (g, one.name);
  if (g->list.n >= GUARDS_MAX)
    return err_new (ERR_REFUSED, "RH-LIMIT", "a keeper has %d guards at most",
                    GUARDS_MAX);
  *VEC_PUSH (&g->list) = one;
  one = (struct guard){ .name = NULL };
  return NULL;
}

static bool
is_due (const struct guard *g, int64_t now_ms)
{
  if (now_ms - g->renewed_ms >= g->idle_ms)
    return true;
  CLEANUP (space_free) struct space_info s = { .bytes_free = 0 };
  if (g->path == NULL)
    return false;
  struct err *e = space_of (g->path, &s);
  bool known = e == NULL;
  err_free (e);
  return known && s.bytes_free < g->floor;
}

/* Whether it is done. */
static bool
run (const struct guard *g)
{
  CLEANUP (spawn_end_free) struct spawn_end end = { 0 };
  struct spawn_job job = { .argv = (const char *const *)g->argv,
                           .timeout_ms = RUN_MS,
                           .max_output = 4096 };
  log_line (LOG_WARN, "guard %s lets go: the disk gets full, or nobody came",
            g->name);
  struct err *e = spawn_run (&job, &end);
  bool good = e == NULL && end.status == 0;
  if (e != NULL)
    log_err (LOG_ERROR, e);
  err_free (e);
  return good;
}

void
guards_look (struct guards *g, int64_t now_ms)
{
  for (size_t i = g->list.n; i-- > 0;)
    if (is_due (&g->list.v[i], now_ms) && run (&g->list.v[i]))
      guards_drop (g, g->list.v[i].name);
}

void
guards_run_all (struct guards *g)
{
  for (size_t i = 0; i < g->list.n; i++)
    for (int n = 0; n < LAST_TRIES && !run (&g->list.v[i]); n++)
      ;
}

size_t
guards_count (const struct guards *g)
{
  return g->list.n;
}

int
guards_wait (const struct guards *g, int most)
{
  for (size_t i = 0; i < g->list.n; i++)
    if (g->list.v[i].idle_ms < most)
      most = (int)g->list.v[i].idle_ms;
  return most;
}
