"""Which versions of a package exist, and when each was released: asked of the package index, final releases only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from .errors import IndexUnavailable, UsageError
from .masking import masked

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests

DEFAULT_INDEX = "https://pypi.org/simple/"
INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
"""Where people tell uv and pip which index to use; the first that is set counts."""
RETRIES = "UV_HTTP_RETRIES"
"""How often uv asks again; followed here too."""


@dataclass(frozen=True)
class Release:
    version: str
    uploaded: datetime | None
    """When its first wheel was uploaded; None where the index does not say."""
    requires_python: str | None = None

    @cached_property
    def parsed(self) -> Version:
        return Version(self.version)


class ReleaseSource(Protocol):
    def releases(self, package: str) -> tuple[Release, ...]:
        """The final releases of `package` that have a wheel and are not yanked, oldest first."""


def index_url(environment: Mapping[str, str] = os.environ) -> str:
    """The index that uv and pip are configured for by environment variable, else the public one."""
    return next((environment[name] for name in INDEX_VARIABLES if environment.get(name)), DEFAULT_INDEX)


class PackageIndex:
    """The simple repository at `url` (JSON or HTML), asked once a package and remembered."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._known: dict[str, tuple[Release, ...]] = {}

    def releases(self, package: str) -> tuple[Release, ...]:
        """Raises UsageError where the index knows no such package, IndexUnavailable where it does not answer."""
        name = canonicalize_name(package)
        if name not in self._known:
            self._known[name] = _final_releases(self.files(name))
        return self._known[name]

    def files(self, name: str) -> list[Any]:
        """What the index has of a package: objects with filename, url, digests, size. Raises as `releases` does."""
        import requests
        from pypi_simple import NoSuchProjectError, PyPISimple, UnsupportedContentTypeError, UnsupportedRepoVersionError

        try:
            with PyPISimple(self.url, session=patient_session()) as client:
                return list(client.get_project_page(name, timeout=60).packages)
        except NoSuchProjectError:
            raise UsageError(
                f"the package index knows no package named {name!r}", "Check the spelling of the axis in the matrix."
            ) from None
        except (
            requests.RequestException,
            UnsupportedContentTypeError,
            UnsupportedRepoVersionError,
            ValueError,
        ) as error:
            raise IndexUnavailable(
                f"the package index did not answer for {name!r}: {masked(str(error))[:300]}",
                "Check the network and the index settings (UV_DEFAULT_INDEX, PIP_INDEX_URL), then run again: "
                "what is already measured is kept.",
            ) from None


def patient_session() -> requests.Session:
    """Asks again where an index is busy or away for a moment, a little later each time, as often as uv does."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    often = os.environ.get(RETRIES, "")
    total = int(often) if often.isdigit() else 3
    again = Retry(total, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=again))
    return session


def _final_releases(files: Iterable[Any]) -> tuple[Release, ...]:
    """The releases behind the files of an index page (objects with filename, version, upload_time ...)."""
    found: dict[Version, Release] = {}
    for file in files:
        if not file.filename.endswith(".whl") or file.is_yanked or file.version is None:
            continue
        try:
            version = Version(file.version)
        except InvalidVersion:
            continue
        if version.is_prerelease or version.local:
            continue
        known = found.get(version)
        uploaded = min(filter(None, (known.uploaded if known else None, file.upload_time)), default=None)
        found[version] = Release(str(version), uploaded, file.requires_python)
    return tuple(found[version] for version in sorted(found))


def newest_of_each_minor(releases: Iterable[Release], specifier: SpecifierSet) -> tuple[Release, ...]:
    """For each major.minor within `specifier`, its newest release; oldest first."""
    newest: dict[tuple[int, int], Release] = {}
    for release in sorted(releases, key=lambda each: each.parsed):
        if release.parsed in specifier:
            newest[release.parsed.major, release.parsed.minor] = release
    return tuple(newest.values())
