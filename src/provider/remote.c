/* SPDX-License-Identifier: Apache-2.0 */
/* Programs, small files and records on a host, through its port. */
#include "provider/remote.h"

#include "base/buf.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/pace.h"
#include "provider/provider.h"

#include <string.h>
#include <time.h>

#define COMMAND_MS 60000
#define SMALL_FILE ((size_t)4 << 20)

json_t *
remote_argv (const char *const *words)
{
  json_t *argv = json_array ();
  for (size_t i = 0; words[i] != NULL; i++)
    remote_word (argv, words[i]);
  return argv;
}

void
remote_word (json_t *argv, const char *word)
{
  json_array_append_new (argv, json_bytes (word, strlen (word)));
}

void
ran_clear (struct ran *r)
{
  free (r->out);
  free (r->err);
  memset (r, 0, sizeof *r);
}

static struct err *
blob_of (const json_t *o, const char *key, char **out, size_t *len)
{
  const char *text;
  TRY (json_get_str (o, key, &text));
  unsigned char *bytes CLEANUP_FREE = NULL;
  TRY (text_unbase64 (text, &bytes, len));
  *out = mem_alloc (*len + 1);
  if (*len > 0)
    memcpy (*out, bytes, *len);
  if (bytes != NULL)
    explicit_bzero (bytes, *len);
  return NULL;
}

static struct err *
ran_from (const json_t *result, struct ran *out)
{
  int64_t status;
  int64_t sig;
  TRY (json_opt_int (result, "signal", 0, 128, 0, &sig));
  TRY (json_opt_int (result, "status", 0, 255, 0, &status));
  out->status = sig > 0 ? (int)(128 + sig) : (int)status;
  TRY (blob_of (result, "out", &out->out, &out->out_len));
  return blob_of (result, "err", &out->err, &out->err_len);
}

struct err *
remote_run (struct port *p, json_t *argv, const char *input, long timeout_ms,
            struct ran *out)
{
  memset (out, 0, sizeof *out);
  json_t *args = json_object ();
  json_object_set_new (args, "argv", argv);
  json_object_set_new (args, "timeout_ms", json_integer (timeout_ms));
  if (input != NULL) {
    char *coded = text_base64 (input, strlen (input));
    json_object_set_new (args, "input", json_string (coded));
    explicit_bzero (coded, strlen (coded));
    free (coded);
  }
  json_t *result CLEANUP_JSON = NULL;
  TRY (port_call (p, "run", args, &result));
  struct err *e = ran_from (result, out);
  if (e != NULL)
    ran_clear (out);
  return e;
}

/* The first 600 bytes of what a program said, without the last newline. */
static char *
first_words (const struct ran *r)
{
  const char *said = r->err_len > 0 ? r->err : r->out;
  size_t len = strlen (said);
  while (len > 0 && said[len - 1] == '\n')
    len--;
  return text_escape (said, len > 600 ? 600 : len);
}

struct err *
remote_must (struct port *p, json_t *argv, const char *input, char **out)
{
  json_t *kept CLEANUP_JSON = json_incref (argv);
  struct ran r CLEANUP_RAN = { 0 };
  TRY (remote_run (p, argv, input, COMMAND_MS, &r));
  if (r.status != 0) {
    char *said CLEANUP_FREE = first_words (&r);
    const char *name = json_string_value (json_array_get (kept, 0));
    const char *word = json_string_value (json_array_get (kept, 1));
    return err_new (ERR_SYSTEM, "RH-HOST-COMMAND",
                    "%s: '%s %s' ended with status %d: %s", p->name, name,
                    word == NULL ? "" : word, r.status, said);
  }
  if (out != NULL)
    *out = STEAL (r.out);
  return NULL;
}

struct err *
remote_json (struct port *p, json_t *argv, json_t **out)
{
  char *text CLEANUP_FREE = NULL;
  TRY (remote_must (p, argv, NULL, &text));
  if (text[0] == '\0') { /* `ip -j` prints nothing for nothing */
    *out = json_array ();
    return NULL;
  }
  json_error_t why;
  *out = json_loads (text, 0, &why);
  if (*out == NULL)
    return err_new (ERR_CORRUPT, "RH-HOST-JSON",
                    "%s: a program printed something else than JSON: %s",
                    p->name, why.text);
  return NULL;
}

void
remote_file_clear (struct remote_file *f)
{
  if (f->content != NULL)
    explicit_bzero (f->content, f->len);
  free (f->content);
  free (f->link);
  free (f->digest);
  json_decref (f->xattrs);
  memset (f, 0, sizeof *f);
}

static json_t *
path_args (const char *path)
{
  json_t *args = json_object ();
  json_object_set_new (args, "path", json_bytes (path, strlen (path)));
  return args;
}

