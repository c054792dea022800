"""Runs `rotate`, which replaces a credential and follows the new value until the old one is revoked."""

import os
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from compiler.change.attributes import COMMAND
from compiler.change.plan import End, Options, Outcome, Plan, RotationPhase, State
from compiler.cli.commands.put import add_values, is_asked, refuse_values, tell_of, values_of
from compiler.cli.commands.status import TIMEOUT, Waiting, timeout_seconds
from compiler.cli.invocation import Invocation, interruption
from compiler.cli.parser import REPORT_FORMATS, Parser, add_accept_store, add_format, add_writing, context_of
from compiler.cli.running import RunOutput, of_undo, writing
from compiler.cli.terminal.outlet import standard_error
from compiler.cluster.view import connect_cluster
from compiler.live.stores import LiveStores
from compiler.model.environment import Environment
from compiler.model.inventory import Inventory
from compiler.operations.put import Target
from compiler.operations.rotate import begin_rotation, close_rotation, generated_values, undo_rotation
from compiler.operations.rotate_live import DISABLE_FIRST, ClusterAccess, OldPods, Rotation
from compiler.operations.status import WaitEnd
from compiler.operations.status_wait import StatusOptions, Tell
from compiler.refusal import FOUND, INCOMPLETE, OF_REFUSAL, OK, Refusal
from compiler.render.content import Line
from compiler.render.reports.status import live_lines, wait_lines
from compiler.stores.errors import ConflictError
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import ACCEPT_STORE, command_line, pluralize, repeat_option, suggest

DESCRIPTION = """Replaces a credential step by step: writes the new value to every store that holds the old one, waits
until the cluster has it, names the workloads to restart and waits for their pods, and says what to revoke. Without KEY
it rotates the keys of the secret that have a limit (`rotate`, `maxAge`); keys that are made together (`rotateWith`) are
asked for together. The old version stays in the store.

Values come from where `put` takes them, or with --generate from this machine, for keys whose issuer is `self`.

Days may lie between the steps: the same command without a value continues. Close the run with --confirm-revoked once
the old value is revoked at its issuer; until then, --undo brings the old value back. All of these need the run's
journal, in .platform-secrets/runs.

Where the issuer has no overlap (`overlap: none`), the old value stops working when the new one is created. The command
asks for the new value only if the cluster is healthy. This cannot be undone.

--format json prints one object with the plan and how far the rotation is, and does not ask. Exits 4 while the cluster
or pods still have the old value, or the cluster may read another store, and 1 if another writer replaced the value."""
EXAMPLES = (
    "platform-secrets rotate prod slack SLACK_BOT_TOKEN",
    "platform-secrets rotate prod backstage --generate --apply",
    "pass show slack/bot | platform-secrets rotate prod slack SLACK_BOT_TOKEN --stdin --apply",
    "platform-secrets rotate prod slack --timeout 30m",
    "platform-secrets rotate prod --confirm-revoked 20250131-120000-4fa1c2",
    "platform-secrets rotate prod --undo 20250131-120000-4fa1c2 --apply",
)


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment")
    parser.add_argument("secret", metavar="SECRET", nargs="?", help="id of the secret in the catalogue")
    parser.add_argument("keys", metavar="KEY", nargs="*", help="keys to rotate; by default those with a limit")
    add_values(parser)
    parser.add_flag("--generate", "generate random values, for keys with `issuer: self`")
    parser.exclude("--generate", "--from-file", "--stdin")
    parser.add_option("--confirm-revoked", "RUN", "close this run: the old value was revoked at its issuer")
    parser.add_flag("--without-cluster", "stop after the write, and say what to look at in the cluster")
    parser.add_option("--context", "NAME", "kubeconfig context; by default the current one")
    add_accept_store(parser)
    parser.add_option(
        "--timeout", "DURATION", f"the longest to wait for the cluster, such as 90s; {TIMEOUT} by default"
    )
    add_writing(parser, apply_help="write without asking", recovers=False)
    parser.exclude("--confirm-revoked", "--from-file", "--stdin", "--generate", "--undo", "--audit")
    parser.exclude("--without-cluster", "--context", "--timeout", "--accept-store", "--undo")
    add_format(parser, REPORT_FORMATS)


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    refuse_values(arguments)
    seconds, accepted = timeout_seconds(arguments.timeout), tuple(arguments.accept_store)
    wait = StatusOptions(seconds=seconds, context=context_of(arguments), accepted=accepted)
    with writing(invocation) as (environment, options, output):
        if arguments.undo is not None:
            return _undo(invocation, environment, options, output)
        connect = partial(connect_cluster, os.environ, arguments.context, environment.cluster)
        access = ClusterAccess(connect, wait) if not arguments.without_cluster else None
        listener = _RotationOutput(invocation, options.stores)
        rotation = Rotation(environment, replace(options, asks=is_asked(arguments)), access, listener)
        act = _rotate if arguments.confirm_revoked is None else _close
        code = act(rotation, listener, invocation)
        outcome = rotation.outcome or Outcome(Plan(COMMAND, environment.name), End.NOTHING)
        return output.report(outcome, code, _part(rotation))


