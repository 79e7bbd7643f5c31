/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of rows out of mariadb-binlog's text; see binlog.h. */
#include "agent/binlog.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Lines of base64 are 76 bytes long; of others the beginning tells. */
enum { LINE_KEPT = 255, SHOWN_MAX = 60 };

struct binlog {
  struct err *(*give) (void *ctx, const void *data, size_t len);
  void *ctx;
  char line[LINE_KEPT + 1];
  size_t len; /* of the line, which may be longer than what is kept */
  bool begun, in_block;
};

struct binlog *
binlog_new (struct err *(*give) (void *ctx, const void *data, size_t len),
            void *ctx)
{
  struct binlog *b = mem_alloc (sizeof *b);
  b->give = give;
  b->ctx = ctx;
  return b;
}

void
binlog_free (struct binlog *b)
{
  free (b);
}

static struct err *
give_line (struct binlog *b, const char *line)
{
  static const char first[] = "DELIMITER /*!*/;\n";
  if (!b->begun)
    TRY (b->give (b->ctx, first, sizeof first - 1));
  b->begun = true;
  TRY (b->give (b->ctx, line, strlen (line)));
  return b->give (b->ctx, "\n", 1);
}

static bool
begins (const char *line, const char *with)
{
  return strncmp (line, with, strlen (with)) == 0;
}

/* A version comment around a setting: that of a statement would be one. */
static bool
is_set_comment (const char *line)
{
  const char *at = begins (line, "/*!")    ? line + 3
                   : begins (line, "/*M!") ? line + 4
                                           : NULL;
  if (at == NULL)
    return false;
  if (begins (at, "\\C "))
    return true;
  size_t digits = strspn (at, "0123456789");
  return digits > 0 && begins (at + digits, " SET ");
}

static bool
is_dropped (const char *line)
{
  static const char *const beginnings[]
      = { "#", "DELIMITER ", "SET TIMESTAMP=", "SET @@session.", "use `" };
  if (*line == '\0' || strcmp (line, "/*!*/;") == 0)
    return true;
  for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
    if (begins (line, beginnings[i]))
      return true;
  return is_set_comment (line);
}

static struct err *
refuse (const char *line)
{
  size_t len = strnlen (line, SHOWN_MAX);
  CLEANUP_FREE char *shown = text_escape (line, len);
  return err_new (ERR_REFUSED, "RH-PROGRAM-STATEMENT",
                  "the binary log has what is no change of rows: %s", shown);
}

static struct err *
take_outside (struct binlog *b)
{
  static const char *const words[]
      = { "START TRANSACTION", "COMMIT", "ROLLBACK" };
  if (is_dropped (b->line))
    return NULL;
  if (strcmp (b->line, "BINLOG '") == 0) {
    b->in_block = true;
    return give_line (b, b->line);
  }
  if (strcmp (b->line, "BEGIN") == 0 || strcmp (b->line, words[0]) == 0)
    return give_line (b, "START TRANSACTION/*!*/;");
  for (size_t i = 1; i < sizeof words / sizeof words[0]; i++) {
    const char *rest = b->line + strlen (words[i]);
    if (!begins (b->line, words[i]))
      continue;
    if (*rest == '\0' || strcmp (rest, "/*!*/;") == 0
        || strcmp (rest, " /* added by mysqlbinlog */;") == 0)
      return give_line (b, i == 1 ? "COMMIT/*!*/;" : "ROLLBACK/*!*/;");
  }
  return refuse (b->line);
}

static struct err *
take_inside (struct binlog *b)
{
  static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz0123456789+/=";
  b->in_block = strcmp (b->line, "'/*!*/;") != 0;
  if (b->in_block
      && (b->len > LINE_KEPT || b->len == 0
          || strspn (b->line, base64) != b->len))
    return refuse (b->line);
  return give_line (b, b->line);
}

static struct err *
take_line (struct binlog *b)
{
  size_t kept = b->len < LINE_KEPT ? b->len : LINE_KEPT;
  b->line[kept] = '\0';
  bool zero = strlen (b->line) != kept;
  struct err *e = zero          ? refuse (b->line)
                  : b->in_block ? take_inside (b)
                                : take_outside (b);
  b->len = 0;
  return e;
}

struct err *
binlog_put (struct binlog *b, const void *data, size_t len)
{
  const char *p = data, *end = p + len;
  while (p < end) {
    const char *nl = memchr (p, '\n', (size_t)(end - p));
    size_t n = nl != NULL ? (size_t)(nl - p) : (size_t)(end - p);
    size_t room = b->len < LINE_KEPT ? LINE_KEPT - b->len : 0;
    memcpy (b->line + (LINE_KEPT - room), p, n < room ? n : room);
    b->len += n;
    p += n;
    if (nl == NULL)
      continue;
    TRY (take_line (b));
    p++;
  }
  return NULL;
}

struct err *
binlog_end (struct binlog *b)
{
  if (b->len > 0)
    TRY (take_line (b));
  if (!b->in_block)
    return NULL;
  return err_new (ERR_REFUSED, "RH-PROGRAM-STATEMENT",
                  "the binary log's text ends within a change of rows");
}
