/* SPDX-License-Identifier: Apache-2.0 */
/* The evidence bundle: whole as made, and nothing in it can be changed, taken
 * away, put in another order or signed anew without being seen; by rehome and
 * by VERIFY.sh, which knows nothing of rehome. */
#include "../host/scratch.h"

#include "base/text.h"
#include "host/spawn.h"
#include "host/sshsig.h"
#include "journal/approval.h"
#include "journal/witness.h"
#include "report/bundle.h"
#include "report/script.h"

#include <inttypes.h>

#define PLAN "rehome: 1\nname: shop\n"

struct scene {
  const char *const *env; /* of the script, besides the clean one */
  const char *dir;
  char *key, *host_key, *anna, *script, *path;
  struct store *store;
  struct bundle_made made;
  char *signers; /* comma-separated */
};

static void
append (struct store *s, enum record_type type, json_t *data)
{
  struct record r CLEANUP (record_clear) = { .type = type,
                                             .epoch = 1,
                                             .time_ms = 1700000000000,
                                             .actor = mem_strdup ("engine"),
                                             .data = data };
  assert_ok (store_append (s, &r, NULL));
}

static void
append_witness (struct store *s, const char *host_key)
{
  uint64_t seq;
  char hash[65], number[24];
  CLEANUP_FREE char *signature = NULL;
  CLEANUP_FREE char *public_key = NULL;
  assert_ok (store_head (s, &seq, hash));
  CLEANUP_FREE char *text = witness_text ("shop", seq, hash, "guarded");
  assert_ok (sshsig_public (host_key, &public_key));
  assert_ok (
      sshsig_sign (host_key, WITNESS_SPACE, text, strlen (text), &signature));
  snprintf (number, sizeof number, "%" PRIu64, seq);
  append (s, RECORD_WITNESS,
          json_pack ("{s:s, s:s, s:s, s:s, s:s, s:s}", "side", "source",
                     "phase", "guarded", "head_seq", number, "head_hash", hash,
                     "key", public_key, "signature", signature));
}

static void
append_approval_of (struct store *s, const char *key, const char *plan,
                    const char *head)
{
  CLEANUP_FREE char *signature = NULL;
  CLEANUP_FREE char *public_key = NULL;
  CLEANUP_FREE char *text = NULL;
  json_t *o
      = json_pack ("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "migration",
                   "shop", "plan", plan, "head", head, "for", "cutover", "role",
                   "owner", "name", "Anna Berg", "time", "2026-03-01T12:00:05Z",
                   "meaning", "it may move");
  assert_ok (approval_text (o, &text));
  assert_ok (sshsig_public (key, &public_key));
  assert_ok (
      sshsig_sign (key, APPROVAL_SPACE, text, strlen (text), &signature));
  json_object_set_new (o, "key", json_string (public_key));
  json_object_set_new (o, "signature", json_string (signature));
  append (s, RECORD_APPROVE, json_pack ("{s:o}", "approval", o));
}

static void
append_approval (struct store *s, const char *key, const char *plan)
{
  uint64_t seq;
  char hash[65];
  assert_ok (store_head (s, &seq, hash));
  CLEANUP_FREE char *head = approval_head_text (seq, hash);
  append_approval_of (s, key, plan, head);
}

static void
write_stamped (struct scene *s, const char *key, const char *path,
               const char *token)
{
  CLEANUP_JSON json_t *facts
      = json_pack ("{s:s, s:s, s:{}, s:{}}", "name", "shop", "phase", "guarded",
                   "source", "target");
  struct bundle_from from
      = { .store = s->store, .facts = facts, .key = key, .token = token };
  json_decref (s->made.signers);
  assert_ok (bundle_write (&from, path, &s->made));
  CLEANUP_BUF struct buf list = BUF_INIT;
  size_t i;
  json_t *one;
  json_array_foreach (s->made.signers, i, one) assert_ok (
      buf_printf (&list, "%s%s", i > 0 ? "," : "", json_string_value (one)));
  free (s->signers);
  s->signers = buf_steal_str (&list);
}

static void
write_bundle (struct scene *s, const char *key, const char *path)
{
  write_stamped (s, key, path, NULL);
}

