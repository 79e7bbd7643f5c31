/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs about small files: settings, keys, units. */
#include "agent/verb.h"

#include "agent/fence.h"
#include "agent/file_state.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vec.h"
#include "host/chase.h"
#include "host/durable.h"
#include "host/rooted.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { ENTRIES_MAX = 200000, XATTRS_MAX = 256, LINK_MAX_LEN = 4095 };

/* A name in a held directory. */
struct spot {
  int dirfd; /* -1: the directory is not there */
  char *path;
  char *leaf;
};

static void
spot_free (struct spot *s)
{
  if (s->dirfd >= 0)
    close (s->dirfd);
  free (s->path);
  free (s->leaf);
}
#define SPOT_NONE { -1, NULL, NULL }
#define CLEANUP_SPOT CLEANUP (spot_free)

/* Below the state directory nothing is a link: none is followed there. */
static struct err *
spot_in_state (bool make, struct spot *out)
{
  const char *state = fence_state_dir (), *leaf = NULL;
  const char *rest = out->path + strlen (state);
  CLEANUP_FD int root = -1;
  if (make) {
    size_t len = (size_t)(strrchr (out->path, '/') - out->path);
    CLEANUP_FREE char *above = mem_strndup (out->path, len);
    TRY (durable_mkdirs (above, 0700));
  }
  TRY (rooted_open_root (state, &root));
  TRY (rooted_parent (root, rest + strspn (rest, "/"), &out->dirfd, &leaf));
  out->leaf = mem_strdup (leaf);
  return NULL;
}

static struct err *
spot_open (const json_t *args, const char *key, bool make, struct spot *out)
{
  TRY (json_get_bytes (args, key, &out->path, NULL));
  if (fence_is_state (out->path) && strstr (out->path, "/..") == NULL)
    return spot_in_state (make, out);
  return chase_parent (out->path, make, &out->dirfd, &out->leaf);
}

/* As spot_open; where a directory on the way is absent dirfd is -1. */
static struct err *
spot_look (const json_t *args, const char *key, struct spot *out)
{
  CLEANUP_ERR struct err *e = spot_open (args, key, false, out);
  if (e != NULL && (err_errno (e) == ENOENT || err_errno (e) == ENOTDIR))
    return NULL;
  return STEAL (e);
}

/* --- looking
 * --------------------------------------------------------------------- */

static struct err *
look (struct verb_call *call, bool content, json_t **result)
{
  CLEANUP_SPOT struct spot at = SPOT_NONE;
  TRY (spot_look (call->args, "path", &at));
  if (at.dirfd >= 0)
    return err_wrap (file_state (at.dirfd, at.leaf, content, result), "%s",
                     content ? "file.read" : "file.stat");
  *result = json_pack ("{s:b}", "exists", 0);
  return NULL;
}

static struct err *
run_stat (struct verb_call *call, json_t **result)
{
  return look (call, false, result);
}

static struct err *
run_read (struct verb_call *call, json_t **result)
{
  return look (call, true, result);
}

struct names {
  VEC (char *) list;
};

static void
names_free (struct names *n)
{
  for (size_t i = 0; i < n->list.n; i++)
    free (n->list.v[i]);
  VEC_FREE (&n->list);
}

static int
by_name (const void *a, const void *b)
{
  const char *const *x = a, *const *y = b;
  return strcmp (*x, *y);
}

static struct err *
list_failed (int errnum, const struct spot *at)
{
  CLEANUP_FREE char *shown = text_escape (at->path, strlen (at->path));
  if (errnum == ENOTDIR || errnum == ELOOP)
    return err_sys (errnum, "RH-FILE-TYPE", "'%s'", shown);
  return err_sys (errnum, "RH-FILE-READ", "cannot list '%s'", shown);
}

static struct err *
read_names (DIR *dir, const struct spot *at, struct names *out)
{
  errno = 0;
  for (struct dirent *e; (e = readdir (dir)) != NULL; errno = 0) {
    if (strcmp (e->d_name, ".") == 0 || strcmp (e->d_name, "..") == 0)
      continue;
    if (out->list.n == ENTRIES_MAX)
      return list_failed (EFBIG, at);
    *VEC_PUSH (&out->list) = mem_strdup (e->d_name);
  }
  if (errno != 0)
    return list_failed (errno, at);
  if (out->list.n > 1)
    qsort (out->list.v, out->list.n, sizeof *out->list.v, by_name);
  return NULL;
}

