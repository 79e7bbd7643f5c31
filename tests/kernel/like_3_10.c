/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program as on Linux 3.10: every system call that came later is
 * answered with ENOSYS, and fanotify without the flags that came later.
 *
 * usage: like-3.10 [--2.6] PROGRAM ARGUMENT...
 *   --2.6   uname tells 2.6.x, too (personality (2), UNAME26)
 *
 * This imitates the set of calls, not their behaviour: flags that 3.10 does
 * not know are let through where the call itself is older.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "which system call was the last of 3.10 here?"
#endif

/* The last of 3.10 on both; what came later has higher numbers. */
#define LAST_OF_3_10 SYS_finit_module
/* FAN_CLOEXEC ... FAN_UNLIMITED_MARKS; FAN_ENABLE_AUDIT and the reports came
 * later. */
#define FANOTIFY_OF_3_10 0x3fu

#define DATA(field) offsetof (struct seccomp_data, field)
#define LOAD(field) BPF_STMT (BPF_LD | BPF_W | BPF_ABS, DATA (field))
#define ANSWER(what) BPF_STMT (BPF_RET | BPF_K, (what))

static int
take_away (void)
{
  static struct sock_filter code[] = {
    LOAD (arch),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
    ANSWER (SECCOMP_RET_KILL),
    LOAD (nr),
    BPF_JUMP (BPF_JMP | BPF_JGT | BPF_K, LAST_OF_3_10, 0, 1),
    ANSWER (SECCOMP_RET_ERRNO | ENOSYS),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_fanotify_init, 0, 3),
    LOAD (args[0]),
    BPF_JUMP (BPF_JMP | BPF_JSET | BPF_K, ~FANOTIFY_OF_3_10, 0, 1),
    ANSWER (SECCOMP_RET_ERRNO | EINVAL),
    ANSWER (SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program
      = { sizeof code / sizeof *code, (struct sock_filter *)code };
  /* Root may load a filter without giving up set-uid programs, which the
   * tests start. */
  return prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int
main (int argc, char **argv)
{
  bool old_name = argc > 1 && strcmp (argv[1], "--2.6") == 0;
  char **program = argv + 1 + old_name;
  if (argc < 2 || *program == NULL) {
    fputs ("usage: like-3.10 [--2.6] PROGRAM ARGUMENT...\n", stderr);
    return 64;
  }
  if (old_name && personality (UNAME26) < 0) {
    perror ("like-3.10: personality");
    return 125;
  }
  if (take_away () != 0
      && (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || take_away () != 0))
  {
    perror ("like-3.10: cannot load the filter");
    return 125;
  }
  execvp (*program, program);
  perror (*program);
  return 127;
}
