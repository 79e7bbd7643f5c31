/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine is: the object that docs/PROTOCOL.md calls `facts`. */
#ifndef REHOME_HOST_FACTS_H
#define REHOME_HOST_FACTS_H

#include "base/err.h"

#include <jansson.h>

/* *out: new reference.  What cannot be read is "" (strings) or 0. */
struct err *host_facts (json_t **out);

/* This boot's id: 36 characters and NUL; "" where the kernel does not say. */
void host_boot_id (char out[37]);

#endif
