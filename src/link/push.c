/* SPDX-License-Identifier: Apache-2.0 */
/* The push, as the controller plays it; see push.h. */
#include "link/push.h"

#include "base/mem.h"
#include "base/text.h"
#include "host/write_all.h"

#include <errno.h>
#include <string.h>

/* For the program to arrive, also over a slow line. */
#define TRANSFER_MS 300000
#define NOISE_MAX ((size_t)64 << 10)
#define LINE_MAX_LEN ((size_t)8 << 10)

/* One line, for any login shell: no single quote, newline or "!" in it.  All
 * work is done from inside the directory, which is held by that, so nothing
 * can be put in its place. */
const char push_script[]
    = "export LC_ALL=C; umask 077; u=$(id -u); "
      "printf \"\\nREHOME-PUSH 1 %s %s\\n\" \"$(uname -m)\" \"$u\"; "
      "read -r sha size || exit 1; "
      "expr \"x$sha\" : \"x[0-9a-f]*$\" >/dev/null || exit 1; "
      "expr \"x$size\" : \"x[0-9]*$\" >/dev/null || exit 1; "
      "g=rehome-agent-$sha; q=.push.$$; d=; t=; "
      "for p in \"${XDG_RUNTIME_DIR:-/-}/rehome\" /run/rehome "
      "/var/tmp/rehome-$u \"${HOME:-/-}/.cache/rehome\"; do "
      "case $p in /-/*) continue;; esac; "
      "mkdir -p \"$p\" 2>/dev/null; "
      "if [ -L \"$p\" ]; then t=\"$t $p=link\"; continue; fi; "
      "cd \"$p\" 2>/dev/null || { t=\"$t $p=absent\"; continue; }; "
      "{ [ -O . ] && chmod 700 . 2>/dev/null; } || "
      "{ t=\"$t $p=owner\"; continue; }; "
      "{ head -c \"$size\" /dev/zero >$q; } 2>/dev/null || "
      "{ t=\"$t $p=space\"; rm -f $q; continue; }; "
      "printf \"#\\041/bin/sh\\nexit 0\\n\" >$q; chmod 700 $q; "
      "if ./$q 2>/dev/null </dev/null; then rm -f $q; d=$(pwd -P); break; fi; "
      "rm -f $q; cd /; rmdir \"$p\" 2>/dev/null; t=\"$t $p=noexec\"; "
      "done; "
      "[ -n \"$d\" ] || { echo \"REHOME-FAIL noexec$t\"; exit 1; }; "
      "sum() { s=$(sha256sum <\"$1\") && [ \"${s%% *}\" = \"$sha\" ]; }; "
      "if [ -f $g ] && sum $g 2>/dev/null; then touch $g; "
      "echo \"REHOME-HAVE $d\"; else echo \"REHOME-WANT $d\"; "
      "head -c \"$size\" >$g.$$ && sum $g.$$ && chmod 700 $g.$$ && "
      "mv -f $g.$$ $g || { rm -f $g.$$; echo \"REHOME-FAIL digest $d\"; "
      "exit 1; }; fi; "
      "./$g --version >/dev/null 2>&1 </dev/null || "
      "{ rm -f $g; cd /; rmdir \"$d\"; "
      "echo \"REHOME-FAIL noexec $d=program\"; exit 1; }; "
      "if [ \"$u\" -eq 0 ]; then echo \"REHOME-RUN $d\"; "
      "exec \"$d/$g\" --stdio --remove-self; fi; "
      "sudo -n -- \"$d/$g\" --version >/dev/null 2>&1 </dev/null || "
      "{ rm -f $g; cd /; rmdir \"$d\"; "
      "echo \"REHOME-FAIL sudo $(id -un) $d/$g\"; exit 1; }; "
      "echo \"REHOME-RUN $d\"; "
      "exec sudo -n -- \"$d/$g\" --stdio --remove-self";

/* Behind this the script has digest and size, and has done nothing yet. */
static const char begin_work[] = "g=rehome-agent-$sha; ";

