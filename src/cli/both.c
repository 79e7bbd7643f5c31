/* SPDX-License-Identifier: Apache-2.0 */
/* Two item addresses, and links to where they are. */
#include "cli/both.h"

#include "base/mem.h"
#include "base/text.h"
#include "exec/place.h"
#include "provider/provider.h"

#include <limits.h>
#include <string.h>

static bool
is_kind (const char *word)
{
  return provider_kinds ()->find (word) != NULL;
}

/* A local path is made absolute: the agent takes no other.  What does not
 * exist yet may be the last component alone. */
static struct err *
make_absolute (const char *text, char **name)
{
  char path[PATH_MAX];
  CLEANUP_FREE char *last = NULL;
  CLEANUP_FREE char *above = NULL;
  if (realpath (*name, path) == NULL) {
    size_t n = strlen (*name);
    while (n > 1 && (*name)[n - 1] == '/')
      n--;
    size_t cut = n;
    while (cut > 0 && (*name)[cut - 1] != '/')
      cut--;
    last = mem_strndup (*name + cut, n - cut);
    above = cut > 0 ? mem_strndup (*name, cut) : mem_strdup (".");
    if (realpath (above, path) == NULL || strcmp (last, "..") == 0)
      return err_new (ERR_CORRECT, "RH-CLI-ITEM",
                      "%s: there is no such directory here", text);
  }
  free (*name);
  *name = last == NULL ? mem_strdup (path) : mem_printf ("%s/%s", path, last);
  return NULL;
}

/* A database that a server has. */
static bool
is_served (const struct address *a)
{
  return strcmp (a->kind, "mariadb") == 0
         || strcmp (a->kind, "postgresql") == 0;
}

static struct err *
one (const char *text, bool databases, struct address *out)
{
  TRY (address_parse (text, is_kind, out));
  bool database
      = databases && (strcmp (out->kind, "sqlite") == 0 || is_served (out));
  if (strcmp (out->kind, "files") != 0 && !database)
    return err_advise (err_new (ERR_CORRECT, "RH-CLI-ITEM",
                                "%s: this version copies trees of files and "
                                "databases alone, and compares trees",
                                text),
                       "nothing was changed",
                       "give [HOST:]/PATH, or to copy [HOST:]sqlite:/PATH, "
                       "[HOST:]mariadb:NAME or [HOST:]postgresql:NAME");
  if (json_object_size (out->options) > 0)
    return err_new (ERR_CORRECT, "RH-CLI-ITEM",
                    "%s: this version takes no options behind a name", text);
  if (is_served (out))
    return NULL;
  if (out->name[0] != '/' && out->host == NULL)
    TRY (make_absolute (text, &out->name));
  if (out->name[0] != '/')
    return err_new (ERR_CORRECT, "RH-CLI-ITEM", "%s: the path is not absolute",
                    text);
  for (size_t n = strlen (out->name); n > 1 && out->name[n - 1] == '/'; n--)
    out->name[n - 1] = 0;
  if (!text_is_utf8 (out->name, strlen (out->name)))
    return err_new (ERR_CORRECT, "RH-CLI-ITEM",
                    "%s: the path of an item itself must be UTF-8 (the names "
                    "below it may be any)",
                    text);
  return NULL;
}

struct err *
both_parse (const struct invocation *in, bool databases, struct both *out)
{
  memset (out, 0, sizeof *out);
  TRY (one (in->args[0], databases, &out->from));
  TRY (one (in->args[1], databases, &out->to));
  if (strcmp (out->from.kind, out->to.kind) != 0)
    return err_new (ERR_CORRECT, "RH-CLI-ITEM", "%s and %s are not of one kind",
                    in->args[0], in->args[1]);
  if (is_served (&out->from) && strcmp (out->from.name, out->to.name) != 0)
    return err_new (ERR_CORRECT, "RH-CLI-ITEM",
                    "%s and %s: a server's database keeps its name",
                    in->args[0], in->args[1]);
  return NULL;
}

json_t *
both_rules (const struct invocation *in, bool encoded)
{
  json_t *out = json_array ();
  for (size_t i = 0; i < in->typed_count; i++) {
    const struct typed *t = &in->typed[i];
    if (t->id != OPT_EXCLUDE && t->id != OPT_INCLUDE)
      continue;
    CLEANUP_FREE char *rule
        = mem_printf ("%s%s", t->id == OPT_INCLUDE ? "+ " : "- ", t->value);
    json_array_append_new (out, encoded ? json_bytes (rule, strlen (rule))
                                        : json_string (rule));
  }
  return out;
}

static struct err *
map_pair (const char *text, json_t *out)
{
  char *end = NULL, *last = NULL;
  unsigned long from = strtoul (text, &end, 10), to = 0;
  if (*text >= '0' && *text <= '9' && *end == ':' && end[1] >= '0'
      && end[1] <= '9')
    to = strtoul (end + 1, &last, 10);
  if (last == NULL || *last != 0 || from >= UINT32_MAX || to >= UINT32_MAX)
    return err_todo (err_new (ERR_CORRECT, "RH-CLI-USAGE",
                              "not a map of ids: %s", text),
                     "give two numbers, such as --map-user=1000:2000");
  json_array_append_new (out, json_pack ("[I, I]", (json_int_t)from,
                                         (json_int_t)to));
  return NULL;
}

struct err *
both_map (const struct invocation *in, enum option_id id, json_t **out)
{
  CLEANUP_JSON json_t *map = json_array ();
  for (size_t i = 0; i < in->typed_count; i++)
    if (in->typed[i].id == id)
      TRY (map_pair (in->typed[i].value, map));
  *out = STEAL (map);
  return NULL;
}

static struct err *
open_one (const struct both *i, const char *name, const struct address *a,
          struct link **out)
{
  struct link_where where = { .name = name,
                              .host = a->host != NULL ? a->host : "local",
                              .port = a->port,
                              .agent_path = i->agent };
  return err_wrap (link_open (&where, out), "%s (%s)", name, where.host);
}

struct err *
both_open (struct both *i)
{
  TRY (place_agent (&i->agent));
  TRY (open_one (i, "source", &i->from, &i->source));
  return open_one (i, "target", &i->to, &i->target);
}

void
both_clear (struct both *i)
{
  link_close (i->source);
  link_close (i->target);
  address_clear (&i->from);
  address_clear (&i->to);
  free (i->agent);
}
