/* SPDX-License-Identifier: Apache-2.0 */
#include "ground.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

void
run_tool (const char *const *argv)
{
  pid_t pid = fork ();
  assert_true (pid >= 0);
  if (pid == 0) {
    execvp (argv[0], (char *const *)(uintptr_t)argv);
    _exit (127);
  }
  int status;
  assert_int_equal (waitpid (pid, &status, 0), pid);
  if (status != 0)
    fail_msg ("%s ended with %d", argv[0], status);
}

void
ground_needs_root (void)
{
  if (geteuid () == 0)
    return;
  puts ("1..0 # SKIP needs root");
  exit (0);
}

int
ground_set_up (void **state)
{
  struct rlimit files = { 8192, 8192 };
  setrlimit (RLIMIT_NOFILE, &files);
  char dir[] = "/tmp/rehome-tree-XXXXXX";
  struct ground *g = mem_alloc (sizeof *g);
  if (mkdtemp (dir) == NULL)
    return -1;
  g->dir = mem_strdup (dir);
  g->src = mem_printf ("%s/src", dir);
  g->dst = mem_printf ("%s/dst", dir);
  g->src_index = mem_printf ("%s/src-index", dir);
  g->dst_index = mem_printf ("%s/dst-index", dir);
  g->stream.max = (size_t)1 << 30;
  g->receive.delete_limit = 1000;
  *state = g;
  return mkdir (g->src, 0755);
}

int
ground_tear_down (void **state)
{
  struct ground *g = *state;
  char *loosen = mem_printf ("chattr -R -f -i -a %s; true", g->dir);
  RUN ("sh", "-c", loosen);
  free (loosen);
  RUN ("rm", "-rf", g->dir);
  free (g->dir);
  free (g->src);
  free (g->dst);
  free (g->src_index);
  free (g->dst_index);
  buf_free (&g->stream);
  json_decref (g->sent);
  json_decref (g->got);
  idmaps_free (&g->maps);
  free (g);
  return 0;
}

const char *
on_src (struct ground *g, const char *rel)
{
  static char paths[10][8192];
  static int next;
  char *p = paths[next++ % 10];
  snprintf (p, sizeof paths[0], "%s/%s", g->src, rel);
  return p;
}

const char *
on_dst (struct ground *g, const char *rel)
{
  static char paths[10][8192];
  static int next;
  char *p = paths[next++ % 10];
  snprintf (p, sizeof paths[0], "%s/%s", g->dst, rel);
  return p;
}

static struct err *
take (void *ctx, const void *data, size_t len)
{
  struct ground *g = ctx;
  if (g->meanwhile != NULL)
    g->meanwhile (g);
  return buf_put (&g->stream, data, len);
}

struct reading {
  struct ground *g;
  size_t at;
};

static struct err *
give (void *ctx, void *data, size_t cap, size_t *len)
{
  struct reading *r = ctx;
  if (r->g->giving != NULL)
    r->g->giving (r->g);
  size_t left = r->g->stream.len - r->at;
  size_t n = left < cap ? left : cap;
  if (n > 5000)
    n = 5000;
  if (r->g->cut > 0 && r->at + n > r->g->cut)
    return err_new (ERR_TRANSIENT, "RH-TEST-CUT", "the connection is cut");
  memcpy (data, r->g->stream.data + r->at, n);
  r->at += n;
  *len = n;
  return NULL;
}

struct err *
ground_send (struct ground *g)
{
  struct sink sink = { take, g };
  struct tree_watch watch = { 0 };
  if (g->send.root == NULL)
    g->send.root = g->src;
  g->send.index_dir = g->src_index;
  g->send.index = "item";
  buf_reset (&g->stream);
  json_decref (g->sent);
  g->sent = NULL;
  struct err *e = tree_send (&g->send, &sink, &watch, &g->sent);
  g->counted = watch.bytes;
  return e;
}

struct err *
ground_receive (struct ground *g)
{
  struct reading r = { g, 0 };
  struct source source = { give, &r };
  struct tree_watch watch = { 0 };
  if (g->receive.root == NULL)
    g->receive.root = g->dst;
  g->receive.index_dir = g->dst_index;
  g->receive.index = "item";
  g->receive.maps = &g->maps;
  json_decref (g->got);
  g->got = NULL;
  return tree_receive (&g->receive, &source, &watch, &g->got);
}

