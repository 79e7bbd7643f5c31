/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cron provider: crontabs of users and of the system.  On the source they
 * are moved aside before the freeze (nothing new starts, also after a
 * reboot), and running jobs are awaited; on the target they lie in the stage
 * directory until the gate is open.
 */
#include "provider/cron.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "provider/accounts_db.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

#define POLL_MS 200

static bool
is_entry (const char *entry)
{
  char *path CLEANUP_FREE = cron_path (entry);
  return path != NULL;
}

static struct err *
check (const json_t *spec)
{
  static const char *const keys[] = { "cron", "overwrite", NULL };
  TRY (spec_keys (spec, keys));
  TRY (spec_words (spec, "cron", true, is_entry,
                   "'user:NAME' or paths in /etc/cron.d"));
  return spec_flag (spec, "overwrite");
}

static char *
name (const json_t *spec)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  json_array_foreach (json_at (spec, "cron"), i, one)
  {
    err_free (
        buf_printf (&b, "%s%s", i == 0 ? "" : ",", json_string_value (one)));
  }
  return b.len == 0 ? mem_strdup ("") : buf_steal_str (&b);
}

static const json_t *
entries_of (const struct step_call *call)
{
  return json_at (call->item->spec, "cron");
}

static char *
held_path (const struct step_call *call, const char *entry)
{
  char *slug CLEANUP_FREE = cron_slug (entry);
  return steps_path (call, "freeze/cron/%s", slug);
}

static char *
stage_path (const struct step_call *call, const char *entry)
{
  char *slug CLEANUP_FREE = cron_slug (entry);
  return steps_path (call, "stage/cron/%s", slug);
}

/* Reads an entry where it is now: in its place or, held, in the freeze. */
static struct err *
read_source (const struct step_call *call, const char *entry,
             struct remote_file *out)
{
  char *path CLEANUP_FREE = cron_path (entry);
  char *held CLEANUP_FREE = held_path (call, entry);
  TRY (remote_read (call->source, path, out));
  if (!out->exists)
    TRY (remote_read (call->source, held, out));
  return NULL;
}

static bool
same_content (const struct remote_file *a, const struct remote_file *b)
{
  return a->exists && b->exists && a->len == b->len && a->content != NULL
         && b->content != NULL && memcmp (a->content, b->content, a->len) == 0;
}

static struct err *
look_entry (const struct step_call *call, const char *entry, json_t *modes)
{
  char *path CLEANUP_FREE = cron_path (entry);
  struct remote_file a CLEANUP_REMOTE = { 0 };
  struct remote_file b CLEANUP_REMOTE = { 0 };
  TRY (read_source (call, entry, &a));
  TRY (remote_read (call->target, path, &b));
  if (!a.exists || strcmp (a.type, "file") != 0)
    return err_todo (err_new (ERR_BLOCKED, "RH-CRON-ABSENT",
                              "%s does not exist on the source", path),
                     "take '%s' out of the plan, or correct it", entry);
  if (b.exists && !same_content (&a, &b)
      && !json_is_true (json_at (call->item->spec, "overwrite")))
    return err_todo (err_new (ERR_BLOCKED, "RH-CRON-INWAY",
                              "the target has another %s", path),
                     "remove it there, or write 'overwrite: true' on the "
                     "item: it is then kept aside");
  json_object_set_new (modes, entry, json_integer ((json_int_t)a.mode));
  return NULL;
}

static struct err *
run_look (const struct step_call *call, json_t **result)
{
  bool there;
  TRY (remote_exists (call->target, "/usr/sbin/cron", &there));
  if (!there)
    return err_todo (err_new (ERR_BLOCKED, "RH-CRON-PACKAGE",
                              "the target has no cron"),
                     "on the target: apt-get install cron");
  json_t *modes CLEANUP_JSON = json_object ();
  size_t i;
  json_t *one;
  json_array_foreach (entries_of (call), i, one)
  {
    TRY (look_entry (call, json_string_value (one), modes));
  }
  *result
      = json_pack ("{s:O,s:O}", "entries", entries_of (call), "modes", modes);
  return NULL;
}

static struct err *
run_stage (const struct step_call *call, json_t **result)
{
  size_t i;
  json_t *one;
  json_array_foreach (entries_of (call), i, one)
  {
    struct remote_file a CLEANUP_REMOTE = { 0 };
    char *stage CLEANUP_FREE = stage_path (call, json_string_value (one));
    TRY (read_source (call, json_string_value (one), &a));
    if (!a.exists)
      return err_new (ERR_BLOCKED, "RH-CRON-ABSENT",
                      "%s does not exist on the source any more",
                      json_string_value (one));
    TRY (remote_write (call->target, stage, a.content, a.len, 0600));
  }
  *result = json_pack ("{s:O}", "staged", entries_of (call));
  return NULL;
}

