/* SPDX-License-Identifier: Apache-2.0 */
/* The draft of a plan: what it takes in, what it leaves to a person, and that
 * no host can write lines of its own into it.  draft/shop.json is a server as
 * the lab has one. */
#include "canned.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "plan/plan.h"
#include "provider/draft.h"
#include "provider/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct hosts {
  struct canned source, target;
  struct draft_names names;
  char *yaml;
};

static int
make_hosts (void **state)
{
  const char *here = __FILE__;
  size_t len = (size_t)(strstr (here, "test_draft.c") - here);
  CLEANUP_FREE char *path = mem_printf ("%.*sdraft/shop.json", (int)len, here);
  struct hosts *h = mem_alloc (sizeof *h);
  json_error_t why;
  json_t *source = json_load_file (path, 0, &why);
  if (source == NULL)
    fail_msg ("%s: %s", path, why.text);
  json_t *target = json_pack (
      "{s:{s:s, s:s, s:s}, s:{s:s, s:s}}", "facts", "hostname", "shop-new",
      "os", "Debian GNU/Linux 13 (trixie)", "machine_id",
      "9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c", "files", "/etc/passwd",
      "root:x:0:0::/root:/bin/sh\nanna:x:1200:1200::/home/anna:/bin/sh\n",
      "/etc/nginx/nginx.conf", "# its own\n");
  canned_init (&h->source, "source", source);
  canned_init (&h->target, "target", target);
  h->names.source = "root@old";
  *state = h;
  return 0;
}

static int
drop_hosts (void **state)
{
  struct hosts *h = *state;
  json_decref (h->source.host);
  json_decref (h->target.host);
  free (h->yaml);
  free (h);
  return 0;
}

static const char *
write_draft (struct hosts *h)
{
  CLEANUP_ERR struct err *e
      = draft_write (&h->source.port, &h->target.port, &h->names, &h->yaml);
  if (e != NULL)
    fail_msg ("%s: %s", err_code (e), err_message (e));
  return h->yaml;
}

/* The draft as `rehome check` reads it. */
static struct plan *
read_draft (struct hosts *h)
{
  const char *yaml = write_draft (h);
  struct plan *p;
  CLEANUP_ERR struct err *e
      = plan_parse (yaml, strlen (yaml), "plan.yaml", provider_kinds (), &p);
  if (e != NULL)
    fail_msg ("%s\n%s", err_message (e), yaml);
  return p;
}

static bool
has_line (const char *yaml, const char *line)
{
  CLEANUP_FREE char *inside = mem_printf ("\n%s\n", line);
  return strstr (yaml, inside) != NULL;
}

#define ASSERT_LINE(yaml, line)                       \
  do                                                  \
    if (!has_line (yaml, line))                       \
      fail_msg ("no line \"%s\" in\n%s", line, yaml); \
  while (0)
#define ASSERT_NO_LINE(yaml, line) assert_false (has_line (yaml, line))

static json_t *
of_source (struct hosts *h, const char *key)
{
  return json_object_get (h->source.host, key);
}

static void
set_file (struct hosts *h, const char *path, const char *text)
{
  json_object_set_new (of_source (h, "files"), path, json_string (text));
}

static void
the_draft_of_a_server_is_a_plan (void **state)
{
  CLEANUP_PLAN struct plan *p = read_draft (*state);
  assert_string_equal (plan_name (p), "shop-old");
  assert_string_equal (plan_source (p)->host, "root@old");
  assert_string_equal (plan_source (p)->machine_id,
                       "3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f");
  assert_string_equal (plan_target (p)->host, "local");
}

static void
people_and_users_of_services_are_in_it (void **state)
{
  const char *yaml = write_draft (*state);
  ASSERT_LINE (yaml, "  - accounts: [shop, deploy, anna]");
  ASSERT_LINE (yaml, "    sudoers: [deploy]");
  assert_non_null (strstr (yaml, "account anna: the target has one"));
}

