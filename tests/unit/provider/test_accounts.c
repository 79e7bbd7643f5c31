/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts: the files decoded, the map of ids, differences in words. */
#include "provider/accounts.h"

#include "cmocka_api.h"

#include <string.h>

static struct accounts_db *
db_of (const char *passwd, const char *shadow, const char *group)
{
  struct accounts_db *db = NULL;
  assert_ok (accounts_db_parse (passwd, shadow, group, &db));
  return db;
}

static json_t *
words (const char *a, const char *b)
{
  return b == NULL ? json_pack ("[s]", a) : json_pack ("[s,s]", a, b);
}

/* No two ids that the source knows may become one on the target. */
static void
assert_injective (const struct accounts_db *source, const json_t *map)
{
  for (size_t i = 0; i < source->users_n; i++)
    for (size_t k = 0; k < i; k++)
      if (source->users[i].uid != source->users[k].uid)
        assert_int_not_equal (
            accounts_mapped (json_at (map, "uids"), source->users[i].uid),
            accounts_mapped (json_at (map, "uids"), source->users[k].uid));
}

static void
an_entry_is_read_with_all_its_fields (void **state)
{
  (void)state;
  CLEANUP_ACCOUNTS struct accounts_db *db
      = db_of ("shop:x:1001:1002:The shop,,,:/home/shop:/bin/bash\n",
               "shop:$6$a$b:19000:0:99999:7:::\n",
               "shop:x:1002:\nshopdata:x:1500:shop,anna\n");
  const struct account *a = accounts_user (db, "shop");
  assert_non_null (a);
  assert_int_equal (a->uid, 1001);
  assert_int_equal (a->gid, 1002);
  assert_string_equal (a->gecos, "The shop,,,");
  assert_string_equal (a->home, "/home/shop");
  assert_string_equal (a->shell, "/bin/bash");
  assert_string_equal (a->hash, "$6$a$b");
  assert_string_equal (a->age[AGE_MAX], "99999");
  assert_string_equal (a->age[AGE_EXPIRE], "");
  assert_true (accounts_member (accounts_group (db, "shopdata"), "anna"));
  assert_false (accounts_member (accounts_group (db, "shopdata"), "ann"));
}

static void
comments_and_nis_lines_are_passed_over (void **state)
{
  (void)state;
  CLEANUP_ACCOUNTS struct accounts_db *db = db_of (
      "# old\n+nis::::::\n-gone::::::\nshort:x:1\na:x:5:5::/:/bin/sh\n", "",
      "a:x:5:\n");
  assert_int_equal (db->users_n, 1);
}

static void
an_id_that_is_no_number_is_refused (void **state)
{
  (void)state;
  struct accounts_db *db = NULL;
  assert_code (accounts_db_parse ("a:x:-1:5::/:/bin/sh\n", "", "", &db),
               "RH-ACCOUNTS-FORMAT");
  assert_code (accounts_db_parse ("a:x:4294967295:5::/:/bin/sh\n", "", "", &db),
               "RH-ACCOUNTS-FORMAT");
}

static void
a_free_id_is_kept (void **state)
{
  (void)state;
  CLEANUP_ACCOUNTS struct accounts_db *s
      = db_of ("shop:x:1001:1001::/:/bin/sh\n", "", "shop:x:1001:\n");
  CLEANUP_ACCOUNTS struct accounts_db *t
      = db_of ("root:x:0:0::/:/bin/sh\n", "", "root:x:0:\n");
  CLEANUP_JSON json_t *users = words ("shop", NULL);
  CLEANUP_JSON json_t *map = NULL;
  assert_ok (accounts_map (s, t, users, users, &map));
  assert_int_equal (json_array_size (json_at (map, "uids")), 0);
  assert_int_equal (json_array_size (json_at (map, "gids")), 0);
}

static void
a_taken_id_gets_one_that_is_free_on_both (void **state)
{
  (void)state;
  CLEANUP_ACCOUNTS struct accounts_db *s
      = db_of ("shop:x:1001:1001::/:/bin/sh\nother:x:1000:1000::/:/bin/sh\n",
               "", "shop:x:1001:\n");
  CLEANUP_ACCOUNTS struct accounts_db *t
      = db_of ("monitor:x:1001:1001::/:/bin/sh\nx:x:1002:1002::/:/bin/sh\n", "",
               "monitor:x:1001:\n");
  CLEANUP_JSON json_t *users = words ("shop", NULL);
  CLEANUP_JSON json_t *none = json_array ();
  CLEANUP_JSON json_t *map = NULL;
  assert_ok (accounts_map (s, t, users, none, &map));
  assert_int_equal (accounts_mapped (json_at (map, "uids"), 1001), 1003);
  assert_int_equal (accounts_mapped (json_at (map, "uids"), 1000), 1000);
  assert_injective (s, map);
}

