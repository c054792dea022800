"""A retirement or its undo that is killed at any point, loses replies or meets other writers loses no secret."""

from collections.abc import Iterator

import pytest

from compiler.change import apply
from compiler.change.operations import Operation
from compiler.change.plan import WriteResult
from compiler.change.run_log import RunLog
from compiler.stores.interface import SecretWriter
from tests.commands import Done
from tests.faulty_gateway import FaultyGateway, GatewayFault, ReceivedRequest
from tests.faulty_key_vault import Fault, FaultKind
from tests.leaks import leaks
from tests.proofs.conftest import World, on_stores
from tests.proofs.retiring import GITHUB, JIRA, NAMES, STORES, Retiring
from tests.proofs.test_a_write_killed_at_any_point_is_resumed import DYING, KILLED, STORED

# run, two plans, planned, three for each deletion, end.
LINES = 11
# Of the undo: two for each secret.
UNDO_LINES = 4
SENTINEL = 's3ntinel/"4711"+é&'


@pytest.fixture(params=on_stores(["vault"], ["azure"]))
def retiring(request: pytest.FixtureRequest, world: World) -> Retiring:
    return Retiring(world, request.param)


def dying(turn: int) -> str:
    return DYING.replace("TURN", str(turn)).replace("HALF", str(turn % 2 == 1))


