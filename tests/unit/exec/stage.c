/* SPDX-License-Identifier: Apache-2.0 */
/* See stage.h. */
#include "stage.h"

#include "base/mem.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PLAN_TEXT "rehome: 1\nname: shop\n"

struct play play
    = { .lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER };

/* ---- The provider ---- */

static void
note (const char *what, const struct step_call *call)
{
  CLEANUP_FREE char *text = mem_printf ("%s %s", what, call->step->id);
  pthread_mutex_lock (&play.lock);
  json_array_append_new (play.calls, json_string (text));
  pthread_cond_broadcast (&play.moved);
  pthread_mutex_unlock (&play.lock);
}

static bool
is_held (const struct step_call *call)
{
  pthread_mutex_lock (&play.lock);
  bool held = play.hold != NULL && strcmp (play.hold, call->step->id) == 0
              && !call->cancelled (call->ctx);
  pthread_mutex_unlock (&play.lock);
  return held;
}

static struct err *
run (const struct step_call *call, json_t **result)
{
  struct timespec nap = { 0, 2000000 };
  note ("run", call);
  while (is_held (call)) {
    CLEANUP_JSON json_t *p = json_pack ("{s:i}", "files", 7);
    call->tick (call->ctx, p);
    nanosleep (&nap, NULL);
  }
  if (call->cancelled (call->ctx))
    return err_new (ERR_TRANSIENT, "RH-TEST-CANCELLED", "given up");
  pthread_mutex_lock (&play.lock);
  bool fails = play.fail != NULL && strcmp (play.fail, call->step->id) == 0;
  pthread_mutex_unlock (&play.lock);
  if (fails)
    return err_new (ERR_REFUSED, "RH-TEST-REFUSED", "it is refused");
  *result = json_pack ("{s:i}", "inputs", (int)json_object_size (call->inputs));
  return NULL;
}

static struct err *
probe (const struct step_call *call, enum probe_state *out)
{
  note ("probe", call);
  *out = play.probe;
  return NULL;
}

static struct err *
undo (const struct step_call *call, json_t **result)
{
  (void)result;
  note ("undo", call);
  return NULL;
}

static const struct step_op ops[]
    = { { "op", run, probe, undo }, { NULL, NULL, NULL, NULL } };

static const struct provider fake
    = { .kind = { .kind = "fake" }, .about = "for tests", .ops = ops };

const struct provider *
stage_find (const char *kind)
{
  return strcmp (kind, "fake") == 0 ? &fake : NULL;
}

int
stage_count (const char *call)
{
  size_t i;
  int n = 0;
  json_t *c;
  pthread_mutex_lock (&play.lock);
  json_array_foreach (play.calls, i, c) n
      += strcmp (json_string_value (c), call) == 0;
  pthread_mutex_unlock (&play.lock);
  return n;
}

void
stage_wait (const char *call)
{
  struct timespec nap = { 0, 2000000 };
  for (int i = 0; i < 5000; i++) {
    if (stage_count (call) > 0)
      return;
    nanosleep (&nap, NULL);
  }
  fail_msg ("\"%s\" was never called", call);
}

void
stage_release (void)
{
  pthread_mutex_lock (&play.lock);
  play.hold = NULL;
  pthread_mutex_unlock (&play.lock);
}

/* ---- The graph ---- */

static void
add (struct graph *g, const char *id, enum stage stage, enum step_class cls,
     const char *need)
{
  const char *needs[] = { need, NULL };
  struct step s = { .id = id,
                    .provider = "fake",
                    .op = "op",
                    .title = id,
                    .item = -1,
                    .stage = stage,
                    .cls = cls,
                    .side = SIDE_BOTH,
                    .needs = needs,
                    .retry_max = 0 };
  assert_ok (graph_add (g, &s));
}

