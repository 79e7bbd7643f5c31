/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way back that lies on the source: one list of commands, from which the
 * text, the script and `rehome thaw` are made.
 */
#include "provider/move.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/address.h"
#include "provider/mariadb.h"
#include "provider/postgresql.h"
#include "provider/remote.h"
#include "provider/service.h"
#include "provider/steps.h"

#include <string.h>

static void
add_argv (json_t *out, const char *why, json_t *argv)
{
  json_array_append_new (out,
                         json_pack ("{s:s,s:o}", "why", why, "argv", argv));
}

static json_t *
words_of (const char *const *words)
{
  json_t *argv = json_array ();
  for (size_t i = 0; words[i] != NULL; i++)
    json_array_append_new (argv, json_string (words[i]));
  return argv;
}

/* One line for ip(8), taken apart at its blanks. */
static void
add_ip (json_t *out, const char *why, const char *line)
{
  json_t *argv = json_pack ("[s]", "ip");
  char *copy CLEANUP_FREE = mem_strdup (line);
  char *rest = copy;
  for (char *word; (word = strsep (&rest, " ")) != NULL;)
    if (word[0] != '\0')
      json_array_append_new (argv, json_string (word));
  add_argv (out, why, argv);
}

static struct err *
add_address (const struct step_call *call, const json_t *move, json_t *out)
{
  static const char why[] = "the address comes back, as it was";
  json_t *record CLEANUP_JSON = NULL;
  TRY (address_record (call, move, &record));
  if (json_at (record, "copy") != NULL)
    add_argv (out, why,
              words_of (ARGV ("cp", "-p", json_text (record, "copy"),
                              json_text (record, "config"))));
  json_t *lines CLEANUP_JSON
      = address_back_before (plan_switch (call->plan), move)
            ? json_array ()
            : address_restore_batch (record);
  size_t i;
  json_t *one;
  json_array_foreach (lines, i, one)
  {
    add_ip (out, why, json_string_value (one));
  }
  if (strcmp (json_text (record, "kind"), "networkd") == 0)
    add_argv (out, why, words_of (ARGV ("networkctl", "reload")));
  char *own CLEANUP_FREE
      = mem_strndup (json_text (record, "cidr"),
                     strcspn (json_text (record, "cidr"), "/"));
  if (strchr (own, ':') == NULL)
    add_argv (out, "neighbours learn where the address is",
              words_of (ARGV ("arping", "-U", "-c", "2", "-w", "3", "-I",
                              json_text (record, "interface"), own)));
  return NULL;
}

/* On the target it was never the first of its interface. */
static void
add_kept_address (const struct step_call *call, const json_t *move, json_t *out)
{
  const json_t *look
      = steps_input (call, "address:%s#look", json_text (move, "move"));
  add_argv (out, "the address comes back",
            words_of (ARGV ("ip", "addr", "replace", json_text (move, "move"),
                            "dev", json_text (look, "target_interface"))));
}

static void
add_crons (const struct step_call *call, const struct plan_item *item,
           json_t *out)
{
  const json_t *hold = steps_input (call, "%s#hold", item->name);
  size_t i;
  json_t *one;
  json_array_foreach (json_at (hold, "back"), i, one)
  {
    add_argv (out, "cron jobs start again",
              words_of (ARGV ("mv", "-n", json_text (one, "from"),
                              json_text (one, "to"))));
  }
}

/* Drop-ins go; what ran is collected in `start`. */
static void
add_units (const struct step_call *call, const struct plan_item *item,
           json_t *out, json_t *start)
{
  const json_t *arm = steps_input (call, "%s#arm", item->name);
  size_t i;
  json_t *one;
  json_array_foreach (json_at (arm, "units"), i, one)
  {
    char *dropin CLEANUP_FREE
        = service_dropin (json_text (one, "unit"), SERVICE_FREEZE);
    add_argv (out, "units may start again",
              words_of (ARGV ("rm", "-f", dropin)));
    if (service_was_active (one))
      words_add (start, json_text (one, "unit"));
  }
  json_array_foreach (json_at (arm, "dirs"), i, one)
  {
    add_argv (out, "units may start again",
              words_of (ARGV ("rmdir", json_string_value (one))));
  }
}

