/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The move's own part of the freeze on the source.  "arm" (nothing is down
 * yet) records addresses, writes the way back and prepares the unit that
 * keeps the moved files read-only; "flag" makes the freeze durable;
 * "readonly" and "frozen" make sure and prove that nothing can write.
 */
#include "provider/move.h"

#include "base/mem.h"
#include "provider/address.h"
#include "provider/remote.h"
#include "provider/service.h"
#include "provider/steps.h"

#include <string.h>

char *
move_readonly_unit (const char *migration)
{
  return mem_printf ("rehome-freeze-%s.service", migration);
}

static char *
unit_path (const struct step_call *call)
{
  char *unit CLEANUP_FREE = move_readonly_unit (call->migration);
  return mem_printf (SERVICE_UNITS "/%s", unit);
}

/* A word of a unit file's command line. */
static void
put_word (struct buf *b, const char *word)
{
  err_free (buf_put_str (b, " \""));
  for (; *word != '\0'; word++)
    if (*word == '%' || *word == '$')
      err_free (buf_printf (b, "%c%c", *word, *word));
    else if (*word == '"' || *word == '\\')
      err_free (buf_printf (b, "\\%c", *word));
    else if ((unsigned char)*word < ' ')
      err_free (buf_printf (b, "\\x%02x", (unsigned char)*word));
    else
      err_free (buf_put (b, word, 1));
  err_free (buf_put_str (b, "\""));
}

static void
put_line (struct buf *b, const char *key, const char *const *words)
{
  err_free (buf_printf (b, "%s", key));
  for (size_t i = 0; words[i] != NULL; i++)
    put_word (b, words[i]);
  err_free (buf_put_str (b, "\n"));
}

char *
move_readonly_text (const struct step_call *call, const json_t *mounts)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  char *flag CLEANUP_FREE = steps_path (call, "freeze/flag");
  json_t *units CLEANUP_JSON = service_plan_units (call);
  size_t i;
  json_t *one;
  err_free (buf_printf (&b,
                        "# Placed by rehome; " MOVE_TEXT
                        " says how to bring this server back.\n[Unit]\n"
                        "Description=What moved to another server stays "
                        "read-only\nConditionPathExists=%s\n"
                        "StartLimitIntervalSec=0\nBefore=cron."
                        "service",
                        flag));
  json_array_foreach (units, i, one)
  {
    err_free (buf_printf (&b, " %s", json_string_value (one)));
  }
  err_free (buf_put_str (&b, "\n\n[Service]\nType=oneshot\n"
                             "RemainAfterExit=yes\nExecStart=true\n"));
  json_array_foreach (mounts, i, one)
  {
    const char *path = json_string_value (json_at (one, "path"));
    if (json_is_true (json_at (one, "bind")))
      put_line (&b, "ExecStart=mount", ARGV ("--bind", path, path));
    put_line (&b, "ExecStart=mount", ARGV ("-o", "remount,bind,ro", path));
  }
  for (i = json_array_size (mounts); i-- > 0;) { /* also after a failure */
    one = json_array_get (mounts, i);
    const char *path = json_string_value (json_at (one, "path"));
    put_line (&b, "ExecStopPost=-mount", ARGV ("-o", "remount,bind,rw", path));
    /* Lazily: an audit of the source, or a shell that stands there, must not
     * keep it read-only. */
    if (json_is_true (json_at (one, "bind")))
      put_line (&b, "ExecStopPost=-umount", ARGV ("--lazy", path));
  }
  err_free (buf_put_str (&b, "\n[Install]\nWantedBy=multi-user.target\n"));
  return buf_steal_str (&b);
}

/* What has to become read-only: every moved path that is there and no link;
 * a path that is a mount point itself is remounted instead of bound. */
