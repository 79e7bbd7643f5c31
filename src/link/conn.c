/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to an agent: its reader and its calls; see conn.h. */
#include "link/conn.h"

#include "base/mem.h"
#include "link/carrier.h"
#include "wire/beat.h"
#include "wire/hello.h"
#include "wire/outlet.h"

#include <string.h>
#include <unistd.h>

struct conn {
  const char *name; /* "source" or "target" */
  char *host;
  struct carrier *carrier;
  struct frame_reader reader;
  struct outlet *outlet;
  struct beat *beat;
  json_t *hello;
  bool reading; /* the thread runs */
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t room;
  pthread_mutex_t order; /* of new calls */
  struct request *calls[CALLS_MAX];
  size_t count;
  uint32_t last_id;
  struct err *lost; /* why; NULL while it lives */
};

static struct err *
copy_err (const struct err *e)
{
  return err_remote (err_class_of (e), err_code (e), err_message (e),
                     err_safe (e), err_advice (e));
}

/* Every call ends with the reason; only the first counts. */
static void
lose (struct conn *c, struct err *why)
{
  CLEANUP_ERR struct err *e = why;
  CLEANUP_FREE char *word = carrier_last_word (c->carrier);
  pthread_mutex_lock (&c->lock);
  if (c->lost == NULL) {
    const char *reason = e != NULL ? err_message (e) : "it ended";
    c->lost = err_new (ERR_TRANSIENT, "RH-LINK-LOST",
                       "the connection to the %s (%s) was lost: %s", c->name,
                       c->host, e == NULL && word != NULL ? word : reason);
    for (size_t i = 0; i < CALLS_MAX; i++)
      if (c->calls[i] != NULL)
        request_lose (c->calls[i], copy_err (c->lost));
  }
  pthread_cond_broadcast (&c->room);
  pthread_mutex_unlock (&c->lock);
}

/* With the lock held. */
static struct request **
find (struct conn *c, uint32_t id)
{
  for (size_t i = 0; i < CALLS_MAX; i++)
    if (c->calls[i] != NULL && c->calls[i]->id == id)
      return &c->calls[i];
  return NULL;
}

static struct err *
take (struct conn *c, struct frame *f)
{
  struct err *e = NULL;
  if (f->type == FRAME_PING)
    beat_answer (c->beat);
  if (f->type == FRAME_PING || f->type == FRAME_PONG)
    return NULL;
  if (f->call == 0)
    return err_new (ERR_CORRUPT, "RH-WIRE-FRAME", "a second hello");
  pthread_mutex_lock (&c->lock);
  struct request **slot = find (c, f->call);
  if (slot != NULL) /* else it was given up */
    e = request_take (*slot, f);
  pthread_mutex_unlock (&c->lock);
  return e;
}

/* The request that the frame's body goes past unseen, and where to; NULL: it is
 * read.  It stays until request_passed: who waits for it waits for that. */
static struct err *
find_pass (struct conn *c, const struct frame *f, struct request **r, int *to)
{
  struct err *e = NULL;
  *r = NULL;
  if (f->type != FRAME_DATA)
    return NULL;
  pthread_mutex_lock (&c->lock);
  struct request **slot = find (c, f->call);
  if (slot != NULL)
    e = request_pass (*slot, f, to);
  if (slot != NULL && e == NULL && *to >= 0)
    *r = *slot;
  pthread_mutex_unlock (&c->lock);
  return e;
}

static struct err *
read_frame (struct conn *c, struct frame *f)
{
  struct request *r;
  int to = -1;
  TRY (find_pass (c, f, &r, &to));
  if (r != NULL) {
    c->reader.lean = true; /* what is read ahead has to be copied */
    struct err *e = frame_pass (&c->reader, f, to);
    request_passed (r, f);
    return e;
  }
  TRY (frame_read_body (&c->reader, f));
  return take (c, f);
}

static struct err *
read_frames (struct conn *c)
{
  for (;;) {
    CLEANUP_FRAME struct frame f = FRAME_INIT;
    bool eof = false;
    TRY (frame_read_head (&c->reader, &f, &eof));
    if (eof)
      return NULL;
    TRY (read_frame (c, &f));
  }
}

static void *
run (void *arg)
{
  struct conn *c = arg;
  lose (c, read_frames (c));
  return NULL;
}

static struct conn *
conn_new (const struct link_where *where)
{
  struct conn *c = mem_alloc (sizeof *c);
  c->name = where->name;
  c->host = mem_strdup (where->host);
  pthread_mutex_init (&c->lock, NULL);
  pthread_cond_init (&c->room, NULL);
  pthread_mutex_init (&c->order, NULL);
  return c;
}

/* The hellos of both sides. */
static struct err *
greet (struct conn *c)
{
  int64_t version = 0;
  CLEANUP_JSON json_t *mine = hello_new (NULL);
  TRY (outlet_json (c->outlet, FRAME_HELLO, 0, mine));
  TRY (hello_read (&c->reader, &c->hello));
  TRY (hello_agree (c->hello, &version));
  json_object_set_new (c->hello, "version", json_integer (version));
  const char *key = carrier_host_key (c->carrier);
  const char *dir = carrier_dir (c->carrier);
  if (key != NULL)
    json_object_set_new (c->hello, "host_key", json_string (key));
  json_object_set_new (c->hello, "dir", json_bytes (dir, strlen (dir)));
  return NULL;
}

