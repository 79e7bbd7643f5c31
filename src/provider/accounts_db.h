/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's accounts as its files say: passwd, shadow and group, decoded, and
 * the map of ids between two hosts.  Pure: no host is touched here.
 *
 * Threads: an object belongs to one thread at a time.  Password hashes live
 * here only, and are wiped by accounts_db_free.
 */
#ifndef REHOME_PROVIDER_ACCOUNTS_DB_H
#define REHOME_PROVIDER_ACCOUNTS_DB_H

#include "base/cleanup.h"
#include "base/err.h"
#include "wire/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ageing {
  AGE_CHANGED,
  AGE_MIN,
  AGE_MAX,
  AGE_WARN,
  AGE_INACTIVE,
  AGE_EXPIRE,
  AGE_COUNT
};

struct account {
  char *name;
  uint32_t uid, gid;
  char *gecos, *home, *shell;
  char *hash;           /* NULL: no line in shadow */
  char *age[AGE_COUNT]; /* as written; "" is unset */
};

struct account_group {
  char *name;
  uint32_t gid;
  json_t *members; /* array of strings */
};

struct accounts_db {
  struct account *users;
  size_t users_n, users_cap;
  struct account_group *groups;
  size_t groups_n, groups_cap;
};

/* Texts are the whole files.  Lines that are not complete entries (NIS "+",
 * comments) are skipped; a number out of range is "RH-ACCOUNTS-FORMAT". */
struct err *accounts_db_parse (const char *passwd, const char *shadow,
                               const char *group, struct accounts_db **out);
void accounts_db_free (struct accounts_db *db);
static inline void
cleanup_accounts_db_ (struct accounts_db **db)
{
  accounts_db_free (*db);
}
#define CLEANUP_ACCOUNTS CLEANUP (cleanup_accounts_db_)

const struct account *accounts_user (const struct accounts_db *db,
                                     const char *name);
const struct account *accounts_uid (const struct accounts_db *db, uint32_t uid);
const struct account_group *accounts_group (const struct accounts_db *db,
                                            const char *name);
const struct account_group *accounts_gid (const struct accounts_db *db,
                                          uint32_t gid);
/* Is `user` a member of `group` by the member list? */
bool accounts_member (const struct account_group *group, const char *user);

/* The map for the named users and groups (arrays of strings) and for
 * everything that both hosts know by the same name:
 * {"uids": [[from, to]...], "gids": [...], "users": [{"name","uid","from"}],
 *  "groups": [...], "moved_aside": [{"kind","name","from","to","taken_by"}]}.
 * Injective on all ids that the source knows; "RH-ACCOUNTS-ABSENT" where a
 * name is not on the source. */
struct err *accounts_map (const struct accounts_db *source,
                          const struct accounts_db *target, const json_t *users,
                          const json_t *groups, json_t **out);

/* What `id` of the source is on the target; ids that are not mapped stay. */
uint32_t accounts_mapped (const json_t *pairs, uint32_t id);

#endif
