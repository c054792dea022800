from dataclasses import replace

import pytest

from compiler.model.environment import Environment
from compiler.model.store import Place
from compiler.stages.resolve import Resolver, catalogue_of, merge
from tests.unit.stages.conftest import load

CATALOGUE = """\
secrets:
  github:
    target: agent-github-secrets
    remote: {vault: platform/github, azurekv: platform-github}
    syncWave: -49
    use: [pat]
    keys:
      URL: {}
      TOKEN: {variants: [pat]}
      APP_KEY: {variants: [app], remote: {azurekv: {name: app-key, whole: true}}}
  open:
    target: open
    remote: {vault: open}
    keys: {A: {variants: [a]}, B: {variants: [b]}}
"""
BASE = """\
namespace: ai-platform
store: vault
refreshInterval: 90m
labels: {team: platform, a: b}
stores:
  vault: {provider: vault, name: vault-store, server: "https://vault.example.com", prefix: prod/}
  azure: {provider: azurekv, name: azure-store, kind: SecretStore, vaultUrl: "https://a.vault.azure.net", render: true}
"""


def resolved(text: str, base: str = BASE) -> Environment:
    layers = [load(base, "environments/base.yaml"), load(text)]
    root, _ = merge(layers)
    return Resolver(catalogue_of(load(CATALOGUE))).environment("prod", root, layers)


def places(environment: Environment, of: str = "github") -> dict[str, Place | None]:
    return {each.key.name: each.place for each in environment.secrets[of].keys}


def test_a_secret_takes_what_the_environment_says() -> None:
    secret = resolved("secrets: {github: {}}\n").secrets["github"]
    assert secret.store is not None
    assert (secret.store.id, secret.namespace, secret.refresh, secret.fetch) == ("vault", "ai-platform", 5400, "perKey")
    assert secret.labels == {"team": "platform", "a": "b"}
    assert secret.remote == "prod/platform/github"
    assert secret.store_node is not None
    assert secret.store_node.source.path == "environments/base.yaml"


def test_what_a_secret_says_itself_goes_before() -> None:
    text = "secrets: {github: {store: azure, namespace: n, refreshInterval: 1m, fetch: bundle, labels: {a: c}}}\n"
    secret = resolved(text).secrets["github"]
    assert secret.store is not None
    assert (secret.store.id, secret.namespace, secret.refresh, secret.fetch) == ("azure", "n", 60, "bundle")
    assert secret.labels == {"team": "platform", "a": "c"}
    assert secret.refresh_node is not None
    assert secret.refresh_node.source.path == "environments/prod.yaml"


def test_the_secret_has_the_external_secrets_labels_below_its_own_and_none_of_its_annotations() -> None:
    text = """\
annotations: {owner: o}
secretLabels: {a: s, tier: "1"}
secretAnnotations: {reload: "true", x: y}
secrets: {github: {labels: {team: own}, secretLabels: {tier: "2"}, secretAnnotations: {x: z}}, open: {}}
"""
    secrets = resolved(text).secrets
    github, other = secrets["github"], secrets["open"]
    assert github.labels == {"team": "own", "a": "b"}
    assert github.secret_labels == {"team": "own", "a": "s", "tier": "2"}
    assert (github.annotations, github.secret_annotations) == ({"owner": "o"}, {"reload": "true", "x": "z"})
    assert other.secret_labels == {"team": "platform", "a": "s", "tier": "1"}
    assert resolved("secrets: {open: {}}\n").secrets["open"].secret_labels == {"team": "platform", "a": "b"}


def test_what_all_is_a_part_of_has_a_default() -> None:
    assert resolved("").part_of == "ai-platform-engineering"
    assert resolved("partOf: shop\n").part_of == "shop"
    assert resolved("partOf: null\n", f"{BASE}partOf: shop\n").part_of == "ai-platform-engineering"


def test_each_key_has_its_place_in_the_store() -> None:
    assert places(resolved("secrets: {github: {}}\n")) == {
        "URL": Place("prod/platform/github", "URL"),
        "TOKEN": Place("prod/platform/github", "TOKEN"),
    }
    assert places(resolved("secrets: {github: {store: azure, use: [app]}}\n")) == {
        "URL": Place("platform-github", "URL"),
        "APP_KEY": Place("app-key", None),
    }


