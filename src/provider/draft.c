/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a draft: YAML with comments, by hand, because libyaml's emitter
 * has no comments.  Everything that a host said goes through quoted() or
 * comment(), so that no host can put a line of its own into the plan.
 */
#include "provider/draft.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/discover.h"
#include "provider/provider.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#define COMMENT_WIDTH 96

/* Text that needs no quotes for any reader of YAML. */
static bool
is_plain (const char *s)
{
  static const char *const words[]
      = { "true", "false", "null", "yes", "no", "on", "off", "y", "n", NULL };
  char *end;
  if (!isalnum ((unsigned char)*s) && *s != '/')
    return false;
  for (const char *c = s; *c != '\0'; c++)
    if (!isalnum ((unsigned char)*c) && strchr ("_./@+-", *c) == NULL)
      return false;
  for (size_t i = 0; words[i] != NULL; i++)
    if (strcasecmp (s, words[i]) == 0)
      return false;
  (void)strtod (s, &end);
  return *end != '\0';
}

/* The code point at `s` (valid UTF-8) and its length. */
static uint32_t
code_point (const char *s, size_t *len)
{
  const unsigned char *u = (const unsigned char *)s;
  *len = *u < 0x80 ? 1 : *u < 0xe0 ? 2 : *u < 0xf0 ? 3 : 4;
  if (*len == 1)
    return *u;
  uint32_t c = *u & (0xffU >> (*len + 1));
  for (size_t i = 1; i < *len; i++)
    c = c << 6 | (u[i] & 0x3fU);
  return c;
}

/* Ends a line, or cannot stand in YAML, or is not seen. */
static bool
is_unprintable (uint32_t c)
{
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029
         || c == 0xfeff || c == 0xfffe || c == 0xffff;
}

/* `s` without what could end a line; the rest as it is. */
static struct err *
put_escaped (struct buf *b, const char *s, size_t size, const char *special)
{
  for (size_t i = 0, len; i < size; i += len) {
    uint32_t c = code_point (s + i, &len);
    if (is_unprintable (c))
      TRY (buf_printf (b, c < 0x100 ? "\\x%02x" : "\\u%04x", c));
    else if (len == 1 && strchr (special, s[i]) != NULL)
      TRY (buf_printf (b, "\\%c", s[i]));
    else
      TRY (buf_put (b, s + i, len));
  }
  return NULL;
}

static struct err *
quoted (struct buf *b, const char *s)
{
  if (is_plain (s))
    return buf_put_str (b, s);
  TRY (buf_put_str (b, "\""));
  TRY (put_escaped (b, s, strlen (s), "\"\\"));
  return buf_put_str (b, "\"");
}

static struct err *put_value (struct buf *b, const json_t *value);

static struct err *
put_mapping (struct buf *b, const json_t *value)
{
  const char *key, *between = "{";
  json_t *member;
  json_object_foreach ((json_t *)value, key, member)
  {
    TRY (buf_put_str (b, between));
    TRY (quoted (b, key));
    TRY (buf_put_str (b, ": "));
    TRY (put_value (b, member));
    between = ", ";
  }
  return buf_put_str (b, json_object_size (value) == 0 ? "{}" : "}");
}

/* Scalars, and lists and mappings in one line. */
static struct err *
put_value (struct buf *b, const json_t *value)
{
  if (json_is_string (value))
    return quoted (b, json_string_value (value));
  if (json_is_integer (value))
    return buf_printf (b, "%" JSON_INTEGER_FORMAT, json_integer_value (value));
  if (json_is_boolean (value))
    return buf_put_str (b, json_is_true (value) ? "true" : "false");
  if (json_is_object (value))
    return put_mapping (b, value);
  TRY (buf_put_str (b, "["));
  for (size_t i = 0; i < json_array_size (value); i++) {
    TRY (buf_put_str (b, i == 0 ? "" : ", "));
    TRY (put_value (b, json_array_get (value, i)));
  }
  return buf_put_str (b, "]");
}

/* Lines of "# ...", broken at blanks. */
static struct err *
comment (struct buf *b, const char *indent, const char *text)
{
  const char *s = text;
  size_t width = COMMENT_WIDTH - strlen (indent);
  while (*s != '\0') {
    size_t len = strlen (s);
    if (len > width) {
      len = width;
      while (len > 0 && s[len] != ' ')
        len--;
      if (len == 0)
        len = strcspn (s, " ");
    }
    TRY (buf_printf (b, "%s# ", indent));
    TRY (put_escaped (b, s, len, ""));
    TRY (buf_put_str (b, "\n"));
    s += len;
    s += strspn (s, " ");
  }
  return NULL;
}

