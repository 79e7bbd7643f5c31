/* SPDX-License-Identifier: Apache-2.0 */
/* Watched trees, one fanotify group for each mount. */
#include "agent/watches.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "host/fsevents.h"
#include "host/mounts.h"
#include "tree/dirty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
  NAMES_MAX = 200000, /* of a mount, since the last acknowledgement */
  BYTES_MAX = 32 << 20,
  OUTSIDE_MAX = 65536, /* directories known to be in no root */
  TAKE_MAX = 20000,    /* above that a walk costs no more */
  WATCHES_MAX = 64,
};

/* Everything on one mount that holds a root. */
struct ground {
  int mount_id;
  int fd;
  struct fsevents *events; /* NULL: none at present */
  struct dirty *names;
  struct dirty *outside;
  uint64_t seq;
};

struct watch {
  char *root;
  char *index;
  char *filter;
  struct ground *ground;
  dev_t dev;
  ino_t ino;
  uint64_t mounts; /* digest of those at and below the root */
  bool known;      /* the names since `acked` are whole */
  const char *why; /* else */
  uint64_t acked;
  bool pending, pending_walk;
  int64_t pending_round;
  uint64_t pending_seq;
  int64_t rounds, walked_ms;
};

struct watches {
  VEC (struct watch *) list;
  VEC (struct ground *) grounds;
};