/* Moves one file aside; by copy where the filesystems differ. */
static struct err *
move_file (struct port *p, const char *from, const char *to)
{
  struct remote_file a CLEANUP_REMOTE = { 0 };
  TRY (remote_read (p, from, &a));
  if (!a.exists)
    return NULL; /* moved before */
  struct err *e = remote_rename (p, from, to, true);
  if (e == NULL)
    return NULL;
  if (port_is_lost (e))
    return e;
  err_free (e);
  TRY (remote_put (p, to, &a));
  return remote_remove (p, from);
}

static char *
hold_record (const struct step_call *call)
{
  return steps_path (call, "freeze/cron-%ld.json", call->step->item);
}

static struct err *
put_back (const struct step_call *call)
{
  char *record CLEANUP_FREE = hold_record (call);
  json_t *held CLEANUP_JSON = NULL;
  TRY (remote_recall (call->source, record, &held));
  size_t i;
  json_t *one;
  json_array_foreach (json_at (held, "entries"), i, one)
  {
    char *from CLEANUP_FREE = held_path (call, json_string_value (one));
    char *to CLEANUP_FREE = cron_path (json_string_value (one));
    TRY (move_file (call->source, from, to));
  }
  return held == NULL ? NULL : remote_remove (call->source, record);
}

/* A job that cron started: in cron's group, and neither cron nor the copy of
 * itself that waits for the job. */
static struct err *
running_job (const struct step_call *call, char **out)
{
  *out = NULL;
  json_t *all CLEANUP_JSON = NULL;
  TRY (port_call (call->source, "process.list", json_object (), &all));
  size_t i;
  json_t *p;
  json_array_foreach (json_at (all, "processes"), i, p)
  {
    const char *unit = json_string_value (json_at (p, "unit"));
    const char *comm = json_string_value (json_at (p, "comm"));
    const char *state = json_string_value (json_at (p, "state"));
    if (unit == NULL || strcmp (unit, "cron.service") != 0 || comm == NULL
        || strcmp (comm, "cron") == 0 || strcmp (comm, "CRON") == 0
        || (state != NULL && (state[0] == 'Z' || state[0] == 'X')))
      continue;
    struct buf b CLEANUP_BUF = BUF_INIT;
    size_t k;
    json_t *word;
    json_array_foreach (json_at (p, "cmdline"), k, word)
    {
      TRY (
          buf_printf (&b, "%s%s", k == 0 ? "" : " ", json_string_value (word)));
    }
    *out = mem_printf ("pid %lld: %s",
                       (long long)json_integer_value (json_at (p, "pid")),
                       b.len == 0 ? comm : (const char *)b.data);
    return NULL;
  }
  return NULL;
}

static struct err *
await_jobs (const struct step_call *call)
{
  int64_t limit = plan_limits (call->plan)->jobs_wait_ms;
  int64_t end = monotonic_ms () + limit;
  for (;;) {
    char *job CLEANUP_FREE = NULL;
    TRY (running_job (call, &job));
    if (job == NULL)
      return NULL;
    if (monotonic_ms () > end)
      return err_advise (
          err_new (ERR_REFUSED, "RH-CRON-JOB",
                   "a cron job still runs after %lld s (%s): the cutover does "
                   "not begin",
                   (long long)(limit / 1000), job),
          "the source serves as before; its crontabs are in place again",
          "wait for the job or stop it, then run 'rehome cutover' again; "
          "cutover.jobs-wait in the plan says how long is waited");
    TRY (remote_pause (call, POLL_MS));
  }
}

static struct err *
run_hold (const struct step_call *call, json_t **result)
{
  char *record CLEANUP_FREE = hold_record (call);
  char *dir CLEANUP_FREE = steps_path (call, "freeze/cron");
  json_t *held CLEANUP_JSON = json_pack ("{s:O}", "entries", entries_of (call));
  TRY (remote_record (call->source, record, held));
  TRY (remote_mkdir (call->source, dir, 0700, 0, 0));
  size_t i;
  json_t *one;
  json_array_foreach (entries_of (call), i, one)
  {
    char *from CLEANUP_FREE = cron_path (json_string_value (one));
    char *to CLEANUP_FREE = held_path (call, json_string_value (one));
    TRY (move_file (call->source, from, to));
  }
  struct err *e = await_jobs (call);
  if (e != NULL && strcmp (err_code (e), "RH-CRON-JOB") == 0) {
    struct err *back = put_back (call);
    if (back != NULL) {
      err_free (e);
      return err_wrap (back, "putting the crontabs back");
    }
  }
  TRY (e);
  json_t *moves = json_array ();
  json_array_foreach (entries_of (call), i, one)
  {
    char *to CLEANUP_FREE = cron_path (json_string_value (one));
    char *from CLEANUP_FREE = held_path (call, json_string_value (one));
    json_array_append_new (moves,
                           json_pack ("{s:s,s:s}", "from", from, "to", to));
  }
  *result = json_pack ("{s:O,s:o}", "held", entries_of (call), "back", moves);
  return NULL;
}

