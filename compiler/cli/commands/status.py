"""Runs `status`, which shows where each secret is on its way and whether it is in effect, and waits until it is."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.cli.invocation import (
    NOTHING_WRITTEN,
    Invocation,
    files_alone,
    interruption,
    known_project,
    live_environments,
    open_stores,
)
from compiler.cli.parser import (
    REPORT_FORMATS,
    Parser,
    add_accept_cluster,
    add_accept_store,
    add_format,
    context_of,
    days,
)
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.cluster.messages import without_age
from compiler.cluster.problem import ClusterState
from compiler.cluster.view import SECRETS, connect_cluster
from compiler.live.stores import open_stores_for_reading
from compiler.model.environment import Environment, Store
from compiler.model.facts import parse_duration, short_duration
from compiler.operations.causes import NextStep, next_of_secrets, next_rotation, next_step
from compiler.operations.status import LiveState, States, Status, StepContext, WaitEnd
from compiler.operations.status_live import OPTIONAL
from compiler.operations.status_wait import StatusOptions, read_status
from compiler.project_files import ProjectNames
from compiler.refusal import COULD_NOT_RUN, FOUND, INCOMPLETE, OK, Refusal
from compiler.render.reports.status import (
    closed_lines,
    due_lines,
    live_lines,
    status_data,
    status_lines,
    wait_lines,
    word_of,
)
from compiler.stages.files import Output, read_old, write_all
from compiler.text.wording import closest, command_line, quote, repeat_option

if TYPE_CHECKING:
    from compiler.live.readers import ReadIndex

DESCRIPTION = """Shows the state of each secret: the store in use, the next step of the move, whether the other store
holds the same values, how old they are and when they expire; with --cluster also whether the cluster runs on it.
The next command stands below the table. Changes nothing, except that --force-sync sets an annotation.
NEXT is the store that `moves` takes a secret to, AGE how long ago its oldest value was written, LIVE what the cluster
runs. Where the catalogue limits the age of values, DUE is when the first key needs a new one, by its limit or expiry,
and OWNER who is responsible; --due lists the keys by date, and --format openmetrics writes metrics for alerts. With
--wait, DUE and OWNER are not shown. If something is wrong,
or nothing is found wrong in the cluster, the line below the table counts the runs of the last 24 h that wrote there.

With --wait it follows the cluster until every secret is in effect as the files say when it starts, or until --timeout,
which limits the whole command, including a store or a cluster that hangs. With --force-sync it asks the operator to
synchronise a secret once its store object is ready; without --wait, only if it is ready now.

