/* SPDX-License-Identifier: Apache-2.0 */
/* How the servers of the MariaDB provider are asked: through the host's own
 * clients, and from one to the other. */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/remote.h"

#include <pthread.h>
#include <string.h>

#define SAID_MAX ((size_t)64 << 20)

json_t *
mariadb_argv (const char *program, const char *const *words)
{
  json_t *argv = remote_argv (ARGV (program, "--user=root", "--protocol=socket",
                                    "--default-character-set=utf8mb4",
                                    "--max-allowed-packet=1G"));
  for (; *words != NULL; words++)
    remote_word (argv, *words);
  return argv;
}

static struct err *
collect (void *ctx, const void *data, size_t len)
{
  return buf_put (ctx, data, len);
}

/* Without a time limit: an index or statistics may take long. */
static struct err *
run (struct port *p, const char *sql, bool raw, char **out)
{
  struct buf said CLEANUP_BUF = BUF_INIT_MAX (SAID_MAX);
  struct sink to = { collect, &said };
  json_t *result CLEANUP_JSON = NULL;
  json_t *argv = mariadb_argv ("mariadb",
                               ARGV ("--batch", "--skip-column-names",
                                     "--skip-reconnect", raw ? "--raw" : NULL));
  char *script CLEANUP_FREE = mem_printf (MARIADB_SESSION "%s", sql);
  char *input CLEANUP_FREE = text_base64 (script, strlen (script));
  TRY (port_read (p, "program.read",
                  json_pack ("{s:o, s:s}", "argv", argv, "input", input), &to,
                  &result));
  TRY (buf_put (&said, "", 1));
  if (out != NULL)
    *out = buf_steal_str (&said);
  return NULL;
}

struct err *
mariadb_run (struct port *p, const char *sql, char **out)
{
  return run (p, sql, false, out);
}

static struct err *
ask (struct port *p, const char *fmt, const char *database, bool raw,
     char **out)
{
  struct buf sql CLEANUP_BUF = BUF_INIT;
  for (const char *at = fmt; *at != '\0';) {
    const char *mark = strstr (at, "%s");
    size_t len = mark == NULL ? strlen (at) : (size_t)(mark - at);
    TRY (buf_put (&sql, at, len));
    if (mark == NULL)
      break;
    TRY (buf_put (&sql, database, strlen (database)));
    at = mark + 2;
  }
  TRY (buf_put (&sql, "", 1));
  return run (p, (const char *)sql.data, raw, out);
}

struct err *
mariadb_ask (struct port *p, const char *fmt, const char *database, char **out)
{
  return ask (p, fmt, database, false, out);
}

struct err *
mariadb_compose_text (struct port *p, const char *fmt, const char *database,
                      char **out)
{
  return ask (p, fmt, database, true, out);
}

struct err *
mariadb_compose (struct port *from, const char *fmt, const char *database,
                 struct port *to)
{
  char *sql CLEANUP_FREE = NULL;
  TRY (ask (from, fmt, database, true, &sql));
  return *sql == '\0' ? NULL : mariadb_run (to, sql, NULL);
}

static json_t *
pairs_of (char *text)
{
  json_t *out = json_object ();
  char *at = text;
  for (char *line; (line = strsep (&at, "\n")) != NULL;) {
    char *tab = strchr (line, '\t');
    if (*line == '\0')
      continue;
    if (tab != NULL)
      *tab++ = '\0';
    json_object_set_new (out, line, json_string (tab == NULL ? "" : tab));
  }
  return out;
}

struct err *
mariadb_pairs (struct port *p, const char *fmt, const char *database,
               json_t **out)
{
  char *text CLEANUP_FREE = NULL;
  TRY (mariadb_ask (p, fmt, database, &text));
  *out = pairs_of (text);
  return NULL;
}

struct err *
mariadb_rows (struct port *p, const char *sql, json_t **out)
{
  char *text CLEANUP_FREE = NULL;
  TRY (mariadb_run (p, sql, &text));
  *out = pairs_of (text);
  return NULL;
}

