/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A unit's files on the target: inert, and behind the gate from the first
 * moment.  The gate drop-in lets the unit start only while
 * /var/lib/rehome/ID/may-start leads somewhere: at the start it becomes a
 * link to a file in /run, which a reboot removes; the pivot makes it a file.
 */
#include "provider/service.h"

#include "base/mem.h"
#include "provider/accounts_db.h"
#include "provider/address.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

char *
service_dropin (const char *unit, const char *name)
{
  return mem_printf (SERVICE_UNITS "/%s.d/%s", unit, name);
}

char *
service_freeze_text (const struct step_call *call)
{
  char *flag CLEANUP_FREE = steps_path (call, "freeze/flag");
  return mem_printf ("# Placed by rehome.  While the file named below exists, "
                     "this unit does not start;\n"
                     "# /root/REHOME-FROZEN.txt says how to bring it back.\n"
                     "[Unit]\nConditionPathExists=!%s\n",
                     flag);
}

char *
service_confirm_text (const struct step_call *call)
{
  char *open CLEANUP_FREE = steps_path (call, "may-start");
  return mem_printf ("# Placed by rehome until the move is accepted: after a "
                     "reboot the source is asked\n"
                     "# first whether it is still frozen.\n"
                     "[Unit]\nWants=rehome-confirm@%s.service\n"
                     "After=rehome-confirm@%s.service\n"
                     "ConditionPathExists=%s\n",
                     plan_name (call->plan), plan_name (call->plan), open);
}

char *
service_gate_text (const struct step_call *call, const char *unit,
                   const json_t *allow)
{
  char *open CLEANUP_FREE = steps_path (call, "may-start");
  char *text = mem_printf ("# Placed by rehome: closed until the move is "
                           "through, then removed.\n"
                           "[Unit]\nConditionPathExists=%s\n",
                           open);
  bool socket = service_ends (unit, ".socket");
  if (!socket && !service_ends (unit, ".service"))
    return text;
  struct buf b CLEANUP_BUF = BUF_INIT;
  err_free (buf_printf (&b,
                        "%s[%s]\nIPAddressDeny=any\nIPAddressAllow=localhost",
                        text, socket ? "Socket" : "Service"));
  free (text);
  size_t i;
  json_t *one;
  json_array_foreach (allow, i, one)
  {
    err_free (buf_printf (&b, " %s", json_string_value (one)));
  }
  err_free (buf_put_str (&b, "\n"));
  return buf_steal_str (&b);
}

/* The source's and a third controller's own addresses, from which the checks
 * from outside come; the moved addresses themselves (the target talks to itself
 * by them); and what the plan's items allow. */
struct err *
service_gate_allow (const struct step_call *call, json_t **out)
{
  json_t *allow CLEANUP_JSON = NULL;
  TRY (address_list_global (call->source, &allow));
  if (call->controller != NULL) {
    json_t *own CLEANUP_JSON = NULL;
    TRY (address_list_global (call->controller, &own));
    json_array_extend (allow, own);
  }
  for (size_t i = 0; i < plan_item_count (call->plan); i++) {
    size_t k;
    json_t *one;
    json_array_foreach (json_at (plan_item (call->plan, i)->spec, "allow"), k,
                        one)
    {
      words_add (allow, json_string_value (one));
    }
  }
  *out = STEAL (allow);
  return NULL;
}

/* Where a file that stands in the way is kept. */
char *
service_aside (const struct step_call *call, const char *path)
{
  char *name CLEANUP_FREE = mem_strdup (path + 1);
  for (char *c = name; *c != '\0'; c++)
    if (*c == '/')
      *c = '!';
  return steps_path (call, "aside/%s", name);
}

/* What this migration put there, said before it does. */
struct err *
service_placed (const struct step_call *call, json_t **out)
{
  char *path CLEANUP_FREE
      = steps_path (call, "results/service-%s.json", service_unit (call->item));
  TRY (remote_recall (call->target, path, out));
  if (*out == NULL)
    *out = json_pack ("{s:{}}", "placed");
  return NULL;
}

