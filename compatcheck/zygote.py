"""A process that has imported the lower layers of a cell, and forks a child for every cell that shares them.

It runs INSIDE a cell's environment as a script of its own: it imports nothing of compatcheck and runs on Python 3.8 and
later, on Linux. Usage: `python -I zygote.py CONTROL MARK PROBE.py`: the descriptor of a socket (AF_UNIX,
SOCK_SEQPACKET), the environment variable by which a probe's descendants are found, and the probe's script.

Every request is one JSON message, every answer another:

    {"do": "load", "modules": ["torch"], "guarded": ["peft"]}    import these, and nothing of what is guarded
    {"do": "split"} with a socket                                a copy of this process that serves the other socket
    {"do": "check"}                                              is what was imported still what the environment holds?
    {"do": "run", "request": PATH, ...} with four descriptors    fork a child that runs the probe; answered twice

What makes a child as good as a cold process is checked before each fork: no thread is alive; every file that was loaded
is still there, unchanged; and whatever the imports asked about the environment (is there a module of that name, which
version has that distribution, which entry points are there) has the same answer still.
"""

import array
import ast
import ctypes
import functools
import gc
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import os
import select
import socket
import sys
import sysconfig
import tempfile
import time
import traceback
import types
import weakref

MESSAGE_CAP = 4 * 2**20
SAID_CAP = 64 * 1024
POLL_SECONDS = 0.004
EVENTS = 3
"""The descriptor by which a child tells its events."""
STANDARD = (sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["platstdlib"])


class Guarded(BaseException):
    """Something was to be imported that belongs to an upper layer."""


class Version(str):
    """A version that was told to an import, so that it can be seen whether anybody has kept it."""

    __slots__ = ("__weakref__",)


class GuardLoader:
    """Stands in the place of a guarded module's loader: the module can be found, and not be imported."""

    def __init__(self, guard):
        self.guard = guard

    def create_module(self, spec):
        self.guard.tripped += 1
        raise Guarded(spec.name)

    def exec_module(self, module):
        raise Guarded(module.__name__)


class Footprint:
    """What imports took from the environment: the files they loaded, and what they asked about it.

    While it is watching, it is the first finder of sys.meta_path.
    """

    def __init__(self):
        self.files = {}
        """Path to size, time of the last change (ns) and inode."""
        self.seen = set()
        self.asked = set()
        """Top-level modules that were looked for."""
        self.versions = {}
        """Distribution that was asked for to its version; None where there is none."""
        self.told = []
        self.kept = set()
        """Distributions whose version somebody has kept: for these it must stay the same."""
        self.answers = {}
        """Top-level module that was looked for and not imported, to whether there is one."""
        self.entry_points = {}
        self.listed = None
        """The names of all distributions, where somebody has asked for them."""
        self.guarded = set()
        self.tripped = 0
        self.startup = path_files()

    # ------------------------------------------------------------------ while imports run

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top == name:
            self.asked.add(name)
        if top not in self.guarded and name not in self.guarded:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = GuardLoader(self)
        return spec

    def watching(self):
        """Watch until the returned function is called."""
        metadata = importlib.metadata
        distribution, points, found = metadata.Distribution, metadata.entry_points, metadata.distributions
        by_name, version = distribution.__dict__["from_name"], distribution.__dict__["version"]

        def told_version(other):
            text, name = Version(version.fget(other)), other.metadata["Name"]
            self.versions.setdefault(name, str(text))
            self.told.append((name, weakref.ref(text)))
            return text

        def from_name(cls, name):
            try:
                one = by_name.__get__(None, cls)(name)
            except metadata.PackageNotFoundError:
                self.versions[name] = None
                raise
            self.versions.setdefault(name, version.fget(one))
            return one

        @functools.wraps(points)
        def entry_points(**wanted):
            if watched[0]:
                self.entry_points[json.dumps(wanted, sort_keys=True)] = pointed(points, wanted)
            return points(**wanted)

        @functools.wraps(found)
        def distributions(**wanted):
            if watched[0]:
                self.listed = distribution_names()
            return found(**wanted)

        watched = [True]
        distribution.version, distribution.from_name = property(told_version), classmethod(from_name)
        metadata.entry_points, metadata.distributions = entry_points, distributions
        sys.meta_path.insert(0, self)

        def end():
            # whoever has bound one of these by name goes on with it: from now on they only pass on
            watched[0] = False
            distribution.version, distribution.from_name = version, by_name
            metadata.entry_points, metadata.distributions = points, found
            sys.meta_path.remove(self)

        return end

    def settle(self):
        """Note the files that were loaded, forget memoised answers, and see which versions somebody has kept."""
        fresh = [(name, module) for name, module in list(sys.modules.items()) if name not in self.seen]
        for name, module in fresh:
            self.seen.add(name)
            path = getattr(getattr(module, "__spec__", None), "origin", None)
            if path and os.path.isabs(path) and path not in self.files:
                self.files[path] = state_of(path)
            if path and "-packages" in path:
                forget_memoised(module)
        gc.collect()
        self.told = [(name, text) for name, text in self.told if text() is not None]
        self.kept |= {canonical(name) for name, _ in self.told}

    # ------------------------------------------------------------------ before each fork

    def objections(self):
        """What in the environment is not as it was when it was imported; empty where all of it is."""
        importlib.invalidate_caches()
        found = []
        if self.startup != path_files():
            found.append("the .pth files")
        found += [path for path, state in self.files.items() if state_of(path) != state]
        loaded = {name.partition(".")[0] for name in self.seen}
        missing = sorted(self.asked - loaded)
        now = {name: importlib.machinery.PathFinder.find_spec(name) is not None for name in missing}
        for name in missing:
            if self.answers.setdefault(name, now[name]) != now[name]:
                found.append("whether there is a module %s" % name)
        for name, version in self.versions.items():
            current = version_of(name)
            # that there is one is always kept; which one is only where the text is
            if current != version and (version is None or current is None or canonical(name) in self.kept):
                found.append("the version of %s" % name)
        for wanted, points in self.entry_points.items():
            if pointed(importlib.metadata.entry_points, json.loads(wanted)) != points:
                found.append("the entry points of %s" % wanted)
        if self.listed is not None and self.listed != distribution_names():
            found.append("the names of the distributions")
        return found


