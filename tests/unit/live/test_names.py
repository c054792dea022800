from dataclasses import replace

import pytest

from compiler.live.stores import secret_named, store_named
from compiler.model.environment import Environment
from compiler.refusal import Refusal


def test_a_store_is_found_by_its_id_then_by_its_kubernetes_name(environment: Environment) -> None:
    vault = environment.stores["vault"]
    assert store_named(environment, "vault") is vault
    assert store_named(environment, vault.name) is vault
    taken = replace(environment.stores["azure"], name="vault")
    assert store_named(replace(environment, stores={"vault": vault, "azure": taken}), "vault") is vault


def test_an_unknown_store_is_told_the_nearest(environment: Environment) -> None:
    with pytest.raises(Refusal) as caught:
        store_named(environment, "azur")
    assert (caught.value.kind, caught.value.message) == ("usage", 'the environment "prod" has no store "azur"')
    assert caught.value.help == 'did you mean "azure"?'


def test_a_secret_is_found_by_its_id(environment: Environment) -> None:
    name = next(iter(environment.secrets))
    assert secret_named(environment, name) is environment.secrets[name]
    with pytest.raises(Refusal) as caught:
        secret_named(environment, f"{name}x")
    assert (caught.value.kind, caught.value.help) == ("usage", f'did you mean "{name}"?')
    assert caught.value.message == f'the environment "prod" has no secret "{name}x"'


def test_without_any_secret_the_way_out_makes_the_first(environment: Environment) -> None:
    with pytest.raises(Refusal) as caught:
        secret_named(replace(environment, secrets={}), "github")
    line = "platform-secrets new secret NAME --key KEY --into prod"
    assert (caught.value.message, caught.value.help) == (
        'the environment "prod" has no secret "github"',
        f"add one: {line}",
    )


def test_a_store_in_a_secrets_place_is_said_to_be_one(environment: Environment) -> None:
    with pytest.raises(Refusal) as caught:
        secret_named(environment, "vault")
    assert caught.value.help == '"vault" is a store'


def test_a_disabled_secret_is_not_said_to_be_unknown(environment: Environment) -> None:
    with pytest.raises(Refusal) as caught:
        secret_named(replace(environment, disabled=("jira",)), "jira")
    assert caught.value.message == 'the secret "jira" is disabled in "prod"'
    assert (caught.value.help or "").startswith("remove `enabled: false` from it, at environments/")
