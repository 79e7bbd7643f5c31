/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the PostgreSQL provider share: how its server is asked,
 * and what it says of a database.
 *
 * The host's own psql and pg_dump talk to the server's socket as the operating
 * system's user "postgres" (peer authentication): no password, no port, no
 * account is made for the move.  SQL is composed with the quoting of
 * PostgreSQL's manual, 4.1 (identifiers) and 4.1.2.1 (strings), or by the
 * server itself.
 */
#ifndef REHOME_PROVIDER_POSTGRESQL_H
#define REHOME_PROVIDER_POSTGRESQL_H

#include "base/buf.h"
#include "provider/provider.h"

/* The database that the item names. */
const char *postgresql_database (const struct step_call *call);
/* A string constant; the caller frees. */
char *postgresql_literal (const char *text);

/* postgresql_client.c */
/* runuser -u postgres -- PROGRAM WORDS...; new reference. */
json_t *postgresql_as (const char *program, const char *const *words);
/* psql with what the item's thaw by hand needs to be let in on that host; new
 * reference. */
json_t *postgresql_by_hand (const struct plan_item *item, const struct port *p);
/* psql, pg_dump or pg_restore, as the host's cluster has it, let in as postgres
 * or by the item's credentials, with
 * where its socket is; the host is asked once which one that is. */
json_t *postgresql_argv (struct port *p, const char *program,
                         const char *const *words);
/* psql for many rows: it reads and writes them in large pieces. */
json_t *postgresql_bulk_argv (struct port *p, const char *const *words);
/* Whether that server can compress what it logs by lz4. */
bool postgresql_has_lz4 (struct port *p);
/* The numbers of the operating system's user there, asked once. */
struct err *postgresql_ids (struct port *p, uint32_t *uid, uint32_t *gid);

/* Runs SQL in a database; any error of it is "RH-HOST-COMMAND".  `out` may be
 * NULL, else the caller frees what the statements gave. */
struct err *postgresql_run (struct port *p, const char *database,
                            const char *sql, char **out);
/* The same for statements that may take as long as the data is large: no limit
 * but the caller's cancel ("RH-PROGRAM-FAILED"). */
struct err *postgresql_long (struct port *p, const char *database,
                             const char *sql);
/* What statements give, of any size and as long as it takes; the caller
 * frees. */
struct err *postgresql_output (struct port *p, const char *database,
                               const char *sql, char **out);
/* A statement that gives one JSON value; new reference. */
struct err *postgresql_json (struct port *p, const char *database,
                             const char *sql, json_t **out);

/* Several such statements in one session: a session costs more than most of
 * them.  out[i] is a new reference, also after an error where it was read. */
struct err *postgresql_jsons (struct port *p, const char *database,
                              const char *const *sql, size_t n, json_t **out);

/* Whether a database is there. */
struct err *postgresql_exists (struct port *p, const char *database, bool *out);

/* postgresql_look.c */
struct err *postgresql_look (const struct step_call *call, json_t **result);

/* postgresql_settings.c: {NAME: {"is", "unit", "carried", "chosen"}} of a
 * server; of two of them what the copy is to be given, {NAME: VALUE} (a new
 * reference), and the differences in words; and the statements that give it,
 * where `database` is quoted. */
extern const char postgresql_settings_sql[];
json_t *postgresql_settings_carried (const json_t *source, const json_t *target,
                                     json_t *findings);
struct err *postgresql_settings_put (const json_t *carry, const char *database,
                                     struct buf *sql);
/* Takes out of `carry` what the target's server does not take, and says so. */
struct err *postgresql_settings_try (struct port *target, json_t *carry,
                                     json_t *findings);

/* postgresql_collations.c: what a server says of collations; the versions that
 * the copy has recorded become those of its library; what a proof finds. */
extern const char postgresql_collations_sql[];
extern const char postgresql_collations_refresh_sql[];
void postgresql_collations_compare (const json_t *source, const json_t *target,
                                    json_t *findings, json_t *differences);

/* postgresql_roles.c: the roles that the database's objects and sessions need,
 * with their hashes, memberships and settings. */
