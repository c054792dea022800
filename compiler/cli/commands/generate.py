"""Runs `generate`, which writes Argo CD manifests and CAIPE values from environments; a table has a row for each."""

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from compiler.cli.invocation import NOTHING_WRITTEN, Invocation, code_of, interruption, report, require_sound
from compiler.cli.parser import FORMATS, REPEATABLE, Parser, flag, member_of, option
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.consumers.look import look_at_chart
from compiler.generate.access import FORMS as ACCESS_FORMS
from compiler.generate.access import access_text
from compiler.generate.argocd import (
    FORMS,
    argocd_texts,
    common_project,
    hand_over,
    health_patch,
    parse_options,
    unmade_namespaces,
)
from compiler.generate.files import HEADER, find_stale, generated_files, generated_texts, refuse_place, refuse_unfit
from compiler.generate.platform import caipe_forms, platform_values, read_chart
from compiler.helm import VARIABLE, chart_at, find_helms
from compiler.model.document import Diagnostic
from compiler.model.facts import object_name_problem
from compiler.pipeline import compile_project
from compiler.refusal import FOUND, OK, Refusal
from compiler.render.reports.consumers import lines, platform_content
from compiler.stores.interface import Role
from compiler.text.wording import PROGRAM, shell_line

EXAMPLES = (
    "platform-secrets generate argocd prod --form application --repo https://git.example.com/secrets.git",
    "platform-secrets generate argocd prod --form app-of-apps --repo https://git.example.com/secrets.git --out argocd",
    "platform-secrets generate argocd-health",
    "platform-secrets generate platform prod --chart-version 0.6.0 --out caipe/values-prod.yaml",
    "platform-secrets generate platform prod --chart-version 0.6.0 --against ai-platform-engineering",
    "platform-secrets generate access prod --for operator --form hcl --store vault --out policies/operator.hcl",
    "platform-secrets generate access prod --for writer --form az --store azure",
)
_ENVIRONMENTS = option("ENV", "environments; all by default", nargs="*")
_ENVIRONMENT = option("ENV", "the environment", nargs="*")
_CHECK = flag("write nothing; exit 1 if what is in --out is stale")
_TO_FILE: Mapping[str, dict[str, Any]] = {
    "--out": option("FILE", "write to this file instead of printing"),
    "--check": _CHECK,
}
_OF_ARGOCD: Mapping[str, dict[str, Any]] = {
    "environments": _ENVIRONMENTS,
    "--form": option("FORM", f"the form of deployment: {', '.join(FORMS)}", choices=FORMS),
    "--repo": option("URL", "the Git repository of this project"),
    "--revision": option("REV", "its branch or tag; main by default"),
    "--path": option("PATH", "the chart's folder in it, with the values files; chart by default"),
    "--project": option(
        "NAME", "the AppProject and prefix of all names; by default `argocdProject`, else platform-secrets"
    ),
    "--namespace": option("NAME", "Argo CD's own namespace; argocd by default"),
    "--cluster": option(
        "ENV=NAME",
        "the environment's cluster as Argo CD names it, by default Argo CD's own; repeatable",
        **REPEATABLE,
    ),
    "--chart-repo": option("URL", "multi-source: where the chart is; the same repository by default"),
    "--chart-revision": option("REV", "multi-source: the chart's branch, tag or version"),
    "--chart": option("NAME", "multi-source: the chart's name in a registry"),
    "--platform-repo": option("URL", "app-of-apps: the registry of the platform's own chart"),
    "--platform-chart": option("NAME", "app-of-apps: that chart's name"),
    "--platform-version": option("VERSION", "app-of-apps: that chart's version"),
    "--platform-values": option("PATH", "app-of-apps: the folder in the repository with that chart's values-ENV.yaml"),
    "--platform-project": option("NAME", "app-of-apps: the platform's AppProject, `default` unless given"),
    "--out": option("DIR", "write to this folder instead of printing"),
    "--check": _CHECK,
}
_OF_PLATFORM: Mapping[str, dict[str, Any]] = {
    "environments": _ENVIRONMENT,
    "--chart-version": option("VERSION", "the version of CAIPE's chart, such as 0.6.0"),
    "--release": option("NAME", "the name of CAIPE's release; caipe by default"),
    "--under": option("NAME", "CAIPE's name in a parent chart, to nest its values under"),
    **_TO_FILE,
    "--against": option("CHART", "render the chart in this folder with the values, and find what its pods lack"),
    "--values": option(
        "FILE",
        "--against: your own values for CAIPE, which the generated ones override; repeatable",
        **REPEATABLE,
    ),
    "--helm": option("PATH", f"--against: Helm binary; by default the first in {VARIABLE}, else on PATH"),
    "--format": {"choices": FORMATS, "help": "--against: output format; text by default"},
    "--strict": flag("--against: exit 1 for warnings as well"),
}
_OF_ACCESS: Mapping[str, dict[str, Any]] = {
    "environments": _ENVIRONMENT,
    "--for": {
        "choices": [str(role) for role in Role],
        "help": "the role: External Secrets Operator, or somebody who reads (verify, status, backup), writes "
        "(put, migrate, restore, rotate) or retires",
    },
    "--form": {"choices": tuple(ACCESS_FORMS), "help": "a policy of Vault, or a script for Key Vault"},
    "--store": option("ID", "the store, for all secrets; by default the one that is read"),
    "--prefix": flag("one rule for each folder that has secrets (az: for the whole vault), not for each secret"),
    **_TO_FILE,
}
# Each kind with what its help says, and its arguments, whose defaults are None, an empty list or False.
KINDS: Mapping[str, tuple[str, Mapping[str, dict[str, Any]]]] = {
    "argocd": ("AppProjects and Applications; printed, or written to --out", _OF_ARGOCD),
    "argocd-health": (
        "health checks of ExternalSecrets and Applications for Argo CD, as a patch of argocd-cm; printed",
        {},
    ),
    "platform": (
        "values that make the chart of CAIPE (an AI agent platform) mount these Secrets; printed, or written to --out",
        _OF_PLATFORM,
    ),
    "access": (
        "a role's rights in a store, as a Vault policy or a script for Key Vault; printed, or written to --out",
        _OF_ACCESS,
    ),
}
DESCRIPTION = "Generates files for Argo CD, CAIPE and the stores from environments."
_PATCH = ("patch", "configmap", "argocd-cm", "--type", "merge", "--patch-file", "FILE")
_HEALTH_HEADER = f"""# Generated by `{PROGRAM} generate argocd-health`, for an administrator of Argo CD:
#   {shell_line("kubectl", "--namespace", "argocd", *_PATCH)}
"""


