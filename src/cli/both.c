/* SPDX-License-Identifier: Apache-2.0 */
/* Two item addresses, and links to where they are. */
#include "cli/both.h"

#include "base/mem.h"
#include "exec/place.h"
#include "provider/provider.h"

#include <limits.h>
#include <string.h>

static bool
is_kind (const char *word)
{
  return provider_kinds ()->find (word) != NULL;
}

/* A local path is made absolute: the agent takes no other. */
static struct err *
one (const char *text, struct address *out)
{
  TRY (address_parse (text, is_kind, out));
  if (strcmp (out->kind, "files") != 0)
    return err_advise (err_new (ERR_CORRECT, "RH-CLI-ITEM",
                                "%s: this version copies and compares trees "
                                "of files alone",
                                text),
                       "nothing was changed", "give [HOST:]/PATH");
  if (out->name[0] != '/' && out->host == NULL) {
    char path[PATH_MAX];
    if (realpath (out->name, path) == NULL)
      return err_new (ERR_CORRECT, "RH-CLI-ITEM",
                      "%s: there is no such path here", text);
    free (out->name);
    out->name = mem_strdup (path);
  }
  if (out->name[0] != '/')
    return err_new (ERR_CORRECT, "RH-CLI-ITEM", "%s: the path is not absolute",
                    text);
  return NULL;
}

struct err *
both_parse (const struct invocation *in, struct both *out)
{
  memset (out, 0, sizeof *out);
  TRY (one (in->args[0], &out->from));
  return one (in->args[1], &out->to);
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
