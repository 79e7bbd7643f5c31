/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of SQLite databases: arguments checked, the rights that are not
 * needed given up, then src/agent/sqlite_*. */
#include "agent/verb.h"

#include "agent/apart.h"
#include "agent/sqlite_check.h"
#include "agent/sqlite_copy.h"
#include "base/mem.h"
#include "host/confine.h"
#include "host/durable.h"

#include <fcntl.h>
#include <string.h>

struct args {
  struct lite_place place;
  char *path, *dir;
  char *laid; /* where rounds are laid up; mostly NULL */
  const char *index;
  struct idmaps maps;
  struct lite_watch watch;
};
#define ARGS_NONE { .place = LITE_NOWHERE }

static void
args_clear (struct args *a)
{
  lite_place_free (&a->place);
  free (a->path);
  free (a->dir);
  free (a->laid);
  idmaps_free (&a->maps);
}
#define CLEANUP_ARGS CLEANUP (args_clear)

/* The directory of the database stays in reach, for writing, since locks and
 * the index of a WAL are files there; and the lists. */
static struct err *
confine_to (const struct args *a)
{
  const char *const own[] = { a->dir, a->laid };
  struct confine_place places[3];
  int fds[2] = { -1, -1 }, got;
  size_t n = 0;
  struct err *e = NULL;
  for (size_t i = 0; e == NULL && i < 2; i++) {
    if (own[i] == NULL)
      continue;
    e = durable_mkdirs (own[i], 0700);
    fds[i] = open (own[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fds[i] >= 0)
      places[n++] = (struct confine_place){ fds[i], true };
  }
  if (a->place.dirfd >= 0)
    places[n++] = (struct confine_place){ a->place.dirfd, true };
  if (e == NULL && apart_is_worker ())
    e = confine (places, n, true, &got);
  for (size_t i = 0; i < 2; i++)
    if (fds[i] >= 0)
      close (fds[i]);
  return e;
}

static struct lite_watch
watch_of (const struct verb_call *call)
{
  return (struct lite_watch){ .tick = call->progress,
                              .cancelled = call->cancelled,
                              .ctx = call->ctx };
}

static struct err *
read_args (struct verb_call *call, bool place, bool lists, struct args *a)
{
  a->watch = watch_of (call);
  if (place) {
    TRY (json_get_bytes (call->args, "path", &a->path, NULL));
    TRY (lite_place_find (a->path, &a->place));
  }
  if (lists || json_at (call->args, "index") != NULL)
    TRY (lite_list_dir (call->args, &a->dir, &a->index));
  TRY (idmap_read (json_at (call->args, "uids"), &a->maps.uids));
  TRY (idmap_read (json_at (call->args, "gids"), &a->maps.gids));
  return confine_to (a);
}

static struct err *
run_find (struct verb_call *call, json_t **result)
{
  CLEANUP_FREE char *root = NULL;
  bool beside;
  struct lite_watch w = watch_of (call);
  TRY (json_get_bytes (call->args, "root", &root, NULL));
  TRY (json_opt_bool (call->args, "beside", false, &beside));
  return lite_find (root, beside, &w, result);
}

static struct err *
run_look (struct verb_call *call, json_t **result)
{
  CLEANUP_ARGS struct args a = ARGS_NONE;
  TRY (read_args (call, true, false, &a));
  return lite_look (&a.place, result);
}

static struct err *
run_pages (struct verb_call *call, json_t **result)
{
  CLEANUP_ARGS struct args a = ARGS_NONE;
  struct lite_pages p = { 0 };
  TRY (json_opt_bool (call->args, "disk", false, &p.disk));
  TRY (read_args (call, true, false, &a));
  p.place = &a.place;
  p.dir = a.dir;
  p.index = a.index;
  return lite_pages_stream (&p, call->out, &a.watch, result);
}

static struct err *
run_keep (struct verb_call *call, json_t **result)
{
  CLEANUP_ARGS struct args a = ARGS_NONE;
  TRY (read_args (call, false, true, &a));
  return lite_pages_keep (a.dir, a.index, call->in, result);
}

static struct err *
run_send (struct verb_call *call, json_t **result)
{
  CLEANUP_ARGS struct args a = ARGS_NONE;
  struct lite_send s = { 0 };
  int64_t hold;
  TRY (json_opt_bool (call->args, "rest", false, &s.rest));
  TRY (json_opt_int (call->args, "hold_ms", 0, 600000, 0, &hold));
  TRY (read_args (call, true, true, &a));
  s.hold_ms = (long)hold;
  s.place = &a.place;
  s.dir = a.dir;
  s.index = a.index;
  return lite_send (&s, call->out, &a.watch, result);
}

static struct err *
run_receive (struct verb_call *call, json_t **result)
{
  CLEANUP_ARGS struct args a = ARGS_NONE;
  struct lite_receive r = { 0 };
  TRY (json_opt_bool (call->args, "adopt", false, &r.adopt));
  TRY (read_args (call, true, true, &a));
  r.place = &a.place;
  r.dir = a.dir;
  r.index = a.index;
  r.maps = &a.maps;
  return lite_receive (&r, call->in, &a.watch, result);
}

static struct err *
run_check (struct verb_call *call, json_t **result)
{
  CLEANUP_ARGS struct args a = ARGS_NONE;
  bool integrity;
  TRY (json_opt_bool (call->args, "integrity", true, &integrity));
  TRY (read_args (call, true, false, &a));
  return lite_check (&a.place, integrity, &a.watch, result);
}

static struct err *
run_settle (struct verb_call *call, json_t **result)
{
  CLEANUP_ARGS struct args a = ARGS_NONE;
  int64_t wait;
  TRY (json_opt_int (call->args, "wait_ms", 0, 600000, LITE_WAIT_MS, &wait));
  TRY (read_args (call, true, false, &a));
  return lite_settle (&a.place, (long)wait, result);
}

static struct err *
run_name (struct verb_call *call, json_t **result)
{
  CLEANUP_ARGS struct args a = ARGS_NONE;
  json_t *pages;
  TRY (json_get_array (call->args, "pages", &pages));
  TRY (read_args (call, true, false, &a));
  return lite_name (&a.place, pages, result);
}

/* Where rounds are laid up: beside the lists. */
static char *
laid_dir (const struct args *a)
{
  return mem_printf ("%.*sback", (int)(strlen (a->dir) - strlen ("index")),
                     a->dir);
}

static struct err *
run_lay (struct verb_call *call, json_t **result)
{
  CLEANUP_ARGS struct args a = ARGS_NONE;
  TRY (lite_list_dir (call->args, &a.dir, &a.index));
  a.laid = laid_dir (&a);
  a.watch = watch_of (call);
  TRY (confine_to (&a));
  return lite_lay (a.laid, a.index, call->in, &a.watch, result);
}

static struct err *
run_laid_apply (struct verb_call *call, json_t **result)
{
  CLEANUP_ARGS struct args a = ARGS_NONE;
  CLEANUP_FREE char *laid = NULL;
  struct lite_receive r = { .adopt = true };
  TRY (lite_list_dir (call->args, &a.dir, &a.index));
  a.laid = laid_dir (&a);
  TRY (lite_list_path (a.laid, a.index, "pages", &laid));
  free (STEAL (a.dir));
  TRY (read_args (call, true, true, &a));
  r.place = &a.place;
  r.dir = a.dir;
  r.index = a.index;
  r.maps = &a.maps;
  return lite_apply (&r, laid, &a.watch, result);
}

const struct verb verbs_sqlite[] = {
  { "sqlite.find", 0, run_find },
  { "sqlite.look", VERB_APART, run_look },
  { "sqlite.pages", VERB_OUT | VERB_APART, run_pages },
  { "sqlite.keep", VERB_IN | VERB_APART, run_keep },
  { "sqlite.send", VERB_OUT | VERB_APART, run_send },
  { "sqlite.receive", VERB_IN | VERB_APART, run_receive },
  { "sqlite.lay", VERB_IN | VERB_APART, run_lay },
  { "sqlite.laid-apply", VERB_APART, run_laid_apply },
  { "sqlite.check", VERB_APART, run_check },
  { "sqlite.settle", VERB_APART, run_settle },
  { "sqlite.name", VERB_APART, run_name },
  { NULL, 0, NULL },
};
