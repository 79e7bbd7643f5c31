/* SPDX-License-Identifier: Apache-2.0 */
/* Link targets, attributes, doubtful times. */
#include "tree/detail.h"

#include "base/mem.h"
#include "tree/project.h"
#include "tree/xattrs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MARGIN_NS 50000000

static struct err *
vanished (void)
{
  return err_new (ERR_TRANSIENT, "RH-TREE-VANISHED",
                  "gone since it was looked at");
}

static struct err *
read_target (struct detail *d, int dirfd, const char *name)
{
  unsigned char *p;
  buf_reset (&d->target);
  TRY (buf_reserve (&d->target, 4096, &p));
  ssize_t n = readlinkat (dirfd, name, (char *)p, 4096);
  if (n < 0 && (errno == ENOENT || errno == EINVAL || errno == ENOTDIR))
    return vanished ();
  if (n <= 0 || n == 4096)
    return err_sys (n == 4096 ? ENAMETOOLONG : errno, "RH-TREE-READ",
                    "cannot read the link");
  d->target.len = (size_t)n;
  p[n] = 0;
  return NULL;
}

struct err *
detail_read (struct detail *d, int dirfd, const char *name, int fd,
             struct tree_entry *e)
{
  if (e->type == TREE_LINK) {
    TRY (read_target (d, dirfd, name));
    e->target = (const char *)d->target.data;
    e->target_len = d->target.len;
  }
  struct err *bad = fd >= 0 ? xattrs_read_fd (fd, &d->xattrs)
                            : xattrs_read_at (dirfd, name, &d->xattrs);
  if (bad != NULL && err_errno (bad) == ENOENT) {
    err_free (bad);
    return vanished ();
  }
  TRY (bad);
  if (fd >= 0)
    project_read (fd, e);
  e->xattrs = d->xattrs.data;
  e->xattrs_len = d->xattrs.len;
  return NULL;
}

void
detail_reuse (struct tree_entry *e, const struct tree_entry *known)
{
  e->target = known->target;
  e->target_len = known->target_len;
  e->xattrs = known->xattrs;
  e->xattrs_len = known->xattrs_len;
  memcpy (e->xxh, known->xxh, sizeof e->xxh);
  memcpy (e->sha, known->sha, sizeof e->sha);
  e->project = known->project;
  e->marks |= known->marks
              & (TREE_HAS_XXH | TREE_HAS_SHA | TREE_PROJECT | TREE_INHERIT);
}

void
detail_free (struct detail *d)
{
  buf_free (&d->xattrs);
  buf_free (&d->target);
}

bool
detail_doubtful (const struct tree_entry *e, struct tree_time read_at)
{
  int64_t s = read_at.sec;
  int64_t ns = (int64_t)read_at.nsec - MARGIN_NS;
  if (ns < 0) {
    s--;
    ns += 1000000000;
  }
  return e->ctime.sec > s || (e->ctime.sec == s && e->ctime.nsec >= ns);
}