def _undo(invocation: Invocation, environment: Environment, options: Options, output: RunOutput) -> int:
    run = invocation.arguments.undo
    undone = undo_rotation(run, environment, options, output)
    code = output.end(undone, of_undo(options, run), times=Inventory(environment).refresh_times(), has_way_back=False)
    if undone.count(State.DONE):
        invocation.lines(["restart the pods that it lists: those started since the rotation have its value"])
    return code


class _RotationOutput(RunOutput):
    """Tells people how a rotation goes, and asks for its values."""

    def __init__(self, invocation: Invocation, stores: LiveStores) -> None:
        super().__init__(invocation)
        self.note = standard_error().note
        self.waiting = Waiting()
        # What is to be done is said apart.
        self.waits_for: Tell = self.waiting.tell if not self._arguments.quiet else lambda _states, _left: None
        self._stores = stores
        self._restarts = set[str]()

    def enter_values(self, target: Target) -> Mapping[str, SecretValue]:
        tell_of(target, is_everywhere=True)
        if self._arguments.generate:
            return generated_values(target)
        # Made together means given together; the keys that nobody named need not all be given.
        is_whole = bool(self._arguments.keys) or len(target.keys) == 1
        values = values_of(self._arguments, target, self._stores, target.keys if is_whole else ())
        self._lines([] if values else ["no value was entered"])
        return values

    def syncs(self) -> None:
        self.waiting.close()
        self._lines(["the cluster has the new value"])

    def restarts(self, old: OldPods) -> None:
        new = [each for each in old.commands if each not in self._restarts]
        self._restarts.update(new)
        self._lines(("restart it, as its pods run on the old value: ", line) for line in new)


def _rotate(found: Rotation, output: _RotationOutput, invocation: Invocation) -> int:
    given, code = invocation.arguments, OK
    if given.secret is None:
        message = "give a secret, or a run with --confirm-revoked or --undo"
        raise Refusal("usage", message, suggest("", found.environment.secrets, "secrets"))
    gives_values = given.stdin or given.from_file is not None or given.generate
    begin_rotation(found, given.secret, given.keys, gives_values=gives_values)
    if found.outcome is not None:
        # The way back stands at the end, where there is one: without an overlap there is none.
        code = output.tell(found.outcome, has_way_back=False)
    if code != OK or found.run is None:
        return code
    with interruption("the new value is written; the same command without a value continues"):
        try:
            with closing(output.waiting):
                found.follow()
            code, lines = _code(found), _lines_of_rotation(found, given)
        except ConflictError as error:
            # The same command would only find it again.
            standard_error().error(f"{error.place}: {error.reason}", error.remedy)
            code, lines = FOUND, _undo_lines(found)
        except Refusal as error:
            standard_error().error(error.message, error.help)
            code, lines = OF_REFUSAL[error.kind], _again_lines(found, given)
        invocation.lines(lines)
    return code


def _code(found: Rotation) -> int:
    if found.foreign:
        return FOUND
    if found.unsynced is not None:
        waited = found.unsynced.waited
        return FOUND if waited is not None and waited.end is WaitEnd.FAILED else INCOMPLETE
    return INCOMPLETE if found.old is not None and not found.old.is_proven else OK


