/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backup counts once it was restored: the plan's program does that, and its
 * exit status, what it said, and the time of the backup that it prints first
 * become the step's result.
 */
#include "provider/move.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/remote.h"

#include <nettle/sha2.h>
#include <string.h>
#include <time.h>

static struct err *
refuse (struct err *e)
{
  return err_advise (e, "nothing was changed; the source serves",
                     "see to the backup and its check, or let somebody waive "
                     "it by name: backup: {waiver: {by: NAME, reason: TEXT}}");
}

static char *
first_line (const char *text)
{
  return text_escape (text, strcspn (text, "\n"));
}

static char *
digest_of (const struct ran *ran)
{
  struct sha256_ctx ctx;
  uint8_t digest[SHA256_DIGEST_SIZE];
  sha256_init (&ctx);
  sha256_update (&ctx, ran->out_len, (const uint8_t *)ran->out);
  sha256_digest (&ctx, sizeof digest, digest);
  return text_hex (digest, sizeof digest);
}

struct err *
move_backup_age (const char *out, int64_t now_ms, int64_t max_age_ms,
                 int64_t *taken_ms)
{
  struct tm tm = { 0 };
  CLEANUP_FREE char *line = first_line (out);
  const char *end = strptime (line, "%Y-%m-%dT%H:%M:%SZ", &tm);
  if (end == NULL || *end != '\0')
    return refuse (err_new (ERR_BLOCKED, "RH-MOVE-BACKUP",
                            "the check of the backup does not begin with the "
                            "backup's time in UTC, as 2026-03-01T03:00:00Z; it "
                            "says: %.200s",
                            line));
  *taken_ms = (int64_t)timegm (&tm) * 1000;
  int64_t age = now_ms - *taken_ms;
  if (age > max_age_ms)
    return refuse (err_new (ERR_BLOCKED, "RH-MOVE-BACKUP",
                            "the backup that was restored is of %s, %lld h "
                            "old; the plan takes at most %lld h",
                            line, (long long)(age / 3600000),
                            (long long)(max_age_ms / 3600000)));
  /* Two clocks may differ by as much as they may in a cutover. */
  if (age < -2000)
    return refuse (err_new (ERR_BLOCKED, "RH-MOVE-BACKUP",
                            "the backup that was restored is of %s, which is "
                            "in the future",
                            line));
  return NULL;
}

static struct port *
side_of (const struct step_call *call, const json_t *backup)
{
  const char *on = json_string_value (json_at (backup, "on"));
  if (on == NULL || strcmp (on, "source") == 0)
    return call->source;
  if (call->controller != NULL)
    return call->controller;
  return strcmp (plan_source (call->plan)->host, "local") == 0 ? call->source
                                                               : call->target;
}

struct err *
move_backup (const struct step_call *call, json_t **result)
{
  const json_t *backup = plan_backup (call->plan);
  int64_t max_age = json_integer_value (json_at (backup, "max_age_ms"));
  long within = (long)json_integer_value (json_at (backup, "within_ms"));
  int64_t taken = 0;
  struct ran ran CLEANUP_RAN = { 0 };
  TRY (remote_run (side_of (call, backup),
                   json_deep_copy (json_at (backup, "check")), NULL, within,
                   &ran));
  if (ran.status != 0) {
    CLEANUP_FREE char *why = first_line (ran.err);
    return refuse (err_new (ERR_BLOCKED, "RH-MOVE-BACKUP",
                            "the check of the backup says that it cannot be "
                            "restored: exit status %d: %.200s",
                            ran.status, why));
  }
  TRY (move_backup_age (ran.out, (int64_t)time (NULL) * 1000, max_age, &taken));
  CLEANUP_FREE char *digest = digest_of (&ran);
  *result = json_pack ("{s:I, s:s, s:I}", "backup_taken_ms", (json_int_t)taken,
                       "output_sha256", digest, "output_bytes",
                       (json_int_t)ran.out_len);
  return NULL;
}
