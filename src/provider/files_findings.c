/* SPDX-License-Identifier: Apache-2.0 */
/* What a person should know before a tree is copied: what the target cannot
 * hold, what is mounted in it, swap files, hard links that leave it. */
#include "provider/files.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/sqlite_live.h"
#include "provider/steps.h"
#include "tree/filter.h"

#include <string.h>

/* What each word of `tree.probe` means to a person. */
static const struct lack {
  const char *word;
  const char *what; /* "12 entries ..." */
  bool fatal;       /* what uses it cannot be copied at all */
} lacks[] = {
  { "owner", "have owners other than root", false },
  { "mode", "have permissions of their own", false },
  { "user", "have attributes of users (user.*)", false },
  { "trusted", "have trusted attributes", false },
  { "security", "have security labels", false },
  { "acl", "have ACLs", false },
  { "capability", "have capabilities", false },
  { "flags", "are immutable, append-only or not to be dumped", false },
  { "project", "have project ids", false },
  { "nanoseconds", "have times with parts of a second", false },
  { "before-1970", "have times before 1970", false },
  { "after-2038", "have times after 2038", false },
  { "after-2106", "have times after 2106", false },
  { "holes", "have holes, which would take their room", false },
  { "special", "are fifos, sockets or devices", true },
  { "symlink", "are symbolic links", true },
  { "hardlink", "have further names (hard links)", true },
  { "case", "have names that differ in case alone from others", true },
  { "long-name", "have long names", true },
  { "odd-name", "have names that are not UTF-8 or hold odd characters", true },
  { "big", "are larger than 4 GiB", true },
};

static char *
examples (const json_t *paths)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  for (size_t i = 0; i < json_array_size (paths) && i < 3; i++) {
    const char *p = json_string_value (json_array_get (paths, i));
    err_free (buf_printf (&b, "%s%s", i > 0 ? ", " : "",
                          p == NULL ? "?"
                          : *p == 0 ? "."
                                    : p));
  }
  return b.data != NULL ? buf_steal_str (&b) : mem_strdup ("");
}

static void
add (json_t *findings, const char *code, char *message, const char *todo)
{
  json_array_append_new (findings,
                         json_pack ("{s:s, s:s, s:s*}", "code", code, "message",
                                    message, "todo", todo));
  free (message);
}

/* One sentence for each thing that is lacking and used. */
static struct err *
check_lacks (const char *to, const json_t *uses, json_t *findings)
{
  CLEANUP_BUF struct buf cannot = BUF_INIT;
  for (size_t i = 0; i < sizeof lacks / sizeof *lacks; i++) {
    const json_t *used = json_at (uses, lacks[i].word);
    long long n = json_integer_value (json_at (used, "count"));
    if (n == 0)
      continue;
    CLEANUP_FREE char *some = examples (json_at (used, "paths"));
    if (lacks[i].fatal)
      TRY (buf_printf (&cannot, "%s%lld entries %s (%s)",
                       cannot.len > 0 ? "; " : "", n, lacks[i].what, some));
    else
      add (findings, "RH-FILES-LOSES",
           mem_printf ("the filesystem at %s on the target cannot hold it: "
                       "%lld entries %s (%s)",
                       to, n, lacks[i].what, some),
           "copy to a filesystem that can, or take the loss");
  }
  if (cannot.len == 0)
    return NULL;
  return err_advise (err_new (ERR_BLOCKED, "RH-FILES-CANNOT",
                              "the filesystem at %s on the target cannot hold "
                              "what is to be copied: %s",
                              to, (const char *)cannot.data),
                     "nothing was changed",
                     "copy to another filesystem, or leave them out with "
                     "exclude:");
}

static struct err *
mounted_err (const char *path, const json_t *one)
{
  return err_todo (
      err_new (ERR_BLOCKED, "RH-FILES-MOUNT",
               "%s below %s is a filesystem of its own (%s), which the item "
               "does not enter",
               json_string_value (json_at (one, "path")), path,
               json_string_value (json_at (one, "filesystem"))),
      "leave it out with exclude: or one-file-system:, and make it an item "
      "where it has to move");
}

