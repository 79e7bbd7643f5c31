/* SPDX-License-Identifier: Apache-2.0 */
/* The quick look at shared writable mappings. */
#include "scratch.h"

#include "host/mapped.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static bool
maybe (const char *maps)
{
  return mapped_maybe_in (maps, "/srv/shop", 8, 1);
}

static void
a_line_counts_by_rights_place_and_device (void **state)
{
  (void)state;
  static const char code[] = "55d0-55d8 r-xp 0000 08:01 77   /srv/shop/prog\n";
  assert_false (maybe (code));
  assert_false (maybe ("7f00-7f08 rw-p 0000 08:01 78   /srv/shop/db\n"));
  assert_true (maybe ("7f00-7f08 rw-s 0000 08:01 78   /srv/shop/db\n"));
  assert_true (maybe ("7f00-7f08 -w-s 0000 08:01 78   /srv/shop/a b\n"));
  assert_false (maybe ("7f00-7f08 rw-s 0000 08:02 78   /var/other\n"));
  assert_true (maybe ("7f00-7f08 rw-s 0000 08:01 78   /nowhere/db\n"));
  assert_true (maybe ("7f00-7f08 rw-s 0000 00:2f 78   /nowhere/db\n"));
  assert_false (maybe ("7f00-7f08 rw-s 0000 00:01 9 /memfd:x (deleted)\n"));
  assert_false (maybe ("7f00-7f08 rw-s 0000 00:01 9 /dev/zero (deleted)\n"));
  assert_false (maybe ("7f00-7f08 rw-s 0000 00:00 0 \n"));
}

/* Of this process alone: others on the machine map what they like. */
static bool
maybe_here (const char *dir)
{
  struct stat st;
  CLEANUP_FREE char *maps = get_file ("/proc/self/maps");
  assert_int_equal (stat (dir, &st), 0);
  return mapped_maybe_in (maps, dir, gnu_dev_major (st.st_dev),
                          gnu_dev_minor (st.st_dev));
}

static void
a_mapping_of_this_process_is_seen_while_it_lasts (void **state)
{
  CLEANUP_FREE char *in = mem_printf ("%s/in", (char *)*state);
  CLEANUP_FREE char *out = mem_printf ("%s/out", (char *)*state);
  CLEANUP_FREE char *path = mem_printf ("%s/f", in);
  mkdir (in, 0755);
  mkdir (out, 0755);
  put_file (path, "text");
  assert_false (maybe_here (in));
  int fd = open (path, O_RDWR | O_CLOEXEC);
  void *p = mmap (NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  assert_true (p != MAP_FAILED);
  close (fd);
  assert_true (mapped_maybe_below (in));
  assert_false (maybe_here (out)); /* it has this one name */
  munmap (p, 4);
  assert_false (maybe_here (in));
}

static void
another_name_in_the_directory_is_not_missed (void **state)
{
  CLEANUP_FREE char *in = mem_printf ("%s/in", (char *)*state);
  CLEANUP_FREE char *path = mem_printf ("%s/f", (char *)*state);
  CLEANUP_FREE char *name = mem_printf ("%s/g", in);
  mkdir (in, 0755);
  put_file (path, "text");
  assert_int_equal (link (path, name), 0);
  int fd = open (path, O_RDWR | O_CLOEXEC);
  void *p = mmap (NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  assert_true (p != MAP_FAILED);
  close (fd);
  assert_true (mapped_maybe_below (in));
  munmap (p, 4);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    in_scratch (a_line_counts_by_rights_place_and_device),
    in_scratch (a_mapping_of_this_process_is_seen_while_it_lasts),
    in_scratch (another_name_in_the_directory_is_not_missed),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
