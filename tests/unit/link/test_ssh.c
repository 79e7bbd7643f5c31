/* SPDX-License-Identifier: Apache-2.0 */
/* Links through a real sshd: the push, who is there, and each way in which it
 * does not work, by its code. */
#include "../cmocka_api.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "link/link.h"
#include "link/ssh.h"
#include "sshd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Every test begins with a login that does no more than it should. */
static int
setup (void **state)
{
  (void)state;
  if (server.there)
    sshd_login (&server, "");
  return 0;
}

static struct link_where
where (const char *host)
{
  sshd_needed ();
  return (struct link_where){ .name = "source",
                              .host = host,
                              .agent_path = getenv ("REHOME_TEST_AGENT") };
}

/* The error of an opening; everything that was opened is closed. */
static struct err *
opening (const struct link_where *w)
{
  struct link *l = NULL;
  struct err *e = link_open (w, &l);
  link_close (l);
  return e;
}

static void
assert_says (const char *text, const char *part)
{
  assert_non_null (text);
  if (strstr (text, part) == NULL)
    fail_msg ("\"%s\" is not in: %s", part, text);
}

static void
the_agent_is_pushed_and_leaves_nothing (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  struct link *l = NULL;
  CLEANUP_FREE char *dir = mem_printf ("%s/run/rehome", server.dir);
  assert_ok (link_open (&w, &l));
  const json_t *hello = link_hello (l);
  assert_string_equal (json_string_value (json_at (hello, "dir")), dir);
  assert_string_equal (json_string_value (json_at (hello, "host_key")),
                       server.fingerprint);
  assert_true (sshd_has (&server, "run/rehome"));
  assert_ok (port_call (link_port (l), "echo", json_object (), NULL));
  link_close (l);
  assert_false (sshd_has (&server, "run/rehome"));
}

static void
two_links_share_the_file_and_the_last_removes_it (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  struct link *a = NULL, *b = NULL;
  assert_ok (link_open (&w, &a));
  assert_ok (link_open (&w, &b));
  link_close (a);
  assert_true (sshd_has (&server, "run/rehome"));
  assert_ok (port_call (link_port (b), "echo", json_object (), NULL));
  link_close (b);
  assert_false (sshd_has (&server, "run/rehome"));
}

/* The value of ssh's option in the command line for a host, or NULL. */
static const char *
option_of (char **argv, const char *name)
{
  size_t n = strlen (name);
  for (; *argv != NULL; argv++)
    if (strncmp (*argv, name, n) == 0 && (*argv)[n] == '=')
      return *argv + n + 1;
  return NULL;
}

static bool
asks_for_ciphers (const char *host)
{
  const struct link_where w = where (host);
  struct ssh_names names = { 0 };
  assert_ok (ssh_resolve (&w, &names));
  char **argv = ssh_argv (&w, &names, "/dev/null", "true");
  bool asks = option_of (argv, "Ciphers") != NULL;
  ssh_argv_free (argv);
  ssh_names_clear (&names);
  return asks;
}

static void
ciphers_that_the_user_chose_are_left_alone (void **state)
{
  (void)state;
  assert_true (asks_for_ciphers ("near"));
  assert_false (asks_for_ciphers ("picky"));
}

static void
the_owner_asks_no_ssh_agent_and_shows_the_own_key_first (void **state)
{
  (void)state;
  struct link_where w = where ("near");
  struct ssh_names names = { 0 };
  w.batch = true;
  w.identity = "/var/lib/a b/100%/id";
  assert_ok (ssh_resolve (&w, &names));
  char **argv = ssh_argv (&w, &names, "/dev/null", "true");
  assert_string_equal (option_of (argv, "IdentityAgent"), "none");
  assert_string_equal (option_of (argv, "IdentityFile"),
                       "\"/var/lib/a b/100%%/id\"");
  assert_string_equal (option_of (argv, "IdentitiesOnly"), "yes");
  ssh_argv_free (argv);
  ssh_names_clear (&names);
}

/* A file in one of the places of a push, `age` seconds old. */
static void
put_aged (const char *name, long age)
{
  sshd_put (&server, name, 0700, "#!/bin/sh\n");
  CLEANUP_FREE char *path = mem_printf ("%s/%s", server.dir, name);
  const struct timespec then = { time (NULL) - age, 0 };
  const struct timespec times[2] = { then, then };
  assert_int_equal (utimensat (AT_FDCWD, path, times, 0), 0);
}

static void
make_dir (const char *name)
{
  CLEANUP_FREE char *path = mem_printf ("%s/%s", server.dir, name);
  assert_int_equal (mkdir (path, 0700), 0);
}

