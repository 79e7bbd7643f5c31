/* SPDX-License-Identifier: Apache-2.0 */
#include "host/swaps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Blanks and such stand there as three octal digits behind a backslash. */
static void
unescape (char *text)
{
  char *to = text;
  for (const char *p = text; *p != 0; p++) {
    if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7'
        && p[3] >= '0' && p[3] <= '7')
    {
      *to++ = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
      p += 3;
    } else
      *to++ = *p;
  }
  *to = 0;
}

void
swaps_read (struct swaps *out)
{
  char line[4608];
  *out = (struct swaps){ 0 };
  FILE *f = fopen ("/proc/swaps", "re");
  if (f == NULL)
    return;
  while (fgets (line, sizeof line, f) != NULL) {
    size_t n = strcspn (line, " \t");
    struct stat s;
    if (line[0] != '/' || line[n] == 0)
      continue; /* the heading */
    line[n] = 0;
    unescape (line);
    if (stat (line, &s) == 0 && S_ISREG (s.st_mode))
      *VEC_PUSH (&out->list) = (struct swap_file){ s.st_dev, s.st_ino };
  }
  fclose (f);
}

bool
swaps_have (const struct swaps *s, uint64_t dev, uint64_t ino)
{
  for (size_t i = 0; i < s->list.n; i++)
    if (s->list.v[i].dev == dev && s->list.v[i].ino == ino)
      return true;
  return false;
}

void
swaps_free (struct swaps *s)
{
  VEC_FREE (&s->list);
}
