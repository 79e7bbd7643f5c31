/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One running step as one line of a terminal: a bar where the total is known,
 * what was counted so far where not; clipped to the width, never wrapped.
 * Pure.
 */
#ifndef REHOME_CLI_BAR_H
#define REHOME_CLI_BAR_H

#include "wire/json.h"

#include <stdbool.h>
#include <stdint.h>

/* What is remembered of a step between two redraws. */
struct bar {
  int64_t thousandths;               /* done, of 1000; never goes back */
  int64_t left_low_ms, left_high_ms; /* estimate; -1: none yet */
  int64_t seen_done, seen_ms;        /* for the rate of the last while */
  int64_t last_done, moved_ms;       /* when something last moved */
  int64_t most;                      /* of `done`, in what is shown now: the */
  bool most_bytes;                   /* receiver counts behind the sender */
};

struct bar_style {
  int width;
  bool utf8;
};

/* Takes a running step as the owner tells it: {"title", "elapsed_ms",
 * "progress": {"files", "bytes", "of_files", "of_bytes"}}. */
void bar_take (struct bar *b, const json_t *step);
/* The line, without a newline; the caller frees. */
char *bar_line (const struct bar *b, const json_t *step,
                const struct bar_style *style);
/* At most `width` columns of `text`; the caller frees. */
char *bar_clip (const char *text, int width, bool utf8);
/* Columns that a text takes. */
int bar_columns (const char *text);

#endif
