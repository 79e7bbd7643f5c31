/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way back of a tree.  In the guard the target sends what it took since
 * the gate opened, and the source keeps it beside its frozen files; a rollback
 * applies it, and then goes the way of a final round and a proof.
 *
 * The base of the first round is what the last inventory of the target knew
 * before the gate opened: what it has not seen in that state is sent.
 */
#include "provider/files.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

#define ROUND 3
/* From here on one round with everything takes the place of all before. */
#define ROUNDS_MAX 24
#define BYTES_MIN ((uint64_t)64 << 20)

static json_t *
index_args (const struct step_call *call, bool target)
{
  CLEANUP_FREE char *index = files_own_index (call, target);
  return json_pack ("{s:s, s:s}", "migration", call->migration, "index", index);
}

static struct err *
copy_index (const struct step_call *call, const char *from, const char *to)
{
  json_t *args = index_args (call, false);
  json_object_set_new (args, "from", json_string (from));
  json_object_set_new (args, "to", json_string (to));
  return port_call (call->source, "tree.index-copy", args, NULL);
}

/* The base is kept: a round with everything begins there. */
static struct err *
make_base (const struct step_call *call)
{
  CLEANUP_FREE char *index = files_own_index (call, false);
  CLEANUP_FREE char *base = steps_path (call, "index/%s.base", index);
  CLEANUP_FREE char *acked = steps_path (call, "index/%s.acked", index);
  bool has_base, has_acked;
  TRY (remote_exists (call->source, base, &has_base));
  TRY (remote_exists (call->source, acked, &has_acked));
  if (!has_base)
    TRY (copy_index (call, "seen", "base"));
  return has_acked && has_base ? NULL : copy_index (call, "base", "acked");
}

/* What lies there has grown beyond what it is worth. */
static struct err *
wants_whole (const struct step_call *call, bool *whole)
{
  CLEANUP_JSON json_t *laid = NULL;
  TRY (port_call (call->target, "tree.laid", index_args (call, true), &laid));
  const json_t *rounds = json_at (laid, "rounds");
  size_t n = json_array_size (rounds);
  uint64_t all = 0, first = 0;
  TRY (json_get_u64 (laid, "bytes", &all));
  if (n > 0)
    TRY (json_get_u64 (json_array_get (rounds, 0), "bytes", &first));
  *whole = json_is_true (json_at (laid, "new")) || n >= ROUNDS_MAX
           || (n > 1 && all > BYTES_MIN && all > 3 * first);
  return NULL;
}

static struct err *
lay (const struct step_call *call, bool whole, json_t **sent, json_t **laid)
{
  CLEANUP_JSON json_t *out = files_args (call, false);
  CLEANUP_JSON json_t *in = index_args (call, true);
  json_object_set_new (out, "round", json_integer (ROUND));
  json_object_set_new (out, "base", json_true ());
  json_object_set_new (in, "whole", json_boolean (whole));
  if (whole)
    TRY (copy_index (call, "base", "acked"));
  TRY (call->source->ops->pipe (call->source, "tree.send", out, call->target,
                                "tree.lay", in, call->tick, call->ctx, sent,
                                laid));
  json_t *commit = index_args (call, false);
  json_object_set_new (commit, "round", json_integer (ROUND));
  TRY (port_call (call->source, "tree.commit", commit, NULL));
  json_t *laid_up = index_args (call, true);
  json_object_set_new (laid_up, "laid", json_true ());
  return port_call (call->target, "tree.commit", laid_up, NULL);
}

struct err *
files_lay (const struct step_call *call, json_t **result)
{
  CLEANUP_JSON json_t *sent = NULL;
  CLEANUP_JSON json_t *laid = NULL;
  bool whole = false;
  TRY (make_base (call));
  TRY (wants_whole (call, &whole));
  TRY (lay (call, whole, &sent, &laid));
  json_object_set (sent, "round", json_at (laid, "round"));
  json_object_set (sent, "laid_bytes", json_at (laid, "bytes"));
  json_object_set_new (sent, "whole", json_boolean (whole));
  *result = STEAL (sent);
  return NULL;
}

static struct err *
apply_all (const struct step_call *call, json_t *rounds)
{
  json_int_t left = 1;
  while (left > 0) {
    CLEANUP_JSON json_t *args = files_args (call, true);
    CLEANUP_JSON json_t *got = NULL;
    files_maps (call, args);
    json_object_set_new (args, "adopt", json_true ());
    json_object_set_new (args, "delete_limit",
                         json_integer (files_delete_limit (call)));
    TRY (call->target->ops->call (call->target, "tree.laid-apply", args,
                                  call->tick, call->ctx, &got));
    left = json_integer_value (json_at (got, "left"));
    json_object_del (got, "left");
    if (json_object_size (got) > 0)
      json_array_append (rounds, got);
  }
  return NULL;
}

/* What was applied is in the source: later rounds begin with what the target
 * has acknowledged by now. */
struct err *
files_apply (const struct step_call *call, json_t **result)
{
  CLEANUP_JSON json_t *rounds = json_array ();
  TRY (apply_all (call, rounds));
  *result = json_pack ("{s:O}", "applied", rounds);
  return call->alone ? NULL : copy_index (call, "acked", "base");
}

static struct err *
damaged (const struct step_call *call, const json_t *audit)
{
  const json_t *first = json_array_get (json_at (audit, "examples"), 0);
  const char *path = json_string_value (json_at (first, "path"));
  CLEANUP_FREE char *root = files_root (call, false);
  return err_advise (
      err_new (ERR_UNEQUAL, "RH-FILES-AUDIT",
               "%lld entries of the frozen source are not as they were sent, "
               "the first is %s/%s",
               (long long)json_integer_value (json_at (audit, "differences")),
               root, path != NULL ? path : "?"),
      "the target serves, and its files were equal when it was opened",
      "look who wrote on the source, or at its disk; a rollback proves the "
      "files anew before the source serves");
}

struct err *
files_audit (const struct step_call *call, json_t **result)
{
  CLEANUP_JSON json_t *said = NULL;
  CLEANUP_JSON json_t *args = files_args (call, false);
  CLEANUP_FREE char *index = files_own_index (call, false);
  CLEANUP_FREE char *own = steps_path (call, "index/%s.own", index);
  bool received;
  TRY (remote_exists (call->source, own, &received));
  if (received) { /* a rollback that was given up: it is not as it was sent */
    *result = json_pack ("{s:b}", "received_since", 1);
    return NULL;
  }
  TRY (call->source->ops->call (call->source, "tree.audit", args, call->tick,
                                call->ctx, &said));
  if (!json_is_true (json_at (said, "equal")))
    return damaged (call, said);
  *result = STEAL (said);
  return NULL;
}
