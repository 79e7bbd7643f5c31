/* SPDX-License-Identifier: Apache-2.0 */
/* Files are whole, dressed as asked for, and nothing lies beside them. */
#include "scratch.h"

#include "host/chase.h"
#include "host/durable.h"

#include <dirent.h>
#include <errno.h>
#include <sys/xattr.h>

static int
dir_of (void **state)
{
  int fd = open (*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  assert_true (fd >= 0);
  return fd;
}

static char *
below (void **state, const char *name)
{
  return mem_printf ("%s/%s", (char *)*state, name);
}

static int
count_entries (void **state)
{
  DIR *d = opendir (*state);
  int n = 0;
  for (struct dirent *e; (e = readdir (d)) != NULL;)
    n += strcmp (e->d_name, ".") != 0 && strcmp (e->d_name, "..") != 0;
  closedir (d);
  return n;
}

static struct durable_file
plain (const char *text)
{
  return (struct durable_file){ .data = text,
                                .len = strlen (text),
                                .mode = 0640,
                                .uid = geteuid (),
                                .gid = getegid () };
}

static void
a_file_is_written_whole_and_nothing_else (void **state)
{
  CLEANUP_FD int dir = dir_of (state);
  CLEANUP_FREE char *path = below (state, "name");
  struct durable_file f = plain ("first");
  assert_ok (durable_write (dir, "name", &f));
  f = plain ("second");
  assert_ok (durable_write (dir, "name", &f));
  CLEANUP_FREE char *text = get_file (path);
  assert_string_equal (text, "second");
  assert_int_equal (count_entries (state), 1);
}

static void
owner_mode_and_time_are_as_asked (void **state)
{
  if (geteuid () != 0)
    skip ();
  CLEANUP_FD int dir = dir_of (state);
  struct timespec then = { .tv_sec = -5, .tv_nsec = 123456789 };
  struct durable_file f = plain ("x");
  f.mode = 04750;
  f.uid = 1234;
  f.gid = 4321;
  f.mtime = &then;
  assert_ok (durable_write (dir, "name", &f));
  struct stat st;
  assert_int_equal (fstatat (dir, "name", &st, 0), 0);
  assert_int_equal (st.st_mode & 07777, 04750);
  assert_int_equal (st.st_uid, 1234);
  assert_int_equal (st.st_gid, 4321);
  assert_int_equal (st.st_mtim.tv_sec, -5);
  assert_int_equal (st.st_mtim.tv_nsec, 123456789);
}

/* Version 2: user rwx, user 1234 rw, group r, mask rw, other nothing. */
static const unsigned char acl[]
    = { 2, 0,   0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 2,   0,  6,
        0, 210, 4,   0,   0,   4,   0,  4, 0,   255, 255, 255, 255, 16, 0,
        6, 0,   255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255 };

static void
an_acl_is_written_as_raw_bytes (void **state)
{
  CLEANUP_FD int dir = dir_of (state);
  CLEANUP_FREE char *path = below (state, "name");
  struct durable_xattr x = { "system.posix_acl_access", acl, sizeof acl };
  struct durable_file f = plain ("x");
  f.xattrs = &x;
  f.xattr_count = 1;
  assert_ok (durable_write (dir, "name", &f));
  unsigned char got[128];
  assert_int_equal (getxattr (path, x.name, got, sizeof got), sizeof acl);
  assert_memory_equal (got, acl, sizeof acl);
}

static void
a_default_acl_leaves_nothing_that_was_not_asked_for (void **state)
{
  CLEANUP_FD int dir = dir_of (state);
  CLEANUP_FREE char *path = below (state, "name");
  assert_int_equal (
      fsetxattr (dir, "system.posix_acl_default", acl, sizeof acl, 0), 0);
  struct durable_file f = plain ("x");
  assert_ok (durable_write (dir, "name", &f));
  assert_int_equal (getxattr (path, "system.posix_acl_access", NULL, 0), -1);
  assert_int_equal (errno, ENODATA);
  struct stat st;
  stat (path, &st);
  assert_int_equal (st.st_mode & 07777, 0640);
}

static void
exclusive_does_not_replace (void **state)
{
  CLEANUP_FD int dir = dir_of (state);
  CLEANUP_FREE char *path = below (state, "name");
  put_file (path, "old");
  struct durable_file f = plain ("new");
  f.exclusive = true;
  assert_code (durable_write (dir, "name", &f), "RH-FILE-EXISTS");
  CLEANUP_FREE char *text = get_file (path);
  assert_string_equal (text, "old");
  assert_int_equal (count_entries (state), 1);
}

static void
a_failed_write_leaves_the_old_file_and_no_other (void **state)
{
  CLEANUP_FD int dir = dir_of (state);
  CLEANUP_FREE char *path = below (state, "name");
  put_file (path, "old");
  struct durable_xattr x = { "nonsense.name", "v", 1 };
  struct durable_file f = plain ("new");
  f.xattrs = &x;
  f.xattr_count = 1;
  assert_code (durable_write (dir, "name", &f), "RH-FILE-WRITE");
  CLEANUP_FREE char *text = get_file (path);
  assert_string_equal (text, "old");
  assert_int_equal (count_entries (state), 1);
}

static void
a_link_is_replaced_and_never_written_through (void **state)
{
  CLEANUP_FD int dir = dir_of (state);
  CLEANUP_FREE char *victim = below (state, "victim");
  put_file (victim, "untouched");
  assert_int_equal (symlinkat ("victim", dir, "name"), 0);
  struct durable_file f = plain ("new");
  assert_ok (durable_write (dir, "name", &f));
  CLEANUP_FREE char *text = get_file (victim);
  assert_string_equal (text, "untouched");
  struct stat st;
  fstatat (dir, "name", &st, AT_SYMLINK_NOFOLLOW);
  assert_true (S_ISREG (st.st_mode));
}

static void
links_are_made_and_replaced (void **state)
{
  CLEANUP_FD int dir = dir_of (state);
  char target[16] = "";
  assert_ok (durable_symlink (dir, "link", "one"));
  assert_ok (durable_symlink (dir, "link", "two"));
  assert_int_equal (readlinkat (dir, "link", target, 15), 3);
  assert_string_equal (target, "two");
  assert_int_equal (count_entries (state), 1);
}

static void
directories_are_made_with_all_above_them (void **state)
{
  CLEANUP_FREE char *deep = below (state, "a/b/c");
  assert_ok (durable_mkdirs (deep, 0700));
  assert_ok (durable_mkdirs (deep, 0700));
  struct stat st;
  assert_int_equal (stat (deep, &st), 0);
  assert_int_equal (st.st_mode & 07777, 0700);
  CLEANUP_FREE char *file = below (state, "file");
  CLEANUP_FREE char *under = below (state, "file/x");
  put_file (file, "x");
  assert_code (durable_mkdirs (under, 0700), "RH-FILE-WRITE");
}

static void
a_directory_that_is_there_keeps_its_mode (void **state)
{
  CLEANUP_FD int dir = dir_of (state);
  bool made;
  assert_ok (durable_mkdir (dir, "d", 0711, geteuid (), getegid (), &made));
  assert_true (made);
  assert_ok (durable_mkdir (dir, "d", 0777, geteuid (), getegid (), &made));
  assert_false (made);
  struct stat st;
  fstatat (dir, "d", &st, 0);
  assert_int_equal (st.st_mode & 07777, 0711);
  assert_int_equal (symlinkat ("d", dir, "link"), 0);
  assert_code (durable_mkdir (dir, "link", 0777, 0, 0, &made),
               "RH-FILE-EXISTS");
}

static void
moving_does_not_replace_unless_told (void **state)
{
  CLEANUP_FD int dir = dir_of (state);
  CLEANUP_FREE char *a = below (state, "a");
  CLEANUP_FREE char *b = below (state, "b");
  put_file (a, "a");
  put_file (b, "b");
  assert_code (durable_rename (dir, "a", dir, "b", false), "RH-FILE-EXISTS");
  assert_ok (durable_rename (dir, "a", dir, "b", true));
  CLEANUP_FREE char *text = get_file (b);
  assert_string_equal (text, "a");
  assert_int_equal (count_entries (state), 1);
}

static void
removing_takes_files_links_and_empty_directories (void **state)
{
  CLEANUP_FD int dir = dir_of (state);
  CLEANUP_FREE char *file = below (state, "file");
  bool removed;
  put_file (file, "x");
  assert_int_equal (mkdirat (dir, "d", 0755), 0);
  assert_int_equal (symlinkat ("file", dir, "link"), 0);
  assert_ok (durable_remove (dir, "link", &removed));
  assert_int_equal (access (file, F_OK), 0);
  assert_ok (durable_remove (dir, "d", &removed));
  assert_ok (durable_remove (dir, "file", &removed));
  assert_true (removed);
  assert_ok (durable_remove (dir, "file", &removed));
  assert_false (removed);
}

static void
a_directory_with_content_is_removed_only_as_a_tree (void **state)
{
  CLEANUP_FD int dir = dir_of (state);
  CLEANUP_FREE char *deep = below (state, "t/a/b");
  CLEANUP_FREE char *file = below (state, "t/a/b/file");
  CLEANUP_FREE char *link = below (state, "t/a/out");
  CLEANUP_FREE char *kept = below (state, "kept");
  CLEANUP_FREE char *inside = below (state, "kept/inside");
  bool removed;
  assert_ok (durable_mkdirs (deep, 0755));
  assert_ok (durable_mkdirs (kept, 0755));
  put_file (file, "x");
  put_file (inside, "x");
  assert_int_equal (symlink (kept, link), 0);
  assert_code (durable_remove (dir, "t", &removed), "RH-FILE-WRITE");
  assert_ok (durable_remove_tree (dir, "t", &removed));
  assert_true (removed);
  assert_int_equal (access (inside, F_OK), 0);
  assert_int_equal (count_entries (state), 1);
}

/* --- chase
 * ------------------------------------------------------------------------ */

static void
roots_links_on_the_way_are_followed (void **state)
{
  CLEANUP_FREE char *real = below (state, "real/sub");
  CLEANUP_FREE char *link = below (state, "link");
  CLEANUP_FREE char *path = below (state, "link/sub/../x");
  CLEANUP_FREE char *good = below (state, "link/sub/x");
  assert_ok (durable_mkdirs (real, 0755));
  assert_int_equal (symlink ("real/../real", link), 0);
  CLEANUP_FD int fd = -1;
  CLEANUP_FREE char *leaf = NULL;
  assert_ok (chase_parent (good, false, &fd, &leaf));
  assert_string_equal (leaf, "x");
  struct stat a, b;
  stat (real, &a);
  fstat (fd, &b);
  assert_int_equal (a.st_ino, b.st_ino);
  int none;
  char *no_leaf;
  assert_code (chase_parent (path, false, &none, &no_leaf), "RH-PATH-ESCAPE");
}

static void
a_strangers_link_on_the_way_is_refused (void **state)
{
  if (geteuid () != 0)
    skip ();
  CLEANUP_FREE char *link = below (state, "link");
  CLEANUP_FREE char *path = below (state, "link/passwd");
  assert_int_equal (symlink ("/etc", link), 0);
  assert_int_equal (lchown (link, 1234, 1234), 0);
  int fd;
  char *leaf;
  assert_code (chase_parent (path, false, &fd, &leaf), "RH-PATH-SYMLINK");
  assert_code (chase_parent (path, true, &fd, &leaf), "RH-PATH-SYMLINK");
}

static void
a_circle_of_links_ends (void **state)
{
  CLEANUP_FREE char *a = below (state, "a");
  CLEANUP_FREE char *path = below (state, "a/x");
  assert_int_equal (symlink ("a", a), 0);
  int fd;
  char *leaf;
  assert_code (chase_parent (path, false, &fd, &leaf), "RH-PATH-SYMLINK");
}

static void
what_is_missing_on_the_way_is_made_only_when_asked (void **state)
{
  CLEANUP_FREE char *path = below (state, "a/b/file");
  int none;
  char *no_leaf;
  assert_code (chase_parent (path, false, &none, &no_leaf), "RH-PATH-OPEN");
  CLEANUP_FD int fd = -1;
  CLEANUP_FREE char *leaf = NULL;
  assert_ok (chase_parent (path, true, &fd, &leaf));
  struct durable_file f = plain ("x");
  assert_ok (durable_write (fd, leaf, &f));
  CLEANUP_FREE char *text = get_file (path);
  assert_string_equal (text, "x");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    in_scratch (a_file_is_written_whole_and_nothing_else),
    in_scratch (owner_mode_and_time_are_as_asked),
    in_scratch (an_acl_is_written_as_raw_bytes),
    in_scratch (a_default_acl_leaves_nothing_that_was_not_asked_for),
    in_scratch (exclusive_does_not_replace),
    in_scratch (a_failed_write_leaves_the_old_file_and_no_other),
    in_scratch (a_link_is_replaced_and_never_written_through),
    in_scratch (links_are_made_and_replaced),
    in_scratch (directories_are_made_with_all_above_them),
    in_scratch (a_directory_that_is_there_keeps_its_mode),
    in_scratch (moving_does_not_replace_unless_told),
    in_scratch (removing_takes_files_links_and_empty_directories),
    in_scratch (a_directory_with_content_is_removed_only_as_a_tree),
    in_scratch (roots_links_on_the_way_are_followed),
    in_scratch (a_strangers_link_on_the_way_is_refused),
    in_scratch (a_circle_of_links_ends),
    in_scratch (what_is_missing_on_the_way_is_made_only_when_asked),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
