/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract suite: takes a plan and its two hosts through every step of
 * every provider, in order, on real servers.  At each step the connection is
 * lost after the first call to a host, after the second, and so on; then the
 * step is probed (which must not say "unknown"), run to its end, and, where
 * it is reversible, undone, with the undo interrupted as well: the servers
 * must then be what they were before the step.
 *
 * usage: contract PLAN AGENT [--walk] [--walk-there] [--walk-back] [--from
 * STEP]
 *                 [--until STEP]
 *   --walk   runs each step once, without interruption
 *   --walk-there, --walk-back  the same for the steps up to the guard, and for
 *            those of the way back
 *   --from   the same for the steps before this one
 * The hosts are those of the plan.  Prints TAP; exit status 0 if all passed.
 */
#include "base/mem.h"
#include "base/text.h"
#include "link/link.h"
#include "provider/provider.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define MIGRATION "contract"
#define TRIES_MAX 60

/* A port that loses its connection with the reply of call `left`. */
struct breaking {
  struct port port;
  struct port *real;
  int *left; /* shared by both hosts; negative: never */
};

static struct err *
lost (const char *name)
{
  return err_new (ERR_TRANSIENT, "RH-LINK-LOST",
                  "the connection to the %s was lost (by the suite)", name);
}

/* True once the connection is gone; counts down otherwise. */
static bool
is_gone (const struct breaking *b)
{
  return *b->left == 0;
}

static bool
loses_reply (const struct breaking *b)
{
  return *b->left > 0 && --*b->left == 0;
}

static struct err *
break_call (struct port *p, const char *verb, const json_t *args,
            void (*tick) (void *ctx, const json_t *progress), void *ctx,
            json_t **result)
{
  struct breaking *b = (struct breaking *)p;
  if (is_gone (b))
    return lost (p->name);
  json_t *said CLEANUP_JSON = NULL;
  TRY (b->real->ops->call (b->real, verb, args, tick, ctx, &said));
  if (loses_reply (b))
    return lost (p->name);
  *result = STEAL (said);
  return NULL;
}

static struct err *
break_pipe (struct port *from, const char *verb_out, const json_t *args_out,
            struct port *to, const char *verb_in, const json_t *args_in,
            void (*tick) (void *ctx, const json_t *progress), void *ctx,
            json_t **result_out, json_t **result_in)
{
  struct breaking *a = (struct breaking *)from;
  struct breaking *b = (struct breaking *)to;
  if (is_gone (a))
    return lost (from->name);
  json_t *out CLEANUP_JSON = NULL;
  json_t *in CLEANUP_JSON = NULL;
  TRY (a->real->ops->pipe (a->real, verb_out, args_out, b->real, verb_in,
                           args_in, tick, ctx, &out, &in));
  if (loses_reply (a))
    return lost (from->name);
  *result_out = STEAL (out);
  *result_in = STEAL (in);
  return NULL;
}

static struct err *
break_read (struct port *p, const char *verb, const json_t *args,
            const struct sink *to, json_t **result)
{
  struct breaking *b = (struct breaking *)p;
  if (is_gone (b))
    return lost (p->name);
  json_t *said CLEANUP_JSON = NULL;
  TRY (b->real->ops->read (b->real, verb, args, to, &said));
  if (loses_reply (b))
    return lost (p->name);
  *result = STEAL (said);
  return NULL;
}

static const struct port_ops break_ops
    = { .call = break_call, .pipe = break_pipe, .read = break_read };

/* What one run of the suite holds. */
struct suite {
  struct plan *plan;
  struct graph *graph;
  struct link *links[2];
  struct breaking ports[2];
  int left;
  json_t *inputs;
  int checks, failed;
};

static void
check (struct suite *s, bool passed, const char *step, const char *what,
       const char *detail)
{
  s->checks++;
  s->failed += !passed;
  printf ("%s %d - %s: %s\n", passed ? "ok" : "not ok", s->checks, step, what);
  if (!passed && detail != NULL)
    printf ("# %s\n", detail);
  fflush (stdout);
}

