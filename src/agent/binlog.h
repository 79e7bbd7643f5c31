/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of mariadb-binlog's text are changes of rows: transactions, and BINLOG
 * statements, which are base64 and no SQL.  These alone are passed on, so that
 * nothing else can come from a log into another server; settings and comments
 * are dropped, and any other statement (DDL, a statement that was logged as
 * such) ends it with "RH-PROGRAM-STATEMENT".
 *
 * The text is hostile.  Threads: one at a time.
 */
#ifndef REHOME_AGENT_BINLOG_H
#define REHOME_AGENT_BINLOG_H

#include "base/err.h"

#include <stddef.h>

struct binlog;

/* `give` takes what is passed on. */
struct binlog *binlog_new (struct err *(*give) (void *ctx, const void *data,
                                                size_t len),
                           void *ctx);
void binlog_free (struct binlog *b);
struct err *binlog_put (struct binlog *b, const void *data, size_t len);
/* The text must not end within a statement. */
struct err *binlog_end (struct binlog *b);

#endif
