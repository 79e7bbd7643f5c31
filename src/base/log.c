/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for the log; see log.h.  One write a line, so that lines of several
 * threads do not mix. */
#include "base/log.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

static _Atomic int threshold = LOG_INFO;
static _Atomic (const char *) prefix;

void
log_set_level (enum log_level level)
{
  atomic_store (&threshold, (int)level);
}

void
log_set_name (const char *name)
{
  atomic_store (&prefix, name);
}

/* What journald takes for the priority of a line. */
static const char *
priority (enum log_level level)
{
  static const char *const marks[] = {
    [LOG_ERROR] = "<3>",
    [LOG_WARN] = "<4>",
    [LOG_INFO] = "<6>",
    [LOG_DEBUG] = "<7>",
  };
  return getenv ("JOURNAL_STREAM") != NULL ? marks[level] : "";
}

void
log_line (enum log_level level, const char *fmt, ...)
{
  if ((int)level > atomic_load (&threshold))
    return;
  va_list ap;
  va_start (ap, fmt);
  CLEANUP_FREE char *raw = mem_vprintf (fmt, ap);
  va_end (ap);
  CLEANUP_FREE char *text = text_escape (raw, strlen (raw));
  const char *name = atomic_load (&prefix);
  CLEANUP_FREE char *line
      = mem_printf ("%s%s%s%s\n", priority (level), name != NULL ? name : "",
                    name != NULL ? ": " : "", text);
  ssize_t n = write (STDERR_FILENO, line, strlen (line));
  (void)n; /* a log that cannot be written is nobody's failure */
}

void
log_err (enum log_level level, const struct err *e)
{
  log_line (level, "%s: %s", err_code (e), err_message (e));
}
