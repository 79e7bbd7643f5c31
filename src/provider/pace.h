/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Production first: while a database is copied a session of its own asks the
 * source's server about twice a second, a declared query or a row of its
 * largest table, and where the answers take longer than the item's
 * `latency-limit` the copy's streams are held back together, by the brake that
 * trees have (tree/brake.h).  The time is the server's and includes that it
 * wakes up; no program is started for it.
 */
#ifndef REHOME_PROVIDER_PACE_H
#define REHOME_PROVIDER_PACE_H

#include "provider/queries.h"

struct pace;

/* Absent, or 1ms to 60s: "RH-PLAN-VALUE".  Pure. */
struct err *pace_check (const json_t *spec);
/* `run` with the item's limit; its result then has "latency_limit_ms",
 * "latency_worst_ms" and "held_back_ms", and a finding where it was held. */
struct err *
pace_run (const struct step_call *call, const struct queries_engine *engine,
          struct err *(*run) (const struct step_call *call, json_t **result),
          json_t **result);
/* This thread's pipes are held back from here to pace_leave.  `p` may be
 * NULL. */
void pace_enter (struct pace *p);
void pace_leave (struct pace *p);
/* Progress with "queries_ms" and "queries_limit_ms", while it is held back; new
 * reference. */
json_t *pace_progress (struct pace *p, const json_t *progress);

/* Inside, and for tests. */
struct pace *pace_new (int64_t limit_ms);
void pace_free (struct pace *p);
/* What the session said: "MICROSECONDS TAB ..." a line; others are passed
 * over. */
void pace_hear (struct pace *p, const char *data, size_t len, int64_t now_ns);
/* How many of `wanted` bytes may be sent now. */
uint64_t pace_take (struct pace *p, uint64_t wanted, int64_t now_ns);
int64_t pace_held_ms (const struct pace *p);
int64_t pace_worst_ms (const struct pace *p);

#endif
