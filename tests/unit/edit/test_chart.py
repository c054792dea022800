import errno
import os
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import Path

import pytest

from compiler import __version__
from compiler.cli.commands import new
from compiler.edit import chart
from compiler.edit.chart import (
    FILES,
    SCHEMAS,
    VALUES,
    chart_files,
    chart_notes,
    decides,
    schema_files,
)
from compiler.edit.new_project import project_files
from tests.commands import Done, run_command

ROOT = Path(__file__).resolve().parents[3]


def test_the_whole_chart_and_nobodys_environment() -> None:
    found = {path.relative_to(ROOT / "chart").as_posix() for path in (ROOT / "chart").rglob("*") if path.is_file()}
    assert {name for name in found if not fnmatch(name, "values-*.yaml")} == set(FILES)
    assert chart_files() == {f"chart/{name}": (ROOT / "chart" / name).read_text("utf-8") for name in FILES}


def test_the_wheel_carries_each_of_its_files() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]
    carried = build["wheel"]["force-include"]
    assert {name for name in FILES if carried.get(f"chart/{name}") == f"compiler/chart/{name}"} == set(FILES)
    assert {name for name in carried if name.startswith("chart")} == {f"chart/{name}" for name in FILES}
    assert "/chart" in build["sdist"]["include"]


def test_the_schemas_are_as_they_are_shipped() -> None:
    assert schema_files() == {
        f"schemas/{name}.schema.json": (ROOT / f"schemas/{name}.schema.json").read_text("utf-8") for name in SCHEMAS
    }


def test_what_prints_nothing_does_not_decide() -> None:
    every = {*chart_files(), *schema_files()}
    assert {path for path in every if not decides(path)} == {
        *("chart/.helmignore", "chart/README.md", "chart/templates/NOTES.txt"),
        *schema_files(),
    }


# The chart and schemas of this release, as `new project` writes them, upgraded by a program of the next one.

NEXT = "99.1.0"
CHART, TEMPLATE, SCHEMA = "chart/Chart.yaml", "chart/templates/external-secret.yaml", "schemas/catalogue.schema.json"
ADDED = "chart/templates/push-secret.yaml"
OURS = {**chart_files(), **schema_files()}
THEIRS = {
    **OURS,
    CHART: OURS[CHART].replace(__version__, NEXT),
    TEMPLATE: OURS[TEMPLATE] + "{{- /* next */}}\n",
    SCHEMA: OURS[SCHEMA].replace("{", "{ ", 1),
    ADDED: "{{- /* added */}}\n",
}


