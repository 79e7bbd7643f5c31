/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the source knows of a first copy that is under way: each entry, as it
 * is sent, goes to a log (NAME.sent).  When the copy was interrupted, the part
 * that the target has durably becomes an index (NAME.half), which the next
 * attempt is compared with.
 *
 * Entries that an attempt sent again changed, or they would have been kept: so
 * what the index before it has of them does not fit the inode any more, and
 * what lies behind the point may stay in the index.
 */
#ifndef REHOME_TREE_HALFWAY_H
#define REHOME_TREE_HALFWAY_H

#include "tree/entry.h"
#include "tree/index.h"
#include "tree/resume_point.h"

struct halfway;
struct err *halfway_create (const char *index_dir, const char *index,
                            int64_t attempt, struct halfway **out);
struct err *halfway_put (struct halfway *h, const struct tree_entry *e);
/* Writes out what is buffered: it may be needed after a failure. */
void halfway_free (struct halfway *h);

/* Brings NAME.half up to the point, removes the log, and opens the index: NULL
 * where nothing is known. */
struct err *halfway_resume (const char *index_dir, const char *index,
                            const struct resume_point *point,
                            struct index **out);
/* Removes both. */
void halfway_forget (const char *index_dir, const char *index);

#endif
