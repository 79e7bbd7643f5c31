/* SPDX-License-Identifier: Apache-2.0 */
/* A tree stream as a hostile source could send it, applied below a root in a
 * memory filesystem and, where it is a list, compared with it.  What lies
 * beside the root must stay as it is. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "host/durable.h"
#include "tree/list.h"
#include "tree/meta.h"
#include "tree/receive.h"
#include "tree/walk.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

struct bytes {
  const uint8_t *p;
  size_t left;
};

static struct err *
give (void *ctx, void *data, size_t cap, size_t *len)
{
  struct bytes *b = ctx;
  *len = b->left < cap ? b->left : cap;
  memcpy (data, b->p, *len);
  b->p += *len;
  b->left -= *len;
  return NULL;
}

static char dir[] = "/dev/shm/rehome-fuzz-XXXXXX";
static int held = -1;

static void
clean_up (void)
{
  bool removed;
  err_free (durable_remove_tree (held, "i", &removed));
  rmdir (dir);
}

static void
set_up (void)
{
  /* A memory filesystem takes a hole of 2^63 bytes, which is then hashed. */
  const struct rlimit limit = { 1 << 28, 1 << 28 };
  signal (SIGXFSZ, SIG_IGN);
  setrlimit (RLIMIT_FSIZE, &limit);
  if (mkdtemp (dir) == NULL || (held = open (dir, O_RDONLY)) < 0)
    __builtin_trap ();
  atexit (clean_up);
}

static void
unlock_all (const char *root)
{
  CLEANUP_WALK struct walk *w = NULL;
  CLEANUP_ERR struct err *bad = walk_open (root, NULL, &w);
  struct tree_entry *e = NULL;
  while (bad == NULL && (bad = walk_next (w, &e)) == NULL && e != NULL)
    meta_unlock (walk_dirfd (w), walk_name (w));
}

static int
names_in (int fd)
{
  struct stat st;
  return fstat (fd, &st) == 0 ? (int)st.st_nlink : -1;
}

static void
compare (const char *root, struct bytes b)
{
  static const struct idmaps none;
  struct tree_compare c = { { .root = root }, &none, 3 };
  struct tree_watch watch = { 0 };
  struct source in = { give, &b };
  CLEANUP_JSON json_t *result = NULL;
  err_free (tree_compare (&c, &in, &watch, &result));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const struct idmaps none;
  if (held < 0)
    set_up ();
  CLEANUP_FREE char *root = mem_printf ("%s/root", dir);
  CLEANUP_FREE char *index = mem_printf ("%s/i", dir);
  mkdirat (held, "root", 0700);
  struct bytes b = { data, size };
  struct source in = { give, &b };
  struct tree_watch watch = { 0 };
  struct tree_receive a = { .root = root,
                            .maps = &none,
                            .index_dir = index,
                            .index = "f",
                            .seed = size % 2 == 0,
                            .delete_limit = 10 };
  CLEANUP_JSON json_t *result = NULL;
  bool removed;
  err_free (durable_remove_tree (held, "i", &removed));
  err_free (tree_receive (&a, &in, &watch, &result));
  compare (root, (struct bytes){ data, size });
  unlock_all (root);
  struct err *e = durable_remove_tree (held, "root", &removed);
  if (e != NULL) /* the root itself became a file */
    unlinkat (held, "root", 0);
  err_free (e);
  if (names_in (held) > 3) /* ".", its own name, and the index */
    __builtin_trap ();
  return 0;
}
