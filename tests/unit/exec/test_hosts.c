/* SPDX-License-Identifier: Apache-2.0 */
/* Two hosts as ports that outlive their connections: real agents, here. */
#include "stage.h"

#include "base/mem.h"
#include "exec/hosts.h"
#include "provider/provider.h"

#include <signal.h>
#include <string.h>

static struct plan *
plan_of (const char *machine_id)
{
  struct plan *p = NULL;
  CLEANUP_FREE char *text
      = mem_printf ("rehome: 1\nname: shop\nsource: {host: local%s%s}\n"
                    "target: {host: other}\nitems:\n  - files: /srv/shop\n",
                    machine_id != NULL ? ", machine-id: " : "",
                    machine_id != NULL ? machine_id : "");
  assert_ok (plan_parse (text, strlen (text), "test", provider_kinds (), &p));
  return p;
}

static struct hosts *
hosts_of (const struct plan *p)
{
  struct hosts_where where
      = { .plan = p, .agent_path = getenv ("REHOME_AGENT"), .batch = true };
  return hosts_new (&where);
}

static json_t *
facts (struct hosts *h)
{
  json_t *r = NULL;
  assert_ok (port_call (hosts_source (h), "facts", json_object (), &r));
  return r;
}

static void
a_call_opens_the_link (void **state)
{
  struct plan *p CLEANUP_PLAN = plan_of (NULL);
  struct hosts *h = hosts_of (p);
  (void)state;
  assert_null (hosts_hello (h, true));
  CLEANUP_JSON json_t *r = facts (h);
  assert_non_null (json_object_get (r, "machine_id"));
  CLEANUP_JSON json_t *hello = hosts_hello (h, true);
  assert_non_null (hello);
  assert_null (hosts_hello (h, false));
  hosts_free (h);
}

/* The agents that this process started, by /proc. */
static int
end_agents (void)
{
  CLEANUP_FREE char *path
      = mem_printf ("/proc/self/task/%ld/children", (long)getpid ());
  FILE *f = fopen (path, "re");
  int n = 0;
  for (long pid; f != NULL && fscanf (f, "%ld", &pid) == 1; n++)
    kill ((pid_t)pid, SIGKILL);
  if (f != NULL)
    fclose (f);
  return n;
}

static void
a_lost_link_is_opened_again_by_the_next_call (void **state)
{
  struct plan *p CLEANUP_PLAN = plan_of (NULL);
  struct hosts *h = hosts_of (p);
  json_t *r = NULL;
  (void)state;
  json_decref (facts (h));
  assert_true (end_agents () > 0);
  struct err *e = NULL;
  for (int i = 0; i < 50; i++) {
    err_free (e);
    e = port_call (hosts_source (h), "facts", json_object (), &r);
    if (e == NULL)
      break;
    assert_int_equal (err_class_of (e), ERR_TRANSIENT);
  }
  assert_ok (e);
  json_decref (r);
  hosts_free (h);
}

static void
another_machine_is_refused_before_any_verb (void **state)
{
  struct plan *p CLEANUP_PLAN = plan_of ("00000000000000000000000000000001");
  struct hosts *h = hosts_of (p);
  json_t *r = NULL;
  (void)state;
  assert_code (port_call (hosts_source (h), "facts", json_object (), &r),
               "RH-LINK-IDENTITY");
  hosts_free (h);
}

static void
after_stop_no_link_is_opened (void **state)
{
  struct plan *p CLEANUP_PLAN = plan_of (NULL);
  struct hosts *h = hosts_of (p);
  json_t *r = NULL;
  (void)state;
  hosts_stop (h);
  assert_code (port_call (hosts_source (h), "facts", json_object (), &r),
               "RH-EXEC-STOPPED");
  hosts_free (h);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_call_opens_the_link),
    cmocka_unit_test (a_lost_link_is_opened_again_by_the_next_call),
    cmocka_unit_test (another_machine_is_refused_before_any_verb),
    cmocka_unit_test (after_stop_no_link_is_opened),
  };
  return cmocka_run_group_tests_name ("hosts", tests, NULL, NULL);
}
