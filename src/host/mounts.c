/* SPDX-License-Identifier: Apache-2.0 */
#include "host/mounts.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "host/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { MOUNTINFO_MAX = 16 << 20, FIELDS = 6 };

bool
path_is_below (const char *path, const char *dir)
{
  size_t len = strlen (dir);
  while (len > 0 && dir[len - 1] == '/')
    len--;
  return strncmp (path, dir, len) == 0
         && (path[len] == '\0' || path[len] == '/');
}

/* \040 and the like, in place. */
static void
unescape (char *s)
{
  char *to = s;
  for (; *s != '\0'; s++) {
    if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7'
        && s[3] >= '0' && s[3] <= '7')
    {
      *to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
      s += 3;
    } else
      *to++ = *s;
  }
  *to = '\0';
}

static bool
has_option (const char *options, const char *name)
{
  size_t len = strlen (name);
  for (const char *p = options; *p != '\0';) {
    size_t word = strcspn (p, ",");
    if (word == len && strncmp (p, name, len) == 0)
      return true;
    p += word + (p[word] == ',');
  }
  return false;
}

static char *
option_value (const char *options, const char *name)
{
  size_t len = strlen (name);
  for (const char *p = options; *p != '\0';) {
    size_t word = strcspn (p, ",");
    if (word > len && strncmp (p, name, len) == 0)
      return mem_strndup (p + len, word - len);
    p += word + (p[word] == ',');
  }
  return NULL;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors" */
static void
parse_line (char *line, struct mounts *out)
{
  char *field[FIELDS];
  char *save = NULL;
  char *word = strtok_r (line, " ", &save);
  for (int i = 0; i < FIELDS; i++, word = strtok_r (NULL, " ", &save)) {
    if (word == NULL)
      return;
    field[i] = word;
  }
  while (word != NULL && strcmp (word, "-") != 0)
    word = strtok_r (NULL, " ", &save);
  char *type = strtok_r (NULL, " ", &save);
  char *source = strtok_r (NULL, " ", &save);
  char *super = strtok_r (NULL, " ", &save);
  unsigned major, minor;
  int id;
  if (type == NULL || sscanf (field[0], "%d", &id) != 1
      || sscanf (field[2], "%u:%u", &major, &minor) != 2)
    return;
  if (super == NULL)
    super = source != NULL ? source : type;
  unescape (field[3]);
  unescape (field[4]);
  struct mount *m = VEC_PUSH (&out->list);
  m->id = id;
  m->major = major;
  m->minor = minor;
  m->root = mem_strdup (field[3]);
  m->point = mem_strdup (field[4]);
  m->fstype = mem_strdup (type);
  m->source = mem_strdup (source == NULL ? "" : source);
  unescape (m->source);
  m->readonly = has_option (field[5], "ro") || has_option (super, "ro");
  if (strcmp (type, "overlay") == 0)
    m->upper = option_value (super, "upperdir=");
}

void
mounts_parse (const char *text, size_t len, struct mounts *out)
{
  CLEANUP_FREE char *copy = mem_strndup (text, len);
  char *save = NULL;
  for (char *line = strtok_r (copy, "\n", &save); line != NULL;
       line = strtok_r (NULL, "\n", &save))
    parse_line (line, out);
}

int
mounts_read (int pid, struct mounts *out)
{
  *out = (struct mounts){ { NULL, 0, 0 } };
  char path[64];
  if (pid == 0)
    snprintf (path, sizeof path, "/proc/self/mountinfo");
  else
    snprintf (path, sizeof path, "/proc/%d/mountinfo", pid);
  CLEANUP_BUF struct buf b = BUF_INIT;
  int bad = slurp_at (AT_FDCWD, path, MOUNTINFO_MAX, &b);
  if (bad == 0 && b.len > 0)
    mounts_parse ((const char *)b.data, b.len, out);
  return bad;
}

void
mounts_free (struct mounts *m)
{
  for (size_t i = 0; i < m->list.n; i++) {
    struct mount *one = &m->list.v[i];
    free (one->root);
    free (one->point);
    free (one->fstype);
    free (one->source);
    free (one->upper);
  }
  VEC_FREE (&m->list);
}

const struct mount *
mounts_by_id (const struct mounts *m, int id)
{
  for (size_t i = 0; i < m->list.n; i++)
    if (m->list.v[i].id == id)
      return &m->list.v[i];
  return NULL;
}

static const struct mount *
longest (const struct mounts *m, const char *path, bool any, unsigned major,
         unsigned minor)
{
  const struct mount *best = NULL;
  size_t best_len = 0;
  for (size_t i = 0; i < m->list.n; i++) {
    const struct mount *one = &m->list.v[i];
    if (!any && (one->major != major || one->minor != minor))
      continue;
    size_t len = strlen (one->point);
    if (path_is_below (path, one->point) && (best == NULL || len >= best_len)) {
      best = one;
      best_len = len;
    }
  }
  return best;
}

const struct mount *
mounts_of_path (const struct mounts *m, const char *path)
{
  return longest (m, path, true, 0, 0);
}

const struct mount *
mounts_of_path_on (const struct mounts *m, const char *path, unsigned major,
                   unsigned minor)
{
  return longest (m, path, false, major, minor);
}

/* `path` with the prefix `from` replaced by `to`; NULL when it has it not. */
static char *
rebase (const char *path, const char *from, const char *to)
{
  if (!path_is_below (path, from))
    return NULL;
  size_t len = strlen (from);
  while (len > 0 && from[len - 1] == '/')
    len--;
  const char *rest = path + len + strspn (path + len, "/");
  size_t head = strlen (to);
  while (head > 0 && to[head - 1] == '/')
    head--;
  if (*rest == '\0')
    return head == 0 ? mem_strdup ("/") : mem_strndup (to, head);
  return mem_printf ("%.*s/%s", (int)head, to, rest);
}

char *
mount_inner_path (const struct mount *mount, const char *path)
{
  return rebase (path, mount->point, mount->root);
}

char *
mount_outer_path (const struct mount *mount, const char *inner)
{
  return rebase (inner, mount->root, mount->point);
}

static bool
is_one_of (const char *const *list, const char *word)
{
  for (; *list != NULL; list++)
    if (strcmp (*list, word) == 0)
      return true;
  return false;
}

const char *
mount_class (const char *fstype)
{
  static const char *const pseudo[]
      = { "autofs",   "binfmt_misc", "bpf",       "cgroup",     "cgroup2",
          "configfs", "debugfs",     "devpts",    "devtmpfs",   "efivarfs",
          "fusectl",  "hugetlbfs",   "mqueue",    "nsfs",       "proc",
          "pstore",   "rpc_pipefs",  "selinuxfs", "securityfs", "sysfs",
          "tracefs",  NULL };
  static const char *const network[]
      = { "9p",    "afs",         "beegfs",         "ceph",      "cifs",
          "coda",  "fuse.ceph",   "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs",
          "gfs2",  "glusterfs",   "lustre",         "nfs",       "nfs4",
          "ocfs2", "fuse.rclone", "smb3",           "virtiofs",  NULL };
  return is_one_of (pseudo, fstype)    ? "pseudo"
         : is_one_of (network, fstype) ? "network"
                                       : "disk";
}