def of_next_release(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (chart, new):
        monkeypatch.setattr(module, "__version__", NEXT)
    for name, folder in (("chart_files", "chart/"), ("schema_files", "schemas/")):
        files = {path: text for path, text in THEIRS.items() if path.startswith(folder)}
        monkeypatch.setattr(chart, name, lambda files=files: files)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    return lambda *words: run_command(capsys, "new", "chart", "--upgrade", *words)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of this release in the working folder of a program of the next one."""
    root = tmp_path / "project"
    for path, text in project_files("shop", "shop", "vault", {}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    monkeypatch.chdir(root)
    of_next_release(monkeypatch)
    return root


def texts(root: Path, paths: Mapping[str, str]) -> dict[str, str]:
    return {path: (root / path).read_bytes().decode() for path in paths if (root / path).exists()}


def test_an_upgrade_is_shown_then_applied_and_leaves_nothing_to_do(run: Callable[..., Done], project: Path) -> None:
    mine = OURS[TEMPLATE].replace("\n", "\r\n") + "# password: Tr0ub4dor-and-3\r\n"
    (project / TEMPLATE).write_bytes(mine.encode())
    before = texts(project, OURS)
    shown = run()
    assert (shown.code, shown.err, texts(project, OURS)) == (1, "", before)
    assert f"{TEMPLATE}: not as in {NEXT}:\n--- {TEMPLATE}\n+++ {TEMPLATE} ({NEXT})\n" in shown.out
    assert "\n+{{- /* next */}}\n" in shown.out
    assert f"\n{ADDED}: missing\n" in shown.out
    assert shown.out.endswith(f"\n10 files of {NEXT}: up to date\nnothing was written; add --apply to write this\n")
    done = run("--apply")
    assert (done.code, done.err) == (0, "")
    assert f"\n{TEMPLATE}: written\n" in done.out
    assert done.out.endswith("\nnext: platform-secrets compile\n")
    assert texts(project, THEIRS) == {**THEIRS, TEMPLATE: THEIRS[TEMPLATE].replace("\n", "\r\n")}
    assert "Tr0ub4dor" not in shown.out + done.out
    again = run("--apply")
    assert (again.code, again.out) == (0, f"14 files of {NEXT}: up to date\n")
    assert list(chart_notes(project)) == []


@pytest.mark.parametrize(
    "text", ["a: {b: hunter2-plain}\n", "-- hunter2-plain\n", "a: [hunter2-plain\n# hunter2-plain\n"]
)
def test_nothing_that_somebody_set_for_all_environments_is_shown(
    run: Callable[..., Done], project: Path, text: str
) -> None:
    (project / VALUES).write_text(OURS[VALUES].replace("allowEmpty: false\n", text), "utf-8")
    done = run()
    assert "\n+allowEmpty: false\n" in done.out
    assert "\n-…\n" in done.out
    assert "hunter2" not in done.out + done.err


def test_a_missing_file_is_written_and_missing_schemas_are_not_wanted(run: Callable[..., Done], project: Path) -> None:
    (project / CHART).unlink()
    (project / SCHEMA).unlink()
    done = run("--apply")
    assert (done.code, done.err, texts(project, THEIRS)) == (0, "", THEIRS)
    shutil.rmtree(project / "schemas")
    done = run("--apply")
    assert (done.code, (project / "schemas").exists()) == (0, False)


def test_line_breaks_stay_as_git_wrote_them(run: Callable[..., Done], project: Path) -> None:
    for path, text in OURS.items():
        (project / path).write_bytes(text.replace("\n", "\r\n").encode())
    assert run("--apply").code == 0
    with_returns = {path: text.replace("\n", "\r\n") for path, text in THEIRS.items()}
    assert texts(project, THEIRS) == {**with_returns, ADDED: THEIRS[ADDED]}


def test_a_link_or_a_pipe_is_left_as_it_is(run: Callable[..., Done], project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(OURS[TEMPLATE], "utf-8")
    (project / TEMPLATE).unlink()
    (project / TEMPLATE).symlink_to(elsewhere)
    (project / SCHEMA).unlink()
    os.mkfifo(project / SCHEMA)
    done = run("--apply")
    assert (done.code, done.err) == (1, "")
    assert f"\n{TEMPLATE}: kept as it is: it is a link\n" in done.out
    assert f"\n{SCHEMA}: kept as it is: this is not a regular file\n" in done.out
    assert ((project / TEMPLATE).is_symlink(), elsewhere.read_text("utf-8")) == (True, OURS[TEMPLATE])
    assert (project / CHART).read_text("utf-8") == THEIRS[CHART]
    assert list(chart_notes(project)) == []


def test_a_chart_elsewhere_is_neither_shown_nor_written(
    run: Callable[..., Done], project: Path, tmp_path: Path
) -> None:
    (project / "chart").rename(tmp_path / "chart")
    (project / "chart").symlink_to(tmp_path / "chart")
    (tmp_path / TEMPLATE).write_text("theirs alone\n", "utf-8")
    done = run("--apply")
    assert (done.code, "theirs alone" in done.out + done.err) == (3, False)
    assert "leads out of the project through a link" in done.err
    assert (tmp_path / CHART).read_text("utf-8") == OURS[CHART]


def test_where_one_file_cannot_be_replaced_none_is(
    run: Callable[..., Done], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / TEMPLATE).chmod(0o444)
    done = run("--apply")
    assert (done.code, texts(project, OURS)) == (3, OURS)
    assert done.err == f"error: {TEMPLATE} is read-only\nhelp: make it writable\n"
    (project / TEMPLATE).chmod(0o644)
    opened = os.open

    def refuse_new(path: str | Path, flags: int, *more: int) -> int:
        if flags & os.O_CREAT and "/chart/templates/" in str(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, flags, *more)

    monkeypatch.setattr("compiler.stages.files.os.open", refuse_new)
    done = run("--apply")
    assert (done.code, texts(project, OURS)) == (3, OURS)
    assert f"error: {TEMPLATE} cannot be written: permission denied\n" in done.err


def test_a_newer_chart_is_not_taken_back(run: Callable[..., Done], project: Path) -> None:
    newer = OURS[CHART].replace(__version__, "99.10.0")
    (project / CHART).write_text(newer, "utf-8")
    done = run()
    assert (done.code, done.out) == (3, "")
    assert done.err == (
        f"error: {CHART} is of 99.10.0, newer than this program, which is {NEXT}\n"
        "help: install release 99.10.0 or newer; if only the file was edited, correct its appVersion\n"
    )
    assert list(chart_notes(project)) == [
        f"the chart is of 99.10.0, and this program writes for {NEXT}: install 99.10.0 or newer"
    ]
    # A text that is no version, an older version, and YAML that cannot be read: edited, like any other file.
    for edited in (
        "name: mine\nappVersion: latest\n",
        newer.replace("99.10.0", "99.10.0-`id`"),
        newer.replace("99.10.0", "0.1.0"),
        "{",
        "",
    ):
        (project / CHART).write_text(edited, "utf-8")
        assert f"{CHART}: not as in {NEXT}:" in run().out


def test_without_a_chart_there_is_nothing_to_upgrade(run: Callable[..., Done], project: Path) -> None:
    shutil.rmtree(project / "chart")
    done = run()
    assert (done.code, done.out) == (2, "")
    assert done.err == ('error: there is no chart in "chart/"\nhelp: add it with `platform-secrets new chart`\n')
    assert list(chart_notes(project)) == []


def test_apply_needs_upgrade(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    assert run_command(capsys, "new", "chart", "--apply").code == 2


def test_a_compile_names_what_differs_or_is_missing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    helper = "chart/templates/_helpers.tpl"
    (project / helper).write_text("mine\n", "utf-8")
    (project / "chart/README.md").write_text("mine\n", "utf-8")
    missing, different = chart_notes(project)
    assert missing.startswith(f'missing: "{ADDED}"; ')
    assert different.startswith(f'not as in {NEXT} of this program: "{CHART}", "{helper}", "{TEMPLATE}"; ')
    for note, said in ((different, "\n-mine\n"), (missing, f"\n{ADDED}: missing\n")):
        (line,) = re.findall(r"`(platform-secrets .*?)`", note)
        done = run_command(capsys, *shlex.split(line)[1:])
        assert (done.code, said in done.out) == (1, True)
