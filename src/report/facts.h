/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the journal says, as one JSON object: the only source of the status
 * line, of the report in all its forms and of `--json`.  A reading: nothing
 * is changed, no host is asked.
 *
 * Members (times in milliseconds; absent where nothing is known):
 *   name, migration, plan_hash, plan (path as the user gave it), version,
 *   source, target        {"host", "name"}
 *   phase, writer, paused, in_step, why, epoch, rounds
 *   aborted               it was aborted and rests; the phase may be syncing
 *   attention             the error that waits for a person, or null
 *   covers                array of sentences: what "0 lost" covers
 *   items                 [{"name", "kind", "moved": {..}, "proof": {..}}]
 *   steps                 [{"id", "title", "stage", "class", "side", "state",
 *                           "attempts", "began_ms", "ended_ms", "ms",
 *                           "result", "error", "undone_ms"}]
 *   phases                [{"phase", "at_ms", "why", "writer"}]
 *   requests              [{"request", "actor", "at_ms"[, "no_way_back"]}]
 *   witnesses             [{"side", "phase", "at_ms", "fingerprint"|"missing"}]
 *   approvals, backup     report/permits.h
 *   kept, retention       report/keeping.h
 *   mapping               report/mapping.h
 *   outages               report/outages.h
 *   queries               report/queries.h
 *   forecast              {"lower_ms", "upper_ms", "causes", "at_ms"}
 *   downtime_ms, downtime_opened
 *   findings              [{"step", "text"} or as the provider gave it]
 *   left                  [{"host" (source, target, controller), "what"}]
 *   discarded             of a copy: {"removed": [{"what", "entries",
 * "bytes"}], "restored": [..], "kept": [{"what", "why"}]} state where the
 * controller keeps its own chain                 {"first", "head", "seq"}
 *   began_ms, last_ms
 */
#ifndef REHOME_REPORT_FACTS_H
#define REHOME_REPORT_FACTS_H

#include "journal/store.h"
#include "plan/graph.h"
#include "plan/plan.h"

struct facts_from {
  struct store *store;
  const struct plan *plan;   /* the one the store holds */
  const struct graph *graph; /* of that plan */
  bool no_names;         /* who asked stays a pseudonym, as in the journal */
  const char *plan_path; /* for "next: rehome ... PATH"; may be NULL */
  const char *state;     /* where the controller keeps its own; may be NULL */
};

struct err *facts_make (const struct facts_from *from, json_t **out);

/* A host's name for people: what it calls itself where a step has seen it,
 * else the plan's word without the user; the caller frees. */
char *facts_host_name (const struct plan_host *host, const char *seen);

#endif
