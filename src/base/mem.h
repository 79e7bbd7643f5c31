/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation.  Small allocations abort the process when memory is out
 * (log line, abort); sizes that come off the wire, a file or a plan go
 * through mem_checked, which has a cap and returns an error. */
#ifndef REHOME_BASE_MEM_H
#define REHOME_BASE_MEM_H

#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>

void *mem_alloc (size_t size);                         /* zeroed; never NULL */
void *mem_resize (void *p, size_t count, size_t size); /* overflow aborts */
char *mem_strdup (const char *s);                      /* NULL gives NULL */
char *mem_strndup (const char *s, size_t n);
void *mem_dup (const void *p, size_t n);
char *mem_printf (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));
char *mem_vprintf (const char *fmt, va_list ap)
    __attribute__ ((format (printf, 1, 0)));

/* count * size zeroed bytes, refused above `cap` ("RH-LIMIT"). */
struct err *mem_checked (size_t count, size_t size, size_t cap,
                         const char *what, void **out);

#endif
