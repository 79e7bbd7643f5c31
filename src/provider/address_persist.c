/* SPDX-License-Identifier: Apache-2.0 */
/* Finds what brings an address at boot. */
#include "provider/address_persist.h"

#include "base/mem.h"
#include "provider/address_config.h"
#include "provider/address_ip.h"

#include <string.h>

#define IFUPDOWN "/etc/network/interfaces"
#define NETWORKD "/etc/systemd/network"

void
persist_clear (struct persist *p)
{
  free (p->path);
  free (p->without);
  remote_file_clear (&p->file);
  memset (p, 0, sizeof *p);
}

static bool
ends_with (const char *s, const char *end)
{
  size_t n = strlen (s);
  size_t m = strlen (end);
  return n >= m && strcmp (s + n - m, end) == 0;
}

/* Does one file give the address?  Then everything is taken over. */
static struct err *
try_file (struct port *p, const char *path, const char *interface,
          const char *cidr, struct persist *out)
{
  struct remote_file f CLEANUP_REMOTE = { 0 };
  TRY (remote_read (p, path, &f));
  if (!f.exists || f.content == NULL || strlen (f.content) != f.len)
    return NULL;
  bool networkd = ends_with (path, ".network");
  char *without = networkd ? networkd_without (f.content, cidr)
                           : ifupdown_without (f.content, interface, cidr);
  if (without == NULL)
    return NULL;
  out->path = mem_strdup (path);
  out->without = without;
  out->kind = networkd ? "networkd" : "ifupdown";
  out->file = f;
  memset (&f, 0, sizeof f);
  return NULL;
}

static struct err *
try_dir (struct port *p, const char *dir, const char *suffix,
         const char *interface, const char *cidr, struct persist *out)
{
  json_t *names CLEANUP_JSON = NULL;
  TRY (remote_names (p, dir, &names));
  size_t i;
  json_t *one;
  json_array_foreach (names, i, one)
  {
    const char *name = json_string_value (one);
    char *path CLEANUP_FREE = mem_printf ("%s/%s", dir, name);
    if (out->path == NULL && ends_with (name, suffix))
      TRY (try_file (p, path, interface, cidr, out));
  }
  return NULL;
}

/* Does the text name the address itself, not one that begins or ends so? */
static bool
names_address (const char *text, const char *address)
{
  const char *part
      = cidr_is_six (address) ? "0123456789abcdefABCDEF:" : "0123456789";
  size_t len = strlen (address);
  for (const char *at = text; (at = strstr (at, address)) != NULL; at++)
    if ((at == text || strchr (part, at[-1]) == NULL)
        && (at[len] == '\0' || strchr (part, at[len]) == NULL))
      return true;
  return false;
}

/* Others that configure networks and that rehome cannot edit. */
static struct err *
refuse_others (struct port *p, const char *cidr)
{
  static const char *const dirs[]
      = { "/etc/netplan", "/etc/NetworkManager/system-connections",
          "/etc/keepalived", "/etc/wicked", NULL };
  for (size_t i = 0; dirs[i] != NULL; i++) {
    json_t *names CLEANUP_JSON = NULL;
    TRY (remote_names (p, dirs[i], &names));
    if (json_array_size (names) > 0)
      return err_todo (
          err_new (ERR_BLOCKED, "RH-ADDRESS-PERSIST",
                   "%s may bring %s back when the source reboots, and rehome "
                   "does not edit it",
                   dirs[i], cidr),
          "take the address out of %s and set it by hand with 'ip addr add "
          "%s', or configure it in " IFUPDOWN,
          dirs[i], cidr);
  }
  struct remote_file f CLEANUP_REMOTE = { 0 };
  char *address CLEANUP_FREE = cidr_address (cidr);
  TRY (remote_read (p, IFUPDOWN, &f));
  if (f.content != NULL && names_address (f.content, address))
    return err_todo (err_new (ERR_BLOCKED, "RH-ADDRESS-PERSIST",
                              IFUPDOWN " names %s in a way that rehome does "
                                       "not understand: it may come back when "
                                       "the source reboots",
                              address),
                     "write it as a stanza 'iface ... static' of its own");
  return NULL;
}

struct err *
persist_find (struct port *p, const char *interface, const char *cidr,
              struct persist *out)
{
  memset (out, 0, sizeof *out);
  out->kind = "none";
  TRY (try_file (p, IFUPDOWN, interface, cidr, out));
  if (out->path == NULL)
    TRY (try_dir (p, IFUPDOWN ".d", "", interface, cidr, out));
  if (out->path == NULL)
    TRY (try_dir (p, NETWORKD, ".network", interface, cidr, out));
  return out->path != NULL ? NULL : refuse_others (p, cidr);
}

static struct err *
is_active (struct port *p, const char *unit, bool *out)
{
  struct ran r CLEANUP_RAN = { 0 };
  TRY (remote_run (
      p, remote_argv (ARGV ("systemctl", "is-active", "--quiet", "--", unit)),
      NULL, 20000, &r));
  *out = r.status == 0;
  return NULL;
}

static struct err *
place_networkd (struct port *p, const char *interface, const char *cidr,
                char **path, char **content)
{
  json_t *names CLEANUP_JSON = NULL;
  char *slug CLEANUP_FREE = cidr_slug (cidr);
  TRY (remote_names (p, NETWORKD, &names));
  size_t i;
  json_t *one;
  json_array_foreach (names, i, one)
  {
    const char *name = json_string_value (one);
    char *file CLEANUP_FREE = mem_printf (NETWORKD "/%s", name);
    struct remote_file f CLEANUP_REMOTE = { 0 };
    if (!ends_with (name, ".network"))
      continue;
    TRY (remote_read (p, file, &f));
    if (f.content == NULL || !networkd_matches (f.content, interface))
      continue;
    *path = mem_printf ("%s.d/rehome-%s.conf", file, slug);
    *content = mem_printf ("# An address that moved to this host.\n"
                           "[Network]\nAddress=%s\n",
                           cidr);
    return NULL;
  }
  return NULL;
}

struct err *
persist_place (struct port *p, const char *interface, const char *cidr,
               char **path, char **content)
{
  bool networkd;
  *path = NULL;
  *content = NULL;
  TRY (is_active (p, "systemd-networkd.service", &networkd));
  if (networkd)
    TRY (place_networkd (p, interface, cidr, path, content));
  if (*path != NULL)
    return NULL;
  struct remote_file f CLEANUP_REMOTE = { 0 };
  TRY (remote_read (p, IFUPDOWN, &f));
  if (f.content == NULL || !ifupdown_has (f.content, interface)
      || strstr (f.content, IFUPDOWN ".d") == NULL)
    return NULL;
  char *slug CLEANUP_FREE = cidr_slug (cidr);
  *path = mem_printf (IFUPDOWN ".d/rehome-%s", slug);
  *content = ifupdown_stanza (interface, cidr);
  return NULL;
}
