from pytorch_ie import PyTorchIEModel  # noqa: F401
