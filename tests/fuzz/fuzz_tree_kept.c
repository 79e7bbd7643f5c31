/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept beside an index between rounds, with any bytes behind right
 * checksums.  The first byte says what: a segment of an overlay, the log of a
 * first copy, a block index, the changes of one, an undo record, the paths
 * that were touched, the mark of how far a copy came. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "host/durable.h"
#include "tree/blocks.h"
#include "tree/halfway.h"
#include "tree/hints.h"
#include "tree/overlay.h"
#include "tree/touched.h"
#include "tree/undo.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define BOOT_LEN 37 /* of a boot id, with its newline */

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static char dir[] = "/dev/shm/rehome-fuzz-XXXXXX";
static int held = -1;
static char boot[BOOT_LEN];

static void
clean_up (void)
{
  bool removed;
  err_free (durable_remove_tree (held, "i", &removed));
  err_free (durable_remove_tree (held, "root", &removed));
  rmdir (dir);
}

static void
set_up (void)
{
  const struct rlimit limit = { 1 << 24, 1 << 24 };
  signal (SIGXFSZ, SIG_IGN);
  setrlimit (RLIMIT_FSIZE, &limit);
  CLEANUP_FD int fd = open ("/proc/sys/kernel/random/boot_id", O_RDONLY);
  if (fd < 0 || read (fd, boot, BOOT_LEN) != BOOT_LEN || mkdtemp (dir) == NULL
      || (held = open (dir, O_RDONLY)) < 0)
    __builtin_trap ();
  atexit (clean_up);
}

static void
put (const char *name, const void *bytes, size_t len)
{
  CLEANUP_FD int fd = openat (held, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || write (fd, bytes, len) != (ssize_t)len)
    __builtin_trap ();
}

static void
put_sum (unsigned char *at, const void *bytes, size_t len)
{
  uint64_t sum = XXH3_64bits (bytes, len);
  for (int i = 0; i < 8; i++)
    at[i] = (unsigned char)(sum >> (8 * i));
}

static size_t
get_u32 (const unsigned char *p)
{
  return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16
         | (size_t)p[3] << 24;
}

/* Magic, id 8, records, checksum 8. */
static void
read_overlay (unsigned char *b, size_t len)
{
  CLEANUP_FREE char *path = mem_printf ("%s/i/x.acked", dir);
  struct overlay *o = NULL;
  if (len >= 24)
    put_sum (b + len - 8, b, len - 8);
  put ("i/x.acked.1", b, len);
  uint64_t id = 0;
  for (size_t i = 0; i < 8 && len >= 16; i++)
    id |= (uint64_t)b[8 + i] << (8 * i);
  err_free (overlay_open (path, id, &o));
  for (size_t i = 0; i < overlay_count (o); i++) {
    const struct tree_entry *e = overlay_at (o, i);
    if (overlay_place (o, e->path, e->path_len) != i)
      __builtin_trap ();
  }
  overlay_free (o);
}

/* Magic, attempt 8, chunks of length 4, checksum 8 and entries. */
static void
read_log (unsigned char *b, size_t len)
{
  CLEANUP_FREE char *index_dir = mem_printf ("%s/i", dir);
  CLEANUP_INDEX struct index *x = NULL;
  const struct tree_entry *e = NULL;
  struct resume_point at = { 7, (char *)"m", 1, len % 2 == 0, 4096, { 0 } };
  for (size_t i = 16; i + 12 <= len;) {
    size_t n = get_u32 (b + i), left = len - i - 12;
    if (n > left)
      break;
    put_sum (b + i + 4, b + i + 12, n);
    i += 12 + n;
  }
  put ("i/x.sent", b, len);
  CLEANUP_ERR struct err *bad = halfway_resume (index_dir, "x", &at, &x);
  while (bad == NULL && x != NULL && (bad = index_next (x, &e)) == NULL
         && e != NULL)
    if (tree_path_cmp (e->path, e->path_len, at.path, at.len) > 0)
      __builtin_trap (); /* the target need not have it */
}

static struct tree_entry
a_file (uint64_t size)
{
  return (struct tree_entry){ .type = TREE_FILE,
                              .path = "f",
                              .path_len = 1,
                              .size = size,
                              .target = "",
                              .link = "" };
}

/* A head of 64 bytes whose last 16 are the checksum of the rows. */
static void
right_rows (unsigned char *b, size_t len)
{
  if (len >= 64)
    blocks_hash (b + 64, len - 64, b + 48);
}

static void
read_blocks (unsigned char *b, size_t len)
{
  struct tree_entry e = a_file (0);
  unsigned char none[BLOCKS_HASH] = { 0 };
  right_rows (b, len);
  for (int i = 0; i < 8 && len >= 64; i++) {
    e.size |= (uint64_t)b[8 + i] << (8 * i);
    e.mtime.sec |= (int64_t)((uint64_t)b[16 + i] << (8 * i));
  }
  CLEANUP_BLOCKS struct blocks *x = blocks_open_bytes (b, len, &e);
  for (uint64_t n = 0; x != NULL && n < blocks_count (x); n++)
    blocks_same (x, n, none);
}

