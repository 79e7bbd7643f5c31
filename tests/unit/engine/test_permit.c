/* SPDX-License-Identifier: Apache-2.0 */
/* What people have to say yes to before the engine goes on. */
#include "play.h"

#include "../cmocka_api.h"

static void
plan (struct play *p, const char *hash, json_t *roles, const char *backup)
{
  play_record (p, RECORD_PLANNED,
               json_pack ("{s:s, s:o, s:s}", "plan", hash, "approvals", roles,
                          "backup", backup));
}

static void
approve (struct play *p, const char *hash, const char *role, const char *what,
         const char *account)
{
  play_record (p, RECORD_APPROVE,
               json_pack ("{s:{s:s, s:s, s:s, s:s, s:s, s:s}}", "approval",
                          "plan", hash, "role", role, "name", account,
                          "account", account, "for", what, "fingerprint",
                          "SHA256:x"));
}

static json_t *
one_role (void)
{
  return json_pack ("[s]", "owner");
}

static json_t *
two_roles (void)
{
  return json_pack ("[s, s]", "owner", "security");
}

static void
a_cutover_waits_for_its_approval (void **state)
{
  struct play *p = *state;
  plan (p, "a", one_role (), "check");
  play_request (p, REQUEST_CUTOVER);
  assert_string_equal (play_refused (p), "RH-ENGINE-APPROVAL");
  play_request (p, REQUEST_SYNC);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_SYNCING);
  approve (p, "a", "owner", "cutover", "anna");
  play_request (p, REQUEST_CUTOVER);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
}

static void
an_approval_of_another_plan_is_none (void **state)
{
  struct play *p = *state;
  plan (p, "a", one_role (), "check");
  approve (p, "b", "owner", "cutover", "anna");
  play_request (p, REQUEST_CUTOVER);
  assert_string_equal (play_refused (p), "RH-ENGINE-APPROVAL");
}

static void
a_changed_plan_makes_approvals_void (void **state)
{
  struct play *p = *state;
  plan (p, "a", one_role (), "check");
  approve (p, "a", "owner", "cutover", "anna");
  plan (p, "b", one_role (), "check");
  play_request (p, REQUEST_CUTOVER);
  assert_string_equal (play_refused (p), "RH-ENGINE-APPROVAL");
}

static void
a_plan_that_comes_back_is_approved_again (void **state)
{
  struct play *p = *state;
  plan (p, "a", one_role (), "check");
  approve (p, "a", "owner", "cutover", "anna");
  plan (p, "b", one_role (), "check");
  plan (p, "a", one_role (), "check");
  play_request (p, REQUEST_CUTOVER);
  assert_string_equal (play_refused (p), "RH-ENGINE-APPROVAL");
}

static void
one_of_two_roles_is_not_enough_for_a_cutover (void **state)
{
  struct play *p = *state;
  plan (p, "a", two_roles (), "check");
  approve (p, "a", "owner", "cutover", "anna");
  play_request (p, REQUEST_CUTOVER);
  assert_string_equal (play_refused (p), "RH-ENGINE-APPROVAL");
  approve (p, "a", "security", "cutover", "karl");
  play_request (p, REQUEST_CUTOVER);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
}

static void
who_approved_cannot_ask_where_there_are_two_roles (void **state)
{
  struct play *p = *state;
  plan (p, "a", two_roles (), "check");
  approve (p, "a", "owner", "cutover", "anna");
  approve (p, "a", "security", "cutover", "karl");
  play_asked_by (p, REQUEST_CUTOVER, "web (operator:karl)");
  assert_string_equal (play_refused (p), "RH-ENGINE-OWNAPPROVAL");
  play_asked_by (p, REQUEST_CUTOVER, "operator:karla");
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
}

static void
one_of_two_roles_is_enough_for_the_end (void **state)
{
  struct play *p = *state;
  plan (p, "a", two_roles (), "check");
  approve (p, "a", "owner", "cutover", "anna");
  approve (p, "a", "security", "cutover", "karl");
  play_request (p, REQUEST_CUTOVER);
  play_out (p);
  play_request (p, REQUEST_ACCEPT);
  assert_string_equal (play_refused (p), "RH-ENGINE-APPROVAL");
  approve (p, "a", "security", "accept", "karl");
  play_request (p, REQUEST_ACCEPT);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_ACCEPTED);
}

static void
a_rollback_needs_one_of_two_roles (void **state)
{
  struct play *p = *state;
  plan (p, "a", two_roles (), "check");
  approve (p, "a", "owner", "cutover", "anna");
  approve (p, "a", "security", "cutover", "karl");
  play_request (p, REQUEST_CUTOVER);
  play_to (p, PHASE_GUARDED);
  play_request (p, REQUEST_ROLLBACK);
  assert_string_equal (play_refused (p), "RH-ENGINE-APPROVAL");
  play_request (p, REQUEST_ROLLBACK_ALONE);
  assert_string_equal (play_refused (p), "RH-ENGINE-APPROVAL");
  approve (p, "a", "owner", "rollback", "anna");
  play_asked_by (p, REQUEST_ROLLBACK, "operator:anna");
  assert_string_equal (play_refused (p), "RH-ENGINE-OWNAPPROVAL");
  play_asked_by (p, REQUEST_ROLLBACK, "operator:otto");
  play_to (p, PHASE_RETURNING);
  assert_int_equal (engine_phase (p->engine), PHASE_RETURNING);
}

static void
an_abort_needs_nobodys_approval (void **state)
{
  struct play *p = *state;
  plan (p, "a", one_role (), "check");
  approve (p, "a", "owner", "cutover", "anna");
  play_request (p, REQUEST_CUTOVER);
  play_to_step (p, "freeze#flag");
  play_request (p, REQUEST_ABORT);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_ABORTED);
}

