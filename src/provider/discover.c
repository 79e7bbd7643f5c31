/* SPDX-License-Identifier: Apache-2.0 */
/* The looks of `rehome plan`: their order, and what they share. */
#include "provider/discover.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/provider.h"
#include "provider/remote.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

#define LOOK_MS 60000
#define TEXT_MAX ((size_t)256 << 10)
#define LINES_MAX 20000
#define ARGS_MAX 200 /* paths in one question to dpkg */

const char *
look_text (const json_t *o, const char *key)
{
  const char *s = json_string_value (json_object_get (o, key));
  return s != NULL ? s : "";
}

bool
look_matches (const char *word, const char *const *patterns)
{
  for (; *patterns != NULL; patterns++)
    if (fnmatch (*patterns, word, 0) == 0)
      return true;
  return false;
}

const char *
look_user_name (const struct draft *d, int64_t uid)
{
  for (size_t i = 0; i < json_array_size (d->users); i++) {
    const json_t *u = json_array_get (d->users, i);
    if (json_integer_value (json_object_get (u, "uid")) == uid)
      return look_text (u, "name");
  }
  return "";
}

/* A lost host ends the draft; anything else becomes a note in it. */
static struct err *
note_failure (struct draft *d, const char *what, struct err *e)
{
  CLEANUP_ERR struct err *mine = e;
  if (mine == NULL)
    return NULL;
  if (err_class_of (mine) == ERR_TRANSIENT
      || strncmp (err_code (mine), "RH-LINK-", 8) == 0)
    return STEAL (mine);
  draft_note (d, "%s: the look failed: %s", what, err_message (mine));
  return NULL;
}

struct err *
look_run (struct draft *d, json_t *argv, json_t **out)
{
  CLEANUP_JSON json_t *mine = argv;
  CLEANUP_RAN struct ran r = { 0 };
  const char *name = json_string_value (json_array_get (mine, 0));
  *out = NULL;
  struct err *e = remote_run (d->source, json_incref (mine), NULL, LOOK_MS, &r);
  TRY (note_failure (d, name != NULL ? name : "a program", e));
  CLEANUP_JSON json_t *lines = json_array ();
  char *rest = r.out;
  for (char *line; rest != NULL && (line = strsep (&rest, "\n")) != NULL;)
    if (*line != '\0' && text_is_utf8 (line, strlen (line))
        && json_array_size (lines) < LINES_MAX)
      json_array_append_new (lines, json_string (line));
  *out = STEAL (lines);
  return NULL;
}

struct err *
look_lines (struct draft *d, const char *const *argv, json_t **out)
{
  return look_run (d, remote_argv (argv), out);
}

struct err *
look_file (struct port *p, const char *path, char **out)
{
  CLEANUP_REMOTE struct remote_file f = { 0 };
  *out = NULL;
  TRY (remote_stat (p, path, &f));
  if (!f.exists || strcmp (f.type, "file") != 0)
    return NULL;
  remote_file_clear (&f);
  f = (struct remote_file){ 0 };
  CLEANUP_ERR struct err *e = remote_read (p, path, &f);
  if (e != NULL && err_class_of (e) == ERR_TRANSIENT)
    return STEAL (e);
  if (e != NULL || !f.exists || f.content == NULL || f.len > TEXT_MAX
      || strlen (f.content) != f.len || !text_is_utf8 (f.content, f.len))
    return NULL;
  *out = mem_strdup (f.content);
  return NULL;
}

/* "/usr/bin/x" for "/bin/x" and back, or NULL; the caller frees. */
static char *
other_spelling (const char *path)
{
  static const char *const merged[] = { "/bin/", "/sbin/", "/lib/" };
  if (strncmp (path, "/usr/", 5) == 0)
    path += 4;
  else {
    for (size_t i = 0; i < 3; i++)
      if (strncmp (path, merged[i], strlen (merged[i])) == 0)
        return mem_printf ("/usr%s", path);
    return NULL;
  }
  for (size_t i = 0; i < 3; i++)
    if (strncmp (path, merged[i], strlen (merged[i])) == 0)
      return mem_strdup (path);
  return NULL;
}

/* "package[, package]: /path" into `owners`. */
static void
take_owner (const char *line, json_t *owners)
{
  const char *path = strstr (line, ": /");
  if (path == NULL || strncmp (line, "diversion ", 10) == 0)
    return;
  CLEANUP_FREE char *package = mem_strndup (line, strcspn (line, ",: "));
  json_object_set_new (owners, path + 2, json_string (package));
}

static bool
is_pattern (const char *path)
{
  return strpbrk (path, "*?[]\\") != NULL;
}

