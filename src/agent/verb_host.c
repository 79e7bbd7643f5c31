/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs about the host itself: facts, space, run, http, announce, sync. */
#include "agent/verb.h"

#include "agent/named.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/announce.h"
#include "host/facts.h"
#include "host/http.h"
#include "host/space.h"
#include "host/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
  OUTPUT_MAX = 4 << 20,
  BODY_MAX = 4 << 20,
  TIMEOUT_MAX = 24 * 3600 * 1000,
};

static struct err *
check_absolute (const char *path)
{
  if (*path == '/')
    return NULL;
  CLEANUP_FREE char *shown = text_escape (path, strlen (path));
  return err_new (ERR_CORRECT, "RH-PATH-ESCAPE", "'%s' is not absolute", shown);
}

/* --- facts, space, sync --------------------------------------------------- */

static struct err *
run_facts (struct verb_call *call, json_t **result)
{
  (void)call;
  return host_facts (result);
}

static struct err *
run_space (struct verb_call *call, json_t **result)
{
  CLEANUP_FREE char *path = NULL;
  TRY (json_get_bytes (call->args, "path", &path, NULL));
  TRY (check_absolute (path));
  CLEANUP (space_free) struct space_info s;
  TRY (space_of (path, &s));
  json_t *o = json_object ();
  json_object_set_new (o, "bytes_free", json_u64 (s.bytes_free));
  json_object_set_new (o, "bytes_total", json_u64 (s.bytes_total));
  json_object_set_new (o, "inodes_free", json_u64 (s.inodes_free));
  json_object_set_new (o, "filesystem",
                       json_bytes (s.fstype, strlen (s.fstype)));
  json_object_set_new (o, "source", json_bytes (s.source, strlen (s.source)));
  json_object_set_new (o, "device", json_string (s.device));
  json_object_set_new (o, "mount", json_bytes (s.mount, strlen (s.mount)));
  json_object_set_new (o, "inner", json_bytes (s.inner, strlen (s.inner)));
  json_object_set_new (o, "readonly", json_boolean (s.readonly));
  *result = o;
  return NULL;
}

static struct err *
run_sync (struct verb_call *call, json_t **result)
{
  (void)result;
  CLEANUP_FREE char *path = NULL;
  TRY (json_get_bytes (call->args, "path", &path, NULL));
  TRY (check_absolute (path));
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd >= 0 && syncfs (fd) == 0)
    return NULL;
  CLEANUP_FREE char *shown = text_escape (path, strlen (path));
  return err_sys (errno, "RH-FILE-SYNC", "cannot sync the filesystem of '%s'",
                  shown);
}

/* --- run ---------------------------------------------------------------------
 */

static json_t *
blob (const struct buf *b)
{
  CLEANUP_FREE char *text = text_base64 (b->data, b->len);
  return json_string (text);
}

static struct err *
not_started (struct err *e)
{
  CLEANUP_ERR struct err *cause = e;
  return err_remote (err_class_of (cause), "RH-AGENT-RUN", err_message (cause),
                     "nothing was run",
                     "install the program, or correct its name");
}

static struct err *
run_run (struct verb_call *call, json_t **result)
{
  CLEANUP (named_free) struct named_program named = { 0 };
  int64_t timeout, max;
  TRY (named_read (call->args, &named));
  TRY (
      json_opt_int (call->args, "timeout_ms", 1, TIMEOUT_MAX, 60000, &timeout));
  TRY (
      json_opt_int (call->args, "max_output", 1, OUTPUT_MAX, OUTPUT_MAX, &max));
  struct spawn_job job = { .argv = (const char *const *)named.argv.v,
                           .env = (const char *const *)named.env.v,
                           .input = named.input,
                           .input_len = named.input_len,
                           .timeout_ms = (long)timeout,
                           .max_output = (size_t)max,
                           .cancelled = call->cancelled,
                           .ctx = call->ctx };
  CLEANUP (spawn_end_free) struct spawn_end end;
  struct err *e = spawn_run (&job, &end);
  if (e != NULL)
    return not_started (e);
  if (end.stopped)
    return err_new (ERR_TRANSIENT, "RH-AGENT-CANCELLED",
                    "the program was killed because the call was cancelled");
  json_t *o = json_object ();
  if (end.signal != 0)
    json_object_set_new (o, "signal", json_integer (end.signal));
  else
    json_object_set_new (o, "status", json_integer (end.status));
  json_object_set_new (o, "timed_out", json_boolean (end.timed_out));
  json_object_set_new (o, "truncated", json_boolean (end.truncated));
  json_object_set_new (o, "out", blob (&end.out));
  json_object_set_new (o, "err", blob (&end.err));
  *result = o;
  return NULL;
}

/* --- http, announce
 * ------------------------------------------------------------ */

static struct err *
run_http (struct verb_call *call, json_t **result)
{
  struct http_job job = { .url = NULL };
  int64_t timeout, max;
  TRY (json_get_str (call->args, "url", &job.url));
  TRY (json_opt_str (call->args, "bind", NULL, &job.bind));
  TRY (json_opt_str (call->args, "host", NULL, &job.host));
  TRY (json_opt_str (call->args, "netns", NULL, &job.netns));
  TRY (json_opt_int (call->args, "timeout_ms", 1, TIMEOUT_MAX, 5000, &timeout));
  TRY (json_opt_int (call->args, "max", 0, BODY_MAX, 65536, &max));
  job.timeout_ms = (long)timeout;
  job.max = (size_t)max;
  CLEANUP (http_answer_free) struct http_answer a;
  TRY (http_get (&job, &a));
  json_t *o = json_object ();
  json_object_set_new (o, "status", json_integer (a.status));
  json_object_set_new (o, "ms", json_integer (a.ms));
  json_object_set_new (o, "body", blob (&a.body));
  json_object_set_new (o, "truncated", json_boolean (a.truncated));
  *result = o;
  return NULL;
}

static struct err *
run_announce (struct verb_call *call, json_t **result)
{
  const char *interface, *address;
  int sent;
  TRY (json_get_str (call->args, "interface", &interface));
  TRY (json_get_str (call->args, "address", &address));
  TRY (announce_address (interface, address, &sent));
  *result = json_pack ("{s:i}", "sent", sent);
  return NULL;
}

const struct verb verbs_host[] = {
  { "facts", 0, run_facts },
  { "space", 0, run_space },
  { "run", 0, run_run },
  { "http", 0, run_http },
  { "announce", 0, run_announce },
  { "sync", 0, run_sync },
  { NULL, 0, NULL },
};
