/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending a tree, whole or what changed since the acknowledged index.
 *
 * A new index is left beside the old one (NAME.new-ROUND); tree_commit makes
 * it the acknowledged one (NAME.acked) once the receiver has answered.
 */
#ifndef REHOME_TREE_SEND_H
#define REHOME_TREE_SEND_H

#include "tree/filter.h"
#include "tree/hints.h"
#include "tree/idmap.h"
#include "tree/paths.h"
#include "tree/resume_point.h"
#include "tree/watch.h"
#include "wire/stream.h"

struct tree_send {
  const char *root;            /* absolute */
  const struct filter *filter; /* or NULL */
  const struct paths *force;   /* sent in any case; or NULL */
  const struct paths *reread;  /* read in any case (mapped files); or NULL */
  const char *index_dir;
  const char *index; /* name in index_dir */
  int64_t round;
  bool base; /* what changed since the acknowledged index;
                "RH-TREE-NOBASE" where there is none that is whole */
  /* Of a first copy: not 0 where it is to be taken up again when it is
   * interrupted; and the point from which it goes on, or NULL.  Then `base` and
   * `listing` are set, and the base is what was sent up to there. */
  int64_t attempt;
  const struct resume_point *resume;
  bool listing; /* and the names of the rest, so that the receiver can remove
                   what an interrupted round left */
  bool atimes;  /* carry the times of last access, too */
  bool patch;   /* of large files only the blocks that changed; block indexes
                   are kept */
  bool grown;   /* a file that grew may be taken for one that was appended to:
                   a final round follows, and reads all of it */
  bool final;   /* a file that changes meanwhile is "RH-TREE-CHANGING"; the
                   result has the digest of the tree (tree/canon.h) */
  const struct idmaps *maps; /* for that digest; NULL: none is made */
  /* Sealed: only these paths are visited, and the round becomes a segment
   * above the acknowledged index (NAME.some-ROUND until then).  NULL: all is
   * walked.  Only with `base`, and without `listing`. */
  const struct hints *hints;
};

/* *result as docs/PROTOCOL.md has it.  What cannot be read is passed over and
 * is "RH-TREE-UNREADABLE" at the end; there is no new index then. */
struct err *tree_send (const struct tree_send *a, struct sink *out,
                       struct tree_watch *watch, json_t **result);
struct err *tree_commit (const char *index_dir, const char *index,
                         int64_t round);
/* Removes all index files of that name. */
struct err *tree_drop (const char *index_dir, const char *index);

#endif
