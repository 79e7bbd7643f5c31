/* SPDX-License-Identifier: Apache-2.0 */
/* What an approver signs. */
#include "journal/approval.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define HEAD "rehome approval 1\n"

static const char *const members[]
    = { "migration", "plan", "head", "for", "role", "name", "time", "meaning" };
#define MEMBERS (sizeof members / sizeof *members)

static struct err *
bad (const char *what)
{
  return err_advise (err_new (ERR_CORRECT, "RH-APPROVE-FORM",
                              "this is no text of an approval: %s", what),
                     "nothing was changed",
                     "let rehome approve PLAN --output FILE write it");
}

static bool
is_line (const char *s)
{
  for (const char *c = s; *c != '\0'; c++)
    if ((unsigned char)*c < ' ' || *c == 0x7f)
      return false;
  return *s != '\0' && strlen (s) <= 1000;
}

struct err *
approval_text (const json_t *o, char **out)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  TRY (buf_put_str (&b, HEAD));
  for (size_t i = 0; i < MEMBERS; i++) {
    const char *s = json_string_value (json_object_get (o, members[i]));
    if (s == NULL || !is_line (s))
      return bad (members[i]);
    TRY (buf_printf (&b, "%s %s\n", members[i], s));
  }
  *out = buf_steal_str (&b);
  return NULL;
}

/* The rest of the line "MEMBER REST\n", or NULL. */
static const char *
take (const char *at, const char *member, size_t *len)
{
  size_t n = strlen (member);
  if (strncmp (at, member, n) != 0 || at[n] != ' ')
    return NULL;
  *len = strcspn (at + n + 1, "\n");
  return at[n + 1 + *len] == '\n' ? at + n + 1 : NULL;
}

struct err *
approval_parse (const char *text, json_t **out)
{
  CLEANUP_JSON json_t *o = json_object ();
  CLEANUP_FREE char *again = NULL;
  const char *at = text + strlen (HEAD);
  if (strlen (text) > APPROVAL_MAX || strncmp (text, HEAD, strlen (HEAD)) != 0)
    return bad ("its first line");
  for (size_t i = 0; i < MEMBERS; i++) {
    size_t len = 0;
    const char *value = take (at, members[i], &len);
    if (value == NULL)
      return bad (members[i]);
    json_t *s = json_stringn (value, len);
    if (s == NULL)
      return bad ("it is not UTF-8");
    json_object_set_new (o, members[i], s);
    at = value + len + 1;
  }
  TRY (approval_text (o, &again));
  if (strcmp (again, text) != 0)
    return bad ("it goes on behind its end");
  *out = STEAL (o);
  return NULL;
}

char *
approval_head_text (uint64_t seq, const char *hash)
{
  return mem_printf ("%" PRIu64 " %s", seq, hash);
}

struct err *
approval_head (const json_t *o, uint64_t *seq, char hash[65])
{
  const char *text = json_string_value (json_object_get (o, "head"));
  char *end = NULL;
  size_t digits = text != NULL ? strspn (text, "0123456789") : 0;
  if (digits == 0 || (text[0] == '0' && digits > 1))
    return bad ("head");
  errno = 0;
  *seq = strtoull (text, &end, 10);
  if (errno != 0 || *end != ' ' || strlen (end + 1) != 64
      || strspn (end + 1, "0123456789abcdef") != 64)
    return bad ("head");
  memcpy (hash, end + 1, 65);
  return NULL;
}
