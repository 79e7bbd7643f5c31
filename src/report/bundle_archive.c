/* SPDX-License-Identifier: Apache-2.0 */
/* The bundle's container: a POSIX tar, by libarchive. */
#include "report/bundle.h"

#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

static struct err *
broken (struct archive *a, enum err_class cls, const char *code,
        const char *doing)
{
  const char *why = archive_error_string (a);
  return err_new (cls, code, "%s: %s", doing, why != NULL ? why : "broken");
}

/* ---- Writing ---- */

static la_ssize_t
take_bytes (struct archive *a, void *ctx, const void *bytes, size_t len)
{
  struct buf *out = ctx;
  CLEANUP_ERR struct err *e = buf_put (out, bytes, len);
  (void)a;
  return e == NULL ? (la_ssize_t)len : -1;
}

static int
put_one (struct archive *a, const struct bundle_file *f, int64_t time_s)
{
  struct archive_entry *e = archive_entry_new ();
  archive_entry_set_pathname (e, f->name);
  archive_entry_set_size (e, (la_int64_t)f->bytes.len);
  archive_entry_set_filetype (e, AE_IFREG);
  archive_entry_set_perm (e, 0644);
  archive_entry_set_mtime (e, time_s, 0);
  int status = archive_write_header (a, e);
  archive_entry_free (e);
  if (status == ARCHIVE_OK && f->bytes.len > 0
      && archive_write_data (a, f->bytes.data, f->bytes.len)
             != (la_ssize_t)f->bytes.len)
    status = ARCHIVE_FATAL;
  return status;
}

struct err *
archive_write (const struct bundle *b, int64_t time_s, struct buf *out)
{
  struct archive *a = archive_write_new ();
  struct err *e = NULL;
  int status = archive_write_set_format_ustar (a);
  if (status == ARCHIVE_OK)
    status = archive_write_set_bytes_in_last_block (a, 1);
  if (status == ARCHIVE_OK)
    status = archive_write_open (a, out, NULL, take_bytes, NULL);
  for (size_t i = 0; status == ARCHIVE_OK && i < b->n; i++)
    status = put_one (a, &b->v[i], time_s);
  if (status == ARCHIVE_OK)
    status = archive_write_close (a);
  if (status != ARCHIVE_OK)
    e = broken (a, ERR_SYSTEM, "RH-BUNDLE-WRITE", "while making the bundle");
  archive_write_free (a);
  return e;
}

/* ---- Reading what a stranger made ---- */

static bool
is_plain (const char *name)
{
  size_t n = name != NULL ? strlen (name) : 0;
  if (n == 0 || n > 99 || name[0] == '.' || name[0] == '-' || name[0] == '_')
    return false;
  for (size_t i = 0; i < n; i++) {
    char c = name[i];
    bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (!ok)
      return false;
  }
  return true;
}

static struct err *
form (const char *what)
{
  return err_new (ERR_CORRUPT, "RH-BUNDLE-FORM", "the bundle %s", what);
}

static struct err *
take_one (struct archive *a, struct archive_entry *e, struct bundle *out)
{
  const char *name = archive_entry_pathname (e);
  la_int64_t size = archive_entry_size (e);
  if (archive_entry_filetype (e) != AE_IFREG || archive_entry_hardlink (e)
      || !is_plain (name))
    return form ("holds something that is no plain file");
  if (bundle_find (out, name) != NULL)
    return form ("holds a name twice");
  if (size < 0 || (uint64_t)size > BUNDLE_FILE_MAX
      || out->n >= BUNDLE_MOST_FILES)
    return form ("holds more than a bundle can");
  struct buf *b = bundle_add (out, name);
  unsigned char *room;
  TRY (buf_reserve (b, (size_t)size, &room));
  if (archive_read_data (a, room, (size_t)size) != (la_ssize_t)size)
    return broken (a, ERR_CORRUPT, "RH-BUNDLE-FORM",
                   "while reading the bundle");
  b->len = (size_t)size;
  return buf_put (b, "", 0); /* a NUL behind: some are read as text */
}

static struct err *
take_all (struct archive *a, struct bundle *out)
{
  for (;;) {
    struct archive_entry *entry;
    int status = archive_read_next_header (a, &entry);
    if (status == ARCHIVE_EOF)
      return NULL;
    if (status != ARCHIVE_OK)
      return broken (a, ERR_CORRUPT, "RH-BUNDLE-FORM",
                     "while reading the bundle");
    TRY (take_one (a, entry, out));
  }
}

struct err *
archive_read (const char *path, struct bundle *out)
{
  struct archive *a = archive_read_new ();
  struct err *e = NULL;
  archive_read_support_format_tar (a);
  if (archive_read_open_filename (a, path, 65536) != ARCHIVE_OK)
    e = broken (a, ERR_CORRUPT, "RH-BUNDLE-FORM", "while opening the bundle");
  if (e == NULL)
    e = take_all (a, out);
  archive_read_free (a);
  return e;
}
