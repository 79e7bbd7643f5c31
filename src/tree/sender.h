/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of tree_send: what the walk over everything (send.c) and the visit
 * of named paths (send_hinted.c) share.
 */
#ifndef REHOME_TREE_SENDER_H
#define REHOME_TREE_SENDER_H

#include "base/vec.h"
#include "tree/blocks.h"
#include "tree/canon.h"
#include "tree/content.h"
#include "tree/detail.h"
#include "tree/halfway.h"
#include "tree/index.h"
#include "tree/links.h"
#include "tree/overlay.h"
#include "tree/prealloc.h"
#include "tree/records.h"
#include "tree/send.h"
#include "tree/walk.h"

/* A directory on the way to the present entry. */
struct parent {
  struct entry_box box;
  bool sent;
};

struct sender {
  const struct tree_send *a;
  struct tree_watch *watch;
  struct walk *walk; /* of a visit: only what could not be read is noted */
  int dirfd;         /* where the present entry lies */
  const char *name;
  struct index *base;
  struct index_writer *index;
  struct overlay_writer *over; /* of a visit or a final round, in place of
                                  `index` */
  bool named; /* of a visit: the watcher named the present entry */
  const struct tree_entry *known; /* what the base has of the entry */
  struct record_writer rec;
  struct links links;
  struct detail detail;
  struct digest *digest;
  struct canon canon; /* of a final round */
  struct prealloc prealloc;
  struct blocks_writer *learnt; /* of the file that is sent whole, or NULL */
  struct halfway *halfway;      /* of a first copy: what was sent */
  uint64_t skip;                /* bytes of the file that the target has */
  uint64_t patched;             /* bytes that patches of this round replace */
  unsigned char *chunk;
  VEC (struct parent) parents; /* the first `depth` are valid */
  size_t depth;
  struct buf gone; /* paths, each with its NUL */
  VEC (size_t) gone_at;
  json_t *dirty_paths;
  uint64_t entries, files, bytes, walked, dirty, vanished, left;
};

/* Counts an entry; "RH-TREE-CANCELLED". */
struct err *sender_meet (struct sender *s, const struct tree_entry *e);
/* Sends what of an entry differs from what is `known` of it (or NULL), and
 * notes it in the new index. */
struct err *sender_entry (struct sender *s, struct tree_entry *e,
                          const struct tree_entry *known);
/* Notes (`ctx`: the sender) that an entry of the base is no more. */
struct err *sender_gone (void *ctx, const struct tree_entry *e);

/* send_entry.c: how an entry ends. */
struct tree_time sender_now (void);
bool sender_listed (const struct paths *p, const struct tree_entry *e);
/* The directories on the way to what is written: the receiver sets their
 * times behind it. */
struct err *sender_parents (struct sender *s);
/* The entry, behind the directories on the way to it. */
struct err *sender_send (struct sender *s, enum tree_record type,
                         const struct tree_entry *e);
/* It is as it was: named in a listing. */
struct err *sender_keep (struct sender *s, const struct tree_entry *e);
/* Into the new index, and on the stack. */
struct err *sender_finish (struct sender *s, const struct tree_entry *e,
                           bool sent);
/* It changed while it was read; "RH-TREE-CHANGING" in a final round. */
struct err *sender_dirty (struct sender *s, struct tree_entry *e);
/* It is gone or cannot be read; takes `why`. */
struct err *sender_failed (struct sender *s, const struct tree_entry *e,
                           const struct tree_entry *known, struct err *why);

/* send_file.c: a regular file that is not as it was known. */
struct err *sender_file (struct sender *s, struct tree_entry *e,
                         const struct tree_entry *known);

/* send_patch.c: the blocks of a large file that changed.  PATCH_CANNOT: nothing
 * was sent, the file is to be sent whole. */
enum sender_patched { PATCH_CANNOT, PATCH_SAME, PATCH_SENT };
struct err *sender_patch (struct sender *s, int fd, struct tree_entry *e,
                          const struct tree_entry *known, uint64_t *got,
                          enum sender_patched *how);

/* send_hinted.c: goes where the hints lead. */
struct err *sender_visit (struct sender *s);

#endif
