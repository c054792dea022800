from dataclasses import replace

import pytest

from compiler.model.document import Diagnostic, Node
from compiler.model.environment import Environment, KeyRemote, Lifetime
from compiler.model.store import Place
from compiler.stages.resolve import Outside, Resolver, catalogue_of, merge, merge_onto, outside_layer, outside_of
from tests import providers
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


TEXT = """\
secrets:
  github:
    description: GitHub agent
    target: agent-github-secrets
    remote: {vault: platform/github, azurekv: platform-github}
    syncWave: -49
    use: [pat]
    mountedBy: [mcp-github]
    keys:
      TOKEN: {description: A token, variants: [pat], rotate: 90d}
      APP_ID: {variants: [app, other]}
      APP_KEY: {variants: [app], remote: {vault: app-key, azurekv: {name: app-key, whole: true}}}
      URL: {remote: {vault: {property: HOST}}}
  bare: {}
"""


def test_an_entry_is_all_that_is_written() -> None:
    catalogue = catalogue_of(load(TEXT))
    entry = catalogue.entries["github"]
    assert (entry.id, entry.description, entry.target, entry.sync_wave) == (
        "github",
        "GitHub agent",
        "agent-github-secrets",
        -49,
    )
    assert entry.remote == {"vault": "platform/github", "azurekv": "platform-github"}
    assert (entry.default_variants, entry.mounted_by, entry.variants) == (
        ("pat",),
        ("mcp-github",),
        ("pat", "app", "other"),
    )
    assert entry.node is catalogue.document.root.get("secrets", "github")


def test_a_key_says_where_it_lies_only_where_that_is_written() -> None:
    keys = catalogue_of(load(TEXT)).entries["github"].keys
    assert list(keys) == ["TOKEN", "APP_ID", "APP_KEY", "URL"]
    assert (keys["TOKEN"].lifetime.rotate_days, keys["APP_ID"].lifetime.rotate_days) == (90, None)
    assert keys["TOKEN"].remote == {}
    assert keys["APP_KEY"].remote == {"vault": KeyRemote("app-key"), "azurekv": KeyRemote("app-key", whole=True)}
    assert keys["URL"].remote == {"vault": KeyRemote(property="HOST")}


def test_a_key_lives_as_it_says_and_otherwise_as_its_entry_says() -> None:
    text = """\
secrets:
  github:
    owner: platform
    maxAge: 60d
    overlap: none
    generate: {length: 64}
    keys:
      OWN: {owner: team, rotate: 30d, overlap: previous, previousKey: BEFORE, revoke: at-once,
        generate: {alphabet: abc}}
      BEFORE: {issuer: self, rotateWith: [OWN]}
  bare:
    keys:
      NONE: {}
      TAKEN: {from: github/OWN}
"""
    entries = catalogue_of(load(text)).entries
    own, before = (entries["github"].keys[name].lifetime for name in ("OWN", "BEFORE"))
    assert own == Lifetime(30, 60, "previous", "BEFORE", "at-once", None, "team", (), 64, "abc")
    assert before == Lifetime(None, 60, "none", None, None, "self", "platform", ("OWN",), 64)
    assert (own.limit_days, before.limit_days, entries["bare"].keys["NONE"].lifetime.limit_days) == (30, 60, None)
    assert entries["bare"].keys["TAKEN"].lifetime is own


def test_what_is_missing_is_empty() -> None:
    entry = catalogue_of(load(TEXT)).entries["bare"]
    assert (entry.description, entry.target, entry.sync_wave, entry.default_variants) == ("", "", -49, None)
    assert (entry.remote, entry.keys, entry.variants, entry.mounted_by) == ({}, {}, (), ())
    assert catalogue_of(load("")).entries == {}


def test_an_empty_choice_is_another_than_none() -> None:
    assert catalogue_of(load("secrets: {a: {use: []}}\n")).entries["a"].default_variants == ()


