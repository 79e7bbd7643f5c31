/* SPDX-License-Identifier: Apache-2.0 */
/* Who approves, and the backup, as a plan says them. */
#include "kinds.h"

#include "base/mem.h"
#include "plan/plan.h"

#include <string.h>

#include "../cmocka_api.h"

#define HEAD              \
  "rehome: 1\n"           \
  "name: shop\n"          \
  "source: {host: old}\n" \
  "items: [{files: /srv/shop}]\n"
/* Blobs of the right form, of no key that anybody has. */
#define KEY(c)   \
  "ssh-ed25519 " \
  "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" c
#define ANNA \
  "{name: Anna Berg, account: anna, key: \"" KEY ("A") " anna@desk\"}"
#define KARL "{name: Karl Krug, account: karl, key: \"" KEY ("E") "\"}"

static struct err *
parse (const char *rest, struct plan **out)
{
  CLEANUP_FREE char *text = mem_printf (HEAD "%s", rest);
  return plan_parse (text, strlen (text), "shop.yaml", &test_kinds, out);
}

static void
refused (const char *rest, const char *code)
{
  struct plan *p = NULL;
  assert_code (parse (rest, &p), code);
}

static void
two_roles_are_read_with_their_people (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = NULL;
  assert_ok (parse ("approvals:\n"
                    "  - {role: owner, people: [" ANNA "]}\n"
                    "  - {role: security, people: [" KARL "]}\n",
                    &p));
  const json_t *first = json_array_get (plan_approvals (p), 0);
  const json_t *anna = json_array_get (json_object_get (first, "people"), 0);
  assert_int_equal (json_array_size (plan_approvals (p)), 2);
  assert_string_equal (json_string_value (json_object_get (anna, "key")),
                       KEY ("A"));
}

static void
without_a_section_nobody_approves (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = NULL;
  assert_ok (parse ("", &p));
  assert_int_equal (json_array_size (plan_approvals (p)), 0);
  assert_int_equal (json_object_size (plan_backup (p)), 0);
}

static void
a_key_that_two_people_have_is_refused (void **state)
{
  (void)state;
  refused (
      "approvals:\n"
      "  - {role: owner, people: [" ANNA "]}\n"
      "  - {role: security, people: [{name: Karl, account: karl, key: \"" KEY (
          "A") "\"}]}\n",
      "RH-PLAN-TWICE");
}

static void
a_person_in_two_roles_is_refused (void **state)
{
  (void)state;
  refused ("approvals:\n"
           "  - {role: owner, people: [" ANNA "]}\n"
           "  - {role: security, people: [{name: Anna Berg, account: b, key: "
           "\"" KEY ("E") "\"}]}\n",
           "RH-PLAN-TWICE");
}

static void
three_roles_are_refused (void **state)
{
  (void)state;
  refused ("approvals: [{role: a, people: []}, {role: b, people: []}, {role: "
           "c, people: []}]\n",
           "RH-PLAN-VALUE");
}

static void
two_roles_need_to_know_the_accounts (void **state)
{
  (void)state;
  refused ("approvals:\n"
           "  - {role: owner, people: [{name: Anna, key: \"" KEY (
               "A") "\"}]}\n"
                    "  - {role: security, people: [" KARL "]}\n",
           "RH-PLAN-MISSING");
}

static void
what_is_no_key_is_refused (void **state)
{
  (void)state;
  refused ("approvals: [{role: a, people: [{name: Anna, key: \"ssh-rsa "
           "AAAAC3NzaC1lZDI1NTE5AAAA\"}]}]\n",
           "RH-PLAN-VALUE");
}

static void
a_backup_is_checked_or_waived (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = NULL;
  CLEANUP_PLAN struct plan *q = NULL;
  assert_ok (parse ("backup: {check: [/usr/local/sbin/restore-test, shop], "
                    "max-age: 48h}\n",
                    &p));
  assert_int_equal (json_integer_value (
                        json_object_get (plan_backup (p), "max_age_ms")),
                    48L * 3600 * 1000);
  assert_ok (parse ("backup: {waiver: {by: Anna, reason: a test}}\n", &q));
  assert_non_null (json_object_get (plan_backup (q), "waiver"));
}

static void
a_rehearsal_names_programs_and_absolute_places (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = NULL;
  assert_ok (
      parse ("rehearsal: {write: [/bin/order, a], scratch: [/var/x]}\n", &p));
  assert_int_equal (
      json_array_size (json_object_get (plan_rehearsal (p), "write")), 2);
  refused ("rehearsal: {write: \"order && true\"}\n", "RH-PLAN-TYPE");
  refused ("rehearsal: {check: [order]}\n", "RH-PLAN-VALUE");
  refused ("rehearsal: {scratch: [/var/../etc]}\n", "RH-PLAN-VALUE");
  refused ("rehearsal: {read: [/bin/order]}\n", "RH-PLAN-KEY");
}

static void
a_waiver_without_a_name_is_refused (void **state)
{
  (void)state;
  refused ("backup: {waiver: {reason: a test}}\n", "RH-PLAN-MISSING");
  refused ("backup: {waiver: {by: \"\", reason: a test}}\n", "RH-PLAN-TYPE");
}

static void
a_check_is_a_program_and_no_shell_line (void **state)
{
  (void)state;
  refused ("backup: {check: \"restore-test && true\"}\n", "RH-PLAN-TYPE");
  refused ("backup: {check: [restore-test]}\n", "RH-PLAN-VALUE");
}

static void
a_check_beside_a_waiver_is_refused (void **state)
{
  (void)state;
  refused ("backup: {check: [/bin/true], waiver: {by: Anna, reason: x}}\n",
           "RH-PLAN-KEY");
  refused ("backup: {on: source}\n", "RH-PLAN-KEY");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (two_roles_are_read_with_their_people),
    cmocka_unit_test (without_a_section_nobody_approves),
    cmocka_unit_test (a_key_that_two_people_have_is_refused),
    cmocka_unit_test (a_person_in_two_roles_is_refused),
    cmocka_unit_test (three_roles_are_refused),
    cmocka_unit_test (two_roles_need_to_know_the_accounts),
    cmocka_unit_test (what_is_no_key_is_refused),
    cmocka_unit_test (a_backup_is_checked_or_waived),
    cmocka_unit_test (a_rehearsal_names_programs_and_absolute_places),
    cmocka_unit_test (a_waiver_without_a_name_is_refused),
    cmocka_unit_test (a_check_is_a_program_and_no_shell_line),
    cmocka_unit_test (a_check_beside_a_waiver_is_refused),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
