from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import platforms
from tests.api_double import ApiDouble
from tests.live_platform import LivePlatform
from tests.own_process import LIVE, OwnProcesses, processes_with

ROOT = Path(__file__).parents[2]
BASE = """\
namespace: ai-platform
store: old
refreshInterval: 1h
externalSecretsOperator: "2.9"
stores:
  old: {provider: shelf, name: old-shelf, shelfUrl: "https://old.shelf.example.com"}
  new: {provider: shelf, name: new-shelf, shelfUrl: "https://new.shelf.example.com"}
secrets:
  github: {}
"""
CATALOGUE = platforms.CATALOGUE.replace("vault: platform/github, azurekv: platform-github", "shelf: books/github")
OLD, NEW = "https://old.shelf.example.com", "https://new.shelf.example.com"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return platforms.write_project(tmp_path, base=BASE, dev="{}\n", catalogue=CATALOGUE)


Run = Callable[..., list[Any]]
PROGRAM = "import sys; from tests.third_provider.commands import run; run(*sys.argv[1:])"
# The first is the registry with one provider more: what comes after it is imported with that.
MODULES = ("tests.third_provider.commands", *LIVE, "compiler.cluster.client")


@pytest.fixture(scope="module")
def processes() -> Iterator[OwnProcesses]:
    with processes_with(MODULES) as processes:
        yield processes


@pytest.fixture
def run(processes: OwnProcesses) -> Run:
    """The books on each shelf after each command, all of which end with `code`, and what they said."""

    def run(root: Path, *commands: list[str], code: int = 0, variables: Mapping[str, str] | None = None) -> list[Any]:
        words, variables = [json.dumps(command) for command in commands], {**os.environ, **(variables or {})}
        done = processes.run(PROGRAM, str(root), *words, variables=variables)
        assert done.returncode == 0, done.stdout + done.stderr
        lines = done.stdout.splitlines()
        found = [json.loads(line.removeprefix("DONE ")) for line in lines if line.startswith("DONE ")]
        assert [each for each, _ in found] == [code] * len(commands), done.stdout + done.stderr
        return [*(held for _, held in found), done.stdout + done.stderr]

    return run


def test_a_provider_from_a_folder_of_its_own_compiles_moves_and_goes_back(root: Path, run: Run) -> None:
    move = ["migrate", "dev", "--to", "new", "--apply"]
    undo = ["--undo", "NEWEST", "--apply"]
    compiled, verified, moved, undone, again, switched, retired, back, _ = run(
        root,
        ["compile", "--all"],
        ["verify", "dev"],
        move,
        ["migrate", "dev", *undo],
        [*move, "--recover"],
        ["cutover", "dev", "github", "--to", "new", "--apply"],
        ["retire", "dev", "--store", "old", "--without-cluster", "--apply"],
        ["retire", "dev", *undo],
    )
    book = ["books/github"]
    assert compiled == verified == {OLD: book}
    assert moved == again == switched == back == {OLD: book, NEW: book}
    assert undone == {OLD: book, NEW: []}
    assert retired == {OLD: [], NEW: book}
    assert "new-shelf" in (root / "chart/values-dev.yaml").read_text("utf-8")


def test_its_schema_and_its_rules_count(root: Path, run: Run) -> None:
    found, _ = run(root, ["rules", "shelf-without-name"])
    assert found == {OLD: ["books/github"]}
    assert not (ROOT / "compiler").joinpath("stores/shelf").exists()


