/* SPDX-License-Identifier: Apache-2.0 */
/* See canned.h. */
#include "canned.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

static json_t *
part (struct canned *c, const char *key)
{
  return json_object_get (c->host, key);
}

static const char *
file_of (struct canned *c, const char *path)
{
  return json_string_value (json_object_get (part (c, "files"), path));
}

/* Something lies below the path. */
static bool
is_dir (struct canned *c, const char *path)
{
  const char *name;
  json_t *value;
  size_t len = strlen (path);
  json_object_foreach (part (c, "files"), name, value)
  {
    if (strncmp (name, path, len) == 0 && name[len] == '/')
      return true;
  }
  return false;
}

static json_t *
stat_of (struct canned *c, const char *path)
{
  const char *text = file_of (c, path);
  const char *type = is_dir (c, path)                ? "dir"
                     : text == NULL                  ? NULL
                     : strncmp (text, "-> ", 3) == 0 ? "link"
                                                     : "file";
  if (type == NULL)
    return json_pack ("{s:b}", "exists", 0);
  json_t *out = json_pack ("{s:b, s:s, s:i, s:i, s:i, s:s, s:s}", "exists", 1,
                           "type", type, "mode", 0644, "uid", 0, "gid", 0,
                           "size", "0", "mtime_ns", "0");
  if (*type == 'l')
    json_object_set_new (out, "link", json_string (text + 3));
  if (*type == 'f') {
    char *coded = text_base64 (text, strlen (text));
    json_object_set_new (out, "content", json_string (coded));
    free (coded);
  }
  return out;
}

static json_t *
list_of (struct canned *c, const char *path)
{
  CLEANUP_JSON json_t *names = json_object ();
  json_t *entries = json_array (), *value;
  const char *name;
  size_t len = strlen (path);
  json_object_foreach (part (c, "files"), name, value)
  {
    if (strncmp (name, path, len) != 0 || name[len] != '/'
        || name[len + 1] == '\0')
      continue;
    size_t n = strcspn (name + len + 1, "/");
    CLEANUP_FREE char *own = mem_strndup (name + len + 1, n);
    CLEANUP_FREE char *whole = mem_printf ("%s/%s", path, own);
    if (json_object_get (names, own) != NULL)
      continue;
    json_object_set_new (names, own, json_true ());
    CLEANUP_JSON json_t *stat = stat_of (c, whole);
    json_array_append_new (entries,
                           json_pack ("{s:s, s:O}", "name", own, "type",
                                      json_object_get (stat, "type")));
  }
  return json_pack ("{s:b, s:o}", "exists", (int)is_dir (c, path), "entries",
                    entries);
}

static json_t *
ran (int status, const char *out)
{
  CLEANUP_FREE char *coded = text_base64 (out, strlen (out));
  return json_pack ("{s:i, s:s, s:s}", "status", status, "out", coded, "err",
                    "");
}

static json_t *
owners (struct canned *c, const json_t *argv)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  for (size_t i = 3; i < json_array_size (argv); i++) {
    const char *path = json_string_value (json_array_get (argv, i));
    const char *package
        = json_string_value (json_object_get (part (c, "packages"), path));
    if (package != NULL)
      err_free (buf_printf (&b, "%s: %s\n", package, path));
  }
  return ran (1, b.data != NULL ? (const char *)b.data : "");
}

/* `systemctl show ... -- UNIT...` */
static json_t *
units (struct canned *c, const json_t *argv)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  for (size_t i = 5; i < json_array_size (argv); i++) {
    const char *name = json_string_value (json_array_get (argv, i));
    const char *text
        = json_string_value (json_object_get (part (c, "units"), name));
    if (text != NULL)
      err_free (buf_printf (&b, "%s\n", text));
  }
  return ran (0, b.data != NULL ? (const char *)b.data : "");
}

