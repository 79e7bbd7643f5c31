/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing of what was meant runs on, and only that is woken again. */
#include "held.h"

#include "host/procs.h"
#include "host/suspend.h"

#include <grp.h>

static char *
record_of (void **state)
{
  return mem_printf ("%s/record", (char *)*state);
}

static char
state_of (pid_t pid)
{
  struct proc p;
  char s = proc_read (pid, &p) == 0 ? p.state : '-';
  proc_free (&p);
  return s;
}

static struct suspend_pid
named (pid_t pid)
{
  struct proc p;
  assert_int_equal (proc_read (pid, &p), 0);
  struct suspend_pid name = { .pid = pid, .start = p.start };
  proc_free (&p);
  return name;
}

static struct suspend_who
who_of (const struct suspend_pid *pid)
{
  return (
      struct suspend_who){ .pids = pid, .pid_count = 1, .timeout_ms = 5000 };
}

/* Not by kill(): the children of children go with their parents' group. */
static int
leads_a_group (void)
{
  return setpgid (0, 0);
}

static void
end_group (pid_t pid)
{
  kill (-pid, SIGKILL);
  waitpid (pid, NULL, 0);
}

static void
dies_with_its_parent (void)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static void __attribute__ ((noreturn))
count_on (int fd)
{
  for (;;) {
    ssize_t n = write (fd, "x", 1);
    usleep (n < 0 ? 100000 : 1000);
  }
}