/* Sessions of moved users go on. */
static void
add_sessions (const struct step_call *call, json_t *out)
{
  struct buf ids CLEANUP_BUF = BUF_INIT;
  const json_t *map = steps_input (call, "accounts#map");
  size_t i;
  json_t *one;
  json_array_foreach (json_at (map, "users"), i, one)
  {
    err_free (buf_printf (&ids, "%s%lld", i == 0 ? "" : ",",
                          (long long)json_integer_value (
                              json_at (one, call->back ? "to" : "from"))));
  }
  if (ids.len > 0)
    add_argv (out, "programs of moved users go on",
              words_of (ARGV ("pkill", "-CONT", "-U", (const char *)ids.data)));
}

struct err *
move_thaw_commands (const struct step_call *call, json_t **out)
{
  json_t *list CLEANUP_JSON = json_array ();
  json_t *start CLEANUP_JSON = json_array ();
  char *flag CLEANUP_FREE = steps_path (call, "freeze/flag");
  char *unit CLEANUP_FREE = move_readonly_unit (call->migration);
  char *file CLEANUP_FREE = mem_printf (SERVICE_UNITS "/%s", unit);
  add_argv (list, "the freeze ends", words_of (ARGV ("rm", "-f", flag)));
  add_argv (list, "the moved files can be written again",
            words_of (ARGV ("systemctl", "disable", "--now", unit)));
  size_t i;
  json_t *one;
  json_array_foreach (plan_switch (call->plan), i, one)
  {
    if (json_at (one, "address") != NULL && call->back)
      add_kept_address (call, json_at (one, "address"), list);
    else if (json_at (one, "address") != NULL)
      TRY (add_address (call, json_at (one, "address"), list));
  }
  for (i = 0; i < plan_item_count (call->plan); i++) {
    const struct plan_item *item = plan_item (call->plan, i);
    if (strcmp (item->kind, "cron") == 0)
      add_crons (call, item, list);
    if (strcmp (item->kind, "service") == 0)
      add_units (call, item, list, start);
    if (strcmp (item->kind, "postgresql") == 0)
      postgresql_thaw (call, item, list);
    if (strcmp (item->kind, "mariadb") == 0)
      mariadb_thaw (call, item, list);
  }
  add_argv (list, "units may start again", words_of (ARGV ("rm", "-f", file)));
  add_argv (list, "units may start again",
            words_of (ARGV ("systemctl", "daemon-reload")));
  if (json_array_size (start) > 0) {
    json_t *argv = words_of (ARGV ("systemctl", "start"));
    json_array_extend (argv, start);
    add_argv (list, "what ran runs again", argv);
  }
  add_sessions (call, list);
  add_argv (list, "this text goes", words_of (ARGV ("rm", "-f", MOVE_TEXT)));
  *out = STEAL (list);
  return NULL;
}

