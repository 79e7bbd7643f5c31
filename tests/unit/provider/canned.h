/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host made of one JSON object, behind a port: what `rehome plan` asks is
 * answered from it, and what would change something is refused.
 *
 * "facts": object; "files": path -> text (a directory ends with "/", a link
 * begins with "-> "); "packages": path -> package; "units": name ->
 * properties; "programs": beginning of the words -> output; "listeners",
 * "writers": rows; "http": URL -> status; "fail": verb -> error code; "asked"
 * collects the verbs.
 */
#ifndef REHOME_TESTS_PROVIDER_CANNED_H
#define REHOME_TESTS_PROVIDER_CANNED_H

#include "link/port.h"

struct canned {
  struct port port;
  json_t *host;
};

void canned_init (struct canned *c, const char *name, json_t *host);

#endif
