/* SPDX-License-Identifier: Apache-2.0 */
#include "host/suspend.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"
#include "host/durable.h"
#include "host/facts.h"
#include "host/procs.h"
#include "host/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { RECORD_MAX = 64 << 20, DEFAULT_MS = 10000, PAUSE_MS = 20 };

struct stopped {
  VEC (struct suspend_pid) list;
};

static void
stopped_free (struct stopped *s)
{
  VEC_FREE (&s->list);
}

static bool
has (const struct stopped *s, const struct proc *p)
{
  for (size_t i = 0; i < s->list.n; i++)
    if (s->list.v[i].pid == p->pid && s->list.v[i].start == p->start)
      return true;
  return false;
}

/* --- the record ------------------------------------------------------------
 */

static struct err *
record_save (const char *path, const struct stopped *s)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  char boot[37];
  host_boot_id (boot);
  TRY (buf_printf (&b, "{\"boot_id\":\"%s\",\"processes\":[", boot));
  for (size_t i = 0; i < s->list.n; i++)
    TRY (buf_printf (&b, "%s{\"pid\":%d,\"start\":\"%" PRIu64 "\"}",
                     i == 0 ? "" : ",", s->list.v[i].pid, s->list.v[i].start));
  TRY (buf_put_str (&b, "]}\n"));
  return err_wrap (durable_put (path, b.data, b.len),
                   "cannot record what is suspended");
}

static struct err *
bad_record (const char *path, const char *why)
{
  CLEANUP_FREE char *shown = text_escape (path, strlen (path));
  return err_new (ERR_CORRUPT, "RH-PROCESS-RECORD",
                  "the record of suspended processes '%s' %s", shown, why);
}

static struct err *
parse (const char *path, const json_t *root, struct stopped *out)
{
  const char *boot = json_string_value (json_object_get (root, "boot_id"));
  const json_t *list = json_object_get (root, "processes");
  if (boot == NULL || !json_is_array (list))
    return bad_record (path, "is not one");
  char now[37];
  host_boot_id (now);
  if (strcmp (boot, now) != 0)
    return NULL;
  for (size_t i = 0; i < json_array_size (list); i++) {
    const json_t *row = json_array_get (list, i);
    json_int_t pid = json_integer_value (json_object_get (row, "pid"));
    const char *start = json_string_value (json_object_get (row, "start"));
    if (pid <= 1 || pid > INT32_MAX || start == NULL)
      return bad_record (path, "has a malformed row");
    struct suspend_pid *p = VEC_PUSH (&out->list);
    p->pid = (pid_t)pid;
    p->start = strtoull (start, NULL, 10);
  }
  return NULL;
}

static struct err *
record_load (const char *path, struct stopped *out, bool *found)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  int bad = slurp_at (AT_FDCWD, path, RECORD_MAX, &b);
  *found = bad != ENOENT;
  if (bad == ENOENT)
    return NULL;
  if (bad != 0)
    return bad_record (path, "cannot be read");
  json_t *root = json_loadb ((const char *)b.data, b.len, 0, NULL);
  if (root == NULL)
    return bad_record (path, "is not JSON");
  struct err *e = parse (path, root, out);
  json_decref (root);
  return e;
}

static struct err *
record_remove (const char *path)
{
  const char *slash = strrchr (path, '/');
  CLEANUP_FREE char *dir = slash == NULL || slash == path
                               ? mem_strdup (slash == NULL ? "." : "/")
                               : mem_strndup (path, (size_t)(slash - path));
  CLEANUP_FD int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return err_sys (errno, "RH-FILE-WRITE", "cannot open '%s'", dir);
  bool removed;
  return durable_remove (fd, slash == NULL ? path : slash + 1, &removed);
}

/* --- who is meant ------------------------------------------------------------
 */

enum mark { MARK_NONE, MARK_WANTED, MARK_SPARED };

static bool
is_program (pid_t pid, const struct stat *own)
{
  char path[64];
  struct stat st;
  snprintf (path, sizeof path, "/proc/%d/exe", pid);
  return stat (path, &st) == 0 && st.st_dev == own->st_dev
         && st.st_ino == own->st_ino;
}

static void
spare_with_parents (const struct procs *procs, enum mark *marks,
                    const struct proc *p)
{
  for (size_t hops = 0; p != NULL && hops < procs->list.n; hops++) {
    marks[p - procs->list.v] = MARK_SPARED;
    p = procs_find (procs, p->ppid);
  }
}

/* This program's processes and what they hang on.  One that is itself asked
 * for by its number is no session of ours (tests fork such). */
static void
spare_own (const struct procs *procs, enum mark *marks)
{
  struct stat own;
  bool known = stat ("/proc/self/exe", &own) == 0;
  for (size_t i = 0; i < procs->list.n; i++) {
    const struct proc *p = &procs->list.v[i];
    if (p->kernel || p->pid == 1)
      marks[i] = MARK_SPARED;
    else if (p->pid == getpid ()
             || (known && marks[i] == MARK_NONE && is_program (p->pid, &own)))
      spare_with_parents (procs, marks, p);
  }
}

static bool
is_named (const struct suspend_who *who, const struct proc *p)
{
  for (size_t i = 0; i < who->pid_count; i++)
    if (who->pids[i].pid == p->pid && who->pids[i].start == p->start)
      return true;
  return false;
}

static bool
has_uid (const struct suspend_who *who, const struct proc *p)
{
  for (size_t i = 0; i < who->uid_count; i++)
    if (who->uids[i] == p->uid || who->uids[i] == p->euid)
      return true;
  return false;
}

