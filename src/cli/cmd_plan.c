/* SPDX-License-Identifier: Apache-2.0 */
/* rehome plan SOURCE [TARGET]: look at both hosts, write a draft; or print a
 * plan's steps. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/hosts.h"
#include "cli/load.h"
#include "cli/say.h"
#include "link/link.h"
#include "provider/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* ---- The steps of a plan ---- */

static struct err *
print_graph (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  TRY (load_plan (in, in->args[0], &l));
  CLEANUP_FREE char *text
      = has (in, OPT_DOT) ? graph_dot (l.graph) : graph_text (l.graph);
  fputs (text, stdout);
  return NULL;
}

/* ---- A draft ---- */

struct pair {
  char *agent;
  struct link *source;
  struct link *target;
};

static void
pair_clear (struct pair *p)
{
  link_close (p->source);
  link_close (p->target);
  free (p->agent);
}

static struct err *
open_one (struct pair *p, const char *name, const char *host, const char *via,
          struct link **out)
{
  struct link_where where
      = { .name = name, .host = host, .via = via, .agent_path = p->agent };
  return err_wrap (link_open (&where, out), "%s (%s)", name, host);
}

static const char *
hello_word (const struct link *l, const char *key)
{
  return json_string_value (json_object_get (link_hello (l), key));
}

/* Written whole or not at all, and never over something. */
static struct err *
write_new (const char *path, const char *text)
{
  CLEANUP_FD int fd
      = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0 && errno == EEXIST)
    return err_advise (
        err_new (ERR_CORRECT, "RH-CLI-EXISTS", "%s is there already", path),
        "it was not touched", "give another name with --output=FILE");
  size_t len = strlen (text);
  if (fd < 0 || write (fd, text, len) != (ssize_t)len || fsync (fd) != 0)
    return err_sys (errno, "RH-CLI-WRITE", "cannot write %s", path);
  return NULL;
}

static struct err *
refuse_existing (const char *path)
{
  if (access (path, F_OK) != 0)
    return NULL;
  return err_advise (err_new (ERR_CORRECT, "RH-CLI-EXISTS",
                              "%s is there already", path),
                     "it was not touched, and no host was asked",
                     "give another name with --output=FILE");
}

static struct err *
draft (const struct invocation *in, const char *file)
{
  CLEANUP (pair_clear) struct pair p = { 0 };
  CLEANUP_FREE char *text = NULL;
  const char *target = in->arg_count > 1 ? in->args[1] : "local";
  TRY (refuse_existing (file));
  TRY (place_agent (&p.agent));
  TRY (open_one (&p, "source", in->args[0], in->value[OPT_VIA], &p.source));
  TRY (open_one (&p, "target", target, in->value[OPT_TARGET_VIA], &p.target));
  TRY (refuse_same (link_hello (p.source), link_hello (p.target)));
  struct draft_names names = {
    .source = in->args[0],
    .source_via = in->value[OPT_VIA],
    .source_key = hello_word (p.source, "host_key"),
    .source_reached = hello_word (p.source, "address"),
    .target = in->arg_count > 1 ? target : NULL,
    .target_via = in->value[OPT_TARGET_VIA],
    .target_key = hello_word (p.target, "host_key"),
    .file = file,
    .name = in->value[OPT_NAME],
  };
  TRY (draft_write (link_port (p.source), link_port (p.target), &names, &text));
  TRY (write_new (file, text));
  printf ("%s is written; nothing was changed on any host.\n"
          "next: read and edit it, then rehome check %s\n",
          file, file);
  return NULL;
}

int
cmd_plan (const struct invocation *in)
{
  const char *file = in->value[OPT_OUTPUT];
  if (has (in, OPT_GRAPH) || has (in, OPT_DOT))
    return say_err (in, print_graph (in));
  return say_err (in, draft (in, file != NULL ? file : "plan.yaml"));
}
