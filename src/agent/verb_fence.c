/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the fence, and durable results by idempotency key. */
#include "agent/verb.h"

#include "agent/fence.h"
#include "agent/keeper_call.h"
#include "agent/sole.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/durable.h"
#include "host/facts.h"
#include "host/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum {
  ITEMS_MAX = 10000,
  NAME_MAX_LEN = 256,
  KEY_MAX = 200,
  RESULT_MAX = 16 << 20,
};

/* A 64-bit value: a number, or a decimal string. */
static struct err *
get_number (const json_t *args, const char *key, int64_t *out)
{
  if (!json_is_string (json_at (args, key)))
    return json_get_int (args, key, 0, INT64_MAX, out);
  uint64_t v;
  TRY (json_get_u64 (args, key, &v));
  if (v > INT64_MAX)
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD", "\"%s\" is too large", key);
  *out = (int64_t)v;
  return NULL;
}

static struct err *
get_name (const json_t *args, const char *key, size_t min, char **out)
{
  const char *s;
  TRY (json_get_str (args, key, &s));
  size_t len = strlen (s);
  if (len < min || len > NAME_MAX_LEN)
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                    "\"%s\" is not %zu to %d bytes long", key, min,
                    NAME_MAX_LEN);
  *out = mem_strdup (s);
  return NULL;
}

static struct err *
get_items (const json_t *args, json_t **out)
{
  json_t *items;
  TRY (json_get_array (args, "items", &items));
  if (json_array_size (items) > ITEMS_MAX)
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD", "too many \"items\"");
  for (size_t i = 0; i < json_array_size (items); i++)
    if (json_string_length (json_array_get (items, i)) == 0)
      return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                      "\"items\" is not of names");
  *out = json_incref (items);
  return NULL;
}

/* The record of the claimer's journal at the number that lies here. */
static struct err *
get_known (const json_t *args, struct fence_head *known, char **hash)
{
  if (json_at (args, "known_seq") == NULL)
    return NULL;
  TRY (get_number (args, "known_seq", &known->seq));
  TRY (get_name (args, "known_hash", 0, hash));
  known->hash = *hash;
  return NULL;
}

/* The claim counts; what an older connection still does ends before more is
 * asked of this one. */
static struct err *
be_sole (struct verb_call *call, const char *id)
{
  const char *side, *channel;
  CLEANUP_FREE char *dir = mem_printf ("%s/%s", fence_state_dir (), id);
  TRY (json_get_str (call->args, "side", &side));
  TRY (json_get_str (call->args, "channel", &channel));
  return sole_take (dir, side, channel, call->cancelled, call->ctx);
}

static struct err *
run_claim (struct verb_call *call, json_t **result)
{
  (void)result;
  const json_t *args = call->args;
  const char *id;
  CLEANUP_FENCE struct fence f = { .epoch = 0 };
  TRY (json_get_str (args, "migration", &id));
  TRY (get_number (args, "epoch", &f.epoch));
  TRY (get_number (args, "seq", &f.seq));
  TRY (get_name (args, "controller", 1, &f.controller));
  TRY (get_name (args, "hash", 0, &f.hash));
  TRY (get_items (args, &f.items));
  CLEANUP_FREE char *hash = NULL;
  struct fence_head known = { .hash = NULL };
  TRY (get_known (args, &known, &hash));
  TRY (fence_claim (id, &f, hash != NULL ? &known : NULL));
  return be_sole (call, id);
}

static struct err *
run_head (struct verb_call *call, json_t **result)
{
  (void)result;
  const char *id;
  CLEANUP_FREE char *hash = NULL;
  struct fence_head head = { .seq = 0 };
  TRY (json_get_str (call->args, "migration", &id));
  TRY (get_number (call->args, "seq", &head.seq));
  TRY (get_name (call->args, "hash", 1, &hash));
  head.hash = hash;
  return fence_head (id, &head);
}

static struct err *
run_read (struct verb_call *call, json_t **result)
{
  const char *id;
  bool found;
  CLEANUP_FENCE struct fence f = { .epoch = 0 };
  TRY (json_get_str (call->args, "migration", &id));
  TRY (fence_read (id, &f, &found));
  if (!found) {
    *result = json_pack ("{s:b}", "claimed", 0);
    return NULL;
  }
  *result = json_pack ("{s:b, s:b, s:I, s:s, s:O, s:I, s:s}", "claimed",
                       !f.released, "tombstone", f.released, "epoch",
                       (json_int_t)f.epoch, "controller", f.controller, "items",
                       f.items, "seq", (json_int_t)f.seq, "hash", f.hash);
  return NULL;
}