static struct err *
note_placed (const struct step_call *call, const char *what, const char *digest)
{
  char *path CLEANUP_FREE
      = steps_path (call, "results/service-%s.json", service_unit (call->item));
  json_t *note CLEANUP_JSON = NULL;
  TRY (service_placed (call, &note));
  json_object_set_new (json_at (note, "placed"), what,
                       json_string (digest != NULL ? digest : ""));
  return remote_record (call->target, path, note);
}

/* Copies one file unless it is equal; says whether it changed something. */
static struct err *
place_file (const struct step_call *call, const char *path, json_t *placed,
            json_t *aside)
{
  struct remote_file a CLEANUP_REMOTE = { 0 };
  struct remote_file b CLEANUP_REMOTE = { 0 };
  const json_t *map = steps_input (call, "accounts#map");
  TRY (remote_read (call->source, path, &a));
  TRY (remote_read (call->target, path, &b));
  if (!a.exists)
    return NULL;
  if (strcmp (a.type, "file") != 0)
    return err_todo (err_new (ERR_BLOCKED, "RH-SERVICE-LINK",
                              "%s on the source is a %s, not a file", path,
                              a.type),
                     "put the file itself in its place, or leave the unit to "
                     "a files item");
  a.uid = accounts_mapped (json_at (map, "uids"), a.uid);
  a.gid = accounts_mapped (json_at (map, "gids"), a.gid);
  if (b.exists && b.len == a.len && b.content != NULL
      && memcmp (a.content, b.content, a.len) == 0 && a.mode == b.mode
      && a.uid == b.uid && a.gid == b.gid)
    return NULL;
  char *keep CLEANUP_FREE = service_aside (call, path);
  bool kept;
  TRY (remote_exists (call->target, keep, &kept));
  if (b.exists && b.content != NULL && !kept) {
    TRY (remote_put (call->target, keep, &b));
    words_add (aside, keep);
  }
  words_add (placed, path);
  TRY (note_placed (call, path, a.digest));
  return remote_put (call->target, path, &a);
}

/* Without the other host nobody but this one may pass. */
static struct err *
gate_allow (const struct step_call *call, json_t **out)
{
  if (!call->alone)
    return service_gate_allow (call, out);
  *out = json_array ();
  return NULL;
}

static struct err *
place_gate (const struct step_call *call, const char *unit, const json_t *allow)
{
  char *path CLEANUP_FREE = service_dropin (unit, SERVICE_GATE);
  char *text CLEANUP_FREE = service_gate_text (call, unit, allow);
  return remote_write (call->target, path, text, strlen (text), 0644);
}

/* All that lies there because of this item: array of paths. */
static struct err *
copied_units (const struct step_call *call, const json_t *units, json_t **out)
{
  json_t *note CLEANUP_JSON = NULL;
  TRY (service_placed (call, &note));
  *out = json_array ();
  size_t i;
  json_t *one;
  const char *path;
  json_object_foreach (json_at (note, "placed"), path, one)
  {
    words_add (*out, path);
  }
  json_array_foreach (units, i, one)
  {
    char *gate CLEANUP_FREE
        = service_dropin (json_string_value (json_at (one, "unit")),
                          SERVICE_GATE);
    words_add (*out, gate);
  }
  return NULL;
}

struct err *
service_place (const struct step_call *call, json_t **result)
{
  json_t *units CLEANUP_JSON = NULL;
  json_t *allow CLEANUP_JSON = NULL;
  json_t *placed CLEANUP_JSON = json_array ();
  json_t *aside CLEANUP_JSON = json_array ();
  TRY (service_read (call->source, service_unit (call->item), &units));
  TRY (service_gate_allow (call, &allow));
  size_t i;
  size_t k;
  json_t *one;
  json_t *file;
  json_array_foreach (units, i, one)
  { /* the gate first, then what it closes */
    TRY (place_gate (call, json_string_value (json_at (one, "unit")), allow));
  }
  json_array_foreach (units, i, one)
  {
    json_array_foreach (json_at (one, "files"), k, file)
    {
      if (!steps_path_moves (call->plan, json_string_value (file)))
        TRY (place_file (call, json_string_value (file), placed, aside));
    }
  }
  TRY (remote_must (call->target,
                    remote_argv (ARGV ("systemctl", "daemon-reload")), NULL,
                    NULL));
  json_t *copied CLEANUP_JSON = NULL;
  TRY (copied_units (call, units, &copied));
  *result = json_pack ("{s:O,s:O,s:O,s:O}", "placed", placed, "aside", aside,
                       "gate_allows", allow, "copied", copied);
  return NULL;
}

