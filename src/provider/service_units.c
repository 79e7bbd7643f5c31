/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd says about a unit and what belongs to it. */
#include "provider/service.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

#define RELATED_MAX 32

json_t *
service_parse_show (const char *text)
{
  json_t *units = json_array ();
  json_t *unit = NULL;
  char *copy CLEANUP_FREE = mem_strdup (text);
  char *rest = copy;
  for (char *line; (line = strsep (&rest, "\n")) != NULL;) {
    char *value = strchr (line, '=');
    if (value == NULL) { /* an empty line ends a unit */
      unit = NULL;
      continue;
    }
    *value++ = '\0';
    if (unit == NULL) {
      unit = json_object ();
      json_array_append_new (units, unit);
    }
    const char *before = json_string_value (json_object_get (unit, line));
    json_t *now = before == NULL ? json_string (value)
                                 : json_sprintf ("%s\n%s", before, value);
    if (now != NULL)
      json_object_set_new (unit, line, now);
  }
  return units;
}

json_t *
service_exec_paths (const char *value)
{
  json_t *paths = json_array ();
  for (const char *at = value; (at = strstr (at, "{ path=")) != NULL;) {
    at += strlen ("{ path=");
    char *path CLEANUP_FREE = mem_strndup (at, strcspn (at, " ;\n"));
    if (path[0] == '/')
      words_add (paths, path);
  }
  return paths;
}

json_t *
service_env_paths (const char *value)
{
  json_t *paths = json_array ();
  char *copy CLEANUP_FREE = mem_strdup (value);
  char *rest = copy;
  for (char *line; (line = strsep (&rest, "\n")) != NULL;) {
    char *flags = strstr (line, " (ignore_errors");
    if (flags != NULL)
      *flags = '\0';
    if (line[0] == '/' && strpbrk (line, "*?[") == NULL)
      words_add (paths, line);
  }
  return paths;
}

const char *
service_unit (const struct plan_item *item)
{
  return json_string_value (json_at (item->spec, "service"));
}

bool
service_ends (const char *unit, const char *suffix)
{
  size_t n = strlen (unit);
  size_t m = strlen (suffix);
  return n > m && strcmp (unit + n - m, suffix) == 0;
}

static const char *
property (const json_t *unit, const char *key)
{
  const char *v = json_string_value (json_object_get (unit, key));
  return v == NULL ? "" : v;
}

/* Is this a file of the administrator, not one of a package or of ours? */
static bool
is_own_file (const char *path)
{
  bool local = strncmp (path, SERVICE_UNITS "/", 20) == 0
               || strncmp (path, "/usr/local/lib/systemd/", 23) == 0;
  return local && strstr (path, "/90-rehome-") == NULL;
}

static void
add_words (json_t *out, const char *text, bool (*fits) (const char *))
{
  char *copy CLEANUP_FREE = mem_strdup (text);
  char *rest = copy;
  for (char *word; (word = strsep (&rest, " \n")) != NULL;)
    if (word[0] != '\0' && (fits == NULL || fits (word)))
      words_add (out, word);
}

static void
add_list (json_t *out, json_t *list)
{
  size_t i;
  json_t *one;
  json_array_foreach (list, i, one)
  {
    words_add (out, json_string_value (one));
  }
  json_decref (list);
}

static json_t *
unit_from (const json_t *shown)
{
  static const char *const execs[]
      = { "ExecStartPre", "ExecStart", "ExecStartPost",
          "ExecReload",   "ExecStop",  NULL };
  json_t *files = json_array ();
  json_t *programs = json_array ();
  const char *fragment = property (shown, "FragmentPath");
  const char *script = property (shown, "SourcePath");
  if (is_own_file (fragment))
    words_add (files, fragment);
  else if (fragment[0] == '/' && strncmp (fragment, "/run/", 5) != 0)
    words_add (programs, fragment);
  if (strncmp (script, "/etc/init.d/", 12) == 0)
    words_add (programs, script);
  add_words (files, property (shown, "DropInPaths"), is_own_file);
  add_list (files, service_env_paths (property (shown, "EnvironmentFiles")));
  for (size_t i = 0; execs[i] != NULL; i++)
    add_list (programs, service_exec_paths (property (shown, execs[i])));
  return json_pack ("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:o}", "unit",
                    property (shown, "Id"), "type", property (shown, "Type"),
                    "load", property (shown, "LoadState"), "active",
                    property (shown, "ActiveState"), "sub",
                    property (shown, "SubState"), "enabled",
                    property (shown, "UnitFileState"), "fragment", fragment,
                    "pid", property (shown, "MainPID"), "files", files,
                    "programs", programs);
}

