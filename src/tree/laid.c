/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds that are laid up. */
#include "tree/laid.h"

#include "base/mem.h"
#include "base/vec.h"
#include "host/durable.h"
#include "host/write_all.h"
#include "tree/index.h"
#include "tree/overlay.h"
#include "tree/records.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WHOLE ".whole"

struct laid_round {
  unsigned long number;
  bool whole;
  off_t bytes;
};

struct laid {
  VEC (struct laid_round) v; /* in their order; of all that lie there */
  size_t first;              /* those before are not needed any more */
};

static void
laid_clear (struct laid *l)
{
  VEC_FREE (&l->v);
}

/* NAME.N or NAME.N.whole, and nothing else. */
static bool
parse (const char *file, const char *name, struct laid_round *out)
{
  size_t n = strlen (name);
  char *end;
  if (strncmp (file, name, n) != 0 || file[n] != '.' || file[n + 1] < '1'
      || file[n + 1] > '9')
    return false;
  out->number = strtoul (file + n + 1, &end, 10);
  out->whole = strcmp (end, WHOLE) == 0;
  return out->whole || *end == 0;
}

static char *
path_of (const char *dir, const char *name, const struct laid_round *r)
{
  return mem_printf ("%s/%s.%lu%s", dir, name, r->number,
                     r->whole ? WHOLE : "");
}

static int
by_number (const void *a, const void *b)
{
  const struct laid_round *x = a, *y = b;
  return x->number < y->number ? -1 : x->number > y->number;
}

static struct err *
look (const char *dir, const char *name, struct laid *out)
{
  DIR *d = opendir (dir);
  int at = d != NULL ? dirfd (d) : -1;
  if (d == NULL)
    return errno == ENOENT
               ? NULL
               : err_sys (errno, "RH-TREE-LAID", "cannot open %s", dir);
  for (struct dirent *f; at >= 0 && (f = readdir (d)) != NULL;) {
    struct laid_round r;
    struct stat s;
    if (!parse (f->d_name, name, &r)
        || fstatat (at, f->d_name, &s, AT_SYMLINK_NOFOLLOW) < 0)
      continue;
    r.bytes = s.st_size;
    *VEC_PUSH (&out->v) = r;
  }
  closedir (d);
  if (out->v.n > 1)
    qsort (out->v.v, out->v.n, sizeof *out->v.v, by_number);
  for (size_t i = 0; i < out->v.n; i++)
    if (out->v.v[i].whole)
      out->first = i;
  return NULL;
}

/* ---- Keeping ---- */

/* Passes on what it reads, and writes it down. */
struct tee {
  struct source *in;
  int fd;
  uint64_t bytes;
  const char *path;
};

static struct err *
tee_put (const struct tee *t, const char *data, size_t len)
{
  int e = write_all (t->fd, data, len);
  if (e == 0)
    return NULL;
  return err_advise (err_sys (e, "RH-TREE-LAID", "cannot write %s", t->path),
                     "the moved files are as they were",
                     "make space there; the next round goes on");
}

static struct err *
tee_get (void *ctx, void *data, size_t cap, size_t *len)
{
  struct tee *t = ctx;
  TRY (t->in->get (t->in->ctx, data, cap, len));
  t->bytes += *len;
  return tee_put (t, data, *len);
}

struct counts {
  uint64_t entries, deleted;
};

/* The whole stream, record by record: what is kept can be applied. */
static struct err *
read_through (struct source *in, struct tree_watch *watch, struct counts *c)
{
  CLEANUP (record_reader_free) struct record_reader r = { .source = in };
  struct tree_head head;
  enum tree_record type;
  struct cursor bytes;
  TRY (record_read_head (&r, &head));
  if (!(head.flags & STREAM_DELTA) || (head.flags & STREAM_LIST))
    return record_bad ("head: it is no delta");
  for (;;) {
    TRY (record_next (&r, &type, &bytes));
    if (type == REC_NONE)
      return NULL;
    c->entries += type == REC_CONTENT || type == REC_META;
    c->deleted += type == REC_DELETE;
    watch->files = c->entries;
    watch->bytes += type == REC_DATA ? bytes.left : 0;
    TRY (watch_step (watch, "", 0));
  }
}

static void
drop_old (const char *dir, const char *name, const struct laid *l, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    CLEANUP_FREE char *path = path_of (dir, name, &l->v.v[i]);
    unlink (path);
  }
}

static char *
mark_of (const char *dir, const char *name)
{
  return mem_printf ("%s/.%s.new", dir, name);
}

