import pytest

from compiler.operations.cutover import accepted_keys, resolve_request
from compiler.operations.cutover_gate import CutoverRequest, Mode
from compiler.refusal import Refusal
from tests.unit.operations.cutover.conftest import Bench

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
    assert accepted_keys(known, ["TOKEN"]) == {("jira", "TOKEN"), ("slack", "TOKEN")}
    assert accepted_keys(known, ["slack/TOKEN", "URL"]) == {("slack", "TOKEN"), ("jira", "URL")}
    for word in ("TOKN", "jira/X", "x/TOKEN"):
        with pytest.raises(Refusal) as refused:
            accepted_keys(known, [word])
        assert refused.value.help == 'their keys are "TOKEN", "URL"'
