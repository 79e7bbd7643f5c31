/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of steps and operations, and the places that steps share. */
#include "provider/steps.h"

#include "base/buf.h"
#include "base/mem.h"
#include "provider/remote.h"

#include <stdarg.h>
#include <string.h>

#define HOME "/var/lib/rehome"

static struct err *
op_find (const struct step_op *ops, const struct step_call *call,
         const struct step_op **out)
{
  for (; ops->op != NULL; ops++)
    if (strcmp (ops->op, call->step->op) == 0) {
      *out = ops;
      return NULL;
    }
  return err_new (ERR_BUG, "RH-STEP-UNKNOWN", "no operation '%s' for step %s",
                  call->step->op, call->step->id);
}

static struct err *
run_op (const struct provider *p, const struct step_call *call, bool undo,
        json_t **made)
{
  const struct step_op *op;
  TRY (op_find (p->ops, call, &op));
  if (!undo)
    return op->run (call, made);
  if (op->undo != NULL)
    return op->undo (call, made);
  return call->step->cls != STEP_REVERSIBLE
             ? NULL
             : err_new (ERR_BUG, "RH-STEP-NOUNDO", "%s cannot undo %s",
                        p->kind.kind, call->step->id);
}

static struct err *
perform (const struct provider *p, const struct step_call *call, bool undo,
         json_t **result)
{
  json_t *made CLEANUP_JSON = NULL;
  const struct back_op *back = back_op_of (p, call);
  if (p->enter != NULL)
    p->enter (call);
  if (back_passes (call))
    made = json_pack ("{s:b}", "passed_over", 1);
  else if (back == NULL)
    TRY (run_op (p, call, undo, &made));
  else {
    struct back_call *b = back_call_new (call, back);
    bool inner_undo = undo != (back->how == BACK_UNDONE);
    struct err *e = run_op (p, back_call_inner (b), inner_undo, &made);
    e = back_call_err (b, e);
    back_call_free (b);
    TRY (e);
  }
  *result = made == NULL ? json_object () : STEAL (made);
  return NULL;
}

struct err *
provider_run (const struct provider *p, const struct step_call *call,
              json_t **result)
{
  return perform (p, call, false, result);
}

struct err *
provider_undo (const struct provider *p, const struct step_call *call,
               json_t **result)
{
  return perform (p, call, true, result);
}

/* What is another step's undo may be run again in any state. */
struct err *
provider_probe (const struct provider *p, const struct step_call *call,
                enum probe_state *out)
{
  const struct step_op *op;
  const struct back_op *back = back_op_of (p, call);
  *out = PROBED_NOT_DONE;
  if (p->enter != NULL)
    p->enter (call);
  if (back_passes (call))
    return NULL;
  if (back != NULL && back->how == BACK_UNDONE) {
    *out = PROBED_PARTIAL;
    return NULL;
  }
  struct back_call *b = back != NULL ? back_call_new (call, back) : NULL;
  const struct step_call *inner = b != NULL ? back_call_inner (b) : call;
  struct err *e = op_find (p->ops, inner, &op);
  if (e == NULL && op->probe != NULL)
    e = op->probe (inner, out);
  e = back_call_err (b, e);
  back_call_free (b);
  return e;
}

void
needs_add (struct needs *n, const char *fmt, ...)
{
  va_list ap;
  va_start (ap, fmt);
  char *id = mem_vprintf (fmt, ap);
  va_end (ap);
  if (n->n + 1 >= n->cap) {
    n->cap = n->cap == 0 ? 8 : n->cap * 2;
    n->v = mem_resize (n->v, n->cap, sizeof *n->v);
  }
  n->v[n->n++] = id;
  n->v[n->n] = NULL;
}

void
needs_services (struct needs *n, const struct plan *plan, const char *way)
{
  for (size_t i = 0; i < plan_item_count (plan); i++)
    if (strcmp (plan_item (plan, i)->kind, "service") == 0)
      needs_add (n, "%s#%sstop", plan_item (plan, i)->name, way);
}

void
needs_clear (struct needs *n)
{
  for (size_t i = 0; i < n->n; i++)
    free ((char *)(uintptr_t)n->v[i]);
  free (n->v);
  memset (n, 0, sizeof *n);
}

/* `title` with its one "%s" replaced. */
static char *
title_of (const char *title, const char *name)
{
  const char *at = strstr (title, "%s");
  if (at == NULL)
    return mem_strdup (title);
  return mem_printf ("%.*s%s%s", (int)(at - title), title, name, at + 2);
}

