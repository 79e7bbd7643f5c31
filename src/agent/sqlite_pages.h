/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of the digests of a database's pages: what one host tells the other,
 * so that only pages that differ travel.
 *
 * A list: "RHPG", page size (4), pages (8), then the XXH3-128 (canonical, 16)
 * of each page.  Its sum is the XXH3-128 of the digests and the head behind
 * them, in hex.  Numbers are
 * little-endian.  Beside the indexes of a migration lie, of an index NAME:
 *   NAME.theirs  the list of the other host's copy, for a sender
 *   NAME.now     that of our copy as it was just read
 *   NAME.pages   that of our copy as the last round left it: a page that
 *                differs from it was written by somebody else
 *   NAME.ours    there while what lies at the place was made by us: its path
 */
#ifndef REHOME_AGENT_SQLITE_PAGES_H
#define REHOME_AGENT_SQLITE_PAGES_H

#include "agent/sqlite_file.h"
#include "wire/json.h"
#include "wire/stream.h"

#include <stdbool.h>
#include <stdio.h>
#include <xxhash.h>

enum { LITE_LIST_HEAD = 16, LITE_DIGEST = 16, LITE_TOUCHED_MAX = 20 };

/* Where a migration's lists lie; the caller frees. */
struct err *lite_list_dir (const json_t *args, char **dir, const char **index);
struct err *lite_list_path (const char *dir, const char *index,
                            const char *suffix, char **out);

/* A list that is read from its first page on. */
struct lite_list {
  FILE *file; /* NULL: there is none, or one that is not whole */
  uint32_t page_size;
  uint64_t pages, at;
};
struct err *lite_list_open (const char *path, struct lite_list *out);
/* The digest of the next page; false behind the last one. */
bool lite_list_next (struct lite_list *l, unsigned char digest[LITE_DIGEST]);
void lite_list_close (struct lite_list *l);
#define CLEANUP_LITE_LIST CLEANUP (lite_list_close)
void lite_list_head (uint32_t page_size, uint64_t pages,
                     unsigned char out[LITE_LIST_HEAD]);
/* Page size and number, refused where they cannot be. */
struct err *lite_list_check (const unsigned char head[LITE_LIST_HEAD],
                             uint32_t *page_size, uint64_t *pages);

/* The sum, as a list goes by. */
struct lite_sum {
  XXH3_state_t *state;
};
void lite_sum_begin (struct lite_sum *s);
void lite_sum_add (struct lite_sum *s, const void *data, size_t len);
/* New string. */
char *lite_sum_text (struct lite_sum *s);
void lite_sum_clear (struct lite_sum *s);
#define CLEANUP_LITE_SUM CLEANUP (lite_sum_clear)
void lite_digest (const void *page, size_t len, unsigned char out[LITE_DIGEST]);

/* Who is told, and may stop it. */
struct lite_watch {
  void (*tick) (void *ctx, json_t *progress);
  bool (*cancelled) (void *ctx);
  void *ctx;
  uint64_t sent;
};
/* Every 256 pages: tells `page` of `pages`; an error once cancelled. */
struct err *lite_watch_page (struct lite_watch *w, uint64_t page,
                             uint64_t pages, uint32_t page_size);

/* Reads a database at rest (what is no database gives a list of no page) and
 * streams its list; with `dir` writes NAME.now and compares with NAME.pages.
 * `disk`: what the system holds in memory is not believed.  *result:
 * docs/PROTOCOL.md. */
struct lite_pages {
  const struct lite_place *place;
  const char *dir, *index; /* NULL: nothing is kept */
  bool disk;
};
struct err *lite_pages_stream (const struct lite_pages *a, struct sink *out,
                               struct lite_watch *w, json_t **result);
/* The other host's: takes such a stream as NAME.theirs. */
struct err *lite_pages_keep (const char *dir, const char *index,
                             struct source *in, json_t **result);

#endif