static bool
belongs (const char *unit)
{
  return service_ends (unit, ".service") || service_ends (unit, ".socket")
         || service_ends (unit, ".timer") || service_ends (unit, ".path");
}

static struct err *
show (struct port *p, const json_t *names, json_t **out)
{
  static const char wanted[]
      = "Id,Type,LoadState,ActiveState,SubState,UnitFileState,FragmentPath,"
        "SourcePath,DropInPaths,EnvironmentFiles,ExecStartPre,ExecStart,"
        "ExecStartPost,ExecReload,ExecStop,MainPID,Triggers,TriggeredBy";
  json_t *argv = remote_argv (
      ARGV ("systemctl", "show", "--no-pager", "-p", wanted, "--"));
  size_t i;
  json_t *one;
  json_array_foreach (names, i, one)
  {
    remote_word (argv, json_string_value (one));
  }
  char *text CLEANUP_FREE = NULL;
  TRY (remote_must (p, argv, NULL, &text));
  *out = service_parse_show (text);
  if (json_array_size (*out) != json_array_size (names)) {
    json_decref (*out);
    *out = NULL;
    return err_new (ERR_CORRUPT, "RH-SERVICE-SHOW",
                    "systemctl on the %s told about other units than asked",
                    p->name);
  }
  return NULL;
}

/* Rounds until nothing new belongs to what is known. */
struct err *
service_read (struct port *p, const char *unit, json_t **out)
{
  json_t *units CLEANUP_JSON = json_array ();
  json_t *known CLEANUP_JSON = json_array ();
  json_t *ask CLEANUP_JSON = json_pack ("[s]", unit);
  words_add (known, unit);
  while (json_array_size (ask) > 0) {
    json_t *shown CLEANUP_JSON = NULL;
    TRY (show (p, ask, &shown));
    json_array_clear (ask);
    size_t i;
    json_t *one;
    json_array_foreach (shown, i, one)
    {
      json_array_append_new (units, unit_from (one));
      json_t *near CLEANUP_JSON = json_array ();
      add_words (near, property (one, "Triggers"), belongs);
      add_words (near, property (one, "TriggeredBy"), belongs);
      size_t k;
      json_t *name;
      json_array_foreach (near, k, name)
      {
        const char *text = json_string_value (name);
        if (words_have (known, text) || json_array_size (known) > RELATED_MAX)
          continue;
        words_add (known, text);
        json_array_append (ask, name);
      }
    }
  }
  *out = STEAL (units);
  return NULL;
}

json_t *
service_item_units (const struct step_call *call, const struct plan_item *item)
{
  json_t *names = json_array ();
  const json_t *look = steps_input (call, "%s#look", item->name);
  size_t i;
  json_t *one;
  json_array_foreach (json_at (look, "units"), i, one)
  {
    words_add (names, property (one, "unit"));
  }
  words_add (names, service_unit (item));
  return names;
}

json_t *
service_plan_units (const struct step_call *call)
{
  json_t *names = json_array ();
  for (size_t i = 0; i < plan_item_count (call->plan); i++) {
    const struct plan_item *item = plan_item (call->plan, i);
    if (strcmp (item->kind, "service") == 0)
      add_list (names, service_item_units (call, item));
  }
  return names;
}

json_t *
service_with_suffix (const json_t *units, const char *suffix)
{
  json_t *names = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (units, i, one)
  {
    if (service_ends (json_string_value (one), suffix))
      json_array_append (names, one);
  }
  return names;
}

bool
service_was_active (const json_t *unit)
{
  const char *active = property (unit, "active");
  bool job = strcmp (property (unit, "type"), "oneshot") == 0;
  return strcmp (active, "active") == 0 || strcmp (active, "reloading") == 0
         || (strcmp (active, "activating") == 0 && !job);
}

const char *
service_job_of (const json_t *shown)
{
  size_t i;
  json_t *one;
  json_array_foreach (shown, i, one)
  {
    if (strcmp (property (one, "Type"), "oneshot") == 0
        && strcmp (property (one, "ActiveState"), "activating") == 0)
      return property (one, "Id");
  }
  return NULL;
}
