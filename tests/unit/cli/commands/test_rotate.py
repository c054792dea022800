import getpass
import io
import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from compiler.live.stores import LiveStores
from compiler.stores.errors import Action, Code, StoreError
from tests.commands import Done, run_command
from tests.memory_store import MemoryStore
from tests.platforms import write_agents_project
from tests.unit.cli.two_ends import Ends

ENTRIES = """\
  slack:
    target: agent-slack-secrets
    remote: {vault: agents/slack, azurekv: agents-slack}
    syncWave: -49
    keys:
      SLACK_TOKEN: {rotate: 90d, overlap: two-keys, revoke: disable-first, issuer: "https://slack.example.com/keys"}
      SLACK_URL: {}
  aws:
    target: agent-aws-secrets
    remote: {vault: agents/aws, azurekv: agents-aws}
    syncWave: -49
    keys:
      AWS_ID: {rotate: 90d, rotateWith: [AWS_KEY]}
      AWS_KEY: {rotate: 90d, rotateWith: [AWS_ID]}
  web:
    target: agent-web-secrets
    remote: {vault: agents/web, azurekv: agents-web}
    syncWave: -49
    keys:
      COOKIE: {rotate: 30d, overlap: previous, previousKey: COOKIE_OLD, issuer: self, generate: {length: 30}}
      COOKIE_OLD: {}
      PIN: {overlap: none, issuer: self}
  mail:
    target: agent-mail-secrets
    remote: {vault: agents/mail, azurekv: agents-mail}
    syncWave: -49
    keys:
      MAIL: {overlap: previous, previousKey: MAIL_OLD, issuer: self}
      MAIL_OLD: {remote: {vault: {name: agents/mail-old}}}
  taker:
    target: agent-taker-secrets
    syncWave: -49
    keys:
      TOKEN: {from: slack/SLACK_TOKEN}
"""
NEW = "n3w-s3ntinel"


@dataclass
class World:
    """A project with two stores in memory, and commands on it."""

    root: Path
    ends: Ends
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    @property
    def vault(self) -> MemoryStore:
        return self.ends.vault

    @property
    def azure(self) -> MemoryStore:
        return self.ends.azure

    def run(self, *words: str, given: str | None = None) -> Done:
        stdin = SimpleNamespace(isatty=lambda: False, buffer=io.BytesIO((given or "").encode()))
        self.monkeypatch.setattr(sys, "stdin", stdin)
        options = ["--stdin", "--apply"] if given is not None else []
        return run_command(self.capsys, "--root", str(self.root), *words, *options)

    def rotate(self, *words: str, given: str | None = None) -> Done:
        alone = () if {"--undo", "--confirm-revoked"} & set(words) else ("--without-cluster",)
        return self.run("rotate", "prod", *words, *alone, given=given)

    def begin(self) -> str:
        """A rotation of slack's token; returns its run."""
        before = set(self.runs())
        done = self.rotate("slack", given=NEW)
        assert done.code == 0, done.out + done.err
        return next(iter(set(self.runs()) - before))

    def runs(self) -> list[str]:
        return sorted(path.stem for path in (self.root / ".platform-secrets/runs").glob("*.jsonl"))

    def journal(self, run: str) -> list[dict[str, object]]:
        text = (self.root / f".platform-secrets/runs/{run}.jsonl").read_text("utf-8")
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> World:
    root = tmp_path / "project"
    write_agents_project(root, vault="https://vault", azure="https://ai-platform.vault.azure.net", entries=ENTRIES)
    (root / "environments/prod.yaml").write_text(
        "secrets: {slack: {}, aws: {}, web: {}, mail: {}, taker: {}}\n", "utf-8"
    )
    ends = Ends()
    monkeypatch.setattr("compiler.cli.running.LiveStores", lambda environ: LiveStores(environ, ends.open))
    ends.vault.seed("agents/slack", SLACK_TOKEN="old", SLACK_URL="u")
    ends.vault.seed("agents/aws", AWS_ID="id", AWS_KEY="key")
    ends.vault.seed("agents/web", COOKIE="old", COOKIE_OLD="older", PIN="1234")
    ends.vault.seed("agents/mail", MAIL="old")
    ends.vault.seed("agents/mail-old", MAIL_OLD="older")
    return World(root, ends, capsys, monkeypatch)


