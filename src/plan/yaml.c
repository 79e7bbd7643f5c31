/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml's events, folded into a JSON tree with places; see yaml.h. */
#include "plan/yaml.h"

#include "base/mem.h"
#include "base/text.h"

#include <limits.h>
#include <string.h>
#include <yaml.h>

/* A container that is being filled. */
struct level {
  json_t *value;   /* borrowed: its parent or the document holds it */
  const char *key; /* the key that waits for its value; the marks own it */
  struct yaml_place key_at;
};

struct load {
  yaml_parser_t parser;
  struct yaml_doc *doc;
  struct level levels[YAML_MAX_DEPTH];
  size_t depth;
  unsigned documents;
};

static void
cleanup_parser (yaml_parser_t **p)
{
  yaml_parser_delete (*p);
}

static void
cleanup_event (yaml_event_t *e)
{
  yaml_event_delete (e);
}

static int
bounded (size_t n)
{
  return n < INT_MAX - 1 ? (int)n + 1 : INT_MAX;
}

static struct yaml_place
place_of (yaml_mark_t m)
{
  return (struct yaml_place){ bounded (m.line), bounded (m.column) };
}

static struct err *
fault (const struct load *l, struct yaml_place at, const char *code,
       const char *text)
{
  return err_new (ERR_CORRECT, code, "%s:%d:%d: %s", l->doc->label, at.line,
                  at.column, text);
}

/* Line and column of a byte. */
static struct yaml_place
place_at (const char *bytes, size_t offset)
{
  struct yaml_place at = { 1, 1 };
  for (size_t i = 0; i < offset; i++)
    if (bytes[i] == '\n')
      at = (struct yaml_place){ at.line + 1, 1 };
    else if (((unsigned char)bytes[i] & 0xc0) != 0x80)
      at.column++;
  return at;
}

/* The first byte that is not UTF-8, or `len`. */
static size_t
first_bad (const char *bytes, size_t len)
{
  if (text_is_utf8 (bytes, len))
    return len;
  size_t low = 0, high = len; /* the prefix of `low` bytes is good */
  for (size_t i = 0; i < len; i++) {
    if (bytes[i] != '\n')
      continue;
    if (!text_is_utf8 (bytes + low, i + 1 - low)) {
      high = i + 1;
      break;
    }
    low = i + 1;
  }
  size_t at = low;
  for (size_t i = low + 1; i <= high; i++)
    if (text_is_utf8 (bytes + low, i - low))
      at = i;
  return at;
}

static struct err *
check_bytes (const struct load *l, const char *bytes, size_t len)
{
  if (len > YAML_MAX_BYTES)
    return err_new (ERR_CORRECT, "RH-PLAN-SIZE",
                    "%s:1:1: a file of %zu bytes; expected a plan of at most "
                    "%zu bytes",
                    l->doc->label, len, YAML_MAX_BYTES);
  size_t bad = first_bad (bytes, len);
  if (bad == len)
    return NULL;
  CLEANUP_FREE char *text
      = mem_printf ("the byte 0x%02x, which is not UTF-8; expected text in "
                    "UTF-8",
                    (unsigned char)bytes[bad]);
  return fault (l, place_at (bytes, bad), "RH-PLAN-UTF8", text);
}

/* What the parser itself refuses. */
static struct err *
syntax (const struct load *l, const char *bytes)
{
  const yaml_parser_t *p = &l->parser;
  struct yaml_place at = place_of (p->problem_mark);
  if (p->error == YAML_READER_ERROR)
    at = place_at (bytes, p->problem_offset);
  const char *what = p->problem != NULL ? p->problem : "broken YAML";
  CLEANUP_FREE char *text = mem_printf ("%s%s%s; expected YAML",
                                        p->context != NULL ? p->context : "",
                                        p->context != NULL ? ", " : "", what);
  return fault (l, at, "RH-PLAN-SYNTAX", text);
}

static bool
is_whole_number (const char *s)
{
  size_t n = strlen (s + (*s == '-'));
  const char *digits = s + (*s == '-');
  if (n == 0 || n > 15 || strspn (digits, "0123456789") != n)
    return false;
  return n == 1 ? true : *digits != '0'; /* "0644" stays text */
}

