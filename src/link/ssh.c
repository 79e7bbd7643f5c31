/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of ssh for a link; see ssh.h. */
#include "link/ssh.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"
#include "link/child.h"
#include "link/quiet.h"

#include <errno.h>
#include <string.h>

#define ANSWER_MAX ((size_t)1 << 20)

struct words {
  VEC (char *) list;
};

static void
word (struct words *w, const char *text)
{
  *VEC_PUSH (&w->list) = mem_strdup (text);
}

static void
option (struct words *w, const char *key, const char *value)
{
  word (w, "-o");
  *VEC_PUSH (&w->list) = mem_printf ("%s=%s", key, value);
}

static void
port (struct words *w, const struct link_where *where)
{
  if (where->port <= 0)
    return;
  word (w, "-p");
  *VEC_PUSH (&w->list) = mem_printf ("%d", where->port);
}

static char **
finish (struct words *w)
{
  VEC_PUSH (&w->list);
  return w->list.v;
}

void
ssh_argv_free (char **argv)
{
  for (size_t i = 0; argv != NULL && argv[i] != NULL; i++)
    free (argv[i]);
  free (argv);
}

static void
cleanup_argv (char ***argv)
{
  ssh_argv_free (*argv);
}

static void
cleanup_child (struct child *c)
{
  child_end (c, 5000);
  child_close (c);
}

/* Reads a descriptor to its end. */
static struct err *
drain (int fd, struct buf *b)
{
  for (;;) {
    unsigned char *room;
    TRY (buf_reserve (b, 4096, &room));
    ssize_t n = read (fd, room, 4096);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    b->len += (size_t)n;
  }
  return buf_put (b, "", 0); /* the NUL behind */
}

/* The value behind "key " at the start of a line; caller frees, or NULL. */
static char *
setting (const char *text, const char *key)
{
  size_t len = strlen (key);
  for (const char *p = text; p != NULL && *p != 0;
       p = strchr (p, '\n'), p = p != NULL ? p + 1 : NULL)
    if (strncmp (p, key, len) == 0 && p[len] == ' ')
      return mem_strndup (p + len + 1, strcspn (p + len + 1, "\n"));
  return NULL;
}

/* What ssh says of the host, `plain` without any configuration file. */
static struct err *
ask (const struct link_where *w, bool plain, char **answer)
{
  struct words words = { 0 };
  word (&words, "ssh");
  word (&words, "-G");
  if (plain) {
    word (&words, "-F");
    word (&words, "none");
  }
  port (&words, w);
  word (&words, "--");
  word (&words, w->host);
  CLEANUP (cleanup_argv) char **argv = finish (&words);
  CLEANUP (cleanup_child) struct child c = CHILD_INIT;
  CLEANUP_BUF struct buf out = BUF_INIT_MAX (ANSWER_MAX);
  CLEANUP_BUF struct buf said = BUF_INIT_MAX (ANSWER_MAX);
  TRY (child_start ((const char *const *)argv, w->batch, &c));
  TRY (drain (c.out, &out));
  TRY (drain (c.err, &said));
  if (out.len == 0)
    return err_new (ERR_CORRECT, "RH-LINK-SSH",
                    "ssh does not take the host \"%s\": %.*s", w->host,
                    (int)strcspn ((char *)said.data, "\r\n"), said.data);
  *answer = buf_steal_str (&out);
  return NULL;
}

/* A configuration that names ciphers, the user's or the machine's, is a
 * choice that stays. */
static struct err *
restricted (const struct link_where *w, const char *answer, bool *out)
{
  CLEANUP_FREE char *plain = NULL;
  TRY (ask (w, true, &plain));
  CLEANUP_FREE char *chosen = setting (answer, "ciphers");
  CLEANUP_FREE char *usual = setting (plain, "ciphers");
  *out = chosen == NULL || usual == NULL || strcmp (chosen, usual) != 0;
  return NULL;
}

