import getpass
import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pyrage import x25519  # type: ignore[import-untyped]

from compiler.change.plan import Kind, Location, Step
from compiler.cli.commands.backup import PASSPHRASE_FILE_VARIABLE, backup_content, passphrase
from compiler.cli.commands.backup import _recipients as recipients
from compiler.cli.commands.restore import _identities as identities
from compiler.operations.backup import Backup, Gathered
from compiler.refusal import Refusal
from compiler.stores.secret_value import SecretValue
from tests.commands import RunCommand

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


def test_a_recipient_is_all_it_takes(holds: Callable[..., None], run: RunCommand, public: str) -> None:
    done = run("backup", "dev", "dev.age", "--recipient", public)
    assert (done.code, done.out, done.err) == (0, "dev.age: written, dev, 1 secret, 1 key\n", "")


def test_secrets_stand_behind_the_file_or_beside_a_folder(
    run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch, public: str
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
    holds: Callable[..., None], run: RunCommand, project: Path, public: str
) -> None:
    done = run("backup", "dev", "jira", "slack", "--recipient", public)
    assert (done.code, (project / "jira").exists()) == (2, False)
    assert "did you mean `platform-secrets backup dev … jira slack`? A file of that name is ./jira" in done.err
    assert run("backup", "dev", "./jira", "--recipient", public).code == 0


def test_a_file_of_recipients_will_do(holds: Callable[..., None], run: RunCommand, project: Path, public: str) -> None:
    (project / "ops.pub").write_text(f"# ops\n{public}\n", "utf-8")
    assert run("backup", "dev", "dev.age", "--recipients-file", "ops.pub").code == 0
    assert (project / "dev.age").read_bytes().startswith(b"age-encryption.org/v1\n-> X25519 ")


def test_the_passphrase_of_the_variables_file_will_do(
    holds: Callable[..., None], run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch
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
    holds: Callable[..., None], run: RunCommand, project: Path, public: str
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


def test_an_empty_backup_is_none(holds: Callable[..., None], run: RunCommand, public: str) -> None:
    holds({})
    done = run("backup", "dev", "dev.age", "--recipient", public)
    assert done.code == 2
    assert "there is nothing to back up" in done.err


def test_a_wrong_command_line_is_told(holds: Callable[..., None], run: RunCommand, project: Path, public: str) -> None:
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
    holds: Callable[..., None], run: RunCommand, project: Path, public: str, code: int, *, partial: bool
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
    holds: Callable[..., None], run: RunCommand, project: Path, public: str
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
    holds: Callable[..., None], run: RunCommand, project: Path, public: str
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
    holds: Callable[..., None], run: RunCommand, project: Path, tmp_path: Path, public: str
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
    run: RunCommand,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    public: str,
    *,
    is_there: bool,
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


class Person:
    def isatty(self) -> bool:
        return True


def file(folder: Path, content: bytes) -> str:
    path = folder / "keys"
    path.write_bytes(content)
    path.chmod(0o600)
    return str(path)


def test_recipients_are_those_of_the_command_line_and_of_files(tmp_path: Path) -> None:
    name = file(tmp_path, b"# ops\n\n age1one \nage1two\n")
    assert recipients(["age1named"], [name]) == ("age1named", "age1one", "age1two")
    assert recipients([], []) == ()


def test_a_private_key_is_no_recipient_and_is_not_shown(tmp_path: Path) -> None:
    for named, files in ((["age-secret-key-1S3NTINEL"], []), ([], [file(tmp_path, b"AGE-SECRET-KEY-1S3NTINEL")])):
        with pytest.raises(Refusal, match="this is a private one") as caught:
            recipients(named, files)
        assert "S3NTINEL" not in f"{caught.value} {caught.value.help}"


def test_a_file_without_recipients_is_not_taken_for_no_file(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="holds no recipient"):
        recipients([], [file(tmp_path, b"# nobody\n")])


def test_identities_are_a_line_each(tmp_path: Path) -> None:
    found = identities([file(tmp_path, b"# created\nAGE-SECRET-KEY-1A\nAGE-SECRET-KEY-1B\n")])
    assert [each.reveal() for each in found] == ["AGE-SECRET-KEY-1A", "AGE-SECRET-KEY-1B"]
    with pytest.raises(Refusal, match="not a text file") as caught:
        identities([file(tmp_path, b"\xff")])
    assert caught.value.__context__ is None


def test_the_variables_file_holds_the_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_FILE_VARIABLE, file(tmp_path, b" with spaces \r\n"))
    assert passphrase(is_new=True).reveal() == " with spaces "


