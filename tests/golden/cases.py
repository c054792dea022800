"""The golden cases, a folder each: their input, compiled as the program does it."""

import json
from dataclasses import dataclass
from pathlib import Path

from compiler.cli.terminal.contents import text_of
from compiler.model.document import Diagnostic
from compiler.pipeline import Result, ValuesFile, compile_project, plan_values
from compiler.render.content import CommandRun, show
from compiler.render.formats import render_text
from compiler.rules import ALL_RULES
from compiler.stages.resolve import outside_of

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Compiled:
    """What one case's input came to: every diagnostic, as people see them and by rule, and the values files."""

    result: Result
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[ValuesFile, ...]

    @property
    def text(self) -> str:
        return text_of(render_text(show(self.diagnostics), ALL_RULES, CommandRun("compile")))


def cases(kind: str) -> list[Path]:
    """The folders of `ok` or `err`, in the order of names."""
    return sorted(path for path in (HERE / kind).iterdir() if path.is_dir())


def compile_case(case: Path) -> Compiled:
    """Compiles the case's folder as a project; `run.json` holds what a run was told beside its files."""
    told = case / "run.json"
    given = {"store": None, "environ": {}, **(json.loads(told.read_text("utf-8")) if told.exists() else {})}
    outside = outside_of(**given, variable_counts=True)
    result = compile_project(case, outside=outside)
    if result.failed or result.project is None:
        return Compiled(result, result.diagnostics, ())
    files, found = plan_values(result.project, case / "chart", "chart", case)
    return Compiled(result, (*result.diagnostics, *found), files)
