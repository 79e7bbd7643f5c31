/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The evidence bundle: one tar of plain files that a stranger can check with
 * VERIFY.sh (src/report/VERIFY.sh), and rehome offline.  docs/EVIDENCE.md
 * lists what is in it.
 *
 * What the journal holds as salted hashes stays so: the bundle has no
 * personal value in it, and erasing one does not touch the bundle.
 */
#ifndef REHOME_REPORT_BUNDLE_H
#define REHOME_REPORT_BUNDLE_H

#include "base/buf.h"
#include "journal/store.h"

#define BUNDLE_MOST_FILES 4096
#define BUNDLE_FILE_MAX ((size_t)1 << 30)

struct bundle_file {
  char *name; /* [A-Za-z0-9._-]+ */
  struct buf bytes;
};

struct bundle {
  struct bundle_file *v;
  size_t n;
};

/* The new file, empty; the bundle's. */
struct buf *bundle_add (struct bundle *b, const char *name);
/* NULL where there is none. */
const struct bundle_file *bundle_find (const struct bundle *b,
                                       const char *name);
void bundle_clear (struct bundle *b);
#define CLEANUP_BUNDLE CLEANUP (bundle_clear)

/* ---- Making one ---- */

struct bundle_from {
  struct store *store;
  const json_t *facts;
  const char *key; /* path of the key that signs; "RH-BUNDLE-NOKEY" */
  /* More files, such as manifests, which are put in as they are; or NULL. */
  struct err *(*more) (void *ctx, struct bundle *b);
  void *ctx;
  const char *token; /* path of an RFC 3161 answer for head.txt, or NULL */
};

struct bundle_made {
  char sha256[65];
  json_t *signers; /* fingerprints, each once */
};

/* Writes the bundle beside `path` and renames it there, durable. */
struct err *bundle_write (const struct bundle_from *from, const char *path,
                          struct bundle_made *out);

/* bundle_archive.c: the tar (POSIX ustar, sorted, owner 0, one time). */
struct err *archive_write (const struct bundle *b, int64_t time_s,
                           struct buf *out);
/* Anything but plain, small, singly named files is "RH-BUNDLE-FORM". */
struct err *archive_read (const char *path, struct bundle *out);

/* ---- Checking one ---- */

struct bundle_checked {
  uint64_t records;
  char first[65], head[65], sha256[65];
  unsigned witnesses;
  unsigned approvals;
  json_t *signers; /* fingerprints of those whose signatures hold */
  bool stamped;    /* it holds a time stamp, which is not checked here */
};

/* `sha256` and `signers` (comma-separated) as they were noted when it was
 * made; NULL: not compared.  Whatever is not as it was is "RH-BUNDLE-CHANGED",
 * or "RH-JOURNAL-CHAIN". */
struct err *bundle_verify (const char *path, const char *sha256,
                           const char *signers, struct bundle_checked *out);

#endif
