/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Journal records: one JSON line each, sorted keys, integers only, chained by
 * SHA-256 (docs/JOURNAL.md is normative).  Pure: no I/O, no clock.
 *
 * Members: v, migration, seq, prev, epoch, time (ms since the epoch), boot_id,
 * mono_ns (decimal string), actor, type, step, attempt, data, blobs.
 */
#ifndef REHOME_JOURNAL_RECORD_H
#define REHOME_JOURNAL_RECORD_H

#include "base/cleanup.h"
#include "base/err.h"
#include "wire/json.h"

#include <stdint.h>

enum record_type {
  RECORD_CLAIMED, /* a controller took the migration; data: controller */
  RECORD_PLANNED, /* the plan's hash and the graph's summary */
  RECORD_REQUEST, /* an operator asked; data: {"request": ...} */
  RECORD_APPROVE,
  RECORD_INTENT,     /* step, attempt; data: {"undo": true} for an undo */
  RECORD_OUTCOME,    /* step, attempt; data: {"result": ...} */
  RECORD_PHASE,      /* data: {"from","to","why","writer"} */
  RECORD_CHECKPOINT, /* a step's own durable progress */
  RECORD_FORECAST,   /* data: {"lower_ms","upper_ms","causes":[...]} */
  RECORD_MEASURE,    /* data: measured figures, e.g. downtime */
  RECORD_WAIVER,
  RECORD_WITNESS,
  RECORD_SEAL,
  RECORD_TYPE_COUNT
};
const char *record_type_name (enum record_type t);
int record_type_from_name (const char *name, enum record_type *out);

struct record {
  enum record_type type;
  char *migration;
  uint64_t seq; /* from 1 */
  char prev[65];
  uint64_t epoch;
  int64_t time_ms;
  char *boot_id;
  uint64_t mono_ns;
  char *actor; /* "controller", "operator:root", "engine", ... */
  char *step;  /* NULL where none */
  uint32_t attempt;
  json_t *data;  /* object; never NULL after parse */
  json_t *blobs; /* object name -> sha256 hex; may be NULL */
};
void record_clear (struct record *r);

/* The stored line (no newline), and back; the caller frees. */
char *record_line (const struct record *r);
struct err *record_parse (const char *line, size_t len, struct record *out);
/* What a record may not hold: reals, data that is no object. */
struct err *record_check (const struct record *r);
/* 64 hex digits of the line's SHA-256. */
void record_hash (const char *line, size_t len, char out[65]);
/* H(salt, value) for personal values: hex of SHA-256 (salt || value). */
void record_salted (const unsigned char salt[32], const void *value, size_t len,
                    char out[65]);
/* The blob that makes the value readable until it is erased: salt and value as
 * JSON (the caller frees), and back, checked against the salted hash. */
char *record_salted_blob (const unsigned char salt[32], const void *value,
                          size_t len);
struct err *record_salted_open (const char *blob, size_t len,
                                const char *salted, unsigned char **value,
                                size_t *value_len);

/* Verifies a chain line by line; "RH-JOURNAL-CHAIN" says where it breaks. */
struct chain {
  uint64_t seq;
  char head[65]; /* starts as the plan's hash */
};
void chain_start (struct chain *c, const char *plan_hash);
struct err *chain_next (struct chain *c, const char *line, size_t len);

#endif
