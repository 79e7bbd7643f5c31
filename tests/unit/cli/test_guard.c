/* SPDX-License-Identifier: Apache-2.0 */
/* What goes out by stdout and stderr once they are guarded. */
#include "groups.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/guard.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a guarded child's stdout gave. */
static char *
said_by (void (*speak) (void))
{
  int ends[2];
  assert_int_equal (pipe (ends), 0);
  pid_t pid = fork ();
  if (pid == 0) {
    dup2 (ends[1], STDOUT_FILENO);
    dup2 (ends[1], STDERR_FILENO);
    guard_stdio ();
    speak ();
    fflush (NULL);
    _exit (0);
  }
  close (ends[1]);
  char *text = mem_alloc (4096);
  ssize_t n;
  for (size_t at = 0; (n = read (ends[0], text + at, 4095 - at)) > 0;)
    at += (size_t)n;
  close (ends[0]);
  waitpid (pid, NULL, 0);
  return text;
}

static void
speak_controls (void)
{
  fputs ("a\033[2J\007b\r\177\tc\\x\n", stdout);
  fputs ("\302\233m \342\200\256 \377 \303\266\n", stdout);
}

static void
control_bytes_are_escaped_and_text_is_not (void **state)
{
  (void)state;
  CLEANUP_FREE char *said = said_by (speak_controls);
  assert_string_equal (said, "a\\x1b[2J\\x07b\\x0d\\x7f\tc\\x\n"
                             "\\xc2\\x9bm \\xe2\\x80\\xae \\xff \303\266\n");
}

static void
speak_in_pieces (void)
{
  static const char text[] = "\303\266\342\202\254\360\237\230\200\302\233";
  for (size_t i = 0; i + 1 < sizeof text; i++) {
    putc (text[i], stdout);
    fflush (stdout);
  }
}

static void
a_character_in_two_pieces_is_one (void **state)
{
  (void)state;
  CLEANUP_FREE char *said = said_by (speak_in_pieces);
  assert_string_equal (said, "\303\266\342\202\254\360\237\230\200\\xc2\\x9b");
}

static void
speak_own (void)
{
  fputs ("x", stderr);
  guard_obeyed ("\033[0m");
  fputs ("y\033\n", stderr);
}

static void
sequences_of_its_own_pass_in_order (void **state)
{
  (void)state;
  CLEANUP_FREE char *said = said_by (speak_own);
  assert_string_equal (said, "x\033[0my\\x1b\n");
}

const struct CMUnitTest guard_tests[] = {
  cmocka_unit_test (control_bytes_are_escaped_and_text_is_not),
  cmocka_unit_test (a_character_in_two_pieces_is_one),
  cmocka_unit_test (sequences_of_its_own_pass_in_order),
};
const size_t guard_count = sizeof guard_tests / sizeof guard_tests[0];