static void
lay_changes (unsigned char *b, size_t len)
{
  CLEANUP_FREE char *index_dir = mem_printf ("%s/i", dir);
  struct blocks_writer *w = NULL;
  static const unsigned char zeros[4 * BLOCKS_SIZE];
  struct tree_entry e = a_file (sizeof zeros);
  right_rows (b, len);
  err_free (blocks_create (index_dir, "x", 1, &e, false, &w));
  err_free (w != NULL ? blocks_add (w, zeros, sizeof zeros) : NULL);
  err_free (w != NULL ? blocks_finish (w, &e) : NULL);
  blocks_writer_free (w);
  blocks_commit (index_dir, "x", 1);
  w = NULL;
  err_free (blocks_create (index_dir, "x", 2, &e, true, &w));
  err_free (w != NULL ? blocks_finish (w, &e) : NULL);
  blocks_writer_free (w);
  unsigned char h[BLOCKS_HASH];
  char hex[2 * BLOCKS_HASH + 1];
  blocks_hash ("f", 1, h);
  for (size_t i = 0; i < BLOCKS_HASH; i++)
    snprintf (hex + 2 * i, 3, "%02x", h[i]);
  CLEANUP_FREE char *name = mem_printf ("i/x.blk-2/%s", hex);
  put (name, b, len);
  blocks_commit (index_dir, "x", 2);
  blocks_free (blocks_open (index_dir, "x", &e));
}

/* Records of checksum 8, lengths 4 and 4, device, inode, size, mtime 12,
 * offset, path, bytes; of the file that is there where the inode is 0. */
static void
roll_back (unsigned char *b, size_t len)
{
  CLEANUP_FREE char *path = mem_printf ("%s/i/x.undo", dir);
  struct stat st;
  uint64_t files;
  mkdirat (held, "root", 0700);
  put ("root/f", "what is there", 13);
  put ("beside", "untouched", 9);
  fstatat (held, "root/f", &st, 0);
  for (size_t i = 0; i + 60 <= len;) {
    size_t n = get_u32 (b + i + 8), m = get_u32 (b + i + 12);
    if (n > len - i - 60 || m > len - i - 60 - n)
      break;
    if (b[i + 24] == 0)
      for (int k = 0; k < 8; k++) {
        b[i + 16 + (size_t)k] = (unsigned char)(st.st_dev >> (8 * k));
        b[i + 24 + (size_t)k] = (unsigned char)(st.st_ino >> (8 * k));
      }
    put_sum (b + i, b + i + 8, 52 + n + m);
    i += 60 + n + m;
  }
  put ("i/x.undo", b, len);
  err_free (undo_roll_back (path, held, "root", &files));
  if (fstatat (held, "beside", &st, AT_SYMLINK_NOFOLLOW) != 0
      || st.st_size != 9)
    __builtin_trap ();
  unlinkat (held, "beside", 0);
}

static void
read_touched (const unsigned char *b, size_t len)
{
  CLEANUP_FREE char *index_dir = mem_printf ("%s/i", dir);
  CLEANUP_FREE unsigned char *all = mem_alloc (BOOT_LEN + len + 1);
  CLEANUP_HINTS struct hints h = { 0 };
  bool known;
  memcpy (all, boot, BOOT_LEN);
  memcpy (all + BOOT_LEN, b, len);
  put ("i/x.touched", all, BOOT_LEN + len);
  err_free (touched_read (index_dir, "x", &known, &h));
  hints_seal (&h);
  for (size_t i = 0; i < h.list.n; i++)
    if (!tree_path_ok (h.list.v[i].path, h.list.v[i].len))
      __builtin_trap ();
}

static void
read_mark (const unsigned char *b, size_t len)
{
  CLEANUP_FREE char *index_dir = mem_printf ("%s/i", dir);
  struct resume_point p = { 0 };
  put ("i/x.upto", b, len);
  err_free (resume_mark_get (index_dir, "x", &p));
  if (p.attempt != 0 && !tree_path_ok (p.path, p.len))
    __builtin_trap ();
  resume_point_free (&p);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  bool removed;
  if (held < 0)
    set_up ();
  if (size == 0)
    return 0;
  /* Its own allocation: a byte read behind it is found. */
  CLEANUP_FREE unsigned char *b = mem_alloc (size > 1 ? size - 1 : 1);
  memcpy (b, data + 1, size - 1);
  mkdirat (held, "i", 0700);
  switch (data[0] % 7) {
  case 0:
    read_overlay (b, size - 1);
    break;
  case 1:
    read_log (b, size - 1);
    break;
  case 2:
    read_blocks (b, size - 1);
    break;
  case 3:
    lay_changes (b, size - 1);
    break;
  case 4:
    roll_back (b, size - 1);
    break;
  case 5:
    read_touched (b, size - 1);
    break;
  default:
    read_mark (b, size - 1);
    break;
  }
  err_free (durable_remove_tree (held, "i", &removed));
  err_free (durable_remove_tree (held, "root", &removed));
  return 0;
}
