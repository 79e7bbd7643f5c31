/* SPDX-License-Identifier: Apache-2.0 */
/* A keeper in a process of its own, asked over its socket. */
#include "verbs.h"

#include "agent/guards.h"
#include "agent/keeper.h"
#include "agent/keeper_call.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static char *
run_dir_of (void **state)
{
  return mem_printf ("%s/run", (char *)*state);
}

static int
keeper_make (void **state)
{
  if (state_make (state) != 0)
    return -1;
  CLEANUP_FREE char *dir = run_dir_of (state);
  keeper_set_run_dir (dir);
  return 0;
}

static void
claim (int epoch, const char *controller)
{
  CLEANUP_JSON json_t *items = json_array ();
  struct fence f = { .epoch = epoch,
                     .controller = mem_strdup (controller),
                     .seq = 0,
                     .hash = mem_strdup ("h"),
                     .items = items };
  assert_ok (fence_claim ("shop", &f, NULL));
  free (f.controller);
  free (f.hash);
}

/* A keeper as a child of this test; its pid. */
static pid_t
keep (int64_t idle_s)
{
  int ready[2];
  char byte;
  assert_int_equal (pipe (ready), 0);
  pid_t pid = fork ();
  if (pid == 0) {
    close (ready[0]);
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    CLEANUP_ERR struct err *e = keeper_run ("shop", idle_s, ready[1]);
    _exit (e == NULL ? 0 : 1);
  }
  close (ready[1]);
  assert_int_equal (read (ready[0], &byte, 1), 1);
  close (ready[0]);
  return pid;
}

