/* SPDX-License-Identifier: Apache-2.0 */
/* The draft of a plan and hosts that fail, lie, or are not there: nothing is
 * changed on them, and they write no line of their own. */
#include "drafted.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "provider/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void
nothing_is_changed_on_either_host (void **state)
{
  static const char *const looks[] = { "facts",           "run",
                                       "file.stat",       "file.read",
                                       "file.list",       "http",
                                       "sqlite.find",     "process.open",
                                       "process.writers", "process.listeners" };
  struct hosts *h = *state;
  const json_t *asked[]
      = { of_source (h, "asked"), json_object_get (h->target.host, "asked") };
  write_draft (h);
  for (size_t side = 0; side < 2; side++)
    for (size_t i = 0; i < json_array_size (asked[side]); i++) {
      const char *verb = json_string_value (json_array_get (asked[side], i));
      bool look = false;
      for (size_t k = 0; k < sizeof looks / sizeof *looks; k++)
        look |= strcmp (verb, looks[k]) == 0;
      if (!look)
        fail_msg ("%s was asked", verb);
    }
}

static void
without_a_target_it_is_written_all_the_same (void **state)
{
  struct hosts *h = *state;
  CLEANUP_ERR struct err *e
      = draft_write (&h->source.port, NULL, &h->names, &h->yaml);
  assert_null (e);
  ASSERT_LINE (h->yaml, "target: {host: local}");
  ASSERT_LINE (h->yaml, "# - the target: it was not looked at");
}

static void
the_same_host_twice_is_refused (void **state)
{
  struct hosts *h = *state;
  CLEANUP_ERR struct err *e
      = draft_write (&h->source.port, &h->source.port, &h->names, &h->yaml);
  assert_string_equal (err_code (e), "RH-PLAN-SAME");
}

static void
a_look_that_is_refused_becomes_a_comment (void **state)
{
  struct hosts *h = *state;
  json_object_set_new (of_source (h, "fail"), "process.listeners",
                       json_string ("RH-HOST-PROC"));
  CLEANUP_PLAN struct plan *p = read_draft (h);
  assert_non_null (strstr (h->yaml, "# - processes: the look failed"));
  ASSERT_LINE (h->yaml, "  - service: shop-orders.service");
}

static void
a_lost_host_is_an_error_at_every_look (void **state)
{
  static const char *const verbs[]
      = { "facts",     "run",          "file.stat",        "file.read",
          "file.list", "process.open", "process.listeners" };
  struct hosts *h = *state;
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
    json_object_clear (of_source (h, "fail"));
    json_object_set_new (of_source (h, "fail"), verbs[i],
                         json_string ("RH-LINK-LOST"));
    CLEANUP_ERR struct err *e
        = draft_write (&h->source.port, &h->target.port, &h->names, &h->yaml);
    if (e == NULL)
      fail_msg ("%s: the draft was written", verbs[i]);
    assert_string_equal (err_code (e), "RH-LINK-LOST");
    assert_null (h->yaml);
  }
}

static void
a_host_key_that_is_none_is_left_out (void **state)
{
  struct hosts *h = *state;
  h->names.source_key = "SHA256:short";
  CLEANUP_PLAN struct plan *p = read_draft (h);
  assert_null (plan_source (p)->host_key);
}

static void
broken_lines_of_passwd_are_no_accounts (void **state)
{
  struct hosts *h = *state;
  set_file (h, "/etc/passwd",
            "short:x:1000\n:x:1001:1001::/home/a:/bin/sh\n"
            "-n:x:1001:1001::/home/a:/bin/sh\n"
            "a b:x:1001:1001::/home/a:/bin/sh\n"
            "neg:x:-1:1::/home/a:/bin/sh\n"
            "many:x:1002:1002::/home/m:/bin/sh:more\n"
            "huge:x:99999999999:1::/home/a:/bin/sh\n"
            "letters:x:10x1:1::/home/a:/bin/sh\n"
            "noshell:x:1003:1003::/home/a:/usr/sbin/nologin\n"
            "empty:x:1004:1004::/home/a:\n"
            "nobody:x:65534:65534::/nonexistent:/bin/sh\n"
            "good:x:1005:1005::/home/deploy:/bin/sh\n");
  ASSERT_LINE (write_draft (h), "  - accounts: [good]");
}

