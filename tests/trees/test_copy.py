# SPDX-License-Identifier: Apache-2.0
"""rehome copy and compare as a person uses them: what becomes of what lies on the target, ids, access times, refusals."""
import json
import os
import subprocess

import checker
import disks
import full
import pytest


def _fill(top, **files):
    top.mkdir(exist_ok=True)
    for name, text in files.items():
        (top / name).write_text(text)


def _same(source, target, left_out=()):
    found = checker.differences(checker.look(source), checker.look(target), left_out)
    assert not found, "\n".join(found)


def test_a_single_file_becomes_the_file_that_is_named(tmp_path, rehome):
    _fill(tmp_path / "from", file="one\n")
    os.utime(tmp_path / "from/file", ns=(1, 1234567890123456789))
    rehome("copy", tmp_path / "from/file", tmp_path / "other name")
    seen = (tmp_path / "other name").stat()
    assert (tmp_path / "other name").read_text() == "one\n" and seen.st_mtime_ns == 1234567890123456789
    (tmp_path / "from/file").write_text("two\n")
    rehome("copy", tmp_path / "from/file", tmp_path / "other name")
    assert (tmp_path / "other name").read_text() == "two\n"


def test_a_copy_made_again_is_a_delta(tmp_path, rehome):
    _fill(tmp_path / "from", **{f"f{i}": "x" * 1000 for i in range(50)})
    rehome("copy", tmp_path / "from", tmp_path / "to")
    (tmp_path / "from/f7").write_text("changed")
    (tmp_path / "from/f8").unlink()
    done = json.loads(rehome("copy", "--json", tmp_path / "from", tmp_path / "to").stdout)
    assert (done["files"], done["bytes"], done["deleted"]) == (1, "7", 1)
    _same(tmp_path / "from", tmp_path / "to")


def test_other_content_on_the_target_is_refused_and_stays(tmp_path, rehome):
    _fill(tmp_path / "from", file="source")
    _fill(tmp_path / "to", file="target", mine="target")
    done = rehome("copy", tmp_path / "from", tmp_path / "to", status=(4,))
    assert "RH-TREE-INWAY" in done.text and "--merge" in done.text
    assert (tmp_path / "to/file").read_text() == "target" and (tmp_path / "to/mine").exists()


def test_merge_replaces_the_same_names_and_leaves_all_else(tmp_path, rehome):
    _fill(tmp_path / "from", file="source")
    _fill(tmp_path / "to", file="target", mine="target")
    rehome("copy", "--merge", tmp_path / "from", tmp_path / "to", status=(3,))
    assert (tmp_path / "to/file").read_text() == "source" and (tmp_path / "to/mine").read_text() == "target"


def test_merge_does_not_replace_a_directory_with_content_by_a_file(tmp_path, rehome):
    _fill(tmp_path / "from", name="a file")
    _fill(tmp_path / "to")
    _fill(tmp_path / "to/name", inside="precious")
    done = rehome("copy", "--merge", tmp_path / "from", tmp_path / "to", status=(4,))
    assert "RH-TREE-INWAY" in done.text
    assert (tmp_path / "to/name/inside").read_text() == "precious"


def test_delete_makes_the_target_the_same(tmp_path, rehome):
    _fill(tmp_path / "from", file="source")
    _fill(tmp_path / "to", file="target", mine="target")
    rehome("copy", "--delete", tmp_path / "from", tmp_path / "to", status=(3,))
    _same(tmp_path / "from", tmp_path / "to")
    _fill(tmp_path / "to", later="again")
    rehome("copy", "--delete", tmp_path / "from", tmp_path / "to")
    _same(tmp_path / "from", tmp_path / "to")


def test_a_plain_copy_does_not_remove_what_it_did_not_put_there(tmp_path, rehome):
    _fill(tmp_path / "from", file="source", gone="soon")
    rehome("copy", tmp_path / "from", tmp_path / "to")
    _fill(tmp_path / "to", mine="target")
    (tmp_path / "from/gone").unlink()
    rehome("copy", tmp_path / "from", tmp_path / "to")
    assert sorted(os.listdir(tmp_path / "to")) == ["file", "mine"]


def test_what_is_left_out_stays_on_the_target_also_later(tmp_path, rehome):
    _fill(tmp_path / "from", keep="1", cache="2")
    rehome("copy", tmp_path / "from", tmp_path / "to")
    (tmp_path / "from/cache").write_text("changed")
    rehome("copy", "--exclude=cache", "--delete", tmp_path / "from", tmp_path / "to")
    assert (tmp_path / "to/cache").read_text() == "2"
    rehome("compare", "--exclude=cache", tmp_path / "from", tmp_path / "to")


def test_includes_count_before_excludes_that_follow(tmp_path, rehome):
    _fill(tmp_path / "from", **{"a.log": "1", "b.log": "2", "c.txt": "3"})
    rehome("copy", "--include=a.log", "--exclude=*.log", tmp_path / "from", tmp_path / "to")
    assert sorted(os.listdir(tmp_path / "to")) == ["a.log", "c.txt"]


