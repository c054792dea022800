"""Each disagreement between the parts of a release, planted in a copy of what names its version."""

import io
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts.dist import NotBuiltError, version_in
from scripts.release_check import PAGES, disagreements

ROOT = Path(__file__).resolve().parents[3]
VERSION = version_in(ROOT)
NEWEST = f"## [{VERSION}] - "
WHEEL, SDIST = f"platform_secrets-{VERSION}-py3-none-any.whl", f"platform_secrets-{VERSION}.tar.gz"


def pack(root: Path, packages: Path) -> None:
    """Writes a wheel and an sdist with what is compared of them."""
    metadata = f"Name: platform-secrets\nVersion: {VERSION}\n"
    files = {name: (root / name).read_text("utf-8") for name in ("compiler/__init__.py", *packed(root))}
    packages.mkdir()
    with zipfile.ZipFile(packages / WHEEL, "w") as wheel:
        wheel.writestr(f"platform_secrets-{VERSION}.dist-info/METADATA", metadata)
        for name, text in files.items():
            wheel.writestr(name if name.startswith("compiler/") else f"compiler/{name}", text)
    with tarfile.open(packages / SDIST, "w") as sdist:
        for name, text in {"PKG-INFO": metadata, **files}.items():
            member = tarfile.TarInfo(f"platform_secrets-{VERSION}/{name}")
            member.size = len(text.encode())
            sdist.addfile(member, io.BytesIO(text.encode()))


def packed(root: Path) -> list[str]:
    files = (path for folder in ("schemas", "chart") for path in (root / folder).rglob("*") if path.is_file())
    return [path.relative_to(root).as_posix() for path in files if not path.name.startswith("values-")]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for folder in ("schemas", "chart"):
        shutil.copytree(ROOT / folder, root / folder)
    for name in ("CHANGELOG.md", "compiler/__init__.py", *PAGES):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text("utf-8")
    released = re.sub(r"(## \[Unreleased\]\n).*?(?=^## )", r"\1\n", text, flags=re.DOTALL | re.MULTILINE)
    changelog.write_text(released, "utf-8")
    pack(root, tmp_path / "packages")
    return root


def test_a_release_agrees(project: Path, tmp_path: Path) -> None:
    for tag in (None, f"v{VERSION}"):
        assert disagreements(project, tmp_path / "packages", tag) == []


PLANTED = [
    ("CHANGELOG.md", "## [Unreleased]\n", "", 'CHANGELOG.md: the first heading is not "## [Unreleased]"'),
    ("CHANGELOG.md", NEWEST, "## [0.9.0] - ", f"CHANGELOG.md: the newest release is [0.9.0], not [{VERSION}]"),
    ("CHANGELOG.md", NEWEST, f"## [{VERSION}] ", f"CHANGELOG.md: [{VERSION}] has no date or no text"),
    ("chart/Chart.yaml", f"\nversion: {VERSION}", "\nversion: 0.9.0", "chart/Chart.yaml: version is 0.9.0, not"),
    ("chart/Chart.yaml", f"\nappVersion: {VERSION}", "", "chart/Chart.yaml: appVersion is None, not"),
    ("README.md", f"platform_secrets-{VERSION}-", "platform_secrets-0.9.0-", "README.md: names 0.9.0, not"),
    ("chart/README.md", f"targetRevision: {VERSION}", "targetRevision: 0.9.0", "chart/README.md: names 0.9.0, not"),
    ("chart/README.md", f"    version: {VERSION}", "    version: 0.9.0", "chart/README.md: names 0.9.0, not"),
    (
        "docs/how-to/argocd.md",
        f"/platform-secrets:{VERSION}",
        "/platform-secrets:0.9.0",
        "docs/how-to/argocd.md: names 0.9.0, not",
    ),
    (
        "docs/examples/cronjobs/kustomization.yaml",
        f"newTag: {VERSION}",
        "",
        "docs/examples/cronjobs/kustomization.yaml: names no version",
    ),
    (
        "schemas/catalogue.schema.json",
        '"$id": "catalogue.schema.json"',
        '"$id": "entry.schema.json"',
        "schemas/catalogue.schema.json: $id is entry.schema.json",
    ),
    ("schemas/output/put.schema.json", None, "{}", "wheel: schemas/output/put.schema.json is missing or another"),
    ("chart/values.yaml", "\n", "\n\n", "sdist: chart/values.yaml is missing or another"),
]


@pytest.mark.parametrize(("name", "old", "new", "message"), PLANTED, ids=[case[3] for case in PLANTED])
def test_each_disagreement_is_named(
    project: Path, tmp_path: Path, name: str, old: str | None, new: str, message: str
) -> None:
    path = project / name
    text = path.read_text("utf-8") if old else ""
    assert old is None or old in text
    path.write_text(text.replace(old, new, 1) if old else new, "utf-8")
    found = disagreements(project, tmp_path / "packages", None)
    assert any(line.startswith(message) for line in found), found


def test_a_tag_is_that_of_the_version_and_has_nothing_unreleased(project: Path, tmp_path: Path) -> None:
    changelog = project / "CHANGELOG.md"
    text = changelog.read_text("utf-8").replace("## [Unreleased]\n", "## [Unreleased]\n\n- Something new.\n")
    changelog.write_text(text, "utf-8")
    assert disagreements(project, tmp_path / "packages", None) == []
    assert disagreements(project, tmp_path / "packages", "v0.9.0") == [
        "CHANGELOG.md: a tagged commit has changes below [Unreleased]",
        f"the tag is v0.9.0, not v{VERSION}",
    ]


def test_packages_of_another_version_are_named(project: Path, tmp_path: Path) -> None:
    source = project / "compiler/__init__.py"
    source.write_text(source.read_text("utf-8").replace(VERSION, "9.9.9"), "utf-8")
    found = disagreements(project, tmp_path / "packages", None)
    assert "not built: platform_secrets-9.9.9-py3-none-any.whl, platform_secrets-9.9.9.tar.gz" in found
    for name in (WHEEL, SDIST):
        shutil.move(tmp_path / "packages" / name, tmp_path / "packages" / name.replace(VERSION, "9.9.9"))
    found = disagreements(project, tmp_path / "packages", None)
    assert [line for line in found if line.startswith(("wheel", "sdist"))] == [
        "wheel: platform_secrets-9.9.9.dist-info/METADATA does not say version 9.9.9",
        "wheel: compiler/__init__.py is of another version",
        "sdist: PKG-INFO does not say version 9.9.9",
        "sdist: compiler/__init__.py is of another version",
    ]


def test_a_source_without_a_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "compiler").mkdir()
    (tmp_path / "compiler/__init__.py").write_text('"""No version."""\n', "utf-8")
    with pytest.raises(NotBuiltError, match="has no line __version__"):
        version_in(tmp_path)
