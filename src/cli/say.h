/* SPDX-License-Identifier: Apache-2.0 */
/* Errors on stderr, and the exit status that belongs to them. */
#ifndef REHOME_CLI_SAY_H
#define REHOME_CLI_SAY_H

#include "base/err.h"
#include "cli/command.h"
#include "wire/json.h"

/* Prints the error (code, what happened, what is safe, what to do), frees it
 * and gives the exit status.  NULL: EXIT_OK. */
int say_err (const struct invocation *in, struct err *e);
/* The same for an error that came as an object (not freed). */
int say_error_object (const struct invocation *in, const json_t *error);
int say_status (enum err_class cls, const char *code);
/* JSON on stdout, one line. */
void say_json (const json_t *j);
/* Asks on the terminal for `name` to be typed, unless --confirm gives it;
 * `also` is taken as well (may be NULL).  "RH-CLI-CONFIRM". */
struct err *say_confirm (const struct invocation *in, const char *question,
                         const char *name, const char *also);

#endif
