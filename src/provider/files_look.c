/* SPDX-License-Identifier: Apache-2.0 */
/* Looks before anything is copied: is it there, does it fit, is something in
 * the way. */
#include "provider/files.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

#define SPARE_BYTES ((uint64_t)16 << 20)

static struct err *
count (const struct step_call *call, struct port *port, bool target,
       json_t *uses, json_t **usage)
{
  CLEANUP_JSON json_t *args = files_args (call, target);
  if (uses != NULL)
    json_object_set (args, "uses", uses);
  /* A copy that is made again finds out by its own walk what is new. */
  bool again = !target && files_into (call->item->spec) != INTO_OWN;
  json_object_set_new (args, "known", json_boolean (again));
  return port->ops->call (port, "tree.usage", args, call->tick, call->ctx,
                          usage);
}

/* The source's usage; an absent path is a blocker. */
static struct err *
count_source (const struct step_call *call, json_t *uses, json_t **usage)
{
  struct remote_file at CLEANUP_REMOTE = { 0 };
  CLEANUP_FREE char *path = files_from (call->item->spec);
  TRY (remote_stat (call->source, path, &at));
  if (!at.exists)
    return err_advise (err_new (ERR_BLOCKED, "RH-FILES-ABSENT",
                                "%s is not there on the source", path),
                       "nothing was changed",
                       "mend the path in the plan, or drop the item");
  return count (call, call->source, false, uses, usage);
}

static struct err *
check_readable (const char *path, const json_t *usage)
{
  const json_t *bad = json_at (usage, "unreadable_paths");
  if (json_array_size (bad) == 0)
    return NULL;
  return err_todo (
      err_new (ERR_BLOCKED, "RH-TREE-UNREADABLE",
               "%lld entries below %s cannot be read, the first is %s",
               (long long)json_integer_value (json_at (usage, "unreadable")),
               path, json_string_value (json_array_get (bad, 0))),
      "mend them, or leave them out with exclude:");
}

/* Bytes and inodes that an earlier copy of ours holds already. */
static struct err *
count_copy (const struct step_call *call, uint64_t *bytes, uint64_t *inodes)
{
  CLEANUP_FREE char *index = files_index (call->item->spec, true);
  CLEANUP_FREE char *own = steps_path (call, "index/%s.own", index);
  CLEANUP_FREE char *to = files_to (call->item->spec);
  CLEANUP_JSON json_t *usage = NULL;
  bool ours, there;
  *bytes = *inodes = 0;
  TRY (remote_exists (call->target, own, &ours));
  TRY (remote_exists (call->target, to, &there));
  if (!there || (!ours && files_into (call->item->spec) < INTO_MERGE))
    return NULL;
  TRY (count (call, call->target, true, NULL, &usage));
  *inodes = (uint64_t)(json_integer_value (json_at (usage, "files"))
                       + json_integer_value (json_at (usage, "dirs")));
  return json_get_u64 (usage, "allocated", bytes);
}

static struct err *
place_of (struct port *port, const char *path, json_t **space)
{
  return port_call (
      port, "space",
      json_pack ("{s:o}", "path", json_bytes (path, strlen (path))), space);
}

/* A copy of one item for which there is room twice: what lies there need not
 * be counted, and what it needs is said as if nothing did. */
static bool
fits_anyway (const struct step_call *call, uint64_t need, uint64_t free_bytes)
{
  return files_into (call->item->spec) != INTO_OWN
         && free_bytes / 2 > need + SPARE_BYTES;
}

