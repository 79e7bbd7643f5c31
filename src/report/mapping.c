/* SPDX-License-Identifier: Apache-2.0 */
/* The rules' lines and the records behind them; see mapping.h. */
#include "report/mapping.h"

#include "base/mem.h"
#include "base/vec.h"

#include <string.h>

#define SHOWN 12

static const char *
member (const json_t *o, const char *key)
{
  const char *s = json_string_value (json_object_get (o, key));
  return s != NULL ? s : "";
}

/* ---- What a record shows ---- */

static bool
succeeded (const struct record *r)
{
  return r->type == RECORD_OUTCOME
         && json_object_get (r->data, "result") != NULL
         && !json_is_true (json_object_get (r->data, "undo"));
}

static bool
in_stage (const struct step *s, enum stage a, enum stage b)
{
  return s != NULL && (s->stage == a || s->stage == b);
}

static bool
is_planned (const struct record *r, const struct step *s)
{
  (void)s;
  return r->type == RECORD_PLANNED;
}

static bool
is_checked (const struct record *r, const struct step *s)
{
  return succeeded (r) && in_stage (s, STAGE_PREFLIGHT, STAGE_RECHECK);
}

static bool
is_backup (const struct record *r, const struct step *s)
{
  return (r->type == RECORD_WAIVER
          && json_object_get (r->data, "backup") != NULL)
         || (succeeded (r) && s != NULL && strcmp (s->op, "backup") == 0);
}

static bool
is_proof (const struct record *r, const struct step *s)
{
  return succeeded (r) && in_stage (s, STAGE_PROVE, STAGE_VERIFY);
}

static bool
is_test (const struct record *r, const struct step *s)
{
  return succeeded (r) && in_stage (s, STAGE_INSIDE, STAGE_OUTSIDE);
}

static bool
is_decision (const struct record *r, const struct step *s)
{
  (void)s;
  return r->type == RECORD_REQUEST
         || (r->type == RECORD_APPROVE
             && json_object_get (r->data, "approval") != NULL);
}

static bool
is_approval (const struct record *r, const struct step *s)
{
  (void)s;
  return r->type == RECORD_APPROVE
         && json_object_get (r->data, "approval") != NULL;
}

static bool
is_phase (const struct record *r, const struct step *s)
{
  (void)s;
  return r->type == RECORD_PHASE;
}

static bool
is_way_back (const struct record *r, const struct step *s)
{
  const char *to = r->type == RECORD_PHASE ? member (r->data, "to") : "";
  bool gone = strcmp (to, "aborted") == 0 || strcmp (to, "rolled-back") == 0;
  return gone || (succeeded (r) && in_stage (s, STAGE_HOLD, STAGE_BACK_ROUND));
}

static bool
is_signed (const struct record *r, const struct step *s)
{
  (void)s;
  return r->type == RECORD_WITNESS
         && json_object_get (r->data, "signature") != NULL;
}

static bool
is_outage (const struct record *r, const struct step *s)
{
  (void)s;
  return r->type == RECORD_MEASURE
         && json_object_get (r->data, "frozen_ms") != NULL;
}

static bool
is_audit (const struct record *r, const struct step *s)
{
  return succeeded (r) && s != NULL && s->stage == STAGE_GUARD;
}

static bool
is_end (const struct record *r, const struct step *s)
{
  return succeeded (r) && s != NULL && s->stage == STAGE_ACCEPT;
}

static const struct {
  const char *rule, *line, *asks;
  bool (*shows) (const struct record *r, const struct step *s);
} lines[] = {
  { "BSI", "M 2.319 concept", "a concept of the move, before it begins",
    is_planned },
  { "BSI", "M 2.319 backup", "a full backup, and that it can be read back",
    is_backup },
  { "BSI", "M 2.319 checks", "requirements checked before the work",
    is_checked },
  { "BSI", "M 2.319 test", "the new server tested before it serves", is_test },
  { "BSI", "M 2.319 transfer", "the transfer is checked for completeness",
    is_proof },
  { "BSI", "M 2.319 fallback", "a way back that was prepared", is_way_back },
  { "BSI", "M 2.319 old server", "what becomes of the old server", is_end },
  { "ISO 27001:2022", "A.8.32", "changes are decided and approved",
    is_decision },
  { "ISO 27001:2022", "A.5.3", "duties are segregated", is_approval },
  { "ISO 27001:2022", "A.8.13", "backups are tested", is_backup },
  { "ISO 27001:2022", "A.8.14", "the way back is there while it is needed",
    is_way_back },
  { "ISO 27001:2022", "A.8.15", "activities are logged", is_phase },
  { "ISO 27001:2022", "A.5.33", "records are protected against falsification",
    is_signed },
  { "40 CFR 75", "75.57 (a)", "records of what was done, by time", is_phase },
  { "40 CFR 75", "75.57 (h)", "periods without data are accounted for",
    is_outage },
  { "40 CFR 75", "75.59", "quality assurance after a change", is_audit },
};
#define LINES (sizeof lines / sizeof *lines)

struct shown {
  VEC (uint64_t) seqs;
};

struct mapping {
  const struct graph *graph;
  struct shown of[LINES];
};

struct mapping *
mapping_new (const struct graph *g)
{
  struct mapping *m = mem_alloc (sizeof *m);
  m->graph = g;
  return m;
}

void
mapping_free (struct mapping *m)
{
  if (m == NULL)
    return;
  for (size_t i = 0; i < LINES; i++)
    VEC_FREE (&m->of[i].seqs);
  free (m);
}

void
mapping_record (struct mapping *m, const struct record *r)
{
  const struct step *s
      = r->step != NULL ? graph_find (m->graph, r->step) : NULL;
  for (size_t i = 0; i < LINES; i++)
    if (lines[i].shows (r, s))
      *VEC_PUSH (&m->of[i].seqs) = r->seq;
}

/* The last one is the one that counts, and is never left out. */
static json_t *
line_fact (const struct mapping *m, size_t i)
{
  json_t *seqs = json_array ();
  size_t n = m->of[i].seqs.n;
  for (size_t k = 0; k < n; k++)
    if (n <= SHOWN || k + 1 == n || k + 1 < SHOWN)
      json_array_append_new (seqs,
                             json_integer ((json_int_t)m->of[i].seqs.v[k]));
  return json_pack ("{s:s, s:s, s:s, s:o, s:i}", "rule", lines[i].rule, "line",
                    lines[i].line, "asks", lines[i].asks, "records", seqs,
                    "more", (int)(n - json_array_size (seqs)));
}

json_t *
mapping_make (const struct mapping *m)
{
  json_t *all = json_array ();
  for (size_t i = 0; i < LINES; i++)
    json_array_append_new (all, line_fact (m, i));
  return all;
}
