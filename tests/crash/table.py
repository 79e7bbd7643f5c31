# SPDX-License-Identifier: Apache-2.0
"""Tables in build/results that outlive the run, and what a resume cost, read from the journal."""
import os
import pathlib
import statistics

BUILD = pathlib.Path(os.environ.get("REHOME_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))


def path_of(name):
    path = BUILD / "results" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def begin(name, *heads):
    path_of(name).write_text("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|\n", encoding="utf-8")


def add(name, *cells):
    with open(path_of(name), "a", encoding="utf-8") as out:
        out.write("| " + " | ".join(str(cell) for cell in cells) + " |\n")


def say(name, text):
    with open(path_of(name), "a", encoding="utf-8") as out:
        out.write(f"\n{text}\n")


def resumes(records):
    """For each owner that took over an unfinished step: milliseconds from its claim to its next decision.

    The claim is the first record of an owner; the decision is the outcome that a probe found, or the next intent. Both
    carry the clock of the same boot. An owner that found nothing open waits for an operator and is left out."""
    found, unended = [], set()
    for at, record in enumerate(records):
        if record["type"] == "intent":
            unended.add((record["step"], bool(record["data"].get("undo"))))
        elif record["type"] == "outcome":
            unended.discard((record["step"], bool(record["data"].get("undo"))))
        elif record["type"] == "claimed" and unended:
            later = next((r for r in records[at + 1:] if r["type"] in ("intent", "outcome", "claimed")), None)
            if later is not None and later["type"] != "claimed" and later["boot_id"] == record["boot_id"]:
                found.append((int(later["mono_ns"]) - int(record["mono_ns"])) / 1e6)
    return found


def resume_line(times):
    if not times:
        return "No owner resumed an unfinished step."
    return (f"{len(times)} owners resumed an unfinished step; from their claim to the next decision: median "
            f"{statistics.median(times):.0f} ms, worst {max(times):.0f} ms.")
