/* SPDX-License-Identifier: Apache-2.0 */
/* What `watch` draws. */
#include "cli/view.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "cli/bar.h"
#include "cli/say.h"
#include "exec/clock.h"
#include "report/moved.h"
#include "report/standing.h"

#include <stdio.h>
#include <string.h>

#define LIVE_MAX 8
#define QUIET_MS 30000 /* off a terminal: a line at least so often */

struct known_step {
  char *id;
  int64_t began_ms;
  struct bar bar;
};

struct view {
  const struct graph *graph;
  struct terminal terminal;
  bool json;
  VEC (struct known_step) steps;
  int64_t said_ms; /* when the last line was written */
};

struct view *
view_new (const struct graph *g, bool json)
{
  struct view *v = mem_alloc (sizeof *v);
  v->graph = g;
  v->json = json;
  terminal_open (&v->terminal);
  if (json)
    v->terminal.live = v->terminal.colour = false;
  v->said_ms = clock_boot_ms ();
  return v;
}

void
view_free (struct view *v)
{
  if (v == NULL)
    return;
  for (size_t i = 0; i < v->steps.n; i++)
    free (v->steps.v[i].id);
  VEC_FREE (&v->steps);
  free (v);
}

void
view_end (struct view *v)
{
  if (v->terminal.live)
    terminal_clear (&v->terminal);
}

static struct known_step *
step_of (struct view *v, const char *id)
{
  for (size_t i = 0; i < v->steps.n; i++)
    if (strcmp (v->steps.v[i].id, id) == 0)
      return &v->steps.v[i];
  struct known_step *s = VEC_PUSH (&v->steps);
  s->id = mem_strdup (id);
  return s;
}

static void
say_line (struct view *v, char mark, const char *text)
{
  if (v->terminal.live) {
    CLEANUP_FREE char *clipped
        = bar_clip (text, v->terminal.width - 8, v->terminal.utf8);
    terminal_line (&v->terminal, mark, clipped);
  } else
    terminal_line (&v->terminal, mark, text);
  v->said_ms = clock_boot_ms ();
}

void
view_say (struct view *v, const char *text)
{
  say_line (v, '-', text);
}

static char *
title_of (const struct view *v, const char *id)
{
  const struct step *s = graph_find (v->graph, id);
  const char *t = s != NULL && s->title != NULL ? s->title : id;
  return text_escape (t, strlen (t));
}

static const char *
member (const json_t *o, const char *key)
{
  return json_string_value (json_object_get (o, key));
}

/* "20,123 files, 45 MB" where a result has such. */
static char *
result_words (const json_t *result)
{
  int64_t files = moved_number (json_object_get (result, "files"));
  int64_t bytes = moved_number (json_object_get (result, "bytes"));
  if (files < 0 || bytes < 0)
    return mem_strdup ("");
  CLEANUP_FREE char *f = standing_count (files);
  CLEANUP_FREE char *b = standing_bytes (bytes);
  return mem_printf ("  %s files, %s", f, b);
}

/* What a pause or an abort has ended is no failure. */
static bool
was_stopped (const json_t *error)
{
  const char *code = member (error, "code");
  return code != NULL && strcmp (code, "RH-AGENT-CANCELLED") == 0;
}

static char *
failure_words (const json_t *error, bool undo, const char *title)
{
  const char *code = member (error, "code");
  const char *message = member (error, "message");
  CLEANUP_FREE char *safe
      = text_escape (message != NULL ? message : "",
                     message != NULL ? strlen (message) : 0);
  if (was_stopped (error))
    return mem_printf ("stopped, as asked: %s", title);
  return mem_printf ("%s%s: %s: %s", undo ? "undo: " : "", title,
                     code != NULL ? code : "?", safe);
}

