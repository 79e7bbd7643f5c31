/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SQLite database as a sequence of pages, all of one moment: while programs
 * use it, under the locks that SQLite's own library takes; or at rest, where
 * nobody has it open and nothing waits beside it.
 *
 * Format of the file, of its WAL and of the WAL's index in shared memory:
 * sqlite.org/fileformat2.html and sqlite.org/walformat.html.
 *
 * SQLite's locks belong to a process: whoever closes any descriptor of the
 * file in the same process drops them.  So what is here runs in a worker of
 * its own (agent/apart.h), one database at a time.
 */
#ifndef REHOME_AGENT_SQLITE_FILE_H
#define REHOME_AGENT_SQLITE_FILE_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#define LITE_MAGIC "SQLite format 3"
#define LITE_PAGE_MAX ((size_t)65536)
enum { LITE_HEADER = 100, LITE_WAIT_MS = 5000 };

/* Where a database lies: its directory, held, and its name there. */
struct lite_place {
  int dirfd;
  char *path, *leaf;
};
#define LITE_NOWHERE { -1, NULL, NULL }
void lite_place_free (struct lite_place *p);
#define CLEANUP_LITE_PLACE CLEANUP (lite_place_free)
/* Links on the way are followed where root made them (host/chase.h).
 * "RH-SQLITE-NONE": its directory is not there. */
struct err *lite_place_find (const char *path, struct lite_place *out);

/* What the first hundred bytes say. */
struct lite_header {
  bool database; /* it begins as a database does */
  bool wal;
  uint32_t page_size;
  uint32_t changes; /* the file change counter */
  uint32_t user_version, application_id, encoding, vacuum, written_by;
};
void lite_header_read (const unsigned char *bytes, size_t len,
                       struct lite_header *out);

/* A connection; `immutable`: it takes no locks and makes no files.  Nothing
 * that the schema says runs with more rights than a query has. */
struct err *lite_connect (const struct lite_place *p, bool immutable,
                          long wait_ms, sqlite3 **out);
struct err *lite_exec (sqlite3 *db, const char *sql);
/* The first column of the first row; `fallback` where there is none. */
struct err *lite_number (sqlite3 *db, const char *sql, int64_t fallback,
                         int64_t *out);
/* The library's last words on this connection, as an error. */
struct err *lite_failed (sqlite3 *db, const char *doing);
static inline void
cleanup_lite_ (sqlite3 **db)
{
  sqlite3_close (*db);
}
#define CLEANUP_LITE CLEANUP (cleanup_lite_)

/* "RH-SQLITE-HOT": a journal or a WAL with content lies beside the file, so
 * the file alone is not the database. */
struct err *lite_at_rest (const struct lite_place *p);

struct lite_reader {
  const struct lite_place *place;
  sqlite3 *db;        /* NULL: at rest */
  int fd;             /* of the file at rest, or of the WAL; -1 */
  sqlite3_file *file; /* the library's own */
  uint32_t *frames;   /* by page: its last frame in the WAL; 0: in the file */
  struct lite_header header;
  uint64_t pages;
};
#define LITE_READER_NONE { .fd = -1 }

/* `rest`: "RH-SQLITE-HOT" where it is not at rest.  Otherwise a transaction
 * holds the moment: in WAL mode it keeps nobody from anything, else it keeps
 * others from committing ("RH-SQLITE-BUSY": somebody kept us out). */
struct err *lite_reader_open (const struct lite_place *p, bool rest,
                              struct lite_reader *out);
/* `page` from 1; `out` takes header.page_size bytes. */
struct err *lite_reader_page (struct lite_reader *r, uint64_t page,
                              unsigned char *out);
/* Whether reading keeps others from committing. */
bool lite_reader_blocks (const struct lite_reader *r);
/* Lets others commit, and takes the next moment; *same: it holds what the
 * last one held. */
struct err *lite_reader_yield (struct lite_reader *r, bool *same);
void lite_reader_close (struct lite_reader *r);
#define CLEANUP_LITE_READER CLEANUP (lite_reader_close)

#endif
