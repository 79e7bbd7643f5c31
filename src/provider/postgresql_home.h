/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standing stream back of a database that is kept in step by replication:
 * a publication and a slot on the new server, a subscription on the old one,
 * whose database is frozen meanwhile: sessions can neither begin nor write
 * there, but the server's own applier is bound by neither setting (measured
 * with PostgreSQL 15).
 *
 * The calls are mirrored: `source` is the new server, which publishes, `target`
 * the old one.  Names carry "_back".  The applier is stopped from its rehearsal
 * to the first look of the guard, so that an abort finds the old database as it
 * was frozen.
 */
#ifndef REHOME_PROVIDER_POSTGRESQL_HOME_H
#define REHOME_PROVIDER_POSTGRESQL_HOME_H

#include "provider/postgresql_stream.h"

/* postgresql_level.c: the new server writes what a stream needs (wal_level).
 * Where that needs a restart which is not to be,
 * it says so in a finding, and the way back is by rounds. */
struct err *postgresql_level (const struct step_call *call, json_t **result);
struct err *postgresql_level_undo (const struct step_call *call,
                                   json_t **result);
/* The plan's first item whose database is replicated; NULL: none is. */
const struct plan_item *postgresql_first_streamed (const struct plan *plan);

/* A printf form that takes the name of a disabled subscription twice: its
 * applier is ended, and waited for up to five seconds. */
#define POSTGRESQL_END_APPLIER                                               \
  "DO $rehome$ BEGIN FOR i IN 1..500 LOOP PERFORM pg_terminate_backend(pid)" \
  " FROM pg_stat_subscription WHERE subname = '%s' AND pid IS NOT NULL;"     \
  " EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_subscription WHERE subname ="  \
  " '%s' AND pid IS NOT NULL); PERFORM pg_sleep(0.01); END LOOP; END"        \
  " $rehome$;\n"

/* postgresql_home.c: sets it up and sends a row of a table of its own through
 * it: "RH-POSTGRESQL-HOME" where that does not arrive. */
struct err *postgresql_home (const struct step_call *call, json_t **result);
struct err *postgresql_home_probe (const struct step_call *call,
                                   enum probe_state *out);
/* Takes all of it away on both servers. */
struct err *postgresql_home_end (const struct step_call *call, json_t **result);
/* Its record on the new server; the caller frees. */
char *postgresql_home_record (const struct step_call *call);
/* What the old server's log says of an applier that stopped; "" where that is
 * not known.  The caller frees. */
char *postgresql_home_error (const struct step_call *call);
/* Of a server's log the last error of the applier of `origin` ("pg_16399"), as
 * "ERROR (TABLE)"; "" where there is none.  The caller frees. */
char *postgresql_log_error (char *text, const char *origin);

/* postgresql_home_watch.c */
/* A look of the guard.  While the stream stands *result tells how far it is
 * behind, and whether that is of use: "reverse", "why".  Where it stands no
 * more *given_up has "why", and "base", what the old server holds ({NAME: "ROWS
 * SUM"}); both stay NULL where there never was one.  New references. */
struct err *postgresql_home_look (const struct step_call *call, json_t **result,
                                  json_t **given_up);
/* What the two schemas do not share, in words; NULL: nothing. */
struct err *postgresql_home_schema (const struct step_call *call, char **why);
/* Behind the freeze of a rollback: the old server has all that the new one
 * wrote, or the stream is given up. */
struct err *postgresql_home_reach (const struct step_call *call);
/* Without the new server: what the old one has applied stays, sequences are
 * raised to what their columns hold; *was: it had a subscription. */
struct err *postgresql_home_keep (const struct step_call *call, bool *was);
/* Raises the sequences that belong to columns to what these hold. */
extern const char postgresql_raise_sql[];

#endif
