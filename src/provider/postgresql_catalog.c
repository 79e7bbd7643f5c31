/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the schema of a PostgreSQL database has changed, without a dump of
 * it: which row versions its catalogs hold (transaction and place of each; a
 * change of the schema writes new ones).  Equal answers mean that nothing was
 * changed; unequal ones, that something may have been.  What vacuum and
 * analyze note there they note in place.  Temporary tables do not count.
 */
#include "provider/postgresql.h"

#define ROWS(catalog, where)                                         \
  " UNION ALL SELECT '" catalog "', count(*), coalesce(sum("         \
  "hashtextextended(c.xmin::text || c.ctid::text, 0)::numeric), 0) " \
  "FROM " catalog " c" where
#define ALL(catalog) ROWS (catalog, "")
#define OF(catalog, table)                                         \
  ROWS (catalog, " WHERE NOT EXISTS (SELECT FROM pg_class t WHERE" \
                 " t.oid = c." table " AND t.relpersistence = 't')")

const char postgresql_catalog_sql[]
    = "SET search_path = pg_catalog;"
      " SELECT json_build_object('rows', string_agg(k || ' ' || n || ' ' || s, "
      "',' ORDER BY k))"
      " FROM (SELECT 'version' AS k, 0 AS n, current_setting("
      " 'server_version_num')::numeric AS s" ROWS (
          "pg_class",
          " WHERE "
          "relpersistence "
          "<> 't'") ROWS ("pg_type",
                          " WHERE NOT EXISTS (SELECT FROM pg_class t WHERE "
                          "t.oid ="
                          " c.typrelid AND t.relpersistence = 't') AND NOT "
                          "EXISTS (SELECT"
                          " FROM pg_type e JOIN pg_class t ON t.oid = "
                          "e.typrelid WHERE"
                          " e.oid = c.typelem AND t.relpersistence = 't')")
          OF ("pg_attribute", "attrelid") OF ("pg_attrdef", "adrelid") OF (
              "pg_index",
              "indrelid") OF ("pg_constraint",
                              "conrelid") OF ("pg_sequence",
                                              "seqrelid") ALL ("pg_namespace")
              ALL ("pg_proc") ALL ("pg_aggregate") ALL ("pg_trigger") ALL (
                  "pg_rewrite") ALL ("pg_inherits") ALL ("pg_partitioned_table")
                  ALL ("pg_enum") ALL ("pg_range") ALL ("pg_policy") ALL (
                      "pg_extension") ALL ("pg_operator") ALL ("pg_opclass")
                      ALL ("pg_opfamily") ALL ("pg_amop") ALL (
                          "pg_amproc") ALL ("pg_am") ALL ("pg_cast")
                          ALL ("pg_conversion") ALL ("pg_collation") ALL (
                              "pg_event_trigger") ALL ("pg_default_acl")
                              ALL ("pg_description") ALL ("pg_seclabel") ALL (
                                  "pg_statistic_ext") ALL ("pg_ts_config")
                                  ALL ("pg_ts_config_map") ALL ("pg_ts_dict")
                                      ALL ("pg_ts_parser") ALL (
                                          "pg_ts_template") ALL ("pg_language")
                                          ALL ("pg_transform") ALL (
                                              "pg_foreign_data_wrapper")
                                              ALL ("pg_foreign_server")
                                                  ALL ("pg_foreign_table") ALL (
                                                      "pg_user_mapping")
                                                      ALL ("pg_publication")
                                                          ALL ("pg_publication_"
                                                               "rel") ") AS t;";