Exits 1 for a problem in the cluster or a value that the store in use lacks, and with --due for a key that is overdue or
whose age is not known; 3 if a store in use or the cluster does not answer, 4 if --wait runs out of time, lacks a right
that it needs, or cannot tell whether the cluster reads the environment's store. With --format openmetrics it exits 0 if
every store answers, whatever is wrong or due."""
EXAMPLES = (
    "platform-secrets status",
    "platform-secrets status staging",
    "platform-secrets status staging --offline",
    "platform-secrets status staging --cluster --context staging-admin",
    "platform-secrets status staging --offline --cluster",
    "platform-secrets status staging --wait --timeout 15m",
    "platform-secrets status staging jira --wait --force-sync",
    "platform-secrets status staging --rbac",
    "platform-secrets status prod --due 30d",
    "platform-secrets status prod --format openmetrics --out /var/lib/node_exporter/platform-secrets.prom",
)
_METRICS = "openmetrics"
TIMEOUT = "10m"
_FORCED = "the operator may have been asked to synchronise at once; nothing else was changed"
# Secrets that are waited for, in the line of a terminal.
_MOST_NAMED = 3
# Each of them is about one environment.
_OF_ONE = ("wait", "force_sync", "cluster", "rbac", "only")


def configure(parser: Parser) -> None:
    parser.add_argument("environments", metavar="ENV", nargs="*", help="the environments; all by default")
    parser.add_secrets("of one environment, only these secrets")
    parser.add_flag("--offline", "contact no store: report from the files, and with --cluster from the cluster")
    parser.add_cluster(
        "also look at the objects in the cluster, of one environment", implied_by=("--wait", "--force-sync")
    )
    parser.add_flag("--wait", "wait until all secrets are in effect as the files say now; implies --cluster")
    parser.add_option("--timeout", "DURATION", f"the longest that --wait waits, such as 90s; {TIMEOUT} by default")
    parser.add_flag("--force-sync", "ask the operator, by an annotation, to synchronise at once; implies --cluster")
    parser.add_flag(
        "--without-secrets",
        "list no Secrets, so that --wait needs no right to; their keys are then not checked",
    )
    parser.add_flag("--rbac", "print the RBAC roles that these options need, and exit")
    parser.exclude("--offline", "--wait", "--force-sync")
    add_accept_store(parser, "--wait")
    parser.require("--timeout", "--wait")
    parser.require("--without-secrets", "--cluster", "--wait", "--force-sync")
    add_accept_cluster(parser)
    parser.add_option(
        "--due",
        "DAYS",
        "list only the keys that need a new value within this time, such as 30d; longest overdue first",
        type=days,
    )
    parser.exclude("--due", "--offline", "--wait", "--force-sync", "--cluster", "--rbac")
    parser.add_written_file("--out", "write the metrics of --format openmetrics to this file at once, for a collector")
    add_format(parser, (*REPORT_FORMATS, _METRICS))
    parser.require("--out", f"--format {_METRICS}")
    # Each does not end, or says in another form what metrics say.
    parser.exclude(f"--format {_METRICS}", "--wait", "--force-sync", "--due")


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    _take_secrets(arguments)
    options = _options(arguments, invocation.root)
    with interruption(_FORCED if arguments.force_sync else NOTHING_WRITTEN):
        _of_one(arguments, len(set(arguments.environments)))
        environments = live_environments(arguments.environments, invocation)
        _of_one(arguments, len(environments))
        if arguments.rbac:
            from compiler.generate.access import rbac  # noqa: PLC0415 - asks for nothing, and is rarely wanted

            standard_output().write_raw(rbac(environments[0]))
            return OK
        return _show_statuses(_read_statuses(invocation, options, environments), invocation)


def _take_secrets(arguments: Namespace) -> None:
    """Moves the words that name no environment to `--only`: secrets of the first. Raises Refusal."""
    first, *others = arguments.environments or [""]
    if not others:
        return
    project = ProjectNames(known_project())
    listed = project.ids(first, "secrets")
    for each in others:
        if each in project.environments and each in listed:
            line = command_line("status", first, "--only", each)
            way_out = f"for the secret, run `{line}`; for the environment, `{command_line('status', each)}`"
            raise Refusal("usage", f"{quote(each)} is an environment, and a secret of {quote(first)}", way_out)
    secrets = [each for each in others if each in listed or closest(each, project.environments) is None]
    arguments.only = [*dict.fromkeys((*secrets, *arguments.only))]
    arguments.environments = [each for each in (first, *others) if each not in secrets]
    if secrets and len(set(arguments.environments)) > 1:
        line = command_line("status", first, *repeat_option("--only", secrets))
        way_out = f"run `{line}`" if all(each in listed for each in secrets) else "name exactly one"
        raise Refusal("usage", "secrets are of one environment, and several are named", way_out)


def _of_one(arguments: Namespace, count: int) -> None:
    """Raises Refusal where more than one environment is meant by options that are about one."""
    given = next((name for name in _OF_ONE if getattr(arguments, name)), None)
    if count > 1 and given is not None:
        option = f"--{given.replace('_', '-')}"
        raise Refusal("usage", f"{option} applies to one environment", "name exactly one")


def _options(arguments: Namespace, root: Path) -> StatusOptions:
    """Raises Refusal where the options do not go together."""
    if arguments.rbac and arguments.format != "text":
        raise Refusal("usage", "--rbac prints YAML", "leave --format out")
    is_measured = arguments.format == _METRICS
    if is_measured and arguments.offline and not arguments.cluster:
        raise Refusal(
            "usage", f"--format {_METRICS} with --offline needs --cluster", "add it: nothing else is asked then"
        )
    seconds = timeout_seconds(arguments.timeout)
    return StatusOptions(
        tuple(arguments.only),
        arguments.offline,
        seconds if arguments.wait else None,
        arguments.force_sync,
        context_of(arguments),
        compares=arguments.due is None and not is_measured,
        accepted=tuple(arguments.accept_store),
        root=root,
    )


def timeout_seconds(given: str | None) -> float:
    """What `--timeout` asks for. Raises Refusal for what is no duration."""
    duration = parse_duration(given or TIMEOUT)
    if duration is not None:
        return duration
    meant = f"add its unit, such as {given}s" if given is not None and given.isdecimal() and given.isascii() else None
    raise Refusal("usage", "--timeout is not a duration", meant or "write it as 90s, 10m or 1h30m")


def _is_live(arguments: Namespace) -> bool:
    return bool(arguments.cluster or arguments.wait or arguments.force_sync)


def _read_statuses(invocation: Invocation, options: StatusOptions, environments: Sequence[Environment]) -> list[Status]:
    arguments = invocation.arguments
    left_out = (SECRETS,) if arguments.without_secrets else ()
    connect = None
    if _is_live(arguments):
        connect = partial(connect_cluster, os.environ, arguments.context, environments[0].cluster, OPTIONAL, left_out)
    with open_stores(invocation, open_stores_for_reading) as stores, closing(Waiting()) as waiting:
        return [read_status(each, options, stores, connect, waiting.tell) for each in environments]


class Waiting:
    """Shows on standard error the secrets that are waited for, by name, until it is closed."""

    def __init__(self) -> None:
        self._outlet = standard_error()
        self._shown: States = {}
        self._told: set[str] = set()
        self._is_line = self._outlet.isatty()

    def tell(self, states: States, left: float) -> None:
        """What the secrets are now, and the seconds left."""
        before, self._shown = self._shown, dict(states)
        for name, live in states.items():
            # At the start only what is waited for: of thousands nobody reads that all is well.
            if not self._is_line and before.get(name, LiveState()).state is not live.state:
                self._outlet.show([(f"{name}: ", word_of(live.state))])
            causes = {*map(without_age, live.evidence), *(live.notes if live.problems else ())}
            if not self._told.issuperset(causes):
                # Once a wait, also where many have the same one.
                self._told |= causes
                self.close()
                self._outlet.show(live_lines(name, live))
        if self._is_line:
            self._outlet.progress(self._line(states, left))
        self._outlet.flush()

    def close(self) -> None:
        """Take the line away."""
        if self._is_line:
            self._outlet.progress()

    def _line(self, states: States, left: float) -> str:
        fine = ClusterState.IN_EFFECT
        lacking = [f"{name} {word_of(live.state)}" for name, live in states.items() if live.state is not fine]
        named = ", ".join(lacking[:_MOST_NAMED])
        more = f" and {len(lacking) - _MOST_NAMED} more" if len(lacking) > _MOST_NAMED else ""
        done = f"{len(states) - len(lacking)} of {len(states)} {word_of(fine)}"
        waiting = f"; {named}{more}" if lacking else ""
        return f"{done}, {short_duration(max(0, round(left)))} left{waiting}"


def _show_statuses(looked: Sequence[Status], invocation: Invocation) -> int:
    arguments, root, now = invocation.arguments, invocation.root, datetime.now(UTC)
    if arguments.format == _METRICS:
        _write_metrics(looked, now, invocation)
        return COULD_NOT_RUN if any(each.silent for each in looked) else OK
    if arguments.due is not None:
        return _show_due(looked, now, invocation)
    code = max(map(_code, looked))
    options = ("--cluster", *context_of(arguments)) if _is_live(arguments) else ()
    asked = [_step_context(each, arguments, options, root) for each in looked]
    steps = [next_step(each, how) for each, how in zip(looked, asked, strict=True)]
    for each, step in zip(looked, steps, strict=True):
        invocation.lines(status_lines(each, step, now, _recent_runs(each, step, now, root)))
        invocation.lines((f"{name}: ", "the operator was asked to synchronise it") for name in each.forced)
        if each.waited is not None:
            unread = _secrets_without_dates(each)
            invocation.lines(wait_lines(each.waited, each.environment.name, unread, each.rows, "--without-secrets"))

    every = zip(looked, steps, asked, strict=True)
    found = (status_data(each, step, next_of_secrets(each, how)) for each, step, how in every)
    return _report(found, looked, code, now, invocation)


def _recent_runs(status: Status, step: NextStep, now: datetime, root: Path) -> int:
    """How many runs of this project wrote to the environment in the last 24 h.

    0 where none wrote a secret of a cause, or where nothing is wrong and the cluster was not asked.
    """
    wrong = {name for cause in step.causes for name in cause.secrets}
    if status.waited is not None or not (step.causes or status.is_live):
        return 0
    from compiler.operations.runs import list_runs  # noqa: PLC0415 - only where something may be wrong

    found = [
        each
        for each in list_runs(root)[0]
        if each.environment == status.environment.name and each.written
        if each.began is not None and now - each.began <= timedelta(hours=24)
    ]
    return len(found) if not step.causes or any(wrong.intersection(each.secrets) for each in found) else 0


def _report(
    found: Iterable[Mapping[str, Any]], looked: Sequence[Status], code: int, now: datetime, invocation: Invocation
) -> int:
    name = looked[0].environment.name if len(looked) == 1 else None
    return invocation.report(lambda: {"moment": now, "environments": iter(found)}, code, name)


def _show_due(looked: Sequence[Status], now: datetime, invocation: Invocation) -> int:
    from compiler.operations.due import due_list  # noqa: PLC0415 - only where it is asked for

    until = now + invocation.arguments.due
    found = [
        (each, NextStep(tuple(next_rotation(each))), due_list(each.environment, each.keys, until)) for each in looked
    ]
    is_silent = any(each.silent for each in looked)
    code = COULD_NOT_RUN if is_silent else FOUND if any(due.is_pressing for _, _, due in found) else OK
    for each, step, due in found:
        invocation.lines(due_lines(each, due, step))
    return _report((status_data(each, step, due=due) for each, step, due in found), looked, code, now, invocation)


def _write_metrics(found: Sequence[Status], now: datetime, invocation: Invocation) -> None:
    from compiler.render.reports.metrics import FIRST_LINE, metrics  # noqa: PLC0415 - only where it is asked for

    for status in found:
        invocation.lines(closed_lines(status), is_error=True)
    text = "".join(f"{line}\n" for line in metrics(found, now))
    if (shown := invocation.arguments.out) is None:
        standard_output().write_raw(text)
        return
    path = Path(shown)
    _, refused = read_old(path, shown, FIRST_LINE)
    for each in refused or write_all((Output(path, shown, text),), invocation.root):
        raise Refusal("cannot run", each.message, each.help)


def _secrets_without_dates(status: Status) -> tuple[str, ...]:
    """The secrets whose store in use did not say when their values were written."""
    return tuple(row.secret.id for row in status.rows if status.is_asked and row.values.closed)


def _step_context(status: Status, arguments: Namespace, options: tuple[str, ...], root: Path) -> StepContext:
    has_waited = status.waited is not None and status.waited.end in (WaitEnd.FAILED, WaitEnd.TIME_UP)
    readers = partial(_readers, arguments, root)
    return StepContext(options, tuple(arguments.only), has_waited, has_waited and bool(status.forced), readers)


def _readers(arguments: Namespace, root: Path, environment: Environment, store: Store) -> ReadIndex | None:
    """Who else reads a store that is left, None where that is not known: the command that asks it again says why."""
    from compiler.live.readers import every_environment, readers_of  # noqa: PLC0415 - asked at the end of a move alone

    try:
        with open_stores_for_reading(os.environ) as stores:
            found = every_environment(root, files_alone())
            try:
                return readers_of(
                    store, found, stores, connect_cluster(os.environ, arguments.context, environment.cluster)
                )
            except Refusal:
                return readers_of(store, found, stores, None)
    except Refusal:
        return None


def _code(status: Status) -> int:
    waited = status.waited
    if waited is not None and waited.end is not WaitEnd.IN_EFFECT:
        return FOUND if waited.end is WaitEnd.FAILED else INCOMPLETE
    if status.is_asked and status.silent:
        return COULD_NOT_RUN
    return OK if status.is_fine else FOUND
