/* SPDX-License-Identifier: Apache-2.0 */
/* The draft of a plan: what it takes in, and what it leaves to a person. */
#include "drafted.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "plan/plan.h"
#include "provider/draft.h"
#include "provider/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

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
a_service_is_ready_when_its_page_answers_as_it_did (void **state)
{
  struct hosts *h = *state;
  json_object_set_new (of_source (h, "http"), "http://127.0.0.1:8080/",
                       json_integer (404));
  const char *yaml = write_draft (h);
  ASSERT_LINE (yaml, "  # Runs as shop, listens on tcp 8080. What ready asks "
                     "for was answered so by the source.\n"
                     "  - service: shop-orders.service\n"
                     "    ready: {http: \"http://127.0.0.1:8080/\", "
                     "status: 404}");
  ASSERT_LINE (yaml, "    ready: {http: \"http://127.0.0.1/health\", "
                     "status: 200}");
}

static void
a_service_that_speaks_no_http_is_ready_when_it_listens (void **state)
{
  struct hosts *h = *state;
  json_object_set_new (of_source (h, "http"), "http://127.0.0.1:8080/",
                       json_integer (502));
  const char *yaml = write_draft (h);
  ASSERT_LINE (yaml, "  # Runs as shop, listens on tcp 8080.\n"
                     "  - service: shop-orders.service\n"
                     "    ready: {tcp: 8080}");
  assert_null (strstr (yaml, "shop-report.timer\n    ready"));
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
}

/* A server of the source that listens, and what it answers to `asked`. */
static void
runs_databases (struct hosts *h, const char *comm, const char *unit,
                const char *asked, const char *names)
{
  json_array_append_new (of_source (h, "listeners"),
                         json_pack ("{s:s, s:s, s:i, s:s, s:i, s:s}", "proto",
                                    "tcp", "address", "127.0.0.1", "port", 5432,
                                    "comm", comm, "uid", 105, "unit", unit));
  json_object_set_new (of_source (h, "programs"), asked, json_string (names));
}