static void
check_err (struct suite *s, struct err *e, const char *step, const char *what)
{
  char *text CLEANUP_FREE
      = e == NULL ? NULL : mem_printf ("%s: %s", err_code (e), err_message (e));
  check (s, e == NULL, step, what, text);
  err_free (e);
}

/* What a step may have changed on a host, as text. */
static const char shape_script[]
    = "systemctl list-units --all --plain --no-legend --type=service,timer,"
      "socket 'shop-*' 'nginx*' 'cron*' | awk '{print $1,$3}' | "
      "grep -v shop-report.service | grep -v not-found | sort\n"
      "systemctl list-unit-files --no-legend | awk '{print $1,$2}'\n"
      "cd /etc/systemd/system && find . -type f -o -type l | sort | "
      "xargs -r sha256sum 2>/dev/null\n"
      "ip -o addr show | sed 's/valid_lft.*//;s/^[0-9]*: //'\n"
      "ip route show; ip -6 route show | grep -v fe80 | sed 's/expires.*//'\n"
      "find /etc/network /etc/systemd/network -type f -printf "
      "'%p %m %u %g %T@\\n' | sort\n"
      "find /etc/network /etc/systemd/network -type f -exec sha256sum {} + | "
      "sort\n"
      "find /var/spool/cron /etc/cron.d -printf '%p %m %u %g %y\\n' | sort\n"
      "find /var/spool/cron /etc/cron.d -type f -printf '%p %T@\\n' | sort\n"
      "sha256sum /etc/passwd /etc/shadow /etc/group /etc/gshadow\n"
      "grep -E ' /(srv|etc|home|opt|usr)' /proc/mounts\n"
      "ps -eo pid=,stat=,comm= | awk '$2 ~ /^T/ {print $3}' | sort\n"
      "ls /root/REHOME-FROZEN.txt 2>/dev/null\n"
      "command -v mariadb >/dev/null && mariadb -N -e \"SELECT VARIABLE_NAME,"
      " GLOBAL_VALUE FROM information_schema.SYSTEM_VARIABLES WHERE"
      " GLOBAL_VALUE IS NOT NULL AND VARIABLE_NAME NOT LIKE 'GTID%' ORDER BY"
      " 1; SELECT User, Host, JSON_COMPACT(JSON_REMOVE(Priv,"
      " '\\$.account_locked')), IFNULL(JSON_VALUE(Priv, '\\$.account_locked'),"
      " 0) FROM mysql.global_priv ORDER BY 1, 2\""
      " && find /etc/mysql -type f -exec sha256sum {} + | sort\n"
      "command -v psql >/dev/null && cd / && runuser -u postgres -- psql -XAtc"
      " 'SELECT name, setting FROM pg_settings ORDER BY 1' -c 'SELECT rolname,"
      " rolcanlogin, rolpassword FROM pg_authid ORDER BY 1' -c 'SELECT datname,"
      " datallowconn, datconnlimit, setconfig FROM pg_database LEFT JOIN"
      " pg_db_role_setting ON setdatabase = oid ORDER BY 1, 4' -c 'SELECT"
      " slot_name FROM pg_replication_slots'\n"
      "true\n";

static char *
shape_of (struct suite *s, int side)
{
  struct port *p = link_port (s->links[side]);
  json_t *result CLEANUP_JSON = NULL;
  char *coded CLEANUP_FREE
      = text_base64 (shape_script, sizeof shape_script - 1);
  struct err *e
      = port_call (p, "run",
                   json_pack ("{s:[s],s:s}", "argv", "sh", "input", coded),
                   &result);
  unsigned char *out = NULL;
  size_t len = 0;
  const char *text = NULL;
  if (e == NULL)
    e = json_get_str (result, "out", &text);
  if (e == NULL)
    e = text_unbase64 (text, &out, &len);
  char *shape = e == NULL ? mem_strndup ((char *)out, len)
                          : mem_strdup (err_message (e));
  err_free (e);
  free (out);
  return shape;
}

