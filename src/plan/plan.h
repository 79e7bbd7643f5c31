/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan: the YAML file that a person keeps, decoded and checked.
 *
 * The bytes are hashed (SHA-256) as they are; the hash is the first link of
 * the journal.  A plan is immutable after plan_read and may be shared between
 * threads.
 */
#ifndef REHOME_PLAN_PLAN_H
#define REHOME_PLAN_PLAN_H

#include "base/cleanup.h"
#include "base/err.h"
#include "wire/json.h"

#include <stdbool.h>
#include <stddef.h>

struct plan;

/* Where a host is and who it must be. */
struct plan_host {
  const char *host;       /* as ssh takes it, or "local" */
  const char *via;        /* management address, or NULL */
  const char *machine_id; /* 32 hex digits, or NULL: not pinned yet */
  const char *host_key;   /* "SHA256:...", or NULL */
};

/* One thing to move.  `spec` is the item's mapping with the kind's key first
 * (`{"files": "/srv/shop", "exclude": [...]}`); the provider of `kind` has
 * checked it.  `name` is what people read: "files:/srv/shop". */
struct plan_item {
  const char *kind;
  const char *name;
  const json_t *spec;
  int line, column;
  /* Names of items that come before this one within each stage (the item's
   * key `after`, which is not part of spec), or NULL. */
  const json_t *after;
};

/* How the work moves.  Only what this version can do is accepted. */
enum plan_approach { APPROACH_WARM };

struct plan_limits {
  long downtime_ms;  /* cutover.downtime-limit, default 30000 */
  long jobs_wait_ms; /* cutover.jobs-wait, default 60000 */
  long guard_s;      /* guard, default 7d */
  long back_ms;      /* back-every, default 5m: between two reverse rounds */
};

/* What a provider says about its kind's spec while a plan is read: the error
 * is positioned by plan_read.  NULL for an unknown kind is given by
 * plan_kinds.find returning NULL. */
struct plan_kind {
  const char *kind;
  /* Checks one item's spec: unknown keys, types, values. */
  struct err *(*check) (const json_t *spec);
  /* The item's name behind "KIND:", for duplicates; caller frees. */
  char *(*name) (const json_t *spec);
};
struct plan_kinds {
  const struct plan_kind *(*find) (const char *kind);
};

/* Reads and checks.  Every mistake is "RH-PLAN-..." with "FILE:LINE:COLUMN"
 * and what was expected.  `label` names the file in messages. */
struct err *plan_parse (const char *bytes, size_t len, const char *label,
                        const struct plan_kinds *kinds, struct plan **out);
/* The same of one item that is copied: both hosts may be one. */
struct err *plan_parse_copy (const char *bytes, size_t len, const char *label,
                             const struct plan_kinds *kinds, struct plan **out);
struct err *plan_read (const char *path, const struct plan_kinds *kinds,
                       struct plan **out);
void plan_free (struct plan *p);
static inline void
cleanup_plan_ (struct plan **p)
{
  plan_free (*p);
}
#define CLEANUP_PLAN CLEANUP (cleanup_plan_)

const char *plan_name (const struct plan *p); /* [a-z0-9][a-z0-9-]{0,40} */
const char *plan_hash (const struct plan *p); /* 64 hex digits */
const char *plan_text (const struct plan *p, size_t *len); /* its bytes */
const struct plan_host *plan_source (const struct plan *p);
const struct plan_host *plan_target (const struct plan *p);
size_t plan_item_count (const struct plan *p);
const struct plan_item *plan_item (const struct plan *p, size_t i);
const struct plan_limits *plan_limits (const struct plan *p);
/* Whole sections as JSON, never NULL (empty where absent):
 * leave: array of {"process"|"unit"|"user"|"listener": ..., "why": ...};
 * switch: array of {"address": {"move": CIDR, "interface": IF}};
 * smoke: array of checks (plan/check.h), each with "from":
 * "target"|"controller"; "from: target" (the default for loopback addresses
 * and commands) is a check from inside; others run from the controller's host
 * as a client would.  Status and from are always filled in. */
const json_t *plan_leave (const struct plan *p);
const json_t *plan_switch (const struct plan *p);
const json_t *plan_smoke (const struct plan *p);
/* {"days": ["mon", ...], "from": "HH:MM", "to": "HH:MM", "zone": TEXT}; empty
 * where the plan has none.  Days are never empty otherwise. */
const json_t *plan_window (const struct plan *p);
/* Roles that approve, none, one or two: [{"role": TEXT, "people": [{"name":
 * TEXT, "key": "TYPE BASE64", "account": TEXT, where it is known}]}].  Names
 * and keys stand in it once. */
const json_t *plan_approvals (const struct plan *p);
/* What shows that a backup can be restored: {"check": [PROGRAM, ARGUMENT...],
 * "on": "source"|"controller", "max_age_ms": N, "within_ms": N}, or {"waiver":
 * {"by": TEXT, "reason": TEXT}}; empty where the plan says nothing. */
const json_t *plan_backup (const struct plan *p);
/* What `rehome test` runs beside the started work: {"write": [PROGRAM, ...] on
 * the target's copy, "check": [PROGRAM, ...] on the source's, "scratch":
 * [PATH], further places that the work may write in}; each may be missing. */
const json_t *plan_rehearsal (const struct plan *p);
/* How long things are kept: {"retention": "YYYY-MM-DD", where it is said,
 * "owner": TEXT, where it is said, "for_ms": N}: the evidence, and what was
 * kept aside. */
const json_t *plan_keeping (const struct plan *p);
enum plan_approach plan_approach (const struct plan *p); /* default: warm */
const char *plan_fence (const struct plan *p); /* "closed", "poweroff" */
/* The index of an item of this plan, or -1. */
long plan_item_index (const struct plan *p, const struct plan_item *item);

#endif
