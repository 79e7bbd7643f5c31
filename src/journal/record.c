/* SPDX-License-Identifier: Apache-2.0 */
/* A record as a line and back.  The line is what is stored and hashed; nobody
 * ever makes it a second time from its parts to verify it. */
#include "journal/record.h"

#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* A line above this is refused when it is read: results are summaries, trees
 * and manifests lie in files and blobs. */
#define LINE_MAX_BYTES ((size_t)8 << 20)
#define RECORD_VERSION 1

static const char *const type_names[RECORD_TYPE_COUNT] = {
  [RECORD_CLAIMED] = "claimed",   [RECORD_PLANNED] = "planned",
  [RECORD_REQUEST] = "request",   [RECORD_APPROVE] = "approve",
  [RECORD_INTENT] = "intent",     [RECORD_OUTCOME] = "outcome",
  [RECORD_PHASE] = "phase",       [RECORD_CHECKPOINT] = "checkpoint",
  [RECORD_FORECAST] = "forecast", [RECORD_MEASURE] = "measure",
  [RECORD_WAIVER] = "waiver",     [RECORD_WITNESS] = "witness",
  [RECORD_SEAL] = "seal",
};

const char *
record_type_name (enum record_type t)
{
  return (unsigned)t < RECORD_TYPE_COUNT ? type_names[t] : "?";
}

int
record_type_from_name (const char *name, enum record_type *out)
{
  for (unsigned i = 0; i < RECORD_TYPE_COUNT; i++)
    if (strcmp (name, type_names[i]) == 0) {
      *out = (enum record_type)i;
      return 0;
    }
  return -1;
}

void
record_clear (struct record *r)
{
  free (r->migration);
  free (r->boot_id);
  free (r->actor);
  free (r->step);
  json_decref (r->data);
  json_decref (r->blobs);
  memset (r, 0, sizeof *r);
}

static json_t *
text (const char *s)
{
  return json_string (s != NULL ? s : "");
}

char *
record_line (const struct record *r)
{
  json_t *o CLEANUP_JSON = json_object ();
  json_object_set_new (o, "v", json_integer (RECORD_VERSION));
  json_object_set_new (o, "migration", text (r->migration));
  json_object_set_new (o, "seq", json_integer ((json_int_t)r->seq));
  json_object_set_new (o, "prev", text (r->prev));
  json_object_set_new (o, "epoch", json_integer ((json_int_t)r->epoch));
  json_object_set_new (o, "time", json_integer (r->time_ms));
  json_object_set_new (o, "boot_id", text (r->boot_id));
  json_object_set_new (o, "mono_ns", json_u64 (r->mono_ns));
  json_object_set_new (o, "actor", text (r->actor));
  json_object_set_new (o, "type", text (record_type_name (r->type)));
  if (r->step != NULL) {
    json_object_set_new (o, "step", text (r->step));
    json_object_set_new (o, "attempt", json_integer (r->attempt));
  }
  json_object_set_new (
      o, "data", r->data != NULL ? json_incref (r->data) : json_object ());
  if (r->blobs != NULL)
    json_object_set (o, "blobs", r->blobs);
  return json_line (o);
}

static struct err *
broken (const char *what)
{
  return err_new (ERR_CORRUPT, "RH-JOURNAL-RECORD", "a journal record %s",
                  what);
}

/* Numbers are integers: a real has no single text form to hash. */
static struct err *
refuse_reals (const json_t *j, unsigned depth)
{
  if (json_is_real (j))
    return broken ("holds a number that is not an integer");
  if (depth > 64)
    return broken ("is nested too deeply");
  if (json_is_object (j)) {
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)j, key, value)
        TRY (refuse_reals (value, depth + 1));
  }
  for (size_t i = 0; json_is_array (j) && i < json_array_size (j); i++)
    TRY (refuse_reals (json_array_get (j, i), depth + 1));
  return NULL;
}

