/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests of lines by group: what stands before a line's first tab names its
 * group, what follows is digested as rows.h does.  So two tables can be
 * compared part by part with one reading of each.
 *
 * The lines are hostile: a name is at most GROUPS_NAME bytes long, and there
 * are at most GROUPS_MAX groups.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_AGENT_GROUPS_H
#define REHOME_AGENT_GROUPS_H

#include "base/err.h"
#include "wire/json.h"

#include <stddef.h>

enum { GROUPS_NAME = 63, GROUPS_MAX = 16384 };

struct groups;

struct groups *groups_new (void);
void groups_free (struct groups *g);
/* "RH-PROGRAM-GROUPS": a line has no name, too long a one, or there are too
 * many groups. */
struct err *groups_put (struct groups *g, const void *data, size_t len);
/* A last line without a newline counts as one. */
struct err *groups_end (struct groups *g);
/* A new object: by the name of each group (percent-encoded) a text "ROWS SUM".
 */
json_t *groups_result (const struct groups *g);

#endif
