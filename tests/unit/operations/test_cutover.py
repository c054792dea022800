import shlex
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from compiler.cluster.view import ClusterError, ClusterName, ClusterView
from compiler.model.values import SecretChange
from compiler.operations.cutover import (
    Cutover,
    Preview,
    check_edit,
    commit,
    match_accepted,
    outputs,
    preview_edit,
    refuse_contradictions,
    resolve_request,
    write,
)
from compiler.operations.cutover_cluster import OPTIONAL
from compiler.operations.cutover_gate import CutoverRequest, Mode, Verdict
from compiler.pipeline import Result, compile_project, plan_values, write_values
from compiler.refusal import Refusal
from compiler.text.wording import name_project
from tests.memory_store import secrets
from tests.platforms import project_of
from tests.unit.conftest import TAKERS
from tests.unit.operations.cutover_bench import OUTSIDE, Bench, said

THIRD = "stores: {third: {provider: azurekv, name: third, vaultUrl: 'https://third.vault.azure.net'}}\n"


def test_secrets_go_where_they_are_told_but_for_those_that_are_there(bench: Bench) -> None:
    bench.write("prod", "secrets: {github: {store: azure}}\n")
    found = resolve_request(bench.environment(), CutoverRequest("prod", Mode.TO, ("jira", "github", "jira"), "azure"))
    assert (found.to.id, found.secrets, found.there) == ("azure", ("jira",), ("github",))
    assert [edit.path for edit in found.edits] == [("secrets", "jira", "store")]


def test_all_is_every_secret_by_itself_alone(bench: Bench) -> None:
    bench.write("prod", "secrets: {github: {store: azure}}\n")
    found = resolve_request(bench.environment(), CutoverRequest("prod", Mode.TO, ("all",), "azure"))
    assert (found.secrets, found.there) == (("jira",), ("github",))
    with pytest.raises(Refusal):
        resolve_request(bench.environment(), CutoverRequest("prod", Mode.TO, ("jira", "all"), "azure"))


def test_a_store_may_be_named_as_in_the_cluster(bench: Bench) -> None:
    assert (
        resolve_request(bench.environment(), CutoverRequest("prod", Mode.TO, ("jira",), "azure-store")).edits[0].value
        == "azure"
    )


@pytest.mark.parametrize(
    ("text", "secrets", "store"),
    [
        ("secrets: {jira: {store: azure}}\n", ("jira",), "vault"),
        ("store: azure\n", ("jira", "github"), "vault"),
        ("labels: {}\n", ("jira",), "azure"),
        # Of an environment that moves, back is never the store that it moves to.
        ("moves: {to: azure, steps: [[all]]}\n", ("jira",), "vault"),
        # Of two that read both, the one that was switched goes back.
        ("secrets: {jira: {store: azure}}\n", ("jira", "github"), "vault"),
        ("store: azure\nsecrets: {jira: {store: vault}}\n", ("jira", "github"), "azure"),
        # Of three, a move names the one before: the environment's own, or that of a lower layer once it has ended.
        (f"{THIRD}moves: {{to: azure, steps: [[all]]}}\nsecrets: {{jira: {{store: azure}}}}\n", ("jira",), "vault"),
        (f"{THIRD}moves: {{to: azure, steps: [[all]]}}\nstore: azure\n", ("jira", "github"), "vault"),
        (f"{THIRD}moves: {{to: azure, steps: [[all]]}}\nstore: third\n", ("jira",), "third"),
    ],
)
def test_back_is_the_store_of_before(bench: Bench, text: str, secrets: tuple[str, ...], store: str) -> None:
    bench.write("prod", text)
    assert resolve_request(bench.environment(), CutoverRequest("prod", Mode.BACK, secrets)).to.id == store


