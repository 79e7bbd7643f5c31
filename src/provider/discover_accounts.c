/* SPDX-License-Identifier: Apache-2.0 */
/* Whose accounts move with the work, and their crontabs. */
#include "provider/discover.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/remote.h"

#include <ctype.h>
#include <string.h>

#define USERS_MAX 5000
#define HUMAN_MIN 1000
#define HUMAN_MAX 59999
#define STATIC_MAX 100 /* ids below are the same on every Debian server */

static bool
is_name (const char *s)
{
  size_t len = strlen (s);
  if (len == 0 || len > 32 || *s == '-' || *s == '.')
    return false;
  for (; *s != '\0'; s++)
    if (!isalnum ((unsigned char)*s) && strchr ("_.-", *s) == NULL)
      return false;
  return true;
}

/* A line of passwd as an object, or NULL where it is none. */
static json_t *
parse_user (char *line)
{
  char *field[7], *end;
  size_t n = 0;
  char *rest = line;
  while (n < 7 && rest != NULL)
    field[n++] = strsep (&rest, ":");
  if (n != 7 || rest != NULL || !is_name (field[0])
      || !isdigit ((unsigned char)field[2][0]))
    return NULL;
  unsigned long uid = strtoul (field[2], &end, 10);
  if (*end != '\0' || uid > 0xfffffffeUL)
    return NULL;
  return json_pack ("{s:s, s:I, s:s, s:s}", "name", field[0], "uid",
                    (json_int_t)uid, "home", field[5], "shell", field[6]);
}

static struct err *
read_users (struct port *p, json_t *out)
{
  CLEANUP_REMOTE struct remote_file f = { 0 };
  TRY (remote_read (p, "/etc/passwd", &f));
  char *rest = f.exists ? f.content : NULL;
  for (char *line; (line = strsep (&rest, "\n")) != NULL;) {
    json_t *user = parse_user (line);
    if (user != NULL && json_array_size (out) < USERS_MAX)
      json_array_append_new (out, user);
    else
      json_decref (user);
  }
  return NULL;
}

static bool
can_log_in (const json_t *user)
{
  static const char *const no_shells[]
      = { "*/nologin", "*/false", "*/sync", "*/halt", "*/shutdown", NULL };
  const char *shell = look_text (user, "shell");
  return *shell != '\0' && !look_matches (shell, no_shells);
}

static const char *
unit_of_user (const struct draft *d, const char *name)
{
  for (size_t i = 0; i < json_array_size (d->units); i++) {
    const json_t *unit = json_array_get (d->units, i);
    if (strcmp (look_text (unit, "User"), name) == 0)
      return look_text (unit, "Id");
  }
  return NULL;
}

/* Why the account moves, or NULL. */
static const char *
reason (const struct draft *d, const json_t *user)
{
  const char *name = look_text (user, "name");
  json_int_t uid = json_integer_value (json_object_get (user, "uid"));
  const char *unit = unit_of_user (d, name);
  if (uid >= HUMAN_MIN && uid <= HUMAN_MAX)
    return can_log_in (user) ? "" : unit;
  if (uid < STATIC_MAX || unit == NULL
      || json_object_get (d->there, name) != NULL)
    return NULL;
  return unit;
}

/* A home directory that is one user's and holds something. */
static struct err *
uses_home (struct draft *d, const json_t *user)
{
  static const char *const shared[]
      = { "/",      "/root", "/home", "/bin", "/usr*",         "/dev*",
          "/proc*", "/run*", "/tmp*", "/var", "/nonexistent*", "/etc*",
          NULL };
  const char *home = look_text (user, "home");
  CLEANUP_JSON json_t *names = NULL;
  if (*home != '/' || look_matches (home, shared))
    return NULL;
  TRY (remote_names (d->source, home, &names));
  if (json_array_size (names) > 0)
    draft_uses (d, home, "home of %s", look_text (user, "name"));
  return NULL;
}

