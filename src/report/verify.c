/* SPDX-License-Identifier: Apache-2.0 */
/* Checks a journal's chain. */
#include "report/verify.h"

#include "base/mem.h"
#include "journal/store.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LINE_MAX_BYTES ((size_t)16 << 20)

struct walk {
  struct chain chain;
  bool started;
  const char *plan_hash;
  struct verified *out;
};

static struct err *
take_line (struct walk *w, const char *line, size_t len)
{
  if (!w->started) {
    struct record r = { 0 };
    TRY (record_parse (line, len, &r));
    memcpy (w->out->first, r.prev, sizeof w->out->first);
    record_clear (&r);
    chain_start (&w->chain,
                 w->plan_hash != NULL ? w->plan_hash : w->out->first);
    w->started = true;
  }
  TRY (chain_next (&w->chain, line, len));
  w->out->records++;
  memcpy (w->out->head, w->chain.head, sizeof w->out->head);
  return NULL;
}

static struct err *
each_record (void *ctx, const struct record *r, const char *line)
{
  (void)r;
  return take_line (ctx, line, strlen (line));
}

static struct err *
verify_store (const char *dir, struct walk *w)
{
  CLEANUP_STORE struct store *s = NULL;
  TRY (store_open_reader (dir, &s));
  return store_each (s, 0, each_record, w);
}

static struct err *
read_lines (FILE *f, const char *path, struct walk *w, char **buffer)
{
  size_t cap = 0;
  ssize_t n;
  while ((n = getline (buffer, &cap, f)) > 0) {
    const char *line = *buffer;
    if ((size_t)n > LINE_MAX_BYTES)
      return err_new (ERR_CORRUPT, "RH-JOURNAL-CHAIN",
                      "a line of %s is too long for a record", path);
    if (line[n - 1] != '\n')
      return err_new (ERR_CORRUPT, "RH-JOURNAL-CHAIN",
                      "the last line of %s is cut off", path);
    TRY (take_line (w, line, (size_t)n - 1));
  }
  if (ferror (f))
    return err_sys (errno, "RH-REPORT-READ", "cannot read %s", path);
  return NULL;
}

static struct err *
verify_lines (const char *path, struct walk *w)
{
  FILE *f = fopen (path, "re");
  if (f == NULL)
    return err_sys (errno, "RH-REPORT-READ", "cannot read %s", path);
  char *buffer = NULL;
  struct err *e = read_lines (f, path, w, &buffer);
  free (buffer);
  fclose (f);
  return e;
}

bool
verify_is_bundle (const char *path)
{
  /* The magic of a POSIX tar lies at 257 (POSIX.1-2017, pax). */
  char head[263] = "";
  FILE *f = fopen (path, "re");
  size_t n = f != NULL ? fread (head, 1, sizeof head, f) : 0;
  if (f != NULL)
    fclose (f);
  return n == sizeof head && memcmp (head + 257, "ustar", 5) == 0;
}

static bool
is_there (const char *dir, const char *name)
{
  struct stat st;
  CLEANUP_FREE char *path = mem_printf ("%s/%s", dir, name);
  return stat (path, &st) == 0;
}

static bool
is_database (const char *path)
{
  char magic[16] = "";
  FILE *f = fopen (path, "re");
  size_t n = f != NULL ? fread (magic, 1, sizeof magic, f) : 0;
  if (f != NULL)
    fclose (f);
  return n == sizeof magic && memcmp (magic, "SQLite format 3", 16) == 0;
}

struct err *
verify_path (const char *path, const char *plan_hash, struct verified *out)
{
  struct stat st;
  struct walk w = { .plan_hash = plan_hash, .out = out };
  memset (out, 0, sizeof *out);
  if (stat (path, &st) != 0)
    return err_sys (errno, "RH-REPORT-READ", "cannot read %s", path);
  CLEANUP_FREE char *copy = mem_strdup (path);
  CLEANUP_FREE char *lines = mem_printf ("%s/journal.jsonl", path);
  if (S_ISDIR (st.st_mode) && is_there (path, "journal.db"))
    TRY (verify_store (path, &w));
  else if (S_ISDIR (st.st_mode))
    TRY (verify_lines (lines, &w));
  else if (is_database (path))
    TRY (verify_store (dirname (copy), &w));
  else
    TRY (verify_lines (path, &w));
  if (out->records == 0)
    return err_new (ERR_CORRUPT, "RH-JOURNAL-CHAIN", "%s holds no record",
                    path);
  return NULL;
}
