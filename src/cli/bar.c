/* SPDX-License-Identifier: Apache-2.0 */
/* One running step as one line of a terminal. */
#include "cli/bar.h"

#include "base/mem.h"
#include "base/text.h"
#include "report/moved.h"
#include "report/standing.h"

#include <string.h>

#define BAR_CELLS 20
#define STILL_MS 5000 /* nothing moved for so long: say it */

static int64_t
member (const json_t *progress, const char *key)
{
  return moved_number (json_object_get (progress, key));
}

/* What is counted against what: bytes where both are known, else files. */
static bool
amounts (const json_t *step, int64_t *done, int64_t *total, bool *bytes)
{
  const json_t *p = json_object_get (step, "progress");
  *done = member (p, "bytes");
  *total = member (p, "of_bytes");
  *bytes = true;
  if (*done >= 0 && *total > 0)
    return true;
  *done = member (p, "files");
  *total = member (p, "of_files");
  *bytes = false;
  return *done >= 0 && *total > 0;
}

/* The range between the rate since the beginning and that of late. */
static void
estimate (struct bar *b, int64_t done, int64_t total, int64_t elapsed)
{
  int64_t late_ms = elapsed - b->seen_ms, late = done - b->seen_done;
  if (late_ms < 2000 || done <= 0 || late <= 0)
    return;
  int64_t left = total > done ? total - done : 0;
  int64_t by_all = (int64_t)((double)left * (double)elapsed / (double)done);
  int64_t by_late = (int64_t)((double)left * (double)late_ms / (double)late);
  b->left_low_ms = by_all < by_late ? by_all : by_late;
  b->left_high_ms = by_all > by_late ? by_all : by_late;
  b->seen_done = done;
  b->seen_ms = elapsed;
}

void
bar_take (struct bar *b, const json_t *step)
{
  int64_t done, total;
  bool bytes;
  int64_t elapsed = json_integer_value (json_object_get (step, "elapsed_ms"));
  bool known = amounts (step, &done, &total, &bytes);
  if (b->seen_ms == 0 && b->seen_done == 0)
    b->left_low_ms = b->left_high_ms = -1;
  if (done < 0)
    done = member (json_object_get (step, "progress"), "files");
  if (done != b->last_done)
    b->moved_ms = elapsed;
  b->last_done = done;
  if (!known) {
    b->seen_done = done;
    return;
  }
  if (bytes != b->most_bytes || done > b->most)
    b->most = done;
  b->most_bytes = bytes;
  estimate (b, b->most, total, elapsed);
  int64_t now
      = done >= total ? 1000 : (int64_t)((double)done / (double)total * 1000);
  if (now > b->thousandths)
    b->thousandths = now;
}

int
bar_columns (const char *text)
{
  int n = 0;
  for (; *text != '\0'; text++)
    if (((unsigned char)*text & 0xc0) != 0x80)
      n++;
  return n;
}

char *
bar_clip (const char *text, int width, bool utf8)
{
  const char *dots = utf8 ? "\xe2\x80\xa6" : "~";
  if (width < 1)
    return mem_strdup ("");
  if (bar_columns (text) <= width)
    return mem_strdup (text);
  const char *end = text;
  for (int n = 0; *end != '\0'; end++) {
    if (((unsigned char)*end & 0xc0) == 0x80)
      continue;
    if (n++ == width - 1)
      break;
  }
  return mem_printf ("%.*s%s", (int)(end - text), text, dots);
}

static char *
cells (int64_t thousandths, bool utf8)
{
  char out[BAR_CELLS * 3 + 3];
  size_t at = 0;
  int64_t full = thousandths * BAR_CELLS / 1000;
  const char *on = utf8 ? "\xe2\x96\x88" : "#";
  const char *off = utf8 ? "\xe2\x96\x91" : ".";
  for (int i = 0; i < BAR_CELLS; i++) {
    const char *c = i < full ? on : off;
    memcpy (out + at, c, strlen (c));
    at += strlen (c);
  }
  out[at] = '\0';
  return mem_printf (utf8 ? "%s" : "[%s]", out);
}

