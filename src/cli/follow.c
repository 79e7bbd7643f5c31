/* SPDX-License-Identifier: Apache-2.0 */
/* Watches the owner of a migration and shows what happens. */
#include "cli/follow.h"

#include "base/mem.h"
#include "cli/say.h"
#include "cli/view.h"
#include "exec/ask.h"
#include "exec/clock.h"
#include "exec/discard.h"
#include "exec/owner.h"
#include "exec/unit.h"
#include "report/standing.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t interrupted;

static volatile sig_atomic_t asked_status;

static void
on_interrupt (int sig)
{
  (void)sig;
  interrupted = 1;
}

static void
on_status (int sig)
{
  (void)sig;
  asked_status = 1;
}

static void
catch_interrupt (void)
{
  struct sigaction sa = { .sa_handler = on_interrupt };
  sigemptyset (&sa.sa_mask);
  sigaction (SIGINT, &sa, NULL);
  sigaction (SIGTERM, &sa, NULL);
  sa.sa_handler = on_status;
  sigaction (SIGUSR1, &sa, NULL);
}

/* ---- Where it rests ---- */

static bool
is (const char *phase, enum phase p)
{
  return strcmp (phase, phase_name (p)) == 0;
}

static int
status_of_attention (const json_t *attention)
{
  const char *name = json_string_value (json_object_get (attention, "class"));
  const char *code = json_string_value (json_object_get (attention, "code"));
  enum err_class cls = ERR_SYSTEM;
  if (name != NULL)
    err_class_from_name (name, &cls);
  return say_status (cls, code != NULL ? code : "");
}

int
follow_status (enum request asked, const char *phase, bool paused,
               const json_t *attention)
{
  if (asked == REQUEST_PAUSE && paused)
    return EXIT_OK;
  if (is (phase, PHASE_STUCK) || is (phase, PHASE_BACK_STUCK))
    return EXIT_FAILED;
  if (is (phase, PHASE_GUARDED)
      && (asked == REQUEST_ROLLBACK || asked == REQUEST_ROLLBACK_ALONE))
    return EXIT_ROLLED_BACK;
  if (is (phase, PHASE_ABORTED) && asked != REQUEST_ABORT)
    return EXIT_ROLLED_BACK;
  if (json_is_object (attention))
    return status_of_attention (attention);
  if (paused)
    return EXIT_OK;
  if (asked == REQUEST_CUTOVER && !is (phase, PHASE_GUARDED))
    return EXIT_ROLLED_BACK;
  if (asked == REQUEST_SYNC && is (phase, PHASE_PLANNED))
    return EXIT_ROLLED_BACK;
  return EXIT_OK;
}

/* Nothing more will happen by itself, or what was asked for is reached. */
static bool
rests (enum request asked, const json_t *p)
{
  bool goal = json_is_string (json_object_get (p, "goal"));
  bool idle = json_is_true (json_object_get (p, "idle"));
  bool in_step = json_is_true (json_object_get (p, "in_step"));
  const char *phase = json_string_value (json_object_get (p, "phase"));
  if (asked == REQUEST_PAUSE)
    return json_is_true (json_object_get (p, "paused"));
  if (phase != NULL && is (phase, PHASE_GUARDED) && !goal)
    return true; /* its rounds go on */
  if (asked == REQUEST_TEST && !json_is_true (json_object_get (p, "paused")))
    return !goal
           || strcmp (json_string_value (json_object_get (p, "goal")), "test")
                  != 0;
  if (in_step && (asked == REQUEST_SYNC || asked == REQUEST_RESUME))
    return !json_is_string (json_object_get (p, "goal"))
           || strcmp (json_string_value (json_object_get (p, "goal")), "sync")
                  == 0;
  return idle
         && (!goal || json_is_object (json_object_get (p, "attention"))
             || json_is_true (json_object_get (p, "paused")));
}

