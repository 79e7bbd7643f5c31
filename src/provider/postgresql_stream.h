/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PostgreSQL database kept in step by its servers' own logical replication
 * (`in-step: replicate`): a publication and a slot on the source, a
 * subscription on the target, which reaches the source's socket by a tunnel.
 * All of them are called rehome_..., are of one move, and end with it.
 */
#ifndef REHOME_PROVIDER_POSTGRESQL_STREAM_H
#define REHOME_PROVIDER_POSTGRESQL_STREAM_H

#include "provider/postgresql.h"

bool postgresql_streams (const struct plan_item *item);
/* The name of publication, slot and subscription of a stream there, or back;
 * the caller frees. */
char *postgresql_stream_called (const char *migration, long item, bool back);
char *postgresql_stream_name (const struct step_call *call);

/* postgresql_stream.c: the first copy, and all that the stream needs. */
struct err *postgresql_stream_begin (const struct step_call *call,
                                     json_t **result);
struct err *postgresql_stream_probe (const struct step_call *call,
                                     enum probe_state *out);
struct err *postgresql_stream_undo (const struct step_call *call,
                                    json_t **result);

/* The source's keeper lets go of the slot when production needs it; renewed
 * with each round. */
struct err *postgresql_stream_guard (const struct step_call *call);

/* Superusers' sessions may be read-only by default, and in a frozen database
 * are. */
#define POSTGRESQL_WRITABLE "SET default_transaction_read_only = off;\n"

/* The parts of it, by which the stream back (postgresql_home.h) is made and
 * taken away, too: there the call is mirrored, and its `source` publishes.
 * What the publishing server has: {"level", "cluster", "own" (wal_level of its
 * own file), "tables": [{"name", "identity", "index", "bare"}...]}. */
struct err *postgresql_stream_tables (const struct step_call *call,
                                      json_t **out);
bool postgresql_is_logical (const json_t *seen);
/* Sets wal_level and restarts the cluster, where the plan allows it. */
struct err *postgresql_make_logical (const struct step_call *call,
                                     const json_t *seen);
struct err *postgresql_put_back_level (const struct step_call *call,
                                       const json_t *record);
struct err *postgresql_stream_publish (const struct step_call *call,
                                       const json_t *seen, const char *name);
/* Takes away what the publishing server has, by the record of what was; and
 * the subscription. */
struct err *postgresql_leave_source (const struct step_call *call,
                                     const json_t *record);
struct err *postgresql_leave_target (const struct step_call *call);

/* postgresql_lag.c: the way by which the target's server connects, where
 * *where is what it connects to (the caller frees); it is opened where it is
 * not. */
struct err *postgresql_stream_way (const struct step_call *call, char **where);
/* What a round has to see to: that the stream runs, and how far it is behind.
 */
struct err *postgresql_stream_round (const struct step_call *call,
                                     json_t **result);
/* Behind the freeze: the target has everything that the source had. */
struct err *postgresql_stream_reach (const struct step_call *call,
                                     json_t **result);
/* Every table has its first copy ("RH-POSTGRESQL-STREAM" where one fails). */
struct err *postgresql_stream_await (const struct step_call *call);

/* Takes what makes a stream away on both servers, as the record at `path` on
 * `source` says; it stays there.  *record: what it says, or NULL: there is
 * none. */
struct err *postgresql_stream_away (const struct step_call *call,
                                    const char *path, json_t **record);

#endif
