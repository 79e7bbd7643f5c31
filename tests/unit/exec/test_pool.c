/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that call providers. */
#include "stage.h"

#include "base/mem.h"
#include "base/queue.h"
#include "exec/kept.h"
#include "exec/pool.h"

#include <string.h>
#include <time.h>

/* A host that keeps one result. */
struct host {
  struct port port; /* first */
  json_t *put;      /* the arguments of the last result.put */
  bool rebooted, gone;
};

static struct err *
host_call (struct port *p, const char *verb, const json_t *args,
           void (*tick) (void *ctx, const json_t *progress), void *ctx,
           json_t **result)
{
  struct host *h = (struct host *)p;
  (void)tick;
  (void)ctx;
  if (h->gone)
    return err_new (ERR_TRANSIENT, "RH-LINK-LOST", "gone");
  if (strcmp (verb, "result.put") == 0) {
    json_decref (h->put);
    h->put = json_deep_copy (args);
    *result = json_object ();
    return NULL;
  }
  const char *asked = json_string_value (json_object_get (args, "key"));
  const char *has = json_string_value (json_object_get (h->put, "key"));
  bool found = has != NULL && strcmp (asked, has) == 0;
  *result = json_pack ("{s:b, s:b}", "found", found, "rebooted", h->rebooted);
  if (found)
    json_object_set (*result, "result", json_object_get (h->put, "result"));
  return NULL;
}

static const struct port_ops host_ops = { .call = host_call };

struct bench {
  struct graph *g;
  struct queue *ended;
  struct pool *pool;
  struct host host;
};

static void
on_ended (void *ctx, struct job *j)
{
  struct bench *b = ctx;
  assert_true (queue_put (b->ended, j));
}

static int
setup (void **state)
{
  struct bench *b = mem_alloc (sizeof *b);
  play.calls = json_array ();
  play.hold = play.fail = NULL;
  b->g = stage_graph ();
  b->ended = queue_new (64);
  b->host.port = (struct port){ .ops = &host_ops, .name = "target" };
  struct pool_parts parts = { .migration = "shop-1",
                              .target = &b->host.port,
                              .find = stage_find,
                              .ended = on_ended,
                              .ctx = b };
  b->pool = pool_new (&parts, 2);
  *state = b;
  return 0;
}

static int
teardown (void **state)
{
  struct bench *b = *state;
  assert_true (pool_stop (b->pool, 5000));
  pool_free (b->pool);
  queue_close (b->ended);
  queue_free (b->ended, (void (*) (void *))job_free);
  graph_free (b->g);
  json_decref (b->host.put);
  free (b);
  json_decref (play.calls);
  play.calls = NULL;
  return 0;
}

static struct job *
job (struct bench *b, const char *step, enum job_kind kind)
{
  struct job *j = mem_alloc (sizeof *j);
  j->kind = kind;
  j->step = graph_find (b->g, step);
  j->attempt = 1;
  j->inputs = json_object ();
  return j;
}

static void
a_run_gives_its_result (void **state)
{
  struct bench *b = *state;
  assert_ok (pool_submit (b->pool, job (b, "seed", JOB_RUN)));
  struct job *j = queue_take (b->ended);
  assert_null (j->error);
  assert_non_null (json_object_get (j->result, "inputs"));
  job_free (j);
}

static void
more_jobs_than_threads_all_end (void **state)
{
  struct bench *b = *state;
  for (int i = 0; i < 40; i++)
    assert_ok (pool_submit (b->pool, job (b, "round", JOB_RUN)));
  for (int i = 0; i < 40; i++) {
    struct job *j = queue_take (b->ended);
    assert_null (j->error);
    job_free (j);
  }
  assert_int_equal (stage_count ("run round"), 40);
}

static void
a_cancelled_run_ends_and_says_so (void **state)
{
  struct bench *b = *state;
  play.hold = "seed";
  assert_ok (pool_submit (b->pool, job (b, "seed", JOB_RUN)));
  stage_wait ("run seed");
  pool_cancel (b->pool, "seed", 1);
  struct job *j = queue_take (b->ended);
  assert_string_equal (err_code (j->error), "RH-TEST-CANCELLED");
  job_free (j);
}

static void
what_waits_and_is_cancelled_never_begins (void **state)
{
  struct bench *b = *state;
  play.hold = "seed";
  assert_ok (pool_submit (b->pool, job (b, "seed", JOB_RUN)));
  assert_ok (pool_submit (b->pool, job (b, "seed", JOB_RUN)));
  for (int i = 0; i < 200 && stage_count ("run seed") < 2; i++)
    nanosleep (&(struct timespec){ 0, 5000000 }, NULL);
  assert_ok (pool_submit (b->pool, job (b, "final", JOB_RUN)));
  pool_cancel (b->pool, "final", 1);
  stage_release ();
  for (int i = 0; i < 3; i++) {
    struct job *j = queue_take (b->ended);
    if (strcmp (j->step->id, "final") == 0)
      assert_string_equal (err_code (j->error), "RH-STEP-CANCELLED");
    job_free (j);
  }
  assert_int_equal (stage_count ("run final"), 0);
}

