/* SPDX-License-Identifier: Apache-2.0 */
/* mariadb-binlog's text, in two pieces: whatever it is, nothing is passed on
 * but transactions and base64 within BINLOG statements. */
#include "agent/binlog.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static struct err *
collect (void *ctx, const void *data, size_t len)
{
  return buf_put (ctx, data, len);
}

static bool
is_base64 (const char *line)
{
  return *line != '\0'
         && line[strspn (line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
                               "uvwxyz0123456789+/=")]
                == '\0';
}

static void
check_line (const char *line, bool *inside)
{
  static const char *const words[]
      = { "DELIMITER /*!*/;", "START TRANSACTION/*!*/;", "COMMIT/*!*/;",
          "ROLLBACK/*!*/;" };
  bool known = false;
  if (*inside && is_base64 (line))
    return;
  if (strcmp (line, *inside ? "'/*!*/;" : "BINLOG '") == 0) {
    *inside = !*inside;
    return;
  }
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    known |= strcmp (line, words[i]) == 0;
  if (*inside || !known)
    __builtin_trap ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct buf out CLEANUP_BUF = BUF_INIT;
  struct binlog *b = binlog_new (collect, &out);
  bool inside = false;
  struct err *e = binlog_put (b, data, size / 2);
  if (e == NULL)
    e = binlog_put (b, data + size / 2, size - size / 2);
  if (e == NULL)
    e = binlog_end (b);
  binlog_free (b);
  err_free (buf_put (&out, "", 1));
  char *at = (char *)out.data;
  for (char *line; (line = strsep (&at, "\n")) != NULL && at != NULL;)
    check_line (line, &inside);
  if (e == NULL && inside)
    __builtin_trap ();
  err_free (e);
  return 0;
}
