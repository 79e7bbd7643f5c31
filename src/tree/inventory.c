/* SPDX-License-Identifier: Apache-2.0 */
/* The inventory: a walk, two indexes, and a ring of entries being read. */
#include "tree/inventory.h"

#include "base/mem.h"
#include "tree/detail.h"
#include "tree/index.h"
#include "tree/links.h"
#include "tree/overlay.h"
#include "tree/readers.h"
#include "tree/visit.h"
#include "tree/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WINDOW 256
/* What was learnt is laid above NAME.seen where that is no larger than this
 * (a segment is held in memory) and has no more segments; else all is written
 * anew. */
#define OVER_MAX ((size_t)96 << 20)
#define SEGMENTS_MAX 16

struct slot {
  struct entry_box box;
  struct read_job job;
  bool read, known; /* NAME.seen has it like this */
};

struct inventory {
  struct inventory_args a;
  struct tree_watch *watch;
  struct walk *walk;
  struct visit *visit;         /* in the place of the walk, which keeps notes */
  struct index *seen, *acked;  /* NULL: none */
  struct index_writer *save;   /* NULL: not saved */
  struct overlay_writer *over; /* in place of `save` */
  char *seen_path, *over_path, *segment;
  bool as_seen;            /* NAME.seen has the entry of the walk like this */
  struct readers *readers; /* made when the first file is to be read */
  struct links links;
  struct detail detail;
  struct slot ring[WINDOW];
  size_t head, count;
  bool walked, given; /* the walk is over; the slot at head was given */
  uint64_t files, bytes;
};

/* A broken index only means more reading. */
static void
open_known (const struct inventory *v, const char *path, struct index **out)
{
  err_free (v->a.hints != NULL ? index_open_few (path, out)
                               : index_open (path, out));
}

static struct err *
open_only (struct inventory *v)
{
  CLEANUP_FREE char *path = NULL;
  TRY (index_path (v->a.index_dir, v->a.index, v->a.only, &path));
  open_known (v, path, &v->seen);
  return NULL;
}

static struct err *
open_indexes (struct inventory *v)
{
  if (v->a.index_dir == NULL || v->a.stat)
    return NULL;
  if (v->a.look)
    return open_only (v);
  CLEANUP_FREE char *acked = NULL;
  TRY (index_path (v->a.index_dir, v->a.index, "seen", &v->seen_path));
  TRY (index_path (v->a.index_dir, v->a.index, "seen-some", &v->over_path));
  TRY (index_path (v->a.index_dir, v->a.index, "acked", &acked));
  if (!v->a.full) {
    open_known (v, v->seen_path, &v->seen);
    open_known (v, acked, &v->acked);
  }
  if (v->a.hints != NULL)
    return NULL;
  size_t segments
      = v->seen != NULL ? overlay_segments (index_overlay (v->seen)) : 0;
  if (v->seen == NULL || index_size (v->seen) > OVER_MAX
      || segments >= SEGMENTS_MAX)
    return index_create (v->seen_path, &v->save);
  v->segment = mem_printf ("%s.%zu", v->seen_path, segments + 1);
  return overlay_create (v->over_path, index_id (v->seen), &v->over);
}

struct err *
inventory_open (const struct inventory_args *a, struct tree_watch *watch,
                struct inventory **out)
{
  *out = NULL;
  CLEANUP_INVENTORY struct inventory *v = mem_alloc (sizeof *v);
  v->a = *a;
  v->watch = watch;
  TRY (walk_open (a->root, a->filter, &v->walk));
  if (a->hints != NULL)
    TRY (visit_open (a->root, a->filter, a->hints, v->walk, &v->visit));
  TRY (open_indexes (v));
  *out = STEAL (v);
  return NULL;
}

static struct err *
not_met (void *ctx, const struct tree_entry *e)
{
  struct inventory *v = ctx;
  return v->over != NULL ? overlay_gone (v->over, e->path, e->path_len) : NULL;
}

static bool
same_link (const struct tree_entry *a, const struct tree_entry *b)
{
  return a->is_link == b->is_link
         && (!a->is_link
             || (a->link_len == b->link_len
                 && memcmp (a->link, b->link, a->link_len) == 0));
}

static struct err *
in_index (struct inventory *v, struct index *x, const struct tree_entry *e,
          const struct tree_entry **out)
{
  *out = NULL;
  if (x == NULL || v->a.hints == NULL)
    return index_seek (x, e->path, e->path_len, x == v->seen ? not_met : NULL,
                       v, out);
  return index_find (x, e->path, e->path_len, out);
}