static struct err *
reload (struct port *p)
{
  return remote_must (p, remote_argv (ARGV ("systemctl", "daemon-reload")),
                      NULL, NULL);
}

struct err *
service_gate (const struct step_call *call, json_t **result)
{
  json_t *units CLEANUP_JSON = service_item_units (call, call->item);
  json_t *allow CLEANUP_JSON = NULL;
  size_t i;
  json_t *one;
  TRY (gate_allow (call, &allow));
  json_array_foreach (units, i, one)
  {
    TRY (place_gate (call, json_string_value (one), allow));
  }
  TRY (reload (call->target));
  *result = json_pack ("{s:O,s:O}", "units", units, "gate_allows", allow);
  return NULL;
}

struct err *
service_gate_probe (const struct step_call *call, enum probe_state *out)
{
  (void)call;
  *out = PROBED_PARTIAL; /* repeatable at will: it runs again */
  return NULL;
}

struct err *
service_gate_undo (const struct step_call *call, json_t **result)
{
  return service_clean (call, result);
}

struct err *
service_place_probe (const struct step_call *call, enum probe_state *out)
{
  json_t *units CLEANUP_JSON = NULL;
  TRY (service_read (call->source, service_unit (call->item), &units));
  size_t i;
  json_t *one;
  size_t there = 0;
  json_array_foreach (units, i, one)
  {
    char *path CLEANUP_FREE
        = service_dropin (json_string_value (json_at (one, "unit")),
                          SERVICE_GATE);
    bool exists;
    TRY (remote_exists (call->target, path, &exists));
    there += exists;
  }
  /* Done is only said by a run: it is cheap and compares each file. */
  *out = there == 0 ? PROBED_NOT_DONE : PROBED_PARTIAL;
  return NULL;
}

#define RUNTIME "/run/systemd/system.control"

/* What the pivot set, and the directories that systemd made for it. */
static struct err *
unset (struct port *p, const char *unit)
{
  static const char *const names[]
      = { "50-IPAddressDeny.conf", "50-IPAddressAllow.conf" };
  char *dir CLEANUP_FREE = mem_printf (RUNTIME "/%s.d", unit);
  for (size_t i = 0; i < 2; i++) {
    char *set CLEANUP_FREE = mem_printf ("%s/%s", dir, names[i]);
    TRY (remote_remove (p, set));
  }
  TRY (remote_remove_empty (p, dir));
  return remote_remove_empty (p, RUNTIME);
}

struct err *
service_ungate (struct port *p, const json_t *units)
{
  size_t i;
  json_t *one;
  json_array_foreach (units, i, one)
  {
    const char *unit = json_string_value (one);
    char *path CLEANUP_FREE = service_dropin (unit, SERVICE_GATE);
    char *dir CLEANUP_FREE = mem_printf (SERVICE_UNITS "/%s.d", unit);
    char *confirm CLEANUP_FREE = service_dropin (unit, SERVICE_CONFIRM);
    TRY (remote_remove (p, path));
    TRY (remote_remove (p, confirm));
    TRY (unset (p, unit));
    TRY (remote_remove_empty (p, dir));
  }
  return reload (p);
}

/* After acceptance nothing of the gate is left on the target. */
struct err *
service_clean (const struct step_call *call, json_t **result)
{
  json_t *units CLEANUP_JSON = service_item_units (call, call->item);
  TRY (service_ungate (call->target, units));
  *result = json_pack ("{s:O}", "units", units);
  return NULL;
}