def test_an_own_name_counts_for_its_provider_alone() -> None:
    text = "secrets: {github: {remote: {azurekv: other}%s}}\n"
    assert places(resolved(text % ""))["URL"] == Place("prod/platform/github", "URL")
    assert places(resolved(text % ", store: azure"))["URL"] == Place("other", "URL")


@pytest.mark.parametrize(
    ("use", "keys"), [("", ["A", "B"]), ("use: [b]", ["B"]), ("use: []", []), ("use: [a, unknown]", ["A"])]
)
def test_without_a_default_a_secret_has_all_its_variants(use: str, keys: list[str]) -> None:
    assert list(places(resolved(f"secrets: {{open: {{{use}}}}}\n"), "open")) == keys


def test_without_a_name_for_the_provider_keys_have_no_place() -> None:
    environment = resolved("secrets: {open: {store: azure}}\n")
    assert environment.secrets["open"].remote is None
    assert places(environment, "open") == {"A": None, "B": None}


def test_what_is_unknown_is_left_out_or_nothing() -> None:
    environment = resolved("store: gcp\nrefreshInterval: soon\nsecrets: {gihub: {}, github: {}}\n")
    assert list(environment.secrets) == ["github"]
    secret = environment.secrets["github"]
    assert (secret.store, secret.refresh, secret.remote, secret.keys) == (None, None, None, ())
    assert environment.default_store is None
    assert environment.root.get("secrets", "gihub") is not None


def test_a_secret_that_is_switched_off_is_no_secret() -> None:
    environment = resolved("secrets: {github: {enabled: false}, open: {enabled: true}}\n")
    assert environment.disabled == ("github",)
    assert list(environment.secrets) == ["open"]


def test_a_store_has_its_defaults() -> None:
    stores = resolved(
        "stores: {other: {provider: gcp}, mounted: {provider: vault, mount: kv, vaultNamespace: n}}\n"
    ).stores
    vault, azure, other, mounted = stores.values()
    assert (vault.kind, vault.mount, vault.vault_namespace, vault.rendered) == (
        "ClusterSecretStore",
        "secret",
        None,
        False,
    )
    assert (azure.kind, azure.mount, azure.address, azure.rendered) == (
        "SecretStore",
        "",
        "https://a.vault.azure.net",
        True,
    )
    assert (other.provider.id, other.name, other.address) == ("", "", None)
    assert (mounted.mount, mounted.vault_namespace) == ("kv", "n")


def test_the_damage_of_any_layer_is_the_environments() -> None:
    assert not resolved("secrets: {github: {}}\n").damaged
    layers = [replace(load(BASE), damaged=True), load("secrets: {github: {}}\n")]
    for catalogue in (load(CATALOGUE), replace(load(CATALOGUE), damaged=True)):
        root, _ = merge(layers)
        assert Resolver(catalogue_of(catalogue)).environment("prod", root, layers).damaged
        layers = [load(BASE), layers[1]]


def test_places_are_shared_by_environments_that_say_the_same() -> None:
    resolver = Resolver(catalogue_of(load(CATALOGUE)))
    found = []
    for name in ("a", "b"):
        layers = [load(BASE), load("secrets: {github: {}}\n", f"environments/{name}.yaml")]
        found.append(resolver.environment(name, merge(layers)[0], layers))
    assert found[0].secrets["github"].keys is found[1].secrets["github"].keys
    assert found[0].document.source.path == "environments/a.yaml"
    assert [store.id for store in found[0].stores_in_use()] == ["vault"]


def test_values_are_nested_where_that_is_said() -> None:
    assert resolved("").subchart is None
    assert resolved("subchart: secrets\n").subchart == "secrets"
    assert resolved("subchart: null\n", f"{BASE}subchart: secrets\n").subchart is None


TAKING = (
    CATALOGUE
    + """\
  ci:
    target: ci
    syncWave: -49
    keys:
      CI_TOKEN: {from: github/TOKEN}
      CI_KEY: {from: github/APP_KEY}
      CI_A: {from: open/A}
"""
)


