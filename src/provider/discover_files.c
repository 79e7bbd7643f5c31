/* SPDX-License-Identifier: Apache-2.0 */
/* Which files move: what the work uses, less what packages and the base
 * system bring; and what lies in the usual places and nothing names. */
#include "provider/discover.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/remote.h"
#include "provider/sqlite_live.h"

#include <string.h>

#define CONFIG_FILES_MAX 64

/* Not the work's, even where it is named. */
static const char *const base_paths[] = { "/proc",
                                          "/proc/*",
                                          "/sys",
                                          "/sys/*",
                                          "/dev",
                                          "/dev/*",
                                          "/run",
                                          "/run/*",
                                          "/tmp",
                                          "/tmp/*",
                                          "/var/tmp*",
                                          "/var/run*",
                                          "/var/lock*",
                                          "/var/log*",
                                          "/var/cache*",
                                          "/boot*",
                                          "/lib*",
                                          "/bin*",
                                          "/sbin*",
                                          "/usr/bin*",
                                          "/usr/sbin*",
                                          "/usr/lib*",
                                          "/usr/share*",
                                          "/usr/include*",
                                          "/usr/libexec*",
                                          "/var/lib/dpkg*",
                                          "/var/lib/apt*",
                                          "/var/lib/systemd*",
                                          "/var/lib/rehome*",
                                          "/var/lib/private",
                                          "/var/lib/dhcp*",
                                          "/var/lib/pam*",
                                          "/var/lib/ucf*",
                                          "/var/lib/dbus*",
                                          "/var/lib/logrotate*",
                                          "/var/mail*",
                                          "/var/spool/cron*",
                                          "/var/spool/mail*",
                                          "/root*",
                                          NULL };
static const char *const base_etc[] = { "default",
                                        "init.d",
                                        "systemd",
                                        "cron.*",
                                        "logrotate.d",
                                        "ssl",
                                        "ssh",
                                        "pam.d",
                                        "security",
                                        "apt",
                                        "dpkg",
                                        "network",
                                        "alternatives",
                                        "rc?.d",
                                        "ufw",
                                        "apparmor*",
                                        "profile.d",
                                        "sudoers.d",
                                        "ld.so*",
                                        "udev",
                                        "modprobe.d",
                                        "modules-load.d",
                                        "sysctl.d",
                                        "tmpfiles.d",
                                        "terminfo",
                                        "skel",
                                        "selinux",
                                        "kernel",
                                        "initramfs-tools",
                                        "dhcp",
                                        "rsyslog.d",
                                        "grub.d",
                                        "ca-certificates",
                                        "iproute2",
                                        "gss",
                                        "opt",
                                        "xattr.conf",
                                        "rcS.d",
                                        "binfmt.d",
                                        "sensors*",
                                        "fonts",
                                        "X11",
                                        "vim",
                                        "perl",
                                        "python3*",
                                        "console-setup",
                                        "update-motd.d",
                                        "dbus-1",
                                        "polkit-1",
                                        "xdg",
                                        "bash_completion.d",
                                        "environment.d",
                                        "credstore*",
                                        "sv",
                                        "insserv*",
                                        "groff",
                                        "emacs",
                                        "newt",
                                        "logcheck",
                                        "calendar",
                                        "ldap",
                                        NULL };

/* Whose data are not a matter of copying files. */
static const char *const other_data[] = { "/var/lib/mysql*",
                                          "/var/lib/postgresql*",
                                          "/var/lib/redis*",
                                          "/var/lib/mongo*",
                                          "/var/lib/docker*",
                                          "/var/lib/containerd*",
                                          "/var/lib/containers*",
                                          "/var/lib/libvirt*",
                                          "/var/lib/ldap*",
                                          "/var/spool/postfix*",
                                          "/var/spool/exim*",
                                          "/var/lib/nfs*",
                                          NULL };

/* The path up to its n-th component; the caller frees. */
static char *
components (const char *path, unsigned n)
{
  const char *s = path;
  while (n-- > 0 && *s == '/')
    s += 1 + strcspn (s + 1, "/");
  return mem_strndup (path, (size_t)(s - path));
}