/* The agent was started and yet did not greet: its last words say why. */
static struct err *
no_hello (struct conn *c, struct err *e)
{
  if (e == NULL || err_class_of (e) != ERR_TRANSIENT)
    return e;
  CLEANUP_FREE char *said = carrier_said (c->carrier);
  struct err *lost
      = err_new (ERR_TRANSIENT, "RH-LINK-LOST",
                 "the agent on the %s (%s) ended at its start: %s%s%s", c->name,
                 c->host, err_message (e), said != NULL ? ": " : "",
                 said != NULL ? said : "");
  err_free (e);
  return lost;
}

static struct err *
start (struct conn *c, const struct link_where *where,
       const struct ssh_names *names, const struct binary *agent,
       const struct carrier_turn *turn)
{
  TRY (carrier_start (where, names, agent, turn, &c->carrier, &c->reader));
  c->outlet = outlet_new (carrier_take_in (c->carrier));
  TRY (no_hello (c, greet (c)));
  c->reader.timeout_ms = IDLE_MS;
  TRY (beat_start (c->outlet, &c->beat));
  int rc = pthread_create (&c->thread, NULL, run, c);
  if (rc != 0)
    return err_sys (rc, "RH-LINK-START", "starting the reader");
  c->reading = true;
  return NULL;
}

struct err *
conn_open (const struct link_where *where, const struct ssh_names *names,
           const struct binary *agent, const struct carrier_turn *turn,
           struct conn **out)
{
  struct conn *c = conn_new (where);
  struct err *e = start (c, where, names, agent, turn);
  if (e != NULL)
    conn_close (c);
  else
    *out = c;
  return e;
}

bool
conn_alive (struct conn *c)
{
  pthread_mutex_lock (&c->lock);
  bool alive = c->lost == NULL;
  pthread_mutex_unlock (&c->lock);
  return alive;
}

void
conn_hang_up (struct conn *c)
{
  if (c != NULL && c->outlet != NULL)
    outlet_close (c->outlet); /* the agent sees the end and leaves */
}

void
conn_close (struct conn *c)
{
  if (c == NULL)
    return;
  conn_hang_up (c);
  carrier_end (c->carrier, !c->reading || !conn_alive (c));
  if (c->reading)
    pthread_join (c->thread, NULL);
  beat_stop (c->beat); /* the reader answered through it until now */
  carrier_free (c->carrier);
  outlet_free (c->outlet);
  frame_reader_clear (&c->reader);
  json_decref (c->hello);
  err_free (c->lost);
  pthread_mutex_destroy (&c->lock);
  pthread_cond_destroy (&c->room);
  pthread_mutex_destroy (&c->order);
  free (c->host);
  free (c);
}

bool
conn_is_child (const struct conn *c)
{
  const json_t *parent = json_at (c->hello, "parent");
  return strcmp (c->host, "local") == 0 && json_is_integer (parent)
         && json_integer_value (parent) == getpid ();
}

const json_t *
conn_hello (const struct conn *c)
{
  return c->hello;
}

/* Waits for a free slot and takes it. */
static struct err *
enter (struct conn *c, struct request *r)
{
  struct err *e = NULL;
  pthread_mutex_lock (&c->lock);
  while (c->lost == NULL && c->count == CALLS_MAX)
    pthread_cond_wait (&c->room, &c->lock);
  if (c->lost != NULL || c->last_id == UINT32_MAX) {
    e = c->lost != NULL ? copy_err (c->lost)
                        : err_new (ERR_TRANSIENT, "RH-LINK-LOST",
                                   "no call numbers are left");
  } else {
    struct request **slot = c->calls;
    while (*slot != NULL)
      slot++;
    *slot = r;
    c->count++;
  }
  pthread_mutex_unlock (&c->lock);
  return e;
}

static void
lose_if (struct conn *c, struct err *e)
{
  if (e != NULL)
    lose (c, e);
}

struct err *
conn_begin (struct conn *c, const char *verb, const json_t *args,
            struct request *r)
{
  CLEANUP_JSON json_t *message = json_object ();
  json_object_set_new (message, "verb", json_string (verb));
  json_object_set_new (message, "args",
                       args != NULL ? json_deep_copy (args) : json_object ());
  if (r->input >= 0)
    json_object_set_new (message, "input", json_integer (r->input));
  TRY (enter (c, r));
  /* Numbers must rise in the order of sending, so both under one lock. */
  pthread_mutex_lock (&c->order);
  pthread_mutex_lock (&c->lock);
  r->id = ++c->last_id;
  pthread_mutex_unlock (&c->lock);
  struct err *e = outlet_json (c->outlet, FRAME_CALL, r->id, message);
  pthread_mutex_unlock (&c->order);
  if (e != NULL && strcmp (err_code (e), "RH-LIMIT") == 0) {
    conn_forget (c, r);
    return e;
  }
  lose_if (c, e);
  return NULL;
}

void
conn_forget (struct conn *c, struct request *r)
{
  pthread_mutex_lock (&c->lock);
  for (size_t i = 0; i < CALLS_MAX; i++)
    if (c->calls[i] == r) {
      c->calls[i] = NULL;
      c->count--;
    }
  pthread_cond_signal (&c->room);
  pthread_mutex_unlock (&c->lock);
}

void
conn_break (struct conn *c, const char *why)
{
  lose (c, err_new (ERR_TRANSIENT, "RH-LINK-STUCK", "%s", why));
}

void
conn_send (struct conn *c, enum frame_type type, uint32_t call, uint32_t value,
           const void *body, size_t len)
{
  lose_if (c, outlet_frame (c->outlet, type, call, value, body, len));
}
