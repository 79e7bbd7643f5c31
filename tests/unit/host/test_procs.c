/* SPDX-License-Identifier: Apache-2.0 */
/* Processes, the units that hold them, and mounts. */
#include "held.h"

#include "host/mounts.h"
#include "host/procs.h"

/* --- cgroup to unit --------------------------------------------------------
 */

static void
check_unit (const char *text, const char *cgroup, const char *unit)
{
  CLEANUP_FREE char *got_cgroup = NULL;
  CLEANUP_FREE char *got_unit = NULL;
  cgroup_unit (text, strlen (text), &got_cgroup, &got_unit);
  assert_string_equal (got_cgroup, cgroup);
  if (unit == NULL)
    assert_null (got_unit);
  else
    assert_string_equal (got_unit, unit);
}

static void
the_unit_is_found_in_the_unified_layout (void **state)
{
  (void)state;
  check_unit ("0::/system.slice/nginx.service\n", "/system.slice/nginx.service",
              "nginx.service");
  check_unit ("0::/system.slice/system-getty.slice/getty@tty1.service\n",
              "/system.slice/system-getty.slice/getty@tty1.service",
              "getty@tty1.service");
}

static void
the_unit_is_found_in_the_old_layout (void **state)
{
  (void)state;
  check_unit ("11:memory:/system.slice/cron.service\n"
              "1:name=systemd:/system.slice/cron.service\n",
              "/system.slice/cron.service", "cron.service");
}

static void
with_both_layouts_the_one_with_units_counts (void **state)
{
  (void)state;
  check_unit ("9:name=systemd:/\n8:pids:/x.service\n"
              "0::/system.slice/a.service\n",
              "/system.slice/a.service", "a.service");
  check_unit ("1:name=systemd:/system.slice/a.service\n0::/\n",
              "/system.slice/a.service", "a.service");
}

static void
what_a_unit_delegates_belongs_to_it (void **state)
{
  (void)state;
  check_unit ("0::/system.slice/docker.service/payload/x.scope\n",
              "/system.slice/docker.service/payload/x.scope", "docker.service");
  check_unit ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/"
              "a.service\n",
              "/user.slice/user-1000.slice/user@1000.service/app.slice/"
              "a.service",
              "user@1000.service");
  check_unit ("0::/system.slice/_cpu.service\n", "/system.slice/_cpu.service",
              "cpu.service");
}

static void
no_unit_is_no_unit (void **state)
{
  (void)state;
  check_unit ("0::/\n", "/", NULL);
  check_unit ("0::/system.slice\n", "/system.slice", NULL);
  check_unit ("", "", NULL);
  check_unit ("nonsense\n0:\n:::\n", "", NULL);
}

/* --- processes --------------------------------------------------------------
 */

static int
take_an_ugly_name (const char *dir)
{
  (void)dir;
  return prctl (PR_SET_NAME, ") R 1 (x\n");
}

static void
a_name_with_parentheses_is_read_right (void **state)
{
  (void)state;
  pid_t pid = held_start (take_an_ugly_name, NULL);
  struct proc p;
  assert_int_equal (proc_read (pid, &p), 0);
  held_end (pid);
  assert_string_equal (p.comm, ") R 1 (x\n");
  assert_int_equal (p.ppid, getpid ());
  assert_int_equal (p.uid, getuid ());
  assert_true (p.state == 'S' || p.state == 'R');
  assert_true (p.start > 0);
  assert_non_null (p.cgroup);
  assert_false (proc_is (pid, p.start));
  proc_free (&p);
}

static void
number_and_start_name_a_process (void **state)
{
  (void)state;
  struct proc p;
  assert_int_equal (proc_read (getpid (), &p), 0);
  assert_true (proc_is (getpid (), p.start));
  assert_false (proc_is (getpid (), p.start + 1));
  assert_false (proc_is (0, 0));
  proc_free (&p);
}

static void
the_list_has_this_process_and_is_sorted (void **state)
{
  (void)state;
  CLEANUP (procs_free) struct procs all;
  assert_ok (procs_scan (&all));
  const struct proc *own = procs_find (&all, getpid ());
  assert_non_null (own);
  assert_int_equal (own->ppid, getppid ());
  for (size_t i = 1; i < all.list.n; i++)
    assert_true (all.list.v[i - 1].pid < all.list.v[i].pid);
  assert_null (procs_find (&all, 0));
}

