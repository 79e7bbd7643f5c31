/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a service; see check.h. */
#include "provider/check.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"
#include "plan/check.h"
#include "provider/remote.h"

#include <ctype.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#define TRY_MS 2000
#define TLS_MS 5000
#define COMMAND_MS 60000

static const char *
text_of (const json_t *o, const char *key)
{
  return json_string_value (json_at (o, key));
}

bool
check_needs_tls (const json_t *check)
{
  const char *url = text_of (check, "http");
  return url != NULL && check_is_https (url);
}

/* A connection that is lost, and a controller that is no longer the one. */
static bool
is_ours (const struct err *e)
{
  return port_is_lost (e) || strncmp (err_code (e), "RH-FENCE", 8) == 0
         || strncmp (err_code (e), "RH-EXEC", 7) == 0
         || strcmp (err_code (e), "RH-AGENT-CANCELLED") == 0
         || err_class_of (e) == ERR_BUG;
}

static char *
other_status (long long got, const json_t *check)
{
  int want = check_wants (check);
  return got == want
             ? NULL
             : mem_printf ("answered with status %lld, expected %d", got, want);
}

/* ---- The agent itself ---- */

static json_t *
http_args (const json_t *check)
{
  const char *tcp = text_of (check, "tcp");
  json_t *args = json_pack ("{s:i, s:i}", "timeout_ms", TRY_MS, "max", 4096);
  if (tcp != NULL)
    json_object_set_new (args, "url", json_sprintf ("tcp://%s", tcp));
  else
    json_object_set (args, "url", json_at (check, "http"));
  if (text_of (check, "name") != NULL)
    json_object_set (args, "host", json_at (check, "name"));
  return args;
}

static struct err *
ask_agent (struct port *p, const json_t *check, const char *netns, char **why,
           json_int_t *ms)
{
  json_t *said CLEANUP_JSON = NULL;
  json_t *args = http_args (check);
  if (netns != NULL)
    json_object_set_new (args, "netns", json_string (netns));
  CLEANUP_ERR struct err *e = port_call (p, "http", args, &said);
  if (e != NULL && is_ours (e))
    return STEAL (e);
  *ms = json_integer_value (json_at (said, "ms"));
  if (e != NULL)
    *why = mem_strdup (err_message (e));
  else if (text_of (check, "tcp") == NULL)
    *why = other_status (json_integer_value (json_at (said, "status")), check);
  return NULL;
}

/* ---- openssl ---- */

/* Of "https://HOST[:PORT]REST": the host without brackets, what to connect
 * to, and the rest; the caller frees. */
static void
split (const char *url, char **host, char **endpoint, const char **rest)
{
  const char *at = url + strlen ("https://");
  bool bracket = *at == '[';
  size_t len = bracket ? strcspn (at, "]") + 1 : strcspn (at, ":/?");
  *host = bracket ? mem_strndup (at + 1, len - 2) : mem_strndup (at, len);
  size_t port = at[len] == ':' ? 1 + strspn (at + len + 1, "0123456789") : 0;
  *endpoint
      = mem_printf ("%.*s%s", (int)(len + port), at, port == 0 ? ":443" : "");
  *rest = at + len + port;
}

static bool
is_number (const char *host)
{
  return strchr (host, ':') != NULL
         || host[strspn (host, "0123456789.")] == '\0';
}

/* Whom the certificate has to name. */
static void
add_trust (json_t *argv, const json_t *check, const char *who)
{
  const char *ca = text_of (check, "ca");
  if (text_of (check, "fingerprint") != NULL)
    return; /* compared afterwards */
  remote_word (argv, "-verify_return_error");
  remote_word (argv, is_number (who) ? "-verify_ip" : "-verify_hostname");
  remote_word (argv, who);
  if (ca != NULL) {
    remote_word (argv, "-CAfile");
    remote_word (argv, ca);
  }
}

