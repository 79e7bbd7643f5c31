/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as values; see err.h. */
#include "base/err.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct err {
  enum err_class cls;
  int errnum;
  const char *code;
  char *code_copy; /* where the code came from another process */
  char *message;
  char *safe;
  char *todo;
};

static const char *const class_names[] = {
  [ERR_TRANSIENT] = "transient", [ERR_REFUSED] = "refused",
  [ERR_BLOCKED] = "blocked",     [ERR_UNEQUAL] = "unequal",
  [ERR_CORRECT] = "correct",     [ERR_CORRUPT] = "corrupt",
  [ERR_SYSTEM] = "system",       [ERR_BUG] = "bug",
};

struct err *
err_new (enum err_class cls, const char *code, const char *fmt, ...)
{
  struct err *e = mem_alloc (sizeof *e);
  va_list ap;
  e->cls = cls;
  e->code = code;
  va_start (ap, fmt);
  e->message = mem_vprintf (fmt, ap);
  va_end (ap);
  return e;
}

struct err *
err_sys (int errnum, const char *code, const char *fmt, ...)
{
  struct err *e = mem_alloc (sizeof *e);
  char text[128];
  va_list ap;
  e->cls = ERR_SYSTEM;
  e->code = code;
  e->errnum = errnum;
  va_start (ap, fmt);
  char *what = mem_vprintf (fmt, ap);
  va_end (ap);
  e->message
      = mem_printf ("%s: %s", what, strerror_r (errnum, text, sizeof text));
  free (what);
  return e;
}

struct err *
err_wrap (struct err *e, const char *fmt, ...)
{
  if (e == NULL)
    return NULL;
  va_list ap;
  va_start (ap, fmt);
  char *doing = mem_vprintf (fmt, ap);
  va_end (ap);
  char *whole = mem_printf ("%s: %s", doing, e->message);
  free (doing);
  free (e->message);
  e->message = whole;
  return e;
}

struct err *
err_advise (struct err *e, const char *safe, const char *todo)
{
  if (e == NULL)
    return NULL;
  if (e->safe == NULL)
    e->safe = mem_strdup (safe);
  if (e->todo == NULL)
    e->todo = mem_strdup (todo);
  return e;
}

struct err *
err_todo (struct err *e, const char *fmt, ...)
{
  if (e == NULL || e->todo != NULL)
    return e;
  va_list ap;
  va_start (ap, fmt);
  e->todo = mem_vprintf (fmt, ap);
  va_end (ap);
  return e;
}

struct err *
err_remote (enum err_class cls, const char *code, const char *msg,
            const char *safe, const char *todo)
{
  struct err *e = mem_alloc (sizeof *e);
  e->cls = cls;
  e->code_copy = mem_strdup (code);
  e->code = e->code_copy;
  e->message = mem_strdup (msg);
  return err_advise (e, safe, todo);
}

enum err_class
err_class_of (const struct err *e)
{
  return e->cls;
}

int
err_errno (const struct err *e)
{
  return e->errnum;
}

const char *
err_code (const struct err *e)
{
  return e->code;
}

const char *
err_message (const struct err *e)
{
  return e->message;
}

const char *
err_safe (const struct err *e)
{
  return e->safe;
}

const char *
err_advice (const struct err *e)
{
  return e->todo;
}

const char *
err_class_name (enum err_class cls)
{
  return class_names[cls];
}

int
err_class_from_name (const char *name, enum err_class *out)
{
  for (size_t i = 0; i < sizeof class_names / sizeof class_names[0]; i++)
    if (strcmp (class_names[i], name) == 0) {
      *out = (enum err_class)i;
      return 0;
    }
  return -1;
}

void
err_free (struct err *e)
{
  if (e == NULL)
    return;
  free (e->code_copy);
  free (e->message);
  free (e->safe);
  free (e->todo);
  free (e);
}