def test_an_entry_may_guard_a_store() -> None:
    entries = catalogue_of(load("secrets: {a: {guards: true}, b: {guards: false}, c: {}}\n")).entries
    assert [entries[name].guards for name in "abc"] == [True, False, False]


TAKING_CATALOGUE = (
    TEXT
    + """\
  ci:
    keys:
      CI_TOKEN: {from: github/TOKEN}
      AGAIN: {from: ci/CI_TOKEN, description: Another word for it}
      OWN: {}
  lost:
    keys: {A: {from: none/X}, B: {from: ci/NONE}, C: {from: lost/A}, D: {from: lost/E}, E: {from: lost/D}}
"""
)


def test_a_key_that_takes_its_value_has_what_the_end_of_the_chain_says_of_it() -> None:
    catalogue = catalogue_of(load(TAKING_CATALOGUE))
    keys, token = catalogue.entries["ci"].keys, catalogue.entries["github"].keys["TOKEN"]
    assert list(keys) == ["CI_TOKEN", "AGAIN", "OWN"]
    for key, description in ((keys["CI_TOKEN"], "A token"), (keys["AGAIN"], "Another word for it")):
        assert (key.description, key.lifetime.rotate_days, key.variants) == (description, 90, ())
        assert key.value_key is token
        assert key.holder(catalogue.entries["ci"]) is catalogue.entries["github"]
    assert keys["AGAIN"].source == ("ci", "CI_TOKEN")
    assert (keys["OWN"].value_key, keys["OWN"].holder(catalogue.entries["ci"])) == (
        keys["OWN"],
        catalogue.entries["ci"],
    )
    assert catalogue.origins == {"ci": (catalogue.entries["github"],)}


def test_what_leads_nowhere_or_round_has_no_origin() -> None:
    catalogue = catalogue_of(load(TAKING_CATALOGUE))
    assert all(key.is_taken and key.origin is None for key in catalogue.entries["lost"].keys.values())


def test_a_long_chain_is_gone_once() -> None:
    links = "".join(f"      K{number}: {{from: a/K{number + 1}}}\n" for number in range(2000))
    catalogue = catalogue_of(load(f"secrets:\n  a:\n    keys:\n{links}      K2000: {{}}\n"))
    keys = catalogue.entries["a"].keys
    assert {key.value_key for key in keys.values()} == {keys["K2000"]}


def merged(*texts: str) -> Node:
    root, diagnostics = merge([load(text, f"{index}.yaml") for index, text in enumerate(texts)])
    assert not diagnostics
    return root


def test_maps_merge_and_everything_else_replaces() -> None:
    root = merged("a: {b: 1, c: [1, 2]}\nd: e\n", "a: {c: [3], f: g}\n")
    assert root.plain_data() == {"a": {"b": 1, "c": [3], "f": "g"}, "d": "e"}


def test_a_winner_remembers_whom_it_overrode_latest_first() -> None:
    node = merged("a: 1\n", "a: 2\n", "a: 3\n").nearest("a")
    assert node.source.path == "2.yaml"
    assert [(each.value, each.source.path) for each in node.overrode] == [(2, "1.yaml"), (1, "0.yaml")]


def test_a_written_null_removes_and_is_remembered() -> None:
    root = merged("a: {b: 1}\nc: d\n", "a: null\n")
    assert root.plain_data() == {"c": "d"}
    assert root.removed["a"].source.path == "1.yaml"
    assert root.removed["a"].overrode[0].plain_data() == {"b": 1}


def test_what_was_removed_can_come_back_and_knows_the_removal() -> None:
    node = merged("a: 1\n", "a: null\n", "a: 3\n").nearest("a")
    assert [each.value for each in node.overrode] == [None, 1]


def test_nulls_of_the_first_layer_and_of_new_maps_remove_nothing_and_are_gone() -> None:
    assert merged("a: null\nb: {c: null, d: {e: null}}\n").plain_data() == {"b": {"d": {}}}
    assert merged("a: b\n", "c: {d: null, e: f}\n").plain_data() == {"a": "b", "c": {"e": "f"}}


