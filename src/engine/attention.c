/* SPDX-License-Identifier: Apache-2.0 */
/* Why a person is needed: one object, with what happened, what is safe and
 * what to do. */
#include "engine/state.h"

void
attention_clear (struct engine *e)
{
  json_decref (e->attention);
  e->attention = NULL;
  e->attention_step = NO_STEP;
}

static void
set (struct engine *e, json_t *object, size_t step)
{
  attention_clear (e);
  e->attention = object;
  e->attention_step = step;
  e->attentions++;
}

/* A copy of the step's error with the step's name in it. */
static json_t *
finding (const struct engine *e, size_t step)
{
  const json_t *error = e->steps[step].error;
  json_t *o = error != NULL ? json_deep_copy (error) : json_object ();
  json_object_set_new (o, "step", json_string (state_step (e, step)->id));
  return o;
}

void
attention_step (struct engine *e, size_t step)
{
  set (e, finding (e, step), step);
}

static void
set_error (struct engine *e, struct err *error, json_t *findings)
{
  json_t *o = json_from_err (error);
  if (findings != NULL)
    json_object_set_new (o, "findings", findings);
  err_free (error);
  set (e, o, NO_STEP);
}

/* All checks of the current leg that failed. */
void
attention_blocked (struct engine *e)
{
  json_t *findings = json_array ();
  enum stage stage = state_stage (e);
  for (size_t i = e->first_of[stage]; i < e->first_of[stage + 1]; i++)
    if (e->steps[i].mark == MARK_FAILED)
      json_array_append_new (findings, finding (e, i));
  size_t n = json_array_size (findings);
  set_error (e,
             err_advise (err_new (ERR_BLOCKED, "RH-ENGINE-BLOCKED",
                                  "%zu check%s found something that is in the "
                                  "way",
                                  n, n == 1 ? "" : "s"),
                         "nothing was changed",
                         "mend each of the findings, "
                         "then ask again"),
             findings);
}

void
attention_limit (struct engine *e)
{
  const char *host = phase_way (e->phase) == WAY_BACK ? "target" : "source";
  set_error (e,
             err_advise (err_new (ERR_REFUSED, "RH-ENGINE-DOWNTIME-LIMIT",
                                  "the %s was frozen for longer than the "
                                  "limit of %ld ms",
                                  host, e->limits.downtime_ms),
                         "it serves again, with everything that it "
                         "acknowledged",
                         "see in the report which step took long, then cut "
                         "over again or raise cutover.downtime-limit"),
             NULL);
}

void
attention_stuck (struct engine *e)
{
  json_t *findings = json_array ();
  for (size_t i = 0; i < e->n; i++)
    if (e->steps[i].undo_failed)
      json_array_append_new (findings, finding (e, i));
  size_t n = json_array_size (findings);
  bool back = phase_way (e->phase) == WAY_BACK;
  set_error (e,
             err_advise (err_new (ERR_REFUSED, "RH-ENGINE-STUCK",
                                  "%zu step%s could not be undone", n,
                                  n == 1 ? "" : "s"),
                         back ? "the source was not opened; what remains "
                                "frozen stays frozen"
                              : "the target was never opened; what remains "
                                "frozen stays frozen",
                         "mend what the findings name, then `rehome resume`; "
                         "if rehome cannot, /root/REHOME-FROZEN.txt on the "
                         "source says how to bring it back"),
             findings);
}