/* What is known of the entry, if it still holds; the indexes go on to it. */
static struct err *
look_up (struct inventory *v, const struct tree_entry *e,
         const struct tree_entry **known)
{
  const struct tree_entry *in_seen, *in_acked;
  *known = NULL;
  v->as_seen = false;
  TRY (in_index (v, v->seen, e, &in_seen));
  TRY (in_index (v, v->acked, e, &in_acked));
  if (v->a.force != NULL && paths_have (v->a.force, e->path))
    return NULL;
  bool digest = e->type == TREE_FILE && !e->is_link;
  const struct tree_entry *both[] = { in_seen, in_acked };
  for (int i = 0; i < 2 && *known == NULL; i++)
    if (both[i] != NULL && entry_same_inode (e, both[i])
        && (!digest || both[i]->marks & TREE_HAS_XXH))
      *known = both[i];
  v->as_seen = *known != NULL && *known == in_seen && same_link (e, in_seen);
  return NULL;
}

static struct err *
unreadable (struct inventory *v, const struct tree_entry *e, struct err *why)
{
  return walk_unreadable (v->walk, e->path, e->path_len, why, false);
}

static int
here (const struct inventory *v)
{
  return v->visit != NULL ? visit_dirfd (v->visit) : walk_dirfd (v->walk);
}

static const char *
name_here (const struct inventory *v)
{
  return v->visit != NULL ? visit_name (v->visit) : walk_name (v->walk);
}

/* The next that is there; NULL at the end. */
static struct err *
next_entry (struct inventory *v, struct tree_entry **out)
{
  struct visit_step at = { .what = VISIT_GONE };
  if (v->visit == NULL)
    return walk_next (v->walk, out);
  while (at.what != VISIT_ENTRY && at.what != VISIT_END)
    TRY (visit_next (v->visit, &at));
  *out = at.what == VISIT_ENTRY ? at.entry : NULL;
  return NULL;
}

/* Opens what has to be opened to complete the entry. */
static struct err *
complete (struct inventory *v, struct tree_entry *e, int *fd, bool *vanished)
{
  bool file = e->type == TREE_FILE && !e->is_link && !v->a.stat;
  bool dir = e->type == TREE_DIR;
  *fd = -1;
  *vanished = false;
  struct timespec t;
  clock_gettime (CLOCK_REALTIME, &t);
  struct tree_time at = { t.tv_sec, (uint32_t)t.tv_nsec };
  struct err *bad = NULL;
  CLEANUP_FD int open_fd = -1;
  if (file || dir) {
    open_fd = tree_open (here (v), name_here (v),
                         O_RDONLY | (dir ? O_DIRECTORY : 0));
    if (open_fd < 0)
      bad = err_sys (errno, "RH-TREE-READ", "cannot open it");
  }
  if (bad == NULL)
    bad = detail_read (&v->detail, here (v), name_here (v), open_fd, e);
  if (bad != NULL) {
    int n = err_errno (bad);
    *vanished = true;
    if (n == ENOENT || n == ENOTDIR || n == ELOOP
        || err_class_of (bad) == ERR_TRANSIENT)
      err_free (bad);
    else
      TRY (unreadable (v, e, bad));
    return NULL;
  }
  if (!file && detail_doubtful (e, at))
    e->marks |= TREE_DOUBTFUL;
  if (file)
    *fd = tree_take_fd (&open_fd);
  return NULL;
}

static void
first_name (struct inventory *v, struct tree_entry *e)
{
  if (e->nlink < 2 || e->type == TREE_DIR)
    return;
  struct link_first *first
      = links_meet (&v->links, e->dev, e->ino, e->path, e->path_len);
  if (first == NULL)
    return;
  e->is_link = true;
  e->link = first->path;
  e->link_len = first->len;
}

/* Puts an entry at the end of the ring; `fd` is read by a reader. */
static struct err *
push (struct inventory *v, const struct tree_entry *e, int fd)
{
  struct slot *s = &v->ring[(v->head + v->count) % WINDOW];
  struct err *bad = entry_box_set (&s->box, e);
  if (bad != NULL) {
    if (fd >= 0)
      close (fd);
    return bad;
  }
  v->count++;
  s->read = fd >= 0;
  s->known = v->as_seen;
  if (!s->read)
    return NULL;
  s->job = (struct read_job){ .fd = fd,
                              .from_disk = v->a.full || v->a.from_disk,
                              .entry = &s->box.entry };
  if (v->readers == NULL)
    v->readers = readers_new ();
  readers_submit (v->readers, &s->job);
  return NULL;
}