def test_a_map_after_a_removal_begins_anew() -> None:
    assert merged("a: {b: 1}\n", "a: null\n", "a: {c: 2}\n").plain_data() == {"a": {"c": 2}}


def test_extends_is_no_value_of_the_environment() -> None:
    assert merged("extends: [base]\na: b\n", "extends: [a]\n").plain_data() == {"a": "b"}


def test_one_layer_without_nulls_is_shared_as_it_is() -> None:
    document = load("a: {b: c}\n")
    assert merge_onto(None, document, []) is document.root
    assert merge([document])[0] is document.root


def test_no_layer_is_changed_by_merging() -> None:
    layers = [load("a: {b: 1}\n"), load("a: {b: null, c: 2}\n")]
    before = [layer.root.plain_data() for layer in layers]
    merge(layers)
    assert [layer.root.plain_data() for layer in layers] == before


def test_a_map_and_something_else_are_a_conflict_and_the_lower_stays() -> None:
    for lower, upper in (("a: {b: c}\n", "a: hunter2\n"), ("a: hunter2\n", "a: {b: c}\n"), ("a: {b: c}\n", "a: [d]\n")):
        root, (diagnostic,) = merge([load(lower, "0.yaml"), load(upper, "1.yaml")])
        assert root.plain_data() == load(lower).root.plain_data()
        assert diagnostic.rule == "layer-conflict"
        assert diagnostic.message == '"a" is a map in one layer and not in another'
        assert diagnostic.span.path == "1.yaml"
        assert diagnostic.related[0].span.path == "0.yaml"
        hidden = [span.source.text[span.start : span.end] for span in diagnostic.conceals]
        assert hidden == (["hunter2"] if "hunter2" in lower + upper else [])


STORES_TEXT = """\
store: vault
stores:
  vault: {provider: vault, name: vault-store}
  azure: {provider: azurekv, name: azure-store}
  written: {provider: azurekv, name: azure, vaultUrl: "https://Platform.vault.azure.net/"}
"""


def layer(outside: Outside, text: str = STORES_TEXT) -> tuple[object, tuple[Diagnostic, ...]]:
    top, diagnostics = outside_layer(load(text).root, outside)
    return (top.root.plain_data() if top is not None else None), diagnostics


def test_nothing_said_is_no_layer() -> None:
    assert layer(Outside()) == (None, ())
    assert layer(Outside(), "secrets: {}\n") == (None, ())


def test_the_option_goes_before_the_variable() -> None:
    environ = {"AI_PLATFORM_SECRET_STORE": "vault", "AZURE_KEYVAULT_NAME": "name"}
    assert outside_of("azure", environ, variable_counts=True) == Outside(
        "azure", "--store", {providers.KEY_VAULT: "name"}
    )
    assert outside_of(None, environ, variable_counts=True) == Outside(
        "vault", "AI_PLATFORM_SECRET_STORE", {providers.KEY_VAULT: "name"}
    )


def test_the_variable_counts_for_one_environment_alone_and_not_when_empty() -> None:
    environ = {"AI_PLATFORM_SECRET_STORE": "vault", "AZURE_KEYVAULT_NAME": ""}
    assert outside_of(None, environ, variable_counts=False).store is None
    empty = outside_of(None, {"AI_PLATFORM_SECRET_STORE": ""}, variable_counts=True)
    assert (empty.store, empty.addresses) == (None, {})


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [("azure", "azure"), ("azure-store", "azure"), ("vault-store", "vault"), ("written", "written")],
)
def test_a_store_is_named_by_its_id_or_its_name_in_the_cluster(wanted: str, chosen: str) -> None:
    assert layer(Outside(wanted)) == ({"store": chosen}, ())


def test_an_id_goes_before_a_name() -> None:
    text = "stores: {a: {provider: vault, name: b}, b: {provider: vault, name: a}}\n"
    assert layer(Outside("a"), text) == ({"store": "a"}, ())


