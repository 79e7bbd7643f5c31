/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that other programs print and read: systemctl, cron, sh, unit files,
 * and the rule of the unclaimed. */
#include "base/mem.h"
#include "plan/plan.h"
#include "provider/cron.h"
#include "provider/move.h"
#include "provider/service.h"

#include "cmocka_api.h"

#include <string.h>

static const char yaml[] = "rehome: 1\nname: shop\n"
                           "source: {host: root@old}\ntarget: {host: local}\n"
                           "items:\n  - files: /srv/shop\n"
                           "  - files: \"/srv/50% off\"\n"
                           "  - service: shop.service\n"
                           "  - cron: [\"user:deploy\"]\n"
                           "leave:\n  - {process: sshd, why: management}\n"
                           "  - {unit: rsyslog.service, why: logs}\n"
                           "  - {listener: \"udp:53\", why: resolver}\n";

static struct plan *
plan (void)
{
  struct plan *p = NULL;
  assert_ok (
      plan_parse (yaml, strlen (yaml), "plan.yaml", provider_kinds (), &p));
  return p;
}

static void
units_that_systemctl_shows_are_told_apart (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *u = service_parse_show (
      "Id=a.service\nExecStart={ path=/bin/a ; argv[]=/bin/a x=y }\n"
      "EnvironmentFiles=/etc/a (ignore_errors=no)\n"
      "EnvironmentFiles=/etc/b (ignore_errors=yes)\n\n"
      "Id=b.timer\nTriggers=b.service\n");
  assert_int_equal (json_array_size (u), 2);
  const json_t *a = json_array_get (u, 0);
  assert_string_equal (json_string_value (json_at (a, "Id")), "a.service");
  CLEANUP_JSON json_t *env
      = service_env_paths (json_string_value (json_at (a, "EnvironmentFiles")));
  assert_int_equal (json_array_size (env), 2);
  assert_string_equal (json_string_value (json_array_get (env, 1)), "/etc/b");
}

static void
a_job_is_found_also_while_it_prepares (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *u = service_parse_show (
      "Id=a.timer\nActiveState=activating\n\n"
      "Type=notify\nId=b.service\nActiveState=activating\n\n"
      "Type=oneshot\nId=c.service\nActiveState=active\n\n"
      "Type=oneshot\nId=d.service\nActiveState=activating\n"
      "SubState=start-pre\n");
  assert_string_equal (service_job_of (u), "d.service");
  json_array_remove (u, 3);
  assert_null (service_job_of (u));
}

static void
programs_are_found_in_command_lines (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *p = service_exec_paths (
      "{ path=/usr/sbin/nginx ; argv[]=/usr/sbin/nginx -t ; ignore_errors=no "
      "}\n{ path=/bin/kill ; argv[]=/bin/kill $MAINPID }");
  assert_int_equal (json_array_size (p), 2);
  assert_string_equal (json_string_value (json_array_get (p, 0)),
                       "/usr/sbin/nginx");
}

static void
environment_patterns_are_no_files (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *p
      = service_env_paths ("/etc/x/*.env (ignore_errors=yes)");
  assert_int_equal (json_array_size (p), 0);
}

static void
entries_of_cron_lead_to_files (void **state)
{
  (void)state;
  CLEANUP_FREE char *user = cron_path ("user:deploy");
  CLEANUP_FREE char *system = cron_path ("/etc/cron.d/shop");
  assert_string_equal (user, "/var/spool/cron/crontabs/deploy");
  assert_string_equal (system, "/etc/cron.d/shop");
}

static void
entries_that_leave_crons_directories_are_refused (void **state)
{
  (void)state;
  static const char *const bad[] = { "user:../root",
                                     "user:",
                                     "/etc/cron.d/../passwd",
                                     "/etc/passwd",
                                     "/etc/cron.d/",
                                     "/etc/cron.d/.x",
                                     "user:a/b",
                                     NULL };
  for (size_t i = 0; bad[i] != NULL; i++)
    assert_null (cron_path (bad[i]));
}

static void
words_are_quoted_for_sh (void **state)
{
  (void)state;
  CLEANUP_FREE char *plain = move_shell_word ("/etc/network/interfaces");
  CLEANUP_FREE char *blank = move_shell_word ("a b");
  CLEANUP_FREE char *quote = move_shell_word ("it's; rm $HOME");
  CLEANUP_FREE char *empty = move_shell_word ("");
  assert_string_equal (plain, "/etc/network/interfaces");
  assert_string_equal (blank, "'a b'");
  assert_string_equal (quote, "'it'\\''s; rm $HOME'");
  assert_string_equal (empty, "''");
}

static struct step_call
call_for (const struct plan *p)
{
  return (struct step_call){ .plan = p, .migration = "shop" };
}

