/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing leaves a held root, whether the kernel checks or the walk. */
#include "scratch.h"

#include "host/rooted.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int
root_of (void **state)
{
  int fd;
  assert_ok (rooted_open_root (*state, &fd));
  return fd;
}

static char *
below (void **state, const char *name)
{
  return mem_printf ("%s/%s", (char *)*state, name);
}

static int
by_kernel (void **state)
{
  rooted_force_walk (false);
  return scratch_make (state);
}

static int
by_walk (void **state)
{
  rooted_force_walk (true);
  return scratch_make (state);
}

static void
opens_a_file_in_a_directory (void **state)
{
  CLEANUP_FREE char *dir = below (state, "a");
  CLEANUP_FREE char *file = below (state, "a/b");
  mkdir (dir, 0755);
  put_file (file, "content");
  CLEANUP_FD int root = root_of (state);
  CLEANUP_FD int fd = -1;
  assert_ok (rooted_open (root, "a/b", O_RDONLY, 0, &fd));
  char text[8] = "";
  assert_int_equal (read (fd, text, 7), 7);
  assert_string_equal (text, "content");
  assert_true (fcntl (fd, F_GETFD) & FD_CLOEXEC);
}

static void
an_empty_path_is_the_root (void **state)
{
  CLEANUP_FD int root = root_of (state);
  CLEANUP_FD int fd = -1;
  struct stat a, b;
  assert_ok (rooted_open (root, "", O_RDONLY | O_DIRECTORY, 0, &fd));
  fstat (root, &a);
  fstat (fd, &b);
  assert_int_equal (a.st_ino, b.st_ino);
}

static void
paths_that_leave_are_refused (void **state)
{
  CLEANUP_FREE char *dir = below (state, "a");
  mkdir (dir, 0755);
  CLEANUP_FD int root = root_of (state);
  static const char *const bad[]
      = { "..",          "../etc/passwd", "a/..", "a/../..",
          "/etc/passwd", "a//b",          "a/",   "/",
          "a/../a",      "../rehome" };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    int fd = -1;
    assert_code (rooted_open (root, bad[i], O_RDONLY, 0, &fd),
                 "RH-PATH-ESCAPE");
    assert_int_equal (fd, -1);
  }
}

static void
links_are_refused_anywhere (void **state)
{
  CLEANUP_FREE char *dir = below (state, "a");
  CLEANUP_FREE char *file = below (state, "a/b");
  CLEANUP_FREE char *link = below (state, "link");
  CLEANUP_FREE char *last = below (state, "a/last");
  mkdir (dir, 0755);
  put_file (file, "content");
  assert_int_equal (symlink ("a", link), 0);
  assert_int_equal (symlink ("b", last), 0);
  CLEANUP_FD int root = root_of (state);
  int fd;
  assert_code (rooted_open (root, "link/b", O_RDONLY, 0, &fd),
               "RH-PATH-SYMLINK");
  assert_code (rooted_open (root, "a/last", O_RDONLY, 0, &fd),
               "RH-PATH-SYMLINK");
  assert_code (rooted_open (root, "a/last", O_WRONLY | O_CREAT | O_TRUNC, 0644,
                            &fd),
               "RH-PATH-SYMLINK");
  assert_code (rooted_open (root, "link", O_RDONLY | O_DIRECTORY, 0, &fd),
               "RH-PATH-SYMLINK");
  const char *leaf;
  assert_code (rooted_parent (root, "link/b", &fd, &leaf), "RH-PATH-SYMLINK");
}

static void
a_link_itself_can_be_held (void **state)
{
  CLEANUP_FREE char *link = below (state, "link");
  assert_int_equal (symlink ("nowhere", link), 0);
  CLEANUP_FD int root = root_of (state);
  CLEANUP_FD int fd = -1;
  assert_ok (rooted_open (root, "link", O_PATH | O_NOFOLLOW, 0, &fd));
  struct stat st;
  assert_int_equal (fstat (fd, &st), 0);
  assert_true (S_ISLNK (st.st_mode));
}

