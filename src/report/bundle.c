/* SPDX-License-Identifier: Apache-2.0 */
/* Making an evidence bundle out of the journal. */
#include "report/bundle.h"

#include "base/mem.h"
#include "base/text.h"
#include "host/slurp.h"
#include "host/sshsig.h"
#include "host/write_all.h"
#include "journal/approval.h"
#include "journal/witness.h"
#include "report/script.h"
#include "report/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- The set of files ---- */

struct buf *
bundle_add (struct bundle *b, const char *name)
{
  b->v = mem_resize (b->v, b->n + 1, sizeof *b->v);
  struct bundle_file *f = &b->v[b->n++];
  *f = (struct bundle_file){ .name = mem_strdup (name),
                             .bytes = BUF_INIT_MAX (BUNDLE_FILE_MAX) };
  return &f->bytes;
}

const struct bundle_file *
bundle_find (const struct bundle *b, const char *name)
{
  for (size_t i = 0; i < b->n; i++)
    if (strcmp (b->v[i].name, name) == 0)
      return &b->v[i];
  return NULL;
}

void
bundle_clear (struct bundle *b)
{
  for (size_t i = 0; i < b->n; i++) {
    free (b->v[i].name);
    buf_free (&b->v[i].bytes);
  }
  free (b->v);
  memset (b, 0, sizeof *b);
}

/* ---- What goes in ---- */

struct making {
  struct bundle *bundle;
  struct buf journal;
  struct buf signers; /* lines of ALLOWED SIGNERS in ssh-keygen(1) */
  json_t *fingerprints;
  int64_t last_ms;
  uint64_t last_seq;
  char last_hash[65];
};

static struct err *
add_signer (struct making *m, const char *who, const char *space,
            const char *public_key)
{
  CLEANUP_FREE char *fingerprint = NULL;
  CLEANUP_FREE char *line
      = mem_printf ("%s namespaces=\"%s\" %s\n", who, space, public_key);
  if (m->signers.data == NULL
      || strstr ((const char *)m->signers.data, line) == NULL)
    TRY (buf_put_str (&m->signers, line));
  TRY (sshsig_fingerprint (public_key, &fingerprint));
  size_t i;
  json_t *known;
  json_array_foreach (m->fingerprints, i, known)
  {
    if (strcmp (json_string_value (known), fingerprint) == 0)
      return NULL;
  }
  json_array_append_new (m->fingerprints, json_string (fingerprint));
  return NULL;
}

static const char *
member (const struct record *r, const char *key)
{
  const char *s = json_string_value (json_object_get (r->data, key));
  return s != NULL ? s : "";
}

static struct err *
add_witness (struct making *m, const struct record *r)
{
  const char *side = member (r, "side");
  bool known = strcmp (side, "source") == 0 || strcmp (side, "target") == 0;
  if (!known || json_object_get (r->data, "signature") == NULL)
    return NULL;
  CLEANUP_FREE char *text
      = witness_text (r->migration, strtoull (member (r, "head_seq"), NULL, 10),
                      member (r, "head_hash"), member (r, "phase"));
  CLEANUP_FREE char *name
      = mem_printf ("witness-%08" PRIu64 "-%s.txt", r->seq, side);
  TRY (buf_put_str (bundle_add (m->bundle, name), text));
  CLEANUP_FREE char *sig
      = mem_printf ("%.*s.sig", (int)(strlen (name) - 4), name);
  TRY (buf_put_str (bundle_add (m->bundle, sig), member (r, "signature")));
  return add_signer (m, side, WITNESS_SPACE, member (r, "key"));
}

/* What a person signed, in the form of ssh-keygen -Y verify. */
static struct err *
add_approval (struct making *m, const struct record *r)
{
  const json_t *a = json_object_get (r->data, "approval");
  CLEANUP_FREE char *text = NULL;
  if (a == NULL)
    return NULL;
  TRY (approval_text (a, &text));
  CLEANUP_FREE char *name = mem_printf ("approval-%08" PRIu64 ".txt", r->seq);
  CLEANUP_FREE char *sig = mem_printf ("approval-%08" PRIu64 ".sig", r->seq);
  const char *made = json_string_value (json_object_get (a, "signature"));
  const char *key = json_string_value (json_object_get (a, "key"));
  TRY (buf_put_str (bundle_add (m->bundle, name), text));
  TRY (buf_put_str (bundle_add (m->bundle, sig), made != NULL ? made : ""));
  return add_signer (m, "approver", APPROVAL_SPACE, key != NULL ? key : "");
}

static struct err *
take_record (void *ctx, const struct record *r, const char *line)
{
  struct making *m = ctx;
  m->last_ms = r->time_ms;
  m->last_seq = r->seq;
  record_hash (line, strlen (line), m->last_hash);
  TRY (buf_printf (&m->journal, "%s\n", line));
  if (r->type == RECORD_APPROVE)
    return add_approval (m, r);
  return r->type == RECORD_WITNESS ? add_witness (m, r) : NULL;
}

static struct err *
take_plan (void *ctx, unsigned n, const void *text, size_t len)
{
  struct making *m = ctx;
  CLEANUP_FREE char *name = mem_printf ("plan-%u.yaml", n);
  return buf_put (bundle_add (m->bundle, name), text, len);
}

/* What a time stamping authority is asked to stamp. */
static char *
head_text (uint64_t seq, const char *hash)
{
  return mem_printf ("seq %" PRIu64 "\nhash %s\n", seq, hash);
}

static struct err *
read_file (const char *path, struct buf *out)
{
  int e = slurp_at (AT_FDCWD, path, BUNDLE_FILE_MAX, out);
  return e == 0 ? NULL : err_sys (e, "RH-REPORT-READ", "cannot read %s", path);
}