json_t *
check_tls_argv (const json_t *check)
{
  const char *name = text_of (check, "name");
  char *host CLEANUP_FREE = NULL;
  char *endpoint CLEANUP_FREE = NULL;
  const char *rest;
  split (text_of (check, "http"), &host, &endpoint, &rest);
  const char *who = name != NULL ? name : host;
  json_t *argv = remote_argv (
      ARGV ("openssl", "s_client", "-ign_eof", "-connect", endpoint));
  if (!is_number (who)) {
    remote_word (argv, "-servername");
    remote_word (argv, who);
  }
  add_trust (argv, check, who);
  return argv;
}

static char *
tls_request (const json_t *check)
{
  const char *name = text_of (check, "name");
  char *host CLEANUP_FREE = NULL;
  char *endpoint CLEANUP_FREE = NULL;
  const char *rest;
  split (text_of (check, "http"), &host, &endpoint, &rest);
  return mem_printf ("GET %s%s HTTP/1.0\r\nHost: %s\r\nUser-Agent: rehome\r\n"
                     "Accept: */*\r\nConnection: close\r\n\r\n",
                     *rest == '/' ? "" : "/", rest,
                     name != NULL ? name : endpoint);
}

/* SHA-256 of the first certificate in PEM, 64 hex digits; the caller frees;
 * NULL where there is none. */
static char *
certificate_digest (const char *out)
{
  static const char begin[] = "-----BEGIN CERTIFICATE-----";
  const char *at = strstr (out, begin);
  const char *end = at != NULL ? strstr (at, "-----END") : NULL;
  if (end == NULL)
    return NULL;
  struct buf pem CLEANUP_BUF = BUF_INIT_MAX (65536);
  for (const char *p = at + strlen (begin); p < end; p++)
    if (*p != '\n' && *p != '\r')
      err_free (buf_put (&pem, p, 1));
  char *coded CLEANUP_FREE = buf_steal_str (&pem);
  unsigned char *der CLEANUP_FREE = NULL;
  size_t len = 0;
  CLEANUP_ERR struct err *e = text_unbase64 (coded, &der, &len);
  if (e != NULL)
    return NULL;
  struct sha256_ctx sha;
  unsigned char digest[SHA256_DIGEST_SIZE];
  sha256_init (&sha);
  sha256_update (&sha, len, der);
  sha256_digest (&sha, sizeof digest, digest);
  return text_hex (digest, sizeof digest);
}

static bool
same_digits (const char *a, const char *b)
{
  for (; *a != '\0' || *b != '\0'; a++, b++) {
    while (*a == ':')
      a++;
    while (*b == ':')
      b++;
    if (tolower ((unsigned char)*a) != tolower ((unsigned char)*b))
      return false;
    if (*a == '\0')
      return true;
  }
  return true;
}

/* The line that says why there was no connection that is trusted. */
static char *
tls_reason (const char *said)
{
  static const char *const marks[]
      = { "verify error", "mismatch", "connect:", "error:", "alert" };
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
    const char *at = strstr (said, marks[i]);
    if (at == NULL)
      continue;
    while (at > said && at[-1] != '\n')
      at--;
    return text_escape (at, strcspn (at, "\r\n"));
  }
  return mem_strdup ("it does not answer as HTTP does");
}

char *
check_tls_verdict (const json_t *check, const char *out, const char *said)
{
  const char *pinned = text_of (check, "fingerprint");
  const char *line = strstr (out, "\nHTTP/1.");
  if (pinned != NULL) {
    char *seen CLEANUP_FREE = certificate_digest (out);
    if (seen != NULL && !same_digits (seen, pinned))
      return mem_printf ("shows a certificate with the fingerprint %s, not "
                         "the one of the plan",
                         seen);
    if (seen == NULL)
      line = NULL;
  }
  /* Where trust is asked for, s_client ends before anything is sent. */
  if (line == NULL || strlen (line) < 13)
    return tls_reason (said);
  return other_status (strtol (line + 10, NULL, 10), check);
}

