/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded set of changed names. */
#include "../cmocka_api.h"

#include "tree/dirty.h"

#include <stdio.h>
#include <string.h>

static struct dirty_name
name (const char *dir, const char *leaf, uint64_t seq)
{
  return (struct dirty_name){
    .dir = dir, .dir_len = strlen (dir), .name = leaf, .seq = seq
  };
}

static void
a_name_is_kept_once_with_its_last_change (void **state)
{
  (void)state;
  struct dirty *d = dirty_new (10, 1000);
  struct dirty_name first = name ("d", "a", 1), then = name ("d", "a", 5);
  struct dirty_name out;
  size_t at = 0;
  then.deep = true;
  assert_true (dirty_add (d, &first));
  assert_true (dirty_add (d, &then));
  assert_int_equal (dirty_count (d), 1);
  assert_true (dirty_next (d, &at, &out));
  assert_int_equal (out.seq, 5);
  assert_true (out.deep);
  assert_false (dirty_next (d, &at, &out));
  dirty_free (d);
}

static void
equal_bytes_split_otherwise_are_other_names (void **state)
{
  (void)state;
  struct dirty *d = dirty_new (10, 1000);
  struct dirty_name a = name ("ab", "c", 1), b = name ("a", "bc", 1);
  assert_true (dirty_add (d, &a));
  assert_false (dirty_touch (d, &b));
  assert_true (dirty_add (d, &b));
  assert_int_equal (dirty_count (d), 2);
  dirty_free (d);
}

static void
what_did_not_change_since_is_forgotten (void **state)
{
  (void)state;
  struct dirty *d = dirty_new (100000, (size_t)10 << 20);
  char leaf[20];
  for (unsigned i = 1; i <= 50000; i++) {
    snprintf (leaf, sizeof leaf, "f%u", i);
    struct dirty_name n = name ("dir", leaf, i);
    assert_true (dirty_add (d, &n));
  }
  dirty_prune (d, 49990);
  assert_int_equal (dirty_count (d), 10);
  struct dirty_name old = name ("dir", "f1", 1),
                    last = name ("dir", "f50000", 1);
  assert_false (dirty_touch (d, &old));
  assert_true (dirty_touch (d, &last));
  dirty_free (d);
}

static void
it_never_grows_beyond_its_bounds (void **state)
{
  (void)state;
  struct dirty *few = dirty_new (2, 1000), *small = dirty_new (10, 8);
  struct dirty_name a = name ("d", "a", 1), b = name ("d", "b", 1),
                    c = name ("d", "c", 1), l = name ("d", "longname", 1);
  assert_true (dirty_add (few, &a));
  assert_true (dirty_add (few, &b));
  assert_false (dirty_add (few, &c));
  assert_true (dirty_add (few, &a)); /* known already */
  assert_true (dirty_add (small, &a));
  assert_false (dirty_add (small, &l));
  dirty_clear (few);
  assert_true (dirty_add (few, &c));
  dirty_free (few);
  dirty_free (small);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_name_is_kept_once_with_its_last_change),
    cmocka_unit_test (equal_bytes_split_otherwise_are_other_names),
    cmocka_unit_test (what_did_not_change_since_is_forgotten),
    cmocka_unit_test (it_never_grows_beyond_its_bounds),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
