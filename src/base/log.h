/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for the log (stderr, journald-friendly <N> prefix when JOURNAL_STREAM
 * is set).  Never secrets; bytes from outside go through text_escape. */
#ifndef REHOME_BASE_LOG_H
#define REHOME_BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level (enum log_level level);
void log_set_name (const char *name); /* prefix; literal */
void log_line (enum log_level level, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));
/* Logs an error value with its code; does not free it. */
void log_err (enum log_level level, const struct err *e);

#endif
