/* SPDX-License-Identifier: Apache-2.0 */
/* The push of docs/PROTOCOL.md, as the controller plays it: finds the
 * script's first line behind what the login prints, gives digest and size,
 * sends the program where it is not there yet, and waits until it runs. */
#ifndef REHOME_LINK_PUSH_H
#define REHOME_LINK_PUSH_H

#include "link/binary.h"
#include "wire/frame.h"

/* The fixed script; it is given no value from outside. */
extern const char push_script[];

/* For authorized_keys: a command that does what the script does, but starts
 * no other program than the one with this digest (64 hex digits).  No
 * newline, no double quote that is not escaped; the caller frees. */
char *push_forced_command (const char *digest);

struct push {
  struct frame_reader *from; /* the remote's stdout */
  int to;                    /* the remote's stdin */
  struct buf noise;          /* printed before the first line, escaped */
  bool reached;              /* the script has spoken */
  char *dir;                 /* where the agent runs from; owned */
};
void push_clear (struct push *p);

/* Waits for the script's first line.  An end, a silence or too much noise
 * leaves `reached` false and is "RH-LINK-NOISE" or "RH-LINK-LOST", for the
 * caller to see into. */
struct err *push_await (struct push *p);
/* The rest, until the agent runs.  Errors: RH-LINK-NOEXEC, RH-LINK-SUDO,
 * RH-LINK-OWNKEY, RH-LINK-PUSH, RH-LINK-LOST. */
struct err *push_send (struct push *p, const struct binary *agent);

#endif
