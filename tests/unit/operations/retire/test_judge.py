from dataclasses import replace
from datetime import UTC, datetime

import pytest

from compiler.change.plan import Kind
from compiler.stores.errors import Action, Code, ForbiddenError, StoreError, StoreLocation, VersionGoneError
from compiler.stores.interface import Attributes, Problem
from compiler.stores.secret_value import JsonKind, SecretValue
from tests.refusals import is_refused
from tests.unit.memory_store import MemoryStore, secrets
from tests.unit.operations.retire.conftest import Bench

PLACE = StoreLocation("vault", "agents/jira")
DENIED = ForbiddenError(PLACE, Action.DESCRIBE, "no policy", "add one", permission="p")


def test_a_key_that_differs_or_is_lacking_keeps_its_whole_remote_secret(bench: Bench) -> None:
    bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="rotated"))
    plan = bench.plan("jira")
    assert plan.writes == ()
    token, url = plan.steps
    assert (token.kind, token.reason) == (Kind.CONFLICT, '"azure", which serves it, holds another value')
    assert token.remedy.endswith("migrate prod --to vault --from azure --only jira --on-conflict overwrite --apply")
    assert (url.kind, url.reason) == (Kind.REFUSE, '"azure", which serves it, does not hold it')
    assert url.remedy == "platform-secrets migrate prod --to azure --from vault --only jira --apply"
    bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="t-2"))
    token, _ = bench.plan("jira").steps
    assert (token.kind, token.reason) == (Kind.KEEP, "the same, but not all of this remote secret is, so it stays")
    assert plan.who == {}


def test_a_blank_where_it_is_served_is_never_written_over_the_value_that_is_left(bench: Bench) -> None:
    bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="", JIRA_URL="https://jira"))
    step = bench.steps("jira")["JIRA_TOKEN"]
    assert (step.kind, step.reason) == (Kind.REFUSE, '"azure", which serves it, does not hold it')
    assert step.remedy == "platform-secrets migrate prod --to azure --from vault --only jira --apply"
    bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="t-2", JIRA_URL="https://jira"))
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN=" ", JIRA_URL="https://jira"))
    assert bench.steps("jira")["JIRA_TOKEN"].kind is Kind.CONFLICT


def test_a_serving_store_that_has_it_deleted_or_does_not_say_keeps_it(bench: Bench) -> None:
    bench.azure.deleted.add("agents-jira")
    step = bench.steps("jira")["JIRA_URL"]
    assert (step.kind, step.reason) == (Kind.REFUSE, '"azure", which serves it, does not hold it: it is soft-deleted')
    bench.azure.failures["read", "agents-jira"] = DENIED
    bench.vault.failures["read", "agents/github"] = DENIED
    steps = bench.steps()
    assert steps["JIRA_URL"].reason == 'it cannot be compared with "azure": no policy'
    assert (steps["GITHUB_TOKEN"].reason, steps["GITHUB_TOKEN"].remedy) == ("it cannot be read: no policy", "add one")
    bench.azure.failures["read", "agents-jira"] = StoreError(PLACE, Action.READ, "no answer", "wait", Code.UNAVAILABLE)
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        bench.plan("jira")


def test_the_text_that_stringify_made_of_a_number_is_the_same(bench: Bench) -> None:
    bench.vault.hold("agents/github", {"GITHUB_TOKEN": SecretValue("17", JsonKind.NUMBER)})
    bench.azure.hold("agents-github", secrets(GITHUB_TOKEN="17"))
    assert bench.steps("github")["GITHUB_TOKEN"].kind is Kind.DELETE
    bench.azure.hold("agents-github", {"GITHUB_TOKEN": SecretValue("17", JsonKind.NUMBER)})
    bench.vault.hold("agents/github", secrets(GITHUB_TOKEN="17"))
    assert bench.steps("github")["GITHUB_TOKEN"].kind is Kind.CONFLICT


def test_a_property_that_no_key_names_has_to_be_served_too(bench: Bench) -> None:
    more = secrets(JIRA_TOKEN="t-2", JIRA_URL="https://jira", EXTRA="e")
    bench.vault.hold("agents/jira", more)
    step = bench.steps("jira")["EXTRA"]
    assert (step.kind, "--only jira --all-properties --apply" in step.remedy) == (Kind.REFUSE, True)
    bench.azure.hold("agents-jira", more)
    assert {step.kind for step in bench.steps("jira").values()} == {Kind.DELETE}


