/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded queue of pointers between threads, cancelled by closing it.
 * Every function may be called from any thread.
 */
#ifndef REHOME_BASE_QUEUE_H
#define REHOME_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct queue;

struct queue *queue_new (size_t bound);
/* Waits for room; false (and `item` stays the caller's) once closed. */
bool queue_put (struct queue *q, void *item);
/* Waits for an item; NULL once closed and empty. */
void *queue_take (struct queue *q);
/* As queue_take, but gives up after `ms`; *timed_out says which it was. */
void *queue_take_for (struct queue *q, long ms, bool *timed_out);
/* No more puts; what is inside can still be taken. */
void queue_close (struct queue *q);
size_t queue_len (struct queue *q);
/* Only when no thread uses it; `drop` frees what is left (may be NULL). */
void queue_free (struct queue *q, void (*drop) (void *));

#endif