/* One side's part of mariadb_sides, in a thread of its own. */
struct side {
  struct port *port;
  const char *database;
  bool is_source;
  struct err *(*work) (struct port *p, const char *database, bool is_source,
                       void *ctx);
  void *ctx;
  struct err *failed;
};

static void *
side_thread (void *arg)
{
  struct side *s = arg;
  s->failed = s->work (s->port, s->database, s->is_source, s->ctx);
  return NULL;
}

struct err *
mariadb_sides (const struct step_call *call,
               struct err *(*work) (struct port *p, const char *database,
                                    bool is_source, void *ctx),
               void *ctx)
{
  const char *db = mariadb_database (call);
  struct side a = { call->source, db, true, work, ctx, NULL };
  struct side b = { call->target, db, false, work, ctx, NULL };
  pthread_t other;
  bool apart = pthread_create (&other, NULL, side_thread, &a) == 0;
  if (!apart)
    side_thread (&a);
  side_thread (&b);
  if (apart)
    pthread_join (other, NULL);
  if (a.failed != NULL)
    err_free (b.failed);
  return a.failed != NULL ? a.failed : b.failed;
}

struct asking {
  struct err *(*of) (struct port *p, const char *database, json_t **out);
  json_t **source, **target;
};

static struct err *
ask_side (struct port *p, const char *database, bool is_source, void *ctx)
{
  const struct asking *a = ctx;
  return a->of (p, database, is_source ? a->source : a->target);
}

struct err *
mariadb_both (const struct step_call *call,
              struct err *(*of) (struct port *p, const char *database,
                                 json_t **out),
              json_t **source, json_t **target)
{
  struct asking a = { of, source, target };
  return mariadb_sides (call, ask_side, &a);
}

struct err *
mariadb_exists (struct port *p, const char *database, bool *out)
{
  char *text CLEANUP_FREE = NULL;
  TRY (mariadb_ask (p,
                    "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE"
                    " SCHEMA_NAME = '%s';",
                    database, &text));
  *out = text[0] == '1';
  return NULL;
}

struct err *
mariadb_stream (const struct step_call *call, json_t *from, json_t *into,
                char **said, json_t **digest)
{
  json_t *out CLEANUP_JSON
      = json_pack ("{s:o, s:b}", "argv", from, "digest", digest != NULL);
  json_t *in CLEANUP_JSON = json_pack ("{s:o}", "argv", into);
  json_t *sent CLEANUP_JSON = NULL;
  json_t *taken CLEANUP_JSON = NULL;
  TRY (call->source->ops->pipe (call->source, "program.read", out, call->target,
                                "program.write", in, call->tick, call->ctx,
                                &sent, &taken));
  if (digest != NULL)
    *digest = strcmp (json_text (sent, "rows"), "0") == 0
                  ? json_string ("0")
                  : json_sprintf ("%s %s", json_text (sent, "rows"),
                                  json_text (sent, "sum"));
  if (said == NULL)
    return NULL;
  uint8_t *raw CLEANUP_FREE = NULL;
  size_t len;
  TRY (text_unbase64 (json_text (taken, "out"), &raw, &len));
  *said = mem_strndup ((const char *)raw, len);
  return NULL;
}

void
mariadb_compare (const char *what, const json_t *wanted, const json_t *is,
                 json_t *differences)
{
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)wanted, key, value)
  {
    const json_t *other = json_object_get (is, key);
    if (other == NULL)
      json_array_append_new (differences,
                             json_sprintf ("%s%s is missing there", what, key));
    else if (!json_equal (value, other))
      json_array_append_new (differences,
                             json_sprintf ("%s%s differs", what, key));
  }
  json_object_foreach ((json_t *)is, key, value)
  {
    if (json_object_get (wanted, key) == NULL)
      json_array_append_new (differences,
                             json_sprintf ("%s%s is only there", what, key));
  }
}
