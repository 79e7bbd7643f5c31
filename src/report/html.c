/* SPDX-License-Identifier: Apache-2.0 */
/* The facts as one self-contained HTML page: no script, no link, nothing
 * loaded; readable in light and dark, on paper, and by a screen reader. */
#include "report/text.h"

#include "base/mem.h"
#include "report/queries.h"
#include "report/standing.h"
#include "report/words.h"

#include <string.h>

static const char head[]
    = "<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
      "'none'; style-src 'unsafe-inline'\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n";

static const char style[]
    = "<style>\n"
      ":root{--fg:#1b1f24;--dim:#57606a;--bg:#fff;--line:#d0d7de;--ok:#116329;"
      "--bad:#a40e26;--bar:#0969da;--band:#ddf4ff}\n"
      "@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--dim:#9da7b1;"
      "--bg:#0d1117;--line:#30363d;--ok:#56d364;--bad:#ff7b72;--bar:#58a6ff;"
      "--band:#10294d}}\n"
      "@media print{:root{--fg:#000;--dim:#333;--bg:#fff;--line:#999;"
      "--ok:#000;--bad:#000;--bar:#555;--band:#ddd}"
      "section{break-inside:avoid}}\n"
      "body{font:16px/1.5 system-ui,sans-serif;color:var(--fg);"
      "background:var(--bg);max-width:60rem;margin:2rem auto;padding:0 1rem;"
      "overflow-wrap:anywhere}\n"
      "h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.15rem;margin:2rem 0 "
      ".4rem;border-bottom:1px solid var(--line)}\n"
      "small,.dim{color:var(--dim);font-weight:400}\n"
      ".covers{font-size:1.1rem;border-left:.3rem solid "
      "var(--ok);padding:.2rem "
      "0 .2rem .8rem}.covers.not{border-color:var(--line)}\n"
      ".standing,code{font-family:ui-monospace,monospace;font-size:.9em}\n"
      ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}"
      "th,td{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0;"
      "border-bottom:1px solid var(--line)}td.n,th.n{text-align:right;"
      "white-space:nowrap;font-variant-numeric:tabular-nums}\n"
      ".bad{color:var(--bad);font-weight:600}.ok{color:var(--ok)}\n"
      "svg{max-width:100%;height:auto}svg text{fill:var(--fg);font:13px "
      "system-ui,sans-serif}.band{fill:var(--band);stroke:var(--bar)}"
      ".mark{stroke:var(--fg);stroke-width:2}.axis{stroke:var(--line)}\n"
      "</style>\n";

/* HTML's own characters; everything else was made safe by text_escape. */
static struct err *
put_safe (struct buf *out, const char *text)
{
  for (const char *p = text; *p != '\0'; p++)
    switch (*p) {
    case '&':
      TRY (buf_put_str (out, "&amp;"));
      break;
    case '<':
      TRY (buf_put_str (out, "&lt;"));
      break;
    case '>':
      TRY (buf_put_str (out, "&gt;"));
      break;
    case '"':
      TRY (buf_put_str (out, "&quot;"));
      break;
    case '\'':
      TRY (buf_put_str (out, "&#39;"));
      break;
    default:
      TRY (buf_put (out, p, 1));
    }
  return NULL;
}

static struct err *
put_in (struct buf *out, const char *before, char *text, const char *after)
{
  struct err *e = buf_put_str (out, before);
  if (e == NULL && text != NULL)
    e = put_safe (out, text);
  if (e == NULL)
    e = buf_put_str (out, after);
  free (text);
  return e;
}

static struct err *
begin (struct buf *out, const char *id, const char *title)
{
  const char *demands = words_demands (id);
  TRY (buf_printf (out, "<section aria-labelledby=\"%s\"><h2 id=\"%s\">%s", id,
                   id, title));
  if (demands != NULL)
    TRY (buf_printf (out, " <small>%s</small>", demands));
  return buf_put_str (out, "</h2>\n");
}

static struct err *
end (struct buf *out)
{
  return buf_put_str (out, "</section>\n");
}

/* ---- The top ---- */