static void
arguments_are_told_apart (void **state)
{
  (void)state;
  CLEANUP_BUF struct buf b = BUF_INIT;
  assert_int_equal (proc_cmdline (getpid (), &b), 0);
  assert_true (b.len > 1);
  assert_int_equal (b.data[b.len - 1], 0);
}

/* --- mounts ------------------------------------------------------------------
 */

static const char table[]
    = "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount\n"
      "22 21 8:2 / /srv rw shared:2 - xfs /dev/sda2 rw\n"
      "23 21 8:2 /data /mnt/with\\040space ro - xfs /dev/sda2 rw\n"
      "24 21 0:40 / /var/merged rw - overlay overlay "
      "rw,lowerdir=/l,upperdir=/var/up,workdir=/w\n"
      "25 21 0:41 / /opt rw - tmpfs tmpfs rw\n"
      "26 21 8:3 / /opt rw - ext4 /dev/sda3 ro\n"
      "broken line\n";

static void
mounts_are_parsed (void **state)
{
  (void)state;
  CLEANUP (mounts_free) struct mounts m = { { NULL, 0, 0 } };
  mounts_parse (table, sizeof table - 1, &m);
  assert_int_equal (m.list.n, 6);
  const struct mount *bound = mounts_by_id (&m, 23);
  assert_string_equal (bound->point, "/mnt/with space");
  assert_string_equal (bound->root, "/data");
  assert_true (bound->readonly);
  assert_string_equal (mounts_by_id (&m, 24)->upper, "/var/up");
  assert_false (mounts_by_id (&m, 22)->readonly);
  assert_null (mounts_by_id (&m, 99));
}

static void
a_path_lies_on_the_longest_and_last_mount (void **state)
{
  (void)state;
  CLEANUP (mounts_free) struct mounts m = { { NULL, 0, 0 } };
  mounts_parse (table, sizeof table - 1, &m);
  assert_int_equal (mounts_of_path (&m, "/srv/x")->id, 22);
  assert_int_equal (mounts_of_path (&m, "/srvx")->id, 21);
  assert_int_equal (mounts_of_path (&m, "/opt/x")->id, 26);
  assert_true (mounts_of_path (&m, "/opt/x")->readonly);
  assert_int_equal (mounts_of_path_on (&m, "/opt/x", 0, 41)->id, 25);
}

static void
a_bind_mount_names_the_same_inner_path (void **state)
{
  (void)state;
  CLEANUP (mounts_free) struct mounts m = { { NULL, 0, 0 } };
  mounts_parse (table, sizeof table - 1, &m);
  CLEANUP_FREE char *direct
      = mount_inner_path (mounts_by_id (&m, 22), "/srv/data/a");
  CLEANUP_FREE char *bound
      = mount_inner_path (mounts_by_id (&m, 23), "/mnt/with space/a");
  assert_string_equal (direct, "/data/a");
  assert_string_equal (bound, "/data/a");
  CLEANUP_FREE char *back = mount_outer_path (mounts_by_id (&m, 23), "/data/a");
  assert_string_equal (back, "/mnt/with space/a");
  assert_null (mount_outer_path (mounts_by_id (&m, 23), "/other"));
  CLEANUP_FREE char *top = mount_inner_path (mounts_by_id (&m, 22), "/srv");
  assert_string_equal (top, "/");
}

static void
below_means_by_whole_components (void **state)
{
  (void)state;
  assert_true (path_is_below ("/a/b", "/a"));
  assert_true (path_is_below ("/a", "/a"));
  assert_true (path_is_below ("/a/b", "/a/"));
  assert_true (path_is_below ("/a", "/"));
  assert_false (path_is_below ("/ab", "/a"));
  assert_false (path_is_below ("/", "/a"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (the_unit_is_found_in_the_unified_layout),
    cmocka_unit_test (the_unit_is_found_in_the_old_layout),
    cmocka_unit_test (with_both_layouts_the_one_with_units_counts),
    cmocka_unit_test (what_a_unit_delegates_belongs_to_it),
    cmocka_unit_test (no_unit_is_no_unit),
    cmocka_unit_test (a_name_with_parentheses_is_read_right),
    cmocka_unit_test (number_and_start_name_a_process),
    cmocka_unit_test (the_list_has_this_process_and_is_sorted),
    cmocka_unit_test (arguments_are_told_apart),
    cmocka_unit_test (mounts_are_parsed),
    cmocka_unit_test (a_path_lies_on_the_longest_and_last_mount),
    cmocka_unit_test (a_bind_mount_names_the_same_inner_path),
    cmocka_unit_test (below_means_by_whole_components),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
