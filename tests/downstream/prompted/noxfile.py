"""A downstream noxfile: the project's own tests over the combinations that should work."""

import nox

from compatcheck.nox import parametrize_matrix


@nox.session(venv_backend="none")
@parametrize_matrix("pyproject.toml", "torch==2.6.0", limit=3)
def tests(session, cell):
    session.run("python", "-c", "import sys; print('pins:', *sys.argv[1:])", *cell.pins, external=True)
