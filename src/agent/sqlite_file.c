/* SPDX-License-Identifier: Apache-2.0 */
/* Places, headers and connections; see sqlite_file.h. */
#include "agent/sqlite_file.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/chase.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

void
lite_place_free (struct lite_place *p)
{
  if (p->dirfd >= 0)
    close (p->dirfd);
  free (p->path);
  free (p->leaf);
}

struct err *
lite_place_find (const char *path, struct lite_place *out)
{
  CLEANUP_FREE char *shown = text_escape (path, strlen (path));
  struct err *e = chase_parent (path, false, &out->dirfd, &out->leaf);
  out->path = mem_strdup (path);
  if (e == NULL || (err_errno (e) != ENOENT && err_errno (e) != ENOTDIR))
    return e;
  err_free (e);
  return err_new (ERR_REFUSED, "RH-SQLITE-NONE", "%s is not there", shown);
}

static uint32_t
big (const unsigned char *p)
{
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8
         | p[3];
}

void
lite_header_read (const unsigned char *bytes, size_t len,
                  struct lite_header *out)
{
  memset (out, 0, sizeof *out);
  if (len < LITE_HEADER || memcmp (bytes, LITE_MAGIC, sizeof LITE_MAGIC) != 0)
    return;
  uint32_t size = (uint32_t)bytes[16] << 8 | bytes[17];
  out->page_size = size == 1 ? 65536 : size;
  out->database
      = out->page_size >= 512 && (out->page_size & (out->page_size - 1)) == 0;
  out->wal = bytes[18] == 2 || bytes[19] == 2;
  out->changes = big (bytes + 24);
  out->vacuum = big (bytes + 52);
  out->encoding = big (bytes + 56);
  out->user_version = big (bytes + 60);
  out->application_id = big (bytes + 68);
  out->written_by = big (bytes + 96);
}

struct err *
lite_failed (sqlite3 *db, const char *doing)
{
  int code = sqlite3_errcode (db) & 0xff;
  const char *said = sqlite3_errmsg (db);
  CLEANUP_FREE char *shown = text_escape (said, strlen (said));
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
    return err_new (ERR_TRANSIENT, "RH-SQLITE-BUSY",
                    "%s: another program holds the database locked (%s)", doing,
                    shown);
  if (code == SQLITE_INTERRUPT)
    return err_new (ERR_TRANSIENT, "RH-AGENT-CANCELLED", "%s was cancelled",
                    doing);
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
    return err_new (ERR_REFUSED, "RH-SQLITE-DAMAGED", "%s: %s", doing, shown);
  return err_new (ERR_SYSTEM, "RH-SQLITE-OPEN", "%s: %s", doing, shown);
}

/* A name in the working directory as a URI. */
static char *
uri_of (const char *leaf)
{
  static const char hex[] = "0123456789ABCDEF";
  char *out = mem_alloc (3 * strlen (leaf) + 32), *p = out;
  p = stpcpy (p, "file:./");
  for (; *leaf != 0; leaf++)
    if (strchr ("%?#", *leaf) != NULL) {
      *p++ = '%';
      *p++ = hex[(unsigned char)*leaf >> 4];
      *p++ = hex[*leaf & 15];
    } else
      *p++ = *leaf;
  stpcpy (p, "?immutable=1");
  return out;
}

static struct err *
settings (sqlite3 *db, long wait_ms)
{
  sqlite3_extended_result_codes (db, 1);
  sqlite3_busy_timeout (db, (int)wait_ms);
  sqlite3_db_config (db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  sqlite3_db_config (db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
  sqlite3_db_config (db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
  return lite_exec (db, "PRAGMA temp_store=MEMORY");
}

struct err *
lite_connect (const struct lite_place *p, bool immutable, long wait_ms,
              sqlite3 **out)
{
  CLEANUP_FREE char *uri = uri_of (p->leaf);
  int flags = SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_FULLMUTEX;
  int how = immutable ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI
                      : SQLITE_OPEN_READWRITE;
  if (fchdir (p->dirfd) != 0)
    return err_sys (errno, "RH-SQLITE-OPEN", "entering a directory");
  CLEANUP_FREE char *plain = mem_printf ("./%s", p->leaf);
  const char *name = immutable ? uri : plain;
  if (sqlite3_open_v2 (name, out, flags | how, NULL) != SQLITE_OK)
    return lite_failed (*out, "opening the database");
  return settings (*out, wait_ms);
}

struct err *
lite_exec (sqlite3 *db, const char *sql)
{
  if (sqlite3_exec (db, sql, NULL, NULL, NULL) == SQLITE_OK)
    return NULL;
  return lite_failed (db, sql);
}

struct err *
lite_number (sqlite3 *db, const char *sql, int64_t fallback, int64_t *out)
{
  sqlite3_stmt *s = NULL;
  int rc = sqlite3_prepare_v2 (db, sql, -1, &s, NULL);
  if (rc == SQLITE_OK)
    rc = sqlite3_step (s);
  *out = rc == SQLITE_ROW ? sqlite3_column_int64 (s, 0) : fallback;
  struct err *e
      = rc == SQLITE_ROW || rc == SQLITE_DONE ? NULL : lite_failed (db, sql);
  sqlite3_finalize (s);
  return e;
}

/* A journal whose header is zeroed, as persistent ones are, holds nothing. */
static struct err *
check_beside (const struct lite_place *p, const char *suffix)
{
  CLEANUP_FREE char *name = mem_printf ("%s%s", p->leaf, suffix);
  CLEANUP_FD int fd
      = openat (p->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT)
    return NULL;
  unsigned char first = 0;
  if (fd >= 0 && pread (fd, &first, 1, 0) >= 0 && first == 0)
    return NULL;
  CLEANUP_FREE char *shown = text_escape (p->path, strlen (p->path));
  return err_advise (
      err_new (ERR_REFUSED, "RH-SQLITE-HOT",
               "beside %s lies %s with changes that are not in it yet", shown,
               name),
      NULL, "stop what uses the database, then open it once with sqlite3");
}

struct err *
lite_at_rest (const struct lite_place *p)
{
  TRY (check_beside (p, "-journal"));
  return check_beside (p, "-wal");
}
