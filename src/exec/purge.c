/* SPDX-License-Identifier: Apache-2.0 */
/* Removing what was kept, when its time is over; see purge.h. */
#include "exec/purge.h"

#include "base/log.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "exec/closing.h"
#include "provider/remote.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_MS 86400000LL

/* ---- When ---- */

int64_t
purge_expiry (const struct plan *plan, int64_t ended_ms)
{
  int64_t keep
      = json_integer_value (json_object_get (plan_keeping (plan), "for_ms"));
  return ended_ms > 0 ? ended_ms + keep : 0;
}

int64_t
purge_retention (const struct plan *plan)
{
  struct tm tm = { 0 };
  const char *date
      = json_string_value (json_object_get (plan_keeping (plan), "retention"));
  if (date == NULL || strptime (date, "%Y-%m-%d", &tm) == NULL)
    return 0;
  return (int64_t)timegm (&tm) * 1000 + DAY_MS; /* the day itself counts */
}

static char *
day_of (int64_t ms)
{
  char text[32];
  time_t t = (time_t)(ms / 1000);
  struct tm tm;
  gmtime_r (&t, &tm);
  strftime (text, sizeof text, "%Y-%m-%d %H:%M UTC", &tm);
  return mem_strdup (text);
}

/* ---- The journal, without an owner ---- */

struct ended {
  char *migration;
  uint64_t epoch;
  int64_t at_ms; /* 0: it goes on */
  json_t *begun; /* what a purge had begun to remove and not said that it is
                    gone: NULL, or an array */
};

static bool
is_end (const char *phase)
{
  return strcmp (phase, phase_name (PHASE_ACCEPTED)) == 0
         || strcmp (phase, phase_name (PHASE_ROLLED_BACK)) == 0
         || strcmp (phase, phase_name (PHASE_ABORTED)) == 0;
}

static struct err *
look (void *ctx, const struct record *r, const char *line)
{
  struct ended *e = ctx;
  const char *to = json_string_value (json_object_get (r->data, "to"));
  (void)line;
  if (e->migration == NULL)
    e->migration = mem_strdup (r->migration);
  e->epoch = r->epoch;
  if (r->type == RECORD_PHASE && to != NULL)
    e->at_ms = is_end (to) ? r->time_ms : 0;
  const json_t *purge = json_object_get (r->data, "purge");
  json_t *begins = json_object_get (purge, "begins");
  if (r->type == RECORD_SEAL && begins != NULL && e->begun == NULL)
    e->begun = json_deep_copy (begins);
  if (r->type == RECORD_SEAL && json_object_get (purge, "left") != NULL) {
    json_decref (e->begun);
    e->begun = NULL;
  }
  return NULL;
}

static struct err *
read_end (struct store *s, struct ended *e)
{
  TRY (store_each (s, 0, look, e));
  if (e->at_ms != 0)
    return NULL;
  return err_advise (err_new (ERR_REFUSED, "RH-PURGE-PHASE",
                              "the migration goes on: what it keeps is still "
                              "needed"),
                     "nothing was removed",
                     "accept it, abort it or roll it back first");
}

/* By a reader, so that one is told why while an owner still works. */
static struct err *
look_first (const struct purge *p, struct ended *e)
{
  struct store *s CLEANUP_STORE = NULL;
  TRY (store_open_reader (p->place->dir, &s));
  return read_end (s, e);
}

struct purging {
  const struct purge *p;
  struct closing c;
  int64_t ended_ms;
  json_t *begun;
};

static void
purging_clear (struct purging *g)
{
  json_decref (g->begun);
  closing_clear (&g->c);
}

/* ---- What lies aside ---- */

static struct err *
measure (struct port *host, const char *path, json_t *all)
{
  CLEANUP_JSON json_t *got = NULL;
  TRY (port_call (host, "tree.list",
                  json_pack ("{s:s, s:[], s:s}", "root", path, "exclude",
                             "mode", "full"),
                  &got));
  json_t *digest = json_object_get (got, "digest");
  json_array_append_new (
      all,
      json_pack ("{s:s, s:s, s:O*, s:O*, s:O*}", "host", host->name, "path",
                 path, "entries", json_object_get (got, "entries"), "bytes",
                 json_object_get (got, "bytes"), "digest", digest));
  return NULL;
}

static struct err *
list_side (const struct purging *g, struct port *host, json_t *all)
{
  CLEANUP_JSON json_t *names = NULL;
  CLEANUP_FREE char *aside
      = mem_printf ("/var/lib/rehome/%s/aside", g->c.migration);
  size_t i;
  json_t *one;
  TRY (remote_names (host, aside, &names));
  json_array_foreach (names, i, one)
  {
    CLEANUP_FREE char *path
        = mem_printf ("%s/%s", aside, json_string_value (one));
    TRY (measure (host, path, all));
  }
  return NULL;
}

static struct err *
list_all (const struct purging *g, json_t *all)
{
  TRY (list_side (g, hosts_target (g->c.hosts), all));
  /* A source that is off has nothing of the target's aside. */
  struct err *e = list_side (g, hosts_source (g->c.hosts), all);
  if (e == NULL || !port_is_lost (e))
    return e;
  log_err (LOG_WARN, e);
  err_free (e);
  return NULL;
}