static void
without_a_backup_and_a_waiver_nothing_is_cut_over (void **state)
{
  struct play *p = *state;
  plan (p, "a", json_array (), "missing");
  play_request (p, REQUEST_CUTOVER);
  assert_string_equal (play_refused (p), "RH-ENGINE-BACKUP");
}

static void
a_waiver_counts_for_its_own_plan (void **state)
{
  struct play *p = *state;
  plan (p, "a", json_array (), "waiver");
  play_record (p, RECORD_WAIVER,
               json_pack ("{s:{s:s, s:s}}", "backup", "plan", "b", "by",
                          "Anna"));
  play_request (p, REQUEST_CUTOVER);
  assert_string_equal (play_refused (p), "RH-ENGINE-BACKUP");
  play_record (p, RECORD_WAIVER,
               json_pack ("{s:{s:s, s:s}}", "backup", "plan", "a", "by",
                          "Anna"));
  play_request (p, REQUEST_CUTOVER);
  play_out (p);
  assert_int_equal (engine_phase (p->engine), PHASE_GUARDED);
}

static const json_t *
last_request (const struct play *p)
{
  for (size_t i = p->journal.n; i > 0; i--)
    if (p->journal.v[i - 1].type == RECORD_REQUEST)
      return p->journal.v[i - 1].data;
  return NULL;
}

/* What the proof before the freeze is told. */
static bool
told (struct play *p)
{
  play_to_step (p, "recheck#space");
  return p->no_way_back;
}

static void
that_there_is_no_way_back_is_confirmed_in_the_request (void **state)
{
  struct play *p = *state;
  plan (p, "a", json_array (), "check");
  play_no_way_back (p, "a");
  const json_t *said = json_object_get (last_request (p), "no_way_back");
  assert_string_equal (json_string_value (json_object_get (said, "how")),
                       "option");
  assert_true (told (p));
  p->no_way_back = false;
  play_crash (p, 100);
  assert_true (told (p));
}

static void
each_cutover_is_confirmed_for_itself (void **state)
{
  struct play *p = *state;
  plan (p, "a", json_array (), "check");
  play_no_way_back (p, "a");
  assert_true (told (p));
  play_request (p, REQUEST_ABORT);
  play_out (p);
  play_request (p, REQUEST_CUTOVER);
  assert_null (json_object_get (last_request (p), "no_way_back"));
  assert_false (told (p));
}

static void
what_was_confirmed_of_another_plan_does_not_count (void **state)
{
  struct play *p = *state;
  plan (p, "a", json_array (), "check");
  play_no_way_back (p, "b");
  assert_false (told (p));
}

static void
a_plan_that_replaces_another_asks_anew (void **state)
{
  struct play *p = *state;
  plan (p, "a", json_array (), "check");
  play_request (p, REQUEST_SYNC);
  play_out (p);
  play_timer (p, "round");
  play_no_way_back (p, "a");
  play_request (p, REQUEST_PAUSE);
  play_out (p);
  plan (p, "b", json_array (), "check");
  play_request (p, REQUEST_RESUME);
  assert_false (told (p));
}

/* A journal in which a cutover began unapproved was not written by this. */
static void
a_phase_without_its_approval_is_no_record (void **state)
{
  struct play *p = *state;
  plan (p, "a", one_role (), "check");
  play_request (p, REQUEST_SYNC);
  play_out (p);
  json_t *data CLEANUP_JSON = json_pack ("{s:s, s:s, s:s}", "from", "syncing",
                                         "to", "proving", "why", "request");
  struct engine *reader = engine_new (p->graph, &p->limits);
  struct effects out CLEANUP (effects_clear) = { 0 };
  for (size_t i = 0; i < p->journal.n; i++) {
    struct event ev
        = { .kind = EVENT_RECORD, .record = &p->journal.v[i], .replay = true };
    assert_ok (engine_next (reader, &ev, &out));
  }
  struct record r = { .type = RECORD_PHASE,
                      .seq = p->journal.n + 1,
                      .epoch = p->epoch,
                      .data = data };
  struct event ev = { .kind = EVENT_RECORD, .record = &r, .replay = true };
  assert_code (engine_next (reader, &ev, &out), "RH-ENGINE-RECORD");
  engine_free (reader);
}

#define STORY(f) cmocka_unit_test_setup_teardown (f, play_setup, play_teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    STORY (a_cutover_waits_for_its_approval),
    STORY (an_approval_of_another_plan_is_none),
    STORY (a_changed_plan_makes_approvals_void),
    STORY (a_plan_that_comes_back_is_approved_again),
    STORY (one_of_two_roles_is_not_enough_for_a_cutover),
    STORY (who_approved_cannot_ask_where_there_are_two_roles),
    STORY (one_of_two_roles_is_enough_for_the_end),
    cmocka_unit_test_setup_teardown (a_rollback_needs_one_of_two_roles,
                                     play_setup_back, play_teardown),
    STORY (an_abort_needs_nobodys_approval),
    STORY (without_a_backup_and_a_waiver_nothing_is_cut_over),
    STORY (a_waiver_counts_for_its_own_plan),
    STORY (that_there_is_no_way_back_is_confirmed_in_the_request),
    STORY (each_cutover_is_confirmed_for_itself),
    STORY (what_was_confirmed_of_another_plan_does_not_count),
    STORY (a_plan_that_replaces_another_asks_anew),
    STORY (a_phase_without_its_approval_is_no_record),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
