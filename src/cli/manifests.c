/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests of both sides; see manifests.h. */
#include "cli/manifests.h"

#include "base/log.h"
#include "base/mem.h"
#include "cli/hosts.h"
#include "host/slurp.h"
#include "host/write_all.h"
#include "provider/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- From the hosts ---- */

struct taking {
  int fd;
  size_t taken;
};

/* A host that never ends is not taken at its word. */
static struct err *
write_some (void *ctx, const void *data, size_t len)
{
  struct taking *t = ctx;
  t->taken += len;
  if (t->taken > BUNDLE_FILE_MAX)
    return err_new (ERR_REFUSED, "RH-BUNDLE-FORM",
                    "a manifest is larger than a bundle's file may be");
  int e = write_all (t->fd, data, len);
  return e == 0 ? NULL : err_sys (e, "RH-CLI-WRITE", "cannot write a manifest");
}

static struct err *
fetch_to (struct port *host, const char *migration,
          const struct plan_item *item, const char *tmp)
{
  bool target = strcmp (host->name, "target") == 0;
  CLEANUP_JSON json_t *result = NULL;
  CLEANUP_FREE char *index = files_index (item->spec, target);
  CLEANUP_FREE char *path = files_from (item->spec);
  CLEANUP_FD int fd
      = open (tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const char *slash = strrchr (path, '/');
  if (fd < 0)
    return err_sys (errno, "RH-CLI-WRITE", "cannot write %s", tmp);
  struct taking taking = { .fd = fd };
  struct sink to = { .put = write_some, .ctx = &taking };
  TRY (port_read (host, "tree.manifest",
                  json_pack ("{s:s, s:s, s:s}", "migration", migration, "index",
                             index, "single", slash != NULL ? slash + 1 : path),
                  &to, &result));
  return fsync (fd) == 0
             ? NULL
             : err_sys (errno, "RH-CLI-WRITE", "cannot write %s", tmp);
}

/* A host that does not know an item keeps what was fetched before. */
static void
fetch (struct port *host, const char *migration, const struct plan_item *item,
       const char *dir)
{
  CLEANUP_FREE char *name = files_index (item->spec, false);
  CLEANUP_FREE char *path
      = mem_printf ("%s/manifest-%s-%s.sha256", dir, host->name, name);
  CLEANUP_FREE char *tmp = mem_printf ("%s.new", path);
  CLEANUP_ERR struct err *e = fetch_to (host, migration, item, tmp);
  if (e == NULL && rename (tmp, path) == 0)
    return;
  unlink (tmp);
  if (e != NULL)
    log_err (LOG_INFO, e);
}

static struct err *
manifests_dir (const struct loaded *l, char **out)
{
  *out = mem_printf ("%s/manifests", l->place.dir);
  if (mkdir (*out, 0700) != 0 && errno != EEXIST)
    return err_sys (errno, "RH-CLI-WRITE", "cannot make %s", *out);
  return NULL;
}

struct err *
manifests_fetch (const struct loaded *l)
{
  CLEANUP_OPENED struct opened o = { 0 };
  CLEANUP_PLAN struct plan *plan = NULL;
  CLEANUP_JSON json_t *facts = NULL;
  CLEANUP_FREE char *dir = NULL;
  TRY (load_plan_of_journal (l, &plan));
  TRY (load_facts (l, &facts));
  TRY (manifests_dir (l, &dir));
  TRY (open_hosts (plan, &o));
  const char *id = json_string_value (json_object_get (facts, "migration"));
  for (size_t i = 0; id != NULL && i < plan_item_count (plan); i++) {
    const struct plan_item *item = plan_item (plan, i);
    if (strcmp (item->kind, "files") != 0)
      continue;
    fetch (hosts_source (o.hosts), id, item, dir);
    fetch (hosts_target (o.hosts), id, item, dir);
  }
  return NULL;
}

/* ---- Into the bundle ---- */

static struct err *
read_into (const char *path, struct buf *out, uint64_t *lines)
{
  size_t had = out->len;
  int e = slurp_at (AT_FDCWD, path, BUNDLE_FILE_MAX, out);
  if (e != 0)
    return err_sys (e, "RH-REPORT-READ", "cannot read %s", path);
  for (size_t i = had; i < out->len; i++)
    *lines += out->data[i] == '\n';
  return NULL;
}

static int
is_manifest (const struct dirent *d)
{
  size_t n = strlen (d->d_name);
  return strncmp (d->d_name, "manifest-", 9) == 0 && n > 16
         && strcmp (d->d_name + n - 7, ".sha256") == 0;
}

struct err *
manifests_add (const struct loaded *l, struct bundle *b)
{
  CLEANUP_FREE char *dir = mem_printf ("%s/manifests", l->place.dir);
  CLEANUP_BUF struct buf counts = BUF_INIT;
  struct dirent **names = NULL;
  struct err *e = NULL;
  int n = scandir (dir, &names, is_manifest, alphasort);
  for (int i = 0; i < n; i++) {
    CLEANUP_FREE char *path = mem_printf ("%s/%s", dir, names[i]->d_name);
    uint64_t lines = 0;
    if (e == NULL)
      e = read_into (path, bundle_add (b, names[i]->d_name), &lines);
    if (e == NULL)
      e = buf_printf (&counts, "%llu %s\n", (unsigned long long)lines,
                      names[i]->d_name);
    free (names[i]);
  }
  free (names);
  if (e == NULL && counts.len > 0)
    e = buf_put (bundle_add (b, "counts.txt"), counts.data, counts.len);
  return e;
}
