/* SPDX-License-Identifier: Apache-2.0 */
/* What a confined process can do still, and what it cannot any more.  Each
 * test confines a child, which tells by its exit status where it went wrong. */
#include "../cmocka_api.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "host/confine.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* 0, or the line that does not hold. */
#define HOLDS(what)              \
  do                             \
    if (!(what))                 \
      return __LINE__ % 250 + 1; \
  while (0)

static void
in_a_child (int (*work) (const char *dir), const char *dir)
{
  pid_t pid = fork ();
  if (pid == 0)
    _exit (work (dir));
  int status = 0;
  waitpid (pid, &status, 0);
  if (!WIFEXITED (status) || WEXITSTATUS (status) != 0)
    fail_msg ("status %d: line (of 250) %d", status, WEXITSTATUS (status) - 1);
}

static bool
has_landlock (void)
{
  return syscall (444, NULL, 0, 1) >= 2;
}

/* Confined to DIR/in; DIR/out stays outside. */
static int
give_up (const char *dir, bool write, int *got)
{
  CLEANUP_FREE char *in = mem_printf ("%s/in", dir);
  CLEANUP_FD int fd = open (in, O_PATH | O_DIRECTORY);
  struct confine_place place = { fd, write };
  CLEANUP_ERR struct err *e = confine (&place, 1, write, got);
  return e == NULL ? 0 : 1;
}

static bool
refused (int result, int errnum)
{
  return result < 0 && errno == errnum;
}

