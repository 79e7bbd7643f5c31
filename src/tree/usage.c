/* SPDX-License-Identifier: Apache-2.0 */
/* Counting. */
#include "tree/usage.h"

#include "base/mem.h"
#include "base/text.h"
#include "host/mounts.h"
#include "host/swaps.h"
#include "tree/index.h"
#include "tree/links.h"
#include "tree/probe.h"
#include "tree/walk.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

struct counts {
  uint64_t files, dirs, links, others, bytes, allocated, data;
};

static void
count (struct counts *c, struct links *met, const struct tree_entry *e)
{
  switch (e->type) {
  case TREE_DIR:
    c->dirs++;
    return;
  case TREE_LINK:
    c->links++;
    return;
  case TREE_FILE:
    c->files++;
    if (e->nlink > 1
        && links_meet (met, e->dev, e->ino, e->path, e->path_len) != NULL)
      return;
    if (e->nlink > 1)
      links_find (met, e->dev, e->ino)->nlink = e->nlink;
    c->bytes += e->size;
    c->allocated += e->blocks * 512;
    c->data += e->blocks * 512 < e->size ? e->blocks * 512 : e->size;
    return;
  default:
    c->others++;
  }
}

/* Inodes that have names which the walk did not meet. */
static json_int_t
outside (const struct links *met)
{
  json_int_t n = 0;
  for (size_t i = 0; i < met->cap; i++)
    n += met->v[i].path != NULL && met->v[i].names < met->v[i].nlink;
  return n;
}

/* What is mounted at these paths: the last mount of a point covers others. */
static json_t *
mounted (const json_t *paths)
{
  struct mounts m = { 0 };
  json_t *out = json_array ();
  size_t i;
  json_t *one;
  if (json_array_size (paths) == 0 || mounts_read (0, &m) != 0)
    return out;
  json_array_foreach (paths, i, one)
  {
    CLEANUP_FREE char *path = NULL;
    const char *fstype = "";
    size_t len;
    CLEANUP_ERR struct err *bad
        = text_decode (json_string_value (one), &path, &len);
    for (size_t k = 0; bad == NULL && k < m.list.n; k++)
      if (strcmp (m.list.v[k].point, path) == 0)
        fstype = m.list.v[k].fstype;
    json_array_append_new (out, json_pack ("{s:O, s:s, s:s}", "path", one,
                                           "filesystem", fstype, "class",
                                           mount_class (fstype)));
  }
  mounts_free (&m);
  return out;
}

/* The mount points below the root; a walk enters none. */
static struct err *
note_mounts (const char *root, const struct filter *filter, json_t *paths)
{
  CLEANUP (mounts_free) struct mounts m = { 0 };
  int bad = mounts_read (0, &m);
  if (bad != 0)
    return err_sys (bad, "RH-TREE-READ", "cannot read the mounts");
  size_t n = strcmp (root, "/") == 0 ? 0 : strlen (root);
  for (size_t i = 0; i < m.list.n; i++) {
    const char *point = m.list.v[i].point;
    if (strncmp (point, root, n) != 0 || point[n] != '/' || point[n + 1] == 0)
      continue;
    const char *path = point + n + 1;
    if (!filter_hides (filter, path, strlen (path), true))
      json_array_append_new (paths, json_bytes (point, strlen (point)));
  }
  return NULL;
}

static json_t *
list_of (json_t *paths)
{
  return paths != NULL ? json_incref (paths) : json_array ();
}

static json_t *
usage_result (const struct counts *c, const struct links *met,
              const struct walk_notes *n)
{
  json_t *j = json_object ();
  json_object_set_new (j, "files", json_integer ((json_int_t)c->files));
  json_object_set_new (j, "dirs", json_integer ((json_int_t)c->dirs));
  json_object_set_new (j, "links", json_integer ((json_int_t)c->links));
  json_object_set_new (j, "others", json_integer ((json_int_t)c->others));
  json_object_set_new (j, "bytes", json_u64 (c->bytes));
  json_object_set_new (j, "allocated", json_u64 (c->allocated));
  json_object_set_new (j, "data", json_u64 (c->data));
  json_object_set_new (j, "outside", json_integer (outside (met)));
  json_object_set (j, "mounts", n->mount_paths);
  json_object_set_new (j, "mounted", mounted (n->mount_paths));
  json_object_set_new (j, "swaps", json_integer ((json_int_t)n->swaps));
  json_object_set_new (j, "swap_paths", list_of (n->swap_paths));
  json_object_set_new (j, "unreadable",
                       json_integer ((json_int_t)n->unreadable));
  json_object_set_new (j, "unreadable_paths", list_of (n->unreadable_paths));
  return j;
}