def test_a_rotation_writes_with_its_run_says_what_to_revoke_and_is_closed(world: World) -> None:
    done = world.rotate("slack", given=NEW)
    assert done.code == 0
    (run,) = world.runs()
    assert world.vault.shown("agents/slack") == {"SLACK_TOKEN": NEW, "SLACK_URL": "u"}
    assert done.out.splitlines()[-3:] == [
        "SLACK_TOKEN: disable the old value first, and delete it after a while at https://slack.example.com/keys",
        f"then close it: platform-secrets --root {world.root} rotate prod --confirm-revoked {run}",
        f"until then, to undo it: platform-secrets --root {world.root} rotate prod --undo {run} --apply",
    ]
    closed = world.rotate("--confirm-revoked", run)
    assert (closed.code, closed.out) == (0, f"the rotation {run} is closed; the new value is the only one\n")
    assert len(world.vault.versions["agents/slack"]) == 2
    assert world.rotate("--confirm-revoked", run).code == 0
    assert [line["phase"] for line in world.journal(run) if line["type"] == "phase"] == ["written", "closed"]
    assert "@" in str(world.journal(run)[0]["who"])
    assert NEW not in json.dumps(world.journal(run)) + done.out + done.err


def overwrite(world: World) -> str:
    """A rotation, over whose value somebody puts the old one back. Returns the run."""
    run = world.begin()
    world.vault.seed("agents/slack", SLACK_TOKEN="old", SLACK_URL="u")
    return run


def test_a_rotation_whose_value_was_replaced_revokes_nothing_and_is_ended_by_what_it_prints(world: World) -> None:
    run = overwrite(world)
    done = world.rotate("slack")
    assert (done.code, "revoke" in done.out, "to continue" in done.out) == (1, False, False)
    said = "another writer changed it: its version is v3, and the run wrote version v2"
    assert f'error: "agents/slack" in https://vault: {said}\n' in done.err
    close = f"platform-secrets --root {world.root} rotate prod --confirm-revoked {run}"
    assert f"to end the rotation: {close}\n" in done.err
    closed = run_command(world.capsys, *shlex.split(close)[1:])
    assert (closed.code, closed.out) == (1, f"the rotation {run} is closed\n")
    put = f"platform-secrets --root {world.root} put prod slack SLACK_TOKEN --store vault"
    assert f"error: vault:agents/slack: {said}\nhelp: if it does not hold the value that works: {put}\n" in closed.err
    assert world.run(*shlex.split(put)[3:], given=NEW).code == 0
    # What is put after that is no concern of the closed run.
    again = world.rotate("--confirm-revoked", run)
    assert (again.code, again.out) == (0, f"the rotation {run} is closed\n")


def test_a_rotation_whose_value_was_replaced_is_given_up_by_its_undo(world: World) -> None:
    world.azure.seed("agents-slack", SLACK_TOKEN="old", SLACK_URL="u")
    run = overwrite(world)
    assert world.rotate("--undo", run, "--apply").code == 1
    assert world.azure.shown("agents-slack")["SLACK_TOKEN"] == "old"
    assert world.begin()


def test_nobody_saw_the_pods_of_a_rotation_that_looked_at_no_cluster(world: World) -> None:
    run = world.begin()
    closed = world.rotate("--confirm-revoked", run)
    nobody = "note: nobody saw with this run that every pod has started with the new value"
    status = f"platform-secrets --root {world.root} status prod --only slack --only taker --wait --force-sync"
    line = f"{nobody}; check that the cluster has it, and restart the workloads it lists: {status}"
    assert closed.err.startswith("note: the cluster cannot be asked: ")
    assert closed.err.endswith(f"\n{line}\n")
    assert f"{line}\n" in world.run("rotate", "prod", "--without-cluster", "--confirm-revoked", run).err


def test_an_undo_says_when_the_cluster_has_the_old_value(world: World) -> None:
    run = world.begin()
    line = f"platform-secrets --root {world.root} status prod --only slack --only taker --wait --force-sync"
    shown = world.rotate("--undo", run)
    assert "the cluster gets it" not in shown.out
    done = world.rotate("--undo", run, "--apply")
    assert f"the cluster gets it within 1h; to have it now: {line}\n" in done.out
    assert done.out.endswith("restart the pods that it lists: those started since the rotation have its value\n")