static struct err *
put_top (const json_t *facts, struct buf *out)
{
  bool opened = json_is_true (json_object_get (facts, "downtime_opened"));
  const json_t *a = json_object_get (facts, "attention");
  TRY (buf_printf (out, "<p class=\"covers%s\">", opened ? "" : " not"));
  TRY (put_in (out, "", words_covers (facts), ".</p>\n"));
  TRY (put_in (out, "<h1>", words_of (facts, "name"), ": "));
  TRY (put_in (out, "", words_of (json_object_get (facts, "source"), "name"),
               " to "));
  TRY (put_in (out, "", words_of (json_object_get (facts, "target"), "name"),
               "</h1>\n"));
  TRY (put_in (out, "<p class=\"standing\">", standing_line (facts), "</p>\n"));
  TRY (put_in (out, "<p class=\"dim\">Begun ",
               words_time (
                   json_integer_value (json_object_get (facts, "began_ms"))),
               ", last record "));
  TRY (put_in (out, "",
               words_time (
                   json_integer_value (json_object_get (facts, "last_ms"))),
               ", rehome " REHOME_VERSION ".</p>\n"));
  if (!json_is_object (a))
    return NULL;
  TRY (put_in (out, "<p class=\"bad\">Needs attention: ", words_of (a, "code"),
               ": "));
  TRY (put_in (out, "", words_of (a, "message"), ". "));
  return put_in (out, "", words_of (a, "todo"), "</p>\n");
}

/* ---- Forecast against measured: a band and a mark ---- */

static int64_t
number (const json_t *o, const char *key)
{
  return json_integer_value (json_object_get (o, key));
}

static struct err *
put_chart (const json_t *facts, struct buf *out)
{
  const json_t *f = json_object_get (facts, "forecast");
  const json_t *d = json_object_get (facts, "downtime_ms");
  int64_t lower = number (f, "lower_ms"), upper = number (f, "upper_ms");
  int64_t took = json_integer_value (d), most = upper > took ? upper : took;
  if (f == NULL || d == NULL || most <= 0)
    return NULL;
  long long x1 = lower * 560 / most, x2 = upper * 560 / most,
            xm = took * 560 / most;
  return buf_printf (
      out,
      "<svg viewBox=\"0 0 640 64\" role=\"img\" aria-label=\"The forecast as "
      "a band, the measured downtime as a line\">"
      "<line class=\"axis\" x1=\"20\" y1=\"36\" x2=\"600\" y2=\"36\"/>"
      "<rect class=\"band\" x=\"%lld\" y=\"26\" width=\"%lld\" "
      "height=\"20\" rx=\"3\"/>"
      "<line class=\"mark\" x1=\"%lld\" y1=\"18\" x2=\"%lld\" y2=\"54\"/>"
      "<text x=\"%lld\" y=\"14\" text-anchor=\"middle\">measured</text>"
      "<text x=\"%lld\" y=\"61\">forecast</text></svg>\n",
      20 + x1, x2 > x1 ? x2 - x1 : 1, 20 + xm, 20 + xm, xm < 40 ? 50 : 20 + xm,
      20 + x1);
}

static struct err *
put_downtime (const json_t *facts, struct buf *out)
{
  char *words = words_downtime (facts);
  const json_t *f = json_object_get (facts, "forecast");
  size_t i;
  json_t *c;
  if (words == NULL)
    return NULL;
  TRY (begin (out, "downtime", "Downtime"));
  TRY (put_in (out, "<p>", words, ".</p>\n"));
  char *back = words_back (facts);
  if (back != NULL)
    TRY (put_in (out, "<p>", back, ".</p>\n"));
  TRY (put_chart (facts, out));
  TRY (buf_put_str (out, "<ul>\n"));
  json_array_foreach (json_object_get (f, "causes"), i, c)
  {
    TRY (put_in (out, "<li>", words_of (c, "stage"), ": "));
    TRY (put_in (out, "", standing_duration (number (c, "ms")), " ("));
    TRY (put_in (out, "", words_of (c, "basis"), ")</li>\n"));
  }
  TRY (buf_put_str (out, "</ul>\n"));
  return end (out);
}

/* ---- Tables ---- */

static struct err *
put_covers (const json_t *facts, struct buf *out)
{
  size_t i;
  json_t *s;
  TRY (begin (out, "covers", "What that covers"));
  TRY (buf_put_str (out, "<ul>\n"));
  json_array_foreach (json_object_get (facts, "covers"), i, s)
  {
    CLEANUP_JSON json_t *o = json_pack ("{s:O}", "s", s);
    TRY (put_in (out, "<li>", words_of (o, "s"), "</li>\n"));
  }
  TRY (buf_put_str (out, "</ul>\n"));
  return end (out);
}

static struct err *
put_items (const json_t *facts, struct buf *out)
{
  size_t i;
  json_t *item;
  TRY (begin (out, "moved", "What moved"));
  TRY (buf_put_str (out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                         "aria-labelledby=\"moved\"><table><tr><th "
                         "scope=\"col\">Item</th><th scope=\"col\">What "
                         "and proof</th></tr>\n"));
  json_array_foreach (json_object_get (facts, "items"), i, item)
  {
    TRY (put_in (out, "<tr><td>", words_of (item, "name"), "</td><td>"));
    TRY (put_in (out, "", words_item (item), "</td></tr>\n"));
  }
  TRY (buf_put_str (out, "</table></div>\n"));
  return end (out);
}

