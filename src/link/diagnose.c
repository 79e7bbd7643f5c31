/* SPDX-License-Identifier: Apache-2.0 */
/* Why ssh did not get there; see diagnose.h. */
#include "link/diagnose.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

static const char key_mark[] = "debug1: Server host key: ";
static const char changed_mark[] = "REMOTE HOST IDENTIFICATION HAS CHANGED";
static const char nothing_done[]
    = "nothing was done on that host, nothing was changed";

/* The line that holds `needle`, escaped; caller frees, or NULL. */
static char *
line_with (const char *text, const char *needle)
{
  const char *at = strstr (text, needle);
  if (at == NULL)
    return NULL;
  const char *start = at;
  while (start > text && start[-1] != '\n')
    start--;
  return text_escape (start, strcspn (start, "\r\n"));
}

/* "TYPE SHA256:..." as ssh wrote it last; caller frees, or NULL. */
static char *
shown_key (const char *log)
{
  char *found = NULL;
  for (const char *p = strstr (log, key_mark); p != NULL;
       p = strstr (p, key_mark))
  {
    p += strlen (key_mark);
    free (found);
    found = text_escape (p, strcspn (p, "\r\n"));
  }
  return found;
}

char *
diagnose_host_key (const char *log)
{
  CLEANUP_FREE char *key = shown_key (log);
  const char *at = key != NULL ? strstr (key, "SHA256:") : NULL;
  return at != NULL ? mem_strndup (at, strcspn (at, " ")) : NULL;
}

char *
diagnose_last_word (const char *log)
{
  const char *end = log + strlen (log);
  while (end > log) {
    while (end > log && (end[-1] == '\n' || end[-1] == '\r'))
      end--;
    const char *start = end;
    while (start > log && start[-1] != '\n')
      start--;
    if (end > start && strncmp (start, "debug1: ", 8) != 0
        && strncmp (start, "Transferred: ", 13) != 0
        && strncmp (start, "Bytes per second: ", 18) != 0
        && strncmp (start, "Authenticated to ", 17) != 0
        && strncmp (start, "OpenSSH_", 8) != 0)
      return text_escape (start, (size_t)(end - start));
    end = start;
  }
  return NULL;
}

static struct err *
key_changed (const struct link_where *w, const struct ssh_names *n,
             const char *log)
{
  CLEANUP_FREE char *key = shown_key (log);
  CLEANUP_FREE char *where = line_with (log, "Offending ");
  struct err *e = err_new (
      ERR_REFUSED, "RH-LINK-HOSTKEY",
      "%s shows another host key than known_hosts has for it: %s (%s)", w->host,
      key != NULL ? key : "?", where != NULL ? where : "known_hosts");
  CLEANUP_FREE char *accept = ssh_accept_command (w, n);
  err_advise (e, nothing_done, NULL);
  return err_todo (e,
                   "find out why on that host's console (ssh-keygen -lf "
                   "/etc/ssh/ssh_host_*_key.pub); only if it was reinstalled: "
                   "ssh-keygen -R \"%s\", then %s",
                   n->alias, accept);
}

static struct err *
key_unknown (const struct link_where *w, const struct ssh_names *n,
             const char *log)
{
  CLEANUP_FREE char *key = shown_key (log);
  CLEANUP_FREE char *accept = ssh_accept_command (w, n);
  struct err *e
      = err_new (ERR_REFUSED, "RH-LINK-HOSTKEY",
                 "the host key of %s is not known here yet; it shows %s",
                 w->host, key != NULL ? key : "none that ssh takes");
  err_advise (e, nothing_done, NULL);
  return err_todo (e,
                   "compare it on that host's console (ssh-keygen -lf "
                   "/etc/ssh/ssh_host_ed25519_key.pub), then accept it: %s",
                   accept);
}

static struct err *
login_refused (const struct link_where *w, const struct ssh_names *n,
               const char *log)
{
  CLEANUP_FREE char *line = line_with (log, "Permission denied (");
  struct err *e
      = err_new (ERR_REFUSED, "RH-LINK-LOGIN", "%s does not let %s in: %s",
                 w->host, n->user, line != NULL ? line : "no key was taken");
  err_advise (e, nothing_done, NULL);
  return err_todo (e, "put a key of this user there (ssh-copy-id -- %s)%s",
                   w->host,
                   w->batch ? "; it must work without a terminal and without "
                              "your ssh agent, or rehome check PLAN --own-key "
                              "makes one for this migration alone"
                            : "");
}

