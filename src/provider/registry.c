/* SPDX-License-Identifier: Apache-2.0 */
/* The list of providers, and the kinds of items that a plan may name. */
#include "provider/provider.h"

#include <string.h>

/* address and move are no kinds of items: the plan's section switch and the
 * move itself are theirs. */
static const struct provider *const item_providers[]
    = { &provider_files,  &provider_accounts, &provider_service,
        &provider_cron,   &provider_sqlite,   &provider_postgresql,
        &provider_mariadb };
static const struct provider *const other_providers[]
    = { &provider_address, &provider_move };

static const struct provider *
find_in (const struct provider *const *list, size_t n, const char *kind)
{
  for (size_t i = 0; i < n; i++)
    if (strcmp (list[i]->kind.kind, kind) == 0)
      return list[i];
  return NULL;
}

const struct provider *
provider_find (const char *kind)
{
  const struct provider *p
      = find_in (item_providers, sizeof item_providers / sizeof *item_providers,
                 kind);
  if (p != NULL)
    return p;
  return find_in (other_providers,
                  sizeof other_providers / sizeof *other_providers, kind);
}

static const struct plan_kind *
find_kind (const char *kind)
{
  const struct provider *p
      = find_in (item_providers, sizeof item_providers / sizeof *item_providers,
                 kind);
  return p != NULL ? &p->kind : NULL;
}

const struct plan_kinds *
provider_kinds (void)
{
  static const struct plan_kinds kinds = { find_kind };
  return &kinds;
}
