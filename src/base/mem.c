/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that aborts when memory is out; see mem.h. */
#include "base/mem.h"

#include "base/vec.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *
must (void *p)
{
  if (p == NULL) {
    static const char text[] = "out of memory\n";
    if (write (STDERR_FILENO, text, sizeof text - 1) < 0)
      abort ();
    abort ();
  }
  return p;
}

void *
mem_alloc (size_t size)
{
  return must (calloc (1, size > 0 ? size : 1));
}

void *
mem_resize (void *p, size_t count, size_t size)
{
  if (count == 0 || size == 0)
    count = size = 1;
  return must (reallocarray (p, count, size));
}

char *
mem_strdup (const char *s)
{
  return s == NULL ? NULL : must (strdup (s));
}

char *
mem_strndup (const char *s, size_t n)
{
  return s == NULL ? NULL : must (strndup (s, n));
}

void *
mem_dup (const void *p, size_t n)
{
  void *copy = mem_alloc (n);
  if (n > 0)
    memcpy (copy, p, n);
  return copy;
}

char *
mem_vprintf (const char *fmt, va_list ap)
{
  char *s = NULL;
  if (vasprintf (&s, fmt, ap) < 0)
    s = NULL;
  return must (s);
}

char *
mem_printf (const char *fmt, ...)
{
  va_list ap;
  va_start (ap, fmt);
  char *s = mem_vprintf (fmt, ap);
  va_end (ap);
  return s;
}

struct err *
mem_checked (size_t count, size_t size, size_t cap, const char *what,
             void **out)
{
  size_t total;
  *out = NULL;
  if (__builtin_mul_overflow (count, size, &total) || total > cap)
    return err_new (ERR_CORRUPT, "RH-LIMIT",
                    "%s: %zu times %zu bytes is above the limit of %zu", what,
                    count, size, cap);
  void *p = calloc (1, total > 0 ? total : 1);
  if (p == NULL)
    return err_new (ERR_TRANSIENT, "RH-LIMIT", "%s: no memory for %zu bytes",
                    what, total);
  *out = p;
  return NULL;
}

void
vec_room_ (void **v, size_t *cap, size_t n, size_t size)
{
  if (n >= *cap) {
    size_t grown;
    if (__builtin_mul_overflow (*cap, (size_t)2, &grown))
      abort ();
    if (grown < 8)
      grown = 8;
    *v = mem_resize (*v, grown, size);
    *cap = grown;
  }
  memset ((char *)*v + n * size, 0, size);
}
