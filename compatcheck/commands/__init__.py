"""The subcommands, one a file: each has `add(subparsers)` and `execute(arguments) -> exit code`.

They parse, call, print and choose the exit code; what they know of the domain is the names of the functions to call.
Heavy imports are made inside `execute`, so that `compatcheck --help` answers at once.
"""
