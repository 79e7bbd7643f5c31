/* SPDX-License-Identifier: Apache-2.0 */
/* The sending side of a connection; see outlet.h. */
#include "wire/outlet.h"

#include "base/mem.h"
#include "base/monotonic.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/uio.h>

struct outlet {
  pthread_mutex_t lock;
  int fd; /* -1 once closed */
  int64_t last_ms;
};

struct outlet *
outlet_new (int fd)
{
  struct outlet *o = mem_alloc (sizeof *o);
  pthread_mutex_init (&o->lock, NULL);
  o->fd = fd;
  o->last_ms = monotonic_ms ();
  return o;
}

static void
wait_writable (int fd)
{
  struct pollfd p = { .fd = fd, .events = POLLOUT };
  poll (&p, 1, -1);
}

/* Writes both parts whole, with the lock held. */
static struct err *
write_all (int fd, struct iovec v[2])
{
  for (;;) {
    ssize_t n = writev (fd, v, 2);
    if (n < 0 && errno == EAGAIN)
      wait_writable (fd);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
      continue;
    if (n < 0)
      return err_new (ERR_TRANSIENT, "RH-WIRE-LOST",
                      "the other side is gone (%s)", strerrorname_np (errno));
    size_t done = (size_t)n;
    for (int i = 0; i < 2; i++) {
      size_t k = done < v[i].iov_len ? done : v[i].iov_len;
      v[i].iov_base = (unsigned char *)v[i].iov_base + k;
      v[i].iov_len -= k;
      done -= k;
    }
    if (v[0].iov_len + v[1].iov_len == 0)
      return NULL;
  }
}

struct err *
outlet_frame (struct outlet *o, enum frame_type type, uint32_t call,
              uint32_t value, const void *body, size_t len)
{
  struct frame f = { type, call, value, len, NULL };
  unsigned char head[FRAME_HEADER];
  static unsigned char nothing[1];
  void *bytes = nothing;
  if (len > FRAME_MAX)
    return err_new (ERR_BUG, "RH-LIMIT", "a frame of %zu bytes", len);
  if (len > 0)
    memcpy (&bytes, &body, sizeof bytes); /* writev takes no const */
  frame_head (&f, head);
  struct iovec v[2] = { { head, sizeof head }, { bytes, len } };
  struct err *e;
  pthread_mutex_lock (&o->lock);
  if (o->fd < 0)
    e = err_new (ERR_TRANSIENT, "RH-WIRE-LOST", "the connection is closed");
  else
    e = write_all (o->fd, v);
  o->last_ms = monotonic_ms ();
  pthread_mutex_unlock (&o->lock);
  return e;
}

struct err *
outlet_json (struct outlet *o, enum frame_type type, uint32_t call,
             const json_t *message)
{
  CLEANUP_FREE char *line = json_line (message);
  size_t len = strlen (line);
  if (len > MESSAGE_MAX || (type == FRAME_TICK && len > FRAME_MAX))
    return err_new (ERR_CORRUPT, "RH-LIMIT",
                    "a message of %zu bytes is above the limit", len);
  for (size_t at = 0; at < len;) {
    size_t n = len - at < FRAME_MAX ? len - at : FRAME_MAX;
    TRY (outlet_frame (o, type, call, at + n < len ? FRAME_MORE : 0, line + at,
                       n));
    at += n;
  }
  return NULL;
}

int64_t
outlet_quiet_ms (struct outlet *o)
{
  pthread_mutex_lock (&o->lock);
  int64_t ms = monotonic_ms () - o->last_ms;
  pthread_mutex_unlock (&o->lock);
  return ms;
}

void
outlet_close (struct outlet *o)
{
  pthread_mutex_lock (&o->lock);
  if (o->fd >= 0)
    close (o->fd);
  o->fd = -1;
  pthread_mutex_unlock (&o->lock);
}

void
outlet_free (struct outlet *o)
{
  if (o == NULL)
    return;
  outlet_close (o);
  pthread_mutex_destroy (&o->lock);
  free (o);
}
