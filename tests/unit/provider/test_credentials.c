/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan may say of credentials, which file is whose, and that nobody logs
 * in with a file that is refused. */
#include "provider/credentials.h"

#include "../cmocka_api.h"

#include "base/mem.h"

#include <string.h>

static bool
fits (json_t *value)
{
  json_t *spec CLEANUP_JSON = json_pack ("{s:o}", "credentials", value);
  struct err *e CLEANUP_ERR = credentials_check (spec);
  if (e != NULL)
    assert_int_equal (strncmp (err_code (e), "RH-PLAN-", 8), 0);
  return e == NULL;
}

static void
an_absolute_path_or_one_for_each_host_is_taken (void **state)
{
  (void)state;
  assert_true (fits (json_string ("/root/.my.cnf")));
  assert_true (fits (json_pack ("{s:s, s:s}", "source", "/a", "target", "/b")));
}

static void
anything_else_is_refused (void **state)
{
  (void)state;
  assert_false (fits (json_string ("root/.my.cnf")));
  assert_false (fits (json_string ("/a\nb")));
  assert_false (fits (json_integer (1)));
  assert_false (fits (json_pack ("{s:s}", "source", "/a")));
  assert_false (fits (json_pack ("{s:s, s:s, s:s}", "source", "/a", "target",
                                 "/b", "password", "x")));
}

/* A mirrored call has its ports changed over; the files stay the hosts'. */
static void
each_host_has_its_own_file_whichever_way_a_call_goes (void **state)
{
  (void)state;
  json_t *spec CLEANUP_JSON = json_pack ("{s:{s:s, s:s}}", "credentials",
                                         "source", "/a", "target", "/b");
  struct plan_item item = { .kind = "mariadb", .spec = spec };
  struct port source = { .name = "source" }, target = { .name = "target" };
  struct step_call call
      = { .item = &item, .source = &target, .target = &source };
  credentials_enter (&call);
  char *a CLEANUP_FREE = credentials_of (&source, "mariadb");
  char *b CLEANUP_FREE = credentials_of (&target, "mariadb");
  assert_string_equal (a, "/a");
  assert_string_equal (b, "/b");
  assert_null (credentials_of (&source, "postgresql"));
  port_forget (&source);
  port_forget (&target);
}

/* A host whose file is as `mode` and `uid` say. */
struct host {
  struct port port;
  unsigned mode;
  uint32_t uid;
};

static struct err *
answer (struct port *p, const char *verb, const json_t *args,
        void (*tick) (void *ctx, const json_t *progress), void *ctx,
        json_t **result)
{
  const struct host *h = (const struct host *)p;
  (void)tick;
  (void)ctx;
  assert_string_equal (verb, "file.stat");
  assert_string_equal (json_string_value (json_at (args, "path")), "/a");
  *result = json_pack ("{s:b, s:s, s:i, s:i, s:i}", "exists", 1, "type", "file",
                       "mode", (int)h->mode, "uid", (int)h->uid, "gid", 0);
  return NULL;
}

static const struct port_ops ops = { .call = answer };

/* Who logged in, in their order; the one that is refused. */
static char logins[32];
static const char *refused;

static struct err *
login (struct port *p)
{
  strncat (logins, p->name, sizeof logins - strlen (logins) - 1);
  return refused != NULL && strcmp (p->name, refused) == 0
             ? err_new (ERR_BLOCKED, "RH-CREDENTIALS-ACCOUNT", "not root")
             : NULL;
}

/* A look at hosts whose files have these modes; the target's is `uid`'s. */
static struct err *
look_with (unsigned source_mode, unsigned target_mode, uint32_t uid,
           const char *refuse)
{
  json_t *spec CLEANUP_JSON = json_pack ("{s:s}", "credentials", "/a");
  struct plan_item item = { .kind = "mariadb", .spec = spec };
  struct host source
      = { .port = { .ops = &ops, .name = "source" }, .mode = source_mode };
  struct host target = { .port = { .ops = &ops, .name = "target" },
                         .mode = target_mode,
                         .uid = uid };
  struct step_call call
      = { .item = &item, .source = &source.port, .target = &target.port };
  logins[0] = '\0';
  refused = refuse;
  return credentials_look (&call, login);
}

static void
each_host_is_logged_in_to_once_both_files_are_good (void **state)
{
  (void)state;
  assert_ok (look_with (0600, 0400, 0, NULL));
  assert_string_equal (logins, "sourcetarget");
}

static void
with_a_file_that_is_refused_nobody_logs_in_anywhere (void **state)
{
  (void)state;
  assert_code (look_with (0640, 0600, 0, NULL), "RH-CREDENTIALS-FILE");
  assert_string_equal (logins, "");
  assert_code (look_with (0600, 0604, 0, NULL), "RH-CREDENTIALS-FILE");
  assert_string_equal (logins, "");
  assert_code (look_with (0600, 0600, 33, NULL), "RH-CREDENTIALS-FILE");
  assert_string_equal (logins, "");
}

static void
a_login_that_is_refused_on_either_host_is_told (void **state)
{
  (void)state;
  assert_code (look_with (0600, 0600, 0, "source"), "RH-CREDENTIALS-ACCOUNT");
  assert_string_equal (logins, "source");
  assert_code (look_with (0600, 0600, 0, "target"), "RH-CREDENTIALS-ACCOUNT");
}

static void
without_the_key_there_is_no_file_and_no_login (void **state)
{
  (void)state;
  json_t *spec CLEANUP_JSON = json_object ();
  struct plan_item item = { .kind = "mariadb", .spec = spec };
  struct port source = { .name = "source" }, target = { .name = "target" };
  struct step_call call
      = { .item = &item, .source = &source, .target = &target };
  credentials_enter (&call);
  assert_null (credentials_of (&source, "mariadb"));
  logins[0] = '\0';
  assert_ok (credentials_look (&call, login));
  assert_string_equal (logins, "");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (an_absolute_path_or_one_for_each_host_is_taken),
    cmocka_unit_test (anything_else_is_refused),
    cmocka_unit_test (each_host_has_its_own_file_whichever_way_a_call_goes),
    cmocka_unit_test (each_host_is_logged_in_to_once_both_files_are_good),
    cmocka_unit_test (with_a_file_that_is_refused_nobody_logs_in_anywhere),
    cmocka_unit_test (a_login_that_is_refused_on_either_host_is_told),
    cmocka_unit_test (without_the_key_there_is_no_file_and_no_login),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