static void
system_users_follow_their_names (void **state)
{
  (void)state;
  CLEANUP_ACCOUNTS struct accounts_db *s
      = db_of ("exim:x:101:101::/:/bin/sh\nmail:x:102:102::/:/bin/sh\n", "",
               "");
  CLEANUP_ACCOUNTS struct accounts_db *t
      = db_of ("exim:x:102:101::/:/bin/sh\nmail:x:101:102::/:/bin/sh\n", "",
               "");
  CLEANUP_JSON json_t *none = json_array ();
  CLEANUP_JSON json_t *map = NULL;
  assert_ok (accounts_map (s, t, none, none, &map));
  assert_int_equal (accounts_mapped (json_at (map, "uids"), 101), 102);
  assert_int_equal (accounts_mapped (json_at (map, "uids"), 102), 101);
  assert_injective (s, map);
}

static void
an_id_that_stays_behind_does_not_become_anothers (void **state)
{
  (void)state;
  CLEANUP_ACCOUNTS struct accounts_db *s
      = db_of ("anna:x:1003:1003::/:/bin/sh\nshop:x:1001:1001::/:/bin/sh\n", "",
               "");
  CLEANUP_ACCOUNTS struct accounts_db *t
      = db_of ("backup:x:1003:1003::/:/bin/sh\n", "", "");
  CLEANUP_JSON json_t *users = words ("shop", NULL);
  CLEANUP_JSON json_t *none = json_array ();
  CLEANUP_JSON json_t *map = NULL;
  assert_ok (accounts_map (s, t, users, none, &map));
  uint32_t to = accounts_mapped (json_at (map, "uids"), 1003);
  assert_int_not_equal (to, 1003);
  assert_int_equal (json_array_size (json_at (map, "moved_aside")), 1);
  assert_injective (s, map);
}

static void
the_map_is_injective_for_any_two_hosts (void **state)
{
  (void)state;
  unsigned seed = 7;
  for (int round = 0; round < 300; round++) {
    char text[2][4096] = { "", "" };
    for (int side = 0; side < 2; side++)
      for (unsigned n = 0; n < 12; n++) {
        char line[64];
        seed = seed * 1103515245u + 12345u;
        snprintf (line, sizeof line, "u%u:x:%u:1::/:/bin/sh\n",
                  side == 0 ? n : (seed >> 8) % 24,
                  1000 + (side == 0 ? n : (seed >> 16) % 20));
        if (strstr (text[side], line) == NULL)
          strcat (text[side], line);
      }
    CLEANUP_ACCOUNTS struct accounts_db *s = db_of (text[0], "", "");
    CLEANUP_ACCOUNTS struct accounts_db *t = db_of (text[1], "", "");
    CLEANUP_JSON json_t *users = words ("u3", "u7");
    CLEANUP_JSON json_t *none = json_array ();
    CLEANUP_JSON json_t *map = NULL;
    assert_ok (accounts_map (s, t, users, none, &map));
    assert_injective (s, map);
    /* Nobody's files become the files of another name of the target. */
    for (size_t i = 0; i < s->users_n; i++) {
      uint32_t to = accounts_mapped (json_at (map, "uids"), s->users[i].uid);
      const struct account *there = accounts_uid (t, to);
      if (there != NULL && accounts_user (t, s->users[i].name) == NULL)
        fail_msg ("%s becomes %s", s->users[i].name, there->name);
    }
  }
}

static void
a_name_that_is_not_on_the_source_is_refused (void **state)
{
  (void)state;
  CLEANUP_ACCOUNTS struct accounts_db *s = db_of ("", "", "");
  CLEANUP_ACCOUNTS struct accounts_db *t = db_of ("", "", "");
  CLEANUP_JSON json_t *users = words ("nobody-here", NULL);
  CLEANUP_JSON json_t *none = json_array ();
  CLEANUP_JSON json_t *map = NULL;
  assert_code (accounts_map (s, t, users, none, &map), "RH-ACCOUNTS-ABSENT");
}

static const char passwd[] = "anna:x:1003:1003:Anna:/home/anna:/bin/bash\n";
static const char shadow[] = "anna:$6$x$secret:19000:0:99999:7:::\n";
static const char group[] = "anna:x:1003:\nshopdata:x:1500:anna\n";

static void
equal_accounts_have_no_difference (void **state)
{
  (void)state;
  CLEANUP_ACCOUNTS struct accounts_db *s = db_of (passwd, shadow, group);
  CLEANUP_JSON json_t *out = json_array ();
  accounts_diff_user (s, s, "anna", NULL, out);
  assert_int_equal (json_array_size (out), 0);
}

