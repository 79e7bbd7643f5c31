/* SPDX-License-Identifier: Apache-2.0 */
/* A typed growing array: struct { T *v; size_t n, cap; } and two macros. */
#ifndef REHOME_BASE_VEC_H
#define REHOME_BASE_VEC_H

#include "base/mem.h"

#define VEC(T)  \
  struct {      \
    T *v;       \
    size_t n;   \
    size_t cap; \
  }

/* Appends one zeroed element and gives a pointer to it (valid until the next
 * push). */
#define VEC_PUSH(vec)                                                       \
  (vec_room_ ((void **)&(vec)->v, &(vec)->cap, (vec)->n, sizeof *(vec)->v), \
   &(vec)->v[(vec)->n++])

/* Frees the array, not what its elements own. */
#define VEC_FREE(vec) \
  (free ((vec)->v), (vec)->v = NULL, (vec)->n = 0, (vec)->cap = 0)

void vec_room_ (void **v, size_t *cap, size_t n, size_t size);

#endif
