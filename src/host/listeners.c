/* SPDX-License-Identifier: Apache-2.0 */
#include "host/listeners.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "host/procs.h"
#include "host/slurp.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
  TABLE_MAX = 64 << 20,
  TCP_LISTEN = 0x0a,
  UDP_UNCONNECTED = 0x07,
  UNIX_ACCEPTS = 0x10000,
};

struct socket_row {
  uint64_t inode;
  struct listener it;
};

struct rows {
  VEC (struct socket_row) list;
};

/* /proc/net writes each 32-bit word of an address in host order. */
static char *
address_text (const char *hex)
{
  unsigned char raw[16];
  char text[INET6_ADDRSTRLEN];
  size_t words = strlen (hex) / 8;
  if (words != 1 && words != 4)
    return NULL;
  for (size_t i = 0; i < words; i++) {
    unsigned value;
    if (sscanf (hex + i * 8, "%8X", &value) != 1)
      return NULL;
    uint32_t word = value;
    memcpy (raw + i * 4, &word, 4);
  }
  if (inet_ntop (words == 1 ? AF_INET : AF_INET6, raw, text, sizeof text)
      == NULL)
    return NULL;
  return mem_strdup (text);
}

/* "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000
 * 00000000  1000        0 12345 1 ..." */
static void
inet_row (struct rows *rows, const char *proto, unsigned state_wanted,
          const char *line)
{
  char hex[40];
  unsigned port, state, uid;
  unsigned long long inode;
  if (sscanf (line,
              " %*u: %39[0-9A-Fa-f]:%X %*[0-9A-Fa-f]:%*X %X %*X:%*X %*X:%*X"
              " %*X %u %*u %llu",
              hex, &port, &state, &uid, &inode)
          != 5
      || state != state_wanted)
    return;
  char *address = address_text (hex);
  if (address == NULL)
    return;
  struct socket_row *r = VEC_PUSH (&rows->list);
  r->inode = inode;
  r->it.proto = proto;
  r->it.address = address;
  r->it.port = port;
  r->it.uid = uid;
}

/* "ffff8880: 00000002 00000000 00010000 0001 01 12345 /run/x" */
static void
unix_row (struct rows *rows, const char *proto, unsigned unused,
          const char *line)
{
  (void)unused;
  unsigned flags;
  unsigned long long inode;
  int at = 0;
  if (sscanf (line, "%*[^:]: %*X %*X %X %*X %*X %llu %n", &flags, &inode, &at)
          != 2
      || at == 0 || (flags & UNIX_ACCEPTS) == 0)
    return;
  struct socket_row *r = VEC_PUSH (&rows->list);
  r->inode = inode;
  r->it.proto = proto;
  r->it.address = mem_strdup (line + at);
  r->it.uid = (uid_t)-1;
}

static int
read_table (struct rows *rows, const char *proto, unsigned state,
            void (*row) (struct rows *, const char *, unsigned, const char *))
{
  char path[32];
  snprintf (path, sizeof path, "/proc/net/%s", proto);
  CLEANUP_BUF struct buf b = BUF_INIT_MAX (TABLE_MAX);
  int bad = slurp_at (AT_FDCWD, path, TABLE_MAX, &b);
  if (bad != 0 || b.len == 0)
    return bad;
  char *save = NULL;
  strtok_r ((char *)b.data, "\n", &save); /* the heading */
  for (char *line; (line = strtok_r (NULL, "\n", &save)) != NULL;)
    row (rows, proto, state, line);
  return 0;
}

static int
by_inode (const void *a, const void *b)
{
  const struct socket_row *x = a, *y = b;
  return (x->inode > y->inode) - (x->inode < y->inode);
}

static struct socket_row *
find_row (struct rows *by, uint64_t inode)
{
  struct socket_row key = { .inode = inode };
  if (by->list.n == 0)
    return NULL;
  return bsearch (&key, by->list.v, by->list.n, sizeof key, by_inode);
}

static void
own (struct socket_row *r, const struct proc *p)
{
  /* Ascending numbers: the first but 1 stays. */
  if (r == NULL || r->it.pid > 1)
    return;
  r->it.pid = p->pid;
  memcpy (r->it.comm, p->comm, sizeof r->it.comm);
  free (r->it.unit);
  r->it.unit = mem_strdup (p->unit);
  if (r->it.uid == (uid_t)-1)
    r->it.uid = p->euid;
}

static void
look_at (struct rows *rows, const struct proc *p)
{
  char path[64], link[64];
  snprintf (path, sizeof path, "/proc/%d/fd", p->pid);
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir (fd);
  if (dir == NULL)
    return;
  for (struct dirent *e; (e = readdir (dir)) != NULL;) {
    ssize_t n = readlinkat (fd, e->d_name, link, sizeof link - 1);
    unsigned long long inode;
    if (n <= 0)
      continue;
    link[n] = '\0';
    if (sscanf (link, "socket:[%llu]", &inode) == 1)
      own (find_row (rows, inode), p);
  }
  closedir (dir);
}

static int
by_protocol (const void *a, const void *b)
{
  const struct listener *x = a, *y = b;
  int order = strcmp (x->proto, y->proto);
  if (order == 0 && x->port != y->port)
    order = x->port < y->port ? -1 : 1;
  return order != 0 ? order : strcmp (x->address, y->address);
}

struct err *
listeners_scan (struct listeners *out)
{
  *out = (struct listeners){ { NULL, 0, 0 } };
  struct rows rows = { { NULL, 0, 0 } };
  int bad = read_table (&rows, "tcp", TCP_LISTEN, inet_row);
  if (bad != 0)
    return err_sys (bad, "RH-HOST-PROC", "cannot read /proc/net/tcp");
  /* Each of these may be absent: then there are no such sockets. */
  read_table (&rows, "tcp6", TCP_LISTEN, inet_row);
  read_table (&rows, "udp", UDP_UNCONNECTED, inet_row);
  read_table (&rows, "udp6", UDP_UNCONNECTED, inet_row);
  read_table (&rows, "unix", 0, unix_row);
  if (rows.list.n > 1)
    qsort (rows.list.v, rows.list.n, sizeof *rows.list.v, by_inode);
  CLEANUP (procs_free) struct procs procs;
  struct err *e = procs_scan (&procs);
  for (size_t i = 0; e == NULL && i < procs.list.n; i++)
    if (!procs.list.v[i].kernel)
      look_at (&rows, &procs.list.v[i]);
  for (size_t i = 0; i < rows.list.n; i++)
    *VEC_PUSH (&out->list) = rows.list.v[i].it;
  VEC_FREE (&rows.list);
  if (out->list.n > 1)
    qsort (out->list.v, out->list.n, sizeof *out->list.v, by_protocol);
  return e;
}

void
listeners_free (struct listeners *l)
{
  for (size_t i = 0; i < l->list.n; i++) {
    free (l->list.v[i].address);
    free (l->list.v[i].unit);
  }
  VEC_FREE (&l->list);
}
