/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds that follow a real watcher: a tree that is changed in every way ends
 * equal on the target, as tools that are not rehome's judge it.
 */
#include "../tree/ground.h"

#include "agent/watches.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct watches *watches;
static struct hints hints;
static int walks;

static struct watch_round
round_of (const struct ground *g)
{
  return (struct watch_round){
    .root = g->src, .index = "item", .filter = "", .round = g->send.round
  };
}

/* As tree.send does it in the agent. */
static void
begin (struct ground *g)
{
  struct watch_round r = round_of (g);
  CLEANUP_JSON json_t *got = watch_take (watches, &r);
  hints_free (&hints);
  g->send.hints = NULL;
  if (!json_is_true (json_object_get (got, "known"))) {
    walks++;
    print_message ("# walks: %s\n",
                   json_string_value (json_object_get (got, "why")));
    assert_ok (watch_mark (watches, &r));
    return;
  }
  assert_ok (hints_read (&hints, json_object_get (got, "names"), false));
  assert_ok (hints_read (&hints, json_object_get (got, "deep"), true));
  hints_seal (&hints);
  g->send.hints = &hints;
}

static void
end (struct ground *g)
{
  struct watch_round r = round_of (g);
  watch_ack (watches, &r);
  if (ground_sent (g, "left") > 0 || ground_sent (g, "outside") > 0)
    watch_drop (watches, &r);
}

static void
follow (struct ground *g)
{
  g->send.round = 1;
  begin (g);
  assert_ok (ground_round (g));
  end (g);
}

static int
set_up (void **state)
{
  if (ground_set_up (state) != 0)
    return -1;
  struct ground *g = *state;
  watches = watches_new ();
  walks = 0;
  g->receive.delete_limit = 100000;
  return 0;
}

static int
tear_down (void **state)
{
  watches_free (watches);
  hints_free (&hints);
  return ground_tear_down (state);
}

/* A first copy of dir/{a,b,c}, sub/deep/x. */
static struct ground *
seeded (void **state)
{
  struct ground *g = *state;
  make_dir (on_src (g, "dir"));
  make_dir (on_src (g, "sub"));
  make_dir (on_src (g, "sub/deep"));
  put_file (on_src (g, "dir/a"), "one");
  put_file (on_src (g, "dir/b"), "two");
  put_file (on_src (g, "dir/c"), "three");
  put_file (on_src (g, "sub/deep/x"), "four");
  begin (g);
  assert_ok (ground_copy (g));
  end (g);
  return g;
}

/* Nothing but what was named was looked at. */
static void
assert_hinted (struct ground *g)
{
  assert_int_equal (walks, 1);
  assert_non_null (g->send.hints);
}

static void
only_what_changed_is_visited (void **state)
{
  struct ground *g = seeded (state);
  put_file (on_src (g, "dir/b"), "other");
  follow (g);
  assert_hinted (g);
  assert_int_equal (ground_sent (g, "walked"), 3); /* root, dir, b */
  assert_int_equal (ground_sent (g, "files"), 1);
  assert_same_trees (g->src, g->dst);
}

static void
a_deletion_takes_all_below_along (void **state)
{
  struct ground *g = seeded (state);
  RUN ("rm", "-r", on_src (g, "sub"));
  unlink (on_src (g, "dir/a"));
  follow (g);
  assert_hinted (g);
  assert_int_equal (ground_sent (g, "deleted"), 4);
  assert_same_trees (g->src, g->dst);
}

static void
a_renamed_directory_moves_with_its_content (void **state)
{
  struct ground *g = seeded (state);
  assert_int_equal (rename (on_src (g, "sub"), on_src (g, "dir/sub")), 0);
  follow (g);
  assert_hinted (g);
  assert_same_trees (g->src, g->dst);
}

static void
a_directory_made_again_under_its_name_loses_what_it_held (void **state)
{
  struct ground *g = seeded (state);
  RUN ("rm", "-r", on_src (g, "dir"));
  make_dir (on_src (g, "dir"));
  put_file (on_src (g, "dir/b"), "new");
  follow (g);
  assert_hinted (g);
  assert_same_trees (g->src, g->dst);
}