@pytest.mark.parametrize("text", [THIRD, "secrets: {jira: {store: azure}, github: {store: vault}}\n"])
def test_back_has_to_be_told_where_it_could_be_either(bench: Bench, text: str) -> None:
    bench.write("prod", text)
    with pytest.raises(Refusal) as refused:
        resolve_request(bench.environment(), CutoverRequest("prod", Mode.BACK, ("jira", "github")))
    assert (refused.value.kind, "--back does not say which store" in refused.value.message) == ("usage", True)
    assert 'add --to with one of "vault", "azure"' in str(refused.value.help)
    assert resolve_request(bench.environment(), CutoverRequest("prod", Mode.BACK, ("jira",), "vault")).to.id == "vault"


def test_the_next_step_names_secrets_and_store(bench: Bench) -> None:
    bench.write("prod", "moves: {to: azure, steps: [[jira], [all]]}\nsecrets: {jira: {store: azure}}\n")
    found = resolve_request(bench.environment(), CutoverRequest("prod", Mode.NEXT))
    assert (found.to.id, found.secrets) == ("azure", ("github",))
    assert found.progress is not None
    bench.write("prod", "moves: {to: azure, steps: [[all]]}\nstore: azure\n")
    assert resolve_request(bench.environment(), CutoverRequest("prod", Mode.NEXT)).edits == ()


def test_a_finish_takes_along_who_follows_the_environment(bench: Bench) -> None:
    bench.write("prod", "secrets: {jira: {store: azure}}\n")
    found = resolve_request(bench.environment(), CutoverRequest("prod", Mode.FINISH, (), "azure"))
    assert (found.secrets, [edit.value for edit in found.edits]) == (("github",), ["azure", None])


@pytest.mark.parametrize(
    ("mode", "secrets", "to"),
    [(Mode.TO, ("jiro",), "azure"), (Mode.TO, ("jira",), "azur"), (Mode.FINISH, (), "x")],
)
def test_what_the_environment_does_not_have_is_refused(
    bench: Bench, mode: Mode, secrets: tuple[str, ...], to: str
) -> None:
    with pytest.raises(Refusal) as refused:
        resolve_request(bench.environment(), CutoverRequest("prod", mode, secrets, to))
    assert refused.value.kind == "usage"


def test_keys_are_accepted_by_name_or_with_their_secret() -> None:
    known = {("jira", "TOKEN"), ("jira", "URL"), ("slack", "TOKEN")}
    assert match_accepted(known, ["TOKEN"]) == {("jira", "TOKEN"), ("slack", "TOKEN")}
    assert match_accepted(known, ["slack/TOKEN", "URL"]) == {("slack", "TOKEN"), ("jira", "URL")}
    for word in ("TOKN", "jira/X", "x/TOKEN"):
        with pytest.raises(Refusal) as refused:
            match_accepted(known, [word])
        assert refused.value.help == 'their keys are "TOKEN", "URL"'


MOVED = "labels: {team: platform}\nsecrets: {jira: {store: azure}}\n"


def preview(bench: Bench, text: str = MOVED, *, with_dependants: bool = False) -> Preview:
    return preview_edit(bench.environment(), text, bench.root, OUTSIDE, with_dependants=with_dependants)


def found(made: Preview, request: CutoverRequest | None = None) -> list[tuple[str, str, str | None]]:
    checks = check_edit(made, request or CutoverRequest("prod", Mode.TO, ("jira",), "azure"))
    return [(str(each.about), str(each.verdict), each.mend) for each in checks if each.verdict is not Verdict.PASSED]


def compile_all(bench: Bench) -> None:
    project = project_of(bench.root)
    (bench.root / "chart").mkdir(exist_ok=True)
    files, refused = plan_values(project, bench.root / "chart", "chart", bench.root)
    assert (refused, write_values(files, bench.root)) == ((), ())