static void
the_read_only_unit_binds_outer_paths_first (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = plan ();
  struct step_call call = call_for (p);
  CLEANUP_JSON json_t *mounts
      = json_pack ("[{s:s,s:b},{s:s,s:b}]", "path", "/srv/50% off", "bind", 1,
                   "path", "/data", "bind", 0);
  CLEANUP_FREE char *text = move_readonly_text (&call, mounts);
  const char *condition
      = "ConditionPathExists=/var/lib/rehome/shop/freeze/flag\n";
  assert_non_null (strstr (text, condition));
  assert_non_null (
      strstr (text, "ExecStart=mount \"--bind\" \"/srv/50%% off\" "));
  /* Writable first, for those that stand there; then gone, whoever does. */
  assert_non_null (
      strstr (text, "ExecStopPost=-mount \"-o\" \"remount,bind,rw\" "
                    "\"/srv/50%% off\"\n"
                    "ExecStopPost=-umount \"--lazy\" \"/srv/50%% off\"\n"));
  /* A mount point of its own is never unmounted. */
  assert_null (strstr (text, "umount \"--lazy\" \"/data\""));
  assert_non_null (strstr (text, "\"remount,bind,rw\" \"/data\""));
}

static void
the_gate_closes_services_and_only_conditions_timers (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = plan ();
  struct step_call call = call_for (p);
  CLEANUP_JSON json_t *allow = json_pack ("[s]", "10.77.0.11");
  CLEANUP_FREE char *service = service_gate_text (&call, "a.service", allow);
  CLEANUP_FREE char *timer = service_gate_text (&call, "a.timer", allow);
  assert_non_null (strstr (service, "[Service]\nIPAddressDeny=any\n"
                                    "IPAddressAllow=localhost 10.77.0.11\n"));
  assert_non_null (
      strstr (timer, "ConditionPathExists=/var/lib/rehome/shop/may-start\n"));
  assert_null (strstr (timer, "IPAddress"));
}

static void
after_the_pivot_a_reboot_waits_for_what_the_source_says (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = plan ();
  struct step_call call = call_for (p);
  CLEANUP_FREE char *text = service_confirm_text (&call);
  CLEANUP_FREE char *after
      = mem_printf ("\nAfter=rehome-confirm@%s.service\n", plan_name (p));
  assert_non_null (strstr (text, after));
  assert_non_null (
      strstr (text, "ConditionPathExists=/var/lib/rehome/shop/may-start\n"));
  assert_null (strstr (text, "IPAddress"));
}

static void
the_text_has_each_command_on_a_line_of_its_own (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *commands
      = json_pack ("[{s:s,s:[s,s,s]},{s:s,s:[s,s,s]}]", "why",
                   "the freeze ends", "argv", "rm", "-f", "/x y", "why",
                   "what ran runs again", "argv", "systemctl", "start",
                   "shop.service");
  CLEANUP_FREE char *text = move_thaw_text ("shop-new", "shop", commands);
  assert_non_null (strstr (text, "\n    rm -f '/x y'\n"));
  assert_non_null (strstr (text, "\n    systemctl start shop.service\n"));
  assert_non_null (strstr (text, "/var/lib/rehome/shop/back (reverse rounds): "
                                 "the commands below do not\n   put it into "
                                 "the files."));
  CLEANUP_FREE char *script = move_thaw_script ("shop", commands);
  assert_non_null (strstr (script, "does not apply the reverse rounds in "
                                   "/var/lib/rehome/shop/back"));
  assert_non_null (strstr (script, "--confirm=target-is-off"));
  assert_non_null (strstr (script, "\nsystemctl start shop.service\n"));
}

static json_t *
writer (const char *comm, const char *unit, int uid, const char *path)
{
  return json_pack ("{s:s,s:i,s:s,s:i,s:[s]}", "comm", comm, "pid", 42, "unit",
                    unit, "uid", uid, "paths", path);
}

static json_t *
unclaimed (json_t *writers, json_t *listeners)
{
  CLEANUP_PLAN struct plan *p = plan ();
  CLEANUP_JSON json_t *w = writers;
  CLEANUP_JSON json_t *l = listeners;
  CLEANUP_JSON json_t *uids = json_pack ("[i]", 1001);
  struct step_call call = call_for (p);
  return move_unclaimed_rows (&call, NULL, w, l, uids, NULL);
}

static void
writers_of_items_and_left_ones_are_claimed (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *rows = unclaimed (
      json_pack ("[o,o,o,o,o]",
                 writer ("shop", "shop.service", 1, "/srv/shop/a"),
                 writer ("vim", "session-1.scope", 1001, "/srv/shop/b"),
                 writer ("sh", "cron.service", 0, "/srv/shop/c"),
                 writer ("rsyslogd", "rsyslog.service", 0, "/var/log/syslog"),
                 writer ("sshd", "", 0, "/var/log/wtmp")),
      NULL);
  assert_int_equal (json_array_size (rows), 0);
}