struct following {
  const struct invocation *in;
  struct loaded *loaded;
  enum request asked;        /* REQUEST_COUNT: only watch */
  const json_t *no_way_back; /* confirmed with it; or NULL */
  int64_t since_ms;          /* progress before this is of the time before */
  uint64_t seq;
  struct view *view;
  json_t *last; /* progress */
};

/* The acceptance is over when the owner has let go of both hosts. */
static bool
waits_for_end (const struct following *f, const json_t *progress)
{
  const char *phase = json_string_value (json_object_get (progress, "phase"));
  return phase != NULL
         && ((f->asked == REQUEST_ACCEPT && is (phase, PHASE_ACCEPTED))
             || is (phase, PHASE_ROLLED_BACK));
}

static void
take_line (struct following *f, const json_t *line, bool *over)
{
  const json_t *record = json_object_get (line, "record");
  json_t *progress = json_object_get (line, "progress");
  if (record != NULL) {
    f->seq = (uint64_t)json_integer_value (json_object_get (line, "seq"));
    view_record (f->view, record);
  }
  if (progress == NULL)
    return;
  view_progress (f->view, progress);
  json_decref (f->last);
  f->last = json_incref (progress);
  int64_t at = json_integer_value (json_object_get (progress, "time_ms"));
  *over = at > f->since_ms && rests (f->asked, progress)
          && !waits_for_end (f, progress);
}

/* SIGUSR1: the line that `status` begins with. */
static void
say_status_line (struct following *f)
{
  CLEANUP_JSON json_t *facts = NULL;
  asked_status = 0;
  CLEANUP_ERR struct err *e = load_facts (f->loaded, &facts);
  if (e != NULL)
    return;
  CLEANUP_FREE char *line = standing_line (facts);
  view_say (f->view, line);
}

static struct err *
watch_once (struct following *f, bool *over, bool *lost)
{
  CLEANUP_ASK struct ask *a = NULL;
  TRY (ask_open (f->loaded->place.socket, &a));
  TRY (ask_watch (a, f->seq));
  while (!*over && !interrupted) {
    CLEANUP_JSON json_t *line = NULL;
    TRY (ask_next (a, 500, &line, lost));
    if (*lost)
      return NULL;
    if (line != NULL)
      take_line (f, line, over);
    if (asked_status)
      say_status_line (f);
  }
  return NULL;
}

/* An owner that ends is awaited for a while: its unit starts it again. */
static struct err *
watch_all (struct following *f)
{
  bool over = false;
  int64_t lost_ms = 0;
  while (!over && !interrupted) {
    bool lost = false;
    CLEANUP_ERR struct err *e = watch_once (f, &over, &lost);
    if (waits_for_end (f, f->last) && (lost || e != NULL))
      return NULL;
    if (e == NULL && !lost)
      continue;
    if (e == NULL)
      lost_ms = clock_boot_ms ();
    else if (lost_ms == 0 || clock_boot_ms () - lost_ms > 8000)
      return STEAL (e);
    struct timespec nap = { 0, 200000000 };
    nanosleep (&nap, NULL);
  }
  return NULL;
}

/* ---- What is said at the end ---- */

static void
say_detached (const struct loaded *l)
{
  fprintf (stderr, "The migration continues; rehome watch %s\n", l->path);
}

static void
say_downtime (const json_t *facts)
{
  const json_t *d = json_object_get (facts, "downtime_ms");
  const json_t *f = json_object_get (facts, "forecast");
  if (d == NULL || f == NULL)
    return;
  CLEANUP_FREE char *took = standing_duration (json_integer_value (d));
  CLEANUP_FREE char *low = standing_duration (
      json_integer_value (json_object_get (f, "lower_ms")));
  CLEANUP_FREE char *high = standing_duration (
      json_integer_value (json_object_get (f, "upper_ms")));
  fprintf (stderr,
           "Downtime as the controller saw it: %s; forecast: %s to %s.\n", took,
           low, high);
}

