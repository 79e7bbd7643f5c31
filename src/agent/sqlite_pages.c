/* SPDX-License-Identifier: Apache-2.0 */
/* Lists, their files and their stream; see sqlite_pages.h. */
#include "agent/sqlite_pages.h"

#include "agent/fence.h"
#include "base/mem.h"
#include "base/text.h"
#include "tree/index.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const unsigned char magic[4] = { 'R', 'H', 'P', 'G' };
#define PAGES_MAX ((uint64_t)1 << 32)

struct err *
lite_list_dir (const json_t *args, char **dir, const char **index)
{
  const char *id;
  TRY (json_get_str (args, "migration", &id));
  TRY (json_get_str (args, "index", index));
  TRY (fence_check_id (id));
  *dir = mem_printf ("%s/%s/index", fence_state_dir (), id);
  return NULL;
}

struct err *
lite_list_path (const char *dir, const char *index, const char *suffix,
                char **out)
{
  return index_path (dir, index, suffix, out);
}

static void
put (unsigned char *p, uint64_t v, int bytes)
{
  for (int i = 0; i < bytes; i++)
    p[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t
get (const unsigned char *p, int bytes)
{
  uint64_t v = 0;
  for (int i = 0; i < bytes; i++)
    v |= (uint64_t)p[i] << (8 * i);
  return v;
}

void
lite_list_head (uint32_t page_size, uint64_t pages,
                unsigned char out[LITE_LIST_HEAD])
{
  memcpy (out, magic, sizeof magic);
  put (out + 4, page_size, 4);
  put (out + 8, pages, 8);
}

struct err *
lite_list_check (const unsigned char head[LITE_LIST_HEAD], uint32_t *page_size,
                 uint64_t *pages)
{
  *page_size = (uint32_t)get (head + 4, 4);
  *pages = get (head + 8, 8);
  bool plausible
      = *pages == 0
        || (*page_size >= 512 && *page_size <= LITE_PAGE_MAX
            && (*page_size & (*page_size - 1)) == 0 && *pages < PAGES_MAX);
  if (memcmp (head, magic, sizeof magic) == 0 && plausible)
    return NULL;
  return err_new (ERR_CORRUPT, "RH-SQLITE-STREAM",
                  "what came is no list of pages");
}

struct err *
lite_list_open (const char *path, struct lite_list *out)
{
  unsigned char head[LITE_LIST_HEAD];
  struct stat st;
  memset (out, 0, sizeof *out);
  out->file = fopen (path, "re");
  if (out->file == NULL)
    return errno == ENOENT
               ? NULL
               : err_sys (errno, "RH-SQLITE-OPEN", "opening a list of pages");
  CLEANUP_ERR struct err *e = NULL;
  if (fread (head, sizeof head, 1, out->file) == 1)
    e = lite_list_check (head, &out->page_size, &out->pages);
  if (e == NULL && out->page_size != 0 && fstat (fileno (out->file), &st) == 0
      && (uint64_t)st.st_size == LITE_LIST_HEAD + out->pages * LITE_DIGEST)
    return NULL;
  lite_list_close (out); /* as if there were none: all is sent */
  return NULL;
}

bool
lite_list_next (struct lite_list *l, unsigned char digest[LITE_DIGEST])
{
  if (l->file == NULL || l->at >= l->pages)
    return false;
  l->at++;
  return fread (digest, LITE_DIGEST, 1, l->file) == 1;
}

void
lite_list_close (struct lite_list *l)
{
  if (l->file != NULL)
    fclose (l->file);
  memset (l, 0, sizeof *l);
}

void
lite_sum_begin (struct lite_sum *s)
{
  if (s->state == NULL)
    s->state = XXH3_createState ();
  if (s->state == NULL)
    abort ();
  XXH3_128bits_reset (s->state);
}

void
lite_sum_add (struct lite_sum *s, const void *data, size_t len)
{
  XXH3_128bits_update (s->state, data, len);
}

char *
lite_sum_text (struct lite_sum *s)
{
  XXH128_canonical_t c;
  XXH128_canonicalFromHash (&c, XXH3_128bits_digest (s->state));
  return text_hex (c.digest, sizeof c.digest);
}

void
lite_sum_clear (struct lite_sum *s)
{
  XXH3_freeState (s->state);
}

void
lite_digest (const void *page, size_t len, unsigned char out[LITE_DIGEST])
{
  XXH128_canonical_t c;
  XXH128_canonicalFromHash (&c, XXH3_128bits (page, len));
  memcpy (out, c.digest, LITE_DIGEST);
}

struct err *
lite_watch_page (struct lite_watch *w, uint64_t page, uint64_t pages,
                 uint32_t page_size)
{
  if (page % 256 != 0)
    return NULL;
  if (w->cancelled (w->ctx))
    return err_new (ERR_TRANSIENT, "RH-AGENT-CANCELLED", "cancelled");
  w->tick (w->ctx,
           json_pack ("{s:o, s:o, s:o}", "bytes", json_u64 (page * page_size),
                      "of_bytes", json_u64 (pages * page_size), "sent",
                      json_u64 (w->sent)));
  return NULL;
}

/* One pass over the file, with all that it gives. */
struct pass {
  const struct lite_pages *a;
  struct lite_reader reader;
  struct lite_list known; /* NAME.pages */
  struct lite_sum sum;
  FILE *now;
  struct sink *out;
  uint64_t touched;
  json_t *examples;
};

static void
pass_clear (struct pass *p)
{
  lite_reader_close (&p->reader);
  lite_list_close (&p->known);
  lite_sum_clear (&p->sum);
  if (p->now != NULL)
    fclose (p->now);
  json_decref (p->examples);
}

static struct err *
emit (struct pass *p, const void *data, size_t len)
{
  if (p->now != NULL && fwrite (data, len, 1, p->now) != 1)
    return err_sys (errno, "RH-SQLITE-OPEN", "writing a list of pages");
  return p->out != NULL ? p->out->put (p->out->ctx, data, len) : NULL;
}

static void
note_touched (struct pass *p, uint64_t page)
{
  if (p->touched++ < LITE_TOUCHED_MAX)
    json_array_append_new (p->examples, json_integer ((json_int_t)page));
}

static struct err *
pass_run (struct pass *p, struct lite_watch *w)
{
  CLEANUP_FREE unsigned char *page = mem_alloc (LITE_PAGE_MAX);
  unsigned char head[LITE_LIST_HEAD], own[LITE_DIGEST], was[LITE_DIGEST];
  const struct lite_reader *r = &p->reader;
  lite_list_head (r->header.page_size, r->pages, head);
  TRY (emit (p, head, sizeof head));
  for (uint64_t n = 1; n <= r->pages; n++) {
    TRY (lite_watch_page (w, n, r->pages, r->header.page_size));
    TRY (lite_reader_page (&p->reader, n, page));
    lite_digest (page, r->header.page_size, own);
    if (p->known.file != NULL
        && (!lite_list_next (&p->known, was)
            || memcmp (own, was, sizeof own) != 0))
      note_touched (p, n);
    lite_sum_add (&p->sum, own, sizeof own);
    TRY (emit (p, own, sizeof own));
  }
  lite_sum_add (&p->sum, head, sizeof head);
  for (; p->known.file != NULL && lite_list_next (&p->known, was);)
    note_touched (p, p->known.at); /* pages that are gone */
  if (p->now != NULL && fflush (p->now) != 0)
    return err_sys (errno, "RH-SQLITE-OPEN", "writing a list of pages");
  return NULL;
}

/* What is not there, or no database, has no pages. */
static struct err *
pass_reader (struct pass *p, bool *exists)
{
  CLEANUP_ERR struct err *e = lite_reader_open (p->a->place, true, &p->reader);
  struct stat st;
  *exists = fstatat (p->a->place->dirfd, p->a->place->leaf, &st,
                     AT_SYMLINK_NOFOLLOW)
            == 0;
  if (e == NULL && p->a->disk && p->reader.fd >= 0) {
    fdatasync (p->reader.fd);
    posix_fadvise (p->reader.fd, 0, 0, POSIX_FADV_DONTNEED);
  }
  if (e != NULL && strcmp (err_code (e), "RH-SQLITE-NONE") == 0) {
    p->reader.pages = 0;
    return NULL;
  }
  return STEAL (e);
}

static struct err *
pass_lists (struct pass *p)
{
  CLEANUP_FREE char *now = NULL;
  CLEANUP_FREE char *known = NULL;
  if (p->a->dir == NULL)
    return NULL;
  TRY (lite_list_path (p->a->dir, p->a->index, "now", &now));
  TRY (lite_list_path (p->a->dir, p->a->index, "pages", &known));
  TRY (lite_list_open (known, &p->known));
  p->now = fopen (now, "we");
  return p->now != NULL
             ? NULL
             : err_sys (errno, "RH-SQLITE-OPEN", "writing a list of pages");
}

struct err *
lite_pages_stream (const struct lite_pages *a, struct sink *out,
                   struct lite_watch *w, json_t **result)
{
  CLEANUP (pass_clear)
  struct pass p = {
    .a = a, .reader = LITE_READER_NONE, .out = out, .examples = json_array ()
  };
  bool exists;
  lite_sum_begin (&p.sum);
  TRY (pass_lists (&p));
  TRY (pass_reader (&p, &exists));
  TRY (pass_run (&p, w));
  CLEANUP_FREE char *sum = lite_sum_text (&p.sum);
  *result = json_pack ("{s:b, s:b, s:i, s:o, s:s, s:b, s:I, s:O}", "exists",
                       exists, "database", p.reader.header.database,
                       "page_size", (int)p.reader.header.page_size, "pages",
                       json_u64 (p.reader.pages), "sum", sum, "known",
                       p.known.file != NULL, "touched", (json_int_t)p.touched,
                       "touched_pages", p.examples);
  return NULL;
}

static struct err *
take (struct source *in, unsigned char *to, size_t len, size_t *got)
{
  *got = 0;
  while (*got < len) {
    size_t n = 0;
    TRY (in->get (in->ctx, to + *got, len - *got, &n));
    if (n == 0)
      return NULL;
    *got += n;
  }
  return NULL;
}

static struct err *
keep_all (FILE *f, struct source *in, uint64_t *pages)
{
  CLEANUP_FREE unsigned char *block = mem_alloc (LITE_PAGE_MAX);
  uint32_t page_size;
  uint64_t left;
  size_t got;
  TRY (take (in, block, LITE_LIST_HEAD, &got));
  if (got < LITE_LIST_HEAD)
    return err_new (ERR_CORRUPT, "RH-SQLITE-STREAM", "a list ended too soon");
  TRY (lite_list_check (block, &page_size, pages));
  left = *pages * LITE_DIGEST;
  for (;;) {
    if (fwrite (block, 1, got, f) != got)
      return err_sys (errno, "RH-SQLITE-OPEN", "writing a list of pages");
    TRY (take (in, block, LITE_PAGE_MAX, &got));
    if (got == 0 && left == 0)
      return NULL;
    if (got == 0 || got > left)
      return err_new (ERR_CORRUPT, "RH-SQLITE-STREAM",
                      "a list is not as long as it says");
    left -= got;
  }
}

struct err *
lite_pages_keep (const char *dir, const char *index, struct source *in,
                 json_t **result)
{
  CLEANUP_FREE char *path = NULL;
  uint64_t pages = 0;
  TRY (lite_list_path (dir, index, "theirs", &path));
  FILE *f = fopen (path, "we");
  if (f == NULL)
    return err_sys (errno, "RH-SQLITE-OPEN", "writing a list of pages");
  struct err *e = keep_all (f, in, &pages);
  if (fclose (f) != 0 && e == NULL)
    e = err_sys (errno, "RH-SQLITE-OPEN", "writing a list of pages");
  if (e != NULL)
    unlink (path); /* what is half is none */
  else
    *result = json_pack ("{s:o}", "pages", json_u64 (pages));
  return e;
}
