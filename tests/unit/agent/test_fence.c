/* SPDX-License-Identifier: Apache-2.0 */
/* Only the controller that the host accepted last may change it. */
#include "verbs.h"

#include <sys/wait.h>

static struct err *
fence (const char *verb, json_t *args, json_t **result)
{
  return call_verb (verbs_fence, verb, args, result);
}

static struct err *
claim (const char *id, int epoch, const char *controller, const char *item,
       int seq, const char *hash)
{
  json_t *none;
  struct err *e
      = fence ("fence.claim",
               json_pack ("{s:s, s:s, s:s, s:i, s:s, s:[s], s:i, s:s}", "side",
                          "target", "channel", "data", "migration", id, "epoch",
                          epoch, "controller", controller, "items", item, "seq",
                          seq, "hash", hash),
               &none);
  json_decref (none);
  return e;
}

/* The same by a journal that shows its record `known_seq`. */
static struct err *
claim_knowing (int epoch, int seq, const char *hash, int known_seq,
               const char *known_hash)
{
  json_t *none;
  struct err *e = fence (
      "fence.claim",
      json_pack ("{s:s, s:s, s:s, s:i, s:s, s:[s], s:i, s:s, s:i, s:s}", "side",
                 "target", "channel", "data", "migration", "shop", "epoch",
                 epoch, "controller", "b", "items", "x", "seq", seq, "hash",
                 hash, "known_seq", known_seq, "known_hash", known_hash),
      &none);
  json_decref (none);
  return e;
}

static struct err *
head (int seq, const char *hash)
{
  json_t *none;
  struct err *e = fence ("fence.head",
                         json_pack ("{s:s, s:i, s:s}", "migration", "shop",
                                    "seq", seq, "hash", hash),
                         &none);
  json_decref (none);
  return e;
}

static struct err *
release (const char *id, bool tombstone)
{
  json_t *none;
  return fence (
      "fence.release",
      json_pack ("{s:s, s:b}", "migration", id, "tombstone", tombstone), &none);
}

static json_t *
read_back (const char *id)
{
  json_t *got = NULL;
  assert_ok (fence ("fence.read", json_pack ("{s:s}", "migration", id), &got));
  return got;
}

static void
a_claim_lies_on_the_host (void **state)
{
  (void)state;
  assert_ok (claim ("shop", 3, "ctl-a", "files:/srv", 7, "abc"));
  CLEANUP_JSON json_t *got = read_back ("shop");
  assert_true (bool_of (got, "claimed"));
  assert_int_equal (int_of (got, "epoch"), 3);
  assert_string_equal (str_of (got, "controller"), "ctl-a");
  assert_int_equal (int_of (got, "seq"), 7);
  assert_string_equal (str_of (got, "hash"), "abc");
  json_t *items = json_object_get (got, "items");
  assert_string_equal (json_string_value (json_array_get (items, 0)),
                       "files:/srv");
  CLEANUP_FREE char *path = mem_printf ("%s/shop/fence", fence_state_dir ());
  struct stat st;
  assert_int_equal (stat (path, &st), 0);
  assert_int_equal (st.st_mode & 07777, 0600);
}

static void
no_fence_reads_as_unclaimed (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *got = read_back ("shop");
  assert_false (bool_of (got, "claimed"));
}

static void
the_epoch_only_rises (void **state)
{
  (void)state;
  assert_ok (claim ("shop", 3, "a", "x", 1, "h"));
  assert_ok (claim ("shop", 3, "a", "x", 1, "h"));
  assert_code (claim ("shop", 2, "a", "x", 1, "h"), "RH-FENCE-EPOCH");
  assert_code (claim ("shop", 3, "b", "x", 1, "h"), "RH-FENCE-EPOCH");
  assert_ok (claim ("shop", 4, "b", "x", 1, "h"));
  assert_code (claim ("shop", 3, "a", "x", 9, "h9"), "RH-FENCE-EPOCH");
}

