/* SPDX-License-Identifier: Apache-2.0 */
/* Checking an evidence bundle offline: the same as VERIFY.sh does, and the
 * journal's own rules. */
#include "report/bundle.h"

#include "base/mem.h"
#include "host/sshsig.h"
#include "journal/approval.h"
#include "journal/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <string.h>

static struct err *changed (const char *fmt, ...)
    __attribute__ ((format (printf, 1, 2)));

static struct err *
changed (const char *fmt, ...)
{
  va_list ap;
  va_start (ap, fmt);
  CLEANUP_FREE char *what = mem_vprintf (fmt, ap);
  va_end (ap);
  return err_new (ERR_CORRUPT, "RH-BUNDLE-CHANGED", "%s", what);
}

static struct err *
file_digest (const char *path, char out[65])
{
  struct sha256_ctx ctx;
  uint8_t chunk[65536], digest[SHA256_DIGEST_SIZE];
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t n = -1;
  sha256_init (&ctx);
  while (fd >= 0 && (n = read (fd, chunk, sizeof chunk)) > 0)
    sha256_update (&ctx, (size_t)n, chunk);
  if (n < 0)
    return err_sys (errno, "RH-REPORT-READ", "cannot read %s", path);
  sha256_digest (&ctx, sizeof digest, digest);
  for (size_t i = 0; i < sizeof digest; i++)
    snprintf (out + 2 * i, 3, "%02x", digest[i]);
  return NULL;
}

/* ---- The list ---- */

static struct err *
need (const struct bundle *b, const char *name, const struct bundle_file **out)
{
  *out = bundle_find (b, name);
  return *out != NULL ? NULL : changed ("%s is missing", name);
}

static struct err *
check_listed (const struct bundle *b, const char *line, size_t len)
{
  char digest[65];
  CLEANUP_FREE char *name = len > 66 ? mem_strndup (line + 66, len - 66) : NULL;
  const struct bundle_file *f = name != NULL ? bundle_find (b, name) : NULL;
  if (f == NULL)
    return changed ("a file that MANIFEST lists is missing");
  record_hash ((const char *)f->bytes.data, f->bytes.len, digest);
  if (strncmp (line, digest, 64) != 0 || strncmp (line + 64, "  ", 2) != 0)
    return changed ("%s is not as MANIFEST lists it", f->name);
  return NULL;
}

static struct err *
check_list (const struct bundle *b)
{
  const struct bundle_file *list;
  size_t listed = 0;
  const char *before = NULL;
  size_t before_len = 0;
  TRY (need (b, "MANIFEST", &list));
  const char *at = (const char *)list->bytes.data;
  const char *end = at + list->bytes.len;
  while (at < end) {
    const char *stop = memchr (at, '\n', (size_t)(end - at));
    if (stop == NULL)
      return changed ("the last line of MANIFEST is cut off");
    size_t len = (size_t)(stop - at);
    TRY (check_listed (b, at, len));
    if (before != NULL && before_len == len
        && strncmp (before + 64, at + 64, len - 64) == 0)
      return changed ("MANIFEST lists a file twice");
    before = at;
    before_len = len;
    listed++;
    at = stop + 1;
  }
  return listed + 2 == b->n ? NULL
                            : changed ("it holds files that MANIFEST does not");
}

/* ---- Signatures ---- */

struct checking {
  const struct bundle *bundle;
  struct bundle_checked *out;
  struct chain chain;
  json_t *heads; /* every line's hash, by seq */
};

static struct err *
note_signer (struct checking *c, const char *public_key)
{
  CLEANUP_FREE char *fingerprint = NULL;
  TRY (sshsig_fingerprint (public_key, &fingerprint));
  size_t i;
  json_t *known;
  json_array_foreach (c->out->signers, i, known)
  {
    if (strcmp (json_string_value (known), fingerprint) == 0)
      return NULL;
  }
  json_array_append_new (c->out->signers, json_string (fingerprint));
  return NULL;
}

/* "WHO namespaces="SPACE" TYPE BASE64": the key, or NULL; the caller frees. */
static char *
signer_key (const char *line, size_t len, const char *who, const char *space)
{
  CLEANUP_FREE char *begin = mem_printf ("%s namespaces=\"%s\" ", who, space);
  size_t n = strlen (begin);
  if (len <= n || strncmp (line, begin, n) != 0)
    return NULL;
  return mem_strndup (line + n, len - n);
}

