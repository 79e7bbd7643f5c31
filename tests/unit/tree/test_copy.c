/* SPDX-License-Identifier: Apache-2.0 */
/* What a first copy carries. */
#include "ground.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static void
carries_content_owner_mode_and_time (void **state)
{
  struct ground *g = *state;
  make_dir (on_src (g, "d"));
  put_file (on_src (g, "d/f"), "hello");
  put_file (on_src (g, "empty"), "");
  assert_int_equal (chown (on_src (g, "d/f"), 1234, 4321), 0);
  assert_int_equal (chmod (on_src (g, "d/f"), 0640), 0);
  assert_int_equal (chown (on_src (g, "d"), 77, 88), 0);
  assert_int_equal (chmod (on_src (g, "d"), 02751), 0);
  set_mtime (on_src (g, "d/f"), 1000000000, 123456789);
  set_mtime (on_src (g, "d"), 1000000001, 987654321);
  set_mtime (g->src, 1000000002, 1);
  assert_ok (ground_copy (g));
  assert_same_trees (g->src, g->dst);
  assert_int_equal (ground_sent (g, "files"), 2);
  assert_int_equal (ground_sent (g, "bytes"), 5);
}

static void
carries_set_id_bits_of_files_of_others (void **state)
{
  struct ground *g = *state;
  put_file (on_src (g, "suid"), "x");
  assert_int_equal (chown (on_src (g, "suid"), 1234, 4321), 0);
  assert_int_equal (chmod (on_src (g, "suid"), 06755), 0);
  assert_ok (ground_copy (g));
  struct stat st;
  assert_int_equal (stat (on_dst (g, "suid"), &st), 0);
  assert_int_equal (st.st_mode & 07777, 06755);
}

static void
carries_times_before_1970_and_after_2106 (void **state)
{
  struct ground *g = *state;
  put_file (on_src (g, "old"), "x");
  put_file (on_src (g, "new"), "x");
  set_mtime (on_src (g, "old"), -86400, 5);
  set_mtime (on_src (g, "new"), 5000000000, 7);
  assert_ok (ground_copy (g));
  assert_same_trees (g->src, g->dst);
}

static void
carries_acls_default_acls_and_attributes (void **state)
{
  struct ground *g = *state;
  make_dir (on_src (g, "shared"));
  put_file (on_src (g, "shared/f"), "x");
  assert_int_equal (symlink ("nowhere", on_src (g, "link")), 0);
  set_acl (on_src (g, "shared"), "system.posix_acl_access", 1001, 1002);
  set_acl (on_src (g, "shared"), "system.posix_acl_default", 1003, 1004);
  set_acl (on_src (g, "shared/f"), "system.posix_acl_access", 1005, 1006);
  assert_int_equal (
      setxattr (on_src (g, "shared/f"), "user.note", "a\0b", 3, 0), 0);
  assert_int_equal (lsetxattr (on_src (g, "link"), "trusted.mark", "t", 1, 0),
                    0);
  set_mtime (on_src (g, "link"), 1234567, 8);
  assert_ok (ground_copy (g));
  assert_same_trees (g->src, g->dst);
}

static void
a_file_does_not_inherit_the_default_acl_of_its_directory (void **state)
{
  struct ground *g = *state;
  make_dir (on_src (g, "shared"));
  put_file (on_src (g, "shared/plain"), "x");
  set_acl (on_src (g, "shared"), "system.posix_acl_default", 1003, 1004);
  assert_ok (ground_copy (g));
  put_file (on_src (g, "shared/later"), "y");
  assert_int_equal (
      removexattr (on_src (g, "shared/later"), "system.posix_acl_access"), 0);
  make_dir (on_src (g, "shared/sub"));
  removexattr (on_src (g, "shared/sub"), "system.posix_acl_access");
  removexattr (on_src (g, "shared/sub"), "system.posix_acl_default");
  assert_ok (ground_round (g));
  assert_same_trees (g->src, g->dst);
}

static void
carries_a_capability (void **state)
{
  struct ground *g = *state;
  /* cap_net_bind_service=ep, version 2 */
  static const unsigned char cap[20] = { 1, 0, 0, 2, 0, 4 };
  put_file (on_src (g, "server"), "#!");
  assert_int_equal (chown (on_src (g, "server"), 1234, 1), 0);
  assert_int_equal (
      setxattr (on_src (g, "server"), "security.capability", cap, 20, 0), 0);
  assert_ok (ground_copy (g));
  unsigned char got[64];
  assert_int_equal (
      getxattr (on_dst (g, "server"), "security.capability", got, 64), 20);
  assert_memory_equal (got, cap, 20);
}

static void
a_sparse_file_stays_sparse (void **state)
{
  struct ground *g = *state;
  int fd = open (on_src (g, "sparse"), O_RDWR | O_CREAT, 0600);
  assert_int_equal (pwrite (fd, "middle", 6, 50 << 20), 6);
  assert_int_equal (ftruncate (fd, 100 << 20), 0);
  close (fd);
  assert_ok (ground_copy (g));
  assert_same_trees (g->src, g->dst);
  struct stat st;
  assert_int_equal (stat (on_dst (g, "sparse"), &st), 0);
  assert_true (st.st_blocks * 512 < 1 << 20);
  assert_true (g->stream.len < 1 << 20);
}

