/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a keeper and this host know about a tree before a round sends it:
 * which paths to visit, or why everything has to be walked, and which files
 * are mapped for writing, whose stores no watcher and no time stamp tell.
 */
#ifndef REHOME_AGENT_HINTING_H
#define REHOME_AGENT_HINTING_H

#include "base/err.h"
#include "tree/hints.h"
#include "tree/paths.h"
#include "wire/json.h"

#include <stdbool.h>

/* So many rounds follow hints, or for so long, before one walks again. */
#define HINTED_ROUNDS_MAX 50
#define HINTED_AGE_MS 900000

struct hinting {
  const char *id; /* migration; NULL: no watcher was asked for */
  const char *root;
  const char *index;
  char filter[17]; /* digest of what is left out */
  int64_t round;
  bool hinted; /* `hints` hold, and are sealed */
  struct hints hints;
  char *why; /* else: a word, or a code and its message */
};

/* `can`: the round could follow hints (it has a base, and nothing special is
 * asked of it; `cannot` says why not).  Starts a keeper where there is none.
 * Never fails: without hints the round walks. */
void hinting_begin (struct hinting *h, bool can, const char *cannot,
                    const json_t *exclude);
/* Adds the files that are mapped for writing below the root: to `reread`
 * (which is empty), and to the hints. */
struct err *hinting_mapped (struct hinting *h, struct paths *reread);
/* Adds the files that are read in any case to the hints. */
void hinting_reread (struct hinting *h, const struct paths *reread);
/* Adds `hinted` and `why_full` to the result of the round; where names lie
 * outside of what is watched, the next round walks. */
void hinting_end (struct hinting *h, json_t *result);
void hinting_clear (struct hinting *h);

/* The round's index is in force. */
void hinting_commit (const char *id, const char *index, int64_t round);

#endif
