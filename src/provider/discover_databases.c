/* SPDX-License-Identifier: Apache-2.0 */
/* The databases of the servers that run on the source, as items. */
#include "provider/discover.h"

#include "base/cleanup.h"

#include <string.h>

static const char postgresql_names[]
    = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> "
      "'postgres' ORDER BY 1";
static const char mariadb_names[]
    = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME "
      "NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') "
      "ORDER BY 1";

/* A server, by the name of its process and of its unit, and what it is asked:
 * as the providers do, by its own client over its socket. */
static const struct server {
  const char *kind, *comm, *units[3];
  const char *argv[12];
} servers[] = {
  { "postgresql",
    "postgres",
    { "postgresql@*", "postgresql.*", NULL },
    { "runuser", "-u", "postgres", "--", "psql", "-X", "-A", "-t", "-c",
      postgresql_names, NULL } },
  { "mariadb",
    "mariadbd",
    { "mariadb.*", "mysql.*", NULL },
    { "mariadb", "--user=root", "--protocol=socket", "-N", "-B", "-e",
      mariadb_names, NULL } },
};

static bool
has_process (const json_t *rows, const char *comm)
{
  for (size_t i = 0; i < json_array_size (rows); i++)
    if (strcmp (look_text (json_array_get (rows, i), "comm"), comm) == 0)
      return true;
  return false;
}

/* Names that the plan takes without a second thought; the others wait for a
 * person. */
static bool
is_simple (const char *name)
{
  return *name != '-'
         && strspn (name, "abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
                == strlen (name);
}

static struct err *
take_server (struct draft *d, const struct server *s)
{
  CLEANUP_JSON json_t *names = NULL;
  TRY (look_lines (d, s->argv, &names));
  for (size_t i = 0; i < json_array_size (names); i++) {
    const char *name = json_string_value (json_array_get (names, i));
    draft_item (d, s->kind, json_pack ("{s:s}", s->kind, name),
                !is_simple (name),
                "A service that uses it names it: after: [\"%s:%s\"].", s->kind,
                name);
  }
  return NULL;
}

struct err *
discover_databases (struct draft *d)
{
  for (size_t i = 0; i < sizeof servers / sizeof *servers; i++)
    if (has_process (d->writers, servers[i].comm)
        || has_process (d->listeners, servers[i].comm))
      TRY (take_server (d, &servers[i]));
  return NULL;
}

bool
look_serves_items (const struct draft *d, const char *unit)
{
  for (size_t i = 0; i < sizeof servers / sizeof *servers; i++)
    for (size_t k = 0; k < json_array_size (d->items); k++) {
      const json_t *item = json_array_get (d->items, k);
      if (look_matches (unit, servers[i].units)
          && strcmp (look_text (item, "kind"), servers[i].kind) == 0
          && !json_is_true (json_object_get (item, "off")))
        return true;
    }
  return false;
}
