"""Files that are no files, that lead elsewhere, change, or have strange names."""

import os
import shutil
from pathlib import Path

import pytest

from compiler.cli.terminal.contents import text_of
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from compiler.render.content import CommandRun, show
from compiler.render.formats import FORMATS
from compiler.rules import ALL_RULES

PROD = "environments/prod.yaml"


def found(project: Path) -> list[tuple[str, str, str]]:
    """Path, rule and message of each diagnostic, after all formats could print it."""
    diagnostics = compile_project(project).diagnostics
    # SARIF lists the rules that it is given, the same hundred each time: here those that found something.
    found_by = tuple(rule for rule in ALL_RULES if rule.id in {each.rule for each in diagnostics})
    for form in FORMATS:
        text_of(FORMATS[form](show(diagnostics), found_by, CommandRun("compile"))).encode()
    return [(each.span.path, each.rule, each.message) for each in diagnostics]


def put(project: Path, what: str) -> None:
    """Puts something in place of the environment's file."""
    path = project / PROD
    path.unlink()
    match what:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "broken link":
            path.symlink_to("nowhere.yaml")
        case "link to itself":
            path.symlink_to(path.name)
        case "link out":
            (project.parent / "secret.yaml").write_text("labels: {a: b}\n", "utf-8")
            path.symlink_to("../../secret.yaml")
        case "link out to nothing":
            path.symlink_to("../../nothing.yaml")
        case "device":
            path.symlink_to("/dev/zero")
        case "own memory":
            path.symlink_to("/proc/self/environ")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("pipe", "this is not a regular file"),
        ("folder", "this is a folder"),
        ("broken link", "the file cannot be read: no such file or directory"),
        ("link out", "the file is a link that leads out of the project"),
        ("link out to nothing", "the file is a link that leads out of the project"),
        ("device", "the file is a link that leads out of the project"),
        ("own memory", "the file is a link that leads out of the project"),
    ],
)
def test_what_is_no_file_of_the_project_is_not_read(project: Path, what: str, message: str) -> None:
    put(project, what)
    assert found(project) == [(PROD, "unreadable-file", message)]


def test_a_link_to_itself_is_not_followed(project: Path) -> None:
    put(project, "link to itself")
    ((path, rule, message),) = found(project)
    assert (path, rule) == (PROD, "unreadable-file")
    assert message.startswith("the file cannot be read: ")


def test_a_link_inside_the_project_is_followed(project: Path) -> None:
    (project / PROD).rename(project / "prod.yaml")
    (project / PROD).symlink_to("../prod.yaml")
    assert found(project) == []


def test_a_project_behind_a_link_is_a_project(project: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(project)
    assert found(tmp_path / "link") == []


def test_a_folder_that_leads_out_is_not_read(project: Path, tmp_path: Path) -> None:
    (project / "environments").rename(tmp_path / "elsewhere")
    (project / "environments").symlink_to(tmp_path / "elsewhere")
    assert {rule for _, rule, _ in found(project)} == {"unreadable-file"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(project: Path) -> None:
    (project / PROD).chmod(0)
    assert found(project) == [(PROD, "unreadable-file", "the file cannot be read: permission denied")]


@pytest.mark.parametrize("change", ["grows", "shrinks", "is touched"])
def test_a_file_that_changes_while_it_is_read(project: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    read = os.read

    def meanwhile(descriptor: int, size: int) -> bytes:
        if os.path.samestat(os.fstat(descriptor), (project / PROD).stat()):
            match change:
                case "grows":
                    with (project / PROD).open("a", encoding="utf-8") as file:
                        file.write("namespace: other\n")
                case "shrinks":
                    os.truncate(project / PROD, 3)
                case _:
                    os.utime(project / PROD, (1, 1))
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", meanwhile)
    assert found(project) == [(PROD, "unreadable-file", "the file changed while it was read; run again")]


def test_an_error_while_reading(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    assert ("environments/catalogue.yaml", "unreadable-file", "the file cannot be read: input/output error") in found(
        project
    )


def test_a_project_without_anything(tmp_path: Path) -> None:
    missing = ("environments/catalogue.yaml", "unreadable-file", "the file cannot be read: no such file or directory")
    assert found(tmp_path) == [missing]


def test_a_project_without_environments(project: Path) -> None:
    (project / PROD).unlink()
    assert found(project) == []
    with pytest.raises(Refusal) as raised:
        compile_project(project, ["prod"])
    assert raised.value.help == "there are no environments"


STRANGE = (
    *("a\n.yaml", "a\x1b[2J.yaml", "-x.yaml", "x-.yaml", "A.yaml", "a b.yaml", "a" * 64 + ".yaml", "a.b.yaml"),
    *("\u00e4.yaml", "a\u202eb.yaml", "$(id).yaml", "{{x}}.yaml", "'.yaml", '".yaml', "%41.yaml", "prod\n.yaml"),
)


@pytest.mark.parametrize("name", STRANGE)
def test_a_name_that_is_no_environments(project: Path, name: str) -> None:
    shutil.copy(project / PROD, project / "environments" / name)
    ((path, rule, _),) = found(project)
    assert rule == "invalid-environment-name"
    assert path == f"environments/{name}"
    result = compile_project(project)
    assert result.project is not None
    assert result.project.names == ("prod",)
    text = text_of(FORMATS["text"](show(result.diagnostics), ALL_RULES, CommandRun("compile")))
    assert text.replace("\n", "").isprintable()
    # One line for the place, one for the way out, one for the sum: a name cannot add any.
    assert text.count("\n") == 4


def test_a_name_that_is_no_unicode(project: Path) -> None:
    (project / "environments" / os.fsdecode(b"a\xff.yaml")).write_text("labels: {a: b}\n", "utf-8")
    ((_, rule, _),) = found(project)
    assert rule == "invalid-environment-name"


@pytest.mark.parametrize("name", ["..yaml", ".hidden.yaml", ".prod.yaml.swp", "prod.yaml~", "notes.txt"])
def test_what_editors_and_people_leave_behind_is_passed_over(project: Path, name: str) -> None:
    (project / "environments" / name).write_text("}{", "utf-8")
    assert found(project) == []


@pytest.mark.parametrize("name", ["a", "7", "a" * 63, "x-1"])
def test_a_name_of_an_environment(project: Path, name: str) -> None:
    (project / PROD).rename(project / f"environments/{name}.yaml")
    assert found(project) == []


def test_a_layer_of_a_strange_name_is_named_by_nobody(project: Path) -> None:
    (project / "environments/layers/eu\n.yaml").write_text("labels: {a: b}\n", "utf-8")
    (project / PROD).write_text('extends: [base, "eu\\n"]\n', "utf-8")
    assert [rule for _, rule, _ in found(project)] == ["invalid-value"]
