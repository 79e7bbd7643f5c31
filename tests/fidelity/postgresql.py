# SPDX-License-Identifier: Apache-2.0
"""What a PostgreSQL server itself says of a database, value for value, through its own psql: two servers, one text.

Values are what the type's own binary output gives, in hexadecimal, where that is the same on any server (numbers that the
catalog gives types and relations differ: such values are text); structure and objects come from the catalogs. Nothing here is
rehome's.
"""

BEGIN = ("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 3; SET row_security = off;"
         " SET client_encoding = 'UTF8'; SET search_path = pg_catalog;\n")

# Types whose binary form holds no number of the catalog.
BINARY = ("int2 int4 int8 numeric float4 float8 money bool oid xid xid8 pg_lsn bit varbit char name tid cid date time timetz timestamp "
          "timestamptz interval text varchar bpchar json jsonb jsonpath bytea tsvector tsquery uuid point line lseg box path polygon circle "
          "inet cidr macaddr macaddr8 int4range numrange tstzrange daterange int8multirange _int4 _text _bytea _float8").split()


def ask(host, sql, database):
    """What psql prints, as lines."""
    out = host.run(["runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"],
                   input=BEGIN + sql, cwd="/").stdout
    return [line for line in out.split("\n") if line]


def rows(host, database):
    """{table: its rows as sorted text}, of what stands in each table itself; large objects as one more."""
    known = ask(host, "SELECT encode(convert_to(format('%I.%I', nspname, relname), 'UTF8'), 'hex') || ' ' || "
                "coalesce((SELECT string_agg(encode(convert_to(quote_ident(attname), 'UTF8'), 'hex') || ':' || typname || ':' || "
                "typsend::regproc::text, ' ' ORDER BY attname COLLATE \"C\") FROM pg_attribute JOIN pg_type t ON t.oid = atttypid WHERE attrelid = c.oid "
                "AND attnum > 0 AND NOT attisdropped), '') FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE (relkind = 'r' OR relkind "
                "= 'm' AND relispopulated) AND nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg\\_%' ORDER BY 1", database)
    names, script = [], []
    for number, line in enumerate(known):
        table, *columns = line.split(" ")
        each = ["''"]
        for column in filter(None, columns):
            name, kind, send = column.split(":")
            name = bytes.fromhex(name).decode()
            value = f"encode({send}({name}), 'hex')" if kind in BINARY else f"encode(convert_to({name}::text, 'UTF8'), 'hex')"
            each.append(f"coalesce({value}, 'null')")
        names.append(bytes.fromhex(table).decode())
        row = " || '|' || ".join(each)
        script.append(f"SELECT {number} || ' ' || CASE WHEN length(r) > 9000 THEN md5(r) || length(r) ELSE r END FROM "
                      f"(SELECT {row} AS r FROM ONLY {names[-1]}) AS x;")
    names.append("large objects")
    script.append(f"SELECT {len(names) - 1} || ' ' || oid || ' ' || encode(lo_get(oid), 'hex') || coalesce(lomacl::text, '') || lomowner::regrole "
                  "|| coalesce(obj_description(oid, 'pg_largeobject'), '') FROM pg_largeobject_metadata;")
    found = {name: [] for name in names}
    for line in ask(host, "\n".join(script), database):
        number, _, text = line.partition(" ")
        found[names[int(number)]].append(text)
    return {name: sorted(lines) for name, lines in found.items()}


