from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from pyrage import x25519  # type: ignore[import-untyped]

from compiler.cli.write_keys import Applied
from compiler.model.place import Place
from compiler.operations.backup.encryption import encrypt_to
from compiler.operations.backup.format import Backup, encode
from compiler.operations.backup.restore import Action, RestorePlan, RestoreStep
from compiler.stores.values.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.commands import Done

PLACE = Place("agents/jira", "ATLASSIAN_TOKEN")
BACKUP = Backup(
    "dev",
    "2026-01-02T03:04:05+00:00",
    {("jira", "ATLASSIAN_TOKEN"): Secret("s3ntinel")},
    (("jira", "ATLASSIAN_EMAIL"),),
)


CLOSED = b"age-encryption.org/v1\n-> scrypt gturY37bJRYKBgnuPmrrHQ 18\nSHH2\n--- XyUg\nsealed"


@pytest.fixture
def identity(project: Path) -> Any:  # noqa: ANN401 - pyrage has no types
    """A key pair, its private part in `key`, and a backup for it in `dev.age`."""
    made = x25519.Identity.generate()
    (project / "key").write_text(f"# made\n{made}\n", "utf-8")
    (project / "key").chmod(0o600)
    (project / "dev.age").write_bytes(encrypt_to(encode(BACKUP), [str(made.to_public())]))
    return made


