/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address provider (plan section "switch"): an address goes from the
 * source to the target, gate still closed, and comes back exactly as it was.
 * What the source had is recorded on it before the change; the target keeps
 * the address across reboots only once it is open.
 */
#include "provider/address.h"

#include "base/mem.h"
#include "plan/check.h"
#include "provider/address_client.h"
#include "provider/address_config.h"
#include "provider/address_ip.h"
#include "provider/address_persist.h"
#include "provider/address_switch.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

struct err *
address_list_global (struct port *p, json_t **out)
{
  json_t *links CLEANUP_JSON = NULL;
  TRY (
      remote_json (p, remote_argv (ARGV ("ip", "-j", "addr", "show")), &links));
  *out = json_array ();
  size_t i;
  size_t k;
  json_t *link;
  json_t *one;
  json_array_foreach (links, i, link)
  {
    json_array_foreach (json_at (link, "addr_info"), k, one)
    {
      const char *scope = json_string_value (json_at (one, "scope"));
      const char *local = json_string_value (json_at (one, "local"));
      if (scope != NULL && local != NULL && strcmp (scope, "global") == 0)
        words_add (*out, local);
    }
  }
  return NULL;
}

char *
address_record_path (const struct step_call *call, const char *cidr)
{
  char *slug CLEANUP_FREE = cidr_slug (cidr);
  return steps_path (call, "freeze/address-%s.json", slug);
}

static char *
config_path (const struct step_call *call, const char *cidr)
{
  char *slug CLEANUP_FREE = cidr_slug (cidr);
  return steps_path (call, "freeze/address-%s.config", slug);
}

static struct err *
routes_of (struct port *p, const char *interface, const char *cidr,
           json_t **out)
{
  return remote_json (p,
                      remote_argv (ARGV ("ip", "-j",
                                         cidr_is_six (cidr) ? "-6" : "-4",
                                         "route", "show", "dev", interface)),
                      out);
}

/* The configuration's file is kept as a copy, so that `cp -p` restores it. */
static struct err *
keep_config (const struct step_call *call, const char *cidr,
             const char *interface, json_t *record)
{
  struct persist persist CLEANUP_PERSIST = { 0 };
  TRY (persist_find (call->source, interface, cidr, &persist));
  json_object_set_new (record, "kind", json_string (persist.kind));
  if (persist.path == NULL)
    return NULL;
  char *copy CLEANUP_FREE = config_path (call, cidr);
  TRY (remote_put (call->source, copy, &persist.file));
  json_object_set_new (record, "config", json_string (persist.path));
  json_object_set_new (record, "copy", json_string (copy));
  return NULL;
}

struct err *
address_record (const struct step_call *call, const json_t *move,
                json_t **record)
{
  const char *cidr;
  const char *interface;
  TRY (json_get_str (move, "move", &cidr));
  TRY (json_get_str (move, "interface", &interface));
  char *path CLEANUP_FREE = address_record_path (call, cidr);
  TRY (remote_recall (call->source, path, record));
  if (*record != NULL)
    return NULL;
  json_t *links CLEANUP_JSON = NULL;
  json_t *routes CLEANUP_JSON = NULL;
  TRY (remote_json (call->source,
                    remote_argv (
                        ARGV ("ip", "-j", "addr", "show", "dev", interface)),
                    &links));
  TRY (routes_of (call->source, interface, cidr, &routes));
  if (ip_find (links, cidr, NULL) == NULL)
    return err_new (ERR_BLOCKED, "RH-ADDRESS-ABSENT",
                    "%s is not on %s of the source", cidr, interface);
  json_t *made CLEANUP_JSON
      = json_pack ("{s:s,s:s,s:o,s:O}", "cidr", cidr, "interface", interface,
                   "addresses", ip_family (links, interface, cidr), "routes",
                   routes);
  TRY (keep_config (call, cidr, interface, made));
  TRY (remote_record (call->source, path, made));
  *record = STEAL (made);
  return NULL;
}

/* Does one of our own connections to the source run over the address?  The
 * agents' ancestors hold them; ss says whose socket is whose. */
