"""compatcheck: which combinations of torch, transformers and peft really work, by experiment."""

__version__ = "0.1.0"
