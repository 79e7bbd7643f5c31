/* SPDX-License-Identifier: Apache-2.0 */
/* The agent loads no code at run time.  libsqlite3 asks for these functions,
 * for its extensions, which are never enabled; a static program that had
 * those of libc would want the very libc of the host that it was built on. */
#include <dlfcn.h>
#include <stddef.h>

/* By the linker's --wrap: glibc's own object comes in in any case, with a
 * warning for each who names its function. */
void *__wrap_dlopen (const char *file, int mode); /* NOLINT */

void *
__wrap_dlopen (const char *file, int mode) /* NOLINT */
{
  (void)file;
  (void)mode;
  return NULL;
}

void *
dlsym (void *restrict handle, const char *restrict name)
{
  (void)handle;
  (void)name;
  return NULL;
}

int
dlclose (void *handle)
{
  (void)handle;
  return -1;
}

char *
dlerror (void)
{
  static char said[] = "the agent loads no code";
  return said;
}
