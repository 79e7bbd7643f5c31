/* SPDX-License-Identifier: Apache-2.0 */
/* What listens and writes on the source and no item covers, and what the
 * draft did not look at. */
#include "provider/discover.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/remote.h"

#include <string.h>

#define ROWS_MAX 5000

/* Units of the base system, and why each stays. */
static const struct {
  const char *pattern, *why;
} staying[] = {
  { "ssh.service", "management" },
  { "ssh.socket", "management" },
  { "sshd.service", "management" },
  { "ssh@*.service", "management" },
  { "rsyslog.service", "the log of this server stays with it" },
  { "syslog.socket", "the log of this server stays with it" },
  { "systemd-journal*", "the log of this server stays with it" },
  { "cron.service", "its jobs are items; the daemon is this server's" },
  { "systemd-timesyncd.service", "time of this server" },
  { "chrony*.service", "time of this server" },
  { "ntp*.service", "time of this server" },
  { "systemd-*", "part of the base system" },
  { "dbus*", "part of the base system" },
  { "init.scope", "part of the base system" },
  { "polkit*", "part of the base system" },
  { "networking.service", "network of this server" },
  { "ifup@*", "network of this server" },
  { "NetworkManager*", "network of this server" },
  { "unattended-upgrades.service", "updates of this server" },
  { "getty@*", "part of the base system" },
};

static const char *
why_stays (const char *unit)
{
  for (size_t i = 0; i < sizeof staying / sizeof *staying; i++)
    if (look_matches (unit, (const char *const[]){ staying[i].pattern, NULL }))
      return staying[i].why;
  return NULL;
}

static struct err *
rows_of (struct draft *d, const char *verb, const char *key, json_t *out)
{
  CLEANUP_JSON json_t *result = NULL;
  TRY (port_call (d->source, verb, json_object (), &result));
  const json_t *rows = json_object_get (result, key);
  for (size_t i = 0; i < json_array_size (rows) && i < ROWS_MAX; i++)
    json_array_append (out, json_array_get (rows, i));
  return NULL;
}

/* Paths that a row of process.open names; decoded ones to `each`. */
static void
uses_written (struct draft *d, const json_t *row)
{
  const json_t *paths = json_object_get (row, "paths");
  for (size_t i = 0; i < json_array_size (paths); i++) {
    CLEANUP_FREE char *path = NULL;
    size_t len;
    CLEANUP_ERR struct err *e
        = text_decode (json_string_value (json_array_get (paths, i)) != NULL
                           ? json_string_value (json_array_get (paths, i))
                           : "",
                       &path, &len);
    if (e == NULL && strlen (path) == len)
      draft_uses (d, path, "%s writes there",
                  *look_text (row, "unit") != '\0' ? look_text (row, "unit")
                                                   : look_text (row, "comm"));
  }
}

struct err *
discover_processes (struct draft *d)
{
  TRY (rows_of (d, "process.listeners", "listeners", d->listeners));
  TRY (rows_of (d, "process.open", "writers", d->writers));
  for (size_t i = 0; i < json_array_size (d->writers); i++) {
    const json_t *row = json_array_get (d->writers, i);
    if (look_unit_moves (d, look_text (row, "unit")))
      uses_written (d, row);
  }
  return NULL;
}

static bool
is_known (const json_t *list, const char *key, const char *name)
{
  for (size_t i = 0; i < json_array_size (list); i++) {
    const json_t *row = json_array_get (list, i);
    if (strcmp (look_text (row, "key"), key) == 0
        && strcmp (look_text (row, "name"), name) == 0)
      return true;
  }
  return false;
}

static void
add_subject (json_t *list, const char *key, const char *name, const char *why)
{
  if (*name != '\0' && !is_known (list, key, name))
    json_array_append_new (list, json_pack ("{s:s, s:s, s:s}", "key", key,
                                            "name", name, "why", why));
}

/* A session of a person, or a process that no unit owns. */
static bool
is_session (const char *unit)
{
  static const char *const sessions[] = { "session-*.scope", "user@*.service",
                                          "user-*.slice", "*.scope", NULL };
  return look_matches (unit, sessions);
}

