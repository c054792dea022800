from pathlib import Path

import pytest

from compiler.model.environment import Environment
from compiler.operations.explain import Explanation, explain
from compiler.pipeline import compile_project
from compiler.refusal import Refusal

CATALOGUE = """
secrets:
  plain:
    description: Plain
    target: agent-plain
    remote: {vault: g/plain, azurekv: g-plain}
    syncWave: -49
    keys: {A: {}}
  either:
    description: Either
    target: agent-either
    remote: {vault: g/either}
    syncWave: -49
    use: [x]
    keys: {B: {variants: [x]}, C: {variants: [y]}}
  every:
    description: Every
    target: agent-every
    remote: {vault: g/every}
    syncWave: -49
    keys: {D: {variants: [x]}, E: {variants: [y]}}
"""
BASE = """
namespace: n
store: vault
refreshInterval: 1h
stores:
  vault: {provider: vault, name: v, server: https://vault.example.com}
  azure: {provider: azurekv, name: a, vaultUrl: https://a.vault.azure.net}
secrets: {plain: {labels: {team: a, cost.example.com/centre: "7"}}, either: {}, every: {}}
"""
DEV = """
store: azure
secrets:
  plain: {labels: {team: b, cost.example.com/centre: null}, refreshInterval: 2h}
  either: {store: vault}
  every: null
labels: null
"""


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    folder = tmp_path / "environments"
    folder.mkdir()
    for name, text in (("catalogue", CATALOGUE), ("base", BASE), ("dev", DEV)):
        (folder / f"{name}.yaml").write_text(text.lstrip(), "utf-8")
    project = compile_project(tmp_path, ["dev"]).project
    assert project is not None
    return project.environments[0]


def _one(environment: Environment, path: str) -> Explanation:
    (found,) = explain(environment, path)
    return found


def test_the_winner_has_its_place_and_what_it_overrode(environment: Environment) -> None:
    assert _one(environment, "store") == Explanation(
        "store", "azure", "written", "environments/dev.yaml:1:8", (("vault", "environments/base.yaml:2:8"),)
    )
    assert _one(environment, "namespace") == Explanation("namespace", "n", "written", "environments/base.yaml:1:12")


def test_a_removed_value_names_who_removed_it_and_what_there_was(environment: Environment) -> None:
    removed = _one(environment, "secrets.plain.labels.cost.example.com/centre")
    assert (removed.value, removed.origin, removed.where) == (None, "removed", "environments/dev.yaml:3:54")
    assert [value for value, _ in removed.overrode] == ["7"]
    every = _one(environment, "secrets.every")
    assert (every.origin, [value for value, _ in every.overrode]) == ("removed", ["{}"])
    assert _one(environment, "labels").note == "there was nothing to remove"


def test_defaults_are_named(environment: Environment) -> None:
    assert _one(environment, "fetch") == Explanation("fetch", "perKey", "default")
    assert _one(environment, "stores.vault.mount") == Explanation("stores.vault.mount", "secret", "default")
    with pytest.raises(Refusal):
        explain(environment, "stores.azure.mount")


def test_a_path_shows_all_below_it_with_what_is_inherited(environment: Environment) -> None:
    rows = {row.path: row for row in explain(environment, "secrets.plain")}
    assert rows["secrets.plain.store"].origin == "inherited"
    assert rows["secrets.plain.store"].where == "environments/dev.yaml:1:8"
    assert rows["secrets.plain.store"].overrode == (("vault", "environments/base.yaml:2:8"),)
    assert rows["secrets.plain.refreshInterval"].value == "2h"
    assert rows["secrets.plain.enabled"].value == "true"
    assert rows["secrets.plain.fetch"].note == "the default"
    assert rows["secrets.plain.remote.azurekv"].value == "g-plain"
    assert rows["secrets.plain.labels.team"].overrode == (("a", "environments/base.yaml:7:34"),)
    assert not any(path.startswith("secrets.either") for path in rows)


def test_what_all_is_a_part_of_is_told_where_it_is_asked_for(environment: Environment) -> None:
    default = Explanation("partOf", "ai-platform-engineering", "usual", note="the default")
    assert _one(environment, "partOf") == default
    assert default not in explain(environment)


