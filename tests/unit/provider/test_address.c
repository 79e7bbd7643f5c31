/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: network configurations edited, what `ip` prints and takes. */
#include "provider/address.h"
#include "provider/address_client.h"
#include "provider/address_config.h"
#include "provider/address_ip.h"

#include "cmocka_api.h"

#include <string.h>

static const char interfaces[]
    = "auto lo\niface lo inet loopback\n\n# Service.\nauto eth0\n"
      "iface eth0 inet static\n    address 10.77.0.10/24\n"
      "    gateway 10.77.0.1\n\niface eth0 inet static\n"
      "    address 10.77.0.11/24\n\niface eth0 inet6 static\n"
      "    address fd77::10/64\n";

static void
a_stanza_goes_and_its_gateway_stays (void **state)
{
  (void)state;
  CLEANUP_FREE char *out
      = ifupdown_without (interfaces, "eth0", "10.77.0.10/24");
  assert_string_equal (
      out, "auto lo\niface lo inet loopback\n\n# Service.\nauto eth0\n"
           "\niface eth0 inet static\n    address 10.77.0.11/24\n"
           "    gateway 10.77.0.1\n\niface eth0 inet6 static\n"
           "    address fd77::10/64\n");
}

static void
the_only_stanza_becomes_one_without_addresses (void **state)
{
  (void)state;
  CLEANUP_FREE char *out = ifupdown_without (
      "auto eth0\niface eth0 inet static\n\taddress 10.0.0.5\n"
      "\tnetmask 255.255.255.0\n\tgateway 10.0.0.1\n",
      "eth0", "10.0.0.5/24");
  assert_string_equal (out, "auto eth0\niface eth0 inet manual\n");
}

static void
other_interfaces_and_addresses_are_not_touched (void **state)
{
  (void)state;
  assert_null (ifupdown_without (interfaces, "eth1", "10.77.0.10/24"));
  assert_null (ifupdown_without (interfaces, "eth0", "10.77.0.1/24"));
  assert_null (
      ifupdown_without ("iface eth0 inet dhcp\n", "eth0", "10.77.0.10/24"));
}

static void
a_comment_before_the_next_stanza_stays (void **state)
{
  (void)state;
  CLEANUP_FREE char *out = ifupdown_without (
      "iface eth0 inet static\n address 10.0.0.5/24\n# The next.\n"
      "iface eth0 inet6 auto\n",
      "eth0", "10.0.0.5/24");
  assert_string_equal (out, "# The next.\niface eth0 inet6 auto\n");
}

static void
an_address_goes_from_a_networkd_file (void **state)
{
  (void)state;
  CLEANUP_FREE char *out = networkd_without (
      "[Match]\nName=eth0\n[Network]\nAddress = 10.77.0.10/24\n"
      "Address=10.77.0.11/24\n",
      "10.77.0.10/24");
  assert_string_equal (
      out, "[Match]\nName=eth0\n[Network]\nAddress=10.77.0.11/24\n");
  assert_null (
      networkd_without ("[Network]\nAddress=10.77.0.1/24\n", "10.77.0.10/24"));
}

static void
a_section_of_its_own_goes_whole (void **state)
{
  (void)state;
  CLEANUP_FREE char *out = networkd_without (
      "[Network]\nDHCP=no\n[Address]\nLabel=eth0:1\nAddress=10.77.0.10/24\n"
      "[Address]\nAddress=10.77.0.11/24\n",
      "10.77.0.10/24");
  assert_string_equal (
      out, "[Network]\nDHCP=no\n[Address]\nAddress=10.77.0.11/24\n");
}

static void
match_takes_names_and_patterns (void **state)
{
  (void)state;
  assert_true (networkd_matches ("[Match]\nName=eth1 en*\n", "enp3s0"));
  assert_false (networkd_matches ("[Match]\nName=eth1\n", "eth0"));
  assert_false (networkd_matches ("[Network]\nName=eth0\n", "eth0"));
}

