/* SPDX-License-Identifier: Apache-2.0 */
/* The script that checks a bundle without rehome: src/report/VERIFY.sh. */
#ifndef REHOME_REPORT_SCRIPT_H
#define REHOME_REPORT_SCRIPT_H

extern const char verify_script[];

#endif
