/* SPDX-License-Identifier: Apache-2.0 */
/* rehome demo: the demonstration lies in the source tree. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/say.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

int
cmd_demo (const struct invocation *in)
{
  char self[PATH_MAX];
  ssize_t n = readlink ("/proc/self/exe", self, sizeof self - 1);
  if (n > 0) {
    self[n] = '\0';
    CLEANUP_FREE char *path = mem_printf ("%s/../demo", dirname (self));
    if (access (path, X_OK) == 0)
      execl (path, path, (char *)NULL);
  }
  return say_err (
      in,
      err_advise (err_new (ERR_CORRECT, "RH-CLI-NODEMO",
                           "the demonstration builds two servers and lies in "
                           "rehome's source tree, which is not beside this "
                           "program"),
                  "nothing was done",
                  "clone the repository and run ./demo in it (root, or sudo)"));
}