/* What would be moved for a path, or NULL; the caller frees. */
static char *
top_of (const char *path)
{
  static const struct {
    const char *pattern;
    unsigned keep;
  } tops[] = { { "/srv/?*", 2 },           { "/opt/?*", 2 },
               { "/home/?*", 2 },          { "/var/www", 2 },
               { "/var/www/*", 2 },        { "/var/lib/?*", 3 },
               { "/var/spool/?*", 3 },     { "/var/opt/?*", 3 },
               { "/usr/local/bin/?*", 4 }, { "/usr/local/sbin/?*", 4 },
               { "/usr/local/?*/?*", 4 },  { "/data/?*", 2 },
               { "/mnt/?*", 2 },           { "/media/?*", 3 } };
  if (look_matches (path, base_paths) || look_matches (path, other_data))
    return NULL;
  for (size_t i = 0; i < sizeof tops / sizeof *tops; i++)
    if (look_matches (path, (const char *const[]){ tops[i].pattern, NULL }))
      return components (path, tops[i].keep);
  if (strncmp (path, "/etc/", 5) != 0)
    return NULL;
  CLEANUP_FREE char *dir = components (path, 2);
  return look_matches (dir + 5, base_etc) ? NULL : STEAL (dir);
}

/* Below another one of the list. */
static bool
is_below (const json_t *tops, const char *path)
{
  const char *top;
  json_t *why;
  json_object_foreach ((json_t *)tops, top, why)
  {
    size_t len = strlen (top);
    if (strncmp (path, top, len) == 0 && path[len] == '/')
      return true;
  }
  return false;
}

static struct err *
on_target (struct draft *d, const char *path, bool *out)
{
  *out = false;
  return d->target != NULL ? remote_exists (d->target, path, out) : NULL;
}

/* Databases in use below a path are items of their own. */
static struct err *
add_databases (struct draft *d, const char *path)
{
  CLEANUP_JSON json_t *live = NULL;
  TRY (sqlite_live (d->source, path, &live));
  for (size_t i = 0; i < json_array_size (live); i++) {
    CLEANUP_FREE char *db = NULL;
    size_t len;
    TRY (text_decode (json_string_value (json_array_get (live, i)), &db, &len));
    if (text_is_utf8 (db, len))
      draft_item (d, "sqlite", json_pack ("{s:s}", "sqlite", db), false,
                  "a SQLite database in use, below %s", path);
    else
      draft_note (d, "%s: a SQLite database in use, whose path is not UTF-8",
                  json_string_value (json_array_get (live, i)));
  }
  return NULL;
}

/* An item for one path, as it is on the source. */
static struct err *
add_path (struct draft *d, const char *path, const char *why)
{
  CLEANUP_REMOTE struct remote_file f = { 0 };
  bool there;
  TRY (remote_stat (d->source, path, &f));
  if (!f.exists)
    return NULL;
  if (strcmp (f.type, "link") == 0) {
    draft_note (d,
                "%s (%s): a symbolic link to %s; what it leads to needs "
                "a look",
                path, why, f.link != NULL ? f.link : "?");
    return NULL;
  }
  if (strcmp (f.type, "file") != 0 && strcmp (f.type, "dir") != 0)
    return NULL;
  TRY (on_target (d, path, &there));
  draft_item (d, "files", json_pack ("{s:s}", "files", path), false, "%s%s",
              why,
              there ? "; the target has it, too: with overwrite: true it "
                      "would be kept aside"
                    : "");
  return add_databases (d, path);
}

/* Those of the uses that lead to something to move: top -> reason. */
static struct err *
find_tops (struct draft *d, json_t **out)
{
  CLEANUP_JSON json_t *tops = json_object (), *paths = json_array ();
  CLEANUP_JSON json_t *packages = NULL;
  const char *path;
  json_t *why;
  *out = NULL;
  json_object_foreach (d->uses, path, why)
  {
    CLEANUP_FREE char *top = top_of (path);
    if (top != NULL)
      json_array_append_new (paths, json_string (path));
    else if (look_matches (path, other_data))
      draft_note (d, "%s (%s): not a matter of copying files", path,
                  json_string_value (why));
  }
  TRY (look_packages (d, paths, &packages));
  for (size_t i = 0; i < json_array_size (paths); i++) {
    path = json_string_value (json_array_get (paths, i));
    CLEANUP_FREE char *top = top_of (path);
    CLEANUP_REMOTE struct remote_file f = { 0 };
    bool packaged = json_object_get (packages, path) != NULL;
    if (packaged || json_object_get (tops, top) != NULL)
      continue;
    TRY (remote_stat (d->source, path, &f));
    if (f.exists)
      json_object_set (tops, top, json_object_get (d->uses, path));
  }
  *out = STEAL (tops);
  return NULL;
}

