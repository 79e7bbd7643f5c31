/* SPDX-License-Identifier: Apache-2.0 */
/* There on a copy, back, and the older versions on what came back. */
#include "provider/rehearse.h"

#include "base/mem.h"
#include "provider/files.h"
#include "provider/remote.h"
#include "provider/service.h"
#include "provider/steps.h"

#include <string.h>

#define ROUND 5

static struct err *
not_covered (const char *what, const char *why)
{
  return err_todo (err_new (ERR_BLOCKED, "RH-REHEARSE-ITEM",
                            "%s cannot be rehearsed: %s", what, why),
                   "say at the services why their older versions can go back "
                   "(back-why), or cut over with --no-way-back");
}

static bool
is_plain (const char *path)
{
  return path[strspn (path,
                      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"
                      "Z0123456789/._+@=,~-")]
         == '\0';
}

static bool
is_below (const char *path, const char *dir)
{
  size_t n = strlen (dir);
  return strncmp (path, dir, n) == 0 && path[n] == '/';
}

/* A database among files is copied with them, at rest as the last round left
 * it; one elsewhere would be the live one. */
static struct err *
check_item (const struct step_call *call, const struct plan_item *item)
{
  const char *sqlite = json_string_value (json_at (item->spec, "sqlite"));
  bool within = false;
  if (strcmp (item->kind, "files") == 0) {
    CLEANUP_FREE char *from = files_from (item->spec);
    CLEANUP_FREE char *to = files_to (item->spec);
    return is_plain (from) && is_plain (to)
               ? NULL
               : not_covered (item->name, "its path has letters that a unit "
                                          "file does not take");
  }
  if (strcmp (item->kind, "postgresql") == 0
      || strcmp (item->kind, "mariadb") == 0)
    return not_covered (item->name, "only files and SQLite databases among "
                                    "them are");
  for (size_t i = 0; sqlite != NULL && i < plan_item_count (call->plan); i++) {
    const struct plan_item *other = plan_item (call->plan, i);
    if (strcmp (other->kind, "files") != 0)
      continue;
    CLEANUP_FREE char *from = files_from (other->spec);
    within |= is_below (sqlite, from);
  }
  return sqlite == NULL || within
             ? NULL
             : not_covered (item->name, "it is not below an item of files");
}

static int64_t
bytes_of (const struct step_call *call)
{
  int64_t all = 0;
  for (size_t i = 0; i < plan_item_count (call->plan); i++) {
    const json_t *usage
        = steps_input (call, "%s#usage", plan_item (call->plan, i)->name);
    all += json_integer_value (json_at (usage, "data"));
  }
  return all;
}

/* What comes back lies on the source's disk beside what serves. */
static struct err *
check_space (const struct step_call *call, int64_t bytes)
{
  CLEANUP_JSON json_t *space = NULL;
  uint64_t available;
  TRY (port_call (call->source, "space",
                  json_pack ("{s:o}", "path", json_bytes ("/var/lib", 8)),
                  &space));
  TRY (json_get_u64 (space, "bytes_free", &available));
  if (available / 10 * 9 > (uint64_t)bytes)
    return NULL;
  return err_todo (err_new (ERR_BLOCKED, "RH-REHEARSE-SPACE",
                            "/var/lib on the source has %llu bytes free, and "
                            "what comes back in a rehearsal takes %lld",
                            (unsigned long long)available, (long long)bytes),
                   "make room there, or cut over with --no-way-back");
}

/* A directory is seen through an overlay, so that nothing is copied and what
 * is there stays as it is; a file is copied. */
static struct err *
lay_item (const struct rehearsal *r, const struct plan_item *item, size_t i)
{
  CLEANUP_FREE char *to = files_to (item->spec);
  CLEANUP_FREE char *copy = rehearse_path (r->call, "tree/%zu", i);
  CLEANUP_FREE char *upper = rehearse_path (r->call, "upper/%zu", i);
  CLEANUP_FREE char *work = rehearse_path (r->call, "work/%zu", i);
  struct remote_file f CLEANUP_REMOTE = { 0 };
  struct ran ran CLEANUP_RAN = { 0 };
  TRY (remote_stat (r->p, to, &f));
  if (!f.exists)
    return err_new (ERR_BLOCKED, "RH-REHEARSE-NEW",
                    "%s is not on the target: it is not in step", to);
  if (strcmp (f.type, "dir") != 0)
    return remote_must (r->p, remote_argv (ARGV ("cp", "-a", "--", to, copy)),
                        NULL, NULL);
  CLEANUP_FREE char *options
      = mem_printf ("lowerdir=%s,upperdir=%s,workdir=%s", to, upper, work);
  TRY (remote_must (r->p, remote_argv (ARGV ("mkdir", "--", copy, upper, work)),
                    NULL, NULL));
  TRY (remote_run (r->p,
                   remote_argv (ARGV ("mount", "-t", "overlay", "overlay", "-o",
                                      options, copy)),
                   NULL, 60000, &ran));
  return ran.status == 0
             ? NULL
             : err_todo (err_new (ERR_BLOCKED, "RH-REHEARSE-OVERLAY",
                                  "%s cannot be laid under an overlay on the "
                                  "target: %.*s",
                                  to, (int)strcspn (ran.err, "\n"), ran.err),
                         "say at the services why their older versions can go "
                         "back (back-why), or cut over with --no-way-back");
}