def test_an_edit_is_tried_without_writing(bench: Bench) -> None:
    compile_all(bench)
    before = bench.text()
    made = preview(bench)
    assert bench.text() == before
    (switch,) = made.switched
    assert (switch.environment.name, switch.secret, switch.source.id, switch.destination.id) == (
        *("prod", "jira", "vault", "azure"),
    )
    (file,) = made.files
    assert (file.output.shown, file.is_stale, made.stale, made.dependants) == ("chart/values-prod.yaml", True, (), ())
    (change,) = made.changes()["prod"]
    assert (change.title, change.keys_added, change.keys_removed) == ("agents/agent-jira-secrets", (), ())
    assert found(made) == []


def test_the_project_is_compiled_once_before_and_once_after_the_edit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[object] = []

    def counted(*given: Any) -> Result:  # noqa: ANN401 - the arguments of compile_project
        compiled.append(given)
        return compile_project(*given)

    environment = bench.environment()
    for module in ("pipeline", "operations.cutover"):
        monkeypatch.setattr(f"compiler.{module}.compile_project", counted)
    preview_edit(environment, MOVED, bench.root, OUTSIDE)
    assert len(compiled) == 2


def test_what_was_read_counts_although_the_file_changes_meanwhile(bench: Bench) -> None:
    environment = bench.environment()
    bench.write("prod", "labels: {team: other}\n")
    made = preview_edit(environment, MOVED, bench.root, OUTSIDE)
    assert made.environment.document.source.text == environment.document.source.text


def test_a_new_error_refuses_and_an_old_one_elsewhere_does_not(bench: Bench) -> None:
    bench.write("dev", "secrets: {gihub: {}}\n")
    bench.change("catalogue", "remote: {vault: agents/jira, azurekv: agents-jira}", "remote: {vault: agents/jira}")
    made = preview(bench)
    assert {each.rule for each in made.new} == {"missing-remote", "shared-place"}
    ((about, verdict, mend), *_) = found(made)
    assert (about, verdict, "remote" in str(mend)) == ("compiles", "refused", True)
    assert made.files == ()


def test_a_new_warning_is_shown(bench: Bench) -> None:
    bench.write("dev", "secrets: {jira: {store: azure}}\n")
    assert ("warnings", "noted") in [each[:2] for each in found(preview(bench))]


def test_a_values_file_that_is_stale_is_compiled_first_but_never_stops_the_way_back(bench: Bench) -> None:
    compile_all(bench)
    bench.write("prod", "labels: {team: changed}\n")
    made = preview(bench)
    assert found(made) == [("values-file", "refused", "platform-secrets compile prod")]
    back = found(made, CutoverRequest("prod", Mode.BACK, ("jira",)))
    assert back == [("values-file", "noted", "platform-secrets compile prod")]


def test_a_file_in_the_way_of_the_values_refuses(bench: Bench) -> None:
    (bench.root / "chart").mkdir()
    (bench.root / "chart/values-prod.yaml").write_text("mine: true\n", "utf-8")
    assert [each[:2] for each in found(preview(bench))] == [("compiles", "refused")]


def test_environments_that_extend_the_edited_one_are_named_and_taken_along(bench: Bench) -> None:
    bench.write("canary", "extends: [prod]\n")
    bench.write("own", "extends: [prod]\nsecrets: {jira: {store: vault}}\n")
    bench.write("dev", "labels: {a: b}\n")
    made = preview(bench)
    assert (made.dependants, len(made.switched), len(made.files)) == (("canary",), 1, 1)
    command = "platform-secrets cutover prod jira --to azure --with-dependants"
    assert ("dependants", "refused", command) in found(made)
    taken = preview(bench, with_dependants=True)
    assert [(each.environment.name, each.secret) for each in taken.switched] == [("prod", "jira"), ("canary", "jira")]
    assert {file.environment for file in taken.files} == {"prod", "canary"}
    assert set(taken.changes()) == {"prod", "canary"}
    request = CutoverRequest("prod", Mode.TO, ("jira",), "azure", with_dependants=True)
    assert ("dependants", "noted", None) in found(taken, request)


