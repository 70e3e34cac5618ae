"""Faults, injected for real and counted. One module a kind of fault; `benchmarks/robustness.py` runs them."""
