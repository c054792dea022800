from dataclasses import replace
from pathlib import Path

import pytest

from compiler.change.plan import Location
from compiler.live.stores import store_named
from compiler.model.environment import Environment
from compiler.operations.migrate import routes_of
from compiler.refusal import Refusal
from tests.unit.conftest import taking


def test_every_key_of_the_catalogue_has_a_route_and_those_in_use_are_marked(environment: Environment) -> None:
    azure = environment.stores["azure"]
    routes = routes_of(environment, azure, None, ())
    found = {route.key: route for route in routes.steps}
    assert list(found) == ["GITHUB_TOKEN", "GITHUB_APP_ID", "GITHUB_APP_KEY", "JIRA_TOKEN", "JIRA_URL"]
    assert {key for _, key in routes.in_use} == {"GITHUB_TOKEN", "JIRA_TOKEN", "JIRA_URL"}
    whole = found["GITHUB_APP_KEY"]
    assert whole.source is not None
    assert whole.destination is not None
    assert (whole.source.name, whole.source.property) == ("agents/github", "GITHUB_APP_KEY")
    assert (whole.destination.name, whole.destination.property) == ("github-app-key", None)
    assert routes.mains == (
        ("github", "vault", "agents/github", "agents-github"),
        ("jira", "vault", "agents/jira", "agents-jira"),
    )


def test_only_narrows_and_an_unknown_name_is_told_with_the_nearest(environment: Environment) -> None:
    azure = environment.stores["azure"]
    assert {route.secret for route in routes_of(environment, azure, None, ("jira",)).steps} == {"jira"}
    with pytest.raises(Refusal, match='the environment "prod" has no secret "jria"') as caught:
        routes_of(environment, azure, None, ("jria",))
    assert caught.value.help == 'did you mean "jira"?'
    with pytest.raises(Refusal, match='has no store "azur"'):
        store_named(environment, "azur")
    assert store_named(environment, "azure") is azure


def test_an_id_of_a_store_goes_before_a_kubernetes_name(environment: Environment) -> None:
    azure = environment.stores["azure"]
    assert store_named(environment, azure.name) is azure
    vault = replace(environment.stores["vault"], name="azure")
    both = replace(environment, stores={"vault": vault, "azure": azure})
    assert store_named(both, "azure") is azure
    assert store_named(both, "vault") is vault


def test_what_reads_the_destination_already_is_skipped_and_from_turns_the_way_round(environment: Environment) -> None:
    vault, azure = environment.stores["vault"], environment.stores["azure"]
    skipped = routes_of(environment, vault, None, ())
    assert skipped.steps == ()
    assert skipped.skipped == (("github", 'it already reads from "vault"'), ("jira", 'it already reads from "vault"'))
    back = routes_of(environment, vault, azure, ("jira",)).steps[0]
    assert back.source is not None
    assert back.source.name == "agents-jira"


def test_a_secret_without_a_place_in_the_destination_has_routes_without_one(environment: Environment) -> None:
    secret = environment.secrets["jira"]
    entry = environment.catalogue.entries["vaultonly"]
    only = replace(secret, id="vaultonly", entry=entry, keys=())
    lone = replace(environment, secrets={"vaultonly": only, "nowhere": replace(secret, store=None)})
    routes = routes_of(lone, environment.stores["azure"], None, ())
    assert [(route.key, route.destination) for route in routes.steps] == [("ONLY", None)]
    assert routes.mains == ()


def test_what_lies_in_the_same_remote_secret_and_is_not_on_the_way_is_known(
    environment: Environment, sharing: Environment
) -> None:
    routes = routes_of(sharing, sharing.stores["azure"], None, ("jira",))
    assert routes.shared == {
        Location("vault", "agents/shared", name) for name in ("GITHUB_TOKEN", "GITHUB_APP_ID", "GITHUB_APP_KEY", "ONLY")
    }
    # What lies elsewhere is nobody's matter: a large environment must not stay in memory for it.
    assert routes_of(environment, environment.stores["azure"], None, ("jira",)).shared == frozenset()


def test_a_value_that_several_secrets_have_goes_one_way(tmp_path: Path) -> None:
    environment = taking(tmp_path)
    azure = environment.stores["azure"]
    routes = routes_of(environment, azure, None, ()).steps
    assert [route.key for route in routes if route.secret in {"jira", "board", "report"}] == [
        "JIRA_TOKEN",
        "JIRA_URL",
        "OWN",
    ]
    only = routes_of(environment, azure, None, ("report",))
    (token, app) = only.steps
    assert (token.secret, token.key) == ("jira", "JIRA_TOKEN")
    assert token.source is not None
    assert token.destination is not None
    assert (token.source.name, token.destination.name) == ("agents/jira", "agents-jira")
    # In no variant that the environment uses of the secret that has it.
    assert app.key == "GITHUB_APP_ID"
    assert [*only.in_use] == [("jira", "JIRA_TOKEN")]
