/* SPDX-License-Identifier: Apache-2.0 */
/* Facts from a journal, and what the reports make of them. */
#include "../host/scratch.h"

#include "journal/store.h"
#include "report/facts.h"
#include "report/text.h"

#define PLAN                                        \
  "rehome: 1\nname: shop\n"                         \
  "source: {host: root@old}\ntarget: {host: new}\n" \
  "items:\n  - thing: /srv/<b>\n"                   \
  "leave:\n  - {process: sshd, why: management}\n"

static struct err *
any_spec (const json_t *spec)
{
  (void)spec;
  return NULL;
}

static char *
thing_name (const json_t *spec)
{
  return mem_strdup (json_string_value (json_object_get (spec, "thing")));
}

static const struct plan_kind *
find_thing (const char *kind)
{
  static const struct plan_kind thing = { "thing", any_spec, thing_name };
  return strcmp (kind, "thing") == 0 ? &thing : NULL;
}

static void
add (struct graph *g, const char *id, enum stage stage, enum step_class cls)
{
  const char *needs[] = { NULL };
  struct step s = { .id = id,
                    .provider = "thing",
                    .op = "op",
                    .title = id,
                    .item = stage == STAGE_PIVOT ? -1 : 0,
                    .stage = stage,
                    .cls = cls,
                    .side = SIDE_BOTH,
                    .needs = needs };
  assert_ok (graph_add (g, &s));
}

struct book {
  const char *dir;
  struct store *store;
  struct plan *plan;
  struct graph *graph;
  int64_t now;
};

static void
open_book (struct book *b, const char *dir)
{
  static const struct plan_kinds kinds = { find_thing };
  b->dir = dir;
  assert_ok (plan_parse (PLAN, strlen (PLAN), "test", &kinds, &b->plan));
  b->graph = graph_new ();
  add (b->graph, "look", STAGE_PREFLIGHT, STEP_PURE);
  add (b->graph, "seed", STAGE_PREPARE, STEP_IDEMPOTENT);
  add (b->graph, "freeze", STAGE_FREEZE, STEP_REVERSIBLE);
  add (b->graph, "verify", STAGE_VERIFY, STEP_PURE);
  add (b->graph, "pivot", STAGE_PIVOT, STEP_PIVOT);
  assert_ok (graph_seal (b->graph));
  assert_ok (store_open_writer (dir, "shop-1", PLAN, strlen (PLAN), &b->store));
}

static void
close_book (struct book *b)
{
  store_close (b->store);
  graph_free (b->graph);
  plan_free (b->plan);
}

static void
tell (struct book *b, enum record_type type, const char *step, json_t *data)
{
  struct record r CLEANUP (record_clear)
      = { .type = type,
          .epoch = 1,
          .time_ms = 1700000000000 + b->now,
          .boot_id = mem_strdup ("one"),
          .mono_ns = (uint64_t)b->now * 1000000u,
          .actor = mem_strdup ("operator:<root>"),
          .step = mem_strdup (step),
          .attempt = step != NULL ? 1 : 0,
          .data = data };
  assert_ok (store_append (b->store, &r, NULL));
  b->now += 100;
}

static void
phase (struct book *b, const char *from, const char *to, const char *why)
{
  tell (b, RECORD_PHASE, NULL,
        json_pack ("{s:s, s:s, s:s, s:s}", "from", from, "to", to, "why", why,
                   "writer", "source"));
}

static void
run (struct book *b, const char *step, json_t *result)
{
  tell (b, RECORD_INTENT, step, json_object ());
  tell (b, RECORD_OUTCOME, step,
        json_pack ("{s:o}", "result",
                   result != NULL ? result : json_object ()));
}

