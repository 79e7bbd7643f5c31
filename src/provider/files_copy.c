/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First copy and rounds: a stream from tree.send on the source into
 * tree.receive on the target, then the acknowledgement.
 *
 * What an interrupted round left is mended by the next one: the target asks
 * for a listing ("RH-TREE-RESUME"), or the whole is sent again where the
 * source has lost what it knew.
 */
#include "provider/files.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>
#include <time.h>

enum how { HOW_FULL, HOW_DELTA, HOW_LISTING };

struct copy {
  const struct step_call *call;
  bool seed, final;
  bool followed;   /* by a final round, which is read with more care */
  bool whole;      /* large files, too, are sent whole where they changed */
  json_t *force;   /* paths to send in any case, or NULL */
  json_t *remove;  /* paths to remove on the target, or NULL */
  int64_t attempt; /* of a first copy: it can go on; else 0 */
  json_t *resume;  /* where it goes on, or NULL */
  int round;       /* tells apart the indexes of seed, rounds and final round */
};

static void
set_expected (const struct step_call *call, json_t *args)
{
  const json_t *usage = steps_input (call, "%s#usage", call->item->name);
  const json_t *files = json_at (usage, "files");
  if (usage == NULL || files == NULL)
    return;
  json_int_t all = json_integer_value (files)
                   + json_integer_value (json_at (usage, "dirs"))
                   + json_integer_value (json_at (usage, "links"))
                   + json_integer_value (json_at (usage, "others"));
  json_object_set_new (args, "of_files", json_integer (all));
  json_object_set (args, "of_bytes", json_at (usage, "data"));
}

static json_t *
send_args (const struct copy *c, enum how how)
{
  json_t *args = files_args (c->call, false);
  json_object_set_new (args, "round", json_integer (c->round));
  json_object_set_new (args, "base", json_boolean (how != HOW_FULL));
  json_object_set_new (args, "listing", json_boolean (how == HOW_LISTING));
  json_object_set_new (args, "final", json_boolean (c->final));
  json_object_set_new (args, "grown", json_boolean (c->followed));
  /* In place only where nobody but this migration uses what lies there. */
  json_object_set_new (args, "patch",
                       json_boolean (!c->whole
                                     && files_into (c->call->item->spec)
                                            < INTO_MERGE));
  /* A watcher pays off where rounds follow, and a last one trusts it only
   * where all is walked behind it (#still); what cannot be watched is walked.
   */
  bool watch = files_into (c->call->item->spec) == INTO_OWN
               && !(c->final && c->call->back);
  json_object_set_new (args, "watch", json_boolean (watch));
  json_t *mapped = json_at (steps_input (c->call, "move#mapped"), "paths");
  if (c->final && json_is_array (mapped))
    json_object_set (args, "reread", mapped);
  if (c->final) /* for the digest: ids as the target has them */
    files_maps (c->call, args);
  if (c->attempt != 0)
    json_object_set_new (args, "attempt", json_integer (c->attempt));
  if (c->resume != NULL)
    json_object_set (args, "resume", c->resume);
  if (c->force != NULL)
    json_object_set (args, "force", c->force);
  if (how == HOW_FULL || c->resume != NULL)
    set_expected (c->call, args);
  return args;
}

/* Above this many deletions a round stops and asks. */
json_int_t
files_delete_limit (const struct step_call *call)
{
  const json_t *own = json_at (call->item->spec, "delete-limit");
  if (json_is_integer (own))
    return json_integer_value (own);
  const json_t *seed = steps_input (call, "%s#seed", call->item->name);
  json_int_t half = json_integer_value (json_at (seed, "walked")) / 2;
  return half > 1000 ? half : 1000;
}

/* A source that holds nothing deletes nothing, unless that was told. */
static bool
is_empty (const struct step_call *call)
{
  const json_t *usage = steps_input (call, "%s#usage", call->item->name);
  return usage != NULL && json_integer_value (json_at (usage, "files")) == 0
         && json_integer_value (json_at (usage, "links")) == 0
         && json_integer_value (json_at (usage, "others")) == 0
         && json_integer_value (json_at (usage, "dirs")) <= 1;
}

