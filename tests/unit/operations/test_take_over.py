"""`rotate --take-over`: a rotation whose journal is lost goes on, is closed or undone, and its first machine stops."""

import io
import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import pytest

from compiler.live.stores import LiveStores
from compiler.model.store import StoreAddress
from compiler.operations.take_over import _find_in_list
from compiler.stores.errors import Action, Code, StoreError
from compiler.stores.interface import FROM_VERSION, ROTATION, ROTATION_BY, Attributes, RemoteSecret, SecretWriter
from tests import providers
from tests.commands import Done, run_command
from tests.platforms import write_agents_project
from tests.proofs.machine.shelves import Shelf

ENTRIES = """\
  slack:
    target: agent-slack-secrets
    remote: {vault: agents/slack, azurekv: agents-slack}
    syncWave: -49
    keys:
      SLACK_TOKEN: {rotate: 90d, overlap: two-keys, issuer: "https://slack.example.com/keys"}
      SLACK_URL: {rotate: 90d}
  mail:
    target: agent-mail-secrets
    remote: {vault: agents/mail, azurekv: agents-mail}
    syncWave: -49
    keys:
      MAIL: {overlap: previous, previousKey: MAIL_OLD, issuer: self}
      MAIL_OLD: {remote: {vault: {name: agents/mail-old}, azurekv: {name: agents-mail-old}}}
  board:
    target: agent-board-secrets
    remote: {vault: agents/slack, azurekv: agents-slack}
    syncWave: -49
    keys:
      BOARD: {}
  taker:
    target: agent-taker-secrets
    syncWave: -49
    keys:
      TOKEN: {from: slack/SLACK_TOKEN}
"""
SLACK, TOKEN = "slack", "SLACK_TOKEN"
NEW = "n3w-s3ntinel"
NAMES = {"vault": "agents/slack", "azure": "agents-slack"}


@dataclass
class Moments:
    """What happens at each call of a store, before each change, and after it."""

    at: dict[str, Callable[[Shelf, str, str], None]] = field(default_factory=dict)

    def asked(self, store: Shelf, method: str, name: str) -> None:
        self._happens("asked", store, method, name)

    def writing(self, store: Shelf, method: str, name: str) -> None:
        self._happens("writing", store, method, name)

    def written(self, store: Shelf, method: str, name: str) -> None:
        self._happens("written", store, method, name)

    def _happens(self, when: str, store: Shelf, method: str, name: str) -> None:
        if when in self.at:
            self.at[when](store, method, name)


@dataclass
class World:
    """Two clones of one project, on two machines, over a Vault and a Key Vault."""

    here: Path
    there: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    moments: Moments = field(default_factory=Moments)
    stores: dict[str, Shelf] = field(default_factory=dict)
    made: int = 0

    def __post_init__(self) -> None:
        for name, address in (
            ("vault", StoreAddress(providers.VAULT, "https://vault", "secret")),
            ("azure", StoreAddress(providers.KEY_VAULT, "https://ai-platform.vault.azure.net")),
        ):
            self.stores[name] = Shelf(address, self.moments, self._date)
            self.stores[name].seed(NAMES[name], SLACK_TOKEN="older", SLACK_URL="u", BOARD="b")
            self.stores[name].seed(NAMES[name], SLACK_TOKEN="old", SLACK_URL="u", BOARD="b")

    def _date(self) -> datetime:
        """Each version a minute after the one before, the first ones before any run."""
        self.made += 1
        return datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=self.made - 5)

    def open(self, address: StoreAddress, _environ: object) -> SecretWriter:
        return self.stores["vault" if address.provider is providers.VAULT else "azure"]

    def run(self, root: Path, *words: str, given: str | None = None) -> Done:
        stdin = SimpleNamespace(isatty=lambda: False, buffer=io.BytesIO((given or "").encode()))
        self.monkeypatch.setattr(sys, "stdin", stdin)
        options = ["--stdin", "--apply"] if given is not None else []
        return run_command(self.capsys, "--root", str(root), *words, *options)

    def rotate(self, root: Path, *words: str, given: str | None = None) -> Done:
        alone = () if {"--undo", "--confirm-revoked", "--take-over"} & set(words) else ("--without-cluster",)
        return self.run(root, "rotate", "prod", *words, *alone, given=given)

    def begin(self, secret: str = SLACK, key: str = TOKEN) -> str:
        """A rotation that `here` begins; returns its run."""
        before = self.journals(self.here)
        done = self.rotate(self.here, secret, key, given=f"{NEW}-2" if before else NEW)
        assert done.code == 0, done.out + done.err
        return next(each for each in self.journals(self.here) if each not in before)

    def stop(self, method: str, name: str, secret: str = SLACK, key: str = TOKEN) -> str:
        """A rotation that `here` begins, and that fails at this change; returns its run."""

        def fail(store: Shelf, called: str, at: str) -> None:
            if (called, at) == (method, name):
                raise StoreError(store.place(at), Action.WRITE, "it does not answer", "wait", Code.UNAVAILABLE)

        self.moments.at["writing"] = fail
        assert self.rotate(self.here, secret, key, given=NEW).code == 4
        self.moments.at.clear()
        return self.journals(self.here)[-1]

    def take_over(self, run: str, *words: str, secret: str = SLACK, root: Path | None = None) -> Done:
        return self.rotate(root or self.there, secret, *words, "--take-over", run, "--apply")

    def journals(self, root: Path) -> list[str]:
        return sorted(path.stem for path in (root / ".platform-secrets/runs").glob("*.jsonl"))

    def values(self) -> tuple[str | None, str | None]:
        """The token in each store."""
        return tuple(self.stores[each].value(NAMES[each], "SLACK_TOKEN") for each in NAMES)  # type: ignore[return-value]

    def tags(self) -> list[dict[str, str]]:
        return [dict(self.stores[each].tags_of(NAMES[each])) for each in NAMES]

    def runs_of_tags(self) -> list[str | None]:
        return [each.get(ROTATION) for each in self.tags()]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> World:
    roots = tmp_path / "here", tmp_path / "there"
    for root in roots:
        write_agents_project(root, vault="https://vault", azure="https://ai-platform.vault.azure.net", entries=ENTRIES)
        path = root / "environments/prod.yaml"
        path.write_text("secrets: {slack: {}, mail: {}, board: {}, taker: {}}\n", "utf-8")
    found = World(*roots, capsys, monkeypatch)
    monkeypatch.setattr("compiler.cli.running.LiveStores", lambda environ: LiveStores(environ, found.open))
    return found