struct graph *
stage_graph (void)
{
  struct graph *g = graph_new ();
  add (g, "look", STAGE_PREFLIGHT, STEP_PURE, NULL);
  add (g, "seed", STAGE_PREPARE, STEP_IDEMPOTENT, "look");
  add (g, "round", STAGE_ROUND, STEP_IDEMPOTENT, NULL);
  add (g, "prove", STAGE_PROVE, STEP_PURE, NULL);
  add (g, "freeze", STAGE_FREEZE, STEP_REVERSIBLE, NULL);
  add (g, "final", STAGE_FINAL, STEP_IDEMPOTENT, NULL);
  add (g, "smoke", STAGE_OUTSIDE, STEP_PURE, NULL);
  add (g, "pivot", STAGE_PIVOT, STEP_PIVOT, NULL);
  add (g, "enable", STAGE_OPEN, STEP_FORWARD, NULL);
  add (g, "clean", STAGE_ACCEPT, STEP_FORWARD, NULL);
  assert_ok (graph_seal (g));
  return g;
}

/* ---- The loop ---- */

void
stage_open (struct stage_set *s, const char *controller)
{
  static const struct plan_limits limits = { .downtime_ms = 30000,
                                             .jobs_wait_ms = 60000,
                                             .guard_s = 604800,
                                             .back_ms = 300000 };
  assert_ok (store_open_writer (s->dir, "shop-12345678", PLAN_TEXT,
                                strlen (PLAN_TEXT), &s->store));
  s->graph = stage_graph ();
  s->hub = hub_new ();
  struct loop_parts parts = { .store = s->store,
                              .graph = s->graph,
                              .limits = &limits,
                              .migration = "shop-12345678",
                              .find = stage_find,
                              .hub = s->hub };
  s->loop = loop_new (&parts);
  assert_ok (loop_replay (s->loop));
  assert_ok (loop_append (s->loop, RECORD_CLAIMED, "controller",
                          json_pack ("{s:s}", "controller", controller)));
}

static void *
run_loop (void *arg)
{
  struct stage_set *s = arg;
  s->ended = loop_run (s->loop);
  return NULL;
}

void
stage_run (struct stage_set *s)
{
  assert_int_equal (pthread_create (&s->thread, NULL, run_loop, s), 0);
  s->threaded = true;
}

void
stage_close (struct stage_set *s)
{
  if (s->loop == NULL)
    return;
  loop_stop (s->loop);
  if (s->threaded)
    pthread_join (s->thread, NULL);
  s->threaded = false;
  assert_true (loop_free (s->loop));
  store_close (s->store);
  graph_free (s->graph);
  hub_free (s->hub);
  s->loop = NULL;
}

static void
until (struct stage_set *s, bool (*is) (const json_t *, const char *),
       const char *word)
{
  struct hub_seen seen = { .seq = UINT64_MAX };
  for (int i = 0; i < 200; i++) {
    struct hub_news news;
    hub_wait (s->hub, &seen, 100, &news);
    bool reached = news.progress != NULL && is (news.progress, word);
    json_decref (news.progress);
    json_decref (news.notices);
    if (reached)
      return;
    if (news.closed)
      break;
  }
  fail_msg ("it never came to %s", word);
}

static bool
has_phase (const json_t *p, const char *word)
{
  return strcmp (json_string_value (json_object_get (p, "phase")), word) == 0;
}

static bool
in_step (const json_t *p, const char *word)
{
  (void)word;
  return json_is_true (json_object_get (p, "in_step"));
}

void
stage_until_phase (struct stage_set *s, const char *phase)
{
  until (s, has_phase, phase);
}

void
stage_until_in_step (struct stage_set *s)
{
  until (s, in_step, "in step");
}

/* ---- cmocka ---- */

int
stage_setup (void **state)
{
  struct stage_set *s = mem_alloc (sizeof *s);
  s->dir = mem_strdup ("/tmp/rehome-exec-XXXXXX");
  play.calls = json_array ();
  play.hold = play.fail = NULL;
  play.probe = PROBED_NOT_DONE;
  *state = s;
  return mkdtemp (s->dir) != NULL ? 0 : -1;
}

static int
drop (const char *path, const struct stat *st, int type, struct FTW *ftw)
{
  (void)st;
  (void)type;
  (void)ftw;
  return remove (path);
}

int
stage_teardown (void **state)
{
  struct stage_set *s = *state;
  stage_release ();
  stage_close (s);
  err_free (s->ended);
  nftw (s->dir, drop, 16, FTW_DEPTH | FTW_PHYS);
  free (s->dir);
  free (s);
  json_decref (play.calls);
  play.calls = NULL;
  return 0;
}
