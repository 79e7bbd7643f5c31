/* SPDX-License-Identifier: Apache-2.0 */
/* A whole buffer to a descriptor: write(2) may take a part, and be
 * interrupted. */
#ifndef REHOME_HOST_WRITE_ALL_H
#define REHOME_HOST_WRITE_ALL_H

#include <stddef.h>

/* 0 or an errno; then any beginning of it may have been written. */
int write_all (int fd, const void *data, size_t len);

#endif