def test_a_rotation_is_taken_over_continued_and_closed_by_the_lines_that_are_printed(world: World) -> None:
    run = world.begin()
    refused = world.run(world.there, "put", "prod", "slack", "SLACK_TOKEN", given="v")
    (line,) = (line.strip() for line in refused.out.splitlines() if "--take-over" in line)
    shown = run_command(world.capsys, *shlex.split(line)[1:])
    assert (shown.code, world.journals(world.there)) == (0, [])
    versions = {each: world.stores[each].versions[NAMES[each]][-1].version for each in NAMES}
    assert shown.out.splitlines()[1:-1] == [
        f"  vault:agents/slack has the new value, version {versions['vault']}; the old one is version 2",
        f"  azure:agents-slack has the new value, version {versions['azure']}; the old one is version 2",
    ]
    last = shown.out.splitlines()[-1]
    assert last == f"nothing was written; to take it over: {line} --apply"
    done = run_command(world.capsys, *shlex.split(last.partition(": ")[2])[1:])
    assert done.code == 0, done
    (again,) = (each.partition(": ")[2] for each in done.out.splitlines() if each.startswith("to continue: "))
    went_on = run_command(world.capsys, *shlex.split(again)[1:], "--without-cluster")
    assert (went_on.code, f"note: continuing the rotation {run}\n" in went_on.err) == (0, True), went_on
    assert world.rotate(world.there, "--confirm-revoked", run).out.endswith(
        "is closed; the new value is the only one\n"
    )
    assert (world.values(), world.runs_of_tags()) == ((NEW, NEW), [None, None])
    assert NEW not in shown.out + done.out + done.err + went_on.out
    assert NEW not in (world.there / f".platform-secrets/runs/{run}.jsonl").read_text("utf-8")


def test_a_rotation_that_is_taken_over_goes_back(world: World) -> None:
    run = world.begin()
    assert world.take_over(run).code == 0
    assert world.rotate(world.there, "--undo", run, "--apply").code == 0
    assert (world.values(), world.runs_of_tags()) == (("old", "old"), [None, None])


def test_the_machine_that_began_it_writes_nothing_after_that(world: World) -> None:
    run = world.begin()
    assert world.take_over(run).code == 0
    before = [len(world.stores[each].versions[NAMES[each]]) for each in NAMES]
    tags = world.tags()
    for words in (("slack",), ("--undo", run, "--apply"), ("--confirm-revoked", run)):
        done = world.rotate(world.here, *words)
        assert (done.code, f"has taken the rotation {run} over" in done.err) == (1, True), (words, done)
        assert ("to undo it" in done.out, "to continue" in done.out) == (False, False)
    refused = world.run(world.here, "put", "prod", "slack", "SLACK_TOKEN", given="v")
    assert (refused.code, f"rotate prod slack --take-over {run}\n" in refused.out) == (1, True)
    assert ([len(world.stores[each].versions[NAMES[each]]) for each in NAMES], world.tags()) == (before, tags)
    # It may take the rotation back.
    assert world.take_over(run, root=world.here).code == 0
    assert world.rotate(world.there, "--undo", run, "--apply").code == 1
    assert world.rotate(world.here, "--undo", run, "--apply").code == 0
    assert world.values() == ("old", "old")