def test_the_demo_is_told_with_the_stores_that_it_has(tmp_path: Path, processes: OwnProcesses) -> None:
    program = (
        "import sys; from pathlib import Path; import tests.third_provider.commands;"
        "from compiler.demo.servers import DemoStores; from compiler.demo.story import write_project;"
        "root, openbao, key_vault = Path(sys.argv[1]), 'http://127.0.0.1:8200', 'https://localhost:8443';"
        "write_project(root, DemoStores(root, openbao, 'an-id', key_vault, {}, 0), with_typo=False)"
    )
    done = processes.run(program, str(tmp_path), variables=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    base = yaml.safe_load((tmp_path / "environments/base.yaml").read_text("utf-8"))
    assert base["stores"].keys() >= {"vault", "azure"}


CLASS = """\
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: a, namespace: team}
spec: {provider: shelf, secretObjects: [{secretName: a, data: [{objectName: word, key: WORD}]}], parameters: {}}
"""


def test_a_secret_provider_class_of_it_is_refused_and_no_defect(root: Path, run: Run) -> None:
    (root / "in.yaml").write_text(CLASS, "utf-8")
    words = ["import", "secret-provider-class", str(root / "in.yaml"), "--environment", "dev"]
    _, said = run(root, words, code=1)
    assert "its provider is not supported" in said


NEW_STORE = ["new", "store", "third", "--provider", "shelf", "--auth", "card", "--shelf-url", NEW, "--floor", "2"]


def test_a_new_store_has_its_options(root: Path, run: Run) -> None:
    run(root, ["new", "chart"], [*NEW_STORE, "--card-key", "card"], ["compile", "dev"])
    written = yaml.safe_load((root / "environments/base.yaml").read_text("utf-8"))["stores"]["third"]
    assert (written["shelfUrl"], written["floor"]) == (NEW, "2")
    (spec,) = yaml.safe_load((root / "chart/values-dev.yaml").read_text("utf-8"))["clusterSecretStores"].values()
    assert spec["provider"]["shelf"] == {"shelfUrl": NEW, "floor": "2", "cardSecretRef": written["auth"]["card"]}


def test_a_new_project_has_it_everywhere(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "shop"
    run(tmp_path, ["new", "project", str(folder), "--store", "shelf", "--shelf-url", OLD])
    run(folder, ["new", "secret", "db", "--key", "DB_USER", "--into", "base"], ["compile", "--all"])
    base = yaml.safe_load((folder / "environments/base.yaml").read_text("utf-8"))
    assert base["stores"]["shelf"] == {"provider": "shelf", "name": "shelf-store", "shelfUrl": OLD}
    catalogue = yaml.safe_load((folder / "environments/catalogue.yaml").read_text("utf-8"))
    assert catalogue["secrets"]["db"]["remote"]["shelf"]
    assert "shelf" in (folder / "chart/values.schema.json").read_text("utf-8")


def test_a_live_store_object_is_told_from_another(root: Path, run: Run) -> None:
    with ApiDouble() as double:
        LivePlatform(double).store("old-shelf", {"shelf": {"shelfUrl": NEW}})
        cluster = {"KUBECONFIG": str(double.kubeconfig(root))}
        _, said = run(root, ["verify", "dev", "--cluster"], code=1, variables=cluster)
    where = 'its `shelfUrl` leads to "new.shelf.example.com", not "old.shelf.example.com"'
    assert f'the ClusterSecretStore "old-shelf" leads to another store than "old": {where}' in said


@pytest.mark.parametrize(("live", "kept"), [(f"{OLD}:443/", ["books/github"]), (NEW, [])])
def test_a_book_that_the_cluster_reads_stays(live: str, kept: list[str], root: Path, run: Run) -> None:
    reference = {"kind": "ClusterSecretStore", "name": "elsewhere"}
    data = [{"secretKey": "TOKEN", "remoteRef": {"key": "books/github", "property": "GITHUB_TOKEN"}}]
    reader = {"metadata": {"name": "reader", "namespace": "team"}, "spec": {"secretStoreRef": reference, "data": data}}
    with ApiDouble() as double:
        LivePlatform(double).store("elsewhere", {"shelf": {"shelfUrl": live}})
        double.put("externalsecrets", reader)
        *_, held, said = run(
            root,
            ["migrate", "dev", "--to", "new", "--apply"],
            ["cutover", "dev", "github", "--to", "new", "--apply"],
            ["retire", "dev", "--store", "old", "--cluster", "--apply"],
            variables={"KUBECONFIG": str(double.kubeconfig(root))},
        )
    assert held == {OLD: kept, NEW: ["books/github"]}
    assert ("ExternalSecret team/reader" in said) == bool(kept)
