/* SPDX-License-Identifier: Apache-2.0 */
/* A migration that has ended, its journal and its hosts; see closing.h. */
#include "exec/closing.h"

#include "base/mem.h"
#include "exec/clock.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define OWNER_ENDS_MS 15000

void
closing_clear (struct closing *c)
{
  hosts_free (c->hosts);
  free (c->agent);
  people_clear (&c->people);
  free (c->migration);
  store_close (c->store);
}

struct err *
closing_open (struct closing *c)
{
  int64_t until = clock_boot_ms () + OWNER_ENDS_MS;
  struct timespec nap = { 0, 100000000 };
  for (;;) {
    struct err *e = store_open_writer (c->place->dir, NULL, NULL, 0, &c->store);
    if (e == NULL || strcmp (err_code (e), "RH-JOURNAL-BUSY") != 0
        || clock_boot_ms () > until)
      return e;
    err_free (e);
    nanosleep (&nap, NULL);
  }
}

struct err *
closing_hosts (struct closing *c, bool claims)
{
  TRY (place_agent (&c->agent));
  struct hosts_where where = { .plan = c->plan,
                               .migration = claims ? c->migration : NULL,
                               .controller = c->place->controller,
                               .journal = c->place->dir,
                               .agent_path = c->agent };
  c->hosts = hosts_new (&where);
  return NULL;
}

struct err *
closing_append (struct closing *c, enum record_type type, const char *actor,
                json_t *data)
{
  struct record r CLEANUP (record_clear)
      = { .type = type,
          .actor = mem_strdup (actor),
          .epoch = c->epoch,
          .time_ms = clock_wall_ms (),
          .boot_id = mem_strdup (clock_boot_id ()),
          .mono_ns = clock_boot_ns (),
          .data = data };
  TRY (person_hide (c->store, &c->people, &r));
  return store_append (c->store, &r, NULL);
}

struct err *
closing_take_over (struct closing *c)
{
  uint64_t seq;
  char hash[65];
  c->epoch++;
  TRY (closing_append (c, RECORD_CLAIMED, "controller",
                       json_pack ("{s:s, s:I}", "controller",
                                  c->place->controller, "pid",
                                  (json_int_t)getpid ())));
  hosts_epoch (c->hosts, c->epoch);
  TRY (store_head (c->store, &seq, hash));
  hosts_head (c->hosts, seq, hash, HEAD_PLAIN);
  return NULL;
}
