/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations of the service provider share, and what the steps of
 * the move itself ask it. */
#ifndef REHOME_PROVIDER_SERVICE_H
#define REHOME_PROVIDER_SERVICE_H

#include "provider/provider.h"

#define SERVICE_UNITS "/etc/systemd/system"
#define SERVICE_GATE "90-rehome-gate.conf"
#define SERVICE_FREEZE "90-rehome-freeze.conf"
#define SERVICE_CONFIRM "90-rehome-confirm.conf"

/* Decodes `systemctl show` of several units: array of objects of strings;
 * a property that comes several times is joined with newlines.  Pure. */
json_t *service_parse_show (const char *text);
/* Paths in an ExecStart value ("{ path=/bin/x ; argv[]=...") and in an
 * EnvironmentFiles value ("/etc/x (ignore_errors=no)").  Pure; arrays. */
json_t *service_exec_paths (const char *value);
json_t *service_env_paths (const char *value);

/* Of units with Id, Type and ActiveState, the first that is in the middle of a
 * job: a oneshot that has begun (its preparation counts) and not ended; NULL
 * where none is.  Pure. */
const char *service_job_of (const json_t *shown);

/* The unit of an item. */
const char *service_unit (const struct plan_item *item);
/* The unit and what belongs to it (its sockets, timers and paths; the service
 * that a timer starts), as a host knows them now.  Array of objects: "unit",
 * "load", "active", "sub", "enabled", "fragment", "files" (own files: unit,
 * drop-ins, environment), "programs", "pid". */
struct err *service_read (struct port *p, const char *unit, json_t **out);
/* Names only: of an item, from its look's result, else its own unit alone. */
json_t *service_item_units (const struct step_call *call,
                            const struct plan_item *item);
/* Of all service items of the plan. */
json_t *service_plan_units (const struct step_call *call);
/* Only those whose names end with `suffix`. */
json_t *service_with_suffix (const json_t *units, const char *suffix);
bool service_ends (const char *unit, const char *suffix);
/* Was it running: active, activating or reloading?  A oneshot in the middle
 * of its work is not: it is the business of what starts it. */
bool service_was_active (const json_t *unit);

/* The last lines of the unit's log, for a message; the caller frees. */
char *service_log_lines (struct port *p, const char *unit);
/* Waits until the item's own `ready` passes on this host, or (without one)
 * until it listens where it listened on the source. */
struct err *service_wait_ready (const struct step_call *call, struct port *p,
                                const char *unit);

/* The drop-in texts; the caller frees. */
char *service_gate_text (const struct step_call *call, const char *unit,
                         const json_t *allow);
char *service_freeze_text (const struct step_call *call);
/* In the guard: after a reboot the unit waits for what the source says. */
char *service_confirm_text (const struct step_call *call);
char *service_dropin (const char *unit, const char *name);
/* Which addresses may pass the gate: array of strings. */
struct err *service_gate_allow (const struct step_call *call, json_t **out);

struct err *service_look (const struct step_call *call, json_t **result);
/* Of these packages, texts of those whose versions differ between the hosts;
 * added to `out`. */
struct err *service_other_versions (const struct step_call *call,
                                    const json_t *packages, json_t *out);
struct err *service_place (const struct step_call *call, json_t **result);
/* What it put on the target so far, as the target remembers it: {"placed":
 * {PATH: SHA-256, or ""}}; new reference. */
struct err *service_placed (const struct step_call *call, json_t **out);
struct err *service_place_probe (const struct step_call *call,
                                 enum probe_state *out);
struct err *service_compare (const struct step_call *call, json_t **result);
struct err *service_arm (const struct step_call *call, json_t **result);
struct err *service_arm_probe (const struct step_call *call,
                               enum probe_state *out);
struct err *service_arm_undo (const struct step_call *call, json_t **result);
struct err *service_stop (const struct step_call *call, json_t **result);
struct err *service_stop_probe (const struct step_call *call,
                                enum probe_state *out);
struct err *service_stop_undo (const struct step_call *call, json_t **result);
struct err *service_start (const struct step_call *call, json_t **result);
struct err *service_start_probe (const struct step_call *call,
                                 enum probe_state *out);
struct err *service_start_undo (const struct step_call *call, json_t **result);
struct err *service_enable (const struct step_call *call, json_t **result);
struct err *service_enable_probe (const struct step_call *call,
                                  enum probe_state *out);
struct err *service_clean (const struct step_call *call, json_t **result);
/* service_discard.c; see struct provider. */
struct err *service_discard (const struct step_call *call, bool dry,
                             json_t *out);
/* Where what stands in the way of a file is kept; the caller frees. */
char *service_aside (const struct step_call *call, const char *path);
/* Takes away the gate of these units, what the pivot set, and the directories
 * that were made for it. */
struct err *service_ungate (struct port *p, const json_t *units);
/* The gate alone, where the units are already: mirrored, on the source. */
struct err *service_gate (const struct step_call *call, json_t **result);
struct err *service_gate_probe (const struct step_call *call,
                                enum probe_state *out);
struct err *service_gate_undo (const struct step_call *call, json_t **result);

#endif