OURS = "nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg\\_toast%' AND nspname NOT LIKE 'pg\\_temp%'"
REL = f"pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND {OURS}"
# PostgreSQL 17 has a right more, MAINTAIN, which an owner has by himself.
STRUCTURE = {
    "database": "SELECT pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider, datconnlimit, datdba::regrole, datacl::text, "
                "shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()",
    "settings": "SELECT setrole::regrole, setconfig FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = "
                "current_database()",
    "relations": f"SELECT c.oid::regclass, relkind, relpersistence, relowner::regrole, relrowsecurity, relforcerowsecurity, relispopulated, "
                 f"relreplident, relispartition, reloptions, replace(relacl::text, 'arwdDxtm/', 'arwdDxt/'), pg_get_expr(relpartbound, c.oid), obj_description(c.oid, 'pg_class'), "
                 f"CASE relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END FROM {REL} WHERE relkind <> 'i'",
    "columns": f"SELECT c.oid::regclass, attname, row_number() OVER (PARTITION BY c.oid ORDER BY attnum), format_type(atttypid, atttypmod), "
               f"attnotnull, attidentity, attgenerated, pg_get_expr(adbin, adrelid), attcollation::regcollation, attstorage, attcompression, "
               f"nullif(attstattarget, -1), attacl::text, attinhcount, attoptions, col_description(c.oid, attnum) FROM {REL} JOIN pg_attribute a ON attrelid = "
               f"c.oid LEFT JOIN pg_attrdef ON adrelid = c.oid AND adnum = attnum WHERE attnum > 0 AND NOT attisdropped AND relkind NOT IN ('i', 'I', 'S')",
    "indexes": f"SELECT pg_get_indexdef(c.oid), indisvalid, indisclustered, indisreplident, indisprimary, indisunique, indnullsnotdistinct FROM {REL} "
               f"JOIN pg_index ON indexrelid = c.oid",
    "constraints": f"SELECT conrelid::regclass, contypid::regtype, conname, pg_get_constraintdef(o.oid), convalidated, condeferrable, condeferred, conislocal, "
                   f"connoinherit FROM pg_constraint o JOIN pg_namespace n ON n.oid = connamespace AND {OURS} WHERE contype <> 'n'",
    "triggers": f"SELECT pg_get_triggerdef(t.oid), tgenabled FROM pg_trigger t JOIN {REL} ON c.oid = tgrelid WHERE NOT tgisinternal",
    "rules": f"SELECT pg_get_ruledef(r.oid), ev_enabled FROM pg_rewrite r JOIN {REL} ON c.oid = ev_class WHERE rulename <> '_RETURN'",
    "views": f"SELECT c.oid::regclass, regexp_replace(pg_get_viewdef(c.oid), '\\y[a-z0-9_]+\\.', '', 'g') FROM {REL} WHERE relkind IN ('v', 'm')",
    "inheritance": f"SELECT inhrelid::regclass, inhparent::regclass, inhseqno FROM pg_inherits JOIN {REL} ON c.oid = inhrelid",
    "functions": f"SELECT p.oid::regprocedure, prokind, prosecdef, provolatile, proparallel, proleakproof, proisstrict, procost, prorows, proretset, "
                 f"proargnames, proargmodes, pg_get_expr(proargdefaults, 0), pg_get_function_result(p.oid), prosrc, pg_get_function_sqlbody(p.oid), proconfig, proacl::text, "
                 f"proowner::regrole FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace AND {OURS} WHERE NOT EXISTS (SELECT FROM pg_depend d "
                 f"WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')",
    "types": f"SELECT t.oid::regtype, typtype, typowner::regrole, typnotnull, typdefault, typbasetype::regtype, (SELECT string_agg(enumlabel, ',' ORDER BY "
             f"enumsortorder) FROM pg_enum WHERE enumtypid = t.oid), (SELECT rngsubtype::regtype || rngsubdiff::text FROM pg_range WHERE rngtypid = t.oid) "
             f"FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace AND {OURS}",
    "sequences": "SELECT schemaname, sequencename, sequenceowner, data_type, start_value, min_value, max_value, increment_by, cycle, cache_size, last_value "
                 "FROM pg_sequences",
    "owned": f"SELECT c.oid::regclass, refobjid::regclass, refobjsubid > 0, deptype FROM pg_depend JOIN {REL} ON c.oid = objid AND classid = 'pg_class'::regclass "
             f"WHERE relkind = 'S' AND deptype IN ('a', 'i') AND refclassid = 'pg_class'::regclass",
    "policies": "SELECT schemaname, tablename, policyname, permissive, roles, cmd, qual, with_check FROM pg_policies",
    "extensions": "SELECT extname, extnamespace::regnamespace FROM pg_extension",
    "schemas": f"SELECT nspname, nspowner::regrole, nspacl::text FROM pg_namespace WHERE {OURS}",
    "statistics": "SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext",
    "collations": f"SELECT collname, collprovider, collcollate FROM pg_collation JOIN pg_namespace n ON n.oid = collnamespace AND {OURS}",
    "operators": f"SELECT o.oid::regoperator, oprcode, oprcom::regoperator FROM pg_operator o JOIN pg_namespace n ON n.oid = oprnamespace AND {OURS} WHERE NOT "
                 f"EXISTS (SELECT FROM pg_depend WHERE objid = o.oid AND deptype = 'e')",
    "casts": "SELECT castsource::regtype, casttarget::regtype, castcontext, castmethod FROM pg_cast WHERE oid >= 16384",
    "aggregates": f"SELECT aggfnoid::regprocedure, aggtransfn, agginitval FROM pg_aggregate JOIN pg_proc p ON p.oid = aggfnoid JOIN pg_namespace n ON n.oid = "
                  f"pronamespace AND {OURS}",
    "searches": f"SELECT cfgname, cfgparser::regclass IS NULL FROM pg_ts_config JOIN pg_namespace n ON n.oid = cfgnamespace AND {OURS}",
    "publications": "SELECT p.pubname, puballtables, pubinsert, t.schemaname, t.tablename, t.attnames, t.rowfilter FROM pg_publication p LEFT JOIN "
                    "pg_publication_tables t USING (pubname)",
    "foreign": "SELECT srvname, srvoptions, srvowner::regrole, fdwname FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = srvfdw",
    "mappings": "SELECT umuser::regrole, umoptions FROM pg_user_mapping",
    "events": "SELECT evtname, evtevent, evtenabled, evtfoid::regproc FROM pg_event_trigger",
    "defaults": "SELECT defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl::text FROM pg_default_acl",
    "roles": "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit, rolpassword, rolvaliduntil "
             "FROM pg_authid WHERE rolname LIKE 'fid%'",
    "members": "SELECT roleid::regrole, member::regrole, admin_option FROM pg_auth_members WHERE roleid >= 16384",
}


def structure(host, database):
    """{what: sorted lines}, each line a row as text."""
    return {what: sorted(ask(host, f"SELECT t::text FROM ({sql}) AS t", database)) for what, sql in STRUCTURE.items()}
