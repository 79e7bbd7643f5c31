/* SPDX-License-Identifier: Apache-2.0 */
/* Which units are the work of this server, and what they use. */
#include "provider/discover.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "provider/remote.h"
#include "provider/service.h"

#include <string.h>

#define UNITS_MAX 400

/* Units that every Debian server has, or that belong to this machine. */
static const char *const base_units[] = { "ssh.*",
                                          "sshd.*",
                                          "cron.*",
                                          "anacron.*",
                                          "rsyslog.*",
                                          "syslog.*",
                                          "systemd-*",
                                          "dbus*",
                                          "getty*",
                                          "console-getty*",
                                          "serial-getty*",
                                          "autovt@*",
                                          "networking.*",
                                          "ifup@*",
                                          "ifupdown-*",
                                          "NetworkManager*",
                                          "wpa_supplicant*",
                                          "apt-daily*",
                                          "e2scrub*",
                                          "fstrim.*",
                                          "man-db.*",
                                          "logrotate.*",
                                          "dpkg-db-backup.*",
                                          "keyboard-setup.*",
                                          "console-setup.*",
                                          "apparmor.*",
                                          "unattended-upgrades.*",
                                          "remote-fs.*",
                                          "rc-local.*",
                                          "chrony*",
                                          "ntp*",
                                          "ntpsec*",
                                          "udev*",
                                          "polkit*",
                                          "lvm2-*",
                                          "blk-availability.*",
                                          "mdadm*",
                                          "mdcheck*",
                                          "mdmonitor*",
                                          "multipath*",
                                          "smartmontools.*",
                                          "smartd.*",
                                          "open-vm-tools.*",
                                          "vgauth.*",
                                          "qemu-guest-agent.*",
                                          "cloud-*",
                                          "grub-*",
                                          "nftables.*",
                                          "iptables*",
                                          "netfilter-persistent.*",
                                          "ufw.*",
                                          "firewalld.*",
                                          "fail2ban.*",
                                          "sysstat*",
                                          "dm-event.*",
                                          "dmesg.*",
                                          "hwclock*",
                                          "kmod*",
                                          "rescue.*",
                                          "emergency.*",
                                          "debug-shell.*",
                                          "uuidd.*",
                                          "acpid.*",
                                          "irqbalance.*",
                                          "haveged.*",
                                          "rngd.*",
                                          "plymouth*",
                                          "sudo.*",
                                          "x11-common.*",
                                          "rehome*",
                                          "accounts-daemon.*",
                                          "ModemManager.*",
                                          NULL };

/* Known, but not moved by this version. */
static const struct {
  const char *pattern, *what;
} later_units[] = {
  { "redis*", "a database" },
  { "mongo*", "a database" },
  { "slapd.*", "a directory" },
  { "docker*", "containers" },
  { "containerd.*", "containers" },
  { "podman*", "containers" },
  { "libvirt*", "virtual machines" },
  { "postfix*", "a mail queue" },
  { "exim4*", "a mail queue" },
  { "dovecot*", "mailboxes" },
  { "nfs-*", "network file systems" },
  { "smb*", "network file systems" },
  { "nmb*", "network file systems" },
  { "rpcbind*", "network file systems" },
  { "bind9*", "name service" },
  { "named*", "name service" },
  { "certbot*", "certificates" },
  { "keepalived*", "an address shared with other servers" },
};

/* Their databases are items, where they run: discover_databases.c. */
static const char *const database_units[]
    = { "mariadb*", "mysql*", "postgresql*", NULL };

static const char *
later_kind (const char *unit)
{
  for (size_t i = 0; i < sizeof later_units / sizeof *later_units; i++)
    if (look_matches (unit,
                      (const char *const[]){ later_units[i].pattern, NULL }))
      return later_units[i].what;
  return NULL;
}

static bool
is_own (const json_t *unit)
{
  const char *path = look_text (unit, "FragmentPath");
  return strncmp (path, "/etc/systemd/system/", 20) == 0
         || strncmp (path, "/usr/local/lib/systemd/", 23) == 0;
}

