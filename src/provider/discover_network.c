/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses that may move, and how the work answers on them. */
#include "provider/discover.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "provider/remote.h"

#include <arpa/inet.h>
#include <string.h>

static bool
is_numeric (const char *s)
{
  unsigned char bytes[16];
  return inet_pton (strchr (s, ':') != NULL ? AF_INET6 : AF_INET, s, bytes)
         == 1;
}

/* Local addresses on which ssh sessions stand now. */
static struct err *
ssh_addresses (struct draft *d, json_t **out)
{
  static const char *const words[]
      = { "ss", "-Htn", "state", "established", "( sport = :22 )", NULL };
  CLEANUP_JSON json_t *lines = NULL, *found = json_object ();
  *out = NULL;
  TRY (look_lines (d, words, &lines));
  for (size_t i = 0; i < json_array_size (lines); i++) {
    CLEANUP_FREE char *line
        = mem_strdup (json_string_value (json_array_get (lines, i)));
    char *rest = line, *word, *colon;
    for (unsigned n = 0; (word = strsep (&rest, " \t")) != NULL;)
      if (*word != '\0' && n++ == 2)
        break;
    if (word == NULL || (colon = strrchr (word, ':')) == NULL)
      continue;
    *colon = '\0';
    word += *word == '[';
    word[strcspn (word, "]%")] = '\0';
    const char *plain = strncmp (word, "::ffff:", 7) == 0 ? word + 7 : word;
    if (is_numeric (plain))
      json_object_set_new (found, plain, json_true ());
  }
  *out = STEAL (found);
  return NULL;
}

/* How the source is reached: said, or named, or as its sessions show. */
static struct err *
reached_on (struct draft *d, json_t **out)
{
  const struct draft_names *n = d->names;
  const char *at = strrchr (n->source, '@');
  const char *host = at != NULL ? at + 1 : n->source;
  const char *said = n->source_via != NULL       ? n->source_via
                     : n->source_reached != NULL ? n->source_reached
                                                 : host;
  if (!is_numeric (said))
    return ssh_addresses (d, out);
  *out = json_pack ("{s:b}", said, 1);
  return NULL;
}

static const char *
why_not (const json_t *link, const json_t *address, const json_t *reached)
{
  static const char *const inner[]
      = { "docker*", "br-*",     "veth*", "virbr*", "lxc*", "lxd*", "podman*",
          "cni*",    "flannel*", "tun*",  "tap*",   "wg*",  NULL };
  if (json_object_get (reached, look_text (address, "local")) != NULL)
    return "off: the source is reached on it; it can only move when another "
           "way to the source is named as via";
  if (json_is_true (json_object_get (address, "dynamic")))
    return "off: it was given by DHCP or a router, which would have to move "
           "it";
  if (look_matches (look_text (link, "ifname"), inner))
    return "off: an address inside this server or of a tunnel";
  return NULL;
}

static void
take_address (struct draft *d, const json_t *link, const json_t *address,
              const json_t *reached)
{
  const char *local = look_text (address, "local");
  const char *interface = look_text (link, "ifname");
  json_int_t prefix
      = json_integer_value (json_object_get (address, "prefixlen"));
  if (strcmp (look_text (address, "scope"), "global") != 0
      || !is_numeric (local) || prefix < 0 || prefix > 128
      || strcmp (interface, "lo") == 0)
    return;
  const char *off = why_not (link, address, reached);
  bool second = json_is_true (json_object_get (address, "secondary"));
  const char *why = second ? "a second address of this interface: does it "
                             "move, or stay with the server?"
                           : "";
  CLEANUP_FREE char *move
      = mem_printf ("%s/%" JSON_INTEGER_FORMAT, local, prefix);
  json_array_append_new (
      d->addresses,
      json_pack ("{s:s, s:s, s:b, s:s}", "move", move, "interface", interface,
                 "off", (int)(off != NULL), "why", off != NULL ? off : why));
}

