/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/credentials.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

static bool
is_path (const json_t *v)
{
  const char *s = json_string_value (v);
  if (s == NULL || s[0] != '/' || strlen (s) > 1000)
    return false;
  for (; *s != '\0'; s++)
    if ((unsigned char)*s < ' ' || *s == 0x7f)
      return false;
  return true;
}

struct err *
credentials_check (const json_t *spec)
{
  static const char *const keys[] = { "source", "target", NULL };
  const json_t *v = json_at (spec, "credentials");
  if (v == NULL || is_path (v))
    return NULL;
  if (json_is_object (v))
    TRY (spec_keys (v, keys));
  if (is_path (json_at (v, "source")) && is_path (json_at (v, "target")))
    return NULL;
  return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                  "'credentials': expected the absolute path of a file, or "
                  "{source: ..., target: ...}");
}

struct err *
credentials_alike (const struct plan *plan, const struct plan_item *item)
{
  const struct plan_item *first = steps_first (plan, item->kind);
  const json_t *own = json_at (item->spec, "credentials");
  const json_t *other = json_at (first->spec, "credentials");
  if (own == other || json_equal (own, other))
    return NULL;
  return err_new (ERR_CORRECT, "RH-PLAN-ITEM",
                  "%s names other credentials than %s; expected the same for "
                  "all databases of a server",
                  item->name, first->name);
}

const char *
credentials_path (const struct plan_item *item, const struct port *p)
{
  const json_t *v = json_at (item->spec, "credentials");
  return json_string_value (json_is_object (v) ? json_at (v, p->name) : v);
}

static char *
kept_name (const char *kind)
{
  return mem_printf ("%s.credentials", kind);
}

void
credentials_enter (const struct step_call *call)
{
  struct port *const both[] = { call->source, call->target };
  for (size_t i = 0; i < 2; i++) {
    const char *path
        = both[i] != NULL ? credentials_path (call->item, both[i]) : NULL;
    char *name CLEANUP_FREE = kept_name (call->item->kind);
    if (path != NULL)
      port_keep (both[i], name, json_string (path));
  }
}

char *
credentials_of (struct port *p, const char *kind)
{
  char *name CLEANUP_FREE = kept_name (kind);
  json_t *known CLEANUP_JSON = port_kept (p, name);
  return known == NULL ? NULL : mem_strdup (json_string_value (known));
}

static struct err *
look_at (struct port *p, const char *path)
{
  struct remote_file f CLEANUP_REMOTE = { 0 };
  TRY (remote_stat (p, path, &f));
  const char *why = !f.exists                      ? "it is not there"
                    : strcmp (f.type, "file") != 0 ? "it is no regular file"
                    : f.uid != 0                   ? "root does not own it"
                    : (f.mode & 077) != 0
                        ? "others than its owner have rights on it"
                        : NULL;
  if (why == NULL)
    return NULL;
  return err_advise (err_new (ERR_BLOCKED, "RH-CREDENTIALS-FILE",
                              "the credentials %s on the %s are not used: %s",
                              path, p->name, why),
                     "nothing was changed",
                     "make it a file of root's with mode 0600 there");
}

struct err *
credentials_look (const struct step_call *call,
                  struct err *(*login) (struct port *p))
{
  struct port *const both[] = { call->source, call->target };
  if (json_at (call->item->spec, "credentials") == NULL)
    return NULL;
  for (size_t i = 0; i < 2; i++) {
    const char *path = credentials_path (call->item, both[i]);
    if (path != NULL)
      TRY (look_at (both[i], path));
  }
  TRY (login (call->source));
  return login (call->target);
}
