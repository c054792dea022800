import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pyrage import x25519  # type: ignore[import-untyped]

from compiler.change.plan import Kind, Location, Step
from compiler.operations.backup import Backup, Gathered
from compiler.stores.secret_value import SecretValue
from tests.commands import Done

VALUES = {("jira", "ATLASSIAN_TOKEN"): SecretValue("s3ntinel")}


@pytest.fixture
def holds(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says what the stores hold."""

    def say(
        values: dict[tuple[str, str], SecretValue],
        lacking: tuple[Step, ...] = (),
        left_out: tuple[tuple[str, str], ...] = (),
    ) -> None:
        backup = Backup("dev", "2026-01-02T03:04:05+00:00", values, tuple((each.secret, each.key) for each in lacking))
        monkeypatch.setattr("compiler.cli.commands.backup.gather", lambda *_: Gathered(backup, lacking, left_out))

    say(VALUES)
    return say


@pytest.fixture
def public() -> str:
    return str(x25519.Identity.generate().to_public())


def test_a_recipient_is_all_it_takes(holds: Callable[..., None], run: Callable[..., Done], public: str) -> None:
    done = run("backup", "dev", "dev.age", "--recipient", public)
    assert (done.code, done.out, done.err) == (0, "dev.age: written, dev, 1 secret, 1 key\n", "")


def test_secrets_stand_behind_the_file_or_beside_a_folder(
    run: Callable[..., Done], project: Path, monkeypatch: pytest.MonkeyPatch, public: str
) -> None:
    asked: list[tuple[str, ...]] = []
    backup = Backup("dev", "2026-01-02T03:04:05+00:00", VALUES, ())

    def gathered(_: object, only: Sequence[str], __: object) -> Gathered:
        asked.append(tuple(only))
        return Gathered(backup, (), ())

    monkeypatch.setattr("compiler.cli.commands.backup.gather", gathered)
    (project / "backups").mkdir()
    for words in (
        ("dev.age", "jira", "slack"),
        ("other.age", "jira", "--only", "slack"),
        ("jira", "slack", "--out-dir", "backups"),
        ("more.age", "--only", "jira", "--only", "slack"),
    ):
        assert run("backup", "dev", *words, "--recipient", public).code == 0
    assert asked == [("jira", "slack")] * 4


def test_a_secret_in_the_place_of_the_file_does_not_save_all(
    holds: Callable[..., None], run: Callable[..., Done], project: Path, public: str
) -> None:
    done = run("backup", "dev", "jira", "slack", "--recipient", public)
    assert (done.code, (project / "jira").exists()) == (2, False)
    assert "did you mean `platform-secrets backup dev … jira slack`? A file of that name is ./jira" in done.err
    assert run("backup", "dev", "./jira", "--recipient", public).code == 0


def test_a_file_of_recipients_will_do(
    holds: Callable[..., None], run: Callable[..., Done], project: Path, public: str
) -> None:
    (project / "ops.pub").write_text(f"# ops\n{public}\n", "utf-8")
    assert run("backup", "dev", "dev.age", "--recipients-file", "ops.pub").code == 0
    assert (project / "dev.age").read_bytes().startswith(b"age-encryption.org/v1\n-> X25519 ")


def test_the_passphrase_of_the_variables_file_will_do(
    holds: Callable[..., None], run: Callable[..., Done], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pass").write_text("correct horse battery\n", "utf-8")
    monkeypatch.setenv("PLATFORM_SECRETS_PASSPHRASE_FILE", "pass")
    used: list[str] = []

    def encrypt(_plain: bytes, passphrase: SecretValue) -> bytes:
        used.append(passphrase.reveal())
        return b"sealed"

    # The real one takes a second on purpose; tests/unit/operations has it.
    monkeypatch.setattr("compiler.cli.commands.backup.encrypt_with", encrypt)
    assert run("backup", "dev", "dev.age").code == 0
    assert used == ["correct horse battery"]
    assert (project / "dev.age").read_bytes() == b"sealed"
    (project / "pass").write_text("short\n", "utf-8")
    done = run("backup", "dev", "other.age")
    assert done.code == 3
    assert "shorter than 12 characters" in done.err


def test_what_is_missing_stops_it_or_is_told(
    holds: Callable[..., None], run: Callable[..., Done], project: Path, public: str
) -> None:
    holds(
        VALUES,
        (Step("jira", "ATLASSIAN_EMAIL", Kind.MISSING, None, None, "the store has no such secret"),),
        (("a/b", "EXTRA"),),
    )
    done = run("backup", "dev", "dev.age", "--recipient", public)
    assert done.code == 1
    assert done.err.startswith("error: jira/ATLASSIAN_EMAIL: the store has no such secret\nhelp: no file was written")
    assert not (project / "dev.age").exists()
    done = run("backup", "dev", "dev.age", "--recipient", public, "--partial")
    assert (done.code, done.out) == (0, "dev.age: written, dev, 1 secret, 1 key, 1 missing\n")
    assert "note: a/b: EXTRA: left out, not in the catalogue\n" in done.err


def test_an_empty_backup_is_none(holds: Callable[..., None], run: Callable[..., Done], public: str) -> None:
    holds({})
    done = run("backup", "dev", "dev.age", "--recipient", public)
    assert done.code == 2
    assert "there is nothing to back up" in done.err


def test_a_wrong_command_line_is_told(
    holds: Callable[..., None], run: Callable[..., Done], project: Path, public: str
) -> None:
    (project / "there.age").write_bytes(b"old")
    for arguments, code, message in (
        (("dev", "x.age", "--recipient", public, "--only", "jirra"), 2, 'did you mean "jira"?'),
        (("dev", "x.age", "--recipient", "age1x"), 3, "recipient 1 is not an age recipient"),
        (("dev", "there.age", "--recipient", public), 3, "add --replace"),
        (("dev", "no/folder/x.age", "--recipient", public), 3, 'x.age" does not exist'),
    ):
        done = run("backup", *arguments)
        assert done.code == code, arguments
        assert message in done.err
    assert (project / "there.age").read_bytes() == b"old"
    (project / "environments/dev.yaml").write_text("store: nowhere\n", "utf-8")
    assert run("backup", "dev", "x.age", "--recipient", public).code == 1
    assert [path.name for path in project.glob("*.age")] == ["there.age"]


@pytest.mark.parametrize(("partial", "code"), [(True, 0), (False, 1)])
def test_a_program_gets_one_object_without_a_value(
    holds: Callable[..., None],
    run: Callable[..., Done],
    project: Path,
    public: str,
    partial: bool,  # noqa: FBT001
    code: int,
) -> None:
    lacking = Step(
        "jira",
        "ATLASSIAN_EMAIL",
        Kind.MISSING,
        Location("vault", "agents/jira", "ATLASSIAN_EMAIL"),
        None,
        "the store has none",
    )
    holds(VALUES, (lacking,), (("agents/jira", "OTHER"),))
    options = ("--format", "json", *(("--partial",) if partial else ()))
    done = run("backup", "dev", "dev.age", "--recipient", public, *options)
    assert done.code == code
    assert done.report == {
        "format": 1,
        "command": "backup",
        "environment": "dev",
        "file": "dev.age",
        "written": partial,
        "backup": {
            "environment": "dev",
            "time": "2026-01-02T03:04:05+00:00",
            "secrets": {"jira": ["ATLASSIAN_TOKEN"]},
            "missing": {"jira": ["ATLASSIAN_EMAIL"]},
        },
        "lacking": [
            {
                "secret": "jira",
                "key": "ATLASSIAN_EMAIL",
                "place": {"name": "agents/jira", "property": "ATLASSIAN_EMAIL"},
                "reason": "the store has none",
            }
        ],
        "leftOut": [{"name": "agents/jira", "property": "OTHER"}],
        "exitCode": code,
    }
    assert (project / "dev.age").exists() == partial


def test_a_folder_gets_a_new_file_by_the_time_that_no_run_replaces(
    holds: Callable[..., None], run: Callable[..., Done], project: Path, public: str
) -> None:
    (project / "backups").mkdir()
    done = run("backup", "dev", "--out-dir", "backups", "--recipient", public)
    assert (done.code, done.err) == (0, "")
    assert done.out == "backups/dev-20260102-030405.age: written, dev, 1 secret, 1 key\n"
    file = project / "backups/dev-20260102-030405.age"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(b"old")
    done = run("backup", "dev", "--out-dir", "backups/", "--recipient", public)
    assert done.code == 3
    assert 'backups/dev-20260102-030405.age" already exists\nhelp: run the command again' in done.err
    assert [each.read_bytes() for each in (project / "backups").iterdir()] == [b"old"]


def test_the_report_names_the_new_file_also_where_none_was_written(
    holds: Callable[..., None], run: Callable[..., Done], project: Path, public: str
) -> None:
    (project / "backups").mkdir()
    done = run("backup", "dev", "--out-dir", "backups", "--recipient", public, "--format", "json")
    assert (done.report["file"], done.report["written"]) == ("backups/dev-20260102-030405.age", True)
    holds(VALUES, (Step("jira", "ATLASSIAN_EMAIL", Kind.MISSING, None, None, "the store has no such secret"),))
    (project / "backups/dev-20260102-030405.age").unlink()
    done = run("backup", "dev", "--out-dir", "backups", "--recipient", public, "--format", "json")
    assert (done.code, done.report["file"]) == (1, "backups/dev-20260102-030405.age")
    assert done.report["written"] is False
    assert list((project / "backups").iterdir()) == []


def test_a_file_or_a_folder_is_needed_and_never_both(
    holds: Callable[..., None], run: Callable[..., Done], project: Path, tmp_path: Path, public: str
) -> None:
    (project / "backups").mkdir()
    (project / "out").symlink_to(tmp_path)
    for arguments, code, message in (
        ((), 2, "give either a file or a folder with --out-dir\nhelp: add FILE or --out-dir DIR"),
        (("dev.age", "--out-dir", "backups"), 2, 'has no secret "dev.age"'),
        (("--out-dir", "backups", "--replace"), 2, "--out-dir cannot be combined with --replace"),
        (("--out-dir", ""), 2, "--out-dir is empty"),
        (("--out-dir", "nowhere"), 3, 'the folder "nowhere" does not exist'),
        (("--out-dir", "environments/dev.yaml"), 3, 'the folder "environments/dev.yaml" does not exist'),
        (("--out-dir", "out"), 3, "--out-dir leads out of the project through a link"),
    ):
        done = run("backup", "dev", *arguments, "--recipient", public)
        assert (done.code, message in done.err) == (code, True), (arguments, done.err)
    assert list(project.glob("**/*.age")) == []


@pytest.mark.parametrize("is_there", [True, False])
def test_a_file_of_the_same_second_stays_where_there_are_no_hard_links(
    holds: Callable[..., None],
    run: Callable[..., Done],
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    public: str,
    is_there: bool,  # noqa: FBT001
) -> None:
    file = project / "dev-20260102-030405.age"

    def link(*_: object, **__: object) -> None:
        if is_there:
            file.write_bytes(b"old")
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", link)
    done = run("backup", "dev", "--out-dir", ".", "--recipient", public)
    assert (done.code, file.read_bytes() == b"old") == ((3, True) if is_there else (0, False))
    assert sorted(each.name for each in project.glob("*.age*")) == [file.name]