/* One item of a list: "  - key: value" and the other keys below it. */
static struct err *
put_item (struct buf *b, const json_t *spec, bool off, const char *indent)
{
  const char *key, *first = "- ";
  json_t *value;
  json_object_foreach ((json_t *)spec, key, value)
  {
    TRY (buf_printf (b, "%s%s%s", indent, off ? "# " : "", first));
    TRY (quoted (b, key));
    TRY (buf_put_str (b, ": "));
    TRY (put_value (b, value));
    TRY (buf_put_str (b, "\n"));
    first = "  ";
  }
  return NULL;
}

static struct err *
put_items_of (struct buf *b, const struct draft *d, const char *kind,
              size_t *count)
{
  for (size_t i = 0; i < json_array_size (d->items); i++) {
    const json_t *row = json_array_get (d->items, i);
    bool off = json_is_true (json_object_get (row, "off"));
    if (strcmp (look_text (row, "kind"), kind) != 0)
      continue;
    TRY (comment (b, "  ", look_text (row, "why")));
    TRY (put_item (b, json_object_get (row, "spec"), off, "  "));
    *count += !off;
  }
  return NULL;
}

static struct err *
put_items (struct buf *b, const struct draft *d)
{
  static const char *const kinds[]
      = { "accounts", "files",   "sqlite", "postgresql",
          "mariadb",  "service", "cron",   NULL };
  size_t count = 0;
  TRY (buf_put_str (b, "items:\n"));
  for (size_t i = 0; kinds[i] != NULL; i++)
    TRY (put_items_of (b, d, kinds[i], &count));
  if (count == 0)
    TRY (buf_put_str (b, "  []\n  # Nothing was found that this version "
                         "moves; a plan needs at least one item.\n"));
  return NULL;
}

static struct err *
put_pair (struct buf *b, const char *between, const char *key,
          const char *value)
{
  TRY (buf_printf (b, "%s%s: ", between, key));
  return quoted (b, value);
}

static struct err *
put_host (struct buf *b, const char *key, const char *host, const char *via,
          const char *machine_id, const char *host_key)
{
  TRY (buf_printf (b, "%s: {", key));
  TRY (put_pair (b, "", "host", host));
  if (via != NULL)
    TRY (put_pair (b, ", ", "via", via));
  if (strlen (machine_id) == 32
      && strspn (machine_id, "0123456789abcdef") == 32)
    TRY (put_pair (b, ", ", "machine-id", machine_id));
  if (host_key != NULL && strncmp (host_key, "SHA256:", 7) == 0
      && strlen (host_key) == 50)
    TRY (put_pair (b, ", ", "host-key", host_key));
  return buf_put_str (b, "}\n");
}

/* A name for the plan: the first label of the host name, in lower case. */
static void
plan_name_of (const char *hostname, char out[42])
{
  size_t n = 0;
  for (; *hostname != '\0' && *hostname != '.' && n < 41; hostname++) {
    int c = tolower ((unsigned char)*hostname);
    bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (letter || (c == '-' && n > 0))
      out[n++] = (char)c;
  }
  out[n] = '\0';
  if (n == 0)
    memcpy (out, "move", sizeof "move");
}

static struct err *
put_head (struct buf *b, const struct draft *d)
{
  const char *file = d->names->file != NULL ? d->names->file : "plan.yaml";
  CLEANUP_FREE char *shown = text_escape (file, strlen (file));
  TRY (comment (b, "",
                "A draft, made by looking at the hosts; nothing was changed "
                "on them. Read every line: what moves stands under items, "
                "what stays under leave, and a line that begins with # does "
                "not count."));
  return buf_printf (b,
                     "#\n# Next: edit this file, then run\n#   rehome "
                     "check %s\n\n",
                     shown);
}

static struct err *
put_hosts (struct buf *b, const struct draft *d)
{
  const struct draft_names *n = d->names;
  char name[42];
  plan_name_of (n->name != NULL ? n->name : look_text (d->facts, "hostname"),
                name);
  TRY (buf_put_str (b, "rehome: 1\nname: "));
  TRY (quoted (b, name));
  TRY (buf_put_str (b, "\n"));
  CLEANUP_FREE char *seen
      = mem_printf ("The source is %s, %s.", look_text (d->facts, "hostname"),
                    look_text (d->facts, "os"));
  TRY (comment (b, "", seen));
  TRY (put_host (b, "source", n->source, n->source_via,
                 look_text (d->facts, "machine_id"), n->source_key));
  if (n->source_via == NULL && d->reached != NULL
      && strstr (n->source, d->reached) == NULL)
  {
    CLEANUP_FREE char *via = mem_printf (
        "It was reached on %s. If the name moves with the work, add via: "
        "%s to its line.",
        d->reached, d->reached);
    TRY (comment (b, "", via));
  }
  if (d->target != NULL) {
    CLEANUP_FREE char *there
        = mem_printf ("The target is %s, %s.",
                      look_text (d->target_facts, "hostname"),
                      look_text (d->target_facts, "os"));
    TRY (comment (b, "", there));
  }
  TRY (put_host (b, "target", n->target != NULL ? n->target : "local",
                 n->target_via, look_text (d->target_facts, "machine_id"),
                 n->target_key));
  return buf_put_str (b, "approach: warm # copied while the source serves; "
                         "then a short stop\n\n");
}

