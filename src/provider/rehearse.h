/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rehearsal of the way back (`rehome test`): the moved services start on
 * the target on a copy of what was synced, something is written, the copy goes
 * back, and the source's versions start on it and are asked.
 *
 * Nothing of it touches what serves.  On each host there is a room: a directory
 * /var/lib/rehome/ID/rehearsal with the copies, a network namespace that has
 * loopback alone (the moved addresses are on it), and units of its own below
 * /run, in whose mount namespace everything is read-only but the copies, /run,
 * /tmp and places for logs and scratch, which are the room's, too.
 */
#ifndef REHOME_PROVIDER_REHEARSE_H
#define REHOME_PROVIDER_REHEARSE_H

#include "provider/provider.h"

struct rehearsal {
  const struct step_call *call;
  struct port *p; /* the host whose room this is */
  json_t *binds;  /* [[FROM, TO]]: what the room has in place of TO */
};

/* The step: {"plan", "versions": {ITEM: [TEXT]}, "started": [UNIT],
 * "written": N, "bytes": N}. */
struct err *rehearse (const struct step_call *call, json_t **result);
/* What an interrupted one left is of no use: it is removed when it is looked
 * for, and the step is not done. */
struct err *rehearse_probe (const struct step_call *call,
                            enum probe_state *out);
/* Before the freeze: no package was changed since the versions were looked at
 * or rehearsed ("RH-SERVICE-VERSION"), no room is left from a rehearsal that
 * was interrupted, and rehearse_one_way. */
struct err *rehearse_recheck (const struct step_call *call, json_t **result);

/* A way back that nothing proves was confirmed with the cutover, else
 * "RH-REHEARSE-ONEWAY"; `now`: ITEM to texts, how its versions differ.  Pure.
 */
struct err *rehearse_one_way (const struct step_call *call, const json_t *now);

/* rehearse_room.c */
char *rehearse_netns (const struct step_call *call);
char *rehearse_path (const struct step_call *call, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));
/* Makes the room; everything of an earlier one goes first. */
struct err *rehearse_open (struct rehearsal *r);
/* The same place in the room as at `to`. */
void rehearse_bind (struct rehearsal *r, const char *from, const char *to);
/* Ends what runs there and removes everything; nothing where there is none. */
struct err *rehearse_close (const struct step_call *call, struct port *p);

/* rehearse_unit.c: what a unit becomes in the room.  Pure. */
char *rehearse_box (const struct rehearsal *r);
/* `texts`: its files, in systemd's order.  "RH-REHEARSE-UNIT" where it cannot
 * be held in a room. */
struct err *rehearse_unit_text (const char *unit, const json_t *texts,
                                const char *box, char **out);
/* The last value of a key of [Service], without quotes; the caller frees; ""
 * where it has none. */
char *rehearse_unit_value (const json_t *texts, const char *key);
char *rehearse_command_text (const json_t *argv, const char *box);

/* rehearse_start.c: the plan's services, or a command, in the room. */
struct err *rehearse_start (struct rehearsal *r, json_t *started);
struct err *rehearse_command (struct rehearsal *r, const char *name,
                              const json_t *argv, int wanted);
struct err *rehearse_checks (struct rehearsal *r);
struct err *rehearse_stop (struct rehearsal *r);

#endif