static json_t *
program (struct canned *c, const json_t *args)
{
  const json_t *argv = json_object_get (args, "argv");
  CLEANUP_BUF struct buf b = BUF_INIT;
  for (size_t i = 0; i < json_array_size (argv); i++)
    err_free (buf_printf (&b, "%s%s", i == 0 ? "" : " ",
                          json_string_value (json_array_get (argv, i))));
  const char *words = b.data != NULL ? (const char *)b.data : "", *name;
  json_t *out;
  if (strncmp (words, "dpkg-query -S", 13) == 0)
    return owners (c, argv);
  if (strncmp (words, "systemctl show", 14) == 0)
    return units (c, argv);
  json_object_foreach (part (c, "programs"), name, out)
  {
    if (strncmp (words, name, strlen (name)) == 0)
      return ran (0, json_string_value (out));
  }
  return NULL;
}

/* Files that begin as a database does and have a WAL beside them. */
static json_t *
databases (struct canned *c, const json_t *args)
{
  const char *root = json_string_value (json_object_get (args, "root")), *path;
  json_t *text, *found = json_array ();
  size_t len = strlen (root);
  json_object_foreach (part (c, "files"), path, text)
  {
    CLEANUP_FREE char *wal = mem_printf ("%s-wal", path);
    if (strncmp (path, root, len) == 0 && path[len] == '/'
        && strncmp (json_string_value (text), "SQLite format 3", 15) == 0
        && json_object_get (part (c, "files"), wal) != NULL)
      json_array_append_new (found,
                             json_pack ("{s:s}", "path", path + len + 1));
  }
  return json_pack ("{s:b, s:o}", "exists", 1, "databases", found);
}

static json_t *
answer (struct canned *c, const char *verb, const json_t *args)
{
  CLEANUP_FREE char *path = NULL;
  size_t len;
  if (strncmp (verb, "file.", 5) == 0)
    err_free (json_get_bytes (args, "path", &path, &len));
  if (path == NULL)
    path = mem_strdup ("");
  if (strcmp (verb, "facts") == 0)
    return json_incref (part (c, "facts"));
  if (strcmp (verb, "file.stat") == 0 || strcmp (verb, "file.read") == 0)
    return stat_of (c, path);
  if (strcmp (verb, "file.list") == 0)
    return list_of (c, path);
  if (strcmp (verb, "run") == 0)
    return program (c, args);
  if (strcmp (verb, "process.listeners") == 0)
    return json_pack ("{s:O}", "listeners", part (c, "listeners"));
  if (strcmp (verb, "sqlite.find") == 0)
    return databases (c, args);
  if (strcmp (verb, "process.writers") == 0)
    return json_pack ("{s:[]}", "writers");
  if (strcmp (verb, "process.open") == 0)
    return json_pack ("{s:O}", "writers", part (c, "writers"));
  const json_t *status
      = json_object_get (part (c, "http"),
                         json_string_value (json_object_get (args, "url")));
  return strcmp (verb, "http") == 0 && status != NULL
             ? json_pack ("{s:O}", "status", status)
             : NULL;
}

static struct err *
call (struct port *p, const char *verb, const json_t *args,
      void (*tick) (void *, const json_t *), void *ctx, json_t **result)
{
  struct canned *c = (struct canned *)p;
  const char *code
      = json_string_value (json_object_get (part (c, "fail"), verb));
  (void)tick;
  (void)ctx;
  json_array_append_new (part (c, "asked"), json_string (verb));
  *result = NULL;
  if (code != NULL)
    return err_remote (strcmp (code, "RH-LINK-LOST") == 0 ? ERR_TRANSIENT
                                                          : ERR_REFUSED,
                       code, "as the test wants it", NULL, NULL);
  *result = answer (c, verb, args);
  return *result != NULL
             ? NULL
             : err_new (ERR_SYSTEM, "RH-AGENT-RUN", "%s: not here", verb);
}

void
canned_init (struct canned *c, const char *name, json_t *host)
{
  static const struct port_ops ops = { .call = call };
  static const struct {
    const char *key;
    bool list;
  } parts[]
      = { { "facts", false },    { "files", false },    { "packages", false },
          { "programs", false }, { "units", false },    { "http", false },
          { "fail", false },     { "listeners", true }, { "writers", true },
          { "asked", true } };
  *c = (struct canned){ .port = { .ops = &ops, .name = name }, .host = host };
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (json_object_get (host, parts[i].key) == NULL)
      json_object_set_new (host, parts[i].key,
                           parts[i].list ? json_array () : json_object ());
}
