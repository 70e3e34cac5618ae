"""What a broken release does. Every stub wheel carries this file beside its own `_fault.py`.

A fault is either `DEED-in-STAGE` (any deed below, at any place that calls `act`) or the name of an error in
the stub's arithmetic, which asks `faulty`. All is bounded, so that a failing test leaves nothing for long.
"""

# ruff: noqa: PTH100, PTH107, PTH118, PTH120, PTH123, PTH208, UP031

import builtins
import ctypes
import errno
import json
import mmap
import os
import re
import shutil
import signal
import sys
import time

from ._fault import FAULT, MESSAGE, WHEN

done = set()

MIB = 1024 * 1024
GIB = 1024 * MIB
PAGE = 4096
BLOCK = 65536


def faulty(fault):
    """Whether this release was built with `fault`, and the neighbour that brings it out is there."""
    return fault == FAULT and _neighbour_fits()


def act(stage):
    """Do what this release was built to do in `stage`: raise each time, anything else once."""
    deed, _, where = FAULT.rpartition("-in-")
    if where == stage and _neighbour_fits() and stage not in done:
        if deed != "raise":
            done.add(stage)
        DEEDS[deed]()


def _neighbour_fits():
    """WHEN is empty, or `package>=version`."""
    package, _, least = WHEN.partition(">=")
    if not package:
        return True
    version = getattr(sys.modules.get(package), "__version__", None)
    return version is not None and _numbers(version) >= _numbers(least)


def _numbers(version):
    return [int(number) for number in re.findall(r"\d+", version)]


def _request():
    """The probe's own request: the stubs learn from it which descriptor carries the events."""
    with open(sys.argv[1], encoding="utf-8") as file:
        return json.load(file)


def _site_packages():
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _raise():
    kind, _, text = MESSAGE.partition(": ")
    raise getattr(builtins, kind)(text)


def _hang():
    for _ in range(600):
        time.sleep(1)


def _hang_ignoring_sigterm():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _hang()


def _spin():
    end = time.monotonic() + 600
    while time.monotonic() < end:
        pass