static void
what_a_killed_agent_left_is_removed_by_the_next_and_named (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  struct link *l = NULL;
  make_dir ("run/rehome");
  make_dir ("home/.cache");
  make_dir ("home/.cache/rehome");
  put_aged ("run/rehome/rehome-agent-00ff", 601);
  put_aged ("run/rehome/rehome-agent-arriving", 20);
  put_aged ("run/rehome/other", 601);
  put_aged ("home/.cache/rehome/.push.77", 4000);
  assert_ok (link_open (&w, &l));
  const json_t *swept = json_at (link_hello (l), "swept");
  assert_int_equal (json_array_size (swept), 2);
  assert_says (json_string_value (json_array_get (swept, 0)),
               "/run/rehome/rehome-agent-00ff");
  assert_false (sshd_has (&server, "run/rehome/rehome-agent-00ff"));
  assert_true (sshd_has (&server, "run/rehome/rehome-agent-arriving"));
  assert_true (sshd_has (&server, "run/rehome/other"));
  assert_false (sshd_has (&server, "home/.cache/rehome"));
  link_close (l);
  CLEANUP_FREE char *dir = mem_printf ("%s/run/rehome", server.dir);
  const char *const argv[] = { "rm", "-r", "--", dir, NULL };
  sshd_run (argv);
}

static void
a_damaged_agent_is_not_used (void **state)
{
  (void)state;
  struct link_where w = where ("near");
  struct link *a = NULL;
  assert_ok (link_open (&w, &a));
  /* Another program of the same name: the digest tells. */
  sshd_login (&server,
              "for f in $XDG_RUNTIME_DIR/rehome/rehome-agent-*; do "
              "printf '#!/bin/sh\\nexit 0\\n' >$f.new; chmod 700 $f.new; "
              "mv $f.new $f; done");
  struct link *b = NULL;
  assert_ok (link_open (&w, &b));
  assert_ok (port_call (link_port (b), "echo", json_object (), NULL));
  link_close (b);
  link_close (a);
}

static void
a_push_that_arrives_damaged_is_refused (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  sshd_put (&server, "tools/sha256sum", 0755,
            "#!/bin/sh\ncat >/dev/null; echo 00 -\n");
  struct err *e = opening (&w);
  sshd_put (&server, "tools/sha256sum", 0755,
            "#!/bin/sh\nexec /usr/bin/sha256sum\n");
  assert_code (e, "RH-LINK-PUSH");
}

static void
streams_pass_through_ssh (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  struct link *a = NULL, *b = NULL;
  CLEANUP_JSON json_t *sent = NULL;
  CLEANUP_JSON json_t *taken = NULL;
  CLEANUP_JSON json_t *out = json_pack ("{s:i}", "n", 30000000);
  CLEANUP_JSON json_t *in = json_object ();
  assert_ok (link_open (&w, &a));
  assert_ok (link_open (&w, &b));
  struct port *p = link_port (a);
  assert_ok (p->ops->pipe (p, "send", out, link_port (b), "take", in, NULL,
                           NULL, &sent, &taken));
  assert_int_equal (json_integer_value (json_at (taken, "taken")), 30000000);
  link_close (a);
  link_close (b);
}

static void
an_agent_that_dies_is_a_lost_link (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  struct link *l = NULL;
  assert_ok (link_open (&w, &l));
  assert_code (port_call (link_port (l), "die", json_object (), NULL),
               "RH-LINK-LOST");
  assert_false (link_alive (l));
  link_close (l);
}

static void
some_noise_is_skipped (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  sshd_login (&server, "echo Welcome; echo REHOME-PUSHED; echo oops >&2; "
                       "head -c 60000 /dev/zero; printf 'no newline'");
  assert_ok (opening (&w));
}

static void
endless_noise_is_refused (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  sshd_login (&server, "yes noise | head -c 70000");
  CLEANUP_ERR struct err *e = opening (&w);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-LINK-NOISE");
  assert_says (err_message (e), "noise");
}

static void
a_login_that_only_talks_is_quoted (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  sshd_login (&server, "echo 'This account \033[31mis closed.'; exit 1");
  CLEANUP_ERR struct err *e = opening (&w);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-LINK-NOISE");
  assert_says (err_message (e), "This account \\x1b[31mis closed.");
}

