# SPDX-License-Identifier: Apache-2.0
# Compares what a client was told with what the servers hold: lost, doubled, split, and how long nobody answered.
import collections
import dataclasses

from . import load, stores


@dataclasses.dataclass
class Observation:
    """What was seen. Lists hold attempt or order ids; times are seconds since 1970."""

    acked: int
    failed: dict            # reason: how many
    intervals: dict         # host: (first ack, last ack)
    interleaved: bool       # a host answered before the last answer of the one that served earlier
    downtime: float         # longest gap between two successive acks, in seconds
    gap: tuple              # (end of the ack before that gap, end of the one after it)
    lost_files: list        # acked orders that the final host has not as a file or a row
    lost_log: list          # acked attempts without a line in the final host's log, or without a row of any kind it makes
    doubled: list           # attempts with more than one of these
    final_orders: int       # orders on the final host
    final_lines: int        # lines of its log
    unbalanced: list        # shelves of the final host whose stock and movements do not add up

    @property
    def lost(self):
        """Acknowledged orders that the final host lacks, wholly or in part."""
        return sorted(set(self.lost_files) | set(self.lost_log))


def log_lines(host):
    """The attempts that a host has taken, as its store holds them."""
    return stores.books(host).lines


def order_files(host):
    """The ids of all orders that a host holds."""
    return stores.books(host).orders


def accepted_after(host, moment, written_by=None):
    """Attempts in a host's log taken after a time, by default by that host itself."""
    name = written_by or host.name
    return [line.attempt for line in log_lines(host) if line.host == name and line.time > moment]


def observe(lab, client_run, final, since=None):
    """Judge a client's run (a ClientRun, or the path of its log) against the host that serves in the end."""
    attempts = client_run.attempts() if hasattr(client_run, "attempts") else load.read_log(client_run)
    attempts = [a for a in attempts if since is None or a["start"] >= since]
    host = lab.host(final) if isinstance(final, str) else final
    books = stores.books(host)
    parts = [collections.Counter(line.attempt for line in books.lines), *map(collections.Counter, books.parts)]
    acks = sorted((a for a in attempts if a["status"] == "acked"), key=lambda a: a["end"])
    intervals = _intervals(acks)
    gap = _longest_gap(acks)
    return Observation(
        acked=len(acks),
        failed=dict(collections.Counter(a["status"] for a in attempts if a["status"] != "acked")),
        intervals=intervals, interleaved=_interleaved(intervals),
        downtime=gap[1] - gap[0], gap=gap,
        lost_files=[a["order"] for a in acks if a["order"] not in books.orders],
        lost_log=[a["attempt"] for a in acks if not all(a["attempt"] in part for part in parts)],
        doubled=sorted({attempt for part in parts for attempt, count in part.items() if count > 1}),
        final_orders=len(books.orders), final_lines=len(books.lines), unbalanced=books.unbalanced)


def _intervals(acks):
    found = {}
    for ack in acks:
        first, _ = found.get(ack["host"], (ack["end"], None))
        found[ack["host"]] = (first, ack["end"])
    return found


def _interleaved(intervals):
    ordered = sorted(intervals.values())
    return any(later[0] < earlier[1] for earlier, later in zip(ordered, ordered[1:]))


def _longest_gap(acks):
    ends = [a["end"] for a in acks]
    gaps = [(later - earlier, earlier, later) for earlier, later in zip(ends, ends[1:])]
    return max(gaps)[1:] if gaps else (0.0, 0.0)