/* The first line in which two shapes differ. */
static char *
first_difference (const char *a, const char *b)
{
  while (*a != '\0' && *b != '\0') {
    size_t n = strcspn (a, "\n");
    size_t m = strcspn (b, "\n");
    if (n != m || strncmp (a, b, n) != 0)
      return mem_printf ("before: %.*s | after: %.*s", (int)n, a, (int)m, b);
    a += n + (a[n] == '\n');
    b += m + (b[m] == '\n');
  }
  if (*a != *b)
    return mem_printf ("before: %.*s | after: %.*s", (int)strcspn (a, "\n"), a,
                       (int)strcspn (b, "\n"), b);
  return NULL;
}

static struct step_call
call_of (struct suite *s, const struct step *step)
{
  return (struct step_call){
    .plan = s->plan,
    .item = step->item < 0 ? NULL : plan_item (s->plan, (size_t)step->item),
    .step = step,
    .attempt = 1,
    .source = &s->ports[0].port,
    .target = &s->ports[1].port,
    .inputs = s->inputs,
    .migration = MIGRATION,
  };
}

static struct err *
run_step (struct suite *s, const struct step *step, int left, json_t **result)
{
  struct step_call call = call_of (s, step);
  s->left = left;
  struct err *e = provider_run (provider_find (step->provider), &call, result);
  s->left = -1;
  return e;
}

static struct err *
undo_step (struct suite *s, const struct step *step, int left)
{
  struct step_call call = call_of (s, step);
  json_t *result CLEANUP_JSON = NULL;
  s->left = left;
  struct err *e
      = provider_undo (provider_find (step->provider), &call, &result);
  s->left = -1;
  return e;
}

static void
probe_step (struct suite *s, const struct step *step)
{
  struct step_call call = call_of (s, step);
  enum probe_state state = PROBED_UNKNOWN;
  struct err *e
      = provider_probe (provider_find (step->provider), &call, &state);
  if (e != NULL)
    check_err (s, e, step->id, "can be probed");
  else if (state == PROBED_UNKNOWN)
    check (s, false, step->id, "a probe knows", NULL);
}

/* Configurations that were written again are newer. */
static void
drop_times (char *shape)
{
  static const char network[] = "/etc/network", networkd[] = "/etc/systemd/net";
  for (char *line = shape; line != NULL && *line != '\0';) {
    char *end = strchr (line, '\n');
    if (strncmp (line, network, sizeof network - 1) == 0
        || strncmp (line, networkd, sizeof networkd - 1) == 0)
      for (char *c = end; c != NULL && c > line && *c != ' '; c--)
        if (*c >= '0' && *c <= '9')
          *c = '0';
    line = end != NULL ? end + 1 : NULL;
  }
}

static void
undo_whole (struct suite *s, const struct step *step, int left, char *before[2])
{
  char what[80];
  err_free (undo_step (s, step, left)); /* interrupted */
  snprintf (what, sizeof what, "undone (lost after %d)", left);
  check_err (s, undo_step (s, step, -1), step->id, what);
  for (int side = 0; side < 2; side++) {
    char *now CLEANUP_FREE = shape_of (s, side);
    if (stage_is_back (step->stage)) {
      drop_times (before[side]);
      drop_times (now);
    }
    char *diff CLEANUP_FREE = first_difference (before[side], now);
    snprintf (what, sizeof what, "the %s is as it was (lost after %d)",
              side == 0 ? "source" : "target", left);
    check (s, diff == NULL, step->id, what, diff);
  }
}

/* The steps of the same stage on which this one is built, again: an undo may
 * have begun theirs (the thaw of a service begins with the freeze's flag). */
static void
run_needs (struct suite *s, const struct step *step)
{
  for (size_t i = 0; step->needs[i] != NULL; i++) {
    const struct step *need = graph_find (s->graph, step->needs[i]);
    if (need == NULL || need->stage != step->stage)
      continue;
    json_t *result CLEANUP_JSON = NULL;
    struct err *e = run_step (s, need, -1, &result);
    if (e != NULL)
      check_err (s, e, need->id, "runs again");
  }
}

