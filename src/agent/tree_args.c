/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of the verbs of trees; see tree_args.h. */
#include "agent/tree_args.h"

#include "agent/apart.h"
#include "agent/fence.h"
#include "base/mem.h"
#include "host/confine.h"
#include "host/durable.h"
#include "tree/index.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

void
tree_args_clear (struct tree_args *c)
{
  free (c->root);
  free (c->index_dir);
  free (c->laid_dir);
  filter_free (c->filter);
  paths_free (&c->force);
  paths_free (&c->reread);
  paths_free (&c->remove);
  hints_free (&c->hints);
  idmaps_free (&c->maps);
}

/* A walk holds one descriptor for each level of the tree. */
static void
raise_files (void)
{
  struct rlimit r;
  if (getrlimit (RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max
      && r.rlim_cur < 8192)
  {
    r.rlim_cur = r.rlim_max < 8192 ? r.rlim_max : 8192;
    setrlimit (RLIMIT_NOFILE, &r);
  }
}

struct err *
tree_args_index (const json_t *args, bool required, struct tree_args *c)
{
  const char *id;
  TRY (json_opt_str (args, "migration", NULL, &id));
  TRY (json_opt_str (args, "index", NULL, &c->index));
  if (id == NULL && c->index == NULL && !required)
    return NULL;
  TRY (json_get_str (args, "migration", &id));
  TRY (json_get_str (args, "index", &c->index));
  TRY (fence_check_id (id));
  c->index_dir = mem_printf ("%s/%s/index", fence_state_dir (), id);
  return NULL;
}

static struct err *
read_root (const json_t *args, struct tree_args *c)
{
  size_t len;
  TRY (json_get_bytes (args, "root", &c->root, &len));
  while (len > 1 && c->root[len - 1] == '/')
    c->root[--len] = 0;
  if (c->root[0] != '/')
    return err_new (ERR_CORRECT, "RH-TREE-ROOT", "the root is not absolute");
  return NULL;
}

struct err *
tree_args_read (struct verb_call *call, bool index, struct tree_args *c)
{
  const json_t *args = call->args;
  int64_t of_files;
  uint64_t of_bytes = 0;
  raise_files ();
  TRY (read_root (args, c));
  TRY (tree_args_index (args, index, c));
  TRY (filter_read (json_at (args, "exclude"), &c->filter));
  TRY (paths_read (json_at (args, "force"), c->root, &c->force));
  TRY (paths_read (json_at (args, "reread"), c->root, &c->reread));
  TRY (paths_read (json_at (args, "remove"), c->root, &c->remove));
  c->hinted = json_at (args, "paths") != NULL;
  TRY (hints_read (&c->hints, json_at (args, "paths"), false));
  hints_seal (&c->hints);
  TRY (idmap_read (json_at (args, "uids"), &c->maps.uids));
  TRY (idmap_read (json_at (args, "gids"), &c->maps.gids));
  TRY (json_opt_int (args, "of_files", 0, INT64_MAX, 0, &of_files));
  if (json_at (args, "of_bytes") != NULL)
    TRY (json_get_u64 (args, "of_bytes", &of_bytes));
  c->watch = (struct tree_watch){ .tick = call->progress,
                                  .cancelled = call->cancelled,
                                  .ctx = call->ctx,
                                  .of_files = (uint64_t)of_files,
                                  .of_bytes = of_bytes };
  return NULL;
}

struct err *
tree_args_confine (const struct tree_args *c, int root, bool write)
{
  if (!apart_is_worker ())
    return NULL;
  CLEANUP_FD int index = -1;
  CLEANUP_FD int laid = -1;
  struct confine_place places[3];
  size_t n = 0;
  int got;
  if (root >= 0)
    places[n++] = (struct confine_place){ root, write };
  if (c->index_dir != NULL)
    index = open (c->index_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (index >= 0)
    places[n++] = (struct confine_place){ index, true };
  if (c->laid_dir != NULL)
    laid = open (c->laid_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (laid >= 0)
    places[n++] = (struct confine_place){ laid, true };
  return confine (places, n, write, &got);
}

struct err *
tree_args_confine_reader (const struct tree_args *c, bool make_index)
{
  if (make_index)
    TRY (durable_mkdirs (c->index_dir, 0700));
  CLEANUP_FD int root
      = c->root == NULL ? -1 : open (c->root, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  return tree_args_confine (c, root, false);
}

struct err *
tree_args_confine_writer (void *ctx, int dirfd)
{
  return tree_args_confine (ctx, dirfd, true);
}

struct err *
tree_args_laid (const json_t *args, struct tree_args *c)
{
  const char *id;
  CLEANUP_FREE char *checked = NULL;
  TRY (json_get_str (args, "migration", &id));
  TRY (index_path ("", c->index, "", &checked));
  c->laid_dir = mem_printf ("%s/%s/back", fence_state_dir (), id);
  return NULL;
}

struct err *
tree_args_receive (const json_t *args, const struct tree_args *c,
                   struct tree_receive *a)
{
  int64_t limit;
  TRY (json_opt_int (args, "delete_limit", 0, INT64_MAX, 1000, &limit));
  TRY (json_opt_bool (args, "adopt", false, &a->adopt));
  a->root = c->root;
  a->filter = c->filter;
  a->maps = &c->maps;
  a->remove = &c->remove;
  a->index_dir = c->index_dir;
  a->index = c->index;
  a->delete_limit = (uint64_t)limit;
  return NULL;
}

struct inventory_args
tree_args_inventory (const struct tree_args *c)
{
  return (struct inventory_args){ .root = c->root,
                                  .filter = c->filter,
                                  .force = &c->force,
                                  .index_dir = c->index_dir,
                                  .index = c->index,
                                  .full = true,
                                  .hints = c->hinted ? &c->hints : NULL };
}
