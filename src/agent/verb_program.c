/* SPDX-License-Identifier: Apache-2.0 */
/* Programs whose input or output is a stream: program.read, program.write and
 * program.digest.  Two of them joined carry what one host's program says to
 * another host's, with no disk in between. */
#include "agent/verb.h"

#include "agent/binlog.h"
#include "agent/groups.h"
#include "agent/named.h"
#include "agent/rows.h"
#include "agent/tuples.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/spawn.h"

#include <string.h>

enum {
  SAID_MAX = 1 << 20,   /* of what program.write's says */
  WORDS_MAX = 600,      /* of stderr in an error */
  TICK_BYTES = 1 << 20, /* between two ticks */
};

struct streaming {
  struct verb_call *call;
  struct rows *rows;     /* of program.digest */
  struct groups *groups; /* of one by group, in place of rows */
  struct tuples *tuples; /* of rows in COPY's binary form, in their place */
  struct binlog *binlog; /* of program.read, where only changes are wanted */
  bool prompt;           /* each piece of output is sent on at once */
  uint64_t bytes, ticked;
};

static void
count (struct streaming *s, size_t len)
{
  s->bytes += len;
  if (s->call->progress == NULL || s->bytes - s->ticked < TICK_BYTES)
    return;
  s->ticked = s->bytes;
  s->call->progress (s->call->ctx,
                     json_pack ("{s:o}", "bytes", json_u64 (s->bytes)));
}

static bool
is_cancelled (void *ctx)
{
  const struct streaming *s = ctx;
  return s->call->cancelled (s->call->ctx);
}

static struct err *
take_input (void *ctx, void *data, size_t cap, size_t *len)
{
  struct streaming *s = ctx;
  TRY (s->call->in->get (s->call->in->ctx, data, cap, len));
  count (s, *len);
  return NULL;
}

static struct err *
give_on (void *ctx, const void *data, size_t len)
{
  struct streaming *s = ctx;
  count (s, len);
  if (s->tuples != NULL)
    TRY (tuples_put (s->tuples, data, len));
  else if (s->rows != NULL)
    rows_put (s->rows, data, len);
  TRY (s->call->out->put (s->call->out->ctx, data, len));
  return s->prompt && s->call->flush != NULL ? s->call->flush (s->call->ctx)
                                             : NULL;
}

static struct err *
give_output (void *ctx, const void *data, size_t len)
{
  struct streaming *s = ctx;
  if (s->binlog != NULL)
    return binlog_put (s->binlog, data, len);
  return give_on (s, data, len);
}

static struct err *
digest_output (void *ctx, const void *data, size_t len)
{
  struct streaming *s = ctx;
  count (s, len);
  if (s->tuples != NULL)
    return tuples_put (s->tuples, data, len);
  if (s->groups != NULL)
    return groups_put (s->groups, data, len);
  rows_put (s->rows, data, len);
  return NULL;
}

/* The last words of a program's stderr, safe to show. */
static char *
last_words (const struct buf *err)
{
  size_t len = err->len;
  while (len > 0 && err->data[len - 1] == '\n')
    len--;
  size_t from = len > WORDS_MAX ? len - WORDS_MAX : 0;
  return len == 0 ? mem_strdup ("it said nothing")
                  : text_escape ((const char *)err->data + from, len - from);
}

static struct err *
judge (const struct spawn_end *end, const char *program)
{
  if (end->stopped)
    return err_new (ERR_TRANSIENT, "RH-AGENT-CANCELLED",
                    "the program was killed because the call was cancelled");
  if (end->status == 0 && !end->unread)
    return NULL;
  CLEANUP_FREE char *name = text_escape (program, strlen (program));
  CLEANUP_FREE char *words = last_words (&end->err);
  if (end->status == 0)
    return err_new (ERR_REFUSED, "RH-PROGRAM-UNREAD",
                    "%s ended before it had read everything: %s", name, words);
  if (end->signal != 0)
    return err_new (ERR_REFUSED, "RH-PROGRAM-FAILED", "%s: signal %d: %s", name,
                    end->signal, words);
  return err_new (ERR_REFUSED, "RH-PROGRAM-FAILED", "%s: status %d: %s", name,
                  end->status, words);
}