struct err *postgresql_roles (const struct step_call *call, json_t **result);
/* The path of their record, on the target; the caller frees. */
char *postgresql_roles_record (const struct step_call *call);
/* Adds what differs, in words, to `differences`. */
struct err *postgresql_roles_compare (const struct step_call *call,
                                      json_t *differences);

/* Text that means the same everywhere, and loses nothing: of digests, and
 * of rows that are sent. */
#define POSTGRESQL_CANONICAL                                          \
  "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD';"                 \
  " SET IntervalStyle = 'postgres'; SET extra_float_digits = 3;"      \
  " SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET xmloption =" \
  " 'content'; SET row_security = off; SET search_path = pg_catalog;" \
  " SET statement_timeout = 0; SET lock_timeout = 0;"                 \
  " SET idle_in_transaction_session_timeout = 0;\n"

/* postgresql_tables.c */
/* For postgresql_jsons: what postgresql_tables (but for the parts, which
 * postgresql_shifts adds) and postgresql_sequences ask. */
extern const char postgresql_tables_sql[];
extern const char postgresql_sequences_sql[];
extern const char postgresql_published_sql[];
/* Settings by which text means the same on every server, and loses nothing. */
extern const char postgresql_canonical_sql[];
/* postgresql_catalog.c: a text that is another one after any change of the
 * schema. */
extern const char postgresql_catalog_sql[];
void postgresql_shifts (json_t *tables);
/* What the host has: [{"name", "kind", "columns", "key", "shift", "bytes"}...],
 * quoted by the server.  A table with a key of one integer column is compared
 * and copied in parts: part N holds the keys from N * 2^shift on. */
struct err *postgresql_tables (struct port *p, const char *database,
                               json_t **out);
/* Digests of them on one host, {NAME: "ROWS SUM"}; at most 16,384 tables. */
struct err *postgresql_digest (struct port *p, const char *database,
                               const json_t *tables, json_t **out);
int postgresql_shift (const json_t *table);
/* Whether its rows are read, sent and digested in COPY's binary form, else as
 * lines of text. */
bool postgresql_is_binary (const json_t *table);
/* What one host holds. */
struct postgresql_read {
  json_t *tables; /* {NAME: "ROWS SUM"} */
  json_t *parts;  /* {"INDEX:PART" or "INDEX": "ROWS SUM"}; INDEX of `tables` */
};
void postgresql_read_clear (struct postgresql_read *r);
#define CLEANUP_READ CLEANUP (postgresql_read_clear)
/* Digests of all of them on both hosts at the same time. */
struct err *postgresql_digests (const struct step_call *call,
                                const json_t *tables,
                                struct postgresql_read *source,
                                struct postgresql_read *target);
/* Sequences' values: {NAME: "LAST CALLED"}. */
struct err *postgresql_sequences (struct port *p, const char *database,
                                  json_t **out);

/* postgresql_copy.c */
struct err *postgresql_seed (const struct step_call *call, json_t **result);
/* The schema of the database on the source as text, without what differs each
 * time; the caller frees. */
struct err *postgresql_schema (const struct step_call *call, char **out);
/* Drops a copy that was made before and makes it anew. */
struct err *postgresql_whole (const struct step_call *call);
/* Drops it. */
struct err *postgresql_drop (const struct step_call *call);
/* Whether the copy was made from this very schema, by its record. */
bool postgresql_is_current (const json_t *record, const char *schema);
/* One program's output on the source as the input of one on the target; both
 * vectors are taken. */
struct err *postgresql_stream (const struct step_call *call, json_t *from,
                               json_t *into);
/* COPY's rows from the source to the target: `out` and `in` are arguments of
 * program.read, which digests, and of program.write, whose psql is not quiet
 * and shows no notices.  Any warning, and another number of rows than was sent,
 * is "RH-POSTGRESQL-ROWS".  *digest: "ROWS SUM" of what left the source (the
 * caller frees); may be NULL. */
struct err *postgresql_send (const struct step_call *call, const json_t *out,
                             const json_t *in, char **digest);
