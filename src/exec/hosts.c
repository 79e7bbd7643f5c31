/* SPDX-License-Identifier: Apache-2.0 */
/* The two hosts as ports that outlive their connections. */
#include "exec/hosts_inside.h"

#include "base/log.h"
#include "base/mem.h"
#include "exec/clock.h"
#include "exec/tunnel.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct port_ops steady_ops;

/* ---- Opening ---- */

static struct err *
open_once (struct side *s, struct held **out)
{
  struct link_where where = s->where;
  const char *key = s->hosts->where.identity;
  struct link *link = NULL;
  /* It may have been approved since the last connection. */
  where.identity = key != NULL && access (key, F_OK) == 0 ? key : NULL;
  TRY (err_wrap (link_open (&where, &link), "%s (%s)", s->port.name,
                 s->where.host));
  struct err *e = hosts_claim (s, link);
  if (e != NULL) {
    link_close (link);
    return e;
  }
  struct held *held = mem_alloc (sizeof *held);
  held->link = link;
  held->users = 1; /* the caller's */
  *out = held;
  return NULL;
}

static void
nap (long ms)
{
  struct timespec ts = { ms / 1000, (ms % 1000) * 1000000 };
  nanosleep (&ts, NULL);
}

/* Three tries where the cause may pass, inside a bit more than a second; one
 * while another host waits for this one to say what it remembers. */
static struct err *
open_link (struct side *s, struct held **out)
{
  static const long waits[] = { 200, 600, 0 };
  struct err *e = NULL;
  for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
    err_free (e);
    e = open_once (s, out);
    if (e == NULL || err_class_of (e) != ERR_TRANSIENT
        || atomic_load (&s->hosts->stopped) || !atomic_load (&s->hosts->met))
      return e;
    if (waits[i] > 0)
      nap (waits[i]);
  }
  return e;
}

/* Under the side's lock: the link that lives, with one user more. */
static struct held *
take_living (struct side *s)
{
  struct held *held = s->held;
  if (held == NULL)
    return NULL;
  if (link_alive (held->link)) {
    held->users++;
    return held;
  }
  held->retired = true;
  s->held = NULL;
  if (held->users == 0) {
    link_close (held->link);
    free (held);
  }
  return NULL;
}

/* Who waited while another thread failed to open does not try at once. */
static struct err *
recent_failure (struct side *s)
{
  struct err *e = NULL;
  pthread_mutex_lock (&s->lock);
  if (s->failed != NULL && clock_boot_ms () - s->failed_ms < 500)
    e = hosts_copy_err (s->failed);
  pthread_mutex_unlock (&s->lock);
  return e;
}

static struct err *
open_and_keep (struct side *s, struct held **out)
{
  struct err *e = open_link (s, out);
  pthread_mutex_lock (&s->lock);
  err_free (s->failed);
  s->failed = e != NULL ? hosts_copy_err (e) : NULL;
  s->failed_ms = clock_boot_ms ();
  if (e == NULL)
    s->held = *out;
  pthread_mutex_unlock (&s->lock);
  return e;
}

static struct err *
acquire_open (struct side *s, struct held **out)
{
  struct err *e = NULL;
  if (atomic_load (&s->hosts->stopped))
    return err_new (ERR_TRANSIENT, "RH-EXEC-STOPPED", "stopping");
  TRY (hosts_foreign (s->hosts));
  pthread_mutex_lock (&s->opening);
  pthread_mutex_lock (&s->lock);
  *out = take_living (s);
  pthread_mutex_unlock (&s->lock);
  if (*out == NULL) {
    e = recent_failure (s);
    if (e == NULL)
      e = open_and_keep (s, out);
  }
  pthread_mutex_unlock (&s->opening);
  return e;
}

static void
release (struct side *s, struct held *held)
{
  pthread_mutex_lock (&s->lock);
  bool last = --held->users == 0 && held->retired;
  pthread_mutex_unlock (&s->lock);
  if (last) {
    link_close (held->link);
    free (held);
  }
}

static void *
meet_side (void *arg)
{
  struct side *s = arg;
  struct held *held = NULL;
  CLEANUP_ERR struct err *e = acquire_open (s, &held);
  if (e == NULL)
    release (s, held);
  return NULL;
}

/* Before the first call of a resumed journal each host that can be reached
 * says what it remembers: none is changed for a journal that went backwards.
 * Both are asked at the same time: what a resume costs is mostly this. */
static void
meet (struct hosts *h)
{
  pthread_t other;
  pthread_mutex_lock (&h->meeting);
  if (!atomic_load (&h->met)) {
    bool apart = pthread_create (&other, NULL, meet_side, &h->target) == 0;
    meet_side (&h->source);
    if (apart)
      pthread_join (other, NULL);
    else
      meet_side (&h->target);
  }
  atomic_store (&h->met, true);
  pthread_mutex_unlock (&h->meeting);
}