static struct err *
file_from (const json_t *o, struct remote_file *out)
{
  TRY (json_opt_bool (o, "exists", true, &out->exists));
  if (!out->exists)
    return NULL;
  const char *text;
  TRY (json_get_str (o, "type", &text));
  snprintf (out->type, sizeof out->type, "%s", text);
  int64_t n;
  TRY (json_get_int (o, "mode", 0, UINT32_MAX, &n));
  out->mode = (unsigned)n & 07777;
  TRY (json_get_int (o, "uid", 0, UINT32_MAX, &n));
  out->uid = (uint32_t)n;
  TRY (json_get_int (o, "gid", 0, UINT32_MAX, &n));
  out->gid = (uint32_t)n;
  TRY (json_opt_str (o, "mtime_ns", "", &text));
  snprintf (out->mtime_ns, sizeof out->mtime_ns, "%s", text);
  TRY (json_opt_str (o, "digest", NULL, &text));
  out->digest = mem_strdup (text);
  out->xattrs = json_incref (json_at (o, "xattrs"));
  if (json_is_string (json_at (o, "link"))) {
    size_t len;
    TRY (json_get_bytes (o, "link", &out->link, &len));
  }
  return NULL;
}

static struct err *
look (struct port *p, const char *verb, const char *path,
      struct remote_file *out)
{
  json_t *result CLEANUP_JSON = NULL;
  TRY (port_call (p, verb, path_args (path), &result));
  TRY (file_from (result, out));
  if (out->exists && json_at (result, "content") != NULL)
    TRY (blob_of (result, "content", &out->content, &out->len));
  return NULL;
}

struct err *
remote_stat (struct port *p, const char *path, struct remote_file *out)
{
  memset (out, 0, sizeof *out);
  struct err *e = look (p, "file.stat", path, out);
  if (e != NULL)
    remote_file_clear (out);
  return err_wrap (e, "looking at %s on the %s", path, p->name);
}

struct err *
remote_read (struct port *p, const char *path, struct remote_file *out)
{
  memset (out, 0, sizeof *out);
  struct err *e = look (p, "file.read", path, out);
  if (e == NULL)
    return NULL;
  remote_file_clear (out);
  struct err *other = remote_stat (p, path, out);
  if (other == NULL && !out->exists) {
    err_free (e);
    return NULL;
  }
  err_free (other);
  remote_file_clear (out);
  return err_wrap (e, "reading %s on the %s", path, p->name);
}

struct err *
remote_exists (struct port *p, const char *path, bool *out)
{
  struct remote_file f CLEANUP_REMOTE = { 0 };
  TRY (remote_stat (p, path, &f));
  *out = f.exists;
  return NULL;
}

static struct err *
write_with (struct port *p, const char *path, const char *content, size_t len,
            json_t *args)
{
  char *coded = text_base64 (content, len);
  json_object_set_new (args, "content", json_string (coded));
  explicit_bzero (coded, strlen (coded));
  free (coded);
  json_object_set_new (args, "parents", json_true ());
  json_object_set_new (args, "exclusive", json_false ());
  json_t *result CLEANUP_JSON = NULL;
  return err_wrap (port_call (p, "file.write", args, &result),
                   "writing %s on the %s", path, p->name);
}

static json_t *
owner_args (const char *path, unsigned mode, uint32_t uid, uint32_t gid)
{
  json_t *args = path_args (path);
  json_object_set_new (args, "mode", json_integer (mode));
  json_object_set_new (args, "uid", json_integer (uid));
  json_object_set_new (args, "gid", json_integer (gid));
  return args;
}

struct err *
remote_write (struct port *p, const char *path, const char *content, size_t len,
              unsigned mode)
{
  return write_with (p, path, content, len, owner_args (path, mode, 0, 0));
}

struct err *
remote_put (struct port *p, const char *path, const struct remote_file *like)
{
  json_t *args = owner_args (path, like->mode, like->uid, like->gid);
  if (like->xattrs != NULL)
    json_object_set (args, "xattrs", like->xattrs);
  if (like->mtime_ns[0] != '\0')
    json_object_set_new (args, "mtime_ns", json_string (like->mtime_ns));
  return write_with (p, path, like->content, like->len, args);
}

struct err *
remote_link (struct port *p, const char *path, const char *target)
{
  json_t *args = path_args (path);
  json_object_set_new (args, "target", json_bytes (target, strlen (target)));
  json_t *result CLEANUP_JSON = NULL;
  return err_wrap (port_call (p, "file.link", args, &result),
                   "linking %s on the %s", path, p->name);
}

struct err *
remote_mkdir (struct port *p, const char *path, unsigned mode, uint32_t uid,
              uint32_t gid)
{
  json_t *args = owner_args (path, mode, uid, gid);
  json_object_set_new (args, "parents", json_true ());
  json_t *result CLEANUP_JSON = NULL;
  return err_wrap (port_call (p, "file.mkdir", args, &result),
                   "making %s on the %s", path, p->name);
}

