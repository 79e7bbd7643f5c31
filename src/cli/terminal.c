/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal on stderr. */
#include "cli/terminal.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/bar.h"
#include "cli/guard.h"
#include "exec/clock.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

static int
width_now (void)
{
  struct winsize ws;
  const char *columns = getenv ("COLUMNS");
  if (ioctl (STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
    return ws.ws_col;
  int n = columns != NULL ? atoi (columns) : 0;
  return n > 0 ? n : 80;
}

void
terminal_open (struct terminal *t)
{
  const char *term = getenv ("TERM");
  const char *no_colour = getenv ("NO_COLOR");
  memset (t, 0, sizeof *t);
  setlocale (LC_CTYPE, "");
  t->utf8 = strcmp (nl_langinfo (CODESET), "UTF-8") == 0;
  t->live
      = isatty (STDERR_FILENO) && term != NULL && strcmp (term, "dumb") != 0;
  t->colour = t->live && (no_colour == NULL || no_colour[0] == '\0');
  t->width = width_now ();
}

void
terminal_clear (struct terminal *t)
{
  for (; t->drawn > 0; t->drawn--)
    guard_obeyed ("\033[1A\033[2K");
}

static const char *
mark_text (const struct terminal *t, char mark)
{
  if (mark == '+')
    return t->utf8 ? "\xe2\x9c\x93" : "ok";
  if (mark == '!')
    return t->utf8 ? "\xe2\x9c\x97" : "FAILED";
  return t->utf8 ? "\xc2\xb7" : "-";
}

void
terminal_line (struct terminal *t, char mark, const char *text)
{
  const char *colour = mark == '+'   ? "\033[32m"
                       : mark == '!' ? "\033[31m"
                                     : "\033[2m";
  terminal_clear (t);
  if (t->colour)
    guard_obeyed (colour);
  fputs (mark_text (t, mark), stderr);
  if (t->colour)
    guard_obeyed ("\033[0m");
  fprintf (stderr, " %s\n", text);
  fflush (stderr);
}

void
terminal_draw (struct terminal *t, char *const *lines, size_t n, bool now)
{
  int64_t ms = clock_boot_ms ();
  if (!t->live || (!now && ms - t->drawn_ms < 100))
    return;
  terminal_clear (t);
  t->width = width_now ();
  for (size_t i = 0; i < n; i++) {
    CLEANUP_FREE char *clipped = bar_clip (lines[i], t->width - 1, t->utf8);
    fprintf (stderr, "%s\n", clipped);
  }
  t->drawn = n;
  t->drawn_ms = ms;
  fflush (stderr);
}
