/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds over two connections that stay open, for tests/bench/trees.py:
 *   rounds SOURCE-HOST SOURCE-ROOT TARGET-ROOT AGENT
 * The target is this machine.  Each line "seed" or "round" on stdin is
 * performed; one line of JSON says what was done, and in how many
 * milliseconds.  At the end of stdin all that was left on both hosts goes.
 */
#include "base/cleanup.h"
#include "base/mem.h"
#include "link/link.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define MIGRATION "bench-rounds"

static struct port *source, *target;
static const char *source_root, *target_root;

static double
now_ms (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct err *
claim (struct port *p)
{
  return port_call (p, "fence.claim",
                    json_pack ("{s:s, s:s, s:i, s:s, s:[], s:i, s:s}", "side",
                               p->name, "migration", MIGRATION, "epoch", 1,
                               "controller", "bench", "items", "seq", 0, "hash",
                               "0"),
                    NULL);
}

static json_t *
args_of (const char *root, const char *index)
{
  return json_pack ("{s:o, s:s, s:s}", "root", json_bytes (root, strlen (root)),
                    "migration", MIGRATION, "index", index);
}

static struct err *
copy (bool seed, json_t **sent, json_t **got)
{
  CLEANUP_JSON json_t *out = args_of (source_root, "from");
  CLEANUP_JSON json_t *in = args_of (target_root, "to");
  json_object_set_new (out, "round", json_integer (seed ? 0 : 1));
  json_object_set_new (out, "base", json_boolean (!seed));
  json_object_set_new (out, "watch", json_true ());
  json_object_set_new (in, "seed", json_boolean (seed));
  TRY (source->ops->pipe (source, "tree.send", out, target, "tree.receive", in,
                          NULL, NULL, sent, got));
  TRY (port_call (source, "tree.commit",
                  json_pack ("{s:s, s:s, s:i}", "migration", MIGRATION, "index",
                             "from", "round", seed ? 0 : 1),
                  NULL));
  return port_call (
      target, "tree.commit",
      json_pack ("{s:s, s:s}", "migration", MIGRATION, "index", "to"), NULL);
}

static int
perform (const char *line)
{
  CLEANUP_JSON json_t *sent = NULL;
  CLEANUP_JSON json_t *got = NULL;
  double begun = now_ms ();
  CLEANUP_ERR struct err *e = copy (strcmp (line, "seed\n") == 0, &sent, &got);
  if (e != NULL) {
    printf ("{\"error\": \"%s: %s\"}\n", err_code (e), err_message (e));
    return 1;
  }
  json_object_set_new (sent, "wall_ms", json_real (now_ms () - begun));
  json_object_set (sent, "target_ms", json_at (got, "ms"));
  char *text CLEANUP_FREE = json_dumps (sent, JSON_COMPACT);
  printf ("%s\n", text);
  fflush (stdout);
  return 0;
}

static struct err *
open_both (char **argv, struct link *links[2])
{
  struct link_where from = {
    .name = "source", .host = argv[1], .agent_path = argv[4], .batch = true
  };
  struct link_where to = {
    .name = "target", .host = "local", .agent_path = argv[4], .batch = true
  };
  TRY (link_open (&from, &links[0]));
  TRY (link_open (&to, &links[1]));
  source = link_port (links[0]);
  target = link_port (links[1]);
  TRY (claim (source));
  return claim (target);
}

static void
leave (struct link *links[2])
{
  for (int i = 0; i < 2; i++) {
    struct port *p = link_port (links[i]);
    err_free (port_call (p, "file.remove",
                         json_pack ("{s:s, s:b}", "path",
                                    "/var/lib/rehome/" MIGRATION "/index",
                                    "recursive", 1),
                         NULL));
    err_free (port_call (p, "fence.release",
                         json_pack ("{s:s}", "migration", MIGRATION), NULL));
    link_close (links[i]);
  }
}

int
main (int argc, char **argv)
{
  struct link *links[2] = { NULL, NULL };
  char line[64];
  int bad = 0;
  if (argc != 5)
    return 64;
  source_root = argv[2];
  target_root = argv[3];
  CLEANUP_ERR struct err *e = open_both (argv, links);
  if (e != NULL) {
    fprintf (stderr, "%s: %s\n", err_code (e), err_message (e));
    return 1;
  }
  while (bad == 0 && fgets (line, sizeof line, stdin) != NULL)
    bad = perform (line);
  leave (links);
  return bad;
}
