/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs with which a host's PostgreSQL is asked.  What Debian has in the
 * PATH is a wrapper that looks for the cluster each time, which costs more than
 * most questions.  Where there is one version and one socket they are taken;
 * else the wrapper is asked once which cluster it finds.  From then on the
 * cluster's own programs are called, at its socket.  Where they are not found
 * the wrapper, or whatever else is in the PATH, goes on doing it.
 */
#include "provider/postgresql.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/credentials.h"
#include "provider/remote.h"

#include <stdio.h>
#include <string.h>

#define CLUSTER "postgresql.cluster" /* {"bin", "dir", "port"} */
#define LZ4 "postgresql.lz4"
#define IDS "postgresql.ids" /* {"uid", "gid"} */
#define LIB "/usr/lib/postgresql"
#define RUN "/run/postgresql"
#define SOCKET ".s.PGSQL."

static const char cluster_sql[]
    = "SELECT json_build_object('version', current_setting("
      "'server_version_num')::int / 10000, 'port', current_setting('port'),"
      " 'dir', CASE WHEN inet_server_addr() IS NULL THEN trim(split_part("
      "current_setting('unix_socket_directories'), ',', 1)) ELSE '' END);";
static const char lz4_sql[]
    = "SELECT coalesce((SELECT to_json('lz4' = ANY (enumvals)) FROM"
      " pg_settings WHERE name = 'wal_compression'), 'false');";

#define BULK "64K"

static void
put_words (json_t *argv, const char *const *words)
{
  for (; *words != NULL; words++)
    remote_word (argv, *words);
}

/* As postgres by peer, or as root with the user and the password of the service
 * "rehome" in the item's file. */
static json_t *
login_of (const char *path)
{
  if (path == NULL)
    return remote_argv (ARGV ("runuser", "-u", "postgres", "--"));
  char *file CLEANUP_FREE = mem_printf ("PGSERVICEFILE=%s", path);
  return remote_argv (ARGV ("env", "PGSERVICE=rehome", file));
}

static json_t *
login (struct port *p)
{
  char *path CLEANUP_FREE = credentials_of (p, "postgresql");
  return login_of (path);
}

json_t *
postgresql_by_hand (const struct plan_item *item, const struct port *p)
{
  json_t *argv = login_of (credentials_path (item, p));
  remote_word (argv, "psql");
  return argv;
}

json_t *
postgresql_as (const char *program, const char *const *words)
{
  json_t *argv
      = remote_argv (ARGV ("runuser", "-u", "postgres", "--", program));
  for (; *words != NULL; words++)
    remote_word (argv, *words);
  return argv;
}

/* The port of the only socket there, 0 where there is none or several. */
static unsigned
only_socket (const json_t *names)
{
  unsigned port = 0, n = 0;
  size_t i;
  json_t *one;
  json_array_foreach (names, i, one)
  {
    const char *name = json_string_value (one);
    char rest;
    if (sscanf (name, SOCKET "%u%c", &port, &rest) == 1)
      n++;
  }
  return n == 1 ? port : 0;
}

/* NULL where there is more than one that could be meant. */
static struct err *
look_only (struct port *p, json_t **out)
{
  json_t *versions CLEANUP_JSON = NULL;
  json_t *sockets CLEANUP_JSON = NULL;
  bool there = false;
  TRY (remote_names (p, LIB, &versions));
  TRY (remote_names (p, RUN, &sockets));
  unsigned port = only_socket (sockets);
  if (json_array_size (versions) != 1 || port == 0)
    return NULL;
  char *bin CLEANUP_FREE
      = mem_printf (LIB "/%s/bin",
                    json_string_value (json_array_get (versions, 0)));
  char *psql CLEANUP_FREE = mem_printf ("%s/psql", bin);
  TRY (remote_exists (p, psql, &there));
  if (there)
    *out = json_pack ("{s:s, s:s, s:o}", "bin", bin, "dir", RUN, "port",
                      json_sprintf ("%u", port));
  return NULL;
}

