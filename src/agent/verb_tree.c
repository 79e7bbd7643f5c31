/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of trees: arguments checked, then handed to src/tree. */
#include "agent/verb.h"

#include "agent/hinting.h"
#include "agent/sending.h"
#include "agent/tree_args.h"
#include "base/cleanup.h"
#include "tree/canon.h"
#include "tree/index.h"
#include "tree/laid.h"
#include "tree/list.h"
#include "tree/pack.h"
#include "tree/probe.h"
#include "tree/receive.h"
#include "tree/resume_point.h"
#include "tree/still.h"
#include "tree/touched.h"
#include "tree/usage.h"

#include <string.h>

/* A broken index only means a walk. */
static struct err *
known_usage (const struct tree_args *c, const json_t *uses, json_t **result)
{
  CLEANUP_FREE char *acked = NULL;
  TRY (index_path (c->index_dir, c->index, "acked", &acked));
  struct err *e = tree_usage_known (c->root, c->filter, uses, acked, result);
  if (e == NULL || strcmp (err_code (e), "RH-TREE-INDEX") != 0)
    return e;
  err_free (e);
  return NULL;
}

static struct err *
run_usage (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  const json_t *uses = json_at (call->args, "uses");
  TRY (tree_args_read (call, false, &c));
  if (json_is_true (json_at (call->args, "known")) && c.index_dir != NULL)
    TRY (known_usage (&c, uses, result));
  if (*result != NULL)
    return NULL;
  TRY (tree_args_confine_reader (&c, false));
  return tree_usage (c.root, c.filter, uses, &c.watch, result);
}

static struct err *
run_probe (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  TRY (tree_args_read (call, false, &c));
  return probe_root (c.root, result);
}

/* What the keeper knows shortens the round, where nothing special is asked of
 * it.  Behind the freeze nothing is mapped any more; what was, is named. */
static struct err *
follow_watcher (const json_t *args, struct tree_args *c, struct tree_send *a,
                struct hinting *h)
{
  bool special = c->force.n > 0 || (c->reread.n > 0 && !a->final);
  const char *cannot = !a->base     ? "first"
                       : a->listing ? "listing"
                       : special    ? "force"
                                    : NULL;
  h->root = c->root;
  h->index = c->index;
  h->round = a->round;
  hinting_begin (h, cannot == NULL, cannot, json_at (args, "exclude"));
  if (a->final)
    hinting_reread (h, &c->reread);
  else
    TRY (hinting_mapped (h, &c->reread));
  a->hints = h->hinted ? &h->hints : NULL;
  return NULL;
}

static struct err *
run_send (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  CLEANUP (hinting_clear) struct hinting h = { 0 };
  CLEANUP (sending_clear) struct sending sending = { .disk = { .fd = -1 } };
  struct tree_send a = { 0 };
  bool watch;
  TRY (tree_args_read (call, true, &c));
  TRY (json_opt_bool (call->args, "watch", false, &watch));
  TRY (json_get_int (call->args, "round", 0, INT32_MAX, &a.round));
  TRY (json_opt_bool (call->args, "base", false, &a.base));
  TRY (json_opt_bool (call->args, "listing", false, &a.listing));
  TRY (json_opt_bool (call->args, "final", false, &a.final));
  TRY (json_opt_bool (call->args, "atimes", false, &a.atimes));
  CLEANUP (resume_point_free) struct resume_point point = { 0 };
  TRY (json_opt_bool (call->args, "patch", false, &a.patch));
  TRY (json_opt_bool (call->args, "grown", false, &a.grown));
  a.maps = &c.maps;
  TRY (json_opt_int (call->args, "attempt", 0, INT64_MAX, 0, &a.attempt));
  TRY (resume_point_read (json_at (call->args, "resume"), &point));
  a.resume = point.attempt != 0 ? &point : NULL;
  if (a.resume != NULL && (a.attempt == 0 || !a.base || !a.listing))
    return err_new (ERR_CORRECT, "RH-WIRE-FIELD",
                    "\"resume\" needs \"attempt\", \"base\" and \"listing\"");
  a.root = c.root;
  a.filter = c.filter;
  a.force = &c.force;
  a.reread = &c.reread;
  a.index_dir = c.index_dir;
  a.index = c.index;
  if (watch) {
    TRY (json_get_str (call->args, "migration", &h.id));
    TRY (follow_watcher (call->args, &c, &a, &h));
  }
  TRY (sending_begin (&sending, call->args, c.root, call->out, &c.watch));
  TRY (tree_args_confine_reader (&c, true));
  TRY (sending_run (&sending, &a, result));
  hinting_end (&h, *result);
  return NULL;
}