static struct err *
mounts_of (const struct step_call *call, json_t **out)
{
  json_t *mounts CLEANUP_JSON = json_array ();
  json_t *paths CLEANUP_JSON = steps_file_paths (call);
  size_t i;
  json_t *one;
  json_array_foreach (paths, i, one)
  {
    const char *path = json_string_value (one);
    struct remote_file f CLEANUP_REMOTE = { 0 };
    json_t *space CLEANUP_JSON = NULL;
    TRY (remote_stat (call->source, path, &f));
    if (!f.exists || strcmp (f.type, "link") == 0)
      continue;
    TRY (port_call (
        call->source, "space",
        json_pack ("{s:o}", "path", json_bytes (path, strlen (path))), &space));
    char *mount CLEANUP_FREE = NULL;
    if (json_is_string (json_at (space, "mount")))
      TRY (json_get_bytes (space, "mount", &mount, NULL));
    bool own = mount != NULL && strcmp (mount, path) == 0;
    if (own && json_is_true (json_at (space, "readonly")))
      continue;
    size_t at = 0; /* outer paths first: a shorter one may hold a longer */
    while (at < json_array_size (mounts)
           && strlen (json_string_value (
                  json_at (json_array_get (mounts, at), "path")))
                  <= strlen (path))
      at++;
    json_array_insert_new (mounts, at,
                           json_pack ("{s:s,s:b}", "path", path, "bind", !own));
  }
  *out = STEAL (mounts);
  return NULL;
}

static struct err *
systemctl (struct port *p, const char *verb, const char *unit)
{
  json_t *argv = remote_argv (ARGV ("systemctl", verb));
  if (unit != NULL)
    remote_word (argv, unit);
  return remote_must (p, argv, NULL, NULL);
}

static struct err *
place_readonly (const struct step_call *call)
{
  json_t *mounts CLEANUP_JSON = NULL;
  TRY (mounts_of (call, &mounts));
  char *path CLEANUP_FREE = unit_path (call);
  char *unit CLEANUP_FREE = move_readonly_unit (call->migration);
  char *text CLEANUP_FREE = move_readonly_text (call, mounts);
  TRY (remote_write (call->source, path, text, strlen (text), 0644));
  TRY (systemctl (call->source, "enable", unit)); /* reloads, too */
  return systemctl (call->source, "daemon-reload", NULL);
}

struct err *
move_arm (const struct step_call *call, json_t **result)
{
  json_t *commands CLEANUP_JSON = NULL;
  char *record CLEANUP_FREE = steps_path (call, "freeze/thaw.json");
  char *script CLEANUP_FREE = steps_path (call, "thaw");
  TRY (move_thaw_commands (call, &commands));
  json_t *way CLEANUP_JSON = json_pack ("{s:O}", "commands", commands);
  TRY (remote_record (call->source, record, way));
  const struct plan_host *other
      = call->back ? plan_source (call->plan) : plan_target (call->plan);
  char *text CLEANUP_FREE
      = move_thaw_text (other->host, call->migration, commands);
  char *program CLEANUP_FREE = move_thaw_script (call->migration, commands);
  TRY (remote_write (call->source, script, program, strlen (program), 0700));
  TRY (place_readonly (call));
  *result = json_pack ("{s:s,s:O}", "text", text, "commands", commands);
  return NULL;
}

struct err *
move_arm_probe (const struct step_call *call, enum probe_state *out)
{
  char *record CLEANUP_FREE = steps_path (call, "freeze/thaw.json");
  return steps_probe_record (call->source, record, out);
}

struct err *
move_arm_undo (const struct step_call *call, json_t **result)
{
  (void)result;
  char *path CLEANUP_FREE = unit_path (call);
  char *unit CLEANUP_FREE = move_readonly_unit (call->migration);
  char *record CLEANUP_FREE = steps_path (call, "freeze/thaw.json");
  char *script CLEANUP_FREE = steps_path (call, "thaw");
  bool placed;
  TRY (remote_exists (call->source, path, &placed));
  if (placed) {
    struct ran r CLEANUP_RAN = { 0 };
    TRY (remote_run (call->source,
                     remote_argv (ARGV ("systemctl", "disable", "--now", unit)),
                     NULL, 30000, &r));
    TRY (remote_remove (call->source, path));
    TRY (systemctl (call->source, "daemon-reload", NULL));
  }
  size_t i;
  json_t *one;
  json_array_foreach (plan_switch (call->plan), i, one)
  {
    const char *cidr
        = json_string_value (json_at (json_at (one, "address"), "move"));
    if (cidr == NULL)
      continue;
    char *address CLEANUP_FREE = address_record_path (call, cidr);
    char *config CLEANUP_FREE
        = mem_printf ("%.*s.config", (int)(strlen (address) - strlen (".json")),
                      address);
    TRY (remote_remove (call->source, address));
    TRY (remote_remove (call->source, config));
  }
  TRY (remote_remove (call->source, script));
  return remote_remove (call->source, record);
}

