/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a set of lines holds, whatever their order: their number and the sum,
 * modulo 2^128, of the XXH3-128 of each line without its newline.  A sum, not
 * an exclusive or, so that a row that is there twice counts twice.
 *
 * XXH3: github.com/Cyan4973/xxHash, doc/xxhash_spec.md.  It finds faults, not
 * forgeries.
 *
 * Threads: one at a time.
 */
#ifndef REHOME_AGENT_ROWS_H
#define REHOME_AGENT_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rows;

struct rows *rows_new (void);
void rows_free (struct rows *r);
void rows_put (struct rows *r, const void *data, size_t len);
/* Bytes of a row whose bounds the caller knows: not for lines. */
void rows_bytes (struct rows *r, const void *data, size_t len, bool last);
/* A last line without a newline counts as one. */
void rows_end (struct rows *r);

uint64_t rows_count (const struct rows *r);
/* 32 digits, most significant first. */
void rows_sum (const struct rows *r, char out[33]);

#endif
