/* SPDX-License-Identifier: Apache-2.0 */
/* What is deliberately wrong in a run, to see that the simulator finds it, and
 * which of a run's faults are left out, to see which of them matter. */
#ifndef REHOME_SIM_PLANT_H
#define REHOME_SIM_PLANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bug {
  BUG_NONE,
  BUG_INTENT_LATE,   /* an effect before its intent is durable */
  BUG_OUTCOME_EARLY, /* an outcome is recorded before its effect */
  BUG_PROOF_FAKED,   /* a proof is reported that was never made */
  BUG_UNDO_SKIPPED,  /* an undo is reported that was never done */
  BUG_EQUAL_EPOCH,   /* a host obeys another controller of the same epoch */
  BUG_STALE_EPOCH,   /* a host obeys a controller that was replaced */
  BUG_PROBE_LIES,    /* a probe says "not done" of what was done */
  BUG_BACK_DROPPED,  /* the last reverse round and its proof do nothing */
  BUG_BACK_VOLATILE, /* the target's freeze does not outlive a reboot */
  BUG_THAW_TIMEOUT,  /* the source thaws by itself after a while */
  BUG_GATE_EARLY,    /* the gate goes when the service starts */
  BUG_RETRY_BLIND,   /* a second attempt takes what the first left for what
                        there was before */
  BUG_KEY_FORGOTTEN, /* a call that arrives twice is done twice */
  BUG_RESULT_OLD,    /* what an earlier attempt gave is taken for this one's */
  BUG_WALL_CLOCK,    /* deadlines hang on the wall clock */
  BUG_SKEW_IGNORED,  /* hosts whose clocks differ are taken as they are */
  BUG_CLAIM_KEPT,    /* accepting leaves a host claimed */
  BUG_OLD_APPROVAL,  /* an approval of an older plan counts */
  BUG_ONE_WAY,       /* nobody has to confirm that there is no way back */
  BUG_COUNT
};
const char *bug_name (enum bug b);
/* BUG_COUNT: there is none of that name. */
enum bug bug_from_name (const char *name);
/* Whether breaking this invariant is what the bug is meant to do. */
bool bug_breaks (enum bug b, const char *invariant);

/* `kept`: only these of a run's faults happen (by their order), where it is
 * `limited`. */
struct plant {
  enum bug bug;
  bool limited;
  const uint32_t *kept; /* ascending */
  size_t n;
  int mode; /* enum run_mode */
};

#endif
