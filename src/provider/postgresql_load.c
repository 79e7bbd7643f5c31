/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of a first copy, and the indexes that are worth a session of their
 * own: a few threads take what is to be done next, under one lock.  Rows come
 * first; a table's indexes can be had once its rows are there, one that makes a
 * constraint before the others, for it locks the table.
 */
#include "provider/postgresql_first.h"

#include "base/mem.h"
#include "base/vec.h"
#include "provider/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGE ((json_int_t)4 << 20) /* of a table, with its indexes */
enum { THREADS_MAX = 16 };

enum state { WAITING, RUNNING, MADE };

/* One table with rows. */
struct laden {
  const json_t *table;
  json_int_t bytes;
  bool member; /* of an extension */
  enum state rows, constraints;
  struct buf unique;  /* lines of the list */
  VEC (char *) lines; /* each of one index */
  size_t next;
};

struct crew {
  const struct load *load;
  struct laden *tables;
  size_t n;
  pthread_mutex_t lock; /* of all that follows, and of `tables` */
  pthread_cond_t news;
  unsigned rows, indexes; /* running */
  size_t names;           /* lists that were made */
  struct err *failed;
};

struct worker {
  struct crew *crew;
  struct step_call call; /* with progress only in the step's own thread */
};

/* ---- What is to be done ---- */

static void
name_entries (json_t *owners, const json_t *entries, size_t index)
{
  size_t i;
  json_t *one;
  json_array_foreach (entries, i, one)
  {
    json_object_set_new (owners, json_string_value (one),
                         json_integer ((json_int_t)index));
  }
}

/* The table that a line of the list is for, where that is worth a session: one
 * of an index ("123; 1259 16385 INDEX ...") or of a unique constraint
 * ("124; 2606 16386 CONSTRAINT ..."). */
static struct laden *
owner_of (const struct crew *c, const json_t *owners, const char *line)
{
  int number, at = 0;
  char class[12], oid[12];
  if (sscanf (line, "%d; %11[0-9] %11[0-9] %n", &number, class, oid, &at) != 3
      || at == 0)
    return NULL;
  char *key CLEANUP_FREE = mem_printf ("%s %s", class, oid);
  const json_t *index = json_object_get (owners, key);
  if (index == NULL
      || (strncmp (line + at, "INDEX ", 6) != 0
          && strncmp (line + at, "CONSTRAINT ", 11) != 0))
    return NULL;
  struct laden *t = &c->tables[json_integer_value (index)];
  return t->bytes >= LARGE ? t : NULL;
}

/* Deals the lines out; what is nobody's is for the end. */
static struct err *
deal (struct crew *c, const json_t *owners, char **rest)
{
  struct buf left CLEANUP_BUF = BUF_INIT_MAX ((size_t)64 << 20);
  char *copy CLEANUP_FREE = mem_strdup (c->load->list);
  char *at = copy;
  for (char *line; (line = strsep (&at, "\n")) != NULL;) {
    struct laden *t = owner_of (c, owners, line);
    if (*line == ';' || *line == '\0')
      continue;
    if (t == NULL)
      TRY (buf_printf (&left, "%s\n", line));
    else if (strstr (line, "; 2606 ") != NULL)
      TRY (buf_printf (&t->unique, "%s\n", line));
    else
      *VEC_PUSH (&t->lines) = mem_printf ("%s\n", line);
  }
  *rest = left.len == 0 ? NULL : buf_steal_str (&left);
  return NULL;
}

