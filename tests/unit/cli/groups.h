/* SPDX-License-Identifier: Apache-2.0 */
/* The groups of tests of the command line; main runs them as one. */
#ifndef REHOME_TEST_CLI_GROUPS_H
#define REHOME_TEST_CLI_GROUPS_H

#include "../cmocka_api.h"

extern const struct CMUnitTest bar_tests[], command_tests[], guard_tests[],
    status_tests[];
extern const size_t bar_count, command_count, guard_count, status_count;

#endif