struct err *
ssh_resolve (const struct link_where *w, struct ssh_names *out)
{
  CLEANUP_FREE char *answer = NULL;
  if (w->host[0] == '-' || w->host[0] == 0)
    return err_new (ERR_CORRECT, "RH-LINK-SSH", "\"%s\" is no host", w->host);
  TRY (ask (w, false, &answer));
  out->user = setting (answer, "user");
  out->hostname = setting (answer, "hostname");
  out->port = setting (answer, "port");
  out->alias = setting (answer, "hostkeyalias");
  if (out->user == NULL || out->hostname == NULL || out->port == NULL)
    return err_new (ERR_REFUSED, "RH-LINK-SSH",
                    "ssh -G %s does not name user, hostname and port", w->host);
  if (out->alias == NULL)
    out->alias = strcmp (out->port, "22") == 0
                     ? mem_strdup (out->hostname)
                     : mem_printf ("[%s]:%s", out->hostname, out->port);
  out->quiet = w->batch || quiet_login (answer);
  return restricted (w, answer, &out->own_ciphers);
}

void
ssh_names_clear (struct ssh_names *n)
{
  free (n->user);
  free (n->hostname);
  free (n->port);
  free (n->alias);
  memset (n, 0, sizeof *n);
}

/* The other address by which the host is reached, and its key's name. */
static void
via (struct words *words, const struct link_where *w, const struct ssh_names *n)
{
  if (w->via == NULL)
    return;
  option (words, "HostName", w->via);
  option (words, "HostKeyAlias", n->alias);
}

/* The value as ssh's configuration takes it: quoted, no expansion in it. */
static char *
literal (const char *path)
{
  char *out = mem_alloc (2 * strlen (path) + 3);
  char *o = out;
  *o++ = '"';
  for (const char *p = path; *p != 0; p++) {
    if (*p == '%')
      *o++ = '%';
    *o++ = *p;
  }
  *o = '"';
  return out;
}

/* Nobody is there: no agent that goes with a login, and the own key first. */
static void
batch (struct words *words, const struct link_where *w)
{
  if (!w->batch)
    return;
  option (words, "IdentityAgent", "none");
  if (w->identity == NULL)
    return;
  CLEANUP_FREE char *file = literal (w->identity);
  option (words, "IdentityFile", file);
  option (words, "IdentitiesOnly", "yes");
}

char **
ssh_argv (const struct link_where *w, const struct ssh_names *n,
          const char *log, const char *script)
{
  static const char *const fixed[][2] = {
    { "BatchMode", "yes" },           { "ConnectTimeout", "10" },
    { "ServerAliveInterval", "5" },   { "ServerAliveCountMax", "3" },
    { "ControlMaster", "no" },        { "ControlPath", "none" },
    { "ClearAllForwardings", "yes" }, { "PermitLocalCommand", "no" },
    { "RemoteCommand", "none" },
  };
  struct words words = { 0 };
  word (&words, "ssh");
  word (&words, "-vTxa");
  word (&words, "-E");
  word (&words, log);
  for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
    option (&words, fixed[i][0], fixed[i][1]);
  if (!n->own_ciphers) /* the fastest where the processor knows AES */
    option (&words, "Ciphers", "^aes128-gcm@openssh.com");
  port (&words, w);
  via (&words, w, n);
  batch (&words, w);
  word (&words, "--");
  word (&words, w->host);
  /* ssh joins these with spaces for the login's shell, whichever it is; the
   * script holds no quote, no newline and no "!". */
  *VEC_PUSH (&words.list) = mem_printf ("sh -c '%s'", script);
  return finish (&words);
}

char *
ssh_accept_command (const struct link_where *w, const struct ssh_names *n)
{
  CLEANUP_FREE char *p
      = w->port > 0 ? mem_printf (" -p %d", w->port) : mem_strdup ("");
  CLEANUP_FREE char *v = w->via != NULL
                             ? mem_printf (" -o HostName=%s -o HostKeyAlias=%s",
                                           w->via, n->alias)
                             : mem_strdup ("");
  return mem_printf ("ssh%s%s -- %s true", p, v, w->host);
}