@pytest.mark.parametrize(
    ("text", "problem", "way_out"),
    [
        ('{"format": "of tomorrow"}\n', "has an unknown format", "use the release that wrote it"),
        ("x\n", "cannot be read", "run the command that wrote it again: it compares the stores first"),
    ],
)
def test_a_journal_that_is_here_and_cannot_be_read_says_so(world: World, text: str, problem: str, way_out: str) -> None:
    run = "20250131-120000-4fa1c2"
    path = world.root / f".platform-secrets/runs/{run}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(text, "utf-8")
    refused = world.rotate("--confirm-revoked", run)
    assert (refused.code, refused.err.splitlines()) == (
        2,
        [f'error: the journal "{run}.jsonl" {problem}', f"help: {way_out}"],
    )


def test_the_same_command_without_a_value_goes_on(world: World) -> None:
    run = world.begin()
    # As it was stopped before it recorded that each place has the value.
    path = world.root / f".platform-secrets/runs/{run}.jsonl"
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:-1]), "utf-8")
    for words in (("slack",), ("slack", "SLACK_TOKEN")):
        done = world.rotate(*words)
        assert (done.code, done.err) == (0, f"note: continuing the rotation {run}\n")
        assert f"--confirm-revoked {run}" in done.out
    report = world.rotate("slack", "--format", "json").report
    assert report["rotation"] == {
        "run": run,
        "phase": "written",
        "keys": ["SLACK_TOKEN"],
        "kept": [],
        "otherEnvironments": [],
        "restarts": [],
        "notSeen": [],
        "revoke": [{"key": "SLACK_TOKEN", "issuer": "https://slack.example.com/keys", "disableFirst": True}],
    }


def test_an_undo_brings_the_old_value_back_unless_it_was_revoked(world: World) -> None:
    run = world.begin()
    assert world.rotate("--undo", run).code == 0
    assert world.vault.shown("agents/slack")["SLACK_TOKEN"] == NEW
    assert world.rotate("--undo", run, "--apply").code == 0
    assert world.vault.shown("agents/slack") == {"SLACK_TOKEN": "old", "SLACK_URL": "u"}
    assert world.rotate("--confirm-revoked", run).code == 1
    closed = world.begin()
    assert world.rotate("--confirm-revoked", closed).code == 0
    refused = world.rotate("--undo", closed, "--apply")
    assert (refused.code, refused.err.splitlines()[0]) == (
        1,
        f"error: the rotation {closed} is closed: its old value was revoked",
    )


def test_keys_that_are_made_together_are_given_together(world: World) -> None:
    refused = world.rotate("aws", given='{"AWS_ID": "i2"}')
    assert (refused.code, refused.err.splitlines()[0]) == (
        2,
        'error: "AWS_ID" has a new value, and "AWS_KEY", made together with it, has none',
    )
    assert world.rotate("aws", "AWS_ID", given='{"AWS_ID": "i2"}').code == 2
    assert world.rotate("aws", "AWS_ID", given='{"AWS_ID": "i2", "AWS_KEY": "k2"}').code == 0
    assert world.vault.shown("agents/aws") == {"AWS_ID": "i2", "AWS_KEY": "k2"}


def test_the_old_value_goes_into_the_key_for_it_in_the_same_write(world: World) -> None:
    done = world.rotate("web", "COOKIE", "--generate", "--apply")
    assert done.code == 0, done
    held = world.vault.shown("agents/web")
    assert (held["COOKIE_OLD"], len(held["COOKIE"]), len(world.vault.versions["agents/web"])) == ("old", 30, 2)
    assert held["COOKIE"] not in done.out + done.err


def test_the_old_value_goes_into_the_key_for_it_before_the_new_one_is_written(world: World) -> None:
    vault = world.vault
    vault.failures["write", "agents/mail"] = StoreError(
        vault.place("agents/mail"), Action.WRITE, "it does not answer", "wait", Code.UNAVAILABLE
    )
    assert world.rotate("mail", "MAIL", given=NEW).code == 4
    assert (vault.shown("agents/mail"), vault.shown("agents/mail-old")) == ({"MAIL": "old"}, {"MAIL_OLD": "old"})
    vault.failures.clear()
    assert world.rotate("mail", "MAIL", given=NEW).code == 0
    assert (vault.shown("agents/mail"), vault.shown("agents/mail-old")) == ({"MAIL": NEW}, {"MAIL_OLD": "old"})


