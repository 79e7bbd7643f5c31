/* SPDX-License-Identifier: Apache-2.0 */
/* The room of a rehearsal on one host: made, and taken away again. */
#include "provider/rehearse.h"

#include "base/buf.h"
#include "base/mem.h"
#include "provider/files.h"
#include "provider/remote.h"
#include "provider/service.h"
#include "provider/steps.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* The first with ExecCondition and NetworkNamespacePath. */
#define SYSTEMD_MIN 243
#define UNITS "/run/systemd/system"

char *
rehearse_netns (const struct step_call *call)
{
  return mem_printf ("rehome-%s", call->migration);
}

char *
rehearse_path (const struct step_call *call, const char *fmt, ...)
{
  CLEANUP_FREE char *rest = NULL;
  va_list ap;
  va_start (ap, fmt);
  rest = mem_vprintf (fmt, ap);
  va_end (ap);
  return steps_path (call, "rehearsal/%s", rest);
}

void
rehearse_bind (struct rehearsal *r, const char *from, const char *to)
{
  json_array_append_new (r->binds, json_pack ("[s, s]", from, to));
}

/* ---- away ---- */

static struct err *
stop_units (const struct step_call *call, struct port *p)
{
  CLEANUP_FREE char *prefix
      = mem_printf ("rehome-rehearsal-%s-", call->migration);
  CLEANUP_FREE char *glob = mem_printf ("%s*", prefix);
  size_t removed;
  struct ran r CLEANUP_RAN = { 0 };
  struct ran s CLEANUP_RAN = { 0 };
  TRY (remote_run (p, remote_argv (ARGV ("systemctl", "stop", glob)), NULL,
                   150000, &r));
  TRY (remote_remove_prefixed (p, UNITS, prefix, &removed));
  if (removed > 0)
    TRY (remote_must (p, remote_argv (ARGV ("systemctl", "daemon-reload")),
                      NULL, NULL));
  return remote_run (p, remote_argv (ARGV ("systemctl", "reset-failed", glob)),
                     NULL, 20000, &s);
}

struct err *
rehearse_stop (struct rehearsal *r)
{
  return stop_units (r->call, r->p);
}

static struct err *
unmount_trees (const struct step_call *call, struct port *p)
{
  CLEANUP_FREE char *tree = rehearse_path (call, "tree");
  CLEANUP_JSON json_t *names = NULL;
  size_t i;
  json_t *one;
  TRY (remote_names (p, tree, &names));
  json_array_foreach (names, i, one)
  {
    struct ran r CLEANUP_RAN = { 0 };
    CLEANUP_FREE char *path
        = mem_printf ("%s/%s", tree, json_string_value (one));
    TRY (remote_run (p, remote_argv (ARGV ("umount", "--", path)), NULL, 60000,
                     &r)); /* what is no mount stays */
  }
  return NULL;
}

struct err *
rehearse_close (const struct step_call *call, struct port *p)
{
  CLEANUP_FREE char *home = steps_path (call, "rehearsal");
  CLEANUP_FREE char *netns = rehearse_netns (call);
  CLEANUP_FREE char *index = steps_path (call, "index");
  struct ran r CLEANUP_RAN = { 0 };
  size_t removed;
  bool there;
  TRY (remote_exists (p, home, &there));
  if (!there)
    return NULL;
  TRY (stop_units (call, p));
  TRY (unmount_trees (call, p));
  TRY (remote_run (p, remote_argv (ARGV ("ip", "netns", "delete", netns)), NULL,
                   20000, &r));
  TRY (remote_remove_prefixed (p, index, "rehearsal-", &removed));
  return remote_remove_tree (p, home);
}

/* ---- made ---- */

static struct err *
check_systemd (struct port *p)
{
  char *said CLEANUP_FREE = NULL;
  TRY (remote_must (p, remote_argv (ARGV ("systemctl", "--version")), NULL,
                    &said));
  long version = strtol (said + strcspn (said, "0123456789"), NULL, 10);
  return version >= SYSTEMD_MIN
             ? NULL
             : err_todo (err_new (ERR_BLOCKED, "RH-REHEARSE-SYSTEMD",
                                  "systemd on the %s is %ld; a rehearsal "
                                  "needs %d",
                                  p->name, version, SYSTEMD_MIN),
                         "say at the services why their older versions can go "
                         "back (back-why), or cut over with --no-way-back");
}

static struct err *
make_dir (struct port *p, const char *path, const char *mode)
{
  return remote_must (
      p, remote_argv (ARGV ("install", "-d", "-m", mode, "--", path)), NULL,
      NULL);
}