static void
databases_of_a_server_are_items_and_the_server_is_left_to_nobody (void **state)
{
  struct hosts *h = *state;
  runs_databases (h, "mariadbd", "mariadb.service", "mariadb",
                  "shop\nodd one\n");
  runs_databases (h, "postgres", "postgresql@15-main.service", "runuser",
                  "crm\n");
  plan_free (read_draft (h));
  ASSERT_LINE (h->yaml, "  - mariadb: shop");
  ASSERT_LINE (h->yaml, "  # - mariadb: \"odd one\"");
  ASSERT_LINE (h->yaml, "  - postgresql: crm");
  assert_null (strstr (h->yaml, "unit: mariadb.service"));
  assert_null (strstr (h->yaml, "unit: postgresql@15-main.service"));
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
a_database_in_use_is_an_item_of_its_own (void **state)
{
  struct hosts *h = *state;
  set_file (h, "/srv/shop/data/app.db", "SQLite format 3");
  set_file (h, "/srv/shop/data/app.db-wal", "frames");
  set_file (h, "/srv/shop/data/at-rest", "SQLite format 3");
  const char *yaml = write_draft (h);
  ASSERT_LINE (yaml, "  - sqlite: /srv/shop/data/app.db");
  assert_null (strstr (yaml, "at-rest"));
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
it_begins_with_what_to_do_next (void **state)
{
  struct hosts *h = *state;
  h->names.file = "here/shop.yaml";
  const char *yaml = write_draft (h);
  assert_int_equal (strncmp (yaml, "# A draft", 9), 0);
  ASSERT_LINE (yaml, "#   rehome check here/shop.yaml");
}

static void
the_way_to_the_source_is_said (void **state)
{
  const char *yaml = write_draft (*state);
  assert_non_null (strstr (yaml, "# It was reached on 10.99.0.10."));
}

static void
the_name_is_made_of_what_names_may_have (void **state)
{
  struct hosts *h = *state;
  json_object_set_new (of_source (h, "facts"), "hostname",
                       json_string ("-Web_01.example.org"));
  ASSERT_LINE (write_draft (h), "name: web01");
}

static void
one_crontab_is_enough_for_an_item (void **state)
{
  struct hosts *h = *state;
  json_object_del (of_source (h, "files"), "/etc/cron.d/shop");
  ASSERT_LINE (write_draft (h), "  - cron: [\"user:deploy\"]");
}

static void
a_crontab_names_files_that_move (void **state)
{
  struct hosts *h = *state;
  set_file (h, "/opt/jobs/nightly", "");
  set_file (h, "/etc/cron.d/shop", "0 3 * * * shop /opt/jobs/nightly\n");
  const char *yaml = write_draft (h);
  ASSERT_LINE (yaml, "  # named in /etc/cron.d/shop\n  - files: /opt/jobs");
}

static void
a_unit_names_files_that_move (void **state)
{
  struct hosts *h = *state;
  set_file (h, "/opt/state/x", "");
  set_file (h, "/var/lib/orders/x", "");
  json_object_set_new (
      of_source (h, "units"), "shop-orders.service",
      json_string ("Id=shop-orders.service\n"
                   "FragmentPath=/usr/local/lib/systemd/system/s.service\n"
                   "ReadWritePaths=-/opt/state\nStateDirectory=orders\n"));
  const char *yaml = write_draft (h);
  ASSERT_LINE (yaml, "  - files: /opt/state");
  ASSERT_LINE (yaml, "  - files: /var/lib/orders");
  ASSERT_LINE (yaml, "  - service: shop-orders.service");
}

static void
a_unit_that_nobody_accounts_for_is_left_to_a_person (void **state)
{
  struct hosts *h = *state;
  json_object_set_new (
      of_source (h, "units"), "shop-orders.service",
      json_string ("Id=shop-orders.service\n"
                   "FragmentPath=/run/systemd/generator.late/s.service\n"));
  ASSERT_LINE (write_draft (h), "  # - service: shop-orders.service");
}

static void
a_timer_of_an_item_is_no_item_of_its_own (void **state)
{
  struct hosts *h = *state;
  json_object_set_new (of_source (h, "programs"), "systemctl list-unit-files",
                       json_string ("shop-report.service enabled enabled\n"
                                    "shop-report.timer enabled enabled\n"));
  const char *yaml = write_draft (h);
  ASSERT_LINE (yaml, "  - service: shop-report.service");
  assert_null (strstr (yaml, "service: shop-report.timer"));
}

static void
people_who_stay_are_left_to_a_person (void **state)
{
  struct hosts *h = *state;
  json_array_append_new (of_source (h, "listeners"),
                         json_pack ("{s:s, s:s, s:i, s:s, s:i, s:s}", "proto",
                                    "tcp", "address", "0.0.0.0", "port", 9000,
                                    "comm", "nc", "uid", 33, "unit",
                                    "session-7.scope"));
  ASSERT_LINE (write_draft (h), "  # - {user: www-data, why: \"...\"}");
}

static void
only_what_moves_is_asked (void **state)
{
  struct hosts *h = *state;
  const json_t *listeners = of_source (h, "listeners");
  for (size_t i = 0; i < json_array_size (listeners); i++) {
    json_t *row = json_array_get (listeners, i);
    json_object_set_new (row, "unit", json_string ("other.service"));
  }
  ASSERT_LINE (write_draft (h), "smoke: []");
  const json_t *asked = of_source (h, "asked");
  for (size_t i = 0; i < json_array_size (asked); i++)
    assert_string_not_equal (json_string_value (json_array_get (asked, i)),
                             "http");
}

static void
what_is_there_of_a_later_version_is_said (void **state)
{
  struct hosts *h = *state;
  set_file (h, "/etc/letsencrypt/live/shop.example/cert.pem", "");
  assert_non_null (strstr (write_draft (h), "# - certificates: 1 entries in "
                                            "/etc/letsencrypt/live"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (the_draft_of_a_server_is_a_plan),
    TEST (people_and_users_of_services_are_in_it),
    TEST (a_user_of_the_system_moves_when_it_runs_a_service),
    TEST (own_services_and_timers_are_in_it_and_the_base_system_is_not),
    TEST (a_service_is_ready_when_its_page_answers_as_it_did),
    TEST (a_service_that_speaks_no_http_is_ready_when_it_listens),
    TEST (a_database_is_not_taken_for_a_service_that_moves),
    TEST (files_that_the_work_uses_are_in_it),
    TEST (a_database_in_use_is_an_item_of_its_own),
    TEST (databases_of_a_server_are_items_and_the_server_is_left_to_nobody),
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
    TEST (it_begins_with_what_to_do_next),
    TEST (the_way_to_the_source_is_said),
    TEST (the_name_is_made_of_what_names_may_have),
    TEST (one_crontab_is_enough_for_an_item),
    TEST (a_crontab_names_files_that_move),
    TEST (a_unit_names_files_that_move),
    TEST (a_unit_that_nobody_accounts_for_is_left_to_a_person),
    TEST (a_timer_of_an_item_is_no_item_of_its_own),
    TEST (people_who_stay_are_left_to_a_person),
    TEST (only_what_moves_is_asked),
    TEST (what_is_there_of_a_later_version_is_said),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