/* A row of file.list; NULL when the name is gone again. */
static json_t *
entry_row (int dir, const char *name)
{
  struct stat st;
  if (fstatat (dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return NULL;
  json_t *o = json_object ();
  json_object_set_new (o, "name", json_bytes (name, strlen (name)));
  json_object_set_new (o, "type", json_string (file_type_name (st.st_mode)));
  json_object_set_new (o, "mode",
                       json_integer ((json_int_t)(st.st_mode & 07777)));
  json_object_set_new (o, "uid", json_integer ((json_int_t)st.st_uid));
  json_object_set_new (o, "gid", json_integer ((json_int_t)st.st_gid));
  if (S_ISLNK (st.st_mode)) {
    CLEANUP_FREE char *target = file_link_target (dir, name);
    if (target != NULL)
      json_object_set_new (o, "link", json_bytes (target, strlen (target)));
  }
  return o;
}

static struct err *
run_list (struct verb_call *call, json_t **result)
{
  CLEANUP_SPOT struct spot at = SPOT_NONE;
  CLEANUP (names_free) struct names names = { { NULL, 0, 0 } };
  TRY (spot_look (call->args, "path", &at));
  int fd = -1;
  if (at.dirfd >= 0) {
    fd = openat (at.dirfd, at.leaf,
                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
      return list_failed (errno, &at);
  }
  json_t *rows = json_array ();
  *result = json_pack ("{s:b, s:o}", "exists", fd >= 0, "entries", rows);
  DIR *dir = fd < 0 ? NULL : fdopendir (fd);
  if (dir == NULL)
    return fd < 0 ? NULL : list_failed (errno, &at);
  struct err *e = read_names (dir, &at, &names);
  for (size_t i = 0; e == NULL && i < names.list.n; i++) {
    json_t *row = entry_row (dirfd (dir), names.list.v[i]);
    if (row != NULL)
      json_array_append_new (rows, row);
  }
  closedir (dir);
  return e;
}

/* --- file.write
 * ------------------------------------------------------------------- */

/* What is to be written, and all that it owns. */
struct writing {
  struct durable_file file;
  unsigned char *content;
  struct timespec mtime;
  VEC (struct durable_xattr) xattrs;
  VEC (void *) owned; /* their names and values */
};

static void
writing_free (struct writing *w)
{
  if (w->content != NULL)
    explicit_bzero (w->content, w->file.len);
  free (w->content);
  for (size_t i = 0; i < w->owned.n; i++)
    free (w->owned.v[i]);
  VEC_FREE (&w->owned);
  VEC_FREE (&w->xattrs);
}

static struct err *
take_xattrs (json_t *xattrs, struct writing *w)
{
  const char *key;
  json_t *value;
  if (json_object_size (xattrs) > XATTRS_MAX)
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD", "too many \"xattrs\"");
  json_object_foreach (xattrs, key, value)
  {
    if (!json_is_string (value))
      return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                      "\"xattrs\" is not of strings");
    CLEANUP_FREE char *name = NULL;
    CLEANUP_FREE unsigned char *bytes = NULL;
    size_t name_len, len;
    TRY (text_decode (key, &name, &name_len));
    TRY (text_unbase64 (json_string_value (value), &bytes, &len));
    struct durable_xattr *x = VEC_PUSH (&w->xattrs);
    x->name = name;
    x->value = bytes;
    x->len = len;
    *VEC_PUSH (&w->owned) = STEAL (name);
    *VEC_PUSH (&w->owned) = STEAL (bytes);
  }
  return NULL;
}

/* What the file has now stays, where the call does not say otherwise. */
static struct err *
take_present (const struct spot *at, bool keep_xattrs, struct writing *w)
{
  struct stat st;
  w->file.mode = 0644;
  w->file.uid = geteuid ();
  w->file.gid = getegid ();
  if (fstatat (at->dirfd, at->leaf, &st, AT_SYMLINK_NOFOLLOW) != 0
      || !S_ISREG (st.st_mode))
    return NULL;
  w->file.mode = st.st_mode & 07777;
  w->file.uid = st.st_uid;
  w->file.gid = st.st_gid;
  if (!keep_xattrs)
    return NULL;
  CLEANUP_JSON json_t *xattrs = NULL;
  TRY (file_xattrs (at->dirfd, at->leaf, &xattrs));
  return take_xattrs (xattrs, w);
}

static struct err *
get_mtime (const json_t *args, struct writing *w)
{
  const char *text;
  TRY (json_opt_str (args, "mtime_ns", NULL, &text));
  if (text == NULL)
    return NULL;
  char *end;
  errno = 0;
  long long ns = strtoll (text, &end, 10);
  if (errno != 0 || end == text || *end != '\0')
    return err_new (ERR_CORRUPT, "RH-WIRE-FIELD",
                    "\"mtime_ns\" is not a decimal number");
  long long sec = ns / 1000000000, rest = ns % 1000000000;
  if (rest < 0) {
    rest += 1000000000;
    sec--;
  }
  w->mtime = (struct timespec){ .tv_sec = sec, .tv_nsec = (long)rest };
  w->file.mtime = &w->mtime;
  return NULL;
}

static struct err *
get_owner (const json_t *args, mode_t *mode, uid_t *uid, gid_t *gid)
{
  int64_t m, u, g;
  TRY (json_opt_int (args, "mode", 0, 07777, (int64_t)*mode, &m));
  TRY (json_opt_int (args, "uid", 0, UINT32_MAX - 1, (int64_t)*uid, &u));
  TRY (json_opt_int (args, "gid", 0, UINT32_MAX - 1, (int64_t)*gid, &g));
  *mode = (mode_t)m;
  *uid = (uid_t)u;
  *gid = (gid_t)g;
  return NULL;
}

static struct err *
get_content (const json_t *args, struct writing *w)
{
  const char *text;
  TRY (json_get_str (args, "content", &text));
  TRY (text_unbase64 (text, &w->content, &w->file.len));
  w->file.data = w->content;
  if (w->file.len > FILE_SMALL)
    return err_new (ERR_REFUSED, "RH-FILE-SIZE", "%zu bytes are more than %zu",
                    w->file.len, FILE_SMALL);
  return NULL;
}

static struct err *
run_write (struct verb_call *call, json_t **result)
{
  (void)result;
  const json_t *args = call->args;
  CLEANUP_SPOT struct spot at = SPOT_NONE;
  CLEANUP (writing_free) struct writing w = { .content = NULL };
  json_t *xattrs = NULL;
  bool parents;
  TRY (json_opt_bool (args, "parents", false, &parents));
  TRY (json_opt_bool (args, "exclusive", false, &w.file.exclusive));
  if (json_at (args, "xattrs") != NULL)
    TRY (json_get_object (args, "xattrs", &xattrs));
  TRY (get_content (args, &w));
  TRY (get_mtime (args, &w));
  TRY (spot_open (args, "path", parents, &at));
  TRY (take_present (&at, xattrs == NULL, &w));
  TRY (get_owner (args, &w.file.mode, &w.file.uid, &w.file.gid));
  if (xattrs != NULL)
    TRY (take_xattrs (xattrs, &w));
  w.file.xattrs = w.xattrs.v;
  w.file.xattr_count = w.xattrs.n;
  return durable_write (at.dirfd, at.leaf, &w.file);
}

/* --- the other changes
 * -------------------------------------------------------------- */

static struct err *
run_link (struct verb_call *call, json_t **result)
{
  (void)result;
  CLEANUP_SPOT struct spot at = SPOT_NONE;
  CLEANUP_FREE char *target = NULL;
  size_t len;
  bool parents;
  TRY (json_get_bytes (call->args, "target", &target, &len));
  TRY (json_opt_bool (call->args, "parents", false, &parents));
  if (len == 0 || len > LINK_MAX_LEN)
    return err_new (ERR_CORRECT, "RH-WIRE-FIELD",
                    "\"target\" is not 1 to %d bytes long", LINK_MAX_LEN);
  TRY (spot_open (call->args, "path", parents, &at));
  return durable_symlink (at.dirfd, at.leaf, target);
}

static struct err *
run_mkdir (struct verb_call *call, json_t **result)
{
  CLEANUP_SPOT struct spot at = SPOT_NONE;
  mode_t mode = 0755;
  uid_t uid = geteuid ();
  gid_t gid = getegid ();
  bool parents, made;
  TRY (json_opt_bool (call->args, "parents", false, &parents));
  TRY (get_owner (call->args, &mode, &uid, &gid));
  TRY (spot_open (call->args, "path", parents, &at));
  TRY (durable_mkdir (at.dirfd, at.leaf, mode, uid, gid, &made));
  *result = json_pack ("{s:b}", "made", made);
  return NULL;
}

static struct err *
run_rename (struct verb_call *call, json_t **result)
{
  (void)result;
  CLEANUP_SPOT struct spot from = SPOT_NONE;
  CLEANUP_SPOT struct spot to = SPOT_NONE;
  bool replace;
  TRY (json_opt_bool (call->args, "replace", false, &replace));
  TRY (spot_open (call->args, "from", false, &from));
  TRY (spot_open (call->args, "to", false, &to));
  return durable_rename (from.dirfd, from.leaf, to.dirfd, to.leaf, replace);
}

static struct err *
run_remove (struct verb_call *call, json_t **result)
{
  CLEANUP_SPOT struct spot at = SPOT_NONE;
  bool recursive, removed = false;
  TRY (json_opt_bool (call->args, "recursive", false, &recursive));
  TRY (spot_look (call->args, "path", &at));
  if (recursive && !fence_is_state (at.path)) {
    CLEANUP_FREE char *shown = text_escape (at.path, strlen (at.path));
    return err_new (ERR_REFUSED, "RH-FILE-RECURSIVE",
                    "'%s' does not lie below %s: not removed with all in it",
                    shown, fence_state_dir ());
  }
  if (at.dirfd >= 0)
    TRY (recursive ? durable_remove_tree (at.dirfd, at.leaf, &removed)
                   : durable_remove (at.dirfd, at.leaf, &removed));
  *result = json_pack ("{s:b}", "removed", removed);
  return NULL;
}

const struct verb verbs_file[] = {
  { "file.read", 0, run_read },
  { "file.stat", 0, run_stat },
  { "file.write", 0, run_write },
  { "file.link", 0, run_link },
  { "file.mkdir", 0, run_mkdir },
  { "file.rename", 0, run_rename },
  { "file.remove", 0, run_remove },
  { "file.list", 0, run_list },
  { NULL, 0, NULL },
};
