/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that a worker on a tree keeps; see confine.h. */
#ifndef REHOME_HOST_CONFINE_CALLS_H
#define REHOME_HOST_CONFINE_CALLS_H

#include "base/err.h"

/* no_new_privs is set already.  Adds CONFINE_CALLS to *got where the kernel
 * has filters (CONFIG_SECCOMP_FILTER). */
struct err *confine_calls (int *got);

#endif