/* Where one of the two is opened now, the other one remembers that, too,
 * unless it is gone. */
static void
tell_other (struct side *s)
{
  struct hosts *h = s->hosts;
  struct side *other = s == &h->source ? &h->target : &h->source;
  pthread_mutex_lock (&h->lock);
  bool due = h->pivotal && h->milestone > other->told;
  pthread_mutex_unlock (&h->lock);
  if (!due || !hosts_claims (s))
    return;
  pthread_mutex_lock (&other->lock);
  struct held *held = take_living (other);
  pthread_mutex_unlock (&other->lock);
  if (held == NULL)
    return;
  CLEANUP_ERR struct err *e = hosts_tell (other, held);
  if (e != NULL)
    log_err (LOG_WARN, e);
  release (other, held);
}

/* A link on which the host knows how far the journal has come. */
static struct err *
acquire (struct side *s, struct held **out)
{
  if (hosts_claims (s)) {
    meet (s->hosts);
    tell_other (s);
  }
  TRY (acquire_open (s, out));
  struct err *e = hosts_tell (s, *out);
  if (e != NULL)
    release (s, *out);
  return e;
}

/* ---- The ports ---- */

/* The port is the side's first member. */
static struct side *
side_of (struct port *p)
{
  return p->ops == &steady_ops ? (struct side *)p : NULL;
}

static struct err *
steady_call (struct port *p, const char *verb, const json_t *args,
             void (*tick) (void *ctx, const json_t *progress), void *ctx,
             json_t **result)
{
  struct side *s = side_of (p);
  struct held *held = NULL;
  TRY (acquire (s, &held));
  struct port *inner = link_port (held->link);
  struct err *e = inner->ops->call (inner, verb, args, tick, ctx, result);
  release (s, held);
  return e;
}

static struct err *
steady_pipe (struct port *from, const char *verb_out, const json_t *args_out,
             struct port *to, const char *verb_in, const json_t *args_in,
             void (*tick) (void *ctx, const json_t *progress), void *ctx,
             json_t **result_out, json_t **result_in)
{
  struct side *a = side_of (from), *b = side_of (to);
  struct held *out = NULL, *in = NULL;
  TRY (acquire (a, &out));
  struct err *e = acquire (b, &in);
  if (e == NULL) {
    struct port *p = link_port (out->link);
    e = p->ops->pipe (p, verb_out, args_out, link_port (in->link), verb_in,
                      args_in, tick, ctx, result_out, result_in);
    release (b, in);
  }
  release (a, out);
  return e;
}

static struct err *
steady_read (struct port *p, const char *verb, const json_t *args,
             const struct sink *to, json_t **result)
{
  struct side *s = side_of (p);
  struct held *held = NULL;
  TRY (acquire (s, &held));
  struct port *inner = link_port (held->link);
  struct err *e = inner->ops->read (inner, verb, args, to, result);
  release (s, held);
  return e;
}

static struct err *
steady_lane (struct port *near, struct port *far, const json_t *accept,
             const json_t *connect, const struct port_lane *lane)
{
  struct side *a = side_of (near), *b = side_of (far);
  struct held *here = NULL, *there = NULL;
  TRY (acquire (a, &here));
  struct err *e = acquire (b, &there);
  if (e == NULL) {
    struct port *p = link_port (here->link);
    e = p->ops->lane (p, link_port (there->link), accept, connect, lane);
    release (b, there);
  }
  release (a, here);
  return e;
}

static struct err *
steady_tunnel (struct port *near, struct port *far,
               const struct tunnel_way *way, unsigned *port)
{
  return tunnels_open (side_of (near)->hosts->tunnels, near, far, way, port);
}

static void
steady_tunnel_close (struct port *near, const char *name)
{
  tunnels_close (side_of (near)->hosts->tunnels, name);
}

static const struct port_ops steady_ops
    = { .call = steady_call,
        .pipe = steady_pipe,
        .read = steady_read,
        .lane = steady_lane,
        .tunnel = steady_tunnel,
        .tunnel_close = steady_tunnel_close };

/* ---- The pair ---- */

static void
side_init (struct side *s, struct hosts *h, const char *name,
           const struct plan_host *ph)
{
  s->port.ops = &steady_ops;
  s->port.name = name;
  s->hosts = h;
  s->where.name = name;
  s->where.host = ph->host;
  s->where.via = ph->via;
  s->where.machine_id = ph->machine_id;
  s->where.host_key = ph->host_key;
  s->where.agent_path = h->where.agent_path;
  s->where.batch = h->where.batch;
  pthread_mutex_init (&s->lock, NULL);
  pthread_mutex_init (&s->opening, NULL);
  pthread_mutex_init (&s->telling, NULL);
}

static void
side_hang_up (const struct side *s)
{
  if (s->held != NULL)
    link_hang_up (s->held->link);
}