static void
the_journal_must_extend_what_was_seen (void **state)
{
  (void)state;
  assert_ok (claim ("shop", 1, "a", "x", 5, "h5"));
  assert_code (claim ("shop", 2, "b", "x", 4, "h4"), "RH-FENCE-HISTORY");
  assert_code (claim ("shop", 2, "b", "x", 5, "other"), "RH-FENCE-HISTORY");
  assert_ok (claim ("shop", 2, "b", "x", 5, "h5"));
  assert_ok (claim_knowing (2, 6, "h6", 5, "h5"));
}

static void
a_longer_journal_that_is_another_one_is_refused (void **state)
{
  (void)state;
  assert_ok (claim ("shop", 1, "b", "x", 5, "h5"));
  assert_code (claim ("shop", 2, "b", "x", 9, "h9"), "RH-FENCE-HISTORY");
  assert_code (claim_knowing (2, 9, "h9", 5, "other"), "RH-FENCE-HISTORY");
  assert_code (claim_knowing (2, 9, "h9", 4, "h5"), "RH-FENCE-HISTORY");
  assert_ok (claim_knowing (2, 9, "h9", 5, "h5"));
}

static void
a_head_that_was_told_is_remembered (void **state)
{
  (void)state;
  assert_code (head (3, "h3"), "RH-FENCE-EPOCH"); /* without a claim */
  assert_ok (claim ("shop", 1, "b", "x", 5, "h5"));
  assert_ok (head (8, "h8"));
  assert_ok (head (8, "h8"));
  assert_ok (head (7, "h7")); /* late, not wrong */
  assert_code (head (8, "other"), "RH-FENCE-HISTORY");
  CLEANUP_JSON json_t *got = read_back ("shop");
  assert_int_equal (int_of (got, "seq"), 8);
  assert_string_equal (str_of (got, "hash"), "h8");
  assert_int_equal (int_of (got, "epoch"), 1);
  assert_code (claim_knowing (2, 7, "h7", 5, "h5"), "RH-FENCE-HISTORY");
  assert_ok (claim_knowing (2, 9, "h9", 8, "h8"));
}

static void
a_refused_claim_changes_nothing (void **state)
{
  (void)state;
  assert_ok (claim ("shop", 3, "a", "x", 5, "h5"));
  assert_code (claim ("shop", 3, "b", "y", 9, "h9"), "RH-FENCE-EPOCH");
  CLEANUP_JSON json_t *got = read_back ("shop");
  assert_string_equal (str_of (got, "controller"), "a");
  assert_int_equal (int_of (got, "seq"), 5);
  assert_ok (fence_still_ours ());
}

static void
an_item_of_another_migration_is_refused_by_name (void **state)
{
  (void)state;
  assert_ok (claim ("shop", 1, "ctl-a", "files:/srv/shop", 1, "h"));
  struct err *e = claim ("crm", 1, "ctl-b", "files:/srv/shop", 1, "h");
  assert_non_null (e);
  assert_non_null (strstr (err_message (e), "shop"));
  assert_non_null (strstr (err_message (e), "ctl-a"));
  assert_code (e, "RH-FENCE-OWNED");
  assert_code (claim ("crm", 1, "b", "files:/srv", 1, "h"), "RH-FENCE-OWNED");
  assert_code (claim ("crm", 1, "b", "files:/srv/shop/x", 1, "h"),
               "RH-FENCE-OWNED");
  assert_ok (claim ("crm", 1, "b", "files:/srv/shop2", 1, "h"));
}

static void
what_was_released_can_be_claimed_by_another (void **state)
{
  (void)state;
  assert_ok (claim ("shop", 1, "a", "files:/srv", 1, "h"));
  assert_ok (release ("shop", false));
  CLEANUP_JSON json_t *got = read_back ("shop");
  assert_false (bool_of (got, "claimed"));
  CLEANUP_FREE char *dir = mem_printf ("%s/shop", fence_state_dir ());
  assert_int_not_equal (access (dir, F_OK), 0);
  assert_ok (claim ("crm", 1, "b", "files:/srv", 1, "h"));
}

