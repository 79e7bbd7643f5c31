/* SPDX-License-Identifier: Apache-2.0 */
/* Differences as `rsync -n -i` lists them, for people who read that daily. */
#ifndef REHOME_CLI_ITEMISED_H
#define REHOME_CLI_ITEMISED_H

#include "wire/json.h"

#include <stdbool.h>

/* One example of `tree.compare` as a line without its end; the caller frees.
 *   >f.st......  a file is sent: another size, another time
 *   .d..t......  metadata alone      cL+++++++++  made anew
 *   hf+++++++++  a further name      *deleting    removed
 * The letters are those of rsync(1) under --itemize-changes; x also stands
 * for capabilities, inode flags and project ids. */
char *itemised_line (const json_t *example);
/* Whether an example has this kind of difference. */
bool itemised_has (const json_t *example, const char *kind);
/* All that a preview (provider/files.h) lists, on stdout. */
void itemised_print (const json_t *preview);

#endif
