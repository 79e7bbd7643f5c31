/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A large file that was changed in place, or that grew: its blocks are read
 * and held against the block index, and those that differ are sent.
 *
 * The index holds what the target was given, so a block that is written to
 * after it was compared stays different from the index and is found in the
 * next round; the file's times, looked at behind it, tell that there must be
 * one.
 *
 * A file that grew is taken for one that was appended to where its last old
 * block and a sample of those before are as they were, if a final round
 * follows.  That is an assumption: the entry is marked doubtful, and the final
 * round reads all of it, before anything is proven.
 */
#include "tree/sender.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SAMPLES 64
/* Beyond this many changed bytes below the old end, of a file and of a round,
 * a file is sent whole: the target keeps what is replaced until the round is
 * done. */
#define CHANGED_MAX ((uint64_t)1 << 30)
/* Blocks in one record: with the offset, no more than a chunk holds. */
#define RUN_BLOCKS 63

struct patch {
  struct sender *s;
  int fd;
  struct tree_entry *e;
  const struct tree_entry *known;
  struct blocks *had;
  struct blocks_writer *learnt;
  VEC (struct stretch) runs; /* what differs, in blocks */
  uint64_t changed;          /* bytes below the old end */
  bool shorter;              /* it ended before its size */
};

static void
patch_clear (struct patch *p)
{
  blocks_free (p->had);
  blocks_writer_free (p->learnt);
  VEC_FREE (&p->runs);
}

static void
note_run (struct patch *p, uint64_t block, uint64_t count)
{
  struct stretch *last = p->runs.n > 0 ? &p->runs.v[p->runs.n - 1] : NULL;
  if (last != NULL && last->at + last->len == block)
    last->len += count;
  else
    *VEC_PUSH (&p->runs) = (struct stretch){ block, count };
}

/* Up to `want` bytes; fewer only where the file ends. */
static struct err *
read_at (int fd, unsigned char *to, size_t want, uint64_t at, size_t *got)
{
  *got = 0;
  while (*got < want) {
    ssize_t n = pread (fd, to + *got, want - *got, (off_t)(at + *got));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return err_sys (errno, "RH-TREE-READ", "cannot read at byte %llu",
                      (unsigned long long)at);
    if (n == 0)
      return NULL;
    *got += (size_t)n;
  }
  return NULL;
}

static bool
block_same (const struct patch *p, uint64_t n, const unsigned char *data,
            size_t len)
{
  unsigned char h[BLOCKS_HASH];
  if (n >= blocks_count (p->had))
    return false;
  blocks_hash (data, len, h);
  return blocks_same (p->had, n, h);
}

static bool
too_much (const struct patch *p)
{
  return p->changed > p->known->size / 2
         || p->changed + p->s->patched > CHANGED_MAX;
}

/* Compares every block from byte `at` on. */
static struct err *
compare_all (struct patch *p, uint64_t at)
{
  struct sender *s = p->s;
  while (at < p->e->size && !too_much (p)) {
    size_t got;
    uint64_t left = p->e->size - at;
    size_t want = left < CONTENT_CHUNK ? (size_t)left : CONTENT_CHUNK;
    TRY (read_at (p->fd, s->chunk, want, at, &got));
    for (size_t i = 0; i < got; i += BLOCKS_SIZE) {
      size_t len = got - i < BLOCKS_SIZE ? got - i : BLOCKS_SIZE;
      uint64_t n = (at + i) / BLOCKS_SIZE;
      if (block_same (p, n, s->chunk + i, len))
        continue;
      note_run (p, n, 1);
      if (at + i < p->known->size)
        p->changed += len;
    }
    at += got;
    p->shorter = got < want;
    if (p->shorter)
      return NULL;
    TRY (watch_step (s->watch, s->name, strlen (s->name)));
  }
  return NULL;
}

/* Whether the file seems to have been appended to. */
static struct err *
only_grew (struct patch *p, bool *out)
{
  const struct sender *s = p->s;
  uint64_t whole = p->known->size / BLOCKS_SIZE;
  *out = false;
  if (!s->a->grown || s->a->final || sender_listed (s->a->reread, p->e)
      || p->e->size <= p->known->size || p->e->ino != p->known->ino)
    return NULL;
  for (uint64_t i = 0; i <= SAMPLES; i++) {
    uint64_t n = i == 0 ? whole - 1 : (whole - 1) * (i - 1) / SAMPLES;
    size_t got;
    TRY (read_at (p->fd, p->s->chunk, BLOCKS_SIZE, n * BLOCKS_SIZE, &got));
    if (got != BLOCKS_SIZE || !block_same (p, n, p->s->chunk, got))
      return NULL;
  }
  /* The last block, where it was not whole, begins as it did. */
  size_t rest = (size_t)(p->known->size % BLOCKS_SIZE), got;
  TRY (read_at (p->fd, p->s->chunk, rest, whole * BLOCKS_SIZE, &got));
  *out = got == rest && (rest == 0 || block_same (p, whole, p->s->chunk, rest));
  return NULL;
}

static struct err *
find_changes (struct patch *p)
{
  bool grew;
  TRY (only_grew (p, &grew));
  if (!grew)
    return compare_all (p, 0);
  p->e->marks |= TREE_DOUBTFUL;
  uint64_t from = p->known->size / BLOCKS_SIZE;
  uint64_t end = (p->e->size + BLOCKS_SIZE - 1) / BLOCKS_SIZE;
  note_run (p, from, end - from);
  return NULL;
}

