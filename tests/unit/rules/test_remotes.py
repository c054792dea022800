import time

import pytest

from compiler.model.document import Severity
from compiler.rules.remotes import (
    find_ambiguous_property,
    find_bundle_needs_one_remote,
    find_contradictory_extract,
    find_contradictory_remote,
    find_missing_remote,
    find_unread_remote,
)
from tests.pace import allowed
from tests.unit.rules.conftest import CATALOGUE, TAKING, Judge

ONLY_VAULT = CATALOGUE.replace(", azurekv: platform-github}", "}")


def test_names_the_provider_and_the_entry(judge: Judge) -> None:
    found = judge(find_missing_remote, "secrets: {github: {store: azure}}", catalogue=ONLY_VAULT)
    assert found.messages == ['"github" has no remote name for the Key Vault store "azure"']
    assert found.helps == ['add `azurekv: platform-github` under `remote` of "github" in the catalogue']
    assert found.marked == ["azure"]
    assert found.related == ["remote"]


def test_the_name_to_add_is_one_that_the_store_takes(judge: Judge) -> None:
    catalogue = ONLY_VAULT.replace("platform/github", "platform/git_hub.pat/")
    found = judge(find_missing_remote, "secrets: {github: {store: azure}}", catalogue=catalogue)
    assert found.helps == ['add `azurekv: platform-git-hub-pat` under `remote` of "github" in the catalogue']


def test_names_the_keys_where_others_have_their_own_place(judge: Judge) -> None:
    found = judge(find_missing_remote, "secrets: {github: {store: azure, use: [app]}}", catalogue=ONLY_VAULT)
    assert found.messages == ['"GITHUB_APP_ID" of "github" has no remote name for the Key Vault store "azure"']


def test_finds_a_vault_without_a_path(judge: Judge) -> None:
    found = judge(find_missing_remote, catalogue=CATALOGUE.replace("vault: platform/github, ", ""))
    assert found.messages == ['"github" has no remote name for the Vault store "vault"']


def test_an_own_name_in_the_environment_is_enough(judge: Judge) -> None:
    assert not judge(
        find_missing_remote, "secrets: {github: {store: azure, remote: {azurekv: gh}}}", catalogue=ONLY_VAULT
    )


def test_leaves_known_places_and_unknown_stores_alone(judge: Judge) -> None:
    assert not judge(find_missing_remote, "store: azure")
    assert not judge(find_missing_remote, "store: gcp", catalogue=ONLY_VAULT)
    assert not judge(find_missing_remote, "store: azure", catalogue=ONLY_VAULT + "colour: red\n")


def test_needs_no_name_of_the_secret_where_each_key_has_its_own(judge: Judge) -> None:
    catalogue = ONLY_VAULT.replace("{variants: [pat]}", "{variants: [pat], remote: {azurekv: github-token}}")
    assert not judge(find_missing_remote, "store: azure", catalogue=catalogue)


def test_names_the_entry_that_has_the_value(judge: Judge) -> None:
    catalogue = TAKING.replace("{vault: platform/github, azurekv: platform-github}", "{vault: platform/github}")
    found = judge(find_missing_remote, "secrets: {ci: {store: azure}}", catalogue=catalogue)
    assert found.messages == [
        '"github", which has the value of "CI_TOKEN" of "ci", has no remote name for the Key Vault store "azure"'
    ]
    assert found.helps == ['add `azurekv: platform-github` under `remote` of "github" in the catalogue']
    assert found.scopes == [("secrets", "ci")]


def test_what_leads_nowhere_is_another_rules(judge: Judge) -> None:
    assert not judge(
        find_missing_remote, "secrets: {ci: {}}", catalogue=TAKING.replace("github/GITHUB_TOKEN", "github/NONE")
    )
    assert not judge(find_missing_remote, "secrets: {ci: {}}", catalogue=TAKING)


