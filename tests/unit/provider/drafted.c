/* SPDX-License-Identifier: Apache-2.0 */
/* See drafted.h. */
#include "drafted.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "provider/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

int
make_hosts (void **state)
{
  const char *here = __FILE__;
  size_t len = (size_t)(strstr (here, "drafted.c") - here);
  CLEANUP_FREE char *path = mem_printf ("%.*sdraft/shop.json", (int)len, here);
  struct hosts *h = mem_alloc (sizeof *h);
  json_error_t why;
  json_t *source = json_load_file (path, 0, &why);
  if (source == NULL)
    fail_msg ("%s: %s", path, why.text);
  json_t *target = json_pack (
      "{s:{s:s, s:s, s:s}, s:{s:s, s:s}}", "facts", "hostname", "shop-new",
      "os", "Debian GNU/Linux 13 (trixie)", "machine_id",
      "9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c", "files", "/etc/passwd",
      "root:x:0:0::/root:/bin/sh\nanna:x:1200:1200::/home/anna:/bin/sh\n",
      "/etc/nginx/nginx.conf", "# its own\n");
  canned_init (&h->source, "source", source);
  canned_init (&h->target, "target", target);
  h->names.source = "root@old";
  *state = h;
  return 0;
}

int
drop_hosts (void **state)
{
  struct hosts *h = *state;
  json_decref (h->source.host);
  json_decref (h->target.host);
  free (h->yaml);
  free (h);
  return 0;
}

const char *
write_draft (struct hosts *h)
{
  CLEANUP_ERR struct err *e
      = draft_write (&h->source.port, &h->target.port, &h->names, &h->yaml);
  if (e != NULL)
    fail_msg ("%s: %s", err_code (e), err_message (e));
  return h->yaml;
}

struct plan *
read_draft (struct hosts *h)
{
  const char *yaml = write_draft (h);
  struct plan *p;
  CLEANUP_ERR struct err *e
      = plan_parse (yaml, strlen (yaml), "plan.yaml", provider_kinds (), &p);
  if (e != NULL)
    fail_msg ("%s\n%s", err_message (e), yaml);
  return p;
}

bool
has_line (const char *yaml, const char *line)
{
  CLEANUP_FREE char *inside = mem_printf ("\n%s\n", line);
  return strstr (yaml, inside) != NULL;
}

json_t *
of_source (struct hosts *h, const char *key)
{
  return json_object_get (h->source.host, key);
}

void
set_file (struct hosts *h, const char *path, const char *text)
{
  json_object_set_new (of_source (h, "files"), path, json_string (text));
}
