/* SPDX-License-Identifier: Apache-2.0 */
/* A key of the migration's own; see ownkey.h. */
#include "exec/ownkey.h"

#include "base/mem.h"
#include "host/durable.h"
#include "host/slurp.h"
#include "host/spawn.h"
#include "link/binary.h"
#include "link/push.h"
#include "link/ssh.h"
#include "provider/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LINES_MAX ((size_t)1 << 20)

static char *
key_file (const struct place *p, const char *name)
{
  return mem_printf ("%s/key/%s", p->dir, name);
}

char *
ownkey_file (const struct place *p)
{
  return key_file (p, "id");
}

char *
ownkey_path (const struct place *p)
{
  CLEANUP_FREE char *path = ownkey_file (p);
  return access (path, F_OK) == 0 ? STEAL (path) : NULL;
}

/* ---- Here ---- */

static struct err *
keygen (const char *const *argv, char **out)
{
  struct spawn_job job
      = { .argv = argv, .timeout_ms = 30000, .max_output = 65536 };
  struct spawn_end end = { 0 };
  struct err *e = spawn_run (&job, &end);
  if (e == NULL && end.status != 0)
    e = err_new (ERR_SYSTEM, "RH-OWNKEY-MAKE", "ssh-keygen failed: %.*s",
                 (int)(end.err.len < 300 ? end.err.len : 300),
                 end.err.data != NULL ? (char *)end.err.data : "");
  if (e == NULL && out != NULL)
    *out = buf_steal_str (&end.out);
  spawn_end_free (&end);
  return e;
}

/* "256 SHA256:... comment (ED25519)" -> "SHA256:..."; the caller frees. */
static struct err *
fingerprint_of (const char *path, char **out)
{
  CLEANUP_FREE char *said = NULL;
  const char *const argv[]
      = { "ssh-keygen", "-l", "-E", "sha256", "-f", path, NULL };
  TRY (keygen (argv, &said));
  const char *at = strstr (said, "SHA256:");
  if (at == NULL)
    return err_new (ERR_SYSTEM, "RH-OWNKEY-MAKE",
                    "ssh-keygen names no fingerprint of %s", path);
  *out = mem_strndup (at, strcspn (at, " \n"));
  return NULL;
}

