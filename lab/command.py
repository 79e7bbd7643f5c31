# SPDX-License-Identifier: Apache-2.0
# Runs commands and says what went wrong with their own words.
import contextlib
import fcntl
import subprocess


class CommandFailed(RuntimeError):
    """A command that ended with another status than 0; carries the whole result."""

    def __init__(self, result):
        self.result = result
        said = _text(result.stderr) or _text(result.stdout)
        super().__init__(f"status {result.returncode}: {result.args}\n{said[-4000:]}")


def _text(value):
    return value.decode(errors="replace") if isinstance(value, bytes) else (value or "")


def run(argv, check=True, input=None, timeout=120, text=True, **more):
    """Run argv, collect its output; CommandFailed unless it ends with 0 or check is off."""
    more.setdefault("stdout", subprocess.PIPE)
    more.setdefault("stderr", subprocess.PIPE)
    if input is None:
        more.setdefault("stdin", subprocess.DEVNULL)
    errors = "surrogateescape" if text else None
    result = subprocess.run([str(a) for a in argv], input=input, timeout=timeout, text=text,
                            errors=errors, check=False, **more)
    if check and result.returncode != 0:
        raise CommandFailed(result)
    return result


@contextlib.contextmanager
def locked(path):
    """Hold an exclusive lock on a file, so that two labs do not build the same thing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
