/* SPDX-License-Identifier: Apache-2.0 */
/* A stream as a hostile source could send it to a target that holds a file
 * already: blocks written in place (PATCH, BLOCKS), and a first copy that goes
 * on within a file (REST; the first byte is odd).  What a round that failed
 * wrote in place is put back, and nothing changes beside the root. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "host/durable.h"
#include "tree/meta.h"
#include "tree/receive.h"
#include "tree/resume_point.h"
#include "tree/undo.h"
#include "tree/walk.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEN 12288

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

struct bytes {
  const uint8_t *p;
  size_t left;
};

static char dir[] = "/dev/shm/rehome-fuzz-XXXXXX";
static int held = -1;

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

static void
remove_all (const char *name)
{
  bool removed;
  struct err *e = durable_remove_tree (held, name, &removed);
  if (e != NULL) /* it became a file */
    unlinkat (held, name, 0);
  err_free (e);
}

static void
clean_up (void)
{
  remove_all ("i");
  rmdir (dir);
}

static void
set_up (void)
{
  const struct rlimit limit = { 1 << 28, 1 << 28 };
  signal (SIGXFSZ, SIG_IGN);
  setrlimit (RLIMIT_FSIZE, &limit);
  if (mkdtemp (dir) == NULL || (held = open (dir, O_RDONLY)) < 0)
    __builtin_trap ();
  atexit (clean_up);
}

static unsigned char
original (size_t at)
{
  return (unsigned char)(at * 7 / 3);
}

/* The inode of the file that is there before. */
static ino_t
put_file (void)
{
  const struct timespec times[2] = { { 1000000000, 5 }, { 1000000000, 5 } };
  unsigned char bytes[LEN];
  struct stat st;
  for (size_t i = 0; i < LEN; i++)
    bytes[i] = original (i);
  mkdirat (held, "root", 0700);
  mkdirat (held, "i", 0700);
  CLEANUP_FD int fd = openat (held, "root/f", O_WRONLY | O_CREAT, 0600);
  if (fd < 0 || write (fd, bytes, LEN) != LEN || futimens (fd, times) != 0
      || fstat (fd, &st) != 0)
    __builtin_trap ();
  return st.st_ino;
}

/* Where it is still that file it holds what it held. */
static void
must_be_as_before (ino_t ino)
{
  unsigned char bytes[LEN + 1];
  struct stat st;
  CLEANUP_FD int fd = openat (held, "root/f", O_RDONLY | O_NOFOLLOW);
  if (fd < 0 || fstat (fd, &st) != 0 || !S_ISREG (st.st_mode)
      || st.st_ino != ino)
    return;
  if (pread (fd, bytes, sizeof bytes, 0) != LEN)
    __builtin_trap ();
  for (size_t i = 0; i < LEN; i++)
    if (bytes[i] != original (i))
      __builtin_trap ();
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

static struct err *
receive (const char *root, const char *index, bool rest, struct bytes b)
{
  static const struct idmaps none;
  struct source in = { give, &b };
  struct tree_watch watch = { 0 };
  CLEANUP_JSON json_t *result = NULL;
  struct tree_receive a = { .root = root,
                            .maps = &none,
                            .index_dir = index,
                            .index = "f",
                            .seed = rest,
                            .adopt = true,
                            .attempt = rest ? 7 : 0,
                            .delete_limit = 10 };
  if (rest) {
    struct resume_point at = { 7, (char *)"f", 1, true, 4096, { 0 } };
    err_free (resume_mark_put (index, "f", &at));
  }
  return tree_receive (&a, &in, &watch, &result);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  if (held < 0)
    set_up ();
  if (size == 0)
    return 0;
  struct stat st;
  CLEANUP_FREE char *root = mem_printf ("%s/root", dir);
  CLEANUP_FREE char *index = mem_printf ("%s/i", dir);
  CLEANUP_FREE char *undo = mem_printf ("%s/f.undo", index);
  bool rest = data[0] % 2 != 0;
  ino_t ino = put_file ();
  CLEANUP_ERR struct err *e
      = receive (root, index, rest, (struct bytes){ data + 1, size - 1 });
  if (e != NULL && !rest) {
    uint64_t files;
    CLEANUP_ERR struct err *bad = undo_roll_back (undo, held, "root", &files);
    if (bad == NULL)
      must_be_as_before (ino);
  }
  unlock_all (root);
  remove_all ("root");
  remove_all ("i");
  if (fstat (held, &st) == 0 && st.st_nlink > 2) /* "." and its own name */
    __builtin_trap ();
  return 0;
}
