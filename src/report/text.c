/* SPDX-License-Identifier: Apache-2.0 */
/* The facts as plain text. */
#include "report/text.h"

#include "base/mem.h"
#include "report/queries.h"
#include "report/standing.h"
#include "report/words.h"

#include <string.h>

static struct err *
heading (struct buf *out, const char *title, const char *section)
{
  const char *demands = words_demands (section);
  return buf_printf (out, "\n%s%s%s%s\n", title, demands ? "  [" : "",
                     demands ? demands : "", demands ? "]" : "");
}

static struct err *
put_top (const json_t *facts, struct buf *out)
{
  CLEANUP_FREE char *covers = words_covers (facts);
  CLEANUP_FREE char *line = standing_line (facts);
  CLEANUP_FREE char *downtime = words_downtime (facts);
  CLEANUP_FREE char *back = words_back (facts);
  CLEANUP_FREE char *name = words_of (facts, "name");
  CLEANUP_FREE char *source
      = words_of (json_object_get (facts, "source"), "name");
  CLEANUP_FREE char *target
      = words_of (json_object_get (facts, "target"), "name");
  CLEANUP_FREE char *began
      = words_time (json_integer_value (json_object_get (facts, "began_ms")));
  TRY (buf_printf (out, "%s.\n\n", covers));
  TRY (buf_printf (out, "%s: %s to %s, begun %s\n%s\n", name, source, target,
                   began, line));
  if (downtime != NULL)
    TRY (buf_printf (out, "%s\n", downtime));
  return back != NULL ? buf_printf (out, "%s\n", back) : NULL;
}

static struct err *
put_attention (const json_t *facts, struct buf *out)
{
  const json_t *a = json_object_get (facts, "attention");
  if (!json_is_object (a))
    return NULL;
  CLEANUP_FREE char *code = words_of (a, "code");
  CLEANUP_FREE char *message = words_of (a, "message");
  CLEANUP_FREE char *todo = words_of (a, "todo");
  TRY (buf_printf (out, "\nNeeds attention: %s: %s\n", code, message));
  return todo[0] != '\0' ? buf_printf (out, "  What to do: %s\n", todo) : NULL;
}

static struct err *
put_sentences (const json_t *list, struct buf *out)
{
  size_t i;
  json_t *s;
  json_array_foreach (list, i, s)
  {
    CLEANUP_JSON json_t *o = json_pack ("{s:O}", "s", s);
    CLEANUP_FREE char *text = words_of (o, "s");
    TRY (buf_printf (out, "  %s\n", text));
  }
  return NULL;
}

static struct err *
put_items (const json_t *facts, struct buf *out)
{
  size_t i;
  json_t *item;
  TRY (heading (out, "What moved", "moved"));
  json_array_foreach (json_object_get (facts, "items"), i, item)
  {
    CLEANUP_FREE char *name = words_of (item, "name");
    CLEANUP_FREE char *words = words_item (item);
    TRY (buf_printf (out, "  %-34s %s\n", name, words));
  }
  return NULL;
}

static struct err *
put_step (const json_t *s, struct buf *out)
{
  const json_t *ms = json_object_get (s, "ms");
  const json_t *error = json_object_get (s, "error");
  CLEANUP_FREE char *stage = words_of (s, "stage");
  CLEANUP_FREE char *title = words_of (s, "title");
  CLEANUP_FREE char *state = words_of (s, "state");
  CLEANUP_FREE char *took = ms != NULL
                                ? standing_duration (json_integer_value (ms))
                                : mem_strdup ("");
  TRY (buf_printf (out, "  %-9s %-8s %10s  %s\n", stage, state, took, title));
  if (!json_is_object (error))
    return NULL;
  CLEANUP_FREE char *code = words_of (error, "code");
  CLEANUP_FREE char *message = words_of (error, "message");
  return buf_printf (out, "  %30s %s: %s\n", "", code, message);
}

static struct err *
put_steps (const json_t *facts, struct buf *out)
{
  size_t i;
  json_t *s;
  TRY (heading (out, "Steps", "steps"));
  json_array_foreach (json_object_get (facts, "steps"), i, s)
  {
    if (json_integer_value (json_object_get (s, "attempts")) > 0)
      TRY (put_step (s, out));
  }
  return NULL;
}

static struct err *
put_requests (const json_t *facts, struct buf *out)
{
  size_t i;
  json_t *r;
  TRY (heading (out, "Who asked for what", "requests"));
  json_array_foreach (json_object_get (facts, "requests"), i, r)
  {
    CLEANUP_FREE char *when
        = words_time (json_integer_value (json_object_get (r, "at_ms")));
    CLEANUP_FREE char *actor = words_of (r, "actor");
    CLEANUP_FREE char *what = words_request (r);
    TRY (buf_printf (out, "  %s  %-24s %s\n", when, actor, what));
  }
  return NULL;
}

static struct err *
put_approvals (const json_t *facts, struct buf *out)
{
  CLEANUP_FREE char *backup = words_backup (facts);
  size_t i;
  json_t *a;
  TRY (heading (out, "Who approved", "approvals"));
  json_array_foreach (
      json_object_get (json_object_get (facts, "approvals"), "given"), i, a)
  {
    CLEANUP_FREE char *text = words_approval (a);
    TRY (buf_printf (out, "  %s\n", text));
  }
  return buf_printf (out, "%s  %s\n", i == 0 ? "  nobody\n" : "", backup);
}