static void
a_tombstone_owns_nothing_but_refuses_the_old (void **state)
{
  (void)state;
  assert_ok (claim ("shop", 5, "a", "files:/srv", 1, "h"));
  assert_ok (release ("shop", true));
  CLEANUP_JSON json_t *got = read_back ("shop");
  assert_false (bool_of (got, "claimed"));
  assert_true (bool_of (got, "tombstone"));
  assert_ok (claim ("crm", 1, "b", "files:/srv", 1, "h"));
  assert_code (claim ("shop", 4, "a", "files:/x", 2, "h2"), "RH-FENCE-EPOCH");
}

static void
only_the_holder_releases (void **state)
{
  (void)state;
  assert_ok (claim ("shop", 1, "a", "x", 1, "h"));
  CLEANUP_FREE char *dir = mem_strdup (fence_state_dir ());
  fence_set_state_dir (dir); /* another agent: nothing claimed */
  assert_code (release ("shop", false), "RH-FENCE-EPOCH");
  CLEANUP_JSON json_t *got = read_back ("shop");
  assert_true (bool_of (got, "claimed"));
  assert_ok (release ("none", false));
}

/* Another agent on the same host: another process. */
static int
claim_elsewhere (int epoch, const char *controller)
{
  pid_t pid = fork ();
  if (pid == 0) {
    CLEANUP_ERR struct err *e = claim ("shop", epoch, controller, "x", 1, "h");
    _exit (e == NULL ? 0 : 1);
  }
  int status;
  waitpid (pid, &status, 0);
  return WEXITSTATUS (status);
}

static void
a_higher_epoch_ends_this_connections_rights (void **state)
{
  (void)state;
  assert_ok (fence_still_ours ());
  assert_ok (claim ("shop", 1, "a", "x", 1, "h"));
  assert_ok (fence_still_ours ());
  assert_int_equal (claim_elsewhere (1, "a"), 0);
  assert_ok (fence_still_ours ());
  assert_int_equal (claim_elsewhere (2, "b"), 0);
  assert_code (fence_still_ours (), "RH-FENCE-EPOCH");
  assert_code (release ("shop", false), "RH-FENCE-EPOCH");
}

static void
a_broken_fence_is_never_taken_for_none (void **state)
{
  (void)state;
  CLEANUP_FREE char *path = mem_printf ("%s/shop/fence", fence_state_dir ());
  static const char *const broken[] = { "", "nonsense", "{}", "{\"epoch\":1}" };
  assert_ok (claim ("shop", 1, "a", "files:/srv", 1, "h"));
  for (size_t i = 0; i < 4; i++) {
    put_file (path, broken[i]);
    assert_code (fence_still_ours (), "RH-FENCE-FILE");
    assert_code (claim ("shop", 9, "b", "x", 9, "h"), "RH-FENCE-FILE");
    assert_code (claim ("crm", 1, "b", "files:/srv", 1, "h"), "RH-FENCE-FILE");
  }
}

static void
ids_are_checked (void **state)
{
  (void)state;
  static const char long_id[]
      = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
  const char *bad[] = { "", "..", "a/b", "Shop", "a b", "a.b", long_id };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    json_t *no;
    assert_code (claim (bad[i], 1, "a", "x", 1, "h"), "RH-FENCE-ID");
    assert_code (
        fence ("result.get",
               json_pack ("{s:s, s:s}", "migration", bad[i], "key", "k"), &no),
        "RH-FENCE-ID");
  }
  assert_ok (claim (long_id + 1, 1, "a", "x", 1, "h"));
}

static void
all_migrations_are_listed (void **state)
{
  CLEANUP_JSON json_t *none = NULL;
  CLEANUP_JSON json_t *got = NULL;
  assert_ok (fence ("fence.list", json_object (), &none));
  assert_int_equal (json_array_size (json_object_get (none, "migrations")), 0);
  assert_ok (claim ("shop", 1, "a", "x", 1, "h"));
  assert_ok (claim ("crm", 1, "a", "y", 1, "h"));
  CLEANUP_FREE char *other = mem_printf ("%s/state/index", (char *)*state);
  assert_int_equal (mkdir (other, 0700), 0);
  assert_ok (fence ("fence.list", json_object (), &got));
  json_t *ids = json_object_get (got, "migrations");
  assert_int_equal (json_array_size (ids), 2);
  assert_string_equal (json_string_value (json_array_get (ids, 0)), "crm");
  assert_string_equal (json_string_value (json_array_get (ids, 1)), "shop");
}

