/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as values.
 *
 * A function that can fail returns `struct err *`: NULL is success, else an
 * object that the caller owns and either passes up (wrapped with what was
 * being done) or frees.  It carries a stable code (docs/ERRORS.md and
 * `rehome explain CODE`), what happened, on what, and what the user can do.
 * Nothing below cli prints an error.
 *
 * Threads: an error belongs to one thread at a time.
 */
#ifndef REHOME_BASE_ERR_H
#define REHOME_BASE_ERR_H

#include <stddef.h>

/* The class decides retry and exit status. */
enum err_class {
  ERR_TRANSIENT, /* may pass by itself: retry with backoff */
  ERR_REFUSED,   /* a person has to change something first */
  ERR_BLOCKED,   /* preflight or a precondition says no: exit 4 */
  ERR_UNEQUAL,   /* a proof failed: exit 5 */
  ERR_CORRECT,   /* the input (plan, argument) is wrong: exit 2 or 65 */
  ERR_CORRUPT,   /* data from elsewhere breaks its format */
  ERR_SYSTEM,    /* the operating system refused: errno in the message */
  ERR_BUG,       /* cannot happen */
};

struct err;

/* A new error.  `code` is a literal such as "RH-LINK-HOSTKEY" (not copied);
 * the message is formatted and copied. */
struct err *err_new (enum err_class cls, const char *code, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4), returns_nonnull));

/* As err_new, with ": " and the text of `errnum` behind the message. */
struct err *err_sys (int errnum, const char *code, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4), returns_nonnull));

/* Puts "what was being done" in front.  Takes ownership of `e`, gives it
 * back; NULL stays NULL. */
struct err *err_wrap (struct err *e, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));

/* Adds what is safe and what the user can do, each may be NULL (copied).
 * Does not replace what is set already.  Gives `e` back; NULL stays NULL. */
struct err *err_advise (struct err *e, const char *safe, const char *todo);

/* As err_advise with a formatted `todo`. */
struct err *err_todo (struct err *e, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));

/* An error whose code came from another process: the code is copied. */
struct err *err_remote (enum err_class cls, const char *code, const char *msg,
                        const char *safe, const char *todo)
    __attribute__ ((returns_nonnull));

enum err_class err_class_of (const struct err *e);
int err_errno (const struct err *e); /* 0 where there is none */
const char *err_code (const struct err *e);
const char *err_message (const struct err *e);
const char *err_safe (const struct err *e);      /* NULL where not set */
const char *err_advice (const struct err *e);    /* NULL where not set */
const char *err_class_name (enum err_class cls); /* "transient", ... */
int err_class_from_name (const char *name, enum err_class *out); /* 0 or -1 */

void err_free (struct err *e); /* NULL is fine */

#endif
