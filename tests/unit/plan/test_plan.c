/* SPDX-License-Identifier: Apache-2.0 */
/* A plan that is right: what is read from it, and the defaults. */
#include "kinds.h"

#include "base/mem.h"
#include "plan/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ID "0123456789abcdef0123456789abcdef"
#define KEY "SHA256:abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"

static const char least[] = "rehome: 1\n"
                            "name: shop\n"
                            "source: {host: root@old}\n"
                            "items:\n"
                            "  - files: /srv/shop\n";

static const char whole[]
    = "rehome: 1\n"
      "name: shop\n"
      "source: {host: root@old, via: 10.99.0.10, machine-id: " ID
      ", host-key: \"" KEY "\"}\n"
      "target: {host: root@new}\n"
      "approach: warm\n"
      "items:\n"
      "  - exclude: [cache/]\n"
      "    overwrite: true\n"
      "    files: /srv/shop\n"
      "  - accounts: [shop, deploy]\n"
      "    after: [\"files:/srv/shop\"]\n"
      "leave:\n"
      "  - {process: sshd, why: management}\n"
      "  - {unit: rsyslog.service, why: logging stays}\n"
      "  - {user: admin, why: ours}\n"
      "  - {listener: \"tcp:22\", why: ssh}\n"
      "cutover:\n"
      "  downtime-limit: 45s\n"
      "  jobs-wait: 2m\n"
      "  window: {days: [sat, sun], from: \"01:00\", to: \"05:00\", zone: "
      "Europe/Berlin}\n"
      "  switch:\n"
      "    - address: {move: 10.77.0.10/24, interface: eth0}\n"
      "    - address: {move: \"fd77::10/64\", interface: eth0}\n"
      "smoke:\n"
      "  - {http: \"http://127.0.0.1/health\"}\n"
      "  - {http: \"http://10.77.0.10/\", status: 404}\n"
      "  - {http: \"http://[fd77::10]:8080/x\", from: target}\n"
      "fence: closed\n"
      "guard: 2d\n";

static struct plan *
parse (const char *text)
{
  struct plan *p;
  CLEANUP_ERR struct err *e
      = plan_parse (text, strlen (text), "shop.yaml", &test_kinds, &p);
  if (e != NULL)
    fail_msg ("%s", err_message (e));
  return p;
}

static const char *
text_at (const json_t *list, size_t i, const char *key)
{
  return json_string_value (json_object_get (json_array_get (list, i), key));
}

static void
absent_sections_take_their_defaults (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = parse (least);
  assert_string_equal (plan_name (p), "shop");
  assert_string_equal (plan_source (p)->host, "root@old");
  assert_null (plan_source (p)->machine_id);
  assert_string_equal (plan_target (p)->host, "local");
  assert_int_equal (plan_approach (p), APPROACH_WARM);
  assert_int_equal (plan_limits (p)->downtime_ms, 30000);
  assert_int_equal (plan_limits (p)->jobs_wait_ms, 60000);
  assert_int_equal (plan_limits (p)->guard_s, 7 * 86400);
  assert_int_equal (json_array_size (plan_leave (p)), 0);
  assert_int_equal (json_array_size (plan_switch (p)), 0);
  assert_int_equal (json_array_size (plan_smoke (p)), 0);
  assert_int_equal (json_object_size (plan_window (p)), 0);
  assert_string_equal (plan_fence (p), "closed");
}

static void
every_section_is_read (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = parse (whole);
  assert_string_equal (plan_source (p)->via, "10.99.0.10");
  assert_string_equal (plan_source (p)->machine_id, ID);
  assert_string_equal (plan_source (p)->host_key, KEY);
  assert_string_equal (plan_target (p)->host, "root@new");
  assert_int_equal (plan_approach (p), APPROACH_WARM);
  assert_int_equal (plan_limits (p)->downtime_ms, 45000);
  assert_int_equal (plan_limits (p)->jobs_wait_ms, 120000);
  assert_int_equal (plan_limits (p)->guard_s, 2 * 86400);
  assert_int_equal (json_array_size (plan_leave (p)), 4);
  assert_string_equal (text_at (plan_leave (p), 1, "unit"), "rsyslog.service");
  assert_string_equal (text_at (plan_leave (p), 3, "listener"), "tcp:22");
  const json_t *a
      = json_object_get (json_array_get (plan_switch (p), 1), "address");
  assert_string_equal (json_string_value (json_object_get (a, "move")),
                       "fd77::10/64");
  assert_string_equal (json_string_value (
                           json_object_get (plan_window (p), "zone")),
                       "Europe/Berlin");
}

static void
a_smoke_check_of_loopback_runs_on_the_target (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = parse (whole);
  const json_t *smoke = plan_smoke (p);
  assert_string_equal (text_at (smoke, 0, "from"), "target");
  assert_string_equal (text_at (smoke, 1, "from"), "controller");
  assert_string_equal (text_at (smoke, 2, "from"), "target");
  assert_int_equal (json_integer_value (
                        json_object_get (json_array_get (smoke, 0), "status")),
                    200);
  assert_int_equal (json_integer_value (
                        json_object_get (json_array_get (smoke, 1), "status")),
                    404);
}