static struct err *
put_step (const json_t *s, struct buf *out)
{
  const json_t *ms = json_object_get (s, "ms");
  const json_t *error = json_object_get (s, "error");
  TRY (put_in (out, "<tr><td>", words_of (s, "stage"), "</td><td>"));
  TRY (put_in (out, "", words_of (s, "title"), ""));
  if (json_is_object (error)) {
    TRY (put_in (out, "<br><span class=\"bad\">", words_of (error, "code"),
                 ": "));
    TRY (put_in (out, "", words_of (error, "message"), "</span>"));
  }
  TRY (put_in (out, "</td><td>", words_of (s, "side"), "</td><td>"));
  TRY (put_in (out, "", words_of (s, "state"), "</td><td class=\"n\">"));
  if (ms != NULL)
    TRY (put_in (out, "", standing_duration (json_integer_value (ms)), ""));
  return buf_put_str (out, "</td></tr>\n");
}

static struct err *
put_steps (const json_t *facts, struct buf *out)
{
  size_t i;
  json_t *s;
  TRY (begin (out, "steps", "Steps"));
  TRY (buf_put_str (
      out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
           "aria-labelledby=\"steps\"><table><tr><th scope=\"col\">Stage</th>"
           "<th scope=\"col\">Step</th><th scope=\"col\">On</th><th "
           "scope=\"col\">State</th><th scope=\"col\" class=\"n\">Took</th>"
           "</tr>\n"));
  json_array_foreach (json_object_get (facts, "steps"), i, s)
  {
    if (number (s, "attempts") > 0)
      TRY (put_step (s, out));
  }
  TRY (buf_put_str (out, "</table></div>\n"));
  return end (out);
}

static struct err *
put_requests (const json_t *facts, struct buf *out)
{
  size_t i;
  json_t *r;
  TRY (begin (out, "requests", "Who asked for what"));
  TRY (buf_put_str (out, "<ul>\n"));
  json_array_foreach (json_object_get (facts, "requests"), i, r)
  {
    TRY (put_in (out, "<li>", words_time (number (r, "at_ms")), ", "));
    TRY (put_in (out, "", words_of (r, "actor"), ": "));
    TRY (put_in (out, "", words_request (r), "</li>\n"));
  }
  TRY (buf_put_str (out, "</ul>\n"));
  return end (out);
}

static struct err *
put_outages (const json_t *facts, struct buf *out)
{
  const json_t *list = json_object_get (facts, "outages");
  size_t i, k;
  json_t *o, *q;
  if (json_array_size (list) == 0)
    return NULL;
  TRY (begin (out, "outages", "When neither server took writes"));
  TRY (buf_put_str (out, "<table><tr><th scope=\"col\">Quarter of an hour "
                         "from</th><th scope=\"col\" class=\"n\">Out</th></tr>"
                         "\n"));
  json_array_foreach (list, i, o)
  {
    json_array_foreach (json_object_get (o, "quarters"), k, q)
    {
      TRY (put_in (out, "<tr><td>", words_time (number (q, "at_ms")),
                   "</td><td class=\"n\">"));
      TRY (put_in (out, "", standing_duration (number (q, "ms")),
                   "</td></tr>\n"));
    }
  }
  TRY (buf_put_str (out, "</table>\n"));
  return end (out);
}

static struct err *
put_approvals (const json_t *facts, struct buf *out)
{
  const json_t *given
      = json_object_get (json_object_get (facts, "approvals"), "given");
  size_t i;
  json_t *a;
  TRY (begin (out, "approvals", "Who approved"));
  TRY (buf_put_str (out, "<ul>\n"));
  json_array_foreach (given, i, a)
      TRY (put_in (out, "<li>", words_approval (a), "</li>\n"));
  TRY (put_in (out, "<li>", words_backup (facts), "</li>\n</ul>\n"));
  return end (out);
}

static struct err *
put_mapping (const json_t *facts, struct buf *out)
{
  size_t i;
  json_t *line;
  TRY (begin (out, "mapping", "By the rules&#39; lines"));
  TRY (buf_put_str (out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                         "aria-labelledby=\"mapping\"><table><tr><th "
                         "scope=\"col\">Rule</th><th scope=\"col\">Line</th>"
                         "<th scope=\"col\">Asks for</th><th scope=\"col\">"
                         "Records that show it</th></tr>\n"));
  json_array_foreach (json_object_get (facts, "mapping"), i, line)
  {
    TRY (put_in (out, "<tr><td>", words_of (line, "rule"), "</td><td>"));
    TRY (put_in (out, "", words_of (line, "line"), "</td><td>"));
    TRY (put_in (out, "", words_of (line, "asks"), "</td><td>"));
    TRY (put_in (out, "", words_records (line), "</td></tr>\n"));
  }
  TRY (buf_put_str (out, "</table></div>\n"));
  return end (out);
}

