/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `rehome plan SOURCE [TARGET]` writes: a first honest draft of a plan.
 *
 * It looks at both hosts through their ports and changes nothing.  What it is
 * sure of stands in the draft; what it guesses stands there with the reason;
 * what only a person can decide stands there as a comment, and `rehome check`
 * blocks until it is decided; what it did not look at is named at the end.
 */
#ifndef REHOME_PROVIDER_DRAFT_H
#define REHOME_PROVIDER_DRAFT_H

#include "link/port.h"

/* How the hosts are called and known; each may be NULL where not said. */
struct draft_names {
  const char *source;         /* as ssh takes it; needed */
  const char *source_via;     /* management address, when one was given */
  const char *source_key;     /* "SHA256:...", as ssh saw it */
  const char *source_reached; /* numeric address on which ssh reached it */
  const char *target;         /* NULL: "local" */
  const char *target_via;
  const char *target_key;
  const char *file; /* where the draft is going to lie: "plan.yaml" */
  const char *name; /* of the plan; NULL: from the source's host name */
};

/* The draft's text (the caller frees).  `target` may be NULL: not looked at.
 * A look that a host refuses becomes a comment; only a lost host fails. */
struct err *draft_write (struct port *source, struct port *target,
                         const struct draft_names *names, char **yaml);

/* For the discover functions of providers. */
struct draft;
/* An item; `spec` (stolen) has the kind's key first; it stands as a comment
 * when `off`.  A second item of the same kind and name is dropped. */
void draft_item (struct draft *d, const char *kind, json_t *spec, bool off,
                 const char *why, ...) __attribute__ ((format (printf, 5, 6)));
/* A line under "not looked at". */
void draft_note (struct draft *d, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));
/* Something that the work uses: it becomes a files item (its directory, or
 * the file alone) unless a package or the base system brings it. */
void draft_uses (struct draft *d, const char *path, const char *why, ...)
    __attribute__ ((format (printf, 3, 4)));

#endif
