/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the MariaDB provider share: how its server is asked, and
 * what it says of a database.
 *
 * The host's own mariadb and mariadb-dump talk to the server's socket as
 * root@localhost (unix_socket, or credentials.h): no port, no account is made
 * for the move.  A call goes from `source` to `target`; of a mirrored one these
 * are the other way round.
 */
#ifndef REHOME_PROVIDER_MARIADB_H
#define REHOME_PROVIDER_MARIADB_H

#include "provider/parts.h"
#include "provider/provider.h"

/* The database that the item names; no quoting is ever needed for it. */
const char *mariadb_database (const struct step_call *call);

/* PROGRAM of the host with what lets it in (the item's credentials, or being
 * root) and WORDS; new reference. */
json_t *mariadb_argv (struct port *p, const char *program,
                      const char *const *words);
/* The same without any words. */
json_t *mariadb_login (struct port *p, const char *program);
/* Begins each script: values are written and read as they are stored. */
#define MARIADB_SESSION                                             \
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES,"  \
  "NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', time_zone ="      \
  " '+00:00', foreign_key_checks = 0, check_constraint_checks = 0," \
  " group_concat_max_len = 16777216, max_statement_time = 0,"       \
  " net_write_timeout = 86400, net_read_timeout = 86400;\n"
/* ... which then reads one moment, and values as they are stored. */
#define MARIADB_SNAPSHOT                                       \
  MARIADB_SESSION                                              \
  "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;\n" \
  "START TRANSACTION WITH CONSISTENT SNAPSHOT;\n"              \
  "SET character_set_results = NULL;\n"
/* Runs SQL; what it gives are rows of columns parted by tabs, escaped as the
 * client does it.  Its error is "RH-PROGRAM-FAILED".  `out` may be NULL, else
 * the caller frees. */
struct err *mariadb_run (struct port *p, const char *sql, char **out);
/* As mariadb_run, of `fmt`, in which every "%s" is the database. */
struct err *mariadb_ask (struct port *p, const char *fmt, const char *database,
                         char **out);
/* The statements that the answer consists of; the caller frees. */
struct err *mariadb_compose_text (struct port *p, const char *fmt,
                                  const char *database, char **out);
/* Runs them, if any. */
struct err *mariadb_compose (struct port *from, const char *fmt,
                             const char *database, struct port *to);
/* Rows of two columns as an object; a third is the second's rest. */
struct err *mariadb_pairs (struct port *p, const char *fmt,
                           const char *database, json_t **out);
/* As mariadb_pairs, of SQL as it is. */
struct err *mariadb_rows (struct port *p, const char *sql, json_t **out);
/* `work` for both hosts at the same time; an error of the source's goes first.
 * What it gives is the caller's also after an error. */
struct err *mariadb_sides (const struct step_call *call,
                           struct err *(*work) (struct port *p,
                                                const char *database,
                                                bool is_source, void *ctx),
                           void *ctx);
struct err *mariadb_both (const struct step_call *call,
                          struct err *(*of) (struct port *p,
                                             const char *database,
                                             json_t **out),
                          json_t **source, json_t **target);
struct err *mariadb_exists (struct port *p, const char *database, bool *out);
/* From a program here to a program there, nothing on a disk; `said` (NULL:
 * none) is what the receiver wrote to stdout, the caller frees; `digest` (NULL:
 * none) that of the lines that were sent, "ROWS SUM". */
struct err *mariadb_stream (const struct step_call *call, json_t *from,
                            json_t *into, char **said, json_t **digest);

/* mariadb_look.c */
struct err *mariadb_look (const struct step_call *call, json_t **result);

/* mariadb_settings.c */
/* Does the plan want the target's server to have the source's settings? */
bool mariadb_carries (const struct plan_item *item);
/* What differs, in words, and what of it is carried ({NAME: VALUE}). */
struct mariadb_settings {
  json_t *findings, *carry;
};
struct err *mariadb_settings_differ (const struct step_call *call,
                                     struct mariadb_settings *out);
/* The target's server gets what #look says, and a file that keeps it; its own
 * are recorded there before. */
struct err *mariadb_settings_put (const struct step_call *call,
                                  json_t **result);
struct err *mariadb_settings_back (const struct step_call *call,
                                   json_t **result);
/* After an acceptance they stay: the file is named. */
struct err *mariadb_settings_left (const struct step_call *call, json_t *left);

/* mariadb_grants.c: pure; what of an account's grants concerns a database. */
/* The grant without what CREATE USER says already, or NULL where it is about
 * another database; the caller frees. */
char *mariadb_grant (const char *line, const char *database);
/* What takes a grant from account `name` again, each statement with its end;
 * NULL: it is none.  The caller frees. */
char *mariadb_revoke (const char *grant, const char *name);
/* CREATE USER without ACCOUNT LOCK; the caller frees. */
char *mariadb_unlocked (const char *create);

/* mariadb_accounts.c: accounts and roles that have rights on the database, or
 * on all, or define objects of it.  {NAME: {"role", "create", "locked",
 * "grants"}}; it holds password hashes and is never recorded. */