static int
uses_files (const char *dir)
{
  int got = 0;
  bool landlock = has_landlock ();
  HOLDS (chdir (dir) == 0);
  HOLDS (give_up (dir, true, &got) == 0);
  HOLDS (((got & CONFINE_FILES) != 0) == landlock);
  HOLDS (open ("in/new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) >= 0);
  HOLDS (mkdir ("in/sub", 0700) == 0);
  HOLDS (rename ("in/new", "in/sub/new") == 0);
  HOLDS (chown ("in/sub/new", 12, 34) == 0 && chmod ("in/sub/new", 04711) == 0);
  HOLDS (mknod ("in/device", S_IFCHR | 0600, 0x103) == 0);
  HOLDS (open ("/proc/self/status", O_RDONLY) >= 0);
  if (!(got & CONFINE_FILES))
    return 0;
  HOLDS (refused (open ("out/secret", O_RDONLY), EACCES));
  HOLDS (refused (open ("out/secret", O_WRONLY), EACCES));
  HOLDS (refused (open ("out/new", O_CREAT | O_WRONLY, 0600), EACCES));
  HOLDS (refused (unlink ("out/secret"), EACCES));
  HOLDS (refused (mkdir ("out/sub", 0700), EACCES));
  HOLDS (rename ("in/sub/new", "out/new") < 0);
  HOLDS (link ("out/secret", "in/secret") < 0);
  HOLDS (symlink ("../out/secret", "in/link") == 0);
  HOLDS (refused (open ("in/link", O_RDONLY), EACCES));
  HOLDS (refused (open ("/etc/passwd", O_RDONLY), EACCES));
  return 0;
}

static int
reads_alone (const char *dir)
{
  int got = 0;
  HOLDS (chdir (dir) == 0);
  HOLDS (give_up (dir, false, &got) == 0);
  HOLDS (open ("in/file", O_RDONLY) >= 0);
  /* No capability to pass by what the owner may not do. */
  HOLDS (chown ("in/file", 12, 34) < 0);
  HOLDS (mknod ("in/device", S_IFCHR | 0600, 0x103) < 0);
  if (!(got & CONFINE_FILES))
    return 0;
  HOLDS (refused (open ("in/file", O_WRONLY), EACCES));
  HOLDS (refused (unlink ("in/file"), EACCES));
  return 0;
}

static void *
answers (void *arg)
{
  return arg;
}

static int
calls (const char *dir)
{
  int got = 0, pipes[2];
  char *const argv[] = { NULL };
  pthread_t thread;
  void *said = NULL;
  HOLDS (give_up (dir, true, &got) == 0);
  HOLDS (got & CONFINE_CALLS);
  HOLDS (pthread_create (&thread, NULL, answers, &got) == 0);
  HOLDS (pthread_join (thread, &said) == 0 && said == &got);
  HOLDS (pipe (pipes) == 0 && write (pipes[1], "x", 1) == 1);
  HOLDS (refused (socket (AF_INET, SOCK_STREAM, 0), ENOSYS));
  HOLDS (refused (socket (AF_UNIX, SOCK_STREAM, 0), ENOSYS));
  HOLDS (refused (execve ("/bin/true", argv, argv), ENOSYS));
  HOLDS (fork () < 0);
  HOLDS (refused (kill (getppid (), 0), ENOSYS));
  HOLDS (refused (setuid (0), ENOSYS));
  HOLDS (refused (mount ("none", "/mnt", "tmpfs", 0, NULL), ENOSYS));
  HOLDS (refused (unshare (CLONE_NEWUSER), ENOSYS));
  HOLDS (refused (chroot ("/"), ENOSYS));
  HOLDS (syscall (SYS_ptrace, 0, 0, 0, 0) < 0 && errno == ENOSYS);
  HOLDS (syscall (SYS_bpf, 0, 0, 0) < 0 && errno == ENOSYS);
  HOLDS (syscall (SYS_open_by_handle_at, 0, 0, 0) < 0 && errno == ENOSYS);
  return 0;
}

static int
rights (const char *dir)
{
  struct __user_cap_header_struct head
      = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct have[2];
  int got = 0;
  HOLDS (give_up (dir, true, &got) == 0);
  HOLDS (got & CONFINE_RIGHTS);
  HOLDS (syscall (SYS_capget, &head, have) == 0);
  HOLDS (have[0].permitted & 1u << CAP_CHOWN);
  HOLDS (have[0].permitted & 1u << CAP_MKNOD);
  HOLDS (!(have[0].permitted & 1u << CAP_NET_ADMIN));
  HOLDS (!(have[0].permitted & 1u << CAP_SYS_PTRACE));
  HOLDS (!(have[0].permitted & 1u << CAP_SYS_MODULE));
  HOLDS (!(have[0].permitted & 1u << CAP_SETUID));
  HOLDS (!(have[0].permitted & 1u << CAP_KILL));
  HOLDS (have[0].permitted == have[0].effective && have[0].inheritable == 0);
  return 0;
}

static void
prepare (const char *dir)
{
  static const char *const names[] = { "in", "out" };
  static const char *const files[] = { "in/file", "out/secret" };
  for (size_t i = 0; i < 2; i++) {
    CLEANUP_FREE char *d = mem_printf ("%s/%s", dir, names[i]);
    CLEANUP_FREE char *f = mem_printf ("%s/%s", dir, files[i]);
    mkdir (d, 0755);
    CLEANUP_FD int fd = open (f, O_CREAT | O_WRONLY, 0600);
    assert_int_equal (write (fd, "secret", 6), 6);
  }
}

#define IN_A_CHILD(test, work)    \
  static void test (void **state) \
  {                               \
    prepare (*state);             \
    in_a_child (work, *state);    \
  }

IN_A_CHILD (files_outside_are_out_of_reach_and_those_inside_are_not, uses_files)
IN_A_CHILD (one_who_reads_changes_nothing, reads_alone)
IN_A_CHILD (no_program_no_socket_no_other_process, calls)
IN_A_CHILD (only_the_capabilities_of_the_work_are_left, rights)

#define CASE(f) \
  cmocka_unit_test_setup_teardown (f, scratch_make, scratch_remove)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    CASE (files_outside_are_out_of_reach_and_those_inside_are_not),
    CASE (one_who_reads_changes_nothing),
    CASE (no_program_no_socket_no_other_process),
    CASE (only_the_capabilities_of_the_work_are_left),
  };
  if (geteuid () != 0) {
    puts ("1..0 # SKIP needs root");
    return 0;
  }
  return cmocka_run_group_tests (tests, NULL, NULL);
}