/* Made before the round has its name, and synced with it. */
static struct err *
mark_new (const char *mark)
{
  CLEANUP_FD int fd
      = open (mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  return fd < 0 ? err_sys (errno, "RH-TREE-LAID", "cannot make %s", mark)
                : NULL;
}

struct err *
tree_laid_acknowledge (const char *dir, const char *name)
{
  CLEANUP_FREE char *mark = mark_of (dir, name);
  if (unlink (mark) < 0 && errno != ENOENT)
    return err_sys (errno, "RH-TREE-LAID", "cannot remove %s", mark);
  return NULL;
}

static struct err *
keep (const char *dir, const char *name, const char *part, const char *path,
      struct tee *t)
{
  CLEANUP_FREE char *mark = mark_of (dir, name);
  if (fsync (t->fd) < 0)
    return err_sys (errno, "RH-TREE-LAID", "cannot sync %s", part);
  TRY (mark_new (mark));
  if (rename (part, path) < 0)
    return err_sys (errno, "RH-TREE-LAID", "cannot name %s", path);
  CLEANUP_FD int d = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (d < 0 || fsync (d) < 0)
    return err_sys (errno, "RH-TREE-LAID", "cannot sync %s", dir);
  return NULL;
}

struct err *
tree_lay (const char *dir, const char *name, bool whole, struct source *in,
          struct tree_watch *watch, json_t **result)
{
  CLEANUP (laid_clear) struct laid l = { 0 };
  TRY (durable_mkdirs (dir, 0700));
  TRY (look (dir, name, &l));
  struct laid_round now
      = { .number = l.v.n > 0 ? l.v.v[l.v.n - 1].number + 1 : 1,
          .whole = whole };
  CLEANUP_FREE char *path = path_of (dir, name, &now);
  CLEANUP_FREE char *part = mem_printf ("%s/.%s.part", dir, name);
  CLEANUP_FD int fd
      = open (part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
              0600);
  if (fd < 0)
    return err_sys (errno, "RH-TREE-LAID", "cannot make %s", part);
  struct tee t = { .in = in, .fd = fd, .path = part };
  struct source teed = { tee_get, &t };
  struct counts c = { 0 };
  struct err *e = read_through (&teed, watch, &c);
  if (e == NULL)
    e = keep (dir, name, part, path, &t);
  if (e != NULL) {
    unlink (part);
    return e;
  }
  if (whole)
    drop_old (dir, name, &l, l.v.n);
  *result = json_pack ("{s:I, s:o, s:I, s:I}", "round", (json_int_t)now.number,
                       "bytes", json_u64 (t.bytes), "entries",
                       (json_int_t)c.entries, "deleted", (json_int_t)c.deleted);
  return NULL;
}

struct err *
tree_laid (const char *dir, const char *name, json_t **result)
{
  CLEANUP (laid_clear) struct laid l = { 0 };
  TRY (look (dir, name, &l));
  json_t *rounds = json_array ();
  uint64_t all = 0;
  for (size_t i = l.first; i < l.v.n; i++) {
    const struct laid_round *r = &l.v.v[i];
    all += (uint64_t)r->bytes;
    json_array_append_new (rounds, json_pack ("{s:I, s:o, s:b}", "round",
                                              (json_int_t)r->number, "bytes",
                                              json_u64 ((uint64_t)r->bytes),
                                              "whole", r->whole));
  }
  CLEANUP_FREE char *mark = mark_of (dir, name);
  *result = json_pack ("{s:o, s:o, s:b}", "rounds", rounds, "bytes",
                       json_u64 (all), "new", access (mark, F_OK) == 0);
  return NULL;
}

/* ---- Applying ---- */

static struct err *
file_get (void *ctx, void *data, size_t cap, size_t *len)
{
  const int *fd = ctx;
  for (;;) {
    ssize_t n = read (*fd, data, cap);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return err_sys (errno, "RH-TREE-LAID", "cannot read a laid up round");
    *len = (size_t)n;
    return NULL;
  }
}

static struct err *
apply_one (const char *path, const struct tree_receive *a,
           struct tree_watch *watch, json_t **got)
{
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return err_sys (errno, "RH-TREE-LAID", "cannot open %s", path);
  struct source in = { file_get, &fd };
  return err_wrap (tree_receive (a, &in, watch, got), "applying %s", path);
}

struct err *
tree_laid_apply (const char *dir, const struct tree_receive *a,
                 struct tree_watch *watch, json_t **result)
{
  CLEANUP (laid_clear) struct laid l = { 0 };
  CLEANUP_JSON json_t *got = NULL;
  TRY (look (dir, a->index, &l));
  drop_old (dir, a->index, &l, l.first);
  size_t left = l.v.n - l.first;
  if (left > 0) {
    CLEANUP_FREE char *path = path_of (dir, a->index, &l.v.v[l.first]);
    TRY (apply_one (path, a, watch, &got));
    TRY (tree_acknowledge (a->index_dir, a->index));
    if (unlink (path) < 0)
      return err_sys (errno, "RH-TREE-LAID", "cannot remove %s", path);
    left--;
  }
  if (got == NULL)
    got = json_object ();
  json_object_set_new (got, "left", json_integer ((json_int_t)left));
  *result = STEAL (got);
  return NULL;
}

/* ---- The base of the first round ---- */

struct err *
tree_index_copy (const char *index_dir, const char *index, const char *from,
                 const char *to)
{
  CLEANUP_FREE char *source = NULL;
  CLEANUP_FREE char *target = NULL;
  CLEANUP_INDEX struct index *x = NULL;
  CLEANUP_INDEX_WRITER struct index_writer *w = NULL;
  const struct tree_entry *e;
  TRY (index_path (index_dir, index, from, &source));
  TRY (index_path (index_dir, index, to, &target));
  TRY (index_open (source, &x));
  if (x == NULL)
    return err_new (ERR_REFUSED, "RH-TREE-NOBASE", "there is no index %s",
                    source);
  TRY (index_create (target, &w));
  for (;;) {
    TRY (index_next (x, &e));
    if (e == NULL)
      break;
    TRY (index_put (w, e));
  }
  TRY (index_finish (w));
  overlay_remove (target); /* it is all in the copy */
  return NULL;
}