struct err *mariadb_accounts (struct port *p, const char *database,
                              json_t **out);
struct err *mariadb_make_accounts (const struct step_call *call,
                                   json_t **result);
/* The target's, without hashes, for the record of a round; and against one. */
struct err *mariadb_account_record (const struct step_call *call, json_t **out);
struct err *mariadb_check_accounts (const struct step_call *call,
                                    const json_t *recorded,
                                    json_t *differences);
/* The rights of all of them, once the objects are there. */
struct err *mariadb_grant_all (const struct step_call *call);
struct err *mariadb_compare_accounts (const struct step_call *call,
                                      json_t *differences);
struct err *mariadb_admit (const struct step_call *call, json_t **result);
struct err *mariadb_admit_undo (const struct step_call *call, json_t **result);

/* mariadb_found.c: accounts on the target, and the record of what the move
 * makes of them; the caller frees its path. */
char *mariadb_accounts_record (const struct step_call *call);
/* {"create", "locked", "grants"}, whatever its rights are; NULL: not there.
 * It holds hashes. */
struct err *mariadb_there (const struct step_call *call, const char *name,
                           bool role, json_t **out);
/* Before an account is made, or gets rights (`there`: as it is). */
struct err *mariadb_note_account (const struct step_call *call,
                                  const char *name, const json_t *there);
/* Adds what is left of them on a host, in words; users are locked there. */
void mariadb_name_accounts (const json_t *names, json_t *out);
void mariadb_name_found (const struct step_call *call, const json_t *record,
                         json_t *out);
/* Accounts that the target had before the move are as they were. */
struct err *mariadb_give_back (const struct step_call *call);

/* mariadb_tables.c */
/* Base tables and sequences: [{"name", "quoted", "kind" ("T", "S"),
 * "select", "digest", "fields", "sets", "key" (a primary key of one integer
 * column, or ""), "bytes", "stats" (of one with persistent statistics its
 * option, else "")}...]; of one with a key "cut" says how it is cut into
 * parts. A "where" that somebody adds confines its digest. */
struct err *mariadb_tables (struct port *p, const char *database, json_t **out);
struct parts_cut mariadb_cut (const json_t *table);
/* "ROWS SUM" of each, by name, in one transaction. */
struct err *mariadb_digest (struct port *p, const char *database,
                            const json_t *tables, json_t **out);
/* On both hosts at the same time, and of their parts (parts.h), too. */
struct mariadb_sums {
  json_t *tables, *parts;
};
void mariadb_sums_clear (struct mariadb_sums *s);
#define CLEANUP_SUMS CLEANUP (mariadb_sums_clear)
struct err *mariadb_digests (const struct step_call *call, const json_t *tables,
                             struct mariadb_sums *source,
                             struct mariadb_sums *target);
/* {"structure": {KIND NAME: DIGEST}, "objects": ...}: tables with columns,
 * indexes and constraints; views, triggers, routines and events. */
struct err *mariadb_census (struct port *p, const char *database, json_t **out);

/* mariadb_binlog.c */
bool mariadb_replicates (const struct plan_item *item);
/* Does the plan want the source's binary log to be followed? */
bool mariadb_follows (const struct step_call *call);
/* And can it be?  "RH-MARIADB-BINLOG". */
struct err *mariadb_look_log (const struct step_call *call);
/* {"gtid", "file", "at", "ms"}: where the binary log ends now. */
struct err *mariadb_log_position (struct port *p, json_t **out);
/* What a play did; where it is not done the copy is in an unknown state. */
struct mariadb_played {
  bool done;
  json_int_t bytes;
  char why[200];
};
/* Plays what the source took between two positions on the target; `from` has
 * "exact" where the copy is of that very moment. */
struct err *mariadb_play (const struct step_call *call, const json_t *from,
                          const json_t *to, struct mariadb_played *out);
/* A play that was interrupted may have left the target's slave_exec_mode. */
struct err *mariadb_log_strict (const struct step_call *call);
/* Adds "lag_ms" and "lag_bytes" since a position. */
struct err *mariadb_lag (const struct step_call *call, const json_t *reached,
                         json_t *result);

/* mariadb_log.c: the source's binary log, for the time of the move. */
bool mariadb_may_restart (const struct step_call *call);
struct err *mariadb_has_log (struct port *p, bool *out);
struct err *mariadb_log_on (const struct step_call *call, json_t **result);
struct err *mariadb_log_off (const struct step_call *call, json_t **result);

/* mariadb_copy.c */
/* The record of what was made on the host that is copied to; the caller
 * frees. */
char *mariadb_record (const struct step_call *call);
struct err *mariadb_seed (const struct step_call *call, json_t **result);
struct err *mariadb_round (const struct step_call *call, json_t **result);
struct err *mariadb_final (const struct step_call *call, json_t **result);
/* mariadb_objects.c: views, triggers, routines and events; all are made again
 * where the censuses of both servers differ. */
/* What `from`, a mariadb-dump on the source, prints goes into the target's
 * database; takes `from`. */
struct err *mariadb_define (const struct step_call *call, json_t *from);
/* Names, one to a line, as the client escapes them; the caller frees. */
struct err *mariadb_views (struct port *p, const char *database, char **out);
struct err *mariadb_copy_objects (const struct step_call *call,
                                  const json_t *source, const json_t *target);
