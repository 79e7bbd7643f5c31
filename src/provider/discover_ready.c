/* SPDX-License-Identifier: Apache-2.0 */
/* When does a service count as started?  By what it listens on: where a GET on
 * loopback is answered as HTTP, that page with the status that was seen; else
 * the port.  And what is known of each unit, for its comment. */
#include "provider/discover.h"

#include "base/buf.h"
#include "base/mem.h"
#include "link/port.h"

#include <string.h>

/* The status that a URL is answered with, 0 where it is not HTTP. */
static struct err *
ask_http (struct draft *d, const char *url, json_int_t *status)
{
  CLEANUP_JSON json_t *result = NULL;
  *status = 0;
  CLEANUP_ERR struct err *e
      = port_call (d->source, "http",
                   json_pack ("{s:s, s:i, s:i}", "url", url, "timeout_ms", 3000,
                              "max", 1024),
                   &result);
  if (e == NULL)
    *status = json_integer_value (json_object_get (result, "status"));
  if (*status < 100 || *status > 599)
    *status = 0;
  return NULL;
}

struct err *
look_page (struct draft *d, const char *base, const char **page,
           json_int_t *status)
{
  static const char *const pages[] = { "/health", "/healthz", "/" };
  for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
    CLEANUP_FREE char *url = mem_printf ("%s%s", base, pages[i]);
    *page = pages[i];
    TRY (ask_http (d, url, status));
    if (*status == 200)
      return NULL;
  }
  return NULL;
}

/* "http://127.0.0.1:8080" where loopback leads to the listener, else NULL. */
static char *
base_of (const json_t *listener)
{
  const char *address = look_text (listener, "address");
  json_int_t port = json_integer_value (json_object_get (listener, "port"));
  bool six = strcmp (address, "::1") == 0;
  if (!six && strcmp (address, "0.0.0.0") != 0 && strcmp (address, "::") != 0
      && strncmp (address, "127.", 4) != 0)
    return NULL;
  const char *host = six                                 ? "[::1]"
                     : strncmp (address, "127.", 4) == 0 ? address
                                                         : "127.0.0.1";
  return port == 80
             ? mem_printf ("http://%s", host)
             : mem_printf ("http://%s:%" JSON_INTEGER_FORMAT, host, port);
}

/* An answer that says something of the service itself. */
static bool
is_fit (json_int_t status)
{
  return status >= 200 && status < 500;
}

static json_t *
listeners_of (const struct draft *d, const char *unit)
{
  json_t *rows = json_array ();
  for (size_t i = 0; i < json_array_size (d->listeners); i++) {
    json_t *row = json_array_get (d->listeners, i);
    if (strncmp (look_text (row, "proto"), "tcp", 3) == 0
        && strcmp (look_text (row, "unit"), unit) == 0)
      json_array_append (rows, row);
  }
  return rows;
}

static struct err *
propose (struct draft *d, const json_t *rows, json_t **ready)
{
  for (size_t i = 0; i < json_array_size (rows); i++) {
    CLEANUP_FREE char *base = base_of (json_array_get (rows, i));
    const char *page = "/";
    json_int_t status = 0;
    if (base != NULL)
      TRY (look_page (d, base, &page, &status));
    if (!is_fit (status))
      continue;
    *ready = json_pack ("{s:o, s:I}", "http", json_sprintf ("%s%s", base, page),
                        "status", status);
    return NULL;
  }
  *ready = json_pack ("{s:O}", "tcp",
                      json_object_get (json_array_get (rows, 0), "port"));
  return NULL;
}

/* "tcp 80, 443", each port once. */
static struct err *
ports_of (const json_t *rows, struct buf *out)
{
  CLEANUP_JSON json_t *seen = json_object ();
  for (size_t i = 0; i < json_array_size (rows); i++) {
    char port[24];
    snprintf (port, sizeof port, "%" JSON_INTEGER_FORMAT,
              json_integer_value (
                  json_object_get (json_array_get (rows, i), "port")));
    if (json_object_get (seen, port) != NULL)
      continue;
    json_object_set_new (seen, port, json_true ());
    TRY (buf_printf (out, "%s%s", out->len == 0 ? "tcp " : ", ", port));
  }
  return NULL;
}

static const json_t *
unit_of (const struct draft *d, const char *id)
{
  for (size_t i = 0; i < json_array_size (d->units); i++)
    if (strcmp (look_text (json_array_get (d->units, i), "Id"), id) == 0)
      return json_array_get (d->units, i);
  return NULL;
}

/* Behind what was said already: as whom it runs, and where it listens. */
static struct err *
say_facts (struct draft *d, json_t *item, const char *id, const json_t *rows,
           bool asked)
{
  CLEANUP_BUF struct buf ports = BUF_INIT_MAX (4096);
  const char *user = look_text (unit_of (d, id), "User");
  TRY (ports_of (rows, &ports));
  const char *why = look_text (item, "why");
  CLEANUP_FREE char *text = mem_printf (
      "%s%sRuns as %s%s%s.%s", why, *why != '\0' ? " " : "",
      *user != '\0' ? user : "root", ports.len > 0 ? ", listens on " : "",
      ports.len > 0 ? (char *)ports.data : "",
      asked ? " What ready asks for was answered so by the source." : "");
  json_object_set_new (item, "why", json_string (text));
  return NULL;
}

static struct err *
look_item (struct draft *d, json_t *item)
{
  json_t *spec = json_object_get (item, "spec");
  const char *id = look_text (spec, "service");
  size_t len = strlen (id);
  if (len < 8 || strcmp (id + len - 8, ".service") != 0)
    return NULL;
  CLEANUP_JSON json_t *rows = listeners_of (d, id);
  CLEANUP_JSON json_t *ready = NULL;
  if (json_array_size (rows) > 0)
    TRY (propose (d, rows, &ready));
  if (ready != NULL)
    json_object_set (spec, "ready", ready);
  return say_facts (d, item, id, rows, json_object_get (ready, "http") != NULL);
}

struct err *
discover_ready (struct draft *d)
{
  for (size_t i = 0; i < json_array_size (d->items); i++) {
    json_t *item = json_array_get (d->items, i);
    if (strcmp (look_text (item, "kind"), "service") == 0)
      TRY (look_item (d, item));
  }
  return NULL;
}