def _take(chunk_mib, pause):
    """10 GiB, every page touched, a chunk at a time."""
    held = []
    for _ in range(10 * 1024 // chunk_mib):
        chunk = bytearray(chunk_mib * MIB)
        chunk[::PAGE] = b"x" * (chunk_mib * MIB // PAGE)
        held.append(chunk)
        time.sleep(pause)


def _child(work):
    """The number of a new child process that does `work`."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def _note(pid):
    """Tell the test: the file `children` in the probe's work directory lists what was started."""
    with open(os.path.join(_request()["work"], "children"), "a", encoding="ascii") as file:
        file.write("%d\n" % pid)


def _allocate_in_child():
    pid = _child(lambda: _take(32, 0.02))
    _note(pid)
    os.waitpid(pid, 0)


def _sleep_a_minute():
    time.sleep(60)


def _fork_storm():
    for _ in range(50):
        _note(_child(_sleep_a_minute))


def _daemonise():
    """A grandchild in another session, out of reach of the process group, holding every descriptor open."""

    def leave():
        os.setsid()
        _note(_child(_sleep_a_minute))

    os.waitpid(_child(leave), 0)


def _flood(descriptor, line, blocks=1024):
    block = (line * (BLOCK // len(line) + 1))[:BLOCK]
    for _ in range(blocks):
        os.write(descriptor, block)


def _write_garbage_protocol():
    """Lines that are no events, each whole: what comes after them is intact."""
    lines = [
        b"\xff\xfe\x00 not text",
        b"not JSON",
        b"[" * 5000,
        b"",
        b"[]",
        b"17",
        b'"done"',
        b"null",
        b"{}",
        b'{"event": 3}',
        b'{"event": NaN}',
        b'{"event": "unheard-of"}',
        b'{"event": "check"}',
        b'{"event": "stage-began"}',
        b'{"event": "stage-ended", "stage": "lunch", "status": "ok"}',
    ]
    os.write(_request()["events_fd"], b"\n".join(lines) + b"\n")


def _tear_protocol():
    os.write(_request()["events_fd"], b'{"event": "stage-en')
    os._exit(0)


def _close_descriptors():
    os.closerange(0, 2**16)  # whatever the number that the events have got


def _illegal_instruction():
    """Really executed where the processor is known: ud2."""
    if os.uname().machine == "x86_64":
        page = mmap.mmap(-1, PAGE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(b"\x0f\x0b")
        ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
    os.kill(os.getpid(), signal.SIGILL)


def _daemonise_unmarked():
    """As _daemonise, and nothing of the environment, the descriptors or the command line tells whose it is."""

    def leave():
        os.setsid()
        pid = os.fork()
        if pid:
            _note(pid)
            return
        os.closerange(0, 2**16)
        os.chdir("/")
        os.execve("/bin/sleep", ["sleep", "60"], {})

    os.waitpid(_child(leave), 0)


def _storm_without_end():
    """Children that have children, each with a session and no environment, as fast as they can, for a few seconds."""

    def breed():
        end = time.monotonic() + 5
        while time.monotonic() < end:
            os.setpgid(0, 0)
            if os.fork():
                os._exit(0)

    _note(_child(breed))
    time.sleep(0.3)


def _fill_disk():
    """Up to 1 GiB into its own folder; what the system says to that comes out."""
    with open("filling", "wb", buffering=0) as file:
        for _ in range(256):
            if file.write(b"x" * (4 * MIB)) < 4 * MIB:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            time.sleep(0.005)


def _say(*events):
    lines = b"".join(json.dumps(each).encode("ascii") + b"\n" for each in events)
    os.write(_request()["events_fd"], lines)


def _lie_and_die():
    """Forge a whole pass, and die."""
    _say({"event": "stage-ended", "stage": "train", "status": "ok", "seconds": 1.0, "peak_rss_mib": 1.0, "chain": []})
    for stage in ("save", "reload", "generate", "verify"):
        _say({"event": "stage-began", "stage": stage})
        _say({"event": "stage-ended", "stage": stage, "status": "ok", "seconds": 1.0, "peak_rss_mib": 1.0, "chain": []})
    _say({"event": "done"})
    ctypes.string_at(0)


def _lie_and_leave():
    """Say that all is done, and leave, with the stage's own end forged too."""
    _say({"event": "stage-ended", "stage": "train", "status": "ok", "seconds": 1.0, "peak_rss_mib": 1.0, "chain": []})
    _say({"event": "done"})
    os._exit(0)


def _lie_in_numbers():
    """Fields of the right names with values that no stage has."""
    for value in (float("nan"), float("inf"), -1, 1e400, 10**400, "1", None, [], {}):
        ended = {"event": "stage-ended", "stage": "train", "status": "ok", "peak_rss_mib": 1.0, "chain": []}
        _say({**ended, "stage": "verify", "seconds": value}, {**ended, "stage": value, "seconds": 1.0})
        _say({"event": "check", "name": value, "passed": value, "measured": value, "limit": 0, "detail": 1, "mode": 7})
        _say({"event": "mode", "mode": value, "status": "ok", "seconds": 0.1, "chain": []})


def _write_enormous_line():
    """One line of 8 MiB; then the cycle goes on."""
    line = b'{"event": "facts", "facts": {"noise": "' + b"x" * (8 * MIB) + b'"}}\n'
    while line:
        line = line[os.write(_request()["events_fd"], line) :]


def _delete_work():
    shutil.rmtree("../home", ignore_errors=True)


def _spoil_torch():
    with open(os.path.join(_site_packages(), "torch", "__init__.py"), "a", encoding="ascii") as file:
        file.write("\nraise ImportError('spoilt by another cell')\n")


def _spoil_settings():
    """The environment's own settings: from now on it would see the packages of the system."""
    path = os.path.join(sys.prefix, "pyvenv.cfg")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("= false", "= true") + "prompt = spoilt\n")


def _write_into_site_packages():
    with open(os.path.join(_site_packages(), "stray.py"), "w", encoding="ascii") as file:
        file.write("raise ImportError('left behind by another cell')\n")


def _spoil_neighbour():
    """In place, so that a file shared by a hard link is spoilt wherever else it is linked."""
    with open(os.path.join(_site_packages(), "accelerate", "__init__.py"), "a", encoding="ascii") as file:
        file.write("\nraise ImportError('spoilt by another cell')\n")


def _delete_own_files():
    here = os.path.dirname(os.path.abspath(__file__))
    for name in os.listdir(here):
        if name.endswith(".py"):
            os.remove(os.path.join(here, name))


DEEDS = {
    "raise": _raise,
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "illegal-instruction": _illegal_instruction,
    "sigkill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit-zero": lambda: os._exit(0),
    "exit-seven": lambda: os._exit(7),
    "sys-exit": lambda: sys.exit(0),
    "hang": _hang,
    "hang-ignoring-sigterm": _hang_ignoring_sigterm,
    "spin": _spin,
    "allocate-memory": lambda: _take(32, 0.02),
    "allocate-in-child": _allocate_in_child,
    "slow-leak": lambda: _take(1, 0.01),
    "flood-stdout": lambda: _flood(1, b"noise on standard output\n"),
    "flood-stderr": lambda: _flood(2, b"noise on standard error\n"),
    "flood-protocol": lambda: _flood(_request()["events_fd"], b"x"),
    "flood-protocol-lines": lambda: _flood(
        _request()["events_fd"], b'{"event": "facts", "facts": {"noise": "%s"}}\n' % (b"x" * 1000)
    ),
    "garbage-protocol": _write_garbage_protocol,
    "torn-protocol": _tear_protocol,
    "fork-storm": _fork_storm,
    "daemonised-child": _daemonise,
    "closes-pipes": _close_descriptors,
    "writes-into-site-packages": _write_into_site_packages,
    "spoils-neighbour": _spoil_neighbour,
    "deletes-own-files": _delete_own_files,
    "unmarked-daemon": _daemonise_unmarked,
    "endless-storm": _storm_without_end,
    "fills-disk": _fill_disk,
    "lies-and-dies": _lie_and_die,
    "lies-and-leaves": _lie_and_leave,
    "lies-in-numbers": _lie_in_numbers,
    "enormous-line": _write_enormous_line,
    "deletes-work": _delete_work,
    "spoils-torch": _spoil_torch,
    "spoils-settings": _spoil_settings,
    "torrent-stdout": lambda: _flood(1, b"noise on standard output\n", GIB // BLOCK),
    "torrent-stderr": lambda: _flood(2, b"noise on standard error\n", GIB // BLOCK),
    "chdir": lambda: os.chdir("/"),
}