/* PATCH: what the target must have, then the entry. */
static struct err *
send_head (struct patch *p)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  b.max = RECORD_MAX;
  TRY (buf_put_u64 (&b, p->known->size));
  TRY (buf_put_u64 (&b, (uint64_t)p->known->mtime.sec));
  TRY (buf_put_u32 (&b, p->known->mtime.nsec));
  TRY (entry_encode (p->e, &b));
  TRY (sender_parents (p->s));
  p->s->entries++;
  return record_put (&p->s->rec, REC_PATCH, b.data, b.len);
}

/* Reads blocks anew and sends them as they are now. */
static struct err *
send_run (struct patch *p, uint64_t block, uint64_t count, uint64_t *got)
{
  struct sender *s = p->s;
  unsigned char *room = s->chunk;
  uint64_t at = block * BLOCKS_SIZE, end = (block + count) * BLOCKS_SIZE;
  size_t n;
  if (end > p->e->size)
    end = p->e->size;
  TRY (read_at (p->fd, room + 8, (size_t)(end - at), at, &n));
  if (n < end - at)
    *got = at + n; /* it became shorter */
  if (n == 0)
    return NULL;
  for (int i = 0; i < 8; i++)
    room[i] = (unsigned char)(at >> (8 * i));
  for (size_t i = 0; i < n; i += BLOCKS_SIZE) {
    unsigned char h[BLOCKS_HASH];
    blocks_hash (room + 8 + i, n - i < BLOCKS_SIZE ? n - i : BLOCKS_SIZE, h);
    TRY (blocks_change (p->learnt, block + i / BLOCKS_SIZE, h));
  }
  s->bytes += n;
  s->watch->bytes += n;
  TRY (watch_step (s->watch, s->name, strlen (s->name)));
  digest_add (s->digest, room, n + 8);
  return record_put (&s->rec, REC_BLOCKS, room, n + 8);
}

static struct err *
send_runs (struct patch *p, uint64_t *got)
{
  *got = p->e->size;
  for (size_t i = 0; i < p->runs.n && *got == p->e->size; i++) {
    struct stretch r = p->runs.v[i];
    while (r.len > 0 && *got == p->e->size) {
      uint64_t n = r.len < RUN_BLOCKS ? r.len : RUN_BLOCKS;
      TRY (send_run (p, r.at, n, got));
      r.at += n;
      r.len -= n;
    }
  }
  return NULL;
}

static struct err *
send_end (struct patch *p, uint64_t got)
{
  struct tree_entry sum = { 0 };
  unsigned char end[24];
  digest_end (p->s->digest, &sum);
  for (int i = 0; i < 8; i++)
    end[i] = (unsigned char)(got >> (8 * i));
  memcpy (end + 8, sum.xxh, 16);
  p->s->files++;
  p->s->patched += p->changed;
  return record_put (&p->s->rec, REC_FILE_END, end, sizeof end);
}

static struct err *
send_patch (struct patch *p, uint64_t *got)
{
  struct tree_entry *e = p->e;
  e->marks &= (uint8_t)~(TREE_HAS_XXH | TREE_HAS_SHA);
  memset (e->xxh, 0, sizeof e->xxh);
  memset (e->sha, 0, sizeof e->sha);
  TRY (send_head (p));
  digest_start (p->s->digest, false);
  struct err *bad = send_runs (p, got);
  if (bad != NULL) /* the stream stands in the middle of a file */
    return err_wrap (bad, "%s/%s", p->s->a->root, e->path);
  TRY (send_end (p, *got));
  return *got == e->size ? blocks_finish (p->learnt, e) : NULL;
}

/* Nothing of the content differs. */
static struct err *
only_meta (struct patch *p, uint64_t *got)
{
  struct tree_entry *e = p->e;
  const struct tree_entry *known = p->known;
  *got = e->size;
  e->marks |= known->marks & (TREE_HAS_XXH | TREE_HAS_SHA);
  memcpy (e->xxh, known->xxh, sizeof e->xxh);
  memcpy (e->sha, known->sha, sizeof e->sha);
  TRY (blocks_finish (p->learnt, e));
  if (entry_same_meta (e, known))
    return sender_keep (p->s, e);
  return sender_send (p->s, REC_META, e);
}

/* A hole that was made, and stretches that were allocated, are carried with
 * the whole file alone; a file that is mostly holes is read faster so. */
static bool
may_patch (const struct sender *s, const struct tree_entry *e,
           const struct tree_entry *known)
{
  return s->a->patch && known != NULL && known->type == TREE_FILE
         && !known->is_link && known->size >= BLOCKS_FILE_MIN
         && e->size >= known->size && e->blocks >= known->blocks
         && e->blocks >= e->size / 1024 && !sender_listed (s->a->force, e);
}

struct err *
sender_patch (struct sender *s, int fd, struct tree_entry *e,
              const struct tree_entry *known, uint64_t *got,
              enum sender_patched *how)
{
  CLEANUP (patch_clear)
  struct patch p = { .s = s, .fd = fd, .e = e, .known = known };
  *how = PATCH_CANNOT;
  if (!may_patch (s, e, known))
    return NULL;
  p.had = blocks_open (s->a->index_dir, s->a->index, known);
  if (p.had == NULL)
    return NULL;
  TRY (err_wrap (find_changes (&p), "%s/%s", s->a->root, e->path));
  if (p.shorter || too_much (&p))
    return NULL;
  TRY (blocks_create (s->a->index_dir, s->a->index, s->a->round, e, true,
                      &p.learnt));
  *how = p.runs.n > 0 ? PATCH_SENT : PATCH_SAME;
  return p.runs.n > 0 ? send_patch (&p, got) : only_meta (&p, got);
}
