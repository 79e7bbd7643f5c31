/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of rounds that are laid up, and of the audit before they count. */
#include "agent/verb.h"

#include "agent/tree_args.h"
#include "host/durable.h"
#include "tree/audit.h"
#include "tree/laid.h"

#include <string.h>

static struct err *
run_lay (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  bool whole;
  struct tree_watch watch = { .tick = call->progress,
                              .cancelled = call->cancelled,
                              .ctx = call->ctx };
  TRY (tree_args_index (call->args, true, &c));
  TRY (tree_args_laid (call->args, &c));
  TRY (json_opt_bool (call->args, "whole", false, &whole));
  TRY (durable_mkdirs (c.laid_dir, 0700));
  TRY (tree_args_confine (&c, -1, true));
  return tree_lay (c.laid_dir, c.index, whole, call->in, &watch, result);
}

static struct err *
run_laid (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  TRY (tree_args_index (call->args, true, &c));
  TRY (tree_args_laid (call->args, &c));
  return tree_laid (c.laid_dir, c.index, result);
}

static struct err *
run_laid_apply (struct verb_call *call, json_t **result)
{
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  struct tree_receive a
      = { .again = true, .settled = tree_args_confine_writer };
  TRY (tree_args_read (call, true, &c));
  TRY (tree_args_laid (call->args, &c));
  TRY (tree_args_receive (call->args, &c, &a));
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
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  const char *from, *to;
  (void)result;
  TRY (tree_args_index (call->args, true, &c));
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
  CLEANUP_TREE_ARGS struct tree_args c = { 0 };
  int64_t limit;
  TRY (tree_args_read (call, true, &c));
  TRY (json_opt_int (call->args, "limit", 0, 10000, 20, &limit));
  struct tree_audit a
      = { .what = tree_args_inventory (&c), .limit = (size_t)limit };
  return tree_audit (&a, &c.watch, result);
}

const struct verb verbs_laid[] = {
  { "tree.lay", VERB_IN | VERB_APART, run_lay },
  { "tree.laid", 0, run_laid },
  { "tree.laid-apply", VERB_APART, run_laid_apply },
  { "tree.index-copy", 0, run_index_copy },
  { "tree.audit", 0, run_audit },
  { NULL, 0, NULL },
};
