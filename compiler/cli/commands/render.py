"""Runs `render`, which prints an environment's manifests as Helm renders them; no values file is written."""

import os
from pathlib import Path

from compiler.cli.invocation import Invocation, outside, report_errors, require_sound
from compiler.cli.parser import Parser
from compiler.cli.terminal.outlet import standard_output
from compiler.helm import RELEASE, VARIABLE, find_chart, find_helms, render
from compiler.operations.age_file import write_private
from compiler.pipeline import compile_project
from compiler.refusal import FOUND, OK

DESCRIPTION = """Compiles an environment in a temporary folder, renders it with `helm template` and prints the
manifests. No values file is written.

On a terminal, control characters are escaped. Elsewhere a line that looks like a command of GitHub, Azure Pipelines or
TeamCity is an error, which shows its place; use --out to write it anyway."""
EXAMPLES = (
    "platform-secrets render prod",
    "platform-secrets render prod --store vault --release ai-platform",
    "platform-secrets render prod --out manifests.yaml",
)


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment")
    parser.add_option("--helm", "PATH", f"Helm binary; by default the first in {VARIABLE}, else on PATH")
    parser.add_option("--store", "ID", "use this store instead of the environment's `store:`")
    parser.add_option("--release", "NAME", f"release name; {RELEASE} by default", default=RELEASE)
    parser.add_option("--namespace", "NAME", "release namespace; the environment's by default")
    parser.add_written_file("--out", "write them to this file, which only you can read, instead of printing them")


def run(invocation: Invocation) -> int:
    arguments, root = invocation.arguments, invocation.root
    names = [arguments.environment]
    project = require_sound(compile_project(root, names, outside(arguments.store, names)))
    chart, unconfined = find_chart(root)
    if unconfined:
        report_errors(unconfined)
        return FOUND
    (helm, *_) = find_helms(root, [arguments.helm] if arguments.helm else [], os.environ)
    text = render(project, helm, chart, arguments.release, arguments.namespace)
    if arguments.out is None:
        standard_output().write_raw(text)
    else:
        write_private(Path(arguments.out), text.encode(), replaces=True)
        standard_output().show([f"{arguments.out}: written"])
    return OK