static struct err *
reached_by (const struct step_call *call, const char *address, bool *out)
{
  json_t *all CLEANUP_JSON = NULL;
  struct ran r CLEANUP_RAN = { 0 };
  TRY (port_call (call->source, "process.list", json_object (), &all));
  json_t *own CLEANUP_JSON = steps_agent_pids (json_at (all, "processes"));
  TRY (remote_run (call->source,
                   remote_argv (ARGV ("ss", "-Htnp", "state", "established")),
                   NULL, 20000, &r));
  *out = false;
  char *rest = r.out;
  for (char *line; (line = strsep (&rest, "\n")) != NULL;) {
    char *word[3] = { NULL };
    size_t n = 0;
    char *users = strstr (line, "users:");
    for (char *w = line, *next; w != NULL && n < 3; w = next) {
      next = w + strcspn (w, " \t");
      next = *next == '\0' ? NULL : next;
      if (next != NULL) {
        *next++ = '\0';
        next += strspn (next, " \t");
      }
      if (w[0] != '\0')
        word[n++] = w;
    }
    if (word[2] == NULL || users == NULL)
      continue;
    char *colon = strrchr (word[2], ':');
    if (colon != NULL)
      *colon = '\0';
    const char *local = word[2][0] == '[' ? word[2] + 1 : word[2];
    size_t len = strcspn (local, "]%");
    const char *mapped = strncmp (local, "::ffff:", 7) == 0 ? local + 7 : local;
    len -= (size_t)(mapped - local);
    if (strlen (address) != len || strncmp (mapped, address, len) != 0)
      continue;
    for (const char *pid = users; (pid = strstr (pid, "pid=")) != NULL;
         pid += 4)
    {
      char *key CLEANUP_FREE
          = mem_strndup (pid + 4, strspn (pid + 4, "0123456789"));
      *out |= json_object_get (own, key) != NULL;
    }
  }
  return NULL;
}

/* The name in the plan, without the user. */
static bool
host_is (const char *host, const char *address)
{
  if (host == NULL)
    return false;
  const char *at = strrchr (host, '@');
  const char *name = at == NULL ? host : at + 1;
  if (name[0] == '[') {
    size_t len = strcspn (name + 1, "]");
    return strlen (address) == len && strncmp (name + 1, address, len) == 0;
  }
  return strcmp (name, address) == 0;
}

static struct err *
check_management (const struct step_call *call, const char *cidr)
{
  const struct plan_host *host = plan_source (call->plan);
  char *address CLEANUP_FREE = cidr_address (cidr);
  const char *used = host->via != NULL ? host->via : host->host;
  bool over = host_is (used, address);
  if (!over && strcmp (host->host, "local") != 0)
    TRY (reached_by (call, address, &over));
  if (!over)
    return NULL;
  return err_todo (err_new (ERR_BLOCKED, "RH-ADDRESS-MANAGEMENT",
                            "the source is reached by %s, which is the "
                            "address that moves",
                            address),
                   "give the source another address for management and write "
                   "it in the plan: source: {host: %s, via: ADDRESS}",
                   host->host);
}

/* The entry on the source: there, on the interface, not from DHCP. */
static struct err *
check_source (const struct step_call *call, const char *cidr,
              const char *interface)
{
  json_t *links CLEANUP_JSON = NULL;
  TRY (remote_json (call->source,
                    remote_argv (ARGV ("ip", "-j", "addr", "show")), &links));
  const char *where = NULL;
  const json_t *entry = ip_find (links, cidr, &where);
  const char *slash = strchr (cidr, '/');
  if (entry == NULL || where == NULL || strcmp (where, interface) != 0)
    return err_todo (err_new (ERR_BLOCKED, "RH-ADDRESS-ABSENT",
                              "%s is not on %s of the source", cidr, interface),
                     "look at 'ip addr' on the source and correct the plan");
  if (slash != NULL
      && atoi (slash + 1)
             != (int)json_integer_value (json_at (entry, "prefixlen")))
    return err_new (ERR_BLOCKED, "RH-ADDRESS-ABSENT",
                    "the source has %s with prefix length %lld", cidr,
                    (long long)json_integer_value (
                        json_at (entry, "prefixlen")));
  if (json_is_true (json_at (entry, "dynamic")))
    return err_todo (err_new (ERR_BLOCKED, "RH-ADDRESS-DHCP",
                              "%s was given to the source by DHCP or router "
                              "advertisement: it would come back",
                              cidr),
                     "configure it as a static address first");
  return NULL;
}