static void
an_answer_that_is_no_status_makes_no_check (void **state)
{
  struct hosts *h = *state;
  json_object_set_new (of_source (h, "http"), "http://127.0.0.1/health",
                       json_integer (7));
  ASSERT_LINE (write_draft (h), "smoke: []");
}

static void
words_that_yaml_reads_otherwise_are_quoted (void **state)
{
  struct hosts *h = *state;
  set_file (h, "/etc/passwd",
            "true:x:1000:1000::/x:/bin/sh\n1e3:x:1001:1001::/x:/bin/sh\n"
            "Y:x:1002:1002::/x:/bin/sh\n_u:x:1003:1003::/x:/bin/sh\n");
  ASSERT_LINE (write_draft (h),
               "  - accounts: [\"true\", \"1e3\", \"Y\", \"_u\"]");
}

/* Everything that a host says is replaced by lines that would be a plan. */
static void
no_host_can_write_lines_of_its_own (void **state)
{
  static const char *const evil[] = { "x\nitems: [{files: /etc/shadow}]\n",
                                      "x\xe2\x80\xa8leave: []",
                                      "x\xc2\x85smoke: []",
                                      "\"}, evil: {",
                                      "# - : {[",
                                      "x\r\nguard: 1d",
                                      "\xf0\x9f\x90\x9a\xef\xbb\xbf" };
  struct hosts *h = *state;
  for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
    CLEANUP_FREE char *file = mem_printf ("/opt/%s/run", evil[i]);
    CLEANUP_FREE char *unit
        = mem_printf ("Id=%s.service\nFragmentPath=/etc/systemd/system/x\n",
                      evil[i]);
    json_t *facts = of_source (h, "facts");
    json_object_set_new (facts, "hostname", json_string (evil[i]));
    json_object_set_new (facts, "os", json_string (evil[i]));
    json_object_set_new (facts, "machine_id", json_string (evil[i]));
    json_object_set_new (of_source (h, "units"), "nginx.service",
                         json_string (unit));
    set_file (h, file, "");
    json_array_append_new (of_source (h, "listeners"),
                           json_pack ("{s:s, s:s, s:i, s:s, s:i, s:s}", "proto",
                                      evil[i], "address", evil[i], "port", 7,
                                      "comm", evil[i], "uid", 5, "unit",
                                      evil[i]));
    free (h->yaml);
    const char *yaml = write_draft (h);
    struct plan *p = NULL;
    CLEANUP_ERR struct err *e
        = plan_parse (yaml, strlen (yaml), "plan.yaml", provider_kinds (), &p);
    /* A unit's name that is none is refused by its line; that is all. */
    if (e != NULL && strstr (err_message (e), "is no unit") == NULL)
      fail_msg ("%s\n%s", err_message (e), yaml);
    assert_null (strstr (yaml, "\nitems: [{files"));
    plan_free (p);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (nothing_is_changed_on_either_host),
    TEST (without_a_target_it_is_written_all_the_same),
    TEST (the_same_host_twice_is_refused),
    TEST (a_look_that_is_refused_becomes_a_comment),
    TEST (a_lost_host_is_an_error_at_every_look),
    TEST (a_host_key_that_is_none_is_left_out),
    TEST (broken_lines_of_passwd_are_no_accounts),
    TEST (an_answer_that_is_no_status_makes_no_check),
    TEST (words_that_yaml_reads_otherwise_are_quoted),
    TEST (no_host_can_write_lines_of_its_own),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
