/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever can write is found, however the file was opened. */
#include "held.h"

#include "host/writers.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>

/* The children: each opens something below `dir`/data and keeps it. */

static char *
data (const char *dir, const char *name)
{
  return mem_printf ("%s/data/%s", dir, name);
}

static int
open_for (const char *path, int flags)
{
  return open (path, flags | O_CREAT | O_CLOEXEC, 0644) < 0 ? -1 : 0;
}

static int
writes (const char *dir)
{
  return open_for (data (dir, "file"), O_WRONLY);
}

static int
reads (const char *dir)
{
  return open_for (data (dir, "file"), O_RDONLY);
}

static int
maps_with (const char *dir, int prot, int flags)
{
  int fd = open (data (dir, "file"), O_RDWR | O_CREAT, 0644);
  if (fd < 0 || ftruncate (fd, 4096) != 0
      || mmap (NULL, 4096, prot, flags, fd, 0) == MAP_FAILED)
    return -1;
  return close (fd);
}

static int
maps_shared (const char *dir)
{
  return maps_with (dir, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static int
maps_private (const char *dir)
{
  return maps_with (dir, PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

static int
writes_deleted (const char *dir)
{
  return writes (dir) == 0 ? unlink (data (dir, "file")) : -1;
}

static int
writes_beside (const char *dir)
{
  return open_for (mem_printf ("%s/data2", dir), O_WRONLY);
}

static int
writes_an_odd_name (const char *dir)
{
  return open_for (data (dir, "a\nb (deleted)"), O_RDWR);
}

static int
writes_by_another_name (const char *dir)
{
  char *inside = data (dir, "deep/inside");
  char *outside = mem_printf ("%s/outside", dir);
  if (mkdir (data (dir, "deep"), 0755) != 0 || open_for (inside, O_RDONLY) != 0
      || link (inside, outside) != 0)
    return -1;
  return open_for (outside, O_WRONLY);
}

/* The name by which it was opened is gone; another is inside. */
static int
writes_by_a_lost_name (const char *dir)
{
  char *outside = mem_printf ("%s/outside", dir);
  if (open_for (outside, O_WRONLY) != 0
      || link (outside, data (dir, "inside")) != 0)
    return -1;
  return unlink (outside);
}

static int
own_mounts (void)
{
  if (unshare (CLONE_NEWNS) != 0)
    return -1;
  return mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static int
writes_through_a_bind_mount_of_its_own (const char *dir)
{
  char *other = mem_printf ("%s/other", dir);
  if (own_mounts () != 0 || mkdir (other, 0755) != 0
      || mount (data (dir, ""), other, NULL, MS_BIND, NULL) != 0)
    return -1;
  return open_for (mem_printf ("%s/file", other), O_WRONLY);
}

/* As ProtectSystem= and ReadWritePaths= do: the same path, another mount. */
static int
writes_below_a_remounted_path (const char *dir)
{
  if (own_mounts () != 0
      || mount (data (dir, ""), data (dir, ""), NULL, MS_BIND, NULL) != 0)
    return -1;
  return writes (dir);
}

/* As PrivateTmp= does: the same name, but another file. */
static int
writes_a_file_that_only_looks_so (const char *dir)
{
  char *other = mem_printf ("%s/other", dir);
  if (own_mounts () != 0 || mkdir (other, 0755) != 0
      || mount (other, data (dir, ""), NULL, MS_BIND, NULL) != 0)
    return -1;
  return writes (dir);
}

static int
maps_through_a_bind_mount_of_its_own (const char *dir)
{
  char *other = mem_printf ("%s/other", dir);
  if (own_mounts () != 0 || mkdir (other, 0755) != 0
      || mount (data (dir, ""), other, NULL, MS_BIND, NULL) != 0)
    return -1;
  int fd = open (mem_printf ("%s/file", other), O_RDWR | O_CREAT, 0644);
  if (fd < 0 || ftruncate (fd, 4096) != 0
      || mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
             == MAP_FAILED)
    return -1;
  return close (fd);
}

static int
writes_in_a_chroot (const char *dir)
{
  if (chroot (dir) != 0)
    return -1;
  return open_for ("/data/file", O_WRONLY);
}

/* --- what is found of them
 * ------------------------------------------------------- */

static void
look (int (*act) (const char *), const char *dir, const char *under,
      struct writers *out, pid_t *pid)
{
  CLEANUP_FREE char *path = mem_printf ("%s/%s", dir, under);
  const char *paths[] = { path };
  *pid = held_start (act, dir);
  struct err *e = writers_under (paths, 1, out);
  held_end (*pid);
  assert_ok (e);
}

static void
expect_one (void **state, int (*act) (const char *), const char *name,
            bool mapped)
{
  CLEANUP (writers_free) struct writers w;
  pid_t pid;
  CLEANUP_FREE char *path = data (*state, name);
  look (act, *state, "data", &w, &pid);
  assert_int_equal (w.list.n, 1);
  assert_int_equal (w.list.v[0].pid, pid);
  assert_int_equal (w.list.v[0].mapped, mapped);
  assert_string_equal (w.list.v[0].path, path);
  assert_non_null (w.list.v[0].under);
}

static void
expect_none (void **state, int (*act) (const char *))
{
  CLEANUP (writers_free) struct writers w;
  pid_t pid;
  look (act, *state, "data", &w, &pid);
  assert_int_equal (w.list.n, 0);
}

static int
make_data (void **state)
{
  if (scratch_make (state) != 0)
    return -1;
  CLEANUP_FREE char *dir = data (*state, "");
  return mkdir (dir, 0755);
}

/* Mount namespaces and chroot are for root. */
#define NEEDS_ROOT()     \
  do {                   \
    if (geteuid () != 0) \
      skip ();           \
  } while (0)

static void
an_open_descriptor_is_found (void **state)
{
  expect_one (state, writes, "file", false);
}

static void
a_reader_is_no_writer (void **state)
{
  expect_none (state, reads);
}

static void
a_shared_mapping_is_found_after_its_descriptor_is_closed (void **state)
{
  expect_one (state, maps_shared, "file", true);
}

static void
a_private_mapping_is_no_writer (void **state)
{
  expect_none (state, maps_private);
}

static void
a_sibling_whose_name_begins_the_same_is_not_meant (void **state)
{
  expect_none (state, writes_beside);
}

static void
a_name_that_ends_like_a_deleted_one_is_kept (void **state)
{
  expect_one (state, writes_an_odd_name, "a\nb (deleted)", false);
}

static void
a_deleted_file_is_told_as_deleted (void **state)
{
  CLEANUP (writers_free) struct writers w;
  pid_t pid;
  look (writes_deleted, *state, "data", &w, &pid);
  assert_int_equal (w.list.n, 1);
  assert_true (w.list.v[0].deleted);
}

static void
a_hard_link_does_not_hide_a_writer (void **state)
{
  expect_one (state, writes_by_another_name, "deep/inside", false);
}

static void
a_lost_name_does_not_hide_a_writer (void **state)
{
  expect_one (state, writes_by_a_lost_name, "inside", false);
}

static void
a_bind_mount_in_another_namespace_does_not_hide_a_writer (void **state)
{
  NEEDS_ROOT ();
  expect_one (state, writes_through_a_bind_mount_of_its_own, "file", false);
}

static void
nor_does_it_hide_a_mapping (void **state)
{
  NEEDS_ROOT ();
  expect_one (state, maps_through_a_bind_mount_of_its_own, "file", true);
}

static void
a_remounted_path_does_not_hide_a_writer (void **state)
{
  NEEDS_ROOT ();
  expect_one (state, writes_below_a_remounted_path, "file", false);
}

static void
a_chroot_does_not_hide_a_writer (void **state)
{
  NEEDS_ROOT ();
  expect_one (state, writes_in_a_chroot, "file", false);
}

static void
another_file_of_the_same_name_is_not_meant (void **state)
{
  NEEDS_ROOT ();
  expect_none (state, writes_a_file_that_only_looks_so);
}

static void
but_it_is_found_where_it_really_lies (void **state)
{
  NEEDS_ROOT ();
  CLEANUP (writers_free) struct writers w;
  pid_t pid;
  look (writes_a_file_that_only_looks_so, *state, "other", &w, &pid);
  assert_int_equal (w.list.n, 1);
  assert_int_equal (w.list.v[0].pid, pid);
}

static void
a_path_through_a_link_finds_the_same (void **state)
{
  CLEANUP_FREE char *link = mem_printf ("%s/link", (char *)*state);
  assert_int_equal (symlink (*state, link), 0);
  CLEANUP (writers_free) struct writers w;
  pid_t pid;
  look (writes, *state, "link/data", &w, &pid);
  assert_int_equal (w.list.n, 1);
}

static void
a_single_file_and_an_absent_path_can_be_asked_for (void **state)
{
  CLEANUP_FREE char *file = data (*state, "file");
  CLEANUP_FREE char *absent = data (*state, "absent");
  const char *paths[] = { absent, file };
  pid_t pid = held_start (writes, *state);
  CLEANUP (writers_free) struct writers w;
  struct err *e = writers_under (paths, 2, &w);
  held_end (pid);
  assert_ok (e);
  assert_int_equal (w.list.n, 1);
  assert_string_equal (w.list.v[0].under, file);
}

/* Here, where a bind mount lies in the looker's own namespace: 0 good. */
static int
look_at_own_bind_mount (const char *dir)
{
  char *other = mem_printf ("%s/other", dir);
  const char *paths[] = { data (dir, "") };
  if (own_mounts () != 0 || mkdir (other, 0755) != 0
      || mount (paths[0], other, NULL, MS_BIND, NULL) != 0)
    return 1;
  pid_t pid = fork ();
  if (pid == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    while (open_for (mem_printf ("%s/file", other), O_WRONLY) == 0)
      pause ();
  }
  CLEANUP (writers_free) struct writers w = { { NULL, 0, 0 }, 0 };
  for (int i = 0; i < 200 && w.list.n == 0; i++) {
    writers_free (&w);
    usleep (10000);
    CLEANUP_ERR struct err *e = writers_under (paths, 1, &w);
    if (e != NULL)
      return 2;
  }
  held_end (pid);
  return w.list.n == 1 && w.list.v[0].pid == pid ? 0 : 3;
}

static void
a_bind_mount_here_does_not_hide_a_writer (void **state)
{
  NEEDS_ROOT ();
  pid_t pid = fork ();
  if (pid == 0)
    _exit (look_at_own_bind_mount (*state));
  int status;
  waitpid (pid, &status, 0);
  assert_true (WIFEXITED (status));
  assert_int_equal (WEXITSTATUS (status), 0);
}

/* Its own of each run. */
static char outside[64];

static int
writes_outside_tmp (const char *dir)
{
  (void)dir;
  return open_for (outside, O_WRONLY);
}

static bool
has_pid (const struct writers *w, pid_t pid, const char *path)
{
  for (size_t i = 0; i < w->list.n; i++)
    if (w->list.v[i].pid == pid && strcmp (w->list.v[i].path, path) == 0)
      return true;
  return false;
}

static void
everywhere_leaves_out_what_does_not_last (void **state)
{
  snprintf (outside, sizeof outside, "/var/tmp/rehome-test-%d", (int)getpid ());
  pid_t tmp = held_start (writes, *state);
  pid_t var = held_start (writes_outside_tmp, *state);
  CLEANUP (writers_free) struct writers w;
  struct err *e = writers_everywhere (&w);
  held_end (tmp);
  held_end (var);
  unlink (outside);
  assert_ok (e);
  assert_true (has_pid (&w, var, outside));
  for (size_t i = 0; i < w.list.n; i++)
    assert_int_not_equal (w.list.v[i].pid, tmp);
}

#define with_data(test) \
  cmocka_unit_test_setup_teardown (test, make_data, scratch_remove)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    with_data (an_open_descriptor_is_found),
    with_data (a_reader_is_no_writer),
    with_data (a_shared_mapping_is_found_after_its_descriptor_is_closed),
    with_data (a_private_mapping_is_no_writer),
    with_data (a_sibling_whose_name_begins_the_same_is_not_meant),
    with_data (a_name_that_ends_like_a_deleted_one_is_kept),
    with_data (a_deleted_file_is_told_as_deleted),
    with_data (a_hard_link_does_not_hide_a_writer),
    with_data (a_lost_name_does_not_hide_a_writer),
    with_data (a_path_through_a_link_finds_the_same),
    with_data (a_single_file_and_an_absent_path_can_be_asked_for),
    with_data (everywhere_leaves_out_what_does_not_last),
    with_data (a_bind_mount_in_another_namespace_does_not_hide_a_writer),
    with_data (nor_does_it_hide_a_mapping),
    with_data (a_bind_mount_here_does_not_hide_a_writer),
    with_data (a_remounted_path_does_not_hide_a_writer),
    with_data (a_chroot_does_not_hide_a_writer),
    with_data (another_file_of_the_same_name_is_not_meant),
    with_data (but_it_is_found_where_it_really_lies),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