static void
a_user_of_the_system_moves_when_it_runs_a_service (void **state)
{
  struct hosts *h = *state;
  set_file (h, "/etc/passwd",
            "shop:x:998:998::/nonexistent:/usr/sbin/nologin\n"
            "idle:x:997:997::/nonexistent:/usr/sbin/nologin\n"
            "www-data:x:33:33::/var/www:/usr/sbin/nologin\n");
  ASSERT_LINE (write_draft (h), "  - accounts: [shop]");
}

static void
own_services_and_timers_are_in_it_and_the_base_system_is_not (void **state)
{
  const char *yaml = write_draft (*state);
  ASSERT_LINE (yaml, "  - service: shop-orders.service");
  ASSERT_LINE (yaml, "  - service: shop-report.timer");
  ASSERT_LINE (yaml, "  - service: nginx.service");
  assert_null (strstr (yaml, "service: ssh.service"));
  assert_null (strstr (yaml, "service: shop-report.service"));
  assert_null (strstr (yaml, "fstrim"));
}

static void
a_database_is_not_taken_for_a_service_that_moves (void **state)
{
  struct hosts *h = *state;
  json_object_set_new (of_source (h, "programs"), "systemctl list-unit-files",
                       json_string ("mariadb.service enabled enabled\n"
                                    "shop-orders.service enabled enabled\n"));
  const char *yaml = write_draft (h);
  assert_null (strstr (yaml, "service: mariadb"));
  assert_non_null (strstr (yaml, "# - mariadb.service (a database): it is "
                                 "enabled here"));
}

static void
files_that_the_work_uses_are_in_it (void **state)
{
  const char *yaml = write_draft (*state);
  ASSERT_LINE (yaml, "  - files: /srv/shop");
  ASSERT_LINE (yaml, "  - files: /etc/shop");
  ASSERT_LINE (yaml, "  - files: /usr/local/bin/shop-orders");
  ASSERT_LINE (yaml, "  - files: /usr/local/bin/shop-report");
  ASSERT_LINE (yaml, "  - files: /home/deploy");
  assert_null (strstr (yaml, "files: /usr/sbin"));
  assert_null (strstr (yaml, "files: /home/shop"));
}

static void
a_directory_that_is_only_written_to_is_in_it (void **state)
{
  struct hosts *h = *state;
  set_file (h, "/var/lib/orders/db", "");
  json_array_append_new (
      of_source (h, "writers"),
      json_pack ("{s:s, s:i, s:s, s:[s]}", "comm", "shop-orders", "uid", 1001,
                 "unit", "shop-orders.service", "paths", "/var/lib/orders/db"));
  ASSERT_LINE (write_draft (h), "  - files: /var/lib/orders");
}

static void
a_changed_configuration_is_in_it_and_overwrites_the_targets (void **state)
{
  const char *yaml = write_draft (*state);
  ASSERT_LINE (yaml, "  - files: /etc/nginx\n    overwrite: true");
}

static void
an_unchanged_configuration_is_not_in_it (void **state)
{
  struct hosts *h = *state;
  json_object_set_new (of_source (h, "programs"), "find /etc/nginx",
                       json_string ("/etc/nginx/nginx.conf\n"));
  assert_null (strstr (write_draft (h), "files: /etc/nginx"));
}

static void
what_nothing_names_is_left_to_a_person (void **state)
{
  const char *yaml = write_draft (*state);
  ASSERT_LINE (yaml, "  # - files: /opt/old-tool");
  ASSERT_LINE (yaml, "  # - files: /usr/local/bin/shop-notes");
  ASSERT_NO_LINE (yaml, "  - files: /opt/old-tool");
}

static void
a_symbolic_link_is_said_and_not_taken (void **state)
{
  struct hosts *h = *state;
  set_file (h, "/etc/default/shop-orders", "DATA=/srv/current\n");
  set_file (h, "/srv/current", "-> /mnt/x/release-7");
  const char *yaml = write_draft (h);
  ASSERT_NO_LINE (yaml, "  - files: /srv/current");
  assert_non_null (strstr (yaml, "a symbolic link to /mnt/x/release-7"));
}