/* Mirrored, to the old server, which has its own again where it does not take
 * what comes: "RH-MARIADB-OBJECT". */
struct err *mariadb_objects_back (const struct step_call *call,
                                  const json_t *source, const json_t *target);
/* ... or where that was interrupted, and only it is there now. */
struct err *mariadb_objects_kept (const struct step_call *call);
/* mariadb_first.c: all rows into tables that were made just now, several
 * tables at a time.  `sent` gets the digest of each as it left the source, of
 * those whose digest is of the columns that are sent. */
struct err *mariadb_first (const struct step_call *call, const json_t *tables,
                           json_t *sent, json_t *copied);
/* mariadb_load.c */
/* Rows of one table: all of it, or of what `where` says; emptied before, or
 * `fresh`: made just now, and of nobody's use.  `digest` as in mariadb_stream.
 * "RH-MARIADB-VALUE". */
struct err *mariadb_load (const struct step_call *call, const json_t *table,
                          const char *where, bool fresh, json_t **digest);
/* What a load said: nothing, or a warning, "RH-MARIADB-VALUE". */
struct err *mariadb_judge_load (const char *table, const char *said);
/* Triggers of the target, while rows are loaded for which they have run. */
struct err *mariadb_triggers_aside (const struct step_call *call);
struct err *mariadb_triggers_back (const struct step_call *call);
struct err *mariadb_copy_tables (const struct step_call *call, json_t *tables,
                                 const struct mariadb_sums *source,
                                 const struct mariadb_sums *target,
                                 json_t *copied);
struct err *mariadb_copy_numbers (const struct step_call *call,
                                  const json_t *tables);
/* What sets a sequence to the value it has at `p`; the caller frees. */
struct err *mariadb_sequence_sql (struct port *p, const json_t *table,
                                  char **out);
/* {TABLE: next value} of what counts up by itself. */
struct err *mariadb_numbers (struct port *p, const char *database,
                             json_t **out);

/* mariadb_freeze.c */
/* On the frozen host: what was before, and the file that keeps its server
 * read-only; the caller frees. */
char *mariadb_freeze_record (const struct step_call *call);
char *mariadb_freeze_conf (const struct step_call *call);
/* Sets a server to what "read_only", "userstat" and "events" were; the caller
 * frees. */
char *mariadb_thaw_sql (const json_t *before);
struct err *mariadb_stop (const struct step_call *call, json_t **result);
struct err *mariadb_stop_probe (const struct step_call *call,
                                enum probe_state *out);
struct err *mariadb_stop_undo (const struct step_call *call, json_t **result);
/* Nothing was written since the freeze: "RH-MARIADB-WRITTEN". */
struct err *mariadb_still (const struct step_call *call, json_t **result);
/* The commands of the way back by hand: [{"why", "argv"}...], appended. */
void mariadb_thaw (const struct step_call *call, const struct plan_item *item,
                   json_t *out);

/* mariadb_release.c: what a move that is settled gives back, and what it
 * leaves ("left" of the result).  After a rollback the target's server is as
 * before the move, and the accounts that the move made stay locked. */
struct err *mariadb_release (const struct step_call *call, json_t **result);
/* After an acceptance the source's server counts no rows any more; it stays
 * closed. */
struct err *mariadb_sweep (const struct step_call *call, json_t **result);

/* mariadb_back.c: mirrored, from the target to the source. */
struct err *mariadb_lay (const struct step_call *call, json_t **result);
struct err *mariadb_apply (const struct step_call *call, json_t **result);

/* mariadb_prove.c */
/* What is otherwise than in the record of the last round, in words. */
struct err *mariadb_differs (const struct step_call *call, const json_t *made,
                             json_t *differences, bool *structure);
/* The same: "RH-MARIADB-TOUCHED". */
struct err *mariadb_check_copy (const struct step_call *call,
                                const json_t *made);
/* The copy is what the last round left, and its objects are the source's. */
struct err *mariadb_prove (const struct step_call *call, json_t **result);
struct err *mariadb_settled (const struct step_call *call, json_t **result);
struct err *mariadb_verify (const struct step_call *call, json_t **result);

/* mariadb_queries.c */
extern const struct queries_engine mariadb_queries;

/* mariadb_try.c */
/* samples.h */
struct err *mariadb_samples (const struct step_call *call, const json_t *tables,
                             json_t *differences, json_t **out);
/* writes.h; *tried is a new reference */
struct err *mariadb_try_writes (const struct step_call *call, json_t *tables,
                                json_t *differences, json_t **tried);

/* mariadb_relate.c: {"keys": {TABLE.KEY: rows that lead nowhere}, "hours":
 * {TABLE.COLUMN: "ROWS HOURS FIRST LAST GAPS LONGEST"}}, which reads the
 * tables. */
struct err *mariadb_relations (struct port *p, const char *database,
                               json_t **out);

/* mariadb_discard.c */
struct err *mariadb_discard (const struct step_call *call, bool dry,
                             json_t *out);

#endif
