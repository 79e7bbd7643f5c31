/* SPDX-License-Identifier: Apache-2.0 */
/* A host as providers see it; see port.h. */
#include "link/port.h"

#include <pthread.h>
#include <string.h>

static pthread_mutex_t keeping = PTHREAD_MUTEX_INITIALIZER; /* of any port's */
static _Thread_local bool (*hook) (void *ctx);
static _Thread_local void *hook_ctx;
static _Thread_local uint64_t (*pacing) (void *ctx, uint64_t wanted);
static _Thread_local void *pacing_ctx;

struct err *
port_call (struct port *p, const char *verb, json_t *args, json_t **result)
{
  CLEANUP_JSON json_t *owned = args;
  CLEANUP_JSON json_t *got = NULL;
  TRY (p->ops->call (p, verb, owned, NULL, NULL, &got));
  if (result != NULL)
    *result = STEAL (got);
  return NULL;
}

struct err *
port_read (struct port *p, const char *verb, json_t *args,
           const struct sink *to, json_t **result)
{
  CLEANUP_JSON json_t *owned = args;
  CLEANUP_JSON json_t *got = NULL;
  if (p->ops->read == NULL)
    return err_new (ERR_BUG, "RH-LINK-STREAM", "%s cannot stream", p->name);
  TRY (p->ops->read (p, verb, owned, to, &got));
  if (result != NULL)
    *result = STEAL (got);
  return NULL;
}

struct err *
port_tunnel (struct port *near, struct port *far, const struct tunnel_way *way,
             unsigned *port)
{
  if (near->ops->tunnel == NULL)
    return err_new (ERR_BUG, "RH-LINK-STREAM", "%s holds no tunnel",
                    near->name);
  return near->ops->tunnel (near, far, way, port);
}

void
port_tunnel_close (struct port *near, const char *name)
{
  if (near->ops->tunnel_close != NULL)
    near->ops->tunnel_close (near, name);
}

void
port_cancel_hook (bool (*cancelled) (void *ctx), void *ctx)
{
  hook = cancelled;
  hook_ctx = ctx;
}

bool
port_is_cancelled (void)
{
  return hook != NULL && hook (hook_ctx);
}

void
port_pace_hook (uint64_t (*pace) (void *ctx, uint64_t wanted), void *ctx)
{
  pacing = pace;
  pacing_ctx = ctx;
}

uint64_t
port_paced (uint64_t wanted)
{
  return pacing == NULL ? wanted : pacing (pacing_ctx, wanted);
}

json_t *
port_kept (struct port *p, const char *name)
{
  pthread_mutex_lock (&keeping);
  json_t *value = json_incref (json_object_get (p->kept, name));
  pthread_mutex_unlock (&keeping);
  return value;
}

void
port_keep (struct port *p, const char *name, json_t *value)
{
  pthread_mutex_lock (&keeping);
  if (p->kept == NULL)
    p->kept = json_object ();
  if (json_object_get (p->kept, name) == NULL)
    json_object_set (p->kept, name, value);
  pthread_mutex_unlock (&keeping);
  json_decref (value);
}

void
port_forget (struct port *p)
{
  json_decref (p->kept);
  p->kept = NULL;
}

bool
port_is_lost (const struct err *e)
{
  return e != NULL && strncmp (err_code (e), "RH-LINK", 7) == 0;
}
