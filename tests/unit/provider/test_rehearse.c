/* SPDX-License-Identifier: Apache-2.0 */
/* What a unit becomes in the room of a rehearsal. */
#include "provider/rehearse.h"

#include "base/mem.h"

#include "../cmocka_api.h"

#include <string.h>

#define BOX "ProtectSystem=strict\n"

static char *
held (const char *one, const char *other)
{
  CLEANUP_JSON json_t *texts = json_pack ("[s, s]", one, other);
  char *out = NULL;
  assert_ok (rehearse_unit_text ("shop.service", texts, BOX, &out));
  return out;
}

static void
left_out (const char *text)
{
  CLEANUP_FREE char *unit = mem_printf ("[Service]\n%s\n", text);
  CLEANUP_FREE char *out = held (unit, "");
  CLEANUP_FREE char *key = mem_strndup (text, strcspn (text, "="));
  assert_null (strstr (out, key));
}

static void
refused (const char *line)
{
  CLEANUP_FREE char *unit = mem_printf ("[Service]\n%s\n", line);
  CLEANUP_JSON json_t *texts = json_pack ("[s]", unit);
  char *out = NULL;
  assert_code (rehearse_unit_text ("shop.service", texts, BOX, &out),
               "RH-REHEARSE-UNIT");
}

static void
it_has_how_the_program_runs_and_then_the_room (void **state)
{
  (void)state;
  CLEANUP_FREE char *out
      = held ("[Unit]\nRequires=db.service\n[Service]\nUser = shop\n"
              "ExecStart=/bin/shop \\\n  --far\n[Install]\nWantedBy=x\n",
              "[Service]\nLimitNOFILE=4096\n");
  assert_string_equal (out, "[Unit]\nDescription=shop.service in a rehearsal\n"
                            "\n[Service]\nUser=shop\nExecStart=/bin/shop "
                            "\\\n  --far\nLimitNOFILE=4096\n" BOX);
}

/* systemd would read or remove the live service's own. */
static void
what_systemd_does_outside_of_the_room_is_left_out (void **state)
{
  (void)state;
  left_out ("PIDFile=/run/nginx.pid");
  left_out ("RuntimeDirectory=shop");
  left_out ("StateDirectory=shop");
  left_out ("ExecStop=/bin/kill-all-of-it");
  left_out ("ExecStopPost=/bin/kill-all-of-it");
  left_out ("StandardOutput=append:/var/log/shop.log");
  left_out ("BindPaths=/srv/shop:/data");
  left_out ("ReadWritePaths=/srv");
  left_out ("Restart=always");
}

static void
what_would_leave_the_room_is_refused (void **state)
{
  (void)state;
  refused ("ExecStartPre=+/bin/rm -rf /srv/shop");
  refused ("ExecStart=-!/bin/shop");
  refused ("RootDirectory=/srv/root");
  refused ("DynamicUser=yes");
  refused ("Type=dbus");
  CLEANUP_FREE char *out = held ("[Service]\nDynamicUser=no\n", "");
  assert_non_null (out);
}

static void
words_of_a_command_stay_words (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *argv
      = json_pack ("[s, s, s]", "/bin/order", "a \"b\"", "100%$x");
  CLEANUP_FREE char *out = rehearse_command_text (argv, BOX);
  assert_non_null (strstr (
      out, "ExecStart= \"/bin/order\" \"a \\\"b\\\"\" \"100%%$$x\"\n" BOX));
}

static const char differs[]
    = "nginx is 1.22.1 on the source and 1.26.3 on the target";

/* What the proof before the freeze says where nginx differs. */
static struct err *
proof (const char *reason, const char *rehearsed, bool confirmed)
{
  CLEANUP_FREE char *text = mem_printf (
      "rehome: 1\nname: shop\nsource: {host: old}\n"
      "items:\n  - files: /srv/shop\n  - service: nginx.service\n%s",
      reason);
  CLEANUP_PLAN struct plan *p = NULL;
  assert_ok (
      plan_parse (text, strlen (text), "shop.yaml", provider_kinds (), &p));
  const char *hash
      = rehearsed != NULL && rehearsed[0] == '\0' ? plan_hash (p) : rehearsed;
  CLEANUP_JSON json_t *inputs
      = json_pack ("{s:{s:s*}}", "move#rehearse", "plan", hash);
  CLEANUP_JSON json_t *now
      = json_pack ("{s:[s]}", "service:nginx.service", differs);
  struct step_call call
      = { .plan = p, .inputs = inputs, .no_way_back = confirmed };
  return rehearse_one_way (&call, now);
}

static void
a_way_back_that_nothing_proves_has_to_be_confirmed (void **state)
{
  (void)state;
  CLEANUP_ERR struct err *e = proof ("", NULL, false);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-REHEARSE-ONEWAY");
  assert_int_equal (err_class_of (e), ERR_BLOCKED);
  assert_non_null (strstr (err_message (e), differs));
  assert_ok (proof ("", NULL, true));
}

static void
a_reason_or_a_rehearsal_of_this_plan_needs_no_confirmation (void **state)
{
  (void)state;
  assert_ok (proof ("    back-why: it keeps no data\n", NULL, false));
  assert_ok (proof ("", "", false));
  assert_code (proof ("", "another plan's hash", false), "RH-REHEARSE-ONEWAY");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (it_has_how_the_program_runs_and_then_the_room),
    cmocka_unit_test (what_systemd_does_outside_of_the_room_is_left_out),
    cmocka_unit_test (what_would_leave_the_room_is_refused),
    cmocka_unit_test (words_of_a_command_stay_words),
    cmocka_unit_test (a_way_back_that_nothing_proves_has_to_be_confirmed),
    cmocka_unit_test (
        a_reason_or_a_rehearsal_of_this_plan_needs_no_confirmation),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