static void
an_unknown_host_key_is_shown_with_the_way_to_accept_it (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  CLEANUP_FREE char *from = mem_printf ("%s/known_hosts", server.dir);
  CLEANUP_FREE char *aside = mem_printf ("%s/aside", server.dir);
  assert_int_equal (rename (from, aside), 0);
  CLEANUP_ERR struct err *e = opening (&w);
  rename (aside, from);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-LINK-HOSTKEY");
  assert_int_equal (err_class_of (e), ERR_REFUSED);
  assert_says (err_message (e), server.fingerprint);
  assert_says (err_advice (e), "ssh -- near true");
}

static void
a_changed_host_key_is_refused_even_where_ssh_would_go_on (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  CLEANUP_FREE char *from = mem_printf ("%s/known_hosts", server.dir);
  CLEANUP_FREE char *aside = mem_printf ("%s/aside", server.dir);
  assert_int_equal (rename (from, aside), 0);
  sshd_put (&server, "known_hosts", 0600,
            "[127.0.0.1]:%d ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGkyG5W8m0V1"
            "YkS5OZ7eJrH2m8hQ0bR3eQ1n0b7rS9aP\n",
            server.port);
  struct err *strict = opening (&w);
  sshd_put (&server, "bin/ssh", 0755,
            "#!/bin/sh\nexec /usr/bin/ssh -F %s/ssh_config "
            "-o StrictHostKeyChecking=no \"$@\"\n",
            server.dir);
  struct err *lax = opening (&w);
  sshd_put (&server, "bin/ssh", 0755,
            "#!/bin/sh\nexec /usr/bin/ssh -F %s/ssh_config \"$@\"\n",
            server.dir);
  rename (aside, from);
  assert_code (strict, "RH-LINK-HOSTKEY");
  assert_code (lax, "RH-LINK-HOSTKEY");
}

static void
another_key_than_the_plans_gets_no_byte (void **state)
{
  (void)state;
  struct link_where w = where ("near");
  w.host_key = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  assert_code (opening (&w), "RH-LINK-HOSTKEY");
  assert_false (sshd_has (&server, "run/rehome"));
  w.host_key = server.fingerprint;
  assert_ok (opening (&w));
}

static void
another_machine_under_the_name_is_refused (void **state)
{
  (void)state;
  struct link_where w = where ("near");
  w.machine_id = "00000000000000000000000000000000";
  assert_code (opening (&w), "RH-LINK-IDENTITY");
}

static void
a_management_address_is_used_under_the_names_key (void **state)
{
  (void)state;
  struct link_where w = where ("moved");
  assert_code (opening (&w), "RH-LINK-UNREACHABLE");
  w.via = "127.0.0.2";
  assert_ok (opening (&w));
}

static void
a_login_that_is_refused_names_the_user (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  CLEANUP_FREE char *from = mem_printf ("%s/authorized", server.dir);
  CLEANUP_FREE char *aside = mem_printf ("%s/aside", server.dir);
  assert_int_equal (rename (from, aside), 0);
  CLEANUP_ERR struct err *e = opening (&w);
  rename (aside, from);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-LINK-LOGIN");
  assert_says (err_message (e), "Permission denied");
}

static void
a_host_where_nobody_listens_is_unreachable (void **state)
{
  (void)state;
  const struct link_where w = where ("closed");
  CLEANUP_ERR struct err *e = opening (&w);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-LINK-UNREACHABLE");
  assert_int_equal (err_class_of (e), ERR_TRANSIENT);
}

static void
a_name_that_does_not_resolve_is_unknown (void **state)
{
  (void)state;
  const struct link_where w = where ("nosuch.invalid");
  assert_code (opening (&w), "RH-LINK-UNKNOWN");
}

static void
a_name_like_an_option_is_no_host (void **state)
{
  (void)state;
  const struct link_where w = where ("-oProxyCommand=touch /tmp/x");
  assert_code (opening (&w), "RH-LINK-SSH");
}

static void
without_sudo_the_line_to_add_is_named (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  sshd_put (&server, "tools/id", 0755,
            "#!/bin/sh\n[ \"$1\" = -un ] && echo deploy || echo 1007\n");
  sshd_put (&server, "tools/sudo", 0755, "#!/bin/sh\nexit 1\n");
  CLEANUP_ERR struct err *e = opening (&w);
  CLEANUP_FREE char *id = mem_printf ("%s/tools/id", server.dir);
  CLEANUP_FREE char *sudo = mem_printf ("%s/tools/sudo", server.dir);
  unlink (id);
  unlink (sudo);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-LINK-SUDO");
  assert_says (err_advice (e), "deploy ALL=(root) NOPASSWD: sha256:");
  assert_says (err_advice (e), "/run/rehome/rehome-agent-");
  assert_false (sshd_has (&server, "run/rehome"));
}