def test_an_unknown_store_is_said_at_the_option_or_the_variable() -> None:
    data, (diagnostic,) = layer(Outside("azur", "AI_PLATFORM_SECRET_STORE"))
    assert data is None
    assert diagnostic.rule == "unknown-store"
    assert diagnostic.span.where == "AI_PLATFORM_SECRET_STORE:1:1"
    assert diagnostic.help == 'did you mean "azure"?'
    assert layer(Outside("a"), "secrets: {}\n")[1][0].help == "there are no stores"


def test_a_vaults_name_fills_what_is_not_written() -> None:
    data, diagnostics = layer(Outside(addresses={providers.KEY_VAULT: "other"}))
    assert data == {"stores": {"azure": {"vaultUrl": "https://other.vault.azure.net"}}}
    assert not diagnostics


@pytest.mark.parametrize(
    ("cloud", "domain"),
    [
        ("USGovernmentCloud", "vault.usgovcloudapi.net"),
        ("ChinaCloud", "vault.azure.cn"),
        ("PublicCloud", "vault.azure.net"),
    ],
)
def test_each_cloud_has_its_domain(cloud: str, domain: str) -> None:
    text = f"stores: {{a: {{provider: azurekv, environmentType: {cloud}}}}}\n"
    data, _ = layer(Outside(addresses={providers.KEY_VAULT: "name"}), text)
    assert data == {"stores": {"a": {"vaultUrl": f"https://name.{domain}"}}}


@pytest.mark.parametrize(
    ("text", "outside"),
    [
        (STORES_TEXT.replace("store: vault", "store: written"), Outside(addresses={providers.KEY_VAULT: "other"})),
        (STORES_TEXT, Outside("written", addresses={providers.KEY_VAULT: "other"})),
        (STORES_TEXT + "secrets: {github: {store: written}}\n", Outside(addresses={providers.KEY_VAULT: "other"})),
    ],
)
def test_another_name_than_that_of_a_store_in_use_is_a_conflict(text: str, outside: Outside) -> None:
    _, (diagnostic,) = layer(outside, text)
    assert diagnostic.rule == "conflicting-vault-url"
    assert diagnostic.span.line == 5


def test_the_same_name_and_a_store_that_nothing_reads_are_no_conflict() -> None:
    used = STORES_TEXT.replace("store: vault", "store: written")
    assert layer(Outside(addresses={providers.KEY_VAULT: "platform"}), used)[1] == ()
    assert layer(Outside(addresses={providers.KEY_VAULT: "other"}))[1] == ()


def test_a_credential_is_no_name_of_a_vault() -> None:
    secret = "AKIA" + "Q7W9Z2L4V8H6Y1M3"
    data, (diagnostic,) = layer(Outside(addresses={providers.KEY_VAULT: secret}))
    assert data is None
    assert diagnostic.rule == "secret-in-config"
    assert secret not in diagnostic.message
    assert diagnostic.conceals == (diagnostic.span,)


@pytest.mark.parametrize("value", ["platform.vault.azure.net", "https://platform.vault.azure.net/"])
def test_a_url_is_no_name_of_a_vault_and_is_not_shown(value: str) -> None:
    for text in (STORES_TEXT, STORES_TEXT.replace("store: vault", "store: written")):
        _, found = layer(Outside(addresses={providers.KEY_VAULT: value}), text)
        diagnostic = found[0]
        assert {(each.message, each.help) for each in found} == {(diagnostic.message, diagnostic.help)}
        assert (diagnostic.rule, diagnostic.span.where) == ("invalid-address", "AZURE_KEYVAULT_NAME:1:1")
        assert diagnostic.message == "AZURE_KEYVAULT_NAME is not the name of a Key Vault"
        assert diagnostic.help == 'set it to the vault\'s name, "platform"'
        assert diagnostic.conceals == (diagnostic.span,)
    assert layer(Outside(addresses={providers.KEY_VAULT: value}), "store: vault\n") == (None, ())
