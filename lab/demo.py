# SPDX-License-Identifier: Apache-2.0
# The story that ./demo shows: one whole move with a client that keeps ordering, told step by step.
import argparse
import os
import pathlib
import subprocess
import sys
import textwrap
import time

from .cluster import Lab

PLAN_TEXT = pathlib.Path(__file__).resolve().parent.parent / "tests/scenario/plans/shop.yaml"
PLAN = "/root/shop.yaml"


def tell(text=""):
    """A paragraph, wrapped for a terminal of 100 columns; its indentation is kept."""
    room = text[:len(text) - len(text.lstrip())]
    print(textwrap.fill(text, 98, subsequent_indent=room, break_on_hyphens=False) if text else "", flush=True)


def chapter(text):
    tell()
    tell(f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text)


def rehome(lab, *argv):
    """Shows a command as it would be typed on the new server, and runs it there on this terminal."""
    tell(f"shop-new# rehome {' '.join(argv)}")
    done = subprocess.run(lab.new.argv(["rehome", *argv], env={"TERM": "dumb", "COLUMNS": "100"}),
                          stdin=subprocess.DEVNULL, check=False)
    return done.returncode


def move(lab, load):
    chapter("3. A look at both servers, and a draft of the plan. Nothing is changed.")
    rehome(lab, "plan", "root@old", "--output", "/root/draft.yaml")
    print(lab.new.sh("grep -v '^ *#' /root/draft.yaml | grep -v '^$' | cut -c1-98 | head -n 40"), flush=True)
    tell("(shortened; an administrator has edited it to shop.yaml, which the move below follows)")
    lab.new.run(["tee", PLAN], input=PLAN_TEXT.read_text())
    chapter("4. Preflight: every finding before anything happens.")
    if rehome(lab, "check", PLAN) not in (0, 3):
        return False
    chapter("5. The first copy, while the shop goes on taking orders.")
    if rehome(lab, "sync", PLAN, "--no-input") != 0:
        return False
    chapter("6. The cutover.")
    code = rehome(lab, "cutover", PLAN, "--no-input", "--confirm=shop-old")
    time.sleep(3)
    load.stop()
    tell()
    rehome(lab, "status", PLAN)
    return code in (0, 3)


def keep_report(lab, folder):
    """Brings the report and the journal's lines from the new server to this machine."""
    folder.mkdir(exist_ok=True)
    for name, argv in (("report.txt", ["rehome", "report", PLAN]),
                       ("report.json", ["rehome", "report", PLAN, "--json"]),
                       ("journal.jsonl", ["rehome", "events", PLAN, "--json"])):
        (folder / name).write_text(lab.new.run(argv, check=False).stdout)
    lab.new.run(["rehome", "report", PLAN, "--html", "/root/report.html"], check=False)
    html = lab.new.root / "root/report.html"
    if html.exists():
        (folder / "report.html").write_bytes(html.read_bytes())


def verdict(lab, load, folder):
    """What the client was told against what lies on the new server; True when nothing is lost or doubled."""
    seen = lab.observe(load, "new")
    chapter("What the client and the disks say (counted here, not by rehome)")
    for host, (first, last) in sorted(seen.intervals.items(), key=lambda item: item[1]):
        tell(f"  {host} answered from {time.strftime('%H:%M:%S', time.localtime(first))} "
             f"to {time.strftime('%H:%M:%S', time.localtime(last))}")
    tell(f"  orders acknowledged to the client   {seen.acked}")
    tell(f"  of these on the new server          {seen.acked - len(seen.lost)}")
    tell(f"  lost                                {len(seen.lost)}")
    tell(f"  doubled                             {len(seen.doubled)}")
    tell(f"  both servers answering at once      {'YES' if seen.interleaved else 'never'}")
    tell(f"  downtime as the client saw it       {seen.downtime:.2f} s (longest gap between two acknowledgements; "
         f"{sum(seen.failed.values())} requests failed in it)")
    tell("  This covers every order that the client got an acknowledgement for: its file and its line in the log on "
         "the new server.")
    folder = os.path.relpath(folder)
    tell(f"  The report lies in {folder}/report.html (and .txt, .json), the journal in {folder}/journal.jsonl")
    return not (seen.lost or seen.doubled or seen.interleaved)


def main():
    parser = argparse.ArgumentParser(prog="./demo")
    parser.add_argument("--build", required=True)
    parser.add_argument("--report", required=True, type=pathlib.Path)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    lab = Lab(name=os.environ.get("REHOME_LAB_NAME", "demo"))
    chapter("1. Two servers: shop-old (Debian 12) runs the shop, shop-new (Debian 13) is blank.")
    tell("   Real systemd, sshd, nginx and cron, in namespaces of this machine. The first time they are made from "
         "packages, which takes some minutes.")
    moved = sound = False
    try:
        lab.up()
        lab.reset()
        lab.install(options.build)
        chapter("2. A client orders 50 times a second, and notes each acknowledgement.")
        with lab.client(rate=50) as load:
            time.sleep(2)
            moved = move(lab, load)
        keep_report(lab, options.report)
        sound = verdict(lab, load, options.report)
    finally:
        if options.keep:
            tell()
            tell(f"Both servers are still up: REHOME_LAB_NAME={lab.name} lab/lab shell new; lab/lab down removes them.")
        else:
            lab.down()
    return 0 if moved and sound else 1


if __name__ == "__main__":
    sys.exit(main())
