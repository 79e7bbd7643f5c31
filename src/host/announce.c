/* SPDX-License-Identifier: Apache-2.0 */
#include "host/announce.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { HOPS = 255, ETHER = 6 };

struct arp_body {
  uint16_t hardware, protocol;
  uint8_t hardware_len, protocol_len;
  uint16_t operation;
  uint8_t sender_mac[ETHER], sender_ip[4];
  uint8_t target_mac[ETHER], target_ip[4];
} __attribute__ ((packed));

struct advertisement {
  struct nd_neighbor_advert head;
  uint8_t type, length; /* target link-layer address */
  uint8_t mac[ETHER];
} __attribute__ ((packed));

static struct err *
failed (int errnum, const char *interface, const char *what)
{
  CLEANUP_FREE char *shown = text_escape (interface, strlen (interface));
  return err_sys (errnum, "RH-NET-ANNOUNCE", "%s on '%s'", what, shown);
}

static struct err *
mac_of (const char *interface, uint8_t mac[ETHER])
{
  CLEANUP_FD int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq req = { 0 };
  memcpy (req.ifr_name, interface, strlen (interface));
  if (fd < 0 || ioctl (fd, SIOCGIFHWADDR, &req) != 0)
    return failed (errno, interface, "cannot read the hardware address");
  if (req.ifr_hwaddr.sa_family != ARPHRD_ETHER)
    return failed (EAFNOSUPPORT, interface, "no Ethernet address");
  memcpy (mac, req.ifr_hwaddr.sa_data, ETHER);
  return NULL;
}

static struct err *
announce_v4 (const char *interface, unsigned index, const struct in_addr *ip,
             int *sent)
{
  uint8_t mac[ETHER];
  TRY (mac_of (interface, mac));
  CLEANUP_FD int fd = socket (AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return failed (errno, interface, "cannot open a packet socket");
  struct sockaddr_ll to = { .sll_family = AF_PACKET,
                            .sll_protocol = htons (ETH_P_ARP),
                            .sll_ifindex = (int)index,
                            .sll_halen = ETHER };
  memset (to.sll_addr, 0xff, ETHER);
  static const uint16_t operations[] = { ARPOP_REQUEST, ARPOP_REPLY };
  for (size_t i = 0; i < 2; i++) {
    struct arp_body body = { .hardware = htons (ARPHRD_ETHER),
                             .protocol = htons (ETH_P_IP),
                             .hardware_len = ETHER,
                             .protocol_len = 4,
                             .operation = htons (operations[i]) };
    memcpy (body.sender_mac, mac, ETHER);
    memcpy (body.sender_ip, ip, 4);
    memcpy (body.target_ip, ip, 4);
    memset (body.target_mac, operations[i] == ARPOP_REPLY ? 0xff : 0, ETHER);
    if (sendto (fd, &body, sizeof body, 0, (struct sockaddr *)&to, sizeof to)
        != (ssize_t)sizeof body)
      return failed (errno, interface, "cannot send");
    ++*sent;
  }
  return NULL;
}

static struct err *
announce_v6 (const char *interface, unsigned index, const struct in6_addr *ip,
             int *sent)
{
  struct advertisement ad = { .type = ND_OPT_TARGET_LINKADDR, .length = 1 };
  TRY (mac_of (interface, ad.mac));
  ad.head.nd_na_type = ND_NEIGHBOR_ADVERT;
  ad.head.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE;
  ad.head.nd_na_target = *ip;
  CLEANUP_FD int fd
      = socket (AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
  int hops = HOPS, ifindex = (int)index;
  if (fd < 0
      || setsockopt (fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops)
             != 0
      || setsockopt (fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &ifindex,
                     sizeof ifindex)
             != 0)
    return failed (errno, interface, "cannot open an ICMPv6 socket");
  /* From the address itself where it is on the interface already. */
  struct sockaddr_in6 from
      = { .sin6_family = AF_INET6, .sin6_addr = *ip, .sin6_scope_id = index };
  (void)!bind (fd, (struct sockaddr *)&from, sizeof from);
  struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_scope_id = index };
  inet_pton (AF_INET6, "ff02::1", &to.sin6_addr);
  if (sendto (fd, &ad, sizeof ad, 0, (struct sockaddr *)&to, sizeof to)
      != (ssize_t)sizeof ad)
    return failed (errno, interface, "cannot send");
  ++*sent;
  return NULL;
}

struct err *
announce_address (const char *interface, const char *address, int *sent)
{
  struct in_addr v4;
  struct in6_addr v6;
  *sent = 0;
  unsigned index
      = strlen (interface) < IFNAMSIZ ? if_nametoindex (interface) : 0;
  if (index == 0)
    return failed (ENODEV, interface, "no such interface: nothing announced");
  if (inet_pton (AF_INET, address, &v4) == 1)
    return announce_v4 (interface, index, &v4, sent);
  if (inet_pton (AF_INET6, address, &v6) == 1)
    return announce_v6 (interface, index, &v6, sent);
  CLEANUP_FREE char *shown = text_escape (address, strlen (address));
  return err_new (ERR_CORRECT, "RH-NET-ADDRESS", "'%s' is not an IP address",
                  shown);
}
