/* SPDX-License-Identifier: Apache-2.0 */
/* One entry of the sender's walk: sent, kept or dirty, and noted in the new
 * index. */
#include "tree/sender.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#define EXAMPLES 20

struct tree_time
sender_now (void)
{
  struct timespec t;
  clock_gettime (CLOCK_REALTIME, &t);
  return (struct tree_time){ t.tv_sec, (uint32_t)t.tv_nsec };
}

bool
sender_listed (const struct paths *p, const struct tree_entry *e)
{
  return p != NULL && paths_have (p, e->path);
}

/* Drops the directories that `path` does not lie in. */
static void
unwind (struct sender *s, const char *path, size_t len)
{
  while (s->depth > 0) {
    const struct tree_entry *d = &s->parents.v[s->depth - 1].box.entry;
    if (d->path_len == 0
        || (len > d->path_len && path[d->path_len] == '/'
            && memcmp (path, d->path, d->path_len) == 0))
      return;
    s->depth--;
  }
}

static struct err *
push_parent (struct sender *s, const struct tree_entry *e, bool sent)
{
  if (s->depth == s->parents.n)
    (void)VEC_PUSH (&s->parents);
  struct parent *p = &s->parents.v[s->depth++];
  p->sent = sent;
  return entry_box_set (&p->box, e);
}

struct err *
sender_parents (struct sender *s)
{
  size_t i = s->depth;
  while (i > 0 && !s->parents.v[i - 1].sent)
    i--;
  for (; i < s->depth; i++) {
    s->parents.v[i].sent = true;
    TRY (record_entry (&s->rec, REC_CONTENT, &s->parents.v[i].box.entry));
  }
  return NULL;
}

struct err *
sender_send (struct sender *s, enum tree_record type,
             const struct tree_entry *e)
{
  TRY (sender_parents (s));
  s->entries++;
  return record_entry (&s->rec, type, e);
}

struct err *
sender_keep (struct sender *s, const struct tree_entry *e)
{
  if (!s->a->listing)
    return NULL;
  return record_put (&s->rec, REC_KEEP, e->path, e->path_len);
}

/* Into the new index, or above the old one where it differs from there. */
static struct err *
remember (struct sender *s, const struct tree_entry *e)
{
  if (s->halfway != NULL)
    TRY (halfway_put (s->halfway, e));
  if (s->over == NULL)
    return index_put (s->index, e);
  const struct tree_entry *known = s->known;
  bool same = known != NULL && entry_same_inode (e, known)
              && e->marks == known->marks && e->is_link == known->is_link;
  return same ? NULL : overlay_put (s->over, e);
}

/* Ends the work on an entry: into the index, and on the stack. */
struct err *
sender_finish (struct sender *s, const struct tree_entry *e, bool sent)
{
  struct link_first *first = e->nlink > 1 && e->type != TREE_DIR && !e->is_link
                                 ? links_find (&s->links, e->dev, e->ino)
                                 : NULL;
  if (first != NULL) {
    first->sent = sent;
    first->marks = e->marks & (TREE_HAS_XXH | TREE_HAS_SHA);
    memcpy (first->xxh, e->xxh, sizeof e->xxh);
    memcpy (first->sha, e->sha, sizeof e->sha);
  }
  if (e->type == TREE_DIR)
    TRY (push_parent (s, e, sent));
  if (s->canon.state != NULL)
    TRY (canon_add (&s->canon, e));
  return remember (s, e);
}

struct err *
sender_dirty (struct sender *s, struct tree_entry *e)
{
  e->marks |= TREE_DIRTY;
  s->dirty++;
  if (s->a->final) {
    CLEANUP_FREE char *shown = text_escape (e->path, e->path_len);
    return err_todo (
        err_new (ERR_REFUSED, "RH-TREE-CHANGING",
                 "%s/%s changes although everything should stand still",
                 s->a->root, shown),
        "find what writes it (rehome check names open files), claim or stop "
        "it, then cut over again");
  }
  if (json_array_size (s->dirty_paths) < EXAMPLES)
    json_array_append_new (s->dirty_paths, json_bytes (e->path, e->path_len));
  return NULL;
}

/* Gone or unreadable: what the index knew of it stays, to be looked at again.
 */
static struct err *
stays_as_known (struct sender *s, const struct tree_entry *known)
{
  s->canon.unsure = true;
  if (known == NULL)
    return NULL;
  struct tree_entry e = *known;
  e.marks |= TREE_DIRTY;
  if (e.type == TREE_DIR)
    TRY (push_parent (s, &e, false));
  TRY (sender_keep (s, &e));
  return remember (s, &e);
}

