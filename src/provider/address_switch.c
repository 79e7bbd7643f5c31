/* SPDX-License-Identifier: Apache-2.0 */
/* Takes an address from the source and gives it to the target, and back. */
#include "provider/address_switch.h"

#include "base/mem.h"
#include "provider/address.h"
#include "provider/address_config.h"
#include "provider/address_ip.h"
#include "provider/address_persist.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

static const char *
cidr_of (const struct step_call *call)
{
  return json_string_value (json_at (call->step->args, "move"));
}

static const char *
text_of (const json_t *o, const char *key)
{
  return json_string_value (json_at (o, key));
}

/* All lines in one run of ip; what fails does not stop the rest. */
static struct err *
batch (struct port *p, const json_t *lines)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  struct ran r CLEANUP_RAN = { 0 };
  size_t i;
  json_t *one;
  json_array_foreach (lines, i, one)
  {
    TRY (buf_printf (&b, "%s\n", json_string_value (one)));
  }
  if (b.len == 0)
    return NULL;
  return remote_run (p, remote_argv (ARGV ("ip", "-force", "-batch", "-")),
                     (const char *)b.data, 20000, &r);
}

static struct err *
announce (struct port *p, const char *interface, const char *cidr)
{
  char *address CLEANUP_FREE = cidr_address (cidr);
  for (int i = 0; i < 3; i++) {
    json_t *said CLEANUP_JSON = NULL;
    TRY (port_call (p, "announce",
                    json_pack ("{s:s,s:s}", "interface", interface, "address",
                               address),
                    &said));
  }
  return NULL;
}

static struct err *
links_of (struct port *p, json_t **out)
{
  return remote_json (p, remote_argv (ARGV ("ip", "-j", "addr", "show")), out);
}

/* networkd must not bring back at a link change what it read before. */
static struct err *
tell_networkd (const struct step_call *call, const json_t *record)
{
  const char *kind = text_of (record, "kind");
  if (kind == NULL || strcmp (kind, "networkd") != 0)
    return NULL;
  struct ran r CLEANUP_RAN = { 0 };
  return remote_run (call->source, remote_argv (ARGV ("networkctl", "reload")),
                     NULL, 20000, &r);
}

/* Everything but the address and those taken before it is as recorded: others
 * there, in any order. */
static struct err *
check_taken (const struct step_call *call, const json_t *record,
             const json_t *gone)
{
  const char *cidr = text_of (record, "cidr");
  char *own CLEANUP_FREE = cidr_address (cidr);
  json_t *links CLEANUP_JSON = NULL;
  TRY (links_of (call->source, &links));
  if (ip_find (links, cidr, NULL) != NULL)
    return err_new (ERR_REFUSED, "RH-ADDRESS-STAYS",
                    "%s is still on the source after it was taken", cidr);
  size_t i;
  json_t *one;
  json_array_foreach (json_at (record, "addresses"), i, one)
  {
    const char *local = text_of (one, "local");
    if (strcmp (local, own) != 0 && !words_have (gone, local)
        && ip_find (links, local, NULL) == NULL)
      return err_new (ERR_REFUSED, "RH-ADDRESS-LOST",
                      "%s went from the source together with %s", local, own);
  }
  return NULL;
}

struct err *
address_take (const struct step_call *call, json_t **result)
{
  json_t *record CLEANUP_JSON = NULL;
  TRY (address_record (call, call->step->args, &record));
  const char *config = text_of (record, "config");
  if (config != NULL) {
    struct persist now CLEANUP_PERSIST = { 0 };
    TRY (persist_find (call->source, text_of (record, "interface"),
                       cidr_of (call), &now));
    if (now.path != NULL) {
      struct remote_file like = now.file;
      like.content = now.without;
      like.len = strlen (now.without);
      like.mtime_ns[0] = '\0';
      TRY (remote_put (call->source, now.path, &like));
    }
  }
  json_t *gone CLEANUP_JSON
      = address_taken_before (plan_switch (call->plan), call->step->args);
  json_t *lines CLEANUP_JSON = address_take_batch (record, gone);
  TRY (batch (call->source, lines));
  TRY (tell_networkd (call, record));
  TRY (check_taken (call, record, gone));
  *result = json_pack ("{s:s,s:s,s:s}", "address", cidr_of (call), "interface",
                       text_of (record, "interface"), "config",
                       config == NULL ? "" : config);
  return NULL;
}

