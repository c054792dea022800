from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from compiler.change.apply import carry_out
from compiler.change.plan import End, Kind, Options, Outcome, Plan, State
from compiler.model.environment import Environment
from compiler.operations.put import target_of
from compiler.operations.removal import removal
from compiler.refusal import Refusal
from compiler.stores.errors import DisabledError
from compiler.stores.interface import Attributes, Problem
from compiler.stores.secret_value import SecretValue
from tests.memory_store import MemoryStore
from tests.unit.changes import Listening
from tests.unit.operations.cutover_bench import Bench

NAME, SURPLUS = "agents-jira", {"SURPLUS": "s"}
READ = 'pods may read it: it goes into the Secret of "prod/jira"'
UNASKED = (
    "who reads it is judged by the files, and not by the cluster; to see what is in effect there: "
    "platform-secrets status prod jira --cluster"
)
LISTED = {"JIRA_TOKEN": "t-2", "JIRA_URL": "https://jira"}


@pytest.fixture
def extracting(bench: Bench) -> Bench:
    bench.change("catalogue", "\n  jira:\n", "\n  jira:\n    extract: true\n")
    hold(bench.azure, NAME, LISTED | SURPLUS)
    hold(bench.vault, "agents/jira", LISTED | SURPLUS)
    return bench


def hold(store: MemoryStore, name: str, values: Mapping[str, str], **attributes: Any) -> None:  # noqa: ANN401 - fields
    kept = {key: SecretValue(value) for key, value in values.items()}
    store._add(name, kept, None, Attributes(**attributes))


def options_of(bench: Bench, **more: Any) -> Options:  # noqa: ANN401 - fields of Options
    environments: Callable[[], list[Environment]] = lambda: [bench.environment()]  # noqa: E731
    return Options(**{"root": bench.root, "stores": bench.live(), "environments": environments, **more})


def planned(bench: Bench, *names: str, of: str = "jira", store: str | None = "azure", **more: Any) -> Plan:  # noqa: ANN401
    target = target_of(bench.environment(), of, None, store)
    return removal(target, names, options_of(bench, **more)).plan()


def applied(bench: Bench, *names: str, **more: Any) -> Outcome:  # noqa: ANN401 - fields of Options
    target = target_of(bench.environment(), "jira", (), "azure")
    return carry_out(removal(target, names, options_of(bench, applies=True, **more)), Listening())


def refused(bench: Bench, *names: str, **more: Any) -> tuple[str, str]:  # noqa: ANN401 - fields of Options
    plan = planned(bench, *names, **more)
    assert not plan.writes
    ((reason, remedy),) = {(step.reason, step.remedy) for step in plan.steps if step.kind is Kind.REFUSE}
    return reason, remedy


def test_a_new_version_lacks_the_property_and_keeps_all_else(extracting: Bench) -> None:
    hold(extracting.azure, NAME, LISTED | SURPLUS | {"KEPT": "k"}, tags={"owner": "them"}, content_type="x")
    plan = planned(extracting, "SURPLUS", "SURPLUS")
    assert [(step.secret, step.key, step.kind, str(step.destination)) for step in plan.steps] == [
        ("jira", "SURPLUS", Kind.REMOVE, "azure:agents-jira#SURPLUS")
    ]
    assert (plan.who, plan.unserved) == (
        {"azure": "tester"},
        (
            'no pod of prod reads "jira" from "azure": "vault" serves it',
            UNASKED,
        ),
    )
    outcome = applied(extracting, "SURPLUS")
    assert (outcome.end, [each.state for each in outcome.results]) == (End.APPLIED, [State.DONE])
    assert extracting.azure.shown(NAME) == LISTED | {"KEPT": "k"}
    newest = extracting.azure.held[NAME].attributes
    assert (newest.tags, newest.content_type) == ({"owner": "them"}, "x")


def test_the_journal_names_the_keys(extracting: Bench) -> None:
    (write,) = planned(extracting, "SURPLUS").writes
    fields = write.journal_fields()
    assert (fields["kind"], [key["kind"] for key in fields["keys"]]) == ("remove", ["remove"])