static bool
is_files (const struct plan_item *item)
{
  return strcmp (item->kind, "files") == 0;
}

/* Files that the started work made, changed or removed: what was only opened
 * for writing lies in the upper layer, too, with the time that it had. */
static struct err *
count_written (const struct rehearsal *r, json_int_t *out)
{
  CLEANUP_FREE char *upper = rehearse_path (r->call, "upper");
  CLEANUP_FREE char *begun = rehearse_path (r->call, "begun");
  CLEANUP_FREE char *said = NULL;
  TRY (remote_must (r->p,
                    remote_argv (ARGV ("find", upper, "-mindepth", "2", "!",
                                       "-type", "d", "-newer", begun, "-printf",
                                       ".")),
                    NULL, &said));
  *out = (json_int_t)strlen (said);
  return NULL;
}

static struct err *
on_target (struct rehearsal *r, json_t *started, json_int_t *written)
{
  const struct plan *plan = r->call->plan;
  const json_t *write = json_at (plan_rehearsal (plan), "write");
  TRY (rehearse_open (r));
  for (size_t i = 0; i < plan_item_count (plan); i++)
    if (is_files (plan_item (plan, i)))
      TRY (lay_item (r, plan_item (plan, i), i));
  CLEANUP_FREE char *begun = rehearse_path (r->call, "begun");
  TRY (remote_write (r->p, begun, "", 0, 0600));
  TRY (rehearse_start (r, started));
  TRY (rehearse_checks (r));
  if (write != NULL)
    TRY (rehearse_command (r, "rehearsal: write", write, 0));
  TRY (rehearse_stop (r));
  TRY (count_written (r, written));
  return *written > 0 || json_array_size (started) == 0
             ? NULL
             : err_todo (err_new (ERR_BLOCKED, "RH-REHEARSE-NOTHING",
                                  "the started work wrote nothing into the "
                                  "plan's files: that the older version can "
                                  "go back is not shown by that"),
                         "name a command that writes as its clients do "
                         "(rehearsal: write: in the plan), or say why it keeps "
                         "no data (back-why)");
}

static json_t *
stream_args (const struct step_call *call, size_t i, bool in)
{
  CLEANUP_FREE char *root = rehearse_path (call, "tree/%zu", i);
  CLEANUP_FREE char *index = mem_printf ("rehearsal-%zu%s", i, in ? "-to" : "");
  return json_pack ("{s:o, s:[], s:s, s:s}", "root",
                    json_bytes (root, strlen (root)), "exclude", "migration",
                    call->migration, "index", index);
}

static struct err *
carry (const struct step_call *call, size_t i)
{
  const struct plan_item *item = plan_item (call->plan, i);
  struct step_call back = *call;
  CLEANUP_JSON json_t *out = stream_args (call, i, false);
  CLEANUP_JSON json_t *in = stream_args (call, i, true);
  CLEANUP_JSON json_t *sent = NULL;
  CLEANUP_JSON json_t *got = NULL;
  back.item = item;
  back.back = true; /* the id maps backwards */
  json_object_set_new (out, "round", json_integer (ROUND));
  json_object_set_new (out, "base", json_false ());
  TRY (files_limit (&back, out));
  json_object_set_new (in, "seed", json_true ());
  json_object_set_new (in, "delete_limit", json_integer (0));
  files_maps (&back, in);
  return call->target->ops->pipe (call->target, "tree.send", out, call->source,
                                  "tree.receive", in, call->tick, call->ctx,
                                  &sent, &got);
}

static struct err *
on_source (struct rehearsal *r)
{
  const struct plan *plan = r->call->plan;
  const json_t *check = json_at (plan_rehearsal (plan), "check");
  CLEANUP_JSON json_t *started = json_array ();
  TRY (rehearse_open (r));
  for (size_t i = 0; i < plan_item_count (plan); i++)
    if (is_files (plan_item (plan, i)))
      TRY (carry (r->call, i));
  TRY (rehearse_start (r, started));
  TRY (rehearse_checks (r));
  if (check != NULL)
    TRY (rehearse_command (r, "rehearsal: check", check, 0));
  return rehearse_stop (r);
}

static struct err *
versions (const struct step_call *call, json_t **out)
{
  *out = json_object ();
  for (size_t i = 0; i < plan_item_count (call->plan); i++) {
    const struct plan_item *item = plan_item (call->plan, i);
    const json_t *look = steps_input (call, "%s#look", item->name);
    CLEANUP_JSON json_t *other = json_array ();
    if (strcmp (item->kind, "service") != 0)
      continue;
    TRY (service_other_versions (call, json_at (look, "packages"), other));
    json_object_set (*out, item->name, other);
  }
  return NULL;
}