/* A sync whose check had something to say. */
static void
write_sync (struct book *b)
{
  tell (b, RECORD_CLAIMED, NULL, json_pack ("{s:s}", "controller", "a"));
  tell (b, RECORD_REQUEST, NULL, json_pack ("{s:s}", "request", "sync"));
  phase (b, "planned", "seeding", "request");
  run (b, "look",
       json_pack ("{s:{s:s}, s:[s]}", "source", "hostname", "shop-old",
                  "findings", "<script>alert(1)</script>\033[2J"));
  run (b, "seed", json_pack ("{s:i, s:s}", "files", 1234, "bytes", "5000000"));
}

static json_t *
facts_of (struct book *b)
{
  json_t *o = NULL;
  struct facts_from from = { .store = b->store,
                             .plan = b->plan,
                             .graph = b->graph,
                             .plan_path = "shop.yaml" };
  assert_ok (facts_make (&from, &o));
  return o;
}

static const json_t *
step_of (const json_t *facts, const char *id)
{
  size_t i;
  json_t *s;
  json_array_foreach (json_object_get (facts, "steps"), i, s)
  {
    if (strcmp (json_string_value (json_object_get (s, "id")), id) == 0)
      return s;
  }
  fail_msg ("no step %s", id);
  return NULL;
}

static void
facts_are_a_reading_of_the_journal (void **state)
{
  struct book b = { 0 };
  open_book (&b, *state);
  write_sync (&b);
  CLEANUP_JSON json_t *f = facts_of (&b);
  assert_string_equal (json_string_value (json_object_get (f, "phase")),
                       "seeding");
  assert_string_equal (json_string_value (json_object_get (
                           json_object_get (f, "source"), "name")),
                       "shop-old");
  assert_string_equal (json_string_value (json_object_get (
                           json_object_get (f, "target"), "name")),
                       "new");
  const json_t *seed = step_of (f, "seed");
  assert_string_equal (json_string_value (json_object_get (seed, "state")),
                       "done");
  assert_int_equal (json_integer_value (json_object_get (seed, "ms")), 100);
  const json_t *moved
      = json_object_get (json_array_get (json_object_get (f, "items"), 0),
                         "moved");
  assert_int_equal (json_integer_value (json_object_get (moved, "files")),
                    1234);
  assert_int_equal (json_integer_value (json_object_get (moved, "bytes")),
                    5000000);
  const json_t *chain = json_object_get (f, "chain");
  assert_int_equal (json_integer_value (json_object_get (chain, "seq")), 7);
  assert_string_equal (json_string_value (json_object_get (chain, "first")),
                       plan_hash (b.plan));
  close_book (&b);
}

static void
nothing_is_claimed_before_the_target_took_over (void **state)
{
  struct book b = { 0 };
  CLEANUP_BUF struct buf text = BUF_INIT;
  open_book (&b, *state);
  write_sync (&b);
  CLEANUP_JSON json_t *f = facts_of (&b);
  assert_ok (report_text (f, &text));
  assert_true (strncmp ((char *)text.data, "0 lost is not claimed yet", 25)
               == 0);
  assert_null (strstr ((char *)text.data, "Covered: every write"));
  close_book (&b);
}

static void
strings_of_hosts_are_harmless_in_both_reports (void **state)
{
  struct book b = { 0 };
  CLEANUP_BUF struct buf text = BUF_INIT, page = BUF_INIT;
  open_book (&b, *state);
  write_sync (&b);
  CLEANUP_JSON json_t *f = facts_of (&b);
  assert_ok (report_text (f, &text));
  assert_ok (report_html (f, &page));
  assert_null (strchr ((char *)text.data, '\033'));
  assert_null (strchr ((char *)page.data, '\033'));
  assert_null (strstr ((char *)page.data, "<script"));
  assert_null (strstr ((char *)page.data, "/srv/<b>"));
  assert_non_null (strstr ((char *)page.data, "/srv/&lt;b&gt;"));
  assert_non_null (strstr ((char *)page.data, "operator:&lt;root&gt;"));
  close_book (&b);
}

