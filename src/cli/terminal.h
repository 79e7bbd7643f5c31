/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal on stderr: finished lines that stay, and below them a few
 * lines that are drawn again, at most ten times a second.  Where stderr is no
 * terminal, or TERM is dumb, nothing is drawn again: a line per change.
 */
#ifndef REHOME_CLI_TERMINAL_H
#define REHOME_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct terminal {
  bool live;   /* may be drawn again */
  bool colour; /* NO_COLOR is not set, and live */
  bool utf8;
  int width;
  size_t drawn; /* live lines that stand there now */
  int64_t drawn_ms;
};

void terminal_open (struct terminal *t);
/* A line that stays; `mark` is one of '+' (done), '!' (failed), '-' (other). */
void terminal_line (struct terminal *t, char mark, const char *text);
/* The live lines, replaced; nothing where not live, or too early unless
 * `now`. */
void terminal_draw (struct terminal *t, char *const *lines, size_t n, bool now);
/* Removes the live lines. */
void terminal_clear (struct terminal *t);

#endif