@pytest.mark.parametrize(
    ("left", "turn"),
    on_stores(
        [("vault", turn) for turn in range(1, LINES + 1)],
        [("azure", turn) for turn in (4, 5, 8, LINES)],
    ),
)
def test_killed_before_line_i_and_run_again_is_the_uninterrupted_result(world: World, left: str, turn: int) -> None:
    retiring = Retiring(world, left)
    assert world.process(dying(turn), *retiring.words, "--quiet", "--apply").returncode == KILLED
    done = retiring("--apply")
    assert done.code == 0, done
    assert retiring.states() == retiring.after
    assert retiring.served() == (GITHUB, JIRA)
    # Undone newest first, all of it comes back.
    for journal in sorted(world.journals(), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        undone = world.run("retire", "prod", "--undo", journal.stem, "--quiet", "--apply")
        # One that was killed within its first line wrote nothing.
        assert undone.code == 0 or "cannot be read" in undone.err, undone
    assert retiring.states() == retiring.before


def test_one_more_line_is_never_written(retiring: Retiring) -> None:
    assert retiring.world.process(dying(LINES + 1), *retiring.words, "--quiet", "--apply").returncode == 0


@pytest.mark.parametrize(
    ("left", "turn"),
    # Every line where a Vault is left. Where a Key Vault is, which the same undo goes through: before it and amid it.
    on_stores(
        [("vault", turn) for turn in range(1, UNDO_LINES + 1)],
        [("azure", turn) for turn in (1, UNDO_LINES)],
    ),
)
def test_an_undo_that_is_killed_is_done_by_the_next_one(world: World, left: str, turn: int) -> None:
    retiring = Retiring(world, left)
    assert retiring("--apply").code == 0
    (journal,) = retiring.world.journals()
    words = ("retire", "prod", "--undo", journal.stem, "--quiet", "--apply")
    assert retiring.world.process(dying(turn), *words).returncode == KILLED
    done = retiring.undo("--apply")
    assert done.code == 0, done
    assert retiring.states() == retiring.before
    assert "there is nothing to undo" in retiring.undo("--apply").out


def test_killed_after_a_deletion_and_before_any_note_of_it_the_undo_brings_it_back(retiring: Retiring) -> None:
    assert retiring.world.process(STORED, *retiring.words, "--quiet", "--apply").returncode == KILLED
    assert retiring.states() != retiring.before
    undone = retiring.undo("--apply")
    assert undone.code == 0, undone
    assert retiring.states() == retiring.before


@pytest.fixture
def gateway(world: World) -> Iterator[FaultyGateway]:
    with FaultyGateway(world.bao.url) as opened:
        world.variables["VAULT_ADDR"] = opened.url
        yield opened


@pytest.mark.parametrize("part", ["/delete/", "/undelete/"])
def test_lost_replies_of_vault_delete_and_recover_once(world: World, gateway: FaultyGateway, part: str) -> None:
    retiring = Retiring(world, "vault")
    lost: list[ReceivedRequest] = []

    def rule(seen: ReceivedRequest) -> GatewayFault | None:
        if part in seen.path and len(lost) < 2:
            lost.append(seen)
            return GatewayFault(drop_after=True)
        return None

    gateway.rule = rule
    assert retiring("--apply").code == 0
    assert retiring.states() == retiring.after
    assert retiring.undo("--apply").code == 0
    assert retiring.states() == retiring.before
    assert len(lost) == 2


@pytest.mark.parametrize(
    ("kind", "method"),
    # Which reply counts as lost is decided once for all that is sent.
    [(kind, "DELETE") for kind in (FaultKind.DROP_REPLY, FaultKind.STATUS_AFTER, FaultKind.TRUNCATE_REPLY)]
    + [(FaultKind.DROP_REPLY, "POST")],
)
def test_lost_replies_of_a_key_vault_delete_and_recover_once(world: World, kind: FaultKind, method: str) -> None:
    retiring = Retiring(world, "azure")
    world.azure.add_fault(Fault(kind, method=method, times=2))
    assert retiring("--apply").code == 0
    assert retiring.states() == retiring.after
    assert retiring.undo("--apply").code == 0
    assert retiring.states() == retiring.before


def test_a_version_written_after_the_plan_is_a_conflict_and_stays(
    retiring: Retiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, theirs = apply.write_remote, {"GITHUB_TOKEN": "theirs"}

    def late(write: Operation, store: SecretWriter, log: RunLog) -> WriteResult:
        if write.name == retiring.github:
            retiring.hold(retiring.left, write.name, theirs)
        return real(write, store, log)

    monkeypatch.setattr(apply, "write_remote", late)
    report = retiring("--apply", "--format", "json").report
    states = {result["name"]: result["state"] for result in report["results"]}
    assert (report["exitCode"], states) == (1, {retiring.github: "conflict", retiring.jira: "done"})
    assert retiring.states()[retiring.jira] == retiring.after[retiring.jira]
    read = retiring.world.get if retiring.left == "vault" else retiring.world.azure_object
    assert read(retiring.github) == theirs
    monkeypatch.undo()
    for name, value in retiring.world.variables.items():
        monkeypatch.setenv(name, value)
    # It is no part of what the undo brings back.
    assert retiring.undo("--apply").code == 0
    assert read(retiring.github) == theirs
    assert retiring.states()[retiring.jira] == retiring.before[retiring.jira]


def test_a_secret_that_was_written_again_is_not_covered_by_the_undo(retiring: Retiring) -> None:
    assert retiring("--apply").code == 0
    if retiring.left == "vault":
        retiring.hold("vault", retiring.github, {"GITHUB_TOKEN": "theirs"})
        wanted = {**retiring.after[retiring.github], "4": "readable"}
    else:
        retiring.world.azure.state.purge(retiring.github)
        wanted = None
    undone = retiring.undo("--apply")
    assert undone.code == 1, undone
    said = " ".join(undone.out.split())
    assert ("another writer wrote version 4" in said) or ("destroyed or purged since" in said)
    assert retiring.states() == {retiring.github: wanted, retiring.jira: retiring.before[retiring.jira]}


def test_a_vault_that_only_says_that_it_deleted_is_found_out(world: World, gateway: FaultyGateway) -> None:
    retiring = Retiring(world, "vault")
    gateway.rule = lambda seen: GatewayFault(status=204) if "/delete/" in seen.path else None
    report = retiring("--apply", "--format", "json").report
    assert (report["exitCode"], {result["state"] for result in report["results"]}) == (1, {"unverified"})
    assert retiring.states() == retiring.before


def test_no_output_journal_or_audit_file_holds_a_value(world: World) -> None:
    retiring = Retiring(world, "vault")
    for store in STORES:
        retiring.hold(store, NAMES[store][1], {"JIRA_TOKEN": SENTINEL, "JIRA_URL": SENTINEL + store})
        retiring.hold(store, NAMES[store][0], {"GITHUB_TOKEN": SENTINEL, "EXTRA": SENTINEL})
    audit = ("--audit", str(world.root / "audit.jsonl"))
    seen: list[Done] = [
        retiring("--verbose"),
        retiring("--apply", "--debug"),
        retiring("--apply", "--continue-on-error", "--format", "json", *audit),
        retiring.undo("--apply", "--debug", *audit),
        retiring.undo("--format", "json"),
    ]
    assert [done.code for done in seen] == [1, 1, 1, 0, 0]
    for done in seen:
        assert not [*leaks(done.out + done.err, SENTINEL), *leaks(done.out + done.err, "s3ntinel")]
    for path in [path for path in world.root.rglob("*") if path.is_file()]:
        assert not leaks(path.read_text("utf-8"), "s3ntinel"), path