static void
a_network_holds_its_addresses_only (void **state)
{
  (void)state;
  assert_true (cidr_holds ("10.77.0.10/24", "10.77.0.255"));
  assert_false (cidr_holds ("10.77.0.10/24", "10.77.1.10"));
  assert_true (cidr_holds ("10.77.0.10/23", "10.77.1.10"));
  assert_true (cidr_holds ("fd77::10/64", "fd77::ffff"));
  assert_false (cidr_holds ("fd77::10/64", "10.77.0.1"));
  assert_false (cidr_holds ("10.77.0.10/99", "10.77.0.10"));
}

/* As `ip -j addr show` printed it. */
static const char links_text[]
    = "[{\"ifname\":\"lo\",\"addr_info\":[{\"family\":\"inet\",\"local\":"
      "\"127.0.0.1\",\"prefixlen\":8,\"scope\":\"host\"}]},"
      "{\"ifname\":\"eth0\",\"addr_info\":["
      "{\"family\":\"inet\",\"local\":\"10.77.0.10\",\"prefixlen\":24,"
      "\"broadcast\":\"10.77.0.255\",\"scope\":\"global\",\"label\":\"eth0\"},"
      "{\"family\":\"inet\",\"local\":\"10.77.0.11\",\"prefixlen\":24,"
      "\"broadcast\":\"10.77.0.255\",\"scope\":\"global\",\"secondary\":true,"
      "\"label\":\"eth0\"},"
      "{\"family\":\"inet\",\"local\":\"192.0.2.7\",\"prefixlen\":32,"
      "\"scope\":\"global\",\"label\":\"eth0\",\"deprecated\":true},"
      "{\"family\":\"inet6\",\"local\":\"fe80::1\",\"prefixlen\":64,"
      "\"scope\":\"link\"},"
      "{\"family\":\"inet6\",\"local\":\"fd77::10\",\"prefixlen\":64,"
      "\"scope\":\"global\"}]}]";

static json_t *
links (void)
{
  json_error_t why;
  json_t *j = json_loads (links_text, 0, &why);
  assert_non_null (j);
  return j;
}

static void
an_address_is_found_with_its_interface (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *l = links ();
  const char *where = NULL;
  assert_non_null (ip_find (l, "10.77.0.11/24", &where));
  assert_string_equal (where, "eth0");
  assert_null (ip_find (l, "10.77.0.1/24", NULL));
  assert_string_equal (ip_interface_for (l, "10.77.0.99/24"), "eth0");
  assert_null (ip_interface_for (l, "10.78.0.99/24"));
  CLEANUP_JSON json_t *six = ip_family (l, "eth0", "fd77::10/64");
  assert_int_equal (json_array_size (six), 1);
}

static json_t *
record (void)
{
  CLEANUP_JSON json_t *l = links ();
  json_t *routes
      = json_pack ("[{s:s,s:s,s:[]},{s:s,s:s,s:s,s:s},{s:s,s:s,s:s}]", "dst",
                   "default", "gateway", "10.77.0.1", "flags", "dst",
                   "10.77.0.0/24", "protocol", "kernel", "scope", "link",
                   "prefsrc", "10.77.0.10", "dst", "10.9.0.0/16", "gateway",
                   "10.77.0.2", "prefsrc", "10.77.0.10");
  return json_pack ("{s:s,s:s,s:o,s:o}", "cidr", "10.77.0.10/24", "interface",
                    "eth0", "addresses", ip_family (l, "eth0", "10.77.0.10/24"),
                    "routes", routes);
}

static void
assert_lines (const json_t *got, const char *const *want)
{
  size_t i = 0;
  for (; want[i] != NULL; i++)
    assert_string_equal (json_string_value (json_array_get (got, i)), want[i]);
  assert_int_equal (json_array_size (got), i);
}

