/* SPDX-License-Identifier: Apache-2.0 */
/* What of MariaDB's grants concerns one database. */
#include "provider/mariadb.h"

#include "../cmocka_api.h"

static void
gives (const char *line, const char *expected)
{
  char *got CLEANUP_FREE = mariadb_grant (line, "shop_1");
  if (expected == NULL)
    assert_null (got);
  else {
    assert_non_null (got);
    assert_string_equal (got, expected);
  }
}

static void
a_grant_on_another_database_is_left_out (void **state)
{
  (void)state;
  gives ("GRANT SELECT ON `shop`.* TO `a`@`%`", NULL);
  gives ("GRANT SELECT ON `shop_12`.* TO `a`@`%`", NULL);
  gives ("GRANT SELECT ON `shopX1`.`t` TO `a`@`%`", NULL);
  gives ("GRANT EXECUTE ON PROCEDURE `x`.`shop_1` TO `a`@`%`", NULL);
  gives ("GRANT PROXY ON ''@'%' TO 'root'@'localhost'", NULL);
}

static void
a_database_is_a_pattern_and_a_tables_is_none (void **state)
{
  (void)state;
  gives ("GRANT SELECT ON `sh%`.* TO `a`@`%`",
         "GRANT SELECT ON `sh%`.* TO `a`@`%`");
  gives ("GRANT SELECT ON `shop\\_1`.* TO `a`@`%`",
         "GRANT SELECT ON `shop\\_1`.* TO `a`@`%`");
  gives ("GRANT SELECT ON `shop_1`.`t` TO `a`@`%`",
         "GRANT SELECT ON `shop_1`.`t` TO `a`@`%`");
  gives ("GRANT SELECT ON `sh%`.`t` TO `a`@`%`", NULL);
}

static void
what_makes_an_account_is_not_in_its_grants (void **state)
{
  (void)state;
  gives ("GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*AB WITH GRANT "
         "OPTION' REQUIRE SSL WITH MAX_USER_CONNECTIONS 5",
         "GRANT USAGE ON *.* TO `a`@`%`");
  gives ("GRANT PROCESS ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*AB' WITH "
         "GRANT OPTION MAX_USER_CONNECTIONS 5",
         "GRANT PROCESS ON *.* TO `a`@`%` WITH GRANT OPTION");
}

static void
names_in_quotes_are_no_words_of_the_grant (void **state)
{
  (void)state;
  gives ("GRANT SELECT (`a ON b`) ON `shop_1`.`t` TO ` WITH `@`%`",
         "GRANT SELECT (`a ON b`) ON `shop_1`.`t` TO ` WITH `@`%`");
  gives ("GRANT ` ON *.*` TO `a`@`%`", "GRANT ` ON *.*` TO `a`@`%`");
}

static void
a_lock_is_taken_off_what_makes_an_account (void **state)
{
  (void)state;
  char *a CLEANUP_FREE
      = mariadb_unlocked ("CREATE USER `a`@`%` ACCOUNT LOCK PASSWORD EXPIRE");
  assert_string_equal (a, "CREATE USER `a`@`%` PASSWORD EXPIRE");
  char *b CLEANUP_FREE = mariadb_unlocked ("CREATE USER ` ACCOUNT LOCK`@`%`");
  assert_string_equal (b, "CREATE USER ` ACCOUNT LOCK`@`%`");
}

static void
takes_away (const char *grant, const char *expected)
{
  char *got CLEANUP_FREE = mariadb_revoke (grant, "`a TO `@`%`");
  if (expected == NULL)
    assert_null (got);
  else {
    assert_non_null (got);
    assert_string_equal (got, expected);
  }
}

static void
a_grant_is_taken_away_with_the_right_to_pass_it_on (void **state)
{
  (void)state;
  takes_away ("GRANT SELECT, UPDATE (`x ON y`) ON `s`.`t` TO `a TO `@`%`",
              "REVOKE SELECT, UPDATE (`x ON y`) ON `s`.`t` FROM `a TO `@`%`;"
              "\n");
  takes_away ("GRANT ALL PRIVILEGES ON `s`.* TO `a TO `@`%` WITH GRANT OPTION",
              "REVOKE ALL PRIVILEGES ON `s`.* FROM `a TO `@`%`;\n"
              "REVOKE GRANT OPTION ON `s`.* FROM `a TO `@`%`;\n");
  takes_away ("GRANT `clerks` TO `a TO `@`%` WITH ADMIN OPTION",
              "REVOKE `clerks` FROM `a TO `@`%`;\n");
}

static void
what_is_no_grant_to_an_account_is_not_taken_away (void **state)
{
  (void)state;
  takes_away ("SET DEFAULT ROLE `clerks` FOR `a TO `@`%`", NULL);
  takes_away ("GRANT SELECT ON `s`.* TO `b`@`%`", NULL);
  takes_away ("GRANT", NULL);
}

int
main (void)
{
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_grant_on_another_database_is_left_out),
    cmocka_unit_test (a_database_is_a_pattern_and_a_tables_is_none),
    cmocka_unit_test (what_makes_an_account_is_not_in_its_grants),
    cmocka_unit_test (names_in_quotes_are_no_words_of_the_grant),
    cmocka_unit_test (a_lock_is_taken_off_what_makes_an_account),
    cmocka_unit_test (a_grant_is_taken_away_with_the_right_to_pass_it_on),
    cmocka_unit_test (what_is_no_grant_to_an_account_is_not_taken_away),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
