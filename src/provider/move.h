/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations of the move itself share, and the way back that lies
 * on the source. */
#ifndef REHOME_PROVIDER_MOVE_H
#define REHOME_PROVIDER_MOVE_H

#include "provider/provider.h"

#define MOVE_TEXT "/root/REHOME-FROZEN.txt"

/* The way back as commands, in order, each harmless where it is not needed:
 * array of {"why": TEXT, "argv": [...]}.  Built from what the steps before
 * the freeze recorded. */
struct err *move_thaw_commands (const struct step_call *call, json_t **out);
/* The text for MOVE_TEXT: commands stand on lines that begin with four
 * spaces, quoted for sh.  Pure; the caller frees. */
char *move_thaw_text (const char *other, const char *migration,
                      const json_t *commands);
/* The same as a script that asks for --confirm=target-is-off.  Pure. */
char *move_thaw_script (const char *migration, const json_t *commands);
/* One word as sh reads it.  Pure; the caller frees. */
char *move_shell_word (const char *word);

/* `rehome thaw` on the source itself: raises the fence's epoch, so that the
 * old controller is refused, runs the recorded commands and says of each how
 * it ended: {"migration", "steps": [{"why","command","status"}], "epoch",
 * "rounds_not_applied"}: reverse rounds that lie in back/ are not put into
 * the files.
 * A NULL migration is the only one that is frozen here; "RH-THAW-NONE" where
 * none is, "RH-THAW-WHICH" where several are.  `local` is a port to this
 * machine's agent. */
struct err *move_thaw (struct port *local, const char *migration,
                       json_t **report);

/* move_confirm.c: whether a target in its guard has to ask the source. */
enum confirm_due {
  CONFIRM_NOT_DUE, /* it was not rebooted, is frozen itself, or somebody said
                      that the source is off */
  CONFIRM_DUE,
  CONFIRM_CLOSED /* it was closed before */
};
struct err *move_confirm_due (struct port *target, const char *migration,
                              enum confirm_due *out);
/* *why stays NULL where the source is frozen and has obeyed no epoch above
 * that one; the caller frees it. */
struct err *move_confirm_ask (struct port *source, const char *migration,
                              int64_t epoch, char **why);
/* Nothing of the move may start on the target; moved addresses go, and what
 * brings them at boot is laid aside.  `kept`: the file that does, by address,
 * as address#keep named it.  A source that answered (else NULL) announces that
 * they are its own. */
struct err *move_confirm_close (struct port *target, struct port *source,
                                const struct plan *plan, const json_t *kept,
                                const char *migration);
/* The move has ended: nothing is asked any more. */
struct err *move_confirm_end (struct port *target, const struct plan *plan);
/* An operator answers for the source, for good; what was laid aside comes
 * back. */
struct err *move_confirm_open (struct port *target, const json_t *kept,
                               const char *migration);

/* Unit file that keeps the moved files read-only: its name and text. */
char *move_readonly_unit (const char *migration);
/* `mounts`: array of {"path","bind": bool}, outermost first.  Pure. */
char *move_readonly_text (const struct step_call *call, const json_t *mounts);

struct err *move_identity (const struct step_call *call, json_t **result);
/* The maintenance window: `window-look` says when it opens, `window` holds a
 * cutover back outside it ("RH-MOVE-WINDOW"). */
struct err *move_window_look (const struct step_call *call, json_t **result);
struct err *move_window (const struct step_call *call, json_t **result);
/* Minutes until a window of plan_window opens, 0 while it is open.  `now`:
 * minutes since Monday 00:00 in its zone.  Pure. */
int move_window_wait (const json_t *window, int now);
/* The plan's check restores a backup and says of when it is: "RH-MOVE-BACKUP"
 * where it cannot, or where that is too old. */
struct err *move_backup (const struct step_call *call, json_t **result);
/* The time in the first line of what the check said, where it is not older
 * than that.  Pure. */
struct err *move_backup_age (const char *out, int64_t now_ms,
                             int64_t max_age_ms, int64_t *taken_ms);
/* The target's packages when the guard begins, and those that are others since
 * (at most 100): {"changed": [{"package", "from", "to"}]}, without "from" where
 * it is new, without "to" where it was removed. */
struct err *move_packages_note (const struct step_call *call, json_t **result);
struct err *move_packages_changed (const struct step_call *call,
                                   json_t **result);
/* Lines of "NAME VERSION" to an object; new reference.  Pure. */
struct err *move_packages_read (const char *text, json_t **out);
/* Two such objects to the array above; new reference.  Pure. */
json_t *move_packages_differ (const json_t *before, const json_t *now);
struct err *move_unclaimed (const struct step_call *call, json_t **result);
/* Into rows of `process.open`, which name few paths of a process, go rows of
 * `process.writers` under the moved files: each process gets "within", one
 * path there, and its own row where it has none.  What is deleted does not
 * move and is passed over.  Pure. */
void move_unclaimed_within (json_t *open, const json_t *under);
/* Who of the rows is claimed by nobody: array of texts.  Pure but for the
 * plan; `uids`: moved users; `left_uids`: users that leave names. */
json_t *move_unclaimed_rows (const struct step_call *call,
                             const json_t *processes, const json_t *writers,
                             const json_t *listeners, const json_t *uids,
                             const json_t *left_uids);

struct err *move_arm (const struct step_call *call, json_t **result);
struct err *move_arm_probe (const struct step_call *call,
                            enum probe_state *out);
struct err *move_arm_undo (const struct step_call *call, json_t **result);
struct err *move_mapped (const struct step_call *call, json_t **result);
struct err *move_flag (const struct step_call *call, json_t **result);
struct err *move_flag_probe (const struct step_call *call,
                             enum probe_state *out);
struct err *move_flag_undo (const struct step_call *call, json_t **result);
struct err *move_readonly (const struct step_call *call, json_t **result);
struct err *move_readonly_probe (const struct step_call *call,
                                 enum probe_state *out);
struct err *move_readonly_undo (const struct step_call *call, json_t **result);
struct err *move_frozen (const struct step_call *call, json_t **result);

/* Minutes since Monday 00:00 in the zone, as the port's host tells it;
 * "RH-MOVE-ZONE" where it does not know the zone. */
struct err *move_window_now (struct port *p, const char *zone, int *now);
/* Whether a word can be a zone's name. */
bool move_window_zone (const char *zone);
/* What all items of files need together on each filesystem of the target. */
struct err *move_space (const struct step_call *call, json_t **result);
/* Can the hosts that ask the plan's https checks do so? */
struct err *move_checks (const struct step_call *call, json_t **result);
struct err *move_smoke_inside (const struct step_call *call, json_t **result);
struct err *move_smoke_outside (const struct step_call *call, json_t **result);
struct err *move_pivot (const struct step_call *call, json_t **result);
struct err *move_pivot_probe (const struct step_call *call,
                              enum probe_state *out);
struct err *move_guard (const struct step_call *call, json_t **result);
struct err *move_clean (const struct step_call *call, json_t **result);
/* `fence: poweroff`: in half a minute, when the claims are given back. */
struct err *move_poweroff (const struct step_call *call, json_t **result);
/* Removes what served the move alone. */
struct err *move_remove_working (const struct step_call *call, struct port *p);
/* move_back.c: after a rollback. */
struct err *move_back_home (const struct step_call *call, json_t **result);
struct err *move_back_left (const struct step_call *call, json_t **result);

#endif
