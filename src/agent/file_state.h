/* SPDX-License-Identifier: Apache-2.0 */
/* What a name in a directory is, as file.stat, file.read and file.list tell
 * it.  Links are never followed, and nothing but files and directories is
 * opened. */
#ifndef REHOME_AGENT_FILE_STATE_H
#define REHOME_AGENT_FILE_STATE_H

#include "wire/json.h"

#include <sys/stat.h>

/* Small files only. */
#define FILE_SMALL ((size_t)4 << 20)

/* "file", "dir", "link", "fifo", "socket", "char" or "block". */
const char *file_type_name (mode_t mode);

/* The object of file.stat; with `content` that of file.read, which is for
 * regular files of at most FILE_SMALL bytes ("RH-FILE-TYPE",
 * "RH-FILE-SIZE").  A name that is not there gives {exists: false}. */
struct err *file_state (int dirfd, const char *name, bool content,
                        json_t **out);

/* The target of a link; the caller frees; NULL with errno. */
char *file_link_target (int dirfd, const char *name);

/* The extended attributes of a name, values in base64. */
struct err *file_xattrs (int dirfd, const char *name, json_t **out);

#endif
