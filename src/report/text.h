/* SPDX-License-Identifier: Apache-2.0 */
/* The facts as a report for people.  Pure; everything that came from a host
 * is escaped. */
#ifndef REHOME_REPORT_TEXT_H
#define REHOME_REPORT_TEXT_H

#include "base/buf.h"
#include "wire/json.h"

/* Plain text, at most 100 columns where names allow it. */
struct err *report_text (const json_t *facts, struct buf *out);
/* One self-contained HTML page: no script, no link to anywhere. */
struct err *report_html (const json_t *facts, struct buf *out);

#endif
