/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that call providers. */
#include "stage.h"

#include "base/mem.h"
#include "base/queue.h"
#include "exec/pool.h"

#include <string.h>
#include <time.h>

struct bench {
  struct graph *g;
  struct queue *ended;
  struct pool *pool;
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
  struct pool_parts parts = {
    .migration = "shop-1", .find = stage_find, .ended = on_ended, .ctx = b
  };
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
  };
  return cmocka_run_group_tests_name ("pool", tests, NULL, NULL);
}
