"""A stub of torch: tensors over array.array, just large enough for the probe and for a toy language model."""

from array import array
from contextlib import contextmanager

from ._deeds import act
from ._version import __version__  # noqa: F401

float32, bfloat16, float16 = "float32", "bfloat16", "float16"
gradients = True


class Tensor:
    def __init__(self, data, shape, requires_grad=False):
        self.data, self.shape, self.requires_grad = data, tuple(shape), requires_grad
        self.grad = None
        self.graph = None  # (tensor, its gradient), where this is a loss

    def numel(self):
        return len(self.data)

    def element_size(self):
        return self.data.itemsize

    def data_ptr(self):
        return self.data.buffer_info()[0]

    def detach(self):
        return Tensor(self.data, self.shape)

    def clone(self):
        return Tensor(self.data[:], self.shape, self.requires_grad)

    def copy_(self, other):
        self.data[:] = other.data
        return self

    def cpu(self):
        return self

    contiguous = float = cpu

    def backward(self):
        leaf, gradient = self.graph
        leaf.grad = gradient

    def tolist(self):
        if len(self.shape) < 2:
            return self.data.tolist() if self.shape else self.data[0]
        return [self[index].tolist() for index in range(self.shape[0])]

    def __getitem__(self, index):
        step = len(self.data) // self.shape[0]
        start = (index % self.shape[0]) * step
        return Tensor(self.data[start : start + step], self.shape[1:])

    def __len__(self):
        return self.shape[0]

    def __float__(self):
        return float(self.data[0])


def tensor(values):
    """Numbers, nested in lists to any depth."""
    shape = []
    while isinstance(values, list):
        shape.append(len(values))
        values = [each for row in values for each in row] if isinstance(values[0], list) else tuple(values)
    flat = values if isinstance(values, tuple) else (values,)
    return Tensor(array("f" if isinstance(flat[0], float) else "q", flat), shape)


class Module:
    """A model: tensors in `weights` and `state`, by name, and those of `inner` models."""

    def __init__(self):
        self.weights, self.state, self.inner = {}, {}, {}

    def named_parameters(self):
        return self._named("weights")

    def named_buffers(self):
        return self._named("state")

    def _named(self, kind):
        yield from getattr(self, kind).items()
        for prefix, model in self.inner.items():
            for name, each in model._named(kind):
                yield prefix + "." + name, each

    def parameters(self):
        return (each for _, each in self.named_parameters())

    def to(self, dtype):
        return self

    def eval(self):
        return self

    def __call__(self, *arguments, **named):
        return self.forward(*arguments, **named)


@contextmanager
def no_grad():
    global gradients
    before, gradients = gradients, False
    try:
        yield
    finally:
        gradients = before


def manual_seed(seed):
    act("train")


def set_num_threads(number):
    pass


act("import")