/* --- results -----------------------------------------------------------------
 */

static struct err *
put (const char *key, int value)
{
  json_t *none;
  return fence ("result.put",
                json_pack ("{s:s, s:s, s:{s:i}}", "migration", "shop", "key",
                           key, "result", "v", value),
                &none);
}

static json_t *
get (const char *key)
{
  json_t *got = NULL;
  assert_ok (fence ("result.get",
                    json_pack ("{s:s, s:s}", "migration", "shop", "key", key),
                    &got));
  return got;
}

static void
results_are_found_again_by_their_key (void **state)
{
  (void)state;
  CLEANUP_JSON json_t *none = get ("files#1/round:2");
  assert_false (bool_of (none, "found"));
  assert_ok (put ("files#1/round:2", 1));
  assert_ok (put ("files#1/round:2", 2));
  assert_ok (put ("files#1/round:3", 3));
  CLEANUP_JSON json_t *got = get ("files#1/round:2");
  assert_true (bool_of (got, "found"));
  assert_int_equal (int_of (json_object_get (got, "result"), "v"), 2);
  assert_false (bool_of (got, "rebooted"));
}

static void
a_result_of_another_boot_says_so (void **state)
{
  CLEANUP_FREE char *dir = mem_printf ("%s/state/shop/results", (char *)*state);
  CLEANUP_FREE char *path = mem_printf ("%s/old", dir);
  assert_ok (put ("new", 1));
  FILE *f = fopen (path, "we");
  assert_non_null (f);
  assert_true (fputs ("{\"boot_id\":\"another\",\"result\":{\"v\":1}}\n", f)
               >= 0);
  assert_int_equal (fclose (f), 0);
  CLEANUP_JSON json_t *got = get ("old");
  assert_true (bool_of (got, "found"));
  assert_true (bool_of (got, "rebooted"));
}

static void
no_key_leads_out_of_the_results (void **state)
{
  static const char *const keys[] = { "..", "../../x", "/etc/x", ".", "a/b" };
  for (size_t i = 0; i < 5; i++) {
    assert_ok (put (keys[i], (int)i));
    CLEANUP_JSON json_t *got = get (keys[i]);
    assert_int_equal (int_of (json_object_get (got, "result"), "v"), i);
  }
  CLEANUP_FREE char *out = mem_printf ("%s/state/x", (char *)*state);
  assert_int_not_equal (access (out, F_OK), 0);
  assert_code (put ("", 1), "RH-WIRE-FIELD");
  char long_key[300];
  memset (long_key, 'k', 299);
  long_key[299] = '\0';
  assert_code (put (long_key, 1), "RH-WIRE-FIELD");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    in_state (a_claim_lies_on_the_host),
    in_state (no_fence_reads_as_unclaimed),
    in_state (the_epoch_only_rises),
    in_state (the_journal_must_extend_what_was_seen),
    in_state (a_longer_journal_that_is_another_one_is_refused),
    in_state (a_head_that_was_told_is_remembered),
    in_state (a_refused_claim_changes_nothing),
    in_state (an_item_of_another_migration_is_refused_by_name),
    in_state (what_was_released_can_be_claimed_by_another),
    in_state (a_tombstone_owns_nothing_but_refuses_the_old),
    in_state (only_the_holder_releases),
    in_state (a_higher_epoch_ends_this_connections_rights),
    in_state (a_broken_fence_is_never_taken_for_none),
    in_state (ids_are_checked),
    in_state (all_migrations_are_listed),
    in_state (results_are_found_again_by_their_key),
    in_state (a_result_of_another_boot_says_so),
    in_state (no_key_leads_out_of_the_results),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