static struct err *
make_key (const struct place *p, const char *mark)
{
  CLEANUP_FREE char *dir = mem_printf ("%s/key", p->dir);
  CLEANUP_FREE char *id = key_file (p, "id");
  CLEANUP_FREE char *pub = key_file (p, "id.pub");
  const char *const argv[] = { "ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                               "-C",         mark, "-f", id,        NULL };
  if (mkdir (dir, 0700) != 0 && errno != EEXIST)
    return err_sys (errno, "RH-OWNKEY-MAKE", "cannot make %s", dir);
  unlink (id);
  unlink (pub);
  return keygen (argv, NULL);
}

static struct err *
write_facts (const struct place *p, const json_t *facts)
{
  CLEANUP_FREE char *dir = mem_printf ("%s/key", p->dir);
  CLEANUP_FREE char *line = json_line (facts);
  CLEANUP_FD int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const struct durable_file file = { .data = line,
                                     .len = strlen (line),
                                     .mode = 0600,
                                     .uid = geteuid (),
                                     .gid = getegid () };
  if (fd < 0)
    return err_sys (errno, "RH-OWNKEY-MAKE", "%s", dir);
  return durable_write (fd, "hosts.json", &file);
}

struct err *
ownkey_facts (const struct place *p, json_t **out)
{
  CLEANUP_FREE char *path = key_file (p, "hosts.json");
  CLEANUP_FREE char *text = NULL;
  *out = NULL;
  if (access (path, F_OK) != 0)
    return NULL;
  text = slurp_line (path);
  if (text == NULL)
    return err_new (ERR_CORRUPT, "RH-OWNKEY-MAKE", "cannot read %s", path);
  return json_parse (text, strlen (text), LINES_MAX, out);
}

/* ---- On a host ---- */

/* A login there, and the file in which sshd looks for its keys. */
struct login {
  char *user;
  char *home;
  uint32_t uid, gid;
  char *keys; /* the file */
};

static void
login_clear (struct login *l)
{
  free (l->user);
  free (l->home);
  free (l->keys);
}

static struct err *
no_place (const char *user, const char *why)
{
  return err_advise (err_new (ERR_REFUSED, "RH-OWNKEY-PLACE",
                              "no key can be put in place for the login %s: "
                              "%s",
                              user, why),
                     "nothing was changed on that host",
                     "give the controller a key without a passphrase for that "
                     "host, in ~/.ssh/config (IdentityFile)");
}

/* Field `n` (from 0) of a line of passwd; the caller frees. */
static char *
field (const char *line, int n)
{
  for (; n > 0 && line != NULL; n--) {
    line = strchr (line, ':');
    line = line != NULL ? line + 1 : NULL;
  }
  return line != NULL ? mem_strndup (line, strcspn (line, ":\n")) : NULL;
}

static struct err *
find_login (struct port *port, struct login *l)
{
  CLEANUP_FREE char *line = NULL;
  TRY (remote_must (port, remote_argv (ARGV ("getent", "passwd", l->user)),
                    NULL, &line));
  CLEANUP_FREE char *uid = field (line, 2);
  CLEANUP_FREE char *gid = field (line, 3);
  l->home = field (line, 5);
  if (l->home == NULL || l->home[0] != '/')
    return no_place (l->user, "it has no home directory");
  l->uid = (uint32_t)strtoul (uid, NULL, 10);
  l->gid = (uint32_t)strtoul (gid, NULL, 10);
  return NULL;
}

/* sshd's pattern with %h, %u, %U and %% replaced; relative to the home. */
static struct err *
expand (const struct login *l, const char *pattern, char **out)
{
  CLEANUP_BUF struct buf b = BUF_INIT_MAX (4096);
  if (pattern[0] != '/' && pattern[0] != '%')
    TRY (buf_printf (&b, "%s/", l->home));
  for (const char *p = pattern; *p != 0; p++) {
    if (*p != '%')
      TRY (buf_put (&b, p, 1));
    else if (*++p == 'h')
      TRY (buf_put_str (&b, l->home));
    else if (*p == 'u')
      TRY (buf_put_str (&b, l->user));
    else if (*p == 'U')
      TRY (buf_printf (&b, "%lu", (unsigned long)l->uid));
    else if (*p == '%')
      TRY (buf_put_str (&b, "%"));
    else
      return no_place (l->user, "sshd's AuthorizedKeysFile is not understood");
  }
  *out = buf_steal_str (&b);
  return NULL;
}

/* The first file that sshd -T names for this login; without an answer the one
 * that it has by default. */
static struct err *
find_keys (struct port *port, struct login *l)
{
  static const char key[] = "authorizedkeysfile ";
  struct ran ran CLEANUP_RAN = { 0 };
  CLEANUP_FREE char *who
      = mem_printf ("user=%s,host=localhost,addr=127.0.0.1", l->user);
  CLEANUP_FREE char *pattern = NULL;
  CLEANUP_ERR struct err *e
      = remote_run (port, remote_argv (ARGV ("sshd", "-T", "-C", who)), NULL,
                    20000, &ran);
  const char *at = e == NULL && ran.status == 0 ? strstr (ran.out, key) : NULL;
  if (at != NULL && (at == ran.out || at[-1] == '\n')) {
    at += strlen (key);
    pattern = mem_strndup (at, strcspn (at, " \n"));
  } else
    pattern = mem_strdup (".ssh/authorized_keys");
  if (strcmp (pattern, "none") == 0)
    return no_place (l->user, "its sshd takes no keys from files");
  return expand (l, pattern, &l->keys);
}

/* The content without the lines of this migration. */
static struct err *
without (const struct remote_file *f, const char *mark, struct buf *out)
{
  const char *p = f->content != NULL ? f->content : "";
  size_t m = strlen (mark);
  while (*p != 0) {
    size_t n = strcspn (p, "\n");
    bool ours
        = n > m && p[n - m - 1] == ' ' && strncmp (p + n - m, mark, m) == 0;
    if (!ours)
      TRY (buf_put (out, p, n + (p[n] == '\n')));
    p += n + (p[n] == '\n');
  }
  return NULL;
}

static struct err *
put_keys (struct port *port, const char *path, struct remote_file *like,
          struct buf *content)
{
  struct remote_file file = *like;
  TRY (buf_put (content, "", 0)); /* so that there is something to name */
  file.content = (char *)content->data;
  file.len = content->len;
  file.mtime_ns[0] = 0; /* it was changed now */
  return remote_put (port, path, &file);
}

/* The directory, where it is missing, as ssh wants it. */
static struct err *
make_dir (struct port *port, const struct login *l)
{
  CLEANUP_FREE char *dir = mem_strdup (l->keys);
  *strrchr (dir, '/') = 0;
  bool there = true;
  TRY (remote_exists (port, dir, &there));
  if (there)
    return NULL;
  return remote_mkdir (port, dir, 0700, l->uid, l->gid);
}

static char *
line_of (const char *mark, const char *public, const char *digest)
{
  CLEANUP_FREE char *command = push_forced_command (digest);
  size_t two_words = strcspn (public, " ");
  if (public[two_words] == ' ')
    two_words += 1 + strcspn (public + two_words + 1, " ");
  return mem_printf ("restrict,command=\"%s\" %.*s %s\n", command,
                     (int)two_words, public, mark);
}

static struct err *
add_line (struct port *port, const struct login *l, const char *mark,
          const char *line)
{
  struct remote_file file CLEANUP_REMOTE = { 0 };
  CLEANUP_BUF struct buf content = BUF_INIT_MAX (LINES_MAX);
  TRY (remote_read (port, l->keys, &file));
  if (!file.exists) {
    file.mode = 0600;
    file.uid = l->uid;
    file.gid = l->gid;
  }
  TRY (without (&file, mark, &content));
  if (content.len > 0 && content.data[content.len - 1] != '\n')
    TRY (buf_put_str (&content, "\n"));
  TRY (buf_put_str (&content, line));
  return put_keys (port, l->keys, &file, &content);
}

/* What we make is recorded first; what an earlier key made stays ours. */
static struct err *
note_place (const struct place *p, const char *name, const struct login *l,
            struct port *port, json_t *facts)
{
  bool file = true;
  bool folder = true;
  CLEANUP_FREE char *dir = mem_strdup (l->keys);
  const json_t *old = json_object_get (facts, name);
  *strrchr (dir, '/') = 0;
  TRY (remote_exists (port, l->keys, &file));
  TRY (remote_exists (port, dir, &folder));
  bool made_file = !file || json_is_true (json_object_get (old, "made_file"));
  bool made_dir = !folder || json_is_true (json_object_get (old, "made_dir"));
  json_object_set_new (facts, name,
                       json_pack ("{s:s, s:s, s:b, s:b}", "user", l->user,
                                  "path", l->keys, "made_file", made_file,
                                  "made_dir", made_dir));
  return write_facts (p, facts);
}

struct putting {
  const struct place *place;
  json_t *facts; /* of hosts.json */
  const char *mark;
  const char *line;
};

static struct err *
put_on (const struct putting *w, const struct plan_host *host, const char *name,
        struct port *port)
{
  CLEANUP (ssh_names_clear) struct ssh_names names = { 0 };
  CLEANUP (login_clear) struct login l = { 0 };
  const struct link_where where
      = { .name = name, .host = host->host, .via = host->via };
  if (strcmp (host->host, "local") == 0)
    return NULL;
  TRY (ssh_resolve (&where, &names));
  l.user = mem_strdup (names.user);
  TRY (find_login (port, &l));
  TRY (find_keys (port, &l));
  TRY (note_place (w->place, name, &l, port, w->facts));
  TRY (make_dir (port, &l));
  return add_line (port, &l, w->mark, w->line);
}

struct err *
ownkey_make (const struct place *p, const struct plan *plan,
             const char *migration, const char *agent_path, struct hosts *hosts)
{
  CLEANUP (binary_clear) struct binary agent = { 0 };
  CLEANUP_FREE char *pub = key_file (p, "id.pub");
  CLEANUP_FREE char *public = NULL;
  CLEANUP_FREE char *fingerprint = NULL;
  CLEANUP_FREE char *line = NULL;
  CLEANUP_JSON json_t *facts = NULL;
  TRY (binary_read (agent_path, &agent));
  TRY (ownkey_facts (p, &facts));
  if (facts == NULL)
    facts = json_pack ("{s:o}", "mark", json_sprintf ("rehome:%s", migration));
  /* A key that is made anew takes the place of the one that was there. */
  const char *mark = json_string_value (json_object_get (facts, "mark"));
  TRY (make_key (p, mark));
  public = slurp_line (pub);
  if (public == NULL)
    return err_new (ERR_SYSTEM, "RH-OWNKEY-MAKE", "cannot read %s", pub);
  TRY (fingerprint_of (pub, &fingerprint));
  json_object_set_new (facts, "fingerprint", json_string (fingerprint));
  line = line_of (mark, public, agent.digest);
  const struct putting w = { p, facts, mark, line };
  TRY (put_on (&w, plan_source (plan), "source", hosts_source (hosts)));
  return put_on (&w, plan_target (plan), "target", hosts_target (hosts));
}

/* ---- Away again ---- */

static struct err *
take_from (const json_t *where, const char *mark, struct port *port)
{
  struct remote_file file CLEANUP_REMOTE = { 0 };
  CLEANUP_BUF struct buf content = BUF_INIT_MAX (LINES_MAX);
  const char *path = json_string_value (json_object_get (where, "path"));
  if (path == NULL)
    return NULL;
  TRY (remote_read (port, path, &file));
  if (!file.exists)
    return NULL;
  TRY (without (&file, mark, &content));
  bool empty = content.len == 0;
  if (!empty || !json_is_true (json_object_get (where, "made_file")))
    return content.len == file.len ? NULL
                                   : put_keys (port, path, &file, &content);
  TRY (remote_remove (port, path));
  if (!json_is_true (json_object_get (where, "made_dir")))
    return NULL;
  CLEANUP_FREE char *dir = mem_strdup (path);
  *strrchr (dir, '/') = 0;
  err_free (remote_remove (port, dir)); /* unless something else is in it */
  return NULL;
}

static void
forget_key (const struct place *p)
{
  static const char *const names[] = { "id", "id.pub", "hosts.json" };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    CLEANUP_FREE char *path = key_file (p, names[i]);
    unlink (path);
  }
  CLEANUP_FREE char *dir = mem_printf ("%s/key", p->dir);
  rmdir (dir);
}

