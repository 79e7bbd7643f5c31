/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of trees: arguments checked, then handed to src/tree. */
#include "agent/verb.h"

#include "agent/apart.h"
#include "agent/fence.h"
#include "agent/hinting.h"
#include "agent/sending.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "host/confine.h"
#include "host/durable.h"
#include "tree/audit.h"
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

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

/* What most verbs take. */
struct common {
  char *root;
  char *index_dir; /* NULL without `migration` */
  char *laid_dir;  /* where rounds are laid up; mostly NULL */
  const char *index;
  struct filter *filter;
  struct paths force, reread, remove;
  struct hints hints; /* of "paths" */
  bool hinted;
  struct idmaps maps;
  struct tree_watch watch;
};

static void
common_clear (struct common *c)
{
  free (c->root);
  free (c->index_dir);
  free (c->laid_dir);
  filter_free (c->filter);
  paths_free (&c->force);
  paths_free (&c->reread);
  paths_free (&c->remove);
  hints_free (&c->hints);
  idmaps_free (&c->maps);
}

/* A walk holds one descriptor for each level of the tree. */
static void
raise_files (void)
{
  struct rlimit r;
  if (getrlimit (RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max
      && r.rlim_cur < 8192)
  {
    r.rlim_cur = r.rlim_max < 8192 ? r.rlim_max : 8192;
    setrlimit (RLIMIT_NOFILE, &r);
  }
}

static struct err *
read_index (const json_t *args, bool required, struct common *c)
{
  const char *id;
  TRY (json_opt_str (args, "migration", NULL, &id));
  TRY (json_opt_str (args, "index", NULL, &c->index));
  if (id == NULL && c->index == NULL && !required)
    return NULL;
  TRY (json_get_str (args, "migration", &id));
  TRY (json_get_str (args, "index", &c->index));
  TRY (fence_check_id (id));
  c->index_dir = mem_printf ("%s/%s/index", fence_state_dir (), id);
  return NULL;
}

static struct err *
read_root (const json_t *args, struct common *c)
{
  size_t len;
  TRY (json_get_bytes (args, "root", &c->root, &len));
  while (len > 1 && c->root[len - 1] == '/')
    c->root[--len] = 0;
  if (c->root[0] != '/')
    return err_new (ERR_CORRECT, "RH-TREE-ROOT", "the root is not absolute");
  return NULL;
}

static struct err *
read_common (struct verb_call *call, bool index, struct common *c)
{
  const json_t *args = call->args;
  int64_t of_files;
  uint64_t of_bytes = 0;
  raise_files ();
  TRY (read_root (args, c));
  TRY (read_index (args, index, c));
  TRY (filter_read (json_at (args, "exclude"), &c->filter));
  TRY (paths_read (json_at (args, "force"), c->root, &c->force));
  TRY (paths_read (json_at (args, "reread"), c->root, &c->reread));
  TRY (paths_read (json_at (args, "remove"), c->root, &c->remove));
  c->hinted = json_at (args, "paths") != NULL;
  TRY (hints_read (&c->hints, json_at (args, "paths"), false));
  hints_seal (&c->hints);
  TRY (idmap_read (json_at (args, "uids"), &c->maps.uids));
  TRY (idmap_read (json_at (args, "gids"), &c->maps.gids));
  TRY (json_opt_int (args, "of_files", 0, INT64_MAX, 0, &of_files));
  if (json_at (args, "of_bytes") != NULL)
    TRY (json_get_u64 (args, "of_bytes", &of_bytes));
  c->watch = (struct tree_watch){ .tick = call->progress,
                                  .cancelled = call->cancelled,
                                  .ctx = call->ctx,
                                  .of_files = (uint64_t)of_files,
                                  .of_bytes = of_bytes };
  return NULL;
}

/* The worker gives up all but the tree and the directory of its indexes.
 * `root`: -1 where there is none. */
static struct err *
confine_to (const struct common *c, int root, bool write)
{
  if (!apart_is_worker ())
    return NULL;
  CLEANUP_FD int index = -1;
  CLEANUP_FD int laid = -1;
  struct confine_place places[3];
  size_t n = 0;
  int got;
  if (root >= 0)
    places[n++] = (struct confine_place){ root, write };
  if (c->index_dir != NULL)
    index = open (c->index_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (index >= 0)
    places[n++] = (struct confine_place){ index, true };
  if (c->laid_dir != NULL)
    laid = open (c->laid_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (laid >= 0)
    places[n++] = (struct confine_place){ laid, true };
  return confine (places, n, write, &got);
}

/* Before a tree is read. */
static struct err *
confine_reader (const struct common *c, bool make_index)
{
  if (make_index)
    TRY (durable_mkdirs (c->index_dir, 0700));
  CLEANUP_FD int root
      = c->root == NULL ? -1 : open (c->root, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  return confine_to (c, root, false);
}

/* Once it is known below what a receiver writes. */
static struct err *
confine_writer (void *ctx, int dirfd)
{
  return confine_to (ctx, dirfd, true);
}

/* A broken index only means a walk. */
static struct err *
known_usage (const struct common *c, const json_t *uses, json_t **result)
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
  CLEANUP (common_clear) struct common c = { 0 };
  const json_t *uses = json_at (call->args, "uses");
  TRY (read_common (call, false, &c));
  if (json_is_true (json_at (call->args, "known")) && c.index_dir != NULL)
    TRY (known_usage (&c, uses, result));
  if (*result != NULL)
    return NULL;
  TRY (confine_reader (&c, false));
  return tree_usage (c.root, c.filter, uses, &c.watch, result);
}

static struct err *
run_probe (struct verb_call *call, json_t **result)
{
  CLEANUP (common_clear) struct common c = { 0 };
  TRY (read_common (call, false, &c));
  return probe_root (c.root, result);
}

/* What the keeper knows shortens the round, where nothing special is asked of
 * it.  Behind the freeze nothing is mapped any more; what was, is named. */
static struct err *
follow_watcher (const json_t *args, struct common *c, struct tree_send *a,
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
  CLEANUP (common_clear) struct common c = { 0 };
  CLEANUP (hinting_clear) struct hinting h = { 0 };
  CLEANUP (sending_clear) struct sending sending = { .disk = { .fd = -1 } };
  struct tree_send a = { 0 };
  bool watch;
  TRY (read_common (call, true, &c));
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
  TRY (confine_reader (&c, true));
  TRY (sending_run (&sending, &a, result));
  hinting_end (&h, *result);
  return NULL;
}

/* What tree.receive and tree.laid-apply share. */
static struct err *
read_receive (const json_t *args, const struct common *c,
              struct tree_receive *a)
{
  int64_t limit;
  TRY (json_opt_int (args, "delete_limit", 0, INT64_MAX, 1000, &limit));
  TRY (json_opt_bool (args, "adopt", false, &a->adopt));
  a->root = c->root;
  a->filter = c->filter;
  a->maps = &c->maps;
  a->remove = &c->remove;
  a->index_dir = c->index_dir;
  a->index = c->index;
  a->delete_limit = (uint64_t)limit;
  return NULL;
}

static struct err *
run_receive (struct verb_call *call, json_t **result)
{
  CLEANUP (common_clear) struct common c = { 0 };
  CLEANUP_FREE char *aside = NULL;
  struct tree_receive a = { 0 };
  size_t len;
  TRY (read_common (call, true, &c));
  TRY (json_opt_bool (call->args, "seed", false, &a.seed));
  TRY (json_opt_bool (call->args, "overwrite", false, &a.overwrite));
  TRY (json_opt_bool (call->args, "merge", false, &a.merge));
  TRY (json_opt_bool (call->args, "keep", false, &a.keep));
  TRY (json_opt_int (call->args, "attempt", 0, INT64_MAX, 0, &a.attempt));
  TRY (json_opt_int (call->args, "checkpoint_ms", 1, INT32_MAX, 0,
                     &a.checkpoint_ms));
  if (json_at (call->args, "aside") != NULL)
    TRY (json_get_bytes (call->args, "aside", &aside, &len));
  TRY (read_receive (call->args, &c, &a));
  a.aside = aside;
  a.settled = confine_writer;
  a.settled_ctx = &c;
  bool packed;
  TRY (json_opt_bool (call->args, "packed", false, &packed));
  CLEANUP_UNPACK struct unpack *u = packed ? unpack_new (call->in) : NULL;
  struct source blocks = packed ? unpack_source (u) : *call->in;
  return tree_receive (&a, &blocks, &c.watch, result);
}

static struct err *
run_commit (struct verb_call *call, json_t **result)
{
  CLEANUP (common_clear) struct common c = { 0 };
  int64_t round;
  (void)result;
  TRY (read_index (call->args, true, &c));
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
  CLEANUP (common_clear) struct common c = { 0 };
  CLEANUP (resume_point_free) struct resume_point point = { 0 };
  TRY (read_index (call->args, true, &c));
  TRY (resume_mark_get (c.index_dir, c.index, &point));
  *result = point.attempt != 0 ? resume_point_json (&point) : json_object ();
  return NULL;
}

static struct err *
run_drop (struct verb_call *call, json_t **result)
{
  CLEANUP (common_clear) struct common c = { 0 };
  (void)result;
  TRY (read_index (call->args, true, &c));
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

static struct inventory_args
inventory_of (const struct common *c)
{
  return (struct inventory_args){ .root = c->root,
                                  .filter = c->filter,
                                  .force = &c->force,
                                  .index_dir = c->index_dir,
                                  .index = c->index,
                                  .full = true,
                                  .hints = c->hinted ? &c->hints : NULL };
}

static struct err *
run_list (struct verb_call *call, json_t **result)
{
  CLEANUP (common_clear) struct common c = { 0 };
  struct tree_list a = { 0 };
  TRY (json_opt_bool (call->args, "baseline", false, &a.baseline));
  TRY (json_opt_bool (call->args, "atimes", false, &a.atimes));
  TRY (read_common (call, a.baseline, &c));
  a.what = inventory_of (&c);
  TRY (read_mode (call->args, &a.what));
  TRY (confine_reader (&c, false));
  return tree_list (&a, call->out, &c.watch, result);
}

static struct err *
run_digest (struct verb_call *call, json_t **result)
{
  CLEANUP (common_clear) struct common c = { 0 };
  TRY (read_common (call, false, &c));
  struct inventory_args what = inventory_of (&c);
  TRY (read_mode (call->args, &what));
  return tree_digest (&what, &c.watch, result);
}

static struct err *
run_compare (struct verb_call *call, json_t **result)
{
  CLEANUP (common_clear) struct common c = { 0 };
  struct tree_compare a = { 0 };
  int64_t limit;
  TRY (read_common (call, false, &c));
  a.what = inventory_of (&c);
  TRY (read_mode (call->args, &a.what));
  TRY (json_opt_int (call->args, "limit", 0, 10000, 20, &limit));
  TRY (json_opt_bool (call->args, "keep", false, &a.keep));
  TRY (json_opt_bool (call->args, "preview", false, &a.preview));
  a.maps = &c.maps;
  a.limit = (size_t)limit;
  TRY (confine_reader (&c, false));
  return tree_compare (&a, call->in, &c.watch, result);
}

/* ---- Rounds that are laid up, and the audit ---- */

/* Where they lie: beside the indexes. */
static struct err *
read_laid (const json_t *args, struct common *c)
{
  const char *id;
  CLEANUP_FREE char *checked = NULL;
  TRY (json_get_str (args, "migration", &id));
  TRY (index_path ("", c->index, "", &checked));
  c->laid_dir = mem_printf ("%s/%s/back", fence_state_dir (), id);
  return NULL;
}

static struct err *
run_lay (struct verb_call *call, json_t **result)
{
  CLEANUP (common_clear) struct common c = { 0 };
  bool whole;
  struct tree_watch watch = { .tick = call->progress,
                              .cancelled = call->cancelled,
                              .ctx = call->ctx };
  TRY (read_index (call->args, true, &c));
  TRY (read_laid (call->args, &c));
  TRY (json_opt_bool (call->args, "whole", false, &whole));
  TRY (durable_mkdirs (c.laid_dir, 0700));
  TRY (confine_to (&c, -1, true));
  return tree_lay (c.laid_dir, c.index, whole, call->in, &watch, result);
}

static struct err *
run_laid (struct verb_call *call, json_t **result)
{
  CLEANUP (common_clear) struct common c = { 0 };
  TRY (read_index (call->args, true, &c));
  TRY (read_laid (call->args, &c));
  return tree_laid (c.laid_dir, c.index, result);
}

static struct err *
run_laid_apply (struct verb_call *call, json_t **result)
{
  CLEANUP (common_clear) struct common c = { 0 };
  struct tree_receive a = { .again = true, .settled = confine_writer };
  TRY (read_common (call, true, &c));
  TRY (read_laid (call->args, &c));
  TRY (read_receive (call->args, &c, &a));
  a.settled_ctx = &c;
  return tree_laid_apply (c.laid_dir, &a, &c.watch, result);
}

static bool
is_suffix (const char *s)
{
  return strcmp (s, "seen") == 0 || strcmp (s, "acked") == 0
         || strcmp (s, "base") == 0;
}

static struct err *
run_index_copy (struct verb_call *call, json_t **result)
{
  CLEANUP (common_clear) struct common c = { 0 };
  const char *from, *to;
  (void)result;
  TRY (read_index (call->args, true, &c));
  TRY (json_get_str (call->args, "from", &from));
  TRY (json_get_str (call->args, "to", &to));
  if (!is_suffix (from) || !is_suffix (to))
    return err_new (ERR_CORRECT, "RH-WIRE-FIELD",
                    "\"from\" and \"to\" are seen, acked or base");
  return tree_index_copy (c.index_dir, c.index, from, to);
}

static struct err *
run_audit (struct verb_call *call, json_t **result)
{
  CLEANUP (common_clear) struct common c = { 0 };
  int64_t limit;
  TRY (read_common (call, true, &c));
  TRY (json_opt_int (call->args, "limit", 0, 10000, 20, &limit));
  struct tree_audit a = { .what = inventory_of (&c), .limit = (size_t)limit };
  return tree_audit (&a, &c.watch, result);
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
read_except (const json_t *args, const struct common *c, struct hints *out)
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
  CLEANUP (common_clear) struct common c = { 0 };
  CLEANUP_HINTS struct hints except = { 0 };
  struct tree_still a = { 0 };
  int64_t limit;
  TRY (read_common (call, true, &c));
  TRY (confine_reader (&c, false));
  a.what = inventory_of (&c);
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
  CLEANUP (common_clear) struct common c = { 0 };
  CLEANUP_HINTS struct hints paths = { 0 };
  bool known;
  TRY (read_index (call->args, true, &c));
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
  CLEANUP (common_clear) struct common c = { 0 };
  const char *single;
  TRY (read_index (call->args, true, &c));
  TRY (json_opt_str (call->args, "single", "-", &single));
  TRY (confine_reader (&c, false));
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
  { "tree.lay", VERB_IN | VERB_APART, run_lay },
  { "tree.laid", 0, run_laid },
  { "tree.laid-apply", VERB_APART, run_laid_apply },
  { "tree.index-copy", 0, run_index_copy },
  { "tree.audit", 0, run_audit },
  { NULL, 0, NULL },
};
