/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps of a graph mean to the model world. */
#include "world.h"

#include "base/mem.h"

#include <string.h>

static const struct {
  const char *kind, *op;
  enum role role;
} names[] = {
  { "files:", "#seed", ROLE_COPY },
  { "files:", "#round", ROLE_COPY },
  { "files:", "#final", ROLE_COPY },
  { "files:", "#apply", ROLE_APPLY },
  { "files:", "#prove", ROLE_PROOF },
  { "files:", "#verify", ROLE_PROOF },
  { "move#", "#flag", ROLE_FLAG },
  { "service:", "#stop", ROLE_STOP },
  { "cron:", "#stop", ROLE_CRON_STOP },
  { "move#", "#identity", ROLE_CLOCKS },
  { "move#", "#recheck", ROLE_CLOCKS },
  { "move#", "#frozen", ROLE_WRITERS },
  { "move#", "#still-frozen", ROLE_WRITERS },
  { "service:", "#gate", ROLE_GATE },
  { "move#", "#unflag", ROLE_UNFLAG },
  { "service:", "#start", ROLE_START },
  { "move#", "#smoke-inside", ROLE_SMOKE_INSIDE },
  { "address:", "#take", ROLE_TAKE },
  { "address:", "#give", ROLE_GIVE },
  { "move#", "#smoke-outside", ROLE_SMOKE_OUTSIDE },
  { "move#", "#pivot", ROLE_PIVOT },
  { "move#", "#claim", ROLE_CLAIM },
  { "move#", "#cleanup", ROLE_CLEANUP },
  { "service:", "#enable", ROLE_ENABLE },
  { "cron:", "#release", ROLE_RELEASE },
};

/* Those of the way back mean the same, from the other side. */
static enum role
role_of (const char *id, const char *op)
{
  CLEANUP_FREE char *plain = strncmp (op, "#back-", 6) == 0
                                 ? mem_printf ("#%s", op + 6)
                                 : mem_strdup (op);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strncmp (id, names[i].kind, strlen (names[i].kind)) == 0
        && strcmp (plain, names[i].op) == 0)
      return names[i].role;
  return ROLE_OTHER;
}

static bool
is_back (const char *id)
{
  return strstr (id, "#back-") != NULL;
}

static bool
has (const struct world *w, enum role role, bool back)
{
  for (size_t i = 0; i < graph_len (w->graph); i++)
    if (w->role[i] == role && is_back (graph_at (w->graph, i)->id) == back)
      return true;
  return false;
}

/* Where no step is for it alone, the gate is put up when the units are placed,
 * and cron stands still from the hold on. */
static void
stand_in (struct world *w, enum role role, const char *kind, const char *op)
{
  if (has (w, role, strncmp (op, "#back-", 6) == 0))
    return;
  for (size_t i = 0; i < graph_len (w->graph); i++) {
    const char *id = graph_at (w->graph, i)->id;
    if (strncmp (id, kind, strlen (kind)) == 0
        && strcmp (strrchr (id, '#'), op) == 0)
      w->role[i] = role;
  }
}

void
world_roles (struct world *w)
{
  for (size_t i = 0; i < graph_len (w->graph); i++) {
    const char *id = graph_at (w->graph, i)->id;
    w->role[i] = role_of (id, strrchr (id, '#'));
  }
  stand_in (w, ROLE_GATE, "service:", "#place");
  stand_in (w, ROLE_CRON_STOP, "cron:", "#hold");
  stand_in (w, ROLE_CRON_STOP, "cron:", "#back-hold");
}