static void
progress_names_what_runs (void **state)
{
  struct bench *b = *state;
  play.hold = "seed";
  assert_ok (pool_submit (b->pool, job (b, "seed", JOB_RUN)));
  stage_wait ("run seed");
  const json_t *ticked = NULL;
  json_t *p = NULL;
  for (int i = 0; i < 200 && ticked == NULL; i++) {
    json_decref (p);
    p = pool_progress (b->pool);
    ticked = json_object_get (json_array_get (p, 0), "progress");
    nanosleep (&(struct timespec){ 0, 5000000 }, NULL);
  }
  assert_int_equal (json_integer_value (json_object_get (ticked, "files")), 7);
  assert_string_equal (json_string_value (
                           json_object_get (json_array_get (p, 0), "title")),
                       "seed");
  json_decref (p);
  stage_release ();
  job_free (queue_take (b->ended));
}

static void
an_unknown_provider_is_an_error_not_a_crash (void **state)
{
  struct bench *b = *state;
  struct step odd = *graph_find (b->g, "seed");
  struct job *j = job (b, "seed", JOB_RUN);
  odd.provider = "nobody";
  j->step = &odd;
  assert_ok (pool_submit (b->pool, j));
  j = queue_take (b->ended);
  assert_string_equal (err_code (j->error), "RH-EXEC-PROVIDER");
  job_free (j);
}

/* A run that takes as long as one that is worth keeping. */
static void
run_long (struct bench *b, const char *step)
{
  play.hold = step;
  assert_ok (pool_submit (b->pool, job (b, step, JOB_RUN)));
  nanosleep (&(struct timespec){ 0, (KEPT_FROM_MS + 50) * 1000000L }, NULL);
  stage_release ();
  struct job *j = queue_take (b->ended);
  assert_null (j->error);
  job_free (j);
}

/* What is known of an attempt that a controller before this one began. */
static enum probe
found_out (struct bench *b, uint32_t attempt, bool *with_result)
{
  struct job *j = job (b, "seed", JOB_PROBE);
  j->attempt = attempt;
  assert_ok (pool_submit (b->pool, j));
  j = queue_take (b->ended);
  assert_null (j->error);
  enum probe found = j->probe;
  *with_result = json_object_get (j->result, "inputs") != NULL;
  job_free (j);
  return found;
}

static void
a_kept_result_is_asked_for_before_anything_is_looked_at (void **state)
{
  struct bench *b = *state;
  bool with_result;
  run_long (b, "seed");
  assert_int_equal (found_out (b, 1, &with_result), PROBE_DONE);
  assert_true (with_result);
  assert_int_equal (stage_count ("probe seed"), 0);
}

static void
a_result_of_another_attempt_or_boot_or_out_of_reach_is_none (void **state)
{
  struct bench *b = *state;
  bool with_result;
  play.probe = PROBED_PARTIAL;
  run_long (b, "seed");
  assert_int_equal (found_out (b, 2, &with_result), PROBE_PARTIAL);
  b->host.rebooted = true;
  assert_int_equal (found_out (b, 1, &with_result), PROBE_PARTIAL);
  b->host.rebooted = false;
  b->host.gone = true;
  assert_int_equal (found_out (b, 1, &with_result), PROBE_PARTIAL);
  assert_false (with_result);
}

static void
what_is_quickly_done_only_looks_or_cleans_is_not_kept (void **state)
{
  struct bench *b = *state;
  assert_ok (pool_submit (b->pool, job (b, "seed", JOB_RUN)));
  job_free (queue_take (b->ended));
  run_long (b, "prove");
  run_long (b, "clean"); /* which removes what was kept */
  assert_null (b->host.put);
}

static void
what_failed_is_not_kept (void **state)
{
  struct bench *b = *state;
  play.fail = "seed";
  play.hold = "seed";
  assert_ok (pool_submit (b->pool, job (b, "seed", JOB_RUN)));
  nanosleep (&(struct timespec){ 0, (KEPT_FROM_MS + 50) * 1000000L }, NULL);
  stage_release ();
  struct job *j = queue_take (b->ended);
  assert_non_null (j->error);
  job_free (j);
  assert_null (b->host.put);
}

#define TEST(t) cmocka_unit_test_setup_teardown (t, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (a_run_gives_its_result),
    TEST (more_jobs_than_threads_all_end),
    TEST (a_cancelled_run_ends_and_says_so),
    TEST (what_waits_and_is_cancelled_never_begins),
    TEST (progress_names_what_runs),
    TEST (an_unknown_provider_is_an_error_not_a_crash),
    TEST (a_kept_result_is_asked_for_before_anything_is_looked_at),
    TEST (a_result_of_another_attempt_or_boot_or_out_of_reach_is_none),
    TEST (what_is_quickly_done_only_looks_or_cleans_is_not_kept),
    TEST (what_failed_is_not_kept),
  };
  return cmocka_run_group_tests_name ("pool", tests, NULL, NULL);
}
