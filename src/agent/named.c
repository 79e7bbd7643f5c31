/* SPDX-License-Identifier: Apache-2.0 */
/* The program that a call names; see named.h. */
#include "agent/named.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

enum { ARGV_MAX = 4096 };

static void
wipe (char **words, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (words[i] != NULL) {
      explicit_bzero (words[i], strlen (words[i]));
      free (words[i]);
    }
}

void
named_free (struct named_program *n)
{
  wipe (n->argv.v, n->argv.n);
  wipe (n->env.v, n->env.n);
  VEC_FREE (&n->argv);
  VEC_FREE (&n->env);
  if (n->input != NULL)
    explicit_bzero (n->input, n->input_len);
  free (n->input);
}

/* PREFIX and the word that `value` is. */
static struct err *
word_of (const char *prefix, const json_t *value, const char *what, char **out)
{
  if (!json_is_string (value)
      || strlen (json_string_value (value)) != json_string_length (value))
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD", "\"%s\" is not of strings",
                    what);
  CLEANUP_FREE char *word = NULL;
  size_t len;
  TRY (text_decode (json_string_value (value), &word, &len));
  if (strlen (word) != len)
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                    "\"%s\" has a zero byte inside", what);
  *out = mem_printf ("%s%s", prefix, word);
  return NULL;
}

static struct err *
read_argv (const json_t *args, struct named_program *out)
{
  json_t *argv;
  TRY (json_get_array (args, "argv", &argv));
  size_t n = json_array_size (argv);
  if (n == 0 || n > ARGV_MAX)
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                    "\"argv\" has %zu words, not 1 to %d", n, ARGV_MAX);
  for (size_t i = 0; i < n; i++) {
    char *word = NULL;
    TRY (word_of ("", json_array_get (argv, i), "argv", &word));
    *VEC_PUSH (&out->argv) = word;
  }
  *VEC_PUSH (&out->argv) = NULL;
  return NULL;
}

static struct err *
read_env (const json_t *args, struct named_program *out)
{
  json_t *env = NULL, *value;
  const char *name;
  if (json_at (args, "env") != NULL)
    TRY (json_get_object (args, "env", &env));
  json_object_foreach (env, name, value)
  {
    if (*name == '\0' || strchr (name, '=') != NULL)
      return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                      "\"env\" has a name that is none");
    CLEANUP_FREE char *prefix = mem_printf ("%s=", name);
    char *word = NULL;
    TRY (word_of (prefix, value, "env", &word));
    *VEC_PUSH (&out->env) = word;
  }
  *VEC_PUSH (&out->env) = NULL;
  return NULL;
}

struct err *
named_read (const json_t *args, struct named_program *out)
{
  const char *input;
  *out = (struct named_program){ 0 };
  TRY (read_argv (args, out));
  TRY (read_env (args, out));
  TRY (json_opt_str (args, "input", NULL, &input));
  if (input == NULL)
    return NULL;
  return text_unbase64 (input, &out->input, &out->input_len);
}