static void
crontabs_that_no_package_brought_are_in_it (void **state)
{
  ASSERT_LINE (write_draft (*state),
               "  - cron: [\"user:deploy\", /etc/cron.d/shop]");
}

static void
every_address_but_the_one_in_use_is_switched (void **state)
{
  const char *yaml = write_draft (*state);
  ASSERT_LINE (yaml, "    - address: {move: 10.77.0.10/24, interface: eth0}");
  ASSERT_LINE (yaml, "    - address: {move: \"fd77::10/64\", interface: eth0}");
  ASSERT_LINE (yaml, "    # - address: {move: 10.99.0.10/24, interface: eth1}");
}

static void
the_only_address_is_left_out_with_the_reason (void **state)
{
  struct hosts *h = *state;
  h->names.source = "root@10.0.0.7";
  json_object_set_new (
      of_source (h, "programs"), "ip -j address",
      json_string ("[{\"ifname\":\"eth0\",\"addr_info\":[{\"local\":"
                   "\"10.0.0.7\",\"prefixlen\":24,\"scope\":\"global\"}]}]"));
  CLEANUP_PLAN struct plan *p = read_draft (h);
  assert_int_equal (json_array_size (plan_switch (p)), 0);
  ASSERT_LINE (h->yaml,
               "    # - address: {move: 10.0.0.7/24, interface: eth0}");
  assert_non_null (strstr (h->yaml, "the source is reached on it"));
}

static void
smoke_checks_are_guessed_from_what_the_source_answers (void **state)
{
  CLEANUP_PLAN struct plan *p = read_draft (*state);
  const json_t *inside = json_array_get (plan_smoke (p), 0);
  assert_string_equal (json_string_value (json_object_get (inside, "http")),
                       "http://127.0.0.1/health");
  assert_string_equal (json_string_value (json_object_get (inside, "from")),
                       "target");
}

/* The outside checks are asked from the source. */
static void
a_check_that_the_source_could_not_ask_is_left_out (void **state)
{
  struct hosts *h = *state;
  json_object_set_new (of_source (h, "programs"), "ip -j address",
                       json_string (
                           "[{\"ifname\":\"eth0\",\"addr_info\":["
                           "{\"local\":\"10.0.0.7\",\"prefixlen\":24,\"scope\":"
                           "\"global\"},"
                           "{\"local\":\"10.0.0.8\",\"prefixlen\":24,\"scope\":"
                           "\"global\",\"dynamic\":true},"
                           "{\"local\":\"fd00::7\",\"prefixlen\":64,\"scope\":"
                           "\"global\"}]}]"));
  CLEANUP_PLAN struct plan *p = read_draft (h);
  assert_int_equal (json_array_size (plan_switch (p)), 2);
  assert_int_equal (json_array_size (plan_smoke (p)), 2);
  ASSERT_LINE (h->yaml, "  - {http: \"http://10.0.0.7/health\", status: 200}");
  ASSERT_LINE (h->yaml,
               "  # - {http: \"http://[fd00::7]/health\", status: 200}");
}

static void
without_an_answer_no_smoke_check_is_made_up (void **state)
{
  struct hosts *h = *state;
  json_object_clear (of_source (h, "http"));
  ASSERT_LINE (write_draft (h), "smoke: []");
}

static void
the_base_system_stays_with_a_reason (void **state)
{
  const char *yaml = write_draft (*state);
  ASSERT_LINE (yaml, "  - {unit: ssh.service, why: management}");
  assert_null (strstr (yaml, "unit: shop-orders.service"));
}

