/* SPDX-License-Identifier: Apache-2.0 */
/* What a watch tells of changes below its root, as the kernel sees them. */
#include "../host/scratch.h"

#include "agent/watches.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "host/fsevents.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* A watched tree ROOT with ROOT/dir/file, acknowledged as it is. */
struct ground {
  char *scratch, *root;
  struct watches *w;
  struct watch_round at;
};

static char *
in (const struct ground *g, const char *rel)
{
  return mem_printf ("%s/%s", g->root, rel);
}

static void
put (const struct ground *g, const char *rel, const char *text)
{
  CLEANUP_FREE char *path = in (g, rel);
  CLEANUP_FD int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  assert_true (fd >= 0);
  assert_int_equal (write (fd, text, strlen (text)), (ssize_t)strlen (text));
}

static void
make_dir (const struct ground *g, const char *rel)
{
  CLEANUP_FREE char *path = in (g, rel);
  assert_int_equal (mkdir (path, 0755), 0);
}

static void
acknowledge (struct ground *g)
{
  watch_ack (g->w, &g->at);
  g->at.round++;
}

static int
ground_make (void **state)
{
  void *scratch = NULL;
  if (geteuid () != 0)
    return 0;
  if (scratch_make (&scratch) != 0)
    return -1;
  struct ground *g = mem_alloc (sizeof *g);
  g->scratch = scratch;
  g->root = mem_printf ("%s/root", g->scratch);
  mkdir (g->root, 0755);
  make_dir (g, "dir");
  put (g, "dir/file", "one");
  g->w = watches_new ();
  g->at = (struct watch_round){
    .root = g->root, .index = "x", .filter = "", .round = 1
  };
  *state = g;
  if (watch_mark (g->w, &g->at) != NULL)
    return -1;
  acknowledge (g);
  return 0;
}

static int
ground_remove (void **state)
{
  struct ground *g = *state;
  if (g == NULL)
    return 0;
  watches_free (g->w);
  free (g->root);
  void *scratch = g->scratch;
  free (g);
  return scratch_remove (&scratch);
}

#define watched(test) \
  cmocka_unit_test_setup_teardown (test, ground_make, ground_remove)

static struct ground *
ground_of (void **state)
{
  if (*state == NULL)
    skip ();
  return *state;
}

static json_t *
taken (struct ground *g)
{
  json_t *got = watch_take (g->w, &g->at);
  if (!json_is_true (json_object_get (got, "known")))
    fail_msg ("not known: %s",
              json_string_value (json_object_get (got, "why")));
  return got;
}

static bool
has (const json_t *got, const char *list, const char *path)
{
  size_t i;
  json_t *one;
  json_array_foreach (json_object_get (got, list), i,
                      one) if (strcmp (json_string_value (one), path)
                               == 0) return true;
  return false;
}

static const char *
why_not (struct ground *g)
{
  json_t *got = watch_take (g->w, &g->at);
  static char why[40];
  const char *said = json_string_value (json_object_get (got, "why"));
  snprintf (why, sizeof why, "%s", said != NULL ? said : "(known)");
  json_decref (got);
  return why;
}

static void
a_written_file_is_named (void **state)
{
  struct ground *g = ground_of (state);
  put (g, "dir/file", "two");
  CLEANUP_JSON json_t *got = taken (g);
  assert_true (has (got, "names", "dir/file"));
  assert_int_equal (json_array_size (json_object_get (got, "names")), 1);
}

static void
nothing_is_named_where_files_are_only_read (void **state)
{
  struct ground *g = ground_of (state);
  CLEANUP_FREE char *path = in (g, "dir/file");
  char byte;
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC);
  assert_int_equal (read (fd, &byte, 1), 1);
  CLEANUP_JSON json_t *got = taken (g);
  assert_int_equal (json_array_size (json_object_get (got, "names")), 0);
  assert_int_equal (json_array_size (json_object_get (got, "deep")), 0);
}

