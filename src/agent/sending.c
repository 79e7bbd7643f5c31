/* SPDX-License-Identifier: Apache-2.0 */
/* Records, then blocks, then the limit. */
#include "agent/sending.h"

#include <string.h>

static bool
look_at_disk (void *ctx, uint64_t *requests, uint64_t *ms)
{
  struct disk_counts now;
  if (!disk_read (ctx, &now))
    return false;
  *requests = now.requests;
  *ms = now.ms;
  return true;
}

static struct err *
read_compress (const json_t *args, enum pack_mode *out)
{
  const char *word;
  TRY (json_opt_str (args, "compress", "never", &word));
  *out = strcmp (word, "auto") == 0     ? PACK_AUTO
         : strcmp (word, "always") == 0 ? PACK_ALWAYS
                                        : PACK_NEVER;
  return *out == PACK_NEVER && strcmp (word, "never") != 0
             ? err_new (ERR_CORRECT, "RH-WIRE-FIELD",
                        "\"compress\" is auto, never or always")
             : NULL;
}

struct err *
sending_begin (struct sending *s, const json_t *args, const char *root,
               struct sink *out, struct tree_watch *watch)
{
  struct throttle *t = &s->limited.throttle;
  s->limited.to = out;
  s->limited.watch = watch;
  TRY (read_compress (args, &s->mode));
  TRY (throttle_read (json_at (args, "limit"), throttle_now_ns (), t));
  if (t->brake.limit_ms != 0)
    disk_open (root, &s->disk);
  t->brake.look = look_at_disk;
  t->brake.ctx = &s->disk;
  return NULL;
}

struct err *
sending_run (struct sending *s, const struct tree_send *a, json_t **result)
{
  struct tree_watch *watch = s->limited.watch;
  struct sink out = throttled_sink (&s->limited);
  if (s->mode == PACK_NEVER)
    return tree_send (a, &out, watch, result);
  CLEANUP_PACK struct pack *pack = pack_new (s->mode, &out, watch);
  struct sink blocks = pack_sink (pack);
  TRY (tree_send (a, &blocks, watch, result));
  TRY (pack_finish (pack));
  json_object_set_new (*result, "packed_from", json_u64 (watch->packed_from));
  json_object_set_new (*result, "packed_to", json_u64 (watch->packed_to));
  return NULL;
}

void
sending_clear (struct sending *s)
{
  disk_close (&s->disk);
}
