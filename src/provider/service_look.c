/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preflight of a service: the unit is there, the packages that own its
 * programs are installed on the target, its ports are free there, and it does
 * not run there already.
 */
#include "provider/service.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

/* /usr/bin/x and /bin/x name the same file on Debian, but dpkg knows one. */
static char *
other_name (const char *path)
{
  if (strncmp (path, "/usr/", 5) == 0)
    return mem_strdup (path + 4);
  return mem_printf ("/usr%s", path);
}

/* Takes "nginx-common, x: /lib/systemd/..." apart. */
static void
take_owner (const char *line, const char *path, json_t *packages, bool *found)
{
  const char *colon = strstr (line, ": /");
  if (colon == NULL || strncmp (line, "diversion", 9) == 0
      || strcmp (colon + 2, path) != 0)
    return;
  char *names CLEANUP_FREE = mem_strndup (line, (size_t)(colon - line));
  char *rest = names;
  for (char *one; (one = strsep (&rest, ",")) != NULL;) {
    one += strspn (one, " ");
    one[strcspn (one, ":")] = '\0'; /* libx:amd64 */
    words_add (packages, one);
    *found = true;
  }
}

/* Which packages own the programs; those that none owns go to `orphans`. */
static struct err *
owners (struct port *p, const json_t *programs, json_t *packages,
        json_t *orphans)
{
  if (json_array_size (programs) == 0)
    return NULL;
  json_t *argv = remote_argv (ARGV ("dpkg", "-S", "--"));
  size_t i;
  json_t *one;
  json_array_foreach (programs, i, one)
  {
    char *other CLEANUP_FREE = other_name (json_string_value (one));
    remote_word (argv, json_string_value (one));
    remote_word (argv, other);
  }
  struct ran r CLEANUP_RAN = { 0 };
  TRY (remote_run (p, argv, NULL, 60000, &r));
  json_array_foreach (programs, i, one)
  {
    const char *path = json_string_value (one);
    char *other CLEANUP_FREE = other_name (path);
    char *copy CLEANUP_FREE = mem_strdup (r.out);
    char *rest = copy;
    bool found = false;
    for (char *line; (line = strsep (&rest, "\n")) != NULL;) {
      take_owner (line, path, packages, &found);
      take_owner (line, other, packages, &found);
    }
    if (!found)
      words_add (orphans, path);
  }
  return NULL;
}

static struct err *
missing_packages (struct port *p, const json_t *packages, json_t **out)
{
  *out = json_array ();
  if (json_array_size (packages) == 0)
    return NULL;
  json_t *argv = remote_argv (ARGV ("dpkg-query", "-W", "-f",
                                    "${Package} ${db:Status-Status}\\n", "--"));
  size_t i;
  json_t *one;
  json_array_foreach (packages, i, one)
  {
    remote_word (argv, json_string_value (one));
  }
  struct ran r CLEANUP_RAN = { 0 };
  TRY (remote_run (p, argv, NULL, 60000, &r));
  char *said CLEANUP_FREE = mem_printf ("\n%s", r.out);
  json_array_foreach (packages, i, one)
  {
    char *line CLEANUP_FREE
        = mem_printf ("\n%s installed\n", json_string_value (one));
    if (strstr (said, line) == NULL)
      json_array_append (*out, one);
  }
  return NULL;
}

static struct err *
check_packages (const struct step_call *call, const char *unit,
                const json_t *missing)
{
  (void)call;
  if (json_array_size (missing) == 0)
    return NULL;
  struct buf names CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  json_array_foreach (missing, i, one)
  {
    TRY (buf_printf (&names, "%s%s", i == 0 ? "" : " ",
                     json_string_value (one)));
  }
  return err_todo (err_new (ERR_BLOCKED, "RH-SERVICE-PACKAGE",
                            "%s needs packages that the target does not "
                            "have: %s",
                            unit, (const char *)names.data),
                   "on the target: apt-get install %s",
                   (const char *)names.data);
}

