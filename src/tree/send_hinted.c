/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round that visits the paths that a watcher named, and looks each up in
 * the acknowledged index; a directory that is new, moved or made again is
 * compared with all that the index has below it.
 *
 * A changed file with several names is left as it is known: what its other
 * names are only a walk tells.  `left` counts them; the next round walks.
 */
#include "tree/sender.h"

#include "base/mem.h"
#include "tree/visit.h"

#include <string.h>

struct hinted {
  struct sender *s;
  struct visit *v;
  /* Below the deep directory that is being visited: paths of the index, each
   * with its NUL, and which of them comes next. */
  struct buf below;
  size_t next;
  bool deep;
  struct entry_box known; /* of the present entry: a look-up moves the index */
};

static void
hinted_clear (struct hinted *h)
{
  visit_free (h->v);
  buf_free (&h->below);
  entry_box_free (&h->known);
}

static bool
is_below (const struct tree_entry *e, const char *dir, size_t len)
{
  return len == 0 ? e->path_len > 0
                  : e->path_len > len && e->path[len] == '/'
                        && memcmp (e->path, dir, len) == 0;
}

static struct err *
look_up (struct hinted *h, const char *path, size_t len,
         const struct tree_entry **known)
{
  const struct tree_entry *found;
  *known = NULL;
  TRY (index_find (h->s->base, path, len, &found));
  if (found == NULL)
    return NULL;
  TRY (entry_box_set (&h->known, found));
  *known = &h->known.entry;
  return NULL;
}

/* Goes through what the index has below a directory, which was just looked
 * up. */
static struct err *
each_below (struct hinted *h, const char *dir, size_t len,
            struct err *(*each) (void *ctx, const struct tree_entry *e),
            void *ctx)
{
  const struct tree_entry *e;
  for (;;) {
    TRY (index_next (h->s->base, &e));
    if (e == NULL || !is_below (e, dir, len))
      return NULL;
    TRY (each (ctx, e));
  }
}

static struct err *
keep_path (void *ctx, const struct tree_entry *e)
{
  struct hinted *h = ctx;
  return buf_put (&h->below, e->path, e->path_len + 1);
}

/* The paths of the index up to `path` (NULL: all of them) were not met. */
static struct err *
pass (struct hinted *h, const char *path, size_t len)
{
  while (h->next < h->below.len) {
    const char *p = (const char *)h->below.data + h->next;
    size_t n = strlen (p);
    int order = path == NULL ? -1 : tree_path_cmp (p, n, path, len);
    if (order > 0)
      return NULL;
    h->next += n + 1;
    if (order == 0)
      return NULL;
    struct tree_entry e = { .type = TREE_FILE, .path = p, .path_len = n };
    TRY (sender_gone (h->s, &e));
  }
  return NULL;
}

static struct err *
nothing_there (struct hinted *h, const char *path, size_t len)
{
  const struct tree_entry *known;
  TRY (look_up (h, path, len, &known));
  if (known == NULL)
    return NULL;
  TRY (sender_gone (h->s, known));
  return each_below (h, path, len, sender_gone, h->s);
}

/* The directory is to be compared with all that is known below it. */
static struct err *
go_deep (struct hinted *h, const struct tree_entry *e, bool known)
{
  visit_deepen (h->v);
  h->deep = true;
  h->next = 0;
  buf_reset (&h->below);
  return known ? each_below (h, e->path, e->path_len, keep_path, h) : NULL;
}

static bool
has_more_names (const struct tree_entry *e, const struct tree_entry *known)
{
  if (e->type == TREE_DIR)
    return false;
  bool before = known != NULL && known->type != TREE_DIR
                && (known->nlink > 1 || known->is_link);
  return (e->nlink > 1 || before)
         && (known == NULL || !entry_same_inode (e, known));
}

static struct err *
visit_entry (struct hinted *h, const struct visit_step *step)
{
  struct sender *s = h->s;
  struct tree_entry *e = step->entry;
  const struct tree_entry *known;
  s->dirfd = visit_dirfd (h->v);
  s->name = visit_name (h->v);
  s->named = step->named;
  TRY (sender_meet (s, e));
  if (h->deep)
    TRY (pass (h, e->path, e->path_len));
  TRY (look_up (h, e->path, e->path_len, &known));
  bool was_dir = known != NULL && known->type == TREE_DIR;
  if (e->type == TREE_DIR && !h->deep && (step->deep || !was_dir))
    TRY (go_deep (h, e, was_dir));
  if (has_more_names (e, known)) {
    s->left++;
    return NULL;
  }
  /* A further name that did not change stays one. */
  bool further = known != NULL && known->is_link;
  if (further)
    return NULL;
  if (was_dir && e->type != TREE_DIR && !h->deep)
    TRY (each_below (h, e->path, e->path_len, sender_gone, s));
  return sender_entry (s, e, known);
}

struct err *
sender_visit (struct sender *s)
{
  CLEANUP (hinted_clear) struct hinted h = { .s = s };
  struct visit_step step;
  h.below.max = (size_t)1 << 30;
  TRY (visit_open (s->a->root, s->a->filter, s->a->hints, s->walk, &h.v));
  for (;;) {
    TRY (visit_next (h.v, &step));
    if (step.what == VISIT_END)
      return NULL;
    if (step.what == VISIT_ENTRY)
      TRY (visit_entry (&h, &step));
    else if (step.what == VISIT_LEFT) {
      TRY (pass (&h, NULL, 0));
      h.deep = false;
    } else if (!h.deep) /* else it is passed by */
      TRY (nothing_there (&h, step.path, step.path_len));
  }
}