static void
scene_open (struct scene *s, const char *dir)
{
  char plan[65];
  *s = (struct scene){ .dir = dir };
  s->key = mem_printf ("%s/key", dir);
  s->host_key = mem_printf ("%s/host-key", dir);
  s->anna = mem_printf ("%s/anna", dir);
  s->script = mem_printf ("%s/VERIFY.sh", dir);
  s->path = mem_printf ("%s/bundle.tar", dir);
  assert_ok (sshsig_make_key (s->key, "shop"));
  assert_ok (sshsig_make_key (s->host_key, "host"));
  assert_ok (sshsig_make_key (s->anna, "anna"));
  put_file (s->script, verify_script);
  assert_ok (store_open_writer (dir, "shop", PLAN, strlen (PLAN), &s->store));
  for (int i = 0; i < 6; i++)
    append (s->store, RECORD_CHECKPOINT, json_pack ("{s:i}", "n", i));
  append_witness (s->store, s->host_key);
  record_hash (PLAN, strlen (PLAN), plan);
  append_approval (s->store, s->anna, plan);
  append (s->store, RECORD_CHECKPOINT, json_pack ("{s:s}", "after", "it"));
  write_bundle (s, s->key, s->path);
}

static void
scene_close (struct scene *s)
{
  store_close (s->store);
  json_decref (s->made.signers);
  free (s->key);
  free (s->host_key);
  free (s->anna);
  free (s->script);
  free (s->path);
  free (s->signers);
}
#define SCENE(s, state)                         \
  struct scene s CLEANUP (scene_close) = { 0 }; \
  scene_open (&(s), (state))

static void
put_bytes (const char *path, const char *bytes, size_t len)
{
  CLEANUP_FD int fd
      = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  assert_true (fd >= 0);
  assert_int_equal (write (fd, bytes, len), (ssize_t)len);
}

/* Whichever of its checks it is that sees it. */
static void
assert_refused (struct err *e)
{
  assert_non_null (e);
  assert_true (strncmp (err_code (e), "RH-", 3) == 0);
  err_free (e);
}

/* The script's exit status, with the digest and the signers given. */
static int
script_says (const struct scene *s, const char *path, const char *digest)
{
  const char *argv[12] = { "/bin/sh", s->script, path, digest };
  struct spawn_end end = { 0 };
  CLEANUP_FREE char *list = mem_strdup (s->signers);
  size_t n = 4;
  for (char *at = strtok (list, ","); at != NULL && n < 11;
       at = strtok (NULL, ","))
    argv[n++] = at;
  struct spawn_job job = {
    .argv = argv, .env = s->env, .timeout_ms = 30000, .max_output = 65536
  };
  assert_ok (spawn_run (&job, &end));
  int status = end.status;
  spawn_end_free (&end);
  return status;
}

static struct err *
rehome_says (const char *path, const char *digest, const char *signers)
{
  struct bundle_checked b;
  struct err *e = bundle_verify (path, digest, signers, &b);
  json_decref (b.signers);
  return e;
}

static void
a_bundle_is_whole_for_rehome_and_for_the_script (void **state)
{
  SCENE (s, *state);
  struct bundle_checked b;
  assert_ok (bundle_verify (s.path, s.made.sha256, s.signers, &b));
  assert_int_equal (b.records, 9);
  assert_int_equal (b.witnesses, 1);
  assert_int_equal (b.approvals, 1);
  assert_int_equal (json_array_size (b.signers), 3);
  json_decref (b.signers);
  assert_int_equal (script_says (&s, s.path, s.made.sha256), 0);
}

static void
an_approval_of_a_plan_that_is_not_there_is_seen (void **state)
{
  SCENE (s, *state);
  char other[65];
  record_hash ("another", 7, other);
  append_approval (s.store, s.anna, other);
  write_bundle (&s, s.key, s.path);
  assert_code (rehome_says (s.path, s.made.sha256, s.signers),
               "RH-BUNDLE-CHANGED");
  assert_int_equal (script_says (&s, s.path, s.made.sha256), 1);
}