/* A program that no package owns comes with a files item, or is there. */
static struct err *
check_orphans (const struct step_call *call, const char *unit,
               const json_t *orphans)
{
  size_t i;
  json_t *one;
  json_array_foreach (orphans, i, one)
  {
    const char *path = json_string_value (one);
    struct remote_file a CLEANUP_REMOTE = { 0 };
    struct remote_file b CLEANUP_REMOTE = { 0 };
    TRY (remote_stat (call->source, path, &a));
    TRY (remote_stat (call->target, path, &b));
    bool same = a.digest != NULL && b.digest != NULL
                && strcmp (a.digest, b.digest) == 0;
    if (a.exists && !same)
      return err_todo (err_new (ERR_BLOCKED, "RH-SERVICE-PROGRAM",
                                "%s runs %s, which no package owns and which "
                                "is not among the plan's files",
                                unit, path),
                       "add the item '- files: %s' to the plan", path);
  }
  return NULL;
}

static bool
same_port (const json_t *a, const json_t *b)
{
  const char *pa = json_string_value (json_at (a, "proto"));
  const char *pb = json_string_value (json_at (b, "proto"));
  if (pa == NULL || pb == NULL || strncmp (pa, pb, 3) != 0
      || strcmp (pa, "unix") == 0)
    return false;
  return json_integer_value (json_at (a, "port"))
         == json_integer_value (json_at (b, "port"));
}

static bool
is_loopback (const char *address)
{
  return strncmp (address, "127.", 4) == 0 || strcmp (address, "::1") == 0;
}

static bool
same_place (const json_t *a, const json_t *b)
{
  const char *x = json_string_value (json_at (a, "address"));
  const char *y = json_string_value (json_at (b, "address"));
  if (x == NULL || y == NULL || !same_port (a, b))
    return false;
  bool any = strcmp (x, "0.0.0.0") == 0 || strcmp (x, "::") == 0
             || strcmp (x, "*") == 0 || strcmp (y, "0.0.0.0") == 0
             || strcmp (y, "::") == 0 || strcmp (y, "*") == 0;
  return any || strcmp (x, y) == 0
         || (is_loopback (x) && is_loopback (y) && x[0] == y[0]);
}

/* Listeners of the units on the source, and nobody on the target there. */
static struct err *
check_ports (const struct step_call *call, const json_t *units, json_t *ports)
{
  json_t *here CLEANUP_JSON = NULL;
  json_t *there CLEANUP_JSON = NULL;
  TRY (port_call (call->source, "process.listeners", json_object (), &here));
  TRY (port_call (call->target, "process.listeners", json_object (), &there));
  size_t i;
  size_t k;
  json_t *one;
  json_t *other;
  json_array_foreach (json_at (here, "listeners"), i, one)
  {
    const char *unit = json_string_value (json_at (one, "unit"));
    const char *proto = json_string_value (json_at (one, "proto"));
    if (unit == NULL || proto == NULL || strncmp (proto, "unix", 4) == 0
        || !words_have (units, unit))
      continue;
    json_array_append (ports, one);
    json_array_foreach (json_at (there, "listeners"), k, other)
    {
      if (!same_place (one, other))
        continue;
      const char *comm = json_string_value (json_at (other, "comm"));
      const char *who = json_string_value (json_at (other, "unit"));
      return err_todo (
          err_new (ERR_BLOCKED, "RH-SERVICE-PORT",
                   "port %lld, on which %s listens, is taken on the target by "
                   "%s (pid %lld, unit %s)",
                   (long long)json_integer_value (json_at (one, "port")), unit,
                   comm == NULL ? "a process" : comm,
                   (long long)json_integer_value (json_at (other, "pid")),
                   who == NULL || who[0] == '\0' ? "none" : who),
          "on the target: systemctl disable --now %s",
          who == NULL || who[0] == '\0' ? "UNIT" : who);
    }
  }
  return NULL;
}

