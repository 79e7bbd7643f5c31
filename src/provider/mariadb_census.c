/* SPDX-License-Identifier: Apache-2.0 */
/* What there is in a MariaDB database besides rows, by name and digest of its
 * definition. */
#include "provider/mariadb.h"

#include "base/mem.h"

/* What rows depend on: when it changes, the copy is made anew.  A dump says
 * page_checksum=1 of each Aria table, also where nobody wrote that default. */
static const char structure_sql[]
    = "SELECT 'database', MD5(CONCAT_WS('|', DEFAULT_CHARACTER_SET_NAME,"
      "  DEFAULT_COLLATION_NAME, SCHEMA_COMMENT)) FROM"
      "  information_schema.SCHEMATA WHERE SCHEMA_NAME = '%s';\n"
      "SELECT CONCAT('table ', TABLE_NAME), MD5(CONCAT_WS('|', TABLE_TYPE,"
      "  IFNULL(ENGINE, ''), IFNULL(ROW_FORMAT, ''), IFNULL(TABLE_COLLATION,"
      "  ''), REPLACE(CONCAT(' ', IFNULL(CREATE_OPTIONS, '')),"
      "  ' page_checksum=1', ''), TABLE_COMMENT)) FROM"
      "  information_schema.TABLES WHERE TABLE_SCHEMA = '%s' AND TABLE_TYPE"
      "  <> 'VIEW';\n"
      "SELECT CONCAT('column ', c.TABLE_NAME, '.', COLUMN_NAME), MD5("
      "  CONCAT_WS('|', ORDINAL_POSITION, COLUMN_TYPE, IS_NULLABLE,"
      "  IFNULL(COLUMN_DEFAULT, '-'), IFNULL(CHARACTER_SET_NAME, ''),"
      "  IFNULL(COLLATION_NAME, ''), EXTRA, IFNULL(GENERATION_EXPRESSION, ''),"
      "  COLUMN_COMMENT)) FROM information_schema.COLUMNS c JOIN"
      "  information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME) WHERE"
      "  TABLE_SCHEMA = '%s' AND TABLE_TYPE = 'BASE TABLE';\n"
      "SELECT CONCAT('index ', TABLE_NAME, '.', INDEX_NAME), MD5(GROUP_CONCAT("
      "  CONCAT_WS('|', NON_UNIQUE, COLUMN_NAME, IFNULL(COLLATION, ''),"
      "  IFNULL(SUB_PART, ''), INDEX_TYPE, INDEX_COMMENT, IGNORED) ORDER BY"
      "  SEQ_IN_INDEX)) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA"
      "  = '%s' GROUP BY TABLE_NAME, INDEX_NAME;\n"
      "SELECT CONCAT('foreign key ', r.TABLE_NAME, '.', r.CONSTRAINT_NAME),"
      "  MD5(CONCAT_WS('|', UPDATE_RULE, DELETE_RULE, GROUP_CONCAT(CONCAT_WS("
      "  '|', COLUMN_NAME, REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME,"
      "  REFERENCED_COLUMN_NAME) ORDER BY ORDINAL_POSITION))) FROM"
      "  information_schema.REFERENTIAL_CONSTRAINTS r JOIN"
      "  information_schema.KEY_COLUMN_USAGE k ON k.CONSTRAINT_SCHEMA ="
      "  r.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = r.CONSTRAINT_NAME AND"
      "  k.TABLE_NAME = r.TABLE_NAME WHERE r.CONSTRAINT_SCHEMA = '%s' GROUP BY"
      "  r.TABLE_NAME, r.CONSTRAINT_NAME;\n"
      "SELECT CONCAT('check ', TABLE_NAME, '.', CONSTRAINT_NAME),"
      "  MD5(CHECK_CLAUSE) FROM information_schema.CHECK_CONSTRAINTS WHERE"
      "  CONSTRAINT_SCHEMA = '%s';\n"
      "SELECT CONCAT('partition ', TABLE_NAME, '.', PARTITION_NAME, '.',"
      "  IFNULL(SUBPARTITION_NAME, '')), MD5(CONCAT_WS('|', PARTITION_METHOD,"
      "  IFNULL(PARTITION_EXPRESSION, ''), IFNULL(PARTITION_DESCRIPTION, ''),"
      "  PARTITION_ORDINAL_POSITION, IFNULL(SUBPARTITION_METHOD, ''))) FROM"
      "  information_schema.PARTITIONS WHERE TABLE_SCHEMA = '%s' AND"
      "  PARTITION_NAME IS NOT NULL;\n";

