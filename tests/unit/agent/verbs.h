/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of verbs as the dispatcher makes them, in a state directory of the
 * test's own. */
#ifndef REHOME_TEST_AGENT_VERBS_H
#define REHOME_TEST_AGENT_VERBS_H

#include "../host/scratch.h"

#include "agent/fence.h"
#include "agent/verb.h"
#include "base/text.h"

/* *state is a scratch directory with the state below it. */
static inline int
state_make (void **state)
{
  if (scratch_make (state) != 0)
    return -1;
  CLEANUP_FREE char *dir = mem_printf ("%s/state", (char *)*state);
  fence_set_state_dir (dir);
  return 0;
}

#define in_state(test) \
  cmocka_unit_test_setup_teardown (test, state_make, scratch_remove)

static inline bool
never_cancelled_ (void *ctx)
{
  (void)ctx;
  return false;
}

/* `args` is stolen. */
static inline struct err *
call_verb (const struct verb *verbs, const char *name, json_t *args,
           json_t **result)
{
  CLEANUP_JSON json_t *owned = args;
  struct verb_call call
      = { .args = owned, .in_fd = -1, .cancelled = never_cancelled_ };
  *result = NULL;
  assert_non_null (owned);
  for (; verbs->name != NULL; verbs++)
    if (strcmp (verbs->name, name) == 0)
      return verbs->run (&call, result);
  fail_msg ("no verb %s", name);
  return NULL;
}

static inline const char *
str_of (const json_t *o, const char *key)
{
  const char *s = json_string_value (json_object_get (o, key));
  if (s == NULL)
    fail_msg ("no string \"%s\"", key);
  return s;
}

static inline json_int_t
int_of (const json_t *o, const char *key)
{
  const json_t *v = json_object_get (o, key);
  assert_true (json_is_integer (v));
  return json_integer_value (v);
}

static inline bool
bool_of (const json_t *o, const char *key)
{
  const json_t *v = json_object_get (o, key);
  assert_true (json_is_boolean (v));
  return json_is_true (v);
}

/* The bytes of a base64 member, NUL behind them; the caller frees. */
static inline char *
blob_of (const json_t *o, const char *key)
{
  unsigned char *bytes;
  size_t len;
  assert_ok (text_unbase64 (str_of (o, key), &bytes, &len));
  char *text = mem_alloc (len + 1);
  if (len > 0)
    memcpy (text, bytes, len);
  free (bytes);
  return text;
}

static inline json_t *
base64_of (const char *text)
{
  CLEANUP_FREE char *coded = text_base64 (text, strlen (text));
  return json_string (coded);
}

#endif