static struct err *
check_signature (struct checking *c, const char *who, const char *space,
                 const struct bundle_file *text, const struct bundle_file *sig)
{
  const struct bundle_file *signers;
  TRY (need (c->bundle, "allowed_signers", &signers));
  const char *at = (const char *)signers->bytes.data;
  while (at != NULL && *at != '\0') {
    size_t len = strcspn (at, "\n");
    CLEANUP_FREE char *key = signer_key (at, len, who, space);
    CLEANUP_ERR struct err *e
        = key == NULL
              ? NULL
              : sshsig_check (key, space, text->bytes.data, text->bytes.len,
                              (const char *)sig->bytes.data);
    if (key != NULL && e == NULL)
      return note_signer (c, key);
    at += len + (at[len] == '\n');
  }
  return changed ("the signature of %s does not hold", text->name);
}

static struct err *
check_manifest_signature (struct checking *c)
{
  const struct bundle_file *text, *sig;
  TRY (need (c->bundle, "MANIFEST", &text));
  TRY (need (c->bundle, "MANIFEST.sig", &sig));
  if (sig->bytes.len == 0)
    return changed ("MANIFEST.sig is empty");
  return check_signature (c, "controller", BUNDLE_SPACE, text, sig);
}

/* ---- The chain, and what was signed of it ---- */

static struct err *
check_chain (struct checking *c)
{
  const struct bundle_file *plan, *journal;
  TRY (need (c->bundle, "plan-1.yaml", &plan));
  TRY (need (c->bundle, "journal.jsonl", &journal));
  record_hash ((const char *)plan->bytes.data, plan->bytes.len, c->out->first);
  chain_start (&c->chain, c->out->first);
  const char *at = (const char *)journal->bytes.data;
  const char *end = at + journal->bytes.len;
  while (at < end) {
    const char *stop = memchr (at, '\n', (size_t)(end - at));
    if (stop == NULL)
      return changed ("the last line of journal.jsonl is cut off");
    TRY (chain_next (&c->chain, at, (size_t)(stop - at)));
    json_array_append_new (c->heads, json_string (c->chain.head));
    at = stop + 1;
  }
  c->out->records = c->chain.seq;
  memcpy (c->out->head, c->chain.head, sizeof c->out->head);
  return c->chain.seq > 0 ? NULL : changed ("the journal is empty");
}

static struct err *
check_head (struct checking *c)
{
  const struct bundle_file *head;
  TRY (need (c->bundle, "head.txt", &head));
  CLEANUP_FREE char *text
      = mem_printf ("seq %llu\nhash %s\n", (unsigned long long)c->out->records,
                    c->out->head);
  if (head->bytes.len != strlen (text)
      || memcmp (head->bytes.data, text, head->bytes.len) != 0)
    return changed ("the journal does not end at its head");
  return NULL;
}

/* What was signed names a line of this chain. */
static struct err *
check_about (const struct checking *c, const struct bundle_file *text)
{
  const char *bytes = (const char *)text->bytes.data;
  const char *seq = bytes != NULL ? strstr (bytes, "\nseq ") : NULL;
  const char *hash = bytes != NULL ? strstr (bytes, "\nhash ") : NULL;
  unsigned long long n = seq != NULL ? strtoull (seq + 5, NULL, 10) : 0;
  const char *is
      = n > 0 ? json_string_value (json_array_get (c->heads, (size_t)n - 1))
              : NULL;
  if (is == NULL || hash == NULL || strncmp (hash + 6, is, 64) != 0)
    return changed ("%s is about another journal", text->name);
  return NULL;
}

static struct err *
check_witness (struct checking *c, const struct bundle_file *text)
{
  size_t n = strlen (text->name);
  CLEANUP_FREE char *sig_name = mem_printf ("%.*s.sig", (int)n - 4, text->name);
  const struct bundle_file *sig;
  const char *dash = strrchr (text->name, '-');
  CLEANUP_FREE char *who
      = mem_strndup (dash + 1, (size_t)(text->name + n - 4 - (dash + 1)));
  TRY (need (c->bundle, sig_name, &sig));
  TRY (check_signature (c, who, WITNESS_SPACE, text, sig));
  TRY (check_about (c, text));
  c->out->witnesses++;
  return NULL;
}

static struct err *
check_witnesses (struct checking *c)
{
  for (size_t i = 0; i < c->bundle->n; i++) {
    const struct bundle_file *f = &c->bundle->v[i];
    size_t n = strlen (f->name);
    if (strncmp (f->name, "witness-", 8) == 0 && n > 12
        && strcmp (f->name + n - 4, ".txt") == 0)
      TRY (check_witness (c, f));
  }
  return NULL;
}