/* What can be made anew at any time. */
static const char objects_sql[]
    = "SELECT CONCAT('view ', TABLE_NAME), MD5(CONCAT_WS('|',"
      "  VIEW_DEFINITION, CHECK_OPTION, DEFINER, SECURITY_TYPE, ALGORITHM,"
      "  CHARACTER_SET_CLIENT)) FROM information_schema.VIEWS WHERE"
      "  TABLE_SCHEMA = '%s';\n"
      "SELECT CONCAT('trigger ', TRIGGER_NAME), MD5(CONCAT_WS('|',"
      "  EVENT_MANIPULATION, EVENT_OBJECT_TABLE, ACTION_ORDER,"
      "  ACTION_STATEMENT, ACTION_TIMING, SQL_MODE, DEFINER,"
      "  CHARACTER_SET_CLIENT)) FROM information_schema.TRIGGERS WHERE"
      "  TRIGGER_SCHEMA = '%s';\n"
      "SELECT CONCAT(LOWER(ROUTINE_TYPE), ' ', ROUTINE_NAME), MD5("
      "  CONCAT_WS('|', IFNULL(r.DTD_IDENTIFIER, ''), ROUTINE_DEFINITION,"
      "  IS_DETERMINISTIC, SQL_DATA_ACCESS, SECURITY_TYPE, SQL_MODE,"
      "  ROUTINE_COMMENT, DEFINER, CHARACTER_SET_CLIENT, (SELECT GROUP_CONCAT("
      "  CONCAT_WS('|', IFNULL(PARAMETER_MODE, ''), IFNULL(PARAMETER_NAME,"
      "  ''), p.DTD_IDENTIFIER) ORDER BY p.ORDINAL_POSITION) FROM"
      "  information_schema.PARAMETERS p WHERE p.SPECIFIC_SCHEMA ="
      "  r.ROUTINE_SCHEMA AND p.SPECIFIC_NAME = r.SPECIFIC_NAME AND"
      "  p.ROUTINE_TYPE = r.ROUTINE_TYPE))) FROM information_schema.ROUTINES r"
      "  WHERE ROUTINE_SCHEMA = '%s';\n"
      "SELECT CONCAT('event ', EVENT_NAME), MD5(CONCAT_WS('|',"
      "  EVENT_DEFINITION, EVENT_TYPE, IFNULL(EXECUTE_AT, ''),"
      "  IFNULL(INTERVAL_VALUE, ''), IFNULL(INTERVAL_FIELD, ''), SQL_MODE,"
      "  IFNULL(STARTS, ''), IFNULL(ENDS, ''), STATUS, ON_COMPLETION,"
      "  EVENT_COMMENT, DEFINER, TIME_ZONE, CHARACTER_SET_CLIENT)) FROM"
      "  information_schema.EVENTS WHERE EVENT_SCHEMA = '%s';\n";

struct err *
mariadb_census (struct port *p, const char *database, json_t **out)
{
  json_t *structure CLEANUP_JSON = NULL;
  json_t *objects CLEANUP_JSON = NULL;
  TRY (mariadb_pairs (p, structure_sql, database, &structure));
  TRY (mariadb_pairs (p, objects_sql, database, &objects));
  *out = json_pack ("{s:O, s:O}", "structure", structure, "objects", objects);
  return NULL;
}