/* What people run by themselves stands still in the freeze, with their
 * account; it is not started on the target. */
static void
note_person (struct draft *d, const char *user, const char *said)
{
  CLEANUP_FREE char *note
      = mem_printf ("%s runs by hand: %s; it stands still from the freeze on "
                    "and is not started on the target",
                    user, said);
  for (size_t i = 0; i < json_array_size (d->notes); i++)
    if (strcmp (json_string_value (json_array_get (d->notes, i)), note) == 0)
      return;
  draft_note (d, "%s", note);
}

static bool
is_manager (const char *unit, const char *comm)
{
  static const char *const units[] = { "user@*.service", NULL };
  return look_matches (unit, units)
         && (strcmp (comm, "systemd") == 0 || strcmp (comm, "(sd-pam)") == 0);
}

/* Puts who listens or writes where it belongs; `what` says what it does, and
 * `writes` that a moved account claims it. */
static void
take_row (struct draft *d, const json_t *row, const char *what, bool writes)
{
  const char *unit = look_text (row, "unit"), *comm = look_text (row, "comm");
  json_int_t uid = json_integer_value (json_object_get (row, "uid"));
  const char *user = look_user_name (d, uid), *stays = why_stays (unit);
  if (look_unit_moves (d, unit) || look_serves_items (d, unit)
      || strncmp (comm, "rehome", 6) == 0)
    return;
  CLEANUP_FREE char *said
      = mem_printf ("%s (%s) %s", comm, *unit != '\0' ? unit : "no unit", what);
  if (stays != NULL)
    add_subject (d->leave, "unit", unit, stays);
  else if (is_manager (unit, comm))
    add_subject (d->leave, "process", comm, "sessions of who is logged in");
  else if (uid == 0 && is_session (unit) && strncmp (comm, "ssh", 3) == 0)
    add_subject (d->leave, "process", comm, "management");
  else if (writes && uid != 0 && json_object_get (d->moving, user) != NULL)
    note_person (d, user, said);
  else if (uid != 0 && is_session (unit) && *user != '\0')
    add_subject (d->decide, "user", user, said);
  else if (*unit != '\0' && !is_session (unit))
    add_subject (d->decide, "unit", unit, said);
  else
    add_subject (d->decide, "process", comm, said);
}

/* Sockets of the network; those of unix are reached on this host alone. */
static void
take_listener (struct draft *d, const json_t *row)
{
  CLEANUP_FREE char *address = NULL;
  size_t len;
  const char *proto = look_text (row, "proto");
  json_int_t port = json_integer_value (json_object_get (row, "port"));
  if (strncmp (proto, "unix", 4) == 0)
    return;
  err_free (json_get_bytes (row, "address", &address, &len));
  const char *where = address != NULL ? address : "?";
  CLEANUP_FREE char *safe = text_escape (where, strlen (where));
  CLEANUP_FREE char *what
      = mem_printf ("listens on %s:%" JSON_INTEGER_FORMAT " (%s)", proto, port,
                    safe);
  take_row (d, row, what, false);
}

/* A path of the row below one that an item moves, or NULL. */
static const char *
path_within (const struct draft *d, const json_t *row)
{
  const json_t *paths = json_object_get (row, "paths");
  for (size_t i = 0; i < json_array_size (paths); i++)
    for (size_t k = 0; k < json_array_size (d->items); k++) {
      const json_t *item = json_array_get (d->items, k);
      const char *path = json_string_value (json_array_get (paths, i));
      const char *top = look_text (json_object_get (item, "spec"), "files");
      size_t len = strlen (top);
      if (path != NULL && len > 0
          && !json_is_true (json_object_get (item, "off"))
          && strncmp (path, top, len) == 0
          && (path[len] == '/' || path[len] == '\0'))
        return path;
    }
  return NULL;
}

static void
take_writer (struct draft *d, const json_t *row)
{
  const char *within = path_within (d, row);
  const char *path = within != NULL ? within
                                    : json_string_value (json_array_get (
                                          json_object_get (row, "paths"), 0));
  CLEANUP_FREE char *what = mem_printf ("holds %s open for writing%s",
                                        path != NULL ? path : "a file",
                                        within != NULL ? ", which moves" : "");
  take_row (d, row, what, true);
}

