"""A stub of accelerate: nothing that a cell names, and yet able to break its training."""

from ._deeds import act
from ._version import __version__  # noqa: F401


class Accelerator:
    def prepare(self, model):
        act("train")
        return model


act("import")
