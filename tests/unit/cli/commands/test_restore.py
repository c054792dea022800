import shutil
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519  # type: ignore[import-untyped]

from compiler.model.store import StoreAddress
from compiler.operations.age_file import encrypt_to
from compiler.operations.backup import Backup, encode
from compiler.stores.interface import VALUE_SINCE
from compiler.stores.secret_value import SecretValue
from tests import providers
from tests.commands import Done, EditFile, RunCommand
from tests.memory_store import MemoryStore
from tests.unit.cli.two_ends import AZURE, KEY, Ends

NAME = "ai-platform-engineering/jira-secret"
BACKUP = Backup(
    "dev",
    "2026-01-02T03:04:05+00:00",
    {("jira", "ATLASSIAN_TOKEN"): SecretValue("s3ntinel")},
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
def store(identity: object, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """One store for all addresses, into which the backup is restored."""
    made = MemoryStore(StoreAddress(providers.VAULT, "https://vault", "secret"))
    monkeypatch.setattr("compiler.live.stores.LiveStores.open", lambda *_: made)
    return made


def restore(run: RunCommand, *options: str) -> Done:
    return run("restore", "dev", "dev.age", "--identity", "key", *options)


def test_either_a_backup_or_a_run_is_named(run: RunCommand, project: Path) -> None:
    done = run("restore", "dev")
    assert (done.code, "give either a backup file or a run with --undo\nhelp: " in done.err) == (2, True)


def test_the_plan_is_shown_and_nothing_applied(store: MemoryStore, run: RunCommand) -> None:
    done = restore(run)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "dev.age: dev at 2026-01-02T03:04:05+00:00, 1 secret, 1 key",
        "  not in the backup, unreadable when it was made: jira/ATLASSIAN_EMAIL",
        'to   "vault" at https://vault/secret, as tester',
        f"  create    vault:{NAME}",
        "            jira: ATLASSIAN_TOKEN",
        "plan: 1 key to create, in 1 remote secret",
        "nothing was written; add --apply to write this plan",
    ]
    assert store.versions == {}
    assert restore(run, "--apply").code == 0
    assert store.shown(NAME) == {"ATLASSIAN_TOKEN": "s3ntinel"}


@pytest.mark.parametrize(
    ("held", "options", "code", "applied"),
    [
        (None, (), 0, False),
        (None, ("--apply",), 0, True),
        ("theirs", ("--apply",), 1, False),
        ("s3ntinel", ("--apply",), 0, False),
        ("theirs", ("--apply", "--on-conflict", "overwrite"), 0, True),
    ],
)
def test_a_program_gets_one_object_without_a_value(
    store: MemoryStore, run: RunCommand, held: str | None, options: tuple[str, ...], code: int, *, applied: bool
) -> None:
    if held is not None:
        store.seed(NAME, ATLASSIAN_TOKEN=held)
    done = restore(run, "--format", "json", "--quiet", *options)
    report = done.report
    assert (done.code, done.err, report["command"], report["exitCode"]) == (code, "", "restore", code)
    assert (report["blocked"], report["applied"], report["run"] is not None) == (bool(code), applied, applied)
    kind = {None: "create", "s3ntinel": "keep", "theirs": "update" if applied else "conflict"}[held]
    (step,) = report["steps"]
    assert (step["secret"], step["key"], step["kind"], step["source"]) == ("jira", "ATLASSIAN_TOKEN", kind, None)
    assert report["backup"] == {
        "environment": "dev",
        "time": "2026-01-02T03:04:05+00:00",
        "secrets": {"jira": ["ATLASSIAN_TOKEN"]},
        "missing": {"jira": ["ATLASSIAN_EMAIL"]},
    }
    assert "s3ntinel" not in done.out


def test_a_plan_that_is_blocked_says_how_to_go_on(store: MemoryStore, run: RunCommand, edit: EditFile) -> None:
    store.seed(NAME, ATLASSIAN_TOKEN="theirs")
    shown = restore(run, "--apply").out
    assert "to replace it:\n" in shown
    for what in ("--only jira --on-conflict overwrite --apply\n", "--on-conflict skip --apply\n"):
        assert what in shown
    edit("environments/catalogue.yaml", "ATLASSIAN_TOKEN", "ATLASSIAN_TOKEN_2")
    refused = restore(run, "--apply")
    assert (refused.code, "the catalogue no longer has this key of the secret" in refused.out) == (1, True), refused.out
    assert store.writes == []


def test_a_passphrase_opens_what_a_passphrase_closed(
    store: MemoryStore, run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pass").write_text("correct horse battery\n", "utf-8")
    (project / "pass").chmod(0o600)
    (project / "dev.age").write_bytes(CLOSED)
    monkeypatch.setenv("PLATFORM_SECRETS_PASSPHRASE_FILE", "pass")

    def decrypt(_data: bytes, passphrase: SecretValue) -> bytes:
        assert passphrase.reveal() == "correct horse battery"
        return encode(BACKUP)

    monkeypatch.setattr("compiler.cli.commands.restore.decrypt_with", decrypt)
    assert run("restore", "dev", "dev.age").code == 0
    # Before anybody is asked for the passphrase.
    monkeypatch.delenv("PLATFORM_SECRETS_PASSPHRASE_FILE")
    (project / "dev.age").write_bytes(CLOSED.replace(b" 18", b" 22"))
    done = run("restore", "dev", "dev.age")
    assert (done.code, "work factor is 22, which takes 4 GiB of memory" in done.err) == (3, True)


def test_what_cannot_be_opened_or_used_is_told(
    identity: Any,  # noqa: ANN401 - pyrage has no types
    run: RunCommand,
    project: Path,
) -> None:
    done = run("restore", "dev", "dev.age")
    assert done.code == 2
    assert "give the file of its private key with --identity" in done.err
    for arguments, code, message in (
        (("dev", "no.age", "--identity", "key"), 3, "cannot be read"),
        (("dev", "key", "--identity", "key"), 3, "does not begin like an age file"),
        (("staging", "dev.age", "--identity", "key"), 2, "add --from-environment dev"),
        (("dev", "dev.age", "--identity", "key", "--only", "slack"), 2, 'no secret "slack"'),
        (("dev", "dev.age", "--identity", "key", "--to", "azuree"), 2, 'did you mean "azure"?'),
    ):
        done = run("restore", *arguments)
        assert (done.code, message in done.err) == (code, True), done.err
    (project / "dev.age").write_bytes(encrypt_to(b"{}", [str(identity.to_public())]))
    done = restore(run)
    assert done.code == 3
    assert "the backup cannot be used: it is not a backup of platform-secrets" in done.err
    (project / "environments/dev.yaml").write_text("store: nowhere\n", "utf-8")
    assert restore(run).code == 1


@pytest.mark.parametrize("named", [("jira",), ("--only", "jira")])
def test_secrets_are_named_behind_the_file_or_by_only(
    run: RunCommand, store: MemoryStore, named: tuple[str, ...]
) -> None:
    assert restore(run, *named).code == 0
    other = restore(run, "github")
    assert (other.code, "github" in other.err) == (2, True)


def test_a_secret_in_the_place_of_the_file_is_no_file(run: RunCommand, store: MemoryStore) -> None:
    done = run("restore", "dev", "jira", "dev.age", "--identity", "key")
    assert done.code == 2
    assert "did you mean `platform-secrets restore dev dev.age jira`? A file of that name is ./jira" in done.err


# A backup that an earlier release wrote is restored.

RECORDED = Path(__file__).resolve().parents[1] / "recorded_backups"
# Made for these files; it opens nothing else.
IDENTITY = "AGE-SECRET-KEY-1AEQS4YJT5VR4QZFHPF5EHDPN74F0N9KE4YLV735MRFK0F6CGPZ3SJYNVU8"


def test_a_recorded_backup_is_restored(project: Path, run: RunCommand, ends: Ends) -> None:
    shutil.copy(RECORDED / "version-2.age", project / "dev.age")
    (project / "key").write_text(f"{IDENTITY}\n", "utf-8")
    (project / "key").chmod(0o600)
    done = run("restore", "dev", "dev.age", "--identity", "key", "--to", "azure", "--apply")
    assert done.code == 0, done.out + done.err
    assert ends.azure.shown(AZURE) == {KEY: "token"}
    assert ends.azure.held[AZURE].attributes.tags == {VALUE_SINCE: "2026-10-01T00:00:00+00:00"}
