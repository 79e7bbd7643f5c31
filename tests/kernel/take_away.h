/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes away what Linux 3.10 does not have: every system call that came later
 * is answered with ENOSYS, and fanotify's later flags with EINVAL.
 *
 * This imitates the set of calls, not their behaviour: flags that 3.10 does
 * not know are let through where the call itself is older.
 */
#ifndef REHOME_TESTS_KERNEL_TAKE_AWAY_H
#define REHOME_TESTS_KERNEL_TAKE_AWAY_H

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

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

/* For this process and all that it starts; 0, or -1 with errno. */
static inline int
take_away_what_3_10_lacks (void)
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
  if (prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
    return 0;
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return -1;
  return prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

#endif
