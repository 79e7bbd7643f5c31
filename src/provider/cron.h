/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations of the cron provider share.  Pure. */
#ifndef REHOME_PROVIDER_CRON_H
#define REHOME_PROVIDER_CRON_H

#include "base/cleanup.h"
#include "wire/json.h"

#include <stdbool.h>

/* The file of an entry: "user:NAME" is the crontab of NAME, else a path below
 * /etc/cron.d or one of its periodic sisters, or /etc/crontab.  NULL where
 * the entry is neither; the caller frees. */
char *cron_path (const char *entry);
/* The user of "user:NAME", or NULL. */
const char *cron_user (const char *entry);
/* A name for the entry that is one path component; the caller frees. */
char *cron_slug (const char *entry);

#endif