def test_a_dependant_with_errors_cannot_be_taken_along(bench: Bench) -> None:
    bench.write("canary", "extends: [prod]\nsecrets: {gihub: {}}\n")
    made = preview(bench, with_dependants=True)
    assert [each.rule for each in made.new] == ["unknown-secret"]


@pytest.mark.parametrize(
    "change",
    [
        SecretChange("a/b", "added"),
        SecretChange("a/b", "removed"),
        SecretChange("a/b", "changed", keys_added=("A",)),
        SecretChange("a/b", "changed", keys_removed=("A",)),
    ],
)
def test_an_edit_that_would_change_secrets_or_keys_is_refused(
    bench: Bench, change: SecretChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compiler.operations.cutover.compare", lambda *_: (change,))
    assert ("same-keys", "refused", "platform-secrets diff prod") in found(preview(bench))


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
    assert (found.is_nothing, found.switches.there, found.verified) == (True, ("jira",), None)
    assert bench.vault.calls == bench.azure.calls == []


def test_what_the_files_refuse_asks_no_store(bench: Bench) -> None:
    bench.write("canary", "extends: [prod]\n")
    found = bench.to_azure("jira")
    assert (said(found)[-1], found.verified) == (("dependants", "refused"), None)
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

    name = ClusterName("here", "https://cluster.example.com")

    def __init__(self, provider: dict[str, Any]) -> None:
        status = {"conditions": [{"type": "Ready", "status": "True"}]}
        self._azure = {"kind": "ClusterSecretStore", "spec": {"provider": provider}, "status": status}

    def operator_deployments(self) -> tuple[dict[str, Any], ...]:
        return ()

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


# Reads what jira reads; a third reads what this one reads beside it.
SHARING = """\
  jirabot:
    target: agent-jirabot-secrets
    remote: {vault: agents/jirabot, azurekv: agents-jirabot}
    syncWave: -49
    keys:
      JIRA_TOKEN: {remote: {vault: agents/jira, azurekv: agents-jira}}
      BOT_TOKEN: {}
  reporter:
    target: agent-reporter-secrets
    remote: {vault: agents/reporter, azurekv: agents-reporter}
    syncWave: -49
    keys: {BOT_TOKEN: {remote: {vault: agents/jirabot, azurekv: agents-jirabot}}}
"""
GUARD = """\
  login:
    target: agent-login-secrets
    remote: {vault: agents/login, azurekv: agents-login}
    syncWave: -49
    guards: true
    keys: {LOGIN: {}}
  sso:
    target: agent-sso-secrets
    remote: {vault: agents/sso, azurekv: agents-sso}
    syncWave: -49
    guards: true
    keys: {SSO: {}}
"""


def extended(bench: Bench, entries: str, secrets: str) -> None:
    bench.write("catalogue", bench.text("catalogue") + entries)
    bench.write("prod", f"secrets: {{{secrets}}}\n")
    for store, between in ((bench.vault, "/"), (bench.azure, "-")):
        store.seed(f"agents{between}jirabot", BOT_TOKEN="b")
        store.seed(f"agents{between}login", LOGIN="l")
        store.seed(f"agents{between}sso", SSO="s")


def of(cutover: Cutover, about: str) -> list[tuple[str, str, str | None]]:
    return [(str(each.verdict), each.message, each.mend) for each in cutover.checks if each.about == about]


@pytest.mark.parametrize("secret", ["jira", "jirabot", "reporter"])
def test_secrets_that_read_one_place_move_together(bench: Bench, secret: str) -> None:
    extended(bench, SHARING, "jirabot: {}, reporter: {}")
    ((verdict, message, mend),) = of(bench.to_azure(secret), "together")
    assert verdict == "refused"
    assert message.startswith("they read one remote place, so they move together: ")
    assert mend == "platform-secrets cutover prod jira jirabot reporter --to azure"
    assert of(bench.to_azure("jira", "jirabot", "reporter"), "together") == []
    assert of(bench.to_azure("github"), "together") == []


def test_one_that_has_moved_already_stays_behind_nobody(bench: Bench) -> None:
    extended(bench, SHARING, "jirabot: {store: azure}, reporter: {store: azure}")
    assert of(bench.to_azure("jira"), "together") == []
    ((_, _, mend),) = of(bench.plan(Mode.BACK, "reporter"), "together")
    assert mend == "platform-secrets cutover prod jirabot reporter --to vault"


def test_another_property_of_one_remote_secret_is_another_place(bench: Bench) -> None:
    other = "JIRA_OTHER: {remote: {vault: agents/jira, azurekv: agents-jira}}"
    extended(
        bench, SHARING.replace("JIRA_TOKEN: {remote: {vault: agents/jira, azurekv: agents-jira}}", other), "jirabot: {}"
    )
    assert of(bench.to_azure("jira"), "together") == []


def test_what_guards_a_store_moves_alone_and_last(bench: Bench) -> None:
    extended(bench, GUARD, "login: {}")
    noted, refused = of(bench.to_azure("login", "jira"), "guards")
    assert noted == (
        *("noted", '"login" guards a store: try a break-glass log-in, which does not need it, first', None),
    )
    assert refused == (
        *("refused", 'what guards a store moves alone: "login"', "platform-secrets cutover prod jira --to azure"),
    )
    _, refused = of(bench.to_azure("login"), "guards")
    assert refused == (
        "refused",
        '"login" guards a store, so it moves last; not there yet: "github", "jira"',
        "platform-secrets cutover prod github jira --to azure",
    )
    bench.write("prod", "store: azure\nsecrets: {login: {store: vault}}\n")
    last = bench.to_azure("login")
    assert (said(last), last.is_refused) == ([("guards", "noted")], False)


def test_two_that_guard_a_store_move_one_after_the_other(bench: Bench) -> None:
    extended(bench, GUARD, "login: {store: vault}, sso: {store: vault}")
    bench.change("prod", "secrets:", "store: azure\nsecrets:")
    (*_, refused) = of(bench.to_azure("login", "sso"), "guards")
    assert refused[1:] == (
        *('what guards a store moves alone: "login", "sso"', "platform-secrets cutover prod login --to azure"),
    )
    assert not bench.to_azure("sso").is_refused


def test_who_reads_the_place_of_what_guards_a_store_moves_last_with_it(bench: Bench) -> None:
    sharing = "  portal: {target: agent-portal-secrets, syncWave: -49, keys: {LOGIN: {from: login/LOGIN}}}\n"
    extended(bench, GUARD + sharing, "login: {}, portal: {}")
    together = "platform-secrets cutover prod login portal --to azure"
    (parted,) = of(bench.to_azure("login"), "together")
    assert (parted[0], parted[2]) == ("refused", together)
    _, refused = of(bench.to_azure("login", "portal"), "guards")
    assert refused[1] == '"login" guards a store, so it moves last; not there yet: "github", "jira"'
    moved = "login: {}, portal: {}, github: {store: azure}, jira: {store: azure}"
    bench.write("prod", f"secrets: {{{moved}}}\n")
    alone = bench.to_azure("login", "portal")
    assert (said(alone), alone.is_refused) == ([("guards", "noted")], False)


def test_on_the_way_back_nothing_waits_for_what_guards_a_store(bench: Bench) -> None:
    extended(bench, GUARD, "login: {store: azure}, jira: {store: azure}")
    back = bench.plan(Mode.BACK, "login", "jira", to="vault")
    assert (said(back), back.is_refused) == ([("guards", "noted")], False)
    # Where it never was, it moves last as on any way forward.
    bench.write("prod", "secrets: {login: {}}\n")
    new = bench.plan(Mode.BACK, "login", "jira", to="azure")
    assert said(new) == [("compared", "noted"), ("guards", "noted"), ("guards", "refused")]


@pytest.mark.parametrize("secret", ["jira", "board", "report"])
def test_secrets_with_a_value_in_common_move_together(bench: Bench, secret: str) -> None:
    extended(bench, TAKERS, "board: {}, report: {}")
    ((verdict, message, mend),) = of(bench.to_azure(secret), "together")
    assert verdict == "refused"
    assert message.startswith(f'they read one remote place, so they move together: "{secret}" and "')
    assert mend == "platform-secrets cutover prod jira board report --to azure"


FILES = ("environments/prod.yaml", "chart/values-prod.yaml")


def test_the_environment_is_written_first_and_its_values_with_it(bench: Bench) -> None:
    found = bench.to_azure("jira")
    assert tuple(output.shown for output in outputs(found)) == FILES
    assert write(found) == FILES
    assert bench.text() == found.text
    assert "azure-store" in (bench.root / FILES[1]).read_text("utf-8")
    assert not compile_project(bench.root, ["prod"]).failed


def test_the_mode_of_the_file_stays(bench: Bench) -> None:
    path = bench.root / FILES[0]
    path.chmod(0o640)
    write(bench.to_azure("jira"))
    assert path.stat().st_mode & 0o777 == 0o640


def test_an_edit_that_somebody_made_meanwhile_is_not_lost(bench: Bench) -> None:
    found = bench.to_azure("jira")
    bench.write("prod", "labels: {team: other}\n")
    with pytest.raises(Refusal) as refused:
        write(found)
    assert "environments/prod.yaml was changed by somebody else meanwhile" in refused.value.message
    assert (bench.text(), (bench.root / FILES[1]).exists()) == ("labels: {team: other}\n", False)


def test_a_file_that_somebody_removed_meanwhile_stays_away(bench: Bench) -> None:
    found = bench.to_azure("jira")
    (bench.root / FILES[0]).unlink()
    with pytest.raises(Refusal, match=r"environments/prod\.yaml cannot be written: no such file"):
        write(found)
    assert not (bench.root / FILES[0]).exists()


def test_a_file_that_is_read_only_or_out_of_the_project_is_not_written(bench: Bench, tmp_path: Path) -> None:
    path = bench.root / FILES[0]
    path.chmod(0o444)
    with pytest.raises(Refusal, match=r"environments/prod\.yaml is read-only"):
        write(bench.to_azure("jira"))
    path.chmod(0o644)
    (bench.root / "chart").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (bench.root / "chart").symlink_to(tmp_path / "elsewhere")
    found = bench.to_azure("jira")
    before = bench.text()
    with pytest.raises(ValueError, match="what the gate refuses is not written"):
        write(found)
    assert bench.text() == before
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_chart_folder_that_cannot_be_made_is_refused(bench: Bench) -> None:
    found = bench.to_azure("jira")
    (bench.root / "chart").write_text("a file", "utf-8")
    before = bench.text()
    with pytest.raises(Refusal) as refused:
        write(found)
    assert (refused.value.message, bench.text()) == ("chart cannot be created: file exists", before)
    assert refused.value.help is None


def test_a_link_inside_the_project_stays_a_link(bench: Bench) -> None:
    real = bench.root / "environments/real.txt"
    (bench.root / FILES[0]).rename(real)
    (bench.root / FILES[0]).symlink_to("real.txt")
    write(bench.to_azure("jira"))
    assert (bench.root / FILES[0]).is_symlink()
    assert "store: azure" in real.read_text("utf-8")


def test_the_commit_says_what_was_done_and_what_could_not_be_known(bench: Bench) -> None:
    bench.change("prod", "labels", "moves: {to: azure, steps: [[jira], [all]]}\nlabels")
    add = "git add environments/prod.yaml chart/values-prod.yaml"
    assert commit(bench.to_azure("jira")) == (add, "git commit -m 'Switch jira of prod to azure'")
    assert commit(bench.plan(Mode.NEXT))[1] == "git commit -m 'Switch jira of prod to azure'"
    assert commit(bench.plan(Mode.FINISH, to="azure"))[1] == "git commit -m 'Make azure the store of prod'"
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    accepted = bench.to_azure("jira", accepted=("JIRA_TOKEN",))
    assert commit(accepted)[1].endswith("-m 'Accepted with another value: jira/JIRA_TOKEN.'")
    bench.silent.add("vault")
    unknown = "-m 'Without comparison: vault did not answer for jira/JIRA_TOKEN, jira/JIRA_URL.'"
    assert commit(bench.to_azure("jira", without_comparison=True))[1].endswith(unknown)
    bench.write("canary", "extends: [prod]\n")
    taken = bench.to_azure("jira", without_comparison=True, with_dependants=True)
    assert commit(taken)[0] == "git add environments/prod.yaml chart/values-canary.yaml chart/values-prod.yaml"
    assert commit(taken)[1].endswith("Also of canary.'")


def test_a_commit_of_the_way_back_and_of_many_says_so(bench: Bench) -> None:
    bench.write("prod", "secrets: {jira: {store: azure}}\n")
    assert commit(bench.plan(Mode.BACK, "jira"))[1] == "git commit -m 'Switch jira of prod back to vault'"


def test_the_same_command_is_written_with_all_that_was_given() -> None:
    request = CutoverRequest(
        *("prod", Mode.BACK, ("jira", "slack"), "vault", ("A", "jira/B")),
        without_comparison=True,
        with_dependants=True,
        cluster=("--cluster", "--context", "a b"),
    )
    assert request.again("--more") == (
        "platform-secrets cutover prod jira slack --back --to vault --accept-differences A jira/B "
        "--without-comparison --with-dependants --cluster --context 'a b' --more --apply"
    )
    assert (
        CutoverRequest("prod", Mode.TO, ("jira",), "azure").again() == "platform-secrets cutover prod jira --to azure"
    )


def test_what_goes_on_with_a_switch_keeps_its_options() -> None:
    going = CutoverRequest("prod", Mode.NEXT, cluster=("--cluster",), applies=True)
    assert going.switch("dev", ["a", "b"], "azure") == ("platform-secrets cutover dev a b --to azure --cluster --apply")
    assert going.again("--with-dependants").endswith("cutover prod --next --cluster --with-dependants --apply")


def test_every_command_finds_the_project_again(bench: Bench) -> None:
    bench.write("canary", "extends: [prod]\n")
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN="other"))
    copy_context().run(check_all_name_the_project, bench)


