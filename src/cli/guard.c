/* SPDX-License-Identifier: Apache-2.0 */
/* stdout and stderr as streams that escape; see guard.h. */
#include "cli/guard.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/write_all.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A character may come in two pieces: the first waits here. */
struct guard {
  int fd;
  unsigned char held[4];
  size_t n;
};

static struct guard out = { .fd = STDOUT_FILENO };
static struct guard err = { .fd = STDERR_FILENO };

/* How many bytes at the end begin a character that is not whole: at most 3. */
static size_t
unfinished (const unsigned char *p, size_t len)
{
  for (size_t back = 1; back <= 3 && back <= len; back++) {
    unsigned char c = p[len - back];
    size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    if ((c & 0xc0) != 0x80)
      return need > back ? back : 0;
  }
  return 0;
}

static ssize_t
put (void *cookie, const char *bytes, size_t len)
{
  struct guard *g = cookie;
  CLEANUP_FREE char *all = mem_alloc (g->n + len + 1);
  memcpy (all, g->held, g->n);
  memcpy (all + g->n, bytes, len);
  size_t total = g->n + len;
  size_t rest = unfinished ((unsigned char *)all, total);
  CLEANUP_FREE char *safe = text_printable (all, total - rest);
  memcpy (g->held, all + total - rest, rest);
  g->n = rest;
  return write_all (g->fd, safe, strlen (safe)) == 0 ? (ssize_t)len : 0;
}

static FILE *
guarded (struct guard *g, FILE *was, int mode)
{
  cookie_io_functions_t calls = { .write = put };
  fflush (was);
  FILE *f = fopencookie (g, "w", calls);
  if (f == NULL)
    return was;
  setvbuf (f, NULL, mode, BUFSIZ);
  return f;
}

void
guard_stdio (void)
{
  stdout = guarded (&out, stdout, isatty (STDOUT_FILENO) ? _IOLBF : _IOFBF);
  stderr = guarded (&err, stderr, _IOLBF);
}

void
guard_obeyed (const char *sequence)
{
  fflush (stderr);
  write_all (STDERR_FILENO, sequence, strlen (sequence));
}