static void
say_end (const struct following *f, int status)
{
  const json_t *attention = json_object_get (f->last, "attention");
  CLEANUP_JSON json_t *facts = NULL;
  CLEANUP_ERR struct err *e = load_facts (f->loaded, &facts);
  if (json_is_object (attention) && status != EXIT_OK)
    say_error_object (f->in, attention);
  if (e != NULL)
    return;
  CLEANUP_FREE char *line = standing_line (facts);
  bool from_target
      = f->asked == REQUEST_ROLLBACK || f->asked == REQUEST_ROLLBACK_ALONE;
  if (status == EXIT_ROLLED_BACK && from_target)
    fputs ("The rollback was given up: the target serves on, with everything "
           "that it acknowledged.\n",
           stderr);
  else if (status == EXIT_ROLLED_BACK)
    fputs ("It went back: the source serves, with everything that it "
           "acknowledged; the copy on the target is kept.\n",
           stderr);
  if (f->asked == REQUEST_CUTOVER)
    say_downtime (facts);
  if (has (f->in, OPT_JSON))
    say_json (facts);
  else
    puts (line);
  if (f->asked == REQUEST_CUTOVER)
    fprintf (stderr, "The report: rehome report %s [--html FILE]\n",
             f->loaded->path);
}

static struct err *ask_again (struct following *f, struct err *e);

static int
follow (struct following *f)
{
  catch_interrupt ();
  f->view = view_new (f->loaded->graph,
                      has (f->in, OPT_JSON) && f->asked == REQUEST_COUNT);
  struct err *e = ask_again (f, watch_all (f));
  view_end (f->view);
  view_free (f->view);
  int status = EXIT_OK;
  if (interrupted) {
    err_free (e);
    say_detached (f->loaded);
    status = EXIT_DETACHED;
  } else if (e != NULL)
    status = say_err (f->in, e);
  else {
    const char *phase = json_string_value (json_object_get (f->last, "phase"));
    status = follow_status (f->asked, phase != NULL ? phase : "",
                            json_is_true (json_object_get (f->last, "paused")),
                            json_object_get (f->last, "attention"));
    say_end (f, status);
  }
  json_decref (f->last);
  return status;
}

/* ---- Asking ---- */

char *
follow_actor (void)
{
  const char *sudo = getenv ("SUDO_USER");
  const struct passwd *pw = getpwuid (getuid ());
  if (sudo != NULL && sudo[0] != '\0')
    return mem_printf ("operator:%s", sudo);
  return mem_printf ("operator:%s", pw != NULL ? pw->pw_name : "unknown");
}

static struct err *
head_of (const struct loaded *l, uint64_t *seq)
{
  CLEANUP_STORE struct store *s = NULL;
  char hash[65];
  TRY (store_open_reader (l->place.dir, &s));
  return store_head (s, seq, hash);
}

static struct err *
stop_owner (const struct loaded *l)
{
  CLEANUP_ASK struct ask *a = NULL;
  CLEANUP_ERR struct err *none = ask_open (l->place.socket, &a);
  if (none != NULL)
    return NULL;
  TRY (ask_stop (a));
  for (int i = 0; i < 100; i++) {
    struct ask *again = NULL;
    struct timespec nap = { 0, 50000000 };
    CLEANUP_ERR struct err *gone = ask_open (l->place.socket, &again);
    ask_close (again);
    if (gone != NULL)
      return NULL;
    nanosleep (&nap, NULL);
  }
  return NULL;
}

/* An owner that was told to end holds the journal a moment longer than its
 * socket. */
static struct err *
prepare_when_free (struct loaded *l, bool *changed)
{
  struct err *e = NULL;
  for (int i = 0; i < 100; i++) {
    struct timespec nap = { 0, 100000000 };
    err_free (e);
    e = owner_prepare (&l->place, l->plan, false, changed);
    if (e == NULL || strcmp (err_code (e), "RH-JOURNAL-BUSY") != 0)
      return e;
    nanosleep (&nap, NULL);
  }
  return e;
}