static struct err *
probe_hold (const struct step_call *call, enum probe_state *out)
{
  char *record CLEANUP_FREE = hold_record (call);
  return steps_probe_record (call->source, record, out);
}

static struct err *
undo_hold (const struct step_call *call, json_t **result)
{
  (void)result;
  return put_back (call);
}

/* What was changed on the target in the guard goes back with its owner and
 * mode of the source. */
static struct err *
bring_back (const struct step_call *call, const char *entry, json_t *changed)
{
  char *path CLEANUP_FREE = cron_path (entry);
  char *held CLEANUP_FREE = held_path (call, entry);
  struct remote_file own CLEANUP_REMOTE = { 0 };
  struct remote_file theirs CLEANUP_REMOTE = { 0 };
  TRY (remote_read (call->source, path, &own));
  TRY (remote_read (call->target, held, &theirs));
  if (!own.exists || !theirs.exists || same_content (&own, &theirs))
    return NULL;
  struct remote_file now = own;
  now.content = theirs.content;
  now.len = theirs.len;
  now.mtime_ns[0] = '\0'; /* cron looks for a new time */
  TRY (remote_put (call->source, path, &now));
  json_array_append_new (
      changed, json_sprintf ("%s was changed on the target in the guard, and "
                             "is on the source as it was there",
                             entry));
  return NULL;
}

static struct err *
run_back (const struct step_call *call, json_t **result)
{
  json_t *changed CLEANUP_JSON = json_array ();
  size_t i;
  json_t *one;
  TRY (put_back (call));
  json_array_foreach (entries_of (call), i, one)
  {
    if (!call->alone)
      TRY (bring_back (call, json_string_value (one), changed));
  }
  *result = json_pack ("{s:O,s:O}", "released", entries_of (call), "findings",
                       changed);
  return NULL;
}

static struct err *
run_verify (const struct step_call *call, json_t **result)
{
  json_t *diffs CLEANUP_JSON = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (entries_of (call), i, one)
  {
    const char *entry = json_string_value (one);
    char *path CLEANUP_FREE = cron_path (entry);
    char *held CLEANUP_FREE = held_path (call, entry);
    char *stage CLEANUP_FREE = stage_path (call, entry);
    struct remote_file place CLEANUP_REMOTE = { 0 };
    struct remote_file a CLEANUP_REMOTE = { 0 };
    struct remote_file b CLEANUP_REMOTE = { 0 };
    TRY (remote_stat (call->source, path, &place));
    TRY (remote_read (call->source, held, &a));
    TRY (remote_read (call->target, stage, &b));
    if (place.exists)
      json_array_append_new (diffs,
                             json_sprintf ("%s is back on the source", path));
    if (!b.exists)
      json_array_append_new (diffs, json_sprintf ("%s is missing on the target",
                                                  entry));
    else if (!same_content (&a, &b))
      json_array_append_new (diffs, json_sprintf ("%s differs", entry));
  }
  if (json_array_size (diffs) > 0)
    return err_todo (steps_unequal ("RH-CRON-UNEQUAL", "crontabs are not equal",
                                    diffs),
                     "run 'rehome sync' again, which copies them anew");
  *result
      = json_pack ("{s:O,s:i}", "entries", entries_of (call), "differences", 0);
  return NULL;
}

/* Who owns the file on the target: the user and the group "crontab" there,
 * or root. */
static struct err *
set_owner (const struct step_call *call, const char *entry,
           struct remote_file *file)
{
  struct remote_file passwd CLEANUP_REMOTE = { 0 };
  struct remote_file group CLEANUP_REMOTE = { 0 };
  struct accounts_db *db CLEANUP_ACCOUNTS = NULL;
  const char *user = cron_user (entry);
  file->uid = 0;
  file->gid = 0;
  if (user == NULL)
    return NULL;
  TRY (remote_read (call->target, "/etc/passwd", &passwd));
  TRY (remote_read (call->target, "/etc/group", &group));
  TRY (accounts_db_parse (passwd.exists ? passwd.content : "", "",
                          group.exists ? group.content : "", &db));
  const struct account *a = accounts_user (db, user);
  const struct account_group *g = accounts_group (db, "crontab");
  if (a == NULL)
    return err_new (ERR_REFUSED, "RH-CRON-USER",
                    "there is no user '%s' on the target for its crontab",
                    user);
  file->uid = a->uid;
  file->gid = g == NULL ? 0 : g->gid;
  return NULL;
}