/* Interrupted after 0, 1, 2... replies until the run gets through. */
static void
torture (struct suite *s, const struct step *step)
{
  bool reversible = step->cls == STEP_REVERSIBLE;
  char *before[2] = { NULL, NULL };
  for (int side = 0; reversible && side < 2; side++)
    before[side] = shape_of (s, side);
  for (int left = 0; left < TRIES_MAX; left++) {
    json_t *result CLEANUP_JSON = NULL;
    CLEANUP_ERR struct err *e = run_step (s, step, left, &result);
    bool through = e == NULL;
    if (e != NULL && strcmp (err_code (e), "RH-LINK-LOST") != 0) {
      check (s, false, step->id, "reports the loss of a connection as that",
             err_message (e));
      break;
    }
    probe_step (s, step);
    if (reversible && left % 2 == 0) /* undone from the middle */
      undo_whole (s, step, left, before);
    if (reversible)
      run_needs (s, step);
    json_t *whole CLEANUP_JSON = NULL;
    char what[80];
    snprintf (what, sizeof what, "runs to its end (lost after %d)", left);
    check_err (s, run_step (s, step, -1, &whole), step->id, what);
    if (reversible) {
      undo_whole (s, step, left, before);
      run_needs (s, step);
    }
    if (through)
      break;
  }
  free (before[0]);
  free (before[1]);
}

static bool
one_step (struct suite *s, const struct step *step, bool walk)
{
  /* A rehearsal is hundreds of calls, and leaves nothing to be undone. */
  if (!walk && step->stage != STAGE_TEST)
    torture (s, step);
  json_t *result = NULL;
  struct timespec a;
  struct timespec b;
  clock_gettime (CLOCK_MONOTONIC, &a);
  struct err *e = run_step (s, step, -1, &result);
  clock_gettime (CLOCK_MONOTONIC, &b);
  bool passed = e == NULL;
  check_err (s, e, step->id, step->title);
  printf ("# %s %s: %lld ms\n", stage_name (step->stage), step->id,
          (long long)(b.tv_sec - a.tv_sec) * 1000
              + (b.tv_nsec - a.tv_nsec) / 1000000);
  if (passed) {
    char *line CLEANUP_FREE = json_line (result);
    printf ("#   %.300s\n", line);
    json_object_set_new (s->inputs, step->id, result);
  }
  return passed;
}

static struct err *
claim (struct suite *s)
{
  static const char *const names[] = { "source", "target" };
  for (int side = 0; side < 2; side++) {
    json_t *said CLEANUP_JSON = NULL;
    TRY (port_call (link_port (s->links[side]), "fence.claim",
                    json_pack ("{s:s,s:s,s:s,s:s,s:[],s:s,s:s}", "side",
                               names[side], "migration", MIGRATION, "epoch",
                               "1", "controller", "suite", "items", "seq", "0",
                               "hash", plan_hash (s->plan)),
                    &said));
  }
  return NULL;
}

static struct err *
open_hosts (struct suite *s, const char *agent)
{
  const struct plan_host *hosts[2]
      = { plan_source (s->plan), plan_target (s->plan) };
  static const char *const names[2] = { "source", "target" };
  for (int side = 0; side < 2; side++) {
    struct link_where where = { .name = names[side],
                                .host = hosts[side]->host,
                                .via = hosts[side]->via,
                                .machine_id = hosts[side]->machine_id,
                                .host_key = hosts[side]->host_key,
                                .agent_path = agent,
                                .batch = true };
    TRY (link_open (&where, &s->links[side]));
    s->ports[side]
        = (struct breaking){ { .ops = &break_ops, .name = names[side] },
                             link_port (s->links[side]),
                             &s->left };
  }
  return claim (s);
}

struct range {
  enum stage first, last;
  bool walk;
  const char *from, *until;
  bool ended; /* `until` was reached */
};