static void
taking_keeps_secondaries_and_routes (void **state)
{
  (void)state;
  static const char *const want[] = {
    "addr del 10.77.0.10/24 dev eth0",
    "addr replace 10.77.0.11/24 broadcast 10.77.0.255 label eth0 dev eth0",
    "addr replace 192.0.2.7/32 label eth0 dev eth0 preferred_lft 0",
    "route replace default via 10.77.0.1 dev eth0",
    NULL,
  };
  CLEANUP_JSON json_t *r = record ();
  CLEANUP_JSON json_t *lines = address_take_batch (r, NULL);
  assert_lines (lines, want);
}

static void
restoring_makes_the_address_primary_again (void **state)
{
  (void)state;
  static const char *const want[] = {
    "addr del 10.77.0.10/24 dev eth0",
    "addr del 10.77.0.11/24 dev eth0",
    "addr add 10.77.0.10/24 broadcast 10.77.0.255 label eth0 dev eth0",
    "addr add 10.77.0.11/24 broadcast 10.77.0.255 label eth0 dev eth0",
    "route replace default via 10.77.0.1 dev eth0",
    "route replace 10.9.0.0/16 via 10.77.0.2 src 10.77.0.10 dev eth0",
    NULL,
  };
  CLEANUP_JSON json_t *r = record ();
  CLEANUP_JSON json_t *lines = address_restore_batch (r);
  assert_lines (lines, want);
}

static void
taking_leaves_out_what_was_taken_before (void **state)
{
  (void)state;
  static const char *const want[] = {
    "addr del 10.77.0.11/24 dev eth0",
    "addr replace 192.0.2.7/32 label eth0 dev eth0 preferred_lft 0",
    "route replace default via 10.77.0.1 dev eth0",
    NULL,
  };
  CLEANUP_JSON json_t *r = record ();
  CLEANUP_JSON json_t *gone = json_pack ("[s]", "10.77.0.10");
  json_object_set_new (r, "cidr", json_string ("10.77.0.11/24"));
  CLEANUP_JSON json_t *lines = address_take_batch (r, gone);
  assert_lines (lines, want);
}

static void
restoring_all_brings_the_order_between_networks (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *r = record ();
  CLEANUP_JSON json_t *lines = address_restore_all_batch (r);
  assert_int_equal (json_array_size (lines), 8);
  assert_string_equal (json_string_value (json_array_get (lines, 2)),
                       "addr del 192.0.2.7/32 dev eth0");
  assert_string_equal (
      json_string_value (json_array_get (lines, 5)),
      "addr add 192.0.2.7/32 label eth0 dev eth0 preferred_lft 0");
}

/* A plan's section: {CIDR, interface} pairs. */
static json_t *
switches (const char *const *pairs)
{
  json_t *list = json_array ();
  for (size_t i = 0; pairs[i] != NULL; i += 2)
    json_array_append_new (list,
                           json_pack ("{s:{s:s,s:s}}", "address", "move",
                                      pairs[i], "interface", pairs[i + 1]));
  return list;
}

static const json_t *
nth (const json_t *list, size_t i)
{
  return json_object_get (json_array_get (list, i), "address");
}

static void
only_earlier_moves_of_the_same_interface_count_as_taken (void **state)
{
  (void)state;
  static const char *const pairs[]
      = { "10.77.0.10/24", "eth0",          "10.78.0.1/24",
          "eth1",          "10.77.0.11/24", "eth0",
          "10.77.0.12/24", "eth0",          NULL };
  CLEANUP_JSON json_t *list = switches (pairs);
  CLEANUP_JSON json_t *first = address_taken_before (list, nth (list, 0));
  CLEANUP_JSON json_t *third = address_taken_before (list, nth (list, 2));
  assert_int_equal (json_array_size (first), 0);
  assert_int_equal (json_array_size (third), 1);
  assert_string_equal (json_string_value (json_array_get (third, 0)),
                       "10.77.0.10");
}

