from adapters import AutoAdapterModel  # noqa: F401
