/* SPDX-License-Identifier: Apache-2.0 */
/* Checks over https: what openssl is asked, and what is made of its answer. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "provider/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* SHA-256 of the bytes "certificate", and those in Base64. */
#define PEM                                           \
  "-----BEGIN CERTIFICATE-----\nY2VydGlm\naWNhdGU=\n" \
  "-----END CERTIFICATE-----\n"
#define PRINT "03d66dd08835c1ca3f128cceacd1f31ac94163096b20f445ae84285bc0832d72"

static char *
words (const char *url, const char *name, const char *print)
{
  CLEANUP_JSON json_t *check = json_pack ("{s:s, s:s*, s:s*}", "http", url,
                                          "name", name, "fingerprint", print);
  CLEANUP_JSON json_t *argv = check_tls_argv (check);
  char *all = mem_strdup ("");
  size_t i;
  json_t *w;
  json_array_foreach (argv, i, w)
  {
    char *more = mem_printf ("%s %s", all, json_string_value (w));
    free (all);
    all = more;
  }
  return all;
}

static void
the_certificate_must_name_the_address_that_is_asked (void **state)
{
  (void)state;
  CLEANUP_FREE char *four = words ("https://10.0.0.1/health", NULL, NULL);
  CLEANUP_FREE char *six = words ("https://[fd00::1]:8443", NULL, NULL);
  assert_non_null (strstr (four, "-connect 10.0.0.1:443"));
  assert_non_null (strstr (four, "-verify_return_error -verify_ip 10.0.0.1"));
  assert_null (strstr (four, "-servername"));
  assert_non_null (strstr (six, "-connect [fd00::1]:8443"));
  assert_non_null (strstr (six, "-verify_ip fd00::1"));
}

static void
a_name_is_asked_for_and_verified (void **state)
{
  (void)state;
  CLEANUP_FREE char *w = words ("https://10.0.0.1/", "shop.example", NULL);
  assert_non_null (strstr (w, "-connect 10.0.0.1:443"));
  assert_non_null (strstr (w, "-servername shop.example"));
  assert_non_null (
      strstr (w, "-verify_return_error -verify_hostname shop.example"));
}

static char *
verdict (const char *print, const char *out, const char *said)
{
  CLEANUP_JSON json_t *check
      = json_pack ("{s:s, s:s*}", "http", "https://10.0.0.1/", "fingerprint",
                   print);
  return check_tls_verdict (check, out, said);
}

static void
a_status_counts_and_nothing_else (void **state)
{
  (void)state;
  CLEANUP_FREE char *ok = verdict (NULL, "---\nHTTP/1.1 200 OK\r\n\r\n", "");
  CLEANUP_FREE char *down = verdict (NULL, "---\nHTTP/1.1 503 No\r\n", "");
  CLEANUP_FREE char *none = verdict (NULL, "CONNECTED\n---\n", "");
  assert_null (ok);
  assert_string_equal (down, "answered with status 503, expected 200");
  assert_string_equal (none, "it does not answer as HTTP does");
}

static void
what_openssl_refused_is_said (void **state)
{
  (void)state;
  CLEANUP_FREE char *why
      = verdict (NULL, "CONNECTED\n",
                 "depth=0 CN = shop\nverify error:num=18:self-signed "
                 "certificate\n");
  assert_string_equal (why, "verify error:num=18:self-signed certificate");
}

static void
another_certificate_than_the_plans_does_not_pass (void **state)
{
  (void)state;
  CLEANUP_FREE char *same = verdict (PRINT, PEM "---\nHTTP/1.0 200 OK\r\n", "");
  CLEANUP_FREE char *other = verdict ("00112233445566778899aabbccddeeff"
                                      "00112233445566778899aabbccddeeff",
                                      PEM "---\nHTTP/1.0 200 OK\r\n", "");
  CLEANUP_FREE char *none = verdict (PRINT, "---\nHTTP/1.0 200 OK\r\n", "");
  assert_null (same);
  assert_non_null (strstr (other, "not the one of the plan"));
  assert_non_null (none);
}

static void
a_pinned_certificate_needs_no_other_trust (void **state)
{
  (void)state;
  CLEANUP_FREE char *w = words ("https://10.0.0.1/", NULL, PRINT);
  assert_null (strstr (w, "-verify"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (the_certificate_must_name_the_address_that_is_asked),
    cmocka_unit_test (a_name_is_asked_for_and_verified),
    cmocka_unit_test (a_status_counts_and_nothing_else),
    cmocka_unit_test (what_openssl_refused_is_said),
    cmocka_unit_test (another_certificate_than_the_plans_does_not_pass),
    cmocka_unit_test (a_pinned_certificate_needs_no_other_trust),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