static void
hard_links_stay_one_inode_over_directories (void **state)
{
  struct ground *g = *state;
  make_dir (on_src (g, "d"));
  put_file (on_src (g, "first"), "one");
  assert_int_equal (link (on_src (g, "first"), on_src (g, "d/second")), 0);
  assert_int_equal (link (on_src (g, "first"), on_src (g, "third")), 0);
  assert_ok (ground_copy (g));
  struct stat a, b;
  assert_int_equal (stat (on_dst (g, "first"), &a), 0);
  assert_int_equal (stat (on_dst (g, "d/second"), &b), 0);
  assert_int_equal (a.st_ino, b.st_ino);
  assert_int_equal (a.st_nlink, 3);
  assert_int_equal (ground_sent (g, "files"), 1);
  assert_same_trees (g->src, g->dst);
}

static void
carries_any_name (void **state)
{
  struct ground *g = *state;
  static const char *const names[]
      = { "new\nline", "-rf",         "  spaces ", "\xff\xfe", "caf\xc3\xa9",
          "\x01\x7f",  "back\\slash", "CASE",      "case",     "...",
          "a b",       "a",           "a.b",       "*",        "$(id)" };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    put_file (on_src (g, names[i]), names[i]);
  make_dir (on_src (g, "a-dir"));
  put_file (on_src (g, "a-dir/x"), "x");
  put_file (on_src (g, "a-dir.y"), "y");
  char longest[256] = { 0 };
  memset (longest, 'n', 255);
  put_file (on_src (g, longest), "long");
  assert_ok (ground_copy (g));
  assert_same_trees (g->src, g->dst);
}

static void
carries_paths_longer_than_path_max (void **state)
{
  struct ground *g = *state;
  char name[201] = { 0 };
  memset (name, 'd', 200);
  int at = open (g->src, O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 40; i++) {
    assert_int_equal (mkdirat (at, name, 0755), 0);
    int next = openat (at, name, O_RDONLY | O_DIRECTORY);
    close (at);
    at = next;
  }
  int fd = openat (at, "deep", O_WRONLY | O_CREAT, 0600);
  assert_int_equal (write (fd, "x", 1), 1);
  close (fd);
  assert_int_equal (linkat (at, "deep", at, "deeper", 0), 0);
  close (at);
  assert_ok (ground_copy (g));
  assert_same_trees (g->src, g->dst);
}

static void
carries_a_thousand_levels (void **state)
{
  struct ground *g = *state;
  int at = open (g->src, O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 1000; i++) {
    assert_int_equal (mkdirat (at, "d", 0755), 0);
    int next = openat (at, "d", O_RDONLY | O_DIRECTORY);
    close (at);
    at = next;
  }
  close (at);
  assert_ok (ground_copy (g));
  assert_int_equal (ground_got (g, "entries"), 1001);
}

static void
carries_fifos_sockets_devices_and_links (void **state)
{
  struct ground *g = *state;
  assert_int_equal (mknod (on_src (g, "fifo"), S_IFIFO | 0620, 0), 0);
  assert_int_equal (mknod (on_src (g, "sock"), S_IFSOCK | 0755, 0), 0);
  assert_int_equal (mknod (on_src (g, "null"), S_IFCHR | 0666, makedev (1, 3)),
                    0);
  assert_int_equal (mknod (on_src (g, "disk"), S_IFBLK | 0660, makedev (7, 99)),
                    0);
  assert_int_equal (symlink ("/etc/passwd", on_src (g, "link")), 0);
  assert_int_equal (lchown (on_src (g, "link"), 5, 6), 0);
  set_mtime (on_src (g, "fifo"), 1111, 2222);
  assert_ok (ground_copy (g));
  assert_same_trees (g->src, g->dst);
}

static unsigned
flags_of (const char *path)
{
  int fd = open (path, O_RDONLY);
  unsigned flags = 0;
  assert_true (fd >= 0);
  assert_int_equal (ioctl (fd, FS_IOC_GETFLAGS, &flags), 0);
  close (fd);
  return flags & (FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL);
}

static void
carries_inode_flags_and_changes_such_files_later (void **state)
{
  struct ground *g = *state;
  make_dir (on_src (g, "locked"));
  put_file (on_src (g, "locked/f"), "one");
  put_file (on_src (g, "log"), "one");
  put_file (on_src (g, "gone"), "one");
  RUN ("chattr", "+i", on_src (g, "locked/f"), on_src (g, "locked"),
       on_src (g, "gone"));
  RUN ("chattr", "+ad", on_src (g, "log"));
  assert_ok (ground_copy (g));
  assert_int_equal (flags_of (on_dst (g, "locked/f")), FS_IMMUTABLE_FL);
  assert_int_equal (flags_of (on_dst (g, "locked")), FS_IMMUTABLE_FL);
  assert_int_equal (flags_of (on_dst (g, "log")), FS_APPEND_FL | FS_NODUMP_FL);
  RUN ("chattr", "-i", on_src (g, "locked/f"), on_src (g, "locked"),
       on_src (g, "gone"));
  put_file (on_src (g, "locked/f"), "two");
  assert_int_equal (unlink (on_src (g, "gone")), 0);
  RUN ("chattr", "+i", on_src (g, "locked/f"));
  assert_ok (ground_round (g));
  assert_same_trees (g->src, g->dst);
  assert_int_equal (flags_of (on_dst (g, "locked/f")), FS_IMMUTABLE_FL);
  assert_int_equal (flags_of (on_dst (g, "locked")), 0);
}

