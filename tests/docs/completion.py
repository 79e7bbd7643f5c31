#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The completion for bash: a real bash completes commands, their options, and file names.

    completion.py FILE
"""
import pathlib
import subprocess
import sys
import tempfile

ASK = r"""
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
_rehome 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}"
"""


def completed(script, *words, cwd="/"):
    done = subprocess.run(["bash", "--norc", "-c", ASK, "ask", script, *words], cwd=cwd, capture_output=True, text=True,
                          check=True)
    return done.stdout.split()


def main():
    script = str(pathlib.Path(sys.argv[1]).resolve())
    assert completed(script, "rehome", "cu") == ["cutover"]
    assert {"plan", "check", "sync", "thaw"} <= set(completed(script, "rehome", ""))
    assert "owner" not in completed(script, "rehome", "")  # hidden
    assert completed(script, "rehome", "check", "--own") == ["--own-key"]
    assert completed(script, "rehome", "cutover", "--conf") == ["--confirm="]
    assert completed(script, "rehome", "check", "--conf") == []
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "shop.yaml").touch()
        assert completed(script, "rehome", "sync", "sh", cwd=folder) == ["shop.yaml"]
    print("the completion completes")


main()
