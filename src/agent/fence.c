/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/fence.h"

#include "agent/sole.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "host/durable.h"
#include "host/rooted.h"
#include "host/slurp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

enum { ID_MAX = 64, FENCE_MAX = 8 << 20, DIR_MODE = 0700 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *state_dir; /* NULL: the default */

/* What this process claimed. */
static struct {
  char id[ID_MAX + 1];
  int64_t epoch;
  char *controller;
} claim;

const char *
fence_state_dir (void)
{
  return state_dir == NULL ? "/var/lib/rehome" : state_dir;
}

void
fence_set_state_dir (const char *dir)
{
  free (state_dir);
  state_dir = mem_strdup (dir);
  claim.id[0] = '\0';
}

bool
fence_is_state (const char *path)
{
  size_t len = strlen (fence_state_dir ());
  if (strncmp (path, fence_state_dir (), len) != 0)
    return false;
  return path[len] == '/' && path[len + strspn (path + len, "/")] != '\0';
}

void
fence_free (struct fence *f)
{
  free (f->controller);
  free (f->hash);
  json_decref (f->items);
  *f = (struct fence){ .epoch = 0 };
}

static bool
is_id (const char *id)
{
  size_t len = strspn (id, "abcdefghijklmnopqrstuvwxyz0123456789-");
  return len >= 1 && len <= ID_MAX && id[len] == '\0';
}

struct err *
fence_check_id (const char *id)
{
  if (is_id (id))
    return NULL;
  size_t len = strlen (id);
  CLEANUP_FREE char *shown = text_escape (id, len > ID_MAX ? ID_MAX : len);
  return err_new (ERR_CORRECT, "RH-FENCE-ID",
                  "'%s' is no migration id: 1 to 64 of a-z, 0-9 and -", shown);
}

/* --- the file ----------------------------------------------------------------
 */

static struct err *
from_json (const json_t *o, struct fence *out)
{
  const char *controller, *hash;
  json_t *items;
  TRY (json_get_int (o, "epoch", 0, INT64_MAX, &out->epoch));
  TRY (json_get_int (o, "seq", 0, INT64_MAX, &out->seq));
  TRY (json_get_str (o, "controller", &controller));
  TRY (json_get_str (o, "hash", &hash));
  TRY (json_get_array (o, "items", &items));
  TRY (json_opt_bool (o, "released", false, &out->released));
  out->controller = mem_strdup (controller);
  out->hash = mem_strdup (hash);
  out->items = json_incref (items);
  return NULL;
}

static json_t *
to_json (const char *id, const struct fence *f)
{
  return json_pack ("{s:i, s:s, s:I, s:s, s:I, s:s, s:O, s:b}", "v", 1,
                    "migration", id, "epoch", (json_int_t)f->epoch,
                    "controller", f->controller, "seq", (json_int_t)f->seq,
                    "hash", f->hash, "items", f->items, "released",
                    f->released);
}

/* A fence that cannot be read is never taken for none. */
static struct err *
unreadable (const char *id, int errnum)
{
  return err_todo (err_sys (errnum, "RH-FENCE-FILE",
                            "the fence of migration %s cannot be read", id),
                   "look at %s/%s/fence: who wrote it last decides",
                   fence_state_dir (), id);
}

/* The file at `path` below the state directory; *found false when absent. */
static struct err *
load (const char *id, struct fence *out, bool *found)
{
  CLEANUP_FREE char *path = mem_printf ("%s/%s/fence", fence_state_dir (), id);
  CLEANUP_BUF struct buf b = BUF_INIT;
  *found = false;
  CLEANUP_FD int fd = open (path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
    return NULL;
  int bad = fd < 0 ? errno : slurp_fd (fd, FENCE_MAX, &b);
  if (bad != 0)
    return unreadable (id, bad);
  CLEANUP_JSON json_t *o = NULL;
  CLEANUP_ERR struct err *e
      = json_parse (b.data == NULL ? "" : (const char *)b.data, b.len,
                    FENCE_MAX, &o);
  if (e == NULL)
    e = from_json (o, out);
  if (e != NULL) {
    fence_free (out);
    return unreadable (id, EBADMSG);
  }
  *found = true;
  return NULL;
}

static struct err *
save (const char *id, const struct fence *f)
{
  CLEANUP_FREE char *dir = mem_printf ("%s/%s", fence_state_dir (), id);
  CLEANUP_FREE char *path = mem_printf ("%s/fence", dir);
  TRY (durable_mkdirs (dir, DIR_MODE));
  CLEANUP_JSON json_t *o = to_json (id, f);
  if (o == NULL)
    return err_new (ERR_BUG, "RH-FENCE-FILE", "the fence cannot be written");
  CLEANUP_FREE char *line = json_line (o);
  return durable_put (path, line, strlen (line));
}

/* One claim at a time on this host; closing the descriptor ends it. */
static struct err *
hold (int *fd)
{
  TRY (durable_mkdirs (fence_state_dir (), DIR_MODE));
  *fd = open (fence_state_dir (), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (*fd < 0 || flock (*fd, LOCK_EX) != 0)
    return err_sys (errno, "RH-FENCE-FILE", "cannot lock %s",
                    fence_state_dir ());
  return NULL;
}

/* --- what is refused
 * -------------------------------------------------------------- */

static struct err *
check_epoch (const char *id, const struct fence *has, const struct fence *wants)
{
  if (wants->epoch > has->epoch)
    return NULL;
  bool same = strcmp (wants->controller, has->controller) == 0;
  if (wants->epoch == has->epoch && same)
    return NULL;
  CLEANUP_FREE char *who
      = text_escape (has->controller, strlen (has->controller));
  return err_todo (
      err_new (ERR_REFUSED, "RH-FENCE-EPOCH",
               "migration %s belongs to controller %s with epoch %lld here;"
               " epoch %lld is refused",
               id, who, (long long)has->epoch, (long long)wants->epoch),
      "go on with that controller, or take over from its journal");
}

static bool
is_head (const struct fence *has, int64_t seq, const char *hash)
{
  return seq == has->seq && strcmp (hash, has->hash) == 0;
}

static struct err *
other_history (const char *id, const struct fence *has)
{
  return err_todo (
      err_new (ERR_REFUSED, "RH-FENCE-HISTORY",
               "the journal of migration %s does not extend what this host"
               " has seen (record %lld)",
               id, (long long)has->seq),
      "use the journal that holds record %lld with hash %s",
      (long long)has->seq, has->hash);
}

/* A longer journal may still be another one: a copy of an older state that
 * was written on. */
static struct err *
check_history (const char *id, const struct fence *has,
               const struct fence *wants, const struct fence_head *known)
{
  bool longer
      = wants->seq > has->seq
        && (has->seq == 0
            || (known != NULL && is_head (has, known->seq, known->hash)));
  if (longer || is_head (has, wants->seq, wants->hash))
    return NULL;
  return other_history (id, has);
}

/* The same item, or a path within the other's path. */
static bool
overlap (const char *a, const char *b)
{
  size_t la = strlen (a), lb = strlen (b), n = la < lb ? la : lb;
  if (strncmp (a, b, n) != 0)
    return false;
  const char *longer = la < lb ? b : a;
  return la == lb || longer[n] == '/' || (n > 0 && longer[n - 1] == '/');
}

static const char *
shared_item (const json_t *a, const json_t *b)
{
  for (size_t i = 0; i < json_array_size (a); i++)
    for (size_t k = 0; k < json_array_size (b); k++) {
      const char *mine = json_string_value (json_array_get (a, i));
      const char *theirs = json_string_value (json_array_get (b, k));
      if (mine != NULL && theirs != NULL && overlap (mine, theirs))
        return mine;
    }
  return NULL;
}

static struct err *
check_owner (const char *other, const struct fence *wants)
{
  CLEANUP_FENCE struct fence has = { .epoch = 0 };
  bool found;
  TRY (load (other, &has, &found));
  const char *item
      = found && !has.released ? shared_item (wants->items, has.items) : NULL;
  if (item == NULL)
    return NULL;
  CLEANUP_FREE char *shown = text_escape (item, strlen (item));
  CLEANUP_FREE char *who
      = text_escape (has.controller, strlen (has.controller));
  return err_todo (err_new (ERR_REFUSED, "RH-FENCE-OWNED",
                            "%s belongs to migration %s of controller %s",
                            shown, other, who),
                   "accept or abort migration %s first, or leave %s out", other,
                   shown);
}

static struct err *
check_owners (const char *id, const struct fence *wants)
{
  CLEANUP_JSON json_t *ids = NULL;
  TRY (fence_list (&ids));
  for (size_t i = 0; i < json_array_size (ids); i++) {
    const char *other = json_string_value (json_array_get (ids, i));
    if (strcmp (other, id) != 0)
      TRY (check_owner (other, wants));
  }
  return NULL;
}

/* --- public
 * ------------------------------------------------------------------------- */

struct err *
fence_read (const char *id, struct fence *out, bool *found)
{
  TRY (fence_check_id (id));
  return load (id, out, found);
}

static void
remember (const char *id, const struct fence *f)
{
  pthread_mutex_lock (&lock);
  snprintf (claim.id, sizeof claim.id, "%s", id);
  claim.epoch = f->epoch;
  free (claim.controller);
  claim.controller = mem_strdup (f->controller);
  pthread_mutex_unlock (&lock);
}

struct err *
fence_claim (const char *id, const struct fence *wanted,
             const struct fence_head *known)
{
  TRY (fence_check_id (id));
  CLEANUP_FD int held = -1;
  TRY (hold (&held));
  CLEANUP_FENCE struct fence has = { .epoch = 0 };
  bool found;
  TRY (load (id, &has, &found));
  if (found) {
    TRY (check_epoch (id, &has, wanted));
    TRY (check_history (id, &has, wanted, known));
  }
  TRY (check_owners (id, wanted));
  TRY (save (id, wanted));
  remember (id, wanted);
  return NULL;
}

struct err *
fence_head (const char *id, const struct fence_head *head)
{
  CLEANUP_FREE char *controller = NULL;
  int64_t epoch;
  TRY (fence_check_id (id));
  TRY (fence_claimed (id, &epoch, &controller));
  CLEANUP_FD int held = -1;
  TRY (hold (&held));
  TRY (fence_still_ours ());
  CLEANUP_FENCE struct fence has = { .epoch = 0 };
  bool found;
  TRY (load (id, &has, &found));
  if (!found || head->seq < has.seq || is_head (&has, head->seq, head->hash))
    return NULL;
  if (head->seq == has.seq)
    return other_history (id, &has);
  has.seq = head->seq;
  free (has.hash);
  has.hash = mem_strdup (head->hash);
  return save (id, &has);
}

/* Whether the fence as it lies there still is the claim of this process. */
static struct err *
check_claim (const char *id, int64_t epoch, const char *controller)
{
  CLEANUP_FENCE struct fence has = { .epoch = 0 };
  bool found;
  TRY (load (id, &has, &found));
  if (!found)
    return NULL;
  struct fence ours = { .epoch = epoch };
  CLEANUP_FREE char *who = ours.controller = mem_strdup (controller);
  return check_epoch (id, &has, &ours);
}

struct err *
fence_still_ours (void)
{
  char id[ID_MAX + 1];
  CLEANUP_FREE char *controller = NULL;
  pthread_mutex_lock (&lock);
  memcpy (id, claim.id, sizeof id);
  int64_t epoch = claim.epoch;
  controller = mem_strdup (claim.controller);
  pthread_mutex_unlock (&lock);
  return id[0] == '\0' ? NULL : check_claim (id, epoch, controller);
}

struct err *
fence_claimed (const char *id, int64_t *epoch, char **controller)
{
  pthread_mutex_lock (&lock);
  bool ours = strcmp (claim.id, id) == 0;
  *epoch = claim.epoch;
  *controller = ours ? mem_strdup (claim.controller) : NULL;
  pthread_mutex_unlock (&lock);
  return ours ? NULL
              : err_new (ERR_REFUSED, "RH-FENCE-EPOCH",
                         "migration %s is not claimed on this connection", id);
}

static struct err *
remove_fence (const char *path)
{
  CLEANUP_FD int dir = -1;
  TRY (rooted_open_root (path, &dir));
  bool removed;
  TRY (durable_remove (dir, "fence", &removed));
  /* What else lies there is removed by who put it there. */
  if (rmdir (path) != 0)
    return NULL;
  CLEANUP_FD int above = -1;
  TRY (rooted_open_root (fence_state_dir (), &above));
  return durable_sync_dir (above);
}

struct err *
fence_release (const char *id, bool tombstone)
{
  TRY (fence_check_id (id));
  pthread_mutex_lock (&lock);
  bool ours = strcmp (claim.id, id) == 0;
  pthread_mutex_unlock (&lock);
  CLEANUP_FD int held = -1;
  TRY (hold (&held));
  CLEANUP_FENCE struct fence has = { .epoch = 0 };
  bool found;
  TRY (load (id, &has, &found));
  if (!found)
    return NULL;
  if (!ours)
    return err_new (ERR_REFUSED, "RH-FENCE-EPOCH",
                    "migration %s is not claimed on this connection", id);
  TRY (fence_still_ours ());
  CLEANUP_FREE char *path = mem_printf ("%s/%s", fence_state_dir (), id);
  sole_forget (path);
  if (!tombstone)
    return remove_fence (path);
  has.released = true;
  return save (id, &has);
}

static int
by_name (const void *a, const void *b)
{
  const char *const *x = a, *const *y = b;
  return strcmp (*x, *y);
}

struct err *
fence_list (json_t **ids)
{
  *ids = json_array ();
  DIR *dir = opendir (fence_state_dir ());
  if (dir == NULL)
    return errno == ENOENT ? NULL
                           : err_sys (errno, "RH-FENCE-FILE", "cannot list %s",
                                      fence_state_dir ());
  VEC (char *) names = { NULL, 0, 0 };
  for (struct dirent *e; (e = readdir (dir)) != NULL;) {
    CLEANUP_FREE char *path = mem_printf ("%s/fence", e->d_name);
    if (is_id (e->d_name)
        && faccessat (dirfd (dir), path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
      *VEC_PUSH (&names) = mem_strdup (e->d_name);
  }
  closedir (dir);
  if (names.n > 1)
    qsort (names.v, names.n, sizeof *names.v, by_name);
  for (size_t i = 0; i < names.n; i++) {
    json_array_append_new (*ids, json_string (names.v[i]));
    free (names.v[i]);
  }
  VEC_FREE (&names);
  return NULL;
}