@pytest.fixture
def plans(identity: object, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Says what the plan is; returns the list of what is applied."""

    def say(action: Action, writes: int = 1) -> list[str]:
        changes: Any = SimpleNamespace(
            writes=(SimpleNamespace(base=None),) * writes, who={"https://vault/secret": "ada"}, losses=()
        )
        reason = "it is refused; do something" if action is Action.REFUSE else ""
        place = None if action is Action.REFUSE else PLACE
        plan = RestorePlan((RestoreStep("jira", "ATLASSIAN_TOKEN", action, place, reason),), changes)
        applied: list[str] = []
        monkeypatch.setattr("compiler.cli.commands.restore.plan_restore", lambda *_: plan)

        def apply(_plan: object, environment: str, action: str, audit: str, _output: object) -> Applied:
            applied.append(f"{environment} {action} {audit}")
            return Applied(0, "run-1", ())

        monkeypatch.setattr("compiler.cli.commands.restore.apply", apply)
        return applied

    return say


def restore(run: Callable[..., Done], *options: str) -> Done:
    return run("restore", "dev", "dev.age", "--identity", "key", *options)


def test_the_plan_is_shown_and_nothing_applied(plans: Callable[..., list[str]], run: Callable[..., Done]) -> None:
    applied = plans(Action.CREATE)
    done = restore(run)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "dev.age: dev at 2026-01-02T03:04:05+00:00, 1 secret, 1 key",
        "  not in it, as they could not be had then: jira/ATLASSIAN_EMAIL",
        "into https://vault/secret, as ada",
        "  create   jira/ATLASSIAN_TOKEN  agents/jira",
        "nothing was written; --apply writes this plan",
    ]
    assert applied == []
    assert restore(run, "--apply", "--audit", "audit").code == 0
    assert applied == ["dev restore audit"]


@pytest.mark.parametrize(
    ("action", "options", "code", "applied"),
    [
        (Action.CREATE, (), 0, False),
        (Action.CREATE, ("--apply",), 0, True),
        (Action.CONFLICT, ("--apply",), 1, False),
        (Action.REFUSE, (), 1, False),
    ],
)
def test_a_program_gets_one_object_without_a_value(
    plans: Callable[..., list[str]],
    run: Callable[..., Done],
    action: Action,
    options: tuple[str, ...],
    code: int,
    applied: bool,  # noqa: FBT001
) -> None:
    plans(action)
    done = restore(run, "--format", "json", *options)
    assert (done.code, done.err, done.report["exitCode"]) == (code, "", code)
    assert done.report["blocked"] == bool(code)
    assert (done.report["applied"], done.report["run"]) == (applied, "run-1" if applied else None)
    (key,) = done.report["keys"]
    assert (key["secret"], key["key"], key["action"]) == ("jira", "ATLASSIAN_TOKEN", action)
    assert done.report["backup"] == {
        "environment": "dev",
        "time": "2026-01-02T03:04:05+00:00",
        "secrets": {"jira": ["ATLASSIAN_TOKEN"]},
        "missing": {"jira": ["ATLASSIAN_EMAIL"]},
    }
    assert "s3ntinel" not in done.out


@pytest.mark.parametrize(
    ("action", "way_out"),
    [(Action.CONFLICT, "--on-conflict overwrite"), (Action.REFUSE, "leave it out with --only")],
)
def test_a_plan_that_is_blocked_is_not_applied(
    plans: Callable[..., list[str]], run: Callable[..., Done], action: Action, way_out: str
) -> None:
    applied = plans(action)
    done = restore(run, "--apply")
    assert done.code == 1
    assert way_out in done.err
    assert ("it is refused; do something" in done.out) is (action is Action.REFUSE)
    assert applied == []


def test_what_is_there_is_not_written_again(plans: Callable[..., list[str]], run: Callable[..., Done]) -> None:
    applied = plans(Action.KEEP, writes=0)
    assert restore(run, "--apply").out.endswith("nothing to write: the store holds what is to be restored\n")
    assert applied == []


def test_a_passphrase_opens_what_a_passphrase_closed(
    plans: Callable[..., list[str]], run: Callable[..., Done], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans(Action.CREATE)
    (project / "pass").write_text("correct horse battery\n", "utf-8")
    (project / "pass").chmod(0o600)
    (project / "dev.age").write_bytes(CLOSED)
    monkeypatch.setenv("PLATFORM_SECRETS_PASSPHRASE_FILE", "pass")

    def decrypt(_data: bytes, passphrase: Secret) -> bytes:
        assert passphrase.reveal() == "correct horse battery"
        return encode(BACKUP)

    monkeypatch.setattr("compiler.cli.commands.restore.decrypt_with", decrypt)
    assert run("restore", "dev", "dev.age").code == 0
    # Before anybody is asked for the passphrase.
    monkeypatch.delenv("PLATFORM_SECRETS_PASSPHRASE_FILE")
    (project / "dev.age").write_bytes(CLOSED.replace(b" 18", b" 22"))
    done = run("restore", "dev", "dev.age")
    assert (done.code, "work factor is 22, which takes 4 GiB of memory" in done.err) == (3, True)


def test_an_armored_backup_is_restored(
    plans: Callable[..., list[str]], run: Callable[..., Done], project: Path
) -> None:
    plans(Action.CREATE)
    sealed = base64.encodebytes((project / "dev.age").read_bytes()).decode()
    (project / "dev.age").write_text(
        f"-----BEGIN AGE ENCRYPTED FILE-----\n{sealed}-----END AGE ENCRYPTED FILE-----\n", "utf-8"
    )
    assert restore(run).code == 0


def test_what_cannot_be_opened_or_used_is_told(
    identity: Any,  # noqa: ANN401 - pyrage has no types
    run: Callable[..., Done],
    project: Path,
) -> None:
    done = run("restore", "dev", "dev.age")
    assert done.code == 2
    assert "name the private one's file with --identity" in done.err
    for arguments, code, message in (
        (("dev", "no.age", "--identity", "key"), 3, "cannot be read"),
        (("dev", "key", "--identity", "key"), 3, "does not begin as an age file"),
        (("staging", "dev.age", "--identity", "key"), 2, "say --from-environment dev"),
        (("dev", "dev.age", "--identity", "key", "--only", "slack"), 2, 'no secret "slack"'),
        (("dev", "dev.age", "--identity", "key", "--to", "azuree"), 2, 'did you mean "azure"?'),
    ):
        done = run("restore", *arguments)
        assert (done.code, message in done.err) == (code, True), done.err
    (project / "dev.age").write_bytes(encrypt_to(b"{}", [str(identity.to_public())]))
    done = restore(run)
    assert done.code == 3
    assert "the backup cannot be used: it is no backup of platform-secrets" in done.err
    (project / "environments/dev.yaml").write_text("store: nowhere\n", "utf-8")
    assert restore(run).code == 1
