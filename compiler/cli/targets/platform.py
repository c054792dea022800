"""Generates the values by which CAIPE mounts an environment's Secrets, and holds them against CAIPE's chart."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compiler.cli.compiling import compiled, environments, report
from compiler.cli.exit_codes import FOUND, OK, code_of
from compiler.cli.invocation import Invocation
from compiler.cli.targets.interface import OF_FILES, Target
from compiler.cli.terminal.interrupts import NOTHING_WRITTEN, interruption, orderly_termination
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.consumers.findings import look_at_chart
from compiler.generate.files import generated_files, refuse_place, refuse_unfit
from compiler.generate.platform import Chart, Forms, PlatformText, caipe_forms, chart_at_hand, platform_text
from compiler.helm import VARIABLE, chart_at, find_helms
from compiler.model.diagnostic import Diagnostic
from compiler.model.environment import Environment
from compiler.refusal import Refusal
from compiler.render.content import FORMATS, Run
from compiler.render.reports.consumers import lines, platform_content, platform_nothing
from compiler.rules.forms.names import object_name_problem

_OPTIONS: dict[str, dict[str, Any]] = {
    "--chart-version": {"metavar": "VERSION", "help": "platform: the version of CAIPE's chart, such as 0.6.0"},
    "--release": {"metavar": "NAME", "help": "platform: the name of CAIPE's release; caipe by default"},
    "--under": {"metavar": "NAME", "help": "platform: CAIPE's name in a parent chart, to nest its values under"},
    **OF_FILES,
    "--against": {
        "metavar": "CHART",
        "help": "platform: render the chart in this folder with the values, and find what its pods lack",
    },
    "--values": {
        "metavar": "FILE",
        "action": "append",
        "default": [],
        "help": "--against: your own values for CAIPE, which the generated ones override; repeatable",
    },
    "--helm": {"metavar": "PATH", "help": f"--against: Helm binary; by default the first in {VARIABLE}, else on PATH"},
    "--format": {"choices": FORMATS, "help": "--against: output format; text by default"},
    "--strict": {"action": "store_true", "help": "--against: exit 1 for warnings as well"},
}
_OF_AGAINST = ("--values", "--helm", "--format", "--strict")


def run(arguments: Namespace, invocation: Invocation) -> int:
    with orderly_termination(), interruption(NOTHING_WRITTEN):
        return _run(arguments, invocation)


def _run(arguments: Namespace, invocation: Invocation) -> int:
    _refuse_contradictions(arguments)
    if arguments.out is not None:
        refuse_place(Path(arguments.out).parent, invocation.root)
    forms = caipe_forms()
    release = arguments.release or forms.release
    result = compiled(invocation.root, arguments.environments)
    if result.failed and arguments.format not in (None, "text"):
        return _found_nothing(arguments, release, result.diagnostics)
    chosen = environments(result)
    if not chosen:
        return FOUND
    words = _words(arguments, forms.release)
    at_hand = _at_hand(arguments, forms)
    made = platform_text(chosen[0], forms, arguments.chart_version, release, arguments.under, words, at_hand)
    standard_error().lines(f"warning: {warning}" for warning in made.warnings)
    for note in made.notes:
        standard_error().note(note)
    code = OK
    if arguments.out is not None:
        code = _write(arguments, invocation, made.text)
    elif arguments.against is None:
        standard_output().product(made.text)
    return code if arguments.against is None else _hold(arguments, invocation, chosen[0], made, release, code)


def _at_hand(arguments: Namespace, forms: Forms) -> tuple[str, Chart] | None:
    """The chart of --against as it is named, and what it decides; None without one that Helm may get."""
    if arguments.against is None:
        return None
    chart, unconfined = chart_at(Path(arguments.against))
    if unconfined:
        return None
    values = [Path(each) for each in arguments.values]
    return arguments.against, chart_at_hand(forms, chart, values, arguments.under)


def _refuse_contradictions(arguments: Namespace) -> None:
    if len(arguments.environments) != 1:
        raise Refusal("usage", "platform takes exactly one environment", "name it after the target")
    if arguments.chart_version is None:
        raise Refusal("usage", "platform needs --chart-version", "give the version of CAIPE's chart, such as 0.6.0")
    if arguments.check and arguments.out is None:
        raise Refusal("usage", "--check needs --out", "name the file with the values")
    refuse_unfit(arguments.out or "", "file")
    if arguments.under is not None and (problem := object_name_problem(arguments.under, 63)) is not None:
        raise Refusal("usage", f"--under {problem}")
    for option in _OF_AGAINST:
        if arguments.against is None and getattr(arguments, option[2:]):
            raise Refusal("usage", f"{option} is for --against", f"leave {option} out, or name a chart with --against")


def _words(arguments: Namespace, default: str) -> list[str]:
    """The arguments that generate the same file, in a fixed order and without defaults."""
    words = ["generate", "platform", *arguments.environments, "--chart-version", arguments.chart_version]
    if arguments.release not in (None, default):
        words += ["--release", arguments.release]
    if arguments.under is not None:
        words += ["--under", arguments.under]
    return words + (["--out", arguments.out] if arguments.out is not None else [])


def _write(arguments: Namespace, invocation: Invocation, text: str) -> int:
    path = Path(arguments.out)
    shown = path.parent.as_posix()
    outcome = generated_files({path.name: text}, path.parent, shown, invocation.root, is_check=arguments.check)
    report(outcome.diagnostics, Run("generate"))
    code = code_of(outcome.diagnostics)
    if code and not arguments.check:
        standard_error().lines(["nothing was written"])
        return code
    # A report for a program has standard output to itself.
    outlet = standard_output() if arguments.format in (None, "text") else standard_error()
    outlet.lines(f"{name}: {state}" for name, state in outcome.states.items())
    return code


def _hold(
    arguments: Namespace,
    invocation: Invocation,
    environment: Environment,
    made: PlatformText,
    release: str,
    before: int,
) -> int:
    """Reports how the chart reads the Secrets; the exit code is that of `before` where that is the worse."""
    chart, unconfined = chart_at(Path(arguments.against))
    if unconfined:
        return _found_nothing(arguments, release, unconfined)
    (helm, *_) = find_helms(invocation.root, [arguments.helm] if arguments.helm else [], os.environ)
    look = look_at_chart(environment, helm, chart, made.text, [Path(each) for each in arguments.values], release)
    code, form = max(before, code_of(look.diagnostics, is_strict=arguments.strict)), arguments.format or "text"
    told = platform_content(look, made, arguments.chart_version, release, arguments.against)
    report(look.diagnostics, Run("generate", environment.name, code, content=told), form)
    outlet = standard_output() if form == "text" else standard_error()
    outlet.lines(lines(look))
    return code


def _found_nothing(arguments: Namespace, release: str, diagnostics: Sequence[Diagnostic]) -> int:
    told = platform_nothing(arguments.chart_version, release, arguments.against)
    run_ = Run("generate", arguments.environments[0], FOUND, content=told)
    report(diagnostics, run_, arguments.format or "text")
    return FOUND


TARGET = Target(run, _OPTIONS)
