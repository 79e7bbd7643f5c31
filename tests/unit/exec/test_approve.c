/* SPDX-License-Identifier: Apache-2.0 */
/* Approvals are checked with ssh-keygen before they are journaled. */
#include "../host/scratch.h"

#include "exec/approve.h"
#include "host/sshsig.h"
#include "journal/approval.h"
#include "provider/provider.h"

#define MIGRATION "shop-12345678"

struct desk {
  struct plan *plan;
  char *anna, *karl; /* private keys */
  char *head;
};

static char *
make_key (const char *dir, const char *name)
{
  char *path = mem_printf ("%s/%s", dir, name);
  assert_ok (sshsig_make_key (path, name));
  return path;
}

static struct desk
desk_of (const char *dir)
{
  struct desk d
      = { .anna = make_key (dir, "anna"), .karl = make_key (dir, "karl") };
  CLEANUP_FREE char *key = NULL;
  assert_ok (sshsig_public (d.anna, &key));
  CLEANUP_FREE char *text = mem_printf (
      "rehome: 1\nname: shop\nsource: {host: old}\n"
      "items: [{files: /srv/shop}]\n"
      "approvals: [{role: owner, people: [{name: Anna Berg, key: \"%s\"}]}]\n",
      key);
  assert_ok (plan_parse (text, strlen (text), "shop.yaml", provider_kinds (),
                         &d.plan));
  d.head = approval_head_text (0, plan_hash (d.plan));
  return d;
}

static void
desk_clear (struct desk *d)
{
  plan_free (d->plan);
  free (d->anna);
  free (d->karl);
  free (d->head);
}

static char *
text_for (const struct desk *d, const char *migration, const char *what)
{
  char *text = NULL;
  CLEANUP_JSON json_t *o
      = json_pack ("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "migration",
                   migration, "plan", plan_hash (d->plan), "head", d->head,
                   "for", what, "role", "owner", "name", "Anna Berg", "time",
                   "2026-03-01T12:00:05Z", "meaning", "the shop may move");
  assert_ok (approval_text (o, &text));
  return text;
}

static struct err *
check (const struct desk *d, const char *key, const char *space,
       const char *signed_text, const char *text, json_t **out)
{
  CLEANUP_FREE char *sig = NULL;
  assert_ok (sshsig_sign (key, space, signed_text, strlen (signed_text), &sig));
  return approve_check (d->plan, MIGRATION, text, sig, out);
}

static void
a_signature_by_the_plans_key_is_taken (void **state)
{
  struct desk d CLEANUP (desk_clear) = desk_of (*state);
  CLEANUP_FREE char *text = text_for (&d, MIGRATION, "cutover");
  CLEANUP_JSON json_t *data = NULL;
  assert_ok (check (&d, d.anna, APPROVAL_SPACE, text, text, &data));
  const json_t *a = json_object_get (data, "approval");
  assert_string_equal (json_string_value (json_object_get (a, "name")),
                       "Anna Berg");
  assert_non_null (json_object_get (a, "signature"));
}

static void
a_signature_by_another_key_is_refused (void **state)
{
  struct desk d CLEANUP (desk_clear) = desk_of (*state);
  CLEANUP_FREE char *text = text_for (&d, MIGRATION, "cutover");
  json_t *data = NULL;
  assert_code (check (&d, d.karl, APPROVAL_SPACE, text, text, &data),
               "RH-APPROVE-SIGNATURE");
}

static void
a_signature_for_another_purpose_is_refused (void **state)
{
  struct desk d CLEANUP (desk_clear) = desk_of (*state);
  CLEANUP_FREE char *text = text_for (&d, MIGRATION, "cutover");
  json_t *data = NULL;
  assert_code (check (&d, d.anna, "rehome-witness", text, text, &data),
               "RH-APPROVE-SIGNATURE");
}

