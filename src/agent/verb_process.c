/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs about processes and sockets. */
#include "agent/verb.h"

#include "agent/fence.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "host/durable.h"
#include "host/listeners.h"
#include "host/procs.h"
#include "host/suspend.h"
#include "host/writers.h"

#include <string.h>

enum { LIST_MAX = 100000, PATHS_SHOWN = 8 };

static json_t *
bytes (const char *s)
{
  return json_bytes (s == NULL ? "" : s, s == NULL ? 0 : strlen (s));
}

/* --- arguments ---------------------------------------------------------------
 */

struct uids {
  VEC (uid_t) list;
};

static void
uids_free (struct uids *u)
{
  VEC_FREE (&u->list);
}

static struct err *
wrong_list (const char *key)
{
  return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                  "\"%s\" is not a list as it must be", key);
}

static struct err *
get_list (const json_t *args, const char *key, json_t **out)
{
  TRY (json_get_array (args, key, out));
  return json_array_size (*out) > LIST_MAX ? wrong_list (key) : NULL;
}

static struct err *
get_uids (const json_t *args, const char *key, struct uids *out)
{
  json_t *list = NULL;
  if (json_at (args, key) == NULL)
    return NULL;
  TRY (get_list (args, key, &list));
  for (size_t i = 0; i < json_array_size (list); i++) {
    const json_t *v = json_array_get (list, i);
    json_int_t n = json_integer_value (v);
    if (!json_is_integer (v) || n < 0 || n >= UINT32_MAX)
      return wrong_list (key);
    *VEC_PUSH (&out->list) = (uid_t)n;
  }
  return NULL;
}

struct named {
  VEC (struct suspend_pid) list;
};

static void
named_free (struct named *n)
{
  VEC_FREE (&n->list);
}

static struct err *
get_pids (const json_t *args, struct named *out)
{
  json_t *list = NULL;
  if (json_at (args, "pids") == NULL)
    return NULL;
  TRY (get_list (args, "pids", &list));
  for (size_t i = 0; i < json_array_size (list); i++) {
    int64_t pid;
    uint64_t start;
    TRY (json_get_int (json_array_get (list, i), "pid", 2, INT32_MAX, &pid));
    TRY (json_get_u64 (json_array_get (list, i), "start", &start));
    *VEC_PUSH (&out->list)
        = (struct suspend_pid){ .pid = (pid_t)pid, .start = start };
  }
  return NULL;
}

/* The record's path; its directory is made where `make`. */
static struct err *
get_record (const json_t *args, bool make, char **out)
{
  CLEANUP_FREE char *path = NULL;
  TRY (json_get_bytes (args, "record", &path, NULL));
  if (!fence_is_state (path) || strstr (path, "/../") != NULL)
    return err_new (ERR_CORRECT, "RH-PROCESS-RECORD",
                    "\"record\" does not lie below %s", fence_state_dir ());
  CLEANUP_FREE char *dir
      = mem_strndup (path, (size_t)(strrchr (path, '/') - path));
  if (make)
    TRY (durable_mkdirs (dir, 0700));
  *out = STEAL (path);
  return NULL;
}

/* --- process.list
 * --------------------------------------------------------------- */

static json_t *
cmdline_of (pid_t pid)
{
  json_t *words = json_array ();
  CLEANUP_BUF struct buf b = BUF_INIT;
  if (proc_cmdline (pid, &b) != 0)
    return words;
  for (size_t at = 0; at < b.len;) {
    const char *word = (const char *)b.data + at;
    size_t len = strnlen (word, b.len - at);
    json_array_append_new (words, json_bytes (word, len));
    at += len + 1;
  }
  return words;
}

