/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of rows of COPY's binary form; see tuples.h. */
#include "agent/tuples.h"

#include "agent/rows.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"

#include <inttypes.h>
#include <string.h>

enum { HEAD_LEN = 19, PART_LEN = 12, FIELDS_MAX = 1664 };

/* What the next bytes are. */
enum phase {
  HEAD,   /* signature, flags, length of an extension */
  EXTRA,  /* the extension */
  COUNT,  /* of fields, or the end of the stream */
  PART,   /* a field of 8 bytes with its length */
  LENGTH, /* of a field */
  DATA    /* of a field */
};

struct group {
  char *name; /* encoded */
  struct rows *rows;
};

struct tuples {
  const json_t *streams;
  size_t stream;
  bool parted;
  enum phase phase;
  unsigned char held[HEAD_LEN]; /* of a number that is not whole yet */
  size_t holds;
  uint64_t left; /* of EXTRA and DATA */
  int fields;    /* still to come of the row */
  VEC (struct group) groups;
  json_t *index; /* name to its number in `groups` */
  struct rows *now;
  int64_t part; /* of `now` */
};

static struct err *
refuse (const char *why)
{
  return err_new (ERR_CORRUPT, "RH-PROGRAM-TUPLES",
                  "rows that were to be digested in COPY's binary form: %s",
                  why);
}

static uint32_t
u32_of (const unsigned char *p)
{
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8
         | p[3];
}

static int64_t
part_of (const unsigned char *p)
{
  return (int64_t)((uint64_t)u32_of (p) << 32 | u32_of (p + 4));
}

static const char *
stream_name (const struct tuples *t)
{
  const char *name = json_string_value (json_array_get (t->streams, t->stream));
  return name == NULL ? "" : name;
}

static bool
is_more (const struct tuples *t)
{
  return t->streams == NULL ? t->stream == 0
                            : t->stream < json_array_size (t->streams);
}

static void
begin_stream (struct tuples *t)
{
  const char *name = stream_name (t);
  size_t len = strlen (name);
  t->phase = HEAD;
  t->parted = len > 0 && name[len - 1] == ':';
  t->now = NULL;
}

struct tuples *
tuples_new (const json_t *streams)
{
  struct tuples *t = mem_alloc (sizeof *t);
  t->streams = streams;
  t->index = json_object ();
  begin_stream (t);
  return t;
}

void
tuples_free (struct tuples *t)
{
  if (t == NULL)
    return;
  for (size_t i = 0; i < t->groups.n; i++) {
    free (t->groups.v[i].name);
    rows_free (t->groups.v[i].rows);
  }
  VEC_FREE (&t->groups);
  json_decref (t->index);
  free (t);
}

/* The group of the stream and, where it has any, of the part. */
static struct err *
enter (struct tuples *t, int64_t part)
{
  if (t->now != NULL && (!t->parted || t->part == part))
    return NULL;
  const char *stream = stream_name (t);
  char *plain CLEANUP_FREE = t->parted ? mem_printf ("%s%" PRId64, stream, part)
                                       : mem_strdup (stream);
  char *name CLEANUP_FREE = text_encode (plain, strlen (plain));
  const json_t *at = json_object_get (t->index, name);
  if (at == NULL && t->groups.n >= GROUPS_MAX)
    return refuse ("there are too many groups");
  if (at == NULL) {
    json_object_set_new (t->index, name,
                         json_integer ((json_int_t)t->groups.n));
    *VEC_PUSH (&t->groups)
        = (struct group){ .name = STEAL (name), .rows = rows_new () };
    t->now = t->groups.v[t->groups.n - 1].rows;
  } else
    t->now = t->groups.v[json_integer_value (at)].rows;
  t->part = part;
  return NULL;
}

/* ---- Rows that are whole in what was put ---- */

/* How long the row at `p` is, with its count; 0: it is not whole, or is no
 * row. */
static size_t
whole_row (const unsigned char *p, size_t len)
{
  if (len < 2)
    return 0;
  size_t fields = (size_t)p[0] << 8 | p[1], at = 2;
  if (fields > FIELDS_MAX)
    return 0;
  for (; fields > 0; fields--) {
    if (len - at < 4)
      return 0;
    uint32_t field = u32_of (p + at);
    at += 4;
    if (field == UINT32_MAX)
      continue;
    if (field > INT32_MAX || len - at < field)
      return 0;
    at += field;
  }
  return at;
}

/* Takes the rows that are whole; *used counts their bytes. */
static struct err *
take_rows (struct tuples *t, const unsigned char *p, size_t len, size_t *used)
{
  size_t skip = t->parted ? 2 + PART_LEN : 2;
  *used = 0;
  for (size_t row; (row = whole_row (p, len)) >= skip; len -= row, p += row) {
    if (t->parted && u32_of (p + 2) != 8)
      return refuse ("a row has no part");
    TRY (enter (t, t->parted ? part_of (p + 6) : 0));
    rows_bytes (t->now, p + skip, row - skip, true);
    *used += row;
  }
  return NULL;
}

