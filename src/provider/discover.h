/* SPDX-License-Identifier: Apache-2.0 */
/* What the looks of `rehome plan` gather, one after the other.  Only between
 * draft.c and the discover_*.c files. */
#ifndef REHOME_PROVIDER_DISCOVER_H
#define REHOME_PROVIDER_DISCOVER_H

#include "base/err.h"
#include "provider/draft.h"
#include "wire/json.h"

struct draft {
  struct port *source, *target; /* target: NULL where not looked at */
  const struct draft_names *names;
  json_t *facts, *target_facts; /* objects, may be empty */
  json_t *items;                /* array of {"kind", "spec", "off", "why"} */
  json_t *addresses; /* array of {"move", "interface", "off", "why"} */
  json_t *smoke;     /* array of {"http", "status", "why", "off"} */
  json_t *leave;     /* array of {"key", "name", "why"}: known, stays */
  json_t *decide;    /* array of {"key", "name", "why"}: for a person */
  json_t *notes;     /* array of strings */
  json_t *users;     /* array of {"name","uid","gid","home","shell"} */
  json_t *there;     /* names of accounts on the target -> uid; or empty */
  json_t *units;     /* array: properties of the units that move */
  json_t *uses;      /* path -> reason */
  json_t *moving;    /* names of the accounts that move */
  char *reached;     /* the address on which ssh reaches the source, or NULL */
  json_t *listeners, *writers; /* rows of process.listeners, process.open */
};

/* Each adds to the draft; discover.c calls them in this order. */
struct err *discover_hosts (struct draft *d);
struct err *discover_units (struct draft *d);
struct err *discover_accounts (struct draft *d);
struct err *discover_cron (struct draft *d);
struct err *discover_processes (struct draft *d);
struct err *discover_databases (struct draft *d);
struct err *discover_config (struct draft *d);
struct err *discover_files (struct draft *d);
struct err *discover_ready (struct draft *d);
struct err *discover_network (struct draft *d);
struct err *discover_unclaimed (struct draft *d);
struct err *discover_unseen (struct draft *d);
/* All of the above. */
struct err *discover_all (struct draft *d);

/* Shared looks.  Text of a member, "" where it has none. */
const char *look_text (const json_t *o, const char *key);
/* Lines of a program's output; an array, empty where the program is missing
 * or fails. */
struct err *look_lines (struct draft *d, const char *const *argv, json_t **out);
/* The same for an argv (stolen) that was built. */
struct err *look_run (struct draft *d, json_t *argv, json_t **out);
/* A file of at most 256 KiB that is UTF-8, as text; NULL where it is not
 * there, larger, or not text. */
struct err *look_file (struct port *p, const char *path, char **out);
/* Which of these paths (array of strings) packages brought: path -> package.
 * Both spellings of a merged /usr count. */
struct err *look_packages (struct draft *d, const json_t *paths, json_t **out);
/* Absolute paths that a text names; they go to draft_uses. */
void look_paths_in (struct draft *d, const char *text, const char *where);
/* The page to ask for below "http://HOST[:PORT]": the first usual one that is
 * answered with 200, else "/"; `status` 0 where that is not answered. */
struct err *look_page (struct draft *d, const char *base, const char **page,
                       json_int_t *status);
/* The unit is among those that move, or belongs to one of them. */
bool look_unit_moves (const struct draft *d, const char *unit);
/* The unit is a server whose databases are items. */
bool look_serves_items (const struct draft *d, const char *unit);
bool look_matches (const char *word, const char *const *patterns);
const char *look_user_name (const struct draft *d, int64_t uid);

#endif