struct err *
tree_usage (const char *root, const struct filter *filter, const json_t *words,
            struct tree_watch *watch, json_t **result)
{
  CLEANUP (cleanup_probe_uses_) struct probe_uses *uses = NULL;
  CLEANUP_WALK struct walk *walk = NULL;
  CLEANUP (links_free) struct links met = { 0 };
  struct counts c = { 0 };
  TRY (walk_open (root, filter, &walk));
  if (json_array_size (words) > 0)
    TRY (probe_uses_new (words, &uses));
  for (;;) {
    struct tree_entry *e;
    TRY (walk_next (walk, &e));
    if (e == NULL)
      break;
    count (&c, &met, e);
    if (uses != NULL)
      probe_uses_take (uses, walk_dirfd (walk), walk_name (walk), e);
    watch->files = c.files;
    watch->bytes = c.bytes;
    TRY (watch_step (watch, e->path, e->path_len));
  }
  *result = usage_result (&c, &met, walk_notes (walk));
  if (uses != NULL)
    json_object_set_new (*result, "uses", probe_uses_result (uses));
  return NULL;
}

/* Whether the root is the directory that the index begins with, and holds
 * anything: an empty one has to be seen. */
static bool
same_root (const char *root, const struct tree_entry *known)
{
  struct stat st;
  bool any = false;
  DIR *d = opendir (root);
  int fd = d != NULL ? dirfd (d) : -1;
  if (fd < 0)
    return false;
  for (const struct dirent *e; !any && (e = readdir (d)) != NULL;)
    any = strcmp (e->d_name, ".") != 0 && strcmp (e->d_name, "..") != 0;
  bool same = fstat (fd, &st) == 0 && st.st_ino == known->ino
              && st.st_dev == known->dev;
  closedir (d);
  return any && same;
}

static bool
have_swaps (void)
{
  struct swaps s = { 0 };
  swaps_read (&s);
  bool any = s.list.n > 0;
  swaps_free (&s);
  return any;
}

struct err *
tree_usage_known (const char *root, const struct filter *filter,
                  const json_t *words, const char *acked, json_t **result)
{
  CLEANUP (cleanup_probe_uses_) struct probe_uses *uses = NULL;
  CLEANUP (links_free) struct links met = { 0 };
  CLEANUP_INDEX struct index *x = NULL;
  CLEANUP_JSON json_t *paths = json_array ();
  struct counts c = { 0 };
  const struct tree_entry *e;
  *result = NULL;
  TRY (index_open (acked, &x));
  if (x == NULL || have_swaps ())
    return NULL;
  TRY (index_next (x, &e));
  if (e == NULL || e->path_len > 0 || e->type != TREE_DIR
      || !same_root (root, e))
    return NULL;
  TRY (probe_uses_new (words, &uses));
  while (e != NULL) {
    if (!filter_hides (filter, e->path, e->path_len, e->type == TREE_DIR)) {
      count (&c, &met, e);
      probe_uses_take_known (uses, e);
    }
    TRY (index_next (x, &e));
  }
  /* Names may have come and gone while the copy was made: see for yourself. */
  if (outside (&met) > 0)
    return NULL;
  TRY (note_mounts (root, filter, paths));
  const struct walk_notes notes = { .mount_paths = paths };
  *result = usage_result (&c, &met, &notes);
  json_object_set_new (*result, "uses", probe_uses_result (uses));
  json_object_set_new (*result, "known", json_true ());
  return NULL;
}
