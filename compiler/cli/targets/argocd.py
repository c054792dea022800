"""Generates AppProjects and Applications: parses the options, and writes, prints or checks the files."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from compiler.cli.compiling import compiled, environments, report
from compiler.cli.exit_codes import FOUND, code_of
from compiler.cli.invocation import Invocation
from compiler.cli.targets.interface import OF_FILES, Target
from compiler.cli.terminal.interrupts import interruption
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.generate.argocd import FORMS
from compiler.generate.argocd_files import (
    Given,
    argocd_texts,
    hand_over,
    named_project,
    unmade_namespaces,
    wanted_of,
    words_of,
)
from compiler.generate.files import HEADER, generated_files, generated_texts, left_over, refuse_place
from compiler.refusal import Refusal
from compiler.render.content import Run

_OPTIONS: dict[str, dict[str, Any]] = {
    "--form": {"choices": FORMS, "metavar": "FORM", "help": "argocd: the form of deployment, such as app-of-apps"},
    "--repo": {"metavar": "URL", "help": "argocd: the Git repository of this project"},
    "--revision": {"metavar": "REV", "help": "argocd: its branch or tag; main by default"},
    "--path": {"metavar": "PATH", "help": "argocd: the chart's folder in it, with the values files; chart by default"},
    "--project": {
        "metavar": "NAME",
        "help": "argocd: the AppProject and prefix of all names; by default `argocdProject`, else platform-secrets",
    },
    "--namespace": {"metavar": "NAME", "help": "argocd: Argo CD's own namespace; argocd by default"},
    "--cluster": {
        "metavar": "ENV=NAME",
        "action": "append",
        "default": [],
        "help": "argocd: the environment's cluster as Argo CD names it, by default Argo CD's own; repeatable",
    },
    "--chart-repo": {"metavar": "URL", "help": "multi-source: where the chart is; the same repository by default"},
    "--chart-revision": {"metavar": "REV", "help": "multi-source: the chart's branch, tag or version"},
    "--chart": {"metavar": "NAME", "help": "multi-source: the chart's name in a registry"},
    "--platform-repo": {"metavar": "URL", "help": "app-of-apps: the registry of the platform's own chart"},
    "--platform-chart": {"metavar": "NAME", "help": "app-of-apps: that chart's name"},
    "--platform-version": {"metavar": "VERSION", "help": "app-of-apps: that chart's version"},
    "--platform-values": {
        "metavar": "PATH",
        "help": "app-of-apps: the folder in the repository with that chart's values-ENV.yaml",
    },
    "--platform-project": {"metavar": "NAME", "help": "app-of-apps: the platform's AppProject; default by default"},
    **OF_FILES,
}


def run(arguments: Namespace, invocation: Invocation) -> int:
    if arguments.check and arguments.out is None:
        raise Refusal("usage", "--check needs --out", "name the folder that the files are in")
    root, out = invocation.root, arguments.out
    if out is not None:
        refuse_place(Path(out), root)
    given = Given(
        arguments.form,
        {option: getattr(arguments, option[2:].replace("-", "_")) for option in _OPTIONS if option != "--check"},
        None if out is None else (Path(out), out.rstrip("/") or "/"),
    )
    wanted = wanted_of(given, root)
    result = compiled(root, arguments.environments)
    chosen = environments(result)
    if not chosen:
        return FOUND
    named = named_project(chosen)
    project = arguments.project or named
    if project is None:
        message = "the environments name different AppProjects by `argocdProject`"
        raise Refusal("usage", message, "generate each by itself, or name one for all with --project")
    wanted = replace(wanted, project=project)
    words = words_of(given, [each.name for each in chosen], named)
    texts, found = argocd_texts(chosen, arguments.form, wanted, words)
    for note in unmade_namespaces(chosen, wanted) if not arguments.check else ():
        standard_error().note(note)
    if given.out is None:
        report(found, Run("generate"))
        standard_output().product("---\n".join(texts.values()))
        return code_of(found)
    folder, shown = given.out
    before = generated_texts(texts, folder, f"{HEADER}argocd`")
    with interruption("either all files were written or none"):
        outcome = generated_files(texts, folder, shown, root, is_check=arguments.check)
        found += outcome.diagnostics
        left = left_over(texts, folder, shown, f"{HEADER}argocd`", is_check=arguments.check)
        found += tuple(left) if arguments.check or not code_of(outcome.diagnostics) else ()
    report(found, Run("generate"))
    code = code_of(found)
    if code and not arguments.check:
        standard_error().lines(["nothing was written"])
    else:
        standard_output().lines(f"{name}: {state}" for name, state in outcome.states.items())
    for note, lines in hand_over(before, texts.values(), chosen, wanted, shown):
        standard_error().note(note)
        standard_error().lines(f"  {line}" for line in lines)
    return code


TARGET = Target(run, _OPTIONS)