static struct err *
put_mapping (const json_t *facts, struct buf *out)
{
  size_t i;
  json_t *line;
  TRY (heading (out, "By the rules' lines: the records that show it",
                "mapping"));
  json_array_foreach (json_object_get (facts, "mapping"), i, line)
  {
    CLEANUP_FREE char *rule = words_of (line, "rule");
    CLEANUP_FREE char *name = words_of (line, "line");
    CLEANUP_FREE char *asks = words_of (line, "asks");
    CLEANUP_FREE char *records = words_records (line);
    TRY (buf_printf (out, "  %-14s %-18s %s: %s\n", rule, name, asks, records));
  }
  return NULL;
}

static struct err *
put_outage (const json_t *o, struct buf *out)
{
  size_t i;
  json_t *q;
  json_array_foreach (json_object_get (o, "quarters"), i, q)
  {
    CLEANUP_FREE char *when
        = words_time (json_integer_value (json_object_get (q, "at_ms")));
    CLEANUP_FREE char *took
        = standing_duration (json_integer_value (json_object_get (q, "ms")));
    TRY (buf_printf (out, "  quarter from %s  %10s\n", when, took));
  }
  return NULL;
}

static struct err *
put_outages (const json_t *facts, struct buf *out)
{
  const json_t *list = json_object_get (facts, "outages");
  size_t i;
  json_t *o;
  if (json_array_size (list) == 0)
    return NULL;
  TRY (heading (out, "When neither server took writes", "outages"));
  json_array_foreach (list, i, o) TRY (put_outage (o, out));
  return NULL;
}

static struct err *
put_witnesses (const json_t *facts, struct buf *out)
{
  const json_t *list = json_object_get (facts, "witnesses");
  size_t i;
  json_t *w;
  if (json_array_size (list) == 0)
    return NULL;
  TRY (heading (out, "Who signed the journal's head", "witnesses"));
  json_array_foreach (list, i, w)
  {
    CLEANUP_FREE char *text = words_witness (w);
    TRY (buf_printf (out, "  %s\n", text));
  }
  return NULL;
}

static struct err *
put_findings (const json_t *facts, struct buf *out)
{
  const json_t *list = json_object_get (facts, "findings");
  size_t i;
  json_t *f;
  TRY (heading (out, "Findings", "findings"));
  if (json_array_size (list) == 0)
    return buf_put_str (out, "  none\n");
  json_array_foreach (list, i, f)
  {
    CLEANUP_FREE char *text = words_finding (f);
    TRY (buf_printf (out, "  %s\n", text));
  }
  return NULL;
}

static struct err *
put_queries (const json_t *facts, struct buf *out)
{
  const json_t *list = json_object_get (facts, "queries");
  size_t i;
  json_t *one;
  if (list == NULL)
    return NULL;
  TRY (heading (out, "Declared queries, before and after", "queries"));
  json_array_foreach (list, i, one)
  {
    CLEANUP_FREE char *text = queries_words (one);
    TRY (buf_printf (out, "  %s\n", text));
  }
  return NULL;
}

static struct err *
put_left (const json_t *facts, struct buf *out)
{
  const json_t *list = json_object_get (facts, "left");
  const char *phase = json_string_value (json_object_get (facts, "phase"));
  size_t i;
  json_t *l;
  TRY (heading (out, "Left on the hosts", "left"));
  if (phase == NULL
      || (strcmp (phase, "accepted") != 0 && strcmp (phase, "rolled-back") != 0
          && !json_is_true (json_object_get (facts, "aborted"))))
    TRY (buf_put_str (out, "  until accept: /var/lib/rehome on both hosts, "
                           "with the fence and the recorded state\n"));
  json_array_foreach (list, i, l)
  {
    CLEANUP_FREE char *host = words_of (l, "host");
    CLEANUP_FREE char *what = words_of (l, "what");
    TRY (buf_printf (out, "  %s: %s\n", host, what));
  }
  json_array_foreach (
      json_object_get (json_object_get (facts, "kept"), "purged"), i, l)
  {
    CLEANUP_FREE char *text = words_purged (l);
    TRY (buf_printf (out, "  %s\n", text));
  }
  CLEANUP_FREE char *kept = words_kept (facts);
  return buf_printf (out, "  %s\n", kept);
}

static struct err *
put_chain (const json_t *facts, struct buf *out)
{
  const json_t *c = json_object_get (facts, "chain");
  CLEANUP_FREE char *first = words_of (c, "first");
  CLEANUP_FREE char *head = words_of (c, "head");
  TRY (heading (out, "The journal's chain", "chain"));
  return buf_printf (
      out,
      "  %lld records, from the plan %s\n"
      "  to the head             %s\n"
      "  check it with: rehome verify, or rehome report --bundle\n",
      (long long)json_integer_value (json_object_get (c, "seq")), first, head);
}

struct err *
report_text (const json_t *facts, struct buf *out)
{
  TRY (put_top (facts, out));
  TRY (put_attention (facts, out));
  TRY (heading (out, "What that covers", "covers"));
  TRY (put_sentences (json_object_get (facts, "covers"), out));
  TRY (put_items (facts, out));
  TRY (put_steps (facts, out));
  TRY (put_outages (facts, out));
  TRY (put_requests (facts, out));
  TRY (put_approvals (facts, out));
  TRY (put_findings (facts, out));
  TRY (put_queries (facts, out));
  TRY (put_left (facts, out));
  TRY (put_witnesses (facts, out));
  TRY (put_mapping (facts, out));
  return put_chain (facts, out);
}
