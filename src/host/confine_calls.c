/* SPDX-License-Identifier: Apache-2.0 */
/* A seccomp filter as a list of what is allowed. */
#include "host/confine_calls.h"

#include "host/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define X32 0x40000000u
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

/* Later than the headers that this is built with; the same number on all. */
enum {
  NR_FCHMODAT2 = 452,
  NR_XATTRAT_FIRST
  = 463, /* setxattrat, getxattrat, listxattrat, removexattrat */
  NR_XATTRAT_LAST = 466,
};

/* The frequent ones first: kernels before 5.11 go through the list. */
static const uint16_t kept[] = {
  /* files and directories, by descriptor and name */
  SYS_read,
  SYS_write,
  SYS_openat,
  SYS_close,
  SYS_statx,
  SYS_newfstatat,
  SYS_fstat,
  SYS_fchown,
  SYS_fchmod,
  SYS_utimensat,
  SYS_flistxattr,
  SYS_fgetxattr,
  SYS_fsetxattr,
  SYS_fremovexattr,
  SYS_pread64,
  SYS_pwrite64,
  SYS_futex,
  SYS_getdents64,
  SYS_renameat,
  SYS_unlinkat,
  SYS_mkdirat,
  SYS_linkat,
  SYS_symlinkat,
  SYS_mknodat,
  SYS_readlinkat,
  SYS_fchownat,
  SYS_fchmodat,
  SYS_listxattr,
  SYS_llistxattr,
  SYS_getxattr,
  SYS_lgetxattr,
  SYS_setxattr,
  SYS_lsetxattr,
  SYS_removexattr,
  SYS_lremovexattr,
  SYS_lseek,
  SYS_readv,
  SYS_writev,
  SYS_preadv,
  SYS_pwritev,
  SYS_preadv2,
  SYS_pwritev2,
  SYS_openat2,
  SYS_renameat2,
  SYS_faccessat,
  SYS_faccessat2,
  SYS_ftruncate,
  SYS_fallocate,
  SYS_fadvise64,
  SYS_readahead,
  SYS_copy_file_range,
  SYS_sendfile,
  SYS_splice,
  SYS_tee,
  SYS_vmsplice,
  SYS_sync_file_range,
  SYS_fsync,
  SYS_fdatasync,
  SYS_syncfs,
  SYS_fstatfs,
  SYS_statfs,
  SYS_name_to_handle_at,
  SYS_fcntl,
  SYS_flock,
  SYS_dup,
  SYS_dup3,
  SYS_pipe2,
  SYS_ppoll,
  SYS_pselect6,
  SYS_epoll_create1,
  SYS_epoll_ctl,
  SYS_epoll_pwait,
  SYS_eventfd2,
  SYS_memfd_create,
  SYS_close_range,
  SYS_umask,
  SYS_getcwd,
  SYS_chdir,
  SYS_fchdir,
  /* memory */
  SYS_brk,
  SYS_mmap,
  SYS_munmap,
  SYS_mremap,
  SYS_mprotect,
  SYS_madvise,
  SYS_mincore,
  SYS_msync,
  SYS_membarrier,
  /* its own threads, time, limits */
  SYS_exit,
  SYS_exit_group,
  SYS_rt_sigaction,
  SYS_rt_sigprocmask,
  SYS_rt_sigreturn,
  SYS_rt_sigtimedwait,
  SYS_sigaltstack,
  SYS_restart_syscall,
  SYS_tgkill,
  SYS_gettid,
  SYS_getpid,
  SYS_getppid,
  SYS_getuid,
  SYS_geteuid,
  SYS_getgid,
  SYS_getegid,
  SYS_getgroups,
  SYS_set_robust_list,
  SYS_get_robust_list,
  SYS_set_tid_address,
  SYS_rseq,
  SYS_sched_yield,
  SYS_sched_getaffinity,
  SYS_getcpu,
  SYS_getpriority,
  SYS_setpriority,
  SYS_ioprio_get,
  SYS_ioprio_set,
  SYS_clock_gettime,
  SYS_clock_getres,
  SYS_clock_nanosleep,
  SYS_nanosleep,
  SYS_gettimeofday,
  SYS_times,
  SYS_getrusage,
  SYS_getrlimit,
  SYS_prlimit64,
  SYS_sysinfo,
  SYS_uname,
  SYS_getrandom,
  SYS_prctl,
  SYS_capget,
  NR_FCHMODAT2,
#if defined(__x86_64__)
  SYS_open,
  SYS_stat,
  SYS_lstat,
  SYS_access,
  SYS_mkdir,
  SYS_rmdir,
  SYS_unlink,
  SYS_rename,
  SYS_link,
  SYS_symlink,
  SYS_readlink,
  SYS_chmod,
  SYS_chown,
  SYS_lchown,
  SYS_mknod,
  SYS_poll,
  SYS_select,
  SYS_dup2,
  SYS_pipe,
  SYS_epoll_wait,
  SYS_arch_prctl,
  SYS_time,
#endif
};