static void
a_directory_and_a_file_change_places (void **state)
{
  struct ground *g = seeded (state);
  RUN ("rm", "-r", on_src (g, "sub"));
  put_file (on_src (g, "sub"), "a file now");
  unlink (on_src (g, "dir/c"));
  make_dir (on_src (g, "dir/c"));
  put_file (on_src (g, "dir/c/in"), "in");
  follow (g);
  assert_hinted (g);
  assert_same_trees (g->src, g->dst);
}

static void
two_rounds_lie_one_above_the_other (void **state)
{
  struct ground *g = seeded (state);
  put_file (on_src (g, "dir/b"), "2");
  follow (g);
  put_file (on_src (g, "dir/b"), "33");
  put_file (on_src (g, "dir/new"), "n");
  follow (g);
  unlink (on_src (g, "dir/new"));
  follow (g);
  assert_hinted (g);
  assert_same_trees (g->src, g->dst);
  /* A walk sees through them: nothing is left to send. */
  g->send.hints = NULL;
  assert_ok (ground_round (g));
  assert_int_equal (ground_sent (g, "files"), 0);
  assert_int_equal (ground_sent (g, "deleted"), 0);
  assert_int_equal (ground_sent (g, "entries"), 1); /* the root */
  assert_same_trees (g->src, g->dst);
}

static void
a_further_name_is_left_to_a_walk (void **state)
{
  struct ground *g = seeded (state);
  assert_int_equal (link (on_src (g, "dir/a"), on_src (g, "dir/z")), 0);
  put_file (on_src (g, "dir/b"), "still hinted");
  follow (g);
  assert_hinted (g);
  assert_true (ground_sent (g, "left") > 0);
  follow (g);
  assert_int_equal (walks, 2);
  assert_same_trees (g->src, g->dst);
}

static void
names_outside_of_the_tree_need_walks (void **state)
{
  struct ground *g = seeded (state);
  char *outside = mem_printf ("%s/outside", g->dir);
  follow (g);
  assert_int_equal (link (on_src (g, "dir/a"), outside), 0);
  g->send.round = 1;
  struct watch_round r = round_of (g);
  watch_drop (watches, &r);
  follow (g); /* walks, and sees the name that leads out */
  put_file (outside, "through the other name");
  follow (g);
  assert_int_equal (walks, 3);
  assert_int_equal (unlink (outside), 0); /* a name that only one side has */
  free (outside);
  assert_same_trees (g->src, g->dst);
}

static void
a_round_that_failed_is_made_up_for_by_the_next (void **state)
{
  struct ground *g = seeded (state);
  put_file (on_src (g, "dir/b"), "other");
  g->send.round = 1;
  begin (g);
  g->send.base = true;
  assert_ok (ground_send (g)); /* and the receiver never gets it */
  put_file (on_src (g, "dir/c"), "too");
  follow (g);
  assert_hinted (g);
  assert_same_trees (g->src, g->dst);
}

/* A store into a page that is dirty already moves no time; on tmpfs a page
 * stays so. */