static struct err *
ask_owners (struct draft *d, const json_t *paths, size_t from, json_t *owners)
{
  static const char *const words[] = { "dpkg-query", "-S", "--", NULL };
  json_t *argv = remote_argv (words);
  for (size_t i = from; i < json_array_size (paths) && i < from + ARGS_MAX; i++)
  {
    const char *path = json_string_value (json_array_get (paths, i));
    if (is_pattern (path))
      continue;
    CLEANUP_FREE char *other = other_spelling (path);
    remote_word (argv, path);
    if (other != NULL)
      remote_word (argv, other);
  }
  CLEANUP_JSON json_t *lines = NULL;
  TRY (look_run (d, argv, &lines));
  for (size_t i = 0; i < json_array_size (lines); i++)
    take_owner (json_string_value (json_array_get (lines, i)), owners);
  return NULL;
}

struct err *
look_packages (struct draft *d, const json_t *paths, json_t **out)
{
  CLEANUP_JSON json_t *owners = json_object ();
  CLEANUP_JSON json_t *found = json_object ();
  *out = NULL;
  for (size_t i = 0; i < json_array_size (paths); i += ARGS_MAX)
    TRY (ask_owners (d, paths, i, owners));
  for (size_t i = 0; i < json_array_size (paths); i++) {
    const char *path = json_string_value (json_array_get (paths, i));
    CLEANUP_FREE char *other = other_spelling (path);
    json_t *owner = json_object_get (owners, path);
    if (owner == NULL && other != NULL)
      owner = json_object_get (owners, other);
    if (owner != NULL)
      json_object_set (found, path, owner);
  }
  *out = STEAL (found);
  return NULL;
}

void
look_paths_in (struct draft *d, const char *text, const char *where)
{
  static const char before[] = " \t\n\"'=:,;<>([{|&";
  static const char after[] = " \t\n\"';,()[]{}<>|&$`*?#\\:";
  for (const char *s = text; (s = strchr (s, '/')) != NULL;) {
    size_t len = strcspn (s, after);
    bool starts = s == text || strchr (before, s[-1]) != NULL;
    /* "//host" is a part of a URL, "/" alone is no path worth a look. */
    if (starts && len > 3 && s[1] != '/') {
      CLEANUP_FREE char *path = mem_strndup (s, len);
      while (len > 1 && (path[len - 1] == '/' || path[len - 1] == '.'))
        path[--len] = '\0';
      draft_uses (d, path, "named in %s", where);
    }
    s += len > 0 ? len : 1;
  }
}

bool
look_unit_moves (const struct draft *d, const char *unit)
{
  if (*unit == '\0')
    return false;
  for (size_t i = 0; i < json_array_size (d->units); i++) {
    const json_t *u = json_array_get (d->units, i);
    CLEANUP_FREE char *names
        = mem_printf (" %s %s %s %s ", look_text (u, "Id"),
                      look_text (u, "Names"), look_text (u, "Triggers"),
                      look_text (u, "TriggeredBy"));
    CLEANUP_FREE char *word = mem_printf (" %s ", unit);
    if (strstr (names, word) != NULL)
      return true;
  }
  return false;
}

static struct err *
facts_of (struct port *p, json_t **out)
{
  json_t *facts = NULL;
  TRY (port_call (p, "facts", json_object (), &facts));
  json_decref (*out);
  *out = facts;
  return NULL;
}

struct err *
discover_hosts (struct draft *d)
{
  TRY (err_wrap (facts_of (d->source, &d->facts), "facts of the source"));
  if (d->target == NULL) {
    draft_note (d, "the target: it was not looked at");
    return NULL;
  }
  TRY (
      err_wrap (facts_of (d->target, &d->target_facts), "facts of the target"));
  const char *a = look_text (d->facts, "machine_id");
  if (*a != '\0' && strcmp (a, look_text (d->target_facts, "machine_id")) == 0)
    return err_new (ERR_REFUSED, "RH-PLAN-SAME",
                    "source and target are the same host (machine-id %.64s)",
                    a);
  return NULL;
}

/* Providers that look for themselves. */
static struct err *
discover_providers (struct draft *d)
{
  static const char *const kinds[] = { "files", "accounts", "service", "cron" };
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const struct provider *p = provider_find (kinds[i]);
    if (p != NULL && p->discover != NULL)
      TRY (note_failure (d, kinds[i], p->discover (d->source, d->target, d)));
  }
  return NULL;
}

struct err *
discover_all (struct draft *d)
{
  static const struct {
    const char *what;
    struct err *(*look) (struct draft *d);
  } looks[] = {
    { "units", discover_units },         { "accounts", discover_accounts },
    { "cron", discover_cron },           { "processes", discover_processes },
    { "databases", discover_databases }, { "configuration", discover_config },
    { "files", discover_files },         { "providers", discover_providers },
    { "readiness", discover_ready },     { "network", discover_network },
    { "unclaimed", discover_unclaimed }, { "the rest", discover_unseen },
  };
  TRY (discover_hosts (d));
  for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
    TRY (note_failure (d, looks[i].what, looks[i].look (d)));
  return NULL;
}
