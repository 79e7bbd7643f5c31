/* SPDX-License-Identifier: Apache-2.0 */
#include "host/facts.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>

static json_t *
decimal (uint64_t v)
{
  char text[24];
  snprintf (text, sizeof text, "%" PRIu64, v);
  return json_string (text);
}

/* Bytes of unknown make as a string that JSON takes. */
static json_t *
words (const char *s)
{
  CLEANUP_FREE char *safe = s == NULL ? NULL : text_encode (s, strlen (s));
  return json_string (safe == NULL ? "" : safe);
}

void
host_boot_id (char out[37])
{
  CLEANUP_FREE char *id = slurp_line ("/proc/sys/kernel/random/boot_id");
  snprintf (out, 37, "%s", id == NULL ? "" : id);
}

static char *
machine_id (void)
{
  char *id = slurp_line ("/etc/machine-id");
  if (id != NULL && strlen (id) == 32)
    return id;
  free (id);
  return slurp_line ("/var/lib/dbus/machine-id");
}

/* The value of NAME in os-release, quotes and backslashes taken off. */
static char *
release_value (const char *text, const char *name)
{
  size_t len = strlen (name);
  for (const char *line = text; *line != '\0';) {
    size_t end = strcspn (line, "\n");
    if (end > len && strncmp (line, name, len) == 0 && line[len] == '=') {
      const char *v = line + len + 1;
      size_t left = end - len - 1;
      char *value = mem_alloc (left + 1);
      size_t n = 0;
      for (size_t i = 0; i < left; i++) {
        if (v[i] == '"' || v[i] == '\'')
          continue;
        if (v[i] == '\\' && i + 1 < left)
          i++;
        value[n++] = v[i];
      }
      return value;
    }
    line += end + (line[end] == '\n');
  }
  return NULL;
}

static void
add_release (json_t *o)
{
  CLEANUP_BUF struct buf b = BUF_INIT;
  if (slurp_at (AT_FDCWD, "/etc/os-release", 65536, &b) != 0)
    slurp_at (AT_FDCWD, "/usr/lib/os-release", 65536, &b);
  const char *text = b.data == NULL ? "" : (const char *)b.data;
  static const char *const names[][2] = { { "os", "PRETTY_NAME" },
                                          { "os_id", "ID" },
                                          { "os_version", "VERSION_ID" } };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    CLEANUP_FREE char *value = release_value (text, names[i][1]);
    json_object_set_new (o, names[i][0], words (value));
  }
}

static int64_t
nanoseconds (clockid_t clock)
{
  struct timespec ts = { 0, 0 };
  clock_gettime (clock, &ts);
  return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct err *
host_facts (json_t **out)
{
  struct utsname un;
  if (uname (&un) != 0)
    return err_sys (errno, "RH-HOST-FACTS", "cannot tell the kernel");
  json_t *o = json_object ();
  char boot[37];
  host_boot_id (boot);
  CLEANUP_FREE char *id = machine_id ();
  struct sysinfo mem = { .mem_unit = 1 };
  sysinfo (&mem);
  /* systemd's own test of whether it runs the machine. */
  struct stat st;
  bool systemd
      = lstat ("/run/systemd/system", &st) == 0 && S_ISDIR (st.st_mode);
  json_object_set_new (o, "hostname", words (un.nodename));
  json_object_set_new (o, "machine_id", words (id));
  json_object_set_new (o, "boot_id", words (boot));
  json_object_set_new (o, "kernel", words (un.release));
  add_release (o);
  json_object_set_new (o, "arch", words (un.machine));
  json_object_set_new (o, "uid", json_integer ((json_int_t)geteuid ()));
  json_object_set_new (o, "systemd", json_boolean (systemd));
  json_object_set_new (o, "time_ms",
                       json_integer (nanoseconds (CLOCK_REALTIME) / 1000000));
  json_object_set_new (o, "boottime_ns",
                       decimal ((uint64_t)nanoseconds (CLOCK_BOOTTIME)));
  json_object_set_new (o, "cpus", json_integer (get_nprocs ()));
  json_object_set_new (o, "memory",
                       decimal ((uint64_t)mem.totalram * mem.mem_unit));
  *out = o;
  return NULL;
}