static int64_t
now_ms (void)
{
  struct timespec t;
  clock_gettime (CLOCK_BOOTTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct watches *
watches_new (void)
{
  return mem_alloc (sizeof (struct watches));
}

static void
ground_rest (struct ground *g)
{
  fsevents_free (g->events);
  g->events = NULL;
  dirty_clear (g->names);
  dirty_clear (g->outside);
}

static void
ground_free (struct ground *g)
{
  ground_rest (g);
  dirty_free (g->names);
  dirty_free (g->outside);
  if (g->fd >= 0)
    close (g->fd);
  free (g);
}

static void
watch_free (struct watch *x)
{
  free (x->root);
  free (x->index);
  free (x->filter);
  free (x);
}

void
watches_free (struct watches *w)
{
  for (size_t i = 0; i < w->list.n; i++)
    watch_free (w->list.v[i]);
  for (size_t i = 0; i < w->grounds.n; i++)
    ground_free (w->grounds.v[i]);
  VEC_FREE (&w->list);
  VEC_FREE (&w->grounds);
  free (w);
}

size_t
watches_count (const struct watches *w)
{
  return w->list.n;
}

size_t
watches_poll (const struct watches *w, struct pollfd *fds, size_t max)
{
  size_t n = 0;
  for (size_t i = 0; i < w->grounds.n && n < max; i++)
    if (w->grounds.v[i]->events != NULL)
      fds[n++] = (struct pollfd){ .fd = fsevents_fd (w->grounds.v[i]->events),
                                  .events = POLLIN };
  return n;
}

/* From here on the names of no watch on this mount are whole, until it is
 * marked again; meanwhile nothing is listened to. */
static void
lose (struct watches *w, struct ground *g, const char *why)
{
  for (size_t i = 0; i < w->list.n; i++)
    if (w->list.v[i]->ground == g) {
      w->list.v[i]->known = w->list.v[i]->pending = false;
      w->list.v[i]->why = why;
    }
  ground_rest (g);
}

/* --- events ---------------------------------------------------------------
 */

struct taking {
  struct watches *w;
  struct ground *g;
  const char *lost; /* why, or NULL */
};

/* Whether a directory lies in a root on its mount. */
static bool
in_a_root (const struct watches *w, const struct ground *g, const char *path)
{
  for (size_t i = 0; i < w->list.n; i++)
    if (w->list.v[i]->ground == g && path_is_below (path, w->list.v[i]->root))
      return true;
  return false;
}

/* The same of one whose path is too long to be told, or cannot be. */
static bool
maybe_in_a_root (const struct taking *t, const struct dirty_name *n)
{
  for (size_t i = 0; i < t->w->list.n; i++) {
    const struct watch *x = t->w->list.v[i];
    struct fsevents_top top = { x->dev, x->ino };
    if (x->ground == t->g
        && fsevents_below (t->g->events, n->dir, n->dir_len, &top))
      return true;
  }
  return false;
}

static void
add_outside (struct ground *g, const struct dirty_name *n)
{
  struct dirty_name dir = { .dir = n->dir, .dir_len = n->dir_len, .name = "" };
  if (!dirty_add (g->outside, &dir)) {
    dirty_clear (g->outside);
    dirty_add (g->outside, &dir);
  }
}

static void
take_event (void *ctx, const struct fsevent *ev)
{
  struct taking *t = ctx;
  struct ground *g = t->g;
  struct dirty_name n = { .dir = ev->dir,
                          .dir_len = ev->dir_len,
                          .name = ev->name,
                          .deep = ev->tree,
                          .seq = ++g->seq };
  struct dirty_name dir
      = { .dir = ev->dir, .dir_len = ev->dir_len, .name = "" };
  if (ev->moved) /* what lay outside may lie inside now */
    dirty_clear (g->outside);
  if (t->lost != NULL || dirty_touch (g->names, &n)
      || dirty_touch (g->outside, &dir))
    return;
  CLEANUP_FREE char *path = NULL;
  CLEANUP_ERR struct err *e
      = fsevents_path (g->events, ev->dir, ev->dir_len, &path);
  if (e == NULL && path == NULL)
    return; /* gone: its parent's name tells so */
  if (e != NULL && maybe_in_a_root (t, &n))
    t->lost = "handle";
  else if (e != NULL || !in_a_root (t->w, g, path))
    add_outside (g, &n);
  else if (!dirty_add (g->names, &n))
    t->lost = "many";
}

static void
drain (struct watches *w, struct ground *g)
{
  if (g->events == NULL)
    return;
  struct taking t = { .w = w, .g = g };
  bool lost = false;
  CLEANUP_ERR struct err *e = fsevents_drain (g->events, take_event, &t, &lost);
  if (e != NULL)
    log_err (LOG_WARN, e);
  if (e != NULL || lost)
    t.lost = "overflow";
  if (t.lost != NULL)
    lose (w, g, t.lost);
}

void
watches_drain (struct watches *w)
{
  for (size_t i = 0; i < w->grounds.n; i++)
    drain (w, w->grounds.v[i]);
}

/* --- watches --------------------------------------------------------------
 */

static struct watch *
find (const struct watches *w, const struct watch_round *r)
{
  for (size_t i = 0; i < w->list.n; i++)
    if (strcmp (w->list.v[i]->index, r->index) == 0)
      return w->list.v[i];
  return NULL;
}

static uint64_t
digest_text (uint64_t h, const char *text)
{
  for (const char *p = text; p != NULL && *p != 0; p++)
    h = (h ^ (unsigned char)*p) * 0x100000001b3u;
  return h * 0x100000001b3u;
}

/* What a root is on its filesystem, and the mounts below it in their order: a
 * mount of the same directory over itself, as a freeze makes it, changes
 * nothing. */
static uint64_t
mounts_digest (const char *root)
{
  struct mounts all;
  uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
  if (mounts_read (0, &all) != 0)
    return 0;
  const struct mount *own = mounts_of_path (&all, root);
  CLEANUP_FREE char *inner = own != NULL ? mount_inner_path (own, root) : NULL;
  CLEANUP_FREE char *device
      = own != NULL ? mem_printf ("%u:%u", own->major, own->minor) : NULL;
  h = digest_text (digest_text (h, device), inner);
  for (size_t i = 0; i < all.list.n; i++) {
    const struct mount *m = &all.list.v[i];
    if (strcmp (m->point, root) == 0 || !path_is_below (m->point, root))
      continue;
    h = (h ^ (uint64_t)(unsigned)m->id) * 0x100000001b3u;
    h = digest_text (h, m->point);
  }
  mounts_free (&all);
  return h;
}

static int
mount_id_of (int fd)
{
  struct {
    struct file_handle head;
    char room[128];
  } h = { .head.handle_bytes = sizeof h.room };
  int id = -1;
  return name_to_handle_at (fd, "", &h.head, &id, AT_EMPTY_PATH) == 0 ? id : -1;
}

/* The ground of a root's mount, listened to. */
static struct err *
find_ground (struct watches *w, int *fd, struct ground **out)
{
  int id = mount_id_of (*fd);
  if (id < 0)
    return err_sys (errno, "RH-HOST-EVENTS", "a root has no file handle");
  struct ground *g = NULL;
  for (size_t i = 0; i < w->grounds.n; i++)
    if (w->grounds.v[i]->mount_id == id)
      g = w->grounds.v[i];
  if (g == NULL) {
    g = mem_alloc (sizeof *g);
    g->mount_id = id;
    g->fd = *fd;
    *fd = -1;
    g->names = dirty_new (NAMES_MAX, BYTES_MAX);
    g->outside = dirty_new (OUTSIDE_MAX, BYTES_MAX / 4);
    *VEC_PUSH (&w->grounds) = g;
  }
  *out = g;
  return g->events != NULL ? NULL : fsevents_open (g->fd, &g->events);
}

/* A ground that no watch lies on is given up. */
static void
release_ground (struct watches *w, const struct ground *g)
{
  for (size_t i = 0; i < w->list.n; i++)
    if (w->list.v[i]->ground == g)
      return;
  for (size_t i = 0; i < w->grounds.n; i++)
    if (w->grounds.v[i] == g) {
      ground_free (w->grounds.v[i]);
      w->grounds.v[i] = w->grounds.v[--w->grounds.n];
      return;
    }
}

static struct err *
open_root (const char *root, int *fd, struct stat *st)
{
  *fd = open (root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (*fd < 0 && errno == ENOTDIR)
    return err_new (ERR_REFUSED, "RH-HOST-EVENTS",
                    "%s is no directory and is simply looked at", root);
  if (*fd < 0 || fstat (*fd, st) != 0)
    return err_sys (errno, "RH-HOST-EVENTS", "%s cannot be watched", root);
  char link[64], path[4096];
  snprintf (link, sizeof link, "/proc/self/fd/%d", *fd);
  ssize_t n = readlink (link, path, sizeof path);
  if (n < 0 || (size_t)n != strlen (root)
      || memcmp (path, root, (size_t)n) != 0)
    return err_new (ERR_REFUSED, "RH-HOST-EVENTS",
                    "%s is reached through a link and is not watched", root);
  return NULL;
}

static struct err *
start (struct watches *w, const struct watch_round *r, struct watch **out)
{
  CLEANUP_FD int fd = -1;
  struct stat st;
  struct ground *g = NULL;
  if (w->list.n >= WATCHES_MAX)
    return err_new (ERR_REFUSED, "RH-HOST-EVENTS", "%d trees are watched",
                    WATCHES_MAX);
  TRY (open_root (r->root, &fd, &st));
  struct err *e = find_ground (w, &fd, &g);
  if (e != NULL) {
    if (g != NULL)
      release_ground (w, g);
    return e;
  }
  struct watch *x = mem_alloc (sizeof *x);
  x->root = mem_strdup (r->root);
  x->index = mem_strdup (r->index);
  x->filter = mem_strdup (r->filter);
  x->ground = g;
  x->dev = st.st_dev;
  x->ino = st.st_ino;
  x->mounts = mounts_digest (r->root);
  x->why = "first";
  dirty_clear (g->outside); /* what lay in no root may lie in this one */
  *VEC_PUSH (&w->list) = x;
  *out = x;
  return NULL;
}

static void
drop (struct watches *w, struct watch *x)
{
  struct ground *g = x->ground;
  for (size_t i = 0; i < w->list.n; i++)
    if (w->list.v[i] == x) {
      w->list.v[i] = w->list.v[--w->list.n];
      break;
    }
  release_ground (w, g);
  watch_free (x);
}

/* Whether it still is the tree that is watched; else a word. */
static const char *
moved_away (const struct watch *x, const struct watch_round *r)
{
  struct stat st;
  if (strcmp (x->root, r->root) != 0)
    return "root";
  if (strcmp (x->filter, r->filter) != 0)
    return "filter";
  if (lstat (x->root, &st) != 0 || st.st_dev != x->dev || st.st_ino != x->ino)
    return "root";
  return mounts_digest (x->root) == x->mounts ? NULL : "mounts";
}

static void
begin (struct watch *x, const struct watch_round *r, bool walk)
{
  x->pending = true;
  x->pending_walk = walk;
  x->pending_round = r->round;
  x->pending_seq = x->ground->seq;
}

struct err *
watch_mark (struct watches *w, const struct watch_round *r)
{
  struct watch *x = find (w, r);
  watches_drain (w);
  if (x != NULL && (moved_away (x, r) != NULL || x->ground->events == NULL)) {
    drop (w, x);
    x = NULL;
  }
  if (x == NULL)
    TRY (start (w, r, &x));
  begin (x, r, true);
  return NULL;
}

static json_t *
unknown (const char *why)
{
  return json_pack ("{s:b, s:s}", "known", 0, "why", why);
}

/* One name, as a path below the root. */
static void
put_name (const struct watch *x, const char *dir, const struct dirty_name *n,
          json_t *names, json_t *deep)
{
  size_t skip = strlen (x->root);
  const char *rel = dir + skip + (dir[skip] == '/');
  bool self = strcmp (n->name, ".") == 0;
  CLEANUP_FREE char *path
      = self ? mem_strdup (rel)
             : mem_printf ("%s%s%s", rel, *rel != 0 ? "/" : "", n->name);
  json_array_append_new (n->deep && !self ? deep : names,
                         json_bytes (path, strlen (path)));
}

/* Why not, or NULL. */
static const char *
list_names (const struct watch *x, json_t *names, json_t *deep)
{
  const struct ground *g = x->ground;
  struct dirty_name n, last = { .dir_len = 0 };
  CLEANUP_FREE char *dir = NULL;
  size_t count = 0;
  for (size_t at = 0; dirty_next (g->names, &at, &n);) {
    if (n.seq <= x->acked)
      continue;
    if (++count > TAKE_MAX)
      return "many";
    if (last.dir == NULL || last.dir_len != n.dir_len
        || memcmp (last.dir, n.dir, n.dir_len) != 0)
    {
      free (STEAL (dir));
      CLEANUP_ERR struct err *e
          = fsevents_path (g->events, n.dir, n.dir_len, &dir);
      if (e != NULL)
        return "handle";
      last = n;
    }
    if (dir != NULL && path_is_below (dir, x->root))
      put_name (x, dir, &n, names, deep);
  }
  return NULL;
}

/* What every watch on the mount has acknowledged need not be kept. */
static void
prune (struct watches *w, struct ground *g)
{
  uint64_t least = UINT64_MAX;
  for (size_t i = 0; i < w->list.n; i++) {
    const struct watch *x = w->list.v[i];
    if (x->ground != g)
      continue;
    uint64_t from = x->known ? x->acked : x->pending ? x->pending_seq : least;
    if (from < least)
      least = from;
  }
  dirty_prune (g->names, least);
}

json_t *
watch_take (struct watches *w, const struct watch_round *r)
{
  struct watch *x = find (w, r);
  if (x == NULL)
    return unknown ("first");
  watches_drain (w);
  const char *why = moved_away (x, r);
  if (why == NULL && !x->known)
    why = x->why;
  if (why != NULL)
    return unknown (why);
  CLEANUP_JSON json_t *names = json_array ();
  CLEANUP_JSON json_t *deep = json_array ();
  why = list_names (x, names, deep);
  if (why != NULL)
    return unknown (why);
  begin (x, r, false);
  return json_pack ("{s:b, s:O, s:O, s:I, s:I}", "known", 1, "names", names,
                    "deep", deep, "rounds", (json_int_t)x->rounds, "age_ms",
                    (json_int_t)(now_ms () - x->walked_ms));
}

void
watch_ack (struct watches *w, const struct watch_round *r)
{
  struct watch *x = find (w, r);
  if (x == NULL || !x->pending || x->pending_round != r->round)
    return;
  x->pending = false;
  x->acked = x->pending_seq;
  x->known = true;
  x->rounds = x->pending_walk ? 0 : x->rounds + 1;
  if (x->pending_walk)
    x->walked_ms = now_ms ();
  prune (w, x->ground);
}

void
watch_drop (struct watches *w, const struct watch_round *r)
{
  struct watch *x = find (w, r);
  if (x != NULL)
    drop (w, x);
}
