/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The maintenance window: a cutover begins only within it.  The week is
 * counted in minutes from Monday 00:00 in the window's zone, so a window over
 * midnight, or over the end of the week, is a length like any other.  What
 * time it is there says the target, which knows the zones.
 */
#include "provider/move.h"

#include "base/mem.h"
#include "provider/remote.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define DAY_MIN 1440
#define WEEK_MIN (7 * DAY_MIN)
#define ZONES "/usr/share/zoneinfo"

static const char *const days[]
    = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

/* "HH:MM", which the plan has checked. */
static int
minute_of (const json_t *window, const char *key)
{
  int hour = 0;
  int minute = 0;
  if (sscanf (json_text (window, key), "%2d:%2d", &hour, &minute) != 2)
    return 0;
  return hour * 60 + minute;
}

static int
day_of (const char *name)
{
  for (int i = 0; i < 7; i++)
    if (strcmp (days[i], name) == 0)
      return i;
  return 0;
}

int
move_window_wait (const json_t *window, int now)
{
  int from = minute_of (window, "from");
  int len = (minute_of (window, "to") - from + DAY_MIN) % DAY_MIN;
  int least = WEEK_MIN;
  size_t i;
  json_t *one;
  if (len == 0)
    len = DAY_MIN;
  json_array_foreach (json_at (window, "days"), i, one)
  {
    int begins = day_of (json_string_value (one)) * DAY_MIN + from;
    if ((now - begins + WEEK_MIN) % WEEK_MIN < len)
      return 0;
    int wait = (begins - now + WEEK_MIN) % WEEK_MIN;
    least = wait < least ? wait : least;
  }
  return least;
}

/* date(1) takes a zone it does not know for UTC without a word. */
static struct err *
check_zone (struct port *p, const char *zone)
{
  struct remote_file f CLEANUP_REMOTE = { 0 };
  char *path CLEANUP_FREE = mem_printf (ZONES "/%s", zone);
  if (strcmp (zone, "UTC") == 0)
    return NULL;
  TRY (remote_stat (p, path, &f));
  if (f.exists && strcmp (f.type, "dir") != 0)
    return NULL;
  return err_advise (err_new (ERR_BLOCKED, "RH-MOVE-ZONE",
                              "the %s does not know the zone %s of the plan: "
                              "there is no %s",
                              p->name, zone, path),
                     "nothing was changed; the source serves",
                     "correct the zone in the plan, or install tzdata there");
}

bool
move_window_zone (const char *zone)
{
  size_t n = zone != NULL ? strlen (zone) : 0;
  for (size_t i = 0; i < n; i++)
    if (!isalnum ((unsigned char)zone[i]) && strchr ("_+-/", zone[i]) == NULL)
      return false;
  return n > 0 && n <= 64 && zone[0] != '/';
}

struct err *
move_window_now (struct port *p, const char *zone, int *now)
{
  char *out CLEANUP_FREE = NULL;
  char *env CLEANUP_FREE = mem_printf ("TZ=%s", zone);
  int day;
  int hour;
  int minute;
  TRY (check_zone (p, zone));
  TRY (remote_must (p, remote_argv (ARGV ("env", env, "date", "+%u %H:%M")),
                    NULL, &out));
  if (sscanf (out, "%1d %2d:%2d", &day, &hour, &minute) != 3 || day < 1
      || day > 7 || hour < 0 || hour > 23 || minute < 0 || minute > 59)
    return err_new (ERR_SYSTEM, "RH-HOST-COMMAND",
                    "%s: 'date' says what is no time", p->name);
  *now = (day - 1) * DAY_MIN + hour * 60 + minute;
  return NULL;
}

/* "tue 10:03". */
static char *
time_text (int t)
{
  t %= WEEK_MIN;
  return mem_printf ("%s %02d:%02d", days[t / DAY_MIN], t % DAY_MIN / 60,
                     t % 60);
}

/* Where the clock is set forward or back meanwhile it is an hour off, so it
 * is said beside the time, not instead of it. */
static char *
wait_text (int wait)
{
  if (wait >= DAY_MIN)
    return mem_printf ("about %d d %d h", wait / DAY_MIN, wait % DAY_MIN / 60);
  return wait >= 60 ? mem_printf ("about %d h %d min", wait / 60, wait % 60)
                    : mem_printf ("about %d min", wait);
}

/* The window and the time: "it is ...; it opens ...". */
static char *
standing (const json_t *window, int now, int wait)
{
  const char *zone = json_text (window, "zone");
  char *is CLEANUP_FREE = time_text (now);
  char *opens CLEANUP_FREE = time_text (now + wait);
  char *in CLEANUP_FREE = wait_text (wait);
  if (wait == 0)
    return mem_printf ("the cutover's window is open until %s: it is %s (%s)",
                       json_text (window, "to"), is, zone);
  return mem_printf (
      "the cutover's window is not open: it is %s, it opens next on %s (%s), "
      "in %s",
      is, opens, zone, in);
}

struct err *
move_window_look (const struct step_call *call, json_t **result)
{
  const json_t *window = plan_window (call->plan);
  int now;
  TRY (move_window_now (call->target, json_text (window, "zone"), &now));
  char *said CLEANUP_FREE
      = standing (window, now, move_window_wait (window, now));
  *result = json_pack ("{s:[s]}", "findings", said);
  return NULL;
}

struct err *
move_window (const struct step_call *call, json_t **result)
{
  const json_t *window = plan_window (call->plan);
  int now;
  TRY (move_window_now (call->target, json_text (window, "zone"), &now));
  int wait = move_window_wait (window, now);
  char *said CLEANUP_FREE = standing (window, now, wait);
  if (wait > 0)
    return err_advise (err_new (ERR_BLOCKED, "RH-MOVE-WINDOW", "%s", said),
                       "nothing was changed; the source serves",
                       "cut over within the window, or change cutover.window "
                       "in the plan");
  *result = json_pack ("{s:s}", "window", said);
  return NULL;
}
