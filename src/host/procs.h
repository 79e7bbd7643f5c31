/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes as /proc shows them.  A process is named by its number and its
 * start time together, since numbers are used again.
 */
#ifndef REHOME_HOST_PROCS_H
#define REHOME_HOST_PROCS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc {
  pid_t pid, ppid, session;
  uint64_t start; /* clock ticks after boot */
  uid_t uid;      /* real */
  uid_t euid;
  char state; /* R S D T t Z X I */
  bool kernel;
  char comm[64];
  char *cgroup; /* path, "" where there is none */
  char *unit;   /* "nginx.service", NULL where none holds it */
};

struct procs {
  VEC (struct proc) list; /* by pid */
};

/* Every process that can be seen; those that end meanwhile are left out.
 * Errors: "RH-HOST-PROC" when /proc itself cannot be read. */
struct err *procs_scan (struct procs *out);
void procs_free (struct procs *p);
const struct proc *procs_find (const struct procs *p, pid_t pid);

/* One process: 0, or ESRCH when it is gone, or another errno. */
int proc_read (pid_t pid, struct proc *out);
void proc_free (struct proc *p);
/* Whether the process of this number still is the one that began then. */
bool proc_is (pid_t pid, uint64_t start);
/* Its arguments, each followed by a NUL; empty for kernel threads. */
int proc_cmdline (pid_t pid, struct buf *out);

/* The numeric names in /proc, ascending: processes, or a process's threads
 * with `dir` "/proc/PID/task".  0 or errno. */
struct pids {
  VEC (pid_t) list;
};
int pids_list (const char *dir, struct pids *out);

/* From the text of /proc/PID/cgroup, v1 (name=systemd), v2 or both: the
 * cgroup and the unit that holds it (NULL where none).  The caller frees. */
void cgroup_unit (const char *text, size_t len, char **cgroup, char **unit);

#endif