struct err *
address_take_probe (const struct step_call *call, enum probe_state *out)
{
  json_t *links CLEANUP_JSON = NULL;
  char *path CLEANUP_FREE = address_record_path (call, cidr_of (call));
  bool begun;
  TRY (links_of (call->source, &links));
  TRY (remote_exists (call->source, path, &begun));
  struct persist now CLEANUP_PERSIST = { 0 };
  TRY (persist_find (call->source, text_of (call->step->args, "interface"),
                     cidr_of (call), &now));
  bool here = ip_find (links, cidr_of (call), NULL) != NULL;
  if (!begun)
    *out = PROBED_NOT_DONE;
  else if (!here && now.path == NULL)
    *out = PROBED_DONE;
  else
    *out = PROBED_PARTIAL;
  return NULL;
}

/* The same addresses in the same order as recorded? */
static struct err *
check_restored (const struct step_call *call, const json_t *record)
{
  json_t *links CLEANUP_JSON = NULL;
  TRY (links_of (call->source, &links));
  const char *cidr = text_of (record, "cidr");
  json_t *now CLEANUP_JSON
      = ip_family (links, text_of (record, "interface"), cidr);
  const json_t *want = json_at (record, "addresses");
  bool six = cidr_is_six (cidr); /* whose order says nothing */
  bool same = json_array_size (now) == json_array_size (want);
  for (size_t i = 0; same && i < json_array_size (want); i++) {
    const char *local = text_of (json_array_get (want, i), "local");
    same
        = six ? ip_find (links, local, NULL) != NULL
              : strcmp (local, text_of (json_array_get (now, i), "local")) == 0;
  }
  if (same)
    return NULL;
  return err_new (ERR_REFUSED, "RH-ADDRESS-RESTORE",
                  "the addresses of %s on the source are not as they were "
                  "before %s was taken",
                  text_of (record, "interface"), cidr);
}

/* First what lies in the network of the address; where that leaves another
 * order, all addresses of the interface. */
static struct err *
restore (const struct step_call *call, const json_t *record)
{
  json_t *(*const ways[]) (const json_t *)
      = { address_restore_batch, address_restore_all_batch };
  struct err *changed = check_restored (call, record);
  for (size_t i = 0; changed != NULL && i < sizeof ways / sizeof ways[0]; i++) {
    err_free (changed);
    json_t *lines CLEANUP_JSON = ways[i](record);
    TRY (batch (call->source, lines));
    TRY (tell_networkd (call, record));
    changed = check_restored (call, record);
  }
  return changed;
}

/* The record is of the time before the first address was taken: the undo of
 * the last take brings all back, those of the others find it done. */
struct err *
address_take_undo (const struct step_call *call, json_t **result)
{
  char *path CLEANUP_FREE = address_record_path (call, cidr_of (call));
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->source, path, &record));
  if (record == NULL)
    return NULL;
  const char *copy = text_of (record, "copy");
  if (copy != NULL) {
    struct remote_file f CLEANUP_REMOTE = { 0 };
    TRY (remote_read (call->source, copy, &f));
    if (f.exists)
      TRY (remote_put (call->source, text_of (record, "config"), &f));
  }
  TRY (restore (call, record));
  TRY (announce (call->source, text_of (record, "interface"), cidr_of (call)));
  *result = json_pack ("{s:s}", "address", cidr_of (call));
  return NULL;
}