static void
show_outcome (struct view *v, const json_t *r, const char *id)
{
  const json_t *data = json_object_get (r, "data");
  const json_t *error = json_object_get (data, "error");
  bool undo = json_is_true (json_object_get (data, "undo"));
  int64_t now = json_integer_value (json_object_get (r, "time"));
  struct known_step *s = step_of (v, id);
  CLEANUP_FREE char *title = title_of (v, id);
  CLEANUP_FREE char *took = s->began_ms > 0 && now >= s->began_ms
                                ? standing_duration (now - s->began_ms)
                                : mem_strdup ("");
  CLEANUP_FREE char *words = result_words (json_object_get (data, "result"));
  CLEANUP_FREE char *line
      = json_is_object (error)
            ? failure_words (error, undo, title)
            : mem_printf ("%s%s%s  %s", undo ? "undone: " : "", title, words,
                          took);
  char mark = !json_is_object (error) ? '+' : was_stopped (error) ? '-' : '!';
  say_line (v, mark, line);
  memset (&s->bar, 0, sizeof s->bar);
}

static void
show_phase (struct view *v, const json_t *r)
{
  const json_t *data = json_object_get (r, "data");
  const char *to = member (data, "to"), *why = member (data, "why");
  const char *writer = member (data, "writer");
  CLEANUP_FREE char *line
      = mem_printf ("phase %s%s%s%s%s", to != NULL ? to : "?",
                    why != NULL ? ", because: " : "", why != NULL ? why : "",
                    writer != NULL ? ", writer: " : "",
                    writer != NULL ? writer : "");
  say_line (v, '-', line);
}

static void
show_forecast (struct view *v, const json_t *r)
{
  const json_t *data = json_object_get (r, "data");
  CLEANUP_FREE char *low = standing_duration (
      json_integer_value (json_object_get (data, "lower_ms")));
  CLEANUP_FREE char *high = standing_duration (
      json_integer_value (json_object_get (data, "upper_ms")));
  CLEANUP_FREE char *line
      = mem_printf ("downtime forecast: %s to %s", low, high);
  say_line (v, '-', line);
}

void
view_record (struct view *v, const json_t *record)
{
  const char *type = member (record, "type");
  const char *id = member (record, "step");
  if (v->json) {
    say_json (record);
    fflush (stdout);
    return;
  }
  if (type == NULL)
    return;
  if (strcmp (type, "intent") == 0 && id != NULL)
    step_of (v, id)->began_ms
        = json_integer_value (json_object_get (record, "time"));
  else if (strcmp (type, "outcome") == 0 && id != NULL)
    show_outcome (v, record, id);
  else if (strcmp (type, "phase") == 0)
    show_phase (v, record);
  else if (strcmp (type, "forecast") == 0)
    show_forecast (v, record);
}

/* Off a terminal: one line for all that runs, every 30 s. */
static void
show_quietly (struct view *v, const json_t *steps)
{
  const json_t *first = json_array_get (steps, 0);
  if (v->json || first == NULL || clock_boot_ms () - v->said_ms < QUIET_MS)
    return;
  struct bar_style style = { .width = 1000, .utf8 = v->terminal.utf8 };
  const char *id = member (first, "step");
  CLEANUP_FREE char *line
      = bar_line (&step_of (v, id != NULL ? id : "")->bar, first, &style);
  size_t more = json_array_size (steps) - 1;
  CLEANUP_FREE char *text = more > 0
                                ? mem_printf ("%s, and %zu more", line, more)
                                : mem_strdup (line);
  say_line (v, '-', text + strspn (text, " "));
}

void
view_progress (struct view *v, const json_t *progress)
{
  const json_t *steps = json_object_get (progress, "steps");
  struct bar_style style
      = { .width = v->terminal.width - 1, .utf8 = v->terminal.utf8 };
  char *lines[LIVE_MAX];
  size_t i, n = 0;
  json_t *s;
  json_array_foreach (steps, i, s)
  {
    const char *id = member (s, "step");
    struct known_step *known = step_of (v, id != NULL ? id : "");
    bar_take (&known->bar, s);
    if (v->terminal.live && n < LIVE_MAX)
      lines[n++] = bar_line (&known->bar, s, &style);
  }
  if (v->terminal.live)
    terminal_draw (&v->terminal, lines, n, false);
  else
    show_quietly (v, steps);
  for (i = 0; i < n; i++)
    free (lines[i]);
}
