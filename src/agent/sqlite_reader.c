/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of one moment; see sqlite_file.h.
 *
 * Without a WAL the library's shared lock is enough: nobody writes to the
 * file while it is held.
 *
 * With one, a page is the last frame of it in the WAL up to the frame at
 * which the reading transaction began, else what the file has.  Which frame
 * that is stands in the WAL's index; a second connection holds the writers'
 * lock for the instant in which the transaction begins and the number is
 * read.  While the transaction lasts no checkpoint goes beyond that frame and
 * nobody begins the WAL anew, unless all of it is in the file already: then
 * the file alone is read.
 */
#include "agent/sqlite_file.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
  SHM_REGION = 32768,
  SHM_VERSION = 3007000,
  MX_FRAME = 16, /* offsets in the index, native byte order */
  BACKFILLED = 96,
  WAL_HEADER = 32,
  FRAME_HEADER = 24,
};
#define PAGES_MAX ((uint64_t)1 << 32)
#define YIELD_NS 5000000L

static uint32_t
native (const volatile unsigned char *p)
{
  uint32_t v;
  memcpy (&v, (const unsigned char *)p, sizeof v);
  return v;
}

static struct err *
short_file (void)
{
  return err_new (ERR_TRANSIENT, "RH-SQLITE-OPEN",
                  "the database's WAL ended too soon");
}

static struct err *
read_header (struct lite_reader *r)
{
  unsigned char first[LITE_HEADER] = { 0 };
  if (r->pages > 0) {
    CLEANUP_FREE unsigned char *page = mem_alloc (LITE_PAGE_MAX);
    r->header.page_size = LITE_HEADER; /* only that much */
    if (r->frames != NULL && r->frames[1] != 0) {
      off_t at = WAL_HEADER + FRAME_HEADER;
      int64_t size;
      TRY (lite_number (r->db, "PRAGMA page_size", 0, &size));
      at += (off_t)(r->frames[1] - 1) * (FRAME_HEADER + size);
      if (pread (r->fd, first, sizeof first, at) != sizeof first)
        return short_file ();
    } else {
      TRY (lite_reader_page (r, 1, page));
      memcpy (first, page, sizeof first);
    }
  }
  lite_header_read (first, sizeof first, &r->header);
  return NULL;
}