/* sshd takes a backslash away before a double quote, and nowhere else. */
static char *
quoted (const char *text)
{
  char *out = mem_alloc (2 * strlen (text) + 1);
  char *o = out;
  for (const char *p = text; *p != 0; p++) {
    if (*p == '"')
      *o++ = '\\';
    *o++ = *p;
  }
  return out;
}

char *
push_forced_command (const char *digest)
{
  const char *at = strstr (push_script, begin_work);
  CLEANUP_FREE char *script
      = mem_printf ("sh -c '%.*s[ \"$sha\" = %s ] || "
                    "{ echo \"REHOME-FAIL other $sha\"; exit 1; }; %s'",
                    (int)(at - push_script), push_script, digest, at);
  return quoted (script);
}

void
push_clear (struct push *p)
{
  buf_free (&p->noise);
  free (p->dir);
  p->dir = NULL;
}

/* The rest of the line behind a word and a space, or NULL. */
static const char *
behind (const char *line, const char *word)
{
  size_t n = strlen (word);
  return strncmp (line, word, n) == 0 && line[n] == ' ' ? line + n + 1 : NULL;
}

static struct err *
lost (void)
{
  return err_new (ERR_TRANSIENT, "RH-LINK-LOST",
                  "the connection ended while the agent was started");
}

/* Keeps the first of what the login prints, to show it. */
static struct err *
keep_noise (struct push *p, const struct buf *line)
{
  if (line->len == 0 || p->noise.len > 300)
    return NULL;
  CLEANUP_FREE char *shown = text_escape ((const char *)line->data,
                                          line->len < 300 ? line->len : 300);
  return buf_printf (&p->noise, "%s%s", p->noise.len > 0 ? " / " : "", shown);
}

struct err *
push_await (struct push *p)
{
  CLEANUP_BUF struct buf line = BUF_INIT_MAX (NOISE_MAX);
  size_t skipped = 0;
  for (;;) {
    bool eof = false;
    struct err *e = frame_read_line (p->from, NOISE_MAX, &line, &eof);
    if (e != NULL && strcmp (err_code (e), "RH-LIMIT") == 0) {
      err_free (e);
      TRY (keep_noise (p, &line));
      break;
    }
    TRY (e);
    TRY (keep_noise (p, &line));
    if (eof)
      return lost ();
    if (line.len > 0 && behind ((char *)line.data, "REHOME-PUSH") != NULL) {
      p->reached = true;
      return NULL;
    }
    skipped += line.len + 1;
    if (skipped > NOISE_MAX)
      break;
  }
  TRY (buf_put (&p->noise, "", 0));
  return err_advise (
      err_new (ERR_REFUSED, "RH-LINK-NOISE",
               "the login printed more than %zu bytes before the agent could "
               "be started: %s",
               NOISE_MAX, (char *)p->noise.data),
      "nothing was done on that host, nothing was changed",
      "let the login's shell print nothing when it has no terminal "
      "(/etc/profile, ~/.bashrc)");
}

static struct err *
pour (int fd, const void *data, size_t len)
{
  return write_all (fd, data, len) == 0 ? NULL : lost ();
}

/* "DIR=WHY DIR=WHY ..." for people. */
static struct err *
no_place (const char *tried)
{
  static const char *const words[][2] = {
    { "=noexec", " (mounted noexec)" },
    { "=space", " (no space or not writable)" },
    { "=absent", " (cannot be made)" },
    { "=owner", " (belongs to another)" },
    { "=link", " (a symbolic link)" },
    { "=program", " (the program does not start there)" },
  };
  CLEANUP_BUF struct buf text = BUF_INIT;
  while (*tried != 0) {
    size_t n = strcspn (tried, " ");
    CLEANUP_FREE char *one = mem_strndup (tried, n);
    char *why = strrchr (one, '=');
    const char *told = "";
    for (size_t i = 0; why != NULL && i < sizeof words / sizeof words[0]; i++)
      if (strcmp (why, words[i][0]) == 0)
        told = words[i][1];
    if (why != NULL)
      *why = 0;
    CLEANUP_FREE char *dir = text_escape (one, strlen (one));
    TRY (buf_printf (&text, "%s%s%s", text.len > 0 ? ", " : "", dir, told));
    tried += n;
    tried += strspn (tried, " ");
  }
  return err_todo (err_new (ERR_REFUSED, "RH-LINK-NOEXEC",
                            "the agent can run from none of the directories "
                            "tried: %s",
                            text.data != NULL ? (char *)text.data : "none"),
                   "make one of them writable for the login and executable, "
                   "for instance: mount -o remount,exec DIR");
}

