/* SPDX-License-Identifier: Apache-2.0 */
/* The one process that owns a migration. */
#include "exec/owner.h"

#include "base/log.h"
#include "base/mem.h"
#include "exec/door.h"
#include "exec/hosts.h"
#include "exec/loop.h"
#include "exec/ownkey.h"
#include "exec/unit.h"
#include "host/sshsig.h"
#include "journal/store.h"
#include "provider/provider.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#define LINGER_MS 3000

/* ---- The journal before the owner runs ---- */

struct glance {
  char *migration; /* of the first record */
  char plan_hash[65];
  char waived_hash[65]; /* the plan under which a waiver was recorded last */
  bool planned;
  char phase[32];
  char own_key[64]; /* fingerprint of the one that was approved, or "" */
};

static struct err *
glance_record (void *ctx, const struct record *r, const char *line)
{
  struct glance *g = ctx;
  const char *hash = json_string_value (json_object_get (r->data, "plan"));
  const char *to = json_string_value (json_object_get (r->data, "to"));
  (void)line;
  if (g->migration == NULL)
    g->migration = mem_strdup (r->migration);
  const char *waived = json_string_value (
      json_object_get (json_object_get (r->data, "backup"), "plan"));
  if (r->type == RECORD_WAIVER && waived != NULL)
    snprintf (g->waived_hash, sizeof g->waived_hash, "%s", waived);
  if (r->type == RECORD_PLANNED && hash != NULL) {
    g->planned = true;
    g->waived_hash[0] = '\0';
    snprintf (g->plan_hash, sizeof g->plan_hash, "%s", hash);
  }
  const json_t *key = json_object_get (r->data, "own_key");
  if (r->type == RECORD_APPROVE && key != NULL) {
    bool gone = json_is_true (json_object_get (key, "removed"));
    const char *print
        = json_string_value (json_object_get (key, "fingerprint"));
    snprintf (g->own_key, sizeof g->own_key, "%s",
              gone || print == NULL ? "" : print);
  }
  if (r->type == RECORD_PHASE && to != NULL)
    snprintf (g->phase, sizeof g->phase, "%s", to);
  return NULL;
}

static bool
plan_may_change (const char *phase)
{
  static const enum phase open_phases[]
      = { PHASE_PLANNED, PHASE_SYNCING, PHASE_ABORTED };
  if (phase[0] == '\0')
    return true;
  for (size_t i = 0; i < sizeof open_phases / sizeof *open_phases; i++)
    if (strcmp (phase, phase_name (open_phases[i])) == 0)
      return true;
  return false;
}

static struct err *
read_plan (struct store *s, const char *name, struct plan **out)
{
  CLEANUP_FREE char *text = NULL;
  size_t len = 0;
  TRY (store_plan (s, &text, &len));
  /* It was checked when it was taken in; it may be a copy's. */
  return plan_parse_copy (text, len, name, provider_kinds (), out);
}

struct err *
owner_plan_hash (const struct place *p, char out[65])
{
  CLEANUP_STORE struct store *s = NULL;
  CLEANUP_PLAN struct plan *plan = NULL;
  TRY (store_open_reader (p->dir, &s));
  TRY (read_plan (s, p->name, &plan));
  snprintf (out, 65, "%s", plan_hash (plan));
  return NULL;
}

static bool
has_journal (const struct place *p)
{
  struct stat st;
  CLEANUP_FREE char *path = mem_printf ("%s/journal.db", p->dir);
  return stat (path, &st) == 0 && st.st_size > 0;
}

static struct err *
check_replan (struct store *s)
{
  struct glance g = { .phase = "" };
  struct err *e = store_each (s, 0, glance_record, &g);
  if (e == NULL && !plan_may_change (g.phase))
    e = err_advise (err_new (ERR_REFUSED, "RH-EXEC-FROZEN",
                             "the plan was changed, but its migration is %s",
                             g.phase),
                    "the migration follows the plan that it began with",
                    "go on with the old plan, or abort first");
  free (g.migration);
  return e;
}

struct err *
owner_may_replan (const struct place *p)
{
  CLEANUP_STORE struct store *s = NULL;
  TRY (store_open_reader (p->dir, &s));
  return check_replan (s);
}

static struct err *
replace_plan (struct place *p, const struct plan *plan, bool copy)
{
  CLEANUP_STORE struct store *s = NULL;
  size_t len = 0;
  const char *text = plan_text (plan, &len);
  TRY (store_open_writer (p->dir, NULL, NULL, 0, &s));
  if (!copy) /* which only copies, and may always begin anew */
    TRY (check_replan (s));
  return store_replace_plan (s, text, len);
}

static struct err *
begin_journal (const struct place *p, const struct plan *plan)
{
  CLEANUP_STORE struct store *s = NULL;
  CLEANUP_FREE char *migration
      = place_migration (plan_name (plan), plan_hash (plan));
  size_t len = 0;
  const char *text = plan_text (plan, &len);
  return store_open_writer (p->dir, migration, text, len, &s);
}

