/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The definitions of a PostgreSQL database on their way into a first copy:
 * pg_dump's archive of one snapshot, of which the target's pg_restore makes
 * what it is told by the lines of the archive's own list (pg_restore -l, -L).
 * So every statement is PostgreSQL's, and what is made is known by its OID.
 * No row is in it; it lies where only the server's user reads it.
 */
#include "provider/postgresql_first.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

#define LIST_MAX ((size_t)64 << 20)

static char *
dir_of (const struct step_call *call)
{
  return mem_printf ("/var/lib/postgresql/rehome-%s", call->migration);
}

/* What the files of one item's archive begin with. */
static char *
prefix_of (const struct step_call *call)
{
  return mem_printf ("%ld.first.", steps_item_index (call->plan, call->item));
}

static char *
file_of (const struct archive *a, const char *name)
{
  char *prefix CLEANUP_FREE = prefix_of (a->call);
  return mem_printf ("%s/%s%s", a->dir, prefix, name);
}

void
postgresql_archive_clear (struct archive *a)
{
  free (a->dir);
  json_decref (a->env);
  json_decref (a->alone);
}

static struct err *
make_dir (const struct archive *a)
{
  uint32_t uid, gid;
  TRY (postgresql_ids (a->call->target, &uid, &gid));
  return remote_mkdir (a->call->target, a->dir, 0700, uid, gid);
}

struct err *
postgresql_archive_make (struct archive *a, const struct snapshot *s)
{
  const struct step_call *call = a->call;
  a->dir = dir_of (call);
  char *path CLEANUP_FREE = file_of (a, "dump");
  char *at CLEANUP_FREE = mem_printf ("--snapshot=%s", s->id);
  char *of CLEANUP_FREE = mem_printf ("of=%s", path);
  TRY (make_dir (a));
  json_t *dump = postgresql_argv (
      call->source, "pg_dump",
      ARGV ("--format=custom", "--compress=0", "--quote-all-identifiers",
            "--section=pre-data", "--section=post-data", at, "--dbname",
            postgresql_database (call)));
  json_t *keep = postgresql_as ("dd", ARGV ("bs=1M", "iflag=fullblock",
                                            "status=none", of));
  return postgresql_stream (call, dump, keep);
}

/* pg_restore for as long as it takes; `words` go before the archive. */
static struct err *
restore (const struct archive *a, const char *const *words, const json_t *env)
{
  struct port *p = a->call->target;
  char *path CLEANUP_FREE = file_of (a, "dump");
  json_t *argv = postgresql_argv (p, "pg_restore", words);
  remote_word (argv, path);
  return port_call (p, "program.digest",
                    json_pack ("{s:o, s:O}", "argv", argv, "env", env), NULL);
}

struct err *
postgresql_archive_begin (const struct archive *a)
{
  return restore (a,
                  ARGV ("--exit-on-error", "--section=pre-data", "--create",
                        "--dbname", "postgres"),
                  a->env);
}

struct err *
postgresql_archive_list (const struct archive *a, char **out)
{
  char *path CLEANUP_FREE = file_of (a, "dump");
  json_t *argv = postgresql_argv (a->call->target, "pg_restore",
                                  ARGV ("-l", "--section=post-data", path));
  return remote_output (a->call->target, json_pack ("{s:o}", "argv", argv),
                        LIST_MAX, out);
}

struct err *
postgresql_archive_make_of (const struct archive *a, const char *name,
                            const char *lines, int jobs, const json_t *env)
{
  char *list CLEANUP_FREE = file_of (a, name);
  char *use CLEANUP_FREE = mem_printf ("--use-list=%s", list);
  char *many CLEANUP_FREE = mem_printf ("--jobs=%d", jobs);
  TRY (remote_write (a->call->target, list, lines, strlen (lines), 0644));
  return restore (a,
                  ARGV ("--exit-on-error", "--section=post-data", use, many,
                        "--dbname", postgresql_database (a->call)),
                  env);
}

struct err *
postgresql_archive_remove (const struct step_call *call)
{
  char *dir CLEANUP_FREE = dir_of (call);
  char *prefix CLEANUP_FREE = prefix_of (call);
  size_t removed;
  TRY (remote_remove_prefixed (call->target, dir, prefix, &removed));
  return remote_remove_empty (call->target, dir);
}
