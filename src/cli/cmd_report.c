/* SPDX-License-Identifier: Apache-2.0 */
/* rehome report PLAN: text, JSON, one HTML page, or the evidence
 * bundle. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/load.h"
#include "cli/manifests.h"
#include "cli/say.h"
#include "engine/engine.h"
#include "report/bundle.h"
#include "report/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

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

/* What has to be kept apart from the bundle, and the command that uses it. */
static void
say_bundle (const char *path, const struct bundle_made *made)
{
  size_t i;
  json_t *one;
  printf ("The bundle: %s\nKeep these apart from it:\n  SHA-256  %s\n", path,
          made->sha256);
  json_array_foreach (made->signers, i, one)
      printf ("  signer   %s\n", json_string_value (one));
  printf ("Check it with:\n  sh VERIFY.sh %s %s", path, made->sha256);
  json_array_foreach (made->signers, i, one)
      printf (" %s", json_string_value (one));
  puts ("");
}

static struct err *
add_manifests (void *ctx, struct bundle *b)
{
  return manifests_add (ctx, b);
}

/* While the hosts still know what they read; later those that were fetched
 * before count. */
static void
fetch_manifests (const struct loaded *l, const json_t *facts)
{
  const char *phase = json_string_value (json_object_get (facts, "phase"));
  if (phase == NULL || strcmp (phase, phase_name (PHASE_ACCEPTED)) == 0
      || strcmp (phase, phase_name (PHASE_ROLLED_BACK)) == 0)
    return;
  CLEANUP_ERR struct err *e = manifests_fetch (l);
  if (e != NULL)
    fprintf (stderr, "The manifests were not asked for: %s: %s\n", err_code (e),
             err_message (e));
}

static struct err *
bundle (const struct invocation *in, struct loaded *l, const json_t *facts)
{
  CLEANUP_STORE struct store *s = NULL;
  CLEANUP_FREE char *key = place_evidence_key (&l->place);
  const char *path = in->value[OPT_BUNDLE];
  struct bundle_made made = { 0 };
  fetch_manifests (l, facts);
  TRY (store_open_reader (l->place.dir, &s));
  struct bundle_from from = { .store = s,
                              .facts = facts,
                              .key = key,
                              .token = in->value[OPT_TOKEN],
                              .more = add_manifests,
                              .ctx = l };
  TRY (bundle_write (&from, path, &made));
  if (has (in, OPT_JSON)) {
    CLEANUP_JSON json_t *o
        = json_pack ("{s:s, s:s, s:O}", "bundle", path, "sha256", made.sha256,
                     "signers", made.signers);
    say_json (o);
  } else
    say_bundle (path, &made);
  json_decref (made.signers);
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
  TRY (has (in, OPT_BUNDLE) ? load_facts_nameless (&l, &facts)
                            : load_facts (&l, &facts));
  if (has (in, OPT_BUNDLE))
    return bundle (in, &l, facts);
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