static struct err *
play (const struct step_call *call, struct rehearsal *there,
      struct rehearsal *here, json_t **result)
{
  CLEANUP_JSON json_t *started = json_array ();
  CLEANUP_JSON json_t *seen = NULL;
  int64_t bytes = bytes_of (call);
  json_int_t written = 0;
  for (size_t i = 0; i < plan_item_count (call->plan); i++)
    TRY (check_item (call, plan_item (call->plan, i)));
  TRY (check_space (call, bytes));
  TRY (versions (call, &seen));
  TRY (on_target (there, started, &written));
  TRY (on_source (here));
  *result = json_pack ("{s:s, s:O, s:O, s:I, s:I}", "plan",
                       plan_hash (call->plan), "versions", seen, "started",
                       started, "written", written, "bytes", (json_int_t)bytes);
  return NULL;
}

/* Both rooms go in any case, also when it was told to end; what cannot be
 * removed now is by the next rehearsal or before the freeze. */
struct err *
rehearse (const struct step_call *call, json_t **result)
{
  struct rehearsal there = { call, call->target, json_array () };
  struct rehearsal here = { call, call->source, json_array () };
  struct err *e = play (call, &there, &here, result);
  port_cancel_hook (NULL, NULL);
  struct err *away = rehearse_close (call, call->target);
  struct err *gone = rehearse_close (call, call->source);
  json_decref (there.binds);
  json_decref (here.binds);
  if (away == NULL)
    away = STEAL (gone);
  err_free (gone);
  if (e == NULL)
    return away;
  err_free (away);
  return e;
}

struct err *
rehearse_probe (const struct step_call *call, enum probe_state *out)
{
  TRY (rehearse_close (call, call->target));
  TRY (rehearse_close (call, call->source));
  *out = PROBED_NOT_DONE;
  return NULL;
}

/* A rehearsal of this plan passed. */
static bool
of_this_plan (const struct step_call *call)
{
  const char *plan = json_string_value (
      json_at (steps_input (call, "move#rehearse"), "plan"));
  return plan != NULL && strcmp (plan, plan_hash (call->plan)) == 0;
}

/* The operator was told of these versions, by a rehearsal of this plan or by
 * the first look, or was told then that there is no way back. */
static bool
was_told (const struct step_call *call, const struct plan_item *item,
          const json_t *now)
{
  const json_t *last = steps_input (call, "move#rehearse");
  const json_t *look = steps_input (call, "%s#look", item->name);
  const json_t *before = json_at (look, "other_versions");
  if (of_this_plan (call))
    before = json_at (json_at (last, "versions"), item->name);
  else if (json_array_size (before) > 0)
    return true;
  return json_equal ((json_t *)(uintptr_t)before, (json_t *)(uintptr_t)now);
}

/* The mode that a person was told is recorded with the request; a cutover that
 * was asked for before anybody had looked was told none. */
struct err *
rehearse_one_way (const struct step_call *call, const json_t *now)
{
  if (call->no_way_back || of_this_plan (call))
    return NULL;
  for (size_t i = 0; i < plan_item_count (call->plan); i++) {
    const struct plan_item *item = plan_item (call->plan, i);
    const char *first
        = json_string_value (json_array_get (json_at (now, item->name), 0));
    if (first != NULL && json_at (item->spec, "back-why") == NULL)
      return err_todo (
          err_new (ERR_BLOCKED, "RH-REHEARSE-ONEWAY",
                   "after the opening there is no proven way back: %s, and "
                   "nobody has confirmed that",
                   first),
          "rehome test shows whether one can go back; or rehome cutover "
          "--no-way-back, or say at the service in the plan why its older "
          "version can work on what the newer one wrote (back-why)");
  }
  return NULL;
}

static struct err *
changed (const char *name, const json_t *now)
{
  const char *first = json_string_value (json_array_get (now, 0));
  return err_todo (
      err_new (ERR_BLOCKED, "RH-SERVICE-VERSION",
               "packages of %s were changed since its way back was looked at: "
               "%s",
               name, first != NULL ? first : "they are the same by now"),
      "rehome test shows whether one can still go back; or rehome abort and "
      "rehome sync to look anew, and rehome cutover --no-way-back");
}

struct err *
rehearse_recheck (const struct step_call *call, json_t **result)
{
  CLEANUP_JSON json_t *now = NULL;
  TRY (rehearse_close (call, call->target));
  TRY (rehearse_close (call, call->source));
  TRY (versions (call, &now));
  for (size_t i = 0; i < plan_item_count (call->plan); i++) {
    const struct plan_item *item = plan_item (call->plan, i);
    const json_t *other = json_at (now, item->name);
    if (other != NULL && json_at (item->spec, "back-why") == NULL
        && !was_told (call, item, other))
      return changed (item->name, other);
  }
  TRY (rehearse_one_way (call, now));
  *result = json_pack ("{s:O}", "versions", now);
  return NULL;
}
