/* SPDX-License-Identifier: Apache-2.0 */
/* A link to the agent on one host; see link.h. */
#include "link/link.h"

#include "base/mem.h"
#include "link/binary.h"
#include "link/conn.h"
#include "link/order.h"
#include "link/pipe.h"
#include "link/splice.h"
#include "link/ssh.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct link {
  struct port port; /* first: a port of ours is a link */
  struct conn *control;
  struct conn *data;
};

static struct link *
of (struct port *p)
{
  return (struct link *)p;
}

static struct err *
claim_on (struct conn *c, const char *channel, const json_t *args,
          json_t **result)
{
  CLEANUP_JSON json_t *own = json_copy ((json_t *)(uintptr_t)args);
  json_object_set_new (own, "channel", json_string (channel));
  return pipe_call (c, "fence.claim", own, NULL, NULL, NULL, result);
}

/* A claim counts for a connection, so each of the two makes it. */
static struct err *
claim (const struct link *l, const json_t *args, json_t **result)
{
  CLEANUP_JSON json_t *again = NULL;
  TRY (claim_on (l->control, "control", args, result));
  struct err *e = claim_on (l->data, "data", args, &again);
  if (e != NULL) {
    json_decref (*result);
    *result = NULL;
  }
  return e;
}

static struct err *
link_call (struct port *p, const char *verb, const json_t *args,
           void (*tick) (void *ctx, const json_t *progress), void *ctx,
           json_t **result)
{
  struct link *l = of (p);
  if (strcmp (verb, "fence.claim") == 0)
    return claim (l, args, result);
  return pipe_call (l->control, verb, args, NULL, tick, ctx, result);
}

static struct err *
link_read (struct port *p, const char *verb, const json_t *args,
           const struct sink *to, json_t **result)
{
  return pipe_call (of (p)->data, verb, args, to, NULL, NULL, result);
}

static struct err *link_pipe (struct port *from, const char *verb_out,
                              const json_t *args_out, struct port *to,
                              const char *verb_in, const json_t *args_in,
                              void (*tick) (void *ctx, const json_t *progress),
                              void *ctx, json_t **result_out,
                              json_t **result_in);

void
link_hang_up (struct link *l)
{
  conn_hang_up (l->data);
  conn_hang_up (l->control);
}

static struct err *link_lane (struct port *near, struct port *far,
                              const json_t *accept, const json_t *connect,
                              const struct port_lane *lane);

static const struct port_ops ops = {
  .call = link_call, .pipe = link_pipe, .read = link_read, .lane = link_lane
};

static struct err *
link_pipe (struct port *from, const char *verb_out, const json_t *args_out,
           struct port *to, const char *verb_in, const json_t *args_in,
           void (*tick) (void *ctx, const json_t *progress), void *ctx,
           json_t **result_out, json_t **result_in)
{
  if (from->ops != &ops || to->ops != &ops)
    return err_new (ERR_BUG, "RH-LINK-STREAM",
                    "a stream between ports of two kinds");
  return pipe_join (of (from)->data, verb_out, args_out, of (to)->data, verb_in,
                    args_in, tick, ctx, result_out, result_in);
}

static struct err *
link_lane (struct port *near, struct port *far, const json_t *accept,
           const json_t *connect, const struct port_lane *lane)
{
  if (near->ops != &ops || far->ops != &ops)
    return err_new (ERR_BUG, "RH-LINK-STREAM",
                    "a tunnel between ports of two kinds");
  return splice_join (of (near)->data, accept, of (far)->data, connect, lane);
}

static const char *
told (const json_t *hello, const char *key)
{
  const char *s = json_string_value (json_at (hello, key));
  return s != NULL ? s : "";
}

static struct err *
identity (const struct link_where *w, const json_t *hello)
{
  const char *id = told (hello, "machine_id");
  if (w->machine_id == NULL || strcmp (w->machine_id, id) == 0)
    return NULL;
  return err_advise (
      err_new (ERR_REFUSED, "RH-LINK-IDENTITY",
               "%s is the machine %s (%s); the plan was made for %s", w->host,
               id, told (hello, "hostname"), w->machine_id),
      "nothing was changed on that machine",
      "see which machine answers under this name; if it is the right one, "
      "plan again");
}

/* Before 3.10 the agent would start, and fail here and there. */
static struct err *
new_enough (const struct link_where *w, const json_t *hello)
{
  const char *kernel = told (hello, "kernel");
  int major = 0, minor = 0;
  if (sscanf (kernel, "%5d.%5d", &major, &minor) != 2 || major > 3
      || (major == 3 && minor >= 10))
    return NULL;
  return err_advise (
      err_new (ERR_REFUSED, "RH-LINK-KERNEL",
               "%s runs Linux %s; the oldest that rehome works with is 3.10",
               w->host, kernel),
      "nothing was changed on that machine",
      "start a kernel of 3.10 or later there, or move what it holds by other "
      "means");
}