/* ---- What people signed ---- */

/* The plan is one of those in the bundle. */
static bool
has_plan (const struct checking *c, const char *hash)
{
  for (size_t i = 0; i < c->bundle->n; i++) {
    const struct bundle_file *f = &c->bundle->v[i];
    char digest[65];
    if (strncmp (f->name, "plan-", 5) != 0)
      continue;
    record_hash ((const char *)f->bytes.data, f->bytes.len, digest);
    if (strcmp (digest, hash) == 0)
      return true;
  }
  return false;
}

/* The head that was signed is a line of this chain, or its beginning. */
static struct err *
check_head_of (const struct checking *c, const struct bundle_file *text,
               const json_t *o)
{
  char hash[65];
  uint64_t seq;
  TRY (approval_head (o, &seq, hash));
  const char *is
      = seq == 0
            ? c->out->first
            : json_string_value (json_array_get (c->heads, (size_t)seq - 1));
  if (is == NULL || strcmp (is, hash) != 0)
    return changed ("%s is about another journal", text->name);
  return NULL;
}

static struct err *
check_approval (struct checking *c, const struct bundle_file *text)
{
  size_t n = strlen (text->name);
  CLEANUP_FREE char *sig_name = mem_printf ("%.*s.sig", (int)n - 4, text->name);
  CLEANUP_FREE char *bytes
      = mem_strndup ((const char *)text->bytes.data, text->bytes.len);
  CLEANUP_JSON json_t *o = NULL;
  const struct bundle_file *sig;
  TRY (need (c->bundle, sig_name, &sig));
  if (sig->bytes.len == 0)
    return changed ("%s is empty", sig_name);
  TRY (check_signature (c, "approver", APPROVAL_SPACE, text, sig));
  TRY (approval_parse (bytes, &o));
  TRY (check_head_of (c, text, o));
  const char *plan = json_string_value (json_object_get (o, "plan"));
  if (plan == NULL || !has_plan (c, plan))
    return changed ("%s is about a plan that is not here", text->name);
  c->out->approvals++;
  return NULL;
}

static struct err *
check_approvals (struct checking *c)
{
  for (size_t i = 0; i < c->bundle->n; i++) {
    const struct bundle_file *f = &c->bundle->v[i];
    size_t n = strlen (f->name);
    if (strncmp (f->name, "approval-", 9) == 0 && n > 13
        && strcmp (f->name + n - 4, ".txt") == 0)
      TRY (check_approval (c, f));
  }
  return NULL;
}

/* ---- Against what was noted ---- */

static bool
is_named (const char *list, const char *one)
{
  size_t n = strlen (one);
  for (const char *at = list; *at != '\0'; at += *at == ',') {
    size_t len = strcspn (at, ",");
    if (len == n && strncmp (at, one, n) == 0)
      return true;
    at += len;
  }
  return false;
}

/* Exactly those keys: none more, none less. */
static struct err *
check_signers (const struct checking *c, const char *noted)
{
  size_t i, named = 1;
  json_t *one;
  for (const char *p = noted; (p = strchr (p, ',')) != NULL; p++)
    named++;
  json_array_foreach (c->out->signers, i, one)
  {
    if (!is_named (noted, json_string_value (one)))
      return changed ("signed by a key that was not named: %s",
                      json_string_value (one));
  }
  if (named != json_array_size (c->out->signers))
    return changed ("a key that had to sign did not");
  return NULL;
}

static struct err *
check_all (struct checking *c, const char *signers)
{
  TRY (check_list (c->bundle));
  TRY (check_manifest_signature (c));
  TRY (check_chain (c));
  TRY (check_head (c));
  TRY (check_witnesses (c));
  TRY (check_approvals (c));
  c->out->stamped = bundle_find (c->bundle, "head.tsr") != NULL;
  return signers != NULL ? check_signers (c, signers) : NULL;
}

struct err *
bundle_verify (const char *path, const char *sha256, const char *signers,
               struct bundle_checked *out)
{
  CLEANUP_BUNDLE struct bundle b = { 0 };
  memset (out, 0, sizeof *out);
  out->signers = json_array ();
  TRY (file_digest (path, out->sha256));
  if (sha256 != NULL && strcmp (sha256, out->sha256) != 0)
    return changed ("the bundle's SHA-256 is %s, not %s", out->sha256, sha256);
  TRY (archive_read (path, &b));
  struct checking c = { .bundle = &b, .out = out, .heads = json_array () };
  struct err *e = check_all (&c, signers);
  json_decref (c.heads);
  return e;
}
