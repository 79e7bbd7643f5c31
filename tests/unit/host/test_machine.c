/* SPDX-License-Identifier: Apache-2.0 */
/* Facts, room, listeners and announcements of this machine. */
#include "held.h"

#include "host/announce.h"
#include "host/facts.h"
#include "host/listeners.h"
#include "host/space.h"
#include "host/spawn.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/utsname.h>

static const char *
string_of (const json_t *o, const char *key)
{
  const char *s = json_string_value (json_object_get (o, key));
  assert_non_null (s);
  return s;
}

static void
facts_are_those_of_this_machine (void **state)
{
  (void)state;
  json_t *o = NULL;
  assert_ok (host_facts (&o));
  struct utsname un;
  uname (&un);
  assert_string_equal (string_of (o, "hostname"), un.nodename);
  assert_string_equal (string_of (o, "kernel"), un.release);
  assert_string_equal (string_of (o, "arch"), un.machine);
  assert_int_equal (strlen (string_of (o, "boot_id")), 36);
  assert_true (strtoull (string_of (o, "boottime_ns"), NULL, 10) > 0);
  assert_true (strtoull (string_of (o, "memory"), NULL, 10) > 1 << 20);
  assert_true (json_integer_value (json_object_get (o, "cpus")) >= 1);
  assert_int_equal (json_integer_value (json_object_get (o, "uid")),
                    geteuid ());
  assert_true (json_is_boolean (json_object_get (o, "systemd")));
  CLEANUP_FREE char *release = get_file ("/etc/os-release");
  const char *id = string_of (o, "os_id");
  assert_true (strlen (id) > 0);
  assert_null (strchr (string_of (o, "os"), '"'));
  assert_non_null (strstr (release, id));
  json_decref (o);
}

static void
room_is_that_of_the_nearest_directory_that_exists (void **state)
{
  CLEANUP_FREE char *deep = mem_printf ("%s/a/b/c", (char *)*state);
  CLEANUP (space_free) struct space_info s;
  struct statvfs fs;
  assert_int_equal (statvfs (*state, &fs), 0);
  assert_ok (space_of (deep, &s));
  assert_int_equal (s.bytes_total, (uint64_t)fs.f_blocks * fs.f_frsize);
  assert_true (s.bytes_free <= s.bytes_total);
  assert_false (s.readonly);
  assert_true (strlen (s.fstype) > 0);
  assert_int_equal (strncmp (*state, s.mount, strlen (s.mount)), 0);
}

static void
a_filesystem_that_takes_no_writes_says_so (void **state)
{
  (void)state;
  CLEANUP (space_free) struct space_info proc;
  assert_ok (space_of ("/proc/self/none", &proc));
  assert_string_equal (proc.mount, "/proc");
  assert_string_equal (proc.fstype, "proc");
}

/* --- listeners
 * --------------------------------------------------------------------- */

static int
listener_on_loopback (int type, unsigned *port)
{
  struct sockaddr_in a = { .sin_family = AF_INET };
  a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  socklen_t len = sizeof a;
  int fd = socket (AF_INET, type | SOCK_CLOEXEC, 0);
  assert_int_equal (bind (fd, (struct sockaddr *)&a, len), 0);
  if (type == SOCK_STREAM)
    assert_int_equal (listen (fd, 1), 0);
  getsockname (fd, (struct sockaddr *)&a, &len);
  *port = ntohs (a.sin_port);
  return fd;
}

static const struct listener *
find (const struct listeners *l, const char *proto, const char *address,
      unsigned port)
{
  for (size_t i = 0; i < l->list.n; i++)
    if (strcmp (l->list.v[i].proto, proto) == 0
        && strcmp (l->list.v[i].address, address) == 0
        && l->list.v[i].port == port)
      return &l->list.v[i];
  return NULL;
}