def check_all_name_the_project(bench: Bench) -> None:
    name_project("../my project")
    found = bench.to_azure("jira")
    bench.azure.deleted.add("agents-github")
    both = bench.to_azure("jira", "github", with_dependants=True)
    lines = [line for each in (*found.checks, *both.checks) for line in each.mends]
    commands = [words for line in lines if (words := shlex.split(line.partition("platform-secrets ")[2]))]
    assert {words[2] for words in commands} >= {"cutover", "migrate"}
    assert all(words[:2] == ["--root", "../my project"] for words in commands)


def test_a_commit_names_the_files_as_they_are_seen_from_here(bench: Bench) -> None:
    found = bench.to_azure("jira")
    subject = "Switch jira of prod to azure"
    add, line = commit(found, here=bench.root / "chart")
    assert add == "git add ../environments/prod.yaml values-prod.yaml"
    assert shlex.split(line) == ["git", "commit", "-m", subject]
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    add, line = commit(bench.to_azure("jira", accepted=("JIRA_TOKEN",)), "/p", bench.root / "chart")
    assert add == "git -C /p add environments/prod.yaml chart/values-prod.yaml"
    why = "Accepted with another value: jira/JIRA_TOKEN."
    assert shlex.split(line) == ["git", "-C", "/p", "commit", "-m", subject, "-m", why]