/* Removes from the target what an interrupted first copy has left besides. */
struct err *postgresql_archive_remove (const struct step_call *call);
/* postgresql_first.c: all of a database, of one moment, into one that is not
 * there yet: definitions, rows of several tables at a time, indexes and
 * constraints.  `sent` gets "ROWS SUM" of each table as it left the source,
 * *schema the text of what was copied (the caller frees; NULL where it was
 * changed meanwhile, so that the next round makes it anew). */
struct err *postgresql_first (const struct step_call *call, json_t *sent,
                              char **schema);
/* The record of what was made on the host that is copied to; the caller
 * frees. */
char *postgresql_record (const struct step_call *call);

/* The schema alone, in place of a copy that was made before. */
struct err *postgresql_empty (const struct step_call *call);
/* Records which schema the copy has, and what the source's catalogs are. */
struct err *postgresql_note_schema (const struct step_call *call);
/* The schema is what was recorded: "RH-POSTGRESQL-DDL". */
struct err *postgresql_same_schema (const struct step_call *call);

/* postgresql_part.c: the rows of a table (number `index`) that differ, from the
 * source to the target; *parts gets how many parts it has copied, 0 for the
 * whole table. */
struct err *postgresql_copy_table (const struct step_call *call,
                                   const json_t *table, size_t index,
                                   const struct postgresql_read *source,
                                   const struct postgresql_read *target,
                                   json_int_t *parts);

/* postgresql_round.c */
struct err *postgresql_round (const struct step_call *call, json_t **result);
/* Records that the target has to hold what was sent: {NAME: "ROWS SUM"}. */
struct err *postgresql_remember_sent (const struct step_call *call,
                                      json_t *sent);
/* Sets those of the target that are not as wanted. */
struct err *postgresql_set_sequences (const struct step_call *call,
                                      const json_t *wanted, const json_t *is);
/* The target holds what the last round left there: "RH-POSTGRESQL-TOUCHED". */
struct err *postgresql_untouched (const struct step_call *call);

/* postgresql_freeze.c */
struct err *postgresql_stop (const struct step_call *call, json_t **result);
struct err *postgresql_stop_probe (const struct step_call *call,
                                   enum probe_state *out);
struct err *postgresql_stop_undo (const struct step_call *call,
                                  json_t **result);
/* Nobody is connected, and nothing was written since the freeze:
 * "RH-POSTGRESQL-WRITTEN". */
struct err *postgresql_still (const struct step_call *call, json_t **result);
/* The commands of the way back by hand: [{"why", "argv"}...], appended. */
void postgresql_thaw (const struct step_call *call,
                      const struct plan_item *item, json_t *out);

/* postgresql_prove.c: before the freeze what does not change by itself, behind
 * it everything. */
struct err *postgresql_prove (const struct step_call *call, json_t **result);
/* What there is in a database: {"KIND NAME": DEFINITION}. */
extern const char postgresql_census_sql[];
struct err *postgresql_verify (const struct step_call *call, json_t **result);
/* postgresql_queries.c */
extern const struct queries_engine postgresql_queries;
/* postgresql_samples.c, see samples.h */
struct err *postgresql_samples (const struct step_call *call,
                                const json_t *tables, json_t *differences,
                                json_t **out);

/* postgresql_relate.c, see relations.h; *out is a new reference */
struct err *postgresql_relations (struct port *p, const char *database,
                                  json_t **out);
/* postgresql_try.c, see writes.h */
struct err *postgresql_try_writes (const struct step_call *call, json_t *tried,
                                   json_t *differences, json_t *findings);

/* postgresql_back.c: what the new server took since the opening, laid up on the
 * old one; in a rollback without the new one it goes into the database; then it
 * is removed. */
struct err *postgresql_lay (const struct step_call *call, json_t **result);
struct err *postgresql_apply (const struct step_call *call, json_t **result);
struct err *postgresql_sweep (const struct step_call *call, json_t **result);

/* postgresql_discard.c; see struct provider. */
struct err *postgresql_discard (const struct step_call *call, bool dry,
                                json_t *out);

#endif