static int
by_size (const void *a, const void *b)
{
  const struct laden *x = a, *y = b;
  return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static struct err *
crew_fill (struct crew *c, char **rest)
{
  size_t i;
  const json_t *one;
  json_t *owners CLEANUP_JSON = json_object ();
  c->tables
      = mem_alloc ((json_array_size (c->load->tables) + 1) * sizeof *c->tables);
  json_array_foreach (c->load->tables, i, one)
  {
    const json_t *more
        = json_object_get (c->load->more, json_text (one, "name"));
    if (strcmp (json_text (one, "kind"), "r") == 0)
      c->tables[c->n++] = (struct laden){
        .table = one,
        .bytes = json_integer_value (json_at (more, "bytes")),
        .member = json_is_true (json_at (more, "member")),
        .unique = BUF_INIT,
      };
  }
  qsort (c->tables, c->n, sizeof *c->tables, by_size);
  for (i = 0; i < c->n; i++) {
    const json_t *more
        = json_object_get (c->load->more,
                           json_text (c->tables[i].table, "name"));
    name_entries (owners, json_at (more, "constraints"), i);
    name_entries (owners, json_at (more, "indexes"), i);
  }
  return deal (c, owners, rest);
}

static void
crew_clear (struct crew *c)
{
  for (size_t i = 0; i < c->n; i++) {
    struct laden *t = &c->tables[i];
    for (size_t k = 0; k < t->lines.n; k++)
      free (t->lines.v[k]);
    VEC_FREE (&t->lines);
    buf_free (&t->unique);
  }
  free (c->tables);
  pthread_mutex_destroy (&c->lock);
  pthread_cond_destroy (&c->news);
}

/* ---- Rows ---- */

static json_t *
reader_of (const struct load *l, const json_t *table)
{
  const char *columns = json_text (table, "columns");
  bool some = *columns != '\0';
  char *of CLEANUP_FREE
      = mem_printf ("SET TRANSACTION SNAPSHOT '%s'", l->snapshot->id);
  char *copy CLEANUP_FREE
      = mem_printf ("COPY %s%s%s%s TO STDOUT WITH (FORMAT %s)",
                    json_text (table, "name"), some ? " (" : "", columns,
                    some ? ")" : "",
                    postgresql_is_binary (table) ? "binary" : "text");
  return postgresql_bulk_argv (
      l->call->source,
      ARGV ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-d",
            postgresql_database (l->call), "-c", POSTGRESQL_CANONICAL, "-c",
            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", "-c", of, "-c",
            copy));
}

/* A table that is emptied by the same transaction takes rows that no vacuum has
 * to write again.  One of an extension has rows of the extension's own. */
static json_t *
writer_of (const struct load *l, const struct laden *t)
{
  const char *name = json_text (t->table, "name");
  const char *columns = json_text (t->table, "columns");
  bool some = *columns != '\0';
  char *empty CLEANUP_FREE
      = mem_printf (t->member ? "DELETE FROM ONLY %s" : "TRUNCATE ONLY %s",
                    name);
  char *copy CLEANUP_FREE
      = mem_printf ("COPY %s%s%s%s FROM STDIN WITH (FREEZE %s, FORMAT %s)",
                    name, some ? " (" : "", columns, some ? ")" : "",
                    t->member ? "false" : "true",
                    postgresql_is_binary (t->table) ? "binary" : "text");
  return postgresql_bulk_argv (
      l->call->target,
      ARGV ("-X", "-v", "ON_ERROR_STOP=1", "-d", postgresql_database (l->call),
            "-c", POSTGRESQL_CANONICAL, "-c", "BEGIN", "-c",
            "SET LOCAL session_replication_role = replica", "-c", empty, "-c",
            copy, "-c", "COMMIT"));
}

static struct err *
send_table (const struct load *l, const struct step_call *call,
            const struct laden *t, char **digest)
{
  json_t *out CLEANUP_JSON
      = json_pack ("{s:o, s:b, s:b}", "argv", reader_of (l, t->table), "digest",
                   1, "tuples", postgresql_is_binary (t->table));
  json_t *in CLEANUP_JSON = json_pack ("{s:o, s:O}", "argv", writer_of (l, t),
                                       "env", l->archive->env);
  return err_wrap (postgresql_send (call, out, in, digest), "copying table %s",
                   json_text (t->table, "name"));
}

/* ---- Who does what ---- */

static bool
is_cancelled (void *ctx)
{
  struct crew *c = ctx;
  const struct step_call *call = c->load->call;
  pthread_mutex_lock (&c->lock);
  bool failed = c->failed != NULL;
  pthread_mutex_unlock (&c->lock);
  return failed || (call->cancelled != NULL && call->cancelled (call->ctx));
}

/* One piece of work: rows of a table, or entries of the list. */
struct piece {
  struct laden *table;
  bool rows, constraint;
  bool alone; /* nothing else is done meanwhile, or can be */
  const char *lines;
  size_t name;
};

static bool
take_rows (struct crew *c, struct piece *p)
{
  for (size_t i = 0; c->rows < c->load->bounds.rows && i < c->n; i++) {
    struct laden *t = &c->tables[i];
    if (t->rows != WAITING)
      continue;
    t->rows = RUNNING;
    c->rows++;
    *p = (struct piece){ .table = t, .rows = true };
    return true;
  }
  return false;
}

static bool
take_index (struct crew *c, struct piece *p)
{
  for (size_t i = 0; c->indexes < c->load->bounds.indexes && i < c->n; i++) {
    struct laden *t = &c->tables[i];
    bool unique = t->unique.len > 0 && t->constraints == WAITING;
    if (t->rows != MADE || t->constraints == RUNNING
        || (!unique && t->next == t->lines.n))
      continue;
    if (unique)
      t->constraints = RUNNING;
    c->indexes++;
    *p = (struct piece){ .table = t,
                         .constraint = unique,
                         .lines = unique ? (const char *)t->unique.data
                                         : t->lines.v[t->next++],
                         .name = c->names++ };
    return true;
  }
  return false;
}

