/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and their JSON, as a hostile peer could send them: a stream of bytes
 * is cut into frames; messages are parsed, hellos agreed, errors read. */
#include "wire/frame.h"
#include "wire/hello.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
look_into (const struct frame *f)
{
  CLEANUP_JSON json_t *o = NULL;
  CLEANUP_ERR struct err *e
      = json_parse ((const char *)f->body, f->len, FRAME_MAX, &o);
  if (e != NULL)
    return;
  int64_t version;
  err_free (hello_agree (o, &version));
  CLEANUP_ERR struct err *said = json_to_err (o);
  CLEANUP_JSON json_t *again = json_from_err (said);
  char *bytes = NULL;
  size_t len;
  err_free (json_get_bytes (o, "path", &bytes, &len));
  free (bytes);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct cursor c = { data, size };
  for (;;) {
    CLEANUP_FRAME struct frame f = FRAME_INIT;
    struct err *e = frame_decode (&c, &f);
    if (e != NULL) {
      err_free (e);
      return 0;
    }
    if (f.type <= FRAME_ERROR || f.type == FRAME_TICK)
      look_into (&f);
    unsigned char head[FRAME_HEADER];
    frame_head (&f, head); /* what was taken can be sent again */
    struct frame same;
    e = frame_check (head, &same);
    if (e != NULL || same.len != f.len || same.call != f.call)
      __builtin_trap ();
  }
}