char *
move_shell_word (const char *word)
{
  size_t safe = strspn (word, "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "@%+=:,./_-");
  if (word[0] != '\0' && word[safe] == '\0')
    return mem_strdup (word);
  struct buf b CLEANUP_BUF = BUF_INIT;
  err_free (buf_put_str (&b, "'"));
  for (; *word != '\0'; word++)
    err_free (*word == '\'' ? buf_put_str (&b, "'\\''")
                            : buf_put (&b, word, 1));
  err_free (buf_put_str (&b, "'"));
  return buf_steal_str (&b);
}

static void
put_command (struct buf *b, const json_t *argv)
{
  size_t i;
  json_t *one;
  json_array_foreach (argv, i, one)
  {
    char *word CLEANUP_FREE = move_shell_word (json_string_value (one));
    err_free (buf_printf (b, "%s%s", i == 0 ? "" : " ", word));
  }
  err_free (buf_put_str (b, "\n"));
}

static void
put_commands (struct buf *b, const json_t *commands, const char *indent,
              const char *remark)
{
  const char *last = "";
  size_t i;
  json_t *one;
  json_array_foreach (commands, i, one)
  {
    const char *why = json_text (one, "why");
    if (strcmp (why, last) != 0)
      err_free (buf_printf (b, "\n%s%s:\n", remark, why));
    last = why;
    err_free (buf_put_str (b, indent));
    put_command (b, json_at (one, "argv"));
  }
}

char *
move_thaw_text (const char *other, const char *migration,
                const json_t *commands)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  err_free (buf_printf (
      &b,
      "THIS SERVER IS FROZEN: its work is being moved to another one.\n"
      "\n"
      "rehome moves it (migration %s) to %s.  Nothing here can write and no "
      "service\nruns, until rehome brings it back or the move is through.  "
      "Use this text only\nwhen rehome and the other server are gone.\n"
      "\n"
      "1. Make sure that the other server, %s, is switched off, or never took\n"
      "   over: two servers that both work would take different data.  If it "
      "has\n   taken over, ALL that clients wrote there since is not in the "
      "files here and\n   is lost by what follows.  Much of it may lie, "
      "unused, in\n   /var/lib/rehome/%s/back (reverse rounds): the commands "
      "below do not\n   put it into the files.  Where the controller still is, "
      "do not run them, but\n   there:  rehome rollback PLAN "
      "--target-is-gone\n   which does, and loses only what came after the "
      "last round.  Once this server\n   has worked by itself, the rounds no "
      "longer fit what is here.\n   A database of which a command below ends "
      "the "
      "subscription does have what had\n   come back by then.\n"
      "\n"
      "2. Then run these commands here, as root, in this order.  Each is "
      "harmless\n   where it is not needed; one that fails may be passed "
      "over.\n",
      migration, other, other, migration));
  put_commands (&b, commands, "    ", "   ");
  err_free (buf_printf (&b,
                        "\n3. See that it serves: systemctl status, ip addr.  "
                        "What was recorded lies in\n   "
                        "/var/lib/rehome/%s/freeze.\n",
                        migration));
  return buf_steal_str (&b);
}

char *
move_thaw_script (const char *migration, const json_t *commands)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  err_free (buf_printf (
      &b,
      "#!/bin/sh\n# Brings this server back (migration %s); see " MOVE_TEXT
      ".\n# It does not apply the reverse rounds in /var/lib/rehome/%s/back: "
      "what "
      "the other\n# server took since it was opened is not in the files here "
      "(but in "
      "a database\n# of which it ends the subscription, as far as it had come "
      "back).\n"
      "if [ \"$1\" != --confirm=target-is-off ]; then\n"
      "  echo \"Make sure that the other server is off, then run: $0 "
      "--confirm=target-is-off\" >&2\n  exit 64\nfi\n",
      migration, migration));
  put_commands (&b, commands, "", "# ");
  err_free (buf_put_str (&b, "exit 0\n"));
  return buf_steal_str (&b);
}

/* The one migration that is frozen on this machine. */
static struct err *
frozen_here (struct port *local, char **out)
{
  json_t *names CLEANUP_JSON = NULL;
  TRY (remote_names (local, "/var/lib/rehome", &names));
  size_t i;
  json_t *one;
  json_array_foreach (names, i, one)
  {
    char *path CLEANUP_FREE = mem_printf ("/var/lib/rehome/%s/freeze/flag",
                                          json_string_value (one));
    bool there;
    TRY (remote_exists (local, path, &there));
    if (!there)
      continue;
    if (*out != NULL)
      return err_todo (err_new (ERR_REFUSED, "RH-THAW-WHICH",
                                "several migrations are frozen here: %s, %s",
                                *out, json_string_value (one)),
                       "name one");
    *out = mem_strdup (json_string_value (one));
  }
  if (*out == NULL)
    return err_new (ERR_REFUSED, "RH-THAW-NONE",
                    "nothing is frozen on this machine");
  return NULL;
}

