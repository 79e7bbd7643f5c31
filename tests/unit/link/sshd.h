/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An sshd of one's own on the loopback, for tests: keys, configuration and
 * known_hosts in a directory of its own, and an `ssh` in front of PATH that
 * uses them.  Logins run `force` (a shell script that a test can replace) with
 * the command in SSH_ORIGINAL_COMMAND.  Hosts to connect to: "near"; "moved",
 * whose address answers nothing; "closed", where no one listens.
 */
#ifndef REHOME_TESTS_LINK_SSHD_H
#define REHOME_TESTS_LINK_SSHD_H

#include <stdbool.h>
#include <sys/types.h>

struct sshd {
  bool there; /* not where this machine has no sshd */
  char dir[64];
  int port;
  pid_t pid;
  char fingerprint[80]; /* of its host key */
};

/* The one of this test program, from the first of its tests to the last: these
 * two are the fixtures of its group. */
extern struct sshd server;
int sshd_begin_tests (void **state);
int sshd_end_tests (void **state);
/* Skips a test where there is none. */
void sshd_needed (void);

/* Runs a program, which must succeed. */
void sshd_run (const char *const *argv);

/* Writes a file below the directory (printf form). */
void sshd_put (const struct sshd *s, const char *name, int mode,
               const char *fmt, ...) __attribute__ ((format (printf, 4, 5)));
bool sshd_has (const struct sshd *s, const char *name);
/* What logins run: `lines` before the command, which is run at the end. */
void sshd_login (const struct sshd *s, const char *lines);

#endif