static struct err *
copy (struct ground *g)
{
  TRY (ground_send (g));
  TRY (ground_receive (g));
  if (g->keep_uncommitted)
    return NULL;
  TRY (tree_commit (g->src_index, "item", g->send.round));
  return tree_acknowledge (g->dst_index, "item");
}

struct err *
ground_copy (struct ground *g)
{
  g->send.base = false;
  g->receive.seed = true;
  return copy (g);
}

struct err *
ground_round (struct ground *g)
{
  g->send.base = true;
  g->send.round = 1;
  g->receive.seed = false;
  return copy (g);
}

static struct err *
compare_both (struct ground *g, struct inventory_args what, bool baseline,
              json_t **out)
{
  struct tree_watch watch = { 0 };
  struct sink sink = { take, g };
  struct reading r = { g, 0 };
  struct source source = { give, &r };
  what.index = "item";
  what.root = g->src;
  what.index_dir = g->src_index;
  struct tree_list list = { .what = what, .baseline = baseline };
  json_t *listed CLEANUP_JSON = NULL;
  buf_reset (&g->stream);
  TRY (tree_list (&list, &sink, &watch, &listed));
  what.root = g->dst;
  what.index_dir = g->dst_index;
  struct tree_compare compare = { .what = what, .maps = &g->maps, .limit = 20 };
  return tree_compare (&compare, &source, &watch, out);
}

struct err *
ground_compare (struct ground *g, bool full, bool baseline,
                const struct paths *force, json_t **out)
{
  struct inventory_args what
      = { .filter = g->send.filter, .force = force, .full = full };
  return compare_both (g, what, baseline, out);
}

struct err *
ground_compare_some (struct ground *g, const struct hints *paths, json_t **out)
{
  struct inventory_args what = { .filter = g->send.filter, .hints = paths };
  return compare_both (g, what, false, out);
}

long
ground_sent (const struct ground *g, const char *key)
{
  const json_t *j = json_object_get (g->sent, key);
  assert_non_null (j);
  return json_is_string (j) ? atol (json_string_value (j))
                            : (long)json_integer_value (j);
}

long
ground_got (const struct ground *g, const char *key)
{
  const json_t *j = json_object_get (g->got, key);
  assert_non_null (j);
  return json_is_string (j) ? atol (json_string_value (j))
                            : (long)json_integer_value (j);
}

void
put_file (const char *path, const char *text)
{
  FILE *f = fopen (path, "w");
  assert_non_null (f);
  assert_true (fputs (text, f) >= 0);
  assert_int_equal (fclose (f), 0);
}

void
make_dir (const char *path)
{
  assert_int_equal (mkdir (path, 0755), 0);
}

void
set_mtime (const char *path, long sec, long nsec)
{
  struct timespec t[2] = { { 0, UTIME_OMIT }, { sec, nsec } };
  assert_int_equal (utimensat (AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW), 0);
}

char *
get_file (const char *path)
{
  FILE *f = fopen (path, "r");
  if (f == NULL)
    return NULL;
  char *text = mem_alloc (1 << 20);
  text[fread (text, 1, (1 << 20) - 1, f)] = 0;
  fclose (f);
  return text;
}

bool
is_there (const char *path)
{
  struct stat st;
  return lstat (path, &st) == 0;
}

void
set_acl (const char *path, const char *attribute, uint32_t uid, uint32_t gid)
{
  struct {
    struct posix_acl_xattr_header head;
    struct posix_acl_xattr_entry e[6];
  } acl = { .head = { POSIX_ACL_XATTR_VERSION },
            .e = { { ACL_USER_OBJ, 7, 0xffffffff },
                   { ACL_USER, 6, uid },
                   { ACL_GROUP_OBJ, 5, 0xffffffff },
                   { ACL_GROUP, 4, gid },
                   { ACL_MASK, 7, 0xffffffff },
                   { ACL_OTHER, 1, 0xffffffff } } };
  assert_int_equal (lsetxattr (path, attribute, &acl, sizeof acl, 0), 0);
}