static struct err *
run_receive (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  CLEANUP_FREE char *aside = NULL;
  struct tree_receive a = { 0 };
  size_t len;
  TRY (tree_args_read (call, true, &c));
  TRY (json_opt_bool (call->args, "seed", false, &a.seed));
  TRY (json_opt_bool (call->args, "overwrite", false, &a.overwrite));
  TRY (json_opt_bool (call->args, "merge", false, &a.merge));
  TRY (json_opt_bool (call->args, "keep", false, &a.keep));
  TRY (json_opt_int (call->args, "attempt", 0, INT64_MAX, 0, &a.attempt));
  TRY (json_opt_int (call->args, "checkpoint_ms", 1, INT32_MAX, 0,
                     &a.checkpoint_ms));
  if (json_at (call->args, "aside") != NULL)
    TRY (json_get_bytes (call->args, "aside", &aside, &len));
  TRY (tree_args_receive (call->args, &c, &a));
  a.aside = aside;
  a.settled = tree_args_confine_writer;
  a.settled_ctx = &c;
  bool packed;
  TRY (json_opt_bool (call->args, "packed", false, &packed));
  CLEANUP_UNPACK struct unpack *u = packed ? unpack_new (call->in) : NULL;
  struct source blocks = packed ? unpack_source (u) : *call->in;
  return tree_receive (&a, &blocks, &c.watch, result);
}

/* On the host that received, or that lays up. */
static struct err *
acknowledge (const json_t *args, struct tree_args *c)
{
  bool laid;
  TRY (json_opt_bool (args, "laid", false, &laid));
  if (!laid)
    return tree_acknowledge (c->index_dir, c->index);
  TRY (tree_args_laid (args, c));
  return tree_laid_acknowledge (c->laid_dir, c->index);
}

static struct err *
run_commit (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  int64_t round;
  (void)result;
  TRY (tree_args_index (call->args, true, &c));
  if (json_at (call->args, "round") == NULL)
    return acknowledge (call->args, &c);
  TRY (json_get_int (call->args, "round", 0, INT32_MAX, &round));
  TRY (tree_commit (c.index_dir, c.index, round));
  const char *id;
  TRY (json_get_str (call->args, "migration", &id));
  hinting_commit (id, c.index, round);
  return NULL;
}

/* How far an interrupted first copy came. */
static struct err *
run_resume (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  CLEANUP (resume_point_free) struct resume_point point = { 0 };
  TRY (tree_args_index (call->args, true, &c));
  TRY (resume_mark_get (c.index_dir, c.index, &point));
  *result = point.attempt != 0 ? resume_point_json (&point) : json_object ();
  return NULL;
}

static struct err *
run_drop (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  (void)result;
  TRY (tree_args_index (call->args, true, &c));
  return tree_drop (c.index_dir, c.index);
}

static struct err *
read_mode (const json_t *args, struct inventory_args *out)
{
  const char *mode;
  TRY (json_opt_str (args, "mode", "full", &mode));
  out->full = strcmp (mode, "full") == 0;
  out->stat = strcmp (mode, "stat") == 0;
  if (!out->full && !out->stat && strcmp (mode, "quick") != 0)
    return err_new (ERR_CORRECT, "RH-WIRE-FIELD",
                    "\"mode\" is \"full\", \"quick\" or \"stat\"");
  return NULL;
}

static struct err *
run_list (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  struct tree_list a = { 0 };
  TRY (json_opt_bool (call->args, "baseline", false, &a.baseline));
  TRY (json_opt_bool (call->args, "atimes", false, &a.atimes));
  TRY (tree_args_read (call, a.baseline, &c));
  a.what = tree_args_inventory (&c);
  TRY (read_mode (call->args, &a.what));
  TRY (tree_args_confine_reader (&c, false));
  return tree_list (&a, call->out, &c.watch, result);
}

