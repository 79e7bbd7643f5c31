/* SPDX-License-Identifier: Apache-2.0 */
/* Two connections of a link that come up beside each other, through a real
 * sshd: when each logs in, and which of them brings the agent. */
#include "../cmocka_api.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "link/link.h"
#include "sshd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* What an earlier test's logins wrote goes. */
static int
setup (void **state)
{
  (void)state;
  if (!server.there)
    return 0;
  CLEANUP_FREE char *clean
      = mem_printf ("cd %s && rm -f in.* alone seen had tools/touch tools/head",
                    server.dir);
  sshd_run ((const char *const[]){ "sh", "-c", clean, NULL });
  sshd_login (&server, "");
  return 0;
}

static struct err *
opening (bool batch)
{
  struct link *l = NULL;
  const struct link_where w = { .name = "source",
                                .host = "near",
                                .agent_path = getenv ("REHOME_TEST_AGENT"),
                                .batch = batch };
  struct err *e = link_open (&w, &l);
  link_close (l);
  return e;
}

static void
assert_holds (const char *name, const char *text)
{
  char got[64] = "";
  CLEANUP_FREE char *path = mem_printf ("%s/%s", server.dir, name);
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC);
  assert_true (fd >= 0 && read (fd, got, sizeof got - 1) >= 0);
  assert_string_equal (got, text);
}

/* What each login runs first, in a directory of its own; `in.*` has a file for
 * each that began. */
static void
login_with (const char *lines)
{
  CLEANUP_FREE char *all = mem_printf ("cd %s; echo >in.$$; "
                                       "begun () { set -- in.*; echo $#; }; %s",
                                       server.dir, lines);
  sshd_login (&server, all);
}

static void
where_nobody_can_be_asked_both_connections_log_in_at_once (void **state)
{
  (void)state;
  sshd_needed ();
  login_with ("n=0; while [ $(begun) -lt 2 ] && [ $n -lt 200 ]; do "
              "sleep 0.05; n=$((n + 1)); done; "
              "[ $n -lt 200 ] || touch alone");
  assert_ok (opening (true));
  assert_false (sshd_has (&server, "alone"));
}

static void
without_an_ssh_agent_both_connections_log_in_at_once (void **state)
{
  (void)state;
  sshd_needed ();
  login_with ("n=0; while [ $(begun) -lt 2 ] && [ $n -lt 200 ]; do "
              "sleep 0.05; n=$((n + 1)); done; "
              "[ $n -lt 200 ] || touch alone");
  unsetenv ("SSH_AUTH_SOCK");
  assert_ok (opening (false));
  assert_false (sshd_has (&server, "alone"));
}

static void
where_somebody_could_be_asked_the_second_login_waits_for_the_first (
    void **state)
{
  (void)state;
  sshd_needed ();
  login_with ("n=$(begun); sleep 0.5; [ $(begun) = $n ] || exit 1; "
              "echo $n >>seen");
  setenv ("SSH_AUTH_SOCK", "/nonexistent", 1);
  struct err *e = opening (false);
  unsetenv ("SSH_AUTH_SOCK");
  assert_ok (e);
  assert_true (sshd_has (&server, "seen"));
  assert_holds ("seen", "1\n2\n");
}

static void
the_second_connection_finds_the_agent_that_the_first_brought (void **state)
{
  (void)state;
  sshd_needed ();
  sshd_put (&server, "tools/touch", 0755,
            "#!/bin/sh\necho had >>%s/had\nexec /usr/bin/touch \"$@\"\n",
            server.dir);
  /* Slowly, so that the other one would overtake it. */
  sshd_put (&server, "tools/head", 0755,
            "#!/bin/sh\n[ \"$3\" = /dev/zero ] || sleep 1\n"
            "exec /usr/bin/head \"$@\"\n");
  assert_ok (opening (true));
  assert_holds ("had", "had\n"); /* one was sent the agent, one found it */
}

#define TEST(f) cmocka_unit_test_setup (f, setup)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (where_nobody_can_be_asked_both_connections_log_in_at_once),
    TEST (without_an_ssh_agent_both_connections_log_in_at_once),
    TEST (where_somebody_could_be_asked_the_second_login_waits_for_the_first),
    TEST (the_second_connection_finds_the_agent_that_the_first_brought),
  };
  return cmocka_run_group_tests (tests, sshd_begin_tests, sshd_end_tests);
}