@pytest.mark.parametrize("end", ["--undo", "--confirm-revoked"])
def test_what_was_ended_elsewhere_is_not_undone_by_the_machine_that_began_it(world: World, end: str) -> None:
    run = world.begin()
    assert world.take_over(run).code == 0
    assert world.rotate(world.there, end, run, *(["--apply"] if end == "--undo" else [])).code == 0
    values, counts = world.values(), [len(world.stores[each].versions[NAMES[each]]) for each in NAMES]
    undone = world.rotate(world.here, "--undo", run, "--apply")
    assert undone.code == 1, undone
    assert (world.values(), world.runs_of_tags()) == (values, [None, None])
    assert [len(world.stores[each].versions[NAMES[each]]) for each in NAMES] == counts
    if end == "--confirm-revoked":
        said = f"the rotation {run} was ended elsewhere: its tag is gone\n"
        assert said in undone.err
        again = world.rotate(world.here, "slack")
        assert (again.code, said in again.err) == (1, True)
    assert world.rotate(world.here, "--confirm-revoked", run).code in {0, 1}
    assert world.rotate(world.here, "slack", "SLACK_TOKEN", given="newer").code == 0


def test_a_machine_that_is_in_the_middle_of_its_writes_stops(world: World) -> None:
    """Both at once: the second place is taken over between two writes of the first machine."""
    taken = list[Done]()

    def take_over(store: Shelf, method: str, name: str) -> None:
        if (method, name) == ("set_tags", NAMES["vault"]) and not taken:
            taken.append(Done(0, "", ""))
            world.moments.at.clear()
            held = world.capsys.readouterr()
            (run,) = world.journals(world.here)
            taken.append(world.take_over(run))
            sys.stdout.write(held.out)

    world.monkeypatch.setattr("compiler.live.observation.WORKERS", 1)
    world.monkeypatch.setattr("compiler.change.apply.ThreadPoolExecutor", _OneByOne)
    world.moments.at["written"] = take_over
    stopped = world.rotate(world.here, "slack", "SLACK_TOKEN", given=NEW)
    assert taken[-1].code == 0, taken[-1]
    assert (stopped.code, "has taken the rotation" in " ".join(stopped.out.split())) == (1, True), stopped
    assert world.values() == (NEW, "old")
    (run,) = world.journals(world.there)
    (line,) = (each.partition(": ")[2] for each in taken[-1].out.splitlines() if each.startswith("to continue: "))
    done = run_command(world.capsys, *shlex.split(line)[1:], "--without-cluster")
    assert (done.code, world.values(), world.runs_of_tags()) == (0, (NEW, NEW), [run, run]), done
    assert len(world.stores["azure"].versions[NAMES["azure"]]) == 3
    assert world.rotate(world.there, "--undo", run, "--apply").code == 0
    assert world.values() == ("old", "old")


class _OneByOne:
    """Runs what it is given at once, in this thread."""

    def __init__(self, _workers: int) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None: ...

    def submit(self, call: Callable[..., object], *given: object) -> object:
        from concurrent.futures import Future  # noqa: PLC0415 - here alone

        done: Future[object] = Future()
        done.set_result(call(*given))
        return done


def test_of_two_that_take_it_over_at_once_the_later_one_holds_it(world: World) -> None:
    run = world.begin()
    done = list[Done]()

    def race(store: Shelf, method: str, name: str) -> None:
        if (method, name) == ("set_tags", NAMES["azure"]):
            world.moments.at.clear()
            done.append(world.take_over(run, root=world.there))

    (world.here / f".platform-secrets/runs/{run}.jsonl").unlink()
    world.moments.at["written"] = race
    first = world.take_over(run, root=world.here)
    assert (first.code, "at the same moment" in first.err) == (1, True), first
    assert done[0].code == 0
    assert world.rotate(world.here, "--undo", run, "--apply").code == 2
    assert world.rotate(world.there, "--undo", run, "--apply").code == 0


def test_an_incomplete_rotation_goes_on_with_the_value_that_it_has_written(world: World) -> None:
    run = world.stop("write", NAMES["azure"])
    assert world.values() == (NEW, "old")
    taken = world.take_over(run)
    assert "  azure:agents-slack has the old value, and is to get the new one\n" in taken.out
    (line,) = (each.partition(": ")[2] for each in taken.out.splitlines() if each.startswith("to continue: "))
    words = [*shlex.split(line)[1:], "--without-cluster"]
    shown = run_command(world.capsys, *(word for word in words if word != "--apply"))
    assert (shown.code, world.values(), "  update    azure:agents-slack" in shown.out) == (0, (NEW, "old"), True), shown
    done = run_command(world.capsys, *words)
    assert (done.code, world.values(), world.runs_of_tags()) == (0, (NEW, NEW), [run, run]), done
    assert world.rotate(world.there, "--undo", run, "--apply").code == 0
    assert world.values() == ("old", "old")