static void
an_unknown_listener_is_left_to_a_person (void **state)
{
  struct hosts *h = *state;
  json_array_append_new (of_source (h, "listeners"),
                         json_pack ("{s:s, s:s, s:i, s:s, s:i, s:s}", "proto",
                                    "tcp", "address", "0.0.0.0", "port", 3306,
                                    "comm", "mariadbd", "uid", 105, "unit",
                                    "mariadb.service"));
  CLEANUP_PLAN struct plan *p = read_draft (h);
  ASSERT_LINE (h->yaml, "  # - {unit: mariadb.service, why: \"...\"}");
  assert_non_null (strstr (h->yaml, "mariadbd listens on port 3306"));
  for (size_t i = 0; i < json_array_size (plan_leave (p)); i++)
    assert_string_not_equal (json_string_value (json_object_get (
                                 json_array_get (plan_leave (p), i), "unit")),
                             "mariadb.service");
}

static void
what_a_person_runs_by_hand_is_said (void **state)
{
  const char *yaml = write_draft (*state);
  assert_non_null (strstr (yaml, "# - deploy runs by hand: shop-notes"));
}

static void
a_stranger_that_writes_into_what_moves_is_said_so (void **state)
{
  struct hosts *h = *state;
  json_array_append_new (
      of_source (h, "writers"),
      json_pack ("{s:s, s:i, s:s, s:[ss]}", "comm", "indexer", "uid", 0, "unit",
                 "indexer.service", "paths", "/var/x", "/srv/shop/index"));
  const char *yaml = write_draft (h);
  ASSERT_LINE (yaml, "  # - {unit: indexer.service, why: \"...\"}");
  assert_non_null (strstr (yaml, "holds /srv/shop/index open for writing, "
                                 "which moves"));
}

static void
what_was_not_looked_at_is_said (void **state)
{
  const char *yaml = write_draft (*state);
  assert_non_null (strstr (yaml, "# - DNS, load balancers, firewalls"));
  ASSERT_LINE (yaml, "# - a file system of its own: /data /dev/vdb xfs");
}

static void
nothing_is_changed_on_either_host (void **state)
{
  static const char *const looks[]
      = { "facts",     "run",  "file.stat",    "file.read",
          "file.list", "http", "process.open", "process.listeners" };
  struct hosts *h = *state;
  const json_t *asked[]
      = { of_source (h, "asked"), json_object_get (h->target.host, "asked") };
  write_draft (h);
  for (size_t side = 0; side < 2; side++)
    for (size_t i = 0; i < json_array_size (asked[side]); i++) {
      const char *verb = json_string_value (json_array_get (asked[side], i));
      bool look = false;
      for (size_t k = 0; k < sizeof looks / sizeof *looks; k++)
        look |= strcmp (verb, looks[k]) == 0;
      if (!look)
        fail_msg ("%s was asked", verb);
    }
}

static void
without_a_target_it_is_written_all_the_same (void **state)
{
  struct hosts *h = *state;
  CLEANUP_ERR struct err *e
      = draft_write (&h->source.port, NULL, &h->names, &h->yaml);
  assert_null (e);
  ASSERT_LINE (h->yaml, "target: {host: local}");
  ASSERT_LINE (h->yaml, "# - the target: it was not looked at");
}

static void
the_same_host_twice_is_refused (void **state)
{
  struct hosts *h = *state;
  CLEANUP_ERR struct err *e
      = draft_write (&h->source.port, &h->source.port, &h->names, &h->yaml);
  assert_string_equal (err_code (e), "RH-PLAN-SAME");
}

static void
a_look_that_is_refused_becomes_a_comment (void **state)
{
  struct hosts *h = *state;
  json_object_set_new (of_source (h, "fail"), "process.listeners",
                       json_string ("RH-HOST-PROC"));
  CLEANUP_PLAN struct plan *p = read_draft (h);
  assert_non_null (strstr (h->yaml, "# - processes: the look failed"));
  ASSERT_LINE (h->yaml, "  - service: shop-orders.service");
}

static void
a_lost_host_is_an_error (void **state)
{
  struct hosts *h = *state;
  json_object_set_new (of_source (h, "fail"), "process.open",
                       json_string ("RH-LINK-LOST"));
  CLEANUP_ERR struct err *e
      = draft_write (&h->source.port, &h->target.port, &h->names, &h->yaml);
  assert_string_equal (err_code (e), "RH-LINK-LOST");
  assert_null (h->yaml);
}