struct err *
owner_prepare (struct place *p, const struct plan *plan, bool copy,
               bool *changed)
{
  char hash[65];
  *changed = false;
  TRY (place_make (p));
  if (!has_journal (p))
    return begin_journal (p, plan);
  struct err *e = owner_plan_hash (p, hash);
  if (e != NULL && strcmp (err_code (e), "RH-JOURNAL-NONE") == 0) {
    err_free (e); /* whoever began it was killed before it was whole */
    return begin_journal (p, plan);
  }
  TRY (e);
  if (strcmp (hash, plan_hash (plan)) == 0)
    return NULL;
  *changed = true;
  return replace_plan (p, plan, copy);
}

/* ---- Running ---- */

struct owner {
  struct place place;
  struct store *store;
  struct plan *plan;
  struct graph *graph;
  struct glance seen;
  struct hub *hub;
  struct hosts *hosts;
  struct loop *loop;
  struct door *door;
  char *agent;
  char *identity; /* where the migration's own key lies, if it has one */
  pthread_t signals;
  bool has_signals;
};

static void
on_head (void *ctx, uint64_t seq, const char *hash, enum head_kind kind)
{
  hosts_head (ctx, seq, hash, kind);
}

static struct err *
open_all (struct owner *w, const struct owner_options *o)
{
  TRY (place_find (o->state, o->name, &w->place));
  TRY (place_make (&w->place));
  TRY (store_open_writer (w->place.dir, NULL, NULL, 0, &w->store));
  TRY (read_plan (w->store, o->name, &w->plan));
  TRY (provider_compile (w->plan, &w->graph));
  TRY (place_agent (&w->agent));
  w->identity = ownkey_file (&w->place);
  TRY (store_each (w->store, 0, glance_record, &w->seen));
  if (w->seen.migration == NULL)
    w->seen.migration
        = place_migration (plan_name (w->plan), plan_hash (w->plan));
  w->hub = hub_new ();
  struct hosts_where where = { .plan = w->plan,
                               .migration = w->seen.migration,
                               .controller = w->place.controller,
                               .agent_path = w->agent,
                               .journal = w->place.dir,
                               .batch = o->batch,
                               .identity = w->identity };
  w->hosts = hosts_new (&where);
  struct loop_parts parts = { .store = w->store,
                              .plan = w->plan,
                              .graph = w->graph,
                              .limits = plan_limits (w->plan),
                              .migration = w->seen.migration,
                              .source = hosts_source (w->hosts),
                              .target = hosts_target (w->hosts),
                              .controller = hosts_controller (w->hosts),
                              .find = provider_find,
                              .hub = w->hub,
                              .witnessed = true,
                              .on_head = on_head,
                              .ctx = w->hosts,
                              .linger_ms = LINGER_MS };
  w->loop = loop_new (&parts);
  return NULL;
}

static json_t *
roles_of (const struct plan *plan)
{
  json_t *roles = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (plan_approvals (plan), i, one)
      json_array_append (roles, json_object_get (one, "role"));
  return roles;
}

static struct err *
record_plan (struct owner *w)
{
  if (w->seen.planned && strcmp (w->seen.plan_hash, plan_hash (w->plan)) == 0)
    return NULL;
  const json_t *backup = plan_backup (w->plan);
  const char *shown = json_object_get (backup, "waiver") != NULL  ? "waiver"
                      : json_object_get (backup, "check") != NULL ? "check"
                                                                  : "missing";
  return loop_append (w->loop, RECORD_PLANNED, "controller",
                      json_pack ("{s:s, s:s, s:I, s:I, s:o, s:s}", "plan",
                                 plan_hash (w->plan), "name",
                                 plan_name (w->plan), "items",
                                 (json_int_t)plan_item_count (w->plan), "steps",
                                 (json_int_t)graph_len (w->graph), "approvals",
                                 roles_of (w->plan), "backup", shown));
}

/* Who goes without a restored backup, and why: once for each plan. */
static struct err *
record_waiver (struct owner *w)
{
  const json_t *waiver = json_object_get (plan_backup (w->plan), "waiver");
  if (waiver == NULL || strcmp (w->seen.waived_hash, plan_hash (w->plan)) == 0)
    return NULL;
  return loop_append (w->loop, RECORD_WAIVER, "controller",
                      json_pack ("{s:{s:O, s:O, s:s}}", "backup", "by",
                                 json_object_get (waiver, "by"), "reason",
                                 json_object_get (waiver, "reason"), "plan",
                                 plan_hash (w->plan)));
}

/* The key that signs this migration's bundle: its public half stands in the
 * chain.  Without ssh-keygen there is none, and no bundle. */
static char *
evidence_key (const struct place *p)
{
  CLEANUP_FREE char *path = place_evidence_key (p);
  char *public_key = NULL;
  CLEANUP_ERR struct err *e = sshsig_make_key (path, p->name);
  if (e == NULL)
    e = sshsig_public (path, &public_key);
  if (e != NULL)
    log_err (LOG_WARN, e);
  return public_key;
}

