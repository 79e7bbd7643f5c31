/* SPDX-License-Identifier: Apache-2.0 */
/* rehome report PLAN: text, JSON or one HTML page. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/load.h"
#include "cli/say.h"
#include "report/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

/* A report is made anew from the journal: one that is there is replaced. */
static struct err *
write_page (const char *path, const struct buf *b)
{
  CLEANUP_FREE char *tmp = mem_printf ("%s.new", path);
  CLEANUP_FD int fd
      = open (tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || write (fd, b->data, b->len) != (ssize_t)b->len
      || fsync (fd) != 0 || rename (tmp, path) != 0)
    return err_sys (errno, "RH-CLI-WRITE", "cannot write %s", path);
  return NULL;
}

static struct err *
report (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  CLEANUP_JSON json_t *facts = NULL;
  CLEANUP_BUF struct buf b = BUF_INIT;
  TRY (load_plan (in, in->args[0], &l));
  TRY (load_must_have_journal (&l));
  TRY (load_facts (&l, &facts));
  if (has (in, OPT_HTML)) {
    TRY (report_html (facts, &b));
    TRY (write_page (in->value[OPT_HTML], &b));
    if (!has (in, OPT_JSON))
      printf ("The report: %s\n", in->value[OPT_HTML]);
  }
  if (has (in, OPT_JSON))
    say_json (facts);
  else if (!has (in, OPT_HTML)) {
    TRY (report_text (facts, &b));
    fputs ((char *)b.data, stdout);
  }
  return NULL;
}

int
cmd_report (const struct invocation *in)
{
  return say_err (in, report (in));
}