def test_an_undo_that_was_begun_is_finished(world: World) -> None:
    run = world.begin()

    def fail(store: Shelf, method: str, name: str) -> None:
        if (method, name) == ("restore", NAMES["azure"]):
            raise StoreError(store.place(name), Action.WRITE, "it does not answer", "wait", Code.UNAVAILABLE)

    world.moments.at["writing"] = fail
    assert world.rotate(world.here, "--undo", run, "--apply").code == 4
    world.moments.at.clear()
    assert world.values() == ("old", NEW)
    taken = world.take_over(run)
    assert "vault:agents/slack has the old value again, version 4: an undo was begun\n" in taken.out
    (line,) = (each.partition(": ")[2] for each in taken.out.splitlines() if each.startswith("to finish its undo: "))
    assert world.rotate(world.there, "--confirm-revoked", run).code == 1
    assert run_command(world.capsys, *shlex.split(line)[1:]).code == 0
    assert (world.values(), world.runs_of_tags()) == (("old", "old"), [None, None])


def test_without_an_overlap_the_old_value_that_came_back_is_no_undo(world: World) -> None:
    run = world.begin()
    for root in (world.here, world.there):
        path = root / "environments/catalogue.yaml"
        path.write_text(path.read_text("utf-8").replace("overlap: two-keys", "overlap: none"), "utf-8")
    first = world.take_over(run).out
    world.stores["vault"].seed(NAMES["vault"], SLACK_TOKEN="old", SLACK_URL="u", BOARD="b")
    later = world.take_over(run, root=world.here).out
    assert "  vault:agents/slack has another writer's version 4 over the new value, version 3\n" in later
    assert "to continue: " in first
    for said in (first, later):
        assert "it cannot be undone: vault:agents/slack has no value to go back to: " in said
        assert ("to undo it" in said, "to finish its undo" in said) == (False, False)
    assert "to undo it" not in world.run(world.here, "runs", "prod").out
    refused = world.rotate(world.here, "--undo", run, "--apply")
    for said, begin in ((later, "to end the rotation: "), (refused.err, "bring it to its end: ")):
        assert f"{begin}platform-secrets --root {world.here} rotate prod --confirm-revoked {run}" in said
    assert world.rotate(world.here, "--confirm-revoked", run).code == 1
    assert (world.values(), world.runs_of_tags()) == (("old", NEW), [None, None])


def test_without_its_old_value_it_is_not_undone(world: World) -> None:
    run = world.begin()
    world.stores["vault"].gone[NAMES["vault"]] = {"2"}
    taken = world.take_over(run)
    doubt = "vault:agents/slack has lost its old value, version 2: it is evicted"
    assert (taken.code, f"it cannot be undone: {doubt}\n" in taken.out, "to undo it" in taken.out) == (0, True, False)
    refused = world.rotate(world.there, "--undo", run, "--apply")
    assert (refused.code, doubt in refused.err, world.values()) == (1, True, (NEW, NEW))
    went_on = world.rotate(world.there, "slack", "SLACK_TOKEN")
    assert (went_on.code, "then close it: " in went_on.out, "to undo it" in went_on.out) == (0, True, False)
    assert world.rotate(world.there, "--confirm-revoked", run).code == 0
    assert world.runs_of_tags() == [None, None]


def test_keys_that_no_earlier_version_shows_are_named_by_a_person(world: World) -> None:
    run = world.begin()
    world.stores["vault"].gone[NAMES["vault"]] = {"1", "2"}
    shelf = world.stores["azure"]
    shelf.gone[NAMES["azure"]] = {each.version for each in shelf.versions[NAMES["azure"]][:-1]}
    refused = world.take_over(run)
    assert refused.code == 1, refused
    said = f"error: no earlier version shows which keys the rotation {run} gave a new value\n"
    assert (said in refused.err, 'name them, of "SLACK_TOKEN", "SLACK_URL": ' in refused.err) == (True, True)
    assert world.take_over(run, "BOARD").code == 2
    assert world.take_over(run, "SLACK_TOKEN").code == 0
    (report,) = [json.loads(line) for line in _journal(world, run) if '"taken"' in line]
    assert {key["key"] for each in report["entries"] for key in each["keys"]} == {"SLACK_TOKEN"}


def _journal(world: World, run: str) -> list[str]:
    return (world.there / f".platform-secrets/runs/{run}.jsonl").read_text("utf-8").splitlines()