/* A key of the migration's own that a person approved with rehome check. */
static struct err *
record_key (struct owner *w)
{
  CLEANUP_JSON json_t *key = NULL;
  TRY (ownkey_facts (&w->place, &key));
  const char *print = json_string_value (json_object_get (key, "fingerprint"));
  if (print == NULL || strcmp (print, w->seen.own_key) == 0)
    return NULL;
  snprintf (w->seen.own_key, sizeof w->seen.own_key, "%s", print);
  return loop_append (w->loop, RECORD_APPROVE, "operator",
                      json_pack ("{s:O}", "own_key", key));
}

/* At the end of a migration; a host that is gone keeps its line, which the
 * journal then says. */
static void
remove_key (struct owner *w)
{
  CLEANUP_JSON json_t *key = NULL;
  CLEANUP_ERR struct err *e = ownkey_facts (&w->place, &key);
  if (e == NULL && key == NULL)
    return;
  if (e == NULL)
    e = record_key (w); /* approved while this owner ran */
  if (e == NULL)
    e = ownkey_remove (&w->place, w->hosts);
  if (e != NULL)
    log_err (LOG_WARN, e);
  if (key == NULL)
    return;
  json_object_set_new (key, "removed", json_boolean (e == NULL));
  CLEANUP_ERR struct err *f
      = loop_append (w->loop, RECORD_APPROVE, "controller",
                     json_pack ("{s:O}", "own_key", key));
  if (f != NULL)
    log_err (LOG_WARN, f);
}

static struct err *
take_over (struct owner *w)
{
  CLEANUP_FREE char *key = evidence_key (&w->place);
  TRY (loop_replay (w->loop));
  hosts_epoch (w->hosts, loop_epoch (w->loop));
  TRY (loop_append (w->loop, RECORD_CLAIMED, "controller",
                    json_pack ("{s:s, s:I, s:s*}", "controller",
                               w->place.controller, "pid",
                               (json_int_t)getpid (), "evidence_key", key)));
  TRY (record_plan (w));
  TRY (record_waiver (w));
  TRY (record_key (w));
  struct door_parts parts = { .dir = w->place.dir,
                              .socket = w->place.socket,
                              .hub = w->hub,
                              .loop = w->loop,
                              .plan = w->plan,
                              .migration = w->seen.migration };
  return door_open (&parts, &w->door);
}

static void *
signal_thread (void *arg)
{
  struct loop *l = arg;
  sigset_t set;
  int sig = 0;
  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGUSR2); /* the owner itself: no longer needed */
  sigwait (&set, &sig);
  if (sig != SIGUSR2)
    log_line (LOG_INFO, "asked to end by signal %d", sig);
  loop_stop (l);
  return NULL;
}

static void
block_signals (void)
{
  sigset_t set;
  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGHUP);
  sigaddset (&set, SIGUSR2);
  sigaddset (&set, SIGPIPE);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
}

/* True when all is freed. */
static bool
close_all (struct owner *w)
{
  if (w->hosts != NULL)
    hosts_stop (w->hosts);
  if (w->hub != NULL)
    hub_close (w->hub);
  /* The hosts are let go before those who watch see the end. */
  if (w->loop == NULL || loop_is_quiet (w->loop)) {
    hosts_free (w->hosts);
    w->hosts = NULL;
  }
  door_close (w->door);
  if (w->has_signals) {
    pthread_kill (w->signals, SIGUSR2);
    pthread_join (w->signals, NULL);
  }
  store_close (w->store);
  bool all = loop_free (w->loop);
  if (all) {
    hosts_free (w->hosts);
    hub_free (w->hub);
    graph_free (w->graph);
    plan_free (w->plan);
    free (w->seen.migration);
    free (w->agent);
    free (w->identity);
    place_clear (&w->place);
  }
  return all;
}

struct err *
owner_run (const struct owner_options *o, bool *left)
{
  struct owner w = { .seen = { .phase = "" } };
  block_signals ();
  struct err *e = open_all (&w, o);
  if (e == NULL)
    e = take_over (&w);
  if (e == NULL) {
    w.has_signals
        = pthread_create (&w.signals, NULL, signal_thread, w.loop) == 0;
    unit_ready (&w.place);
    log_line (LOG_INFO, "owns %s, epoch %llu", w.seen.migration,
              (unsigned long long)loop_epoch (w.loop));
    e = loop_run (w.loop);
  }
  if (e != NULL && w.place.error != NULL)
    unit_failed (&w.place, e);
  if (e == NULL && loop_is_over (w.loop)) {
    if (loop_is_finished (w.loop) || loop_is_aborted (w.loop))
      remove_key (&w);
    if (loop_is_finished (w.loop) || loop_is_aborted (w.loop))
      hosts_release (w.hosts, true);
    else
      hosts_end_keepers (w.hosts);
    unit_over (&w.place);
  }
  *left = !close_all (&w);
  return e;
}