def test_a_key_file_is_not_cut_off_where_it_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = file(tmp_path, b"x" * (64 * 1024 + 1))
    for read in (lambda: recipients([], [name]), lambda: identities([name])):
        with pytest.raises(Refusal, match=r'"[^"]*/keys" is larger than 64 KiB'):
            read()
    monkeypatch.setenv(PASSPHRASE_FILE_VARIABLE, name)
    with pytest.raises(Refusal, match=f"the file that {PASSPHRASE_FILE_VARIABLE} names is larger than 64 KiB"):
        passphrase(is_new=False)
    monkeypatch.setenv(PASSPHRASE_FILE_VARIABLE, "/dev/zero")
    with pytest.raises(Refusal, match="names is a device, not a file"):
        passphrase(is_new=False)


def test_a_new_passphrase_is_typed_twice_and_an_old_one_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSPHRASE_FILE_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "stdin", Person())
    asked: list[str] = []
    answers = iter(["one", "one", "one", "one", "other", ""])

    def typed(question: str) -> str:
        asked.append(question)
        return next(answers)

    monkeypatch.setattr(getpass, "getpass", typed)
    assert passphrase(is_new=True).reveal() == "one"
    assert passphrase(is_new=False).reveal() == "one"
    assert asked == ["Passphrase (12 characters or more): ", "Repeat the passphrase: ", "Passphrase: "]
    with pytest.raises(Refusal, match="differ"):
        passphrase(is_new=True)
    assert passphrase(is_new=False).reveal() == ""


@pytest.mark.parametrize(
    ("is_new", "way_out"), [(True, "give --recipient, or "), (False, "the backup is encrypted with a passphrase: ")]
)
def test_without_a_terminal_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch, way_out: str, *, is_new: bool) -> None:
    monkeypatch.delenv(PASSPHRASE_FILE_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(Refusal) as caught:
        passphrase(is_new=is_new)
    rest = f"set {PASSPHRASE_FILE_VARIABLE} to the path of a file that holds it"
    assert caught.value.help == way_out + rest


def test_a_passphrase_in_place_of_its_files_name_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_FILE_VARIABLE, "my s3ntinel phrase")
    with pytest.raises(Refusal, match="cannot be read") as caught:
        passphrase(is_new=False)
    error = caught.value
    assert "s3ntinel" not in f"{error} {error.help} {error.details}"
    assert error.__context__ is None


def test_a_private_key_in_place_of_its_files_name_is_not_shown() -> None:
    with pytest.raises(Refusal, match="takes a file") as caught:
        identities(["AGE-SECRET-KEY-1S3NTINEL"])
    assert "S3NTINEL" not in f"{caught.value} {caught.value.help}"


BACKUP = Backup(
    "dev",
    "2026-01-02T03:04:05+00:00",
    {("jira", "TOKEN"): SecretValue("s3ntinel"), ("jira", "URL"): SecretValue("u")},
    (("jira", "EMAIL"),),
)


def test_what_is_not_in_it_is_told_with_its_place_and_why() -> None:
    lacking = (
        Step("jira", "EMAIL", Kind.MISSING, Location("vault", "remote", "E"), None, "it is not there"),
        Step("jira", "WHOLE", Kind.MISSING, Location("vault", "remote", None), None, "it is not there"),
        Step("jira", "NOWHERE", Kind.MISSING, None, None, "no place"),
    )
    report = backup_content(Gathered(BACKUP, lacking, (("remote", "OWNER"),)), "dev.age", is_written=False)
    assert report["written"] is False
    assert [each["place"] for each in report["lacking"]] == [
        {"name": "remote", "property": "E"},
        {"name": "remote", "property": None},
        None,
    ]
    assert report["leftOut"] == [{"name": "remote", "property": "OWNER"}]
    assert "s3ntinel" not in repr(report)
