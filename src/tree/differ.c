/* SPDX-License-Identifier: Apache-2.0 */
/* Differences between two entries. */
#include "tree/differ.h"

#include "base/mem.h"
#include "base/text.h"
#include "tree/xattrs.h"

#include <string.h>

static const char *const names[KIND_COUNT]
    = { "content", "type",  "mode",       "owner", "group",   "mtime",
        "acl",     "xattr", "capability", "link",  "missing", "extra",
        "size",    "flags", "project",    "atime" };

const char *
tree_kind_name (enum tree_kind k)
{
  return names[k];
}

static unsigned
bit (bool differs, enum tree_kind k)
{
  return differs ? 1u << k : 0;
}

static bool
starts (const struct xattr_view *v, const char *prefix)
{
  size_t n = strlen (prefix);
  return v->name_len >= n && memcmp (v->name, prefix, n) == 0;
}

/* The attribute of that name: 1 with this value, 0 with another, -1 absent. */
static int
find (const unsigned char *set, size_t len, const struct xattr_view *v)
{
  struct cursor c = { set, len };
  struct xattr_view w;
  while (xattrs_next (&c, &w))
    if (w.name_len == v->name_len && memcmp (w.name, v->name, v->name_len) == 0)
      return w.value_len == v->value_len
             && memcmp (w.value, v->value, v->value_len) == 0;
  return -1;
}

/* What of `a` is not just so in `b`. */
static unsigned
not_in (const unsigned char *a, size_t alen, const unsigned char *b,
        size_t blen)
{
  unsigned out = 0;
  struct cursor c = { a, alen };
  struct xattr_view v;
  while (xattrs_next (&c, &v)) {
    int found = find (b, blen, &v);
    /* Labels are compared only where both hosts have them. */
    if (found == 1 || (found < 0 && starts (&v, "security.selinux")))
      continue;
    if (starts (&v, "system.posix_acl_"))
      out |= 1u << KIND_ACL;
    else if (starts (&v, "security.capability"))
      out |= 1u << KIND_CAPABILITY;
    else
      out |= 1u << KIND_XATTR;
  }
  return out;
}

static unsigned
differ_xattrs (const struct tree_entry *s, const struct tree_entry *t)
{
  if (s->xattrs_len == t->xattrs_len
      && (s->xattrs_len == 0
          || memcmp (s->xattrs, t->xattrs, s->xattrs_len) == 0))
    return 0;
  return not_in (s->xattrs, s->xattrs_len, t->xattrs, t->xattrs_len)
         | not_in (t->xattrs, t->xattrs_len, s->xattrs, s->xattrs_len);
}

static bool
same_text (const char *a, size_t alen, const char *b, size_t blen)
{
  return alen == blen && memcmp (a, b, alen) == 0;
}

static unsigned
differ_content (const struct tree_entry *s, const struct tree_entry *t)
{
  if (s->type != TREE_FILE || s->is_link)
    return 0;
  if (s->size != t->size)
    return 1u << KIND_SIZE | 1u << KIND_CONTENT;
  if (!((s->marks | t->marks) & TREE_HAS_XXH)) /* neither was read */
    return bit (!tree_time_equal (s->mtime, t->mtime), KIND_CONTENT);
  bool both_xxh = s->marks & t->marks & TREE_HAS_XXH;
  bool both_sha = s->marks & t->marks & TREE_HAS_SHA;
  return bit (!both_xxh || memcmp (s->xxh, t->xxh, 16) != 0
                  || (both_sha && memcmp (s->sha, t->sha, 32) != 0),
              KIND_CONTENT);
}

unsigned
differ (const struct tree_entry *s, const struct tree_entry *t)
{
  if (s->type != t->type)
    return 1u << KIND_TYPE;
  bool device = s->type == TREE_CHAR || s->type == TREE_BLOCK;
  bool link
      = s->is_link != t->is_link
        || (s->is_link
            && !same_text (s->link, s->link_len, t->link, t->link_len))
        || !same_text (s->target, s->target_len, t->target, t->target_len);
  unsigned out = bit (link, KIND_LINK) | differ_content (s, t);
  if (s->is_link && t->is_link && !link)
    return out; /* the inode was compared under its first name */
  bool project
      = s->project != t->project || ((s->marks ^ t->marks) & TREE_INHERIT) != 0;
  bool atime = (s->marks & TREE_ATIME) && !tree_time_equal (s->atime, t->atime);
  return out | bit (project, KIND_PROJECT) | bit (atime, KIND_ATIME)
         | bit (device && s->rdev != t->rdev, KIND_TYPE)
         | bit (s->type != TREE_LINK && s->mode != t->mode, KIND_MODE)
         | bit (s->uid != t->uid, KIND_OWNER)
         | bit (s->gid != t->gid, KIND_GROUP)
         | bit (!tree_time_equal (s->mtime, t->mtime), KIND_MTIME)
         | bit (s->iflags != t->iflags, KIND_FLAGS) | differ_xattrs (s, t);
}

json_t *
differ_show (const struct tree_entry *e)
{
  if (e == NULL)
    return json_null ();
  json_t *j = json_object ();
  char text[64];
  json_object_set_new (j, "type", json_string (tree_type_name (e->type)));
  snprintf (text, sizeof text, "%04o", e->mode);
  json_object_set_new (j, "mode", json_string (text));
  json_object_set_new (j, "uid", json_integer (e->uid));
  json_object_set_new (j, "gid", json_integer (e->gid));
  json_object_set_new (j, "size", json_u64 (e->size));
  snprintf (text, sizeof text, "%lld.%09u", (long long)e->mtime.sec,
            e->mtime.nsec);
  json_object_set_new (j, "mtime", json_string (text));
  if (e->marks & TREE_HAS_SHA) {
    CLEANUP_FREE char *hex = text_hex (e->sha, sizeof e->sha);
    json_object_set_new (j, "sha256", json_string (hex));
  }
  if (e->target_len > 0)
    json_object_set_new (j, "target", json_bytes (e->target, e->target_len));
  if (e->is_link)
    json_object_set_new (j, "link", json_bytes (e->link, e->link_len));
  CLEANUP_FREE char *xattrs = text_base64 (e->xattrs, e->xattrs_len);
  if (e->xattrs_len > 0 && e->xattrs_len < 512)
    json_object_set_new (j, "xattrs", json_string (xattrs));
  return j;
}
