/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a target that was rebooted in its guard does before the moved work
 * starts: it asks the source whether that is still frozen in its epoch.
 * rehome-confirm@NAME.service runs it, and the moved units wait for that.
 */
#ifndef REHOME_EXEC_CONFIRM_H
#define REHOME_EXEC_CONFIRM_H

#include "base/err.h"

#include <stdbool.h>

struct confirm_options {
  const char *state; /* NULL: default */
  const char *name;
  long wait_ms;    /* for the source to answer */
  bool source_off; /* an operator says that it is: it is not asked */
};

enum confirm_end {
  CONFIRM_NEEDLESS, /* not rebooted since, frozen itself, or said before */
  CONFIRM_FROZEN,   /* the source is frozen in our epoch: it starts */
  CONFIRM_SILENT,   /* the source did not answer in time: it starts */
  CONFIRM_SHUT,     /* the source may serve: nothing starts here */
  CONFIRM_SAID      /* an operator opened it */
};

/* *why: in words, for CONFIRM_SILENT and CONFIRM_SHUT; the caller frees. */
struct err *confirm_target (const struct confirm_options *o,
                            enum confirm_end *out, char **why);

#endif