/* Descendants of the named and of those stopped already (whose number may
 * have outlived a parent between them). */
static void
mark_descendants (const struct procs *procs, enum mark *marks)
{
  for (bool more = true; more;) {
    more = false;
    for (size_t i = 0; i < procs->list.n; i++) {
      const struct proc *parent = procs_find (procs, procs->list.v[i].ppid);
      if (parent != NULL && marks[i] == MARK_NONE
          && marks[parent - procs->list.v] == MARK_WANTED)
      {
        marks[i] = MARK_WANTED;
        more = true;
      }
    }
  }
}

static enum mark *
mark (const struct suspend_who *who, const struct procs *procs,
      const struct stopped *stopped)
{
  enum mark *marks = mem_alloc ((procs->list.n + 1) * sizeof *marks);
  for (size_t i = 0; i < procs->list.n; i++)
    if (is_named (who, &procs->list.v[i])
        || (who->pid_count > 0 && has (stopped, &procs->list.v[i])))
      marks[i] = MARK_WANTED;
  mark_descendants (procs, marks);
  spare_own (procs, marks);
  for (size_t i = 0; i < procs->list.n; i++)
    if (marks[i] == MARK_NONE && has_uid (who, &procs->list.v[i]))
      marks[i] = MARK_WANTED;
  return marks;
}

static bool
is_still (const struct proc *p)
{
  return p->state == 'T' || p->state == 't' || p->state == 'Z'
         || p->state == 'X';
}

/* --- rounds
 * ---------------------------------------------------------------------- */

/* One look: new ones go into the record, then the signals.  *running counts
 * those that were not still; *name is one of them. */
static struct err *
stop_round (const struct suspend_who *who, const char *record,
            struct stopped *stopped, size_t *running, char *name, size_t size)
{
  CLEANUP (procs_free) struct procs procs;
  TRY (procs_scan (&procs));
  CLEANUP_FREE enum mark *marks = mark (who, &procs, stopped);
  size_t before = stopped->list.n;
  *running = 0;
  for (size_t i = 0; i < procs.list.n; i++) {
    const struct proc *p = &procs.list.v[i];
    if (marks[i] != MARK_WANTED || is_still (p))
      continue;
    ++*running;
    snprintf (name, size, "%s (%d)", p->comm, p->pid);
    if (!has (stopped, p))
      *VEC_PUSH (&stopped->list)
          = (struct suspend_pid){ .pid = p->pid, .start = p->start };
  }
  if (stopped->list.n > before)
    TRY (record_save (record, stopped));
  for (size_t i = 0; i < procs.list.n; i++) {
    const struct proc *p = &procs.list.v[i];
    if (marks[i] == MARK_WANTED && !is_still (p) && proc_is (p->pid, p->start))
      kill (p->pid, SIGSTOP);
  }
  return NULL;
}

static size_t
resume_list (const struct stopped *s)
{
  size_t resumed = 0;
  for (size_t i = s->list.n; i > 0; i--) {
    const struct suspend_pid *p = &s->list.v[i - 1];
    if (proc_is (p->pid, p->start) && kill (p->pid, SIGCONT) == 0)
      resumed++;
  }
  return resumed;
}

static struct err *
stop_until_still (const struct suspend_who *who, const char *record,
                  struct stopped *stopped)
{
  int64_t limit
      = monotonic_ms () + (who->timeout_ms > 0 ? who->timeout_ms : DEFAULT_MS);
  /* Twice in a row nothing ran: what a running one forked while the first
   * look went through the list is in the second. */
  for (int quiet = 0; quiet < 2;) {
    size_t running;
    char name[96] = "";
    TRY (stop_round (who, record, stopped, &running, name, sizeof name));
    quiet = running == 0 ? quiet + 1 : 0;
    if (running > 0 && monotonic_ms () >= limit) {
      CLEANUP_FREE char *shown = text_escape (name, strlen (name));
      return err_todo (
          err_new (ERR_TRANSIENT, "RH-PROCESS-RUNNING",
                   "%zu processes could not be suspended, among them %s",
                   running, shown),
          "look at what %s waits for, then try again", shown);
    }
    if (running > 0) {
      struct timespec pause = { 0, PAUSE_MS * 1000000L };
      nanosleep (&pause, NULL);
    }
  }
  return NULL;
}

struct err *
suspend_all (const struct suspend_who *who, const char *record,
             size_t *suspended)
{
  *suspended = 0;
  for (size_t i = 0; i < who->uid_count; i++)
    if (who->uids[i] == 0)
      return err_new (ERR_REFUSED, "RH-PROCESS-ROOT",
                      "the processes of root are not suspended as a whole");
  CLEANUP (stopped_free) struct stopped stopped = { { NULL, 0, 0 } };
  bool found;
  TRY (record_load (record, &stopped, &found));
  TRY (record_save (record, &stopped));
  struct err *e = stop_until_still (who, record, &stopped);
  if (e != NULL) {
    resume_list (&stopped);
    CLEANUP_ERR struct err *second = record_remove (record);
    return err_advise (e, "what was stopped goes on again", NULL);
  }
  *suspended = stopped.list.n;
  return NULL;
}

struct err *
suspend_resume (const char *record, size_t *resumed)
{
  *resumed = 0;
  CLEANUP (stopped_free) struct stopped stopped = { { NULL, 0, 0 } };
  bool found;
  TRY (record_load (record, &stopped, &found));
  if (!found)
    return NULL;
  *resumed = resume_list (&stopped);
  return record_remove (record);
}
