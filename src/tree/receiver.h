/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of tree_receive: what the records of the stream (receive.c) and what
 * outlives an interruption (receive_again.c: patches, checkpoints, files that
 * go on) share.
 */
#ifndef REHOME_TREE_RECEIVER_H
#define REHOME_TREE_RECEIVER_H

#include "tree/apply_patch.h"
#include "tree/claim.h"
#include "tree/content.h"
#include "tree/flusher.h"
#include "tree/index.h"
#include "tree/made.h"
#include "tree/makers.h"
#include "tree/receive.h"
#include "tree/records.h"
#include "tree/resume_point.h"
#include "tree/touched.h"

struct receiver {
  const struct tree_receive *a;
  struct tree_watch *watch;
  struct record_reader in;
  struct tree_head head;
  struct claim claim;
  struct place *place;
  struct applier applier;
  struct flusher *flusher;
  struct makers *makers;  /* of small files in a first copy; else NULL */
  bool small;             /* the file under way is theirs */
  struct entry_box given; /* its entry */
  struct patcher patcher;
  struct digest *digest;
  struct buf acl;
  struct buf last; /* path of the last entry or deletion */
  bool any_entry;
  bool deleting;
  uint64_t to_delete;
  struct touched touched;
  struct made *made;        /* where the place is also others'; else NULL */
  struct index_writer *got; /* NULL: extras need not be looked for */
  char *got_path;
  uint64_t entries, files, deleted;
  struct resume_point upto; /* of the copy that goes on; else none */
  /* When the last checkpoint was, and what had been written then. */
  bool applying; /* a record was taken, and not all of it done */
  int64_t checked_ms;
  uint64_t checked_bytes;
};

/* receive.c: checks an entry, translates its owners, and counts it. */
struct err *receiver_entry (struct receiver *r, struct tree_entry *e);
/* Everything written so far is on the disk. */
struct err *receiver_sync (const struct receiver *r);
uint64_t receiver_written (const struct receiver *r);

/* receive_again.c */
struct err *receiver_patch (struct receiver *r, struct cursor *c);
struct err *receiver_blocks (struct receiver *r, struct cursor *c);
/* A half-sent file goes on. */
struct err *receiver_rest (struct receiver *r, struct cursor *c);
/* Puts back what an interrupted round wrote in place. */
struct err *receiver_undo (struct receiver *r);
/* Between two records, of a first copy: now and then what was written is made
 * durable, and noted how far that is. */
struct err *receiver_checkpoint (struct receiver *r, bool now);

#endif