/* Names in a directory that no package brought and `fits` takes. */
static struct err *
own_names (struct draft *d, const char *dir, json_t **out)
{
  CLEANUP_JSON json_t *names = NULL, *paths = json_array ();
  CLEANUP_JSON json_t *packages = NULL, *own = json_array ();
  *out = NULL;
  TRY (remote_names (d->source, dir, &names));
  for (size_t i = 0; i < json_array_size (names); i++)
    json_array_append_new (
        paths, json_sprintf ("%s/%s", dir,
                             json_string_value (json_array_get (names, i))));
  TRY (look_packages (d, paths, &packages));
  for (size_t i = 0; i < json_array_size (names); i++) {
    const char *path = json_string_value (json_array_get (paths, i));
    const char *name = json_string_value (json_array_get (names, i));
    if (path != NULL && json_object_get (packages, path) == NULL
        && is_name (name) && strstr (name, ".dpkg-") == NULL)
      json_array_append (own, json_array_get (names, i));
  }
  *out = STEAL (own);
  return NULL;
}

static void
note_taken (struct draft *d, const json_t *user)
{
  const char *name = look_text (user, "name");
  const json_t *other = json_object_get (d->there, name);
  json_int_t uid = json_integer_value (json_object_get (user, "uid"));
  if (other != NULL)
    draft_note (d,
                "account %s: the target has one of this name, too (id "
                "%" JSON_INTEGER_FORMAT " there, %" JSON_INTEGER_FORMAT
                " here)",
                name, json_integer_value (other), uid);
}

static struct err *
add_accounts (struct draft *d, json_t *names)
{
  CLEANUP_JSON json_t *sudoers = NULL;
  TRY (own_names (d, "/etc/sudoers.d", &sudoers));
  json_t *spec = json_pack ("{s:O}", "accounts", names);
  if (json_array_size (sudoers) > 0)
    json_object_set (spec, "sudoers", sudoers);
  draft_item (d, "accounts", spec, json_array_size (names) == 0,
              "People who can log in, and the users that run the services; "
              "their groups come with them.");
  return NULL;
}

struct err *
discover_accounts (struct draft *d)
{
  CLEANUP_JSON json_t *names = json_array (), *there = json_array ();
  TRY (read_users (d->source, d->users));
  if (d->target != NULL)
    TRY (read_users (d->target, there));
  for (size_t i = 0; i < json_array_size (there); i++) {
    const json_t *user = json_array_get (there, i);
    json_object_set (d->there, look_text (user, "name"),
                     json_object_get (user, "uid"));
  }
  for (size_t i = 0; i < json_array_size (d->users); i++) {
    const json_t *user = json_array_get (d->users, i);
    if (reason (d, user) == NULL)
      continue;
    json_array_append (names, json_object_get (user, "name"));
    json_object_set_new (d->moving, look_text (user, "name"), json_true ());
    note_taken (d, user);
    TRY (uses_home (d, user));
  }
  return add_accounts (d, names);
}

struct err *
discover_cron (struct draft *d)
{
  static const char tabs[] = "/var/spool/cron/crontabs";
  CLEANUP_JSON json_t *entries = json_array (), *names = NULL, *own = NULL;
  TRY (remote_names (d->source, tabs, &names));
  TRY (own_names (d, "/etc/cron.d", &own));
  for (size_t i = 0; i < json_array_size (names); i++) {
    const char *name = json_string_value (json_array_get (names, i));
    if (is_name (name))
      json_array_append_new (entries, json_sprintf ("user:%s", name));
  }
  for (size_t i = 0; i < json_array_size (own); i++)
    json_array_append_new (
        entries, json_sprintf ("/etc/cron.d/%s",
                               json_string_value (json_array_get (own, i))));
  for (size_t i = 0; i < json_array_size (entries); i++) {
    const char *entry = json_string_value (json_array_get (entries, i));
    CLEANUP_FREE char *path = *entry == '/'
                                  ? mem_strdup (entry)
                                  : mem_printf ("%s/%s", tabs, entry + 5);
    CLEANUP_FREE char *text = NULL;
    TRY (look_file (d->source, path, &text));
    if (text != NULL)
      look_paths_in (d, text, path);
  }
  if (json_array_size (entries) > 0)
    draft_item (d, "cron", json_pack ("{s:O}", "cron", entries), false,
                "Crontabs: off on the source from the freeze on, on at the "
                "target once it is open.");
  return NULL;
}