def taken(text: str) -> dict[str, Place | None]:
    layers = [load(BASE, "environments/base.yaml"), load(text)]
    return places(Resolver(catalogue_of(load(TAKING))).environment("prod", merge(layers)[0], layers), "ci")


def test_a_value_of_another_entry_lies_where_that_one_has_it_in_the_readers_store() -> None:
    token, one = Place("prod/platform/github", "TOKEN"), Place("prod/open", "A")
    assert taken("secrets: {ci: {}}\n") == {"CI_TOKEN": token, "CI_A": one}
    assert taken("secrets: {ci: {store: azure}, github: {use: [app]}}\n") == {
        "CI_KEY": Place("app-key", None),
        "CI_A": None,
    }


def test_the_holders_own_name_and_variants_are_followed_where_it_is_switched_off_too() -> None:
    text = "secrets: {ci: {}, github: {enabled: false, use: [app], remote: {vault: mine}}, open: {use: [b]}}\n"
    assert taken(text) == {"CI_KEY": Place("prod/mine", "APP_KEY")}


def test_environments_that_say_otherwise_of_a_holder_share_no_places() -> None:
    resolver, found = Resolver(catalogue_of(load(TAKING))), []
    for own in ("", ", github: {remote: {vault: mine}}", ", github: {use: [app]}"):
        layers = [load(BASE), load(f"secrets: {{ci: {{}}{own}}}\n")]
        found.append(places(resolver.environment("a", merge(layers)[0], layers), "ci"))
    assert [list(each) for each in found] == [["CI_TOKEN", "CI_A"], ["CI_TOKEN", "CI_A"], ["CI_KEY", "CI_A"]]
    assert found[1]["CI_TOKEN"] == Place("prod/mine", "TOKEN")


def excess(text: str, most: int, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """What is too much in an environment of which so many values may be written."""
    monkeypatch.setattr("compiler.stages.resolve.most_values", lambda _: most)
    found = Resolver(catalogue_of(load(CATALOGUE))).excess("prod", merge([load(text)])[0])
    return found.message if found is not None else None


LONG = "x" * 250


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("secrets: {github: {}}", 22),
        ("annotations: {a: b, c: d}\nsecrets: {github: {}, open: {}}", 44),
        ("labels: {a: b}\nsecretLabels: {c: d}\nsecretAnnotations: {e: f}\nsecrets: {github: {}}", 26),
        ("annotations: {a: b}\nsecrets: {github: {annotations: {a: c, d: e}, labels: {f: g}}}", 26),
        ("annotations: {a: b}\nsecrets: {github: {enabled: false}, stranger: {}}", 8),
        (f"annotations: {{a: {LONG}}}\nsecrets: {{github: {{}}, open: {{}}}}", 46),
        (f"annotations: {{a: b}}\nsecrets: {{github: {{annotations: {{a: {LONG}}}, labels: {{{LONG}: g}}}}}}", 31),
        ("stores: {a: {provider: vault}, b: {}}\nsecrets: {github: {}}", 42),
        ("stores: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}}\nsecrets: {github: {}}", 88),
    ],
)
def test_what_secrets_share_counts_for_each_of_them(text: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert excess(text, count, monkeypatch) is None
    words = f'"prod" resolves to {count} values, and an environment may have {count - 1}'
    assert excess(text, count - 1, monkeypatch) == words


def test_what_a_run_builds_has_an_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.stages.resolve.MAX_RESOLVED", 30)
    monkeypatch.setattr("compiler.stages.resolve.ORDINARY_VALUES", 10)
    resolver, (root, _) = Resolver(catalogue_of(load(CATALOGUE))), merge([load("secrets: {github: {}}")])
    small, _ = merge([load("secrets: {stranger: {}, another: {}}")])
    assert [resolver.excess(name, tree) for name, tree in (("a", small), ("b", root), ("c", small), ("d", root))] == [
        None
    ] * 4
    found = resolver.excess("e", root)
    assert found is not None
    words = 'the environments up to "e" resolve to more than 30 values; the largest is "b", with 22'
    assert (found.message, resolver.is_full) == (words, True)
    assert found.help == "name fewer environments on the command line, or split the project"