static void
attributes_links_and_deletions_are_named (void **state)
{
  struct ground *g = ground_of (state);
  CLEANUP_FREE char *file = in (g, "dir/file");
  CLEANUP_FREE char *other = in (g, "dir/other");
  CLEANUP_FREE char *dir = in (g, "dir");
  put (g, "dir/mode", "");
  put (g, "dir/gone", "");
  json_decref (taken (g));
  acknowledge (g);
  CLEANUP_FREE char *mode = in (g, "dir/mode");
  CLEANUP_FREE char *gone = in (g, "dir/gone");
  assert_int_equal (chmod (mode, 0600), 0);
  assert_int_equal (setxattr (file, "user.x", "1", 1, 0), 0);
  assert_int_equal (link (file, other), 0);
  assert_int_equal (unlink (gone), 0);
  assert_int_equal (chmod (dir, 0700), 0);
  CLEANUP_JSON json_t *got = taken (g);
  assert_true (has (got, "names", "dir/mode"));
  assert_true (has (got, "names", "dir/file"));
  assert_true (has (got, "names", "dir/other"));
  assert_true (has (got, "names", "dir/gone"));
  assert_true (has (got, "names", "dir"));
}

static void
a_renamed_directory_is_named_with_all_below (void **state)
{
  struct ground *g = ground_of (state);
  CLEANUP_FREE char *from = in (g, "dir");
  CLEANUP_FREE char *to = in (g, "moved");
  assert_int_equal (rename (from, to), 0);
  CLEANUP_JSON json_t *got = taken (g);
  assert_true (has (got, "deep", "dir"));
  assert_true (has (got, "deep", "moved"));
}

