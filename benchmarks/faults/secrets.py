"""Tokens are planted wherever a machine keeps them, and looked for in everything that a run writes or says."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from minimatrix.index import LocalIndex

from compatcheck.store import Store

from .stub_world import StubWorld
from .trials import Trials

PLACES = ADDRESS, ENVIRONMENT, CONFIGURATION, LOGIN, EXCEPTIONS, UNFORESEEN = (
    "in the index's address",
    "in the environment",
    "in pip's and uv's configuration",
    "in netrc and the hub's login",
    "in exceptions of packages",
    "in an unexpected error",
)


def secrets(rounds: int, rng: random.Random) -> list[Trials]:
    rows = {place: Trials(f"secrets: a token {place}, looked for in every artefact") for place in PLACES}
    with tempfile.TemporaryDirectory() as name, LocalIndex() as index:
        for number in range(rounds):
            for kind, place in enumerate(PLACES):
                world = StubWorld(Path(name) / f"{number}-{kind}", index.url, Path(name) / "uv")
                token = f"pl4nted{rng.randrange(16**12):012x}"
                with rows[place].clock() as row:
                    row.count(_told(world, index, place, token))
    return list(rows.values())


def _told(world: StubWorld, index: LocalIndex, place: str, token: str) -> str:
    home = world.folder / "home"
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".config" / "uv").mkdir(parents=True)
    (home / ".cache" / "huggingface").mkdir(parents=True)
    changed = {"HOME": str(home)}
    secret_address = index.url.replace("http://", f"http://user:{token}@")
    if place == ADDRESS:
        world.matrix.write_text(world.matrix.read_text().replace(index.url, secret_address))
        # trouble makes uv and compatcheck speak of the address
        index.disturb("/files/peft-0.2.0-*", status=500)
    elif place == ENVIRONMENT:
        named = ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "UV_INDEX_MINE_PASSWORD", "SOME_SETTING")
        changed |= dict.fromkeys(named, token)
        changed |= {"UV_DEFAULT_INDEX": secret_address, "PIP_INDEX_URL": secret_address}
        world.matrix.write_text(world.matrix.read_text().partition("[index]")[0])
        index.disturb("/files/peft-0.2.0-*", status=500)
    elif place == CONFIGURATION:
        (home / ".config" / "pip" / "pip.conf").write_text(f"[global]\nindex-url = {secret_address}\n")
        (home / ".config" / "uv" / "uv.toml").write_text(f'[[index]]\nurl = "{secret_address}"\ndefault = true\n')
    elif place == LOGIN:
        (home / ".netrc").write_text(f"machine 127.0.0.1 login user password {token}\n")
        (home / ".netrc").chmod(0o600)
        (home / ".cache" / "huggingface" / "token").write_text(token)
        index.disturb("/files/peft-0.2.0-*", status=401)
    elif place == EXCEPTIONS:
        said = (
            f"RuntimeError: cannot fetch https://user:{token}@host/model?token={token} with hf_{token}XYZ, "
            f"Authorization: Bearer {token}"
        )
        _saying(index, said)
        world.matrix.write_text(world.matrix.read_text().replace('"0.2.0"', '"0.0.9"'))
    try:
        said = _everything_said(world, index, changed, secret_address if place == UNFORESEEN else "")
    finally:
        index.calm()
    return _found(world, home, said, token)


def _saying(index: LocalIndex, message: str) -> None:
    from minimatrix.wheels import Release

    index.withdraw("peft", "0.0.9")
    index.publish(Release("peft", "0.0.9", fault="raise-in-train", message=message))


def _everything_said(world: StubWorld, index: LocalIndex, changed: dict[str, str], broken: str) -> str:
    """All that the commands print; each of them has to write something too."""
    commands = [
        world.words("run", "--live", "--jobs", "1"),
        world.words("report", "--reports", str(world.folder / "reports"), "--junit", str(world.folder / "junit.xml")),
        world.words("plan"),
        [sys.executable, "-m", "compatcheck", "env"],
        [sys.executable, "-m", "compatcheck", "env", "--json"],
        [sys.executable, "-m", "compatcheck", "show", "peft0.1.0", "--matrix", str(world.matrix), *world.places],
    ]
    if broken:
        # an error that nobody foresaw, with the token in the command line and in the exception
        code = (
            "import sys\nfrom compatcheck import cli\n"
            f"def odd(words): raise RuntimeError('odd: {broken}')\n"
            "cli.main_inner = odd\nsys.exit(cli.main())"
        )
        commands.append([sys.executable, "-c", code, "recommend", "--index", broken])
    said = []
    for words in commands:
        done = subprocess.run(
            words, env={**world.environment, **changed}, capture_output=True, text=True, timeout=300, cwd=world.folder
        )
        said += [done.stdout, done.stderr]
    log = world.folder / "said.log"
    log.write_text("\n".join(said))
    explained = world.done([sys.executable, "-m", "compatcheck", "explain", str(log)], changed=changed)
    log.unlink()
    return "\n".join([*said, explained.stdout, explained.stderr])


def _found(world: StubWorld, home: Path, said: str, token: str) -> str:
    places = ["what was printed"] if token in said else []
    own = (home, world.uv_cache, world.matrix)
    for path in world.folder.rglob("*"):
        if path.is_file() and not any(path == each or each in path.parents for each in own) and "env" not in path.parts:
            places += [path.name] if token.encode() in path.read_bytes() else []
    places += ["the store"] if any(token.encode() in body for body in _bodies(world.store)) else []
    if not list(world.folder.glob("reports/**/*.html")):
        places.append("(there is no report to look into)")
    return f"found in {', '.join(dict.fromkeys(places))}" if places else ""


def _bodies(path: Path) -> Iterable[bytes]:
    """Every compressed value of the store."""
    with Store(path) as store:
        for table in ("observations", "locks", "expansions"):
            for (body,) in store._rows(f"SELECT body FROM {table}", ()):
                yield zlib.decompress(body)