/* ---- And byte for byte ---- */

/* Collects `need` bytes of a number; false: there are not so many yet. */
static bool
hold (struct tuples *t, const unsigned char **p, const unsigned char *end,
      size_t need)
{
  size_t n = need - t->holds;
  if (n > (size_t)(end - *p))
    n = (size_t)(end - *p);
  memcpy (t->held + t->holds, *p, n);
  t->holds += n;
  *p += n;
  if (t->holds < need)
    return false;
  t->holds = 0;
  return true;
}

static struct err *
take_head (struct tuples *t)
{
  static const unsigned char mark[11] = "PGCOPY\n\377\r\n";
  if (!is_more (t))
    return refuse ("there is more than was asked for");
  if (memcmp (t->held, mark, sizeof mark) != 0 || u32_of (t->held + 11) != 0)
    return refuse ("a stream begins otherwise");
  t->left = u32_of (t->held + 15);
  t->phase = t->left > 0 ? EXTRA : COUNT;
  return NULL;
}

static void
end_field (struct tuples *t)
{
  t->fields--;
  t->phase = t->fields > 0 ? LENGTH : COUNT;
  if (t->fields == 0)
    rows_bytes (t->now, "", 0, true);
}

static struct err *
take_count (struct tuples *t)
{
  unsigned fields = (unsigned)t->held[0] << 8 | t->held[1];
  if (fields == 0xffff) {
    t->stream++;
    begin_stream (t);
    return NULL;
  }
  if (fields > FIELDS_MAX || (t->parted && fields == 0))
    return refuse ("a row has no such number of fields");
  t->fields = (int)fields;
  t->phase = t->parted ? PART : LENGTH;
  if (t->parted)
    return NULL;
  TRY (enter (t, 0));
  if (fields == 0) {
    rows_bytes (t->now, "", 0, true);
    t->phase = COUNT;
  }
  return NULL;
}

static struct err *
take_part (struct tuples *t)
{
  if (u32_of (t->held) != 8)
    return refuse ("a row has no part");
  TRY (enter (t, part_of (t->held + 4)));
  end_field (t);
  return NULL;
}

static struct err *
take_length (struct tuples *t)
{
  uint32_t len = u32_of (t->held);
  if (len != UINT32_MAX && len > INT32_MAX)
    return refuse ("a field has no such length");
  rows_bytes (t->now, t->held, 4, false);
  t->left = len == UINT32_MAX ? 0 : len;
  if (t->left > 0)
    t->phase = DATA;
  else
    end_field (t);
  return NULL;
}

static void
take_data (struct tuples *t, const unsigned char **p, const unsigned char *end)
{
  size_t n
      = t->left < (uint64_t)(end - *p) ? (size_t)t->left : (size_t)(end - *p);
  if (t->phase == DATA)
    rows_bytes (t->now, *p, n, false);
  *p += n;
  t->left -= n;
  if (t->left > 0)
    return;
  if (t->phase == DATA)
    end_field (t);
  else
    t->phase = COUNT;
}

static struct err *
take_number (struct tuples *t)
{
  switch (t->phase) {
  case HEAD:
    return take_head (t);
  case COUNT:
    return take_count (t);
  case PART:
    return take_part (t);
  default:
    return take_length (t);
  }
}

struct err *
tuples_put (struct tuples *t, const void *data, size_t len)
{
  static const size_t needs[]
      = { [HEAD] = HEAD_LEN, [COUNT] = 2, [PART] = PART_LEN, [LENGTH] = 4 };
  const unsigned char *p = data, *end = p + len;
  while (p < end) {
    size_t used = 0;
    if (t->phase == COUNT && t->holds == 0)
      TRY (take_rows (t, p, (size_t)(end - p), &used));
    p += used;
    if (p == end)
      break;
    if (t->phase == DATA || t->phase == EXTRA)
      take_data (t, &p, end);
    else if (hold (t, &p, end, needs[t->phase]))
      TRY (take_number (t));
  }
  return NULL;
}

struct err *
tuples_end (const struct tuples *t)
{
  if (is_more (t) || t->phase != HEAD || t->holds > 0)
    return refuse ("a stream has no end");
  return NULL;
}

struct rows *
tuples_rows (struct tuples *t)
{
  if (t->groups.n == 0)
    *VEC_PUSH (&t->groups)
        = (struct group){ .name = mem_strdup (""), .rows = rows_new () };
  return t->groups.v[0].rows;
}

json_t *
tuples_result (const struct tuples *t)
{
  json_t *out = json_object ();
  for (size_t i = 0; i < t->groups.n; i++) {
    char sum[33];
    const struct group *g = &t->groups.v[i];
    rows_sum (g->rows, sum);
    json_object_set_new (out, g->name,
                         json_sprintf ("%" PRIu64 " %s", rows_count (g->rows),
                                       sum));
  }
  return out;
}