def _lines_of_rotation(found: Rotation, arguments: Namespace) -> Iterator[Line]:
    """How far the value was followed, and what comes next."""
    if found.unsynced is not None:
        for row in found.unsynced.rows:
            yield from live_lines(row.secret.id, row.live) if row.live is not None else ()
        if found.unsynced.waited is not None:
            yield from wait_lines(found.unsynced.waited, arguments.environment)
    elif found.old is None:
        yield _status_line(found, arguments)
    elif found.old.is_proven:
        yield "every pod that had to restart has restarted"
    yield from _lines_of_doubt(found)
    yield from _next_lines(found) if _code(found) == OK else _again_lines(found, arguments)


def _lines_of_doubt(found: Rotation) -> Iterator[Line]:
    """What may run on the old value."""
    old = found.old
    if old is not None and not old.is_proven:
        left = (*old.unread, *([pluralize(len(old.pods), "pod")] if old.pods else []))
        yield "not done: ", ", ".join(left) or "not all pods may be seen"


def _next_lines(found: Rotation) -> Iterator[Line]:
    """What to revoke and where, and the lines that end the rotation."""
    run = found.run_in_place
    for key, life in found.revocations:
        is_first = life.revoke == DISABLE_FIRST
        how = "disable the old value first, and delete it after a while" if is_first else "revoke the old value"
        yield f"{key}: {how}", f" at {life.issuer_link}" if life.issuer_link is not None else ""
    yield "then close it: ", command_line(COMMAND, run.environment, "--confirm-revoked", run.id)
    yield from _undo_lines(found, "until then, ")


def _again_lines(found: Rotation, arguments: Namespace) -> Iterator[Line]:
    run = found.run_in_place
    yield "to continue: ", command_line(COMMAND, run.environment, *run.secrets, *_cluster_words(arguments))
    yield from _undo_lines(found)


def _undo_lines(found: Rotation, until: str = "") -> Iterator[Line]:
    if found.has_way_back:
        run = found.run_in_place
        yield f"{until}to undo it: ", command_line(COMMAND, run.environment, "--undo", run.id, "--apply")


def _status_line(found: Rotation, arguments: Namespace) -> tuple[str, str]:
    words = (*repeat_option("--only", found.readers), "--wait", "--force-sync", *_cluster_words(arguments))
    line = command_line("status", found.run_in_place.environment, *words)
    return "check that the cluster has it, and restart the workloads it lists: ", line


def _cluster_words(arguments: Namespace) -> tuple[str, ...]:
    """The options that a line which goes on in the same cluster has too."""
    return (*context_of(arguments), *repeat_option(ACCEPT_STORE, arguments.accept_store))


def _close(found: Rotation, output: _RotationOutput, invocation: Invocation) -> int:
    """Close a rotation, and tell who may still have the old value."""
    given = invocation.arguments
    if given.secret is not None:
        raise Refusal("usage", "--confirm-revoked closes the whole run", "leave the secret out")
    close_rotation(found, given.confirm_revoked)
    run, code = found.run_in_place, _code(found)
    if run.ended != "complete":
        output.note("the run did not finish: not every place has the new value")
    for what, line in found.foreign or ():
        standard_error().error(what, f"if it does not hold the value that works: {line}")
    if run.followed is not RotationPhase.RESTARTED:
        line = f"; {''.join(_status_line(found, given))}" if run.followed is not RotationPhase.SYNCED else ""
        output.note(f"nobody saw with this run that every pod has started with the new value{line}")
    invocation.lines(_lines_of_doubt(found))
    state = "; the new value is the only one" if found.foreign == () and code == OK else ""
    invocation.lines([f"the rotation {run.id} is closed{state}"])
    return code


def _part(found: Rotation) -> dict[str, Any]:
    """The command's own part of the report."""
    run, old = found.run, found.old
    return {
        "secret": found.secret,
        "rotation": {
            "run": run.id if run is not None else None,
            "phase": run.phase if run is not None else None,
            "keys": found.keys,
            "kept": found.kept,
            "restarts": old.commands if old is not None else (),
            "notSeen": old.not_seen if old is not None else (),
            "otherEnvironments": found.elsewhere,
            "revoke": [
                {"key": key, "issuer": life.issuer_link, "disableFirst": life.revoke == DISABLE_FIRST}
                for key, life in found.revocations
            ],
        },
    }
