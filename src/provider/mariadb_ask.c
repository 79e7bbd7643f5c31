/* SPDX-License-Identifier: Apache-2.0 */
/* How the servers of the MariaDB provider are asked: through the host's own
 * clients, and from one to the other. */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/credentials.h"
#include "provider/remote.h"

#include <pthread.h>
#include <string.h>

#define SAID_MAX ((size_t)64 << 20)

/* A word on the command line would take the place of what the file says, and
 * the file has to come first. */
json_t *
mariadb_login (struct port *p, const char *program)
{
  char *path CLEANUP_FREE = credentials_of (p, "mariadb");
  char *file CLEANUP_FREE
      = path == NULL ? NULL : mem_printf ("--defaults-extra-file=%s", path);
  return remote_argv (
      ARGV (program, file == NULL ? "--user=root" : file, "--protocol=socket"));
}

json_t *
mariadb_argv (struct port *p, const char *program, const char *const *words)
{
  json_t *argv = mariadb_login (p, program);
  remote_word (argv, "--default-character-set=utf8mb4");
  remote_word (argv, "--max-allowed-packet=1G");
  for (; *words != NULL; words++)
    remote_word (argv, *words);
  return argv;
}

/* Without a time limit: an index or statistics may take long. */
static struct err *
run (struct port *p, const char *sql, bool raw, char **out)
{
  char *said CLEANUP_FREE = NULL;
  json_t *argv = mariadb_argv (p, "mariadb",
                               ARGV ("--batch", "--skip-column-names",
                                     "--skip-reconnect", raw ? "--raw" : NULL));
  char *script CLEANUP_FREE = mem_printf (MARIADB_SESSION "%s", sql);
  char *input CLEANUP_FREE = text_base64 (script, strlen (script));
  TRY (remote_output (p, json_pack ("{s:o, s:s}", "argv", argv, "input", input),
                      SAID_MAX, &said));
  if (out != NULL)
    *out = STEAL (said);
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
  TRY (remote_pipe (call, out, in, &sent, &taken));
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