def test_a_property_of_a_remote_secret_that_is_no_secrets_own_cannot_be_compared(bench: Bench) -> None:
    bench.write("prod", "store: vault\n")
    bench.vault.hold("agents/github", secrets(GITHUB_TOKEN="t-1", GITHUB_APP_KEY="pem"))
    path = bench.root / "environments/catalogue.yaml"
    text = path.read_text("utf-8")
    text = text.replace("{name: github-app-key, whole: true}", "{name: github-app-key, property: PEM}")
    path.write_text(text, "utf-8")
    bench.azure.seed("github-app-key", PEM="pem", OTHER="x")
    step = bench.steps("github", store="azure")["OTHER"]
    reason = "no key of the environment names it, so that it cannot be compared"
    assert (step.kind, step.reason) == (Kind.REFUSE, reason)


def test_a_whole_value_is_compared_as_one(bench: Bench) -> None:
    bench.write("prod", "store: vault\n")
    bench.vault.hold("agents/github", secrets(GITHUB_TOKEN="t-1", GITHUB_APP_KEY="pem"))
    bench.azure.seed_whole("github-app-key", "pem")
    assert bench.steps("github", store="azure")["GITHUB_APP_KEY"].kind is Kind.DELETE
    bench.azure.seed_whole("github-app-key", "other")
    assert bench.steps("github", store="azure")["GITHUB_APP_KEY"].kind is Kind.CONFLICT


def test_what_is_no_object_or_holds_no_key_is_left_to_a_person(bench: Bench) -> None:
    bench.write("prod", "store: vault\n")
    bench.azure.seed_whole("agents-jira", "text")
    bench.azure.hold("agents-github", {})
    steps = bench.steps(store="azure")
    assert "its value is not a JSON object" in steps["JIRA_URL"].reason
    assert steps["GITHUB_TOKEN"].reason == "what it holds cannot be compared: no key of the catalogue is in it"
    assert {steps[key].kind for key in ("JIRA_URL", "GITHUB_TOKEN")} == {Kind.REFUSE}


def test_a_key_without_a_place_where_it_is_served_is_refused(bench: Bench) -> None:
    path = bench.root / "environments/catalogue.yaml"
    text = path.read_text("utf-8").replace(", remote: {azurekv: {name: github-app-key, whole: true}}", "")
    text = text.replace("vault: agents/github, azurekv: agents-github", "vault: agents/github")
    text = text.replace("Token, variants: [pat]", "Token, remote: {azurekv: agents-github}, variants: [pat]")
    path.write_text(text, "utf-8")
    bench.vault.hold("agents/github", secrets(GITHUB_TOKEN="t-1", GITHUB_APP_ID="1"))
    step = bench.steps("github")["GITHUB_APP_ID"]
    assert (step.kind, step.source) == (Kind.REFUSE, None)
    assert step.reason == 'the catalogue gives it no place in "azure", which serves it'


def test_what_is_not_there_or_deleted_already_is_left(bench: Bench) -> None:
    bench.vault.delete_versions("agents/jira", ("v1",))
    del bench.vault.versions["agents/github"]
    steps = bench.steps()
    assert (steps["JIRA_URL"].kind, steps["JIRA_URL"].reason) == (Kind.KEEP, "it is deleted already")
    assert (steps["GITHUB_TOKEN"].kind, steps["GITHUB_TOKEN"].reason) == (Kind.KEEP, "it is not there")


