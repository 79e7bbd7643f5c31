/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making single objects on the target: directly in a first copy, else under a
 * temporary name in ROOT/.rehome-tmp and renamed.
 */
#ifndef REHOME_TREE_APPLY_H
#define REHOME_TREE_APPLY_H

#include "tree/place.h"

struct applier {
  struct place *place;
  int parent;
  const char *leaf;
  bool direct;      /* first copy: in place */
  bool single;      /* the root is not a directory */
  bool no_trees;    /* a directory that holds something is not replaced */
  char *single_tmp; /* temporary name beside a single root */
  int tmp;          /* descriptor of the temporary directory, or -1 */
  uint64_t serial;
  /* The file that is being written. */
  int fd;
  bool in_place; /* it goes on where it lies */
  struct entry_box file;
  uint64_t at;       /* bytes so far */
  uint64_t expected; /* bytes in the whole stream, 0 where not known */
  uint64_t bytes;    /* written so far, in all */
  int dirfd;
  char name[TREE_NAME_MAX + 32]; /* under which it is written */
};

void applier_start (struct applier *a, struct place *place, int parent,
                    const char *leaf, bool direct);
/* Removes what an interrupted receive left under temporary names at the root
 * LEAF in `parent`. */
struct err *apply_sweep (int parent, const char *leaf);
/* Directory, link, fifo, socket, device, or a further name of a file. */
struct err *apply_object (struct applier *a, const struct tree_entry *e);
/* Metadata of a file whose content stays. */
struct err *apply_meta (struct applier *a, const struct tree_entry *e);
struct err *apply_file_begin (struct applier *a, const struct tree_entry *e);
/* A file in place of which the first `offset` bytes are there: opened, not
 * made. */
struct err *apply_file_go_on (struct applier *a, const struct tree_entry *e,
                              uint64_t offset);
struct err *apply_file_data (struct applier *a, const void *data, size_t len);
struct err *apply_file_hole (struct applier *a, uint64_t len);
/* Blocks for a stretch, within the file or beyond its end. */
struct err *apply_file_alloc (struct applier *a, uint64_t at, uint64_t len);
struct err *apply_file_end (struct applier *a, uint64_t size);
/* *removed is false where it was not there. */
struct err *apply_delete (struct applier *a, const char *path, size_t len,
                          bool *removed);
/* Removes whatever has the name: 0 or an errno. */
int apply_remove_any (int dirfd, const char *name);
/* "RH-TREE-WRITE", or "RH-TREE-NOSPACE" with how many bytes are missing at
 * least (0: not known). */
struct err *apply_write_err (int errnum, const char *what, const char *path,
                             size_t len, uint64_t missing);
/* Removes the temporary directory. */
struct err *applier_finish (struct applier *a);
void applier_clear (struct applier *a);

#endif