static void
add_smoke (struct draft *d, const char *url, json_int_t status, const char *why,
           bool off)
{
  json_array_append_new (d->smoke, json_pack ("{s:s, s:I, s:s, s:b}", "http",
                                              url, "status", status, "why", why,
                                              "off", (int)off));
}

static bool
is_v6 (const json_t *address)
{
  return strchr (look_text (address, "move"), ':') != NULL;
}

/* Outside checks are asked from the source: does it keep an address of the
 * same kind on the same interface once this one has moved? */
static bool
can_be_asked (const struct draft *d, const json_t *address)
{
  for (size_t i = 0; i < json_array_size (d->addresses); i++) {
    const json_t *a = json_array_get (d->addresses, i);
    if (json_is_true (json_object_get (a, "off"))
        && is_v6 (a) == is_v6 (address)
        && strcmp (look_text (a, "interface"), look_text (address, "interface"))
               == 0)
      return true;
  }
  return false;
}

static void
add_outside (struct draft *d, const json_t *address, const char *page,
             json_int_t status)
{
  const char *move = look_text (address, "move");
  bool v6 = is_v6 (address), can = can_be_asked (d, address);
  CLEANUP_FREE char *url
      = mem_printf ("http://%s%.*s%s%s", v6 ? "[" : "",
                    (int)strcspn (move, "/"), move, v6 ? "]" : "", page);
  CLEANUP_FREE char *why
      = mem_printf ("off: a client's check is asked from the source, and no "
                    "other address stays with its %s; take it in where the "
                    "source reaches %.*s another way",
                    look_text (address, "interface"), (int)strcspn (move, "/"),
                    move);
  add_smoke (d, url, status, can ? "" : why, !can);
}

static bool
serves_http (const struct draft *d)
{
  for (size_t i = 0; i < json_array_size (d->listeners); i++) {
    const json_t *row = json_array_get (d->listeners, i);
    if (strncmp (look_text (row, "proto"), "tcp", 3) == 0
        && json_integer_value (json_object_get (row, "port")) == 80
        && look_unit_moves (d, look_text (row, "unit")))
      return true;
  }
  return false;
}

static struct err *
guess_smoke (struct draft *d)
{
  const char *page = "/";
  json_int_t status = 0;
  if (!serves_http (d)) {
    draft_note (d, "smoke checks: nothing that moves listens on port 80, so "
                   "none was guessed; write at least one");
    return NULL;
  }
  TRY (look_page (d, "http://127.0.0.1", &page, &status));
  if (status == 0) {
    draft_note (d, "smoke checks: port 80 did not answer; write at least "
                   "one");
    return NULL;
  }
  CLEANUP_FREE char *inside = mem_printf ("http://127.0.0.1%s", page);
  CLEANUP_FREE char *why = mem_printf (
      "A guess: the source answered %" JSON_INTEGER_FORMAT " to this.", status);
  add_smoke (d, inside, status, why, false);
  for (size_t i = 0; i < json_array_size (d->addresses); i++) {
    const json_t *a = json_array_get (d->addresses, i);
    if (!json_is_true (json_object_get (a, "off")))
      add_outside (d, a, page, status);
  }
  return NULL;
}

struct err *
discover_network (struct draft *d)
{
  static const char *const words[] = { "ip", "-j", "address", "show", NULL };
  CLEANUP_JSON json_t *links = NULL, *reached = NULL;
  TRY (reached_on (d, &reached));
  if (json_object_size (reached) == 1)
    d->reached = mem_strdup (json_object_iter_key (json_object_iter (reached)));
  TRY (remote_json (d->source, remote_argv (words), &links));
  for (size_t i = 0; i < json_array_size (links); i++) {
    const json_t *link = json_array_get (links, i);
    const json_t *list = json_object_get (link, "addr_info");
    for (size_t k = 0; k < json_array_size (list); k++)
      take_address (d, link, json_array_get (list, k), reached);
  }
  if (json_array_size (d->addresses) == 0)
    draft_note (d, "addresses: the source has none that could move");
  return guess_smoke (d);
}