static struct err *
no_sudo (const char *rest, const struct binary *agent)
{
  size_t n = strcspn (rest, " ");
  CLEANUP_FREE char *user = text_escape (rest, n);
  const char *path = rest[n] == 0 ? "" : rest + n + 1;
  CLEANUP_FREE char *file = text_escape (path, strlen (path));
  return err_todo (
      err_new (ERR_REFUSED, "RH-LINK-SUDO",
               "the login %s is not root and may not become it without a "
               "password (sudo -n)",
               user),
      "add this line with `visudo -f /etc/sudoers.d/rehome` on that host:\n"
      "%s ALL=(root) NOPASSWD: sha256:%s %s",
      user, agent->digest, file);
}

static struct err *
failure (const char *why, const struct binary *agent)
{
  const char *rest;
  if ((rest = behind (why, "noexec")) != NULL)
    return no_place (rest);
  if ((rest = behind (why, "sudo")) != NULL)
    return no_sudo (rest, agent);
  if (behind (why, "other") != NULL)
    return err_todo (
        err_new (ERR_REFUSED, "RH-LINK-OWNKEY",
                 "the migration's own key starts only the agent that it was "
                 "made for, and this rehome has another one (SHA-256 %s)",
                 agent->digest),
        "rehome check PLAN --own-key makes the key anew");
  CLEANUP_FREE char *shown = text_escape (why, strlen (why));
  return err_new (ERR_TRANSIENT, "RH-LINK-PUSH",
                  "the agent did not arrive whole (%s)", shown);
}

/* The next line of the script. */
static struct err *
next_line (struct push *p, const struct binary *agent, struct buf *line)
{
  bool eof = false;
  TRY (frame_read_line (p->from, LINE_MAX_LEN, line, &eof));
  if (eof)
    return lost ();
  TRY (buf_put (line, "", 0));
  const char *why = behind ((char *)line->data, "REHOME-FAIL");
  return why != NULL ? failure (why, agent) : NULL;
}

static struct err *
unexpected (const struct buf *line)
{
  CLEANUP_FREE char *shown
      = text_escape ((char *)line->data, line->len < 200 ? line->len : 200);
  return err_new (ERR_CORRUPT, "RH-LINK-PUSH",
                  "\"%s\" came where the start of the agent was expected",
                  shown);
}

struct err *
push_send (struct push *p, const struct binary *agent)
{
  CLEANUP_BUF struct buf line = BUF_INIT_MAX (LINE_MAX_LEN);
  CLEANUP_FREE char *order
      = mem_printf ("%s %zu\n", agent->digest, agent->bytes.len);
  TRY (pour (p->to, order, strlen (order)));
  TRY (next_line (p, agent, &line));
  p->from->timeout_ms = TRANSFER_MS;
  if (behind ((char *)line.data, "REHOME-WANT") != NULL)
    err_free (pour (p->to, agent->bytes.data, agent->bytes.len));
  else if (behind ((char *)line.data, "REHOME-HAVE") == NULL)
    return unexpected (&line);
  TRY (next_line (p, agent, &line)); /* why, where it was cut */
  const char *dir = behind ((char *)line.data, "REHOME-RUN");
  if (dir == NULL)
    return unexpected (&line);
  p->dir = mem_strdup (dir);
  return NULL;
}
