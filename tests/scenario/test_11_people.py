# SPDX-License-Identifier: Apache-2.0
"""What people decide: two roles approve with their own ssh keys, a restored backup is shown, and the evidence says who.

S0.34, S1.17: approvals by two roles, bound to the plan; S0.6 partly: a backup that was restored; S2.54: the evidence.
"""
import json

import pytest

from story import PLAN, codes, wait_for

CHECK = "/usr/local/sbin/restore-test"


def key_of(move, person):
    """A key without passphrase for one approver, made by the real ssh-keygen; gives its public line."""
    move.at.sh(f"test -f /root/{person} || ssh-keygen -q -t ed25519 -N '' -C {person} -f /root/{person}")
    return move.at.sh(f"cat /root/{person}.pub").strip()


def with_people(text, move):
    roles = "".join(f"  - {{role: {role}, people: [{{name: {name}, account: {name.lower()}, key: \"{key_of(move, name.lower())}\"}}]}}\n"
                    for role, name in (("owner", "Anna"), ("security", "Karl")))
    head, _, rest = text.partition("backup:\n")
    return (f"{head}approvals:\n{roles}backup: {{check: [{CHECK}, shop], max-age: 2h}}\n"
            f"retention: 2099-12-31\nkept: {{owner: Otto, for: 0s}}\n{rest.partition(chr(10))[2]}")


def approve(move, role, key, what="cutover", expect=0):
    return move.rehome("approve", PLAN, "--for", what, "--role", role, "--meaning", "I have read the plan",
                       "--key", f"/root/{key}", expect=expect)


def restore_test(move, said, status=0):
    move.lab.old.sh(f"cat > {CHECK}; chmod 755 {CHECK}", input=f"#!/bin/sh\n{said}\nexit {status}\n")


@pytest.fixture(scope="module")
def people(move):
    move.write_plan(lambda text: with_people(text, move))
    restore_test(move, "date -u +%Y-%m-%dT%H:%M:%SZ; echo 3 files of $1")
    move.sync()
    return move


def test_a_cutover_names_what_is_missing(people):
    said = people.cutover(expect=None)
    assert codes(said) == {"RH-ENGINE-APPROVAL"}, said
    assert f"rehome approve {PLAN} --for cutover --role security" in said
    assert f"rehome approve {PLAN} --for cutover --role owner" in people.rehome("status", PLAN)


def test_one_role_alone_is_not_enough(people):
    assert "Approved: cutover" in approve(people, "owner", "anna")
    said = people.cutover(expect=None)
    assert codes(said) == {"RH-ENGINE-APPROVAL"} and "security" in said and "--role owner" not in said


def test_another_key_cannot_approve(people):
    assert "RH-APPROVE-SIGNATURE" in approve(people, "security", "anna", expect=None)
    assert sum("approval" in r["data"] for r in people.records()) == 1


def test_a_changed_plan_is_approved_again(people):
    people.write_plan(lambda text: with_people(text, people) + "# read again\n")
    people.sync()
    said = people.cutover(expect=None)
    assert "--role owner" in said and "--role security" in said


def test_who_signs_elsewhere_brings_the_signature(people):
    approve(people, "owner", "anna")
    people.rehome("approve", PLAN, "--role", "security", "--meaning", "signed elsewhere", "--output", "/root/yes.txt")
    people.at.sh("ssh-keygen -q -Y sign -n rehome-approval -f /root/karl /root/yes.txt")
    people.rehome("approve", PLAN, "--signature", "/root/yes.txt.sig")


def test_a_backup_that_is_too_old_holds_the_cutover_back(people):
    restore_test(people, "echo 2026-01-01T03:00:00Z")
    said = people.cutover(expect=None)
    assert "RH-MOVE-BACKUP" in codes(said), said
    restore_test(people, "date -u +%Y-%m-%dT%H:%M:%SZ; echo no such archive >&2", status=1)
    said = people.cutover(expect=None)
    assert "RH-MOVE-BACKUP" in codes(said) and "no such archive" in said
    assert people.status().startswith("SERVING shop-old")


def test_with_both_approvals_and_a_backup_it_moves(people):
    restore_test(people, "date -u +%Y-%m-%dT%H:%M:%SZ; echo 3 files of $1")
    people.cutover()
    assert people.status().startswith("SERVING shop-new")


def test_the_bundle_shows_who_approved(people):
    made = json.loads(people.rehome("report", PLAN, "--bundle", "/root/evidence.tar", "--json"))
    prints = [people.at.sh(f"ssh-keygen -lf /root/{who}.pub").split()[1] for who in ("anna", "karl")]
    assert set(prints) <= set(made["signers"])
    people.at.sh("tar -xOf /root/evidence.tar VERIFY.sh > /root/VERIFY.sh")
    said = people.at.run(["sh", "/root/VERIFY.sh", "/root/evidence.tar", made["sha256"], *made["signers"]]).stdout
    assert "3 approvals" in said, said
    text = people.rehome("report", PLAN)
    assert "Karl as security, for cutover" in text and "M 2.319 backup" in text


