import os
import re
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from compiler.cli.commands import COMMANDS
from compiler.cli.invocation import (
    InputError,
    code_of,
    command,
    invoke,
    live_environments,
    outside,
    parser_of,
    project_folder,
    refusals,
    report,
    report_errors,
    require_sound,
    working_folder,
)
from compiler.model.document import Diagnostic, Severity, Source, Span
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from compiler.render.content import CommandRun
from compiler.stages.resolve import Outside
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from tests import providers
from tests.commands import EditFile, RunCommand, invocation_of
from tests.faulty_gateway import QuietHandler
from tests.refusals import is_refused


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_describes_itself(name: str) -> None:
    chosen = command(COMMANDS[name][0])
    assert chosen.DESCRIPTION
    assert all(f"platform-secrets {name}" in example for example in chosen.EXAMPLES)
    assert parser_of(name, COMMANDS[name][0]).prog == f"platform-secrets {name}"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--nonsense", "--help"]])
def test_help_comes_before_anything_else(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert invoke("explain", "explain", arguments) == 0
    assert "examples:\n  platform-secrets explain prod\n" in capsys.readouterr().out


def test_the_root_is_the_nearest_folder_upward(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project / "environments")
    assert project_folder(None) == project
    monkeypatch.chdir(project.parent)
    assert project_folder("project") == project
    with pytest.raises(Refusal) as refused:
        project_folder("else where")
    # Not `--root`: that names a project that is there.
    assert refused.value.help == "create a project with `platform-secrets new project 'else where'`"


@pytest.mark.parametrize("given", ["project/environments", "project/chart/../schemas", "project/no/such"])
def test_a_folder_of_a_project_is_answered_with_its_root(
    project: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(project.parent)
    with pytest.raises(Refusal) as refused:
        project_folder(given)
    # No new project, which would be inside the project.
    assert refused.value.help == f"the project is the folder above: --root {project}"


def test_a_working_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(Refusal):
        working_folder()
    monkeypatch.chdir(tmp_path)


def test_only_the_chosen_command_is_imported(start: Callable[..., Any]) -> None:
    process = start("rules", PYTHONPROFILEIMPORTTIME="1")
    _, err = process.communicate(timeout=30)
    imported = {line.rpartition("|")[2].strip() for line in err.decode().splitlines()}
    assert "compiler.rules" in imported
    assert not imported & {"compiler.pipeline", "compiler.project_files", "yaml", "jsonschema", "shutil"}


class Asked:
    """A server at which somebody waits for credentials; it has nothing itself."""

    def __init__(self) -> None:
        self.tokens: list[str | None] = []
        asked = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                asked.tokens.append(self.headers["X-Vault-Token"])
                self.send_error(404)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def server() -> Iterator[Asked]:
    asked = Asked()
    thread = threading.Thread(target=asked.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield asked
    asked.http.shutdown()
    thread.join()
    asked.http.server_close()


@pytest.fixture
def below(project: Path, edit: EditFile, server: Asked, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of another user's in a folder like `/tmp`; the working folder is below that one."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    edit(
        "environments/base.yaml",
        "http://vault.vault.svc.cluster.local:8200",
        f"http://127.0.0.1:{server.http.server_port}",
    )
    project.chmod(0o1777)
    os.chown(project / "environments", 54_321, 54_321)
    for path in (project / "environments").iterdir():
        os.chown(path, 54_321, 54_321)
    own = project / "own"
    own.mkdir()
    monkeypatch.chdir(own)
    for name, value in (("VAULT_TOKEN", "s.planted"), ("HOME", str(own)), ("NO_PROXY", "*")):
        monkeypatch.setenv(name, value)
    return own


LIVE = [
    ("verify", "dev"),
    ("status", "dev"),
    ("put", "dev", "github", "--from-file", "x"),
    ("rotate", "dev", "github", "--from-file", "x"),
    ("migrate", "dev", "--from", "vault", "--to", "azure"),
    ("cutover", "dev", "github", "--to", "azure"),
    ("retire", "dev", "--store", "vault"),
    ("backup", "dev", "x.age"),
    ("restore", "dev", "x"),
    ("import", "store", "vault", "--environment", "dev"),
]


@pytest.mark.parametrize("is_here", [False, True], ids=["above", "here"])
@pytest.mark.parametrize("words", LIVE, ids=lambda words: words[0])
def test_no_credential_goes_where_a_strangers_project_says(
    run: RunCommand,
    below: Path,
    server: Asked,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    *,
    is_here: bool,
) -> None:
    where = below.parent
    monkeypatch.chdir(where if is_here else below)
    done = run(*words)
    assert (done.code, done.out) == (3, "")
    whose = f'the project was found in "{where}", and "{where}/environments" belongs to another user'
    assert done.err.splitlines() == [
        f"error: {whose}: your credentials would go where it says",
        f"help: if it is meant, name it: `platform-secrets --root {'.' if is_here else where} …`",
    ]
    assert server.tokens == []


@pytest.mark.parametrize("folder", [".", ".."])
def test_whoever_names_it_means_it(
    run: RunCommand, below: Path, server: Asked, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.chdir(below.parent if folder == "." else below)
    run("--root", folder, "verify", "dev")
    assert "s.planted" in server.tokens


def test_whoever_calls_sudo_works_in_a_project_of_their_own(
    run: RunCommand, below: Path, server: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(below.parent)
    for uid, is_own in (("54322", False), ("-1", False), ("54321", True)):
        monkeypatch.setenv("SUDO_UID", uid)
        run("verify", "dev")
        assert ("s.planted" in server.tokens) is is_own
    # Only root may say so.
    monkeypatch.setattr("compiler.model.files.os.geteuid", lambda: 54_322)
    assert "belongs to another user" in run("verify", "dev").err


def test_what_others_may_write_in_the_working_folder_gets_no_credential(
    run: RunCommand, below: Path, server: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(below.parent)
    for path in (Path("environments"), *Path("environments").iterdir()):
        os.chown(path, 0, 0)
    Path("environments/base.yaml").chmod(0o666)
    done = run("verify", "dev")
    assert (done.code, server.tokens) == (3, [])
    assert 'environments/base.yaml" can be changed by other users: your credentials' in done.err
    assert "help: if it is meant, name it: `platform-secrets --root . …`" in done.err


def test_what_sends_nothing_goes_on_with_a_note(run: RunCommand, below: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = f'note: the project was found in "{below.parent}", and "{below.parent}/environments" belongs to another user'
    told = (("explain", "dev"), ("status", "dev", "--offline"), ("runs", "dev"), ("compile", "dev", "--out", "own"))
    for words in told:
        done = run(*words)
        assert (done.code, done.err.startswith(f"{note}; --root names another\n")) == (0, True)
    for words in (("rules", "too-large"), ("completion", "bash"), ("new", "project", "mine")):
        assert "the project was found in" not in run(*words).err
    # Whoever works in it sees whose it is.
    monkeypatch.chdir(below.parent)
    assert "the project was found in" not in run("explain", "dev").err


def test_every_command_that_logs_in_to_stores_is_told_apart() -> None:
    live = {name for name, (module, _) in COMMANDS.items() if parser_of(name, module).logs_in}
    importing = {
        name
        for name, (module, _) in COMMANDS.items()
        if {"run_writing", "writing", "open_live", "open_stores", "LiveStores"} & vars(command(module)).keys()
    }
    assert importing == {words[0] for words in LIVE} == live


def test_an_unknown_environment_is_a_usage_error(project: Path) -> None:
    with pytest.raises(Refusal) as caught:
        compile_project(project, ["prd"])
    assert (str(caught.value), caught.value.help) == ('there is no environment "prd"', 'did you mean "prod"?')


def test_a_run_without_errors_tells_what_came_from_outside(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = require_sound(
        compile_project(project, ["dev"], Outside("azure", "--store", {providers.KEY_VAULT: "kv-dev"}))
    ).environments
    assert [each.name for each in found] == ["dev"]
    assert capsys.readouterr().err.splitlines() == [
        'note: --store chooses the store "azure"',
        'note: AZURE_KEYVAULT_NAME gives the vaultUrl of the store "azure"',
    ]


def test_errors_are_shown_without_the_warnings(
    project: Path, capsys: pytest.CaptureFixture[str], edit: EditFile
) -> None:
    edit("environments/dev.yaml", "use: [openai]", "usr: [openai]")
    result = compile_project(project, ["dev"])
    with pytest.raises(InputError):
        require_sound(result)
    err = capsys.readouterr().err
    assert "error[unknown-key]" in err
    assert "warning" not in err


@pytest.fixture
def many() -> list[Diagnostic]:
    source = Source("environments/prod.yaml", "a: b\n")
    return [Diagnostic("unknown-key", Severity.ERROR, f"finding {number}", Span(source)) for number in range(1000)]


def test_text_shows_the_first_of_a_rule_and_how_to_see_the_rest(
    many: list[Diagnostic], capsys: pytest.CaptureFixture[str]
) -> None:
    report(many, CommandRun("compile"), see_all="`--all` shows them")
    err = capsys.readouterr().err
    assert (err.count("error["), err.count("\n")) == (20, 83)
    assert err.endswith('980 more findings of "unknown-key" not shown; `--all` shows them\n\n1000 errors\n')
    report_errors(many)
    assert "980 more findings" in (err := capsys.readouterr().err)
    assert "`platform-secrets compile --all` shows them" in err
    report(many, CommandRun("compile"), see_all=None)
    err = capsys.readouterr().err
    assert (err.count("error["), "not shown" in err) == (1000, False)


@pytest.mark.parametrize("form", ["json", "github", "sarif"])
def test_formats_for_programs_have_every_finding(
    many: list[Diagnostic], capsys: pytest.CaptureFixture[str], form: str
) -> None:
    report(many, CommandRun("compile"), form, "`--all` shows them")
    out = capsys.readouterr().out
    assert set(re.findall("finding ([0-9]+)", out)) == {str(number) for number in range(1000)}
    assert "--all" not in out


def test_text_goes_to_standard_error_and_other_formats_to_standard_output(
    project: Path, capsys: pytest.CaptureFixture[str], edit: EditFile
) -> None:
    edit("environments/dev.yaml", "use: [openai]", "usr: [openai]")
    diagnostics = compile_project(project, ["dev"]).diagnostics
    report(diagnostics, CommandRun("compile"))
    captured = capsys.readouterr()
    assert (captured.out, "unknown-key" in captured.err) == ("", True)
    report(diagnostics, CommandRun("compile"), "github")
    captured = capsys.readouterr()
    assert ("\n::error file=environments/dev.yaml" in captured.out, captured.err) == (True, "")


def test_an_environment_is_what_its_files_say_and_the_variable_is_said_to_be_ignored(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "azure")
    (environment,) = live_environments(["dev"], invocation_of())
    assert environment.default_store is not None
    assert environment.default_store.id == "vault"
    assert "AI_PLATFORM_SECRET_STORE is ignored" in capsys.readouterr().err


def test_the_errors_of_an_environment_are_shown_and_end_the_command(
    project: Path, edit: EditFile, capsys: pytest.CaptureFixture[str]
) -> None:
    edit("environments/dev.yaml", "global:", "globl:")
    with pytest.raises(InputError):
        live_environments(["dev"], invocation_of())
    assert "error[unknown-secret]" in capsys.readouterr().err


def test_several_environments_or_all_are_compiled_at_once(
    project: Path, edit: EditFile, capsys: pytest.CaptureFixture[str]
) -> None:
    invocation = invocation_of()
    assert [each.name for each in live_environments([], invocation)] == ["dev", "prod", "staging"]
    assert [each.name for each in live_environments(["prod", "dev"], invocation)] == ["dev", "prod"]
    edit("environments/dev.yaml", "global:", "globl:")
    with pytest.raises(InputError):
        live_environments([], invocation)
    assert "error[unknown-secret]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(13, "Permission denied", "/x"), 'files: "/x" permission denied'),
        (OSError(), "cannot use the run's files: unknown reason"),
    ],
)
def test_what_a_runs_files_fail_with_is_a_refusal(error: OSError, message: str) -> None:
    with pytest.raises(Refusal) as caught, refusals():
        raise error
    assert caught.value.kind == "cannot run"
    assert message in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_refusal_passes_as_it_is() -> None:
    refused = StoreError(StoreLocation("https://a"), Action.READ, "no answer", "wait", Code.UNAVAILABLE)
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)) as caught, refusals():
        raise refused
    assert caught.value is refused


def test_what_refuses_nothing_passes() -> None:
    with refusals():
        pass


def test_the_variable_acts_where_one_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "azure")
    assert outside(None, ["prod"]).store == "azure"
    assert outside(None, ["prod", "prod"]).store == "azure"
    assert outside("vault", ["prod"]).store == "vault"


@pytest.mark.parametrize(("named", "count"), [([], "none is named"), (["dev", "prod"], "2 are named")])
def test_with_several_a_store_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, named: list[str], count: str) -> None:
    assert outside(None, named).store is None
    with pytest.raises(Refusal, match=f"--store applies to one environment.*{count}"):
        outside("azure", named)
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "azure")
    with pytest.raises(Refusal, match=f"AI_PLATFORM_SECRET_STORE is set.*{count}"):
        outside(None, named)


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "")
    assert outside(None, []).store is None


@pytest.mark.parametrize("named", [[], ["prod"], ["dev", "prod"]])
def test_a_check_ignores_the_variable_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], named: list[str]
) -> None:
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "azure")
    assert outside(None, named, ignores_variable=True).store is None
    assert capsys.readouterr().err.startswith("note: AI_PLATFORM_SECRET_STORE is ignored")


ERROR, WARNING, NOTE = (Diagnostic("r", severity, "m", Span(Source("a.yaml"))) for severity in Severity)


@pytest.mark.parametrize(
    ("found", "is_strict", "code"),
    [
        ((), False, 0),
        ((), True, 0),
        ((WARNING,), False, 0),
        ((WARNING,), True, 1),
        ((WARNING, ERROR), False, 1),
        ((ERROR,), True, 1),
        ((NOTE,), False, 0),
        ((NOTE, NOTE), True, 0),
        ((NOTE, WARNING), True, 1),
    ],
)
def test_an_error_is_1_and_a_warning_where_that_is_asked(
    found: tuple[Diagnostic, ...],
    is_strict: bool,  # noqa: FBT001
    code: int,
) -> None:
    assert code_of(found, is_strict=is_strict) == code
    assert code_of(found, is_strict=is_strict, is_answered=False) == 3
