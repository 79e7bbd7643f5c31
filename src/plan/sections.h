/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of a plan, each checked and put into its normal form.  Inside
 * the plan layer only.  Hosts and texts borrow from the document; arrays are
 * new references.  A node without a value means an absent section. */
#ifndef REHOME_PLAN_SECTIONS_H
#define REHOME_PLAN_SECTIONS_H

#include "plan/node.h"
#include "plan/plan.h"

struct err *section_host (struct node n, struct plan_host *out);
struct err *section_leave (struct node n, json_t **out);
struct err *section_smoke (struct node n, json_t **out);
struct err *section_limits (struct node root, struct node cutover,
                            struct plan_limits *out);
struct err *section_switch (struct node n, json_t **out);
struct err *section_window (struct node n, json_t **out);
struct err *section_approvals (struct node n, json_t **out);
struct err *section_backup (struct node n, json_t **out);
struct err *section_rehearsal (struct node n, json_t **out);
struct err *section_keeping (struct node root, json_t **out);

#endif