static struct err *
put_witnesses (const json_t *facts, struct buf *out)
{
  const json_t *list = json_object_get (facts, "witnesses");
  size_t i;
  json_t *w;
  if (json_array_size (list) == 0)
    return NULL;
  TRY (begin (out, "witnesses", "Who signed the journal&#39;s head"));
  TRY (buf_put_str (out, "<ul>\n"));
  json_array_foreach (list, i, w)
      TRY (put_in (out, "<li>", words_witness (w), "</li>\n"));
  TRY (buf_put_str (out, "</ul>\n"));
  return end (out);
}

static struct err *
put_findings (const json_t *facts, struct buf *out)
{
  const json_t *list = json_object_get (facts, "findings");
  size_t i;
  json_t *f;
  TRY (begin (out, "findings", "Findings"));
  if (json_array_size (list) == 0)
    TRY (buf_put_str (out, "<p>None.</p>\n"));
  TRY (buf_put_str (out, "<ul>\n"));
  json_array_foreach (list, i, f)
      TRY (put_in (out, "<li>", words_finding (f), "</li>\n"));
  TRY (buf_put_str (out, "</ul>\n"));
  return end (out);
}

static struct err *
put_queries (const json_t *facts, struct buf *out)
{
  const json_t *list = json_object_get (facts, "queries");
  size_t i;
  json_t *one;
  if (list == NULL)
    return NULL;
  TRY (begin (out, "queries", "Declared queries, before and after"));
  TRY (buf_put_str (out, "<ul>\n"));
  json_array_foreach (list, i, one)
      TRY (put_in (out, "<li>", queries_words (one), "</li>\n"));
  TRY (buf_put_str (out, "</ul>\n"));
  return end (out);
}

static struct err *
put_left (const json_t *facts, struct buf *out)
{
  const char *phase = json_string_value (json_object_get (facts, "phase"));
  size_t i;
  json_t *l;
  TRY (begin (out, "left", "Left on the hosts"));
  TRY (buf_put_str (out, "<ul>\n"));
  if (phase == NULL
      || (strcmp (phase, "accepted") != 0 && strcmp (phase, "rolled-back") != 0
          && !json_is_true (json_object_get (facts, "aborted"))))
    TRY (buf_put_str (out, "<li>Until accept: <code>/var/lib/rehome</code> on "
                           "both hosts, with the fence and the recorded "
                           "state.</li>\n"));
  json_array_foreach (json_object_get (facts, "left"), i, l)
  {
    TRY (put_in (out, "<li>", words_of (l, "host"), ": <code>"));
    TRY (put_in (out, "", words_of (l, "what"), "</code></li>\n"));
  }
  json_array_foreach (
      json_object_get (json_object_get (facts, "kept"), "purged"), i, l)
      TRY (put_in (out, "<li>", words_purged (l), "</li>\n"));
  TRY (put_in (out, "<li>", words_kept (facts), "</li>\n"));
  TRY (buf_put_str (out, "</ul>\n"));
  return end (out);
}

static struct err *
put_chain (const json_t *facts, struct buf *out)
{
  const json_t *c = json_object_get (facts, "chain");
  TRY (begin (out, "chain", "The journal&#39;s chain"));
  TRY (buf_printf (out, "<p>%lld records. ", (long long)number (c, "seq")));
  TRY (put_in (out, "From the plan <code>", words_of (c, "first"),
               "</code> to the head <code>"));
  TRY (put_in (out, "", words_of (c, "head"),
               "</code>. Check it with <code>rehome verify</code>, or what "
               "<code>rehome report --bundle</code> makes.</p>\n"));
  return end (out);
}

struct err *
report_html (const json_t *facts, struct buf *out)
{
  TRY (buf_put_str (out, "<!doctype html>\n<html lang=\"en\">\n<head>\n"));
  TRY (buf_put_str (out, head));
  TRY (put_in (out, "<title>", words_of (facts, "name"),
               ": report of a move</title>\n"));
  TRY (buf_put_str (out, style));
  TRY (buf_put_str (out, "</head>\n<body>\n<main>\n"));
  TRY (put_top (facts, out));
  TRY (put_downtime (facts, out));
  TRY (put_covers (facts, out));
  TRY (put_items (facts, out));
  TRY (put_findings (facts, out));
  TRY (put_queries (facts, out));
  TRY (put_steps (facts, out));
  TRY (put_outages (facts, out));
  TRY (put_requests (facts, out));
  TRY (put_approvals (facts, out));
  TRY (put_left (facts, out));
  TRY (put_witnesses (facts, out));
  TRY (put_mapping (facts, out));
  TRY (put_chain (facts, out));
  return buf_put_str (out, "</main>\n</body>\n</html>\n");
}
