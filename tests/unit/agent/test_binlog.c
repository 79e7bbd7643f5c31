/* SPDX-License-Identifier: Apache-2.0 */
/* What is passed on of mariadb-binlog's text. */
#include "agent/binlog.h"

#include "../cmocka_api.h"
#include "base/buf.h"

#include <string.h>

static struct err *
collect (void *ctx, const void *data, size_t len)
{
  return buf_put (ctx, data, len);
}

/* In pieces of `step` bytes, as a pipe may give them. */
static struct err *
pass (const char *text, size_t step, struct buf *out)
{
  struct binlog *b = binlog_new (collect, out);
  struct err *e = NULL;
  for (size_t at = 0, len = strlen (text); e == NULL && at < len; at += step)
    e = binlog_put (b, text + at, len - at < step ? len - at : step);
  if (e == NULL)
    e = binlog_end (b);
  binlog_free (b);
  return e;
}

#define BLOCK "BINLOG '\n77YBaxMHAAAA+/==\n'/*!*/;\n"

static void
transactions_and_changes_of_rows_alone_are_passed_on (void **state)
{
  (void)state;
  static const char text[]
      = "/*!50530 SET @@SESSION.PSEUDO_SLAVE_MODE=1*/;\n"
        "DELIMITER /*!*/;\n# at 4\n#261121 server id 7\n" BLOCK
        "/*M!100001 SET @@session.gtid_seq_no=4*//*!*/;\n"
        "START TRANSACTION\n/*!*/;\n" BLOCK "# Number of rows: 2\n"
        "COMMIT/*!*/;\nDELIMITER ;\n# End of log file\n"
        "ROLLBACK /* added by mysqlbinlog */;\n";
  for (size_t step = 1; step < 40; step += 7) {
    struct buf out CLEANUP_BUF = BUF_INIT;
    assert_null (pass (text, step, &out));
    assert_null (buf_put (&out, "", 1));
    assert_string_equal ((const char *)out.data,
                         "DELIMITER /*!*/;\n" BLOCK
                         "START TRANSACTION/*!*/;\n" BLOCK "COMMIT/*!*/;\n"
                         "ROLLBACK/*!*/;\n");
  }
}

static void
any_other_statement_ends_it_before_it_is_passed_on (void **state)
{
  (void)state;
  static const char *const texts[] = {
    "use `shop`/*!*/;\nSET TIMESTAMP=1/*!*/;\nDROP TABLE orders\n/*!*/;\n",
    "/*!50003 CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW BEGIN END */\n",
    "/*M! DROP DATABASE shop */;\n",
    "COMMIT; DROP DATABASE shop\n",
    "ROLLBACK AND CHAIN\n",
    "SET @a = 1\n",
    "BINLOG @binlog_fragment_0\n",
    "SYSTEM reboot\n",
    "\\! reboot\n",
    "BINLOG '\nAAAA'; DROP DATABASE shop; '\n",
    "BINLOG '\n\\! reboot\n",
    "BINLOG '\n\n'/*!*/;\n",
    "BINLOG '\nAAAA\n",
  };
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct buf out CLEANUP_BUF = BUF_INIT;
    assert_code (pass (texts[i], 5, &out), "RH-PROGRAM-STATEMENT");
    assert_null (buf_put (&out, "", 1));
    assert_null (strstr ((const char *)out.data, "DROP"));
    assert_null (strstr ((const char *)out.data, "reboot"));
  }
}

static void
a_line_that_is_too_long_or_has_a_zero_byte_is_refused (void **state)
{
  (void)state;
  struct buf out CLEANUP_BUF = BUF_INIT;
  char text[700] = "BINLOG '\n";
  memset (text + 9, 'A', 600);
  text[609] = '\n';
  assert_code (pass (text, 100, &out), "RH-PROGRAM-STATEMENT");
  struct binlog *b = binlog_new (collect, &out);
  assert_code (binlog_put (b, "COMMIT\0x\n", 9), "RH-PROGRAM-STATEMENT");
  binlog_free (b);
}

static void
a_text_without_changes_gives_nothing (void **state)
{
  (void)state;
  struct buf out CLEANUP_BUF = BUF_INIT;
  assert_null (pass ("# End of log file\nDELIMITER ;\n", 3, &out));
  assert_int_equal (out.len, 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (transactions_and_changes_of_rows_alone_are_passed_on),
    cmocka_unit_test (any_other_statement_ends_it_before_it_is_passed_on),
    cmocka_unit_test (a_line_that_is_too_long_or_has_a_zero_byte_is_refused),
    cmocka_unit_test (a_text_without_changes_gives_nothing),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
