"""Runs `runs`, which lists the runs that wrote to stores, with the line that undoes each."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from compiler.cli.invocation import Invocation
from compiler.cli.parser import REPORT_FORMATS, Parser, add_format
from compiler.model.facts import short_age
from compiler.operations.runs import PastWrites, list_runs
from compiler.refusal import OK
from compiler.render.content import Line, Painted, Style
from compiler.text.wording import list_names, pluralize

DESCRIPTION = """Lists the runs of `put`, `rotate`, `restore`, `migrate` and `retire` in this project's folder, newest
first: what, how it ended, by whom, when, and the line that plans its undo. The journals of other machines are not here:
--audit also reads the audit file that a team shares. It names their runs and who asked, with the remote secrets; to
undo one, go to the folder that has its journal.

No store is asked."""
EXAMPLES = (
    "platform-secrets runs",
    "platform-secrets runs prod",
    "platform-secrets runs prod --audit audit.jsonl --format json",
)
_MOST = 20


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", nargs="?", help="only runs of this environment")
    parser.add_option("--audit", "FILE", "also list the runs of this audit file")
    parser.add_flag("--all", f"list all runs, not the newest {_MOST}")
    add_format(parser, REPORT_FORMATS)


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    every, unread = list_runs(invocation.root, arguments.audit)
    runs = [each for each in every if arguments.environment in (None, each.environment)]
    environments = sorted({each.environment for each in every})
    shown = runs if arguments.all else runs[:_MOST]
    invocation.lines(_lines(shown, len(runs) - len(shown), environments, datetime.now(UTC)))
    invocation.lines((Painted("warning: ", Style.WARNING), file, ": ", why) for file, why in unread.items())
    content = {"runs": runs, "unread": [{"file": file, "why": why} for file, why in unread.items()]}
    return invocation.report(lambda: content, OK, arguments.environment)


def _lines(shown: Sequence[PastWrites], left: int, environments: Sequence[str], now: datetime) -> Iterator[Line]:
    for each in shown:
        yield Painted(each.run, Style.STRONG), ": ", *_about(each, now)
        if each.undo is not None:
            yield "  to undo it: ", each.undo
    if left:
        yield f"{pluralize(left, 'older run')} not shown; `--all` shows them"
    if not shown:
        others = f" of this environment, but of {list_names(environments, 5)}" if environments else ""
        yield f"no runs{others}"


def _about(each: PastWrites, now: datetime) -> Iterator[str]:
    yield each.command or "a run"
    yield f" {each.environment}"
    yield f" of {list_names(each.secrets, 3)}" if each.secrets else ""
    yield f"; {each.state}; {each.written} of {pluralize(each.planned, 'remote secret')} written"
    yield f"; by {each.who}" if each.who else ""
    yield f"; {short_age(now - each.began)} ago" if each.began is not None else ""