def test_what_another_writer_ended_can_be_closed(world: World) -> None:
    world.azure.seed("agents-slack", SLACK_TOKEN="old", SLACK_URL="u")
    world.azure.failures["write", "agents-slack"] = world.azure.conflict("agents-slack")
    assert world.rotate("slack", given=NEW).code == 1
    (run,) = world.runs()
    closed = world.rotate("--confirm-revoked", run)
    assert (closed.code, "note: the run did not finish: not every place" in closed.err) == (1, True)
    assert closed.out == f"the rotation {run} is closed\n"
    assert world.run("put", "prod", "slack", "SLACK_TOKEN", given="v").code == 0


def test_an_undo_that_another_writer_limits_takes_the_tag_away_too(world: World) -> None:
    world.azure.seed("agents-slack", SLACK_TOKEN="old", SLACK_URL="u")
    run = world.begin()
    world.azure.seed("agents-slack", SLACK_TOKEN="theirs", SLACK_URL="u")
    assert world.rotate("--undo", run, "--apply").code == 1
    assert world.vault.shown("agents/slack")["SLACK_TOKEN"] == "old"
    assert world.azure.shown("agents-slack")["SLACK_TOKEN"] == "theirs"


def test_an_undo_that_was_stopped_is_finished_by_the_line_that_is_printed(world: World) -> None:
    world.azure.seed("agents-slack", SLACK_TOKEN="old", SLACK_URL="u")
    run = world.begin()
    world.azure.failures["restore", "agents-slack"] = StoreError(
        world.azure.place("agents-slack"), Action.WRITE, "it does not answer", "wait", Code.UNAVAILABLE
    )
    assert world.rotate("--undo", run, "--apply").code == 4
    line = f"platform-secrets --root {world.root} rotate prod --undo {run} --apply"
    closed = world.rotate("--confirm-revoked", run)
    assert (closed.code, f"finish the undo: {line}; then" in closed.err) == (1, True)
    world.azure.failures.clear()
    assert run_command(world.capsys, *shlex.split(line)[1:]).code == 0
    assert world.azure.shown("agents-slack")["SLACK_TOKEN"] == "old"


def test_what_has_no_overlap_is_not_rotated_blindly(world: World) -> None:
    done = world.rotate("web", "PIN", given=NEW)
    assert (done.code, "leave --without-cluster out, or use `put`" in done.err) == (2, True)
    assert world.runs() == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("taker", "TOKEN"), 2, 'error: "TOKEN" of "taker" is the value of slack/SLACK_TOKEN\nhelp: rotate that: '),
        (("taker",), 2, 'error: no key of "taker" has a value of its own with a `rotate` or `maxAge`\n'),
        (("web", "COOKIE_OLD"), 2, 'error: "COOKIE_OLD" keeps the previous value of "COOKIE"\n'),
        (("slack", "NOPE"), 2, 'error: the secret "slack" has no key "NOPE"\n'),
        ((), 2, "error: give a secret, or a run with --confirm-revoked or --undo\n"),
        (("slack", "SLACK_TOKEN=x"), 2, "error: a value cannot be an argument"),
    ],
)
def test_what_cannot_be_rotated_is_said(world: World, words: tuple[str, ...], code: int, message: str) -> None:
    done = world.rotate(*words, given="v")
    assert (done.code, message in done.err) == (code, True), done.err
    assert world.runs() == []


@pytest.mark.parametrize(
    ("words", "given", "message"),
    [
        (("slack", "SLACK_TOKEN"), "old", "the new value is the one that is there already"),
        (("slack", "--generate", "--apply"), None, 'the value of "SLACK_TOKEN" cannot be generated'),
        (("slack", "SLACK_TOKEN"), " ", 'the value of "SLACK_TOKEN" is blank'),
        (("aws",), '{"AWS_ID": "x", "AWS_KEY": ""}', 'the value of "AWS_KEY" is blank'),
    ],
)
def test_a_value_that_is_none_is_refused(world: World, words: tuple[str, ...], given: str | None, message: str) -> None:
    done = world.rotate(*words, given=given)
    assert (done.code in {1, 2}, message in done.out + done.err) == (True, True), done
    assert world.runs() == []


