/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both sides held, as `sha256sum -c` reads it: asked of the hosts while
 * they still know it, and kept beside the journal for the evidence.
 */
#ifndef REHOME_CLI_MANIFESTS_H
#define REHOME_CLI_MANIFESTS_H

#include "cli/load.h"
#include "report/bundle.h"

/* Asks both hosts for the manifest of each item of files, from what each read
 * last, and puts them into DIR/manifests; what a host does not know (any more)
 * stays as it was.  An error where no host can be asked. */
struct err *manifests_fetch (const struct loaded *l);
/* Puts what lies in DIR/manifests into the bundle, and counts.txt: a line
 * "FILES FILE" each. */
struct err *manifests_add (const struct loaded *l, struct bundle *b);

#endif
