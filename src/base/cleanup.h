/* SPDX-License-Identifier: Apache-2.0 */
/* Cleanup by scope: the one TRY and the one STEAL macro, and the attribute
 * forms for the types of libc.  No goto ladders. */
#ifndef REHOME_BASE_CLEANUP_H
#define REHOME_BASE_CLEANUP_H

#include "base/err.h"

#include <stdlib.h>
#include <unistd.h>

/* Returns the error of `expr` to the caller, if there is one. */
#define TRY(expr)                  \
  do {                             \
    struct err *try_err_ = (expr); \
    if (try_err_ != NULL)          \
      return try_err_;             \
  } while (0)

/* Takes the value out of a variable that has a cleanup, leaving NULL. */
#define STEAL(p)                         \
  (__extension__ ({                      \
    __typeof__ (p) *steal_p_ = &(p);     \
    __typeof__ (p) steal_v_ = *steal_p_; \
    *steal_p_ = NULL;                    \
    steal_v_;                            \
  }))

#define CLEANUP(fn) __attribute__ ((cleanup (fn)))

static inline void
cleanup_free_ (void *p)
{
  free (*(void **)p);
}

static inline void
cleanup_close_ (const int *fd)
{
  if (*fd >= 0)
    close (*fd);
}

static inline void
cleanup_err_ (struct err **e)
{
  err_free (*e);
}

#define CLEANUP_FREE CLEANUP (cleanup_free_)
#define CLEANUP_FD CLEANUP (cleanup_close_)
#define CLEANUP_ERR CLEANUP (cleanup_err_)

#endif