static void
what_is_absent_says_so_by_errno (void **state)
{
  CLEANUP_FD int root = root_of (state);
  int fd;
  CLEANUP_ERR struct err *e = rooted_open (root, "none/x", O_RDONLY, 0, &fd);
  assert_string_equal (err_code (e), "RH-PATH-OPEN");
  assert_int_equal (err_errno (e), ENOENT);
}

static void
the_parent_and_the_leaf (void **state)
{
  CLEANUP_FREE char *dir = below (state, "a");
  mkdir (dir, 0755);
  CLEANUP_FD int root = root_of (state);
  CLEANUP_FD int parent = -1;
  CLEANUP_FD int same = -1;
  const char *leaf;
  assert_ok (rooted_parent (root, "a/new", &parent, &leaf));
  assert_string_equal (leaf, "new");
  assert_int_equal (mkdirat (parent, leaf, 0755), 0);
  assert_int_equal (fsync (parent), 0);
  assert_ok (rooted_parent (root, "top", &same, &leaf));
  assert_string_equal (leaf, "top");
  int none;
  assert_code (rooted_parent (root, "", &none, &leaf), "RH-PATH-ESCAPE");
  assert_code (rooted_parent (root, ".", &none, &leaf), "RH-PATH-ESCAPE");
}

/* 40 directories of 200 bytes: beyond PATH_MAX. */
static void
paths_longer_than_the_system_takes_work (void **state)
{
  CLEANUP_FD int root = root_of (state);
  CLEANUP_BUF struct buf path = BUF_INIT;
  char name[201];
  memset (name, 'n', 200);
  name[200] = '\0';
  int chain[41] = { dup (root) };
  for (int i = 0; i < 40; i++) {
    assert_int_equal (mkdirat (chain[i], name, 0755), 0);
    chain[i + 1] = openat (chain[i], name, O_RDONLY | O_DIRECTORY);
    assert_ok (buf_printf (&path, "%s/", name));
  }
  assert_ok (buf_put_str (&path, "file"));
  CLEANUP_FD int fd = -1;
  assert_ok (
      rooted_open (root, (char *)path.data, O_WRONLY | O_CREAT, 0600, &fd));
  CLEANUP_FD int dir = -1;
  const char *leaf;
  assert_ok (rooted_parent (root, (char *)path.data, &dir, &leaf));
  assert_int_equal (faccessat (dir, leaf, F_OK, 0), 0);
  CLEANUP_FREE char *whole = mem_printf ("%s/%.*s", (char *)*state,
                                         (int)path.len - 5, (char *)path.data);
  CLEANUP_FD int deep = -1;
  assert_ok (rooted_open_root (whole, &deep));
  assert_int_equal (faccessat (deep, "file", F_OK, 0), 0);
  assert_int_equal (unlinkat (deep, "file", 0), 0);
  for (int i = 40; i >= 0; i--) {
    close (chain[i]);
    if (i > 0)
      assert_int_equal (unlinkat (chain[i - 1], name, AT_REMOVEDIR), 0);
  }
}

static void
the_root_itself_is_not_followed (void **state)
{
  CLEANUP_FREE char *link = below (state, "link");
  CLEANUP_FREE char *slashed = below (state, "link/");
  assert_int_equal (symlink ("/etc", link), 0);
  int fd;
  assert_code (rooted_open_root (link, &fd), "RH-PATH-SYMLINK");
  assert_code (rooted_open_root (slashed, &fd), "RH-PATH-SYMLINK");
}

/* --- someone swaps a directory for a link all the time
 * ------------------------- */

struct swap {
  int root;
  atomic_bool stop;
};

/* Both names change places, in one call, or (before Linux 3.15) one after the
 * other and back. */
static void
swap_once (int root)
{
  if (syscall (SYS_renameat2, root, "dir", root, "link", 2) == 0)
    return;
  renameat (root, "dir", root, "aside");
  renameat (root, "link", root, "dir");
  renameat (root, "dir", root, "link");
  renameat (root, "aside", root, "dir");
}