static struct err *
put_subject (struct buf *b, const json_t *row, bool off)
{
  TRY (buf_printf (b, "  %s- {%s: ", off ? "# " : "", look_text (row, "key")));
  TRY (quoted (b, look_text (row, "name")));
  TRY (buf_put_str (b, ", why: "));
  TRY (off ? buf_put_str (b, "\"...\"") : quoted (b, look_text (row, "why")));
  return buf_put_str (b, "}\n");
}

static struct err *
put_leave (struct buf *b, const struct draft *d)
{
  bool none = json_array_size (d->leave) == 0;
  TRY (buf_put_str (b, "\n"));
  TRY (comment (b, "",
                "What listens or writes on the source and stays behind, each "
                "with a reason."));
  TRY (buf_put_str (b, none ? "leave: []\n" : "leave:\n"));
  for (size_t i = 0; i < json_array_size (d->leave); i++)
    TRY (put_subject (b, json_array_get (d->leave, i), false));
  for (size_t i = 0; i < json_array_size (d->decide); i++) {
    const json_t *row = json_array_get (d->decide, i);
    CLEANUP_FREE char *what = mem_printf ("decide: %s", look_text (row, "why"));
    TRY (comment (b, "  ", what));
    TRY (put_subject (b, row, true));
  }
  if (json_array_size (d->decide) > 0)
    TRY (comment (b, "  ",
                  "Each \"decide:\" above blocks rehome check until an item "
                  "covers it or its line is taken in with a reason; what "
                  "writes into files that move has to be an item, or be "
                  "stopped."));
  return NULL;
}

static struct err *
put_switch (struct buf *b, const json_t *row)
{
  bool off = json_is_true (json_object_get (row, "off"));
  TRY (comment (b, "    ", look_text (row, "why")));
  TRY (buf_printf (b, "    %s- address: {", off ? "# " : ""));
  TRY (put_pair (b, "", "move", look_text (row, "move")));
  TRY (put_pair (b, ", ", "interface", look_text (row, "interface")));
  return buf_put_str (b, "}\n");
}

static struct err *
put_cutover (struct buf *b, const struct draft *d)
{
  size_t on = 0, n = json_array_size (d->addresses);
  for (size_t i = 0; i < n; i++)
    on += !json_is_true (
        json_object_get (json_array_get (d->addresses, i), "off"));
  TRY (buf_put_str (b, "\ncutover:\n"
                       "  downtime-limit: 30s # reached before the target "
                       "opens: it goes back by itself\n"
                       "  jobs-wait: 60s # for jobs that still run; then it "
                       "does not begin\n"));
  TRY (buf_put_str (b, on == 0 ? "  switch: []\n" : "  switch:\n"));
  for (size_t i = 0; i < n; i++)
    TRY (put_switch (b, json_array_get (d->addresses, i)));
  return NULL;
}

static struct err *
put_smoke (struct buf *b, const struct draft *d)
{
  TRY (buf_put_str (b, "\n"));
  TRY (comment (b, "",
                "Checks before the target opens; those of loopback run on the "
                "target, the others as a client."));
  bool none = json_array_size (d->smoke) == 0;
  TRY (buf_put_str (b, none ? "smoke: []\n" : "smoke:\n"));
  for (size_t i = 0; i < json_array_size (d->smoke); i++) {
    const json_t *row = json_array_get (d->smoke, i);
    TRY (comment (b, "  ", look_text (row, "why")));
    bool off = json_is_true (json_object_get (row, "off"));
    TRY (put_pair (b, off ? "  # - {" : "  - {", "http",
                   look_text (row, "http")));
    TRY (buf_printf (b, ", status: %" JSON_INTEGER_FORMAT "}\n",
                     json_integer_value (json_object_get (row, "status"))));
  }
  TRY (buf_put_str (b, "\n"));
  TRY (comment (b, "",
                "decide: a cutover is refused until a restore of a backup is "
                "proven, or somebody goes without it by name:"));
  TRY (buf_put_str (
      b, "# backup: {check: [/usr/local/sbin/restore-test], on: source}\n"
         "# backup: {waiver: {by: \"...\", reason: \"...\"}}\n\n"));
  return buf_put_str (b, "fence: closed # what moved stays stopped on the "
                         "source\n"
                         "guard: 7d # time to go back; it reminds, it never "
                         "accepts by itself\n");
}