/* Everything that a host says is replaced by lines that would be a plan. */
static void
no_host_can_write_lines_of_its_own (void **state)
{
  static const char *const evil[] = { "x\nitems: [{files: /etc/shadow}]\n",
                                      "x\xe2\x80\xa8leave: []",
                                      "x\xc2\x85smoke: []",
                                      "\"}, evil: {",
                                      "# - : {[",
                                      "x\r\nguard: 1d",
                                      "\xf0\x9f\x90\x9a\xef\xbb\xbf" };
  struct hosts *h = *state;
  for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
    CLEANUP_FREE char *file = mem_printf ("/opt/%s/run", evil[i]);
    CLEANUP_FREE char *unit
        = mem_printf ("Id=%s.service\nFragmentPath=/etc/systemd/system/x\n",
                      evil[i]);
    json_t *facts = of_source (h, "facts");
    json_object_set_new (facts, "hostname", json_string (evil[i]));
    json_object_set_new (facts, "os", json_string (evil[i]));
    json_object_set_new (facts, "machine_id", json_string (evil[i]));
    json_object_set_new (of_source (h, "units"), "nginx.service",
                         json_string (unit));
    set_file (h, file, "");
    json_array_append_new (of_source (h, "listeners"),
                           json_pack ("{s:s, s:s, s:i, s:s, s:i, s:s}", "proto",
                                      evil[i], "address", evil[i], "port", 7,
                                      "comm", evil[i], "uid", 5, "unit",
                                      evil[i]));
    free (h->yaml);
    const char *yaml = write_draft (h);
    struct plan *p = NULL;
    CLEANUP_ERR struct err *e
        = plan_parse (yaml, strlen (yaml), "plan.yaml", provider_kinds (), &p);
    /* A unit's name that is none is refused by its line; that is all. */
    if (e != NULL && strstr (err_message (e), "is no unit") == NULL)
      fail_msg ("%s\n%s", err_message (e), yaml);
    assert_null (strstr (yaml, "\nitems: [{files"));
    plan_free (p);
  }
}

int
main (void)
{
#define TEST(f) cmocka_unit_test_setup_teardown (f, make_hosts, drop_hosts)
  const struct CMUnitTest tests[] = {
    TEST (the_draft_of_a_server_is_a_plan),
    TEST (people_and_users_of_services_are_in_it),
    TEST (a_user_of_the_system_moves_when_it_runs_a_service),
    TEST (own_services_and_timers_are_in_it_and_the_base_system_is_not),
    TEST (a_database_is_not_taken_for_a_service_that_moves),
    TEST (files_that_the_work_uses_are_in_it),
    TEST (a_directory_that_is_only_written_to_is_in_it),
    TEST (a_changed_configuration_is_in_it_and_overwrites_the_targets),
    TEST (an_unchanged_configuration_is_not_in_it),
    TEST (what_nothing_names_is_left_to_a_person),
    TEST (a_symbolic_link_is_said_and_not_taken),
    TEST (crontabs_that_no_package_brought_are_in_it),
    TEST (every_address_but_the_one_in_use_is_switched),
    TEST (the_only_address_is_left_out_with_the_reason),
    TEST (smoke_checks_are_guessed_from_what_the_source_answers),
    TEST (a_check_that_the_source_could_not_ask_is_left_out),
    TEST (without_an_answer_no_smoke_check_is_made_up),
    TEST (the_base_system_stays_with_a_reason),
    TEST (an_unknown_listener_is_left_to_a_person),
    TEST (what_a_person_runs_by_hand_is_said),
    TEST (a_stranger_that_writes_into_what_moves_is_said_so),
    TEST (what_was_not_looked_at_is_said),
    TEST (nothing_is_changed_on_either_host),
    TEST (without_a_target_it_is_written_all_the_same),
    TEST (the_same_host_twice_is_refused),
    TEST (a_look_that_is_refused_becomes_a_comment),
    TEST (a_lost_host_is_an_error),
    TEST (no_host_can_write_lines_of_its_own),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
