/* SPDX-License-Identifier: Apache-2.0 */
/* Linked into rehome-agent-3.10: before the agent's main, what Linux 3.10
 * lacks is taken away from it and from all that it starts.  The program is
 * begun anew then, since the C library has seen the real kernel already. */
#include "take_away.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__ ((constructor)) static void
begin (int argc, char **argv, char **env)
{
  (void)argc;
  if (syscall (SYS_getrandom, NULL, 0, 0) < 0 && errno == ENOSYS)
    return;
  if (take_away_what_3_10_lacks () == 0)
    execve ("/proc/self/exe", argv, env);
  perror ("rehome-agent-3.10");
  _Exit (125);
}
