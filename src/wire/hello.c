/* SPDX-License-Identifier: Apache-2.0 */
/* The first frame of each side; see hello.h. */
#include "wire/hello.h"

#include <string.h>

json_t *
hello_new (const json_t *facts)
{
  json_t *o = facts != NULL ? json_deep_copy (facts) : json_object ();
  json_object_set_new (o, "magic", json_string ("rehome"));
  json_object_set_new (o, "min", json_integer (HELLO_MIN));
  json_object_set_new (o, "max", json_integer (HELLO_MAX));
  json_object_set_new (o, "program", json_string (REHOME_VERSION));
  json_object_set_new (o, "features", json_pack ("[s]", "zstd"));
  return o;
}

struct err *
hello_read (struct frame_reader *r, json_t **out)
{
  CLEANUP_BUF struct buf text = BUF_INIT_MAX (MESSAGE_MAX);
  for (;;) {
    CLEANUP_FRAME struct frame f = FRAME_INIT;
    bool eof = false;
    TRY (frame_read (r, &f, &eof));
    if (eof)
      return err_new (ERR_TRANSIENT, "RH-WIRE-HELLO",
                      "the connection ended before the hello");
    if (f.type != FRAME_HELLO)
      return err_new (ERR_CORRUPT, "RH-WIRE-HELLO",
                      "a frame of type %u before the hello", (unsigned)f.type);
    TRY (buf_put (&text, f.body, f.len));
    if (f.value != FRAME_MORE)
      break;
  }
  CLEANUP_JSON json_t *o = NULL;
  TRY (json_parse ((const char *)text.data, text.len, MESSAGE_MAX, &o));
  const char *magic = NULL;
  TRY (json_get_str (o, "magic", &magic));
  if (strcmp (magic, "rehome") != 0)
    return err_new (ERR_CORRUPT, "RH-WIRE-HELLO", "a hello of another program");
  *out = STEAL (o);
  return NULL;
}

struct err *
hello_agree (const json_t *theirs, int64_t *version)
{
  int64_t min = 0, max = 0;
  TRY (json_get_int (theirs, "min", 0, INT32_MAX, &min));
  TRY (json_get_int (theirs, "max", 0, INT32_MAX, &max));
  int64_t best = max < HELLO_MAX ? max : HELLO_MAX;
  if (best < min || best < HELLO_MIN)
    return err_todo (
        err_new (ERR_REFUSED, "RH-LINK-VERSION",
                 "this side speaks versions %d to %d of the protocol, the "
                 "other %lld to %lld",
                 HELLO_MIN, HELLO_MAX, (long long)min, (long long)max),
        "use the rehome-agent that came with this rehome");
  *version = best;
  return NULL;
}