static void
stores_through_a_mapping_that_ended_are_seen (void **state)
{
  struct ground *g = *state;
  char src[] = "/dev/shm/rehome-XXXXXX";
  if (mkdtemp (src) == NULL)
    skip ();
  free (g->src);
  g->src = mem_strdup (src);
  seeded (state);
  int fd = open (on_src (g, "dir/c"), O_RDWR | O_CLOEXEC);
  char *p = mmap (NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  assert_true (p != MAP_FAILED);
  close (fd);
  p[0] = 'T';
  chmod (on_src (g, "dir/c"), 0600); /* so that the next round reads it */
  usleep (120000); /* its time is not too near to the reading */
  follow (g);
  memcpy (p, "THREE", 5);
  munmap (p, 5);
  follow (g);
  assert_hinted (g);
  assert_same_trees (g->src, g->dst);
  RUN ("rm", "-r", src);
}

/* --- at random ------------------------------------------------------------
 */

static uint64_t dice;

static unsigned
roll (unsigned n)
{
  dice ^= dice << 13;
  dice ^= dice >> 7;
  dice ^= dice << 17;
  return (unsigned)(dice % n);
}

static const char *
some_path (struct ground *g, unsigned levels)
{
  char rel[200];
  int n = snprintf (rel, sizeof rel, "d%u", roll (6));
  for (unsigned i = 1; i < levels; i++)
    n += snprintf (rel + n, sizeof rel - (size_t)n, "/%c%u",
                   i + 1 < levels ? 'd' : 'f', roll (5));
  return on_src (g, rel);
}

static void
write_some (const char *path)
{
  char text[400];
  unsigned n = roll (sizeof text);
  memset (text, 'a' + (int)roll (26), sizeof text);
  int how = roll (2) ? O_APPEND : O_TRUNC;
  int fd = open (path, O_WRONLY | O_CREAT | how | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0)
    return;
  if (write (fd, text, n) < 0)
    perror (path);
  close (fd);
}

/* One change; most that cannot be done are no harm. */
static void
change (struct ground *g)
{
  const char *a = some_path (g, 1 + roll (3)), *b = some_path (g, 1 + roll (3));
  char *away = mem_printf ("%s/away", g->dir);
  char command[20000];
  switch (roll (12)) {
  case 0:
    mkdir (a, 0755);
    break;
  case 1:
    if (rename (a, b) != 0)
      mkdir (a, 0700);
    break;
  case 2:
    unlink (a);
    break;
  case 3:
    chmod (a, 0600 + roll (0100));
    break;
  case 4:
    if (symlink ("somewhere", a) != 0)
      unlink (a);
    break;
  case 5:
    if (chown (a, roll (100), roll (100)) != 0)
      rmdir (a);
    break;
  case 6: /* moved out, or in with content made outside */
    snprintf (command, sizeof command,
              "if [ -e '%s' ]; then mv '%s' '%s'; else mv '%s' '%s'; mkdir -p "
              "'%s/i'; echo x > '%s/i/f'; fi 2>/dev/null; true",
              away, away, b, a, away, away, away);
    RUN ("sh", "-c", command);
    break;
  case 7:
    snprintf (command, sizeof command, "rm -rf '%s'", a);
    RUN ("sh", "-c", command);
    break;
  case 8:
    if (roll (8) == 0 && link (a, b) != 0)
      unlink (a);
    break;
  default:
    write_some (a);
  }
  free (away);
}

static void
a_tree_that_changes_at_random_ends_equal (void **state)
{
  struct ground *g = *state;
  const char *seed = getenv ("REHOME_SEED");
  dice = seed != NULL ? strtoull (seed, NULL, 0) : 20261121;
  int rounds = getenv ("REHOME_LONG") != NULL ? 400 : 40;
  print_message ("# REHOME_SEED=%llu\n", (unsigned long long)dice);
  begin (g);
  assert_ok (ground_copy (g));
  end (g);
  int hinted = 0;
  for (int i = 0; i < rounds; i++) {
    for (unsigned n = roll (30); n > 0; n--)
      change (g);
    follow (g);
    hinted += g->send.hints != NULL;
    while (ground_sent (g, "left") > 0)
      follow (g);
    assert_same_trees (g->src, g->dst);
  }
  assert_true (hinted > rounds / 4);
}

#define in_rounds(test) \
  cmocka_unit_test_setup_teardown (test, set_up, tear_down)

int
main (void)
{
  ground_needs_root ();
  const struct CMUnitTest tests[] = {
    in_rounds (only_what_changed_is_visited),
    in_rounds (a_deletion_takes_all_below_along),
    in_rounds (a_renamed_directory_moves_with_its_content),
    in_rounds (a_directory_made_again_under_its_name_loses_what_it_held),
    in_rounds (a_directory_and_a_file_change_places),
    in_rounds (two_rounds_lie_one_above_the_other),
    in_rounds (a_further_name_is_left_to_a_walk),
    in_rounds (names_outside_of_the_tree_need_walks),
    in_rounds (a_round_that_failed_is_made_up_for_by_the_next),
    in_rounds (stores_through_a_mapping_that_ended_are_seen),
    in_rounds (a_tree_that_changes_at_random_ends_equal),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
