/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages on their way: the sender compares its pages with the list of the
 * other host's copy (sqlite_pages.h) and sends what differs; the receiver
 * writes them in place, where nobody but the migration uses the copy.
 *
 * The stream, numbers little-endian: "RHSQ", mode (4), uid (4), gid (4),
 * extended attributes (length 4, a set as tree/xattrs.h has it); then of each
 * page that differs 1 (1 byte), its number (8), page size (4) and the page;
 * then 2 (1 byte), or 3 where the pages are of several moments, the list's
 * head (16) and its sum (32 bytes of hex).
 */
#ifndef REHOME_AGENT_SQLITE_COPY_H
#define REHOME_AGENT_SQLITE_COPY_H

#include "agent/sqlite_pages.h"
#include "tree/idmap.h"

struct lite_send {
  const struct lite_place *place;
  const char *dir, *index;
  bool rest;    /* nobody uses it: "RH-SQLITE-HOT" where that is not so */
  long hold_ms; /* without a WAL, how long others may be kept from committing:
                   0: only for moments, the pages may then be of several;
                   "RH-SQLITE-BUSY" where it would take longer */
};
struct err *lite_send (const struct lite_send *a, struct sink *out,
                       struct lite_watch *w, json_t **result);

struct lite_receive {
  const struct lite_place *place;
  const char *dir, *index;
  const struct idmaps *maps;
  bool adopt; /* what lies there may be another's: the way back */
};
/* Removes NAME.pages before the first write and has NAME.now, mended, as
 * NAME.pages behind the last one; all is on the disk then.  "RH-SQLITE-INWAY",
 * "RH-SQLITE-HOT", "RH-SQLITE-STREAM"; "RH-SQLITE-SUM": the copy is not what
 * was to be copied, because it was written meanwhile. */
struct err *lite_receive (const struct lite_receive *a, struct source *in,
                          struct lite_watch *w, json_t **result);

/* Keeps a stream as DIR/NAME.pages, whole or not at all: what lay there stays
 * until it is on the disk.  "RH-SQLITE-BUSY": of several moments. */
struct err *lite_lay (const char *dir, const char *index, struct source *in,
                      struct lite_watch *w, json_t **result);
/* Receives the one that was laid up in `laid`, and removes it; *result has
 * `applied` false where there is none. */
struct err *lite_apply (const struct lite_receive *a, const char *laid,
                        struct lite_watch *w, json_t **result);

#endif
