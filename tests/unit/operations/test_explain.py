import shutil
from pathlib import Path

import pytest

from compiler.model.document import Node, Source, Span
from compiler.model.environment import Environment
from compiler.operations.explain import Explanation, explain, format_place, format_value
from compiler.refusal import Refusal
from compiler.stages.load import load_text
from tests.platforms import environment_of, write_project

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
    write_project(tmp_path, catalogue=CATALOGUE.lstrip(), base=BASE.lstrip(), dev=DEV.lstrip())
    return environment_of(tmp_path, "dev", may_fail=True)


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
    dev = environment_of(tmp_path, "dev", may_fail=True)
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
    every = _one(environment_of(tmp_path, "dev", may_fail=True), "secrets.every.use")
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


KEY_CATALOGUE = """
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
KEY_BASE = """
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
    write_project(root, catalogue=KEY_CATALOGUE.lstrip(), base=KEY_BASE.lstrip(), dev=text.lstrip())
    return environment_of(root, "dev", may_fail=True)


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
    monkeypatch.setattr("tests.unit.operations.test_explain.KEY_CATALOGUE", KEY_CATALOGUE + TAKING)
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


BOTH_VARIANTS = "secrets: {github: {use: [pat, both]}}\n"


@pytest.mark.parametrize("path", ["github", "secrets.github"])
def test_a_secret_is_explained_with_what_the_catalogue_says_and_the_place_of_each_key(
    tmp_path: Path, path: str
) -> None:
    rows = explain(_environment(tmp_path, BOTH_VARIANTS), path)
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
        explain(_environment(tmp_path, BOTH_VARIANTS), path)
    assert caught.value.help == f'did you mean "{meant}"?'


def test_a_setting_of_the_environment_is_no_secret(tmp_path: Path) -> None:
    # A secret may have the name of a setting; in full it is still found.
    environment = _environment(tmp_path, BOTH_VARIANTS)
    assert [row.path for row in explain(environment, "store")] == ["store"]


def _node(text: str) -> Node:
    document, diagnostics = load_text("environments/a.yaml", f"a: {text}")
    assert document is not None, diagnostics
    return document.root.children["a"]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("vault", "vault"),
        ('"2.9"', "2.9"),
        ("true", "true"),
        ("false", "false"),
        ("-49", "-49"),
        ("null", "null"),
        ("[a, b]", "[a, b]"),
        ("[]", "[]"),
        ("{}", "{}"),
        ("{b: 1, c: 2}", "{b, c}"),
    ],
)
def test_a_value_is_shown_on_one_line(written: str, shown: str) -> None:
    assert format_value(_node(written)) == shown


def test_a_place_in_a_file_and_one_outside() -> None:
    assert format_place(Span(Source("environments/a.yaml", "ab\ncd"), 4, 5)) == "environments/a.yaml:2:2"
    assert format_place(Span(Source("--store", "azure"), 0, 5)) == "--store"


def test_what_a_secret_is_made_of_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "environments"
    shutil.copytree(Path(__file__).resolve().parents[3] / "environments", folder)
    catalogue = folder / "catalogue.yaml"
    said = "    target: agent-jira-secrets\n"
    more = "    type: Opaque\n    deletionPolicy: Merge\n    template: {data: {URL: '{{ .ATLASSIAN_API_URL }}'}}\n"
    catalogue.write_text(catalogue.read_text("utf-8").replace(said, said + more), "utf-8")
    rows = {row.path: row.value for row in explain(environment_of(tmp_path, "dev", may_fail=True), "secrets.jira")}
    assert rows["secrets.jira.type"] == "Opaque"
    assert rows["secrets.jira.deletionPolicy"] == "Merge"
    assert rows["secrets.jira.template.data.URL"] == "{{ .ATLASSIAN_API_URL }}"