static json_t *
proc_row (const struct proc *p)
{
  char state[2] = { p->state, '\0' };
  json_t *o = json_object ();
  json_object_set_new (o, "pid", json_integer (p->pid));
  json_object_set_new (o, "start", json_u64 (p->start));
  json_object_set_new (o, "ppid", json_integer (p->ppid));
  json_object_set_new (o, "uid", json_integer ((json_int_t)p->uid));
  json_object_set_new (o, "comm", bytes (p->comm));
  json_object_set_new (o, "cmdline", cmdline_of (p->pid));
  json_object_set_new (o, "state", json_string (state));
  json_object_set_new (o, "unit", bytes (p->unit));
  json_object_set_new (o, "cgroup", bytes (p->cgroup));
  json_object_set_new (o, "kernel", json_boolean (p->kernel));
  return o;
}

static bool
is_wanted (const struct uids *uids, const struct proc *p)
{
  for (size_t i = 0; i < uids->list.n; i++)
    if (uids->list.v[i] == p->uid || uids->list.v[i] == p->euid)
      return true;
  return false;
}

static struct err *
run_list (struct verb_call *call, json_t **result)
{
  CLEANUP (uids_free) struct uids uids = { { NULL, 0, 0 } };
  bool all = json_at (call->args, "users") == NULL;
  TRY (get_uids (call->args, "users", &uids));
  CLEANUP (procs_free) struct procs procs;
  TRY (procs_scan (&procs));
  json_t *rows = json_array ();
  for (size_t i = 0; i < procs.list.n; i++)
    if (all || is_wanted (&uids, &procs.list.v[i]))
      json_array_append_new (rows, proc_row (&procs.list.v[i]));
  *result = json_pack ("{s:o}", "processes", rows);
  return NULL;
}

/* --- process.writers, process.open
 * ---------------------------------------------------- */

static json_t *
who_row (const struct writer *w)
{
  char state[2] = { w->state, '\0' };
  json_t *o = json_object ();
  json_object_set_new (o, "pid", json_integer (w->pid));
  json_object_set_new (o, "start", json_u64 (w->start));
  json_object_set_new (o, "uid", json_integer ((json_int_t)w->uid));
  json_object_set_new (o, "comm", bytes (w->comm));
  json_object_set_new (o, "unit", bytes (w->unit));
  json_object_set_new (o, "state", json_string (state));
  return o;
}

static json_t *
writer_row (const struct writer *w)
{
  json_t *o = who_row (w);
  json_object_set_new (o, "path", bytes (w->path));
  json_object_set_new (o, "under", bytes (w->under));
  json_object_set_new (o, "how", json_string (w->mapped ? "mapped" : "fd"));
  json_object_set_new (o, "deleted", json_boolean (w->deleted));
  return o;
}

struct paths {
  VEC (char *) list;
};

static void
paths_free (struct paths *p)
{
  for (size_t i = 0; i < p->list.n; i++)
    free (p->list.v[i]);
  VEC_FREE (&p->list);
}

static struct err *
get_paths (const json_t *args, struct paths *out)
{
  json_t *list;
  TRY (get_list (args, "paths", &list));
  for (size_t i = 0; i < json_array_size (list); i++) {
    const char *text = json_string_value (json_array_get (list, i));
    CLEANUP_FREE char *path = NULL;
    size_t len = 0;
    if (text != NULL)
      TRY (text_decode (text, &path, &len));
    if (path == NULL || path[0] != '/' || strlen (path) != len)
      return wrong_list ("paths");
    *VEC_PUSH (&out->list) = STEAL (path);
  }
  return NULL;
}

static struct err *
run_writers (struct verb_call *call, json_t **result)
{
  CLEANUP (paths_free) struct paths paths = { { NULL, 0, 0 } };
  TRY (get_paths (call->args, &paths));
  CLEANUP (writers_free) struct writers w = { { NULL, 0, 0 }, 0 };
  TRY (writers_under ((const char *const *)paths.list.v, paths.list.n, &w));
  json_t *rows = json_array ();
  for (size_t i = 0; i < w.list.n; i++)
    json_array_append_new (rows, writer_row (&w.list.v[i]));
  *result = json_pack ("{s:o, s:I}", "writers", rows, "unreadable",
                       (json_int_t)w.unreadable);
  return NULL;
}