static struct err *
ask_tls (struct port *p, const json_t *check, const char *netns, char **why,
         json_int_t *ms)
{
  struct ran r CLEANUP_RAN = { 0 };
  char *request CLEANUP_FREE = tls_request (check);
  json_t *argv = check_tls_argv (check);
  if (netns != NULL) {
    json_t *inside = remote_argv (ARGV ("ip", "netns", "exec", netns));
    json_array_extend (inside, argv);
    json_decref (argv);
    argv = inside;
  }
  int64_t begun = monotonic_ms ();
  CLEANUP_ERR struct err *e = remote_run (p, argv, request, TLS_MS, &r);
  if (e != NULL && is_ours (e))
    return STEAL (e);
  *ms = monotonic_ms () - begun;
  *why = e != NULL ? mem_strdup (err_message (e))
                   : check_tls_verdict (check, r.out, r.err);
  return NULL;
}

/* ---- A command ---- */

static struct err *
ask_command (struct port *p, const json_t *check, char **why, json_int_t *ms)
{
  struct ran r CLEANUP_RAN = { 0 };
  json_t *argv = json_array ();
  size_t i;
  json_t *word;
  json_array_foreach (json_at (check, "command"), i, word)
  {
    remote_word (argv, json_string_value (word));
  }
  int64_t begun = monotonic_ms ();
  CLEANUP_ERR struct err *e = remote_run (p, argv, NULL, COMMAND_MS, &r);
  if (e != NULL && is_ours (e))
    return STEAL (e);
  *ms = monotonic_ms () - begun;
  if (e != NULL)
    *why = mem_strdup (err_message (e));
  else if (r.status != check_wants (check))
    *why = mem_printf ("ended with status %d, expected %d%s%.*s", r.status,
                       check_wants (check), r.err_len > 0 ? ": " : "",
                       (int)strcspn (r.err, "\r\n"), r.err);
  return NULL;
}

struct err *
check_try_in (struct port *p, const json_t *check, const char *netns,
              char **why, json_int_t *ms)
{
  *why = NULL;
  *ms = 0;
  return check_needs_tls (check) ? ask_tls (p, check, netns, why, ms)
                                 : ask_agent (p, check, netns, why, ms);
}

struct err *
check_try (struct port *p, const json_t *check, char **why, json_int_t *ms)
{
  *why = NULL;
  *ms = 0;
  if (json_at (check, "command") != NULL)
    return ask_command (p, check, why, ms);
  return check_try_in (p, check, NULL, why, ms);
}

struct err *
check_can_ask (struct port *p, const json_t *check, bool ca_moves)
{
  const char *ca = text_of (check, "ca");
  bool there = true;
  if (!check_needs_tls (check))
    return NULL;
  struct ran r CLEANUP_RAN = { 0 };
  CLEANUP_ERR struct err *e
      = remote_run (p, remote_argv (ARGV ("openssl", "version")), NULL, 20000,
                    &r);
  if (e != NULL && is_ours (e))
    return STEAL (e);
  if (e != NULL || r.status != 0)
    return err_todo (err_new (ERR_BLOCKED, "RH-CHECK-OPENSSL",
                              "%s is asked by the %s, which has no openssl "
                              "to speak TLS with",
                              text_of (check, "http"), p->name),
                     "apt-get install openssl on the %s, or check the service "
                     "by http, tcp or a command",
                     p->name);
  if (ca != NULL && !ca_moves)
    TRY (remote_exists (p, ca, &there));
  return there
             ? NULL
             : err_todo (err_new (ERR_BLOCKED, "RH-CHECK-CA",
                                  "%s is not on the %s, which asks %s", ca,
                                  p->name, text_of (check, "http")),
                         "put it there, or give the certificate's fingerprint");
}
