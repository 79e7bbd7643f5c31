/* SPDX-License-Identifier: Apache-2.0 */
/* Two kinds of item that stand in for the providers', which lie above. */
#ifndef REHOME_TESTS_PLAN_KINDS_H
#define REHOME_TESTS_PLAN_KINDS_H

#include "plan/plan.h"

extern const struct plan_kinds test_kinds; /* files and accounts */

#endif