def test_a_key_without_a_value_is_put_and_not_rotated(world: World) -> None:
    world.vault.seed("agents/slack", SLACK_URL="u")
    done = world.rotate("slack", given=NEW)
    assert (done.code, "put prod slack SLACK_TOKEN" in done.out) == (1, True)


def test_the_other_store_gets_the_new_value_where_it_holds_the_old_one(world: World) -> None:
    world.azure.seed("agents-slack", SLACK_TOKEN="old")
    run = world.begin()
    assert world.azure.shown("agents-slack") == {"SLACK_TOKEN": NEW}
    assert world.rotate("--undo", run, "--apply").code == 0
    assert world.azure.shown("agents-slack") == {"SLACK_TOKEN": "old"}
    world.azure.seed("agents-slack", SLACK_TOKEN="another")
    done = world.rotate("slack", given=NEW)
    assert "note: azure:agents-slack#SLACK_TOKEN keeps what it has: it holds another value\n" in done.err
    assert world.azure.shown("agents-slack") == {"SLACK_TOKEN": "another"}


def test_a_person_is_asked_for_the_value_and_for_consent(world: World) -> None:
    world.monkeypatch.setattr(getpass, "getpass", lambda _question: NEW)
    for answer in ("n\n", "y\n"):
        stdin = SimpleNamespace(isatty=lambda: True, readline=lambda answer=answer: answer)
        world.monkeypatch.setattr(sys, "stdin", stdin)
        done = run_command(world.capsys, "--root", str(world.root), "rotate", "prod", "slack", "--without-cluster")
        assert (done.code, "Write 1 key to prod? [y/N] " in done.err) == (0, True)
    assert len(world.runs()) == 1
    assert NEW not in done.out + done.err


def test_who_enters_no_value_is_told_and_nothing_is_written(world: World) -> None:
    world.monkeypatch.setattr(getpass, "getpass", lambda _question: "")
    world.monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    done = run_command(world.capsys, "--root", str(world.root), "rotate", "prod", "slack", "--without-cluster")
    said = "no value was entered\nnothing was written: there are no changes to write\n"
    assert (done.code, done.out, world.runs()) == (0, said, [])


def test_other_environments_on_the_same_place_are_named(world: World) -> None:
    (world.root / "environments/lab.yaml").write_text("secrets: {slack: {}}\n", "utf-8")
    note = "may read the same value and is not looked at"
    done = world.rotate("slack", "--format", "json", given=NEW)
    assert f'note: "lab/slack" {note}\n' in done.err
    assert done.report["rotation"]["otherEnvironments"] == ["lab/slack"]
    assert done.report["rotation"]["phase"] == "written"
    (world.root / "environments/lab.yaml").write_text("secrets: {nope: {}}\n", "utf-8")
    done = world.rotate("aws", given='{"AWS_ID": "i2", "AWS_KEY": "k2"}')
    assert (done.code, "which other environments read the same value is not known: " in done.err) == (0, True)
    assert note not in done.err


def test_a_key_of_the_catalogue_that_another_secret_takes_is_set_where_that_one_reads(world: World) -> None:
    (world.root / "environments/prod.yaml").write_text(
        "secrets: {slack: {}, taker: {store: azure}, aws: {}, web: {}}\n", "utf-8"
    )
    world.azure.seed("agents-slack", SLACK_TOKEN="old")
    done = world.rotate("slack", given=NEW)
    assert (done.code, "keeps its own" in done.err) == (0, False)
    assert world.azure.shown("agents-slack") == {"SLACK_TOKEN": NEW}


def test_an_option_that_is_wrong_is_refused_before_anything_is_written(world: World) -> None:
    done = world.run("rotate", "prod", "slack", "--accept-store", "vualt", given=NEW)
    assert (done.code, 'no store "vualt"' in done.err, world.runs()) == (2, True, [])
    done = world.run("rotate", "prod", "slack", "--timeout", "5", given=NEW)
    assert (done.code, "error: --timeout is not a duration" in done.err, world.runs()) == (2, True, [])
