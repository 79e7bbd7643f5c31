/* SPDX-License-Identifier: Apache-2.0 */
/* The plan file: from its bytes to checked sections; see plan.h. */
#include "plan/plan.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "plan/items.h"
#include "plan/sections.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <string.h>

#define NAME_MAX_LEN 41

struct plan {
  char *text;
  size_t len;
  char hash[65];
  struct yaml_doc doc;
  const char *name;
  struct plan_host source, target;
  struct plan_limits limits;
  enum plan_approach approach;
  const char *fence;
  struct items items;
  json_t *leave, *switches, *smoke, *window, *approvals, *backup, *keeping,
      *rehearsal;
};

static void
hash_text (struct plan *p)
{
  struct sha256_ctx ctx;
  unsigned char digest[SHA256_DIGEST_SIZE];
  sha256_init (&ctx);
  sha256_update (&ctx, p->len, (const unsigned char *)p->text);
  sha256_digest (&ctx, sizeof digest, digest);
  CLEANUP_FREE char *hex = text_hex (digest, sizeof digest);
  memcpy (p->hash, hex, sizeof p->hash);
}

static struct err *
missing (struct node root, const char *key, const char *what)
{
  return node_fault (root, "RH-PLAN-MISSING", "no key \"%s\"; expected %s", key,
                     what);
}

static struct err *
read_version (struct node root)
{
  static const char what[] = "\"rehome: 1\", the version of the plan's form";
  struct node n = node_member (root, "rehome");
  if (n.value == NULL)
    return missing (root, "rehome", what);
  if (!json_is_integer (n.value))
    return node_expected (n, what);
  if (json_integer_value (n.value) != 1)
    return node_fault (n, "RH-PLAN-VERSION",
                       "rehome: found version %" JSON_INTEGER_FORMAT
                       "; expected 1",
                       json_integer_value (n.value));
  return NULL;
}