@pytest.mark.parametrize(
    ("secret", "name", "message", "way_out"),
    [
        ("github", "SURPLUS", '"github" has no `extract: true`', "take a key out of its `keys`"),
        ("jira", "JIRA_URL", 'the catalogue lists the key "JIRA_URL" of "jira"', "take it out of `keys`"),
    ],
)
def test_what_is_listed_is_not_taken_away(
    extracting: Bench, secret: str, name: str, message: str, way_out: str
) -> None:
    with pytest.raises(Refusal) as found:
        planned(extracting, name, of=secret)
    assert str(found.value).startswith(message)
    assert str(found.value.help).startswith(way_out)


@pytest.mark.parametrize(
    ("keys", "what"),
    [("{SURPLUS: {}}", 'property "SURPLUS"'), ("{O: {remote: {azurekv: {whole: true}}}}", "whole value")],
)
def test_a_key_of_another_entry_is_not_taken_away(extracting: Bench, keys: str, what: str) -> None:
    extracting.add_entry("remote: {azurekv: agents-jira}", f"keys: {keys}")
    with pytest.raises(Refusal, match=f'the {what} of "agents-jira" is the key ".+" of "other"'):
        planned(extracting, "SURPLUS")


def test_a_store_without_a_place_for_the_secret_is_refused(extracting: Bench) -> None:
    extracting.change("catalogue", "{vault: agents/jira, azurekv: agents-jira}", "{vault: agents/jira}")
    with pytest.raises(Refusal, match='"jira" has no place in "azure"') as found:
        planned(extracting, "SURPLUS")
    assert str(found.value.help).startswith("add `azurekv: NAME` under `remote`")


def test_a_key_that_pods_may_read_stays(extracting: Bench) -> None:
    reason, remedy = refused(extracting, "SURPLUS", store=None)
    assert reason == READ
    assert remedy == "let another store serve it first (`cutover`)"
    assert refused(extracting, "SURPLUS", store="vault") == (reason, remedy)
    # Another environment counts too.
    other = replace(extracting.environment(), name="dev")
    moved = replace(
        other,
        secrets={**other.secrets, "jira": replace(other.secrets["jira"], store=other.stores["azure"], remote=NAME)},
    )
    reason, _ = refused(extracting, "SURPLUS", environments=lambda: [moved])
    assert reason == 'pods may read it: it goes into the Secret of "dev/jira"'


@pytest.mark.parametrize("text", ["{{ range $key, $value := . }}{{ $key }}={{ $value }}{{ end }}", "{{ toJson . }}"])
def test_a_property_that_goes_into_a_text_stays(extracting: Bench, text: str) -> None:
    template = f"    extract: true\n    template: {{data: {{all: '{text}'}}}}\n"
    extracting.change("catalogue", "    extract: true\n", template)
    assert refused(extracting, "SURPLUS", store=None)[0] == READ
    assert [step.kind for step in planned(extracting, "SURPLUS").steps] == [Kind.REMOVE]
    extracting.change("catalogue", text, "{{ .JIRA_URL }}")
    assert [step.kind for step in planned(extracting, "SURPLUS", store=None).steps] == [Kind.REMOVE]


def test_a_property_that_goes_into_a_text_of_a_bundle_is_removed_where_no_pod_reads_it(extracting: Bench) -> None:
    text = "{{ range $key, $value := . }}{{ $key }}={{ $value }}{{ end }}"
    extracting.change("catalogue", "    extract: true\n", f"    template: {{data: {{all: '{text}'}}}}\n")
    extracting.write("prod", extracting.text() + "fetch: bundle\n")
    assert refused(extracting, "SURPLUS", store=None)[0] == READ
    assert [step.kind for step in planned(extracting, "SURPLUS").steps] == [Kind.REMOVE]
    extracting.change("catalogue", text, "{{ .JIRA_URL }}")
    with pytest.raises(Refusal, match="its Secret has only the listed keys"):
        planned(extracting, "SURPLUS")


