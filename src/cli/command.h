/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line as tables: commands and options.  `--help`, the man page
 * (`rehome help --man`) and the shell's completion are made from them.
 */
#ifndef REHOME_CLI_COMMAND_H
#define REHOME_CLI_COMMAND_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum option_id {
  OPT_JSON,
  OPT_DRY_RUN,
  OPT_NO_INPUT,
  OPT_CONFIRM,
  OPT_STATE,
  OPT_OUTPUT,
  OPT_NAME,
  OPT_VIA,
  OPT_TARGET_VIA,
  OPT_GRAPH,
  OPT_DOT,
  OPT_SINCE,
  OPT_HTML,
  OPT_PLAN_HASH,
  OPT_BUNDLE,
  OPT_TOKEN,
  OPT_DIGEST,
  OPT_SIGNERS,
  OPT_EXCLUDE,
  OPT_TARGET_IS_GONE,
  OPT_DISCARD,
  OPT_NO_WAY_BACK,
  OPT_OWN_KEY,
  OPT_INCLUDE,
  OPT_MERGE,
  OPT_DELETE,
  OPT_DELETE_LIMIT,
  OPT_MAP_USER,
  OPT_MAP_GROUP,
  OPT_ATIMES,
  OPT_ONE_FILE_SYSTEM,
  OPT_NO_PROOF,
  OPT_BWLIMIT,
  OPT_DISK_LATENCY,
  OPT_COMPRESS,
  OPT_ROLE,
  OPT_FOR,
  OPT_MEANING,
  OPT_KEY,
  OPT_SIGNATURE,
  OPT_EVIDENCE,
  OPT_PERSON,
  OPT_MAN,
  OPT_MARKDOWN,
  OPT_COMPLETION,
  OPT_HELP,
  OPT_VERSION,
  OPT_COUNT
};

struct option_row {
  enum option_id id;
  const char *name;  /* without "--" */
  const char *value; /* "DIR", or NULL: a flag */
  const char *about;
};
extern const struct option_row option_table[OPT_COUNT];

/* One option as it was typed; their order counts for some. */
struct typed {
  enum option_id id;
  const char *value;
};

/* What was typed, after parsing. */
struct invocation {
  const struct command *command;
  const char *value[OPT_COUNT]; /* "" for a flag that is set; NULL: absent */
  const char *const *args;      /* NULL-terminated, borrowed from argv */
  size_t arg_count;
  struct typed *typed; /* all options, in their order */
  size_t typed_count;
};

/* Exit statuses (notes in rehome(1)). */
enum exit_status {
  EXIT_OK = 0,
  EXIT_FAILED = 1,
  EXIT_USAGE = 2,
  EXIT_WARNINGS = 3,
  EXIT_BLOCKED = 4,
  EXIT_UNEQUAL = 5,
  EXIT_ROLLED_BACK = 6,
  EXIT_PLAN = 65, /* sysexits EX_DATAERR */
  EXIT_DETACHED = 130
};

struct command {
  const char *name;
  const char *args;   /* "PLAN", "SOURCE [TARGET]" */
  size_t least, most; /* how many */
  const char *about;  /* one line */
  const char *more;   /* a paragraph, may be NULL */
  uint64_t options;   /* bits 1 << OPT_... beside the common ones */
  bool hidden;
  int (*run) (const struct invocation *in);
};
extern const struct command command_table[]; /* ends with a NULL name */

const struct command *command_find (const char *name);
/* Parses argv behind the command's name.  "RH-CLI-USAGE". */
struct err *command_parse (const struct command *c, int argc,
                           const char *const *argv, struct invocation *out);
/* Frees the argument vector and the options. */
void invocation_clear (struct invocation *in);
bool has (const struct invocation *in, enum option_id id);

/* Text of --help, of one command, and of the man page as scdoc. */
struct err *help_all (struct buf *out);
struct err *help_command (const struct command *c, struct buf *out);
struct err *help_man (struct buf *out);
/* The completion for bash (cli/completion.c). */
struct err *help_completion (struct buf *out);
/* The bits of the options that every command takes. */
extern const uint64_t command_common_options;

int cmd_plan (const struct invocation *in);
int cmd_check (const struct invocation *in);
int cmd_sync (const struct invocation *in);
int cmd_test (const struct invocation *in);
int cmd_cutover (const struct invocation *in);
int cmd_abort (const struct invocation *in);
int cmd_rollback (const struct invocation *in);
int cmd_approve (const struct invocation *in);
int cmd_accept (const struct invocation *in);
int cmd_pause (const struct invocation *in);
int cmd_resume (const struct invocation *in);
int cmd_status (const struct invocation *in);
int cmd_watch (const struct invocation *in);
int cmd_events (const struct invocation *in);
int cmd_purge (const struct invocation *in);
int cmd_report (const struct invocation *in);
int cmd_verify (const struct invocation *in);
int cmd_copy (const struct invocation *in);
int cmd_confirm (const struct invocation *in);
int cmd_compare (const struct invocation *in);
int cmd_thaw (const struct invocation *in);
int cmd_erase (const struct invocation *in);
int cmd_explain (const struct invocation *in);
int cmd_owner (const struct invocation *in);
int cmd_demo (const struct invocation *in);
int cmd_help (const struct invocation *in);

#endif