def _catalogue(key: str) -> str:
    return CATALOGUE.replace("AWS_REGION: {}", f"AWS_REGION: {{remote: {key}}}")


@pytest.mark.parametrize(
    ("remote", "message"),
    [
        ("{vault: {name: a, whole: true}}", '"AWS_REGION" cannot be a whole Vault secret'),
        ("{azurekv: {name: a, property: b, whole: true}}", '"AWS_REGION" is a property and the whole secret at once'),
        ("{azurekv: {whole: true}}", '"AWS_REGION" is the whole of a remote secret that has other keys as properties'),
        (
            "{azurekv: {name: platform-aws, whole: true}}",
            '"AWS_REGION" is the whole of a remote secret that has other keys as properties',
        ),
    ],
)
def test_finds_a_contradiction(judge: Judge, remote: str, message: str) -> None:
    found = judge(find_contradictory_remote, _catalogue(remote))
    assert found.messages == [message]
    assert found.marked == ["true"]
    assert all(found.helps)


def test_finds_a_whole_that_another_key_names_as_its_remote(judge: Judge) -> None:
    text = CATALOGUE.replace("AWS_REGION: {}", "AWS_REGION: {remote: {azurekv: {name: x, whole: true}}}")
    text = text.replace("AWS_ACCESS_KEY_ID: {}", "AWS_ACCESS_KEY_ID: {remote: {azurekv: {name: x, property: y}}}")
    assert len(judge(find_contradictory_remote, text)) == 1


@pytest.mark.parametrize(
    "remote",
    ["{azurekv: {name: a, whole: true}}", "{azurekv: {whole: false}}", "{vault: {name: a, property: b}}", "{vault: a}"],
)
def test_leaves_a_clear_place_alone(judge: Judge, remote: str) -> None:
    assert not judge(find_contradictory_remote, _catalogue(remote))


def test_the_only_key_may_be_the_whole(judge: Judge) -> None:
    text = "secrets: {a: {target: a, syncWave: 1, remote: {azurekv: a}, keys: {A: {remote: {azurekv: {whole: true}}}}}}"
    assert not judge(find_contradictory_remote, text)


@pytest.mark.heavy
def test_many_whole_values_are_judged_in_time(judge: Judge) -> None:
    keys = "\n      ".join(
        f"K{number}: {{remote: {{azurekv: {{name: k{number}, whole: true}}}}}}" for number in range(4000)
    )
    begin = time.process_time()
    assert not judge(find_contradictory_remote, CATALOGUE.replace("AWS_REGION: {}", keys))
    assert time.process_time() - begin < allowed(2)


ONLY = TAKING.replace("      OWN: {}\n", "")
BARE = ONLY.replace("    remote: {vault: platform/ci, azurekv: platform-ci}\n", "")


def test_finds_a_name_in_the_catalogue_that_no_key_lies_under(judge: Judge) -> None:
    found = judge(find_unread_remote, catalogue=ONLY)
    assert found.messages == ['nothing is read there: every key of "ci" takes its value from "github"']
    assert (found.marked, found.related) == (["remote"], ["github/GITHUB_TOKEN"])
    assert found.paths == ["environments/catalogue.yaml"]


def test_refuses_an_environments_own_name_and_says_whose_is_followed(judge: Judge) -> None:
    found = judge(find_unread_remote, "secrets: {ci: {remote: {vault: mine}}}", catalogue=BARE)
    assert (found.marked, found.paths) == (["remote"], ["environments/prod.yaml"])
    assert found.helps == [
        'remove it; to have the value elsewhere, set the `remote` of "github", which its readers follow'
    ]
    assert found.scopes == [("secrets", "ci")]


def test_leaves_alone_what_some_key_reads(judge: Judge) -> None:
    assert not judge(
        find_unread_remote, "secrets: {ci: {remote: {vault: mine}}, github: {remote: {vault: x}}}", catalogue=TAKING
    )
    assert not judge(find_unread_remote, "secrets: {ci: {}, github: {remote: {vault: mine}}}", catalogue=BARE)
    assert not judge(find_unread_remote, catalogue=ONLY.replace("github/GITHUB_TOKEN", "github/NONE"))