/* Files that are mapped writable: stores through a mapping show in no time
 * stamp before they are flushed, so the final round reads them in any case. */
struct err *
move_mapped (const struct step_call *call, json_t **result)
{
  json_t *said CLEANUP_JSON = NULL;
  json_t *paths CLEANUP_JSON = json_array ();
  TRY (port_call (call->source, "process.writers", steps_writers_args (call),
                  &said));
  size_t i;
  json_t *one;
  json_array_foreach (json_at (said, "writers"), i, one)
  {
    const char *how = json_string_value (json_at (one, "how"));
    const char *path = json_string_value (json_at (one, "path"));
    if (how != NULL && path != NULL && strcmp (how, "mapped") == 0)
      words_add (paths, path);
  }
  *result = json_pack ("{s:O}", "paths", paths);
  return NULL;
}

struct err *
move_flag (const struct step_call *call, json_t **result)
{
  char *flag CLEANUP_FREE = steps_path (call, "freeze/flag");
  const json_t *arm = steps_input (call, "move#arm");
  const char *text = json_string_value (json_at (arm, "text"));
  if (text == NULL)
    return err_new (ERR_BUG, "RH-MOVE-UNARMED", "the freeze was not armed");
  TRY (remote_write (call->source, MOVE_TEXT, text, strlen (text), 0600));
  TRY (remote_write (call->source, flag, "frozen by rehome\n", 17, 0644));
  *result = json_pack ("{s:s,s:s}", "flag", flag, "text", MOVE_TEXT);
  return NULL;
}

struct err *
move_flag_probe (const struct step_call *call, enum probe_state *out)
{
  char *flag CLEANUP_FREE = steps_path (call, "freeze/flag");
  bool frozen;
  bool told;
  TRY (remote_exists (call->source, flag, &frozen));
  TRY (remote_exists (call->source, MOVE_TEXT, &told));
  *out = frozen && told   ? PROBED_DONE
         : frozen || told ? PROBED_PARTIAL
                          : PROBED_NOT_DONE;
  return NULL;
}

struct err *
move_flag_undo (const struct step_call *call, json_t **result)
{
  (void)result;
  char *flag CLEANUP_FREE = steps_path (call, "freeze/flag");
  TRY (remote_remove (call->source, flag));
  return remote_remove (call->source, MOVE_TEXT);
}

static struct err *
readonly_active (const struct step_call *call, bool *out)
{
  char *unit CLEANUP_FREE = move_readonly_unit (call->migration);
  struct ran r CLEANUP_RAN = { 0 };
  TRY (remote_run (call->source,
                   remote_argv (
                       ARGV ("systemctl", "is-active", "--quiet", "--", unit)),
                   NULL, 20000, &r));
  *out = r.status == 0;
  return NULL;
}

struct err *
move_readonly (const struct step_call *call, json_t **result)
{
  char *unit CLEANUP_FREE = move_readonly_unit (call->migration);
  bool active;
  TRY (err_wrap (systemctl (call->source, "start", unit),
                 "making the moved files read-only"));
  TRY (readonly_active (call, &active));
  if (!active)
    return err_new (ERR_REFUSED, "RH-MOVE-READONLY",
                    "the moved files cannot be made read-only on the source: "
                    "'systemctl status %s' says why",
                    unit);
  *result = json_pack ("{s:s}", "unit", unit);
  return NULL;
}