static void *
swapper (void *arg)
{
  struct swap *s = arg;
  while (!atomic_load (&s->stop))
    swap_once (s->root);
  return NULL;
}

static void
a_swapped_link_never_leads_out (void **state)
{
  CLEANUP_FREE char *outside = mem_printf ("%s-outside", (char *)*state);
  CLEANUP_FREE char *bait = mem_printf ("%s/file", outside);
  CLEANUP_FREE char *dir = below (state, "dir");
  CLEANUP_FREE char *file = below (state, "dir/file");
  CLEANUP_FREE char *link = below (state, "link");
  mkdir (outside, 0755);
  mkdir (dir, 0755);
  put_file (bait, "outside");
  put_file (file, "inside!");
  assert_int_equal (symlink (outside, link), 0);
  CLEANUP_FD int root = root_of (state);
  struct swap s = { .root = root };
  pthread_t thread;
  pthread_create (&thread, NULL, swapper, &s);
  int opened = 0, refused = 0, escaped = 0;
  for (int i = 0; i < 200000 && (opened < 200 || refused < 200); i++) {
    int fd;
    if (rooted_try (root, "dir/file", O_RDONLY, 0, &fd) != 0) {
      refused++;
      continue;
    }
    char text[8] = "";
    opened++;
    if (read (fd, text, 7) != 7 || strcmp (text, "inside!") != 0)
      escaped++;
    close (fd);
  }
  atomic_store (&s.stop, true);
  pthread_join (thread, NULL);
  unlink (bait);
  rmdir (outside);
  assert_int_equal (escaped, 0);
  assert_true (opened > 0);
  assert_true (refused > 0);
}

/* --- a kernel without openat2
 * --------------------------------------------------- */

static void
forbid_openat2 (void)
{
  struct sock_filter code[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, 437, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog prog = { .len = 4, .filter = code };
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
      || prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0)
    _exit (90);
}

static int
without_openat2 (int root)
{
  forbid_openat2 ();
  int fd;
  if (syscall (437, root, "a", NULL, 0) != -1 || errno != ENOSYS)
    return 1;
  if (rooted_try (root, "a/b", O_RDONLY, 0, &fd) != 0)
    return 2;
  if (rooted_try (root, "link/b", O_RDONLY, 0, &fd) != ELOOP)
    return 3;
  return rooted_try (root, "../x", O_RDONLY, 0, &fd) == EXDEV ? 0 : 4;
}

static void
a_kernel_without_openat2_gives_the_same_answers (void **state)
{
  CLEANUP_FREE char *dir = below (state, "a");
  CLEANUP_FREE char *file = below (state, "a/b");
  CLEANUP_FREE char *link = below (state, "link");
  mkdir (dir, 0755);
  put_file (file, "x");
  assert_int_equal (symlink ("a", link), 0);
  CLEANUP_FD int root = root_of (state);
  pid_t pid = fork ();
  if (pid == 0)
    _exit (without_openat2 (root));
  int status;
  waitpid (pid, &status, 0);
  assert_true (WIFEXITED (status));
  assert_int_equal (WEXITSTATUS (status), 0);
}

#define both(test)                                              \
  { #test " (kernel)", test, by_kernel, scratch_remove, NULL }, \
  {                                                             \
    #test " (walk)", test, by_walk, scratch_remove, NULL        \
  }

int
main (void)
{
  const struct CMUnitTest tests[] = {
    both (opens_a_file_in_a_directory),
    both (an_empty_path_is_the_root),
    both (paths_that_leave_are_refused),
    both (links_are_refused_anywhere),
    both (a_link_itself_can_be_held),
    both (what_is_absent_says_so_by_errno),
    both (the_parent_and_the_leaf),
    both (paths_longer_than_the_system_takes_work),
    both (the_root_itself_is_not_followed),
    both (a_swapped_link_never_leads_out),
    { "a_kernel_without_openat2_gives_the_same_answers",
      a_kernel_without_openat2_gives_the_same_answers, by_kernel,
      scratch_remove, NULL },
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
