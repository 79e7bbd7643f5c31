/* SPDX-License-Identifier: Apache-2.0 */
/* rehome events PLAN: the journal's records. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/load.h"
#include "cli/say.h"
#include "report/words.h"

#include <stdio.h>
#include <string.h>

static struct err *
put_line (void *ctx, const struct record *r, const char *line)
{
  (void)ctx;
  (void)r;
  puts (line);
  return NULL;
}

/* What of a record's data people want to see in one line. */
static char *
detail (const struct record *r)
{
  static const char *const keys[]
      = { "request", "to", "why", "writer", "controller", "plan" };
  CLEANUP_BUF struct buf b = BUF_INIT;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    CLEANUP_FREE char *v = words_of (r->data, keys[i]);
    if (v[0] != '\0')
      err_free (buf_printf (&b, " %s=%s", keys[i], v));
  }
  const json_t *error = json_object_get (r->data, "error");
  CLEANUP_FREE char *code = words_of (error, "code");
  CLEANUP_FREE char *message = words_of (error, "message");
  if (code[0] != '\0')
    err_free (buf_printf (&b, " %s: %s", code, message));
  if (json_is_true (json_object_get (r->data, "undo")))
    err_free (buf_put_str (&b, " (undo)"));
  return b.data != NULL ? buf_steal_str (&b) : mem_strdup ("");
}

static struct err *
put_text (void *ctx, const struct record *r, const char *line)
{
  CLEANUP_FREE char *when = words_time (r->time_ms);
  CLEANUP_FREE char *more = detail (r);
  (void)ctx;
  (void)line;
  printf ("%5llu %s %-10s %s%s%s\n", (unsigned long long)r->seq, when,
          record_type_name (r->type), r->actor, r->step != NULL ? " " : "",
          r->step != NULL ? r->step : "");
  if (more[0] != '\0')
    printf ("     %s\n", more);
  return NULL;
}

static struct err *
events (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  CLEANUP_STORE struct store *s = NULL;
  uint64_t since = 0;
  TRY (load_plan (in, in->args[0], &l));
  TRY (load_must_have_journal (&l));
  if (has (in, OPT_SINCE))
    TRY (load_since (in, &l, &since));
  TRY (store_open_reader (l.place.dir, &s));
  return store_each (s, since, has (in, OPT_JSON) ? put_line : put_text, NULL);
}

int
cmd_events (const struct invocation *in)
{
  return say_err (in, events (in));
}