struct err *
discover_unclaimed (struct draft *d)
{
  for (size_t i = 0; i < json_array_size (d->listeners); i++)
    take_listener (d, json_array_get (d->listeners, i));
  for (size_t i = 0; i < json_array_size (d->writers); i++)
    take_writer (d, json_array_get (d->writers, i));
  return NULL;
}

/* Well-known listeners of things that this version does not move. */
static void
note_ports (struct draft *d)
{
  static const struct {
    json_int_t port;
    const char *what;
  } ports[] = { { 25, "mail" },         { 53, "name service" },
                { 111, "NFS" },         { 143, "mail" },
                { 389, "a directory" }, { 445, "SMB" },
                { 2049, "NFS" },        { 2375, "containers" },
                { 6379, "a database" }, { 9200, "a search index" },
                { 11211, "memcached" }, { 27017, "a database" } };
  for (size_t i = 0; i < json_array_size (d->listeners); i++)
    for (size_t k = 0; k < sizeof ports / sizeof *ports; k++) {
      const json_t *row = json_array_get (d->listeners, i);
      if (json_integer_value (json_object_get (row, "port")) == ports[k].port
          && strcmp (look_text (row, "proto"), "tcp") == 0)
        draft_note (d,
                    "%s: %s listens on port %" JSON_INTEGER_FORMAT
                    "; this version does not move it",
                    ports[k].what, look_text (row, "comm"), ports[k].port);
    }
}

/* Names in places of which the draft says only that something is there. */
static struct err *
note_places (struct draft *d)
{
  static const struct {
    const char *dir, *what;
  } places[] = {
    { "/etc/letsencrypt/live", "certificates" },
    { "/var/lib/docker/containers", "containers" },
    { "/var/spool/postfix/deferred", "a mail queue" },
    { "/var/spool/exim4/input", "a mail queue" },
    { "/var/spool/cron/atjobs", "jobs of at" },
    { "/etc/openvpn", "a VPN" },
    { "/etc/wireguard", "a VPN" },
    { "/etc/bind", "name service" },
    { "/etc/sysctl.d", "kernel settings" },
    { "/etc/exports.d", "NFS exports" },
    { "/etc/logrotate.d", "rotation of logs" },
  };
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    CLEANUP_JSON json_t *names = NULL;
    TRY (remote_names (d->source, places[i].dir, &names));
    size_t n = json_array_size (names);
    if (n > 0)
      draft_note (d, "%s: %zu entries in %s", places[i].what, n, places[i].dir);
  }
  return NULL;
}

static struct err *
note_mounts (struct draft *d)
{
  static const char *const words[]
      = { "findmnt", "-rn",
          "-o",      "TARGET,SOURCE,FSTYPE",
          "-t",      "ext2,ext3,ext4,xfs,btrfs,zfs,nfs,nfs4,cifs,f2fs,reiserfs",
          NULL };
  CLEANUP_JSON json_t *lines = NULL;
  TRY (look_lines (d, words, &lines));
  for (size_t i = 0; i < json_array_size (lines) && i < 50; i++) {
    const char *line = json_string_value (json_array_get (lines, i));
    if (strncmp (line, "/ ", 2) != 0 && strncmp (line, "/boot", 5) != 0
        && strncmp (line, "/proc/", 6) != 0)
      draft_note (d, "a file system of its own: %s", line);
  }
  return NULL;
}

struct err *
discover_unseen (struct draft *d)
{
  note_ports (d);
  TRY (note_places (d));
  TRY (note_mounts (d));
  draft_note (d, "other databases, containers, virtual machines, mail queues, "
                 "NFS and SMB: seen only as above");
  draft_note (d, "packages: install on the target what the services need; "
                 "rehome check names what is missing");
  draft_note (d, "DNS, load balancers, firewalls, VPN, monitoring and backups "
                 "of this server");
  draft_note (d, "kernel settings, certificates that renew themselves, jobs "
                 "of at, /root");
  draft_note (d, "clients that know this server by a name or address that "
                 "does not move");
  return NULL;
}