static void
tcp_and_udp_listeners_have_their_owner (void **state)
{
  (void)state;
  unsigned tcp, udp;
  CLEANUP_FD int a = listener_on_loopback (SOCK_STREAM, &tcp);
  CLEANUP_FD int b = listener_on_loopback (SOCK_DGRAM, &udp);
  CLEANUP (listeners_free) struct listeners l;
  assert_ok (listeners_scan (&l));
  const struct listener *one = find (&l, "tcp", "127.0.0.1", tcp);
  assert_non_null (one);
  assert_int_equal (one->pid, getpid ());
  assert_int_equal (one->uid, getuid ());
  assert_true (strlen (one->comm) > 0);
  assert_non_null (find (&l, "udp", "127.0.0.1", udp));
}

static void
a_connection_is_no_listener (void **state)
{
  (void)state;
  unsigned port;
  CLEANUP_FD int server = listener_on_loopback (SOCK_STREAM, &port);
  struct sockaddr_in to = { .sin_family = AF_INET };
  to.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  to.sin_port = htons ((uint16_t)port);
  CLEANUP_FD int client = socket (AF_INET, SOCK_STREAM, 0);
  assert_int_equal (connect (client, (struct sockaddr *)&to, sizeof to), 0);
  socklen_t len = sizeof to;
  getsockname (client, (struct sockaddr *)&to, &len);
  CLEANUP (listeners_free) struct listeners l;
  assert_ok (listeners_scan (&l));
  assert_null (find (&l, "tcp", "127.0.0.1", ntohs (to.sin_port)));
}

static void
an_ipv6_listener_is_written_as_such (void **state)
{
  (void)state;
  struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
  a.sin6_addr = in6addr_loopback;
  socklen_t len = sizeof a;
  CLEANUP_FD int fd = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind (fd, (struct sockaddr *)&a, len) != 0)
    skip ();
  assert_int_equal (listen (fd, 1), 0);
  getsockname (fd, (struct sockaddr *)&a, &len);
  CLEANUP (listeners_free) struct listeners l;
  assert_ok (listeners_scan (&l));
  assert_non_null (find (&l, "tcp6", "::1", ntohs (a.sin6_port)));
}

static void
a_unix_listener_has_its_path (void **state)
{
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  snprintf (a.sun_path, sizeof a.sun_path, "%s/a b", (char *)*state);
  CLEANUP_FD int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal (bind (fd, (struct sockaddr *)&a, sizeof a), 0);
  CLEANUP (listeners_free) struct listeners before;
  assert_ok (listeners_scan (&before));
  assert_null (find (&before, "unix", a.sun_path, 0));
  assert_int_equal (listen (fd, 1), 0);
  CLEANUP (listeners_free) struct listeners l;
  assert_ok (listeners_scan (&l));
  const struct listener *one = find (&l, "unix", a.sun_path, 0);
  assert_non_null (one);
  assert_int_equal (one->pid, getpid ());
  assert_int_equal (one->uid, geteuid ());
}

/* --- announcements
 * ------------------------------------------------------------------- */

static void
what_cannot_be_announced_is_an_error (void **state)
{
  (void)state;
  int sent;
  assert_code (announce_address ("no-such-link", "192.0.2.1", &sent),
               "RH-NET-ANNOUNCE");
  assert_code (announce_address ("a-name-longer-than-any-link", "192.0.2.1",
                                 &sent),
               "RH-NET-ANNOUNCE");
  assert_code (announce_address ("lo", "not-an-address", &sent),
               "RH-NET-ADDRESS");
  /* The loopback has no neighbours: its type is not Ethernet. */
  assert_code (announce_address ("lo", "127.0.0.1", &sent), "RH-NET-ANNOUNCE");
}

static int
run (const char *const *argv)
{
  struct spawn_job job
      = { .argv = argv, .timeout_ms = 10000, .max_output = 4096 };
  CLEANUP (spawn_end_free) struct spawn_end end;
  CLEANUP_ERR struct err *e = spawn_run (&job, &end);
  return e == NULL && end.status == 0 ? 0 : -1;
}
#define RUN(...) run ((const char *const[]){ __VA_ARGS__, NULL })

