/* SPDX-License-Identifier: Apache-2.0 */
/* Databases that are in use, found among files. */
#ifndef REHOME_PROVIDER_SQLITE_LIVE_H
#define REHOME_PROVIDER_SQLITE_LIVE_H

#include "link/port.h"

/* Below `root` on that host: files that begin as a SQLite database does and
 * have a journal or a WAL beside them, or are open for writing.  Array of
 * encoded absolute paths, sorted as found; new reference. */
struct err *sqlite_live (struct port *port, const char *root, json_t **out);

#endif
