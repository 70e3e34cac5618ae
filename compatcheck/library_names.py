"""What the library of the Python that runs this has: every module's names, as JSON on stdout. Runs on Python 2.7, too.

On stdin a JSON object may name more names to ask modules for: what a module gives only when it is asked
(collections.Mapping of 3.7 to 3.9), its own list of names does not tell. A module that does not come in, for it was
built without or wants a display, is told without names. What a module has only because a submodule of it was imported
before, counts as a module alone.
"""

from __future__ import print_function

import json
import os
import sys
import sysconfig
import warnings

# what opens a browser, prints, is a test or another program, or is no module
UNREAD = ("antigravity", "this", "idlelib", "turtledemo", "site-packages", "dist-packages",
          "__main__", "__phello__", "__pycache__", "xxlimited", "xxlimited_35", "xxsubtype")  # fmt: skip


def _modules(folder, before):
    for entry in sorted(os.listdir(folder)):
        path = os.path.join(folder, entry)
        name, dot, ending = entry.partition(".")
        if name in UNREAD or "-" in name or name.startswith(("test", "_test")):
            continue
        if ending == "py" or ending.endswith("so"):
            if name != "__init__" and name != "__main__":
                yield before + name
        elif not dot and os.path.isfile(os.path.join(path, "__init__.py")):
            yield before + name
            for module in _modules(path, before + name + "."):
                yield module


def _names(module, asked):
    try:
        __import__(module)
        names = set(dir(sys.modules[module]))
        return sorted(names.union(name for name in asked if hasattr(sys.modules[module], name)))
    except BaseException:
        return []


def main():
    warnings.simplefilter("ignore")
    library = sysconfig.get_path("stdlib")
    found = set(_modules(library, ""))
    extensions = os.path.join(library, "lib-dynload")
    if os.path.isdir(extensions):
        found.update(_modules(extensions, ""))
    found.update(name for name in sys.builtin_module_names if name not in UNREAD)
    told, sys.stdout = sys.stdout, sys.stderr
    asked = json.loads(sys.stdin.read() or "{}")
    names = {module: _names(module, asked.get(module, ())) for module in sorted(found)}
    for module in names:
        names[module] = [name for name in names[module] if module + "." + name not in found]
    json.dump({"python": "%d.%d" % sys.version_info[:2], "modules": names}, told)


if __name__ == "__main__":
    main()
