/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML as a plan may use it, decoded by libyaml into a JSON tree that
 * remembers where everything stands.
 *
 * Taken: one document of mappings with plain keys, lists, and scalars (text,
 * whole numbers, true, false, null).  Refused, with line and column: anchors,
 * aliases, tags, several documents, a key twice, keys that are not text, bytes
 * that are not UTF-8, NUL, more than YAML_MAX_BYTES, YAML_MAX_DEPTH or
 * YAML_MAX_NODES.
 */
#ifndef REHOME_PLAN_YAML_H
#define REHOME_PLAN_YAML_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/vec.h"
#include "wire/json.h"

#define YAML_MAX_BYTES ((size_t)1 << 20)
#define YAML_MAX_DEPTH 16
#define YAML_MAX_NODES 20000

struct yaml_place {
  int line, column; /* from 1 */
};

/* Where one child of a mapping or list stands. */
struct yaml_mark {
  const json_t *in; /* the container; NULL for the root */
  const char *key;  /* owned by the document; NULL in a list */
  size_t index;
  struct yaml_place key_at, at;
};

struct yaml_doc {
  char *label; /* the file's name in messages */
  json_t *root;
  VEC (struct yaml_mark) marks;
};

/* `bytes` need not end with NUL.  Errors: "RH-PLAN-SIZE", "RH-PLAN-UTF8",
 * "RH-PLAN-SYNTAX", "RH-PLAN-ALIAS", "RH-PLAN-DOCUMENTS", "RH-PLAN-DEPTH",
 * "RH-PLAN-TWICE". */
struct err *yaml_load (const char *bytes, size_t len, const char *label,
                       struct yaml_doc *out);
void yaml_clear (struct yaml_doc *doc);
#define CLEANUP_YAML CLEANUP (yaml_clear)

/* The place of a member (`key` not NULL) or of an element; the root's where
 * `in` is NULL or has no such child.  Never NULL. */
const struct yaml_mark *yaml_mark_of (const struct yaml_doc *doc,
                                      const json_t *in, const char *key,
                                      size_t index);

#endif