static int
end_of (pid_t pid)
{
  int status;
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static struct err *
use (void)
{
  return keeper_call ("shop", "keeper.use", json_object (), NULL);
}

static void
it_answers_and_ends_without_a_trace (void **state)
{
  CLEANUP_FREE char *dir = run_dir_of (state);
  claim (1, "ctl-a");
  pid_t pid = keep (60);
  CLEANUP_JSON json_t *got = NULL;
  assert_ok (call_verb (verbs_keeper, "keeper.status",
                        json_pack ("{s:s}", "migration", "shop"), &got));
  assert_true (bool_of (got, "running"));
  assert_int_equal (int_of (got, "pid"), pid);
  assert_ok (keeper_stop ("shop"));
  assert_int_equal (access (dir, F_OK), -1);
  assert_int_equal (end_of (pid), 0);
  assert_ok (keeper_stop ("shop")); /* none is left to stop */
}

static void
none_that_runs_is_said (void **state)
{
  (void)state;
  claim (1, "ctl-a");
  CLEANUP_JSON json_t *got = NULL;
  assert_ok (call_verb (verbs_keeper, "keeper.status",
                        json_pack ("{s:s}", "migration", "shop"), &got));
  assert_false (bool_of (got, "running"));
  assert_code (use (), "RH-AGENT-KEEPER");
}

static void
only_the_last_controller_is_obeyed (void **state)
{
  (void)state;
  claim (2, "ctl-a");
  pid_t pid = keep (60);
  assert_ok (use ());
  pid_t older = fork ();
  if (older == 0) { /* another agent, whose claim is an older one */
    CLEANUP_FREE char *dir = mem_printf ("%s/elsewhere", (char *)*state);
    fence_set_state_dir (dir);
    claim (1, "ctl-b");
    CLEANUP_ERR struct err *e = use ();
    bool refused = e != NULL && strcmp (err_code (e), "RH-FENCE-EPOCH") == 0;
    _exit (refused ? 0 : 1);
  }
  assert_int_equal (end_of (older), 0);
  claim (3, "ctl-b");
  assert_ok (use ());
  assert_ok (keeper_stop ("shop"));
  end_of (pid);
}

static void
without_a_claim_it_is_not_asked (void **state)
{
  (void)state;
  assert_code (use (), "RH-FENCE-EPOCH");
}

static void
two_do_not_live_at_once (void **state)
{
  (void)state;
  claim (1, "ctl-a");
  pid_t pid = keep (60);
  assert_code (keeper_run ("shop", 60, -1), "RH-AGENT-KEEPER");
  assert_ok (use ()); /* the first was not harmed */
  assert_ok (keeper_stop ("shop"));
  end_of (pid);
}

static void
one_follows_another_that_was_killed (void **state)
{
  (void)state;
  claim (1, "ctl-a");
  pid_t pid = keep (60);
  kill (pid, SIGKILL);
  waitpid (pid, NULL, 0);
  assert_code (use (), "RH-AGENT-KEEPER");
  pid = keep (60);
  assert_ok (use ());
  assert_ok (keeper_stop ("shop"));
  end_of (pid);
}

static void
it_ends_when_nobody_needs_it (void **state)
{
  CLEANUP_FREE char *dir = run_dir_of (state);
  claim (1, "ctl-a");
  pid_t pid = keep (1);
  assert_int_equal (end_of (pid), 0);
  assert_int_equal (access (dir, F_OK), -1);
}

static void
a_peer_that_says_nothing_or_nonsense_holds_nothing_up (void **state)
{
  (void)state;
  claim (1, "ctl-a");
  pid_t pid = keep (60);
  CLEANUP_FREE char *path = keeper_socket ("shop");
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  snprintf (a.sun_path, sizeof a.sun_path, "%s", path);
  CLEANUP_FD int mute = socket (AF_UNIX, SOCK_STREAM, 0);
  CLEANUP_FD int loud = socket (AF_UNIX, SOCK_STREAM, 0);
  assert_int_equal (connect (mute, (struct sockaddr *)&a, sizeof a), 0);
  assert_int_equal (connect (loud, (struct sockaddr *)&a, sizeof a), 0);
  assert_int_equal (send (loud, "\xff\xff\xff\xff\x02\x00\x00\x00", 8, 0), 8);
  shutdown (loud, SHUT_WR);
  assert_ok (use ());
  assert_ok (keeper_stop ("shop"));
  end_of (pid);
}

static void
a_guard_that_fails_as_the_keeper_ends_is_run_again (void **state)
{
  (void)state;
  char dir[] = "/tmp/guards-XXXXXX", once[64], done[64], script[256];
  assert_non_null (mkdtemp (dir));
  snprintf (once, sizeof once, "%s/once", dir);
  snprintf (done, sizeof done, "%s/done", dir);
  snprintf (script, sizeof script,
            "test -e %s && touch %s && exit; touch %s; exit 1", once, done,
            once);
  struct guards *g = guards_new ();
  json_t *args CLEANUP_JSON
      = json_pack ("{s:s, s:[s, s, o], s:i}", "name", "slot", "argv", "/bin/sh",
                   "-c", json_bytes (script, strlen (script)), "idle_s", 60);
  assert_ok (guards_set (g, args, 0));
  guards_run_all (g);
  assert_int_equal (access (done, F_OK), 0);
  guards_free (g);
  unlink (once);
  unlink (done);
  rmdir (dir);
}

/* A guard that leaves a file when it lets go. */
static struct err *
guard (const char *file, json_int_t idle_s, const char *floor)
{
  return call_verb (verbs_keeper, "keeper.guard",
                    json_pack ("{s:s, s:s, s:[s,s], s:s, s:s, s:I}",
                               "migration", "shop", "name", "slot", "argv",
                               "touch", file, "path", "/", "floor", floor,
                               "idle_s", idle_s),
                    &(json_t *){ NULL });
}

static bool
appears (const char *file)
{
  for (int i = 0; i < 400 && access (file, F_OK) != 0; i++)
    usleep (10000);
  return access (file, F_OK) == 0;
}

static void
a_guard_lets_go_when_nobody_renews_it (void **state)
{
  CLEANUP_FREE char *file = mem_printf ("%s/gone", (char *)*state);
  claim (1, "ctl-a");
  pid_t pid = keep (60);
  assert_ok (guard (file, 60, "0"));
  usleep (1500000);
  assert_int_equal (access (file, F_OK), -1);
  assert_ok (guard (file, 1, "0"));
  assert_true (appears (file));
  assert_ok (use ()); /* it lives on */
  assert_ok (keeper_stop ("shop"));
  end_of (pid);
}

static void
a_guard_lets_go_when_the_disk_gets_full (void **state)
{
  CLEANUP_FREE char *file = mem_printf ("%s/full", (char *)*state);
  claim (1, "ctl-a");
  pid_t pid = keep (2); /* looks every two seconds */
  assert_ok (guard (file, 60, "18446744073709551615"));
  assert_true (appears (file));
  end_of (pid);
}

static void
a_guard_that_was_taken_away_or_whose_keeper_was_told_to_stop_does_nothing (
    void **state)
{
  CLEANUP_FREE char *file = mem_printf ("%s/never", (char *)*state);
  claim (1, "ctl-a");
  pid_t pid = keep (60);
  json_t *none = NULL;
  assert_ok (guard (file, 1, "0"));
  assert_ok (call_verb (
      verbs_keeper, "keeper.unguard",
      json_pack ("{s:s, s:s}", "migration", "shop", "name", "slot"), &none));
  usleep (1500000);
  assert_ok (guard (file, 60, "0"));
  assert_ok (keeper_stop ("shop"));
  end_of (pid);
  assert_int_equal (access (file, F_OK), -1);
}

static void
a_keeper_that_ends_by_itself_lets_go_first (void **state)
{
  CLEANUP_FREE char *file = mem_printf ("%s/ended", (char *)*state);
  claim (1, "ctl-a");
  pid_t pid = keep (60);
  assert_ok (guard (file, 60, "0"));
  kill (pid, SIGTERM); /* as the system does when it goes down */
  end_of (pid);
  assert_int_equal (access (file, F_OK), 0);
}

#define kept(test) \
  cmocka_unit_test_setup_teardown (test, keeper_make, scratch_remove)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_guard_that_fails_as_the_keeper_ends_is_run_again),
    kept (a_guard_lets_go_when_nobody_renews_it),
    kept (a_guard_lets_go_when_the_disk_gets_full),
    kept (
        a_guard_that_was_taken_away_or_whose_keeper_was_told_to_stop_does_nothing),
    kept (a_keeper_that_ends_by_itself_lets_go_first),
    kept (it_answers_and_ends_without_a_trace),
    kept (none_that_runs_is_said),
    kept (only_the_last_controller_is_obeyed),
    kept (without_a_claim_it_is_not_asked),
    kept (two_do_not_live_at_once),
    kept (one_follows_another_that_was_killed),
    kept (it_ends_when_nobody_needs_it),
    kept (a_peer_that_says_nothing_or_nonsense_holds_nothing_up),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