/* Behind one name may stand several machines. */
static struct err *
same_machine (const struct link_where *w, const json_t *a, const json_t *b)
{
  if (strcmp (told (a, "machine_id"), told (b, "machine_id")) == 0
      && strcmp (told (a, "boot_id"), told (b, "boot_id")) == 0)
    return NULL;
  return err_advise (
      err_new (ERR_REFUSED, "RH-LINK-IDENTITY",
               "two connections to %s reached two machines, %s and %s", w->host,
               told (a, "machine_id"), told (b, "machine_id")),
      "nothing was changed on either", "give an address that is one machine's");
}

/* The second connection, which comes up beside the first. */
struct second {
  const struct link_where *where;
  const struct ssh_names *names;
  const struct binary *agent;
  struct order order;
  struct conn *conn;
  struct err *error;
};

static void *
open_second (void *arg)
{
  struct second *s = arg;
  struct carrier_turn turn = { &s->order, false };
  bool alone = s->names == NULL || s->names->quiet; /* nobody is asked */
  if (alone || order_await (&s->order, ORDER_LOGGED_IN))
    s->error = conn_open (s->where, s->names, s->agent, &turn, &s->conn);
  return NULL;
}

static struct err *
open_first (struct second *s, struct conn **out)
{
  struct carrier_turn turn = { &s->order, true };
  TRY (conn_open (s->where, s->names, s->agent, &turn, out));
  TRY (identity (s->where, conn_hello (*out)));
  return new_enough (s->where, conn_hello (*out));
}

static struct err *
open_both (struct link *l, struct second *s)
{
  pthread_t thread;
  int rc = pthread_create (&thread, NULL, open_second, s);
  if (rc != 0)
    return err_sys (rc, "RH-LINK-START", "starting a second connection");
  struct err *e = open_first (s, &l->control);
  order_reach (&s->order, e != NULL ? ORDER_FAILED : ORDER_THERE);
  pthread_join (thread, NULL);
  l->data = s->conn;
  if (e != NULL) {
    err_free (s->error);
    return e;
  }
  TRY (s->error);
  return same_machine (s->where, conn_hello (l->control), conn_hello (l->data));
}

static struct err *
connect_both (struct link *l, const struct link_where *w,
              const struct ssh_names *names, const struct binary *agent)
{
  struct second s = { .where = w, .names = names, .agent = agent };
  order_init (&s.order);
  struct err *e = open_both (l, &s);
  order_clear (&s.order);
  return e;
}

static void
disconnect (struct link *l)
{
  link_hang_up (l);
  conn_close (l->data);
  conn_close (l->control);
  l->data = l->control = NULL;
}

static struct err *
connect_remote (struct link *l, const struct link_where *w)
{
  CLEANUP (ssh_names_clear) struct ssh_names names = { 0 };
  CLEANUP (binary_clear) struct binary agent = { 0 };
  TRY (binary_read (w->agent_path, &agent));
  TRY (ssh_resolve (w, &names));
  struct err *e = connect_both (l, w, &names, &agent);
  if (e == NULL || strcmp (err_code (e), "RH-LINK-LOST") != 0)
    return e;
  /* The last session of another link may have removed the agent just when
   * ours was to start: once more. */
  err_free (e);
  disconnect (l);
  return connect_both (l, w, &names, &agent);
}

struct err *
link_open (const struct link_where *where, struct link **out)
{
  struct link *l = mem_alloc (sizeof *l);
  struct err *e;
  signal (SIGPIPE, SIG_IGN); /* a peer that is gone is an error value */
  l->port.ops = &ops;
  l->port.name = where->name;
  if (strcmp (where->host, "local") == 0) {
    e = connect_both (l, where, NULL, NULL);
  } else {
    e = connect_remote (l, where);
  }
  if (e != NULL) {
    link_close (l);
    return e;
  }
  *out = l;
  return NULL;
}

void
link_close (struct link *l)
{
  if (l == NULL)
    return;
  disconnect (l);
  port_forget (&l->port);
  free (l);
}

struct port *
link_port (struct link *l)
{
  return &l->port;
}

const json_t *
link_hello (const struct link *l)
{
  return conn_hello (l->control);
}

bool
link_alive (struct link *l)
{
  return conn_alive (l->control) && conn_alive (l->data);
}
