"""Runs `rotate`, which replaces a credential and follows the new value until the old one is revoked."""

import os
import time
from argparse import Namespace
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from compiler.change.apply import carry_out
from compiler.change.attributes import COMMAND
from compiler.change.journal import Run, find_run
from compiler.change.plan import End, Options, Outcome, Plan, RotationPhase, State
from compiler.cli.commands.put import add_values, is_asked, refuse_values, tell_forms, tell_of, values_of
from compiler.cli.commands.status import TIMEOUT, Waiting, timeout_seconds
from compiler.cli.exit_codes import FOUND, INCOMPLETE, OF_REFUSAL, OK
from compiler.cli.invocation import Invocation
from compiler.cli.parser import REPORT_FORMATS, Parser, add_accept_store, add_format, add_writing, context_of
from compiler.cli.running import RunOutput, of_undo, writing
from compiler.cli.terminal.interrupts import interruption
from compiler.cli.terminal.outlet import standard_error
from compiler.cluster.view import ClusterError, ClusterView, connected
from compiler.live.read_many import begun_at
from compiler.live.stores import secret_named, store_named
from compiler.model.environment import Environment
from compiler.model.facts import short_duration
from compiler.model.inventory import Inventory
from compiler.operations.put import Target
from compiler.operations.rotate import (
    DISABLE_FIRST,
    NewValues,
    begin_overlap,
    close_rotation,
    generated_values,
    is_without_overlap,
    keys_of,
    open_rotation,
    other_environments,
    record_phase,
    require_together,
    revocations,
    target_of_rotation,
    undo_rotation,
)
from compiler.operations.rotate_live import (
    OldPods,
    force_others,
    is_synced,
    old_pods,
    readings_of,
    require_healthy,
    secrets_reading,
    tell_doubts,
    wait_for_pods,
    wait_for_sync,
    written_places,
)
from compiler.operations.status import States, WaitEnd
from compiler.operations.status_live import NEEDED, OPTIONAL
from compiler.operations.status_wait import StatusOptions
from compiler.refusal import Refusal
from compiler.render.content import Line
from compiler.render.reports.status import live_lines, wait_lines
from compiler.stores.errors import ConflictError
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import ACCEPT_STORE, command_line, counted, listed, repeated, suggest