static struct err *
read_name (struct node root, const char **out)
{
  static const char what[]
      = "a name: lower-case letters, digits and -, at most 41, not first -";
  struct node n = node_member (root, "name");
  if (n.value == NULL)
    return missing (root, "name", what);
  TRY (node_text (n, what, out));
  size_t len = strlen (*out);
  if (len > NAME_MAX_LEN || **out == '-'
      || strspn (*out, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
    return node_value_fault (n, what);
  return NULL;
}

static struct err *
read_hosts (struct node root, bool one_host, struct plan *p)
{
  struct node source = node_member (root, "source");
  struct node target = node_member (root, "target");
  if (source.value == NULL)
    return missing (root, "source", "the host whose work moves");
  TRY (section_host (source, &p->source));
  p->target = (struct plan_host){ .host = "local" };
  if (target.value == NULL)
    return NULL;
  TRY (section_host (target, &p->target));
  const char *a = p->source.machine_id, *b = p->target.machine_id;
  bool same_id = a != NULL && b != NULL && strcmp (a, b) == 0;
  if (!one_host && (same_id || strcmp (p->source.host, p->target.host) == 0))
    return node_fault (target, "RH-PLAN-SAME",
                       "source and target are the same host (%.200s); expected "
                       "two",
                       same_id ? a : p->source.host);
  return NULL;
}

/* A word of which this version knows only some. */
static struct err *
read_word (struct node n, const char *const *able, const char *const *later,
           size_t *out)
{
  size_t unused;
  if (n.value == NULL)
    return NULL;
  CLEANUP_ERR struct err *wrong = node_choice (n, able, out);
  if (wrong == NULL)
    return NULL;
  CLEANUP_ERR struct err *unknown = node_choice (n, later, &unused);
  if (unknown != NULL)
    return STEAL (wrong);
  return node_fault (n, "RH-PLAN-NOTYET",
                     "%s: found \"%s\", which this version cannot do yet; "
                     "expected %s",
                     n.key, json_string_value (n.value), able[0]);
}

static struct err *
read_approach (struct node root, struct plan *p)
{
  static const char *const able[] = { "warm", NULL };
  static const char *const later[] = { "cold", "hybrid", NULL };
  static const char *const fences[] = { "closed", "poweroff", NULL };
  size_t which = 0, fence = 0;
  TRY (read_word (node_member (root, "approach"), able, later, &which));
  p->approach = APPROACH_WARM;
  struct node n = node_member (root, "fence");
  if (n.value != NULL)
    TRY (node_choice (n, fences, &fence));
  p->fence = fences[fence];
  return NULL;
}

static struct err *
read_cutover (struct node root, struct plan *p)
{
  static const char *const keys[]
      = { "downtime-limit", "jobs-wait", "window", "switch", NULL };
  struct node n = node_member (root, "cutover");
  if (n.value != NULL)
    TRY (node_keys (n,
                    "a mapping with downtime-limit, jobs-wait, window, "
                    "switch",
                    keys));
  TRY (section_limits (root, n, &p->limits));
  TRY (section_window (node_member (n, "window"), &p->window));
  return section_switch (node_member (n, "switch"), &p->switches);
}

static struct err *
read_root (struct plan *p, const struct plan_kinds *kinds, bool one_host)
{
  static const char *const keys[]
      = { "rehome", "name",       "source",    "target", "approach",
          "items",  "leave",      "cutover",   "smoke",  "fence",
          "guard",  "back-every", "approvals", "backup", "retention",
          "kept",   "rehearsal",  NULL };
  struct node root = node_root (&p->doc);
  TRY (node_keys (root, "a plan: a mapping that begins with \"rehome: 1\"",
                  keys));
  TRY (read_version (root));
  TRY (read_name (root, &p->name));
  TRY (read_hosts (root, one_host, p));
  TRY (read_approach (root, p));
  struct node items = node_member (root, "items");
  if (items.value == NULL)
    return missing (root, "items", "a list of what moves");
  TRY (items_read (items, kinds, &p->items));
  TRY (section_leave (node_member (root, "leave"), &p->leave));
  TRY (read_cutover (root, p));
  TRY (section_approvals (node_member (root, "approvals"), &p->approvals));
  TRY (section_backup (node_member (root, "backup"), &p->backup));
  TRY (section_keeping (root, &p->keeping));
  TRY (section_rehearsal (node_member (root, "rehearsal"), &p->rehearsal));
  return section_smoke (node_member (root, "smoke"), &p->smoke);
}

static struct err *
parse (const char *bytes, size_t len, const char *label,
       const struct plan_kinds *kinds, bool one_host, struct plan **out)
{
  *out = NULL;
  CLEANUP_PLAN struct plan *p = mem_alloc (sizeof *p);
  TRY (yaml_load (bytes, len, label, &p->doc));
  p->text = mem_strndup (bytes, len); /* without NUL: yaml_load saw to it */
  p->len = len;
  hash_text (p);
  TRY (read_root (p, kinds, one_host));
  *out = STEAL (p);
  return NULL;
}

struct err *
plan_parse (const char *bytes, size_t len, const char *label,
            const struct plan_kinds *kinds, struct plan **out)
{
  return parse (bytes, len, label, kinds, false, out);
}

struct err *
plan_parse_copy (const char *bytes, size_t len, const char *label,
                 const struct plan_kinds *kinds, struct plan **out)
{
  return parse (bytes, len, label, kinds, true, out);
}

/* The file's bytes, at most one more than a plan may have. */
static struct err *
read_file (const char *path, struct buf *out)
{
  CLEANUP_FREE char *shown = text_escape (path, strlen (path));
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0)
    return err_todo (err_sys (errno, "RH-PLAN-READ", "the plan %s", shown),
                     "write one with: rehome plan SOURCE");
  for (;;) {
    unsigned char *room;
    TRY (buf_reserve (out, 65536, &room));
    ssize_t n = read (fd, room, 65536);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return err_sys (errno, "RH-PLAN-READ", "the plan %s", shown);
    if (n == 0 || out->len > YAML_MAX_BYTES)
      return NULL;
    out->len += (size_t)n;
  }
}

struct err *
plan_read (const char *path, const struct plan_kinds *kinds, struct plan **out)
{
  CLEANUP_BUF struct buf bytes = BUF_INIT_MAX (YAML_MAX_BYTES + 262144);
  *out = NULL;
  TRY (read_file (path, &bytes));
  return plan_parse ((const char *)bytes.data, bytes.len, path, kinds, out);
}

void
plan_free (struct plan *p)
{
  if (p == NULL)
    return;
  items_clear (&p->items);
  json_decref (p->leave);
  json_decref (p->switches);
  json_decref (p->smoke);
  json_decref (p->window);
  json_decref (p->approvals);
  json_decref (p->backup);
  json_decref (p->rehearsal);
  json_decref (p->keeping);
  yaml_clear (&p->doc);
  free (p->text);
  free (p);
}

const char *
plan_name (const struct plan *p)
{
  return p->name;
}

const char *
plan_hash (const struct plan *p)
{
  return p->hash;
}

const char *
plan_text (const struct plan *p, size_t *len)
{
  *len = p->len;
  return p->text;
}

const struct plan_host *
plan_source (const struct plan *p)
{
  return &p->source;
}

const struct plan_host *
plan_target (const struct plan *p)
{
  return &p->target;
}

size_t
plan_item_count (const struct plan *p)
{
  return p->items.list.n;
}

const struct plan_item *
plan_item (const struct plan *p, size_t i)
{
  return i < p->items.list.n ? &p->items.list.v[i] : NULL;
}

long
plan_item_index (const struct plan *p, const struct plan_item *item)
{
  for (size_t i = 0; i < p->items.list.n; i++)
    if (item == &p->items.list.v[i])
      return (long)i;
  return -1;
}

const struct plan_limits *
plan_limits (const struct plan *p)
{
  return &p->limits;
}

const json_t *
plan_leave (const struct plan *p)
{
  return p->leave;
}

const json_t *
plan_switch (const struct plan *p)
{
  return p->switches;
}

const json_t *
plan_smoke (const struct plan *p)
{
  return p->smoke;
}

const json_t *
plan_window (const struct plan *p)
{
  return p->window;
}

const json_t *
plan_approvals (const struct plan *p)
{
  return p->approvals;
}

const json_t *
plan_backup (const struct plan *p)
{
  return p->backup;
}

const json_t *
plan_rehearsal (const struct plan *p)
{
  return p->rehearsal;
}

const json_t *
plan_keeping (const struct plan *p)
{
  return p->keeping;
}

enum plan_approach
plan_approach (const struct plan *p)
{
  return p->approach;
}

const char *
plan_fence (const struct plan *p)
{
  return p->fence;
}
