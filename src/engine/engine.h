/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pure core: next(state, event) -> effects.  Single-threaded; no I/O, no
 * clock, no randomness, no threads (tests/layers checks the objects' symbols).
 *
 * The state is a fold over journal records, and changes only by
 * EVENT_RECORD.  So what is to be remembered is an EFFECT_APPEND, and what
 * depends on it is decided when the record comes back as an event, durable.
 *
 *   EVENT_REQUEST ─> APPEND(request) ─> EVENT_RECORD ─> APPEND(intent s)
 *   EVENT_RECORD(intent s) ─> RUN(s)     EVENT_OUTCOME(s) ─> APPEND(outcome s)
 *
 * A process starts with each stored record as EVENT_RECORD with `replay`, then
 * its own claim (RECORD_CLAIMED, and RECORD_PLANNED where the plan is new)
 * as EVENT_RECORD, then EVENT_RESUME, always; an intent without outcome is
 * probed (EFFECT_PROBE), never assumed.  Without EVENT_RESUME nothing is
 * decided: a replay alone is a reading of the journal.
 *
 * Effects are performed in their order; each EFFECT_APPEND comes back as an
 * EVENT_RECORD once it is durable, in the order of the effects.  A probe must
 * not answer PROBE_NOT_DONE while an earlier call of that step may still be
 * running on a host (end its connection, or claim a higher epoch, first).
 */
#ifndef REHOME_ENGINE_ENGINE_H
#define REHOME_ENGINE_ENGINE_H

#include "base/err.h"
#include "journal/record.h"
#include "plan/graph.h"
#include "plan/plan.h"

#include <stdbool.h>
#include <stdint.h>

/* Phases, as in docs/STATES.md. */
enum phase {
  PHASE_PLANNED,  /* nothing done yet; writer: source */
  PHASE_SEEDING,  /* preflight and first copy */
  PHASE_SYNCING,  /* in step; rounds repeat */
  PHASE_TESTING,  /* the way there and back is rehearsed on a copy */
  PHASE_PROVING,  /* cutover asked for: proof before the freeze */
  PHASE_HOLDING,  /* jobs awaited, source still serves */
  PHASE_FREEZING, /* writer: none */
  PHASE_FINAL,
  PHASE_VERIFYING,
  PHASE_STARTING, /* target starts behind the gate */
  PHASE_SMOKE,
  PHASE_SWITCHING,
  PHASE_OUTSIDE,
  PHASE_OPENING, /* pivot intent is durable; writer: target from its outcome */
  PHASE_GUARDED, /* writer: target */
  PHASE_ACCEPTING,
  PHASE_ACCEPTED,
  PHASE_ABORTING, /* undoing, before the pivot */
  PHASE_ABORTED,  /* source serves; the copy is kept; sync may go on */
  PHASE_STUCK,    /* an undo failed: locks and fences kept */
  /* Rollback: the same way, backwards. */
  PHASE_RETURNING,     /* the way back is looked at; writer: target */
  PHASE_BACK_HOLDING,  /* the target still serves */
  PHASE_BACK_FREEZING, /* writer: none */
  PHASE_BACK_FINAL,
  PHASE_BACK_VERIFYING,
  PHASE_BACK_STARTING, /* source starts behind a gate */
  PHASE_BACK_SMOKE,
  PHASE_BACK_SWITCHING,
  PHASE_BACK_OUTSIDE,
  PHASE_BACK_OPENING,  /* writer: source from the pivot's outcome */
  PHASE_ROLLED_BACK,   /* writer: source, with all that the target took */
  PHASE_BACK_ABORTING, /* undoing the rollback, before its pivot */
  PHASE_BACK_STUCK,
  PHASE_COUNT
};
const char *phase_name (enum phase p);

enum writer { WRITER_SOURCE, WRITER_NONE, WRITER_TARGET };
const char *writer_name (enum writer w);

enum request {
  REQUEST_SYNC,    /* prepare and keep in step */
  REQUEST_CUTOVER, /* sync first where needed, then cut over */
  REQUEST_ABORT,
  REQUEST_ACCEPT,
  REQUEST_ROLLBACK,
  REQUEST_ROLLBACK_ALONE, /* the target is gone for good: without it */
  REQUEST_PAUSE,          /* ends what copies or proves, else at the next
                             step boundary */
  REQUEST_RESUME,         /* also: try again what needs attention */
  REQUEST_TEST,           /* rehearse, in step; then go on keeping it so */
  REQUEST_COUNT
};
const char *request_name (enum request r);
int request_from_name (const char *name, enum request *out);

enum event_kind {
  EVENT_RECORD,  /* `record` is durable (or replayed) */
  EVENT_RESUME,  /* the replay is over */
  EVENT_REQUEST, /* `request`, `actor`; a cutover's `no_way_back` */
  EVENT_OUTCOME, /* a RUN or UNDO of `step` ended: `error` or `data` */
  EVENT_PROBED,  /* `probe`, and the result in `data` where a host still
                    remembers it; `error` where nothing could be learnt */
  EVENT_TIMER,   /* `timer` fired */
  EVENT_TICK,    /* measured by exec: data {"forecast": {...}} and/or
                    {"measure": {...}}: journaled as such */
};

enum probe { PROBE_DONE, PROBE_NOT_DONE, PROBE_PARTIAL, PROBE_UNKNOWN };
const char *probe_name (enum probe p);

struct event {
  enum event_kind kind;
  const struct record *record;
  bool replay;
  enum request request;
  const char *actor;
  const json_t
      *no_way_back; /* what a person confirmed (docs/JOURNAL.md), or NULL
                     */
  const char *step;
  uint32_t attempt;
  bool undo;
  const struct err *error; /* NULL: success */
  const json_t *data;
  enum probe probe;
  const char *timer;
  int64_t time_ms; /* when it happened, by the controller's clock: recorded
                      input, used only for measures */
};

enum effect_kind {
  EFFECT_APPEND, /* type, step, attempt, actor, data */
  EFFECT_RUN,    /* step, attempt; data: {"inputs": {id: result}, "alone",
                    "no_way_back"} */
  EFFECT_UNDO,   /* step, attempt (undos count their own); data as EFFECT_RUN,
                    the step's own result among the inputs */
  EFFECT_PROBE,  /* step, attempt; data as EFFECT_RUN */
  EFFECT_CANCEL, /* step, attempt: end the running call soon; its EVENT_OUTCOME
                    still comes and is awaited */
  EFFECT_TIMER,  /* timer, delay_ms; delay_ms < 0 cancels */
  EFFECT_NOTIFY, /* data: for people: {"kind": "phase", "from", "to", "why"},
                    {"kind": "refused", "request", "error"},
                    {"kind": "attention", "error"}, {"kind": "in-step"} */
  EFFECT_DONE,   /* nothing more to do until a request comes */
};

struct effect {
  enum effect_kind kind;
  enum record_type type;
  char *step;
  uint32_t attempt;
  bool undo;
  char *actor;
  json_t *data;
  char *timer;
  int64_t delay_ms;
};

struct effects {
  struct effect *v;
  size_t n, cap;
};
void effects_clear (struct effects *e);

struct engine;

/* The graph must outlive the engine. */
struct engine *engine_new (const struct graph *g, const struct plan_limits *l);
void engine_free (struct engine *e);

/* Decides.  Effects are appended to `out` in the order in which they must
 * happen.  An error means that the event cannot be (a bug or a corrupt
 * journal); the state is then unchanged. */
struct err *engine_next (struct engine *e, const struct event *ev,
                         struct effects *out);

/* Readings of the fold, for status and report; borrowed until the next
 * engine_next. */
enum phase engine_phase (const struct engine *e);
enum writer engine_writer (const struct engine *e);
bool engine_paused (const struct engine *e);
bool engine_idle (const struct engine *e); /* nothing runs, nothing due */
/* What is being worked on: SYNC, TEST, CUTOVER, ABORT, ACCEPT or ROLLBACK;
 * REQUEST_COUNT where nothing is (the last request has ended, well or with
 * attention). */
enum request engine_goal (const struct engine *e);
/* An operator asked for an abort, and for no sync or cutover since. */
bool engine_abort_asked (const struct engine *e);
/* It was aborted and rests: also one that was planned, or in step, which stays
 * in its phase while nobody works on it. */
bool engine_aborted (const struct engine *e);
/* Syncing, at least one round is done and none is under way. */
bool engine_in_step (const struct engine *e);
/* Why the phase is what it is: the last phase record's `why`, or NULL. */
const char *engine_why (const struct engine *e);
/* Why it needs attention: the last final error as an object (code, class,
 * message, safe, todo, and "step" where one failed), or NULL.  Where checks
 * blocked, "findings" lists them all: [{"step", "code", ...}]. */
const json_t *engine_attention (const struct engine *e);
/* The approvals of the plan (an array), as in permit.h. */
const json_t *engine_approvals (const struct engine *e);
/* Of the last cutover: when the first freeze step was begun (ms since the
 * epoch), and when the pivot's outcome was recorded; 0 before. */
int64_t engine_frozen_at (const struct engine *e);
int64_t engine_opened_at (const struct engine *e);
/* The same of the last rollback. */
int64_t engine_back_frozen_at (const struct engine *e);
int64_t engine_back_opened_at (const struct engine *e);
/* When the last reverse round that ended was begun (ms since the epoch): what
 * the target took before is laid up on the source.  0: none has ended. */
int64_t engine_back_since (const struct engine *e);
/* The rollback goes without the target. */
bool engine_alone (const struct engine *e);
/* How many rounds have ended, how many cutovers were begun. */
unsigned engine_rounds (const struct engine *e);
unsigned engine_cutovers (const struct engine *e);
/* The fold as one object, for --json and for tests: equal journals give equal
 * objects.  The caller releases it. */
json_t *engine_describe (const struct engine *e);
/* The recorded result of the last successful run of a step, or NULL. */
const json_t *engine_result (const struct engine *e, const char *step);
enum step_state {
  STEP_WAITING,
  STEP_RUNNING,
  STEP_DONE,
  STEP_FAILED,
  STEP_UNDONE
};
enum step_state engine_step (const struct engine *e, const char *step,
                             uint32_t *attempt);

#endif