def configure(parser: Parser) -> None:
    parser.require("--check", "--out")
    for name in ("--values", "--helm", "--format", "--strict"):
        parser.require(name, "--against")


def run(invocation: Invocation) -> int:
    generate = {"argocd": _argocd, "argocd-health": _argocd_health, "platform": _platform, "access": _access}
    return generate[invocation.arguments.kind](invocation)


def _argocd(invocation: Invocation) -> int:
    arguments = invocation.arguments
    root = invocation.root
    if arguments.out is not None:
        refuse_place(Path(arguments.out), root)
    options = parse_options(vars(arguments), root)
    chosen = require_sound(compile_project(root, arguments.environments)).environments
    project = arguments.project or common_project(chosen)
    if project is None:
        message = "the environments name different AppProjects by `argocdProject`"
        raise Refusal("usage", message, "generate each by itself, or name one for all with --project")
    options = replace(options, project=project)
    texts, found = argocd_texts(chosen, options)
    standard_error().note(*(unmade_namespaces(chosen, options) if not arguments.check else ()))
    if options.out is None:
        report(found)
        standard_output().write_raw("---\n".join(texts.values()))
        return code_of(found)
    folder, header = Path(arguments.out), f"{HEADER}argocd`"
    before = generated_texts(texts, folder, header)
    with interruption("writing is all-or-nothing"):
        states, refused = generated_files(texts, folder, options.out, root, is_check=arguments.check)
        left = find_stale(texts, folder, options.out, header, is_check=arguments.check)
        found += (*refused, *(left if arguments.check or not code_of(refused) else ()))
    code = _say_states(invocation, states, found)
    for note, commands in hand_over(before, texts.values(), chosen, options):
        standard_error().note(note)
        standard_error().show(f"  {line}" for line in commands)
    return code


def _say_states(invocation: Invocation, states: Mapping[str, str], found: Sequence[Diagnostic]) -> int:
    """Shows what was found and what became of each file; returns the exit code."""
    report(found)
    code = code_of(found)
    if code and not invocation.arguments.check:
        standard_error().show([NOTHING_WRITTEN])
    else:
        invocation.summary(f"{name}: {state}" for name, state in states.items())
    return code


