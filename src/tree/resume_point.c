/* SPDX-License-Identifier: Apache-2.0 */
/* The point as JSON, and as a file. */
#include "tree/resume_point.h"

#include "base/mem.h"
#include "base/text.h"
#include "host/durable.h"
#include "tree/entry.h"
#include "tree/index.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MARK_MAX ((size_t)1 << 19)

json_t *
resume_point_json (const struct resume_point *p)
{
  CLEANUP_FREE char *hex = text_hex (p->xxh, sizeof p->xxh);
  json_t *j = json_object ();
  json_object_set_new (j, "attempt", json_integer (p->attempt));
  json_object_set_new (j, "path", json_bytes (p->path, p->len));
  if (p->inside)
    json_object_set_new (j, "offset", json_u64 (p->offset));
  json_object_set_new (j, "xxh", json_string (hex));
  return j;
}

static bool
from_hex (const char *hex, unsigned char out[16])
{
  static const char digits[] = "0123456789abcdef";
  if (strlen (hex) != 32)
    return false;
  for (size_t i = 0; i < 32; i++) {
    const char *d = strchr (digits, hex[i]);
    if (d == NULL)
      return false;
    unsigned char v = (unsigned char)(d - digits);
    out[i / 2] = (unsigned char)(i % 2 == 0 ? v << 4 : out[i / 2] | v);
  }
  return true;
}

struct err *
resume_point_read (const json_t *j, struct resume_point *out)
{
  const char *hex;
  *out = (struct resume_point){ 0 };
  if (!json_is_object (j) || json_object_size (j) == 0)
    return NULL;
  int64_t attempt;
  TRY (json_get_int (j, "attempt", 1, INT64_MAX, &attempt));
  out->inside = json_at (j, "offset") != NULL;
  if (out->inside)
    TRY (json_get_u64 (j, "offset", &out->offset));
  TRY (json_get_str (j, "xxh", &hex));
  TRY (json_get_bytes (j, "path", &out->path, &out->len));
  if (!from_hex (hex, out->xxh) || !tree_path_ok (out->path, out->len)) {
    resume_point_free (out);
    return err_new (ERR_CORRECT, "RH-WIRE-FIELD", "\"resume\" is no point");
  }
  out->attempt = attempt;
  return NULL;
}

void
resume_point_free (struct resume_point *p)
{
  free (p->path);
  *p = (struct resume_point){ 0 };
}

struct err *
resume_mark_put (const char *index_dir, const char *index,
                 const struct resume_point *p)
{
  CLEANUP_FREE char *path = NULL;
  CLEANUP_JSON json_t *j = resume_point_json (p);
  CLEANUP_FREE char *line = json_line (j);
  TRY (index_path (index_dir, index, "upto", &path));
  return durable_put (path, line, strlen (line));
}

struct err *
resume_mark_get (const char *index_dir, const char *index,
                 struct resume_point *out)
{
  CLEANUP_FREE char *path = NULL;
  CLEANUP_JSON json_t *j = NULL;
  *out = (struct resume_point){ 0 };
  TRY (index_path (index_dir, index, "upto", &path));
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return errno == ENOENT
               ? NULL
               : err_sys (errno, "RH-TREE-INDEX", "cannot open %s", path);
  CLEANUP_FREE char *text = mem_alloc (MARK_MAX);
  ssize_t n = read (fd, text, MARK_MAX);
  struct err *e = n < 0 ? err_sys (errno, "RH-TREE-INDEX", "cannot read it")
                        : json_parse (text, (size_t)n, MARK_MAX, &j);
  if (e == NULL)
    e = resume_point_read (j, out);
  err_free (e);
  return NULL;
}

struct err *
resume_mark_remove (const char *index_dir, const char *index)
{
  CLEANUP_FREE char *path = NULL;
  TRY (index_path (index_dir, index, "upto", &path));
  if (unlink (path) < 0 && errno != ENOENT)
    return err_sys (errno, "RH-TREE-INDEX", "cannot remove %s", path);
  return NULL;
}
