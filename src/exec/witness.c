/* SPDX-License-Identifier: Apache-2.0 */
/* Has both hosts sign the journal's head. */
#include "exec/witness.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/queue.h"
#include "base/text.h"
#include "host/sshsig.h"
#include "journal/witness.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define KEY_DIR "/etc/ssh"
#define MOST_KEYS 16

struct head {
  uint64_t seq;
  char hash[65];
  char *phase;
};

struct witness {
  struct witness_parts parts;
  struct queue *heads;
  pthread_t thread;
  bool started;
  atomic_bool stopping;
  atomic_uint pending;
};

static bool
is_stopping (void *ctx)
{
  struct witness *w = ctx;
  return atomic_load (&w->stopping);
}

/* Not those inside the freeze: a signature covers all that lies before it,
 * and nothing should compete with a cutover. */
bool
witness_wants (const char *phase)
{
  static const char *const phases[]
      = { "syncing", "guarded", "accepted", "aborted", "rolled-back", NULL };
  for (size_t i = 0; phase != NULL && phases[i] != NULL; i++)
    if (strcmp (phase, phases[i]) == 0)
      return true;
  return false;
}

/* ---- The key of a host ---- */

struct host_key {
  char *path;        /* of the private half, on the host */
  char *public_key;  /* "TYPE BASE64" */
  char *fingerprint; /* "SHA256:..." */
};

static void
host_key_clear (struct host_key *k)
{
  free (k->path);
  free (k->public_key);
  free (k->fingerprint);
  memset (k, 0, sizeof *k);
}

static struct err *
read_key (struct port *host, const char *name, struct host_key *out)
{
  CLEANUP_JSON json_t *file = NULL;
  CLEANUP_FREE unsigned char *bytes = NULL;
  size_t len = 0;
  TRY (port_call (
      host, "file.read",
      json_pack ("{s:o}", "path", json_sprintf (KEY_DIR "/%s", name)), &file));
  const char *content = json_string_value (json_object_get (file, "content"));
  TRY (text_unbase64 (content != NULL ? content : "", &bytes, &len));
  char *words = sshsig_words ((const char *)bytes, len);
  if (words == NULL)
    return err_new (ERR_CORRUPT, "RH-SIGN-KEY", "%s holds no public key", name);
  out->public_key = words;
  out->path = mem_printf (KEY_DIR "/%.*s", (int)(strlen (name) - 4), name);
  return sshsig_fingerprint (words, &out->fingerprint);
}

static bool
is_host_key (const char *name)
{
  size_t n = name != NULL ? strlen (name) : 0;
  return n > 17 && strncmp (name, "ssh_host_", 9) == 0
         && strcmp (name + n - 8, "_key.pub") == 0;
}

/* The pinned key, else an ed25519 one, else any. */
static int
rank (const struct host_key *k, const char *pinned)
{
  if (pinned != NULL && strcmp (pinned, k->fingerprint) == 0)
    return 3;
  return strncmp (k->public_key, "ssh-ed25519 ", 12) == 0 ? 2 : 1;
}

static struct err *
find_key (struct port *host, const char *pinned, struct host_key *out)
{
  CLEANUP_JSON json_t *list = NULL;
  size_t i, looked = 0;
  json_t *one;
  int best = 0;
  TRY (port_call (host, "file.list", json_pack ("{s:s}", "path", KEY_DIR),
                  &list));
  json_array_foreach (json_object_get (list, "entries"), i, one)
  {
    const char *name = json_string_value (json_object_get (one, "name"));
    struct host_key k CLEANUP (host_key_clear) = { 0 };
    if (!is_host_key (name) || looked++ >= MOST_KEYS)
      continue;
    TRY (read_key (host, name, &k));
    if (rank (&k, pinned) > best) {
      best = rank (&k, pinned);
      host_key_clear (out);
      *out = k;
      memset (&k, 0, sizeof k);
    }
  }
  if (best == 0)
    return err_new (ERR_BLOCKED, "RH-SIGN-KEY",
                    "there is no ssh host key in " KEY_DIR);
  return NULL;
}

/* ---- A signature ---- */