static char *
left_words (const struct bar *b)
{
  if (b->left_high_ms < 0)
    return mem_strdup ("");
  CLEANUP_FREE char *low = standing_duration (b->left_low_ms);
  CLEANUP_FREE char *high = standing_duration (b->left_high_ms);
  if (strcmp (low, high) == 0)
    return mem_printf (", %s left", high);
  return mem_printf (", %s to %s left", low, high);
}

static char *
amount_words (int64_t n, bool bytes)
{
  return bytes ? standing_bytes (n) : standing_count (n);
}

static char *
known_words (const struct bar *b, const struct bar_style *style, int64_t done,
             int64_t total, bool bytes)
{
  CLEANUP_FREE char *drawn = cells (b->thousandths, style->utf8);
  if (bytes == b->most_bytes && b->most > done)
    done = b->most;
  CLEANUP_FREE char *some = amount_words (done < total ? done : total, bytes);
  CLEANUP_FREE char *all = amount_words (total, bytes);
  CLEANUP_FREE char *left = left_words (b);
  return mem_printf ("%s %3lld %% %s of %s%s%s", drawn,
                     (long long)(b->thousandths / 10), some, all,
                     bytes ? "" : " files", left);
}

static char *
counted_words (const json_t *step)
{
  const json_t *p = json_object_get (step, "progress");
  int64_t files = member (p, "files"), bytes = member (p, "bytes");
  CLEANUP_FREE char *f = standing_count (files);
  CLEANUP_FREE char *b = standing_bytes (bytes);
  if (files < 0 && bytes < 0)
    return mem_strdup ("");
  if (files < 0)
    return mem_strdup (b);
  return bytes < 0 ? mem_printf ("%s files so far", f)
                   : mem_printf ("%s files, %s so far", f, b);
}

/* What makes it faster or slower than the link is, or nothing. */
static char *
causes_words (const json_t *step)
{
  const json_t *p = json_object_get (step, "progress");
  int64_t from = member (p, "packed_from"), to = member (p, "packed_to");
  int64_t slowed = member (p, "slowed_ms");
  CLEANUP_FREE char *packed
      = to > 0 && from > to + to / 20
            ? mem_printf (", compressed %.1fx", (double)from / (double)to)
            : mem_strdup ("");
  int64_t queries = member (p, "queries_ms");
  if (queries > 0)
    return mem_printf (", held back: queries on the source take %lld ms (limit "
                       "%lld ms)",
                       (long long)queries,
                       (long long)member (p, "queries_limit_ms"));
  return slowed > 0 ? mem_printf ("%s, slowed: the source's disk needs %lld ms",
                                  packed, (long long)slowed)
                    : mem_strdup (packed);
}

char *
bar_line (const struct bar *b, const json_t *step,
          const struct bar_style *style)
{
  int64_t done, total;
  bool bytes;
  int64_t elapsed = json_integer_value (json_object_get (step, "elapsed_ms"));
  const char *title = json_string_value (json_object_get (step, "title"));
  bool undo = json_is_true (json_object_get (step, "undo"));
  if (title == NULL)
    title = "?";
  CLEANUP_FREE char *safe = text_escape (title, strlen (title));
  CLEANUP_FREE char *took = standing_duration (elapsed);
  CLEANUP_FREE char *words = amounts (step, &done, &total, &bytes)
                                 ? known_words (b, style, done, total, bytes)
                                 : counted_words (step);
  CLEANUP_FREE char *still = NULL;
  if (words[0] != '\0' && elapsed - b->moved_ms > STILL_MS) {
    CLEANUP_FREE char *t = standing_duration (elapsed - b->moved_ms);
    still = mem_printf (", no progress for %s", t);
  }
  CLEANUP_FREE char *causes = causes_words (step);
  CLEANUP_FREE char *line
      = mem_printf ("  %s%s  %s%s%s%s%s", undo ? "undo: " : "", safe, words,
                    words[0] != '\0' ? "  " : "", took,
                    still != NULL ? still : "", causes);
  return bar_clip (line, style->width, style->utf8);
}
