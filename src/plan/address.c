/* SPDX-License-Identifier: Apache-2.0 */
/* Item addresses; docs/ADDRESSES.md has the rules by number and the table. */
#include "plan/address.h"

#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#define ADDRESS_MAX 8192

static struct err *
wrong (const char *text, const char *code, const char *why)
{
  CLEANUP_FREE char *shown = text_escape (text, strlen (text));
  return err_todo (
      err_new (ERR_CORRECT, code, "the address \"%.200s\": %s", shown, why),
      "write a path that begins with / or ./, HOST:/path, KIND:NAME or "
      "HOST:KIND:NAME");
}

static struct err *
check_host (const char *text, const char *host)
{
  const char *at = strrchr (host, '@');
  const char *machine = at != NULL ? at + 1 : host;
  if (*host == '-' || *machine == '-')
    return wrong (text, "RH-ADDRESS-OPTION", "a host begins with -");
  if (*host == '\0' || *machine == '\0' || at == host)
    return wrong (text, "RH-ADDRESS-HOST", "the host is missing");
  for (const char *c = host; *c != '\0'; c++)
    if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr ("/[]", *c) != NULL)
      return wrong (text, "RH-ADDRESS-HOST",
                    "a host has no blanks, slashes or single brackets");
  return NULL;
}

/* "[v6]" or "user@[v6]" at `s`: the host without brackets, and what follows. */
static struct err *
bracketed_host (const char *text, const char *s, const char *open, char **host,
                const char **rest)
{
  unsigned char bytes[16];
  const char *shut = strchr (open, ']');
  if (shut == NULL)
    return wrong (text, "RH-ADDRESS-HOST", "the bracket does not close");
  CLEANUP_FREE char *inner = mem_strndup (open + 1, (size_t)(shut - open) - 1);
  if (inet_pton (AF_INET6, inner, bytes) != 1)
    return wrong (text, "RH-ADDRESS-HOST",
                  "only an IPv6 address stands in brackets");
  *host = mem_printf ("%.*s%s", (int)(open - s), s, inner);
  *rest = shut + 1;
  return check_host (text, *host);
}

/* The host at `s`, up to one of `stops`. */
static struct err *
take_host (const char *text, const char *s, const char *stops, char **host,
           const char **rest)
{
  size_t len = strcspn (s, stops);
  const char *open = memchr (s, '[', len);
  if (open != NULL && (open == s || open[-1] == '@'))
    return bracketed_host (text, s, open, host, rest);
  *host = mem_strndup (s, len);
  *rest = s + len;
  return check_host (text, *host);
}

static struct err *
take_option (const char *text, const char *option, json_t *options)
{
  size_t key_len = strcspn (option, "=");
  CLEANUP_FREE char *key = mem_strndup (option, key_len);
  bool good = strspn (key, "abcdefghijklmnopqrstuvwxyz0123456789-") == key_len;
  if (key_len == 0 || option[key_len] == '\0' || option[key_len + 1] == '\0'
      || !good)
    return wrong (text, "RH-ADDRESS-QUERY",
                  "behind ? stands key=value, more of them after &");
  if (json_object_get (options, key) != NULL)
    return wrong (text, "RH-ADDRESS-QUERY", "an option stands there twice");
  if (json_object_set_new (options, key, json_string (option + key_len + 1))
      != 0)
    return wrong (text, "RH-ADDRESS-QUERY", "an option is not UTF-8");
  return NULL;
}

static struct err *
take_options (const char *text, const char *query, json_t *options)
{
  for (;;) {
    size_t len = strcspn (query, "&");
    CLEANUP_FREE char *option = mem_strndup (query, len);
    TRY (take_option (text, option, options));
    if (query[len] == '\0')
      return NULL;
    query += len + 1;
  }
}

static struct err *
take_path (const char *path, struct address *out)
{
  out->kind = mem_strdup ("files");
  out->name = mem_strdup (path);
  return NULL;
}

