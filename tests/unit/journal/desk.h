/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of a test's own, and records to put into a journal. */
#ifndef REHOME_TESTS_JOURNAL_DESK_H
#define REHOME_TESTS_JOURNAL_DESK_H

#include "journal/store.h"

#define PLAN "rehome: 1\nname: shop\n"

/* cmocka's setup and teardown: *state is the directory's path. */
int desk_setup (void **state);
int desk_teardown (void **state);

struct err *desk_open (const char *dir, struct store **out);
/* One record that carries `n`. */
struct err *desk_append (struct store *s, int n);
/* How many records verify, by a reader of its own. */
struct err *desk_count (const char *dir, uint64_t *n);

#endif
