/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stops processes with SIGSTOP until none of them runs, and lets exactly
 * those go on again.
 *
 * The list of (pid, start) is durable in `record` before each signal, so
 * that what was stopped can be found after this process has died.  What was
 * stopped by others before is not in it and is not resumed.  A record of
 * another boot names nobody.
 */
#ifndef REHOME_HOST_SUSPEND_H
#define REHOME_HOST_SUSPEND_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct suspend_pid {
  pid_t pid;
  uint64_t start;
};

struct suspend_who {
  const uid_t *uids; /* every process with one of these, real or effective;
                        root is refused: "RH-PROCESS-ROOT" */
  size_t uid_count;
  const struct suspend_pid *pids; /* these and their descendants */
  size_t pid_count;
  long timeout_ms; /* 0: 10 s */
};

/* Never stopped: this program's other processes, and what they descend from
 * (sshd, shell, sudo), process 1 and kernel threads.  *suspended: how many
 * the record names.  Where some still run at the limit all are resumed and
 * the record removed: "RH-PROCESS-RUNNING".  A record that exists is
 * continued. */
struct err *suspend_all (const struct suspend_who *who, const char *record,
                         size_t *suspended);

/* *resumed: how many of the record still were the same and got SIGCONT.  No
 * record: 0.  "RH-PROCESS-RECORD": it is there and cannot be read. */
struct err *suspend_resume (const char *record, size_t *resumed);

#endif
