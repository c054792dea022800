from dataclasses import dataclass, replace
from typing import Any

import pytest

from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.live.observation import Likeness
from compiler.live.readers import ReadIndex
from compiler.model.store import remote_places
from compiler.operations.causes import find_causes, next_step
from compiler.operations.status import (
    LiveState,
    Status,
    StepContext,
    StoreFindings,
)
from compiler.stores.errors import FailureSide
from tests.unit.operations.status_world import GITHUB, JIRA, SPACE, World

MOVE = "moves: {to: azure, steps: [[github], [all]]}\n"


@dataclass(frozen=True)
class Advice:
    """What is printed below the table, of all causes together."""

    commands: tuple[str, ...] = ()
    first: str = ""
    fallback: tuple[str, ...] = ()
    accepts: str = ""


def advice(status: Status, asked: StepContext | None = None) -> Advice:
    step = next_step(status, asked)
    fallback = tuple(line for cause in step.causes for line in cause.fallback)
    accepts = "; ".join(filter(None, (cause.accepts for cause in step.causes)))
    return Advice(step.commands, step.first, fallback, accepts)


def next_commands(status: Status, cluster: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> tuple[str, ...]:
    return next_step(status, StepContext(cluster, only)).commands


def moving(world: World, text: str = MOVE, **values: StoreFindings) -> Status:
    world.bench.write("prod", text)
    status = world.status()
    return replace(
        status, rows=tuple(replace(row, values=values.get(row.secret.id, StoreFindings())) for row in status.rows)
    )


def seen(status: Status, **live: LiveState) -> Status:
    return replace(status, rows=tuple(replace(row, live=live.get(row.secret.id, LiveState())) for row in status.rows))


def test_without_a_move_and_a_problem_nothing_comes_next(world: World) -> None:
    assert next_commands(world.status()) == ()


def test_what_the_cluster_has_not_told_in_time_is_waited_for_before_the_next_step(world: World) -> None:
    status = replace(moving(world), is_live=True)
    options = ("--cluster", "--context", "there")
    assert next_commands(status, options) == ("platform-secrets status prod --wait --context there",)
    assert next_commands(seen(status), options)[0].startswith("platform-secrets cutover prod --next")
    # Whoever has waited in vain asks those who did not answer.
    in_vain = StepContext(options, has_waited=True)
    assert next_step(status, in_vain).commands == ("platform-secrets verify prod",)
    asked = replace(status, is_asked=True)
    assert next_step(asked, in_vain).commands == ("kubectl -n agents get externalsecrets",)


def test_the_next_step_of_the_move(world: World) -> None:
    assert next_commands(moving(world)) == ("platform-secrets cutover prod --next",)
    equal = StoreFindings(Likeness.EQUAL)
    options = ("--cluster", "--context", "there")
    assert next_commands(moving(world, github=equal), options) == (
        "platform-secrets cutover prod --next --cluster --context there",
    )


@pytest.mark.parametrize("likeness", [Likeness.MISSING, Likeness.DIFFERENT])
def test_what_the_other_store_lacks_is_copied_first(world: World, likeness: Likeness) -> None:
    status = moving(world, github=StoreFindings(likeness), jira=StoreFindings(likeness))
    assert next_commands(status) == ("platform-secrets migrate prod --to azure --only github",)


def test_a_store_without_access_is_looked_at_first(world: World) -> None:
    status = moving(world, github=StoreFindings(Likeness.NO_ACCESS))
    assert next_commands(status) == ("platform-secrets verify prod github --store azure",)


def test_at_its_end_a_move_is_finished_and_then_nothing_is_left(world: World) -> None:
    overrides = f"{MOVE}secrets: {{github: {{store: azure}}, jira: {{store: azure}}}}\n"
    assert next_commands(moving(world, overrides)) == ("platform-secrets cutover prod --finish --to azure",)
    assert next_commands(moving(world, f"{MOVE}store: azure\n")) == ()


def left(world: World) -> Status:
    """The move is done, the cluster runs on it, and the store that is left still holds the same."""
    equal = StoreFindings(Likeness.EQUAL)
    return replace(seen(moving(world, f"{MOVE}store: azure\n", github=equal, jira=equal)), is_live=True)


def test_a_store_that_is_left_with_the_same_values_is_retired_once_the_cluster_was_seen_on_the_other(
    world: World,
) -> None:
    options = ("--cluster", "--context", "there")
    status = left(world)
    line = "platform-secrets retire prod --store vault --cluster --context there"
    assert next_commands(status, options) == (line,)
    assert next_commands(replace(status, is_live=False)) == ("platform-secrets status prod --cluster",)
    assert next_commands(replace(status, is_live=False), (), ("jira",)) == (
        "platform-secrets status prod --only jira --cluster",
    )
    running = seen(status, jira=LiveState((ClusterProblem(ClusterState.OTHER_SPEC, "it reads the store before"),)))
    assert [line for line in next_commands(running, options) if "retire" in line] == []
    only = replace(status, rows=tuple(row for row in status.rows if row.secret.id == "jira"))
    assert next_commands(only, ("--cluster",), ("jira",)) == (
        "platform-secrets retire prod jira --store vault --cluster",
    )
    assert next_commands(moving(world, f"{MOVE}store: azure\n", github=StoreFindings(Likeness.MISSING))) == ()


def test_a_store_whose_rest_is_read_by_others_is_not_named_any_more(world: World) -> None:
    status = left(world)
    own = status.environment.stores["vault"].identity

    def offered(*names: str, store: str = "staging/vault", server: str | None = own.server) -> tuple[str, ...]:
        readers = ReadIndex((own,))
        assert readers.register_store(store, own._replace(server=server))
        for name in names:
            readers.add(remote_places(own, name), "staging/jira", store)
        return next_step(status, StepContext(("--cluster",), readers=lambda _environment, _store: readers)).commands

    line = "platform-secrets retire prod --store vault --cluster"
    assert offered() == (line,)
    assert offered("agents/jira") == (line,)
    assert offered("agents/jira", "agents/github") == ()
    # The environment's own place is compared before anything is deleted.
    assert offered("agents/jira", "agents/github", store="prod/again", server="other:8200") == (line,)
    assert offered("agents/jira", "agents/github", store="qa/vault", server="other:8200") == ()


def test_a_fault_in_the_store_in_use_comes_before_all(world: World) -> None:
    status = seen(
        moving(world, jira=StoreFindings(faults=("it lacks a key",))),
        github=LiveState((ClusterProblem(ClusterState.PODS, "a"),)),
    )
    waits = "platform-secrets status prod --only github --wait"
    assert next_commands(status, ("--cluster",)) == ("platform-secrets verify prod jira", waits)


def test_what_the_store_in_use_lacks_is_put_at_once(world: World) -> None:
    github, jira = StoreFindings(faults=("a",), unset=("GITHUB_TOKEN",)), StoreFindings(faults=("b",), unset=("A", "B"))
    lines = ("platform-secrets put prod github GITHUB_TOKEN", "platform-secrets put prod jira")
    assert next_commands(moving(world, github=github, jira=jira)) == lines
    other = StoreFindings(faults=("another",))
    assert next_commands(moving(world, github=github, jira=other)) == (lines[0], "platform-secrets verify prod jira")


def test_a_value_that_two_secrets_share_is_put_once(world: World) -> None:
    catalogue = world.bench.text("catalogue").replace("{description: Token}", "{from: github/GITHUB_TOKEN}")
    world.bench.write("catalogue", catalogue)
    github, jira = (
        StoreFindings(faults=("a",), unset=("GITHUB_TOKEN",)),
        StoreFindings(faults=("b",), unset=("JIRA_TOKEN",)),
    )
    line = "platform-secrets put prod github GITHUB_TOKEN"
    assert next_commands(moving(world, "", github=github, jira=jira)) == (line,)
    more = replace(jira, unset=("JIRA_TOKEN", "JIRA_URL"))
    assert next_commands(moving(world, "", github=github, jira=more)) == (line, "platform-secrets put prod jira")


AGAIN = "deploy chart/values-prod.yaml (argocd app sync …)"


def trouble(
    world: World,
    *problems: ClusterState,
    asked: StepContext | None = None,
    values: StoreFindings | None = None,
    **more: Any,  # noqa: ANN401 - fields of a live state
) -> Advice:
    """What comes next where jira alone has these problems."""
    contexts = "kubectl config get-contexts"
    mends = {
        ClusterState.SILENT: OPERATOR,
        ClusterState.STORE_NOT_READY: DESCRIBE,
        ClusterState.WRONG_CLUSTER: contexts,
    }
    live = LiveState(tuple(ClusterProblem(each, "a", mends.get(each, "")) for each in problems), **more)
    return advice(seen(moving(world, jira=values or StoreFindings()), jira=live), asked or StepContext(("--cluster",)))


WAITED = StepContext(("--cluster",), has_waited=True)
FORCED = StepContext(("--cluster",), has_waited=True, has_forced=True)
WAIT = "platform-secrets status prod --only jira --wait"
FORCE = "platform-secrets status prod --only jira --wait --force-sync"
VERIFY = "platform-secrets verify prod jira --cluster"
DESCRIBE = "kubectl describe clustersecretstore azure"
OPERATOR = "kubectl get pods -A -l app.kubernetes.io/name=external-secrets"


@pytest.mark.parametrize("state", [ClusterState.ABSENT, ClusterState.DELETED, ClusterState.OTHER_SPEC])
@pytest.mark.parametrize("asked", [StepContext(("--cluster",)), WAITED, FORCED])
def test_what_is_not_deployed_is_deployed_before_it_is_waited_for(
    world: World, state: ClusterState, asked: StepContext
) -> None:
    assert trouble(world, state, asked=asked) == Advice((WAIT,), AGAIN)


def test_who_asked_for_some_secrets_waits_for_those_in_that_cluster(world: World) -> None:
    asked = StepContext(("--cluster", "--context", "there"), ("jira", "github"))
    line = "platform-secrets status prod --only jira --wait --context there"
    assert trouble(world, ClusterState.OTHER_SPEC, asked=asked).commands == (line,)


def test_an_operator_that_does_not_run_is_looked_at_before_all(world: World) -> None:
    assert trouble(world, ClusterState.NOT_SYNCED, ClusterState.SILENT) == Advice((OPERATOR,))
    assert trouble(world, ClusterState.OTHER_SPEC, ClusterState.SILENT).commands == (OPERATOR,)


@pytest.mark.parametrize("state", [ClusterState.OLDER_VALUE, ClusterState.NOT_REFRESHED])
def test_an_older_value_is_read_at_once_and_never_by_what_has_just_failed(world: World, state: ClusterState) -> None:
    assert trouble(world, state) == Advice((FORCE,))
    assert trouble(world, state, asked=WAITED) == Advice((FORCE,))
    assert trouble(world, state, asked=FORCED) == Advice((OPERATOR,))


def test_a_spec_that_is_not_taken_is_waited_for_then_forced_and_then_the_operator_looked_at(world: World) -> None:
    assert trouble(world, ClusterState.NOT_SYNCED) == Advice((WAIT,))
    assert trouble(world, ClusterState.NOT_SYNCED, asked=WAITED) == Advice((FORCE,))
    assert trouble(world, ClusterState.NOT_SYNCED, asked=FORCED) == Advice((OPERATOR,))


@pytest.mark.parametrize("state", [ClusterState.NO_TARGET, ClusterState.MISSING_KEY])
def test_what_the_secret_lacks_is_made_by_a_synchronisation(world: World, state: ClusterState) -> None:
    assert trouble(world, state) == Advice((FORCE,))
    assert trouble(world, state, asked=FORCED) == Advice((VERIFY,))


@pytest.mark.parametrize("state", [ClusterState.STORE_VERSION, ClusterState.STORE_CLOSED, ClusterState.STORE_ELSEWHERE])
def test_after_its_store_object_is_corrected_a_secret_is_synchronised(world: World, state: ClusterState) -> None:
    line = "kubectl patch clustersecretstore vault"
    for mend, expected in ((line, Advice((line, FORCE))), ("correct it", Advice((FORCE,), "correct it"))):
        failing = LiveState((ClusterProblem(state, "a", mend), ClusterProblem(ClusterState.FORBIDDEN, "b")))
        status = seen(moving(world, jira=StoreFindings()), jira=failing)
        assert advice(status, StepContext(("--cluster",))) == expected


def test_no_move_comes_next_while_a_secret_that_was_not_asked_about_fails(world: World) -> None:
    equal = moving(world, github=StoreFindings(Likeness.EQUAL))
    only = replace(equal, rows=tuple(row for row in equal.rows if row.secret.id == "jira"))
    asked = StepContext(("--cluster",), ("jira",))
    assert next_step(seen(only), asked).commands == ("platform-secrets cutover prod --next --cluster",)
    assert next_step(seen(only, jira=LiveState(fails_beside=("github",))), asked).commands == ()


MOVED = f"{MOVE}secrets: {{jira: {{store: azure}}}}\n"
BACK = "platform-secrets cutover prod jira --back --to vault --cluster"


HEALS = {ClusterState.STORE_NOT_READY: DESCRIBE}


@pytest.mark.parametrize("state", [ClusterState.NOT_READY, ClusterState.RETAINED, ClusterState.STORE_NOT_READY])
@pytest.mark.parametrize("asked", [StepContext(("--cluster",)), WAITED, FORCED])
def test_what_heals_comes_before_a_way_back_to_an_equal_store_whose_object_is_ready(
    world: World, state: ClusterState, asked: StepContext
) -> None:
    there, heals = StoreFindings(Likeness.EQUAL), HEALS.get(state, VERIFY if asked is FORCED else FORCE)
    failing = LiveState((ClusterProblem(state, "a", HEALS.get(state, "")),), is_other_ready=True)
    moved = moving(world, MOVED, jira=there)
    assert advice(seen(moved, jira=failing), asked) == Advice((heals,), fallback=(BACK,))
    # Nobody has seen the other store's object ready.
    for is_ready in (False, None):
        unready = replace(failing, is_other_ready=is_ready)
        assert advice(seen(moved, jira=unready), asked) == Advice((heals,))
    # The move has not come to jira yet, and its other store lies ahead: nobody has ever read it there.
    assert trouble(world, state, asked=asked, values=there, is_other_ready=True).fallback == ()


def test_where_the_other_store_is_not_equal_the_operator_tries_again_once(world: World) -> None:
    other = StoreFindings(Likeness.DIFFERENT)
    assert trouble(world, ClusterState.NOT_READY, values=other) == Advice((FORCE,))
    assert trouble(world, ClusterState.NOT_READY, values=other, asked=FORCED) == Advice((VERIFY,))
    assert trouble(world, ClusterState.STORE_NOT_READY, values=other) == Advice((DESCRIBE,))


CLOSED = StoreFindings(Likeness.NO_ACCESS, closed=("no answer",), helps=("log in, then run again",), other_holds=True)
CLUSTER = "platform-secrets status prod --cluster"
FAILING = LiveState((ClusterProblem(ClusterState.NOT_READY, "a"),), is_other_ready=True)
ACCEPTS = 'accept that "jira" cannot be compared with "azure"'


@pytest.mark.parametrize("side", list(FailureSide))
def test_a_store_that_does_not_answer_is_mended_and_then_the_cluster_asked(world: World, side: FailureSide) -> None:
    closed = replace(CLOSED, side=side)
    both = moving(world, MOVED, github=closed, jira=closed)
    assert advice(both) == Advice((CLUSTER,), "log in")
    assert next_step(both, StepContext((), ("jira",))).commands == (
        "platform-secrets status prod --only jira --cluster",
    )
    # Whoever has asked the cluster, which runs well, has the help alone.
    assert advice(seen(both), StepContext(("--cluster",))) == Advice((), "log in")


@pytest.mark.parametrize("side", [FailureSide.SERVER, FailureSide.UNCLEAR])
def test_a_store_that_fails_for_the_operator_too_is_mended_or_left(world: World, side: FailureSide) -> None:
    asked, closed = StepContext(("--cluster",)), replace(CLOSED, side=side)
    found = seen(moving(world, MOVED, jira=closed), jira=FAILING)
    assert advice(found, asked) == Advice((FORCE,), "log in", (BACK,), ACCEPTS)
    (cause,) = find_causes(found, asked)
    assert (cause.code, cause.evidence, cause.store) == ("no-answer", ("no answer",), "azure")
    # Where the other store lacks a key, or nothing says that jira was there, there is no way back.
    lacking = replace(closed, other_holds=False)
    for no_way in (moving(world, MOVED, jira=lacking), moving(world, jira=closed)):
        assert advice(seen(no_way, jira=FAILING), asked) == Advice((FORCE,), "log in")


def test_a_store_that_this_machine_alone_may_not_ask_does_not_explain_the_operator_s_failure(world: World) -> None:
    closed = replace(CLOSED, side=FailureSide.CALLER)
    found = seen(moving(world, MOVED, jira=closed), jira=FAILING)
    assert advice(found, StepContext(("--cluster",))) == Advice((FORCE,), "", (BACK,), ACCEPTS)
    assert [cause.code for cause in find_causes(found)] == ["not-ready"]
    # The other store that is closed is no way back.
    ahead = StoreFindings(Likeness.NO_ACCESS, other_holds=False)
    assert advice(seen(moving(world, MOVED, jira=ahead), jira=FAILING)).fallback == ()


def test_the_way_back_keeps_the_order_of_the_moves_and_what_guards_a_store_goes_alone_and_last(world: World) -> None:
    entry = "  {0}: {{target: {0}, remote: {{vault: a/{1}, azurekv: a-{1}}}, syncWave: -49, keys: {{KEY: {{}}}}{2}}}\n"
    more = [entry.format("argocd", "argocd", ", guards: true"), entry.format("badge", "argocd", "")]
    world.bench.write("catalogue", world.bench.text("catalogue") + "".join(more))
    move = "moves: {to: azure, steps: [[jira], [github], [all]]}\n"
    text = f"{move}store: azure\nsecrets: {{argocd: {{}}, badge: {{}}}}\n"
    sealed = replace(CLOSED, side=FailureSide.SERVER)
    every = ("argocd", "badge", "github", "jira")
    status = seen(moving(world, text, **dict.fromkeys(every, sealed)), **dict.fromkeys(every, FAILING))
    assert advice(status).fallback == (
        "platform-secrets cutover prod jira github --back --to vault",
        "platform-secrets cutover prod badge argocd --back --to vault",
    )


def test_many_that_all_go_back_are_named_by_one_word(world: World) -> None:
    entry = "  {0}: {{target: {0}, remote: {{vault: a/{0}, azurekv: a-{0}}}, syncWave: -49, keys: {{KEY: {{}}}}}}\n"
    names = [f"n{number}" for number in range(6)]
    world.bench.write("catalogue", world.bench.text("catalogue") + "".join(map(entry.format, names)))
    text = f"store: azure\nsecrets: {{{', '.join(f'{name}: {{}}' for name in names)}}}\n"
    sealed = dict.fromkeys((*names, "github", "jira"), replace(CLOSED, side=FailureSide.SERVER))

    def fallback() -> tuple[str, ...]:
        return advice(seen(moving(world, text, **sealed), **dict.fromkeys(sealed, FAILING))).fallback

    assert fallback() == ("platform-secrets cutover prod all --back --to vault",)
    del sealed["jira"]
    listed = " ".join(["github", *names])
    assert fallback() == (f"platform-secrets cutover prod {listed} --back --to vault",)


def test_what_the_other_store_alone_holds_is_copied_and_the_rest_put(world: World) -> None:
    copy = "platform-secrets migrate prod --to vault --from azure --only jira"
    both = StoreFindings(faults=("a",), unset=("A", "B"), only_there=("A", "B"))
    assert next_commands(moving(world, jira=both)) == (copy,)
    half = replace(both, only_there=("B",))
    assert next_commands(moving(world, jira=half)) == (
        f"{copy} --continue-on-error",
        "platform-secrets put prod jira A",
    )
    # What is another value there, or not there at all, keeps nothing from being copied.
    others = replace(both, different=("C",), missing=("D",))
    assert next_commands(moving(world, jira=others)) == (f"{copy} --on-conflict skip --continue-on-error",)


def test_many_foreign_objects_are_one_cause(world: World) -> None:
    for name, moment in ((GITHUB, "2026-11-26T08:50:00Z"), (JIRA, "2026-11-26T09:50:00Z")):
        found = world.double.get("externalsecrets", SPACE, name)
        found["metadata"]["labels"] = {}
        found["metadata"]["managedFields"] = [
            {"manager": "kubectl", "time": moment, "fieldsV1": {"f:spec": {"f:data": {}}}}
        ]
        world.double.put("externalsecrets", found)
    status = world.status()
    live = world.judge().every(world.snapshot())
    (cause,) = find_causes(seen(status, **live), StepContext(("--cluster",)))
    assert cause.evidence == (
        'the ExternalSecrets are not managed by this chart but by "kubectl"; deploying would overwrite them',
    )
    assert (cause.code, cause.secrets) == ("foreign", ("github", "jira"))
    assert cause.next == ("platform-secrets verify prod github jira --cluster",)


def test_what_is_not_deployed_waits_until_a_person_has_decided(world: World) -> None:
    mixed = seen(
        moving(world),
        jira=LiveState((ClusterProblem(ClusterState.OTHER_SPEC, "a"),)),
        github=LiveState((ClusterProblem(ClusterState.FOREIGN, "a"),)),
    )
    assert advice(mixed, StepContext(("--cluster",))) == Advice(("platform-secrets verify prod github --cluster",))


def test_what_is_deployed_in_place_of_the_values_file_is_replaced_by_known_lines(world: World) -> None:
    deploys, compiles = ("argocd app sync platform",), "platform-secrets compile prod"
    for state in (ClusterState.ABSENT, ClusterState.OTHER_SPEC, ClusterState.OTHER_NAMESPACE):
        assert trouble(world, state, deploys=deploys) == Advice((*deploys, WAIT))
        words = "check that the Application or release has chart/values-prod.yaml"
        assert trouble(world, state, deploys=deploys, asked=WAITED).first == words
    # Never the old file once more.
    assert trouble(world, ClusterState.NOT_COMPILED, deploys=deploys) == Advice((compiles, *deploys, WAIT))
    assert trouble(world, ClusterState.NOT_COMPILED) == Advice((compiles,))


PATCH = "kubectl -n agents patch externalsecret agent-jira-secrets --type json -p '[]'"


def test_what_no_deployment_removes_is_removed_by_its_line(world: World) -> None:
    def told(*mends: str, asked: StepContext = StepContext(("--cluster",))) -> Advice:  # noqa: B008 - frozen
        lives = [
            LiveState((ClusterProblem(ClusterState.OTHER_SPEC, "a", mend, evidence="b"),), deploys=("deploy it",))
            for mend in mends
        ]
        return advice(seen(moving(world), **dict(zip(("jira", "github"), lives, strict=False))), asked)

    deploys = f"deploy the newest values, then wait for a refresh; then this changes what is left: `{PATCH}`"
    assert told(PATCH) == Advice((PATCH, WAIT))
    # The release that is to be upgraded may have set the fields itself.
    assert told(deploys) == Advice(("deploy it", WAIT))
    assert told(deploys, asked=WAITED) == Advice((PATCH, WAIT))
    both = told(deploys, "deploy the newest values, then wait for a refresh", asked=WAITED)
    assert both.commands[:2] == ("deploy it", PATCH)
    assert len(both.commands) == 3


def test_of_two_that_apply_the_same_one_is_taken_out_first(world: World) -> None:
    problem = ClusterProblem(ClusterState.OTHER_OWNER, "a", 'take them out of "legacy"')
    live = LiveState((problem,), deploys=("argocd app sync platform",))
    found = advice(seen(moving(world), jira=live), StepContext(("--cluster",)))
    assert found == Advice(("argocd app sync platform", WAIT), 'let only one apply them: take them out of "legacy"')


def test_what_the_operator_may_not_read_is_granted_and_then_read_at_once(world: World) -> None:
    grant = "platform-secrets generate access prod --for operator --form hcl --store vault"
    first = 'have an administrator of "vault" carry out what the next line prints'
    assert trouble(world, ClusterState.FORBIDDEN) == Advice((grant, FORCE), first)
    assert trouble(world, ClusterState.FORBIDDEN, asked=FORCED) == Advice((VERIFY,))


@pytest.mark.parametrize(
    ("rule", "helps", "holds", "line"),
    [
        ("soft-deleted-secret", ("`az recover` recovers it; or `platform-secrets migrate` copies it",), True, 1),
        ("soft-deleted-secret", ("`az recover` recovers it; or `platform-secrets migrate` copies it",), False, 0),
        ("disabled-secret", ("enable its newest version (`az enable`)",), False, 2),
        ("expired-secret", ("`platform-secrets put prod jira --expires DATE` sets a new value",), False, 3),
        ("not-json", ("write an object",), False, 4),
    ],
)
def test_a_value_that_is_there_and_cannot_be_read_is_mended(
    world: World, rule: str, helps: tuple[str, ...], line: int, *, holds: bool
) -> None:
    values = StoreFindings(faults=("a",), fault_by=rule, fault_helps=helps, other_holds=holds)
    lines = ("az recover", "platform-secrets migrate", "az enable", "platform-secrets put prod jira")
    (cause,) = find_causes(moving(world, jira=values))
    assert (cause.code, cause.next) == (rule, ((*lines, "platform-secrets verify prod jira")[line],))


def test_a_new_value_in_place_of_an_expired_one_gets_a_date_where_the_store_keeps_one(world: World) -> None:
    values = StoreFindings(faults=("a",), fault_by="expired-secret")
    (cause,) = find_causes(moving(world, MOVED, jira=values))
    assert cause.next == ("platform-secrets put prod jira --expires 90d",)


def test_what_waiting_does_not_mend_is_looked_into(world: World) -> None:
    state = ClusterState.FOREIGN
    assert trouble(world, state) == trouble(world, state, asked=FORCED) == Advice((VERIFY,))


def test_every_restart_is_named_also_where_all_is_in_effect(world: World) -> None:
    lines = ("kubectl rollout restart x", "kubectl rollout restart y")
    assert trouble(world, ClusterState.RESTART, helps=lines) == Advice(lines)
    assert trouble(world, helps=lines).commands[:2] == lines


def test_an_immutable_secret_is_deleted_where_the_store_holds_its_values(world: World) -> None:
    assert trouble(world, ClusterState.IMMUTABLE, helps=("kubectl delete x",)) == Advice(("kubectl delete x",))
    assert trouble(world, ClusterState.IMMUTABLE) == Advice((VERIFY,))


def test_a_pod_is_waited_for_then_looked_at(world: World) -> None:
    describe = "kubectl -n agents describe pod p"
    assert trouble(world, ClusterState.PODS, looks=(describe,)) == Advice((WAIT,))
    assert trouble(world, ClusterState.PODS, looks=(describe,), asked=WAITED) == Advice((describe,))


def test_a_pod_that_reads_what_the_environment_does_not_have_leads_to_its_consumers(world: World) -> None:
    line = "platform-secrets consumers prod --cluster"
    assert trouble(world, ClusterState.PODS, unlisted=("JIRA_USER",)) == Advice((line,))


def test_every_state_that_is_a_problem_has_a_remedy(world: World) -> None:
    for state in ClusterState:
        if state not in (ClusterState.NOT_ASKED, ClusterState.IN_EFFECT):
            assert trouble(world, state, helps=("do",), looks=("look",)).commands
