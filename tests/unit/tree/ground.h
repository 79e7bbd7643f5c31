/* SPDX-License-Identifier: Apache-2.0 */
/* A source and a target tree in a temporary directory, streams between them
 * through memory, and a comparison that uses none of rehome's own code. */
#ifndef REHOME_TESTS_TREE_GROUND_H
#define REHOME_TESTS_TREE_GROUND_H

#include "../cmocka_api.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "tree/list.h"
#include "tree/receive.h"
#include "tree/send.h"

struct ground {
  char *dir, *src, *dst, *src_index, *dst_index;
  struct buf stream;  /* what the last send wrote */
  json_t *sent, *got; /* results of the last copy */
  uint64_t counted;   /* bytes that the sender's ticks ended with */
  /* What the next copy does; all zero: a first copy without a map. */
  struct tree_send send;
  struct tree_receive receive;
  struct idmaps maps;
  /* Called before a piece of the stream is taken from the sender, or given to
   * the receiver; may be NULL. */
  void (*meanwhile) (struct ground *g);
  void (*giving) (struct ground *g);
  size_t cut; /* the receiver's source fails after so many bytes; 0: never */
  bool keep_uncommitted;
};

/* Ends a test program as skipped where it does not run as root. */
void ground_needs_root (void);
int ground_set_up (void **state);
int ground_tear_down (void **state);

/* Whole operations; each returns the first error of sender or receiver. */
struct err *ground_send (struct ground *g);
struct err *ground_receive (struct ground *g);
struct err *ground_copy (struct ground *g);  /* seed, then commit */
struct err *ground_round (struct ground *g); /* delta, then commit */
/* Full or quick; *out: the comparer's result. */
struct err *ground_compare (struct ground *g, bool full, bool baseline,
                            const struct paths *force, json_t **out);
/* Quick, and only these (sealed). */
struct err *ground_compare_some (struct ground *g, const struct hints *paths,
                                 json_t **out);
long ground_sent (const struct ground *g, const char *key);
long ground_got (const struct ground *g, const char *key);

/* Paths below the source or target, each valid until the tenth next call. */
const char *on_src (struct ground *g, const char *rel);
const char *on_dst (struct ground *g, const char *rel);

void put_file (const char *path, const char *text);
void make_dir (const char *path);
void set_mtime (const char *path, long sec, long nsec);
char *get_file (const char *path); /* caller frees; NULL: not there */
bool is_there (const char *path);
void run_tool (const char *const *argv); /* fails the test on non-zero */
#define RUN(...) run_tool ((const char *const[]){ __VA_ARGS__, NULL })

/* An ACL attribute: user::rwx, user:ID:rwx, group::r-x, mask, other. */
void set_acl (const char *path, const char *attribute, uint32_t uid,
              uint32_t gid);

/* Fails with the first difference: names, types, modes, owners, sizes,
 * mtimes, link targets, link groups, content, all attributes. */
void assert_same_trees (const char *a, const char *b);

#endif
