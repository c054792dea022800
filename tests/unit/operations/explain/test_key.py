from pathlib import Path

import pytest

from compiler.model.environment import Environment
from compiler.operations.explain import explain
from compiler.pipeline import compile_project
from compiler.refusal import Refusal

CATALOGUE = """
secrets:
  github:
    description: GitHub
    target: agent-github
    remote: {vault: g/github, azurekv: g-github}
    syncWave: -49
    use: [pat]
    keys:
      PAT: {variants: [pat]}
      APP: {variants: [app, both]}
      PEM: {remote: {azurekv: {name: pem, whole: true}, vault: {property: pem}}}
      OTHER: {remote: {azurekv: elsewhere}}
  vault-only:
    description: Vault only
    target: agent-vault-only
    remote: {vault: g/only}
    syncWave: -49
    keys: {K: {}}
  unlisted:
    description: Unlisted
    target: agent-unlisted
    remote: {vault: g/unlisted}
    syncWave: -49
    keys: {U: {}}
  gone:
    description: Gone
    target: agent-gone
    remote: {vault: g/gone}
    syncWave: -49
    keys: {O: {}}
"""
BASE = """
namespace: n
store: azure
refreshInterval: 1h
stores:
  vault: {provider: vault, name: v, server: https://vault.example.com, prefix: team-}
  azure: {provider: azurekv, name: a}
secrets:
  github: {}
  vault-only: {}
  gone: {enabled: false}
"""


def _environment(root: Path, text: str) -> Environment:
    folder = root / "environments"
    folder.mkdir(exist_ok=True)
    for name, content in (("catalogue", CATALOGUE), ("base", BASE), ("dev", text)):
        (folder / f"{name}.yaml").write_text(content.lstrip(), "utf-8")
    project = compile_project(root, ["dev"]).project
    assert project is not None
    return project.environments[0]


def _paths(environment: Environment, path: str) -> list[tuple[str, str | None]]:
    return [(row.path, row.value) for row in explain(environment, path)]


def test_a_key_under_its_own_name(tmp_path: Path) -> None:
    environment = _environment(tmp_path, "{}\n")
    first, *deciding = explain(environment, "github/PAT")
    assert (first.value, first.origin) == ("g-github[PAT]", "resolved")
    assert first.note == 'in the store "azure": Key Vault, no address configured'
    assert [(row.path, row.value, row.origin) for row in deciding] == [
        ("secrets.github.store", "azure", "inherited"),
        ("secrets.github.remote.azurekv", "g-github", "inherited"),
        ("secrets.github.use", "[pat]", "catalogue"),
    ]
    assert all(row.where for row in deciding)


def test_a_key_elsewhere_is_decided_by_the_catalogue(tmp_path: Path) -> None:
    environment = _environment(tmp_path, "{}\n")
    assert _paths(environment, "github/PEM") == [
        ("github/PEM", "pem"),
        ("secrets.github.store", "azure"),
        ("secrets.github.keys.PEM.remote.azurekv", "pem"),
        ("secrets.github.keys.PEM.remote.azurekv.whole", "true"),
    ]
    assert _paths(environment, "github/OTHER")[0] == ("github/OTHER", "elsewhere[OTHER]")
    assert _paths(environment, "github/OTHER")[2] == ("secrets.github.keys.OTHER.remote.azurekv", "elsewhere")


def test_an_override_and_a_prefix_decide(tmp_path: Path) -> None:
    environment = _environment(tmp_path, "secrets: {github: {store: vault, remote: {vault: mine}}}\n")
    assert explain(environment, "github/PEM")[0].note == (
        'in the store "vault": Vault, https://vault.example.com, mount secret'
    )
    assert _paths(environment, "github/PEM") == [
        ("github/PEM", "team-mine[pem]"),
        ("secrets.github.store", "vault"),
        ("stores.vault.prefix", "team-"),
        ("secrets.github.remote.vault", "mine"),
        ("secrets.github.keys.PEM.remote.vault.property", "pem"),
    ]


def test_a_key_of_another_variant(tmp_path: Path) -> None:
    first, use = explain(_environment(tmp_path, "{}\n"), "github/APP")
    assert (first.value, first.origin, first.note) == (
        None,
        "unused",
        "it belongs to the variants app, both; in use: pat",
    )
    assert use.path == "secrets.github.use"
    first, use = explain(_environment(tmp_path, "secrets: {github: {use: []}}\n"), "github/PAT")
    assert (first.note, use.where) == ("it belongs to the variant pat; in use: none", "environments/dev.yaml:1:25")


def test_a_key_without_a_place(tmp_path: Path) -> None:
    first, *_ = explain(_environment(tmp_path, "{}\n"), "vault-only/K")
    assert (first.value, first.note) == (None, "the secret's store has no place for it")
    first, *_ = explain(_environment(tmp_path, "store: nowhere\n"), "vault-only/K")
    assert first.value is None


def test_a_secret_that_the_environment_does_not_have(tmp_path: Path) -> None:
    environment = _environment(tmp_path, "{}\n")
    (first,) = explain(environment, "unlisted/U")
    assert (first.value, first.note) == (None, '"dev" does not have the secret')
    first, decisive = explain(environment, "gone/O")
    assert (first.origin, decisive.path, decisive.value) == ("unused", "secrets.gone.enabled", "false")


def test_an_unknown_key_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        explain(_environment(tmp_path, "{}\n"), "github/OTHR")
    assert caught.value.help == 'did you mean "OTHER"?'


TAKING = """
  ci:
    description: CI
    target: ci
    syncWave: -49
    keys:
      TOKEN: {from: github/PAT}
      APP: {from: github/APP}
      PEM: {from: github/PEM}
      OF_NOBODY: {from: unlisted/U}
"""


def test_a_key_that_takes_its_value_is_told_with_where_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.unit.operations.explain.test_key.CATALOGUE", CATALOGUE + TAKING)
    environment = _environment(tmp_path, "store: vault\nsecrets: {ci: {}, github: {remote: {vault: mine}}}\n")
    assert _paths(environment, "ci/TOKEN") == [
        ("ci/TOKEN", "team-mine[PAT]"),
        ("secrets.ci.keys.TOKEN.from", "github/PAT"),
        ("secrets.ci.store", "vault"),
        ("stores.vault.prefix", "team-"),
        ("secrets.github.remote.vault", "mine"),
        ("secrets.github.use", "[pat]"),
    ]
    assert explain(environment, "ci/TOKEN")[1].note == "the value is that of github/PAT"
    assert _paths(environment, "ci/PEM")[-1] == ("secrets.github.keys.PEM.remote.vault.property", "pem")
    assert _paths(environment, "ci/OF_NOBODY")[-1] == ("secrets.unlisted.remote.vault", "g/unlisted")
    first, *rest = explain(environment, "ci/APP")
    assert (first.origin, first.note) == (
        "unused",
        "its value is that of github/APP, of the variants app, both of github, which is not in use",
    )
    assert [row.path for row in rest] == ["secrets.ci.keys.APP.from", "secrets.github.use"]