def test_ids_are_mapped_in_owners_and_acls(tmp_path, rehome):
    _fill(tmp_path / "from", file="x", other="y")
    os.chown(tmp_path / "from/file", 1001, 1002)
    os.chown(tmp_path / "from/other", 5, 6)
    subprocess.run(["setfacl", "-m", "u:1001:r,u:7:w,g:1002:rw", tmp_path / "from/other"], check=True)
    argv = ["--map-user=1001:2001", "--map-user=2001:1001", "--map-group=1002:3002"]
    rehome("copy", *argv, tmp_path / "from", tmp_path / "to")
    seen = (tmp_path / "to/file").stat()
    assert (seen.st_uid, seen.st_gid) == (2001, 3002)
    acl = subprocess.run(["getfacl", "-n", "-p", tmp_path / "to/other"], check=True, capture_output=True, text=True).stdout
    assert "user:2001:r--" in acl and "user:7:-w-" in acl and "group:3002:rw-" in acl and ":1001:" not in acl
    rehome("compare", *argv, tmp_path / "from", tmp_path / "to")
    rehome("compare", tmp_path / "from", tmp_path / "to", status=(5,))


def test_a_map_that_makes_one_id_of_two_is_refused(tmp_path, rehome):
    _fill(tmp_path / "from", file="x")
    done = rehome("copy", "--map-user=1:3", "--map-user=2:3", tmp_path / "from", tmp_path / "to", status=(65,))
    assert "makes one id of two" in done.text and not (tmp_path / "to").exists()


def test_access_times_are_carried_on_request(tmp_path, rehome):
    with disks.disk(tmp_path, "still", "ext4", options=["noatime"]) as at:
        _fill(at / "from", file="x")
        os.utime(at / "from/file", ns=(987654321123456789, 1600000000 * 10**9))
        rehome("copy", "--atimes", at / "from", at / "to")
        assert (at / "to/file").stat().st_atime_ns == 987654321123456789
        rehome("copy", at / "from", at / "plain")
        assert (at / "plain/file").stat().st_atime_ns != 987654321123456789


@pytest.mark.parametrize("how", ["itself", "inside", "around", "bind mount", "link"])
def test_source_and_target_may_not_overlap(tmp_path, rehome, how):
    _fill(tmp_path / "from", file="x")
    (tmp_path / "from/sub").mkdir()
    (tmp_path / "bound").mkdir()
    target = {"itself": tmp_path / "from", "inside": tmp_path / "from/new", "around": tmp_path,
              "bind mount": tmp_path / "bound/new", "link": tmp_path / "to-from/new"}[how]
    (tmp_path / "to-from").symlink_to(tmp_path / "from")
    subprocess.run(["mount", "--bind", tmp_path / "from/sub", tmp_path / "bound"], check=True)
    try:
        done = rehome("copy", "--delete", tmp_path / "from", target, status=(4,))
    finally:
        subprocess.run(["umount", tmp_path / "bound"], check=True)
    assert "RH-FILES-OVERLAP" in done.text
    assert (tmp_path / "from/file").read_text() == "x"


def test_compare_names_each_kind_of_difference_and_changes_nothing(tmp_path, rehome):
    with disks.disk(tmp_path, "a", "ext4") as a:
        full.build_small(a / "from")
        rehome("copy", a / "from", a / "to")
        before = checker.look(a / "to")
        rehome("compare", a / "from", a / "to")
        expected = full.spoil(a / "to")
        done = rehome("compare", "--json", a / "from", a / "to", status=(5,))
        seen = json.loads(done.stdout)
        assert {x["path"]: set(x["kinds"]) for x in seen["examples"]} == expected
        text = rehome("compare", a / "from", a / "to", status=(5,)).text
        for kinds in expected.values():
            assert all(kind in text for kind in kinds)
        assert checker.differences(before, checker.look(a / "to")), "the checker sees it, too"
        full.unlock(a / "to")


@pytest.mark.parametrize("how", [[], ["--delete"]])
def test_an_empty_source_empties_nothing_unless_told(tmp_path, rehome, how):
    _fill(tmp_path / "from", **{f"f{i}": "x" for i in range(10)})
    rehome("copy", *how, tmp_path / "from", tmp_path / "to")
    for i in range(10):
        (tmp_path / f"from/f{i}").unlink()
    done = rehome("copy", *how, tmp_path / "from", tmp_path / "to", status=(1, 4))
    assert "RH-TREE-DELETES" in done.text and len(os.listdir(tmp_path / "to")) == 10
    rehome("copy", *how, "--delete-limit=10", tmp_path / "from", tmp_path / "to")
    assert os.listdir(tmp_path / "to") == []


def test_more_deletions_than_the_limit_are_refused(tmp_path, rehome):
    _fill(tmp_path / "from", **{f"f{i}": "x" for i in range(10)})
    rehome("copy", tmp_path / "from", tmp_path / "to")
    for i in range(5):
        (tmp_path / f"from/f{i}").unlink()
    done = rehome("copy", "--delete-limit=4", tmp_path / "from", tmp_path / "to", status=(1, 4))
    assert "RH-TREE-DELETES" in done.text and len(os.listdir(tmp_path / "to")) == 10
    rehome("copy", "--delete-limit=5", tmp_path / "from", tmp_path / "to")
    assert len(os.listdir(tmp_path / "to")) == 5