static struct err *
release_entry (const struct step_call *call, const char *entry)
{
  char *path CLEANUP_FREE = cron_path (entry);
  char *stage CLEANUP_FREE = stage_path (call, entry);
  char *slug CLEANUP_FREE = cron_slug (entry);
  char *aside CLEANUP_FREE = steps_path (call, "aside/cron-%s", slug);
  struct remote_file staged CLEANUP_REMOTE = { 0 };
  struct remote_file now CLEANUP_REMOTE = { 0 };
  TRY (remote_read (call->target, path, &now));
  TRY (remote_read (call->target, stage, &staged));
  if (!staged.exists)
    return err_new (ERR_REFUSED, "RH-CRON-STAGE", "%s is missing on the target",
                    stage);
  if (now.exists && !same_content (&now, &staged))
    TRY (remote_put (call->target, aside, &now));
  const json_t *look = steps_input (call, "%s#look", call->item->name);
  const json_t *mode = json_at (json_at (look, "modes"), entry);
  staged.mode = mode == NULL ? 0600 : (unsigned)json_integer_value (mode);
  staged.mtime_ns[0] = '\0'; /* cron looks for a new time */
  TRY (set_owner (call, entry, &staged));
  return remote_put (call->target, path, &staged);
}

static struct err *
run_release (const struct step_call *call, json_t **result)
{
  size_t i;
  json_t *one;
  json_array_foreach (entries_of (call), i, one)
  {
    TRY (release_entry (call, json_string_value (one)));
  }
  *result = json_pack ("{s:O}", "released", entries_of (call));
  return NULL;
}

static struct err *
run_clean (const struct step_call *call, json_t **result)
{
  (void)result;
  size_t i;
  json_t *one;
  json_array_foreach (entries_of (call), i, one)
  {
    char *stage CLEANUP_FREE = stage_path (call, json_string_value (one));
    TRY (remote_remove (call->target, stage));
  }
  return NULL;
}

static const struct step_row rows[] = {
  { "look", "crontabs can be moved: %s", STAGE_PREFLIGHT, STEP_PURE, SIDE_BOTH,
    60000 },
  { "stage", "crontabs copied, not active: %s", STAGE_PREPARE, STEP_IDEMPOTENT,
    SIDE_TARGET, 60000 },
  { "hold", "no new cron job starts: %s", STAGE_HOLD, STEP_REVERSIBLE,
    SIDE_SOURCE, 0 },
  { "verify", "crontabs are equal: %s", STAGE_VERIFY, STEP_PURE, SIDE_BOTH,
    60000 },
  { "release", "cron jobs run on the target: %s", STAGE_OPEN, STEP_FORWARD,
    SIDE_TARGET, 60000 },
  { "clean", "copies of crontabs removed: %s", STAGE_ACCEPT, STEP_FORWARD,
    SIDE_TARGET, 60000 },
  { "back-hold", "no new cron job starts on the target: %s", STAGE_BACK_HOLD,
    STEP_REVERSIBLE, SIDE_TARGET, 0 },
  { "back-release", "cron jobs run on the source again: %s", STAGE_BACK_OPEN,
    STEP_FORWARD, SIDE_SOURCE, 60000 },
};

static struct err *
describe (const struct plan *plan, const struct plan_item *item,
          struct graph *g)
{
  const char *colon = strchr (item->name, ':');
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    TRY (steps_add (g, &rows[i], "cron", item->name,
                    colon == NULL ? item->name : colon + 1,
                    steps_item_index (plan, item), NULL, NULL));
  return NULL;
}

static const struct step_op ops[] = {
  { "look", run_look, NULL, NULL },
  { "stage", run_stage, steps_probe_again, NULL },
  { "hold", run_hold, probe_hold, undo_hold },
  { "verify", run_verify, NULL, NULL },
  { "release", run_release, steps_probe_again, NULL },
  { "clean", run_clean, NULL, NULL },
  { "back-release", run_back, steps_probe_again, NULL },
  { NULL, NULL, NULL, NULL },
};

static const struct back_op back_ops[] = {
  { "back-hold", BACK_MIRRORED, "hold" },
  { NULL, BACK_MIRRORED, NULL },
};

const struct provider provider_cron = {
  .kind = { "cron", check, name },
  .about = "crontabs of users and of the system",
  .describe = describe,
  .ops = ops,
  .back_ops = back_ops,
  .reverse = REVERSE_DELTA,
  .discover = NULL,
};
