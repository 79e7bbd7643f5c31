# SPDX-License-Identifier: Apache-2.0
# An open-loop client: sends orders by the clock, each over a connection of its own, and logs every attempt.
import argparse
import asyncio
import json
import os
import signal
import sys
import time
import uuid


class Client:
    """The sending side: an asyncio loop that never waits for an answer before it sends the next order."""

    def __init__(self, where, rate, timeout, log, stop):
        self._host, _, self._port = where.rpartition(":")
        self._rate, self._timeout, self._log = rate, timeout, log
        self._run = uuid.uuid4().hex[:8]
        self._stop = stop
        self._open = set()

    async def run(self, seconds):
        """Send until told to stop, or for so many seconds."""
        loop = asyncio.get_running_loop()
        begin, number = loop.time(), 0
        while not self._stop.is_set() and (seconds is None or loop.time() < begin + seconds):
            task = loop.create_task(self._attempt(number))
            self._open.add(task)
            task.add_done_callback(self._open.discard)
            if number == 0:
                print("sending", flush=True)
            number += 1
            await self._sleep(begin + number / self._rate - loop.time())
        if self._open:
            await asyncio.wait(self._open)

    async def _sleep(self, seconds):
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except asyncio.TimeoutError:
            pass

    async def _attempt(self, number):
        attempt = f"a-{self._run}-{number:07d}"
        order = f"o-{self._run}-{number:07d}"
        begin = time.time()
        try:
            status, host = await asyncio.wait_for(self._post(order, attempt), self._timeout)
        except asyncio.TimeoutError:
            status, host = "timeout", None
        except OSError as error:
            status, host = type(error).__name__, None
        self._log.write(json.dumps({"attempt": attempt, "order": order, "start": begin, "end": time.time(),
                                    "status": status, "host": host}) + "\n")
        self._log.flush()

    async def _post(self, order, attempt):
        body = json.dumps({"order": order, "attempt": attempt, "item": "apple", "count": 1}).encode()
        reader, writer = await asyncio.open_connection(self._host.strip("[]"), int(self._port))
        try:
            writer.write(b"POST /orders HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n"
                         b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            return _read_answer(await reader.read())
        finally:
            writer.transport.abort() if reader.exception() else writer.close()


def _read_answer(data):
    """(`acked` or the reason against it, the host that answered)."""
    head = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    host = next((line.partition(":")[2].strip() for line in head if line.lower().startswith("x-served-by:")), None)
    words = head[0].split(" ")
    if len(words) < 2:
        return "no answer", host
    return ("acked" if words[1] == "200" else f"status {words[1]}"), host


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", default="10.77.0.10:80", help="address and port")
    parser.add_argument("--rate", type=float, default=50, help="orders a second, of all writers together")
    parser.add_argument("--writers", type=int, default=1, help="that send beside each other, each by its own clock")
    parser.add_argument("--timeout", type=float, default=0.5, help="seconds until an attempt counts as failed")
    parser.add_argument("--seconds", type=float, help="stop by itself after this time")
    parser.add_argument("--log", required=True, help="file for one JSON line an attempt")
    options = parser.parse_args()
    with open(os.path.abspath(options.log), "a", encoding="utf-8") as log:
        async def work():
            stop = asyncio.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            await asyncio.gather(*(Client(options.to, options.rate / options.writers, options.timeout, log, stop)
                                   .run(options.seconds) for _ in range(options.writers)))
        asyncio.run(work())
    return 0


if __name__ == "__main__":
    sys.exit(main())
