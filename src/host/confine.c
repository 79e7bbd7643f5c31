/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock and capabilities; the calls are in confine_calls.c. */
#include "host/confine.h"

#include "base/cleanup.h"
#include "host/confine_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of linux/landlock.h as of ABI 6, so that old kernel headers do. */
struct ruleset {
  uint64_t fs, net, scoped;
};
struct rule {
  uint64_t access;
  int32_t fd;
} __attribute__ ((packed));

enum {
  EXECUTE = 1 << 0,
  WRITE_FILE = 1 << 1,
  READ_FILE = 1 << 2,
  READ_DIR = 1 << 3,
  ALL_OF_1 = (1 << 13) - 1, /* up to MAKE_SYM */
  REFER = 1 << 13,          /* ABI 2 */
  TRUNCATE = 1 << 14,       /* ABI 3 */
  IOCTL_DEV = 1 << 15,      /* ABI 5 */
  OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV,
};

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

static struct err *
failed (const char *what)
{
  return err_sys (errno, "RH-HOST-CONFINE", "cannot give up %s", what);
}

static uint64_t
handled (long abi)
{
  return ALL_OF_1 | REFER | (abi >= 3 ? TRUNCATE : 0u)
         | (abi >= 5 ? IOCTL_DEV : 0u);
}

/* TCP from ABI 4, abstract sockets and signals from ABI 6: all of it. */
static int
new_ruleset (long abi)
{
  struct ruleset set = { .fs = handled (abi), .net = 3, .scoped = 3 };
  size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
  return (int)syscall (SYS_landlock_create_ruleset, &set, size, 0);
}

static int
allow (int ruleset, int fd, uint64_t access)
{
  struct stat st;
  struct rule rule = { access, fd };
  if (fstat (fd, &st) != 0)
    return -1;
  if (!S_ISDIR (st.st_mode))
    rule.access &= OF_FILES;
  return (int)syscall (SYS_landlock_add_rule, ruleset, 1, &rule, 0);
}

static void
allow_reading (int ruleset, const char *path)
{
  CLEANUP_FD int fd = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0)
    allow (ruleset, fd, READ_FILE | READ_DIR);
}

/* Not done, and no error, where the kernel has it not or switched off, or
 * where a filesystem does not take part. */
static struct err *
give_up_files (const struct confine_place *places, size_t n, int *got)
{
  long abi = syscall (SYS_landlock_create_ruleset, NULL, 0, 1);
  if (abi < 2)
    return NULL;
  CLEANUP_FD int ruleset = new_ruleset (abi);
  if (ruleset < 0)
    return failed ("files: no ruleset");
  for (size_t i = 0; i < n; i++) {
    uint64_t access = places[i].write ? handled (abi) & ~(uint64_t)EXECUTE
                                      : (uint64_t)(READ_FILE | READ_DIR);
    if (allow (ruleset, places[i].fd, access) != 0)
      return errno == EBADFD ? NULL : failed ("files: no rule");
  }
  allow_reading (ruleset, "/proc");
  allow_reading (ruleset, "/sys");
  if (syscall (SYS_landlock_restrict_self, ruleset, 0) != 0)
    return failed ("files");
  *got |= CONFINE_FILES;
  return NULL;
}

/* Reading: any file and its trusted attributes, without its access time.
 * Writing: any owner, mode, device, attribute and flag, up to the last block.
 */
static uint64_t
needed (bool write)
{
#define BIT(c) ((uint64_t)1 << (c))
  uint64_t reading
      = BIT (CAP_DAC_READ_SEARCH) | BIT (CAP_FOWNER) | BIT (CAP_SYS_ADMIN);
  if (!write)
    return reading;
  return reading | BIT (CAP_DAC_OVERRIDE) | BIT (CAP_CHOWN) | BIT (CAP_FSETID)
         | BIT (CAP_MKNOD) | BIT (CAP_SETFCAP) | BIT (CAP_LINUX_IMMUTABLE)
         | BIT (CAP_SYS_RESOURCE) | BIT (CAP_MAC_ADMIN);
#undef BIT
}

static struct err *
give_up_rights (bool write, int *got)
{
  struct __user_cap_header_struct head
      = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct have[2];
  if (syscall (SYS_capget, &head, have) != 0)
    return failed ("capabilities");
  uint64_t keep = needed (write);
  for (int i = 0; i < 2; i++) {
    have[i].permitted &= (uint32_t)(keep >> (32 * i));
    have[i].effective = have[i].permitted;
    have[i].inheritable = 0;
  }
  if (syscall (SYS_capset, &head, have) != 0)
    return failed ("capabilities");
  *got |= CONFINE_RIGHTS;
  return NULL;
}

struct err *
confine (const struct confine_place *places, size_t n, bool write, int *got)
{
  *got = 0;
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return failed ("new privileges");
  TRY (give_up_files (places, n, got));
  TRY (give_up_rights (write, got));
  return confine_calls (got);
}
