/* SPDX-License-Identifier: Apache-2.0 */
/* rehome approve PLAN: a signed yes to a plan, by one of its roles. */
#include "cli/command.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/follow.h"
#include "cli/load.h"
#include "cli/say.h"
#include "exec/approve.h"
#include "exec/ask.h"
#include "host/sshsig.h"
#include "journal/approval.h"
#include "report/words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- The text ---- */

static char *
now (void)
{
  char text[32];
  time_t t = time (NULL);
  struct tm tm;
  gmtime_r (&t, &tm);
  strftime (text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
  return mem_strdup (text);
}

/* As it is, or as it will be called when the journal begins. */
static struct err *
migration_of (const struct loaded *l, char **out)
{
  CLEANUP_JSON json_t *facts = NULL;
  TRY (load_facts (l, &facts));
  const char *known = json_string_value (json_object_get (facts, "migration"));
  *out = known != NULL
             ? mem_strdup (known)
             : place_migration (plan_name (l->plan), plan_hash (l->plan));
  return NULL;
}

/* As it is; before the journal begins, what it will begin with. */
static struct err *
head_of (const struct loaded *l, char **out)
{
  CLEANUP_STORE struct store *s = NULL;
  char hash[65];
  uint64_t seq;
  if (!load_has_journal (l)) {
    *out = approval_head_text (0, plan_hash (l->plan));
    return NULL;
  }
  TRY (store_open_reader (l->place.dir, &s));
  TRY (store_head (s, &seq, hash));
  *out = approval_head_text (seq, hash);
  return NULL;
}

static struct err *
make_text (const struct invocation *in, const struct loaded *l, char **out)
{
  const char *role, *what = in->value[OPT_FOR];
  const json_t *person;
  CLEANUP_FREE char *migration = NULL;
  CLEANUP_FREE char *head = NULL;
  CLEANUP_FREE char *time_now = now ();
  TRY (approve_person (l->plan, in->value[OPT_ROLE], in->value[OPT_NAME], &role,
                       &person));
  TRY (migration_of (l, &migration));
  TRY (head_of (l, &head));
  if (!has (in, OPT_MEANING))
    return err_advise (err_new (ERR_CORRECT, "RH-CLI-USAGE",
                                "--meaning is missing"),
                       "nothing was changed",
                       "say in --meaning TEXT what the signature means");
  CLEANUP_JSON json_t *o
      = json_pack ("{s:s, s:s, s:s, s:s, s:s, s:O, s:s, s:s*}", "migration",
                   migration, "plan", plan_hash (l->plan), "head", head, "for",
                   what != NULL ? what : "cutover", "role", role, "name",
                   json_object_get (person, "name"), "time", time_now,
                   "meaning", in->value[OPT_MEANING]);
  return approval_text (o, out);
}

static struct err *
read_all (const char *path, char **out)
{
  char bytes[16384];
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read (fd, bytes, sizeof bytes - 1) : -1;
  if (n < 0)
    return err_sys (errno, "RH-APPROVE-READ", "cannot read %s", path);
  *out = mem_strndup (bytes, strnlen (bytes, (size_t)n));
  return NULL;
}

/* FILE.sig stands beside FILE, as ssh-keygen -Y sign leaves them. */
static struct err *
read_signed (const char *path, char **text, char **signature)
{
  size_t n = strlen (path);
  if (n < 5 || strcmp (path + n - 4, ".sig") != 0)
    return err_new (ERR_CORRECT, "RH-CLI-USAGE",
                    "--signature takes FILE.sig, beside the FILE that was "
                    "signed");
  CLEANUP_FREE char *beside = mem_strndup (path, n - 4);
  TRY (read_all (beside, text));
  return read_all (path, signature);
}

static struct err *
sign (const struct invocation *in, const struct loaded *l, char **text,
      char **signature)
{
  if (has (in, OPT_SIGNATURE))
    return read_signed (in->value[OPT_SIGNATURE], text, signature);
  TRY (make_text (in, l, text));
  return err_wrap (sshsig_sign (in->value[OPT_KEY], APPROVAL_SPACE, *text,
                                strlen (*text), signature),
                   "while signing with %s", in->value[OPT_KEY]);
}

/* ---- For one who signs elsewhere ---- */

static struct err *
write_text (const struct invocation *in, const struct loaded *l)
{
  const char *path = in->value[OPT_OUTPUT];
  CLEANUP_FREE char *text = NULL;
  TRY (make_text (in, l, &text));
  CLEANUP_FD int fd
      = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  size_t len = strlen (text);
  if (fd < 0 || write (fd, text, len) != (ssize_t)len)
    return err_sys (errno, "RH-CLI-WRITE", "cannot write %s", path);
  printf ("The text: %s\nSign it:  ssh-keygen -Y sign -n %s -f KEY %s\n"
          "Then:     rehome approve %s --signature %s.sig\n",
          path, APPROVAL_SPACE, path, l->path, path);
  return NULL;
}

/* ---- Giving it ---- */

static void
say_given (const struct invocation *in, const json_t *data)
{
  const json_t *a = json_object_get (data, "approval");
  if (has (in, OPT_JSON)) {
    say_json (a);
    return;
  }
  CLEANUP_FREE char *name = words_of (a, "name");
  printf ("Approved: %s of plan %.12s, by %s (%s), with the key %s.\n",
          json_string_value (json_object_get (a, "for")),
          json_string_value (json_object_get (a, "plan")), name,
          json_string_value (json_object_get (a, "role")),
          json_string_value (json_object_get (a, "fingerprint")));
}

static struct err *
approve (const struct invocation *in)
{
  CLEANUP_LOADED struct loaded l;
  CLEANUP_FREE char *text = NULL;
  CLEANUP_FREE char *signature = NULL;
  CLEANUP_FREE char *migration = NULL;
  CLEANUP_JSON json_t *data = NULL;
  TRY (load_plan (in, in->args[0], &l));
  if (has (in, OPT_OUTPUT))
    return write_text (in, &l);
  if (!has (in, OPT_KEY) && !has (in, OPT_SIGNATURE))
    return err_advise (
        err_new (ERR_CORRECT, "RH-CLI-USAGE", "neither --key nor --signature"),
        "nothing was changed",
        "sign with --key FILE; or write the text with --output "
        "FILE, sign it elsewhere, and give --signature FILE.sig");
  TRY (sign (in, &l, &text, &signature));
  TRY (migration_of (&l, &migration));
  TRY (approve_check (l.plan, migration, text, signature, &data));
  TRY (follow_approve (&l, text, signature));
  say_given (in, data);
  return NULL;
}

int
cmd_approve (const struct invocation *in)
{
  return say_err (in, approve (in));
}
