/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner as a process of its own: the unit rehome@NAME.service where
 * systemd is there and the unit file names this very program, else a session
 * leader that outlives the terminal.
 */
#ifndef REHOME_EXEC_UNIT_H
#define REHOME_EXEC_UNIT_H

#include "exec/place.h"

/* Makes sure that an owner runs and answers; waits for it at most 20 s.  Its
 * own reason for not starting comes back as the error.  The caller must have
 * one thread only. */
struct err *unit_ensure (const struct place *p);
/* For the owner itself: "ready" to whoever started it, and at the end of a
 * migration: not again at the next boot. */
void unit_ready (const struct place *p);
void unit_failed (const struct place *p, const struct err *e);
void unit_over (const struct place *p);

#endif