static void
a_directory_moved_in_from_outside_is_seen_from_then_on (void **state)
{
  struct ground *g = ground_of (state);
  CLEANUP_FREE char *away = mem_printf ("%s/away", g->scratch);
  CLEANUP_FREE char *file = mem_printf ("%s/away/f", g->scratch);
  CLEANUP_FREE char *to = in (g, "in");
  assert_int_equal (mkdir (away, 0755), 0);
  close (open (file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  json_decref (taken (g)); /* `away` is known to lie outside now */
  acknowledge (g);
  assert_int_equal (rename (away, to), 0);
  put (g, "in/f", "new");
  CLEANUP_JSON json_t *got = taken (g);
  assert_true (has (got, "deep", "in"));
  assert_true (has (got, "names", "in/f"));
}

static void
what_happens_outside_the_root_is_not_named (void **state)
{
  struct ground *g = ground_of (state);
  CLEANUP_FREE char *path = mem_printf ("%s/root2", g->scratch);
  assert_int_equal (mkdir (path, 0755), 0);
  CLEANUP_JSON json_t *got = taken (g);
  assert_int_equal (json_array_size (json_object_get (got, "names")), 0);
  assert_int_equal (json_array_size (json_object_get (got, "deep")), 0);
}

/* A directory so deep that its path cannot be told. */
static void
make_abyss (const char *top)
{
  CLEANUP_FREE char *step = mem_alloc (201);
  memset (step, 'x', 200);
  int cwd = open (".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  assert_int_equal (chdir (top), 0);
  for (int i = 0; i < 25; i++) {
    assert_int_equal (mkdir (step, 0755), 0);
    assert_int_equal (chdir (step), 0);
  }
  close (open ("f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  assert_int_equal (fchdir (cwd), 0);
  close (cwd);
}

static void
a_path_that_is_too_long_matters_only_inside (void **state)
{
  struct ground *g = ground_of (state);
  make_abyss (g->scratch);
  json_decref (taken (g));
  make_abyss (g->root);
  assert_string_equal (why_not (g), "handle");
  CLEANUP_FREE char *command = mem_printf ("rm -rf %s/xx*", g->scratch);
  assert_int_equal (system (command), 0);
  CLEANUP_FREE char *inside = mem_printf ("rm -rf %s/xx*", g->root);
  assert_int_equal (system (inside), 0);
}

static void
names_stay_until_their_round_is_acknowledged (void **state)
{
  struct ground *g = ground_of (state);
  put (g, "a", "1");
  json_decref (taken (g));
  g->at.round++; /* that round failed */
  CLEANUP_JSON json_t *again = taken (g);
  assert_true (has (again, "names", "a"));
  put (g, "b", "1"); /* while the round runs */
  watches_drain (g->w);
  acknowledge (g);
  CLEANUP_JSON json_t *later = taken (g);
  assert_false (has (later, "names", "a"));
  assert_true (has (later, "names", "b"));
}

static void
an_acknowledgement_of_another_round_counts_for_nothing (void **state)
{
  struct ground *g = ground_of (state);
  put (g, "a", "1");
  json_decref (taken (g));
  struct watch_round other = g->at;
  other.round = 77;
  watch_ack (g->w, &other);
  CLEANUP_JSON json_t *again = taken (g);
  assert_true (has (again, "names", "a"));
}

static void
lost_events_make_the_whole_unknown (void **state)
{
  struct ground *g = ground_of (state);
  fsevents_force_limit (true);
  struct watch_round own
      = { .root = g->root, .index = "y", .filter = "", .round = 1 };
  struct watches *w = watches_new ();
  assert_ok (watch_mark (w, &own));
  fsevents_force_limit (false);
  watch_ack (w, &own);
  for (int i = 0; i < 17000; i++) {
    CLEANUP_FREE char *path = mem_printf ("%s/n%d", g->root, i);
    close (open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    unlink (path); /* one merged event */
  }
  CLEANUP_JSON json_t *got = watch_take (w, &own);
  assert_string_equal (json_string_value (json_object_get (got, "why")),
                       "overflow");
  assert_ok (watch_mark (w, &own)); /* a walk, and it goes on */
  watch_ack (w, &own);
  CLEANUP_JSON json_t *after = watch_take (w, &own);
  assert_true (json_is_true (json_object_get (after, "known")));
  watches_free (w);
}

static void
a_root_that_was_replaced_is_unknown (void **state)
{
  struct ground *g = ground_of (state);
  CLEANUP_FREE char *old = mem_printf ("%s/old", g->scratch);
  assert_int_equal (rename (g->root, old), 0);
  assert_int_equal (mkdir (g->root, 0755), 0);
  assert_string_equal (why_not (g), "root");
}

static void
a_mount_below_the_root_is_unknown (void **state)
{
  struct ground *g = ground_of (state);
  CLEANUP_FREE char *dir = in (g, "dir");
  assert_int_equal (mount ("none", dir, "tmpfs", 0, "size=1m"), 0);
  const char *why = why_not (g);
  assert_int_equal (umount (dir), 0);
  assert_string_equal (why, "mounts");
}

static void
a_tree_that_was_never_walked_is_unknown (void **state)
{
  struct ground *g = ground_of (state);
  g->at.index = "other";
  assert_string_equal (why_not (g), "first");
}

static void
hinted_rounds_are_counted_until_a_walk (void **state)
{
  struct ground *g = ground_of (state);
  json_decref (taken (g));
  acknowledge (g);
  CLEANUP_JSON json_t *got = taken (g);
  assert_int_equal (json_integer_value (json_object_get (got, "rounds")), 1);
  acknowledge (g);
  assert_ok (watch_mark (g->w, &g->at));
  acknowledge (g);
  CLEANUP_JSON json_t *after = taken (g);
  assert_int_equal (json_integer_value (json_object_get (after, "rounds")), 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    watched (a_written_file_is_named),
    watched (nothing_is_named_where_files_are_only_read),
    watched (attributes_links_and_deletions_are_named),
    watched (a_renamed_directory_is_named_with_all_below),
    watched (a_directory_moved_in_from_outside_is_seen_from_then_on),
    watched (what_happens_outside_the_root_is_not_named),
    watched (a_path_that_is_too_long_matters_only_inside),
    watched (names_stay_until_their_round_is_acknowledged),
    watched (an_acknowledgement_of_another_round_counts_for_nothing),
    watched (lost_events_make_the_whole_unknown),
    watched (a_root_that_was_replaced_is_unknown),
    watched (a_mount_below_the_root_is_unknown),
    watched (a_tree_that_was_never_walked_is_unknown),
    watched (hinted_rounds_are_counted_until_a_walk),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
