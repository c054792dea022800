from compiler.model.catalogue import KeyRemote, Lifetime
from compiler.stages.resolve import catalogue_of
from tests.unit.stages.conftest import load

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
    assert (entry.description, entry.target, entry.sync_wave, entry.default_variants) == ("", "", 0, None)
    assert (entry.remote, entry.keys, entry.variants, entry.mounted_by) == ({}, {}, (), ())
    assert catalogue_of(load("")).entries == {}


def test_an_empty_choice_is_another_than_none() -> None:
    assert catalogue_of(load("secrets: {a: {use: []}}\n")).entries["a"].default_variants == ()


def test_an_entry_may_guard_a_store() -> None:
    entries = catalogue_of(load("secrets: {a: {guards: true}, b: {guards: false}, c: {}}\n")).entries
    assert [entries[name].guards for name in "abc"] == [True, False, False]


TAKING = (
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
    catalogue = catalogue_of(load(TAKING))
    keys, token = catalogue.entries["ci"].keys, catalogue.entries["github"].keys["TOKEN"]
    assert list(keys) == ["CI_TOKEN", "AGAIN", "OWN"]
    for key, description in ((keys["CI_TOKEN"], "A token"), (keys["AGAIN"], "Another word for it")):
        assert (key.description, key.lifetime.rotate_days, key.variants) == (description, 90, ())
        assert key.held is token
        assert key.holder(catalogue.entries["ci"]) is catalogue.entries["github"]
    assert keys["AGAIN"].source == ("ci", "CI_TOKEN")
    assert (keys["OWN"].held, keys["OWN"].holder(catalogue.entries["ci"])) == (keys["OWN"], catalogue.entries["ci"])
    assert catalogue.origins == {"ci": (catalogue.entries["github"],)}


def test_what_leads_nowhere_or_round_has_no_origin() -> None:
    catalogue = catalogue_of(load(TAKING))
    assert all(key.is_taken and key.origin is None for key in catalogue.entries["lost"].keys.values())


def test_a_long_chain_is_gone_once() -> None:
    links = "".join(f"      K{number}: {{from: a/K{number + 1}}}\n" for number in range(2000))
    catalogue = catalogue_of(load(f"secrets:\n  a:\n    keys:\n{links}      K2000: {{}}\n"))
    keys = catalogue.entries["a"].keys
    assert {key.held for key in keys.values()} == {keys["K2000"]}