/* The target has an interface in the same network, and not the address. */
static struct err *
check_target (const struct step_call *call, const char *cidr, json_t **found)
{
  json_t *links CLEANUP_JSON = NULL;
  TRY (remote_json (call->target,
                    remote_argv (ARGV ("ip", "-j", "addr", "show")), &links));
  if (ip_find (links, cidr, NULL) != NULL)
    return err_new (ERR_BLOCKED, "RH-ADDRESS-INWAY",
                    "the target already has %s", cidr);
  const char *interface = ip_interface_for (links, cidr);
  if (interface == NULL)
    return err_todo (err_new (ERR_BLOCKED, "RH-ADDRESS-SUBNET",
                              "no interface of the target has an address in "
                              "the network of %s",
                              cidr),
                     "connect the target to that network and give it an "
                     "address of its own there");
  *found = json_string (interface);
  return NULL;
}

/* Checks from outside on an address of this network: who asks them? */
static struct err *
check_client (const struct step_call *call, const char *cidr, json_t *findings)
{
  const json_t *switches = plan_switch (call->plan);
  size_t i;
  json_t *one;
  json_array_foreach (plan_smoke (call->plan), i, one)
  {
    const char *side = json_string_value (json_at (one, "from"));
    char *host CLEANUP_FREE = client_host (one);
    const char *first = host == NULL ? NULL : client_switch (switches, host);
    if (side == NULL || strcmp (side, "controller") != 0 || first == NULL
        || strcmp (first, cidr) != 0)
      continue;
    char *words CLEANUP_FREE = check_words (one);
    struct port *asks = NULL;
    enum client_way way;
    TRY (client_find (call, one, &asks, &way));
    if (way == CLIENT_NONE)
      return err_todo (
          err_new (ERR_BLOCKED, "RH-MOVE-CLIENT",
                   "nobody outside the target can ask %s: the source asks as "
                   "a client, and it keeps no address or route that leads "
                   "there",
                   words),
          "keep an address of that network on the source, move from a third "
          "host that has one, or take this check out and try the address "
          "yourself during the guard");
    if (way == CLIENT_ROUTE)
      json_array_append_new (
          findings, json_sprintf ("%s will be asked by the %s through a "
                                  "gateway: it keeps no address of that "
                                  "network",
                                  words, asks->name));
  }
  return NULL;
}

static struct err *
run_look (const struct step_call *call, json_t **result)
{
  const char *cidr;
  const char *interface;
  TRY (json_get_str (call->step->args, "move", &cidr));
  TRY (json_get_str (call->step->args, "interface", &interface));
  TRY (check_source (call, cidr, interface));
  TRY (check_management (call, cidr));
  json_t *there CLEANUP_JSON = NULL;
  TRY (check_target (call, cidr, &there));
  struct persist persist CLEANUP_PERSIST = { 0 };
  TRY (persist_find (call->source, interface, cidr, &persist));
  char *path CLEANUP_FREE = NULL;
  char *content CLEANUP_FREE = NULL;
  TRY (persist_place (call->target, json_string_value (there), cidr, &path,
                      &content));
  json_t *findings CLEANUP_JSON = json_array ();
  TRY (check_client (call, cidr, findings));
  if (path == NULL)
    json_array_append_new (
        findings, json_sprintf ("the network configuration of the target is "
                                "not one that rehome edits: %s will not be on "
                                "it after a reboot until you configure it",
                                cidr));
  if (persist.path == NULL)
    json_array_append_new (
        findings, json_sprintf ("%s stands in no configuration of the source "
                                "that rehome knows: it was set by hand",
                                cidr));
  *result = json_pack ("{s:s,s:O,s:s,s:O}", "address", cidr, "target_interface",
                       there, "source_config",
                       persist.path == NULL ? "" : persist.path, "findings",
                       findings);
  return NULL;
}