static struct err *
saved (struct inventory *v, struct tree_entry *e, bool known,
       struct tree_entry **out)
{
  *out = e;
  if (v->over != NULL)
    return known ? NULL : overlay_put (v->over, e);
  return v->save != NULL ? index_put (v->save, e) : NULL;
}

/* Waits for the oldest entry of the ring; *out NULL where it is unreadable. */
static struct err *
pop (struct inventory *v, struct tree_entry **out)
{
  struct slot *s = &v->ring[v->head];
  *out = NULL;
  v->given = true;
  if (!s->read)
    return saved (v, &s->box.entry, s->known, out);
  readers_wait (v->readers, &s->job);
  s->read = false;
  v->files++;
  v->bytes += s->job.got;
  v->watch->bytes += s->job.got;
  if (s->job.err != NULL)
    return unreadable (v, &s->box.entry, STEAL (s->job.err));
  return saved (v, &s->box.entry, false, out);
}

/* One step of the walk.  *out: an entry that is complete at once. */
static struct err *
advance (struct inventory *v, struct tree_entry **out)
{
  struct tree_entry *e;
  const struct tree_entry *known;
  int fd;
  bool vanished;
  *out = NULL;
  TRY (next_entry (v, &e));
  v->walked = e == NULL;
  if (e == NULL)
    return NULL;
  v->watch->files++;
  TRY (watch_step (v->watch, e->path, e->path_len));
  first_name (v, e);
  TRY (look_up (v, e, &known));
  if (known != NULL) {
    detail_reuse (e, known);
    return v->count == 0 ? saved (v, e, v->as_seen, out) : push (v, e, -1);
  }
  TRY (complete (v, e, &fd, &vanished));
  return vanished ? not_met (v, e) : push (v, e, fd);
}

/* What differs from NAME.seen becomes the next segment above it. */
static struct err *
lay_above (struct inventory *v)
{
  TRY (index_drain (v->seen, not_met, v));
  TRY (overlay_finish (v->over));
  overlay_writer_free (STEAL (v->over));
  if (rename (v->over_path, v->segment) < 0)
    return err_sys (errno, "RH-TREE-INDEX", "cannot keep %s", v->over_path);
  return NULL;
}

static struct err *
finish (struct inventory *v)
{
  const struct walk_notes *n = walk_notes (v->walk);
  if (n->unreadable > 0) {
    const char *first
        = json_string_value (json_array_get (n->unreadable_paths, 0));
    return err_todo (
        err_new (ERR_REFUSED, "RH-TREE-UNREADABLE",
                 "%llu entries of %s cannot be read, the first is %s",
                 (unsigned long long)n->unreadable, v->a.root,
                 first != NULL ? first : "?"),
        "mend them, or leave them out with exclude: in the plan");
  }
  if (v->over != NULL)
    return lay_above (v);
  if (v->save == NULL)
    return NULL;
  struct index_writer *save = STEAL (v->save);
  struct err *e = index_finish (save);
  index_writer_free (save);
  if (e == NULL)
    overlay_remove (v->seen_path); /* it belongs to the index before */
  return e;
}

struct err *
inventory_next (struct inventory *v, struct tree_entry **out)
{
  *out = NULL;
  if (v->given) {
    v->given = false;
    v->head = (v->head + 1) % WINDOW;
    v->count--;
  }
  while (*out == NULL) {
    if (!v->walked && v->count < WINDOW) {
      TRY (advance (v, out));
    } else if (v->count > 0) {
      TRY (pop (v, out));
      if (*out == NULL) {
        v->given = false;
        v->head = (v->head + 1) % WINDOW;
        v->count--;
      }
    } else
      return finish (v);
  }
  return NULL;
}

const struct walk_notes *
inventory_notes (const struct inventory *v)
{
  return walk_notes (v->walk);
}

uint64_t
inventory_read (const struct inventory *v)
{
  return v->files;
}

uint64_t
inventory_bytes (const struct inventory *v)
{
  return v->bytes;
}

void
inventory_free (struct inventory *v)
{
  if (v == NULL)
    return;
  readers_free (v->readers);
  for (size_t i = 0; i < WINDOW; i++) {
    entry_box_free (&v->ring[i].box);
    err_free (v->ring[i].job.err);
  }
  visit_free (v->visit);
  walk_free (v->walk);
  index_free (v->seen);
  index_free (v->acked);
  index_writer_free (v->save);
  overlay_writer_free (v->over);
  free (v->seen_path);
  free (v->over_path);
  free (v->segment);
  links_free (&v->links);
  detail_free (&v->detail);
  free (v);
}