static struct err *
check_space (const struct step_call *call, const json_t *usage, json_t *result)
{
  CLEANUP_FREE char *to = files_to (call->item->spec);
  CLEANUP_JSON json_t *space = NULL;
  uint64_t need, have, free_bytes, free_inodes, held_inodes, total;
  TRY (place_of (call->target, to, &space));
  TRY (json_get_u64 (usage, "allocated", &need));
  TRY (json_get_u64 (space, "bytes_free", &free_bytes));
  TRY (json_get_u64 (space, "inodes_free", &free_inodes));
  uint64_t inodes = 0;
  static const char *const kinds[] = { "files", "dirs", "links", "others" };
  for (size_t i = 0; i < 4; i++)
    inodes += (uint64_t)json_integer_value (json_at (usage, kinds[i]));
  if (fits_anyway (call, need, free_bytes) && inodes < free_inodes / 2)
    have = held_inodes = 0;
  else
    TRY (count_copy (call, &have, &held_inodes));
  need = need > have ? need - have + need / 50 : need / 50;
  inodes = inodes > held_inodes ? inodes - held_inodes : 0;
  json_object_set_new (result, "needs", json_u64 (need));
  json_object_set_new (result, "needs_inodes", json_u64 (inodes));
  json_object_set (result, "space", space);
  if (json_is_true (json_at (space, "readonly")))
    return err_new (ERR_BLOCKED, "RH-FILES-READONLY",
                    "%s would lie on a filesystem of the target that is "
                    "mounted read-only",
                    to);
  need += SPARE_BYTES;
  TRY (json_get_u64 (space, "bytes_total", &total));
  /* One that has no size at all (ramfs) takes what there is memory for. */
  if ((free_bytes >= need || total == 0) && free_inodes >= inodes)
    return NULL;
  return err_todo (
      err_new (ERR_BLOCKED, "RH-FILES-NOSPACE",
               "%s does not fit on the target: it needs %llu bytes and %llu "
               "inodes more, free are %llu and %llu",
               to, (unsigned long long)need, (unsigned long long)inodes,
               (unsigned long long)free_bytes, (unsigned long long)free_inodes),
      "make room on the target, or leave out what need not move");
}

static bool
is_within (const char *path, const char *dir)
{
  size_t n = strlen (dir);
  return strcmp (dir, "/") == 0
         || (strncmp (path, dir, n) == 0 && (path[n] == 0 || path[n] == '/'));
}

/* On one machine the target may not lie in the source, nor around it, by
 * whatever mount or link it is reached. */
static struct err *
check_apart (const struct step_call *call)
{
  CLEANUP_FREE char *from = files_from (call->item->spec);
  CLEANUP_FREE char *to = files_to (call->item->spec);
  CLEANUP_JSON json_t *a = NULL, *b = NULL, *here = NULL, *there = NULL;
  TRY (port_call (call->source, "facts", NULL, &a));
  TRY (port_call (call->target, "facts", NULL, &b));
  if (!json_equal (json_at (a, "machine_id"), json_at (b, "machine_id"))
      || !json_equal (json_at (a, "boot_id"), json_at (b, "boot_id")))
    return NULL;
  TRY (place_of (call->source, from, &here));
  TRY (place_of (call->target, to, &there));
  const char *x = json_string_value (json_at (here, "inner"));
  const char *y = json_string_value (json_at (there, "inner"));
  if (x == NULL || y == NULL
      || !json_equal (json_at (here, "device"), json_at (there, "device"))
      || (!is_within (x, y) && !is_within (y, x)))
    return NULL;
  return err_advise (
      err_new (ERR_BLOCKED, "RH-FILES-OVERLAP",
               "%s and %s are %s on one machine", from, to,
               strcmp (x, y) == 0 ? "the same place" : "one inside the other"),
      "nothing was changed", "copy to a place outside of the source");
}

/* What the target's filesystem lacks; what cannot be tried is found out by
 * other checks.  A probe that was cut off is made again: it takes away what
 * the first has left. */
static struct err *
find_lacks (const struct step_call *call, json_t **lacks)
{
  CLEANUP_FREE char *to = files_to (call->item->spec);
  CLEANUP_JSON json_t *probed = NULL;
  struct err *e
      = port_call (call->target, "tree.probe",
                   json_pack ("{s:o}", "root", json_bytes (to, strlen (to))),
                   &probed);
  if (port_is_lost (e))
    return e;
  *lacks = e == NULL ? json_incref (json_at (probed, "lacks")) : json_array ();
  err_free (e);
  return NULL;
}