/* What needs no more than a line of ssh's own. */
static const struct {
  const char *needle;
  const char *code;
  enum err_class cls;
  const char *todo;
} plain[] = {
  { "Temporary failure in name resolution", "RH-LINK-UNKNOWN", ERR_TRANSIENT,
    "see whether name resolution works on this machine" },
  { "Could not resolve hostname", "RH-LINK-UNKNOWN", ERR_REFUSED,
    "check the spelling, or give the address" },
  { "connect to host ", "RH-LINK-UNREACHABLE", ERR_TRANSIENT,
    "see whether the host is up and its ssh port is reachable from here" },
  { "Connection timed out", "RH-LINK-UNREACHABLE", ERR_TRANSIENT,
    "see whether the host is up and its ssh port is reachable from here" },
  { "no matching ", "RH-LINK-SSH", ERR_REFUSED,
    "see what ssh -v says about this host" },
  { "Bad owner or permissions", "RH-LINK-SSH", ERR_REFUSED,
    "mend the permissions of that file" },
  { "ad configuration option", "RH-LINK-SSH", ERR_REFUSED,
    "mend the ssh configuration" },
  { "Too many authentication failures", "RH-LINK-LOGIN", ERR_REFUSED,
    "name the key for this host in ~/.ssh/config (IdentityFile, "
    "IdentitiesOnly)" },
  { "kex_exchange_identification", "RH-LINK-UNREACHABLE", ERR_TRANSIENT,
    "see the log of sshd on that host" },
  { "Connection closed by", "RH-LINK-UNREACHABLE", ERR_TRANSIENT,
    "see the log of sshd on that host" },
  { "Connection reset", "RH-LINK-UNREACHABLE", ERR_TRANSIENT,
    "see the log of sshd on that host" },
};

static struct err *
by_table (const struct link_where *w, const char *text)
{
  for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
    CLEANUP_FREE char *line = line_with (text, plain[i].needle);
    if (line != NULL)
      return err_advise (err_new (plain[i].cls, plain[i].code, "%s: %s",
                                  w->host, line),
                         nothing_done, plain[i].todo);
  }
  return NULL;
}

/* The login worked, and yet the script did not speak. */
static struct err *
no_script (const struct link_where *w, const char *said, const char *noise)
{
  CLEANUP_FREE char *last = diagnose_last_word (said);
  if (noise[0] != 0)
    return err_advise (
        err_new (ERR_REFUSED, "RH-LINK-NOISE",
                 "the login to %s printed this and did not run the agent: %s",
                 w->host, noise),
        nothing_done,
        "let the login's shell run commands and print nothing when it has no "
        "terminal (/etc/profile, ~/.bashrc, a forced command)");
  return err_advise (
      err_new (ERR_TRANSIENT, "RH-LINK-LOST",
               "%s ended the connection while the agent was started%s%s",
               w->host, last != NULL ? ": " : "", last != NULL ? last : ""),
      nothing_done, NULL);
}

bool
diagnose_logged_in (const char *log)
{
  return strstr (log, "debug1: Entering interactive session") != NULL;
}

struct err *
diagnose (const struct link_where *w, const struct ssh_names *n,
          const char *log, const char *said, const char *noise)
{
  if (strstr (log, changed_mark) != NULL)
    return key_changed (w, n, log);
  if (strstr (log, "Host key verification failed") != NULL)
    return key_unknown (w, n, log);
  if (strstr (log, "Permission denied (") != NULL)
    return login_refused (w, n, log);
  if (diagnose_logged_in (log))
    return no_script (w, said, noise);
  struct err *e = by_table (w, log);
  /* A jump host's failure stands on stderr and is the cause of ours. */
  struct err *jump = by_table (w, said);
  if (jump != NULL) {
    err_free (e);
    return jump;
  }
  if (e != NULL)
    return e;
  CLEANUP_FREE char *last = diagnose_last_word (log[0] != 0 ? log : said);
  return err_advise (err_new (ERR_TRANSIENT, "RH-LINK-SSH",
                              "ssh did not connect to %s: %s", w->host,
                              last != NULL ? last : "it said nothing"),
                     nothing_done, "see what ssh -v says about this host");
}

struct err *
diagnose_check_key (const struct link_where *w, const struct ssh_names *n,
                    const char *log)
{
  if (strstr (log, changed_mark) != NULL)
    return key_changed (w, n, log);
  if (w->host_key == NULL)
    return NULL;
  CLEANUP_FREE char *key = diagnose_host_key (log);
  if (key != NULL && strcmp (key, w->host_key) == 0)
    return NULL;
  return err_advise (
      err_new (ERR_REFUSED, "RH-LINK-HOSTKEY",
               "%s shows the host key %s; the plan was made for %s", w->host,
               key != NULL ? key : "(not seen)", w->host_key),
      nothing_done,
      "another machine answers under this name, or its keys were made anew: "
      "look on its console, then plan again");
}
