/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for `sha256sum -c`. */
#include "base/mem.h"
#include "base/text.h"
#include "tree/index.h"
#include "tree/links.h"
#include "tree/usage.h"

#include <string.h>

#define FLUSH ((size_t)128 << 10)

struct manifest {
  struct index *index;
  struct links met;
  struct buf buf;
  struct sink *out;
  const char *single;
  uint64_t lines, without;
};

static void
manifest_clear (struct manifest *m)
{
  index_free (m->index);
  links_free (&m->met);
  buf_free (&m->buf);
}

/* sha256sum escapes backslash, newline and carriage return, and says so by a
 * leading backslash. */
static struct err *
put_name (struct buf *b, const char *name, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    const char *esc = name[i] == '\\'   ? "\\\\"
                      : name[i] == '\n' ? "\\n"
                      : name[i] == '\r' ? "\\r"
                                        : NULL;
    TRY (esc != NULL ? buf_put_str (b, esc) : buf_put (b, name + i, 1));
  }
  return NULL;
}

static bool
needs_escape (const char *name, size_t len)
{
  return memchr (name, '\\', len) != NULL || memchr (name, '\n', len) != NULL
         || memchr (name, '\r', len) != NULL;
}

static struct err *
put_line (struct manifest *m, const struct tree_entry *e,
          const unsigned char *sha)
{
  const char *name = e->path_len > 0 ? e->path : m->single;
  size_t len = strlen (name);
  CLEANUP_FREE char *hex = text_hex (sha, 32);
  if (needs_escape (name, len))
    TRY (buf_put (&m->buf, "\\", 1));
  TRY (buf_put_str (&m->buf, hex));
  TRY (buf_put (&m->buf, "  ", 2));
  if (strcmp (name, "-") == 0) /* that alone would be its standard input */
    TRY (buf_put (&m->buf, "./", 2));
  TRY (put_name (&m->buf, name, len));
  TRY (buf_put (&m->buf, "\n", 1));
  m->lines++;
  if (m->buf.len < FLUSH)
    return NULL;
  TRY (m->out->put (m->out->ctx, m->buf.data, m->buf.len));
  buf_reset (&m->buf);
  return NULL;
}

static struct err *
each (struct manifest *m, const struct tree_entry *e)
{
  if (e->type != TREE_FILE)
    return NULL;
  const unsigned char *sha = e->marks & TREE_HAS_SHA ? e->sha : NULL;
  if (e->is_link) {
    struct link_first *f = links_find (&m->met, e->dev, e->ino);
    sha = f != NULL && f->marks & TREE_HAS_SHA ? f->sha : NULL;
  } else if (e->nlink > 1) {
    links_meet (&m->met, e->dev, e->ino, e->path, e->path_len);
    struct link_first *f = links_find (&m->met, e->dev, e->ino);
    f->marks = e->marks;
    memcpy (f->sha, e->sha, sizeof f->sha);
  }
  if (sha == NULL) {
    m->without++;
    return NULL;
  }
  return put_line (m, e, sha);
}

static struct err *
open_last (struct manifest *m, const char *dir, const char *name)
{
  static const char *const suffixes[] = { "seen", "acked" };
  for (int i = 0; i < 2 && m->index == NULL; i++) {
    CLEANUP_FREE char *path = NULL;
    TRY (index_path (dir, name, suffixes[i], &path));
    TRY (index_open (path, &m->index));
  }
  if (m->index == NULL)
    return err_new (ERR_REFUSED, "RH-TREE-NOBASE",
                    "nothing was compared or copied yet under the index %s",
                    name);
  return NULL;
}

struct err *
tree_manifest (const char *index_dir, const char *index, const char *single,
               struct sink *out, json_t **result)
{
  CLEANUP (manifest_clear)
  struct manifest m = { .out = out, .single = single };
  const struct tree_entry *e;
  TRY (open_last (&m, index_dir, index));
  for (;;) {
    TRY (index_next (m.index, &e));
    if (e == NULL)
      break;
    TRY (each (&m, e));
  }
  if (m.buf.len > 0)
    TRY (out->put (out->ctx, m.buf.data, m.buf.len));
  *result = json_object ();
  json_object_set_new (*result, "lines", json_integer ((json_int_t)m.lines));
  json_object_set_new (*result, "without",
                       json_integer ((json_int_t)m.without));
  return NULL;
}