@pytest.mark.parametrize("secret", ["board", "taker"])
def test_a_secret_that_shares_the_remote_secret_leads_to_the_rotated_one(world: World, secret: str) -> None:
    run = world.begin()
    taken = world.take_over(run, secret=secret)
    assert (taken.code, f'the rotation {run} of "slack", started ' in taken.out) == (0, True), taken
    assert world.rotate(world.there, "--undo", run, "--apply").code == 0
    assert world.values() == ("old", "old")


def test_another_value_without_the_tag_is_named_and_nothing_is_undone(world: World) -> None:
    world.stores["azure"].seed(NAMES["azure"], SLACK_TOKEN="theirs", SLACK_URL="u", BOARD="b")
    run = world.begin()
    taken = world.take_over(run)
    assert "it cannot be undone: azure:agents-slack has another value, without the tag\n" in taken.out
    assert world.rotate(world.there, "--undo", run, "--apply").code == 1
    assert world.rotate(world.there, "slack", "SLACK_TOKEN").code == 0
    assert world.rotate(world.there, "--confirm-revoked", run).code == 0
    assert world.values() == (NEW, "theirs")


def test_a_new_value_without_the_tag_may_be_revoked_already(world: World) -> None:
    run = world.begin()

    def fail(store: Shelf, method: str, name: str) -> None:
        if (method, name) == ("set_tags", NAMES["azure"]):
            raise StoreError(store.place(name), Action.WRITE, "it does not answer", "wait", Code.UNAVAILABLE)

    world.moments.at["writing"] = fail
    assert world.rotate(world.here, "--confirm-revoked", run).code == 3
    world.moments.at.clear()
    assert world.runs_of_tags() == [None, run]
    taken = world.take_over(run)
    said = "vault:agents/slack has the new value without the tag: the rotation may have been closed\n"
    assert (said in taken.out, "to undo it" in taken.out) == (True, False)
    assert world.rotate(world.there, "--undo", run, "--apply").code == 1
    assert world.rotate(world.there, "--confirm-revoked", run).code == 0
    assert (world.values(), world.runs_of_tags()) == ((NEW, NEW), [None, None])


def test_what_ended_here_is_not_taken_over(world: World) -> None:
    run = world.begin()
    tags = world.tags()
    assert world.rotate(world.here, "--confirm-revoked", run).code == 0
    for each, has in zip(NAMES, tags, strict=True):
        world.stores[each].set_tags(NAMES[each], world.stores[each].versions[NAMES[each]][-1].version, has)
    refused = world.take_over(run, root=world.here)
    assert (refused.code, f"error: the rotation {run} is closed: its old value was revoked\n" in refused.err) == (
        1,
        True,
    )
    assert world.tags() == tags
    other = world.rotate(world.there, "slack", "--take-over", "20250131-120000-4fa1c2")
    assert (other.code, "`platform-secrets " in other.err, " runs prod --stores` lists" in other.err) == (1, True, True)
    assert world.rotate(world.there, "slack", "--take-over", "yesterday").code == 2
    assert world.rotate(world.there, "--take-over", run).code == 2
    assert world.rotate(world.here, "--confirm-revoked", run).code == 0
    held = world.begin()
    refused = world.take_over(held, root=world.here)
    assert (refused.code, f"error: the journal of the rotation {held} is here\n" in refused.err) == (1, True)
    assert world.rotate(world.here, "--undo", held, "--apply").code == 0
    assert world.take_over(held, root=world.here).code == 1


def test_another_writers_version_is_told_from_the_rotations_own(world: World) -> None:
    run = world.begin()
    for each, name in NAMES.items():
        world.stores[each].seed(name, SLACK_TOKEN="theirs", SLACK_URL="u", BOARD="b")
    assert world.runs_of_tags() == [run, None]
    taken = world.take_over(run)
    said = "has another writer's version 4 over the new value, version 3\n"
    assert (taken.code, f"  vault:agents/slack {said}" in taken.out) == (0, True), taken
    assert "find out which value works; to end the rotation: " in taken.out
    went_on = world.rotate(world.there, "slack", "SLACK_TOKEN")
    assert (went_on.code, "another writer changed it" in went_on.err) == (1, True)
    assert world.rotate(world.there, "--confirm-revoked", run).code == 1
    assert (world.values(), world.runs_of_tags()) == (("theirs", "theirs"), [None, None])


def test_a_tag_of_an_earlier_release_names_no_version(world: World) -> None:
    run = world.begin()
    shelf, name = world.stores["vault"], NAMES["vault"]
    by = shelf.tags_of(name)[ROTATION_BY]
    assert by.endswith(f"{FROM_VERSION}3")
    shelf.tags[name] = {**shelf.tags_of(name), ROTATION_BY: by.partition(FROM_VERSION)[0]}
    assert (
        "  vault:agents/slack has the new value, version 3; "
        in world.rotate(world.there, "slack", "--take-over", run).out
    )
    shelf.seed(name, SLACK_TOKEN="theirs", SLACK_URL="u", BOARD="b")
    taken = world.take_over(run)
    assert "  vault:agents/slack has the tag, and its version 4 may be another writer's\n" in taken.out
    assert world.rotate(world.there, "--undo", run, "--apply").code == 1
    assert world.rotate(world.there, "--confirm-revoked", run).code == 1
    assert world.runs_of_tags() == [None, None]


