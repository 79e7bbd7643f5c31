/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's process: its place, its socket, its loop.  One thread: what it
 * does for one request never takes long; a guard's command may, once. */
#include "agent/keeper.h"

#include "agent/fence.h"
#include "agent/guards.h"
#include "agent/keeper_call.h"
#include "agent/watches.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "tree/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

enum {
  REQUEST_MS = 2000, /* for one request to come and be answered */
  LOOK_MS = 60000,   /* how often it looks whether it is needed */
  POLLS_MAX = 66,
};

static char *run_dir; /* NULL: the default */

struct keeper {
  const char *id;
  int dir;    /* DIR/ID, locked */
  int listen; /* -1 before */
  int64_t idle_ms, used_ms;
  int64_t epoch; /* -1: none yet */
  char *controller;
  struct watches *watches;
  struct guards *guards;
  bool stop;
};

static volatile sig_atomic_t ended;

static void
on_signal (int number)
{
  ended = number;
}

static const char *
run_at (void)
{
  return run_dir != NULL ? run_dir : "/run/rehome";
}

void
keeper_set_run_dir (const char *dir)
{
  free (run_dir);
  run_dir = mem_strdup (dir);
}

char *
keeper_dir (const char *id)
{
  return mem_printf ("%s/%s", run_at (), id);
}

char *
keeper_socket (const char *id)
{
  return mem_printf ("%s/%s/keeper", run_at (), id);
}

static int64_t
now_ms (void)
{
  struct timespec t;
  clock_gettime (CLOCK_BOOTTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
remove_names (struct keeper *k)
{
  CLEANUP_FREE char *dir = keeper_dir (k->id);
  if (k->listen < 0)
    return;
  close (k->listen);
  k->listen = -1;
  unlinkat (k->dir, "keeper", 0);
  rmdir (dir);
  rmdir (run_at ()); /* where nobody else is in it */
}

/* --- requests -------------------------------------------------------------
 */

/* A keeper belongs to the controller with the highest epoch that it heard. */
static struct err *
check_epoch (struct keeper *k, const json_t *args)
{
  int64_t epoch;
  const char *controller;
  TRY (json_get_int (args, "epoch", 0, INT64_MAX, &epoch));
  TRY (json_get_str (args, "controller", &controller));
  bool same = k->controller != NULL && strcmp (controller, k->controller) == 0;
  if (epoch < k->epoch || (epoch == k->epoch && !same))
    return err_new (ERR_REFUSED, "RH-FENCE-EPOCH",
                    "the keeper of migration %s serves epoch %lld; epoch %lld "
                    "of this controller is refused",
                    k->id, (long long)k->epoch, (long long)epoch);
  if (!same) {
    free (k->controller);
    k->controller = mem_strdup (controller);
  }
  k->epoch = epoch;
  return NULL;
}

static struct err *
read_round (const json_t *args, bool with_root, char **root,
            struct watch_round *out)
{
  size_t len;
  TRY (json_get_str (args, "index", &out->index));
  TRY (json_opt_str (args, "filter", "", &out->filter));
  TRY (json_opt_int (args, "round", 0, INT32_MAX, 0, &out->round));
  if (strlen (out->index) > 255 || strlen (out->filter) > 255)
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD", "\"index\" or \"filter\"");
  if (!with_root)
    return NULL;
  TRY (json_get_bytes (args, "root", root, &len));
  if ((*root)[0] != '/')
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD", "\"root\"");
  out->root = *root;
  return NULL;
}

static struct err *
watch_request (struct keeper *k, const char *verb, const json_t *args,
               json_t **result)
{
  CLEANUP_FREE char *root = NULL;
  struct watch_round r = { 0 };
  bool marks = strcmp (verb, "watch.mark") == 0;
  bool takes = strcmp (verb, "watch.take") == 0;
  TRY (read_round (args, marks || takes, &root, &r));
  if (marks)
    return watch_mark (k->watches, &r);
  if (takes)
    *result = watch_take (k->watches, &r);
  else if (strcmp (verb, "watch.ack") == 0)
    watch_ack (k->watches, &r);
  else if (strcmp (verb, "watch.drop") == 0)
    watch_drop (k->watches, &r);
  else
    return err_new (ERR_CORRUPT, "RH-AGENT-VERB",
                    "the keeper has no such "
                    "verb");
  return NULL;
}

