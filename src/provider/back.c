/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way back in terms of the way there: most of its steps are an operation
 * of the cutover with the two hosts changed over, or one that is undone.
 *
 * In a mirrored call the results of "X#back-OP" stand for those of "X#OP"; all
 * others are as they were.
 */
#include "provider/provider.h"

#include "base/mem.h"

#include <string.h>

static const char *const reverse_names[] = {
  [REVERSE_NONE] = "none",
  [REVERSE_DELTA] = "delta",
  [REVERSE_REPLICATE] = "replicate",
  [REVERSE_EMPTY] = "empty",
};

const char *
reverse_name (enum reverse_mode m)
{
  return (unsigned)m <= REVERSE_EMPTY ? reverse_names[m] : "?";
}

enum reverse_mode
provider_reverse_of (const struct plan_item *item, const json_t *said)
{
  const struct provider *p = provider_find (item->kind);
  const char *name = json_string_value (json_at (said, "reverse"));
  for (enum reverse_mode m = REVERSE_NONE; name != NULL && m <= REVERSE_EMPTY;
       m++)
    if (strcmp (name, reverse_names[m]) == 0)
      return m;
  return p != NULL ? p->reverse : REVERSE_EMPTY;
}

enum reverse_mode
provider_reverse (const struct plan *plan, const json_t *said)
{
  enum reverse_mode weakest = REVERSE_EMPTY;
  for (size_t i = 0; i < plan_item_count (plan); i++) {
    const struct plan_item *item = plan_item (plan, i);
    enum reverse_mode mode
        = provider_reverse_of (item, json_at (said, item->name));
    if (mode < weakest)
      weakest = mode;
  }
  return weakest;
}

bool
back_passes (const struct step_call *call)
{
  enum step_side side = call->step->side;
  bool back = stage_is_back (call->step->stage)
              || call->step->stage == STAGE_BACK_ROUND;
  return call->alone && back && (side == SIDE_TARGET || side == SIDE_BOTH);
}

const struct back_op *
back_op_of (const struct provider *p, const struct step_call *call)
{
  for (const struct back_op *b = p->back_ops; b != NULL && b->op != NULL; b++)
    if (strcmp (b->op, call->step->op) == 0)
      return b;
  return NULL;
}

struct back_call {
  struct step_call call;
  struct step step;
  char *id;
  json_t *inputs;
  bool mirrored;
};

/* "service:shop#back-stop" gives "service:shop#stop". */
static char *
plain_id (const char *id)
{
  const char *hash = strrchr (id, '#');
  if (hash == NULL || strncmp (hash, "#back-", 6) != 0)
    return NULL;
  return mem_printf ("%.*s#%s", (int)(hash - id), id, hash + 6);
}

static json_t *
mirrored_inputs (const json_t *inputs)
{
  json_t *out = inputs != NULL ? json_copy ((json_t *)(uintptr_t)inputs)
                               : json_object ();
  const char *id;
  json_t *result;
  json_object_foreach ((json_t *)(uintptr_t)inputs, id, result)
  {
    CLEANUP_FREE char *plain = plain_id (id);
    if (plain != NULL && json_at (result, "passed_over") == NULL)
      json_object_set (out, plain, result);
  }
  return out;
}

struct back_call *
back_call_new (const struct step_call *call, const struct back_op *op)
{
  struct back_call *b = mem_alloc (sizeof *b);
  const char *hash = strrchr (call->step->id, '#');
  int len = hash != NULL ? (int)(hash - call->step->id) : 0;
  b->call = *call;
  b->step = *call->step;
  b->id = mem_printf ("%.*s#%s", len, call->step->id, op->as);
  b->step.op = op->as;
  b->step.id = b->id;
  b->call.step = &b->step;
  b->mirrored = op->how == BACK_MIRRORED;
  if (!b->mirrored)
    return b;
  b->inputs = mirrored_inputs (call->inputs);
  b->call.inputs = b->inputs;
  b->call.source = call->target;
  b->call.target = call->source;
  b->call.back = true;
  return b;
}

const struct step_call *
back_call_inner (const struct back_call *b)
{
  return &b->call;
}

static char *
change_names (const char *text)
{
  static const char one[] = "the source", other[] = "the target";
  char *out = mem_strdup (text);
  for (char *p = out; p != NULL && (p = strstr (p, "the ")) != NULL; p += 4)
    if (strncmp (p, one, sizeof one - 1) == 0)
      memcpy (p, other, sizeof other - 1);
    else if (strncmp (p, other, sizeof other - 1) == 0)
      memcpy (p, one, sizeof one - 1);
  return out;
}

struct err *
back_call_err (const struct back_call *b, struct err *e)
{
  if (e == NULL || b == NULL || !b->mirrored)
    return e;
  CLEANUP_FREE char *message = change_names (err_message (e));
  CLEANUP_FREE char *safe
      = err_safe (e) != NULL ? change_names (err_safe (e)) : NULL;
  CLEANUP_FREE char *todo
      = err_advice (e) != NULL ? change_names (err_advice (e)) : NULL;
  struct err *named
      = err_remote (err_class_of (e), err_code (e), message, safe, todo);
  err_free (e);
  return named;
}

void
back_call_free (struct back_call *b)
{
  if (b == NULL)
    return;
  json_decref (b->inputs);
  free (b->id);
  free (b);
}