def test_a_key_that_keeps_the_old_value_goes_along(world: World) -> None:
    vault = world.stores["vault"]
    vault.seed("agents/mail", MAIL="old")
    vault.seed("agents/mail-old", MAIL_OLD="older")
    run = world.stop("write", "agents/mail-old", "mail", "MAIL")
    taken = world.take_over(run, secret="mail")
    assert "  vault:agents/mail-old has the old value, and is to get the new one\n" in taken.out
    (line,) = (each.partition(": ")[2] for each in taken.out.splitlines() if each.startswith("to continue: "))
    assert run_command(world.capsys, *shlex.split(line)[1:], "--without-cluster").code == 0
    assert [vault.value("agents/mail", "MAIL"), vault.value("agents/mail-old", "MAIL_OLD")] == [NEW, "old"]
    (world.there / f".platform-secrets/runs/{run}.jsonl").unlink()
    assert world.take_over(run, secret="mail").code == 0
    assert world.rotate(world.there, "--undo", run, "--apply").code == 0
    assert [vault.value("agents/mail", "MAIL"), vault.value("agents/mail-old", "MAIL_OLD")] == ["old", "older"]


def test_the_old_value_goes_nowhere_beside_a_copy_of_the_new_one(world: World) -> None:
    vault, azure = world.stores["vault"], world.stores["azure"]
    vault.seed("agents/mail", MAIL="old")
    vault.seed("agents/mail-old", MAIL_OLD="older")
    run = world.begin("mail", "MAIL")
    azure.seed("agents-mail", MAIL=NEW)
    azure.seed("agents-mail-old", MAIL_OLD="theirs")
    taken = world.take_over(run, secret="mail")
    assert ("agents-mail-old" in taken.out, "--apply" in taken.out) == (False, False)
    assert world.rotate(world.there, "--confirm-revoked", run).code == 0
    assert azure.value("agents-mail-old", "MAIL_OLD") == "theirs"


def _mail(world: World) -> tuple[Shelf, Shelf]:
    """The stores with a key that keeps its old value; the secret reads the Key Vault, not the Vault."""
    for root in (world.here, world.there):
        path = root / "environments/prod.yaml"
        path.write_text(path.read_text("utf-8").replace("mail: {}", "mail: {store: azure}"), "utf-8")
    vault, azure = world.stores["vault"], world.stores["azure"]
    vault.seed("agents/mail", MAIL="old")
    vault.seed("agents/mail-old", MAIL_OLD="older")
    azure.seed("agents-mail", MAIL="old")
    azure.seed("agents-mail-old", MAIL_OLD="older")
    return vault, azure


def _stop_before_the_tag(world: World) -> str:
    """A rotation that dies when the Vault has the new value, and neither its tag nor the old value."""

    def fail(store: Shelf, called: str, at: str) -> None:
        if (called, at) in {("set_tags", "agents/mail"), ("write", "agents/mail-old")}:
            raise StoreError(store.place(at), Action.WRITE, "it does not answer", "wait", Code.UNAVAILABLE)

    world.monkeypatch.setattr("compiler.change.apply.ThreadPoolExecutor", _OneByOne)
    world.moments.at["writing"] = fail
    assert world.rotate(world.here, "mail", "MAIL", given=NEW).code == 4
    world.moments.at.clear()
    return world.journals(world.here)[-1]


def _paste(world: World, out: str, begin: str, *more: str) -> Done:
    (line,) = (each.partition(begin)[2] for each in out.splitlines() if begin in each)
    return run_command(world.capsys, *shlex.split(line)[1:], *more)


def test_a_new_value_that_a_vault_got_before_the_tag_gets_its_old_one_kept(world: World) -> None:
    vault, _ = _mail(world)
    run = _stop_before_the_tag(world)
    assert (vault.value("agents/mail", "MAIL"), vault.value("agents/mail-old", "MAIL_OLD")) == (NEW, "older")
    assert ROTATION not in vault.tags_of("agents/mail")
    taken = world.take_over(run, secret="mail")
    assert "  vault:agents/mail-old has the old value, and is to get the new one\n" in taken.out
    assert world.rotate(world.there, "--confirm-revoked", run).code == 1
    assert _paste(world, taken.out, "to continue: ", "--without-cluster").code == 0
    assert vault.value("agents/mail-old", "MAIL_OLD") == "old"
    assert world.rotate(world.there, "--confirm-revoked", run).code == 0
    assert (ROTATION in vault.tags_of("agents/mail"), ROTATION in vault.tags_of("agents/mail-old")) == (False, False)


