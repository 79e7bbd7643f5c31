/* SPDX-License-Identifier: Apache-2.0 */
/* A target that was rebooted in its guard: is the source still frozen for it,
 * and what is closed where it is not. */
#include "provider/move.h"

#include "base/mem.h"
#include "provider/address_ip.h"
#include "provider/remote.h"

#include <string.h>

#define HOME "/var/lib/rehome/%s"
#define BY_OPERATOR "opened by an operator\n"

struct err *
move_confirm_due (struct port *target, const char *migration,
                  enum confirm_due *out)
{
  char *flag CLEANUP_FREE = mem_printf (HOME "/freeze/flag", migration);
  char *open CLEANUP_FREE = mem_printf (HOME "/may-start", migration);
  char *run CLEANUP_FREE = mem_printf ("/run/rehome-%s/started", migration);
  struct remote_file f CLEANUP_REMOTE = { 0 };
  bool started, frozen;
  TRY (remote_exists (target, run, &started));
  TRY (remote_exists (target, flag, &frozen));
  TRY (remote_read (target, open, &f));
  bool marked = f.exists && strcmp (f.type, "file") == 0;
  bool sure = marked && f.len == strlen (BY_OPERATOR)
              && memcmp (f.content, BY_OPERATOR, f.len) == 0;
  *out = frozen || (marked && (started || sure)) ? CONFIRM_NOT_DUE
         : marked                                ? CONFIRM_DUE
                                                 : CONFIRM_CLOSED;
  return NULL;
}

struct err *
move_confirm_ask (struct port *source, const char *migration, int64_t epoch,
                  char **why)
{
  char *flag CLEANUP_FREE = mem_printf (HOME "/freeze/flag", migration);
  json_t *fence CLEANUP_JSON = NULL;
  bool frozen;
  int64_t there = 0;
  *why = NULL;
  TRY (remote_exists (source, flag, &frozen));
  TRY (port_call (source, "fence.read",
                  json_pack ("{s:s}", "migration", migration), &fence));
  if (json_at (fence, "epoch") != NULL)
    TRY (json_get_int (fence, "epoch", 0, INT64_MAX, &there));
  if (!frozen)
    *why = mem_strdup ("the source is not frozen any more");
  else if (there > epoch)
    *why = mem_printf ("the source has obeyed epoch %lld since, and this "
                       "controller's last one is %lld",
                       (long long)there, (long long)epoch);
  return NULL;
}

static struct err *
drop_address (struct port *p, const char *cidr, const char *interface)
{
  return remote_must (
      p, remote_argv (ARGV ("ip", "addr", "del", cidr, "dev", interface)), NULL,
      NULL);
}

/* Who asked for the address while two hosts had it learns where it is. */
static struct err *
announce_home (struct port *p, const char *cidr, const char *interface)
{
  char *plain CLEANUP_FREE = mem_strndup (cidr, strcspn (cidr, "/"));
  return port_call (
      p, "announce",
      json_pack ("{s:s,s:s}", "interface", interface, "address", plain), NULL);
}

/* `act` on whichever interface has the address. */
static struct err *
where_it_is (struct port *p, const char *cidr,
             struct err *(*act) (struct port *p, const char *cidr,
                                 const char *interface))
{
  char *plain CLEANUP_FREE = mem_strndup (cidr, strcspn (cidr, "/"));
  json_t *links CLEANUP_JSON = NULL;
  TRY (remote_json (
      p, remote_argv (ARGV ("ip", "-j", "addr", "show", "to", plain)), &links));
  size_t i;
  json_t *one;
  json_array_foreach (links, i, one)
  {
    const char *name = json_string_value (json_at (one, "ifname"));
    if (name != NULL)
      TRY (act (p, cidr, name));
  }
  return NULL;
}

/* Where the file that brings an address at boot lies while the target is
 * closed: a network that comes up later than the answer must not bring it. */
static char *
aside_of (const char *migration, const char *cidr)
{
  char *slug CLEANUP_FREE = cidr_slug (cidr);
  return mem_printf (HOME "/closed/%s", migration, slug);
}

static struct err *
lay_aside (struct port *target, const char *migration, const char *cidr,
           const char *config)
{
  char *aside CLEANUP_FREE = aside_of (migration, cidr);
  struct remote_file f CLEANUP_REMOTE = { 0 };
  struct ran r CLEANUP_RAN = { 0 };
  TRY (remote_read (target, config, &f));
  if (!f.exists)
    return NULL;
  TRY (remote_put (target, aside, &f));
  TRY (remote_remove (target, config));
  if (strncmp (config, "/etc/systemd/network/", 21) != 0)
    return NULL;
  return remote_run (target, remote_argv (ARGV ("networkctl", "reload")), NULL,
                     20000, &r);
}

static struct err *
lay_back (struct port *target, const char *migration, const char *cidr,
          const char *config)
{
  char *aside CLEANUP_FREE = aside_of (migration, cidr);
  struct remote_file f CLEANUP_REMOTE = { 0 };
  TRY (remote_read (target, aside, &f));
  if (!f.exists)
    return NULL;
  TRY (remote_put (target, config, &f));
  return remote_remove (target, aside);
}

struct err *
move_confirm_close (struct port *target, struct port *source,
                    const struct plan *plan, const json_t *kept,
                    const char *migration)
{
  char *open CLEANUP_FREE = mem_printf (HOME "/may-start", migration);
  size_t i;
  json_t *one;
  TRY (remote_remove (target, open));
  json_array_foreach (plan_switch (plan), i, one)
  {
    const char *cidr
        = json_string_value (json_at (json_at (one, "address"), "move"));
    const char *config
        = cidr != NULL ? json_string_value (json_at (kept, cidr)) : NULL;
    if (config != NULL && config[0] != '\0')
      TRY (lay_aside (target, migration, cidr, config));
    if (cidr != NULL)
      TRY (where_it_is (target, cidr, drop_address));
    if (cidr != NULL && source != NULL) /* closed it is in any case */
      err_free (where_it_is (source, cidr, announce_home));
  }
  return NULL;
}

struct err *
move_confirm_open (struct port *target, const json_t *kept,
                   const char *migration)
{
  char *open CLEANUP_FREE = mem_printf (HOME "/may-start", migration);
  const char *cidr;
  json_t *config;
  json_object_foreach ((json_t *)(uintptr_t)kept, cidr, config)
  {
    TRY (lay_back (target, migration, cidr, json_string_value (config)));
  }
  return remote_write (target, open, BY_OPERATOR, strlen (BY_OPERATOR), 0644);
}

/* A unit that is not known there (no rehome on the target) is no error. */
struct err *
move_confirm_end (struct port *target, const struct plan *plan)
{
  char *unit CLEANUP_FREE
      = mem_printf ("rehome-confirm@%s.service", plan_name (plan));
  struct ran r CLEANUP_RAN = { 0 };
  return remote_run (target,
                     remote_argv (ARGV ("systemctl", "stop", "--", unit)), NULL,
                     60000, &r);
}