struct err *
record_check (const struct record *r)
{
  if ((unsigned)r->type >= RECORD_TYPE_COUNT)
    return broken ("has an unknown type");
  if (r->data != NULL && !json_is_object (r->data))
    return broken ("has data that is no object");
  TRY (refuse_reals (r->data, 0));
  return refuse_reals (r->blobs, 0);
}

static bool
is_hash (const char *s)
{
  return strlen (s) == 64 && strspn (s, "0123456789abcdef") == 64;
}

static struct err *
get_blobs (const json_t *o, struct record *out)
{
  json_t *blobs = json_at (o, "blobs");
  if (blobs == NULL)
    return NULL;
  if (!json_is_object (blobs))
    return broken ("has blobs that are no object");
  const char *key;
  json_t *value;
  json_object_foreach (
      blobs, key,
      value) if (!json_is_string (value)
                 || !is_hash (json_string_value (
                     value))) return broken ("names a blob by something else "
                                             "than its SHA-256");
  out->blobs = json_incref (blobs);
  return NULL;
}

static struct err *
get_step (const json_t *o, struct record *out)
{
  if (json_at (o, "step") == NULL)
    return json_at (o, "attempt") == NULL
               ? NULL
               : broken ("has an attempt of no step");
  const char *step;
  int64_t attempt;
  TRY (json_get_str (o, "step", &step));
  TRY (json_get_int (o, "attempt", 0, UINT32_MAX, &attempt));
  out->step = mem_strdup (step);
  out->attempt = (uint32_t)attempt;
  return NULL;
}

static struct err *
get_head (const json_t *o, struct record *out)
{
  const char *prev, *type;
  int64_t v, seq, epoch;
  TRY (json_get_int (o, "v", RECORD_VERSION, RECORD_VERSION, &v));
  TRY (json_get_int (o, "seq", 1, INT64_MAX, &seq));
  TRY (json_get_int (o, "epoch", 0, INT64_MAX, &epoch));
  TRY (json_get_int (o, "time", INT64_MIN, INT64_MAX, &out->time_ms));
  TRY (json_get_u64 (o, "mono_ns", &out->mono_ns));
  TRY (json_get_str (o, "prev", &prev));
  TRY (json_get_str (o, "type", &type));
  if (!is_hash (prev))
    return broken ("has a prev that is no SHA-256");
  if (record_type_from_name (type, &out->type) != 0)
    return broken ("has an unknown type");
  out->seq = (uint64_t)seq;
  out->epoch = (uint64_t)epoch;
  memcpy (out->prev, prev, sizeof out->prev);
  return NULL;
}

static struct err *
get_all (const json_t *o, struct record *out)
{
  const char *migration, *boot_id, *actor;
  json_t *data;
  TRY (get_head (o, out));
  TRY (json_get_str (o, "migration", &migration));
  TRY (json_get_str (o, "boot_id", &boot_id));
  TRY (json_get_str (o, "actor", &actor));
  TRY (json_get_object (o, "data", &data));
  out->migration = mem_strdup (migration);
  out->boot_id = mem_strdup (boot_id);
  out->actor = mem_strdup (actor);
  out->data = json_incref (data);
  TRY (get_step (o, out));
  TRY (get_blobs (o, out));
  size_t members
      = 11u + (out->step != NULL ? 2u : 0u) + (out->blobs != NULL ? 1u : 0u);
  if (json_object_size (o) != members)
    return broken ("has a member that version 1 does not know");
  return refuse_reals (data, 0);
}

struct err *
record_parse (const char *line, size_t len, struct record *out)
{
  memset (out, 0, sizeof *out);
  json_t *o CLEANUP_JSON = NULL;
  TRY (json_parse (line, len, LINE_MAX_BYTES, &o));
  if (!json_is_object (o))
    return broken ("is no JSON object");
  struct err *e = get_all (o, out);
  if (e != NULL)
    record_clear (out);
  return e;
}