static json_t *
status (const struct keeper *k)
{
  return json_pack ("{s:i, s:s, s:I, s:I, s:I}", "pid", (int)getpid (),
                    "version", REHOME_VERSION, "watches",
                    (json_int_t)watches_count (k->watches), "guards",
                    (json_int_t)guards_count (k->guards), "idle_s",
                    (json_int_t)(k->idle_ms / 1000));
}

static struct err *
request (struct keeper *k, const json_t *message, json_t **result)
{
  const char *verb;
  json_t *args;
  TRY (json_get_str (message, "verb", &verb));
  TRY (json_get_object (message, "args", &args));
  if (strcmp (verb, "keeper.status") == 0) {
    *result = status (k);
    return NULL;
  }
  TRY (check_epoch (k, args));
  k->used_ms = now_ms ();
  if (strcmp (verb, "keeper.stop") == 0) {
    k->stop = true;
    remove_names (k);
    return NULL;
  }
  if (strcmp (verb, "keeper.use") == 0) { /* it is needed, for so long */
    int64_t idle_s;
    TRY (json_opt_int (args, "idle_s", 1, 31536000, KEEPER_IDLE_S, &idle_s));
    k->idle_ms = idle_s * 1000;
    *result = status (k);
    return NULL;
  }
  if (strcmp (verb, "keeper.guard") == 0)
    return guards_set (k->guards, args, now_ms ());
  if (strcmp (verb, "keeper.unguard") == 0) {
    const char *name;
    TRY (json_get_str (args, "name", &name));
    guards_drop (k->guards, name);
    return NULL;
  }
  return watch_request (k, verb, args, result);
}

static void
serve_one (struct keeper *k)
{
  CLEANUP_FD int fd = accept4 (k->listen, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0 || !keeper_same_user (fd))
    return;
  keeper_set_timeout (fd, REQUEST_MS);
  CLEANUP_JSON json_t *message = NULL;
  CLEANUP_JSON json_t *result = NULL;
  struct err *e = keeper_read (fd, FRAME_CALL, REQUEST_MS, &message);
  if (e == NULL)
    e = request (k, message, &result);
  CLEANUP_ERR struct err *sent = NULL;
  if (e == NULL && result == NULL)
    result = json_object ();
  if (e == NULL)
    sent = keeper_write (fd, FRAME_RESULT, result);
  if (sent != NULL && strcmp (err_code (sent), "RH-LIMIT") == 0)
    e = STEAL (sent);
  if (e != NULL) {
    CLEANUP_JSON json_t *bad = json_from_err (e);
    sent = keeper_write (fd, FRAME_ERROR, bad);
  }
  err_free (e);
  if (k->stop) /* the end of the process closes it: the caller sees that */
    tree_take_fd (&fd);
}

/* --- its place ------------------------------------------------------------
 */

static struct err *
keeper_err (int errnum, const char *what, const char *where)
{
  return err_sys (errnum, "RH-AGENT-KEEPER", "the keeper cannot %s %s", what,
                  where);
}

/* Makes and locks DIR/ID: the lock tells that a keeper lives. */
static struct err *
take_place (struct keeper *k)
{
  CLEANUP_FREE char *dir = keeper_dir (k->id);
  if (mkdir (run_at (), 0700) != 0 && errno != EEXIST)
    return keeper_err (errno, "make", run_at ());
  if (mkdir (dir, 0700) != 0 && errno != EEXIST)
    return keeper_err (errno, "make", dir);
  struct stat st, there;
  k->dir = open (dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (k->dir < 0 || fstat (k->dir, &st) != 0)
    return keeper_err (errno, "open", dir);
  if (st.st_uid != geteuid () || (st.st_mode & 077) != 0)
    return keeper_err (EPERM, "trust", dir);
  if (flock (k->dir, LOCK_EX | LOCK_NB) != 0)
    return keeper_err (errno, "lock", dir);
  if (lstat (dir, &there) != 0 || there.st_ino != st.st_ino)
    return keeper_err (ENOENT, "keep", dir); /* removed by one that ended */
  return NULL;
}

static struct err *
listen_there (struct keeper *k)
{
  CLEANUP_FREE char *path = keeper_socket (k->id);
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  if (strlen (path) >= sizeof a.sun_path)
    return keeper_err (ENAMETOOLONG, "listen at", path);
  memcpy (a.sun_path, path, strlen (path) + 1);
  if (unlinkat (k->dir, "keeper", 0) != 0 && errno != ENOENT)
    return keeper_err (errno, "replace", path);
  CLEANUP_FD int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind (fd, (const struct sockaddr *)&a, sizeof a) != 0
      || chmod (path, 0600) != 0 || listen (fd, 16) != 0)
    return keeper_err (errno, "listen at", path);
  k->listen = tree_take_fd (&fd);
  return NULL;
}