struct err *
move_readonly_probe (const struct step_call *call, enum probe_state *out)
{
  bool active;
  TRY (readonly_active (call, &active));
  *out = active ? PROBED_DONE : PROBED_NOT_DONE;
  return NULL;
}

struct err *
move_readonly_undo (const struct step_call *call, json_t **result)
{
  (void)result;
  char *path CLEANUP_FREE = unit_path (call);
  char *unit CLEANUP_FREE = move_readonly_unit (call->migration);
  bool placed;
  TRY (remote_exists (call->source, path, &placed));
  if (!placed)
    return NULL;
  return err_wrap (systemctl (call->source, "stop", unit),
                   "making the files of the source writable again");
}

static void
add_writers (const json_t *said, json_t *out)
{
  size_t i;
  json_t *one;
  json_array_foreach (json_at (said, "writers"), i, one)
  {
    const char *state = json_string_value (json_at (one, "state"));
    const char *unit = json_string_value (json_at (one, "unit"));
    if ((state != NULL && (state[0] == 'T' || state[0] == 'Z'))
        || json_is_true (json_at (one, "deleted")))
      continue;
    json_array_append_new (
        out, json_sprintf ("%s (pid %lld, unit %s) can write %s",
                           json_string_value (json_at (one, "comm")),
                           (long long)json_integer_value (json_at (one, "pid")),
                           unit == NULL || unit[0] == '\0' ? "none" : unit,
                           json_string_value (json_at (one, "path"))));
  }
  if (json_integer_value (json_at (said, "unreadable")) > 0)
    json_array_append_new (
        out, json_sprintf ("%lld processes could not be looked at",
                           (long long)json_integer_value (
                               json_at (said, "unreadable"))));
}

static struct err *
add_units (const struct step_call *call, json_t *out)
{
  json_t *units CLEANUP_JSON = service_plan_units (call);
  if (json_array_size (units) == 0)
    return NULL;
  json_t *argv = remote_argv (ARGV ("systemctl", "show", "--no-pager", "-p",
                                    "Id,ActiveState,MainPID", "--"));
  size_t i;
  json_t *one;
  json_array_foreach (units, i, one)
  {
    remote_word (argv, json_string_value (one));
  }
  char *text CLEANUP_FREE = NULL;
  TRY (remote_must (call->source, argv, NULL, &text));
  json_t *shown CLEANUP_JSON = service_parse_show (text);
  json_array_foreach (shown, i, one)
  {
    const char *state = json_string_value (json_at (one, "ActiveState"));
    if (state == NULL
        || (strcmp (state, "inactive") != 0 && strcmp (state, "failed") != 0))
      json_array_append_new (
          out,
          json_sprintf ("%s is %s", json_string_value (json_at (one, "Id")),
                        state == NULL ? "unknown" : state));
  }
  return NULL;
}

struct err *
move_frozen (const struct step_call *call, json_t **result)
{
  char *flag CLEANUP_FREE = steps_path (call, "freeze/flag");
  bool frozen;
  TRY (remote_exists (call->source, flag, &frozen));
  if (!frozen)
    return err_advise (
        err_new (ERR_REFUSED, "RH-MOVE-THAWED",
                 "the source was thawed by someone: %s is gone", flag),
        "the target was not opened", "run 'rehome abort', then begin again");
  json_t *said CLEANUP_JSON = NULL;
  json_t *found CLEANUP_JSON = json_array ();
  TRY (port_call (call->source, "process.writers", steps_writers_args (call),
                  &said));
  add_writers (said, found);
  TRY (add_units (call, found));
  if (json_array_size (found) > 0)
    return err_todo (steps_unequal ("RH-MOVE-WRITER",
                                    "the source is not frozen", found),
                     "stop it, or give it to an item of the plan");
  *result = json_pack ("{s:b,s:I}", "frozen", 1, "suspended_writers",
                       (json_int_t)json_array_size (json_at (said, "writers")));
  return NULL;
}