static struct err *
take_name (const char *text, const char *kind, const char *name,
           struct address *out)
{
  out->kind = mem_strdup (kind);
  if (strcmp (kind, "files") == 0) {
    out->name = mem_strdup (name);
    return *name == '/' ? NULL
                        : wrong (text, "RH-ADDRESS-NAME",
                                 "a path of files: begins with /");
  }
  size_t len = strcspn (name, "?");
  out->name = mem_strndup (name, len);
  if (len == 0)
    return wrong (text, "RH-ADDRESS-NAME", "the name is missing");
  return name[len] == '\0' ? NULL
                           : take_options (text, name + len + 1, out->options);
}

/* What stands behind HOST and its colon. */
static struct err *
take_remote (const char *text, const char *rest, bool (*is_kind) (const char *),
             struct address *out)
{
  if (*rest == '/')
    return take_path (rest, out);
  size_t len = strcspn (rest, ":");
  if (rest[len] == '\0')
    return wrong (text, "RH-ADDRESS-FORM",
                  "behind the host comes a path from / on or KIND:NAME");
  CLEANUP_FREE char *kind = mem_strndup (rest, len);
  if (!is_kind (kind))
    return wrong (text, "RH-ADDRESS-KIND",
                  "what stands behind the host is no kind that is known (an "
                  "IPv6 address stands in brackets)");
  return take_name (text, kind, rest + len + 1, out);
}

static struct err *
take_port (const char *text, const char **rest, int *port)
{
  const char *s = *rest;
  if (*s != ':' || !isdigit ((unsigned char)s[1]))
    return NULL;
  size_t digits = strspn (s + 1, "0123456789");
  long value = digits <= 5 ? atol (s + 1) : 0;
  if (value < 1 || value > 65535)
    return wrong (text, "RH-ADDRESS-PORT", "a port goes from 1 to 65535");
  *port = (int)value;
  *rest = s + 1 + digits;
  return NULL;
}

static struct err *
take_ssh (const char *text, bool (*is_kind) (const char *), struct address *out)
{
  const char *rest;
  TRY (take_host (text, text + strlen ("ssh://"), "/:", &out->host, &rest));
  TRY (take_port (text, &rest, &out->port));
  if (*rest == '/')
    return take_path (rest, out);
  if (*rest != ':')
    return wrong (text, "RH-ADDRESS-FORM",
                  "behind the host comes /path or :KIND:NAME");
  return take_remote (text, rest + 1, is_kind, out);
}

static struct err *
take (const char *text, bool (*is_kind) (const char *), struct address *out)
{
  if (*text == '/' || *text == '.')
    return take_path (text, out);
  if (*text == '-')
    return wrong (text, "RH-ADDRESS-OPTION", "it begins with -");
  if (strncmp (text, "ssh://", 6) == 0)
    return take_ssh (text, is_kind, out);
  size_t len = strcspn (text, ":");
  CLEANUP_FREE char *first = mem_strndup (text, len);
  if (text[len] == '\0')
    return wrong (text, "RH-ADDRESS-FORM",
                  "it has no colon; a relative path begins with ./");
  if (is_kind (first))
    return take_name (text, first, text + len + 1, out);
  const char *rest;
  const char *open = memchr (text, '[', len);
  bool v6 = open != NULL && (open == text || open[-1] == '@');
  TRY (take_host (text, text, v6 ? "" : ":", &out->host, &rest));
  if (*rest != ':')
    return wrong (text, "RH-ADDRESS-FORM", "a colon is missing");
  return take_remote (text, rest + 1, is_kind, out);
}

struct err *
address_parse (const char *text, bool (*is_kind) (const char *),
               struct address *out)
{
  *out = (struct address){ .options = json_object () };
  struct err *e
      = strlen (text) > ADDRESS_MAX
            ? err_new (ERR_CORRECT, "RH-ADDRESS-FORM",
                       "an address of more than %d bytes", ADDRESS_MAX)
            : take (text, is_kind, out);
  if (e != NULL)
    address_clear (out);
  return e;
}

void
address_clear (struct address *a)
{
  free (a->host);
  free (a->kind);
  free (a->name);
  json_decref (a->options);
  *a = (struct address){ 0 };
}
