from typing import Any

import pytest

from compiler.cluster.view import ClusterError, ClusterView
from compiler.operations.cutover import refuse_contradictions
from compiler.operations.cutover_gate import OPTIONAL, Mode
from compiler.refusal import Refusal
from tests.unit.memory_store import secrets
from tests.unit.operations.cutover.conftest import Bench, said


def test_a_plan_has_the_edit_and_what_it_means_and_writes_nothing(bench: Bench) -> None:
    before = bench.text()
    found = bench.to_azure("jira")
    assert (found.file, found.old, bench.text()) == ("environments/prod.yaml", before, before)
    assert found.text == before + "secrets:\n  jira: {store: azure}\n"
    assert (found.is_nothing, found.is_refused, found.is_unanswered) == (False, False, False)
    assert found.diff() == (
        "--- environments/prod.yaml",
        "+++ environments/prod.yaml",
        "@@ -1 +1,3 @@",
        " labels: {team: platform}",
        "+secrets:",
        "+  jira: {store: azure}",
    )
    (effect,) = found.effects
    assert (effect.title, effect.changing, effect.unknown, effect.readers) == ("agents/agent-jira-secrets", (), (), ())


def test_what_a_switch_changes_for_pods_is_told_by_key(bench: Bench) -> None:
    bench.change(
        "catalogue", "    target: agent-jira-secrets\n", "    target: agent-jira-secrets\n    mountedBy: [mcp-jira]\n"
    )
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    (effect,) = bench.to_azure("jira").effects
    assert (effect.changing, effect.unknown, effect.readers) == (("JIRA_TOKEN",), (), ("mcp-jira",))
    # Without all keys there the operator keeps the Secret of before, which may be of either store.
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN="other"))
    (effect,) = bench.to_azure("jira").effects
    assert (effect.changing, effect.unknown) == ((), ("JIRA_TOKEN", "JIRA_URL"))
    bench.silent.add("vault")
    (effect,) = bench.to_azure("jira").effects
    assert (effect.changing, effect.unknown) == ((), ("JIRA_TOKEN", "JIRA_URL"))


def test_what_is_there_already_asks_no_store(bench: Bench) -> None:
    bench.write("prod", "store: azure\n")
    found = bench.to_azure("jira", accepted=("whatever",))
    assert (found.is_nothing, found.switches.there, found.comparison) == (True, ("jira",), None)
    assert bench.vault.calls == bench.azure.calls == []


def test_what_the_files_refuse_asks_no_store(bench: Bench) -> None:
    bench.write("canary", "extends: [prod]\n")
    found = bench.to_azure("jira")
    assert (said(found)[-1], found.comparison) == (("dependants", "refused"), None)
    assert bench.vault.calls == bench.azure.calls == []
    taken = bench.to_azure("jira", with_dependants=True)
    assert (taken.is_refused, len(taken.effects)) == (False, 2)


def test_a_key_that_no_switched_secret_has_cannot_be_accepted(bench: Bench) -> None:
    with pytest.raises(Refusal) as refused:
        bench.to_azure("jira", accepted=("JIRA_TOKN",))
    assert refused.value.kind == "usage"


class Silent:
    """A cluster that does not answer."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method of a Cluster
        def refuse(*_: str) -> None:
            raise ClusterError("it gave no usable answer (MaxRetryError)", "check the network")

        return refuse


@pytest.mark.parametrize("mode", [Mode.TO, Mode.NEXT])
def test_a_cluster_that_does_not_answer_is_no_way_on(bench: Bench, mode: Mode) -> None:
    bench.write("prod", "moves: {to: azure, steps: [[github], [jira]]}\nsecrets: {github: {store: azure}}\n")
    silent: Any = Silent()
    words = ("jira",) if mode is Mode.TO else ()
    more: dict[str, Any] = {"to": "azure"} if mode is Mode.TO else {}
    found = bench.plan(mode, *words, view=ClusterView(silent, OPTIONAL), **more)
    assert (found.is_refused, found.is_unanswered) == (True, True)
    assert found.checks[-1].message == "the cluster cannot be asked: it gave no usable answer (MaxRetryError)"
    assert not bench.plan(mode, *words, **more).is_refused


class Standing:
    """A cluster in which nothing is deployed but a store object of the Key Vault that leads to `provider`."""

    def __init__(self, provider: dict[str, Any]) -> None:
        status = {"conditions": [{"type": "Ready", "status": "True"}]}
        self._azure = {"kind": "ClusterSecretStore", "spec": {"provider": provider}, "status": status}

    def store_object(self, _kind: str, name: str, _namespace: str) -> dict[str, Any] | None:
        return self._azure if name == "azure-store" else None

    def collection(self, _plural: str, _namespace: str) -> tuple[dict[str, Any], ...]:
        return ()


@pytest.mark.parametrize(
    ("mode", "words", "more"),
    [
        (Mode.TO, ("jira",), {"to": "azure"}),
        (Mode.BACK, ("jira",), {"to": "azure"}),
        (Mode.NEXT, (), {}),
        (Mode.FINISH, (), {"to": "azure"}),
    ],
)
def test_no_form_of_a_switch_passes_the_gate_of_the_cluster(
    bench: Bench, mode: Mode, words: tuple[str, ...], more: dict[str, Any]
) -> None:
    bench.write("prod", "moves: {to: azure, steps: [[github, jira]]}\n" if mode is Mode.NEXT else "store: vault\n")
    assert not bench.plan(mode, *words, **more).is_refused
    fake: Any = Standing({"fake": {}})
    found = bench.plan(mode, *words, view=ClusterView(fake, OPTIONAL), **more)
    assert found.is_refused
    why = {each.message for each in found.checks if str(each.verdict) == "refused"}
    assert any("leads to another store than" in each for each in why)
    assert any("there is no ExternalSecret" in each for each in why)


@pytest.mark.parametrize(
    ("mode", "secrets_", "to", "said_"),
    [
        (Mode.NEXT, ["jira"], None, "--next chooses the secrets itself"),
        (Mode.FINISH, ["jira"], "azure", "--finish chooses the secrets itself"),
        (Mode.NEXT, [], "azure", "--next goes to the store of `moves:`"),
        (Mode.TO, [], "azure", "no secret is named"),
        (Mode.BACK, [], None, "no secret is named"),
    ],
)
def test_words_that_do_not_go_together_are_refused(mode: Mode, secrets_: list[str], to: str | None, said_: str) -> None:
    with pytest.raises(Refusal) as refused:
        refuse_contradictions(mode, secrets_, to)
    assert (refused.value.kind, refused.value.message) == ("usage", said_)


def test_words_that_go_together_are_not() -> None:
    refuse_contradictions(Mode.TO, ["jira"], "azure")
    refuse_contradictions(Mode.BACK, ["jira"], None)
    refuse_contradictions(Mode.NEXT, [], None)
    refuse_contradictions(Mode.FINISH, [], "azure")