/* A chain that was written anew behind an approval. */
static void
an_approval_of_another_journal_is_seen (void **state)
{
  SCENE (s, *state);
  char plan[65], other[65];
  record_hash (PLAN, strlen (PLAN), plan);
  record_hash ("another", 7, other);
  CLEANUP_FREE char *begin = approval_head_text (0, plan);
  CLEANUP_FREE char *head = approval_head_text (3, other);
  append_approval_of (s.store, s.anna, plan, begin);
  write_bundle (&s, s.key, s.path);
  assert_ok (rehome_says (s.path, s.made.sha256, s.signers));
  assert_int_equal (script_says (&s, s.path, s.made.sha256), 0);
  append_approval_of (s.store, s.anna, plan, head);
  write_bundle (&s, s.key, s.path);
  assert_code (rehome_says (s.path, s.made.sha256, s.signers),
               "RH-BUNDLE-CHANGED");
  assert_int_equal (script_says (&s, s.path, s.made.sha256), 1);
}

static void
it_holds_what_was_the_case (void **state)
{
  SCENE (s, *state);
  CLEANUP_BUNDLE struct bundle b = { 0 };
  assert_ok (archive_read (s.path, &b));
  assert_non_null (bundle_find (&b, "journal.jsonl"));
  assert_non_null (bundle_find (&b, "plan-1.yaml"));
  assert_non_null (bundle_find (&b, "VERIFY.sh"));
  const struct bundle_file *plan = bundle_find (&b, "plan-1.yaml");
  assert_memory_equal (plan->bytes.data, PLAN, plan->bytes.len);
}

/* Random places, the same in each run. */
static void
any_changed_byte_is_seen (void **state)
{
  SCENE (s, *state);
  struct stat st;
  assert_int_equal (stat (s.path, &st), 0);
  size_t len = (size_t)st.st_size;
  CLEANUP_FREE char *bytes = get_file (s.path); /* 64 KiB at most */
  assert_true (len < 65536);
  CLEANUP_FREE char *path = mem_printf ("%s/changed.tar", s.dir);
  uint32_t dice = 7;
  for (int i = 0; i < 300; i++) {
    dice = dice * 1664525u + 1013904223u;
    size_t at = dice % len;
    bytes[at] = (char)(bytes[at] ^ (1 << (i % 8)));
    put_bytes (path, bytes, len);
    assert_refused (rehome_says (path, s.made.sha256, s.signers));
    if (i % 60 == 0)
      assert_int_equal (script_says (&s, path, s.made.sha256), 1);
    bytes[at] = (char)(bytes[at] ^ (1 << (i % 8)));
  }
}

static void
look_at (const struct scene *s, const char *path, const char *bytes, size_t len,
         int i)
{
  put_bytes (path, bytes, len);
  assert_refused (rehome_says (path, s->made.sha256, s->signers));
  if (i % 30 == 0)
    assert_int_equal (script_says (s, path, s->made.sha256), 1);
}

/* One byte less, and two that changed places. */
static void
any_removed_or_reordered_byte_is_seen (void **state)
{
  SCENE (s, *state);
  struct stat st;
  assert_int_equal (stat (s.path, &st), 0);
  size_t len = (size_t)st.st_size;
  CLEANUP_FREE char *bytes = get_file (s.path);
  CLEANUP_FREE char *changed = mem_alloc (len);
  CLEANUP_FREE char *path = mem_printf ("%s/changed.tar", s.dir);
  uint32_t dice = 11;
  for (int i = 0; i < 150; i++) {
    dice = dice * 1664525u + 1013904223u;
    size_t at = dice % (len - 1), other = (dice >> 7) % len;
    memcpy (changed, bytes, at);
    memcpy (changed + at, bytes + at + 1, len - at - 1);
    look_at (&s, path, changed, len - 1, i);
    if (bytes[at] == bytes[other])
      continue; /* the same bundle */
    memcpy (changed, bytes, len);
    changed[at] = bytes[other];
    changed[other] = bytes[at];
    look_at (&s, path, changed, len, i);
  }
}

static char *
digest_of (const char *path)
{
  struct bundle_checked b;
  err_free (bundle_verify (path, NULL, NULL, &b));
  json_decref (b.signers);
  return mem_strdup (b.sha256);
}

