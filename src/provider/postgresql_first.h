/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a PostgreSQL database's first copy share. */
#ifndef REHOME_PROVIDER_POSTGRESQL_FIRST_H
#define REHOME_PROVIDER_POSTGRESQL_FIRST_H

#include "provider/postgresql.h"

#include <pthread.h>

/* postgresql_snapshot.c: a session of the source that exports its snapshot and
 * keeps it until it is closed. */
struct snapshot {
  const struct step_call *call;
  char name[40]; /* of the session, one of its own */
  char id[64];   /* for SET TRANSACTION SNAPSHOT */
  pthread_t thread;
  pthread_mutex_t lock; /* of what follows */
  bool ended, over;
  bool lost; /* it had ended before it was over */
  struct err *failed;
};
struct err *postgresql_snapshot_open (struct snapshot *s,
                                      const struct step_call *call);
/* Nothing needs it any more: its session is told to end, and nobody waits. */
void postgresql_snapshot_release (struct snapshot *s);
/* The session has not ended by itself before: what was read is of one moment.
 */
struct err *postgresql_snapshot_held (struct snapshot *s);
void postgresql_snapshot_close (struct snapshot *s);

/* postgresql_archive.c: the definitions as pg_dump's archive, in a file on the
 * target that only its server's user can read. */
struct archive {
  const struct step_call *call;
  char *dir;
  json_t *env;   /* of sessions that load */
  json_t *alone; /* of one that builds an index and has all processors */
};
struct err *postgresql_archive_make (struct archive *a,
                                     const struct snapshot *s);
/* The database and what its rows need. */
struct err *postgresql_archive_begin (const struct archive *a);
/* The lines of its list that tell what belongs behind the rows; the caller
 * frees. */
struct err *postgresql_archive_list (const struct archive *a, char **out);
/* Makes the objects of these lines, `jobs` at a time; `name` is the list's own
 * among those that are used at the same time, `env` one of the two. */
struct err *postgresql_archive_make_of (const struct archive *a,
                                        const char *name, const char *lines,
                                        int jobs, const json_t *env);
void postgresql_archive_clear (struct archive *a); /* its files stay */

/* How much at a time, by what the target has. */
struct load_bounds {
  unsigned rows, indexes; /* at a time */
  uint64_t memory;        /* bytes to build one index */
  unsigned cpus;
};

/* postgresql_load.c: rows of several tables at a time, those first whose rows
 * and indexes are largest; a large table's indexes and unique constraints are
 * made as soon as its rows are there.  `tables` is postgresql_tables', `more`
 * {NAME: {"bytes", "member", "indexes": [OID], "constraints": [OID]}}, `list`
 * the archive's.  `sent` gets "ROWS SUM" of each table as it left the source,
 * *rest what of the list is still to be made (the caller frees). */
struct load {
  const struct step_call *call;
  struct snapshot *snapshot;
  const struct archive *archive;
  struct load_bounds bounds;
  const json_t *tables, *more;
  const char *list;
  json_t *sent;
};
struct err *postgresql_load (const struct load *l, char **rest);

#endif