/* Everything that arrives at the other end of the cable. */
static int
listen_on_cable (void)
{
  int fd = socket (AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons (ETH_P_ALL));
  struct sockaddr_ll at = { .sll_family = AF_PACKET,
                            .sll_protocol = htons (ETH_P_ALL),
                            .sll_ifindex = (int)if_nametoindex ("vb") };
  struct timeval limit = { .tv_sec = 5 };
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return bind (fd, (struct sockaddr *)&at, sizeof at) == 0 ? fd : -1;
}

/* The next packet of this type: 0 good. */
static int
next_packet (int fd, unsigned type, unsigned char *packet, size_t size)
{
  for (int i = 0; i < 50; i++) {
    ssize_t n = recv (fd, packet, size, 0);
    if (n < 42)
      return -1;
    if (packet[12] == type >> 8 && packet[13] == (type & 0xff)
        && (type != ETH_P_IPV6 || packet[54] == 136))
      return 0;
  }
  return -1;
}

/* In a network of its own, with a cable of two ends: va and vb. */
static int
announce_on_a_cable (void)
{
  static const unsigned char all[6] = { 255, 255, 255, 255, 255, 255 };
  static const unsigned char ip[4] = { 192, 0, 2, 7 };
  unsigned char p[2048];
  int sent = 0;
  if (unshare (CLONE_NEWNET) != 0
      || RUN ("ip", "link", "add", "va", "type", "veth", "peer", "name", "vb")
             != 0
      || RUN ("ip", "link", "set", "va", "up") != 0
      || RUN ("ip", "link", "set", "vb", "up") != 0
      || RUN ("ip", "addr", "add", "2001:db8::7/64", "dev", "va", "nodad") != 0)
    return 1;
  int fd = listen_on_cable ();
  if (fd < 0)
    return 2;
  CLEANUP_ERR struct err *e = announce_address ("va", "192.0.2.7", &sent);
  if (e != NULL || sent != 2)
    return 3;
  for (unsigned operation = 1; operation <= 2; operation++)
    if (next_packet (fd, ETH_P_ARP, p, sizeof p) != 0 || memcmp (p, all, 6) != 0
        || p[21] != operation || memcmp (p + 6, p + 22, 6) != 0
        || memcmp (p + 28, ip, 4) != 0 || memcmp (p + 38, ip, 4) != 0)
      return 4;
  CLEANUP_ERR struct err *six = announce_address ("va", "2001:db8::7", &sent);
  if (six != NULL || sent != 1)
    return 5;
  if (next_packet (fd, ETH_P_IPV6, p, sizeof p) != 0)
    return 6;
  /* Hop limit 255, override set, solicited not; the address; its place. */
  return p[21] == 255 && (p[58] & 0x60) == 0x20 && p[62] == 0x20 && p[77] == 7
                 && p[78] == 2 && memcmp (p + 80, p + 6, 6) == 0
             ? 0
             : 7;
}

static void
an_address_is_announced_to_the_neighbours (void **state)
{
  (void)state;
  if (geteuid () != 0)
    skip ();
  pid_t pid = fork ();
  if (pid == 0)
    _exit (announce_on_a_cable ());
  int status;
  waitpid (pid, &status, 0);
  assert_true (WIFEXITED (status));
  assert_int_equal (WEXITSTATUS (status), 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (facts_are_those_of_this_machine),
    in_scratch (room_is_that_of_the_nearest_directory_that_exists),
    cmocka_unit_test (a_filesystem_that_takes_no_writes_says_so),
    cmocka_unit_test (tcp_and_udp_listeners_have_their_owner),
    cmocka_unit_test (a_connection_is_no_listener),
    cmocka_unit_test (an_ipv6_listener_is_written_as_such),
    in_scratch (a_unix_listener_has_its_path),
    cmocka_unit_test (what_cannot_be_announced_is_an_error),
    cmocka_unit_test (an_address_is_announced_to_the_neighbours),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
