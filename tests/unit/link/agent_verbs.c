/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the test agent: the agent's own sessions, calls and dispatch
 * with streams, ticks and failures that a test can ask for. */
#include "agent/fence.h"
#include "agent/keeper.h"
#include "agent/verb.h"
#include "base/mem.h"
#include "host/facts.h"
#include "pattern.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* This agent keeps nothing. */
struct err *
keeper_detach (const char *id, int64_t idle_s)
{
  (void)id;
  (void)idle_s;
  return err_new (ERR_BUG, "RH-AGENT-KEEPER", "a test's agent");
}

static atomic_bool fence_is_lost;

struct err *
fence_still_ours (void)
{
  if (!atomic_load (&fence_is_lost))
    return NULL;
  return err_new (ERR_REFUSED, "RH-FENCE-EPOCH", "a higher epoch was accepted");
}

static struct err *
run_lose_fence (struct verb_call *call, json_t **result)
{
  (void)call;
  (void)result;
  atomic_store (&fence_is_lost, true);
  return NULL;
}

static struct err *
run_facts (struct verb_call *call, json_t **result)
{
  (void)call;
  return host_facts (result);
}

static struct err *
run_echo (struct verb_call *call, json_t **result)
{
  *result = json_deep_copy (call->args);
  return NULL;
}

/* Waits until it is cancelled, or `ms`; ticks every 5 ms. */
static struct err *
run_nap (struct verb_call *call, json_t **result)
{
  int64_t ms;
  TRY (json_opt_int (call->args, "ms", 0, 600000, 600000, &ms));
  for (int64_t i = 0; i < ms / 5 && !call->cancelled (call->ctx); i++) {
    usleep (5000);
    call->progress (call->ctx, json_pack ("{s:I}", "i", (json_int_t)i));
  }
  (void)result;
  if (call->cancelled (call->ctx))
    return err_new (ERR_SYSTEM, "RH-TEST-WOKEN", "woken up");
  return NULL;
}

static struct err *
run_die (struct verb_call *call, json_t **result)
{
  (void)call;
  (void)result;
  usleep (50000);
  raise (SIGKILL);
  return NULL;
}

static struct err *
run_big (struct verb_call *call, json_t **result)
{
  int64_t n;
  TRY (json_get_int (call->args, "n", 0, 64 << 20, &n));
  CLEANUP_FREE char *text = mem_alloc ((size_t)n + 1);
  memset (text, 'x', (size_t)n);
  *result = json_pack ("{s:s}", "text", text);
  return NULL;
}

/* Sends `n` bytes, each its position's low byte; fails at `fail_at`. */
static struct err *
run_send (struct verb_call *call, json_t **result)
{
  int64_t n, fail_at, done = 0;
  TRY (json_get_int (call->args, "n", 0, INT64_MAX, &n));
  TRY (json_opt_int (call->args, "fail_at", 0, INT64_MAX, INT64_MAX, &fail_at));
  while (done < n) {
    size_t k = n - done < 70001 ? (size_t)(n - done) : 70001;
    TRY (call->out->put (call->out->ctx, pattern_at ((uint64_t)done), k));
    done += (int64_t)k;
    if (done >= fail_at)
      return err_new (ERR_SYSTEM, "RH-TEST-SENDER", "the disk is gone");
    call->progress (call->ctx, json_pack ("{s:I}", "sent", (json_int_t)done));
  }
  *result = json_pack ("{s:I}", "sent", (json_int_t)done);
  return NULL;
}

/* Takes a stream and checks it; `fail_at` and `die_at` as they say. */
static struct err *
run_take (struct verb_call *call, json_t **result)
{
  int64_t fail_at, die_at, done = 0;
  unsigned char part[30000];
  size_t len;
  TRY (json_opt_int (call->args, "fail_at", 0, INT64_MAX, INT64_MAX, &fail_at));
  TRY (json_opt_int (call->args, "die_at", 0, INT64_MAX, INT64_MAX, &die_at));
  for (;;) {
    TRY (call->in->get (call->in->ctx, part, sizeof part, &len));
    if (len == 0)
      break;
    if (memcmp (part, pattern_at ((uint64_t)done), len) != 0)
      return err_new (ERR_UNEQUAL, "RH-TEST-BYTE", "a wrong byte");
    done += (int64_t)len;
    if (done >= die_at)
      raise (SIGKILL);
    if (done >= fail_at)
      return err_new (ERR_REFUSED, "RH-TEST-FULL", "the disk is full");
  }
  *result = json_pack ("{s:I}", "taken", (json_int_t)done);
  return NULL;
}

const struct verb verbs_host[] = {
  { "facts", 0, run_facts },
  { "echo", 0, run_echo },
  { "nap", 0, run_nap },
  { "die", 0, run_die },
  { "big", 0, run_big },
  { "send", VERB_OUT, run_send },
  { "take", VERB_IN, run_take },
  { "lose-fence", 0, run_lose_fence },
  { NULL, 0, NULL },
};
const struct verb verbs_file[] = { { NULL, 0, NULL } };
const struct verb verbs_process[] = { { NULL, 0, NULL } };
const struct verb verbs_fence[] = { { NULL, 0, NULL } };
const struct verb verbs_tree[] = { { NULL, 0, NULL } };
const struct verb verbs_keeper[] = { { NULL, 0, NULL } };
const struct verb verbs_program[] = { { NULL, 0, NULL } };
const struct verb verbs_sqlite[] = { { NULL, 0, NULL } };
const struct verb verbs_tunnel[] = { { NULL, 0, NULL } };
const struct verb verbs_discard[] = { { NULL, 0, NULL } };
const struct verb verbs_laid[] = { { NULL, 0, NULL } };
