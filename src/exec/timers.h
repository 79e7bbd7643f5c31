/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's named timers as data: who is due when.  One thread. */
#ifndef REHOME_EXEC_TIMERS_H
#define REHOME_EXEC_TIMERS_H

#include <stddef.h>
#include <stdint.h>

struct timers;

struct timers *timers_new (void);
void timers_free (struct timers *t);
/* Sets (or moves) the timer `name` to fire at `at_ms`. */
void timers_set (struct timers *t, const char *name, int64_t at_ms);
void timers_cancel (struct timers *t, const char *name);
/* Milliseconds from `now_ms` to the next one, at least 0; -1: none. */
int64_t timers_wait (const struct timers *t, int64_t now_ms);
/* Takes out the earliest that is due; NULL: none.  The caller frees. */
char *timers_due (struct timers *t, int64_t now_ms);
size_t timers_len (const struct timers *t);

#endif
