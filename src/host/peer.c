/* SPDX-License-Identifier: Apache-2.0 */
#include "host/peer.h"

#include "base/cleanup.h"
#include "host/slurp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { TABLE_MAX = 64 << 20, ESTABLISHED = 1, END_LEN = 40 };

/* "0100007F:1F90": each 32-bit word as it lies in memory. */
static bool
end_text (const struct sockaddr_in *a, bool mapped, char out[END_LEN])
{
  unsigned word = a->sin_addr.s_addr, port = ntohs (a->sin_port);
  if (mapped) /* ::ffff:127.0.0.1, as a socket of both families has it */
    snprintf (out, END_LEN, "0000000000000000%08X%08X:%04X", htonl (0xffff),
              word, port);
  else
    snprintf (out, END_LEN, "%08X:%04X", word, port);
  return a->sin_family == AF_INET;
}

static bool
is_row (const char *line, const char *local, const char *remote, uid_t *uid)
{
  char a[END_LEN], b[END_LEN];
  unsigned state, owner;
  if (sscanf (line,
              " %*u: %39[0-9A-Fa-f:] %39[0-9A-Fa-f:] %X %*X:%*X %*X:%*X %*X %u",
              a, b, &state, &owner)
          != 4
      || state != ESTABLISHED || strcasecmp (a, local) != 0
      || strcasecmp (b, remote) != 0)
    return false;
  *uid = owner;
  return true;
}

static int
look_in (const char *path, const char *local, const char *remote, uid_t *uid)
{
  CLEANUP_BUF struct buf b = BUF_INIT_MAX (TABLE_MAX);
  int bad = slurp_at (AT_FDCWD, path, TABLE_MAX, &b);
  if (bad != 0 || b.len == 0)
    return bad != 0 ? bad : ENOENT;
  char *save = NULL;
  for (char *line = strtok_r ((char *)b.data, "\n", &save); line != NULL;
       line = strtok_r (NULL, "\n", &save))
    if (is_row (line, local, remote, uid))
      return 0;
  return ENOENT;
}

int
peer_uid (int fd, uid_t *uid)
{
  struct sockaddr_in ours = { 0 }, theirs = { 0 };
  socklen_t len = sizeof ours;
  char local[END_LEN], remote[END_LEN];
  if (getsockname (fd, (struct sockaddr *)&ours, &len) != 0)
    return errno;
  len = sizeof theirs;
  if (getpeername (fd, (struct sockaddr *)&theirs, &len) != 0)
    return errno;
  if (!end_text (&theirs, false, local) || !end_text (&ours, false, remote))
    return EAFNOSUPPORT;
  int bad = look_in ("/proc/net/tcp", local, remote, uid);
  if (bad != ENOENT)
    return bad;
  end_text (&theirs, true, local);
  end_text (&ours, true, remote);
  return look_in ("/proc/net/tcp6", local, remote, uid);
}
