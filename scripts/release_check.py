"""Finds where the parts of a release disagree: version, changelog, chart, pages, tag, wheel, sdist and schemas.

`make release-check` runs it on the working tree. In a workflow for a tag, the tag must be the version's, and the
changelog must have nothing unreleased.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.dist import build_packages, version_in  # noqa: E402  run as a script, its folder alone is on the path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_RELEASE = re.compile(r"^## \[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2})$)?.*?\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
# Pages that name a release of the chart or an image of the program, each with what stands before the version.
PAGES = {
    "README.md": "/platform_secrets-",
    "chart/README.md": r"(?:chart: platform-secrets\n +targetRevision|name: platform-secrets\n +version): ",
    "docs/how-to/argocd.md": "/platform-secrets:",
    "docs/examples/cronjobs/kustomization.yaml": r"/platform-secrets\n +newTag: ",
}
# What the wheel has below `compiler/`, and the sdist as it stands.
_PACKED = ("schemas", "chart")


def disagreements(root: Path, packages: Path, tag: str | None) -> list[str]:
    """What disagrees in the project at `root`, its wheel and sdist in `packages`, and the tag."""
    version = version_in(root)
    return [
        *_in_changelog(root, version, is_tagged=tag is not None),
        *_in_chart(root, version),
        *_in_pages(root, version),
        *([f"the tag is {tag}, not v{version}"] if tag not in (None, f"v{version}") else []),
        *_in_schemas(root),
        *_in_packages(root, packages, version),
    ]


def _in_changelog(root: Path, version: str, *, is_tagged: bool) -> Iterator[str]:
    releases = _RELEASE.findall((root / "CHANGELOG.md").read_text("utf-8"))
    if not releases or releases[0][0] != "Unreleased":
        yield 'CHANGELOG.md: the first heading is not "## [Unreleased]"'
        return
    if is_tagged and releases[0][2].strip():
        yield "CHANGELOG.md: a tagged commit has changes below [Unreleased]"
    newest, date, text = releases[1] if len(releases) > 1 else ("", "", "")
    if newest != version:
        yield f"CHANGELOG.md: the newest release is [{newest}], not [{version}]"
    elif not date or not text.strip():
        yield f"CHANGELOG.md: [{version}] has no date or no text"


def _in_chart(root: Path, version: str) -> Iterator[str]:
    chart = yaml.safe_load((root / "chart/Chart.yaml").read_text("utf-8"))
    for key in ("version", "appVersion"):
        if chart.get(key) != version:
            yield f"chart/Chart.yaml: {key} is {chart.get(key)}, not {version}"


def _in_pages(root: Path, version: str) -> Iterator[str]:
    for page, before in PAGES.items():
        named = re.findall(rf'{before}"?([\d.]+\d)', (root / page).read_text("utf-8"))
        if not named:
            yield f"{page}: names no version"
        yield from (f"{page}: names {other}, not {version}" for other in sorted(set(named) - {version}))


def _in_schemas(root: Path) -> Iterator[str]:
    """A schema without an id is found by its file's name alone."""
    for path in sorted((root / "schemas").rglob("*.json")):
        own = json.loads(path.read_text("utf-8")).get("$id", path.name)
        if own != path.name:
            yield f"{path.relative_to(root)}: $id is {own}"


def _in_packages(root: Path, packages: Path, version: str) -> Iterator[str]:
    names = {path.name for path in packages.iterdir()}
    wheel, sdist = f"platform_secrets-{version}-py3-none-any.whl", f"platform_secrets-{version}.tar.gz"
    if missing := {wheel, sdist} - names:
        yield f"not built: {', '.join(sorted(missing))}"
        return
    with zipfile.ZipFile(packages / wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    yield from _in_package(root, "wheel", files, "compiler/", f"platform_secrets-{version}.dist-info/METADATA")
    with tarfile.open(packages / sdist) as archive:
        members = {member.name.partition("/")[2]: archive.extractfile(member) for member in archive if member.isfile()}
        files = {name: file.read() for name, file in members.items() if file}
    yield from _in_package(root, "sdist", files, "", "PKG-INFO")


def _in_package(root: Path, kind: str, files: Mapping[str, bytes], folder: str, metadata: str) -> Iterator[str]:
    version = version_in(root)
    if f"\nVersion: {version}\n".encode() not in files.get(metadata, b""):
        yield f"{kind}: {metadata} does not say version {version}"
    if f'"{version}"'.encode() not in files.get("compiler/__init__.py", b""):
        yield f"{kind}: compiler/__init__.py is of another version"
    for path in (path for packed in _PACKED for path in sorted((root / packed).rglob("*"))):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not path.name.startswith("values-") and files.get(folder + name) != path.read_bytes():
            yield f"{kind}: {name} is missing or another"


def main() -> int:
    tag = os.environ.get("GITHUB_REF_NAME") if os.environ.get("GITHUB_REF_TYPE") == "tag" else None
    with TemporaryDirectory() as work:
        build_packages(ROOT, Path(work), 0)
        found = disagreements(ROOT, Path(work), tag)
    for line in found:
        print(f"error: {line}", file=sys.stderr)
    if not found:
        print(f"{version_in(ROOT)}: version, changelog, chart, pages, wheel, sdist and schemas agree")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