DESCRIPTION = """Replaces a credential step by step: writes the new value to every store that holds the old one, waits
until the cluster has it, names the workloads to restart and waits for their pods, and says what to revoke. Without KEY
it rotates the keys of the secret that have a limit (`rotate`, `maxAge`); keys that are made together (`rotateWith`) are
asked for together. The old version stays in the store.

Values come from where `put` takes them, or with --generate from this machine, for keys whose issuer is `self`.

Days may lie between the steps: the same command without a value continues. The tag "rotation" beside the new value has
the run's id, and until the run is closed or undone, no command writes that remote secret. Close the run with
--confirm-revoked once the old value is revoked at its issuer; until then, --undo brings the old value back. Both need
the run's journal, in .platform-secrets/runs: elsewhere, the refusal names who has it.

Where the issuer has no overlap (`overlap: none`), the old value dies when the new one is made: it asks for that only if
the cluster runs well, and nothing brings the old one back.

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
    parser.add_flag("--generate", "make the values up, for keys with `issuer: self`")
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
    timeout_seconds(arguments.timeout)
    with writing(invocation) as (environment, options, output):
        if arguments.undo is not None:
            undone = undo_rotation(arguments.undo, environment, options, output)
            part, times = of_undo(options, arguments.undo), Inventory(environment).refresh_times()
            code = output.end(undone, part, times=times, has_way_back=False)
            if undone.count(State.DONE):
                invocation.lines(["restart the pods that it lists: those started since the rotation have its value"])
            return code
        if arguments.confirm_revoked is not None:
            return _close(invocation, environment, options, output)
        if arguments.secret is None:
            message = "give a secret, or a run with --confirm-revoked or --undo"
            raise Refusal("usage", message, suggest("", environment.secrets, "secrets"))
        for store in arguments.accept_store:
            store_named(environment, store)
        found = None
        if not arguments.keys:
            found = open_rotation(options, environment, secret_named(environment, arguments.secret).id, None)
        if found is None:
            target = target_of_rotation(environment, arguments.secret, arguments.keys)
            found = open_rotation(options, environment, target.secret.id, target.keys)
        if found is not None:
            return _go_on(found, invocation, environment, options, output)
        return _begin(target, invocation, options, output)


def _close(invocation: Invocation, environment: Environment, options: Options, output: RunOutput) -> int:
    given = invocation.arguments
    if given.secret is not None:
        raise Refusal("usage", "--confirm-revoked closes the whole run", "leave the secret out")
    closed, foreign = close_rotation(given.confirm_revoked, environment, options)
    if closed.ended != "complete":
        standard_error().note("the run did not finish: not every place has the new value")
    for what, line in foreign or ():
        standard_error().error(what, f"if it does not hold the value that works: {line}")
    seen, is_over = dict[str, Any](), True if closed.followed is RotationPhase.RESTARTED else None
    if is_over is None:
        is_over = _look_for_old_pods(invocation, environment, options, closed, seen)
    state = "; the new value is the only one" if foreign == [] and is_over is not False else ""
    invocation.lines([f"the rotation {closed.id} is closed{state}"])
    code = FOUND if foreign else INCOMPLETE if is_over is False else OK
    return output.report(
        Outcome(Plan(COMMAND, environment.name), End.NOTHING), code, _part(environment, closed, **seen)
    )


def _look_for_old_pods(
    invocation: Invocation, environment: Environment, options: Options, closed: Run, seen: dict[str, Any]
) -> bool | None:
    """Name what is seen to run on the old value when its rotation is closed; `seen` gets its pods.

    Returns whether nothing does, None where nobody can look.
    """
    nobody = "nobody saw with this run that every pod has started with the new value"
    secrets = secrets_reading(environment, written_places(closed))
    if closed.followed is not RotationPhase.SYNCED:
        nobody += f"; {''.join(_status_line(environment, secrets, invocation.arguments))}"
    if invocation.arguments.without_cluster:
        standard_error().note(nobody)
        return None
    try:
        view, whole = _connect(invocation.arguments), partial(connected, os.environ, invocation.arguments.context)
        readings, unknown = readings_of(closed, environment, secrets, options.stores, whole)
        # What was read before the run began is no new value.
        old = wait_for_pods(lambda: old_pods(view, readings, begun_at(closed.id)), 0, lambda _: None)
    except Refusal as error:
        standard_error().note(nobody, str(error))
        return None
    seen |= {"restarts": old.commands, "notSeen": [*old.not_seen, *filter(None, [unknown])]}
    standard_error().note(nobody, *seen["notSeen"])
    invocation.lines(_restart_lines(old.commands))
    invocation.lines(f"not synchronised since the rotation began: {each}" for each in old.unread)
    return old.is_over


def _restart_lines(commands: Iterable[str]) -> Iterator[Line]:
    yield from (("restart it, as its pods run on the old value: ", line) for line in commands)


def _status_line(environment: Environment, secrets: Sequence[str], arguments: Namespace) -> tuple[str, str]:
    words = (*repeated("--only", secrets), "--wait", "--force-sync", *_of_cluster(arguments))
    line = command_line("status", environment.name, *words)
    return "see that the cluster has it, and restart what it names: ", line


def _of_cluster(arguments: Namespace) -> tuple[str, ...]:
    """The options that a line which goes on in the same cluster has too."""
    return (*context_of(arguments), *repeated(ACCEPT_STORE, arguments.accept_store))


def _go_on(found: Run, invocation: Invocation, environment: Environment, options: Options, output: RunOutput) -> int:
    given = invocation.arguments
    if given.stdin or given.from_file is not None or given.generate:
        line = command_line(COMMAND, environment.name, *found.secrets)
        message = f"the rotation {found.id} of {listed(found.secrets)} is under way, and has its new value"
        raise Refusal("found", message, f"continue it: {line}")
    standard_error().note(f"continuing the rotation {found.id}")
    code, seen = _follow(invocation, environment, options, found)
    part = _part(environment, found, **seen)
    return output.report(Outcome(Plan(COMMAND, environment.name), End.NOTHING), code, part)


def _begin(target: Target, invocation: Invocation, options: Options, output: RunOutput) -> int:
    arguments, environment = invocation.arguments, target.environment
    tell_of(target, is_everywhere=True)
    elsewhere = _tell_elsewhere(target, options)
    if is_without_overlap(environment, ((target.secret.id, key) for key in target.keys)):
        standard_error().note("the old value dies when the new one is made: there is no way back")
        _require_healthy(target, arguments, options)
    elif not arguments.without_cluster and (options.applies or is_asked(arguments)):
        # Not after the value is written: whoever has no cluster here is to say so first.
        _connect(arguments)
    values = _values(arguments, target, options)
    if not values:
        invocation.lines(["no value was entered"])
        return output.end(Outcome(Plan(COMMAND, environment.name), End.NOTHING), _part(environment, None, target))
    require_together(target, values)
    rotation = NewValues(target, values, replace(options, asks=is_asked(arguments)), is_generated=arguments.generate)
    change = rotation.change()
    tell_forms(values)
    outcome = carry_out(change, output)
    standard_error().note(*rotation.kept)
    # The way back stands at the end, where there is one: without an overlap there is none.
    code = output.tell(outcome, has_way_back=False)
    done = find_run(options.root, outcome.run) if outcome.run and code == OK else None
    seen = dict[str, Any]()
    if done is not None:
        code, seen = _follow(invocation, environment, options, done)
    part = _part(environment, done, target, kept=rotation.kept, otherEnvironments=elsewhere, **seen)
    return output.report(outcome, code, part)


def _require_healthy(target: Target, arguments: Namespace, options: Options) -> None:
    """Raises Refusal where it is not seen that the cluster runs on the value that is to die."""
    if arguments.without_cluster:
        message = "without a look at the cluster nobody knows whether it takes the new value before the old one dies"
        raise Refusal("usage", message, "leave --without-cluster out, or use `put`")
    cells = Inventory(target.environment).of(target.secret, target.store)
    places = [cells[key].place for key in target.keys]
    found = [(target.store.id, each.remote_key, each.property) for each in places if each is not None]
    asked = _status_options(arguments, secrets_reading(target.environment, found))
    # What may not be read is not well.
    connect = partial(_connect, arguments, OPTIONAL - NEEDED, is_needed=True)
    require_healthy(target.environment, asked, options.stores, connect, standard_error().note)


def _status_options(arguments: Namespace, secrets: Sequence[str]) -> StatusOptions:
    return StatusOptions(tuple(secrets), context=context_of(arguments), accepted=tuple(arguments.accept_store))


def _connect(arguments: Namespace, optional: Collection[str] = OPTIONAL, *, is_needed: bool = False) -> ClusterView:
    """Connects to the cluster; the view may leave out what the caller may not read of what is `optional`."""
    try:
        return connected(os.environ, arguments.context, optional)
    except Refusal as error:
        without = "" if is_needed else "or add --without-cluster, and look at the cluster yourself"
        way_out = "; ".join(filter(None, (error.help, without)))
        failure = Refusal("cannot run", f"the cluster cannot be asked: {error}", way_out or None)
    raise failure


def _follow(
    invocation: Invocation, environment: Environment, options: Options, found: Run
) -> tuple[int, dict[str, Any]]:
    """Follows the value of a run that is written, until no pod runs on the old one.

    Returns the exit code, and what the report has of the pods. A cluster that does not answer is told, as the report
    has to name the run.
    """
    seen = dict[str, Any]()
    with interruption("the new value is written; the same command without a value continues"):
        try:
            made = begin_overlap(found, environment, options)
            secrets = secrets_reading(environment, written_places(found))
            if invocation.arguments.without_cluster:
                invocation.lines([_status_line(environment, secrets, invocation.arguments)])
                code = OK
            else:
                code = _follow_in_cluster(invocation, environment, options, found, secrets, made, seen)
        except ConflictError as error:
            # The same command would only find it again.
            standard_error().error(f"{error.place}: {error.reason}", error.remedy)
            invocation.lines(_undo_lines(environment, found))
            return FOUND, seen
        except Refusal as error:
            standard_error().error(error.message, error.help)
            code = OF_REFUSAL[error.kind]
        if code == OK:
            invocation.lines(_next_lines(environment, found))
        else:
            line = command_line(COMMAND, environment.name, *found.secrets, *_of_cluster(invocation.arguments))
            invocation.lines([("to continue: ", line), *_undo_lines(environment, found)])
    return code, seen


def _follow_in_cluster(
    invocation: Invocation,
    environment: Environment,
    options: Options,
    found: Run,
    secrets: Sequence[str],
    made: datetime | None,
    seen: dict[str, Any],
) -> int:
    """Waits until the cluster has the value that was `made` then, and its pods; `seen` gets what the report has."""
    arguments, shown = invocation.arguments, set[str]()
    ends = time.monotonic() + timeout_seconds(arguments.timeout)
    if secrets:
        code = _wait_for_sync(invocation, environment, options, found, secrets, ends - time.monotonic())
        if code != OK:
            return code
        invocation.lines(["the cluster has the new value"])
    record_phase(found, options, RotationPhase.SYNCED)
    whole = partial(connected, os.environ, arguments.context)
    readings, unknown = readings_of(found, environment, secrets, options.stores, whole)
    view = _connect(arguments)
    standard_error().note(*force_others(view, readings))

    def see() -> OldPods:
        seen_pods = old_pods(view.fresh(), readings, made)
        # After the look: what is the run's own now was so then.
        begin_overlap(found, environment, options)
        return seen_pods

    def tell(old: OldPods) -> None:
        new = [line for line in old.commands if line not in shown]
        shown.update(new)
        invocation.lines(_restart_lines(new))

    old = wait_for_pods(see, ends - time.monotonic(), tell)
    not_seen = [*old.not_seen, *filter(None, [unknown])]
    standard_error().note(*not_seen)
    seen |= {"restarts": old.commands, "notSeen": not_seen}
    if not old.is_over or not_seen:
        left = (*old.unread, *([counted(len(old.pods), "pod")] if old.pods else []))
        invocation.lines([("not done: ", ", ".join(left) or "not all pods may be seen")])
        return INCOMPLETE
    record_phase(found, options, RotationPhase.RESTARTED)
    invocation.lines(["every pod that had to restart has restarted"])
    return OK


def _wait_for_sync(
    invocation: Invocation, environment: Environment, options: Options, run: Run, secrets: Sequence[str], seconds: float
) -> int:
    arguments, note = invocation.arguments, standard_error().note

    def note_missing_right(error: ClusterError) -> None:
        within = max((environment.secrets[each].refresh or 0 for each in secrets), default=0)
        note(f"{error}: the cluster gets it within {short_duration(within)}" if within else str(error))

    with closing(Waiting()) as waiting:

        def tell(states: States, left: float) -> None:
            # After the round: what is the run's own now was so then.
            begin_overlap(run, environment, options)
            waiting.tell(states, left)

        asked = replace(_status_options(arguments, secrets), seconds=seconds, on_denied=note_missing_right)
        found = wait_for_sync(environment, asked, options.stores, partial(_connect, arguments), tell)
    if is_synced(found):
        tell_doubts(found, note)
        return OK
    for row in found.rows:
        invocation.lines(live_lines(row.secret.id, row.live) if row.live is not None else ())
    if found.waited is not None:
        invocation.lines(wait_lines(found.waited, lacking="get a role that allows it"))
    return FOUND if found.waited is not None and found.waited.end is WaitEnd.FAILED else INCOMPLETE


def _values(arguments: Namespace, target: Target, options: Options) -> Mapping[str, SecretValue]:
    if arguments.generate:
        return generated_values(target)
    # Made together means given together; the keys that nobody named need not all be given.
    is_whole = bool(arguments.keys) or len(target.keys) == 1
    values = values_of(arguments, target, options.stores, target.keys if is_whole else ())
    others = [key for key in values if key not in target.keys]
    if others:
        message = f"the input has a value for {listed(others)}, which is not to be rotated"
        raise Refusal("usage", message, "name the keys to rotate; nothing was written")
    return values


def _tell_elsewhere(target: Target, options: Options) -> tuple[str, ...]:
    """Note who reads the same places in other environments, which nobody looks at."""
    try:
        found = other_environments(target, options.environments(), options.stores)
    except Refusal as error:
        standard_error().note(f"which other environments read the same value is not known: {error}")
        return ()
    if found:
        standard_error().note(f"{listed(found)} may read the same value and is not looked at")
    return found


def _next_lines(environment: Environment, found: Run) -> Iterator[Line]:
    """What to revoke and where, and the lines that end the rotation."""
    for key, life in revocations(environment, found):
        is_first = life.revoke == DISABLE_FIRST
        how = "disable the old value first, and delete it after a while" if is_first else "revoke the old value"
        yield f"{key}: {how}", f" at {life.issued_at}" if life.issued_at is not None else ""
    yield "then close it: ", command_line(COMMAND, environment.name, "--confirm-revoked", found.id)
    yield from _undo_lines(environment, found, "until then, ")


def _undo_lines(environment: Environment, found: Run, until: str = "") -> Iterator[Line]:
    if not is_without_overlap(environment, keys_of(found)):
        yield f"{until}to undo it: ", command_line(COMMAND, environment.name, "--undo", found.id, "--apply")


def _part(environment: Environment, found: Run | None, target: Target | None = None, **seen: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """The command's own part of the report, with what was `seen` beside the run."""
    keys = found.identity["keys"] if found is not None else target.keys if target is not None else ()
    secret = target.secret.id if target is not None else next(iter(found.secrets), "") if found is not None else ""
    revoke = revocations(environment, found) if found is not None and found.phase is not RotationPhase.CLOSED else ()
    return {
        "secret": secret,
        "rotation": {
            "run": found.id if found is not None else None,
            "phase": str(found.phase) if found is not None and found.phase is not None else None,
            "keys": keys,
            "kept": [],
            "restarts": [],
            "notSeen": [],
            "otherEnvironments": [],
            "revoke": [
                {"key": key, "issuer": life.issued_at, "disableFirst": life.revoke == DISABLE_FIRST}
                for key, life in revoke
            ],
            **seen,
        },
    }