static struct err *
put_notes (struct buf *b, const struct draft *d)
{
  TRY (buf_put_str (b, "\n# Not looked at, or only seen:\n"));
  for (size_t i = 0; i < json_array_size (d->notes); i++) {
    const char *note = json_string_value (json_array_get (d->notes, i));
    CLEANUP_FREE char *line = mem_printf ("- %s", note);
    TRY (comment (b, "", line));
  }
  return NULL;
}

static struct err *
put_all (struct buf *b, const struct draft *d)
{
  TRY (put_head (b, d));
  TRY (put_hosts (b, d));
  TRY (put_items (b, d));
  TRY (put_leave (b, d));
  TRY (put_cutover (b, d));
  TRY (put_smoke (b, d));
  return put_notes (b, d);
}

static void
draft_clear (struct draft *d)
{
  json_t *parts[]
      = { d->facts, d->target_facts, d->items,  d->addresses, d->smoke,
          d->leave, d->decide,       d->notes,  d->users,     d->there,
          d->units, d->uses,         d->moving, d->listeners, d->writers };
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    json_decref (parts[i]);
  free (d->reached);
}

struct err *
draft_write (struct port *source, struct port *target,
             const struct draft_names *names, char **yaml)
{
  CLEANUP (draft_clear)
  struct draft d = { .source = source,
                     .target = target,
                     .names = names,
                     .facts = json_object (),
                     .target_facts = json_object (),
                     .items = json_array (),
                     .addresses = json_array (),
                     .smoke = json_array (),
                     .leave = json_array (),
                     .decide = json_array (),
                     .notes = json_array (),
                     .users = json_array (),
                     .there = json_object (),
                     .units = json_array (),
                     .uses = json_object (),
                     .moving = json_object (),
                     .listeners = json_array (),
                     .writers = json_array () };
  CLEANUP_BUF struct buf b = BUF_INIT_MAX (1 << 20);
  *yaml = NULL;
  TRY (discover_all (&d));
  TRY (err_wrap (put_all (&b, &d), "the draft"));
  *yaml = buf_steal_str (&b);
  return NULL;
}

/* Text of a host, as JSON: what is not UTF-8 is shown escaped. */
static json_t *
text_value (const char *text)
{
  size_t len = strlen (text);
  if (text_is_utf8 (text, len))
    return json_string (text);
  CLEANUP_FREE char *safe = text_escape (text, len);
  return json_string (safe);
}

static bool
has_item (const struct draft *d, const char *kind, const json_t *spec)
{
  const json_t *name = json_object_get (spec, kind);
  for (size_t i = 0; i < json_array_size (d->items); i++) {
    const json_t *row = json_array_get (d->items, i);
    const json_t *other = json_object_get (json_object_get (row, "spec"), kind);
    if (other != NULL && json_equal (other, name))
      return true;
  }
  return false;
}

void
draft_item (struct draft *d, const char *kind, json_t *spec, bool off,
            const char *why, ...)
{
  va_list ap;
  va_start (ap, why);
  CLEANUP_FREE char *text = mem_vprintf (why, ap);
  va_end (ap);
  CLEANUP_JSON json_t *mine = spec;
  if (mine == NULL || has_item (d, kind, mine))
    return;
  json_array_append_new (
      d->items, json_pack ("{s:s, s:O, s:b, s:o}", "kind", kind, "spec", mine,
                           "off", (int)off, "why", text_value (text)));
}

void
draft_note (struct draft *d, const char *fmt, ...)
{
  va_list ap;
  va_start (ap, fmt);
  CLEANUP_FREE char *text = mem_vprintf (fmt, ap);
  va_end (ap);
  json_array_append_new (d->notes, text_value (text));
}

void
draft_uses (struct draft *d, const char *path, const char *why, ...)
{
  va_list ap;
  va_start (ap, why);
  CLEANUP_FREE char *text = mem_vprintf (why, ap);
  va_end (ap);
  if (*path != '/' || strlen (path) > 4096 || json_object_size (d->uses) >= 2000
      || json_object_get (d->uses, path) != NULL
      || !text_is_utf8 (path, strlen (path)))
    return;
  json_object_set_new (d->uses, path, text_value (text));
}