def canonical(name):
    return name.lower().replace("_", "-").replace(".", "-")


def state_of(path):
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns, state.st_ino


def version_of(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def pointed(entry_points, wanted):
    return sorted((each.group, each.name, each.value) for each in entry_points(**wanted)) if wanted else None


def site_folders():
    return [path for path in sys.path if path.rstrip("/").endswith("-packages")]


def distribution_names():
    return sorted(
        canonical(name.partition("-")[0]) for folder in site_folders() for name in os.listdir(folder)
        if name.endswith(".dist-info")
    )  # fmt: skip


def path_files():
    """The .pth files, which an interpreter obeys when it starts."""
    found = {}
    for folder in site_folders():
        for name in sorted(os.listdir(folder)):
            if name.endswith(".pth"):
                with open(os.path.join(folder, name), "rb") as file:
                    found[name] = file.read()
    return found


def forget_memoised(module):
    """Empty the caches of a module's memoised functions: what they answered was for another upper layer."""
    for value in list(vars(module).values()):
        if isinstance(value, functools._lru_cache_wrapper):
            value.cache_clear()


def imports_guarded(spec, guarded):
    """Whether a module's own code, as read and not run, imports something guarded."""
    path = spec.origin or ""
    if not path.endswith(".py") or (path.startswith(STANDARD) and "site-packages" not in path):
        return False
    with open(path, "rb") as file:
        source = file.read()
    if not any(name.encode() in source for name in guarded):
        return False
    waiting = list(ast.parse(source).body)
    while waiting:
        node = waiting.pop()
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        if any(name.partition(".")[0] in guarded for name in names):
            return True
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)
    return False


def loaded_names():
    """The modules of this process that another one can import by their name, in the order of their imports."""
    names = []
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        origin = getattr(spec, "origin", None) or ""
        if getattr(spec, "name", None) == name and name != "__main__":
            if origin in ("built-in", "frozen") or origin.startswith(STANDARD) or "site-packages" in origin:
                names.append(name)
    return names


def environment_address(name):
    """Where the value of an environment variable lies that this process was started with."""
    entries = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
    start, place = name.encode() + b"=", 0
    while entries[place]:
        text = ctypes.string_at(entries[place])
        if text.startswith(start):
            return entries[place] + len(start), len(text) - len(start)
        place += 1
    raise SystemExit("the environment lacks %s" % name)


