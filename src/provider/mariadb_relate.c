/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rows mean to each other, as each server itself sees it: rows whose
 * foreign key leads nowhere (an anti-join for each key: servers do not look
 * again at rows that were loaded with the checks off), and for each column of
 * time the hours that hold rows and the gaps between them.  Such gaps and rows
 * may have been there before; then they are the same on both sides.
 */
#include "provider/mariadb.h"

#include "base/mem.h"
#include "provider/remote.h"

#include <string.h>

/* Statements that the server itself composes, one a line. */
static const char keys_sql[]
    = "SELECT CONCAT('SELECT ', QUOTE(CONCAT(k.TABLE_NAME, '.',"
      "  k.CONSTRAINT_NAME)), ', COUNT(*) FROM `%s`.`', REPLACE(k.TABLE_NAME,"
      "  '`', '``'), '` c LEFT JOIN `', REPLACE(k.REFERENCED_TABLE_SCHEMA, '`',"
      "  '``'), '`.`', REPLACE(k.REFERENCED_TABLE_NAME, '`', '``'), '` p ON ',"
      "  GROUP_CONCAT(CONCAT('c.`', REPLACE(k.COLUMN_NAME, '`', '``'), '` ="
      "   p.`', REPLACE(k.REFERENCED_COLUMN_NAME, '`', '``'), '`') SEPARATOR"
      "   ' AND '), ' WHERE p.`', REPLACE(MAX(k.REFERENCED_COLUMN_NAME), '`',"
      "  '``'), '` IS NULL AND ', GROUP_CONCAT(CONCAT('c.`',"
      "   REPLACE(k.COLUMN_NAME, '`', '``'), '` IS NOT NULL') SEPARATOR ' AND"
      "   '), ';') FROM information_schema.KEY_COLUMN_USAGE k WHERE"
      "  k.TABLE_SCHEMA = '%s' AND k.REFERENCED_TABLE_NAME IS NOT NULL GROUP BY"
      "  k.TABLE_NAME, k.CONSTRAINT_NAME;";

/* "ROWS HOURS FIRST LAST GAPS LONGEST": hours with rows, and without. */
static const char hours_sql[]
    = "SELECT CONCAT('SELECT ', QUOTE(CONCAT(TABLE_NAME, '.',"
      "  COLUMN_NAME)), ', CONCAT_WS('' '', IFNULL(SUM(n), 0), COUNT(*),"
      "  IFNULL(MIN(h), ''-''), IFNULL(MAX(h), ''-''), IFNULL(SUM(gap > 0), 0),"
      "  IFNULL(MAX(gap), 0)) FROM (SELECT h, n, LEAD(s) OVER (ORDER BY h) - s"
      "  - 1 AS gap FROM (SELECT DATE_FORMAT(`', REPLACE(COLUMN_NAME, '`',"
      "  '``'), '`, ''%Y-%m-%dT%H'') AS h, TO_DAYS(`', REPLACE(COLUMN_NAME,"
      "  '`', '``'), '`) * 24 + HOUR(`', REPLACE(COLUMN_NAME, '`', '``'), '`)"
      "  AS s, COUNT(*) AS n FROM `%s`.`', REPLACE(TABLE_NAME, '`', '``'), '`"
      "  WHERE `', REPLACE(COLUMN_NAME, '`', '``'), '` IS NOT NULL GROUP BY h,"
      "  s) AS hours) AS gaps;') FROM information_schema.COLUMNS JOIN"
      "  information_schema.TABLES USING (TABLE_SCHEMA, TABLE_NAME) WHERE"
      "  TABLE_SCHEMA = '%s' AND TABLE_TYPE = 'BASE TABLE' AND DATA_TYPE IN"
      "  ('datetime', 'timestamp');";

static struct err *
of_one (struct port *p, const char *database, const char *fmt, json_t **out)
{
  char *sql CLEANUP_FREE = NULL;
  *out = NULL;
  TRY (mariadb_compose_text (p, fmt, database, &sql));
  if (*sql == '\0') {
    *out = json_object ();
    return NULL;
  }
  return mariadb_rows (p, sql, out);
}

struct err *
mariadb_relations (struct port *p, const char *database, json_t **out)
{
  json_t *keys CLEANUP_JSON = NULL;
  json_t *hours CLEANUP_JSON = NULL;
  TRY (of_one (p, database, keys_sql, &keys));
  TRY (of_one (p, database, hours_sql, &hours));
  *out = json_pack ("{s:O, s:O}", "keys", keys, "hours", hours);
  return NULL;
}