/* A network that leads nowhere, with the addresses that move. */
static struct err *
make_network (struct rehearsal *r)
{
  CLEANUP_FREE char *netns = rehearse_netns (r->call);
  struct port *p = r->p;
  TRY (remote_must (p, remote_argv (ARGV ("ip", "netns", "add", netns)), NULL,
                    NULL));
  TRY (remote_must (
      p, remote_argv (ARGV ("ip", "-n", netns, "link", "set", "lo", "up")),
      NULL, NULL));
  size_t i;
  json_t *one;
  json_array_foreach (plan_switch (r->call->plan), i, one)
  {
    const char *cidr
        = json_string_value (json_at (json_at (one, "address"), "move"));
    if (cidr == NULL)
      continue;
    CLEANUP_FREE char *address
        = mem_printf ("%.*s/%s", (int)strcspn (cidr, "/"), cidr,
                      strchr (cidr, ':') != NULL ? "128" : "32");
    TRY (remote_must (p,
                      remote_argv (ARGV ("ip", "-n", netns, "addr", "add",
                                         address, "dev", "lo")),
                      NULL, NULL));
  }
  return NULL;
}

/* Is it the place of an item, or above or below one? */
static bool
meets_item (const struct rehearsal *r, const char *path)
{
  size_t i, n = strlen (path);
  json_t *one;
  json_array_foreach (r->binds, i, one)
  {
    const char *to = json_string_value (json_array_get (one, 1));
    size_t m = strlen (to), least = n < m ? n : m;
    if (strncmp (path, to, least) == 0
        && ((n > least ? path[least] : to[least]) == '/' || n == m))
      return true;
  }
  return false;
}

/* Names, owners and modes of what is there, without its content.  What cannot
 * be carried so is not there: it is scratch. */
static struct err *
make_scratch (struct rehearsal *r, const char *path)
{
  struct ran ran CLEANUP_RAN = { 0 };
  bool there;
  size_t at = json_array_size (r->binds);
  CLEANUP_FREE char *copy = rehearse_path (r->call, "scratch/%zu", at);
  TRY (remote_exists (r->p, path, &there));
  if (!there || meets_item (r, path))
    return NULL;
  TRY (remote_run (r->p,
                   remote_argv (ARGV ("cp", "-a", "-x", "--attributes-only",
                                      "--", path, copy)),
                   NULL, 300000, &ran));
  rehearse_bind (r, copy, path);
  return NULL;
}

/* Where a service of this name writes besides its data. */
static struct err *
scratch_of (struct rehearsal *r, const char *name)
{
  static const char *const dirs[] = { "/var/lib", "/var/cache", "/var/spool" };
  if (strchr (name, '/') != NULL || strcmp (name, "rehome") == 0
      || strcmp (name, "systemd") == 0 || strcmp (name, "dpkg") == 0)
    return NULL;
  for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
    CLEANUP_FREE char *path = mem_printf ("%s/%s", dirs[i], name);
    TRY (make_scratch (r, path));
  }
  return NULL;
}

static struct err *
make_all_scratch (struct rehearsal *r)
{
  const struct plan *plan = r->call->plan;
  size_t k;
  json_t *one;
  TRY (make_scratch (r, "/var/log"));
  json_array_foreach (json_at (plan_rehearsal (plan), "scratch"), k, one)
  {
    TRY (make_scratch (r, json_string_value (one)));
  }
  for (size_t i = 0; i < plan_item_count (plan); i++) {
    const struct plan_item *item = plan_item (plan, i);
    if (strcmp (item->kind, "service") != 0)
      continue;
    const json_t *look = steps_input (r->call, "%s#look", item->name);
    const char *unit = service_unit (item);
    CLEANUP_FREE char *stem
        = mem_strndup (unit, (size_t)(strrchr (unit, '.') - unit));
    TRY (scratch_of (r, stem));
    json_array_foreach (json_at (look, "packages"), k, one)
    {
      if (strcmp (json_string_value (one), stem) != 0)
        TRY (scratch_of (r, json_string_value (one)));
    }
  }
  return NULL;
}

struct err *
rehearse_open (struct rehearsal *r)
{
  static const struct {
    const char *name, *mode, *to;
  } dirs[] = {
    { "", "0700", NULL },          { "tree", "0755", NULL },
    { "upper", "0755", NULL },     { "work", "0755", NULL },
    { "scratch", "0755", NULL },   { "run", "0755", "/run" },
    { "shm", "1777", "/dev/shm" },
  };
  TRY (rehearse_close (r->call, r->p));
  TRY (check_systemd (r->p));
  for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
    CLEANUP_FREE char *path = rehearse_path (r->call, "%s", dirs[i].name);
    TRY (make_dir (r->p, path, dirs[i].mode));
    if (dirs[i].to != NULL)
      rehearse_bind (r, path, dirs[i].to);
  }
  for (size_t i = 0; i < plan_item_count (r->call->plan); i++) {
    const struct plan_item *item = plan_item (r->call->plan, i);
    if (strcmp (item->kind, "files") != 0)
      continue;
    bool target = r->p == r->call->target;
    CLEANUP_FREE char *to
        = target ? files_to (item->spec) : files_from (item->spec);
    CLEANUP_FREE char *copy = rehearse_path (r->call, "tree/%zu", i);
    rehearse_bind (r, copy, to);
  }
  TRY (make_network (r));
  return make_all_scratch (r);
}
