/* SPDX-License-Identifier: Apache-2.0 */
/* Two short queues of jobs, and what came of them. */
#include "tree/outlook.h"

#include "base/cleanup.h"
#include "tree/detail.h"
#include "tree/stat.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define NAMES_MAX ((size_t)4 << 30)

/* The first of a queue, which goes on. */
static struct ahead_job *
first (struct ahead_job **v, size_t *n)
{
  struct ahead_job *j = v[0];
  memmove (v, v + 1, --*n * sizeof *v);
  return j;
}

/* What was asked for a name of `o`. */
static struct ahead_job *
asked_for (struct outlook *o, const char *name)
{
  while (o->n_dirs > 0) {
    int order = strcmp (o->dirs[0]->name, name);
    if (order > 0)
      return NULL;
    struct ahead_job *j = first (o->dirs, &o->n_dirs);
    if (order == 0)
      return j;
    ahead_drop (o->ahead, j); /* it is no directory any more */
  }
  return NULL;
}

static void
take_over (struct outlook *o, struct ahead_job *j)
{
  o->list = j->listing;
  o->looks = j->looks;
  o->asked = o->looks.n;
  j->listing = (struct listing){ .fd = -1 };
  j->looks = (struct looks){ 0 };
}

int
outlook_open (struct outlook *o, struct outlook *above, struct ahead *ahead,
              int dirfd, const char *name, const struct tree_entry *e,
              size_t depth)
{
  *o = (struct outlook){ .list = { .fd = -1 }, .ahead = ahead, .depth = depth };
  if (ahead == NULL)
    return scan_dir (dirfd, name, e->dev, e->ino, NAMES_MAX, &o->list);
  struct ahead_job *j = above != NULL ? asked_for (above, name) : NULL;
  if (j == NULL)
    j = ahead_dir (ahead, depth, dirfd, name, e->dev, e->ino);
  ahead_wait (ahead, j);
  bool fits = j->bad == 0 && j->dev == e->dev && j->ino == e->ino;
  if (fits)
    take_over (o, j);
  ahead_drop (ahead, j);
  return fits ? 0 : scan_dir (dirfd, name, e->dev, e->ino, NAMES_MAX, &o->list);
}

/* What was seen a while ago, or had changed just then, may have changed
 * again: it is looked at anew. */
static bool
holds (const struct looked *k, const struct looks *l)
{
  struct timespec t;
  if (k->bad != 0 || detail_doubtful (&k->entry, l->at))
    return false;
  clock_gettime (CLOCK_REALTIME_COARSE, &t);
  int64_t gone = t.tv_sec - l->at.sec;
  return gone == 0 || (gone == 1 && t.tv_nsec < l->at.nsec);
}

static bool
has_room (const struct outlook *o)
{
  size_t mine = o->n_dirs + o->n_more;
  size_t others = ahead_jobs (o->ahead) - mine;
  return others < OUTLOOK_JOBS_MAX
         && mine < (OUTLOOK_JOBS_MAX - others + 1) / 2;
}

static void
ask_looks (struct outlook *o, size_t next)
{
  if (o->asked < next)
    o->asked = next;
  while (o->asked < o->list.n && o->n_more < OUTLOOK_LOOKS_MAX && has_room (o))
  {
    o->more[o->n_more++] = ahead_looks (o->ahead, o->depth, &o->list, o->asked);
    o->asked += LOOKS_MAX;
  }
}

int
outlook_look (struct outlook *o, size_t index, struct tree_entry *e,
              bool *mount)
{
  while (o->n_more > 0 && index >= o->looks.from + o->looks.n
         && index >= o->more[0]->from)
  {
    struct ahead_job *j = first (o->more, &o->n_more);
    ahead_wait (o->ahead, j);
    looks_free (&o->looks);
    o->looks = j->looks;
    j->looks = (struct looks){ 0 };
    ahead_drop (o->ahead, j);
    ask_looks (o, index);
  }
  if (index >= o->looks.from && index - o->looks.from < o->looks.n) {
    const struct looked *k = &o->looks.v[index - o->looks.from];
    if (holds (k, &o->looks)) {
      *e = k->entry;
      *mount = k->mount;
      return 0;
    }
  }
  return tree_stat (o->list.fd, o->list.sorted[index], e, mount);
}

/* What is known of a name already, or NULL. */
static const struct looked *
known (const struct outlook *o, size_t index)
{
  const struct looks *l = &o->looks;
  for (size_t i = 0;; i++) {
    if (index >= l->from && index - l->from < l->n)
      return &l->v[index - l->from];
    if (i >= o->n_more || !ahead_done (o->ahead, o->more[i]))
      return NULL;
    l = &o->more[i]->looks;
  }
}

void
outlook_ask (struct outlook *o, uint64_t dev, size_t next,
             bool (*wanted) (void *ctx, const struct outlook *o,
                             const char *name),
             void *ctx)
{
  ask_looks (o, next);
  if (o->scouted < next)
    o->scouted = next;
  for (; o->n_dirs < OUTLOOK_DIRS_MAX && has_room (o); o->scouted++) {
    const struct looked *k = known (o, o->scouted);
    if (k == NULL)
      return;
    const char *name = o->list.sorted[o->scouted];
    if (k->bad == 0 && k->entry.type == TREE_DIR && !k->mount
        && k->entry.dev == dev && wanted (ctx, o, name))
      o->dirs[o->n_dirs++] = ahead_dir (o->ahead, o->depth + 1, o->list.fd,
                                        name, k->entry.dev, k->entry.ino);
  }
}

void
outlook_clear (struct outlook *o)
{
  while (o->n_dirs > 0)
    ahead_drop (o->ahead, first (o->dirs, &o->n_dirs));
  while (o->n_more > 0)
    ahead_drop (o->ahead, first (o->more, &o->n_more));
  looks_free (&o->looks);
  listing_free (&o->list);
}
