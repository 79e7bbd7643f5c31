/* SPDX-License-Identifier: Apache-2.0 */
/* The programs that this agent started and that still run; see children.h. */
#include "agent/children.h"

#include "base/log.h"
#include "host/procs.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

/* To look through all processes costs much on a busy host, for what is nearly
 * always nothing. */
static bool
has_children (void)
{
  siginfo_t one;
  return waitid (P_ALL, 0, &one, WEXITED | WNOHANG | WNOWAIT) == 0
         || errno != ECHILD;
}

void
children_kill (void)
{
  struct procs all = { 0 };
  if (!has_children ())
    return;
  struct err *e = procs_scan (&all);
  if (e != NULL)
    log_err (LOG_WARN, e);
  err_free (e);
  for (size_t i = 0; i < all.list.n; i++) {
    const struct proc *p = &all.list.v[i];
    if (p->ppid != getpid () || p->state == 'Z')
      continue;
    log_line (LOG_WARN, "killing %s (%d), which has not ended", p->comm,
              (int)p->pid);
    if (p->session == p->pid)
      kill (-p->pid, SIGKILL);
    kill (p->pid, SIGKILL);
  }
  procs_free (&all);
}