/* What is mounted below is never entered. */
static struct err *
check_mounts (const struct step_call *call, const char *path,
              const json_t *usage, json_t *findings)
{
  bool one_fs = json_is_true (json_at (call->item->spec, "one-file-system"));
  size_t i;
  json_t *one;
  json_array_foreach (json_at (usage, "mounted"), i, one)
  {
    const char *class = json_string_value (json_at (one, "class"));
    bool network = class != NULL && strcmp (class, "network") == 0;
    bool disk = class == NULL || strcmp (class, "disk") == 0;
    if (disk && !one_fs)
      return mounted_err (path, one);
    add (findings, "RH-FILES-MOUNT",
         mem_printf ("%s is a filesystem of its own (%s) and is left out",
                     json_string_value (json_at (one, "path")),
                     json_string_value (json_at (one, "filesystem"))),
         network ? "mount it on the target as on the source"
         : disk  ? "make it an item where it has to move"
                 : NULL);
  }
  return NULL;
}

/* Those that the item takes. */
static struct err *
databases_of (const struct step_call *call, const char *from, json_t **out)
{
  CLEANUP_FILTER struct filter *filter = NULL;
  CLEANUP_JSON json_t *rules = files_exclude (call->plan, call->item->spec);
  CLEANUP_JSON json_t *live = NULL;
  CLEANUP_FREE char *top = text_encode (from, strlen (from));
  size_t i, n = strlen (top);
  json_t *one;
  TRY (filter_read (rules, &filter));
  TRY (sqlite_live (call->source, from, &live));
  *out = json_array ();
  json_array_foreach (live, i, one)
  {
    const char *coded = json_string_value (one);
    CLEANUP_FREE char *rel = NULL;
    size_t len = 0;
    if (strncmp (coded, top, n) == 0 && coded[n] == '/')
      TRY (text_decode (coded + n + 1, &rel, &len));
    if (rel == NULL || !filter_hides (filter, rel, len, false))
      json_array_append (*out, one);
  }
  return NULL;
}

/* The bytes of a database in use are no copy of it.  Where a freeze follows
 * all of it is copied at rest in the last round; where nothing in the plan
 * stops a writer it is not copied at all. */
static struct err *
check_databases (const struct step_call *call, const char *from,
                 json_t *findings)
{
  CLEANUP_JSON json_t *live = NULL;
  TRY (databases_of (call, from, &live));
  if (json_array_size (live) == 0)
    return NULL;
  CLEANUP_FREE char *some = examples (live);
  bool frozen = plan_item_count (call->plan) > 1;
  char *said = mem_printf ("%zu SQLite databases below %s are in use: %s",
                           json_array_size (live), from, some);
  if (frozen) {
    add (findings, "RH-FILES-DATABASE", said,
         "on the target they are whole behind the last round alone; as items "
         "of sqlite: they are whole from the first copy on");
    return NULL;
  }
  struct err *e = err_advise (
      err_new (ERR_BLOCKED, "RH-FILES-DATABASE",
               "%s; their bytes alone would be no copy of them", said),
      "nothing was changed",
      "copy each as a database, rehome copy HOST:sqlite:PATH sqlite:PATH, and "
      "leave it out here with its -wal, -shm and -journal: "
      "--exclude='NAME*'");
  free (said);
  return e;
}

struct err *
files_findings (const struct step_call *call, json_t *usage)
{
  CLEANUP_FREE char *from = files_from (call->item->spec);
  CLEANUP_FREE char *to = files_to (call->item->spec);
  CLEANUP_JSON json_t *findings = json_array ();
  long long links = json_integer_value (json_at (usage, "outside"));
  long long swaps = json_integer_value (json_at (usage, "swaps"));
  if (links > 0)
    add (findings, "RH-FILES-HARDLINKS",
         mem_printf ("%lld files below %s have names outside of it, too; on "
                     "the target they will be files of their own",
                     links, from),
         NULL);
  if (swaps > 0) {
    CLEANUP_FREE char *some = examples (json_at (usage, "swap_paths"));
    add (findings, "RH-FILES-SWAP",
         mem_printf ("%lld swap files are left out: %s", swaps, some),
         "make swap on the target where it needs some");
  }
  TRY (check_databases (call, from, findings));
  TRY (check_mounts (call, from, usage, findings));
  TRY (check_lacks (to, json_at (usage, "uses"), findings));
  json_object_set (usage, "findings", findings);
  return NULL;
}