/* From here on the old controller is refused by the agents of this host. */
static struct err *
raise_epoch (struct port *local, const char *migration, json_int_t *epoch)
{
  json_t *fence CLEANUP_JSON = NULL;
  TRY (port_call (local, "fence.read",
                  json_pack ("{s:s}", "migration", migration), &fence));
  const json_t *now = json_at (fence, "epoch");
  if (!json_is_true (json_at (fence, "claimed")))
    return NULL;
  json_int_t was = json_is_string (now)
                       ? strtoll (json_string_value (now), NULL, 10)
                       : json_integer_value (now);
  *epoch = was + 1;
  json_t *args
      = json_pack ("{s:s,s:s,s:s,s:O,s:O,s:O}", "migration", migration, "side",
                   "source", "controller", "thaw", "items",
                   json_at (fence, "items"), "seq", json_at (fence, "seq"),
                   "hash", json_at (fence, "hash"));
  json_object_set_new (args, "epoch",
                       json_is_string (now) ? json_u64 ((uint64_t)*epoch)
                                            : json_integer (*epoch));
  json_t *said CLEANUP_JSON = NULL;
  return port_call (local, "fence.claim", args, &said);
}

static struct err *
run_commands (struct port *local, const json_t *commands, json_t *steps)
{
  size_t i;
  json_t *one;
  json_array_foreach (commands, i, one)
  {
    json_t *argv = json_array ();
    struct buf shown CLEANUP_BUF = BUF_INIT;
    size_t k;
    json_t *word;
    json_array_foreach (json_at (one, "argv"), k, word)
    {
      remote_word (argv, json_string_value (word));
    }
    put_command (&shown, json_at (one, "argv"));
    shown.data[shown.len - 1] = '\0';
    struct ran r CLEANUP_RAN = { 0 };
    struct err *e = remote_run (local, argv, NULL, 120000, &r);
    if (e != NULL && strcmp (err_code (e), "RH-AGENT-RUN") != 0)
      return e;
    int status = e != NULL ? 127 : r.status;
    err_free (e);
    json_array_append_new (steps, json_pack ("{s:s,s:s,s:i}", "why",
                                             json_text (one, "why"), "command",
                                             (const char *)shown.data, "status",
                                             status));
  }
  return NULL;
}

struct err *
move_thaw (struct port *local, const char *migration, json_t **report)
{
  char *id CLEANUP_FREE = mem_strdup (migration);
  if (id == NULL)
    TRY (frozen_here (local, &id));
  char *path CLEANUP_FREE
      = mem_printf ("/var/lib/rehome/%s/freeze/thaw.json", id);
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (local, path, &record));
  if (record == NULL)
    return err_new (ERR_REFUSED, "RH-THAW-NONE",
                    "%s was not frozen on this machine", id);
  json_int_t epoch = 0;
  TRY (raise_epoch (local, id, &epoch));
  json_t *steps CLEANUP_JSON = json_array ();
  TRY (run_commands (local, json_at (record, "commands"), steps));
  char *done CLEANUP_FREE = mem_printf ("/var/lib/rehome/%s/thawed", id);
  char *back CLEANUP_FREE = mem_printf ("/var/lib/rehome/%s/back", id);
  json_t *laid CLEANUP_JSON = NULL;
  TRY (remote_names (local, back, &laid));
  *report = json_pack ("{s:s,s:O,s:I,s:i}", "migration", id, "steps", steps,
                       "epoch", epoch, "rounds_not_applied",
                       (int)json_array_size (laid));
  return remote_record (local, done, *report);
}
