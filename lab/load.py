# SPDX-License-Identifier: Apache-2.0
# Starts and stops the client in its own network namespace, and reads what it logged.
import json
import signal
import subprocess
import time

from . import settings
from .net import NETNS


class ClientRun:
    """Load from the client's namespace. `with lab.client(rate=50) as run:` ... then read run.attempts()."""

    def __init__(self, lab, rate=50, writers=1, url="10.77.0.10:80", timeout=0.5, log=None):
        self.rate = rate
        self.log = log or lab.dir / f"client-{time.time_ns()}.jsonl"
        self._argv = ["nsenter", f"--net={NETNS / lab.network.ns('client')}", "/usr/bin/python3", "-m", "lab.client",
                      "--to", url, "--rate", str(rate), "--writers", str(writers), "--timeout", str(timeout), "--log", str(self.log)]
        self._process = None

    def start(self):
        """Begin to send; returns once the first attempt is on its way."""
        self._process = subprocess.Popen(self._argv, cwd=settings.REPOSITORY, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.PIPE)
        if not self._process.stdout.readline():
            raise RuntimeError("the client did not start")
        return self

    def stop(self):
        """Stop sending, wait for the answers that are still out; returns self."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            status = self._process.wait(timeout=30)
            self._process.stdout.close()
            self._process = None
            if status != 0:
                raise RuntimeError(f"the client ended with status {status}")
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def attempts(self):
        """All attempts logged so far, in the order of their ends."""
        return read_log(self.log)

    @property
    def acks(self):
        """The attempts answered with 200, in the order in which the answers came."""
        return [a for a in self.attempts() if a["status"] == "acked"]

    def wait_acks(self, count, seconds=30):
        """Until at least so many attempts were acknowledged in all."""
        end = time.monotonic() + seconds
        while len(self.acks) < count:
            if time.monotonic() > end:
                raise RuntimeError(f"only {len(self.acks)} of {count} orders acknowledged after {seconds} s")
            time.sleep(0.1)


def read_log(path):
    """The attempts of a client's log; a line that is still being written is left out: the file is read in one go, or the
    rest of such a line would follow as a line of its own."""
    with open(path, encoding="utf-8") as log:
        *lines, _ = log.read().split("\n")
    return [json.loads(line) for line in lines]
