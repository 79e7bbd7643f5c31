/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program: an argument vector, never a shell; bytes on stdin, bounded
 * stdout and stderr, a time limit, a clean environment, a process group of
 * its own that is killed when the program has ended or its time is up.
 *
 * Threads: may be called from any thread; SIGCHLD must not be ignored.
 */
#ifndef REHOME_HOST_SPAWN_H
#define REHOME_HOST_SPAWN_H

#include "base/buf.h"

#include <stdbool.h>

struct spawn_job {
  const char *const *argv; /* NULL-terminated; argv[0] with a slash is taken
                              literally, else looked for in the PATH below */
  const char *const *env;  /* "NAME=value"s added to the clean environment
                              (the same name replaces); may be NULL */
  const void *input;       /* stdin; NULL: /dev/null */
  size_t input_len;
  long timeout_ms;   /* 0: none */
  size_t max_output; /* of each of stdout and stderr; the rest is dropped */
  /* What follows `input` on stdin: gives 1..cap bytes, *len = 0 at its end;
   * may wait, and fails when it is cancelled.  NULL: nothing follows. */
  struct err *(*more) (void *ctx, void *data, size_t cap, size_t *len);
  /* Takes stdout in place of end->out, all of it; may wait.  NULL: bounded. */
  struct err *(*taker) (void *ctx, const void *data, size_t len);
  /* Asked about five times a second, but for while one of these waits; may be
   * NULL. */
  bool (*cancelled) (void *ctx);
  void *ctx;
};

/* The clean environment: this PATH, LC_ALL=C.UTF-8, HOME=/root, TERM=dumb. */
#define SPAWN_PATH \
  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct spawn_end {
  int status;     /* exit code, or -1 when a signal ended it */
  int signal;     /* 0 or the signal */
  bool timed_out; /* killed at the limit (signal is SIGKILL then) */
  bool stopped;   /* killed because the caller cancelled */
  bool truncated; /* output beyond max_output was dropped */
  bool unread;    /* it ended before it had read all of its input */
  struct buf out;
  struct buf err;
};

/* Any end of the program is success, also a non-zero exit; an error means
 * that it was not started, "RH-HOST-SPAWN", or is that of `more` or `taker`,
 * after which it is killed.  The caller frees *end with
 * spawn_end_free in any case. */
struct err *spawn_run (const struct spawn_job *job, struct spawn_end *end);
void spawn_end_free (struct spawn_end *end);

#endif
