/* SPDX-License-Identifier: Apache-2.0 */
/* From the words of ssh to a code: texts as OpenSSH writes them. */
#include "../cmocka_api.h"

#include "base/cleanup.h"
#include "link/diagnose.h"

#include <stdlib.h>
#include <string.h>

static char user[] = "deploy", hostname[] = "10.0.0.9", port[] = "22",
            alias[] = "10.0.0.9";
static const struct ssh_names names
    = { user, hostname, port, alias, false, false };
static const struct link_where shop = { .name = "source", .host = "shop" };

static struct err *
told (const char *log, const char *said)
{
  return diagnose (&shop, &names, log, said, "");
}

static void
each_text_has_its_code_and_class (void **state)
{
  (void)state;
  static const struct {
    const char *log, *code;
    enum err_class cls;
  } cases[] = {
    { "ssh: Could not resolve hostname shop: Name or service not known\r\n",
      "RH-LINK-UNKNOWN", ERR_REFUSED },
    { "ssh: Could not resolve hostname shop: Temporary failure in name "
      "resolution\r\n",
      "RH-LINK-UNKNOWN", ERR_TRANSIENT },
    { "debug1: Connecting to shop [10.0.0.9] port 22.\r\n"
      "ssh: connect to host shop port 22: Connection timed out\r\n",
      "RH-LINK-UNREACHABLE", ERR_TRANSIENT },
    { "ssh: connect to host shop port 22: No route to host\r\n",
      "RH-LINK-UNREACHABLE", ERR_TRANSIENT },
    { "kex_exchange_identification: read: Connection reset by peer\r\n"
      "Connection reset by 10.0.0.9 port 22\r\n",
      "RH-LINK-UNREACHABLE", ERR_TRANSIENT },
    { "Received disconnect from 10.0.0.9 port 22:2: Too many authentication "
      "failures\r\n",
      "RH-LINK-LOGIN", ERR_REFUSED },
    { "deploy@shop: Permission denied (publickey,password).\r\n",
      "RH-LINK-LOGIN", ERR_REFUSED },
    { "Unable to negotiate with 10.0.0.9 port 22: no matching host key type "
      "found. Their offer: ssh-rsa\r\n",
      "RH-LINK-SSH", ERR_REFUSED },
    { "Bad owner or permissions on /root/.ssh/config\r\n", "RH-LINK-SSH",
      ERR_REFUSED },
    { "something that nobody has seen yet\r\n", "RH-LINK-SSH", ERR_TRANSIENT },
    { "", "RH-LINK-SSH", ERR_TRANSIENT },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    CLEANUP_ERR struct err *e = told (cases[i].log, "");
    if (strcmp (err_code (e), cases[i].code) != 0)
      fail_msg ("%s: %s", cases[i].log, err_code (e));
    assert_int_equal (err_class_of (e), cases[i].cls);
    assert_non_null (err_safe (e));
  }
}

static void
the_cause_is_the_jump_hosts_where_it_failed (void **state)
{
  (void)state;
  CLEANUP_ERR struct err *e
      = told ("kex_exchange_identification: Connection closed by remote "
              "host\r\nConnection closed by UNKNOWN port 65535\r\n",
              "ssh: Could not resolve hostname bastion: Name or service not "
              "known\r\n");
  assert_string_equal (err_code (e), "RH-LINK-UNKNOWN");
  assert_non_null (strstr (err_message (e), "bastion"));
}

static void
what_the_remote_prints_cannot_pass_for_sshs_words (void **state)
{
  (void)state;
  CLEANUP_ERR struct err *e
      = told ("debug1: Entering interactive session.\r\n",
              "debug1: Server host key: ssh-ed25519 SHA256:fake\r\n"
              "Host key verification failed.\r\n");
  assert_string_equal (err_code (e), "RH-LINK-LOST");
  assert_null (diagnose_host_key (""));
}

static void
the_last_key_shown_is_the_hosts (void **state)
{
  (void)state;
  char *key
      = diagnose_host_key ("debug1: Server host key: ssh-rsa SHA256:one\r\n"
                           "debug1: x\r\n"
                           "debug1: Server host key: ssh-ed25519 "
                           "SHA256:two\r\ndebug1: y\r\n");
  assert_string_equal (key, "SHA256:two");
  free (key);
}

static void
the_last_word_is_no_debug_line (void **state)
{
  (void)state;
  char *word = diagnose_last_word (
      "OpenSSH_9.2p1 Debian\r\ndebug1: a\r\nAuthenticated to shop.\r\n"
      "Timeout, server shop not \033responding.\r\ndebug1: b\r\n"
      "Transferred: sent 1, received 2 bytes, in 0.1 seconds\r\n");
  assert_string_equal (word, "Timeout, server shop not \\x1bresponding.");
  free (word);
  assert_null (diagnose_last_word ("debug1: a\r\n"));
  assert_null (diagnose_last_word (""));
}

static void
the_commands_name_port_and_management_address (void **state)
{
  (void)state;
  const struct link_where w
      = { .host = "root@shop", .via = "10.9.9.9", .port = 2222 };
  CLEANUP_FREE char *command = ssh_accept_command (&w, &names);
  assert_string_equal (command, "ssh -p 2222 -o HostName=10.9.9.9 -o "
                                "HostKeyAlias=10.0.0.9 -- root@shop true");
}

static void
the_host_stands_behind_the_options (void **state)
{
  (void)state;
  const struct link_where w = { .host = "root@shop", .via = "10.9.9.9" };
  char **argv = ssh_argv (&w, &names, "/dev/null", "true");
  size_t n = 0, dashes = 0;
  for (; argv[n] != NULL; n++)
    if (strcmp (argv[n], "--") == 0)
      dashes = n;
  assert_int_equal (dashes, n - 3);
  assert_string_equal (argv[n - 2], "root@shop");
  assert_string_equal (argv[n - 1], "sh -c 'true'");
  ssh_argv_free (argv);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (each_text_has_its_code_and_class),
    cmocka_unit_test (the_cause_is_the_jump_hosts_where_it_failed),
    cmocka_unit_test (what_the_remote_prints_cannot_pass_for_sshs_words),
    cmocka_unit_test (the_last_key_shown_is_the_hosts),
    cmocka_unit_test (the_last_word_is_no_debug_line),
    cmocka_unit_test (the_commands_name_port_and_management_address),
    cmocka_unit_test (the_host_stands_behind_the_options),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
