/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fixed set of verbs of the agent: a table of functions.  docs/PROTOCOL.md
 * is the normative list of verbs with their arguments and results.
 */
#ifndef REHOME_AGENT_VERB_H
#define REHOME_AGENT_VERB_H

#include "base/err.h"
#include "wire/json.h"
#include "wire/stream.h"

#include <stdbool.h>

struct verb_call {
  const json_t *args; /* hostile until checked */
  struct source *in;  /* NULL unless VERB_IN */
  int in_fd;          /* VERB_APART: a pipe to read in place of `in`; or -1 */
  struct sink *out;   /* NULL unless VERB_OUT */
  /* Sends on what was put into `out` and is held back yet, until there is more
   * of it; NULL unless VERB_OUT. */
  struct err *(*flush) (void *ctx);
  /* Sends a progress object (stolen) to the caller; at most 10 a second are
   * passed on, the rest dropped. */
  void (*progress) (void *ctx, json_t *tick);
  /* True once the caller has cancelled or the connection is gone. */
  bool (*cancelled) (void *ctx);
  /* Wakes who waits in `in`, with an error: the verb wants no more of it. */
  void (*stop_input) (void *ctx);
  void *ctx;
};

/* VERB_APART: performed in a process of its own (agent/apart.h). */
enum { VERB_IN = 1, VERB_OUT = 2, VERB_APART = 4 };

struct verb {
  const char *name;
  int flags;
  /* *result: new reference, or NULL for an empty object. */
  struct err *(*run) (struct verb_call *call, json_t **result);
};

/* Each file of verbs exports one NULL-terminated table. */
extern const struct verb verbs_host[]; /* agent/verb_host.c: facts, run, ... */
extern const struct verb verbs_file[];
extern const struct verb verbs_process[];
extern const struct verb verbs_fence[];
extern const struct verb verbs_tree[];
extern const struct verb verbs_laid[];
extern const struct verb verbs_keeper[];
extern const struct verb verbs_program[];
extern const struct verb verbs_sqlite[];
extern const struct verb verbs_discard[];
extern const struct verb verbs_tunnel[];

#endif