def test_a_key_that_is_not_there_counts_as_removed_and_the_near_one_is_named(extracting: Bench) -> None:
    plan = planned(extracting, "SURPLU")
    assert ([step.kind for step in plan.steps], plan.writes) == ([Kind.KEEP], ())
    assert plan.unserved[-1] == '"azure" has no key "SURPLU" of "jira"; did you mean "SURPLUS"?'
    # What the catalogue lists is not offered.
    assert planned(extracting, "JIRA_TOKE").unserved[-1] == '"azure" has no key "JIRA_TOKE" of "jira"'
    del extracting.azure.versions[NAME]
    assert refused(extracting, "SURPLUS")[0] == '"azure" has no such secret'


def test_what_is_deleted_disabled_or_no_object_is_told_with_the_way_out(extracting: Bench) -> None:
    line = (
        "to recover it first: az keyvault secret recover --id https://agents.vault.azure.net/deletedsecrets/agents-jira"
    )
    extracting.azure.deleted.add(NAME)
    reason, remedy = refused(extracting, "SURPLUS")
    assert (reason, remedy) == ("it is soft-deleted", line)
    extracting.azure.deleted.clear()
    error = DisabledError(extracting.azure.place(NAME), "read", "it is disabled", "enable it")  # type: ignore[arg-type]
    extracting.azure.failures["read", NAME] = error
    assert refused(extracting, "SURPLUS") == ("it cannot be read: it is disabled", "enable it")


def test_what_would_leave_nothing_is_retired_instead(extracting: Bench) -> None:
    hold(extracting.azure, NAME, SURPLUS)
    reason, remedy = refused(extracting, "SURPLUS")
    assert reason == '"SURPLUS" is all that it has'
    assert remedy == "to delete the whole remote secret: platform-secrets retire prod jira --store azure"


def test_whoever_may_not_write_is_told_before_anything_is_sent(extracting: Bench) -> None:
    extracting.azure.denied = (Problem("forbidden", NAME, "you may not write it", "get a role"),)
    assert refused(extracting, "SURPLUS") == ("you may not write it", "get a role")
    assert extracting.azure.writes == []


def test_a_run_that_was_stopped_after_its_write_finds_it_done(
    extracting: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_arguments: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("compiler.change.run_log.RunLog.record_version", die)
    stopped = applied(extracting, "SURPLUS")
    assert [each.state for each in stopped.results] == [State.FAILED]
    assert extracting.azure.shown(NAME) == LISTED
    monkeypatch.undo()
    resumed = applied(extracting, "SURPLUS")
    assert (resumed.end, [step.kind for step in resumed.plan.steps]) == (End.NOTHING, [Kind.KEEP])
    assert len(extracting.azure.versions[NAME]) == 3


def test_an_entry_that_lists_no_key_keeps_one_property(extracting: Bench) -> None:
    keys = "    keys:\n      JIRA_TOKEN: {description: Token}\n      JIRA_URL: {description: URL}\n"
    extracting.change("catalogue", keys, "")
    (write,) = planned(extracting, "SURPLUS", "JIRA_URL").writes
    assert [step.kind for step in write.steps] == [Kind.REMOVE, Kind.REMOVE]
    assert planned(extracting, "SURPLU").unserved[-1].endswith('; did you mean "SURPLUS"?')
    assert refused(extracting, "SURPLUS", store="vault")[0].startswith("pods may read it")
    reason, remedy = refused(extracting, *LISTED, *SURPLUS)
    assert reason.endswith(" is all that it has")
    assert remedy.endswith("retire prod jira --store azure")


def test_a_property_that_becomes_a_listed_key_is_not_taken_away(extracting: Bench) -> None:
    hold(extracting.azure, NAME, {"JIRA TOKEN": "t-2", "JIRA_URL": "https://jira"})
    with pytest.raises(Refusal, match='the catalogue lists the key "JIRA_TOKEN" of "jira"'):
        planned(extracting, "JIRA TOKEN")
    extracting.add_entry("remote: {azurekv: agents-jira}", "keys: {OLD_URL: {}}")
    with pytest.raises(Refusal, match='the property "OLD_URL" of "agents-jira" is the key "OLD_URL" of "other"'):
        planned(extracting, "OLD URL")