struct err *
steps_add (struct graph *g, const struct step_row *row, const char *provider,
           const char *prefix, const char *name, long item, const json_t *args,
           const struct needs *needs)
{
  static const char *const none[] = { NULL };
  char *id CLEANUP_FREE = mem_printf ("%s#%s", prefix, row->op);
  char *title CLEANUP_FREE = title_of (row->title, name);
  struct step s = {
    .id = id,
    .provider = provider,
    .op = row->op,
    .title = title,
    .item = item,
    .args = args,
    .stage = row->stage,
    .cls = row->cls,
    .side = row->side,
    .needs = needs != NULL && needs->n > 0 ? needs->v : none,
    .retry_max = 3,
    .retry_base_ms = 250,
    .retry_cap_ms = 5000,
    .timeout_ms = row->timeout_ms,
  };
  return graph_add (g, &s);
}

long
steps_item_index (const struct plan *plan, const struct plan_item *item)
{
  for (size_t i = 0; item != NULL && i < plan_item_count (plan); i++)
    if (plan_item (plan, i) == item)
      return (long)i;
  return -1;
}

const struct plan_item *
steps_first (const struct plan *plan, const char *kind)
{
  for (size_t i = 0; i < plan_item_count (plan); i++)
    if (strcmp (plan_item (plan, i)->kind, kind) == 0)
      return plan_item (plan, i);
  return NULL;
}

/* Is `path` one of them or below one? */
static bool
is_within (const json_t *paths, const char *path)
{
  size_t i;
  json_t *one;
  json_array_foreach (paths, i, one)
  {
    const char *root = json_string_value (one);
    size_t len = strlen (root);
    while (len > 1 && root[len - 1] == '/')
      len--;
    if (strncmp (path, root, len) == 0
        && (path[len] == '\0' || path[len] == '/' || len == 1))
      return true;
  }
  return false;
}

static void
add_paths (const struct plan *plan, const char *kind, bool to, json_t *paths)
{
  bool inner = strcmp (kind, "files") != 0;
  for (size_t i = 0; i < plan_item_count (plan); i++) {
    const struct plan_item *item = plan_item (plan, i);
    json_t *path = json_at (item->spec, kind);
    json_t *there = to ? json_at (item->spec, "to") : NULL;
    path = json_is_string (there) ? there : path;
    if (strcmp (item->kind, kind) == 0 && json_is_string (path)
        && (!inner || !is_within (paths, json_string_value (path))))
      json_array_append (paths, path);
  }
}

/* Databases are files, too; those below an item of files stand in it. */
static json_t *
file_paths (const struct plan *plan, bool to)
{
  json_t *paths = json_array ();
  add_paths (plan, "files", to, paths);
  add_paths (plan, "sqlite", to, paths);
  return paths;
}

json_t *
steps_file_paths (const struct step_call *call)
{
  return file_paths (call->plan, call->back);
}

json_t *
steps_writers_args (const struct step_call *call)
{
  json_t *paths CLEANUP_JSON = steps_file_paths (call);
  json_t *coded = json_array ();
  size_t i;
  json_t *one;
  json_array_foreach (paths, i, one)
  {
    const char *path = json_string_value (one);
    json_array_append_new (coded, json_bytes (path, strlen (path)));
  }
  return json_pack ("{s:o}", "paths", coded);
}

bool
steps_path_moves (const struct plan *plan, const char *path)
{
  json_t *paths CLEANUP_JSON = file_paths (plan, false);
  return is_within (paths, path);
}

char *
steps_path (const struct step_call *call, const char *fmt, ...)
{
  va_list ap;
  va_start (ap, fmt);
  char *rest CLEANUP_FREE = mem_vprintf (fmt, ap);
  va_end (ap);
  return mem_printf (HOME "/%s/%s", call->migration, rest);
}

const json_t *
steps_input (const struct step_call *call, const char *fmt, ...)
{
  va_list ap;
  va_start (ap, fmt);
  char *id CLEANUP_FREE = mem_vprintf (fmt, ap);
  va_end (ap);
  return call->inputs == NULL ? NULL : json_object_get (call->inputs, id);
}

static json_int_t
parent_of (const json_t *processes, json_int_t pid)
{
  size_t i;
  json_t *p;
  json_array_foreach (processes, i, p)
  {
    if (json_integer_value (json_at (p, "pid")) == pid)
      return json_integer_value (json_at (p, "ppid"));
  }
  return 0;
}