def test_finds_a_key_that_lies_elsewhere(judge: Judge) -> None:
    found = judge(find_bundle_needs_one_remote, "secrets: {github: {fetch: bundle, store: azure, use: [app]}}")
    assert found.messages == [
        '"github" cannot be fetched as a bundle: its remote secret has no "GITHUB_APP_KEY" under that name'
    ]
    assert found.helps == ['set `fetch: perKey` for "github"']
    assert found.marked == ["bundle"]
    assert found.scopes == [("secrets", "github")]


def test_finds_another_property_under_the_environments_fetch(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("{variants: [pat]}", "{variants: [pat], remote: {vault: {property: TOKEN}}}")
    found = judge(find_bundle_needs_one_remote, "fetch: bundle", catalogue=catalogue)
    assert found.marked == ["bundle"]
    assert found.paths == ["environments/prod.yaml"]


def test_leaves_what_lies_together_alone(judge: Judge) -> None:
    assert not judge(find_bundle_needs_one_remote, "fetch: bundle\nsecrets: {github: {use: [app]}}")
    assert not judge(find_bundle_needs_one_remote, "secrets: {github: {store: azure, use: [app]}}")
    assert not judge(find_bundle_needs_one_remote, "fetch: bundle\nstore: azure")
    assert not judge(find_bundle_needs_one_remote, "fetch: bundle\nstore: gcp")


def test_finds_a_value_that_another_entry_has(judge: Judge) -> None:
    found = judge(find_bundle_needs_one_remote, "secrets: {ci: {fetch: bundle}}", catalogue=TAKING)
    assert found.messages == ['"ci" cannot be fetched as a bundle: its remote secret has no "CI_TOKEN" under that name']
    assert found.related == ["github/GITHUB_TOKEN"]


EXTRACTED = TAKING.replace("    target: agent-aws-secrets\n", "    target: agent-aws-secrets\n    extract: true\n")
AWS = "secrets: {aws: {}}"


def test_finds_what_a_key_says_of_its_place_and_its_variants(judge: Judge) -> None:
    for said, field, message in (
        ("{variants: [pat]}", "variants", 'the key "AWS_REGION" of "aws" is always there'),
        ("{remote: {vault: {property: X}}}", "remote", 'the key "AWS_REGION" of "aws" is at its own name'),
        ("{from: global/LLM_PROVIDER}", "from", 'the key "AWS_REGION" of "aws" is in the remote secret of its entry'),
    ):
        found = judge(find_contradictory_extract, catalogue=EXTRACTED.replace("AWS_REGION: {}", f"AWS_REGION: {said}"))
        (text,) = found.messages
        assert text.startswith(message)
        assert text.endswith(", as its entry has `extract: true`")
        assert (found.marked, found.related) == ([field], ["true"])
        assert found.helps == [f"remove `{field}`, or `extract`"]
        assert found.scopes == [("secrets", "aws")]


def test_finds_variants_that_are_chosen_and_a_way_to_fetch(judge: Judge) -> None:
    found = judge(
        find_contradictory_extract,
        catalogue=EXTRACTED.replace("    extract: true\n", "    extract: true\n    use: []\n"),
    )
    assert found.messages == ['"aws" has no variants, as its entry has `extract: true`']
    found = judge(find_contradictory_extract, "secrets: {aws: {use: [], fetch: bundle}}", catalogue=EXTRACTED)
    assert found.messages == [
        '"aws" has no variants, as its entry has `extract: true`',
        '"aws" is always fetched as a whole, as its entry has `extract: true`',
    ]
    assert found.marked == ["use", "fetch"]


def test_leaves_other_entries_and_what_an_environment_fetches_by_default_alone(judge: Judge) -> None:
    assert not judge(find_contradictory_extract, catalogue=EXTRACTED)
    assert not judge(find_contradictory_extract, catalogue=TAKING)
    assert not judge(
        find_contradictory_extract, catalogue=EXTRACTED.replace("extract: true\n", "extract: false\n    use: []\n")
    )
    assert not judge(find_contradictory_extract, f"fetch: bundle\n{AWS}", catalogue=EXTRACTED)
    assert not judge(find_contradictory_extract, "secrets: {github: {use: [app], fetch: bundle}}", catalogue=EXTRACTED)


def test_finds_what_is_said_of_values_where_no_key_is_listed(judge: Judge) -> None:
    start = EXTRACTED.index("    keys:", EXTRACTED.index("    extract: true"))
    end = EXTRACTED.find("\n  ", EXTRACTED.index("\n", start) + 1)
    while end >= 0 and EXTRACTED[end:].startswith("\n    "):
        end = EXTRACTED.find("\n  ", end + 1)
    lone = EXTRACTED[:start].rstrip() + (EXTRACTED[end:] if end >= 0 else "\n")
    assert not judge(find_contradictory_extract, AWS, catalogue=lone)
    found = judge(
        find_contradictory_extract,
        catalogue=lone.replace("extract: true", "extract: true\n    rotate: 90d\n    owner: team-a"),
    )
    assert found.messages == ['`rotate` is of listed keys, and "aws" lists none']
    assert (found.marked, found.related, found.scopes) == (["rotate"], ["true"], [("secrets", "aws")])
    assert found.helps == ["list them under `keys`, or remove `rotate`"]


@pytest.mark.parametrize("name", ["tls..crt", ".tls", "a*", "a?", "@this", "a|b", "a#", "a b", "k" * 254, "-output"])
def test_finds_a_key_that_is_its_own_property(judge: Judge, name: str) -> None:
    found = judge(find_ambiguous_property, CATALOGUE.replace("AWS_REGION: {}", f'"{name}": {{}}'))
    assert found.messages[0].endswith("is also its property name, which has a special meaning")
    assert len(found) == 1
    assert found.scopes == [("secrets", "aws")]


def test_finds_a_written_property(judge: Judge) -> None:
    found = judge(
        find_ambiguous_property,
        CATALOGUE.replace("AWS_REGION: {}", 'AWS_REGION: {remote: {vault: {property: "aws*region"}}}'),
    )
    assert found.messages == ['the property "aws*region" has a special meaning']
    assert found.marked == ['"aws*region"']


def test_a_key_needs_another_property_for_each_provider(judge: Judge) -> None:
    one = CATALOGUE.replace("AWS_REGION: {}", "tls.crt: {remote: {vault: {property: CRT}}}")
    assert len(judge(find_ambiguous_property, one)) == 1
    both = "tls.crt: {remote: {vault: {property: CRT}, azurekv: {name: crt, whole: true}}}"
    assert not judge(find_ambiguous_property, CATALOGUE.replace("AWS_REGION: {}", both))


def test_a_dot_is_a_warning_that_can_be_waived(judge: Judge) -> None:
    dotted = CATALOGUE.replace("AWS_REGION: {}", "tls.crt: {}")
    (found,) = judge(find_ambiguous_property, dotted)
    assert found.severity is Severity.WARNING
    assert found.message == 'the key "tls.crt" is also its property name, which may mean a value within "tls"'
    assert "waive: {ambiguous-property: the reason}" in (found.help or "")


def test_what_is_worse_than_a_dot_is_an_error_that_cannot_be_waived(judge: Judge) -> None:
    (found,) = judge(find_ambiguous_property, CATALOGUE.replace("AWS_REGION: {}", '"tls.*": {}'))
    assert found.severity is Severity.ERROR


def test_leaves_plain_names_alone(judge: Judge) -> None:
    assert not judge(find_ambiguous_property, CATALOGUE)
