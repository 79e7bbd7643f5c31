/* SPDX-License-Identifier: Apache-2.0 */
/* The processes that run seeds; see pool.h. */
#include "pool.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct shared {
  _Atomic uint64_t next; /* the seed that is taken next */
  _Atomic bool found, died;
  struct coverage of[];
};

struct pool {
  const struct options *o;
  struct graph *graph;
  struct shared *shared;
  size_t size;
  uint64_t until; /* seeds below may be taken */
  time_t deadline;
  struct coverage sum;
};

static time_t
now (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec;
}

struct pool *
pool_new (const struct options *o, struct graph *g)
{
  struct pool *p = mem_alloc (sizeof *p);
  p->o = o;
  p->graph = g;
  p->size = sizeof *p->shared + o->jobs * sizeof p->shared->of[0];
  p->shared = mmap (NULL, p->size, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (p->shared == MAP_FAILED)
    abort ();
  p->shared->next = p->until = o->first;
  p->deadline = o->seconds > 0 ? now () + o->seconds : 0;
  return p;
}

void
pool_free (struct pool *p)
{
  munmap (p->shared, p->size);
  free (p);
}

bool
pool_found (const struct pool *p)
{
  return p->shared->found || p->shared->died;
}

bool
pool_time_is_up (const struct pool *p)
{
  return p->deadline != 0 && now () >= p->deadline;
}

static void
run_seed (struct pool *p, uint64_t seed, struct coverage *c)
{
  struct run r;
  run_start (&r, seed, p->graph, &p->o->plant, p->o->trace, c);
  run_all (&r);
  bool meant = run_is_meant (&r);
  if (r.failed != NULL && (meant || c->astray++ < 3))
    printf ("# seed %llu at %lld ms: %s%s%s%s\n", (unsigned long long)seed,
            (long long)r.now, r.failed, r.detail != NULL ? ": " : "",
            r.detail != NULL ? r.detail : "",
            meant ? "" : " (not what this bug is meant to break)");
  if (meant)
    p->shared->found = true;
  run_free (&r);
}

static void
work (struct pool *p, struct coverage *c)
{
  while (!pool_found (p) && !pool_time_is_up (p)) {
    uint64_t seed = atomic_fetch_add (&p->shared->next, 1);
    if (seed >= p->until)
      break;
    run_seed (p, seed, c);
  }
}

static pid_t
start_worker (struct pool *p, unsigned i)
{
  pid_t pid = fork ();
  if (pid < 0)
    abort ();
  if (pid > 0)
    return pid;
  work (p, &p->shared->of[i]);
  fflush (stdout);
  _exit (0);
}

void
pool_run (struct pool *p, uint64_t n)
{
  p->shared->next = p->until;
  p->until = n > UINT64_MAX - p->until ? UINT64_MAX : p->until + n;
  if (p->o->jobs == 1) {
    work (p, &p->shared->of[0]);
    return;
  }
  pid_t pids[64];
  fflush (stdout);
  for (unsigned i = 0; i < p->o->jobs; i++)
    pids[i] = start_worker (p, i);
  for (unsigned i = 0; i < p->o->jobs; i++) {
    int status;
    if (waitpid (pids[i], &status, 0) < 0 || status != 0) {
      printf ("# a process of the simulator died\n");
      p->shared->died = true;
    }
  }
}

/* Nothing but counters is in there. */
struct coverage *
pool_sum (struct pool *p)
{
  unsigned long *sum = (unsigned long *)&p->sum;
  memset (&p->sum, 0, sizeof p->sum);
  for (unsigned i = 0; i < p->o->jobs; i++) {
    const unsigned long *one = (const unsigned long *)&p->shared->of[i];
    for (size_t k = 0; k < sizeof p->sum / sizeof *sum; k++)
      sum[k] += one[k];
  }
  return &p->sum;
}