struct err *
sender_failed (struct sender *s, const struct tree_entry *e,
               const struct tree_entry *known, struct err *why)
{
  int n = err_errno (why);
  bool gone = strcmp (err_code (why), "RH-TREE-VANISHED") == 0 || n == ENOENT
              || n == ENOTDIR || n == ELOOP;
  if (gone) {
    s->vanished++;
    err_free (why);
  } else
    TRY (walk_unreadable (s->walk, e->path, e->path_len, why, s->a->final));
  return stays_as_known (s, known);
}

/* The root is sent in any case, and in a listing every directory, so that the
 * times that an interrupted round left behind are mended. */
static struct err *
unchanged (struct sender *s, struct tree_entry *e)
{
  bool send = e->type == TREE_DIR && (e->path_len == 0 || s->a->listing);
  TRY (send ? sender_send (s, REC_CONTENT, e) : sender_keep (s, e));
  return sender_finish (s, e, send);
}

static struct err *
changed_other (struct sender *s, struct tree_entry *e,
               const struct tree_entry *known)
{
  CLEANUP_FD int fd = -1;
  if (e->type == TREE_DIR) {
    fd = tree_open (s->dirfd, s->name, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
      return sender_failed (s, e, known,
                            err_sys (errno, "RH-TREE-READ", "cannot open it"));
  }
  struct tree_time at = sender_now ();
  struct err *bad = detail_read (&s->detail, s->dirfd, s->name, fd, e);
  if (bad != NULL)
    return sender_failed (s, e, known, bad);
  if (detail_doubtful (e, at))
    e->marks |= TREE_DOUBTFUL;
  bool same = known != NULL && !known->is_link && entry_same_meta (e, known)
              && !sender_listed (s->a->force, e);
  if (same && e->type == TREE_DIR)
    return unchanged (s, e);
  TRY (same ? sender_keep (s, e) : sender_send (s, REC_CONTENT, e));
  return sender_finish (s, e, !same);
}

static bool
same_link (const struct tree_entry *e, const struct tree_entry *known)
{
  return known != NULL && known->type == e->type && known->is_link == e->is_link
         && (!e->is_link
             || (known->link_len == e->link_len
                 && memcmp (known->link, e->link, e->link_len) == 0));
}

/* A further name of an inode that was met before. */
static struct err *
further_name (struct sender *s, struct tree_entry *e,
              const struct tree_entry *known, const struct link_first *first)
{
  struct tree_time at = sender_now ();
  struct err *bad = detail_read (&s->detail, s->dirfd, s->name, -1, e);
  if (bad != NULL)
    return sender_failed (s, e, known, bad);
  e->marks |= first->marks;
  memcpy (e->xxh, first->xxh, sizeof e->xxh);
  memcpy (e->sha, first->sha, sizeof e->sha);
  if (detail_doubtful (e, at))
    e->marks |= TREE_DOUBTFUL;
  bool same
      = same_link (e, known) && !first->sent && !sender_listed (s->a->force, e);
  TRY (same ? sender_keep (s, e) : sender_send (s, REC_CONTENT, e));
  return sender_finish (s, e, !same);
}

struct err *
sender_entry (struct sender *s, struct tree_entry *e,
              const struct tree_entry *known)
{
  struct link_first *first = NULL;
  /* What went on when the copy was interrupted is not known: what is not
   * exactly as it was, or still wanted something at the end, is sent. */
  if (s->a->resume != NULL && known != NULL
      && (known->iflags != 0 || e->iflags != 0 || !entry_same_inode (e, known)))
    known = NULL;
  s->known = known;
  if (s->a->atimes && e->type != TREE_LINK) /* to read a link touches it */
    e->marks |= TREE_ATIME;
  unwind (s, e->path, e->path_len);
  if (e->nlink > 1 && e->type != TREE_DIR)
    first = links_meet (&s->links, e->dev, e->ino, e->path, e->path_len);
  if (first != NULL) {
    e->is_link = true;
    e->link = first->path;
    e->link_len = first->len;
  } else if (e->nlink > 1 && e->type != TREE_DIR)
    links_find (&s->links, e->dev, e->ino)->nlink = e->nlink;
  bool forced = sender_listed (s->a->force, e)
                || sender_listed (s->a->reread, e)
                || (s->named && e->type == TREE_FILE);
  if (known != NULL && !forced && entry_same_inode (e, known)
      && same_link (e, known) && (first == NULL || !first->sent))
  {
    detail_reuse (e, known);
    return unchanged (s, e);
  }
  if (first != NULL)
    return further_name (s, e, known, first);
  return e->type == TREE_FILE ? sender_file (s, e, known)
                              : changed_other (s, e, known);
}