struct err *
files_usage (const struct step_call *call, json_t **result)
{
  CLEANUP_JSON json_t *usage = NULL;
  CLEANUP_JSON json_t *lacks = NULL;
  CLEANUP_FREE char *path = files_from (call->item->spec);
  TRY (check_apart (call));
  TRY (find_lacks (call, &lacks));
  TRY (count_source (call, lacks, &usage));
  TRY (check_readable (path, usage));
  TRY (check_space (call, usage, usage));
  TRY (files_findings (call, usage));
  *result = STEAL (usage);
  return NULL;
}

static struct err *
in_way (const char *what, enum files_into into)
{
  return err_advise (
      err_new (ERR_BLOCKED, "RH-TREE-INWAY",
               "content is in the way on the target: %s", what),
      "nothing was changed",
      into == INTO_KEEP
          ? "move it away, or give --merge (the same names are replaced, the "
            "rest stays) or --delete (the target becomes the same)"
          : "move it away, or say overwrite: true at the item; what is there "
            "is then kept aside");
}

/* The names in a directory that count as content; new reference. */
static struct err *
content_of (struct port *p, const char *path, json_t **out)
{
  CLEANUP_JSON json_t *names = NULL;
  TRY (remote_names (p, path, &names));
  *out = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (names, i, one)
  {
    const char *n = json_string_value (one);
    if (strcmp (n, "lost+found") != 0 && strcmp (n, ".rehome-tmp") != 0)
      json_array_append (*out, one);
  }
  return NULL;
}

/* What is in the way at `to`, as a path; NULL where nothing is. */
static struct err *
find_in_way (const struct step_call *call, const char *to, char **what,
             bool *same)
{
  struct remote_file there CLEANUP_REMOTE = { 0 };
  struct remote_file ours CLEANUP_REMOTE = { 0 };
  CLEANUP_FREE char *from = files_from (call->item->spec);
  CLEANUP_JSON json_t *names = NULL;
  *what = NULL;
  *same = false;
  TRY (remote_stat (call->target, to, &there));
  if (!there.exists)
    return NULL;
  if (strcmp (there.type, "dir") == 0) {
    TRY (content_of (call->target, to, &names));
    if (json_array_size (names) > 0)
      *what = mem_printf ("%s/%s", to,
                          json_string_value (json_array_get (names, 0)));
    return NULL;
  }
  TRY (remote_stat (call->source, from, &ours));
  *same = there.digest != NULL && ours.digest != NULL
          && strcmp (there.digest, ours.digest) == 0;
  if (!*same)
    *what = mem_strdup (to);
  return NULL;
}

struct err *
files_inway (const struct step_call *call, json_t **result)
{
  CLEANUP_FREE char *index = files_index (call->item->spec, true);
  CLEANUP_FREE char *own = steps_path (call, "index/%s.own", index);
  CLEANUP_FREE char *to = files_to (call->item->spec);
  CLEANUP_FREE char *what = NULL;
  bool ours, same = false;
  TRY (remote_exists (call->target, own, &ours));
  if (!ours)
    TRY (find_in_way (call, to, &what, &same));
  enum files_into into = files_into (call->item->spec);
  if (what != NULL && into < INTO_MERGE && !files_overwrite (call->item->spec))
    return in_way (what, into);
  json_t *findings = json_array ();
  if (what != NULL)
    json_array_append_new (
        findings,
        json_sprintf ("%s is on the target already; %s", what,
                      into == INTO_MERGE    ? "what the source does not have "
                                              "stays there"
                      : into == INTO_MIRROR ? "what the source does not have "
                                              "will be removed"
                                            : "it will be kept aside"));
  *result = json_pack ("{s:b, s:b, s:o}", "ours", ours, "same", same,
                       "findings", findings);
  return NULL;
}