static struct err *
add_pages (struct making *m, const json_t *facts)
{
  CLEANUP_FREE char *json
      = json_dumps (facts, JSON_INDENT (2) | JSON_SORT_KEYS);
  TRY (report_text (facts, bundle_add (m->bundle, "report.txt")));
  TRY (report_html (facts, bundle_add (m->bundle, "report.html")));
  TRY (buf_printf (bundle_add (m->bundle, "report.json"), "%s\n", json));
  return buf_put_str (bundle_add (m->bundle, "VERIFY.sh"), verify_script);
}

static struct err *
collect (struct making *m, const struct bundle_from *from)
{
  TRY (store_each (from->store, 0, take_record, m));
  TRY (store_each_plan (from->store, take_plan, m));
  /* The owner may have written on since: the head is that of these records. */
  CLEANUP_FREE char *head = head_text (m->last_seq, m->last_hash);
  TRY (buf_put_str (bundle_add (m->bundle, "head.txt"), head));
  TRY (buf_put (bundle_add (m->bundle, "journal.jsonl"), m->journal.data,
                m->journal.len));
  TRY (add_pages (m, from->facts));
  if (from->more != NULL)
    TRY (from->more (from->ctx, m->bundle));
  if (from->token != NULL)
    TRY (read_file (from->token, bundle_add (m->bundle, "head.tsr")));
  return buf_printf (bundle_add (m->bundle, "version.txt"), "rehome %s\n",
                     REHOME_VERSION);
}

/* ---- The list and its signature ---- */

static int
by_name (const void *a, const void *b)
{
  const struct bundle_file *x = a, *y = b;
  return strcmp (x->name, y->name);
}

static struct err *
add_list (struct making *m, const char *key)
{
  CLEANUP_BUF struct buf list = BUF_INIT;
  CLEANUP_FREE char *signature = NULL;
  CLEANUP_FREE char *public_key = NULL;
  TRY (sshsig_public (key, &public_key));
  TRY (add_signer (m, "controller", BUNDLE_SPACE, public_key));
  TRY (buf_put (bundle_add (m->bundle, "allowed_signers"), m->signers.data,
                m->signers.len));
  qsort (m->bundle->v, m->bundle->n, sizeof *m->bundle->v, by_name);
  for (size_t i = 0; i < m->bundle->n; i++) {
    const struct bundle_file *f = &m->bundle->v[i];
    char digest[65];
    record_hash ((const char *)f->bytes.data, f->bytes.len, digest);
    TRY (buf_printf (&list, "%s  %s\n", digest, f->name));
  }
  TRY (sshsig_sign (key, BUNDLE_SPACE, list.data, list.len, &signature));
  TRY (buf_put (bundle_add (m->bundle, "MANIFEST"), list.data, list.len));
  return buf_put_str (bundle_add (m->bundle, "MANIFEST.sig"), signature);
}

/* ---- The file ---- */

static struct err *
write_whole (int fd, const struct buf *b)
{
  int e = write_all (fd, b->data, b->len);
  if (e == 0 && fsync (fd) != 0)
    e = errno;
  if (e != 0)
    return err_sys (e, "RH-BUNDLE-WRITE", "cannot write the bundle");
  return NULL;
}

static struct err *
put_in_place (const struct buf *b, const char *path)
{
  CLEANUP_FREE char *tmp = mem_printf ("%s.new", path);
  CLEANUP_FREE char *copy = mem_strdup (path);
  CLEANUP_FD int fd
      = open (tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0)
    return err_sys (errno, "RH-BUNDLE-WRITE", "cannot write %s", tmp);
  struct err *e = write_whole (fd, b);
  if (e == NULL && rename (tmp, path) != 0)
    e = err_sys (errno, "RH-BUNDLE-WRITE", "cannot write %s", path);
  if (e != NULL) {
    unlink (tmp);
    return e;
  }
  CLEANUP_FD int dir
      = open (dirname (copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0 || fsync (dir) != 0)
    return err_sys (errno, "RH-BUNDLE-WRITE", "cannot write %s", path);
  return NULL;
}

static struct err *
make (struct making *m, const struct bundle_from *from, const char *path,
      struct bundle_made *out)
{
  CLEANUP_BUF struct buf tar = BUF_INIT_MAX (BUNDLE_FILE_MAX);
  struct stat st;
  if (from->key == NULL || stat (from->key, &st) != 0)
    return err_advise (
        err_new (ERR_REFUSED, "RH-BUNDLE-NOKEY",
                 "this migration has no key to sign its bundle with"),
        "the journal is whole without it",
        "install openssh-client, and let the owner start once: rehome resume");
  TRY (collect (m, from));
  TRY (add_list (m, from->key));
  TRY (archive_write (m->bundle, m->last_ms / 1000, &tar));
  TRY (put_in_place (&tar, path));
  record_hash ((const char *)tar.data, tar.len, out->sha256);
  out->signers = json_incref (m->fingerprints);
  return NULL;
}

struct err *
bundle_write (const struct bundle_from *from, const char *path,
              struct bundle_made *out)
{
  CLEANUP_BUNDLE struct bundle b = { 0 };
  struct making m = { .bundle = &b,
                      .journal = BUF_INIT_MAX (BUNDLE_FILE_MAX),
                      .signers = BUF_INIT,
                      .fingerprints = json_array () };
  struct err *e = make (&m, from, path, out);
  buf_free (&m.journal);
  buf_free (&m.signers);
  json_decref (m.fingerprints);
  return e;
}
