/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a test stream: each is the low byte of its position. */
#ifndef REHOME_TESTS_LINK_PATTERN_H
#define REHOME_TESTS_LINK_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#define PATTERN_MAX ((size_t)1 << 20)

/* The bytes from `position` on, at most PATTERN_MAX of them. */
const unsigned char *pattern_at (uint64_t position);

#endif