/* Even one who can give out a digest of what he changed. */
static void
any_changed_byte_of_a_file_is_seen_with_a_digest_of_the_forger (void **state)
{
  SCENE (s, *state);
  CLEANUP_BUNDLE struct bundle b = { 0 };
  CLEANUP_FREE char *path = mem_printf ("%s/changed.tar", s.dir);
  assert_ok (archive_read (s.path, &b));
  for (size_t i = 0; i < b.n; i++) {
    CLEANUP_BUF struct buf tar = BUF_INIT;
    struct buf *bytes = &b.v[i].bytes;
    size_t at = bytes->len / 2;
    bytes->data[at] ^= 1;
    assert_ok (archive_write (&b, 1700000000, &tar));
    put_bytes (path, (char *)tar.data, tar.len);
    CLEANUP_FREE char *digest = digest_of (path);
    assert_refused (rehome_says (path, digest, s.signers));
    assert_int_equal (script_says (&s, path, digest), 1);
    bytes->data[at] ^= 1;
  }
}

/* Lines of the journal in another order, and one that is gone. */
static void
records_reordered_or_removed_are_seen_with_a_digest_of_the_forger (void **state)
{
  SCENE (s, *state);
  CLEANUP_BUNDLE struct bundle b = { 0 };
  CLEANUP_FREE char *path = mem_printf ("%s/changed.tar", s.dir);
  assert_ok (archive_read (s.path, &b));
  struct buf *lines = NULL;
  for (size_t i = 0; i < b.n; i++)
    if (strcmp (b.v[i].name, "journal.jsonl") == 0)
      lines = &b.v[i].bytes;
  assert_non_null (lines);
  CLEANUP_FREE char *all = mem_strndup ((char *)lines->data, lines->len);
  char *second = strchr (all, '\n') + 1, *third = strchr (second, '\n') + 1;
  size_t first_len = (size_t)(second - all), len = (size_t)(third - second);
  for (int removed = 0; removed < 2; removed++) {
    CLEANUP_BUF struct buf tar = BUF_INIT;
    buf_reset (lines);
    assert_ok (buf_put (lines, second, removed ? 0 : len));
    assert_ok (buf_put (lines, all, first_len));
    assert_ok (buf_put_str (lines, third));
    assert_ok (archive_write (&b, 1700000000, &tar));
    put_bytes (path, (char *)tar.data, tar.len);
    CLEANUP_FREE char *digest = digest_of (path);
    assert_refused (rehome_says (path, digest, s.signers));
    assert_int_equal (script_says (&s, path, digest), 1);
  }
}

static void
a_file_that_is_missing_or_too_many_is_seen (void **state)
{
  SCENE (s, *state);
  CLEANUP_BUNDLE struct bundle b = { 0 };
  CLEANUP_BUF struct buf less = BUF_INIT;
  CLEANUP_BUF struct buf more = BUF_INIT;
  CLEANUP_FREE char *path = mem_printf ("%s/changed.tar", s.dir);
  assert_ok (archive_read (s.path, &b));
  b.n--;
  assert_ok (archive_write (&b, 1700000000, &less));
  b.n++;
  put_bytes (path, (char *)less.data, less.len);
  CLEANUP_FREE char *one = digest_of (path);
  assert_code (rehome_says (path, one, s.signers), "RH-BUNDLE-CHANGED");
  assert_int_equal (script_says (&s, path, one), 1);
  assert_ok (buf_put_str (bundle_add (&b, "zzz.txt"), "more"));
  assert_ok (archive_write (&b, 1700000000, &more));
  put_bytes (path, (char *)more.data, more.len);
  CLEANUP_FREE char *two = digest_of (path);
  assert_code (rehome_says (path, two, s.signers), "RH-BUNDLE-CHANGED");
  assert_int_equal (script_says (&s, path, two), 1);
}

/* Whole in itself, but by keys that nobody noted. */
static void
a_bundle_signed_again_with_other_keys_is_refused (void **state)
{
  SCENE (s, *state);
  CLEANUP_FREE char *key = mem_printf ("%s/forger", s.dir);
  CLEANUP_FREE char *path = mem_printf ("%s/forged.tar", s.dir);
  CLEANUP_FREE char *noted = mem_strdup (s.signers);
  assert_ok (sshsig_make_key (key, "forger"));
  write_bundle (&s, key, path);
  assert_ok (rehome_says (path, s.made.sha256, s.signers));
  assert_code (rehome_says (path, s.made.sha256, noted), "RH-BUNDLE-CHANGED");
  free (s.signers);
  s.signers = mem_strdup (noted);
  assert_int_equal (script_says (&s, path, s.made.sha256), 1);
}

