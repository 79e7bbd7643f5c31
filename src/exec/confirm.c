/* SPDX-License-Identifier: Apache-2.0 */
/* A rebooted target asks its source; see confirm.h. */
#include "exec/confirm.h"

#include "base/mem.h"
#include "exec/clock.h"
#include "exec/hosts.h"
#include "exec/ownkey.h"
#include "exec/place.h"
#include "journal/store.h"
#include "provider/move.h"

#include <string.h>
#include <time.h>

#define AGAIN_MS 1000

struct asker {
  struct place place;
  struct plan *plan;
  struct hosts *hosts;
  char *agent, *identity, *migration;
  uint64_t epoch;
  json_t *kept; /* what brings an address at boot: its file, by address */
};

static void
note_kept (struct asker *a, const struct record *r)
{
  static const char kind[] = "address:", op[] = "#keep";
  const char *config = json_string_value (
      json_object_get (json_object_get (r->data, "result"), "config"));
  const char *hash = r->step != NULL ? strrchr (r->step, '#') : NULL;
  if (r->type != RECORD_OUTCOME || config == NULL || hash == NULL
      || strncmp (r->step, kind, strlen (kind)) != 0 || strcmp (hash, op) != 0)
    return;
  CLEANUP_FREE char *cidr
      = mem_strndup (r->step + strlen (kind),
                     (size_t)(hash - r->step) - strlen (kind));
  json_object_set_new (a->kept, cidr, json_string (config));
}

static struct err *
read_record (void *ctx, const struct record *r, const char *line)
{
  struct asker *a = ctx;
  (void)line;
  a->epoch = r->epoch;
  note_kept (a, r);
  if (a->migration == NULL)
    a->migration = mem_strdup (r->migration);
  return NULL;
}

/* An owner that starts beside this one claims the source by an epoch that is
 * in the journal before: so it is read after the source has answered. */
static struct err *
read_journal (struct asker *a, const char *name)
{
  CLEANUP_STORE struct store *s = NULL;
  CLEANUP_FREE char *text = NULL;
  size_t len = 0;
  TRY (store_open_reader (a->place.dir, &s));
  TRY (store_each (s, 0, read_record, a));
  if (a->plan != NULL)
    return NULL;
  TRY (store_plan (s, &text, &len));
  return plan_parse_copy (text, len, name, provider_kinds (), &a->plan);
}

static struct err *
begin (struct asker *a, const struct confirm_options *o)
{
  TRY (place_find (o->state, o->name, &a->place));
  TRY (read_journal (a, o->name));
  if (a->migration == NULL)
    return err_new (ERR_CORRECT, "RH-CLI-NOJOURNAL",
                    "nothing was begun under the name %s", o->name);
  TRY (place_agent (&a->agent));
  a->identity = ownkey_file (&a->place);
  struct hosts_where where = { .plan = a->plan,
                               .agent_path = a->agent,
                               .batch = true,
                               .identity = a->identity };
  a->hosts = hosts_new (&where);
  return NULL;
}

static void
asker_clear (struct asker *a)
{
  hosts_free (a->hosts);
  plan_free (a->plan);
  place_clear (&a->place);
  free (a->agent);
  free (a->identity);
  free (a->migration);
  json_decref (a->kept);
}

static struct err *
ask_once (struct asker *a, const char *name, char **why)
{
  struct port *source = hosts_source (a->hosts);
  TRY (move_confirm_ask (source, a->migration, INT64_MAX, why));
  if (*why != NULL)
    return NULL;
  TRY (read_journal (a, name));
  return move_confirm_ask (source, a->migration, (int64_t)a->epoch, why);
}

/* *answered: the source said something. */
static void
ask (struct asker *a, const struct confirm_options *o, bool *answered,
     char **why)
{
  int64_t until = clock_boot_ms () + o->wait_ms;
  struct timespec nap = { AGAIN_MS / 1000, AGAIN_MS % 1000 * 1000000L };
  for (;;) {
    CLEANUP_ERR struct err *e = ask_once (a, o->name, why);
    *answered = e == NULL;
    if (e == NULL)
      return;
    free (*why);
    *why = mem_strdup (err_message (e));
    if (clock_boot_ms () >= until)
      return;
    nanosleep (&nap, NULL);
  }
}

static struct err *
decide (struct asker *a, const struct confirm_options *o, enum confirm_end *out,
        char **why)
{
  struct port *target = hosts_target (a->hosts);
  enum confirm_due due;
  bool answered = false;
  TRY (move_confirm_due (target, a->migration, &due));
  if (o->source_off) {
    *out = CONFIRM_SAID;
    return move_confirm_open (target, a->kept, a->migration);
  }
  *out = CONFIRM_NEEDLESS;
  if (due == CONFIRM_NOT_DUE)
    return NULL;
  if (due == CONFIRM_CLOSED)
    *why = mem_strdup ("it was closed before");
  else
    ask (a, o, &answered, why);
  *out = due == CONFIRM_CLOSED || (answered && *why != NULL) ? CONFIRM_SHUT
         : answered                                          ? CONFIRM_FROZEN
                                                             : CONFIRM_SILENT;
  return *out == CONFIRM_SHUT
             ? move_confirm_close (target,
                                   answered ? hosts_source (a->hosts) : NULL,
                                   a->plan, a->kept, a->migration)
             : NULL;
}

struct err *
confirm_target (const struct confirm_options *o, enum confirm_end *out,
                char **why)
{
  struct asker a = { .epoch = 0, .kept = json_object () };
  *why = NULL;
  struct err *e = begin (&a, o);
  if (e == NULL)
    e = decide (&a, o, out, why);
  asker_clear (&a);
  return e;
}