/* Which frames count: of each page the last one up to `last`. */
static struct err *
read_frames (struct lite_reader *r, uint32_t last, uint32_t page_size)
{
  CLEANUP_FREE char *name = mem_printf ("%s-wal", r->place->leaf);
  void *frames;
  TRY (mem_checked (r->pages + 1, sizeof *r->frames, (size_t)16 << 30,
                    "pages of a database", &frames));
  r->frames = frames;
  r->fd = openat (r->place->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (r->fd < 0)
    return err_sys (errno, "RH-SQLITE-OPEN", "opening the WAL");
  for (uint32_t i = 0; i < last; i++) {
    unsigned char n[4];
    off_t at = WAL_HEADER + (off_t)i * (FRAME_HEADER + (off_t)page_size);
    if (pread (r->fd, n, sizeof n, at) != sizeof n)
      return short_file ();
    uint64_t page = (uint64_t)n[0] << 24 | (uint64_t)n[1] << 16
                    | (uint64_t)n[2] << 8 | n[3];
    if (page > 0 && page <= r->pages)
      r->frames[page] = i + 1;
  }
  return NULL;
}

static struct err *
begin (struct lite_reader *r)
{
  int64_t pages;
  TRY (lite_exec (r->db, "BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1"));
  TRY (lite_number (r->db, "PRAGMA page_count", 0, &pages));
  if (pages < 0 || (uint64_t)pages >= PAGES_MAX)
    return err_new (ERR_CORRUPT, "RH-SQLITE-DAMAGED",
                    "the database has no plausible size");
  r->pages = (uint64_t)pages;
  sqlite3_file_control (r->db, "main", SQLITE_FCNTL_FILE_POINTER, &r->file);
  return NULL;
}

static struct err *
begin_beside_writers (struct lite_reader *r)
{
  CLEANUP_LITE sqlite3 *writer = NULL;
  volatile void *index = NULL;
  uint32_t last, done;
  int64_t page_size;
  TRY (lite_number (r->db, "PRAGMA page_size", 0, &page_size));
  TRY (lite_connect (r->place, false, LITE_WAIT_MS, &writer));
  TRY (lite_exec (writer, "BEGIN IMMEDIATE"));
  TRY (begin (r));
  int rc = r->file->pMethods->iVersion < 2
               ? SQLITE_ERROR
               : r->file->pMethods->xShmMap (r->file, 0, SHM_REGION, 0, &index);
  if (rc != SQLITE_OK || index == NULL
      || native (index) != (uint32_t)SHM_VERSION)
    return err_new (ERR_REFUSED, "RH-SQLITE-OPEN",
                    "the index of the WAL is of another version");
  last = native ((volatile unsigned char *)index + MX_FRAME);
  done = native ((volatile unsigned char *)index + BACKFILLED);
  TRY (lite_exec (writer, "ROLLBACK"));
  return done < last ? read_frames (r, last, (uint32_t)page_size) : NULL;
}

static struct err *
is_wal (sqlite3 *db, bool *out)
{
  sqlite3_stmt *s = NULL;
  int rc = sqlite3_prepare_v2 (db, "PRAGMA journal_mode", -1, &s, NULL);
  if (rc == SQLITE_OK)
    rc = sqlite3_step (s);
  const char *mode = (const char *)sqlite3_column_text (s, 0);
  *out = rc == SQLITE_ROW && mode != NULL && strcmp (mode, "wal") == 0;
  struct err *e
      = rc == SQLITE_ROW ? NULL : lite_failed (db, "asking for the journal");
  sqlite3_finalize (s);
  return e;
}

static struct err *
open_live (struct lite_reader *r)
{
  bool wal;
  TRY (lite_connect (r->place, false, LITE_WAIT_MS, &r->db));
  TRY (is_wal (r->db, &wal));
  TRY (wal ? begin_beside_writers (r) : begin (r));
  TRY (read_header (r));
  r->header.wal = wal;
  return NULL;
}

static struct err *
open_rest (struct lite_reader *r)
{
  struct stat st;
  unsigned char first[LITE_HEADER];
  TRY (lite_at_rest (r->place));
  r->fd = openat (r->place->dirfd, r->place->leaf,
                  O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (r->fd < 0 || fstat (r->fd, &st) != 0 || !S_ISREG (st.st_mode))
    return err_sys (r->fd < 0 ? errno : EINVAL, "RH-SQLITE-NONE", "opening %s",
                    r->place->leaf);
  ssize_t n = pread (r->fd, first, sizeof first, 0);
  lite_header_read (first, n < 0 ? 0 : (size_t)n, &r->header);
  if (r->header.database)
    r->pages = ((uint64_t)st.st_size + r->header.page_size - 1)
               / r->header.page_size;
  else if (st.st_size > 0)
    return err_new (ERR_REFUSED, "RH-SQLITE-NONE", "%s is no SQLite database",
                    r->place->leaf);
  return NULL;
}

struct err *
lite_reader_open (const struct lite_place *p, bool rest,
                  struct lite_reader *out)
{
  out->place = p;
  return rest ? open_rest (out) : open_live (out);
}

static struct err *
read_at (int fd, unsigned char *out, size_t len, off_t at)
{
  size_t have = 0;
  while (have < len) {
    ssize_t n = pread (fd, out + have, len - have, at + (off_t)have);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return err_sys (errno, "RH-SQLITE-OPEN", "reading the database");
    if (n == 0) /* behind the end of the file: never written */
      break;
    have += (size_t)n;
  }
  memset (out + have, 0, len - have);
  return NULL;
}

struct err *
lite_reader_page (struct lite_reader *r, uint64_t page, unsigned char *out)
{
  uint32_t size = r->header.page_size;
  off_t at = (off_t)(page - 1) * (off_t)size;
  if (r->db == NULL)
    return read_at (r->fd, out, size, at);
  if (r->frames != NULL && r->frames[page] != 0) {
    off_t frame = (off_t)(r->frames[page] - 1) * (FRAME_HEADER + (off_t)size);
    return read_at (r->fd, out, size, WAL_HEADER + FRAME_HEADER + frame);
  }
  int rc = r->file->pMethods->xRead (r->file, out, (int)size, at);
  return rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ
             ? NULL
             : err_new (ERR_SYSTEM, "RH-SQLITE-OPEN",
                        "page %llu of the database cannot be read",
                        (unsigned long long)page);
}

bool
lite_reader_blocks (const struct lite_reader *r)
{
  return r->db != NULL && !r->header.wal;
}

struct err *
lite_reader_yield (struct lite_reader *r, bool *same)
{
  struct lite_header before = r->header;
  uint64_t pages = r->pages;
  TRY (lite_exec (r->db, "COMMIT"));
  nanosleep (&(struct timespec){ 0, YIELD_NS }, NULL);
  TRY (begin (r));
  TRY (read_header (r));
  *same = before.changes == r->header.changes && pages == r->pages;
  if (before.page_size != r->header.page_size && pages > 0)
    return err_new (ERR_TRANSIENT, "RH-SQLITE-BUSY",
                    "the database got another page size meanwhile");
  return NULL;
}

void
lite_reader_close (struct lite_reader *r)
{
  if (r->db != NULL)
    sqlite3_close (r->db); /* rolls back, and unlocks */
  if (r->fd >= 0)
    close (r->fd);
  free (r->frames);
}
