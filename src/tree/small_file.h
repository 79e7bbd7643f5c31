/* SPDX-License-Identifier: Apache-2.0 */
/* One whole small file, made with as few system calls as its metadata lets. */
#ifndef REHOME_TREE_SMALL_FILE_H
#define REHOME_TREE_SMALL_FILE_H

#include "tree/entry.h"

/* What this process makes files with. */
struct small_file_us {
  uint32_t uid, gid, mask;
};

/* Makes the file of `e` in `dirfd` under the last component of its path, after
 * its content was found to have the XXH3-128; what has the name is removed.
 * `plain` as place_dir_plain.  *lost (caller frees): attributes that the
 * filesystem does not take, or NULL.  Errors: RH-TREE-CORRUPT,
 * RH-TREE-NOSPACE, RH-TREE-WRITE, RH-TREE-META, each with the path.  Any
 * thread. */
struct err *small_file_write (const struct small_file_us *us, int dirfd,
                              bool plain, const struct tree_entry *e,
                              const void *data, size_t len,
                              const unsigned char xxh[16], char **lost);

#endif
