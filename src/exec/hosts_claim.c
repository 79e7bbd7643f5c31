/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of the two hosts, and what each remembers of the journal: one that
 * went backwards is refused by a host that saw more of it. */
#include "exec/hosts_inside.h"

#include "journal/store.h"

#include <string.h>

struct err *
hosts_copy_err (const struct err *e)
{
  return err_remote (err_class_of (e), err_code (e), err_message (e),
                     err_safe (e), err_advice (e));
}

/* ---- Claims, and what hosts remember of the journal ---- */

bool
hosts_claims (const struct side *s)
{
  return s->hosts->where.migration != NULL && s != &s->hosts->here;
}

/* The record that the journal has where the host remembers one. */
static struct err *
show (const struct hosts *h, const json_t *remembered, json_t *args)
{
  int64_t seq = 0;
  char hash[65];
  bool found = false;
  CLEANUP_STORE struct store *store = NULL;
  if (!json_is_integer (json_at (remembered, "seq"))
      || h->where.journal == NULL)
    return NULL;
  TRY (json_get_int (remembered, "seq", 0, INT64_MAX, &seq));
  if (seq == 0)
    return NULL;
  TRY (store_open_reader (h->where.journal, &store));
  TRY (store_hash_at (store, (uint64_t)seq, hash, &found));
  if (found) {
    json_object_set_new (args, "known_seq", json_integer (seq));
    json_object_set_new (args, "known_hash", json_string (hash));
  }
  return NULL;
}

/* From now on nothing is called on either host. */
static void
note_foreign (struct hosts *h, const struct err *e)
{
  if (strcmp (err_code (e), "RH-FENCE-HISTORY") != 0)
    return;
  pthread_mutex_lock (&h->lock);
  if (h->foreign == NULL)
    h->foreign = hosts_copy_err (e);
  pthread_mutex_unlock (&h->lock);
}

struct err *
hosts_foreign (struct hosts *h)
{
  pthread_mutex_lock (&h->lock);
  struct err *e = h->foreign != NULL ? hosts_copy_err (h->foreign) : NULL;
  pthread_mutex_unlock (&h->lock);
  return e;
}

static struct err *
make_claim (struct side *s, struct link *link)
{
  struct hosts *h = s->hosts;
  CLEANUP_JSON json_t *remembered = NULL;
  json_t *result = NULL;
  TRY (port_call (link_port (link), "fence.read",
                  json_pack ("{s:s}", "migration", h->where.migration),
                  &remembered));
  pthread_mutex_lock (&h->lock);
  uint64_t seq = h->seq;
  CLEANUP_JSON json_t *args
      = json_pack ("{s:s, s:s, s:I, s:s, s:O, s:I, s:s}", "side", s->port.name,
                   "migration", h->where.migration, "epoch",
                   (json_int_t)h->epoch, "controller", h->where.controller,
                   "items", h->items, "seq", (json_int_t)h->seq, "hash",
                   h->hash);
  pthread_mutex_unlock (&h->lock);
  TRY (show (h, remembered, args));
  TRY (
      port_call (link_port (link), "fence.claim", json_incref (args), &result));
  json_decref (result);
  atomic_store (&s->claimed, true);
  s->told = seq > s->told ? seq : s->told;
  return NULL;
}

/* One claim at a time: where both sides are one host, a claim that knows less
 * of the journal may not come behind one that knows more. */
struct err *
hosts_claim (struct side *s, struct link *link)
{
  struct hosts *h = s->hosts;
  if (!hosts_claims (s))
    return NULL;
  pthread_mutex_lock (&h->claiming);
  pthread_mutex_lock (&s->telling);
  struct err *e = make_claim (s, link);
  pthread_mutex_unlock (&s->telling);
  pthread_mutex_unlock (&h->claiming);
  if (e != NULL)
    note_foreign (h, e);
  return err_wrap (e, "while claiming %s", s->port.name);
}

/* The host remembers the head where a milestone has come since it was last
 * told.  Under the side's `telling`. */
static struct err *
tell_head (struct side *s, struct held *held)
{
  struct hosts *h = s->hosts;
  pthread_mutex_lock (&h->lock);
  uint64_t seq = h->seq;
  json_t *args
      = h->milestone > s->told
            ? json_pack ("{s:s, s:I, s:s}", "migration", h->where.migration,
                         "seq", (json_int_t)seq, "hash", h->hash)
            : NULL;
  pthread_mutex_unlock (&h->lock);
  if (args == NULL)
    return NULL;
  struct err *e = port_call (link_port (held->link), "fence.head", args, NULL);
  if (e == NULL)
    s->told = seq;
  else
    note_foreign (h, e);
  return e;
}

/* Where both sides are one host, a claim that is on its way must not be
 * overtaken. */
static bool
one_host (const struct hosts *h)
{
  return strcmp (h->source.where.host, h->target.where.host) == 0;
}

struct err *
hosts_tell (struct side *s, struct held *held)
{
  bool alone = one_host (s->hosts);
  if (!hosts_claims (s))
    return NULL;
  if (alone)
    pthread_mutex_lock (&s->hosts->claiming);
  pthread_mutex_lock (&s->telling);
  struct err *e = tell_head (s, held);
  pthread_mutex_unlock (&s->telling);
  if (alone)
    pthread_mutex_unlock (&s->hosts->claiming);
  return err_wrap (e, "while telling %s of the journal", s->port.name);
}