/* Paths of the directories in a place, and of its files unless it is /etc. */
static struct err *
list_place (struct draft *d, const char *parent, json_t **out)
{
  CLEANUP_JSON json_t *result = NULL, *paths = json_array ();
  bool etc = strcmp (parent, "/etc") == 0;
  *out = NULL;
  TRY (port_call (d->source, "file.list", json_pack ("{s:s}", "path", parent),
                  &result));
  const json_t *entries = json_object_get (result, "entries");
  for (size_t i = 0; i < json_array_size (entries) && i < 2000; i++) {
    const json_t *entry = json_array_get (entries, i);
    CLEANUP_FREE char *name = NULL;
    size_t len;
    TRY (json_get_bytes (entry, "name", &name, &len));
    const char *type = look_text (entry, "type");
    bool taken
        = strcmp (type, "dir") == 0 || (!etc && strcmp (type, "file") == 0);
    if (taken && text_is_utf8 (name, len) && strchr (name, '/') == NULL
        && !(etc && look_matches (name, base_etc)))
      json_array_append_new (paths, json_sprintf ("%s/%s", parent, name));
  }
  *out = STEAL (paths);
  return NULL;
}

/* What lies in the usual places and nothing named, as comments. */
static struct err *
add_unnamed (struct draft *d, const char *parent, const json_t *tops)
{
  CLEANUP_JSON json_t *paths = NULL, *packages = NULL;
  TRY (list_place (d, parent, &paths));
  TRY (look_packages (d, paths, &packages));
  for (size_t i = 0; i < json_array_size (paths); i++) {
    const char *path = json_string_value (json_array_get (paths, i));
    if (json_object_get (tops, path) == NULL && !is_below (tops, path)
        && json_object_get (packages, path) == NULL)
      draft_item (d, "files", json_pack ("{s:s}", "files", path), true,
                  "decide: nothing that was found names it.");
  }
  return NULL;
}

struct err *
discover_files (struct draft *d)
{
  static const char *const places[]
      = { "/srv", "/opt", "/var/www", "/usr/local/bin", "/usr/local/sbin",
          "/etc" };
  CLEANUP_JSON json_t *tops = NULL;
  const char *path;
  json_t *why;
  TRY (find_tops (d, &tops));
  json_object_foreach (tops, path, why)
  {
    if (!is_below (tops, path))
      TRY (add_path (d, path, json_string_value (why)));
  }
  for (size_t i = 0; i < sizeof places / sizeof *places; i++)
    if (json_object_get (tops, places[i]) == NULL)
      TRY (add_unnamed (d, places[i], tops));
  return NULL;
}

/* " /etc/x MD5 [obsolete]" lines: path -> md5, for directories of the
 * package's own in /etc. */
static json_t *
parse_conffiles (const json_t *lines)
{
  json_t *out = json_object ();
  for (size_t i = 0; i < json_array_size (lines); i++) {
    const char *line = json_string_value (json_array_get (lines, i));
    line += strspn (line, " ");
    size_t len = strcspn (line, " ");
    CLEANUP_FREE char *path = mem_strndup (line, len);
    CLEANUP_FREE char *top = top_of (path);
    const char *md5 = line + len + strspn (line + len, " ");
    if (top == NULL || strncmp (path, "/etc/", 5) != 0
        || strcmp (top, path) == 0 || strspn (md5, "0123456789abcdef") != 32)
      continue;
    json_object_set_new (out, path, json_stringn (md5, 32));
  }
  return out;
}