def test_labels_and_annotations_of_a_secret_are_told_with_the_map_that_they_are_from(tmp_path: Path) -> None:
    folder = tmp_path / "environments"
    folder.mkdir()
    (folder / "catalogue.yaml").write_text(CATALOGUE.lstrip(), "utf-8")
    (folder / "base.yaml").write_text(BASE.lstrip(), "utf-8")
    (folder / "dev.yaml").write_text(
        "partOf: shop\n"
        "labels: {all: x, team: all}\n"
        'secretLabels: {tier: "1", cost.example.com/centre: "8"}\n'
        "secretAnnotations: {reload: a}\n"
        "secrets: {plain: {secretLabels: {team: s}, secretAnnotations: {own: b}}}\n",
        "utf-8",
    )
    project = compile_project(tmp_path, ["dev"]).project
    assert project is not None
    (dev,) = project.environments
    found = {row.path.removeprefix("secrets.plain."): row for row in explain(dev, "secrets.plain")}
    told = {path: (row.value, row.origin, row.note) for path, row in found.items() if path[:5] in ("label", "secre")}
    assert told == {
        "labels.team": ("a", "written", ""),
        "labels.cost.example.com/centre": ("7", "written", ""),
        "labels.all": ("x", "inherited", "from `labels`"),
        "secretLabels.team": ("s", "written", ""),
        "secretLabels.tier": ("1", "inherited", "from `secretLabels`"),
        "secretLabels.cost.example.com/centre": ("8", "inherited", "from `secretLabels`"),
        "secretLabels.all": ("x", "inherited", "from `labels`"),
        "secretAnnotations.own": ("b", "written", ""),
        "secretAnnotations.reload": ("a", "inherited", "from `secretAnnotations`"),
    }
    assert found["secretLabels.all"].where == "environments/dev.yaml:2:15"
    # What is told is what the Secret has.
    secret = dev.secrets["plain"]
    labels = {path.removeprefix("secretLabels."): value for path, (value, *_) in told.items() if "secretL" in path}
    assert labels == secret.secret_labels
    assert _one(dev, "partOf").value == "shop"
    only_below = _one(dev, "secrets.either.secretLabels.team")
    assert (only_below.value, only_below.note) == ("all", "from `labels`")


def test_the_whole_list_leaves_out_what_only_repeats(environment: Environment) -> None:
    rows = explain(environment)
    assert {row.origin for row in rows} == {"written", "removed", "default", "catalogue"}
    assert len({row.path for row in rows}) == len(rows)


def test_variants_that_nobody_chose(environment: Environment) -> None:
    either = _one(environment, "secrets.either.use")
    assert (either.value, either.origin) == ("[x]", "catalogue")
    assert either.where is not None
    assert either.where.startswith("environments/catalogue.yaml:")


def test_all_variants_is_a_default(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "environments/dev.yaml").write_text("{}\n", "utf-8")
    project = compile_project(tmp_path, ["dev"]).project
    assert project is not None
    every = _one(project.environments[0], "secrets.every.use")
    assert (every.value, every.origin) == ("[x, y]", "default")


@pytest.mark.parametrize(
    ("path", "way_out"),
    [
        ("stroe", 'did you mean "store"?'),
        ("secrets.plane", 'did you mean "secrets.plain"?'),
        ("plane", 'did you mean "plain"?'),
        ("azur", 'did you mean "stores.azure"?'),
        ("plane/a", 'did you mean "plain/A"?'),
        ("plane/nothing-like-it", "run `platform-secrets explain dev` to list them"),
        ("nothing-like-it/A", "run `platform-secrets explain dev` to list them"),
        ("c", 'did you mean "either/C"?'),
    ],
)
def test_an_unknown_path_is_told_the_nearest(environment: Environment, path: str, way_out: str) -> None:
    with pytest.raises(Refusal) as caught:
        explain(environment, path)
    assert caught.value.help == way_out


def test_nothing_near_shows_where_to_look(environment: Environment) -> None:
    with pytest.raises(Refusal) as caught:
        explain(environment, "zzzzzzzz")
    assert "to list them" in (caught.value.help or "")