static struct err *
run_digest (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  TRY (tree_args_read (call, false, &c));
  struct inventory_args what = tree_args_inventory (&c);
  TRY (read_mode (call->args, &what));
  return tree_digest (&what, &c.watch, result);
}

static struct err *
run_compare (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  struct tree_compare a = { 0 };
  int64_t limit;
  TRY (tree_args_read (call, false, &c));
  a.what = tree_args_inventory (&c);
  TRY (read_mode (call->args, &a.what));
  TRY (json_opt_int (call->args, "limit", 0, 10000, 20, &limit));
  TRY (json_opt_bool (call->args, "keep", false, &a.keep));
  TRY (json_opt_bool (call->args, "preview", false, &a.preview));
  a.maps = &c.maps;
  a.limit = (size_t)limit;
  TRY (tree_args_confine_reader (&c, false));
  return tree_compare (&a, call->in, &c.watch, result);
}

static struct err *
read_against (const json_t *args, const char **out)
{
  TRY (json_get_str (args, "against", out));
  if (strcmp (*out, "acked") != 0 && strcmp (*out, "seen") != 0)
    return err_new (ERR_CORRECT, "RH-WIRE-FIELD",
                    "\"against\" is \"acked\" or \"seen\"");
  return NULL;
}

/* What receives wrote since the tree was last compared may differ. */
static struct err *
read_except (const json_t *args, const struct tree_args *c, struct hints *out)
{
  bool touched, known = true;
  TRY (json_opt_bool (args, "touched", false, &touched));
  if (touched)
    TRY (touched_read (c->index_dir, c->index, &known, out));
  hints_seal (out);
  return known ? NULL
               : err_new (ERR_REFUSED, "RH-TREE-NOBASE",
                          "what was written below %s since it was last "
                          "compared is not known",
                          c->root);
}

static struct err *
run_still (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  CLEANUP_HINTS struct hints except = { 0 };
  struct tree_still a = { 0 };
  int64_t limit;
  TRY (tree_args_read (call, true, &c));
  TRY (tree_args_confine_reader (&c, false));
  a.what = tree_args_inventory (&c);
  a.what.look = true;
  a.what.full = false;
  TRY (read_against (call->args, &a.what.only));
  TRY (read_except (call->args, &c, &except));
  TRY (json_opt_int (call->args, "limit", 0, 10000, 20, &limit));
  a.except = &except;
  a.limit = (size_t)limit;
  return tree_still (&a, &c.watch, result);
}

static struct err *
run_touched (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  CLEANUP_HINTS struct hints paths = { 0 };
  bool known;
  TRY (tree_args_index (call->args, true, &c));
  TRY (touched_read (c.index_dir, c.index, &known, &paths));
  *result = json_pack ("{s:b, s:[]}", "known", known, "paths");
  json_t *list = json_object_get (*result, "paths");
  for (size_t i = 0; i < paths.list.n; i++)
    json_array_append_new (list, json_bytes (paths.list.v[i].path,
                                             paths.list.v[i].len));
  return NULL;
}

static struct err *
run_manifest (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  const char *single;
  TRY (tree_args_index (call->args, true, &c));
  TRY (json_opt_str (call->args, "single", "-", &single));
  TRY (tree_args_confine_reader (&c, false));
  return tree_manifest (c.index_dir, c.index, single, call->out, result);
}

const struct verb verbs_tree[] = {
  { "tree.usage", 0, run_usage },
  { "tree.probe", 0, run_probe },
  { "tree.send", VERB_OUT, run_send },
  { "tree.receive", VERB_IN | VERB_APART, run_receive },
  { "tree.commit", 0, run_commit },
  { "tree.list", VERB_OUT, run_list },
  { "tree.digest", 0, run_digest },
  { "tree.compare", VERB_IN | VERB_APART, run_compare },
  { "tree.still", 0, run_still },
  { "tree.touched", 0, run_touched },
  { "tree.manifest", VERB_OUT, run_manifest },
  { "tree.resume", 0, run_resume },
  { "tree.drop", 0, run_drop },
  { NULL, 0, NULL },
};