/* Three generations, of which the last counts in a file. */
static int
family (const char *dir)
{
  if (leads_a_group () != 0)
    return -1;
  char *path = mem_printf ("%s/count", dir);
  int fd = open (path, O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (fork () > 0)
    return 0;
  dies_with_its_parent ();
  if (fork () == 0) {
    dies_with_its_parent ();
    count_on (fd);
  }
  for (;;)
    pause ();
}

static long
count_of (void **state)
{
  CLEANUP_FREE char *path = mem_printf ("%s/count", (char *)*state);
  struct stat st;
  return stat (path, &st) == 0 ? (long)st.st_size : -1;
}

static void
a_family_stops_and_goes_on_again (void **state)
{
  CLEANUP_FREE char *record = record_of (state);
  pid_t pid = held_start (family, *state);
  struct suspend_pid name = named (pid);
  struct suspend_who who = who_of (&name);
  while (count_of (state) < 3)
    usleep (1000);
  size_t suspended = 0, resumed = 0;
  assert_ok (suspend_all (&who, record, &suspended));
  assert_int_equal (suspended, 3);
  assert_int_equal (state_of (pid), 'T');
  long before = count_of (state);
  usleep (100000);
  assert_int_equal (count_of (state), before);
  CLEANUP_FREE char *text = get_file (record);
  assert_non_null (strstr (text, "\"start\":\""));
  assert_ok (suspend_resume (record, &resumed));
  assert_int_equal (resumed, 3);
  assert_int_not_equal (access (record, F_OK), 0);
  for (int i = 0; i < 2000 && count_of (state) == before; i++)
    usleep (1000);
  long after = count_of (state);
  end_group (pid);
  assert_true (after > before);
}

/* Forks all the time: no single look catches it. */
static int
breeds (const char *dir)
{
  (void)dir;
  if (leads_a_group () != 0)
    return -1;
  signal (SIGCHLD, SIG_IGN);
  if (fork () > 0)
    return 0;
  dies_with_its_parent ();
  for (;;) {
    pid_t child = fork ();
    if (child == 0) {
      usleep (300);
      _exit (0);
    }
    usleep (200);
  }
}

static size_t
count_running (pid_t group)
{
  CLEANUP (procs_free) struct procs all;
  assert_ok (procs_scan (&all));
  size_t n = 0;
  for (size_t i = 0; i < all.list.n; i++)
    if (getpgid (all.list.v[i].pid) == group
        && strchr ("RSD", all.list.v[i].state) != NULL)
      n++;
  return n;
}

static void
one_that_forks_all_the_time_is_caught (void **state)
{
  CLEANUP_FREE char *record = record_of (state);
  pid_t pid = held_start (breeds, *state);
  struct suspend_pid name = named (pid);
  struct suspend_who who = who_of (&name);
  size_t suspended = 0, resumed = 0;
  struct err *e = suspend_all (&who, record, &suspended);
  size_t running = count_running (pid);
  CLEANUP_ERR struct err *second = suspend_resume (record, &resumed);
  end_group (pid);
  assert_ok (e);
  assert_int_equal (running, 0);
  assert_true (suspended >= 2);
}

static int
waits (const char *dir)
{
  (void)dir;
  return 0;
}

static void
what_was_stopped_before_is_not_woken (void **state)
{
  CLEANUP_FREE char *record = record_of (state);
  pid_t pid = held_start (waits, *state);
  struct suspend_pid name = named (pid);
  struct suspend_who who = who_of (&name);
  kill (pid, SIGSTOP);
  while (state_of (pid) != 'T')
    usleep (1000);
  size_t suspended = 9, resumed = 9;
  assert_ok (suspend_all (&who, record, &suspended));
  assert_ok (suspend_resume (record, &resumed));
  char after = state_of (pid);
  held_end (pid);
  assert_int_equal (suspended, 0);
  assert_int_equal (resumed, 0);
  assert_int_equal (after, 'T');
}

static void
another_process_of_the_same_number_is_left_alone (void **state)
{
  CLEANUP_FREE char *record = record_of (state);
  pid_t pid = held_start (waits, *state);
  struct suspend_pid name = named (pid);
  name.start++;
  struct suspend_who who = who_of (&name);
  size_t suspended = 9;
  assert_ok (suspend_all (&who, record, &suspended));
  char after = state_of (pid);
  held_end (pid);
  assert_int_equal (suspended, 0);
  assert_int_not_equal (after, 'T');
}

static void
a_second_call_goes_on_with_the_record (void **state)
{
  CLEANUP_FREE char *record = record_of (state);
  pid_t one = held_start (waits, *state);
  pid_t two = held_start (waits, *state);
  struct suspend_pid first = named (one), second = named (two);
  struct suspend_who a = who_of (&first), b = who_of (&second);
  size_t suspended, resumed;
  assert_ok (suspend_all (&a, record, &suspended));
  assert_int_equal (suspended, 1);
  assert_ok (suspend_all (&b, record, &suspended));
  assert_int_equal (suspended, 2);
  assert_ok (suspend_resume (record, &resumed));
  assert_int_equal (resumed, 2);
  assert_int_not_equal (state_of (one), 'T');
  held_end (one);
  held_end (two);
}

static void
a_record_of_another_boot_names_nobody (void **state)
{
  CLEANUP_FREE char *record = record_of (state);
  pid_t pid = held_start (waits, *state);
  struct suspend_pid name = named (pid);
  kill (pid, SIGSTOP);
  while (state_of (pid) != 'T')
    usleep (1000);
  CLEANUP_FREE char *text = mem_printf (
      "{\"boot_id\":\"another\",\"processes\":[{\"pid\":%d,\"start\":\"%llu\"}"
      "]}",
      pid, (unsigned long long)name.start);
  put_file (record, text);
  size_t resumed = 9;
  assert_ok (suspend_resume (record, &resumed));
  char after = state_of (pid);
  held_end (pid);
  assert_int_equal (resumed, 0);
  assert_int_equal (after, 'T');
  assert_int_not_equal (access (record, F_OK), 0);
}

static void
a_broken_record_is_said_and_kept (void **state)
{
  CLEANUP_FREE char *record = record_of (state);
  size_t resumed;
  static const char *const broken[]
      = { "nonsense", "{}", "[]", "{\"boot_id\":\"x\",\"processes\":3}" };
  for (size_t i = 0; i < 4; i++) {
    put_file (record, broken[i]);
    assert_code (suspend_resume (record, &resumed), "RH-PROCESS-RECORD");
    assert_int_equal (access (record, F_OK), 0);
  }
}

static void
no_record_wakes_nobody (void **state)
{
  CLEANUP_FREE char *record = record_of (state);
  size_t resumed = 9;
  assert_ok (suspend_resume (record, &resumed));
  assert_int_equal (resumed, 0);
}

static void
root_as_a_whole_is_refused (void **state)
{
  CLEANUP_FREE char *record = record_of (state);
  uid_t uids[] = { 4242, 0 };
  struct suspend_who who = { .uids = uids, .uid_count = 2 };
  size_t suspended;
  assert_code (suspend_all (&who, record, &suspended), "RH-PROCESS-ROOT");
  assert_int_not_equal (access (record, F_OK), 0);
}

/* Another program than this one: this one's own are spared. */
static pid_t
sleeper_of (uid_t uid)
{
  pid_t pid = fork ();
  if (pid == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    if (setgroups (0, NULL) == 0 && setuid (uid) == 0)
      execl ("/bin/sleep", "sleep", "60", (char *)NULL);
    _exit (1);
  }
  for (;;) {
    struct proc p;
    bool there = proc_read (pid, &p) == 0 && strcmp (p.comm, "sleep") == 0;
    proc_free (&p);
    if (there)
      return pid;
    usleep (1000);
  }
}

static void
a_user_is_stopped_but_this_program_spared (void **state)
{
  if (geteuid () != 0)
    skip ();
  CLEANUP_FREE char *record = record_of (state);
  pid_t sleeper = sleeper_of (54321);
  pid_t other = sleeper_of (54322);
  pid_t own = fork ();
  if (own == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    while (setuid (54321) == 0)
      pause ();
  }
  usleep (20000);
  uid_t uid = 54321;
  struct suspend_who who = { .uids = &uid, .uid_count = 1 };
  size_t suspended = 0, resumed = 0;
  struct err *e = suspend_all (&who, record, &suspended);
  char states[4] = { state_of (sleeper), state_of (other), state_of (own), 0 };
  CLEANUP_ERR struct err *second = suspend_resume (record, &resumed);
  held_end (sleeper);
  held_end (other);
  held_end (own);
  assert_ok (e);
  assert_string_equal (states, "TSS");
  assert_int_equal (suspended, 1);
  assert_int_equal (resumed, 1);
}

/* Someone wakes one of them again at once, as a watcher would. */
static void
what_does_not_stay_stopped_is_told_and_all_resumed (void **state)
{
  CLEANUP_FREE char *record = record_of (state);
  pid_t quiet = held_start (waits, *state);
  pid_t woken = held_start (waits, *state);
  pid_t waker = fork ();
  if (waker == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
      kill (woken, SIGCONT);
  }
  struct suspend_pid names[] = { named (quiet), named (woken) };
  struct suspend_who who = { .pids = names, .pid_count = 2, .timeout_ms = 300 };
  size_t suspended;
  CLEANUP_ERR struct err *e = suspend_all (&who, record, &suspended);
  held_end (waker);
  usleep (10000);
  char after = state_of (quiet);
  held_end (quiet);
  held_end (woken);
  if (e == NULL)
    skip (); /* the waker got no turn */
  assert_string_equal (err_code (e), "RH-PROCESS-RUNNING");
  assert_int_not_equal (after, 'T');
  assert_int_not_equal (access (record, F_OK), 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    in_scratch (a_family_stops_and_goes_on_again),
    in_scratch (one_that_forks_all_the_time_is_caught),
    in_scratch (what_was_stopped_before_is_not_woken),
    in_scratch (another_process_of_the_same_number_is_left_alone),
    in_scratch (a_second_call_goes_on_with_the_record),
    in_scratch (a_record_of_another_boot_names_nobody),
    in_scratch (a_broken_record_is_said_and_kept),
    in_scratch (no_record_wakes_nobody),
    in_scratch (root_as_a_whole_is_refused),
    in_scratch (a_user_is_stopped_but_this_program_spared),
    in_scratch (what_does_not_stay_stopped_is_told_and_all_resumed),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