def _argocd_health(_invocation: Invocation) -> int:
    standard_output().write_raw(_HEALTH_HEADER + health_patch())
    return OK


def _platform(invocation: Invocation) -> int:
    arguments = invocation.arguments
    _refuse_file(invocation)
    _refuse_names(arguments)
    forms = caipe_forms()
    release = arguments.release or forms["release"]
    result = compile_project(invocation.root, arguments.environments)
    content = partial(platform_content, arguments.against, arguments.chart_version, release)
    if result.failed and invocation.form != "text":
        return invocation.findings(result.diagnostics, arguments.environments[0], content=content(), least=FOUND)
    (environment,) = require_sound(result).environments
    own_release = ["--release"] if arguments.release != forms["release"] else []
    words = _words(arguments, "--chart-version", *own_release, "--under", "--out")
    folder, unconfined = chart_at(Path(arguments.against)) if arguments.against is not None else (None, ())
    chart = None
    if folder is not None and not unconfined:
        values = [Path(each) for each in arguments.values]
        chart = read_chart(forms, folder, values, arguments.under, arguments.against)
    made = platform_values(environment, forms, arguments.chart_version, release, arguments.under, words, chart)
    standard_error().show(f"warning: {warning}" for warning in made.warnings)
    standard_error().note(*made.notes)
    is_wanted = arguments.out is not None or arguments.against is None
    code = _print_or_write(invocation, made.text) if is_wanted else OK
    if unconfined:
        return invocation.findings(unconfined, environment.name, content=content(), least=FOUND)
    if folder is None:
        return code
    (helm, *_) = find_helms(invocation.root, [arguments.helm] if arguments.helm else [], os.environ)
    look = look_at_chart(environment, helm, folder, made.text, [Path(each) for each in arguments.values], release)
    code = invocation.findings(look.diagnostics, environment.name, content=content(look, made), least=code)
    invocation.summary(lines(look))
    return code


def _access(invocation: Invocation) -> int:
    arguments = invocation.arguments
    role, form = getattr(arguments, "for"), arguments.form
    _refuse_file(invocation)
    wanted = {"--for": (role, tuple(Role)), "--form": (form, tuple(ACCESS_FORMS))}
    if missing := {name: known for name, (given, known) in wanted.items() if given is None}:
        way_out = "; ".join(f"{name} is one of {', '.join(known)}" for name, known in missing.items())
        raise Refusal("usage", f"access needs {' and '.join(missing)}", way_out)
    (environment,) = require_sound(compile_project(invocation.root, arguments.environments)).environments
    words = _words(arguments, "--for", "--form", "--store", "--prefix", "--out")
    text = access_text(environment, Role(role), form, words, arguments.store, is_wide=arguments.prefix)
    return _print_or_write(invocation, text)


def _print_or_write(invocation: Invocation, text: str) -> int:
    """Prints the text, or writes or checks the one file of --out."""
    arguments = invocation.arguments
    if arguments.out is None:
        standard_output().write_raw(text)
        return OK
    path = Path(arguments.out)
    shown, root = path.parent.as_posix(), invocation.root
    states, found = generated_files({path.name: text}, path.parent, shown, root, is_check=arguments.check)
    return _say_states(invocation, states, found)


def _refuse_file(invocation: Invocation) -> None:
    """Refuses what a target that makes one file, of one environment, cannot do."""
    arguments = invocation.arguments
    if len(arguments.environments) != 1:
        raise Refusal(
            "usage", f"{arguments.kind} takes exactly one environment", f"write: generate {arguments.kind} ENV …"
        )
    refuse_unfit(arguments.out or "", "file")
    if arguments.out is not None:
        refuse_place(Path(arguments.out).parent, invocation.root)


def _refuse_names(arguments: Namespace) -> None:
    """Refuses a missing version of CAIPE's chart, and an impossible name in a parent chart."""
    if arguments.chart_version is None:
        raise Refusal("usage", "platform needs --chart-version", "give the version of CAIPE's chart, such as 0.6.0")
    if arguments.under is not None and (problem := object_name_problem(arguments.under, 63)) is not None:
        raise Refusal("usage", f"--under {problem}")


def _words(arguments: Namespace, *options: str) -> list[str]:
    """The arguments that generate the same file, with those of the `options` that were given, in this order."""
    words = ["generate", arguments.kind, *arguments.environments]
    for name in options:
        value = getattr(arguments, member_of(name))
        words += [name] if value is True else [name, value] if value else []
    return words
