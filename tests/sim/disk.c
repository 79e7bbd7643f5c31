/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's disk: what was synced stays, the rest goes with a crash. */
#include "run.h"

#include "base/mem.h"

#include <string.h>

/* Some runs also go through the stored line and its chain. */
static void
through_line (struct run *r, struct record *record)
{
  char *line CLEANUP_FREE = record_line (record);
  struct record back;
  struct err *e = chain_next (&r->chain, line, strlen (line));
  if (e == NULL)
    e = record_parse (line, strlen (line), &back);
  if (e != NULL) {
    run_fail (r, "the journal's chain does not hold", e);
    err_free (e);
    return;
  }
  record_clear (record);
  *record = back;
}

/* Takes what `record` owns. */
void
disk_append (struct run *r, struct record *record)
{
  record->migration = mem_strdup ("shop");
  record->boot_id = mem_printf ("boot-%u", r->boots);
  record->seq = r->records.n + 1;
  clocks_stamp (r, record);
  memcpy (record->prev, r->chain.head, sizeof record->prev);
  if (r->thorough)
    through_line (r, record);
  *VEC_PUSH (&r->records) = *record;
  if (record->type == RECORD_INTENT && strcmp (record->step, "move#pivot") == 0)
    r->pivot_intended = true;
  r->coverage->records++;
  if (r->world.bug == BUG_INTENT_LATE)
    run_later (r, 40, HAPPENS_SYNC)->index = r->records.n;
  else
    r->synced = r->records.n;
}

bool
disk_has_intent (const struct run *r, const char *step, uint32_t attempt,
                 bool undo)
{
  for (size_t i = r->synced; i-- > 0;) {
    const struct record *x = &r->records.v[i];
    if (x->type == RECORD_INTENT && x->attempt == attempt
        && strcmp (x->step, step) == 0
        && undo == json_is_true (json_at (x->data, "undo")))
      return true;
  }
  return false;
}

void
disk_lose_unsynced (struct run *r)
{
  while (r->records.n > r->synced)
    record_clear (&r->records.v[--r->records.n]);
  char none[65] = "";
  chain_start (&r->chain, none);
  memset (r->chain.head, '0', 64);
  r->chain.seq = 0;
  for (size_t i = 0; r->thorough && i < r->records.n; i++) {
    char *line CLEANUP_FREE = record_line (&r->records.v[i]);
    struct err *e CLEANUP_ERR = chain_next (&r->chain, line, strlen (line));
    if (e != NULL)
      run_fail (r, "the journal's chain does not hold", e);
  }
}

const char *
disk_plan_at (const struct run *r, size_t i)
{
  for (i++; i-- > 0;)
    if (r->records.v[i].type == RECORD_PLANNED)
      return json_string_value (json_at (r->records.v[i].data, "plan"));
  return "";
}

bool
disk_has_confirmation (const struct run *r, size_t i)
{
  const char *plan = disk_plan_at (r, i);
  for (i++; i-- > 0;) {
    const struct record *x = &r->records.v[i];
    const json_t *said = json_at (x->data, "no_way_back");
    if (x->type == RECORD_REQUEST && said != NULL
        && strcmp (json_string_value (json_at (said, "plan")), plan) == 0)
      return true;
  }
  return false;
}

bool
disk_has_approval (const struct run *r, size_t i)
{
  const char *plan = disk_plan_at (r, i);
  for (i++; i-- > 0;) {
    const struct record *x = &r->records.v[i];
    const json_t *a = json_at (x->data, "approval");
    if (x->type == RECORD_APPROVE
        && strcmp (json_string_value (json_at (a, "plan")), plan) == 0)
      return true;
  }
  return false;
}