/* Present on the source, and not running on the target. */
static struct err *
check_units (const struct step_call *call, const char *unit,
             const json_t *units, json_t *names, json_t *programs)
{
  json_t *there CLEANUP_JSON = NULL;
  TRY (service_read (call->target, unit, &there));
  size_t i;
  size_t k;
  json_t *one;
  json_t *program;
  json_array_foreach (units, i, one)
  {
    const char *id = json_string_value (json_at (one, "unit"));
    const char *load = json_string_value (json_at (one, "load"));
    if (strcmp (load, "loaded") != 0)
      return err_todo (err_new (ERR_BLOCKED, "RH-SERVICE-ABSENT",
                                "%s on the source is '%s', not loaded", id,
                                load),
                       "correct the unit's name in the plan, or look at "
                       "'systemctl status %s'",
                       id);
    words_add (names, id);
    json_array_foreach (json_at (one, "programs"), k, program)
    {
      if (!steps_path_moves (call->plan, json_string_value (program)))
        words_add (programs, json_string_value (program));
    }
  }
  json_array_foreach (there, i, one)
  {
    if (service_was_active (one))
      return err_todo (err_new (ERR_BLOCKED, "RH-SERVICE-ACTIVE",
                                "%s already runs on the target",
                                json_string_value (json_at (one, "unit"))),
                       "on the target: systemctl disable --now %s",
                       json_string_value (json_at (one, "unit")));
  }
  return NULL;
}

/* "nginx 1.22.1-9 no" a line; without what only Debian changed.  What every
 * system has (dpkg's start-stop-daemon, a shell) keeps nobody's data. */
static struct err *
versions_of (struct port *p, const json_t *packages, json_t **out)
{
  json_t *argv
      = remote_argv (ARGV ("dpkg-query", "-W", "-f",
                           "${Package} ${Version} ${Essential}\\n", "--"));
  size_t i;
  json_t *one;
  struct ran r CLEANUP_RAN = { 0 };
  *out = json_object ();
  json_array_foreach (packages, i, one)
  {
    remote_word (argv, json_string_value (one));
  }
  TRY (remote_run (p, argv, NULL, 60000, &r));
  char *rest = r.out;
  for (char *line; (line = strsep (&rest, "\n")) != NULL;) {
    char *version = strchr (line, ' ');
    if (version == NULL)
      continue;
    *version++ = '\0';
    char *essential = strchr (version, ' ');
    if (essential != NULL && strcmp (essential, " yes") == 0)
      continue;
    if (essential != NULL)
      *essential = '\0';
    char *dash = strrchr (version, '-');
    if (dash != NULL)
      *dash = '\0';
    json_object_set_new (*out, line, json_string (version));
  }
  return NULL;
}

/* Packages whose version is another one on the target: the older one may not
 * be able to work on what the newer one wrote. */
struct err *
service_other_versions (const struct step_call *call, const json_t *packages,
                        json_t *out)
{
  json_t *here CLEANUP_JSON = NULL;
  json_t *there CLEANUP_JSON = NULL;
  const char *name;
  json_t *version;
  if (json_array_size (packages) == 0)
    return NULL;
  TRY (versions_of (call->source, packages, &here));
  TRY (versions_of (call->target, packages, &there));
  json_object_foreach (here, name, version)
  {
    const char *other = json_string_value (json_at (there, name));
    if (other != NULL && strcmp (other, json_string_value (version)) != 0)
      json_array_append_new (
          out, json_sprintf ("%s is %s on the source and %s on the target",
                             name, json_string_value (version), other));
  }
  return NULL;
}

struct err *
service_look (const struct step_call *call, json_t **result)
{
  const char *unit = service_unit (call->item);
  json_t *units CLEANUP_JSON = NULL;
  json_t *names CLEANUP_JSON = json_array ();
  json_t *programs CLEANUP_JSON = json_array ();
  json_t *packages CLEANUP_JSON = json_array ();
  json_t *orphans CLEANUP_JSON = json_array ();
  json_t *missing CLEANUP_JSON = NULL;
  json_t *ports CLEANUP_JSON = json_array ();
  json_t *other CLEANUP_JSON = json_array ();
  TRY (service_read (call->source, unit, &units));
  TRY (check_units (call, unit, units, names, programs));
  TRY (owners (call->source, programs, packages, orphans));
  TRY (missing_packages (call->target, packages, &missing));
  TRY (check_packages (call, unit, missing));
  TRY (check_orphans (call, unit, orphans));
  TRY (check_ports (call, names, ports));
  TRY (service_other_versions (call, packages, other));
  *result = json_pack ("{s:O,s:O,s:O,s:O}", "units", units, "packages",
                       packages, "ports", ports, "other_versions", other);
  return NULL;
}
