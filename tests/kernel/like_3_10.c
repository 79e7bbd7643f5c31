/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program as on Linux 3.10 (see take_away.h).
 *
 * usage: like-3.10 [--2.6] PROGRAM ARGUMENT...
 *   --2.6   uname tells 2.6.x, too (personality (2), UNAME26)
 */
#include "take_away.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

int
main (int argc, char **argv)
{
  bool old_name = argc > 1 && strcmp (argv[1], "--2.6") == 0;
  char **program = argv + 1 + old_name;
  if (argc < 2 || *program == NULL) {
    fputs ("usage: like-3.10 [--2.6] PROGRAM ARGUMENT...\n", stderr);
    return 64;
  }
  if (old_name && personality (UNAME26) < 0) {
    perror ("like-3.10: personality");
    return 125;
  }
  if (take_away_what_3_10_lacks () != 0) {
    perror ("like-3.10: cannot load the filter");
    return 125;
  }
  execvp (*program, program);
  perror (*program);
  return 127;
}