static json_int_t
limit_of (const struct step_call *call)
{
  bool told = json_at (call->item->spec, "delete-limit") != NULL;
  return !told && is_empty (call) ? 0 : files_delete_limit (call);
}

static json_t *
receive_args (const struct copy *c)
{
  const struct step_call *call = c->call;
  json_t *args = files_args (call, true);
  enum files_into into = files_into (call->item->spec);
  const json_t *inway = steps_input (call, "%s#inway", call->item->name);
  bool same = json_is_true (json_at (inway, "same"));
  CLEANUP_FREE char *aside = steps_path (call, "aside");
  json_object_set_new (args, "seed",
                       json_boolean (c->seed && into < INTO_MERGE));
  json_object_set_new (args, "merge", json_boolean (into >= INTO_MERGE));
  json_object_set_new (args, "keep",
                       json_boolean (into == INTO_KEEP || into == INTO_MERGE));
  json_object_set_new (
      args, "overwrite",
      json_boolean (c->seed && (same || files_overwrite (call->item->spec))));
  json_object_set_new (args, "aside", json_bytes (aside, strlen (aside)));
  json_object_set_new (args, "delete_limit", json_integer (limit_of (call)));
  json_object_set_new (args, "adopt", json_boolean (call->back));
  if (c->attempt != 0)
    json_object_set_new (args, "attempt", json_integer (c->attempt));
  if (c->remove != NULL)
    json_object_set (args, "remove", c->remove);
  files_maps (call, args);
  return args;
}

static json_t *
both_results (const struct step_call *call, const json_t *sent,
              const json_t *got)
{
  json_t *out = json_deep_copy (sent);
  CLEANUP_FREE char *root = files_root (call, true);
  json_object_set_new (out, "copied", json_pack ("[s]", root));
  json_object_set (out, "findings", json_at (got, "findings"));
  json_object_set (out, "kept_aside", json_at (got, "kept_aside"));
  json_object_set (out, "target_ms", json_at (got, "ms"));
  json_object_set (out, "deleted", json_at (got, "deleted"));
  return out;
}

/* The target hears that the source knows of it.  Where that is lost the next
 * round lists everything, no more. */
static void
acknowledge (const struct step_call *call)
{
  CLEANUP_FREE char *index = files_own_index (call, true);
  err_free (port_call (call->target, "tree.commit",
                       json_pack ("{s:s, s:s}", "migration", call->migration,
                                  "index", index),
                       NULL));
}

static struct err *
stream (const struct copy *c, enum how how, json_t **result)
{
  const struct step_call *call = c->call;
  CLEANUP_JSON json_t *out = send_args (c, how);
  const char *compress = files_compress (call->item->spec);
  json_object_set_new (out, "compress", json_string (compress));
  if (!c->final) /* while nothing serves every second counts */
    TRY (files_limit (c->call, out));
  CLEANUP_JSON json_t *in = receive_args (c);
  json_object_set_new (in, "packed",
                       json_boolean (strcmp (compress, "never") != 0));
  CLEANUP_JSON json_t *sent = NULL;
  CLEANUP_JSON json_t *got = NULL;
  TRY (call->source->ops->pipe (call->source, "tree.send", out, call->target,
                                "tree.receive", in, call->tick, call->ctx,
                                &sent, &got));
  CLEANUP_FREE char *index = files_own_index (call, false);
  TRY (port_call (call->source, "tree.commit",
                  json_pack ("{s:s, s:s, s:i}", "migration", call->migration,
                             "index", index, "round", c->round),
                  NULL));
  if (!c->final) /* nothing follows, and nothing serves meanwhile */
    acknowledge (call);
  *result = both_results (call, sent, got);
  return NULL;
}

static bool
is_code (const struct err *e, const char *code)
{
  return e != NULL && strcmp (err_code (e), code) == 0;
}

