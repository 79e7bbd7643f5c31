/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that take a copy away again: see tree/discard.h. */
#include "agent/verb.h"

#include "agent/apart.h"
#include "agent/fence.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "host/confine.h"
#include "tree/discard.h"

static struct err *
run_given (struct verb_call *call, json_t **result)
{
  const char *id, *index;
  TRY (json_get_str (call->args, "migration", &id));
  TRY (json_get_str (call->args, "index", &index));
  TRY (fence_check_id (id));
  CLEANUP_FREE char *dir = mem_printf ("%s/%s/index", fence_state_dir (), id);
  return tree_given (dir, index, call->out, result);
}

/* From here on the worker can do nothing but change what holds the root. */
static struct err *
confine_above (void *ctx, int dirfd)
{
  struct confine_place place = { dirfd, true };
  int got;
  (void)ctx;
  return apart_is_worker () ? confine (&place, 1, true, &got) : NULL;
}

static struct err *
run_discard (struct verb_call *call, json_t **result)
{
  CLEANUP_FREE char *root = NULL;
  size_t len;
  int64_t limit;
  struct tree_discard a = { .settled = confine_above };
  struct tree_watch watch = { .tick = call->progress,
                              .cancelled = call->cancelled,
                              .ctx = call->ctx };
  TRY (json_get_bytes (call->args, "root", &root, &len));
  while (len > 1 && root[len - 1] == '/')
    root[--len] = '\0';
  if (root[0] != '/' || len == 1)
    return err_new (ERR_CORRECT, "RH-TREE-ROOT",
                    "the root is not absolute, or is /");
  TRY (json_opt_bool (call->args, "dry", true, &a.dry));
  TRY (json_opt_int (call->args, "limit", 0, 10000, 20, &limit));
  a.root = root;
  a.limit = (size_t)limit;
  return tree_discard (&a, call->in, &watch, result);
}

const struct verb verbs_discard[] = {
  { "tree.given", VERB_OUT, run_given },
  { "tree.discard", VERB_IN | VERB_APART, run_discard },
  { NULL, 0, NULL },
};