/* Each tag that is opened is closed, in its order. */
static void
check_tags (const char *html)
{
  static const char *const empty[]
      = { "!doctype", "meta", "br", "line", "rect", NULL };
  char stack[64][16];
  size_t depth = 0;
  for (const char *p = html; (p = strchr (p, '<')) != NULL; p++) {
    bool closes = p[1] == '/';
    const char *name = p + 1 + closes;
    size_t n = strcspn (name, " />");
    char word[16];
    assert_true (n > 0 && n < sizeof word);
    memcpy (word, name, n);
    word[n] = '\0';
    bool is_empty = false;
    for (size_t i = 0; empty[i] != NULL; i++)
      is_empty = is_empty || strcmp (word, empty[i]) == 0;
    if (is_empty)
      continue;
    if (!closes) {
      assert_true (depth < 64);
      memcpy (stack[depth++], word, sizeof word);
    } else {
      assert_true (depth > 0);
      assert_string_equal (stack[--depth], word);
    }
  }
  assert_int_equal (depth, 0);
}

static void
the_page_stands_alone (void **state)
{
  struct book b = { 0 };
  CLEANUP_BUF struct buf page = BUF_INIT;
  open_book (&b, *state);
  write_sync (&b);
  CLEANUP_JSON json_t *f = facts_of (&b);
  json_object_set_new (f, "downtime_ms", json_integer (900));
  json_object_set_new (f, "downtime_opened", json_true ());
  json_object_set_new (f, "forecast",
                       json_pack ("{s:i, s:i, s:[{s:s, s:i, s:s}]}", "lower_ms",
                                  500, "upper_ms", 1500, "causes", "stage",
                                  "final", "ms", 100, "basis", "known"));
  assert_ok (report_html (f, &page));
  check_tags ((char *)page.data);
  assert_null (strstr ((char *)page.data, "src="));
  assert_null (strstr ((char *)page.data, "href="));
  assert_null (strstr ((char *)page.data, "http://"));
  assert_non_null (strstr ((char *)page.data, "prefers-color-scheme"));
  assert_non_null (strstr ((char *)page.data, "@media print"));
  assert_non_null (strstr ((char *)page.data, "<svg"));
  assert_non_null (strstr ((char *)page.data, "held"));
  close_book (&b);
}

static void
who_opened_without_a_way_back_is_named_with_what_they_were_told (void **state)
{
  struct book b = { 0 };
  CLEANUP_BUF struct buf text = BUF_INIT, page = BUF_INIT;
  open_book (&b, *state);
  write_sync (&b);
  tell (&b, RECORD_REQUEST, NULL,
        json_pack ("{s:s, s:{s:s, s:[s, s], s:s}}", "request", "cutover",
                   "no_way_back", "how", "option", "why", "nginx \033is newer",
                   "php, too", "plan", "x"));
  CLEANUP_JSON json_t *f = facts_of (&b);
  assert_ok (report_text (f, &text));
  assert_ok (report_html (f, &page));
  static const char said[] = "cutover; confirmed (option) that there is no "
                             "proven way back: nginx \\x1bis newer, php, too";
  assert_non_null (strstr ((char *)text.data, said));
  assert_non_null (strstr ((char *)page.data, said));
  close_book (&b);
}

static void
equal_journals_give_equal_facts (void **state)
{
  struct book b = { 0 };
  open_book (&b, *state);
  write_sync (&b);
  CLEANUP_JSON json_t *one = facts_of (&b);
  CLEANUP_JSON json_t *two = facts_of (&b);
  assert_true (json_equal (one, two));
  close_book (&b);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    in_scratch (facts_are_a_reading_of_the_journal),
    in_scratch (nothing_is_claimed_before_the_target_took_over),
    in_scratch (strings_of_hosts_are_harmless_in_both_reports),
    in_scratch (the_page_stands_alone),
    in_scratch (
        who_opened_without_a_way_back_is_named_with_what_they_were_told),
    in_scratch (equal_journals_give_equal_facts),
  };
  return cmocka_run_group_tests_name ("facts", tests, NULL, NULL);
}