static void
a_single_file_and_a_single_link_are_trees_too (void **state)
{
  struct ground *g = *state;
  put_file (on_src (g, "one"), "x");
  set_mtime (on_src (g, "one"), 123, 456);
  g->send.root = on_src (g, "one");
  g->receive.root = on_dst (g, "below/one");
  assert_ok (ground_copy (g));
  assert_same_trees (g->send.root, g->receive.root);
  put_file (on_src (g, "one"), "changed");
  assert_ok (ground_round (g));
  assert_same_trees (g->send.root, g->receive.root);
  assert_false (is_there (on_dst (g, "below/.rehome-tmp-one")));
  assert_ok (tree_drop (g->dst_index, "item"));
  assert_int_equal (symlink ("/etc/passwd", on_src (g, "link")), 0);
  g->send.root = on_src (g, "link");
  g->receive.root = on_dst (g, "link");
  assert_ok (ground_copy (g));
  char target[32] = { 0 };
  assert_int_equal (readlink (g->receive.root, target, 31), 11);
}

static void
maps_ids_of_owners_and_acl_entries (void **state)
{
  struct ground *g = *state;
  put_file (on_src (g, "f"), "x");
  put_file (on_src (g, "other"), "x");
  assert_int_equal (chown (on_src (g, "f"), 1001, 1002), 0);
  assert_int_equal (chown (on_src (g, "other"), 5, 6), 0);
  set_acl (on_src (g, "f"), "system.posix_acl_access", 1001, 1002);
  json_t *uids CLEANUP_JSON = json_pack ("[[i,i]]", 1001, 2001);
  json_t *gids CLEANUP_JSON = json_pack ("[[i,i]]", 1002, 2002);
  assert_ok (idmap_read (uids, &g->maps.uids));
  assert_ok (idmap_read (gids, &g->maps.gids));
  assert_ok (ground_copy (g));
  struct stat st;
  assert_int_equal (stat (on_dst (g, "f"), &st), 0);
  assert_int_equal (st.st_uid, 2001);
  assert_int_equal (st.st_gid, 2002);
  assert_int_equal (stat (on_dst (g, "other"), &st), 0);
  assert_int_equal (st.st_uid, 5);
  unsigned char got[128], want[128];
  set_acl (on_src (g, "other"), "system.posix_acl_access", 2001, 2002);
  ssize_t n = getxattr (on_src (g, "other"), "system.posix_acl_access", want,
                        sizeof want);
  assert_int_equal (getxattr (on_dst (g, "f"), "system.posix_acl_access", got,
                              sizeof got),
                    n);
  assert_memory_equal (got, want, (size_t)n);
}

static void
what_is_excluded_is_not_copied (void **state)
{
  struct ground *g = *state;
  make_dir (on_src (g, "cache"));
  put_file (on_src (g, "cache/x"), "x");
  put_file (on_src (g, "keep"), "x");
  put_file (on_src (g, "keep.tmp"), "x");
  json_t *patterns CLEANUP_JSON = json_pack ("[s,s]", "cache/", "*.tmp");
  struct filter *filter CLEANUP_FILTER = NULL;
  assert_ok (filter_read (patterns, &filter));
  g->send.filter = filter;
  assert_ok (ground_copy (g));
  assert_true (is_there (on_dst (g, "keep")));
  assert_false (is_there (on_dst (g, "cache")));
  assert_false (is_there (on_dst (g, "keep.tmp")));
}

#define CASE(f) \
  cmocka_unit_test_setup_teardown (f, ground_set_up, ground_tear_down)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    CASE (carries_content_owner_mode_and_time),
    CASE (carries_set_id_bits_of_files_of_others),
    CASE (carries_times_before_1970_and_after_2106),
    CASE (carries_acls_default_acls_and_attributes),
    CASE (a_file_does_not_inherit_the_default_acl_of_its_directory),
    CASE (carries_a_capability),
    CASE (a_sparse_file_stays_sparse),
    CASE (hard_links_stay_one_inode_over_directories),
    CASE (carries_any_name),
    CASE (carries_paths_longer_than_path_max),
    CASE (carries_a_thousand_levels),
    CASE (carries_fifos_sockets_devices_and_links),
    CASE (carries_inode_flags_and_changes_such_files_later),
    CASE (a_single_file_and_a_single_link_are_trees_too),
    CASE (maps_ids_of_owners_and_acl_entries),
    CASE (what_is_excluded_is_not_copied),
  };
  ground_needs_root ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
