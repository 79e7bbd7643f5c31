/* SPDX-License-Identifier: Apache-2.0 */
/* Which logins can ask somebody for something. */
#include "link/quiet.h"

#include "../cmocka_api.h"
#include "../host/scratch.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <stdlib.h>

#define USUAL "user root\nhostname old\nproxyusefdpass no\nforwardagent no\n"

static void
a_login_without_anybody_to_ask_is_quiet (void **state)
{
  (void)state;
  unsetenv ("SSH_AUTH_SOCK");
  assert_true (quiet_login (USUAL));
  assert_true (quiet_login (USUAL "identityfile /nonexistent/id\n"));
  assert_true (quiet_login (USUAL "pkcs11provider none\nproxyjump none\n"));
}

static void
an_ssh_agent_may_ask (void **state)
{
  (void)state;
  unsetenv ("SSH_AUTH_SOCK");
  assert_false (quiet_login (USUAL "identityagent /run/agent\n"));
  setenv ("SSH_AUTH_SOCK", "/run/agent", 1);
  assert_false (quiet_login (USUAL));
  assert_false (quiet_login (USUAL "identityagent SSH_AUTH_SOCK\n"));
  assert_true (quiet_login (USUAL "identityagent none\n"));
  unsetenv ("SSH_AUTH_SOCK");
}

static void
a_program_that_connects_may_ask (void **state)
{
  (void)state;
  unsetenv ("SSH_AUTH_SOCK");
  assert_false (quiet_login (USUAL "proxycommand ssh -W old:22 gate\n"));
  assert_false (quiet_login (USUAL "proxyjump gate\n"));
  assert_false (quiet_login (USUAL "pkcs11provider /usr/lib/card.so\n"));
}

static bool
quiet_with (const char *dir, const char *key)
{
  CLEANUP_FREE char *answer
      = mem_printf (USUAL "identityfile %s/%s\n", dir, key);
  return quiet_login (answer);
}

static void
put (const char *dir, const char *name, const char *text)
{
  CLEANUP_FREE char *path = mem_printf ("%s/%s", dir, name);
  put_file (path, text);
}

static void
a_key_that_may_have_to_be_touched_asks (void **state)
{
  const char *dir = *state;
  unsetenv ("SSH_AUTH_SOCK");
  put (dir, "plain", "private");
  put (dir, "plain.pub", "ssh-ed25519 AAAA me\n");
  put (dir, "device", "private");
  put (dir, "device.pub", "sk-ssh-ed25519@openssh.com AAAA me\n");
  put (dir, "bare", "private");
  assert_true (quiet_with (dir, "plain"));
  assert_false (quiet_with (dir, "device"));
  assert_false (quiet_with (dir, "bare"));
  assert_false (quiet_with (dir, "%u"));
  setenv ("HOME", dir, 1);
  assert_true (quiet_login (USUAL "identityfile ~/plain\n"));
  assert_false (quiet_login (USUAL "identityfile ~/device\n"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_login_without_anybody_to_ask_is_quiet),
    cmocka_unit_test (an_ssh_agent_may_ask),
    cmocka_unit_test (a_program_that_connects_may_ask),
    in_scratch (a_key_that_may_have_to_be_touched_asks),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