struct err *
remote_rename (struct port *p, const char *from, const char *to, bool replace)
{
  json_t *args = json_object ();
  json_object_set_new (args, "from", json_bytes (from, strlen (from)));
  json_object_set_new (args, "to", json_bytes (to, strlen (to)));
  json_object_set_new (args, "replace", json_boolean (replace));
  json_t *result CLEANUP_JSON = NULL;
  return err_wrap (port_call (p, "file.rename", args, &result),
                   "renaming %s on the %s", from, p->name);
}

static struct err *
remove_with (struct port *p, const char *path, bool recursive)
{
  json_t *args = path_args (path);
  json_object_set_new (args, "recursive", json_boolean (recursive));
  json_t *result CLEANUP_JSON = NULL;
  return err_wrap (port_call (p, "file.remove", args, &result),
                   "removing %s on the %s", path, p->name);
}

struct err *
remote_remove (struct port *p, const char *path)
{
  return remove_with (p, path, false);
}

struct err *
remote_remove_empty (struct port *p, const char *path)
{
  struct ran r CLEANUP_RAN = { 0 };
  return remote_run (p, remote_argv (ARGV ("rmdir", "--", path)), NULL, 10000,
                     &r);
}

struct err *
remote_remove_tree (struct port *p, const char *path)
{
  return remove_with (p, path, true);
}

struct err *
remote_names (struct port *p, const char *path, json_t **out)
{
  json_t *result CLEANUP_JSON = NULL;
  TRY (err_wrap (port_call (p, "file.list", path_args (path), &result),
                 "listing %s on the %s", path, p->name));
  json_t *names CLEANUP_JSON = json_array ();
  size_t i;
  json_t *entry;
  json_array_foreach (json_at (result, "entries"), i, entry)
  {
    char *name CLEANUP_FREE = NULL;
    size_t len;
    TRY (json_get_bytes (entry, "name", &name, &len));
    json_t *text = json_string (name);
    if (text != NULL) /* names that are not UTF-8 are nobody's setting */
      json_array_append_new (names, text);
  }
  *out = STEAL (names);
  return NULL;
}

struct err *
remote_remove_prefixed (struct port *p, const char *dir, const char *prefix,
                        size_t *removed)
{
  CLEANUP_JSON json_t *names = NULL;
  size_t i;
  json_t *one;
  *removed = 0;
  TRY (remote_names (p, dir, &names));
  json_array_foreach (names, i, one)
  {
    const char *name = json_string_value (one);
    CLEANUP_FREE char *path = mem_printf ("%s/%s", dir, name);
    if (strncmp (name, prefix, strlen (prefix)) != 0)
      continue;
    TRY (remote_remove (p, path));
    ++*removed;
  }
  return NULL;
}

struct err *
remote_record (struct port *p, const char *path, const json_t *value)
{
  char *line CLEANUP_FREE = json_line (value);
  return remote_write (p, path, line, strlen (line), 0600);
}

struct err *
remote_recall (struct port *p, const char *path, json_t **out)
{
  *out = NULL;
  struct remote_file f CLEANUP_REMOTE = { 0 };
  TRY (remote_read (p, path, &f));
  if (!f.exists)
    return NULL;
  return err_wrap (json_parse (f.content, f.len, SMALL_FILE, out),
                   "reading the record %s on the %s", path, p->name);
}

static struct err *
collect (void *ctx, const void *data, size_t len)
{
  return buf_put (ctx, data, len);
}

struct err *
remote_gather (struct port *p, json_t *args, struct buf *out)
{
  struct sink to = { collect, out };
  json_t *result CLEANUP_JSON = NULL;
  return port_read (p, "program.read", args, &to, &result);
}

struct err *
remote_output (struct port *p, json_t *args, size_t most, char **out)
{
  struct buf said CLEANUP_BUF = BUF_INIT_MAX (most);
  TRY (remote_gather (p, args, &said));
  *out = buf_steal_str (&said);
  return NULL;
}

/* ... with what holds it back. */
static void
tick_paced (void *ctx, const json_t *progress)
{
  const struct step_call *call = ctx;
  json_t *now CLEANUP_JSON = pace_progress (call->pace, progress);
  call->tick (call->ctx, now);
}

struct err *
remote_pipe (const struct step_call *call, const json_t *out, const json_t *in,
             json_t **sent, json_t **taken)
{
  struct step_call own = *call;
  bool paced = call->pace != NULL && call->tick != NULL;
  pace_enter (call->pace);
  struct err *e = call->source->ops->pipe (
      call->source, "program.read", out, call->target, "program.write", in,
      paced ? tick_paced : call->tick, paced ? &own : call->ctx, sent, taken);
  pace_leave (call->pace);
  return e;
}

struct err *
remote_pause (const struct step_call *call, long ms)
{
  if (call->cancelled != NULL && call->cancelled (call->ctx))
    return err_new (ERR_REFUSED, "RH-STEP-CANCELLED", "%s was cancelled",
                    call->step->title);
  struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
  nanosleep (&t, NULL);
  return NULL;
}