static void
with_sudo_the_agent_runs_through_it (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  sshd_put (&server, "tools/id", 0755, "#!/bin/sh\necho 1007\n");
  sshd_put (&server, "tools/sudo", 0755,
            "#!/bin/sh\n[ \"$1 $2\" = '-n --' ] || exit 1\n"
            "touch %s/sudo-was-used\nshift 2\nexec \"$@\"\n",
            server.dir);
  struct err *e = opening (&w);
  CLEANUP_FREE char *id = mem_printf ("%s/tools/id", server.dir);
  CLEANUP_FREE char *sudo = mem_printf ("%s/tools/sudo", server.dir);
  unlink (id);
  unlink (sudo);
  assert_ok (e);
  assert_true (sshd_has (&server, "sudo-was-used"));
}

/* Mounts in a namespace of the login's own; needs root. */
static void
login_with_mounts (const char *exec_on_run)
{
  if (server.there && geteuid () != 0)
    skip ();
  CLEANUP_FREE char *lines
      = mem_printf ("if [ -z \"$INNER\" ]; then INNER=1; export INNER; "
                    "exec unshare -m \"$0\"; fi; "
                    "mount -t tmpfs -o noexec none $XDG_RUNTIME_DIR && "
                    "mount -t tmpfs -o noexec none $HOME && "
                    "mount -t tmpfs -o noexec none /var/tmp && "
                    "mount -t tmpfs %s none /run || exit 1",
                    exec_on_run);
  if (server.there)
    sshd_login (&server, lines);
}

static void
a_noexec_place_is_passed_over (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  struct link *l = NULL;
  login_with_mounts ("-o exec");
  assert_ok (link_open (&w, &l));
  assert_string_equal (json_string_value (json_at (link_hello (l), "dir")),
                       "/run/rehome");
  link_close (l);
}

static void
noexec_everywhere_names_every_place_tried (void **state)
{
  (void)state;
  const struct link_where w = where ("near");
  login_with_mounts ("-o noexec");
  CLEANUP_ERR struct err *e = opening (&w);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-LINK-NOEXEC");
  assert_says (err_message (e), "/run/rehome (mounted noexec)");
  assert_says (err_message (e), "/var/tmp/rehome-0 (mounted noexec)");
  assert_says (err_message (e), "/home/.cache/rehome (mounted noexec)");
}

static void
an_agent_of_another_version_is_refused (void **state)
{
  (void)state;
  struct link_where w = { .name = "source", .host = "local" };
  w.agent_path = getenv ("REHOME_OTHER_AGENT");
  CLEANUP_ERR struct err *e = opening (&w);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-LINK-VERSION");
  assert_says (err_message (e), "7 to 9");
}

#define TEST(f) cmocka_unit_test_setup (f, setup)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (the_agent_is_pushed_and_leaves_nothing),
    TEST (two_links_share_the_file_and_the_last_removes_it),
    TEST (ciphers_that_the_user_chose_are_left_alone),
    TEST (the_owner_asks_no_ssh_agent_and_shows_the_own_key_first),
    TEST (what_a_killed_agent_left_is_removed_by_the_next_and_named),
    TEST (a_damaged_agent_is_not_used),
    TEST (a_push_that_arrives_damaged_is_refused),
    TEST (streams_pass_through_ssh),
    TEST (an_agent_that_dies_is_a_lost_link),
    TEST (some_noise_is_skipped),
    TEST (endless_noise_is_refused),
    TEST (a_login_that_only_talks_is_quoted),
    TEST (an_unknown_host_key_is_shown_with_the_way_to_accept_it),
    TEST (a_changed_host_key_is_refused_even_where_ssh_would_go_on),
    TEST (another_key_than_the_plans_gets_no_byte),
    TEST (another_machine_under_the_name_is_refused),
    TEST (a_management_address_is_used_under_the_names_key),
    TEST (a_login_that_is_refused_names_the_user),
    TEST (a_host_where_nobody_listens_is_unreachable),
    TEST (a_name_that_does_not_resolve_is_unknown),
    TEST (a_name_like_an_option_is_no_host),
    TEST (without_sudo_the_line_to_add_is_named),
    TEST (with_sudo_the_agent_runs_through_it),
    TEST (a_noexec_place_is_passed_over),
    TEST (noexec_everywhere_names_every_place_tried),
    TEST (an_agent_of_another_version_is_refused),
  };
  return cmocka_run_group_tests (tests, sshd_begin_tests, sshd_end_tests);
}