static void
a_text_that_was_changed_is_refused (void **state)
{
  struct desk d CLEANUP (desk_clear) = desk_of (*state);
  CLEANUP_FREE char *text = text_for (&d, MIGRATION, "accept");
  CLEANUP_FREE char *other = text_for (&d, MIGRATION, "cutover");
  json_t *data = NULL;
  assert_code (check (&d, d.anna, APPROVAL_SPACE, text, other, &data),
               "RH-APPROVE-SIGNATURE");
}

static void
an_approval_of_another_migration_is_refused (void **state)
{
  struct desk d CLEANUP (desk_clear) = desk_of (*state);
  CLEANUP_FREE char *text = text_for (&d, "shop-87654321", "cutover");
  json_t *data = NULL;
  assert_code (check (&d, d.anna, APPROVAL_SPACE, text, text, &data),
               "RH-APPROVE-PLAN");
}

static void
only_three_things_can_be_approved (void **state)
{
  struct desk d CLEANUP (desk_clear) = desk_of (*state);
  CLEANUP_FREE char *text = text_for (&d, MIGRATION, "sync");
  json_t *data = NULL;
  assert_code (check (&d, d.anna, APPROVAL_SPACE, text, text, &data),
               "RH-APPROVE-ROLE");
}

static void
a_text_with_more_behind_it_is_refused (void **state)
{
  struct desk d CLEANUP (desk_clear) = desk_of (*state);
  CLEANUP_FREE char *text = text_for (&d, MIGRATION, "cutover");
  CLEANUP_FREE char *more = mem_printf ("%splan another\n", text);
  json_t *data = NULL;
  assert_code (check (&d, d.anna, APPROVAL_SPACE, more, more, &data),
               "RH-APPROVE-FORM");
}

static void
put_head (struct desk *d, uint64_t seq, const char *hash)
{
  free (d->head);
  d->head = approval_head_text (seq, hash);
}

static struct err *
check_head (struct desk *d, struct store *s)
{
  CLEANUP_FREE char *text = text_for (d, MIGRATION, "cutover");
  CLEANUP_JSON json_t *data = NULL;
  assert_ok (check (d, d->anna, APPROVAL_SPACE, text, text, &data));
  return approve_check_head (s, data);
}

static void
the_head_that_was_signed_is_one_of_this_journal (void **state)
{
  struct desk d CLEANUP (desk_clear) = desk_of (*state);
  CLEANUP_STORE struct store *s = NULL;
  struct record r CLEANUP (record_clear) = { .type = RECORD_CHECKPOINT,
                                             .epoch = 1,
                                             .actor = mem_strdup ("engine"),
                                             .data = json_object () };
  char hash[65], plan[65];
  uint64_t seq;
  record_hash ("a plan", 6, plan);
  assert_ok (store_open_writer (*state, MIGRATION, "a plan", 6, &s));
  assert_ok (store_append (s, &r, NULL));
  assert_ok (store_head (s, &seq, hash));
  put_head (&d, seq, hash);
  assert_ok (check_head (&d, s));
  put_head (&d, 0, plan);
  assert_ok (check_head (&d, s));
  put_head (&d, seq, plan);
  assert_code (check_head (&d, s), "RH-APPROVE-HEAD");
  put_head (&d, 0, hash);
  assert_code (check_head (&d, s), "RH-APPROVE-HEAD");
  put_head (&d, seq + 1, hash);
  assert_code (check_head (&d, s), "RH-APPROVE-HEAD");
  put_head (&d, seq, "no hash");
  assert_code (check_head (&d, s), "RH-APPROVE-FORM");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    in_scratch (a_signature_by_the_plans_key_is_taken),
    in_scratch (a_signature_by_another_key_is_refused),
    in_scratch (a_signature_for_another_purpose_is_refused),
    in_scratch (a_text_that_was_changed_is_refused),
    in_scratch (an_approval_of_another_migration_is_refused),
    in_scratch (only_three_things_can_be_approved),
    in_scratch (a_text_with_more_behind_it_is_refused),
    in_scratch (the_head_that_was_signed_is_one_of_this_journal),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