static void
side_clear (struct side *s)
{
  if (s->held != NULL) {
    link_close (s->held->link);
    free (s->held);
  }
  err_free (s->failed);
  pthread_mutex_destroy (&s->lock);
  pthread_mutex_destroy (&s->opening);
  pthread_mutex_destroy (&s->telling);
}

struct hosts *
hosts_new (const struct hosts_where *where)
{
  static const struct plan_host here = { .host = "local" };
  struct hosts *h = mem_alloc (sizeof *h);
  h->where = *where;
  h->epoch = where->epoch;
  pthread_mutex_init (&h->lock, NULL);
  pthread_mutex_init (&h->claiming, NULL);
  pthread_mutex_init (&h->meeting, NULL);
  atomic_init (&h->met, true);
  h->tunnels = tunnels_new ();
  h->items = json_array ();
  for (size_t i = 0; i < plan_item_count (where->plan); i++)
    json_array_append_new (h->items,
                           json_string (plan_item (where->plan, i)->name));
  memset (h->hash, '0', 64);
  side_init (&h->source, h, "source", plan_source (where->plan));
  side_init (&h->target, h, "target", plan_target (where->plan));
  if (strcmp (h->source.where.host, "local") != 0
      && strcmp (h->target.where.host, "local") != 0)
    side_init (&h->here, h, "controller", &here);
  return h;
}

struct port *
hosts_source (struct hosts *h)
{
  return &h->source.port;
}

struct port *
hosts_target (struct hosts *h)
{
  return &h->target.port;
}

struct port *
hosts_controller (struct hosts *h)
{
  return h->here.hosts != NULL ? &h->here.port : NULL;
}

void
hosts_head (struct hosts *h, uint64_t seq, const char *hash,
            enum head_kind kind)
{
  pthread_mutex_lock (&h->lock);
  h->seq = seq;
  if (kind != HEAD_PLAIN) {
    h->milestone = seq;
    h->pivotal = kind == HEAD_PIVOT;
  }
  snprintf (h->hash, sizeof h->hash, "%s", hash);
  pthread_mutex_unlock (&h->lock);
}

void
hosts_epoch (struct hosts *h, uint64_t epoch)
{
  pthread_mutex_lock (&h->lock);
  h->epoch = epoch;
  pthread_mutex_unlock (&h->lock);
  atomic_store (&h->met, epoch <= 1);
}

static struct err *
open_side (struct side *s)
{
  struct held *held = NULL;
  TRY (acquire (s, &held));
  release (s, held);
  return NULL;
}

struct err *
hosts_open (struct hosts *h)
{
  TRY (open_side (&h->source));
  return open_side (&h->target);
}

json_t *
hosts_hello (struct hosts *h, bool source)
{
  struct side *s = source ? &h->source : &h->target;
  json_t *copy = NULL;
  pthread_mutex_lock (&s->lock);
  if (s->held != NULL)
    copy = json_deep_copy (link_hello (s->held->link));
  pthread_mutex_unlock (&s->lock);
  return copy;
}

void
hosts_release (struct hosts *h, bool tombstone)
{
  struct side *const sides[] = { &h->source, &h->target };
  for (size_t i = 0; i < 2; i++) {
    if (h->epoch <= 1 && !atomic_load (&sides[i]->claimed))
      continue; /* nobody has claimed it yet */
    CLEANUP_ERR struct err *e
        = port_call (&sides[i]->port, "fence.release",
                     json_pack ("{s:s, s:b}", "migration", h->where.migration,
                                "tombstone", tombstone),
                     NULL);
    if (e != NULL)
      log_err (LOG_WARN, e);
  }
}

void
hosts_end_keepers (struct hosts *h)
{
  struct side *const sides[] = { &h->source, &h->target };
  for (size_t i = 0; i < 2; i++) {
    pthread_mutex_lock (&sides[i]->lock);
    struct held *held = take_living (sides[i]);
    pthread_mutex_unlock (&sides[i]->lock);
    if (held == NULL)
      continue;
    err_free (port_call (link_port (held->link), "keeper.stop",
                         json_pack ("{s:s}", "migration", h->where.migration),
                         NULL));
    release (sides[i], held);
  }
}

void
hosts_stop (struct hosts *h)
{
  atomic_store (&h->stopped, true);
  tunnels_stop (h->tunnels);
}

void
hosts_free (struct hosts *h)
{
  if (h == NULL)
    return;
  tunnels_free (h->tunnels);
  side_hang_up (&h->source);
  side_hang_up (&h->target);
  side_clear (&h->source);
  side_clear (&h->target);
  if (h->here.hosts != NULL)
    side_clear (&h->here);
  json_decref (h->items);
  err_free (h->foreign);
  pthread_mutex_destroy (&h->meeting);
  pthread_mutex_destroy (&h->lock);
  pthread_mutex_destroy (&h->claiming);
  free (h);
}
