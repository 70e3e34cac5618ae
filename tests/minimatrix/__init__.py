"""Stub wheels and a loopback package index: the real pipeline in seconds, on good days and bad.

`releases` lists what exists, `wheels` builds it from `stubs/`, `index` serves it as a package index does.
"""
