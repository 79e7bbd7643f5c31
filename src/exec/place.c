/* SPDX-License-Identifier: Apache-2.0 */
/* Where the controller keeps what it knows. */
#include "exec/place.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

static bool
name_ok (const char *name)
{
  size_t n = strlen (name);
  return n >= 1 && n <= 41 && name[0] != '-'
         && strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

char *
place_default_state (void)
{
  const char *xdg = getenv ("XDG_STATE_HOME");
  const char *home = getenv ("HOME");
  if (geteuid () == 0)
    return mem_strdup ("/var/lib/rehome");
  if (xdg != NULL && xdg[0] == '/')
    return mem_printf ("%s/rehome", xdg);
  return mem_printf ("%s/.local/state/rehome", home != NULL ? home : "/");
}

struct err *
place_find (const char *state, const char *name, struct place *out)
{
  if (!name_ok (name))
    return err_advise (
        err_new (ERR_CORRECT, "RH-STATE-NAME",
                 "a migration's name is a-z, 0-9 and '-', at most 41 long"),
        NULL, "give the plan file, or the name that stands in it");
  memset (out, 0, sizeof *out);
  out->state = state != NULL ? mem_strdup (state) : place_default_state ();
  out->name = mem_strdup (name);
  out->dir = mem_printf ("%s/controller/%s", out->state, name);
  out->socket = mem_printf ("%s/owner.sock", out->dir);
  out->log = mem_printf ("%s/owner.log", out->dir);
  out->error = mem_printf ("%s/owner.error", out->dir);
  return NULL;
}

char *
place_evidence_key (const struct place *p)
{
  return mem_printf ("%s/evidence-key", p->dir);
}

void
place_clear (struct place *p)
{
  free (p->state);
  free (p->dir);
  free (p->name);
  free (p->socket);
  free (p->log);
  free (p->error);
  memset (p, 0, sizeof *p);
}

static struct err *
sync_dir (const char *path)
{
  CLEANUP_FD int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || fsync (fd) != 0)
    return err_sys (errno, "RH-STATE-DIR", "cannot make %s durable", path);
  return NULL;
}

/* Makes the directory with its parents; each new one is made durable. */
static struct err *
make_dirs (const char *path)
{
  CLEANUP_FREE char *copy = mem_strdup (path);
  for (char *p = copy + 1;; p++) {
    if (*p != '/' && *p != '\0')
      continue;
    char kept = *p;
    *p = '\0';
    if (mkdir (copy, 0700) == 0) {
      CLEANUP_FREE char *parent = mem_strdup (copy);
      TRY (sync_dir (dirname (parent)));
    } else if (errno != EEXIST)
      return err_advise (
          err_sys (errno, "RH-STATE-DIR", "cannot make %s", copy),
          "nothing was changed", "give another place with --state DIR");
    *p = kept;
    if (kept == '\0')
      return NULL;
  }
}

static struct err *
read_id (const char *path, char id[33], bool *found)
{
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  *found = false;
  if (fd < 0 && errno == ENOENT)
    return NULL;
  if (fd < 0 || read (fd, id, 32) != 32)
    return err_sys (fd < 0 ? errno : EIO, "RH-STATE-ID",
                    "cannot read this controller's id in %s", path);
  id[32] = '\0';
  if (strspn (id, "0123456789abcdef") != 32)
    return err_new (ERR_CORRUPT, "RH-STATE-ID",
                    "%s does not hold a controller's id", path);
  *found = true;
  return NULL;
}

static struct err *
write_id (const char *path, const char *dir, const char id[33])
{
  CLEANUP_FREE char *tmp = mem_printf ("%s.%ld", path, (long)getpid ());
  CLEANUP_FD int fd
      = open (tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || write (fd, id, 32) != 32 || fsync (fd) != 0)
    return err_sys (errno, "RH-STATE-ID", "cannot write %s", tmp);
  /* link, not rename: of two that start at once the first wins. */
  int failed = link (tmp, path) != 0 && errno != EEXIST;
  int why = errno;
  unlink (tmp);
  if (failed)
    return err_sys (why, "RH-STATE-ID", "cannot write %s", path);
  return sync_dir (dir);
}

static struct err *
make_id (const char *state, char id[33])
{
  CLEANUP_FREE char *path = mem_printf ("%s/controller-id", state);
  bool found;
  TRY (read_id (path, id, &found));
  if (found)
    return NULL;
  unsigned char raw[16];
  if (getrandom (raw, sizeof raw, 0) != sizeof raw)
    return err_sys (errno, "RH-STATE-ID", "no randomness");
  CLEANUP_FREE char *hex = text_hex (raw, sizeof raw);
  TRY (write_id (path, state, hex));
  TRY (read_id (path, id, &found));
  return found ? NULL
               : err_new (ERR_SYSTEM, "RH-STATE-ID", "%s vanished", path);
}

struct err *
place_make (struct place *p)
{
  TRY (make_dirs (p->dir));
  return make_id (p->state, p->controller);
}

static int
by_name (const void *a, const void *b)
{
  return strcmp (*(char *const *)a, *(char *const *)b);
}

struct err *
place_names (const char *state, char ***out)
{
  CLEANUP_FREE char *root
      = state != NULL ? mem_strdup (state) : place_default_state ();
  CLEANUP_FREE char *path = mem_printf ("%s/controller", root);
  VEC (char *) names = { 0 };
  DIR *dir = opendir (path);
  if (dir == NULL && errno != ENOENT)
    return err_sys (errno, "RH-STATE-DIR", "cannot read %s", path);
  for (struct dirent *e = dir ? readdir (dir) : NULL; e != NULL;
       e = readdir (dir))
    if (name_ok (e->d_name))
      *VEC_PUSH (&names) = mem_strdup (e->d_name);
  if (dir != NULL)
    closedir (dir);
  if (names.n > 0)
    qsort (names.v, names.n, sizeof *names.v, by_name);
  *VEC_PUSH (&names) = NULL;
  *out = names.v;
  return NULL;
}

char *
place_migration (const char *name, const char *first_plan_hash)
{
  return mem_printf ("%s-%.8s", name, first_plan_hash);
}

struct err *
place_agent (char **out)
{
  const char *env = getenv ("REHOME_AGENT");
  if (env != NULL && env[0] == '/') {
    *out = mem_strdup (env);
    return NULL;
  }
  char self[PATH_MAX];
  ssize_t n = readlink ("/proc/self/exe", self, sizeof self - 1);
  if (n < 0)
    return err_sys (errno, "RH-EXEC-NOAGENT", "cannot read /proc/self/exe");
  self[n] = '\0';
  const char *dir = dirname (self);
  static const char *const places[]
      = { "../libexec/rehome/rehome-agent", "rehome-agent" };
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    CLEANUP_FREE char *path = mem_printf ("%s/%s", dir, places[i]);
    if (access (path, R_OK) == 0) {
      *out = STEAL (path);
      return NULL;
    }
  }
  return err_advise (
      err_new (ERR_CORRECT, "RH-EXEC-NOAGENT",
               "no agent at %s/../libexec/rehome/rehome-agent nor beside "
               "this program",
               dir),
      "nothing was changed",
      "install rehome whole, or name the agent with REHOME_AGENT=/path");
}
