/* SPDX-License-Identifier: Apache-2.0 */
/* Ticks at a fixed rate. */
#include "tree/watch.h"

#include "base/monotonic.h"

#define EVERY_MS 200

struct err *
watch_step (struct tree_watch *w, const char *path, size_t len)
{
  int64_t now = monotonic_ms ();
  if (now - w->last_ms < EVERY_MS)
    return NULL;
  w->last_ms = now;
  if (w->cancelled != NULL && w->cancelled (w->ctx))
    return err_new (ERR_TRANSIENT, "RH-TREE-CANCELLED", "cancelled");
  if (w->tick == NULL)
    return NULL;
  json_t *j = json_object ();
  json_object_set_new (j, "files", json_integer ((json_int_t)w->files));
  json_object_set_new (j, "bytes", json_u64 (w->bytes));
  json_object_set_new (j, "of_files", json_integer ((json_int_t)w->of_files));
  json_object_set_new (j, "of_bytes", json_u64 (w->of_bytes));
  json_object_set_new (j, "path", json_bytes (path, len));
  if (w->packed_from > w->packed_to) {
    json_object_set_new (j, "packed_from", json_u64 (w->packed_from));
    json_object_set_new (j, "packed_to", json_u64 (w->packed_to));
  }
  if (w->slowed_ms > 0)
    json_object_set_new (j, "slowed_ms", json_integer (w->slowed_ms));
  w->tick (w->ctx, j);
  return NULL;
}
