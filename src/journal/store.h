/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's store: SQLite, WAL, synchronous=FULL, one database a migration
 * (STATE/NAME/journal.db).  One writer holds it; readers may be many.  An
 * append has returned only when it is durable.  A store object belongs to one
 * thread.
 */
#ifndef REHOME_JOURNAL_STORE_H
#define REHOME_JOURNAL_STORE_H

#include "journal/record.h"

struct store;

/* Creates the database with the plan's bytes, or opens it.  A second writer
 * gets "RH-JOURNAL-BUSY" with the owner's pid.  `plan`/`len` NULL: open only.
 */
struct err *store_open_writer (const char *dir, const char *migration,
                               const char *plan_text, size_t plan_len,
                               struct store **out);
struct err *store_open_reader (const char *dir, struct store **out);
void store_close (struct store *s);
static inline void
cleanup_store_ (struct store **s)
{
  store_close (*s);
}
#define CLEANUP_STORE CLEANUP (cleanup_store_)

/* Fills in migration, seq and prev, makes it durable, and gives the line.
 * After a commit error: closes, reopens, reads back, compares. */
struct err *store_append (struct store *s, struct record *r, char **line);
/* Blobs that records name by hash; erasable (salted personal values): after
 * erasing, store_get_blob says "RH-JOURNAL-ERASED" and the chain still
 * verifies.  Of a blob that never was: "RH-JOURNAL-NOBLOB". */
struct err *store_put_blob (struct store *s, const void *data, size_t len,
                            char sha256[65]);
struct err *store_get_blob (struct store *s, const char *sha256, char **data,
                            size_t *len);
struct err *store_erase_blob (struct store *s, const char *sha256);
/* Calls `each` for every record with seq > after, in order, with its stored
 * line; the chain is verified on the way. */
struct err *store_each (struct store *s, uint64_t after,
                        struct err *(*each) (void *ctx, const struct record *r,
                                             const char *line),
                        void *ctx);
/* The plan that was kept last; a NUL byte behind it; the caller frees. */
struct err *store_plan (struct store *s, char **text, size_t *len);
/* Every plan that was kept, the first one first, from 1. */
struct err *store_each_plan (struct store *s,
                             struct err *(*each) (void *ctx, unsigned n,
                                                  const void *text, size_t len),
                             void *ctx);
struct err *store_head (struct store *s, uint64_t *seq, char hash[65]);
/* The hash of the line of one record; *found is false where there is none. */
struct err *store_hash_at (struct store *s, uint64_t seq, char hash[65],
                           bool *found);
/* One row that is overwritten, never journaled and not synced; call it at most
 * once a second.  store_progress gives NULL in *out before the first. */
struct err *store_set_progress (struct store *s, const json_t *progress);
struct err *store_progress (struct store *s, json_t **out);
/* The plan a migration follows may be replaced while nothing is frozen: the
 * new bytes are kept beside the old ones (the RECORD_PLANNED names the hash).
 */
struct err *store_replace_plan (struct store *s, const char *text, size_t len);

#endif
