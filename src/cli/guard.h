/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hosts, names and plans say is escaped where it is put into words; this
 * is the net below: from guard_stdio on, no byte that a terminal would obey
 * goes out by stdout or stderr, whoever prints it.  Newlines and tabs pass,
 * and the sequences of guard_obeyed.
 */
#ifndef REHOME_CLI_GUARD_H
#define REHOME_CLI_GUARD_H

#include <stdio.h>

/* Once, before anything is printed, in the first thread.  Both streams are
 * line-buffered then where they go to a terminal, stderr always. */
void guard_stdio (void);

/* A sequence of the program's own ("\033[2K"), to stderr as it is. */
void guard_obeyed (const char *sequence);

#endif
