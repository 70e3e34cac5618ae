"""Stands between the runner and a probe, so that nothing which the probe starts can outlive it or the runner.

It runs as a script of its own (`python -I -S keeper.py TOLD_FD GIVEN_FD COMMAND...`), and imports nothing of
compatcheck and little of the standard library: it is started once for every probe. The command becomes the leader of
a session of its own. On Linux the keeper is the subreaper of all that comes after it: a child that forks twice, leaves
the session and wipes its environment is still the keeper's. When the command ends, or the runner closes the keeper's
standard input (also by dying), every descendant is ended and reaped.

GIVEN_FD is a descriptor that the command inherits. The keeper tells on the descriptor TOLD_FD, a line each: `began
PID`, or `failed WHY` where the command cannot be started; then `ended STATUS`, with the exit code, or minus the number
of the signal.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SUBREAPER, PARENT_DEATH_SIGNAL = 36, 1
"""Options of Linux's prctl."""
PATIENCE = 8.0
"""Seconds until what cannot be ended (a process in uninterruptible sleep) is left alone."""


def prctl(option: int, value: int) -> None:
    if sys.platform.startswith("linux"):
        try:
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
        except (OSError, AttributeError):
            pass


def started(command: list[str], told: int) -> tuple[int, str]:
    """The number of the process that `command` runs in, and why it could not be started (empty where it could)."""
    reading, writing = os.pipe()  # says why exec failed; closed by an exec that works
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            # the command dies with a keeper that is killed
            prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.set_inheritable(told, False)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.execve(command[0], command, os.environ)
        except BaseException as error:
            os.write(writing, str(error).encode("utf-8", "replace"))
        finally:
            os._exit(127)
    os.close(writing)
    why = b""
    while block := os.read(reading, 4096):
        why += block
    os.close(reading)
    return pid, why.decode("utf-8", "replace").replace("\n", " ")


def children(pid: int) -> set[int]:
    """The child processes of all threads of a process, as Linux tells them; empty elsewhere."""
    found: set[int] = set()
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found.update(map(int, file.read().split()))
    except OSError:
        pass
    return found


def descendants() -> set[int]:
    """The processes below this one. A look takes less than a fork: who forks and leaves without end is met too."""
    found: set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        more = children(waiting.pop()) - found
        found |= more
        waiting += more
    return found


def send(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            pass


def end_all(leader: int) -> None:
    """End every descendant: first all are stopped, so that none can fork while the others are ended."""
    stopped: set[int] = set()
    quiet = 0
    deadline = time.monotonic() + PATIENCE
    while quiet < 3 and time.monotonic() < deadline:
        running = descendants() - stopped
        send(running, signal.SIGSTOP)
        stopped |= running
        quiet = 0 if running else quiet + 1
    while time.monotonic() < deadline:
        try:
            os.killpg(leader, signal.SIGKILL)
        except OSError:
            pass
        send(descendants(), signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def watched(leader: int, woken: int) -> int:
    """The status of the command, once it has ended or was ended because the runner is gone."""
    while True:
        # orphans of the command are reaped as they end, as init would do
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == leader:
            return status_of(status)
        if pid:
            continue
        ready, _, _ = select.select([0, woken], [], [])
        if 0 in ready:
            send([leader], signal.SIGKILL)
            return status_of(os.waitpid(leader, 0)[1])
        os.read(woken, 4096)


def status_of(status: int) -> int:
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def main(arguments: list[str]) -> None:
    told, given, command = int(arguments[1]), int(arguments[2]), arguments[3:]
    prctl(SUBREAPER, 1)
    leader, why = started(command, told)
    if why:
        os.write(told, f"failed {why}\n".encode())
        return
    # the command's output ends when the command's own descriptors are closed
    os.close(given)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        os.write(told, f"began {leader}\n".encode())
        status = watched(leader, woken)
    finally:
        end_all(leader)
    os.write(told, f"ended {status}\n".encode())


if __name__ == "__main__":
    main(sys.argv)