static void
another_hash_is_told_and_never_shown (void **state)
{
  (void)state;
  CLEANUP_ACCOUNTS struct accounts_db *s = db_of (passwd, shadow, group);
  CLEANUP_ACCOUNTS struct accounts_db *t
      = db_of (passwd, "anna:$6$x$other:19000:0:99999:7:::\n", group);
  CLEANUP_JSON json_t *out = json_array ();
  accounts_diff_user (s, t, "anna", NULL, out);
  assert_int_equal (json_array_size (out), 1);
  const char *text = json_string_value (json_array_get (out, 0));
  assert_non_null (strstr (text, "password hash of anna"));
  assert_null (strstr (text, "$6$"));
}

/* A difference stands in the journal, where a person's name may not. */
static void
another_full_name_is_told_and_never_shown (void **state)
{
  (void)state;
  CLEANUP_ACCOUNTS struct accounts_db *s
      = db_of ("anna:x:1003:1003:Anna Meier,+49 30 1234:/home/anna:/bin/sh\n",
               shadow, group);
  CLEANUP_ACCOUNTS struct accounts_db *t
      = db_of ("anna:x:1003:1003:Anna Schulz:/home/anna:/bin/sh\n", shadow,
               group);
  CLEANUP_JSON json_t *out = json_array ();
  accounts_diff_user (s, t, "anna", NULL, out);
  assert_int_equal (json_array_size (out), 1);
  const char *text = json_string_value (json_array_get (out, 0));
  assert_non_null (strstr (text, "full name of anna"));
  assert_null (strstr (text, "Meier"));
  assert_null (strstr (text, "Schulz"));
}

static void
another_shell_home_or_age_is_told (void **state)
{
  (void)state;
  CLEANUP_ACCOUNTS struct accounts_db *s = db_of (passwd, shadow, group);
  CLEANUP_ACCOUNTS struct accounts_db *t
      = db_of ("anna:x:1003:1003:Anna:/home/other:/bin/sh\n",
               "anna:$6$x$secret:19000:0:99999:7::20000:\n", group);
  CLEANUP_JSON json_t *out = json_array ();
  accounts_diff_user (s, t, "anna", NULL, out);
  assert_int_equal (json_array_size (out), 3);
}

static void
a_lost_membership_is_named (void **state)
{
  (void)state;
  CLEANUP_ACCOUNTS struct accounts_db *s = db_of (passwd, shadow, group);
  CLEANUP_ACCOUNTS struct accounts_db *t
      = db_of (passwd, shadow, "anna:x:1003:\nshopdata:x:1500:\n");
  CLEANUP_SCOPE struct accounts_scope scope
      = { words ("anna", NULL), words ("anna", "shopdata"), json_array (),
          false };
  CLEANUP_JSON json_t *out = json_array ();
  accounts_diff_groups (s, t, &scope, NULL, out);
  assert_int_equal (json_array_size (out), 1);
  assert_string_equal (json_string_value (json_array_get (out, 0)),
                       "group membership of anna in shopdata is missing on "
                       "the target");
}

static void
another_account_of_the_same_name_is_in_the_way (void **state)
{
  (void)state;
  CLEANUP_ACCOUNTS struct accounts_db *s = db_of (passwd, shadow, group);
  CLEANUP_ACCOUNTS struct accounts_db *t
      = db_of ("anna:x:2003:1003:Another:/home/anna:/bin/bash\n", shadow,
               group);
  CLEANUP_SCOPE struct accounts_scope scope
      = { words ("anna", NULL), json_array (), json_array (), false };
  CLEANUP_JSON json_t *map = NULL;
  assert_ok (accounts_map (s, t, scope.users, scope.groups, &map));
  assert_code (accounts_in_way (&scope, s, t, map, NULL), "RH-ACCOUNTS-INWAY");
  CLEANUP_JSON json_t *made = json_pack ("{s:[s]}", "users", "anna");
  assert_ok (accounts_in_way (&scope, s, t, map, made));
  scope.overwrite = true;
  assert_ok (accounts_in_way (&scope, s, t, map, NULL));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (an_entry_is_read_with_all_its_fields),
    cmocka_unit_test (comments_and_nis_lines_are_passed_over),
    cmocka_unit_test (an_id_that_is_no_number_is_refused),
    cmocka_unit_test (a_free_id_is_kept),
    cmocka_unit_test (a_taken_id_gets_one_that_is_free_on_both),
    cmocka_unit_test (system_users_follow_their_names),
    cmocka_unit_test (an_id_that_stays_behind_does_not_become_anothers),
    cmocka_unit_test (the_map_is_injective_for_any_two_hosts),
    cmocka_unit_test (a_name_that_is_not_on_the_source_is_refused),
    cmocka_unit_test (equal_accounts_have_no_difference),
    cmocka_unit_test (another_hash_is_told_and_never_shown),
    cmocka_unit_test (another_full_name_is_told_and_never_shown),
    cmocka_unit_test (another_shell_home_or_age_is_told),
    cmocka_unit_test (a_lost_membership_is_named),
    cmocka_unit_test (another_account_of_the_same_name_is_in_the_way),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