enum { KEPT = sizeof kept / sizeof *kept, FIXED = 32 };

static struct sock_filter program[2 * KEPT + FIXED];
static unsigned short length;

static void
add (unsigned code, unsigned yes, unsigned no, uint32_t k)
{
  program[length++]
      = (struct sock_filter){ (unsigned short)code, (unsigned char)yes,
                              (unsigned char)no, k };
}

static void
load (size_t offset)
{
  add (BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void
answer (uint32_t what)
{
  add (BPF_RET | BPF_K, 0, 0, what);
}

/* Ends with `what` where the number (or argument) that was loaded is `k`. */
static void
if_equal (uint32_t k, uint32_t what)
{
  add (BPF_JMP | BPF_JEQ | BPF_K, 0, 1, k);
  answer (what);
}

static void
build (void)
{
  length = 0;
  load (offsetof (struct seccomp_data, arch));
  add (BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCH);
  answer (SECCOMP_RET_KILL);
  load (offsetof (struct seccomp_data, nr));
#ifdef X32
  add (BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32);
  answer (SECCOMP_RET_KILL);
#endif
  for (size_t i = 0; i < KEPT; i++)
    if_equal (kept[i], SECCOMP_RET_ALLOW);
  add (BPF_JMP | BPF_JGE | BPF_K, 0, 2, NR_XATTRAT_FIRST);
  add (BPF_JMP | BPF_JGT | BPF_K, 1, 0, NR_XATTRAT_LAST);
  answer (SECCOMP_RET_ALLOW);
  /* clone makes threads alone; clone3 hides its flags: the C library then
   * uses clone. */
  add (BPF_JMP | BPF_JEQ | BPF_K, 0, 4, SYS_clone);
  load (offsetof (struct seccomp_data, args[0]));
  add (BPF_JMP | BPF_JSET | BPF_K, 0, 1, CLONE_THREAD);
  answer (SECCOMP_RET_ALLOW);
  answer (SECCOMP_RET_ERRNO | EPERM);
  /* ioctl, but no typing on somebody's terminal. */
  add (BPF_JMP | BPF_JEQ | BPF_K, 0, 4, SYS_ioctl);
  load (offsetof (struct seccomp_data, args[1]));
  add (BPF_JMP | BPF_JEQ | BPF_K, 1, 0, TIOCSTI);
  answer (SECCOMP_RET_ALLOW);
  answer (SECCOMP_RET_ERRNO | EPERM);
  answer (SECCOMP_RET_ERRNO | ENOSYS);
}

struct err *
confine_calls (int *got)
{
  build ();
  const struct sock_fprog filter = { length, program };
  if (prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0)
    *got |= CONFINE_CALLS;
  else if (errno != EINVAL) /* a kernel without filters */
    return err_sys (errno, "RH-HOST-CONFINE",
                    "cannot give up other system calls");
  return NULL;
}
