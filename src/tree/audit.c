/* SPDX-License-Identifier: Apache-2.0 */
/* The audit: an inventory from the disk, merged with an index. */
#include "tree/audit.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "host/rooted.h"
#include "tree/blocks.h"
#include "tree/differ.h"
#include "tree/index.h"
#include "tree/xattrs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IOPRIO_IDLE (3 << 13)

struct audit {
  const struct tree_audit *a;
  struct inventory *inventory;
  struct index *index;
  struct buf was_acl, now_acl;
  uint64_t entries, differences;
  json_t *examples;
};

static void
audit_clear (struct audit *u)
{
  inventory_free (u->inventory);
  index_free (u->index);
  buf_free (&u->was_acl);
  buf_free (&u->now_acl);
  json_decref (u->examples);
}

static void
report (struct audit *u, unsigned kinds, const struct tree_entry *was,
        const struct tree_entry *now)
{
  const struct tree_entry *e = was != NULL ? was : now;
  u->differences++;
  if (json_array_size (u->examples) >= u->a->limit)
    return;
  json_t *list = json_array ();
  for (int k = 0; k < KIND_COUNT; k++)
    if (kinds & 1u << k)
      json_array_append_new (list, json_string (tree_kind_name (k)));
  json_array_append_new (u->examples,
                         json_pack ("{s:o, s:o, s:o, s:o}", "path",
                                    json_bytes (e->path, e->path_len), "kinds",
                                    list, "was", differ_show (was), "now",
                                    differ_show (now)));
}

static struct err *
missing (void *ctx, const struct tree_entry *e)
{
  struct audit *u = ctx;
  u->entries++;
  report (u, 1u << KIND_MISSING, e, NULL);
  return NULL;
}

/* Block by block, from the disk. */
static bool
blocks_match (int fd, uint64_t size, const struct blocks *b,
              unsigned char *block)
{
  posix_fadvise (fd, 0, 0, POSIX_FADV_DONTNEED);
  for (uint64_t at = 0, n = 0; at < size; at += BLOCKS_SIZE, n++) {
    unsigned char h[BLOCKS_HASH];
    size_t want = size - at < BLOCKS_SIZE ? (size_t)(size - at) : BLOCKS_SIZE;
    if (pread (fd, block, want, (off_t)at) != (ssize_t)want)
      return false;
    blocks_hash (block, want, h);
    if (n >= blocks_count (b) || !blocks_same (b, n, h))
      return false;
  }
  return true;
}

/* A file that was sent in parts has no digest of the whole in the index; its
 * block index has what the target was given. */
static bool
blocks_as_given (const struct audit *u, const struct tree_entry *known)
{
  unsigned char block[BLOCKS_SIZE];
  CLEANUP_FD int root = -1;
  CLEANUP_FD int fd = -1;
  CLEANUP_BLOCKS struct blocks *b
      = blocks_open (u->a->what.index_dir, u->a->what.index, known);
  CLEANUP_ERR struct err *e = rooted_open_root (u->a->what.root, &root);
  if (b == NULL || e != NULL
      || rooted_try (root, known->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0,
                     &fd)
             != 0)
    return false;
  return blocks_match (fd, known->size, b, block);
}

static bool
was_patched (const struct tree_entry *known, const struct tree_entry *now)
{
  return known->type == TREE_FILE && now->type == TREE_FILE && !known->is_link
         && !(known->marks & TREE_HAS_XXH) && known->size == now->size;
}

static struct err *
one (struct audit *u, const struct tree_entry *now)
{
  static const struct idmaps none;
  const struct tree_entry *known;
  TRY (index_seek (u->index, now->path, now->path_len, missing, u, &known));
  u->entries++;
  if (known == NULL) {
    report (u, 1u << KIND_EXTRA, NULL, now);
    return NULL;
  }
  struct tree_entry was = *known, is = *now;
  TRY (xattrs_map (was.xattrs, was.xattrs_len, &none, &u->was_acl));
  was.xattrs = u->was_acl.data;
  TRY (xattrs_map (is.xattrs, is.xattrs_len, &none, &u->now_acl));
  is.xattrs = u->now_acl.data;
  unsigned kinds = differ (&was, &is);
  if (was_patched (known, now) && blocks_as_given (u, known))
    kinds &= ~(1u << KIND_CONTENT);
  if (kinds != 0)
    report (u, kinds, known, now);
  return NULL;
}

static struct err *
run (struct audit *u, struct tree_watch *watch)
{
  CLEANUP_FREE char *path = NULL;
  struct inventory_args from_disk = u->a->what;
  struct tree_entry *e;
  TRY (index_path (u->a->what.index_dir, u->a->what.index, "acked", &path));
  TRY (index_open (path, &u->index));
  if (u->index == NULL)
    return err_new (ERR_REFUSED, "RH-TREE-NOBASE",
                    "there is no acknowledged index of %s", u->a->what.root);
  from_disk.full = true;
  from_disk.index_dir = NULL;
  TRY (inventory_open (&from_disk, watch, &u->inventory));
  for (;;) {
    TRY (inventory_next (u->inventory, &e));
    if (e == NULL)
      return index_drain (u->index, missing, u);
    TRY (one (u, e));
  }
}

/* Of this thread and of those that it makes; what the kernel refuses only
 * means a busier disk. */
static int
step_back (int nice_to, int ioprio)
{
  pid_t self = (pid_t)syscall (SYS_gettid);
  int was = getpriority (PRIO_PROCESS, (id_t)self);
  if (setpriority (PRIO_PROCESS, (id_t)self, nice_to) < 0)
    was = nice_to;
  syscall (SYS_ioprio_set, 1 /* a thread */, self, ioprio);
  return was;
}

struct err *
tree_audit (const struct tree_audit *a, struct tree_watch *watch,
            json_t **result)
{
  CLEANUP (audit_clear) struct audit u = { .a = a };
  int64_t start = monotonic_ms ();
  u.examples = json_array ();
  int was = step_back (19, IOPRIO_IDLE);
  struct err *e = run (&u, watch);
  step_back (was, 0);
  TRY (e);
  *result
      = json_pack ("{s:b, s:I, s:I, s:O, s:I, s:o, s:I}", "equal",
                   u.differences == 0, "entries", (json_int_t)u.entries,
                   "differences", (json_int_t)u.differences, "examples",
                   u.examples, "read", (json_int_t)inventory_read (u.inventory),
                   "bytes", json_u64 (inventory_bytes (u.inventory)), "ms",
                   (json_int_t)(monotonic_ms () - start));
  return NULL;
}