static const struct step_row rows[] = {
  { "look", "%s can move", STAGE_PREFLIGHT, STEP_PURE, SIDE_BOTH, 60000 },
  { "take", "%s taken from the source", STAGE_SWITCH, STEP_REVERSIBLE,
    SIDE_SOURCE, 30000 },
  { "give", "%s given to the target", STAGE_SWITCH, STEP_REVERSIBLE,
    SIDE_TARGET, 30000 },
  { "verify", "%s is on the target alone", STAGE_OUTSIDE, STEP_PURE, SIDE_BOTH,
    30000 },
  { "keep", "%s stays on the target across reboots", STAGE_OPEN, STEP_FORWARD,
    SIDE_TARGET, 30000 },
  { "back-take", "%s taken from the target", STAGE_BACK_SWITCH, STEP_REVERSIBLE,
    SIDE_TARGET, 30000 },
  { "back-give", "%s on the source again, as it was", STAGE_BACK_SWITCH,
    STEP_REVERSIBLE, SIDE_SOURCE, 30000 },
  { "back-verify", "%s is on the source alone", STAGE_BACK_OUTSIDE, STEP_PURE,
    SIDE_BOTH, 30000 },
};

/* One take after the other, then one give after the other: they share an
 * interface and a configuration, and the way back must not bring one home
 * while the target has it. */
static void
order_of (const char *op, const json_t *switches, const char *prefix,
          struct needs *needs)
{
  bool back = strncmp (op, "back-", 5) == 0;
  const char *plain = back ? op + 5 : op, *way = back ? "back-" : "";
  bool take = strcmp (plain, "take") == 0;
  bool give = strcmp (plain, "give") == 0;
  bool before = true;
  size_t i;
  json_t *one;
  json_array_foreach (switches, i, one)
  {
    const char *cidr
        = json_string_value (json_at (json_at (one, "address"), "move"));
    if (cidr == NULL)
      continue;
    before = before && strcmp (prefix + strlen ("address:"), cidr) != 0;
    if (give || (take && before))
      needs_add (needs, "address:%s#%stake", cidr, way);
    if (give && before)
      needs_add (needs, "address:%s#%sgive", cidr, way);
  }
}

static struct err *
describe_one (const json_t *switches, const json_t *move, struct graph *g)
{
  const char *cidr;
  TRY (json_get_str (move, "move", &cidr));
  char *prefix CLEANUP_FREE = mem_printf ("address:%s", cidr);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct needs needs CLEANUP_NEEDS = { 0 };
    order_of (rows[i].op, switches, prefix, &needs);
    TRY (steps_add (g, &rows[i], "address", prefix, cidr, -1, move, &needs));
  }
  return NULL;
}

static struct err *
describe (const struct plan *plan, const struct plan_item *item,
          struct graph *g)
{
  (void)item;
  size_t i;
  json_t *one;
  json_array_foreach (plan_switch (plan), i, one)
  {
    const json_t *move = json_at (one, "address");
    if (move != NULL)
      TRY (describe_one (plan_switch (plan), move, g));
  }
  return NULL;
}

static const struct step_op ops[] = {
  { "look", run_look, NULL, NULL },
  { "take", address_take, address_take_probe, address_take_undo },
  { "give", address_give, address_give_probe, address_give_undo },
  { "verify", address_verify, NULL, NULL },
  { "keep", address_keep, address_keep_probe, NULL },
  { "leave", address_leave, address_leave_probe, address_leave_undo },
  { NULL, NULL, NULL, NULL },
};

static const struct back_op back_ops[] = {
  { "back-take", BACK_MIRRORED, "leave" },
  { "back-give", BACK_UNDONE, "take" },
  { "back-verify", BACK_MIRRORED, "verify" },
  { NULL, BACK_MIRRORED, NULL },
};

const struct provider provider_address = {
  .kind = { "address", NULL, NULL },
  .about = "addresses that move with the work",
  .describe = describe,
  .ops = ops,
  .back_ops = back_ops,
  .reverse = REVERSE_EMPTY,
  .discover = NULL,
};