static void
leave_place (struct keeper *k)
{
  remove_names (k);
  if (k->dir >= 0)
    close (k->dir);
  watches_free (k->watches);
  guards_free (k->guards);
  free (k->controller);
}

/* --- the loop -------------------------------------------------------------
 */

/* Whether the host still knows the migration as claimed. */
static bool
is_claimed (const struct keeper *k)
{
  CLEANUP_FENCE struct fence f = { .epoch = 0 };
  bool found = false;
  CLEANUP_ERR struct err *e = fence_read (k->id, &f, &found);
  return e != NULL || (found && !f.released);
}

static bool
is_needed (const struct keeper *k)
{
  return now_ms () - k->used_ms < k->idle_ms && is_claimed (k);
}

static void
loop (struct keeper *k)
{
  int64_t looked = now_ms ();
  while (!k->stop && ended == 0) {
    int wait = guards_wait (k->guards,
                            k->idle_ms < LOOK_MS ? (int)k->idle_ms : LOOK_MS);
    struct pollfd fds[POLLS_MAX];
    fds[0] = (struct pollfd){ .fd = k->listen, .events = POLLIN };
    size_t n = 1 + watches_poll (k->watches, fds + 1, POLLS_MAX - 1);
    int got = poll (fds, n, wait);
    if (got < 0 && errno != EINTR)
      return;
    if (got > 0 && n > 1)
      watches_drain (k->watches);
    if (got > 0 && fds[0].revents != 0)
      serve_one (k);
    if (now_ms () - looked < wait)
      continue;
    looked = now_ms ();
    guards_look (k->guards, looked);
    if (!is_needed (k))
      break;
  }
  /* Told to stop, it has nothing left to let go of. */
  if (!k->stop)
    guards_run_all (k->guards);
}

static void
catch_signals (void)
{
  struct sigaction stop = { .sa_handler = on_signal }; /* poll is woken */
  struct sigaction ignore = { .sa_handler = SIG_IGN };
  sigaction (SIGTERM, &stop, NULL);
  sigaction (SIGINT, &stop, NULL);
  sigaction (SIGHUP, &ignore, NULL);
  sigaction (SIGPIPE, &ignore, NULL);
}

static void
cleanup_keeper (struct keeper *k)
{
  leave_place (k);
}

struct err *
keeper_run (const char *id, int64_t idle_s, int ready_fd)
{
  TRY (fence_check_id (id));
  CLEANUP (cleanup_keeper)
  struct keeper k = { .id = id,
                      .dir = -1,
                      .listen = -1,
                      .idle_ms = idle_s * 1000,
                      .used_ms = now_ms (),
                      .epoch = -1,
                      .watches = watches_new (),
                      .guards = guards_new () };
  prctl (PR_SET_NAME, "rehome-agent"); /* started by another name, maybe */
  umask (077);
  catch_signals ();
  TRY (take_place (&k));
  TRY (listen_there (&k));
  if (ready_fd >= 0) {
    ssize_t n = write (ready_fd, "", 1);
    close (ready_fd);
    if (n != 1)
      return keeper_err (EPIPE, "tell", "who started it");
  }
  loop (&k);
  return NULL;
}

/* Nothing of who started it is held on to. */
static void
let_go (void)
{
  int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0)
    return;
  dup2 (null, STDIN_FILENO);
  dup2 (null, STDOUT_FILENO);
  if (getenv ("INVOCATION_ID") == NULL) /* else the unit's journal */
    dup2 (null, STDERR_FILENO);
}

struct err *
keeper_detach (const char *id, int64_t idle_s)
{
  int ready[2];
  char byte;
  if (pipe2 (ready, O_CLOEXEC) != 0)
    return keeper_err (errno, "make", "a pipe");
  pid_t pid = fork ();
  if (pid < 0)
    return keeper_err (errno, "start", "a process");
  if (pid > 0) {
    close (ready[1]);
    ssize_t n = read (ready[0], &byte, 1);
    close (ready[0]);
    return n == 1 ? NULL : keeper_err (ECHILD, "start", id);
  }
  close (ready[0]);
  if (setsid () < 0 || chdir ("/") != 0)
    _exit (1);
  let_go ();
  CLEANUP_ERR struct err *e = keeper_run (id, idle_s, ready[1]);
  if (e != NULL)
    log_err (LOG_ERROR, e);
  _exit (e == NULL ? 0 : 1);
}
