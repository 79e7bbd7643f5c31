/* SPDX-License-Identifier: Apache-2.0 */
/* The chain: each line names the SHA-256 of the stored bytes before it. */
#include "journal/record.h"

#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <nettle/sha2.h>
#include <string.h>

static void
hex (const uint8_t digest[SHA256_DIGEST_SIZE], char out[65])
{
  char *text CLEANUP_FREE = text_hex (digest, SHA256_DIGEST_SIZE);
  memcpy (out, text, 65);
}

void
record_hash (const char *line, size_t len, char out[65])
{
  struct sha256_ctx ctx;
  uint8_t digest[SHA256_DIGEST_SIZE];
  sha256_init (&ctx);
  sha256_update (&ctx, len, (const uint8_t *)line);
  sha256_digest (&ctx, sizeof digest, digest);
  hex (digest, out);
}

void
record_salted (const unsigned char salt[32], const void *value, size_t len,
               char out[65])
{
  struct sha256_ctx ctx;
  uint8_t digest[SHA256_DIGEST_SIZE];
  sha256_init (&ctx);
  sha256_update (&ctx, 32, salt);
  sha256_update (&ctx, len, value);
  sha256_digest (&ctx, sizeof digest, digest);
  hex (digest, out);
}

void
chain_start (struct chain *c, const char *plan_hash)
{
  c->seq = 0;
  memset (c->head, 0, sizeof c->head);
  strncpy (c->head, plan_hash, sizeof c->head - 1);
}

static struct err *
broken_at (uint64_t seq, const char *why)
{
  return err_advise (
      err_new (ERR_CORRUPT, "RH-JOURNAL-CHAIN",
               "the journal's chain is broken at record %" PRIu64 ": %s", seq,
               why),
      NULL,
      "do not go on with this journal: keep it as evidence, and compare "
      "it with a copy or with what the hosts remember");
}

struct err *
chain_next (struct chain *c, const char *line, size_t len)
{
  struct record r CLEANUP (record_clear) = { 0 };
  struct err *e CLEANUP_ERR = record_parse (line, len, &r);
  if (e != NULL)
    return broken_at (c->seq + 1, err_message (e));
  if (r.seq != c->seq + 1)
    return broken_at (c->seq + 1, "its number does not follow");
  if (strcmp (r.prev, c->head) != 0)
    return broken_at (r.seq, "the record before it is not the one it names");
  c->seq = r.seq;
  record_hash (line, len, c->head);
  return NULL;
}