static struct err *
perform (struct streaming *s,
         struct err *(*more) (void *, void *, size_t, size_t *),
         struct err *(*taker) (void *, const void *, size_t),
         struct spawn_end *end)
{
  CLEANUP (named_free) struct named_program named = { 0 };
  TRY (named_read (s->call->args, &named));
  struct spawn_job job = { .argv = (const char *const *)named.argv.v,
                           .env = (const char *const *)named.env.v,
                           .input = named.input,
                           .input_len = named.input_len,
                           .more = more,
                           .taker = taker,
                           .max_output = SAID_MAX,
                           .cancelled = is_cancelled,
                           .ctx = s };
  TRY (spawn_run (&job, end));
  return judge (end, named.argv.v[0]);
}

static void
put_sum (json_t *result, const struct rows *rows)
{
  char sum[33];
  rows_sum (rows, sum);
  json_object_set_new (result, "rows", json_u64 (rows_count (rows)));
  json_object_set_new (result, "sum", json_string (sum));
}

/* What is left to do when the program has ended. */
static struct err *
end_read (struct streaming *s, json_t **result)
{
  if (s->binlog != NULL)
    TRY (binlog_end (s->binlog));
  if (s->tuples != NULL)
    TRY (tuples_end (s->tuples));
  else if (s->rows != NULL)
    rows_end (s->rows);
  *result = json_pack ("{s:o}", "bytes", json_u64 (s->bytes));
  if (s->tuples != NULL)
    put_sum (*result, tuples_rows (s->tuples));
  else if (s->rows != NULL)
    put_sum (*result, s->rows);
  return NULL;
}

static struct err *
run_read (struct verb_call *call, json_t **result)
{
  CLEANUP (spawn_end_free) struct spawn_end end = { 0 };
  bool digested, binary, changes;
  TRY (json_opt_bool (call->args, "digest", false, &digested));
  TRY (json_opt_bool (call->args, "tuples", false, &binary));
  TRY (json_opt_bool (call->args, "binlog", false, &changes));
  struct streaming s = { .call = call };
  TRY (json_opt_bool (call->args, "prompt", false, &s.prompt));
  s.tuples = digested && binary ? tuples_new (NULL) : NULL;
  s.rows = digested && !binary ? rows_new () : NULL;
  s.binlog = changes ? binlog_new (give_on, &s) : NULL;
  struct err *e = perform (&s, NULL, give_output, &end);
  if (e == NULL)
    e = end_read (&s, result);
  binlog_free (s.binlog);
  rows_free (s.rows);
  tuples_free (s.tuples);
  return e;
}

static struct err *
run_write (struct verb_call *call, json_t **result)
{
  CLEANUP (spawn_end_free) struct spawn_end end = { 0 };
  struct streaming s = { .call = call };
  TRY (perform (&s, take_input, NULL, &end));
  CLEANUP_FREE char *out = text_base64 (end.out.data, end.out.len);
  CLEANUP_FREE char *err = text_base64 (end.err.data, end.err.len);
  *result = json_pack ("{s:o, s:s, s:s, s:b}", "bytes", json_u64 (s.bytes),
                       "out", out, "err", err, "truncated", end.truncated);
  return NULL;
}

static struct err *
digest (struct streaming *s, json_t **result)
{
  CLEANUP (spawn_end_free) struct spawn_end end = { 0 };
  TRY (perform (s, NULL, digest_output, &end));
  if (s->tuples != NULL) {
    TRY (tuples_end (s->tuples));
    *result = json_pack ("{s:o, s:o}", "groups", tuples_result (s->tuples),
                         "bytes", json_u64 (s->bytes));
    return NULL;
  }
  if (s->groups != NULL) {
    TRY (groups_end (s->groups));
    *result = json_pack ("{s:o, s:o}", "groups", groups_result (s->groups),
                         "bytes", json_u64 (s->bytes));
    return NULL;
  }
  rows_end (s->rows);
  *result = json_pack ("{s:o}", "bytes", json_u64 (s->bytes));
  put_sum (*result, s->rows);
  return NULL;
}

static struct err *
run_digest (struct verb_call *call, json_t **result)
{
  bool by_group;
  json_t *streams = NULL;
  TRY (json_opt_bool (call->args, "group", false, &by_group));
  if (json_at (call->args, "streams") != NULL)
    TRY (json_get_array (call->args, "streams", &streams));
  struct streaming s
      = { .call = call,
          .rows = rows_new (),
          .groups = by_group ? groups_new () : NULL,
          .tuples = streams != NULL ? tuples_new (streams) : NULL };
  struct err *e = digest (&s, result);
  rows_free (s.rows);
  groups_free (s.groups);
  tuples_free (s.tuples);
  return e;
}

const struct verb verbs_program[] = {
  { "program.read", VERB_OUT, run_read },
  { "program.write", VERB_IN, run_write },
  { "program.digest", 0, run_digest },
  { NULL, 0, NULL },
};