class Zygote:
    def __init__(self, control, mark, probe):
        self.control = control
        self.mark, self.address = mark, environment_address(mark)
        self.probe = probe
        with open(probe, encoding="utf-8") as file:
            self.code = compile(file.read(), probe, "exec", dont_inherit=True)
        self.footprint = Footprint()
        self.environment = dict(os.environ)

    # ------------------------------------------------------------------ messages

    def receive(self):
        """The next request with the descriptors that came with it; None where the other end is gone."""
        place = array.array("i")
        data, ancillary, _, _ = self.control.recvmsg(MESSAGE_CAP, socket.CMSG_LEN(8 * place.itemsize))
        for level, kind, body in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                place.frombytes(body[: len(body) - len(body) % place.itemsize])
        return (json.loads(data), list(place)) if data else (None, [])

    def send(self, **answer):
        self.control.send(json.dumps(answer).encode())

    def serve(self):
        while True:
            request, descriptors = self.receive()
            if request is None:
                os._exit(0)
            try:
                answer = getattr(self, "do_" + request["do"])(request, descriptors)
            except Exception as error:
                traceback.print_exc()
                answer = {"refused": "%s: %s" % (type(error).__name__, error)}
            for descriptor in descriptors:
                os.close(descriptor)
            self.send(**answer)

    # ------------------------------------------------------------------ requests

    def do_load(self, request, descriptors):
        """Import modules, in their order. What cannot be imported here is left to the cells."""
        footprint = self.footprint
        guarded, left, failed = set(request["guarded"]), [], []
        footprint.guarded, footprint.tripped = set(guarded), 0
        poisoned = []
        end = footprint.watching()
        try:
            for name in request["modules"]:
                if name in sys.modules:
                    continue
                before = footprint.tripped
                try:
                    spec = importlib.util.find_spec(name)
                    if spec is None:
                        continue
                    if guarded and imports_guarded(spec, guarded):
                        footprint.guarded.add(name)
                        left.append(name)
                        continue
                    importlib.import_module(name)
                    if footprint.tripped != before:
                        poisoned.append(name)
                except Guarded:
                    left.append(name)
                except Exception as error:
                    failed.append("%s: %s: %s" % (name, type(error).__name__, str(error)[:200]))
        finally:
            end()
        footprint.settle()
        footprint.objections()
        sys.stdout.flush()
        sys.stderr.flush()
        return {
            "modules": len(sys.modules),
            "tops": sorted({name.partition(".")[0] for name in sys.modules}),
            "left": left,
            "failed": failed,
            "poisoned": poisoned,
            "kept": sorted(footprint.kept),
            "threads": threads_alive(),
        }

    def do_check(self, request, descriptors):
        return {"objections": self.footprint.objections(), "threads": threads_alive()}

    def do_split(self, request, descriptors):
        pid = self.forked()
        if pid == 0:
            self.control.close()
            self.control = socket.socket(fileno=os.dup(descriptors[0]))
            os.close(descriptors[0])
            self.serve()
        return {"pid": pid}

    def do_run(self, request, descriptors):
        pid = self.forked()
        if pid == 0:
            try:
                self.become_cell(request, descriptors)
            finally:
                os._exit(1)
        while descriptors:
            os.close(descriptors.pop())
        self.send(pid=pid)
        return {"ended": self.waited(pid)}

    def forked(self):
        if threads_alive() != 1:
            raise RuntimeError("%d threads are alive" % threads_alive())
        while True:
            # copies of this process that have ended
            try:
                if os.waitpid(-1, os.WNOHANG) == (0, 0):
                    break
            except ChildProcessError:
                break
        sys.stdout.flush()
        sys.stderr.flush()
        gc.collect()
        gc.freeze()
        return os.fork()

    def waited(self, pid):
        """How `pid` ended, as of os.waitpid. Where the other end of the socket goes away first, all ends."""
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return status
            if select.select([self.control], [], [], POLL_SECONDS)[0]:
                try:
                    os.killpg(pid, 9)
                except OSError:
                    pass
                os._exit(0)

    # ------------------------------------------------------------------ in the child

    def become_cell(self, request, descriptors):
        """Be what a cold process would be, and run the probe. Does not return."""
        os.setsid()
        self.control.close()
        said = [self.said(descriptor) for descriptor in (1, 2)]
        high = [os.dup(descriptor) for descriptor in descriptors]
        for descriptor in descriptors:
            os.close(descriptor)
        for place, descriptor in enumerate(high):
            os.dup2(descriptor, place)
            os.close(descriptor)
        for place, text in enumerate(said, 1):
            os.write(place, text)
        os.chdir(request["home"])
        address, length = self.address
        # in place: it is where /proc looks, and where children of this process inherit it
        ctypes.memmove(address, request["environment"][self.mark].encode().ljust(length, b"\0")[:length], length)
        changes = {name: value for name, value in os.environ.items() if self.environment.get(name) != value}
        gone = set(self.environment) - set(os.environ)
        os.environ.clear()
        os.environ.update({**request["environment"], **changes})
        for name in gone:
            os.environ.pop(name, None)
        sys.argv[:] = [self.probe, request["request"]]
        if request.get("learn"):
            os._exit = telling(request["learn"], os._exit)
        importlib.invalidate_caches()
        tempfile.tempdir = None
        main = types.ModuleType("__main__")
        main.__file__ = self.probe
        sys.modules["__main__"] = main
        code = 0
        try:
            exec(self.code, main.__dict__)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    @staticmethod
    def said(descriptor):
        """What importing the layers wrote: a cold process would have written it too."""
        try:
            with open("/proc/self/fd/%d" % descriptor, "rb") as file:
                return file.read(SAID_CAP)
        except OSError:
            return b""


def telling(path, leave):
    """An os._exit that first notes which modules were loaded."""

    def _exit(code):
        try:
            with open(path, "w", encoding="utf-8") as file:
                json.dump(loaded_names(), file)
        finally:
            leave(code)

    return _exit


def threads_alive():
    return len(os.listdir("/proc/self/task"))


def main(arguments):
    control = socket.socket(fileno=int(arguments[1]))
    if control.fileno() == EVENTS:
        control = socket.socket(fileno=os.dup(control.detach()))
    # so that nothing that is imported opens a file there
    os.dup2(os.open(os.devnull, os.O_RDONLY), EVENTS)
    zygote = Zygote(control, arguments[2], arguments[3])
    zygote.send(ready=True, pid=os.getpid(), at=time.time())
    zygote.serve()


if __name__ == "__main__":
    main(sys.argv)