json_t *
steps_agent_pids (const json_t *processes)
{
  static const char agent[] = "rehome-agent";
  json_t *own = json_object ();
  size_t i;
  json_t *p;
  json_array_foreach (processes, i, p)
  {
    const char *comm = json_string_value (json_at (p, "comm"));
    if (comm == NULL || strncmp (comm, agent, sizeof agent - 1) != 0)
      continue;
    json_int_t pid = json_integer_value (json_at (p, "pid"));
    for (int depth = 0; pid > 1 && depth < 32; depth++) {
      char key[24];
      snprintf (key, sizeof key, "%lld", (long long)pid);
      json_object_set_new (own, key, json_true ());
      pid = parent_of (processes, pid);
    }
  }
  return own;
}

struct err *
spec_keys (const json_t *spec, const char *const *keys)
{
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)spec, key, value)
  {
    size_t i = 0;
    while (keys[i] != NULL && strcmp (keys[i], key) != 0)
      i++;
    if (keys[i] == NULL) {
      struct buf known CLEANUP_BUF = BUF_INIT;
      for (i = 0; keys[i] != NULL; i++)
        TRY (buf_printf (&known, "%s%s", i == 0 ? "" : ", ", keys[i]));
      return err_new (ERR_CORRECT, "RH-PLAN-KEY",
                      "unknown key '%s'; known here: %s", key,
                      (const char *)known.data);
    }
  }
  return NULL;
}

struct err *
spec_words (const json_t *spec, const char *key, bool required,
            bool (*fits) (const char *), const char *expected)
{
  json_t *words = json_at (spec, key);
  if (words == NULL && !required)
    return NULL;
  if (!json_is_array (words) || (required && json_array_size (words) == 0))
    return err_new (ERR_CORRECT, "RH-PLAN-TYPE", "'%s' must be a list of %s",
                    key, expected);
  size_t i;
  json_t *word;
  json_array_foreach (words, i, word)
  {
    const char *text = json_string_value (word);
    if (text == NULL || !fits (text))
      return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                      "'%s' has '%s', expected %s", key,
                      text == NULL ? "something else than a text" : text,
                      expected);
  }
  return NULL;
}

struct err *
spec_flag (const json_t *spec, const char *key)
{
  const json_t *flag = json_at (spec, key);
  if (flag == NULL || json_is_boolean (flag))
    return NULL;
  return err_new (ERR_CORRECT, "RH-PLAN-TYPE", "'%s' must be true or false",
                  key);
}

struct err *
steps_unequal (const char *code, const char *what, const json_t *differences)
{
  struct buf text CLEANUP_BUF = BUF_INIT;
  size_t n = json_array_size (differences);
  for (size_t i = 0; i < n && i < 5; i++)
    TRY (buf_printf (&text, "%s%s", i == 0 ? "" : "; ",
                     json_string_value (json_array_get (differences, i))));
  if (n > 5)
    TRY (buf_printf (&text, "; and %zu more", n - 5));
  return err_new (ERR_UNEQUAL, code, "%s: %s", what, (const char *)text.data);
}

struct err *
steps_probe_again (const struct step_call *call, enum probe_state *out)
{
  (void)call;
  *out = PROBED_PARTIAL;
  return NULL;
}

struct err *
steps_probe_record (struct port *p, const char *path, enum probe_state *out)
{
  bool begun;
  TRY (remote_exists (p, path, &begun));
  *out = begun ? PROBED_PARTIAL : PROBED_NOT_DONE;
  return NULL;
}

void
steps_compare (const char *what, const json_t *source, const json_t *target,
               json_t *differences)
{
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)source, key, value)
  {
    const json_t *other = json_object_get (target, key);
    if (other == NULL)
      json_array_append_new (differences,
                             json_sprintf ("%s%s is missing there", what, key));
    else if (!json_equal (value, other))
      json_array_append_new (differences,
                             json_sprintf ("%s%s differs", what, key));
  }
  json_object_foreach ((json_t *)(uintptr_t)target, key, value)
  {
    if (json_object_get (source, key) == NULL)
      json_array_append_new (differences,
                             json_sprintf ("%s%s is only there", what, key));
  }
}

bool
words_have (const json_t *words, const char *word)
{
  size_t i;
  json_t *one;
  json_array_foreach (words, i, one)
  {
    if (json_is_string (one) && strcmp (json_string_value (one), word) == 0)
      return true;
  }
  return false;
}

void
words_add (json_t *words, const char *word)
{
  if (!words_have (words, word))
    json_array_append_new (words, json_string (word));
}