/* Each is the last value before one that is refused. */
static void
values_at_the_edge_are_taken (void **state)
{
  static const char *const parts[] = {
    "leave: [{listener: \"tcp:1\", why: x}, {listener: \"udp:65535\", why: x}]",
    ("leave: [{unit: dev-sda@1.service, why: x}, {process: \"tmux: server\", "
     "why: x}]"),
    "cutover: {window: {from: \"00:00\", to: \"23:59\"}}",
    "cutover: {downtime-limit: 1s, jobs-wait: 0s}",
    "cutover: {downtime-limit: 24h}",
    "cutover: {downtime-limit: 1000ms}",
    "guard: 365d",
    "guard: 60s",
    ("cutover: {switch: [{address: {move: \"fd77::1/128\", interface: "
     "abcdefghijklmno}}]}"),
    "cutover: {switch: [{address: {move: 10.0.0.1/0, interface: eth0.7}}]}",
    "smoke: [{http: \"http://localhost:65535/a?b=c\", status: 599}]",
    "smoke: [{http: \"http://10.0.0.1:1\", status: 100}]",
    "smoke: [{http: \"http://10.0.0.1:80?x\"}, {http: \"http://[::1]\"}]",
    "target: {host: \"root@[fd77::20]\"}",
  };
  (void)state;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    CLEANUP_FREE char *text = mem_printf ("%s%s\n", least, parts[i]);
    CLEANUP_PLAN struct plan *p = parse (text);
    assert_non_null (p);
  }
}

static void
loopback_is_told_from_other_addresses (void **state)
{
  static const struct {
    const char *url, *from;
  } urls[] = {
    { "http://127.9.9.9/", "target" },   { "http://[::1]:80/", "target" },
    { "http://localhost/", "target" },   { "http://[fd77::1]/", "controller" },
    { "http://[::1:2]/", "controller" }, { "http://12.7.0.1/", "controller" }
  };
  (void)state;
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    CLEANUP_FREE char *text
        = mem_printf ("%ssmoke: [{http: \"%s\"}]\n", least, urls[i].url);
    CLEANUP_PLAN struct plan *p = parse (text);
    assert_string_equal (text_at (plan_smoke (p), 0, "from"), urls[i].from);
  }
}

static void
an_item_has_its_kind_first_and_knows_its_place (void **state)
{
  (void)state;
  CLEANUP_PLAN struct plan *p = parse (whole);
  const struct plan_item *files = plan_item (p, 0), *users = plan_item (p, 1);
  assert_int_equal (plan_item_count (p), 2);
  assert_string_equal (files->name, "files:/srv/shop");
  assert_string_equal (
      json_object_iter_key (json_object_iter ((json_t *)files->spec)), "files");
  assert_true (json_is_true (json_object_get (files->spec, "overwrite")));
  assert_int_equal (files->line, 7);
  assert_int_equal (files->column, 5);
  assert_null (files->after);
  assert_int_equal (json_array_size (users->after), 1);
  assert_null (json_object_get (users->spec, "after"));
  assert_int_equal (plan_item_index (p, users), 1);
  assert_int_equal (plan_item_index (p, NULL), -1);
  assert_null (plan_item (p, 2));
}

static void
the_hash_is_that_of_the_bytes (void **state)
{
  (void)state;
  size_t len;
  CLEANUP_PLAN struct plan *p = parse (least);
  assert_string_equal (plan_text (p, &len), least);
  assert_int_equal (len, strlen (least));
  /* printf 'rehome: 1\nname: ...' | sha256sum */
  assert_string_equal (
      plan_hash (p),
      "f4fb1097e0e30d8596f98a7f4da9cd48a66b560835031a1446ae00145f5183ad");
  CLEANUP_FREE char *longer = mem_printf ("%s# a comment\n", least);
  CLEANUP_PLAN struct plan *q = parse (longer);
  assert_string_not_equal (plan_hash (p), plan_hash (q));
}

static void
a_plan_is_read_from_its_file (void **state)
{
  (void)state;
  char path[] = "/tmp/rehome-plan-XXXXXX";
  int fd = mkstemp (path);
  assert_int_equal (write (fd, least, strlen (least)), (int)strlen (least));
  close (fd);
  struct plan *p = NULL;
  CLEANUP_ERR struct err *e = plan_read (path, &test_kinds, &p);
  unlink (path);
  assert_null (e);
  assert_string_equal (plan_name (p), "shop");
  plan_free (p);
}

static void
a_file_that_is_not_there_is_said_so (void **state)
{
  (void)state;
  struct plan *p;
  CLEANUP_ERR struct err *e = plan_read ("/nonexistent/x", &test_kinds, &p);
  assert_string_equal (err_code (e), "RH-PLAN-READ");
  assert_null (p);
}

static void
a_directory_in_the_place_of_the_plan_is_said_so (void **state)
{
  (void)state;
  struct plan *p;
  CLEANUP_ERR struct err *e = plan_read ("/tmp", &test_kinds, &p);
  assert_string_equal (err_code (e), "RH-PLAN-READ");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (absent_sections_take_their_defaults),
    cmocka_unit_test (every_section_is_read),
    cmocka_unit_test (a_smoke_check_of_loopback_runs_on_the_target),
    cmocka_unit_test (values_at_the_edge_are_taken),
    cmocka_unit_test (loopback_is_told_from_other_addresses),
    cmocka_unit_test (an_item_has_its_kind_first_and_knows_its_place),
    cmocka_unit_test (the_hash_is_that_of_the_bytes),
    cmocka_unit_test (a_plan_is_read_from_its_file),
    cmocka_unit_test (a_file_that_is_not_there_is_said_so),
    cmocka_unit_test (a_directory_in_the_place_of_the_plan_is_said_so),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