/* One row for the `n` writers of one process that stand in a row. */
static json_t *
open_row (const struct writer *w, size_t n)
{
  json_t *o = who_row (w);
  json_t *paths = json_array ();
  for (size_t i = 0; i < n && i < PATHS_SHOWN; i++)
    json_array_append_new (paths, bytes (w[i].path));
  json_object_set_new (o, "paths", paths);
  json_object_set_new (o, "count", json_integer ((json_int_t)n));
  return o;
}

static struct err *
run_open (struct verb_call *call, json_t **result)
{
  (void)call;
  CLEANUP (writers_free) struct writers w = { { NULL, 0, 0 }, 0 };
  TRY (writers_everywhere (&w));
  json_t *rows = json_array ();
  for (size_t i = 0, n; i < w.list.n; i += n) {
    n = 1;
    while (i + n < w.list.n && w.list.v[i + n].pid == w.list.v[i].pid)
      n++;
    json_array_append_new (rows, open_row (&w.list.v[i], n));
  }
  *result = json_pack ("{s:o, s:I}", "writers", rows, "unreadable",
                       (json_int_t)w.unreadable);
  return NULL;
}

/* --- process.listeners
 * -------------------------------------------------------------------- */

static json_t *
listener_row (const struct listener *l)
{
  json_t *o = json_object ();
  json_object_set_new (o, "proto", json_string (l->proto));
  json_object_set_new (o, "address", bytes (l->address));
  json_object_set_new (o, "port", json_integer ((json_int_t)l->port));
  json_object_set_new (o, "pid", json_integer (l->pid));
  json_object_set_new (o, "comm", bytes (l->comm));
  json_object_set_new (o, "unit", bytes (l->unit));
  json_object_set_new (
      o, "uid", json_integer (l->uid == (uid_t)-1 ? -1 : (json_int_t)l->uid));
  return o;
}

static struct err *
run_listeners (struct verb_call *call, json_t **result)
{
  (void)call;
  CLEANUP (listeners_free) struct listeners l = { { NULL, 0, 0 } };
  TRY (listeners_scan (&l));
  json_t *rows = json_array ();
  for (size_t i = 0; i < l.list.n; i++)
    json_array_append_new (rows, listener_row (&l.list.v[i]));
  *result = json_pack ("{s:o}", "listeners", rows);
  return NULL;
}

/* --- process.suspend, process.resume
 * --------------------------------------------------------- */

static struct err *
run_suspend (struct verb_call *call, json_t **result)
{
  CLEANUP (uids_free) struct uids uids = { { NULL, 0, 0 } };
  CLEANUP (named_free) struct named pids = { { NULL, 0, 0 } };
  CLEANUP_FREE char *record = NULL;
  int64_t timeout;
  TRY (get_uids (call->args, "uids", &uids));
  TRY (get_pids (call->args, &pids));
  TRY (json_opt_int (call->args, "timeout_ms", 1, 600000, 10000, &timeout));
  TRY (get_record (call->args, true, &record));
  struct suspend_who who = { .uids = uids.list.v,
                             .uid_count = uids.list.n,
                             .pids = pids.list.v,
                             .pid_count = pids.list.n,
                             .timeout_ms = (long)timeout };
  size_t suspended;
  TRY (suspend_all (&who, record, &suspended));
  *result = json_pack ("{s:I}", "suspended", (json_int_t)suspended);
  return NULL;
}

static struct err *
run_resume (struct verb_call *call, json_t **result)
{
  CLEANUP_FREE char *record = NULL;
  size_t resumed;
  TRY (get_record (call->args, false, &record));
  TRY (suspend_resume (record, &resumed));
  *result = json_pack ("{s:I}", "resumed", (json_int_t)resumed);
  return NULL;
}

const struct verb verbs_process[] = {
  { "process.list", 0, run_list },
  { "process.writers", 0, run_writers },
  { "process.open", 0, run_open },
  { "process.listeners", 0, run_listeners },
  { "process.suspend", 0, run_suspend },
  { "process.resume", 0, run_resume },
  { NULL, 0, NULL },
};