/* In the scene's directory; its exit status. */
static int
tool (const struct scene *s, const char *script)
{
  const char *argv[] = { "/bin/sh", "-ec", script, "sh", s->dir, NULL };
  struct spawn_end end = { 0 };
  struct spawn_job job
      = { .argv = argv, .timeout_ms = 60000, .max_output = 65536 };
  assert_ok (spawn_run (&job, &end));
  int status = end.status;
  spawn_end_free (&end);
  return status;
}

/* An authority of RFC 3161, and what it says of the head. */
static const char stamp_script[]
    = "cd \"$1\"; tar -xf bundle.tar head.txt\n"
      "printf '%s\\n' '[tsa]' 'default_tsa = t' '[t]' 'serial = serial' "
      "'signer_cert = tsa.pem' 'signer_key = tsa.key' 'signer_digest = sha256' "
      "'default_policy = 1.2.3.4.1' 'digests = sha256' > tsa.cnf\n"
      "openssl req -x509 -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.pem "
      "-subj /CN=authority -days 2 "
      "-addext extendedKeyUsage=critical,timeStamping 2>/dev/null\n"
      "openssl ts -query -data head.txt -sha256 -cert -out head.tsq\n"
      "openssl ts -reply -config tsa.cnf -queryfile head.tsq -out head.tsr\n"
      "echo 'another head' > other.txt\n"
      "openssl ts -query -data other.txt -sha256 -cert -out other.tsq\n"
      "openssl ts -reply -config tsa.cnf -queryfile other.tsq -out other.tsr\n";

static void
a_time_stamp_is_about_this_head_or_it_is_refused (void **state)
{
  SCENE (s, *state);
  CLEANUP_FREE char *path = mem_printf ("%s/stamped.tar", s.dir);
  CLEANUP_FREE char *right = mem_printf ("%s/head.tsr", s.dir);
  CLEANUP_FREE char *other = mem_printf ("%s/other.tsr", s.dir);
  CLEANUP_FREE char *authority = mem_printf ("TSA_CA=%s/tsa.pem", s.dir);
  assert_int_equal (tool (&s, stamp_script), 0);
  write_stamped (&s, s.key, path, right);
  assert_ok (rehome_says (path, s.made.sha256, s.signers));
  assert_int_equal (script_says (&s, path, s.made.sha256), 1); /* of whom? */
  const char *env[] = { authority, NULL };
  s.env = env;
  assert_int_equal (script_says (&s, path, s.made.sha256), 0);
  write_stamped (&s, s.key, path, other);
  assert_int_equal (script_says (&s, path, s.made.sha256), 1);
}

static void
a_name_that_leads_elsewhere_is_refused (void **state)
{
  SCENE (s, *state);
  CLEANUP_BUNDLE struct bundle b = { 0 };
  CLEANUP_BUF struct buf tar = BUF_INIT;
  CLEANUP_FREE char *path = mem_printf ("%s/evil.tar", s.dir);
  assert_ok (buf_put_str (bundle_add (&b, "../../etc/evil"), "x"));
  assert_ok (archive_write (&b, 1700000000, &tar));
  put_bytes (path, (char *)tar.data, tar.len);
  CLEANUP_FREE char *digest = digest_of (path);
  assert_code (rehome_says (path, NULL, NULL), "RH-BUNDLE-FORM");
  assert_int_equal (script_says (&s, path, digest), 1);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    in_scratch (a_bundle_is_whole_for_rehome_and_for_the_script),
    in_scratch (an_approval_of_a_plan_that_is_not_there_is_seen),
    in_scratch (an_approval_of_another_journal_is_seen),
    in_scratch (it_holds_what_was_the_case),
    in_scratch (any_changed_byte_is_seen),
    in_scratch (any_removed_or_reordered_byte_is_seen),
    in_scratch (any_changed_byte_of_a_file_is_seen_with_a_digest_of_the_forger),
    in_scratch (a_file_that_is_missing_or_too_many_is_seen),
    in_scratch (
        records_reordered_or_removed_are_seen_with_a_digest_of_the_forger),
    in_scratch (a_bundle_signed_again_with_other_keys_is_refused),
    in_scratch (a_time_stamp_is_about_this_head_or_it_is_refused),
    in_scratch (a_name_that_leads_elsewhere_is_refused),
  };
  return cmocka_run_group_tests_name ("bundle", tests, NULL, NULL);
}
