/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a filesystem can hold, found out by trying: the
 * receiver's own directory is made where the root lies or would lie, and
 * removed again.  And
 * what of it a tree uses, for those things that are lacking.
 */
#ifndef REHOME_TREE_PROBE_H
#define REHOME_TREE_PROBE_H

#include "base/err.h"
#include "tree/entry.h"
#include "wire/json.h"

/* What may be lacking; probe_word gives its name on the wire. */
enum probe_what {
  PROBE_OWNER,    /* numeric owners */
  PROBE_MODE,     /* permission bits */
  PROBE_USER,     /* user.* attributes */
  PROBE_TRUSTED,  /* trusted.* */
  PROBE_SECURITY, /* security.* */
  PROBE_ACL,
  PROBE_CAPABILITY,
  PROBE_FLAGS,   /* immutable, append, nodump */
  PROBE_PROJECT, /* project ids */
  PROBE_NANOSECONDS,
  PROBE_OLD,   /* times before 1970 */
  PROBE_Y2038, /* times after 2038-01-19 */
  PROBE_Y2106, /* times after 2106-02-07 */
  PROBE_HOLES,
  PROBE_SPECIAL, /* fifos, sockets, devices; from here on: cannot be copied */
  PROBE_SYMLINK,
  PROBE_HARDLINK,
  PROBE_CASE,      /* two names that differ in case alone */
  PROBE_LONG_NAME, /* names of 255 bytes */
  PROBE_ODD_NAME,  /* names that are not UTF-8, with control bytes and such */
  PROBE_BIG,       /* files of 4 GiB and more */
  PROBE_COUNT
};
const char *probe_word (enum probe_what w);

/* *result: {"lacks": [words], "filesystem"}.  `root` is absolute. */
struct err *probe_root (const char *root, json_t **result);

/* Counts, while a tree is walked, what needs something of `words`. */
struct probe_uses;
struct err *probe_uses_new (const json_t *words, struct probe_uses **out);
/* An entry as a walk gives it, which lies as `name` in `dirfd`. */
void probe_uses_take (struct probe_uses *u, int dirfd, const char *name,
                      const struct tree_entry *e);
/* One as an index gives it, which has its attributes. */
void probe_uses_take_known (struct probe_uses *u, const struct tree_entry *e);
/* {word: {"count", "paths": [encoded, relative]}}; new reference. */
json_t *probe_uses_result (const struct probe_uses *u);
void probe_uses_free (struct probe_uses *u);
static inline void
cleanup_probe_uses_ (struct probe_uses **u)
{
  probe_uses_free (*u);
}

#endif