static struct err *
target_interface (const struct step_call *call, char **out)
{
  const json_t *look = steps_input (call, "address:%s#look", cidr_of (call));
  *out = mem_strdup (text_of (look, "target_interface"));
  if (*out != NULL)
    return NULL;
  json_t *links CLEANUP_JSON = NULL;
  TRY (links_of (call->target, &links));
  *out = mem_strdup (ip_interface_for (links, cidr_of (call)));
  if (*out == NULL)
    return err_new (ERR_BLOCKED, "RH-ADDRESS-SUBNET",
                    "no interface of the target has an address in the "
                    "network of %s",
                    cidr_of (call));
  return NULL;
}

static struct err *
put_on_target (const struct step_call *call, const char *interface)
{
  const char *cidr = cidr_of (call);
  json_t *argv
      = remote_argv (ARGV ("ip", "addr", "replace", cidr, "dev", interface));
  remote_word (argv, cidr_is_six (cidr) ? "nodad" : "broadcast");
  if (!cidr_is_six (cidr))
    remote_word (argv, "+");
  TRY (remote_must (call->target, argv, NULL, NULL));
  return announce (call->target, interface, cidr);
}

struct err *
address_give (const struct step_call *call, json_t **result)
{
  const char *cidr = cidr_of (call);
  char *interface CLEANUP_FREE = NULL;
  TRY (target_interface (call, &interface));
  TRY (put_on_target (call, interface));
  *result = json_pack ("{s:s,s:s}", "address", cidr, "interface", interface);
  return NULL;
}

static struct err *
on_target (const struct step_call *call, bool *out)
{
  json_t *links CLEANUP_JSON = NULL;
  TRY (links_of (call->target, &links));
  *out = ip_find (links, cidr_of (call), NULL) != NULL;
  return NULL;
}

struct err *
address_give_probe (const struct step_call *call, enum probe_state *out)
{
  bool there;
  TRY (on_target (call, &there));
  /* The announcement may be missing: giving again is harmless. */
  *out = there ? PROBED_PARTIAL : PROBED_NOT_DONE;
  return NULL;
}

struct err *
address_give_undo (const struct step_call *call, json_t **result)
{
  (void)result;
  bool there;
  char *interface CLEANUP_FREE = NULL;
  TRY (on_target (call, &there));
  if (!there)
    return NULL;
  TRY (target_interface (call, &interface));
  struct ran r CLEANUP_RAN = { 0 };
  TRY (remote_run (call->target,
                   remote_argv (ARGV ("ip", "addr", "del", cidr_of (call),
                                      "dev", interface)),
                   NULL, 20000, &r));
  TRY (on_target (call, &there));
  if (there)
    return err_new (ERR_REFUSED, "RH-ADDRESS-STAYS",
                    "%s cannot be taken from the target: %s", cidr_of (call),
                    r.err);
  return NULL;
}

struct err *
address_verify (const struct step_call *call, json_t **result)
{
  json_t *links CLEANUP_JSON = NULL;
  bool there;
  TRY (links_of (call->source, &links));
  TRY (on_target (call, &there));
  if (ip_find (links, cidr_of (call), NULL) != NULL)
    return err_new (ERR_UNEQUAL, "RH-ADDRESS-STAYS",
                    "%s is on the source again", cidr_of (call));
  if (!there)
    return err_new (ERR_UNEQUAL, "RH-ADDRESS-LOST",
                    "%s is not on the target any more", cidr_of (call));
  *result = json_pack ("{s:s}", "address", cidr_of (call));
  return NULL;
}

/* A reboot since the pivot has taken it away: it is given once more. */
struct err *
address_keep (const struct step_call *call, json_t **result)
{
  char *interface CLEANUP_FREE = NULL;
  char *path CLEANUP_FREE = NULL;
  char *content CLEANUP_FREE = NULL;
  TRY (target_interface (call, &interface));
  TRY (
      persist_place (call->target, interface, cidr_of (call), &path, &content));
  json_t *findings CLEANUP_JSON = json_array ();
  if (path != NULL)
    TRY (remote_write (call->target, path, content, strlen (content), 0644));
  else
    json_array_append_new (
        findings, json_sprintf ("%s is on %s of the target now, but not after "
                                "a reboot: configure it",
                                cidr_of (call), interface));
  TRY (put_on_target (call, interface));
  *result = json_pack ("{s:s,s:O}", "config", path == NULL ? "" : path,
                       "findings", findings);
  return NULL;
}