static struct err *
run_list (struct verb_call *call, json_t **result)
{
  (void)call;
  CLEANUP_JSON json_t *ids = NULL;
  TRY (fence_list (&ids));
  *result = json_pack ("{s:O}", "migrations", ids);
  return NULL;
}

static struct err *
run_release (struct verb_call *call, json_t **result)
{
  (void)result;
  const char *id;
  bool tombstone;
  TRY (json_get_str (call->args, "migration", &id));
  TRY (json_opt_bool (call->args, "tombstone", false, &tombstone));
  /* What the keeper held served this claim; a host without one is as well. */
  err_free (keeper_stop (id));
  return fence_release (id, tombstone);
}

/* --- results -------------------------------------------------------------- */

/* The key as the name of a file: what is not plain is %XX. */
static struct err *
key_name (const char *key, char **out)
{
  static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:@-";
  CLEANUP_BUF struct buf b = BUF_INIT;
  for (const char *p = key; *p != '\0'; p++)
    if (strchr (plain, *p) != NULL && (p != key || *p != '.'))
      TRY (buf_put (&b, p, 1));
    else
      TRY (buf_printf (&b, "%%%02X", (unsigned)(unsigned char)*p));
  if (b.len == 0 || b.len > KEY_MAX)
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                    "\"key\" is not 1 to %d bytes long", KEY_MAX);
  *out = buf_steal_str (&b);
  return NULL;
}

/* The directory of the migration's results, and the file in it. */
static struct err *
result_path (const json_t *args, char **dir, char **path)
{
  const char *id, *key;
  CLEANUP_FREE char *name = NULL;
  TRY (json_get_str (args, "migration", &id));
  TRY (json_get_str (args, "key", &key));
  TRY (fence_check_id (id));
  TRY (key_name (key, &name));
  *dir = mem_printf ("%s/%s/results", fence_state_dir (), id);
  *path = mem_printf ("%s/%s", *dir, name);
  return NULL;
}

static struct err *
run_put (struct verb_call *call, json_t **result)
{
  (void)result;
  CLEANUP_FREE char *dir = NULL;
  CLEANUP_FREE char *path = NULL;
  json_t *value;
  TRY (result_path (call->args, &dir, &path));
  TRY (json_get_object (call->args, "result", &value));
  char boot[37];
  host_boot_id (boot);
  CLEANUP_JSON json_t *kept
      = json_pack ("{s:s, s:O}", "boot_id", boot, "result", value);
  CLEANUP_FREE char *line = json_line (kept);
  TRY (durable_mkdirs (dir, 0700));
  return durable_put (path, line, strlen (line));
}

/* What a step did need not outlive a boot, so that is told. */
static struct err *
read_kept (const struct buf *b, json_t **result)
{
  CLEANUP_JSON json_t *kept = NULL;
  json_t *value;
  const char *boot;
  char now[37];
  TRY (json_parse (b->data == NULL ? "" : (const char *)b->data, b->len,
                   RESULT_MAX, &kept));
  TRY (json_get_str (kept, "boot_id", &boot));
  TRY (json_get_object (kept, "result", &value));
  host_boot_id (now);
  *result = json_pack ("{s:b, s:b, s:O}", "found", 1, "rebooted",
                       strcmp (boot, now) != 0, "result", value);
  return NULL;
}

static struct err *
run_get (struct verb_call *call, json_t **result)
{
  CLEANUP_FREE char *dir = NULL;
  CLEANUP_FREE char *path = NULL;
  CLEANUP_BUF struct buf b = BUF_INIT;
  TRY (result_path (call->args, &dir, &path));
  int bad = slurp_at (AT_FDCWD, path, RESULT_MAX, &b);
  if (bad == ENOENT || bad == ENOTDIR) {
    *result = json_pack ("{s:b}", "found", 0);
    return NULL;
  }
  if (bad != 0)
    return err_sys (bad, "RH-FILE-READ", "a result cannot be read");
  return err_wrap (read_kept (&b, result), "a result that was stored");
}

const struct verb verbs_fence[] = {
  { "fence.claim", 0, run_claim },     { "fence.head", 0, run_head },
  { "fence.read", 0, run_read },       { "fence.list", 0, run_list },
  { "fence.release", 0, run_release }, { "result.put", 0, run_put },
  { "result.get", 0, run_get },        { NULL, 0, NULL },
};
