/* SPDX-License-Identifier: Apache-2.0 */
/* Agents that are not as they should be; OTHER_AGENT says how: of versions to
 * come (the default), or one that breaks the protocol after its hello. */
#include "wire/hello.h"
#include "wire/outlet.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A header of type 99. */
static const unsigned char unknown[FRAME_HEADER]
    = { 0, 0, 0, 0, 99, 0, 0, 0, 1 };

static struct err *
fails (void)
{
  return err_new (ERR_TRANSIENT, "RH-WIRE-LOST", "write");
}

static struct err *
say (struct outlet *o, const char *how, uint32_t call)
{
  static unsigned char block[FRAME_MAX];
  static const char deep[] = "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                             "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[";
  static const char list[] = "[1,2]";
  if (strcmp (how, "behind") == 0) {
    TRY (outlet_frame (o, FRAME_END, call, 0, NULL, 0));
    return outlet_frame (o, FRAME_DATA, call, 0, block, 1);
  }
  if (strcmp (how, "endless") == 0) {
    for (int i = 0; i < 17; i++)
      TRY (outlet_frame (o, FRAME_RESULT, call, FRAME_MORE, block,
                         sizeof block));
    return NULL;
  }
  if (strcmp (how, "hello") == 0)
    return outlet_frame (o, FRAME_HELLO, 0, 0, "{}", 2);
  if (strcmp (how, "deep") == 0)
    return outlet_frame (o, FRAME_RESULT, call, 0, deep, sizeof deep - 1);
  if (strcmp (how, "list") == 0)
    return outlet_frame (o, FRAME_RESULT, call, 0, list, sizeof list - 1);
  if (strcmp (how, "call") == 0)
    return outlet_frame (o, FRAME_CALL, call, 0, "{}", 2);
  if (strcmp (how, "type") == 0)
    return write (STDOUT_FILENO, unknown, sizeof unknown) < 0 ? fails () : NULL;
  return outlet_frame (o, FRAME_ERROR, call, 0, "{\"code\":5}", 10);
}

/* Answers every call in its own way. */
static struct err *
misbehave (struct outlet *o, struct frame_reader *r, const char *how)
{
  for (;;) {
    CLEANUP_FRAME struct frame f = FRAME_INIT;
    bool eof = false;
    TRY (frame_read (r, &f, &eof));
    if (eof)
      return NULL;
    if (f.type == FRAME_CALL)
      TRY (say (o, how, f.call));
  }
}

int
main (void)
{
  const char *how = getenv ("OTHER_AGENT");
  struct outlet *o = outlet_new (STDOUT_FILENO);
  struct frame_reader r;
  signal (SIGPIPE, SIG_IGN);
  frame_reader_init (&r, STDIN_FILENO);
  CLEANUP_JSON json_t *hello = hello_new (NULL);
  if (how == NULL) {
    json_object_set_new (hello, "min", json_integer (7));
    json_object_set_new (hello, "max", json_integer (9));
  }
  const char *kernel = getenv ("OTHER_KERNEL");
  if (kernel != NULL)
    json_object_set_new (hello, "kernel", json_string (kernel));
  CLEANUP_ERR struct err *e = outlet_json (o, FRAME_HELLO, 0, hello);
  if (e == NULL)
    e = misbehave (o, &r, how != NULL ? how : "");
  frame_reader_clear (&r);
  outlet_free (o);
  return e != NULL;
}
