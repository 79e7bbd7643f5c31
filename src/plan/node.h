/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A value of a plan together with where it stands, so that every check can
 * say "FILE:LINE:COLUMN: what was found; expected ...".  Nodes are small, are
 * passed about by value, and borrow from the document.
 */
#ifndef REHOME_PLAN_NODE_H
#define REHOME_PLAN_NODE_H

#include "plan/yaml.h"

#include <stdbool.h>

struct node {
  const struct yaml_doc *doc;
  const json_t *value; /* NULL: not there */
  const json_t *in;    /* its container, or NULL for the root */
  const char *key;     /* its key there, or NULL */
  size_t index;
};

struct node node_root (const struct yaml_doc *doc);
/* The member `key`; `value` is NULL where there is none, and errors then stand
 * at the mapping. */
struct node node_member (struct node map, const char *key);
struct node node_element (struct node list, size_t i);

/* An error at the value, and one at its key. */
struct err *node_fault (struct node n, const char *code, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));
struct err *node_key_fault (struct node n, const char *code, const char *fmt,
                            ...) __attribute__ ((format (printf, 3, 4)));
/* "RH-PLAN-TYPE: found ...; expected WHAT". */
struct err *node_expected (struct node n, const char *what);
/* "RH-PLAN-VALUE: found ...; expected WHAT". */
struct err *node_value_fault (struct node n, const char *what);
/* What stands there, for people: "the text \"x\"", "a list"; caller frees. */
char *node_found (struct node n);
/* The nearest of `known` (NULL-terminated) to a word, or NULL. */
const char *node_nearest (const char *word, const char *const *known);

/* Each checks the type; `what` completes "expected ...".  Texts borrow. */
struct err *node_map (struct node n, const char *what);
struct err *node_list (struct node n, const char *what);
struct err *node_text (struct node n, const char *what, const char **out);
/* A program by its path, and its arguments: never a shell's line. */
struct err *node_command (struct node n, const char *what);
struct err *node_int (struct node n, const char *what, long min, long max,
                      long *out);
/* "30s", "5m", "2h", "7d", "250ms" between min and max milliseconds. */
struct err *node_duration (struct node n, long min_ms, long max_ms, long *out);
/* A mapping whose keys are all in `known` (NULL-terminated). */
struct err *node_keys (struct node n, const char *what,
                       const char *const *known);
/* One of `known`, as an index. */
struct err *node_choice (struct node n, const char *const *known, size_t *out);

#endif