/* Properties of units by name; an array of objects. */
static struct err *
show_units (struct draft *d, const json_t *names, json_t **out)
{
  static const char *const words[]
      = { "systemctl",
          "show",
          "--no-pager",
          "-pId,Names,FragmentPath,SourcePath,DropInPaths,User,ExecStart,"
          "ExecStartPre,ExecStartPost,ExecReload,EnvironmentFiles,Environment,"
          "WorkingDirectory,ReadWritePaths,StateDirectory,"
          "ConfigurationDirectory,Triggers,TriggeredBy,UnitFileState,"
          "ActiveState,LoadState",
          "--",
          NULL };
  *out = json_array ();
  if (json_array_size (names) == 0)
    return NULL;
  json_t *argv = remote_argv (words);
  for (size_t i = 0; i < json_array_size (names); i++)
    remote_word (argv, json_string_value (json_array_get (names, i)));
  CLEANUP_RAN struct ran r = { 0 };
  TRY (remote_run (d->source, argv, NULL, 60000, &r));
  json_decref (*out);
  *out = service_parse_show (r.out);
  return NULL;
}

/* The first word of each line that is the name of a unit, without templates
 * and what the base system brings. */
static json_t *
unit_names (struct draft *d, const json_t *lines)
{
  json_t *names = json_array ();
  for (size_t i = 0; i < json_array_size (lines); i++) {
    const char *line = json_string_value (json_array_get (lines, i));
    CLEANUP_FREE char *unit = mem_strndup (line, strcspn (line, " \t"));
    const char *later = later_kind (unit);
    if (strchr (unit, '.') == NULL || *unit == '-'
        || strstr (unit, "@.") != NULL || look_matches (unit, base_units)
        || look_matches (unit, database_units))
      continue;
    if (later != NULL)
      draft_note (d,
                  "%s (%s): it is enabled here; this version does not "
                  "move it",
                  unit, later);
    else if (json_array_size (names) < UNITS_MAX)
      json_array_append_new (names, json_string (unit));
  }
  return names;
}

static void
uses_words (struct draft *d, const json_t *unit, const char *key,
            const char *below)
{
  CLEANUP_FREE char *copy = mem_strdup (look_text (unit, key));
  char *rest = copy;
  for (char *word; (word = strsep (&rest, " \n")) != NULL;) {
    word += *word == '-' || *word == '+' || *word == '!';
    CLEANUP_FREE char *path = *below != '\0' && *word != '\0'
                                  ? mem_printf ("%s/%s", below, word)
                                  : mem_strdup (word);
    draft_uses (d, path, "%s of %s", key, look_text (unit, "Id"));
  }
}

/* A program: itself, and, where it is a script, what it names. */
static struct err *
uses_program (struct draft *d, const char *path, const char *unit)
{
  CLEANUP_FREE char *text = NULL;
  draft_uses (d, path, "a program of %s", unit);
  if (strncmp (path, "/usr/", 5) == 0 && strncmp (path, "/usr/local/", 11) != 0)
    return NULL;
  TRY (look_file (d->source, path, &text));
  if (text != NULL && strncmp (text, "#!", 2) == 0)
    look_paths_in (d, text, path);
  return NULL;
}

static struct err *
uses_unit (struct draft *d, const json_t *unit)
{
  static const char *const execs[]
      = { "ExecStart", "ExecStartPre", "ExecStartPost", "ExecReload" };
  const char *id = look_text (unit, "Id");
  uses_words (d, unit, "WorkingDirectory", "");
  uses_words (d, unit, "ReadWritePaths", "");
  uses_words (d, unit, "StateDirectory", "/var/lib");
  uses_words (d, unit, "ConfigurationDirectory", "/etc");
  look_paths_in (d, look_text (unit, "Environment"), id);
  for (size_t i = 0; i < sizeof execs / sizeof *execs; i++) {
    const char *value = look_text (unit, execs[i]);
    CLEANUP_JSON json_t *programs = service_exec_paths (value);
    for (size_t k = 0; k < json_array_size (programs); k++)
      TRY (uses_program (d, json_string_value (json_array_get (programs, k)),
                         id));
    look_paths_in (d, value, id);
  }
  CLEANUP_JSON json_t *files
      = service_env_paths (look_text (unit, "EnvironmentFiles"));
  for (size_t i = 0; i < json_array_size (files); i++) {
    const char *path = json_string_value (json_array_get (files, i));
    CLEANUP_FREE char *text = NULL;
    TRY (look_file (d->source, path, &text));
    if (text != NULL)
      look_paths_in (d, text, path);
  }
  return NULL;
}

