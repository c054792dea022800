"""Builds a release into a folder: wheel, sdist, packed chart, the list of packages that it needs (SBOM), and checksums.

It builds HEAD, not the working tree, and every file has the time of that commit: two builds are equal byte for byte.
`make dist` runs it, with the programs below `.tools`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
CHECKSUMS = "SHA256SUMS"
# Helm 3 writes the time of day into each package.
_PACKS_ALIKE = re.compile(r"v4\.")


class NotBuiltError(Exception):
    """Why there is no release: a program is missing, or one failed."""


def version_in(source: Path) -> str:
    found = re.search(r'^__version__ = "([^"]+)"$', (source / "compiler/__init__.py").read_text("utf-8"), re.MULTILINE)
    if found is None:
        msg = 'compiler/__init__.py has no line __version__ = "…"'
        raise NotBuiltError(msg)
    return found[1]


def build(out: Path) -> list[Path]:
    """Writes the release of HEAD into `out`, which is emptied first, and returns its files."""
    commit_time = int(_run("git", "log", "-1", "--format=%ct", folder=ROOT))
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with TemporaryDirectory() as work:
        source = Path(work) / "source"
        _export_head(source)
        build_packages(source, out, commit_time)
        _run(_helm(), "package", source / "chart", "--destination", out, folder=source)
        _write_sbom(source, out, commit_time)
    files = sorted(out.iterdir())
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    (out / CHECKSUMS).write_text(sums, "utf-8")
    return [*files, out / CHECKSUMS]


def build_packages(source: Path, out: Path, commit_time: int) -> None:
    _run(sys.executable, "-m", "hatchling", "build", "-d", out, folder=source, commit_time=commit_time)


def _export_head(folder: Path) -> None:
    """Writes the commit's files, each with the commit's time, which `helm package` keeps."""
    archive = folder.with_suffix(".tar")
    _run("git", "archive", "--output", archive, "HEAD", folder=ROOT)
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")


def _helm() -> str:
    """A Helm that packs a folder alike each time."""
    for helm in (os.environ.get("HELM4"), str(ROOT / ".tools/helm4/helm"), shutil.which("helm")):
        if helm and Path(helm).is_file() and _PACKS_ALIKE.match(_run(helm, "version", "--short", folder=ROOT)):
            return helm
    msg = "Helm 4 packs the chart, and there is none: run `make dist`, or name one in HELM4"
    raise NotBuiltError(msg)


def _write_sbom(source: Path, out: Path, commit_time: int) -> None:
    """Lists the packages of all extras as `.tools/runtime` has them, installed from requirements/extras.txt."""
    version, project = version_in(source), source / "pyproject.toml"
    # The listing takes the project's version as a text, and would count what only developers install as a dependency.
    text = project.read_text("utf-8").replace('dynamic = ["version"]', f'version = "{version}"')
    project.write_text(re.sub(r"^dev = \[\n.*?^\]\n", "", text, flags=re.MULTILINE | re.DOTALL), "utf-8")
    sbom = out / f"platform-secrets-{version}.cdx.json"
    # Checking the file against its schema takes 14 seconds; `make dist-check` does so, without the forms of URLs.
    options = ("--pyproject", project, "--output-reproducible", "--no-validate", "--output-file", sbom)
    lister = ROOT / ".tools/dist/bin/cyclonedx-py"
    _run(lister, "environment", *options, ROOT / ".tools/runtime", folder=source, commit_time=commit_time)


def _run(*command: str | Path, folder: Path, commit_time: int | None = None) -> str:
    stamp = {} if commit_time is None else {"SOURCE_DATE_EPOCH": str(commit_time)}
    environment = {**os.environ, **stamp}
    try:
        done = subprocess.run(
            list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        msg = f"{command[0]}: {error.strerror}"
        raise NotBuiltError(msg) from error
    if done.returncode:
        msg = f"{Path(command[0]).name} failed:\n{done.stderr}"
        raise NotBuiltError(msg)
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="the folder, which is emptied first")
    arguments = parser.parse_args()
    try:
        if _run("git", "status", "--porcelain", folder=ROOT):
            print("note: the commit at HEAD is built; changes that are not committed are not in it", file=sys.stderr)
        for path in build(arguments.out.resolve()):
            print(f"{path.parent.name}/{path.name}")
    except NotBuiltError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