/* Whether a piece that was just taken is the last: builds beside each other
 * need no workers of their own, one that is alone has all processors. */
static bool
is_last (const struct crew *c)
{
  if (c->rows > 0 || c->indexes > 1)
    return false;
  for (size_t i = 0; i < c->n; i++) {
    const struct laden *t = &c->tables[i];
    bool locked = t->constraints == RUNNING;
    if (t->rows != MADE || (t->next < t->lines.n && !locked)
        || (t->unique.len > 0 && t->constraints == WAITING))
      return false;
  }
  return true;
}

/* Whether nothing is left, or nobody shall begin anything. */
static bool
is_over (const struct crew *c)
{
  if (c->failed != NULL)
    return true;
  for (size_t i = 0; i < c->n; i++) {
    const struct laden *t = &c->tables[i];
    if (t->rows != MADE || t->next < t->lines.n
        || (t->unique.len > 0 && t->constraints != MADE))
      return false;
  }
  return true;
}

/* False: there is no more. */
static bool
take (struct crew *c, struct piece *p)
{
  bool got = false;
  pthread_mutex_lock (&c->lock);
  while (!is_over (c) && !(got = take_rows (c, p) || take_index (c, p)))
    pthread_cond_wait (&c->news, &c->lock);
  p->alone = got && is_last (c);
  pthread_mutex_unlock (&c->lock);
  return got;
}

static bool
has_all_rows (const struct crew *c)
{
  for (size_t i = 0; i < c->n; i++)
    if (c->tables[i].rows != MADE)
      return false;
  return true;
}

static void
give_back (struct crew *c, const struct piece *p, const char *digest,
           struct err *e)
{
  struct laden *t = p->table;
  pthread_mutex_lock (&c->lock);
  if (p->rows) {
    c->rows--;
    t->rows = MADE;
    /* A row without columns is no line that could be compared. */
    if (e == NULL && *json_text (t->table, "columns") != '\0')
      json_object_set_new (c->load->sent, json_text (t->table, "name"),
                           json_string (digest));
  } else
    c->indexes--;
  if (p->constraint)
    t->constraints = MADE;
  if (c->failed == NULL)
    c->failed = e;
  else
    err_free (e);
  if (p->rows && has_all_rows (c)) /* indexes need no snapshot */
    postgresql_snapshot_release (c->load->snapshot);
  pthread_cond_broadcast (&c->news);
  pthread_mutex_unlock (&c->lock);
}

static void *
work (void *arg)
{
  struct worker *w = arg;
  struct crew *c = w->crew;
  const struct archive *a = c->load->archive;
  struct piece p = { 0 };
  port_cancel_hook (is_cancelled, c);
  while (take (c, &p)) {
    char *digest CLEANUP_FREE = NULL;
    char *name CLEANUP_FREE = mem_printf ("%zu.list", p.name);
    struct err *e
        = p.rows
              ? send_table (c->load, &w->call, p.table, &digest)
              : err_wrap (postgresql_archive_make_of (
                              a, name, p.lines, 1, p.alone ? a->alone : a->env),
                          "making indexes of %s",
                          json_text (p.table->table, "name"));
    give_back (c, &p, digest, e);
  }
  return NULL;
}

/* The step's own thread is one of them; threads that cannot be had leave their
 * work to the others. */
static void
run_all (struct crew *c)
{
  pthread_t threads[THREADS_MAX];
  struct worker own = { c, *c->load->call }, others[THREADS_MAX];
  unsigned wanted = c->load->bounds.rows + c->load->bounds.indexes, n = 0;
  for (; n + 1 < wanted && n < THREADS_MAX; n++) {
    others[n] = own;
    others[n].call.tick = NULL;
    if (pthread_create (&threads[n], NULL, work, &others[n]) != 0)
      break;
  }
  work (&own);
  port_cancel_hook (own.call.cancelled, own.call.ctx);
  while (n > 0)
    pthread_join (threads[--n], NULL);
}

struct err *
postgresql_load (const struct load *l, char **rest)
{
  struct crew c = { .load = l,
                    .lock = PTHREAD_MUTEX_INITIALIZER,
                    .news = PTHREAD_COND_INITIALIZER };
  struct err *e = crew_fill (&c, rest);
  if (e == NULL)
    run_all (&c);
  if (e == NULL)
    e = c.failed;
  crew_clear (&c);
  return e;
}
