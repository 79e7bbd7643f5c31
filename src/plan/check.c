/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a service; see check.h. */
#include "plan/check.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#define URL_MAX_LEN 2000
#define WORDS_MAX 64

bool
check_is_address (const char *s, size_t len, int *family)
{
  unsigned char bytes[16];
  char text[INET6_ADDRSTRLEN];
  if (len == 0 || len >= sizeof text)
    return false;
  memcpy (text, s, len);
  text[len] = '\0';
  *family = strchr (text, ':') != NULL ? AF_INET6 : AF_INET;
  return inet_pton (*family, text, bytes) == 1;
}

static bool
is_graph (const char *s)
{
  for (; *s != '\0'; s++)
    if (!isgraph ((unsigned char)*s))
      return false;
  return true;
}

/* HOST or [HOST] at the beginning; the rest behind it, or NULL. */
static const char *
behind_host (const char *host, bool *loopback)
{
  int family = AF_INET;
  bool bracket = *host == '[';
  host += bracket;
  const char *end = host + strcspn (host, bracket ? "]" : ":/?#");
  size_t len = (size_t)(end - host);
  if (bracket && *end++ != ']')
    return NULL;
  bool local = !bracket && len == 9 && strncmp (host, "localhost", 9) == 0;
  if (!local
      && (!check_is_address (host, len, &family)
          || (family == AF_INET6) != bracket))
    return NULL;
  *loopback
      = local || (family == AF_INET && strncmp (host, "127.", 4) == 0)
        || (family == AF_INET6 && len == 3 && strncmp (host, "::1", 3) == 0);
  return end;
}

/* ":PORT" at the beginning; the rest behind it, or NULL. */
static const char *
behind_port (const char *s)
{
  size_t digits = *s == ':' ? strspn (s + 1, "0123456789") : 0;
  if (digits == 0 || digits > 5 || atoi (s + 1) < 1 || atoi (s + 1) > 65535)
    return NULL;
  return s + 1 + digits;
}

bool
check_is_https (const char *url)
{
  return strncmp (url, "https://", 8) == 0;
}

bool
check_is_url (const char *url, bool *loopback)
{
  size_t scheme = check_is_https (url) ? 8 : 7;
  if (!is_graph (url) || strlen (url) > URL_MAX_LEN
      || (scheme == 7 && strncmp (url, "http://", 7) != 0))
    return false;
  const char *rest = behind_host (url + scheme, loopback);
  if (rest != NULL && *rest == ':')
    rest = behind_port (rest);
  return rest != NULL && (*rest == '\0' || *rest == '/' || *rest == '?');
}

bool
check_is_endpoint (const char *text, bool *loopback)
{
  const char *rest = behind_host (text, loopback);
  rest = rest != NULL ? behind_port (rest) : NULL;
  return rest != NULL && *rest == '\0';
}

static struct err *
wrong (const char *key, const char *expected)
{
  return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                  "'%s' does not fit; expected %s", key, expected);
}

static bool
is_name (const char *s)
{
  return isalnum ((unsigned char)s[0]) && strlen (s) <= 253
         && s[strspn (s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789.-")]
                == '\0';
}

static bool
is_file (const char *s)
{
  return s[0] == '/' && strlen (s) < 1024 && strstr (s, "/../") == NULL;
}

/* 64 hex digits, with or without colons between the pairs. */
static bool
is_fingerprint (const char *s)
{
  size_t digits = 0;
  for (; *s != '\0'; s++) {
    if (*s == ':' && digits % 2 == 0 && digits > 0 && digits < 64)
      continue;
    if (!isxdigit ((unsigned char)*s))
      return false;
    digits++;
  }
  return digits == 64;
}

static struct err *
option (const json_t *check, const char *key, bool allowed, const char *beside,
        bool (*is) (const char *), const char *expected)
{
  const json_t *value = json_object_get (check, key);
  if (value == NULL)
    return NULL;
  if (!allowed)
    return err_new (ERR_CORRECT, "RH-PLAN-KEY",
                    "'%s' has no meaning here; expected it beside %s only", key,
                    beside);
  if (!json_is_string (value) || !is (json_string_value (value)))
    return wrong (key, expected);
  return NULL;
}

static struct err *
command_fits (const json_t *command)
{
  static const char what[] = "a list of a program's path, from / on, and its "
                             "arguments, such as [/usr/local/bin/ask, -q]";
  size_t i;
  json_t *word;
  if (!json_is_array (command) || json_array_size (command) == 0
      || json_array_size (command) > WORDS_MAX)
    return wrong ("command", what);
  json_array_foreach (command, i, word)
  {
    if (!json_is_string (word))
      return wrong ("command", what);
  }
  return is_file (json_string_value (json_array_get (command, 0)))
             ? NULL
             : wrong ("command", what);
}

static struct err *
status_fits (const json_t *check)
{
  const json_t *status = json_object_get (check, "status");
  bool command = json_object_get (check, "command") != NULL;
  json_int_t n = json_integer_value (status);
  if (status == NULL)
    return NULL;
  if (json_object_get (check, "tcp") != NULL)
    return err_new (ERR_CORRECT, "RH-PLAN-KEY",
                    "'status' has no meaning here; expected it beside http and "
                    "command only");
  if (!json_is_integer (status) || n < (command ? 0 : 100)
      || n > (command ? 255 : 599))
    return wrong ("status", command ? "an exit status between 0 and 255"
                                    : "a status of HTTP between 100 and 599");
  return NULL;
}

struct err *
check_fits (const json_t *check)
{
  const json_t *url = json_object_get (check, "http");
  const json_t *command = json_object_get (check, "command");
  bool loopback;
  if (url != NULL
      && (!json_is_string (url)
          || !check_is_url (json_string_value (url), &loopback)))
    return wrong ("http", "a URL such as http://10.77.0.10/ or "
                          "https://10.77.0.10/ with a numeric host or "
                          "localhost");
  if (command != NULL)
    TRY (command_fits (command));
  TRY (status_fits (check));
  bool tls = url != NULL && check_is_https (json_string_value (url));
  TRY (option (check, "name", url != NULL, "http", is_name,
               "the name that clients ask for, such as shop.example"));
  TRY (option (check, "ca", tls, "a URL with https", is_file,
               "the path of a file of certificates"));
  TRY (option (check, "fingerprint", tls, "a URL with https", is_fingerprint,
               "the 64 hex digits that openssl x509 -fingerprint -sha256 "
               "prints"));
  if (json_object_get (check, "ca") != NULL
      && json_object_get (check, "fingerprint") != NULL)
    return err_new (ERR_CORRECT, "RH-PLAN-KEY",
                    "'ca' has no meaning beside a fingerprint; expected one of "
                    "them");
  return NULL;
}

int
check_wants (const json_t *check)
{
  const json_t *status = json_object_get (check, "status");
  if (status != NULL)
    return (int)json_integer_value (status);
  return json_object_get (check, "command") != NULL ? 0 : 200;
}

char *
check_words (const json_t *check)
{
  const json_t *command = json_object_get (check, "command");
  const char *url = json_string_value (json_object_get (check, "http"));
  const char *tcp = json_string_value (json_object_get (check, "tcp"));
  if (url != NULL)
    return mem_strdup (url);
  if (tcp != NULL)
    return mem_printf ("tcp %s", tcp);
  CLEANUP_BUF struct buf b = BUF_INIT;
  size_t i;
  json_t *word;
  json_array_foreach (command, i, word)
  {
    err_free (
        buf_printf (&b, "%s%s", i > 0 ? " " : "", json_string_value (word)));
  }
  return buf_steal_str (&b);
}
