#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Documents hold commands that exist: every `rehome COMMAND --option` in them is known to the program's own help,
every link between documents leads somewhere, and every suite that a document names is one of ./check.

    commands.py REHOME ROOT
"""
import pathlib
import re
import subprocess
import sys


def known(program):
    """command -> its options, from the program's help."""
    helped = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^  ?(?:rehome )?([a-z]+)(?:[ |,]|$)", helped, re.M)
    names += re.findall(r"\|([a-z]+)\b", helped)
    options = {}
    for name in set(names):
        done = subprocess.run([program, name, "--help"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            options[name] = set(re.findall(r"--[a-z][a-z-]*", done.stdout))
    return options


def code(text):
    """What stands in code blocks and code spans."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.M | re.S)
    return blocks + re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def wrong_commands(path, text, options):
    for piece in code(text):
        for name, rest in re.findall(r"(?:^|[\s#$])rehome ([a-z]+)\b([^\n`]*)", piece):
            if name not in options:
                yield f"{path}: `rehome {name}` is no command"
                continue
            for option in re.findall(r"--[a-z][a-z-]*", rest.split("#")[0]):
                if option not in options[name]:
                    yield f"{path}: `rehome {name}` has no {option}"


def wrong_links(path, text):
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        if not (path.parent / link).exists():
            yield f"{path}: link to {link} leads nowhere"


def wrong_suites(root, path, text):
    check = (root / "check").read_text()
    for suite in re.findall(r"\./check ([a-z]+)", text):
        if f"suite_{suite} ()" not in check and suite != "full":
            yield f"{path}: ./check {suite} is no suite"


def main(program, root):
    root = pathlib.Path(root)
    options = known(program)
    assert len(options) > 10, options
    found, count = [], 0
    for path in sorted([*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("lab/*.md")]):
        text = path.read_text()
        count += 1
        found += [*wrong_commands(path, text, options), *wrong_links(path, text), *wrong_suites(root, path, text)]
    print("\n".join(found) or f"{count} documents, {len(options)} commands: all known")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