/* What the wrapper's server says of itself, where its programs are there. */
static struct err *
look (struct port *p, json_t **out)
{
  char *text CLEANUP_FREE = NULL;
  json_t *said CLEANUP_JSON = NULL;
  bool there = false;
  json_t *argv = login (p);
  put_words (argv, ARGV ("psql", "-X", "-q", "-A", "-t", "-d", "postgres", "-c",
                         cluster_sql));
  TRY (remote_must (p, argv, NULL, &text));
  TRY (json_parse (text, strlen (text), 4096, &said));
  char *bin CLEANUP_FREE
      = mem_printf (LIB "/%lld/bin",
                    (long long)json_integer_value (json_at (said, "version")));
  char *psql CLEANUP_FREE = mem_printf ("%s/psql", bin);
  if (json_text (said, "dir")[0] == '/')
    TRY (remote_exists (p, psql, &there));
  json_object_set_new (said, "bin", json_string (there ? bin : ""));
  *out = STEAL (said);
  return NULL;
}

/* Who cannot be asked answers the question itself with an error. */
static json_t *
cluster_of (struct port *p)
{
  json_t *known = port_kept (p, CLUSTER);
  if (known != NULL)
    return known;
  struct err *e = look_only (p, &known);
  if (e == NULL && known == NULL)
    e = look (p, &known);
  if (e == NULL)
    port_keep (p, CLUSTER, json_incref (known));
  err_free (e);
  return known;
}

static void
put_client (json_t *argv, struct port *p, const char *program,
            const char *const *words)
{
  json_t *cluster CLEANUP_JSON = cluster_of (p);
  const char *bin = json_string_value (json_at (cluster, "bin"));
  bool known = bin != NULL && *bin != '\0';
  char *path CLEANUP_FREE
      = known ? mem_printf ("%s/%s", bin, program) : mem_strdup (program);
  remote_word (argv, path);
  if (known)
    put_words (argv, ARGV ("-h", json_text (cluster, "dir"), "-p",
                           json_text (cluster, "port")));
  put_words (argv, words);
}

json_t *
postgresql_argv (struct port *p, const char *program, const char *const *words)
{
  json_t *argv = login (p);
  put_client (argv, p, program, words);
  return argv;
}

json_t *
postgresql_bulk_argv (struct port *p, const char *const *words)
{
  json_t *argv = login (p);
  put_words (argv, ARGV ("stdbuf", "-i" BULK, "-o" BULK));
  put_client (argv, p, "psql", words);
  return argv;
}

bool
postgresql_has_lz4 (struct port *p)
{
  json_t *known CLEANUP_JSON = port_kept (p, LZ4);
  if (known != NULL)
    return json_is_true (known);
  char *text CLEANUP_FREE = NULL;
  struct err *e CLEANUP_ERR = postgresql_run (p, "postgres", lz4_sql, &text);
  known = json_boolean (e == NULL && strncmp (text, "true", 4) == 0);
  port_keep (p, LZ4, json_incref (known));
  return json_is_true (known);
}

struct err *
postgresql_ids (struct port *p, uint32_t *uid, uint32_t *gid)
{
  json_t *known CLEANUP_JSON = port_kept (p, IDS);
  if (known == NULL) {
    char *said CLEANUP_FREE = NULL;
    unsigned u, g;
    TRY (remote_must (p, remote_argv (ARGV ("id", "postgres")), NULL, &said));
    if (sscanf (said, "uid=%u(%*[^)]) gid=%u", &u, &g) != 2)
      return err_new (ERR_BLOCKED, "RH-POSTGRESQL-SERVER",
                      "%s: 'id postgres' said no numbers", p->name);
    known
        = json_pack ("{s:I, s:I}", "uid", (json_int_t)u, "gid", (json_int_t)g);
    port_keep (p, IDS, json_incref (known));
  }
  *uid = (uint32_t)json_integer_value (json_at (known, "uid"));
  *gid = (uint32_t)json_integer_value (json_at (known, "gid"));
  return NULL;
}