def test_an_earlier_version_below_a_deleted_one_is_not_passed_over(bench: Bench) -> None:
    bench.vault.seed("agents/jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
    bench.vault.soft_delete("agents/jira", "v2")
    step = bench.steps("jira")["JIRA_URL"]
    assert step.kind is Kind.REFUSE
    assert step.reason == "it is soft-deleted, but version v1 can still be read, so that it cannot be compared"
    bench.vault.failures["read", "agents/jira"] = VersionGoneError(
        PLACE, Action.READ, "it is destroyed", "write", version="v2"
    )
    assert "it is destroyed, but version v1 can still be read" in bench.steps("jira")["JIRA_URL"].reason


def test_versions_that_are_not_told_or_change_meanwhile_keep_it(bench: Bench) -> None:
    bench.vault.failures["version_states", "agents/jira"] = DENIED
    step = bench.steps("jira")["JIRA_URL"]
    assert (step.kind, step.remedy) == (Kind.REFUSE, "add one")
    assert step.reason == "which versions of it can be read is not known: no policy"
    bench.vault.failures.clear()

    def before(method: str, name: str) -> None:
        if method == "version_states" and len(bench.vault.versions[name]) == 1:
            bench.vault.hold(name, secrets(JIRA_TOKEN="theirs"))

    bench.vault.before = before
    step = bench.steps("jira")["JIRA_URL"]
    assert (step.kind, step.reason) == (Kind.REFUSE, "it changed while it was looked at")


def test_what_the_store_would_destroy_is_refused_before_anything_is_sent(bench: Bench) -> None:
    bench.vault.problems = (Problem("forbidden", "agents/jira", "a delete would be final", "turn it on"),)
    step = bench.steps("jira")["JIRA_URL"]
    assert (step.kind, step.reason, step.remedy) == (Kind.REFUSE, "a delete would be final", "turn it on")


def test_one_store_under_two_addresses_is_not_compared_with_itself(bench: Bench) -> None:
    bench.base("  azure:", '  again: {provider: vault, name: a, server: "https://again.example.com"}\n  azure:')
    bench.write("prod", "store: again\n")
    bench.store("again").seed("agents/jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
    # Two stores that hold the same.
    assert bench.steps("jira")["JIRA_URL"].kind is Kind.DELETE
    made = Attributes(created=datetime(2026, 1, 1, tzinfo=UTC))
    for store in (bench.vault, bench.store("again")):
        (version,) = store.versions["agents/jira"]
        store.versions["agents/jira"] = [replace(version, attributes=made)]
    step = bench.steps("jira")["JIRA_URL"]
    assert (step.kind, step.remedy) == (Kind.REFUSE, "check the addresses of the stores, and VAULT_ADDR")
    assert step.reason == 'it is the same remote secret in "again", seen from this machine'


def test_vault_addr_that_stands_for_both_stores_is_found(bench: Bench) -> None:
    bench.base("  azure:", '  again: {provider: vault, name: a, server: "https://again.example.com"}\n  azure:')
    bench.write("prod", "store: again\n")
    bench.environ["VAULT_ADDR"] = "http://127.0.0.1:8200"
    bench.vault.seed("agents/jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
    step = bench.steps("jira")["JIRA_URL"]
    assert (step.kind, "the same remote secret" in step.reason) == (Kind.REFUSE, True)


EARLY, LATE = (Attributes(expires=datetime(2030, 1, day, tzinfo=UTC)) for day in (1, 2))


def dated(store: MemoryStore, name: str, attributes: Attributes) -> None:
    *earlier, newest = store.versions[name]
    store.versions[name] = [*earlier, replace(newest, attributes=attributes)]


@pytest.mark.parametrize(
    ("left", "serving", "kind"),
    [
        (Attributes(), EARLY, Kind.REFUSE),
        (LATE, EARLY, Kind.REFUSE),
        (EARLY, EARLY, Kind.DELETE),
        (EARLY, LATE, Kind.DELETE),
        (EARLY, Attributes(), Kind.DELETE),
    ],
)
def test_what_deletes_itself_before_the_other_does_not_serve_it(
    bench: Bench, left: Attributes, serving: Attributes, kind: Kind
) -> None:
    bench.base("  azure:", '  again: {provider: vault, name: a, server: "https://again.example.com"}\n  azure:')
    bench.write("prod", "store: again\n")
    bench.store("again").seed("agents/jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
    dated(bench.vault, "agents/jira", left)
    dated(bench.store("again"), "agents/jira", serving)
    step = bench.steps("jira")["JIRA_URL"]
    assert step.kind is kind
    if kind is Kind.REFUSE:
        assert step.reason.startswith('in "again", which serves it, version ')
        assert step.reason.endswith(" deletes itself on 2030-01-01")
        assert step.remedy.startswith("to have it stay: bao kv undelete -mount=secret -versions=")


def test_the_expiry_of_a_key_vault_deletes_nothing(bench: Bench) -> None:
    dated(bench.azure, "agents-jira", EARLY)
    assert bench.steps("jira")["JIRA_URL"].kind is Kind.DELETE
    bench.write("prod", "store: vault\n")
    dated(bench.vault, "agents/jira", LATE)
    assert bench.steps("jira", store="azure")["JIRA_URL"].kind is Kind.REFUSE
