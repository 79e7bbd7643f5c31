/* SPDX-License-Identifier: Apache-2.0 */
/* See sqlite_live.h: by what lies beside a file, and by who has it open. */
#include "provider/sqlite_live.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/steps.h"

#include <string.h>

enum { OPEN_MAX_LOOKED = 200 };

static struct err *
find (struct port *port, const char *root, bool beside, json_t **out)
{
  return port_call (port, "sqlite.find",
                    json_pack ("{s:o, s:b}", "root",
                               json_bytes (root, strlen (root)), "beside",
                               beside),
                    out);
}

static struct err *
add_beside (struct port *port, const char *root, json_t *out)
{
  CLEANUP_JSON json_t *found = NULL;
  size_t i;
  json_t *one;
  TRY (find (port, root, true, &found));
  CLEANUP_FREE char *top = text_encode (root, strlen (root));
  json_array_foreach (json_at (found, "databases"), i, one)
  {
    const char *rel = json_string_value (json_at (one, "path"));
    CLEANUP_FREE char *path
        = mem_printf ("%s%s%s", top, rel != NULL && *rel != 0 ? "/" : "",
                      rel ? rel : "");
    words_add (out, path);
  }
  return NULL;
}

/* Its own side files are open, too. */
static bool
is_beside (const char *path)
{
  static const char *const ends[] = { "-wal", "-shm", "-journal" };
  size_t len = strlen (path);
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    if (len > strlen (ends[i])
        && strcmp (path + len - strlen (ends[i]), ends[i]) == 0)
      return true;
  return false;
}

static struct err *
add_open (struct port *port, const char *root, json_t *out)
{
  CLEANUP_JSON json_t *said = NULL;
  CLEANUP_JSON json_t *looked = json_array ();
  size_t i;
  json_t *one;
  TRY (port_call (
      port, "process.writers",
      json_pack ("{s:[o]}", "paths", json_bytes (root, strlen (root))), &said));
  json_array_foreach (json_at (said, "writers"), i, one)
  {
    const char *coded = json_string_value (json_at (one, "path"));
    CLEANUP_FREE char *path = NULL;
    CLEANUP_JSON json_t *found = NULL;
    if (coded == NULL || json_is_true (json_at (one, "deleted"))
        || is_beside (coded) || words_have (looked, coded)
        || json_array_size (looked) >= OPEN_MAX_LOOKED)
      continue;
    words_add (looked, coded);
    TRY (json_get_bytes (one, "path", &path, NULL));
    TRY (find (port, path, false, &found));
    if (json_array_size (json_at (found, "databases")) > 0)
      words_add (out, coded);
  }
  return NULL;
}

struct err *
sqlite_live (struct port *port, const char *root, json_t **out)
{
  CLEANUP_JSON json_t *all = json_array ();
  TRY (add_beside (port, root, all));
  TRY (add_open (port, root, all));
  *out = STEAL (all);
  return NULL;
}
