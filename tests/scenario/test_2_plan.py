# SPDX-License-Identifier: Apache-2.0
"""Mistakes in a plan are refused with line and column and what was expected, before any host is asked.

S1.15 (each step depends only on earlier ones), partly S1.1.
"""
import re

import pytest

from story import codes


def line_of(text, needle):
    return next(number for number, line in enumerate(text.splitlines(), 1) if needle in line)


MISTAKES = {
    "an unknown key": ("guard: 7d", "gaurd: 7d", "gaurd", "RH-PLAN-KEY"),
    "a wrong type": ("guard: 7d", "guard: [7d]", "guard: [7d]", "RH-PLAN-TYPE"),
    "a duplicate item": ("- service: shop-orders.service", "- files: /srv/shop\n  - service: shop-orders.service",
                         None, "RH-PLAN-TWICE"),
    "a path that is not absolute": ("- files: /srv/shop\n", "- files: srv/shop\n", "files: srv/shop", "RH-PLAN-VALUE"),
    "a duplicate key": ("guard: 7d", "guard: 7d\nguard: 8d", "guard: 8d", "RH-PLAN-TWICE"),
    "no YAML at all": ("rehome: 1", "rehome: [1", None, "RH-PLAN-SYNTAX"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_mistake_is_refused_with_its_place(move, what):
    old, new, needle, code = MISTAKES[what]
    written = {}

    def change(text):
        assert old in text, f"the plan has no {old!r} to break"
        written["text"] = text.replace(old, new, 1)
        return written["text"]

    path = move.write_plan(change, path="/root/bad.yaml")
    said = move.rehome("check", path, expect=65)
    assert code in codes(said), said
    place = re.search(r"bad\.yaml:(\d+):(\d+)", said)
    assert place, said
    if needle:
        assert int(place.group(1)) == line_of(written["text"], needle), said


def test_items_that_wait_for_each_other_are_a_cycle(move):
    path = move.write_plan(lambda text: text.replace(
        "- service: shop-orders.service", "- service: shop-orders.service\n    after: [\"service:nginx.service\"]", 1).replace(
        "- service: nginx.service", "- service: nginx.service\n    after: [\"service:shop-orders.service\"]", 1),
        path="/root/bad.yaml")
    said = move.rehome("check", path, expect=65)
    assert "RH-GRAPH-CYCLE" in codes(said) and "nginx.service" in said, said


def test_a_path_that_is_not_there_is_found_before_anything_is_copied(move):
    path = move.write_plan(lambda text: text.replace("- files: /srv/shop\n", "- files: /srv/no-such-place\n", 1),
                           path="/root/absent.yaml")
    said = move.rehome("check", path, expect=4)
    assert "/srv/no-such-place" in said and "RH-FILES-ABSENT" in codes(said), said


def test_the_graph_is_printed_as_text_and_dot(move):
    text = move.rehome("plan", "--graph", "/root/shop.yaml")
    assert "move#pivot" in text and "files:/srv/shop#final" in text
    dot = move.rehome("plan", "--dot", "/root/shop.yaml")
    assert dot.lstrip().startswith("digraph") and "->" in dot
