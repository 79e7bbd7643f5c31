/* SPDX-License-Identifier: Apache-2.0 */
/* What `watch` draws: finished steps and phases as lines that stay, running
 * steps as lines that are drawn again. */
#ifndef REHOME_CLI_VIEW_H
#define REHOME_CLI_VIEW_H

#include "cli/terminal.h"
#include "plan/graph.h"
#include "wire/json.h"

struct view;

/* `json`: each record as a line on stdout instead. */
struct view *view_new (const struct graph *g, bool json);
void view_free (struct view *v);
/* A record as the journal holds it. */
void view_record (struct view *v, const json_t *record);
/* The owner's progress. */
void view_progress (struct view *v, const json_t *progress);
/* A line that stays, among what is drawn. */
void view_say (struct view *v, const char *text);
/* Takes the drawn lines away. */
void view_end (struct view *v);

#endif