@pytest.mark.parametrize("is_lost", [True, False])
def test_where_the_vault_no_longer_shows_the_old_value_its_place_is_named_to_the_end(
    world: World, *, is_lost: bool
) -> None:
    vault, _ = _mail(world)
    run = _stop_before_the_tag(world)
    if is_lost:
        vault.gone["agents/mail"] = {"1"}
    else:
        vault.seed("agents/mail", MAIL=NEW, NOTE="theirs")
    taken = world.take_over(run, secret="mail")
    said = "  vault:agents/mail-old may lack the old value: the rotation may have written the new one beside it\n"
    assert (said in taken.out, "to continue: " in taken.out) == (True, False), taken
    closed = _paste(world, taken.out, "to end the rotation: ")
    assert (closed.code, "the new value is the only one" in closed.out) == (1, False)
    assert "error: vault:agents/mail-old: the run is not known to have written it" in closed.err
    assert f"platform-secrets --root {world.there} put prod mail MAIL_OLD --store vault\n" in closed.err
    assert vault.value("agents/mail-old", "MAIL_OLD") == "older"


def test_a_rotation_with_such_a_place_goes_on_elsewhere_and_is_closed(world: World) -> None:
    vault, azure = _mail(world)
    run = _stop_before_the_tag(world)
    # Several threads write: the rotation may have died before this one.
    azure.versions["agents-mail-old"].pop()
    vault.gone["agents/mail"] = {"1"}
    taken = world.take_over(run, secret="mail")
    went_on = _paste(world, taken.out, "to continue: ", "--without-cluster")
    assert azure.value("agents-mail-old", "MAIL_OLD") == "old", went_on
    closed = _paste(world, taken.out, "to end the rotation: ")
    assert (closed.code, "error: vault:agents/mail-old: the run is not known" in closed.err) == (1, True), went_on
    assert vault.value("agents/mail-old", "MAIL_OLD") == "older"


@pytest.mark.parametrize("before", [None, "theirs"])
def test_a_copy_in_a_vault_over_another_value_gets_no_old_one(world: World, before: str | None) -> None:
    vault, _ = _mail(world)
    vault.seed("agents/mail", MAIL="theirs")
    run = world.begin("mail", "MAIL")
    if before is None:
        del vault.versions["agents/mail"]
    vault.seed("agents/mail", MAIL=NEW)
    taken = world.take_over(run, secret="mail")
    assert ("vault:agents/mail-old" in taken.out, "--apply" in taken.out) == (False, False), taken
    assert world.rotate(world.there, "--confirm-revoked", run).code == 0
    assert vault.value("agents/mail-old", "MAIL_OLD") == "older"


def test_what_another_writer_replaced_is_ended_by_the_line_that_works(world: World) -> None:
    vault, azure = world.stores["vault"], world.stores["azure"]
    vault.seed("agents/mail", MAIL="old")
    vault.seed("agents/mail-old", MAIL_OLD="older")
    azure.seed("agents-mail", MAIL="old")
    azure.seed("agents-mail-old", MAIL_OLD="older")
    run = world.stop("write", "agents-mail-old", "mail", "MAIL")
    vault.seed("agents/mail", MAIL="theirs")
    taken = world.take_over(run, secret="mail")
    went_on = _paste(world, taken.out, "find out which value works; to continue: ", "--without-cluster")
    assert (went_on.code, "this run ends here" in went_on.out) == (1, True)
    closed = _paste(world, taken.out, "then, to end the rotation: ")
    assert (closed.code, f"the rotation {run} is closed\n" in closed.out) == (1, True)
    assert "error: vault:agents/mail: another writer changed it" in closed.err
    assert (vault.value("agents/mail", "MAIL"), azure.value("agents-mail-old", "MAIL_OLD")) == ("theirs", "older")


def test_what_cannot_be_undone_and_is_incomplete_is_continued_first(world: World) -> None:
    vault = world.stores["vault"]
    vault.seed("agents/mail", MAIL="old")
    vault.seed("agents/mail-old", MAIL_OLD="older")
    world.stores["azure"].seed("agents-mail", MAIL="theirs")
    run = world.stop("write", "agents/mail-old", "mail", "MAIL")
    assert "it cannot be undone: azure:agents-mail has another value" in world.take_over(run, secret="mail").out
    refused = world.rotate(world.there, "--undo", run, "--apply")
    line = refused.err.partition("help: bring it to its end: ")[2].partition("; then find out which value works")[0]
    assert refused.code == 1
    assert run_command(world.capsys, *shlex.split(line)[1:], "--without-cluster", "--apply").code == 0
    assert vault.value("agents/mail-old", "MAIL_OLD") == "old"
    assert world.rotate(world.there, "--confirm-revoked", run).code == 0