struct err *
address_keep_probe (const struct step_call *call, enum probe_state *out)
{
  (void)call;
  *out = PROBED_PARTIAL; /* repeatable at will: it runs again */
  return NULL;
}

/* The call with the interface that the other host has the address on. */
struct leave {
  struct step_call call;
  struct step step;
  json_t *args;
};

static struct err *
leave_of (const struct step_call *call, struct leave *l)
{
  const json_t *look = steps_input (call, "address:%s#look", cidr_of (call));
  const char *interface = text_of (look, "target_interface");
  if (interface == NULL)
    return err_new (ERR_BUG, "RH-ADDRESS-SUBNET",
                    "no interface of %s on the target is known",
                    cidr_of (call));
  l->args
      = json_pack ("{s:s,s:s}", "move", cidr_of (call), "interface", interface);
  l->step = *call->step;
  l->step.args = l->args;
  l->call = *call;
  l->call.step = &l->step;
  return NULL;
}

static void
leave_clear (struct leave *l)
{
  json_decref (l->args);
}

/* The file that `keep` wrote goes, so that the address stays away when the
 * host starts again.  Where networkd has read it, it is told. */
static struct err *
forget_kept (const struct step_call *call)
{
  const json_t *keep = steps_input (call, "address:%s#keep", cidr_of (call));
  const char *config = text_of (keep, "config");
  struct ran r CLEANUP_RAN = { 0 };
  if (config == NULL || config[0] == '\0')
    return NULL;
  TRY (remote_remove (call->source, config));
  if (strncmp (config, "/etc/systemd/network/", 21) != 0)
    return NULL;
  char *dir CLEANUP_FREE
      = mem_strndup (config, (size_t)(strrchr (config, '/') - config));
  TRY (remote_remove_empty (call->source, dir));
  return remote_run (call->source, remote_argv (ARGV ("networkctl", "reload")),
                     NULL, 20000, &r);
}

static struct err *
keep_again (const struct step_call *call, const char *interface)
{
  char *path CLEANUP_FREE = NULL;
  char *content CLEANUP_FREE = NULL;
  const json_t *keep = steps_input (call, "address:%s#keep", cidr_of (call));
  const char *config = text_of (keep, "config");
  bool there;
  if (config == NULL || config[0] == '\0')
    return NULL;
  TRY (remote_exists (call->source, config, &there));
  if (there)
    return NULL;
  TRY (
      persist_place (call->source, interface, cidr_of (call), &path, &content));
  return path == NULL ? NULL
                      : remote_write (call->source, path, content,
                                      strlen (content), 0644);
}

struct err *
address_leave (const struct step_call *call, json_t **result)
{
  CLEANUP (leave_clear) struct leave l = { 0 };
  json_t *record CLEANUP_JSON = NULL;
  TRY (leave_of (call, &l));
  TRY (address_record (&l.call, l.args, &record));
  TRY (forget_kept (call));
  return address_take (&l.call, result);
}

struct err *
address_leave_probe (const struct step_call *call, enum probe_state *out)
{
  CLEANUP (leave_clear) struct leave l = { 0 };
  TRY (leave_of (call, &l));
  return address_take_probe (&l.call, out);
}

struct err *
address_leave_undo (const struct step_call *call, json_t **result)
{
  CLEANUP (leave_clear) struct leave l = { 0 };
  TRY (leave_of (call, &l));
  TRY (keep_again (call, text_of (l.args, "interface")));
  return address_take_undo (&l.call, result);
}