def test_the_bundle_has_what_both_sides_held(people):
    """By sha256sum on either host, in the item's own directory."""
    names = people.at.sh("tar -tf /root/evidence.tar | grep ^manifest-").split()
    shop = sorted(name for name in names if "-etc-shop-" in name)
    assert [name.split("-")[1] for name in shop] == ["source", "target"], names
    for host, name in ((people.lab.old, shop[0]), (people.lab.new, shop[1])):
        text = people.at.sh(f"tar -xOf /root/evidence.tar {name}")
        files = host.sh("cd /etc/shop && find . -type f | wc -l").strip()
        assert len(text.splitlines()) == int(files) > 0
        host.sh("cd /etc/shop && sha256sum -c --strict --quiet -", input=text)
    counts = people.at.sh("tar -xOf /root/evidence.tar counts.txt").splitlines()
    assert sorted(line.split()[1] for line in counts) == sorted(names)


def test_the_mapping_names_records_that_exist(people):
    records = {r["seq"]: r for r in people.records()}
    lines = {(line["rule"], line["line"]): line["records"] for line in people.facts()["mapping"]}
    assert all(seq in records for seqs in lines.values() for seq in seqs)
    backup = records[lines["BSI", "M 2.319 backup"][-1]]
    assert backup["type"] == "outcome" and backup["data"]["result"]["output_sha256"]
    assert {records[seq]["type"] for seq in lines["ISO 27001:2022", "A.5.3"]} == {"approve"}


def test_nothing_is_purged_while_it_can_go_back(people):
    assert "RH-PURGE-PHASE" in people.rehome("purge", PLAN, expect=None)
    assert "RH-PURGE-PHASE" in people.rehome("purge", PLAN, "--evidence", expect=None)


def test_the_acceptance_needs_one_of_them(people):
    accept = ["accept", PLAN, "--no-input", "--confirm=shop-old"]
    said = people.rehome(*accept, expect=None)
    assert codes(said) == {"RH-ENGINE-APPROVAL"} and "--for accept" in said
    approve(people, "security", "karl", what="accept")
    people.rehome(*accept)
    wait_for(lambda: people.facts()["phase"] == "accepted")


def test_who_asked_is_erased_and_everything_still_verifies(people):
    """GDPR: the name of who gave the commands, not of who approved, which is the evidence itself."""
    state = "/var/lib/rehome/controller/shop"
    wait_for(lambda: "owner: none" in people.rehome("status", PLAN))
    assert {r["actor"] for r in people.facts()["requests"]} == {"operator:root"}
    assert all(r["actor"].startswith("operator:#") for r in people.records() if r["type"] == "request")
    salts = people.at.sh(f"sqlite3 {state}/journal.db 'select data from blob' 2>/dev/null || true")
    people.rehome("erase", PLAN, "--person", "root")
    assert all(r["actor"].startswith("operator:#") for r in people.facts()["requests"])
    people.rehome("verify", state)
    for salt in (json.loads(line)["salt"] for line in salts.splitlines()):
        assert people.at.run(["grep", "-rqaF", salt, state], check=False).returncode == 1


def test_what_was_kept_aside_is_purged_and_the_report_says_so(people):
    """S0.39 partly: the owner, the expiry, and the proof that it is gone, by find."""
    aside = people.at.sh("ls -d /var/lib/rehome/shop-*/aside").strip()
    before = people.at.sh(f"find {aside} -mindepth 1 -maxdepth 1").split()
    assert before, "the lab's plan replaces nginx's settings, which are kept aside"
    records = len(people.records())
    assert "kept target" in people.rehome("purge", PLAN, "--dry-run")
    assert len(people.records()) == records
    assert people.at.sh(f"find {aside} -mindepth 1 -maxdepth 1").split() == before
    people.rehome("purge", PLAN)
    assert people.at.sh(f"find {aside} -mindepth 1").split() == []
    purged = people.facts()["kept"]["purged"]
    assert sorted(one["path"] for one in purged) == sorted(before)
    assert all(len(one["digest"]) == 64 for one in purged) and people.facts()["kept"]["owner"] == "Otto"
    assert not any("/aside/" in one["what"] for one in people.facts()["left"])
    people.rehome("verify", "/var/lib/rehome/controller/shop")


def test_the_evidence_stays_until_its_date(people):
    assert "RH-PURGE-RETENTION" in people.rehome("purge", PLAN, "--evidence", expect=None)
    assert "kept until 2099-12-31" in people.rehome("report", PLAN)
    people.at.sh("test -s /var/lib/rehome/controller/shop/journal.db")


def test_a_bundle_made_afterwards_still_has_the_manifests(people):
    people.rehome("report", PLAN, "--bundle", "/root/later.tar")
    names = "tar -tf /root/%s.tar | grep ^manifest-"
    assert people.at.sh(names % "later") == people.at.sh(names % "evidence")