/* A unit that another one of the list starts comes with that one. */
static bool
comes_with_another (const json_t *units, const json_t *unit)
{
  const char *target = look_text (unit, "Triggers");
  for (size_t i = 0; *target != '\0' && i < json_array_size (units); i++)
    if (strcmp (look_text (json_array_get (units, i), "Id"), target) == 0)
      return true;
  return false;
}

/* What a timer, socket or path unit starts is a part of it. */
static struct err *
add_triggered (struct draft *d, const json_t *unit)
{
  CLEANUP_JSON json_t *names = json_array (), *shown = NULL;
  CLEANUP_FREE char *copy = mem_strdup (look_text (unit, "Triggers"));
  char *rest = copy;
  for (char *word; (word = strsep (&rest, " ")) != NULL;)
    if (*word != '\0' && *word != '-')
      json_array_append_new (names, json_string (word));
  TRY (show_units (d, names, &shown));
  for (size_t i = 0; i < json_array_size (shown); i++) {
    json_t *one = json_array_get (shown, i);
    json_array_append (d->units, one);
    TRY (uses_unit (d, one));
  }
  return NULL;
}

static void
add_item (struct draft *d, const json_t *unit, const json_t *packages)
{
  const char *id = look_text (unit, "Id");
  const char *path = look_text (unit, "FragmentPath");
  const char *package = json_string_value (json_object_get (packages, path));
  json_t *spec = json_pack ("{s:s}", "service", id);
  if (is_own (unit))
    draft_item (d, "service", spec, false, "%s", "");
  else if (package != NULL)
    draft_item (d, "service", spec, false,
                "%s is of the package %s, which the target needs, too.", id,
                package);
  else
    draft_item (d, "service", spec, true,
                "%s comes from %s, which no package brought: it needs a "
                "look.",
                id, *path != '\0' ? path : look_text (unit, "SourcePath"));
}

static struct err *
take_units (struct draft *d, const json_t *units)
{
  CLEANUP_JSON json_t *paths = json_array (), *packages = NULL;
  for (size_t i = 0; i < json_array_size (units); i++) {
    const char *path = look_text (json_array_get (units, i), "FragmentPath");
    if (*path != '\0')
      json_array_append_new (paths, json_string (path));
  }
  TRY (look_packages (d, paths, &packages));
  for (size_t i = 0; i < json_array_size (units); i++) {
    json_t *unit = json_array_get (units, i);
    bool timer = service_ends (look_text (unit, "Id"), ".timer");
    if (*look_text (unit, "Id") == '\0' || comes_with_another (units, unit))
      continue;
    if (timer && !is_own (unit)) {
      draft_note (d,
                  "%s: a timer of a package; where the package is on "
                  "the target, it runs there, too",
                  look_text (unit, "Id"));
      continue;
    }
    add_item (d, unit, packages);
    json_object_set (unit, "Package",
                     json_object_get (packages,
                                      look_text (unit, "FragmentPath")));
    json_array_append (d->units, unit);
    TRY (uses_unit (d, unit));
    TRY (add_triggered (d, unit));
  }
  return NULL;
}

struct err *
discover_units (struct draft *d)
{
  static const char *const list[]
      = { "systemctl",       "list-unit-files",
          "--no-legend",     "--no-pager",
          "--plain",         "--type=service,timer,socket,path",
          "--state=enabled", NULL };
  CLEANUP_JSON json_t *lines = NULL, *names = NULL, *units = NULL;
  if (json_is_false (json_object_get (d->facts, "systemd"))) {
    draft_note (d, "services: the source does not run systemd, so none was "
                   "looked at");
    return NULL;
  }
  TRY (look_lines (d, list, &lines));
  names = unit_names (d, lines);
  TRY (show_units (d, names, &units));
  return take_units (d, units);
}