static struct err *
remove_all (const struct purging *g, const json_t *all)
{
  size_t i;
  json_t *one;
  json_array_foreach (all, i, one)
  {
    const char *side = json_string_value (json_object_get (one, "host"));
    struct port *host = strcmp (side, "source") == 0
                            ? hosts_source (g->c.hosts)
                            : hosts_target (g->c.hosts);
    TRY (remote_remove_tree (host, json_string_value (
                                       json_object_get (one, "path"))));
  }
  return NULL;
}

/* Another look shows that it is gone: what is removed is not taken for it. */
static struct err *
prove_gone (struct purging *g, const json_t *all)
{
  CLEANUP_JSON json_t *left = json_array ();
  TRY (list_all (g, left));
  TRY (closing_append (&g->c, RECORD_SEAL, "controller",
                       json_pack ("{s:{s:O, s:O}}", "purge", "removed", all,
                                  "left", left)));
  if (json_array_size (left) == 0)
    return NULL;
  return err_advise (
      err_new (ERR_BLOCKED, "RH-PURGE-LEFT", "something is still there: %s",
               json_string_value (
                   json_object_get (json_array_get (left, 0), "path"))),
      "the journal says what was removed",
      "look who keeps it, then rehome purge again");
}

static bool
is_among (const json_t *all, const json_t *one)
{
  size_t i;
  json_t *other;
  json_array_foreach ((json_t *)(uintptr_t)all, i, other)
  {
    if (json_equal (json_object_get (one, "host"),
                    json_object_get (other, "host"))
        && json_equal (json_object_get (one, "path"),
                       json_object_get (other, "path")))
      return true;
  }
  return false;
}

/* What a purge that was interrupted removed stands in no proof yet: it is in
 * this one's. */
static void
add_begun (const struct purging *g, json_t *all)
{
  CLEANUP_JSON json_t *here = json_copy (all);
  size_t i;
  json_t *one;
  json_array_foreach (g->begun, i, one)
  {
    if (!is_among (here, one))
      json_array_append (all, one);
  }
}

static struct err *
purge_all (struct purging *g, json_t *all)
{
  if (g->p->dry_run)
    return list_all (g, all);
  TRY (closing_take_over (&g->c));
  TRY (list_all (g, all));
  add_begun (g, all);
  if (json_array_size (all) == 0)
    return NULL;
  TRY (closing_append (&g->c, RECORD_SEAL, g->p->actor,
                       json_pack ("{s:{s:O}}", "purge", "begins", all)));
  TRY (remove_all (g, all));
  return prove_gone (g, all);
}

static struct err *
too_early (const struct purging *g)
{
  int64_t expiry = purge_expiry (g->p->plan, g->ended_ms);
  CLEANUP_FREE char *day = day_of (expiry);
  if (g->p->now_ms >= expiry || g->p->dry_run)
    return NULL;
  return err_advise (err_new (ERR_REFUSED, "RH-PURGE-EARLY",
                              "what was kept aside is kept until %s", day),
                     "nothing was removed",
                     "purge it then; the plan's kept: says how long");
}

static struct err *
begin (struct purging *g)
{
  struct ended end = { 0 };
  struct err *e = look_first (g->p, &end);
  g->c.migration = end.migration;
  g->c.epoch = end.epoch;
  g->ended_ms = end.at_ms;
  g->begun = end.begun;
  TRY (e);
  TRY (too_early (g));
  if (!g->p->dry_run)
    TRY (closing_open (&g->c));
  return closing_hosts (&g->c, !g->p->dry_run);
}

struct err *
purge_kept (const struct purge *p, json_t **out)
{
  CLEANUP (purging_clear)
  struct purging g = { .p = p, .c = { .place = p->place, .plan = p->plan } };
  CLEANUP_JSON json_t *all = json_array ();
  TRY (begin (&g));
  struct err *e = purge_all (&g, all);
  if (!p->dry_run)
    hosts_release (g.c.hosts, true);
  TRY (e);
  *out = STEAL (all);
  return NULL;
}

/* ---- The evidence ---- */

static int
drop (const char *path, const struct stat *st, int type, struct FTW *ftw)
{
  (void)st;
  (void)type;
  (void)ftw;
  return remove (path);
}

static struct err *
too_soon (const struct purge *p)
{
  int64_t until = purge_retention (p->plan);
  if (until == 0)
    return err_advise (err_new (ERR_REFUSED, "RH-PURGE-RETENTION",
                                "the plan does not say until when its evidence "
                                "is kept"),
                       "nothing was removed",
                       "evidence without a date is kept; retention: in the "
                       "plan says one");
  CLEANUP_FREE char *day = day_of (until);
  if (p->now_ms < until)
    return err_advise (err_new (ERR_REFUSED, "RH-PURGE-RETENTION",
                                "the evidence is kept until %s", day),
                       "nothing was removed", "purge it then");
  return NULL;
}

struct err *
purge_evidence (const struct purge *p)
{
  struct ended end = { 0 };
  struct store *s CLEANUP_STORE = NULL;
  struct err *e = look_first (p, &end);
  free (end.migration);
  json_decref (end.begun);
  TRY (e);
  TRY (too_soon (p));
  TRY (store_open_writer (p->place->dir, NULL, NULL, 0, &s));
  if (p->dry_run)
    return NULL;
  if (nftw (p->place->dir, drop, 16, FTW_DEPTH | FTW_PHYS) != 0)
    return err_sys (errno, "RH-PURGE-LEFT", "cannot remove all of %s",
                    p->place->dir);
  return NULL;
}