/* Regular files and links below a directory; array of paths. */
static struct err *
list_below (struct draft *d, const char *dir, json_t **out)
{
  static const char *const tail[] = { "-xdev", "-type", "f", "-print", NULL };
  json_t *argv = json_array ();
  remote_word (argv, "find");
  remote_word (argv, dir);
  for (size_t i = 0; tail[i] != NULL; i++)
    remote_word (argv, tail[i]);
  return look_run (d, argv, out);
}

/* Those of `paths` that differ from what the package brought. */
static struct err *
changed_files (struct draft *d, const json_t *paths, const json_t *conffiles,
               json_t **out)
{
  CLEANUP_JSON json_t *argv = json_array (), *sums = NULL;
  CLEANUP_JSON json_t *changed = json_array (), *packages = NULL;
  *out = NULL;
  remote_word (argv, "md5sum");
  remote_word (argv, "--");
  TRY (look_packages (d, paths, &packages));
  for (size_t i = 0; i < json_array_size (paths) && i < 500; i++) {
    const char *path = json_string_value (json_array_get (paths, i));
    if (json_object_get (conffiles, path) != NULL)
      remote_word (argv, path);
    else if (json_object_get (packages, path) == NULL)
      json_array_append_new (changed, json_string (path));
  }
  if (json_array_size (argv) > 2)
    TRY (look_run (d, json_incref (argv), &sums));
  for (size_t i = 0; i < json_array_size (sums); i++) {
    const char *line = json_string_value (json_array_get (sums, i));
    const char *path = strstr (line, "  /");
    const char *md5 = path != NULL ? look_text (conffiles, path + 2) : "";
    if (path != NULL && *md5 != '\0' && strncmp (line, md5, 32) != 0)
      json_array_append_new (changed, json_string (path + 2));
  }
  *out = STEAL (changed);
  return NULL;
}

/* A package's own directory in /etc: does it differ, and what does it name? */
static struct err *
look_config_dir (struct draft *d, const char *dir, const char *unit,
                 const json_t *conffiles)
{
  CLEANUP_JSON json_t *paths = NULL, *changed = NULL;
  TRY (list_below (d, dir, &paths));
  TRY (changed_files (d, paths, conffiles, &changed));
  size_t n = json_array_size (changed);
  bool there;
  if (n == 0)
    return NULL;
  TRY (on_target (d, dir, &there));
  json_t *spec = json_pack ("{s:s}", "files", dir);
  if (there)
    json_object_set_new (spec, "overwrite", json_true ());
  draft_item (d, "files", spec, false,
              "configuration of %s; changed or added here: %zu%s", unit, n,
              there ? "; the target has its own, which is kept aside" : "");
  for (size_t i = 0; i < n && i < CONFIG_FILES_MAX; i++) {
    const char *path = json_string_value (json_array_get (changed, i));
    CLEANUP_FREE char *text = NULL;
    TRY (look_file (d->source, path, &text));
    if (text != NULL)
      look_paths_in (d, text, path);
  }
  return NULL;
}

static struct err *
look_package (struct draft *d, const char *package, const char *unit)
{
  const char *const words[]
      = { "dpkg-query", "-W", "-f=${Conffiles}\n", "--", package, NULL };
  CLEANUP_JSON json_t *lines = NULL, *dirs = json_object ();
  const char *path, *dir;
  json_t *value;
  TRY (look_lines (d, words, &lines));
  CLEANUP_JSON json_t *conffiles = parse_conffiles (lines);
  json_object_foreach (conffiles, path, value)
  {
    CLEANUP_FREE char *top = top_of (path);
    json_object_set_new (dirs, top, json_true ());
  }
  json_object_foreach (dirs, dir, value)
      TRY (look_config_dir (d, dir, unit, conffiles));
  return NULL;
}

struct err *
discover_config (struct draft *d)
{
  CLEANUP_JSON json_t *seen = json_object ();
  for (size_t i = 0; i < json_array_size (d->units); i++) {
    const json_t *unit = json_array_get (d->units, i);
    const char *package = look_text (unit, "Package");
    if (*package == '\0' || json_object_get (seen, package) != NULL)
      continue;
    json_object_set_new (seen, package, json_true ());
    TRY (look_package (d, package, look_text (unit, "Id")));
  }
  return NULL;
}
