from pathlib import Path

import pytest

from compiler.operations.explain import explain
from compiler.refusal import Refusal
from tests.unit.operations.explain.test_key import _environment

DEV = "secrets: {github: {use: [pat, both]}}\n"


@pytest.mark.parametrize("path", ["github", "secrets.github"])
def test_a_secret_is_explained_with_what_the_catalogue_says_and_the_place_of_each_key(
    tmp_path: Path, path: str
) -> None:
    rows = explain(_environment(tmp_path, DEV), path)
    assert [(row.path, row.value, row.where) for row in rows] == [
        ("secrets.github.use", "[pat, both]", "environments/dev.yaml:1:25"),
        ("secrets.github.store", "azure", "environments/base.yaml:2:8"),
        ("secrets.github.namespace", "n", "environments/base.yaml:1:12"),
        ("secrets.github.refreshInterval", "1h", "environments/base.yaml:3:18"),
        ("secrets.github.fetch", "perKey", None),
        ("secrets.github.enabled", "true", None),
        ("secrets.github.remote.azurekv", "g-github", "environments/catalogue.yaml:5:40"),
        ("secrets.github.target", "agent-github", "environments/catalogue.yaml:4:13"),
        ("secrets.github.syncWave", "-49", "environments/catalogue.yaml:6:15"),
        ("github/PAT", "g-github[PAT]", "environments/catalogue.yaml:9:7"),
        ("github/APP", "g-github[APP]", "environments/catalogue.yaml:10:7"),
        ("github/PEM", "pem", "environments/catalogue.yaml:11:7"),
        ("github/OTHER", "elsewhere[OTHER]", "environments/catalogue.yaml:12:7"),
    ]


@pytest.mark.parametrize("start", ["", "secrets."])
def test_a_secret_that_the_environment_does_not_have_is_told_by_what_decides_so(tmp_path: Path, start: str) -> None:
    environment = _environment(tmp_path, "secrets: {github: null}\n")
    (gone,) = explain(environment, f"{start}gone")
    assert (gone.path, gone.value, gone.where) == ("secrets.gone.enabled", "false", "environments/base.yaml:10:19")
    (removed,) = explain(environment, f"{start}github")
    assert (removed.origin, removed.where) == ("removed", "environments/dev.yaml:1:19")
    (unlisted,) = explain(environment, f"{start}unlisted")
    assert (unlisted.origin, unlisted.note) == ("unused", '"dev" does not have the secret')


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("gihub", "github"),
        ("secrets.gihub", "secrets.github"),
        ("gihub/OTHER", "github/OTHER"),
        ("unlistet", "unlisted"),
    ],
)
def test_a_name_that_is_nearly_a_secrets_is_told_which(tmp_path: Path, path: str, meant: str) -> None:
    with pytest.raises(Refusal) as caught:
        explain(_environment(tmp_path, DEV), path)
    assert caught.value.help == f'did you mean "{meant}"?'


def test_a_setting_of_the_environment_is_no_secret(tmp_path: Path) -> None:
    # A secret may have the name of a setting; in full it is still found.
    environment = _environment(tmp_path, DEV)
    assert [row.path for row in explain(environment, "store")] == ["store"]
