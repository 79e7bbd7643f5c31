/* SPDX-License-Identifier: Apache-2.0 */
/* A directory for one test, and files in it. */
#ifndef REHOME_TEST_HOST_SCRATCH_H
#define REHOME_TEST_HOST_SCRATCH_H

#include "../cmocka_api.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static inline int
scratch_drop_ (const char *path, const struct stat *st, int type,
               struct FTW *ftw)
{
  (void)st;
  (void)type;
  (void)ftw;
  return remove (path);
}

/* A cmocka setup: *state is the path of a new empty directory. */
static inline int
scratch_make (void **state)
{
  char *dir = mem_strdup ("/tmp/rehome-test-XXXXXX");
  *state = mkdtemp (dir);
  return *state == NULL ? -1 : 0;
}

static inline int
scratch_remove (void **state)
{
  int bad = nftw (*state, scratch_drop_, 16, FTW_DEPTH | FTW_PHYS);
  free (*state);
  return bad;
}

#define in_scratch(test) \
  cmocka_unit_test_setup_teardown (test, scratch_make, scratch_remove)

static inline void
put_file (const char *path, const char *text)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  assert_true (fd >= 0);
  assert_int_equal (write (fd, text, strlen (text)), (ssize_t)strlen (text));
  close (fd);
}

/* The caller frees; NULL where the file cannot be read. */
static inline char *
get_file (const char *path)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return NULL;
  char *text = mem_alloc (65536);
  ssize_t n = read (fd, text, 65535);
  close (fd);
  assert_true (n >= 0);
  return text;
}

#endif