def test_a_store_that_does_not_answer_may_have_the_tag(world: World) -> None:
    run = world.begin()

    def silent(store: Shelf, _method: str, name: str) -> None:
        if store is world.stores["azure"]:
            raise StoreError(store.place(name), Action.READ, "it does not answer", "wait", Code.UNAVAILABLE)

    world.moments.at["asked"] = silent
    assert (world.take_over(run).code, world.journals(world.there)) == (3, [])


def test_the_report_has_what_the_stores_know(world: World) -> None:
    run = world.begin()
    report = world.rotate(world.there, "slack", "--take-over", run, "--format", "json").report
    assert (report["applied"], report["rotation"]["keys"]) == (False, ["SLACK_TOKEN"])
    lost = report["rotation"]["takeOver"]
    assert (lost["run"], lost["complete"], lost["noWayBack"]) == (run, True, [])
    assert [each["state"] for each in lost["places"]] == ["written", "written"]


def test_an_undo_that_may_not_go_on_does_not_keep_the_rotation_from_being_closed(world: World) -> None:
    run = world.begin()

    def fail(store: Shelf, method: str, name: str) -> None:
        if (method, name) == ("restore", NAMES["vault"]):
            raise StoreError(store.place(name), Action.WRITE, "it does not answer", "wait", Code.UNAVAILABLE)

    world.moments.at["writing"] = fail
    assert world.rotate(world.here, "--undo", run, "--apply").code == 4
    world.moments.at.clear()
    assert world.values() == (NEW, "old")
    world.stores["vault"].gone[NAMES["vault"]] = {"2"}
    taken = world.take_over(run)
    assert ("has another writer's version" in taken.out, "to end the rotation: " in taken.out) == (True, True)
    assert world.rotate(world.there, "--undo", run, "--apply").code == 1
    assert world.rotate(world.there, "--confirm-revoked", run).code == 1
    assert (world.values(), world.runs_of_tags()) == ((NEW, "old"), [None, None])


def test_what_was_deleted_then_and_comes_back_loses_its_tag_too(world: World) -> None:
    run = world.begin()
    world.stores["vault"].delete(NAMES["vault"])
    assert world.take_over(run).code == 0
    world.stores["vault"].recover(NAMES["vault"])
    assert world.runs_of_tags() == [run, run]
    assert world.rotate(world.there, "--confirm-revoked", run).code == 0
    assert world.runs_of_tags() == [None, None]


def test_runs_lists_the_rotations_that_the_stores_know(world: World) -> None:
    run = world.begin()
    assert world.run(world.there, "runs", "prod").out == "no runs\n"
    done = world.run(world.there, "runs", "prod", "--stores")
    first, second = done.out.splitlines()
    assert first.startswith(
        f'{run}: rotate prod of "slack", "board", "taker"; under way by its tag, and its journal is not'
    )
    line = f"platform-secrets --root {world.there} rotate prod slack --take-over {run}"
    assert (done.code, second) == (0, f"  if its journal is lost: {line}")
    assert "take-over" not in world.run(world.here, "runs", "prod", "--stores").out
    assert world.take_over(run).code == 0
    assert f"rotate prod slack --take-over {run}\n" in world.run(world.here, "runs", "prod", "--stores").out

    def silent(store: Shelf, _method: str, name: str) -> None:
        if store is world.stores["azure"]:
            raise StoreError(store.place(name), Action.READ, "it does not answer", "wait", Code.UNAVAILABLE)

    world.moments.at["asked"] = silent
    done = world.run(world.here, "runs", "prod", "--stores")
    assert (done.code, "warning: azure: cannot read " in done.out, run in done.out) == (3, True, True)
    assert world.run(world.here, "runs", "--stores").code == 2


def test_versions_of_one_second_have_no_order() -> None:
    run, moment = "20260102-030405-4fa1c2", datetime(2026, 1, 2, 4, tzinfo=UTC)
    own = Attributes(created=moment, tags={ROTATION: run})
    before, later = (replace(own, created=moment + timedelta(minutes=m), tags={}) for m in (-1, 1))
    twin = replace(own, tags={})
    for listed, current, found in (
        ({"a": before, "b": own}, "b", ("b", "a")),
        ({"a": before, "b": own, "c": later}, "c", ("b", "a")),
        ({"a": twin, "b": own}, "b", ("b", "a")),
        ({"b": own, "a": twin}, "a", ("b", None)),
        ({"b": own, "a": twin, "c": later}, "c", ("b", "")),
        ({"a": before, "d": before, "b": own}, "b", ("b", "")),
        ({"b": own}, "b", ("b", None)),
        ({"a": before}, "a", None),
        ({"a": before, "b": own, "c": own, "d": later}, "d", None),
        ({"a": before, "b": own, "c": own}, "c", ("b", "a")),
    ):
        assert _find_in_list(run, listed, RemoteSecret("x", current, {}, Attributes())) == found, listed