/* The value of a scalar, by the plain rules of YAML 1.2. */
static json_t *
scalar_value (const yaml_event_t *ev)
{
  const char *s = (const char *)ev->data.scalar.value;
  size_t len = ev->data.scalar.length;
  if (ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
    return json_stringn (s, len);
  if (len == 0 || strcmp (s, "~") == 0 || strcmp (s, "null") == 0)
    return json_null ();
  if (strcmp (s, "true") == 0 || strcmp (s, "false") == 0)
    return json_boolean (*s == 't');
  if (is_whole_number (s))
    return json_integer ((json_int_t)atoll (s));
  return json_stringn (s, len);
}

/* Puts a value (stolen) where it belongs and remembers its place. */
static struct err *
attach (struct load *l, json_t *value, struct yaml_place at)
{
  struct yaml_doc *doc = l->doc;
  if (doc->marks.n >= YAML_MAX_NODES) {
    json_decref (value);
    return fault (l, at, "RH-PLAN-SIZE",
                  "too many entries; expected at most 20000 in all");
  }
  struct yaml_mark *m = VEC_PUSH (&doc->marks);
  m->at = m->key_at = at;
  if (l->depth == 0) {
    doc->root = value;
    return NULL;
  }
  struct level *in = &l->levels[l->depth - 1];
  m->in = in->value;
  if (json_is_array (in->value)) {
    m->index = json_array_size (in->value);
    json_array_append_new (in->value, value);
    return NULL;
  }
  m->key = STEAL (in->key);
  m->key_at = in->key_at;
  json_object_set_new (in->value, m->key, value);
  return NULL;
}

static bool
wants_key (const struct load *l)
{
  return l->depth > 0 && json_is_object (l->levels[l->depth - 1].value)
         && l->levels[l->depth - 1].key == NULL;
}

static struct err *
take_key (struct load *l, const yaml_event_t *ev)
{
  struct level *in = &l->levels[l->depth - 1];
  const char *s = (const char *)ev->data.scalar.value;
  struct yaml_place at = place_of (ev->start_mark);
  if (*s == '\0')
    return fault (l, at, "RH-PLAN-SYNTAX", "an empty key; expected a word");
  if (json_object_get (in->value, s) != NULL) {
    const struct yaml_mark *m = yaml_mark_of (l->doc, in->value, s, 0);
    CLEANUP_FREE char *shown = text_escape (s, strlen (s));
    CLEANUP_FREE char *text
        = mem_printf ("the key \"%s\" again, after line %d; expected each "
                      "key once",
                      shown, m->key_at.line);
    return fault (l, at, "RH-PLAN-TWICE", text);
  }
  in->key = mem_strdup (s);
  in->key_at = at;
  return NULL;
}

static struct err *
take_scalar (struct load *l, const yaml_event_t *ev)
{
  struct yaml_place at = place_of (ev->start_mark);
  const char *s = (const char *)ev->data.scalar.value;
  if (memchr (s, '\0', ev->data.scalar.length) != NULL)
    return fault (l, at, "RH-PLAN-SYNTAX",
                  "text with a NUL character; expected text without one");
  if (wants_key (l))
    return take_key (l, ev);
  json_t *value = scalar_value (ev);
  if (value == NULL)
    return fault (l, at, "RH-PLAN-UTF8",
                  "text that is not Unicode; expected text in UTF-8");
  return attach (l, value, at);
}

static struct err *
open_level (struct load *l, json_t *value, yaml_mark_t mark)
{
  struct yaml_place at = place_of (mark);
  const char *why = NULL, *code = "RH-PLAN-SYNTAX";
  if (wants_key (l))
    why = "a list or mapping as a key; expected a word";
  else if (l->depth >= YAML_MAX_DEPTH) {
    code = "RH-PLAN-DEPTH";
    why = "lists and mappings too deep in each other; expected at most 16 "
          "levels";
  }
  if (why != NULL) {
    json_decref (value);
    return fault (l, at, code, why);
  }
  TRY (attach (l, value, at));
  l->levels[l->depth++] = (struct level){ .value = value };
  return NULL;
}

static struct err *
refuse_tricks (const struct load *l, const yaml_event_t *ev)
{
  const yaml_char_t *anchor = NULL, *tag = NULL;
  switch (ev->type) {
  case YAML_ALIAS_EVENT:
    anchor = ev->data.alias.anchor;
    break;
  case YAML_SCALAR_EVENT:
    anchor = ev->data.scalar.anchor;
    tag = ev->data.scalar.tag;
    break;
  case YAML_SEQUENCE_START_EVENT:
    anchor = ev->data.sequence_start.anchor;
    tag = ev->data.sequence_start.tag;
    break;
  case YAML_MAPPING_START_EVENT:
    anchor = ev->data.mapping_start.anchor;
    tag = ev->data.mapping_start.tag;
    break;
  default:
    break;
  }
  if (anchor == NULL && tag == NULL)
    return NULL;
  return fault (l, place_of (ev->start_mark), "RH-PLAN-ALIAS",
                anchor != NULL
                    ? "an anchor or alias; expected the value itself (quote "
                      "text that begins with & or *)"
                    : "a tag; expected a value without one (quote text that "
                      "begins with !)");
}

static struct err *
take_event (struct load *l, const yaml_event_t *ev)
{
  TRY (refuse_tricks (l, ev));
  switch (ev->type) {
  case YAML_DOCUMENT_START_EVENT:
    if (++l->documents > 1)
      return fault (l, place_of (ev->start_mark), "RH-PLAN-DOCUMENTS",
                    "a second document; expected one plan in a file");
    return NULL;
  case YAML_SCALAR_EVENT:
    return take_scalar (l, ev);
  case YAML_SEQUENCE_START_EVENT:
    return open_level (l, json_array (), ev->start_mark);
  case YAML_MAPPING_START_EVENT:
    return open_level (l, json_object (), ev->start_mark);
  case YAML_SEQUENCE_END_EVENT:
  case YAML_MAPPING_END_EVENT:
    l->depth--;
    return NULL;
  default:
    return NULL;
  }
}

static struct err *
take_all (struct load *l, const char *bytes)
{
  for (bool more = true; more;) {
    CLEANUP (cleanup_event) yaml_event_t ev = { 0 };
    if (!yaml_parser_parse (&l->parser, &ev))
      return syntax (l, bytes);
    TRY (take_event (l, &ev));
    more = ev.type != YAML_STREAM_END_EVENT;
  }
  return NULL;
}

static struct err *
load (struct load *l, const char *bytes, size_t len)
{
  TRY (check_bytes (l, bytes, len));
  if (!yaml_parser_initialize (&l->parser))
    return err_new (ERR_SYSTEM, "RH-PLAN-SYNTAX", "no memory for YAML");
  CLEANUP (cleanup_parser) yaml_parser_t *parser = &l->parser;
  yaml_parser_set_encoding (parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string (parser, (const unsigned char *)bytes, len);
  TRY (take_all (l, bytes));
  if (l->doc->root == NULL || json_is_null (l->doc->root))
    return fault (l, (struct yaml_place){ 1, 1 }, "RH-PLAN-SYNTAX",
                  "an empty file; expected a plan that begins with "
                  "\"rehome: 1\"");
  return NULL;
}

struct err *
yaml_load (const char *bytes, size_t len, const char *label,
           struct yaml_doc *out)
{
  struct load l = { .doc = out };
  *out = (struct yaml_doc){ .label = text_escape (label, strlen (label)) };
  struct err *e = load (&l, bytes, len);
  for (size_t i = 0; i < YAML_MAX_DEPTH; i++)
    free ((char *)l.levels[i].key);
  if (e != NULL)
    yaml_clear (out);
  return e;
}

void
yaml_clear (struct yaml_doc *doc)
{
  for (size_t i = 0; i < doc->marks.n; i++)
    free ((char *)doc->marks.v[i].key);
  VEC_FREE (&doc->marks);
  json_decref (doc->root);
  free (doc->label);
  *doc = (struct yaml_doc){ 0 };
}

const struct yaml_mark *
yaml_mark_of (const struct yaml_doc *doc, const json_t *in, const char *key,
              size_t index)
{
  static const struct yaml_mark nowhere
      = { .at = { 1, 1 }, .key_at = { 1, 1 } };
  for (size_t i = 0; i < doc->marks.n; i++) {
    const struct yaml_mark *m = &doc->marks.v[i];
    if (m->in != in || (key == NULL) != (m->key == NULL))
      continue;
    if (key != NULL ? strcmp (m->key, key) == 0 : m->index == index)
      return m;
  }
  return doc->marks.n > 0 ? &doc->marks.v[0] : &nowhere;
}