static void
a_network_comes_back_once (void **state)
{
  (void)state;
  static const char *const pairs[] = { "10.77.0.10/24",
                                       "eth0",
                                       "10.77.0.11/24",
                                       "eth0",
                                       "10.77.0.12/32",
                                       "eth0",
                                       "fd77::10/64",
                                       "eth0",
                                       "10.77.0.13/24",
                                       "eth1",
                                       NULL };
  CLEANUP_JSON json_t *list = switches (pairs);
  static const bool want[] = { false, true, false, false, false };
  for (size_t i = 0; i < 5; i++)
    assert_int_equal (address_back_before (list, nth (list, i)), want[i]);
}

static void
a_client_needs_an_address_or_a_gateway_that_stay (void **state)
{
  (void)state;
  static const char *const both[]
      = { "10.77.0.10/24", "eth0", "10.77.0.11/24", "eth0", NULL };
  static const char *const one[] = { "10.77.0.10/24", "eth0", NULL };
  CLEANUP_JSON json_t *l = links ();
  CLEANUP_JSON json_t *all = switches (both);
  CLEANUP_JSON json_t *first = switches (one);
  CLEANUP_JSON json_t *gone
      = json_pack ("[{s:s,s:s}]", "dst", "default", "gateway", "10.77.0.1");
  CLEANUP_JSON json_t *stays
      = json_pack ("[{s:s,s:s}]", "dst", "default", "gateway", "192.0.2.7");
  assert_int_equal (client_way (l, gone, first, "10.77.0.10"), CLIENT_LINK);
  assert_int_equal (client_way (l, gone, all, "10.77.0.10"), CLIENT_NONE);
  assert_int_equal (client_way (l, stays, all, "10.77.0.10"), CLIENT_ROUTE);
  assert_int_equal (client_way (l, stays, all, "fd78::10"), CLIENT_NONE);
}

static void
the_host_of_a_url_and_the_move_that_it_asks_for (void **state)
{
  (void)state;
  static const char *const pairs[]
      = { "10.77.0.10/24", "eth0", "10.77.0.11/24", "eth0", NULL };
  CLEANUP_JSON json_t *list = switches (pairs);
  CLEANUP_JSON json_t *url
      = json_pack ("{s:s}", "http", "https://10.77.0.11:8080/health");
  CLEANUP_JSON json_t *tcp = json_pack ("{s:s}", "tcp", "[fd77::10]:25");
  CLEANUP_JSON json_t *command = json_pack ("{s:[s]}", "command", "/bin/true");
  CLEANUP_FREE char *four = client_host (url);
  CLEANUP_FREE char *six = client_host (tcp);
  assert_null (client_host (command));
  assert_string_equal (four, "10.77.0.11");
  assert_string_equal (six, "fd77::10");
  assert_string_equal (client_switch (list, four), "10.77.0.10/24");
  assert_null (client_switch (list, six));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_stanza_goes_and_its_gateway_stays),
    cmocka_unit_test (the_only_stanza_becomes_one_without_addresses),
    cmocka_unit_test (other_interfaces_and_addresses_are_not_touched),
    cmocka_unit_test (a_comment_before_the_next_stanza_stays),
    cmocka_unit_test (an_address_goes_from_a_networkd_file),
    cmocka_unit_test (a_section_of_its_own_goes_whole),
    cmocka_unit_test (match_takes_names_and_patterns),
    cmocka_unit_test (a_network_holds_its_addresses_only),
    cmocka_unit_test (an_address_is_found_with_its_interface),
    cmocka_unit_test (taking_keeps_secondaries_and_routes),
    cmocka_unit_test (restoring_makes_the_address_primary_again),
    cmocka_unit_test (taking_leaves_out_what_was_taken_before),
    cmocka_unit_test (restoring_all_brings_the_order_between_networks),
    cmocka_unit_test (only_earlier_moves_of_the_same_interface_count_as_taken),
    cmocka_unit_test (a_network_comes_back_once),
    cmocka_unit_test (a_client_needs_an_address_or_a_gateway_that_stay),
    cmocka_unit_test (the_host_of_a_url_and_the_move_that_it_asks_for),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