struct err *
ownkey_remove (const struct place *p, struct hosts *hosts)
{
  CLEANUP_JSON json_t *facts = NULL;
  const char *mark;
  TRY (ownkey_facts (p, &facts));
  if (facts == NULL)
    return NULL;
  TRY (json_get_str (facts, "mark", &mark));
  struct err *e = take_from (json_object_get (facts, "source"), mark,
                             hosts_source (hosts));
  struct err *f = take_from (json_object_get (facts, "target"), mark,
                             hosts_target (hosts));
  if (e == NULL && f == NULL)
    forget_key (p);
  if (e == NULL)
    return f;
  err_free (f);
  return e;
}

/* ---- The proof ---- */

/* Was it the login that failed, and not the host or the way to it? */
static bool
is_of_login (const struct err *e)
{
  return strcmp (err_code (e), "RH-LINK-LOGIN") == 0
         || strcmp (err_code (e), "RH-LINK-OWNKEY") == 0;
}

struct err *
ownkey_prove (const struct place *p, const struct plan_host *host,
              const char *name, const char *agent_path)
{
  CLEANUP_FREE char *identity = ownkey_path (p);
  struct link *link = NULL;
  if (strcmp (host->host, "local") == 0)
    return NULL;
  const struct link_where where = { .name = name,
                                    .host = host->host,
                                    .via = host->via,
                                    .machine_id = host->machine_id,
                                    .host_key = host->host_key,
                                    .agent_path = agent_path,
                                    .batch = true,
                                    .identity = identity };
  CLEANUP_ERR struct err *e = link_open (&where, &link);
  link_close (link);
  if (e == NULL || !is_of_login (e))
    return STEAL (e);
  return err_advise (
      err_new (ERR_BLOCKED, "RH-OWNKEY-NEEDED",
               "once you have gone rehome cannot connect to the %s again: "
               "without a terminal and without your ssh agent %s",
               name, err_message (e)),
      "nothing was changed",
      "rehome check PLAN --own-key makes a key for this migration alone, which "
      "may do nothing but start its agent there and is removed at the end; or "
      "give this user a key without a passphrase for that host "
      "(~/.ssh/config, IdentityFile)");
}
