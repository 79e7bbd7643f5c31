/* SPDX-License-Identifier: Apache-2.0 */
/* The step graph for people: a line a step, and Graphviz DOT. */
#include "plan/graph.h"

#include "base/buf.h"
#include "base/mem.h"

#include <string.h>

/* A text of a bounded graph: it can only fail when the bound is wrong. */
static char *
text_of (struct buf *b, struct err *e)
{
  if (e == NULL)
    return b->data != NULL ? buf_steal_str (b) : mem_strdup ("");
  err_free (e);
  return mem_strdup ("(too large to draw)\n");
}

static struct err *
text_line (struct buf *b, const struct step *s)
{
  TRY (buf_printf (b, "%-9s  %-10s  %-7s  %s", stage_name (s->stage),
                   step_class_name (s->cls), step_side_name (s->side), s->id));
  if (strcmp (s->id, s->title) != 0)
    TRY (buf_printf (b, "  (%s)", s->title));
  for (size_t k = 0; s->needs != NULL && s->needs[k] != NULL; k++)
    TRY (buf_printf (b, "%s%s", k == 0 ? "  <- " : ", ", s->needs[k]));
  return buf_put_str (b, "\n");
}

static struct err *
draw_text (const struct graph *g, struct buf *b)
{
  for (size_t i = 0; i < graph_len (g); i++)
    TRY (text_line (b, graph_at (g, i)));
  return NULL;
}

char *
graph_text (const struct graph *g)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  struct err *e = draw_text (g, &b);
  return text_of (&b, e);
}

/* A DOT string: quotes and backslashes escaped. */
static struct err *
dot_quoted (struct buf *b, const char *s)
{
  TRY (buf_put_str (b, "\""));
  for (; *s != '\0'; s++) {
    if (*s == '"' || *s == '\\')
      TRY (buf_put_str (b, "\\"));
    TRY (buf_put (b, s, 1));
  }
  return buf_put_str (b, "\"");
}

static const char *
dot_colour (enum step_class c)
{
  static const char *const colours[]
      = { "white", "lightblue", "palegreen", "orange", "lightgrey" };
  return c <= STEP_FORWARD ? colours[c] : "white";
}

static struct err *
dot_stage (const struct graph *g, struct buf *b, enum stage stage)
{
  bool any = false;
  for (size_t i = 0; i < graph_len (g); i++) {
    const struct step *s = graph_at (g, i);
    if (s->stage != stage)
      continue;
    if (!any)
      TRY (buf_printf (b, "  subgraph cluster_%s {\n    label=\"%s\";\n",
                       stage_name (stage), stage_name (stage)));
    any = true;
    TRY (buf_put_str (b, "    "));
    TRY (dot_quoted (b, s->id));
    TRY (buf_put_str (b, " [label="));
    TRY (dot_quoted (b, s->title));
    TRY (buf_printf (b, ", fillcolor=%s];\n", dot_colour (s->cls)));
  }
  return any ? buf_put_str (b, "  }\n") : NULL;
}

static struct err *
dot_edges (const struct graph *g, struct buf *b)
{
  for (size_t i = 0; i < graph_len (g); i++) {
    const struct step *s = graph_at (g, i);
    for (size_t k = 0; s->needs != NULL && s->needs[k] != NULL; k++) {
      TRY (buf_put_str (b, "  "));
      TRY (dot_quoted (b, s->needs[k]));
      TRY (buf_put_str (b, " -> "));
      TRY (dot_quoted (b, s->id));
      TRY (buf_put_str (b, ";\n"));
    }
  }
  return NULL;
}

static struct err *
draw_dot (const struct graph *g, struct buf *b)
{
  TRY (buf_put_str (b, "digraph move {\n  rankdir=LR;\n  compound=true;\n"
                       "  node [shape=box, style=filled];\n"));
  const char *last = NULL;
  for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
    TRY (dot_stage (g, b, (enum stage)stage));
  /* One dashed edge from each stage to the next keeps them in order. */
  for (size_t i = 0; i < graph_len (g); i++) {
    const struct step *s = graph_at (g, i);
    if (last != NULL && graph_find (g, last)->stage != s->stage) {
      TRY (buf_put_str (b, "  "));
      TRY (dot_quoted (b, last));
      TRY (buf_put_str (b, " -> "));
      TRY (dot_quoted (b, s->id));
      TRY (buf_put_str (b, " [style=dashed];\n"));
    }
    last = s->id;
  }
  TRY (dot_edges (g, b));
  return buf_put_str (b, "}\n");
}

char *
graph_dot (const struct graph *g)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  struct err *e = draw_dot (g, &b);
  return text_of (&b, e);
}