/* A plan that was edited goes into the journal before the owner runs. */
static struct err *
prepare (struct loaded *l)
{
  char hash[65];
  bool changed = false;
  if (load_has_journal (l)) {
    TRY (owner_plan_hash (&l->place, hash));
    if (strcmp (hash, plan_hash (l->plan)) != 0) {
      TRY (owner_may_replan (&l->place));
      TRY (stop_owner (l));
    }
  }
  TRY (prepare_when_free (l, &changed));
  if (changed)
    fputs ("The plan was changed since the last time; the journal says so.\n",
           stderr);
  return unit_ensure (&l->place);
}

static struct err *
ask_once (struct following *f, struct loaded *l, enum request r)
{
  CLEANUP_ASK struct ask *a = NULL;
  CLEANUP_FREE char *who = follow_actor ();
  TRY (prepare (l));
  TRY (head_of (l, &f->seq));
  TRY (ask_open (l->place.socket, &a));
  TRY (ask_request (a, r, who, f->no_way_back));
  f->since_ms = clock_wall_ms ();
  return NULL;
}

/* An owner that has nothing to do ends, and one may be killed: asked just then,
 * the next one is asked.  One that had recorded the request refuses it as
 * under way, or takes it once more; neither does it twice. */
static bool
next_may_answer (const struct err *e)
{
  return e != NULL
         && (strcmp (err_code (e), "RH-EXEC-STOPPED") == 0
             || strcmp (err_code (e), "RH-EXEC-NOOWNER") == 0);
}

static struct err *
ask_for (struct following *f, struct loaded *l, enum request r)
{
  const struct timespec nap = { 0, 100000000 };
  struct err *e = ask_once (f, l, r);
  for (int i = 0; i < 100 && next_may_answer (e); i++) {
    nanosleep (&nap, NULL);
    err_free (e);
    e = ask_once (f, l, r);
  }
  return e;
}

/* One that took the request and ended before it was heard of again did nothing
 * of it: the next is asked.  An error that is none of this stays. */
static struct err *
ask_again (struct following *f, struct err *e)
{
  if (f->asked == REQUEST_COUNT || f->last != NULL || !next_may_answer (e))
    return e;
  err_free (e);
  e = ask_for (f, f->loaded, f->asked);
  if (e != NULL && strcmp (err_code (e), "RH-ENGINE-BUSY") != 0)
    return e;
  err_free (e); /* it goes on with what is in the journal */
  return watch_all (f);
}

static int
request (const struct invocation *in, struct loaded *l, enum request r,
         const json_t *no_way_back)
{
  struct following f
      = { .in = in, .loaded = l, .asked = r, .no_way_back = no_way_back };
  struct err *e = NULL;
  if ((r == REQUEST_SYNC || r == REQUEST_CUTOVER) && load_has_journal (l))
    e = discard_refuse (&l->place);
  if (e == NULL)
    e = ask_for (&f, l, r);
  return e != NULL ? say_err (in, e) : follow (&f);
}

int
follow_request (const struct invocation *in, struct loaded *l, enum request r)
{
  return request (in, l, r, NULL);
}

int
follow_cutover (const struct invocation *in, struct loaded *l,
                const json_t *no_way_back)
{
  return request (in, l, REQUEST_CUTOVER, no_way_back);
}

struct err *
follow_approve (struct loaded *l, const char *text, const char *signature)
{
  CLEANUP_ASK struct ask *a = NULL;
  CLEANUP_FREE char *who = follow_actor ();
  TRY (prepare (l));
  TRY (ask_open (l->place.socket, &a));
  return ask_approve (a, text, signature, who);
}

int
follow_watch (const struct invocation *in, const struct loaded *l,
              uint64_t since)
{
  struct following f = { .in = in,
                         .loaded = (struct loaded *)(uintptr_t)l,
                         .asked = REQUEST_COUNT,
                         .seq = since };
  return follow (&f);
}
