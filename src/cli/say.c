/* SPDX-License-Identifier: Apache-2.0 */
/* Errors on stderr, and the exit status that belongs to them. */
#include "cli/say.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static bool
begins (const char *text, const char *with)
{
  return strncmp (text, with, strlen (with)) == 0;
}

int
say_status (enum err_class cls, const char *code)
{
  if (strcmp (code, "RH-CLI-USAGE") == 0)
    return EXIT_USAGE;
  if (begins (code, "RH-PLAN-") || begins (code, "RH-GRAPH-"))
    return EXIT_PLAN;
  switch (cls) {
  case ERR_BLOCKED:
    return EXIT_BLOCKED;
  case ERR_UNEQUAL:
    return EXIT_UNEQUAL;
  case ERR_CORRECT:
    return EXIT_USAGE;
  case ERR_TRANSIENT:
  case ERR_REFUSED:
  case ERR_CORRUPT:
  case ERR_SYSTEM:
  case ERR_BUG:
    break;
  }
  return EXIT_FAILED;
}

/* Newlines stay (findings have several lines), all else is made safe. */
static void
put_text (const char *label, const char *text)
{
  const char *end;
  if (text == NULL || text[0] == '\0')
    return;
  fprintf (stderr, "%s", label);
  for (; (end = strchr (text, '\n')) != NULL; text = end + 1) {
    CLEANUP_FREE char *safe = text_escape (text, (size_t)(end - text));
    fprintf (stderr, "%s\n  ", safe);
  }
  CLEANUP_FREE char *last = text_escape (text, strlen (text));
  fprintf (stderr, "%s\n", last);
}

void
say_json (const json_t *j)
{
  CLEANUP_FREE char *line = json_line (j);
  puts (line);
}

int
say_err (const struct invocation *in, struct err *e)
{
  CLEANUP_ERR struct err *mine = e;
  if (e == NULL)
    return EXIT_OK;
  if (in != NULL && has (in, OPT_JSON)) {
    CLEANUP_JSON json_t *o = json_pack ("{s:o}", "error", json_from_err (e));
    say_json (o);
  }
  fprintf (stderr, "rehome: %s: ", err_code (e));
  put_text ("", err_message (e));
  put_text ("  safe: ", err_safe (e));
  put_text ("  to do: ", err_advice (e));
  if (err_advice (e) == NULL)
    fprintf (stderr, "  more: rehome explain %s\n", err_code (e));
  return say_status (err_class_of (e), err_code (e));
}

/* One cause can stop many checks: it is said once. */
static bool
was_said (const json_t *findings, size_t n)
{
  const json_t *f = json_array_get (findings, n);
  for (size_t i = 0; i < n; i++) {
    const json_t *o = json_array_get (findings, i);
    if (json_equal (json_object_get (o, "code"), json_object_get (f, "code"))
        && json_equal (json_object_get (o, "message"),
                       json_object_get (f, "message")))
      return true;
  }
  return false;
}

int
say_error_object (const struct invocation *in, const json_t *error)
{
  const json_t *findings = json_object_get (error, "findings");
  size_t i;
  json_t *f;
  int status = say_err (in, json_to_err (error));
  json_array_foreach (findings, i, f)
  {
    if (was_said (findings, i))
      continue;
    const char *code = json_string_value (json_object_get (f, "code"));
    const char *message = json_string_value (json_object_get (f, "message"));
    const char *todo = json_string_value (json_object_get (f, "todo"));
    fprintf (stderr, "  - %s: ", code != NULL ? code : "?");
    put_text ("", message != NULL ? message : "");
    put_text ("      to do: ", todo);
  }
  return status;
}

static struct err *
read_line (const char *question, char *line, size_t size)
{
  fprintf (stderr, "%s", question);
  fflush (stderr);
  if (fgets (line, (int)size, stdin) == NULL)
    line[0] = '\0';
  line[strcspn (line, "\r\n")] = '\0';
  return NULL;
}

struct err *
say_confirm (const struct invocation *in, const char *question,
             const char *name, const char *also)
{
  char line[256] = "";
  const char *typed = in->value[OPT_CONFIRM];
  if (typed == NULL && (has (in, OPT_NO_INPUT) || !isatty (STDIN_FILENO)))
    return err_advise (
        err_todo (err_new (ERR_CORRECT, "RH-CLI-CONFIRM",
                           "this has to be confirmed with the name of the "
                           "host that loses service"),
                  "add --confirm=%s", name),
        "nothing was changed", NULL);
  if (typed == NULL) {
    TRY (read_line (question, line, sizeof line));
    typed = line;
  }
  if (strcmp (typed, name) == 0 || (also != NULL && strcmp (typed, also) == 0))
    return NULL;
  return err_advise (err_todo (err_new (ERR_CORRECT, "RH-CLI-CONFIRM",
                                        "that is not the host's name"),
                               "type %s, or give --confirm=%s", name, name),
                     "nothing was changed; all goes on as it was", NULL);
}