/* A round, or more where what an interruption left asks for it. */
static struct err *
send_again (struct copy *c, enum how how, json_t **result)
{
  struct err *e = stream (c, how, result);
  if (is_code (e, "RH-TREE-RESUME")) {
    err_free (e);
    e = stream (c, HOW_LISTING, result);
  }
  if (is_code (e, "RH-TREE-PATCH")) {
    err_free (e);
    c->whole = true;
    e = stream (c, HOW_LISTING, result);
  }
  if (is_code (e, "RH-TREE-NOBASE") || is_code (e, "RH-TREE-MISSING")
      || is_code (e, "RH-TREE-INDEX"))
  {
    err_free (e);
    e = stream (c, HOW_FULL, result);
  }
  return e;
}

/* A round, which also repairs what a proof found to differ. */
static struct err *
delta (struct copy *c, json_t **result)
{
  CLEANUP_JSON json_t *force = NULL;
  CLEANUP_JSON json_t *gone = NULL;
  TRY (files_repair_read (c->call, &force, &gone));
  c->force = force;
  c->remove = gone;
  bool all = files_into (c->call->item->spec) == INTO_MIRROR;
  TRY (send_again (c, all ? HOW_LISTING : HOW_DELTA, result));
  if (force == NULL)
    return NULL;
  json_object_set (*result, "repaired", force);
  json_object_set (*result, "removed", gone);
  return files_repair_done (c->call);
}

/* Whether an earlier attempt has copied the whole already. */
static struct err *
is_seeded (const struct step_call *call, const char *mark, bool *out)
{
  CLEANUP_FREE char *index = files_index (call->item->spec, true);
  CLEANUP_FREE char *own = steps_path (call, "index/%s.own", index);
  CLEANUP_JSON json_t *done = NULL;
  TRY (remote_exists (call->target, own, out));
  if (!*out)
    return NULL;
  TRY (remote_recall (call->target, mark, &done));
  *out = done != NULL;
  return NULL;
}

static int64_t
new_attempt (void)
{
  struct timespec t;
  clock_gettime (CLOCK_REALTIME, &t);
  return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Goes on where an interrupted first copy was; where that cannot be, begins
 * again. */
static struct err *
first_copy (struct copy *c, json_t **result)
{
  CLEANUP_JSON json_t *point = NULL;
  CLEANUP_FREE char *index = files_own_index (c->call, true);
  c->attempt = new_attempt ();
  TRY (port_call (c->call->target, "tree.resume",
                  json_pack ("{s:s, s:s}", "migration", c->call->migration,
                             "index", index),
                  &point));
  if (json_object_size (point) > 0) {
    c->resume = point;
    struct err *e = stream (c, HOW_LISTING, result);
    c->resume = NULL;
    if (!is_code (e, "RH-TREE-NOBASE") && !is_code (e, "RH-TREE-MISSING")
        && !is_code (e, "RH-TREE-INDEX") && !is_code (e, "RH-TREE-CORRUPT")
        && !is_code (e, "RH-TREE-PATCH"))
      return e;
    err_free (e);
    c->attempt = new_attempt ();
  }
  return stream (c, HOW_FULL, result);
}

struct err *
files_seed (const struct step_call *call, json_t **result)
{
  CLEANUP_FREE char *index = files_index (call->item->spec, true);
  CLEANUP_FREE char *mark = steps_path (call, "index/%s.seeded", index);
  struct copy c = { .call = call, .seed = true, .round = 0 };
  bool seeded;
  TRY (is_seeded (call, mark, &seeded));
  if (seeded) {
    c.seed = false;
    return delta (&c, result);
  }
  TRY (first_copy (&c, result));
  CLEANUP_JSON json_t *done = json_pack ("{s:s}", "migration", call->migration);
  return remote_record (call->target, mark, done);
}

struct err *
files_round (const struct step_call *call, json_t **result)
{
  struct copy c = { .call = call, .followed = true, .round = 1 };
  return delta (&c, result);
}

/* Of a file with several names a watcher's round may leave the change to a
 * walk, which then follows at once. */
struct err *
files_final (const struct step_call *call, json_t **result)
{
  struct copy c = { .call = call, .final = true, .round = call->back ? 4 : 2 };
  TRY (delta (&c, result));
  if (json_integer_value (json_at (*result, "left")) == 0)
    return NULL;
  json_decref (STEAL (*result));
  acknowledge (call);
  return delta (&c, result);
}
