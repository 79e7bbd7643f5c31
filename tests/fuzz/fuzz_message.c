/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of a message, as a hostile peer could send it: parsed, every way of
 * taking a field tried, and what was taken written and read again. */
#include "base/text.h"
#include "tree/filter.h"
#include "tree/idmap.h"
#include "tree/paths.h"
#include "wire/frame.h"
#include "wire/hello.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
take_fields (const json_t *o, const char *key)
{
  const char *s;
  int64_t i;
  uint64_t u;
  bool b;
  json_t *j;
  size_t len;
  CLEANUP_FREE char *bytes = NULL;
  err_free (json_get_str (o, key, &s));
  err_free (json_opt_str (o, key, "", &s));
  err_free (json_get_int (o, key, -5, 1000, &i));
  err_free (json_opt_int (o, key, INT64_MIN, INT64_MAX, 0, &i));
  err_free (json_opt_bool (o, key, true, &b));
  err_free (json_get_u64 (o, key, &u));
  err_free (json_get_array (o, key, &j));
  err_free (json_get_object (o, key, &j));
  err_free (json_get_bytes (o, key, &bytes, &len));
}

/* What verbs of trees read of their arguments. */
static void
take_lists (const json_t *j)
{
  CLEANUP (paths_free) struct paths p = { 0 };
  CLEANUP (idmaps_free) struct idmaps m = { 0 };
  err_free (paths_read (j, "/srv", &p));
  err_free (idmap_read (j, &m.uids));
  idmap_get (&m.uids, 1000);
  CLEANUP_FILTER struct filter *f = NULL;
  CLEANUP_ERR struct err *bad = filter_read (j, &f);
  if (bad == NULL)
    filter_excludes (f, "a/b/c.d", 7, false);
  if (bad == NULL)
    filter_hides (f, "a/b/c.d", 7, true);
}

static void
same_again (const json_t *o)
{
  CLEANUP_FREE char *line = json_line (o);
  CLEANUP_JSON json_t *again = NULL;
  CLEANUP_ERR struct err *e
      = json_parse (line, strlen (line), MESSAGE_MAX, &again);
  if (e == NULL && !json_equal (o, again))
    __builtin_trap ();
  for (const unsigned char *p = (const unsigned char *)line; *p != 0; p++)
    if (*p < 0x20 || *p == 0x7f)
      __builtin_trap ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  CLEANUP_JSON json_t *o = NULL;
  CLEANUP_ERR struct err *e
      = json_parse ((const char *)data, size, FRAME_MAX, &o);
  const char *key;
  json_t *value;
  int64_t version;
  if (e != NULL)
    return 0;
  same_again (o);
  if (!json_is_object (o))
    return 0;
  json_object_foreach (o, key, value)
  {
    take_fields (o, key);
    take_lists (value);
  }
  err_free (hello_agree (o, &version));
  err_free (json_to_err (o));
  return 0;
}
