/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving a file on the target its metadata, in the order that keeps it:
 * owner, mode, attributes and ACLs, times; inode flags apart, at the end of
 * all.  Ids in the entry are the target's already.
 */
#ifndef REHOME_TREE_META_H
#define REHOME_TREE_META_H

#include "base/err.h"
#include "tree/entry.h"

/* *lost as in xattrs_apply_fd. */
struct err *meta_apply_fd (int fd, const struct tree_entry *e, char **lost);
/* For links, fifos, sockets and devices: the name is never followed. */
struct err *meta_apply_at (int dirfd, const char *name,
                           const struct tree_entry *e, char **lost);
/* Only the modification time of an open directory. */
struct err *meta_set_mtime (int fd, struct tree_time mtime);
/* Sets the carried inode flags of an open file to `iflags`: 0 or an errno. */
int meta_set_flags (int fd, uint32_t iflags);
/* Takes immutable and append-only from a name where it has them; nothing
 * else is said where it cannot. */
void meta_unlock (int dirfd, const char *name);

/* As meta_apply_fd for a file that was just made in a directory that hands
 * nothing down: it has neither attributes nor a project. */
struct err *meta_apply_new (int fd, const struct tree_entry *e, char **lost);
/* The last of what they do. */
struct err *meta_set_times (int fd, const struct tree_entry *e);
/* Bits that files are made without in this process. */
uint32_t meta_umask (void);

#endif