static struct err *
run_range (struct suite *s, struct range *r)
{
  for (size_t i = 0; i < graph_len (s->graph) && !r->ended; i++) {
    const struct step *step = graph_at (s->graph, i);
    if (step->stage < r->first || step->stage > r->last)
      continue;
    if (r->from != NULL && strcmp (r->from, step->id) == 0)
      r->walk = false;
    if (!one_step (s, step, r->walk))
      return err_new (ERR_REFUSED, "RH-CONTRACT-STOPPED",
                      "%s does not run: the steps behind it were not tried",
                      step->id);
    r->ended = r->until != NULL && strcmp (r->until, step->id) == 0;
  }
  return NULL;
}

/* As a rollback that is given up before its pivot: from the last to the
 * first, and the servers are as they were in the guard. */
static void
undo_back (struct suite *s, char *before[2])
{
  for (size_t i = graph_len (s->graph); i-- > 0;) {
    const struct step *step = graph_at (s->graph, i);
    if (step->stage >= STAGE_BACK_APPLY && step->cls == STEP_REVERSIBLE)
      check_err (s, undo_step (s, step, -1), step->id, "undone at the end");
  }
  for (int side = 0; side < 2; side++) {
    char *now CLEANUP_FREE = shape_of (s, side);
    drop_times (before[side]);
    drop_times (now);
    char *diff CLEANUP_FREE = first_difference (before[side], now);
    check (s, diff == NULL, "move#back-undone",
           side == 0 ? "the source is as it was in the guard"
                     : "the target is as it was in the guard",
           diff);
  }
}

/* There; half the way back, and that undone; and the acceptance. */
static struct err *
whole_suite (struct suite *s, const struct range *all, bool walk_there,
             bool walk_back)
{
  struct range r = *all;
  r.walk |= walk_there;
  r.first = STAGE_PREFLIGHT;
  r.last = STAGE_BACK_ROUND;
  TRY (run_range (s, &r));
  if (!r.ended) {
    char *before[2] = { shape_of (s, 0), shape_of (s, 1) };
    struct range back = { .first = STAGE_BACK_CHECK,
                          .last = STAGE_BACK_OUTSIDE,
                          .walk = (all->walk && r.walk) || walk_back,
                          .until = r.until };
    struct err *e = run_range (s, &back);
    undo_back (s, before);
    free (before[0]);
    free (before[1]);
    TRY (e);
  }
  r.first = r.last = STAGE_ACCEPT;
  return run_range (s, &r);
}

static struct err *
run_suite (struct suite *s, int argc, char **argv)
{
  struct range all = { 0 };
  bool walk_there = false, walk_back = false;
  for (int i = 3; i < argc; i++) {
    all.walk |= strcmp (argv[i], "--walk") == 0;
    walk_there |= strcmp (argv[i], "--walk-there") == 0;
    walk_back |= strcmp (argv[i], "--walk-back") == 0;
    if (strcmp (argv[i], "--until") == 0 && i + 1 < argc)
      all.until = argv[i + 1];
    if (strcmp (argv[i], "--from") == 0 && i + 1 < argc)
      all.from = argv[i + 1];
  }
  all.walk |= all.from != NULL;
  TRY (plan_read (argv[1], provider_kinds (), &s->plan));
  TRY (provider_compile (s->plan, &s->graph));
  TRY (open_hosts (s, argv[2]));
  return whole_suite (s, &all, walk_there, walk_back);
}

int
main (int argc, char **argv)
{
  if (argc < 3) {
    fprintf (stderr, "usage: contract PLAN AGENT [--walk] [--from STEP] "
                     "[--until STEP]\n");
    return 64;
  }
  struct suite s = { .left = -1, .inputs = json_object () };
  struct err *e = run_suite (&s, argc, argv);
  if (e != NULL)
    check_err (&s, e, "suite", "gets to its end");
  printf ("1..%d\n", s.checks);
  for (int side = 0; side < 2; side++)
    link_close (s.links[side]);
  json_decref (s.inputs);
  graph_free (s.graph);
  plan_free (s.plan);
  return s.failed > 0 ? 1 : 0;
}
