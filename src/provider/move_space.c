/* SPDX-License-Identifier: Apache-2.0 */
/* Does everything fit together?  Each item of files has looked for itself;
 * here those that would lie on one filesystem of the target are summed. */
#include "provider/move.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

#define SPARE_BYTES ((uint64_t)16 << 20)
#define INDEX_BYTES 512 /* of rehome's own index for each entry, at most */
#define OWN_PLACE "/var/lib/rehome"

/* One filesystem of the target. */
struct disk {
  char device[32];
  char *mount;
  uint64_t bytes, inodes; /* needed */
  uint64_t free_bytes, free_inodes;
  struct buf items; /* "A, B" */
};

struct disks {
  struct disk *v;
  size_t n;
};

static void
disks_clear (struct disks *d)
{
  for (size_t i = 0; i < d->n; i++) {
    free (d->v[i].mount);
    buf_free (&d->v[i].items);
  }
  free (d->v);
}

static struct err *
disk_of (struct disks *d, const json_t *space, struct disk **out)
{
  const char *device, *mount;
  uint64_t bytes, inodes;
  TRY (json_get_str (space, "device", &device));
  TRY (json_opt_str (space, "mount", "?", &mount));
  TRY (json_get_u64 (space, "bytes_free", &bytes));
  TRY (json_get_u64 (space, "inodes_free", &inodes));
  for (size_t i = 0; i < d->n; i++)
    if (strcmp (d->v[i].device, device) == 0) {
      *out = &d->v[i];
      return NULL;
    }
  d->v = mem_resize (d->v, d->n + 1, sizeof *d->v);
  struct disk *one = &d->v[d->n++];
  *one = (struct disk){ .mount = mem_strdup (mount),
                        .free_bytes = bytes,
                        .free_inodes = inodes,
                        .items = BUF_INIT_MAX (65536) };
  snprintf (one->device, sizeof one->device, "%s", device);
  *out = one;
  return NULL;
}

static struct err *
add_item (struct disks *d, const struct plan_item *item, const json_t *usage,
          uint64_t *entries)
{
  struct disk *disk;
  uint64_t bytes, inodes;
  TRY (disk_of (d, json_at (usage, "space"), &disk));
  TRY (json_get_u64 (usage, "needs", &bytes));
  TRY (json_get_u64 (usage, "needs_inodes", &inodes));
  disk->bytes += bytes;
  disk->inodes += inodes;
  *entries += inodes;
  return buf_printf (&disk->items, "%s%s", disk->items.len > 0 ? ", " : "",
                     item->name);
}

static struct err *
too_small (const struct disk *d)
{
  char *names CLEANUP_FREE
      = mem_strndup ((const char *)d->items.data, d->items.len);
  unsigned long long bytes = d->bytes + SPARE_BYTES;
  return err_todo (
      err_new (ERR_BLOCKED, "RH-FILES-NOSPACE",
               "together %s do not fit on the target's filesystem %s: they "
               "need %llu bytes and %llu inodes more, free are %llu and %llu",
               names, d->mount, bytes, (unsigned long long)d->inodes,
               (unsigned long long)d->free_bytes,
               (unsigned long long)d->free_inodes),
      "make room on the target, or leave out what need not move");
}

struct err *
move_space (const struct step_call *call, json_t **result)
{
  CLEANUP (disks_clear) struct disks disks = { NULL, 0 };
  json_t *own CLEANUP_JSON = NULL;
  json_t *sums CLEANUP_JSON = json_array ();
  uint64_t entries = 0;
  for (size_t i = 0; i < plan_item_count (call->plan); i++) {
    const struct plan_item *item = plan_item (call->plan, i);
    const json_t *usage = steps_input (call, "%s#usage", item->name);
    if (usage == NULL)
      usage = steps_input (call, "%s#look", item->name);
    if (json_at (usage, "space") != NULL)
      TRY (add_item (&disks, item, usage, &entries));
  }
  struct disk *mine;
  TRY (port_call (call->target, "space", json_pack ("{s:s}", "path", OWN_PLACE),
                  &own));
  TRY (disk_of (&disks, own, &mine));
  mine->bytes += entries * INDEX_BYTES;
  if (mine->items.len == 0)
    TRY (buf_put_str (&mine->items, "rehome's own indexes"));
  for (size_t i = 0; i < disks.n; i++) {
    const struct disk *d = &disks.v[i];
    if (d->bytes + SPARE_BYTES > d->free_bytes || d->inodes > d->free_inodes)
      return too_small (d);
    json_array_append_new (sums,
                           json_pack ("{s:s, s:o, s:o, s:o}", "mount", d->mount,
                                      "needs", json_u64 (d->bytes),
                                      "needs_inodes", json_u64 (d->inodes),
                                      "free", json_u64 (d->free_bytes)));
  }
  *result = json_pack ("{s:O}", "filesystems", sums);
  return NULL;
}
