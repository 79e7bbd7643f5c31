/* SPDX-License-Identifier: Apache-2.0 */
/* Index files of a source: acknowledged, and removed. */
#include "tree/send.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "host/durable.h"
#include "tree/blocks.h"
#include "tree/halfway.h"
#include "tree/index.h"
#include "tree/overlay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* A round that visited some paths only becomes the next segment. */
static struct err *
lay_above (const char *acked, const char *above)
{
  CLEANUP_INDEX struct index *x = NULL;
  TRY (index_open_few (acked, &x));
  if (x == NULL)
    return err_new (ERR_REFUSED, "RH-TREE-INDEX",
                    "%s, to which a round belongs, is gone", acked);
  size_t n = overlay_segments (index_overlay (x)) + 1;
  CLEANUP_FREE char *segment = mem_printf ("%s.%zu", acked, n);
  if (rename (above, segment) < 0)
    return err_sys (errno, "RH-TREE-INDEX", "cannot acknowledge %s", above);
  return NULL;
}

struct err *
tree_commit (const char *index_dir, const char *index, int64_t round)
{
  CLEANUP_FREE char *acked = NULL;
  CLEANUP_FREE char *fresh = NULL;
  CLEANUP_FREE char *suffix = mem_printf ("new-%lld", (long long)round);
  CLEANUP_FREE char *some = mem_printf ("some-%lld", (long long)round);
  CLEANUP_FREE char *above = NULL;
  TRY (index_path (index_dir, index, "acked", &acked));
  TRY (index_path (index_dir, index, suffix, &fresh));
  TRY (index_path (index_dir, index, some, &above));
  blocks_commit (index_dir, index, round);
  halfway_forget (index_dir, index);
  if (access (above, F_OK) == 0)
    TRY (lay_above (acked, above));
  else if (rename (fresh, acked) < 0)
    return err_sys (errno, "RH-TREE-INDEX", "cannot acknowledge round %lld",
                    (long long)round);
  else
    overlay_remove (acked); /* they belong to the index before */
  CLEANUP_FD int dir = open (index_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0 || fsync (dir) < 0)
    return err_sys (errno, "RH-TREE-INDEX", "cannot sync %s", index_dir);
  return NULL;
}

struct err *
tree_drop (const char *index_dir, const char *index)
{
  CLEANUP_FREE char *prefix = NULL;
  TRY (index_path ("", index, "", &prefix));
  size_t n = strlen (prefix) - 1; /* without the leading "/" */
  DIR *d = opendir (index_dir);
  if (d == NULL)
    return errno == ENOENT
               ? NULL
               : err_sys (errno, "RH-TREE-INDEX", "cannot open %s", index_dir);
  struct err *e = NULL;
  int at = dirfd (d);
  bool removed;
  for (struct dirent *f; at >= 0 && e == NULL && (f = readdir (d)) != NULL;)
    if (strncmp (f->d_name, prefix + 1, n) == 0)
      e = durable_remove_tree (at, f->d_name, &removed);
  closedir (d);
  return e;
}
