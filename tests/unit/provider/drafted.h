/* SPDX-License-Identifier: Apache-2.0 */
/* Two hosts for a draft: the source is draft/shop.json, a server as the lab
 * has one; the target has an account and a configuration in the way.  Every
 * failure is one of the test. */
#ifndef REHOME_TESTS_PROVIDER_DRAFTED_H
#define REHOME_TESTS_PROVIDER_DRAFTED_H

#include "canned.h"

#include "plan/plan.h"
#include "provider/draft.h"

#include <stdbool.h>

struct hosts {
  struct canned source, target;
  struct draft_names names;
  char *yaml;
};

int make_hosts (void **state);
int drop_hosts (void **state);
/* The draft's text; `h` keeps it. */
const char *write_draft (struct hosts *h);
/* The draft as `rehome check` reads it. */
struct plan *read_draft (struct hosts *h);
bool has_line (const char *yaml, const char *line);
/* A part of the source's JSON, and a file in it. */
json_t *of_source (struct hosts *h, const char *key);
void set_file (struct hosts *h, const char *path, const char *text);

#define ASSERT_LINE(yaml, line)                       \
  do                                                  \
    if (!has_line (yaml, line))                       \
      fail_msg ("no line \"%s\" in\n%s", line, yaml); \
  while (0)
#define ASSERT_NO_LINE(yaml, line) assert_false (has_line (yaml, line))
#define TEST(f) cmocka_unit_test_setup_teardown (f, make_hosts, drop_hosts)

#endif
