/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of the protocol between controller and agent (docs/PROTOCOL.md): a
 * header of 16 bytes and a body of at most FRAME_MAX bytes.  Everything that
 * was read is checked before it is used; what breaks the format is
 * "RH-WIRE-FRAME" and ends the connection.
 */
#ifndef REHOME_WIRE_FRAME_H
#define REHOME_WIRE_FRAME_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/json.h"

#include <stdbool.h>
#include <stdint.h>

#define FRAME_HEADER 16
#define FRAME_MAX ((size_t)1 << 20)
/* A JSON message may go over several frames, up to this. */
#define MESSAGE_MAX ((size_t)16 << 20)
/* What the sender of a stream may send before the first CREDIT. */
#define STREAM_CREDIT ((uint32_t)4 << 20)
/* Calls at once on one connection. */
#define CALLS_MAX 32
/* A side that heard nothing for so long closes; each sends a PING when it
 * has sent nothing for a fourth of that. */
#define IDLE_MS 60000

enum frame_type {
  FRAME_HELLO = 1,
  FRAME_CALL = 2,
  FRAME_RESULT = 3,
  FRAME_ERROR = 4,
  FRAME_DATA = 5,
  FRAME_END = 6,
  FRAME_CREDIT = 7,
  FRAME_CANCEL = 8,
  FRAME_TICK = 9,
  FRAME_PING = 10,
  FRAME_PONG = 11,
};

/* value of HELLO, CALL, RESULT and ERROR: the message goes on in the next
 * frame of this call and type. */
enum { FRAME_MORE = 1 };

struct frame {
  enum frame_type type;
  uint32_t call;
  uint32_t value;
  size_t len;
  unsigned char *body; /* NULL where len is 0; owned */
};

void frame_clear (struct frame *f);
#define CLEANUP_FRAME CLEANUP (frame_clear)
#define FRAME_INIT { FRAME_PING, 0, 0, 0, NULL }

/* Writes the header of a frame (body not looked at). */
void frame_head (const struct frame *f, unsigned char head[FRAME_HEADER]);

/* Reads and checks a header; f->body is NULL after. */
struct err *frame_check (const unsigned char head[FRAME_HEADER],
                         struct frame *f);

/* Takes one whole frame off the cursor; "RH-WIRE-SHORT" where it ends too
 * soon (the cursor is unchanged then). */
struct err *frame_decode (struct cursor *c, struct frame *f);

/* Reads frames from a descriptor, in one thread. */
struct frame_reader {
  int fd;
  bool lean;      /* reads no further than it is asked, for frame_pass */
  int wake_fd;    /* readable: as the end of the stream; -1: none */
  int timeout_ms; /* nothing came for so long: "RH-WIRE-IDLE"; -1: none */
  size_t at, len;
  unsigned char *room;
};

void frame_reader_init (struct frame_reader *r, int fd);
void frame_reader_clear (struct frame_reader *r); /* does not close */
/* *eof is set at an orderly end between two frames; an end inside one is
 * "RH-WIRE-SHORT".  Errors: RH-WIRE-FRAME, RH-WIRE-IDLE, RH-WIRE-READ. */
struct err *frame_read (struct frame_reader *r, struct frame *f, bool *eof);
/* The same in two parts: a header (the body is NULL, the length its own), and
 * then the body: read, or given to the pipe `to` without a look at it.  Where
 * nobody reads `to` any more the rest is read and dropped. */
struct err *frame_read_head (struct frame_reader *r, struct frame *f,
                             bool *eof);
struct err *frame_read_body (struct frame_reader *r, struct frame *f);
struct err *frame_pass (struct frame_reader *r, const struct frame *f, int to);
/* Raw bytes of the same descriptor before frames begin (the push): reads up
 * to and without the next newline; RH-LIMIT above `max`. */
struct err *frame_read_line (struct frame_reader *r, size_t max,
                             struct buf *line, bool *eof);

#endif