static void
a_foreign_writer_is_named (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *rows
      = unclaimed (json_pack ("[o]", writer ("python3", "", 0, "/opt/ledger")),
                   NULL);
  assert_int_equal (json_array_size (rows), 1);
  const char *text = json_string_value (json_array_get (rows, 0));
  assert_non_null (strstr (text, "python3"));
  assert_non_null (strstr (text, "/opt/ledger"));
}

static void
a_writer_within_moved_files_cannot_be_left_behind (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *rows
      = unclaimed (json_pack ("[o]", writer ("rsyslogd", "rsyslog.service", 0,
                                             "/srv/shop/log")),
                   NULL);
  assert_int_equal (json_array_size (rows), 1);
}

/* `process.open` shows eight paths of a process, and this one is none. */
static void
a_path_within_moved_files_is_found_behind_others (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = plan ();
  CLEANUP_JSON json_t *open
      = json_pack ("[o,o]",
                   writer ("rsyslogd", "rsyslog.service", 0, "/var/log/syslog"),
                   writer ("shop", "shop.service", 1, "/srv/shop/a"));
  CLEANUP_JSON json_t *under
      = json_pack ("[{s:i,s:s},{s:i,s:s},{s:i,s:s,s:s,s:s,s:i},{s:i,s:s,s:b}]",
                   "pid", 42, "path", "/srv/shop/ninth", "pid", 42, "path",
                   "/srv/shop/tenth", "pid", 43, "path", "/srv/50%25%20off/x",
                   "comm", "sshd", "unit", "", "uid", 0, "pid", 45, "path",
                   "/srv/shop/gone", "deleted", 1);
  json_object_set_new (json_array_get (open, 1), "pid", json_integer (44));
  struct step_call call = call_for (p);
  CLEANUP_JSON json_t *before
      = move_unclaimed_rows (&call, NULL, open, NULL, NULL, NULL);
  assert_int_equal (json_array_size (before), 0);
  move_unclaimed_within (open, under);
  assert_int_equal (json_array_size (open), 3);
  CLEANUP_JSON json_t *rows
      = move_unclaimed_rows (&call, NULL, open, NULL, NULL, NULL);
  assert_int_equal (json_array_size (rows), 2);
  assert_non_null (strstr (json_string_value (json_array_get (rows, 0)),
                           "/srv/shop/ninth, which moves"));
  assert_non_null (
      strstr (json_string_value (json_array_get (rows, 1)), "(pid 43"));
}

static json_t *
listener (const char *comm, const char *unit, const char *proto, int port)
{
  return json_pack ("{s:s,s:i,s:s,s:i,s:s,s:s,s:i}", "comm", comm, "pid", 7,
                    "unit", unit, "uid", 0, "proto", proto, "address",
                    "0.0.0.0", "port", port);
}

static void
a_listener_that_nobody_claims_is_named (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *rows = unclaimed (
      NULL,
      json_pack ("[o,o,o,o]", listener ("shop", "shop.service", "tcp", 80),
                 listener ("named", "named.service", "udp", 53),
                 listener ("named", "named.service", "tcp6", 53),
                 listener ("sshd", "ssh.service", "tcp", 22)));
  assert_int_equal (json_array_size (rows), 1);
  const char *text = json_string_value (json_array_get (rows, 0));
  assert_non_null (strstr (text, "tcp6"));
  assert_non_null (strstr (text, "port 53"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (units_that_systemctl_shows_are_told_apart),
    cmocka_unit_test (a_job_is_found_also_while_it_prepares),
    cmocka_unit_test (programs_are_found_in_command_lines),
    cmocka_unit_test (environment_patterns_are_no_files),
    cmocka_unit_test (entries_of_cron_lead_to_files),
    cmocka_unit_test (entries_that_leave_crons_directories_are_refused),
    cmocka_unit_test (words_are_quoted_for_sh),
    cmocka_unit_test (the_read_only_unit_binds_outer_paths_first),
    cmocka_unit_test (the_gate_closes_services_and_only_conditions_timers),
    cmocka_unit_test (after_the_pivot_a_reboot_waits_for_what_the_source_says),
    cmocka_unit_test (the_text_has_each_command_on_a_line_of_its_own),
    cmocka_unit_test (writers_of_items_and_left_ones_are_claimed),
    cmocka_unit_test (a_foreign_writer_is_named),
    cmocka_unit_test (a_writer_within_moved_files_cannot_be_left_behind),
    cmocka_unit_test (a_path_within_moved_files_is_found_behind_others),
    cmocka_unit_test (a_listener_that_nobody_claims_is_named),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