static struct err *
ask_host (struct port *host, const char *key, const char *text, char **out)
{
  CLEANUP_JSON json_t *end = NULL;
  CLEANUP_FREE unsigned char *bytes = NULL;
  CLEANUP_FREE char *input = text_base64 (text, strlen (text));
  size_t len = 0;
  TRY (port_call (host, "run",
                  json_pack ("{s:[s,s,s,s,s,s,s,s], s:s, s:i}", "argv",
                             "ssh-keygen", "-Y", "sign", "-q", "-n",
                             WITNESS_SPACE, "-f", key, "input", input,
                             "timeout_ms", 10000),
                  &end));
  const json_t *status = json_object_get (end, "status");
  if (!json_is_integer (status) || json_integer_value (status) != 0)
    return err_new (ERR_BLOCKED, "RH-SIGN-SIGN",
                    "its ssh-keygen cannot sign (OpenSSH before 8.1?)");
  const char *armored = json_string_value (json_object_get (end, "out"));
  TRY (text_unbase64 (armored != NULL ? armored : "", &bytes, &len));
  *out = mem_strndup ((const char *)bytes, len);
  return NULL;
}

static struct err *
sign_on (const struct witness *w, struct port *host, const char *pinned,
         const struct head *h, json_t *data)
{
  struct host_key key CLEANUP (host_key_clear) = { 0 };
  CLEANUP_FREE char *signature = NULL;
  CLEANUP_FREE char *text
      = witness_text (w->parts.migration, h->seq, h->hash, h->phase);
  TRY (find_key (host, pinned, &key));
  TRY (ask_host (host, key.path, text, &signature));
  /* What the host sent is evidence only if it holds. */
  TRY (sshsig_check (key.public_key, WITNESS_SPACE, text, strlen (text),
                     signature));
  json_object_set_new (data, "key", json_string (key.public_key));
  json_object_set_new (data, "fingerprint", json_string (key.fingerprint));
  json_object_set_new (data, "signature", json_string (signature));
  if (pinned != NULL)
    json_object_set_new (data, "pinned",
                         json_boolean (strcmp (pinned, key.fingerprint) == 0));
  return NULL;
}

static const char *
pinned_key (const struct witness *w, bool source)
{
  if (w->parts.plan == NULL)
    return NULL;
  return source ? plan_source (w->parts.plan)->host_key
                : plan_target (w->parts.plan)->host_key;
}

static void
witness_side (struct witness *w, const struct head *h, bool source)
{
  struct port *host = source ? w->parts.source : w->parts.target;
  char seq[24];
  snprintf (seq, sizeof seq, "%llu", (unsigned long long)h->seq);
  json_t *data
      = json_pack ("{s:s, s:s, s:s, s:s}", "side", source ? "source" : "target",
                   "phase", h->phase, "head_seq", seq, "head_hash", h->hash);
  CLEANUP_ERR struct err *e
      = sign_on (w, host, pinned_key (w, source), h, data);
  if (e != NULL)
    json_object_set_new (data, "missing", json_from_err (e));
  w->parts.done (w->parts.ctx, data);
  atomic_fetch_sub (&w->pending, 1);
}

static void
head_free (void *item)
{
  struct head *h = item;
  free (h->phase);
  free (h);
}

static void *
work (void *arg)
{
  struct witness *w = arg;
  port_cancel_hook (is_stopping, w);
  for (struct head *h; (h = queue_take (w->heads)) != NULL; head_free (h)) {
    for (int side = 0; side < 2 && !is_stopping (w); side++)
      witness_side (w, h, side == 0);
  }
  return NULL;
}

struct witness *
witness_new (const struct witness_parts *parts)
{
  struct witness *w = mem_alloc (sizeof *w);
  w->parts = *parts;
  w->heads = queue_new (16);
  w->started = pthread_create (&w->thread, NULL, work, w) == 0;
  return w;
}

void
witness_ask (struct witness *w, uint64_t seq, const char *hash,
             const char *phase)
{
  if (!w->started || queue_len (w->heads) >= 8)
    return;
  struct head *h = mem_alloc (sizeof *h);
  h->seq = seq;
  snprintf (h->hash, sizeof h->hash, "%s", hash);
  h->phase = mem_strdup (phase);
  atomic_fetch_add (&w->pending, 2);
  if (!queue_put (w->heads, h)) {
    atomic_fetch_sub (&w->pending, 2);
    head_free (h);
  }
}

unsigned
witness_pending (const struct witness *w)
{
  return atomic_load (&w->pending);
}

bool
witness_stop (struct witness *w, long ms)
{
  if (w == NULL || !w->started)
    return true;
  struct timespec until;
  atomic_store (&w->stopping, true);
  queue_close (w->heads);
  clock_gettime (CLOCK_REALTIME, &until);
  until.tv_sec += ms / 1000;
  if (pthread_timedjoin_np (w->thread, NULL, &until) != 0)
    return false;
  w->started = false;
  return true;
}

void
witness_free (struct witness *w)
{
  if (w == NULL || !witness_stop (w, 5000))
    return;
  queue_free (w->heads, head_free);
  free (w);
}
