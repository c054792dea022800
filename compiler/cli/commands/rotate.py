"""Runs `rotate`, which replaces a credential and follows the new value until the old one is revoked."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from compiler.change.journal import Run, find_run
from compiler.change.plan import Options, Plan, RotationPhase
from compiler.change.rotation import COMMAND, secrets_of
from compiler.change.run import End, Ended, carry_out
from compiler.cli.commands.put import add_values, is_asked, refuse_values, tell_forms, tell_of, values_of
from compiler.cli.exit_codes import OK
from compiler.cli.invocation import Invocation
from compiler.cli.parser import REPORT_FORMATS, Parser, add_format, add_writing
from compiler.cli.running import RunOutput, of_undo, writing
from compiler.cli.terminal.outlet import standard_error
from compiler.model.environment import Environment
from compiler.operations.put import Target
from compiler.operations.rotate import (
    NewValues,
    begin_overlap,
    close_rotation,
    generated_values,
    is_without_overlap,
    keys_of,
    open_rotation,
    other_environments,
    require_together,
    revocations,
    target_of_rotation,
    undo_rotation,
)
from compiler.refusal import Refusal
from compiler.render.content import Line, members
from compiler.stores.secret_value.secret import SecretValue
from compiler.text.command_line import command_line
from compiler.text.wording import listed, suggest

DESCRIPTION = """Replaces a credential step by step: writes the new value to every store that holds the old one, and
names what to revoke. Without KEY it rotates the keys of the secret that have a limit (`rotate`, `maxAge`); keys that
are made together (`rotateWith`) are asked for together. The old version stays in the store.

Values come from where `put` takes them, or with --generate from this machine, for keys whose issuer is `self`.

Days may lie between the steps: the tag "rotation" beside the new value has the run's id, and until the run is closed or
undone, every `put` and `rotate` of that remote secret refuses and names it. The same command without a value continues.
Close the run with --confirm-revoked once the old value is revoked at its issuer; until then, --undo brings the old
value back. Both need the run's journal, in .platform-secrets/runs.

Where the issuer has no overlap (`overlap: none`), the old value dies when the new one is made, and nothing brings it
back.

--format json prints one object with the plan and how far the rotation is, and does not ask."""
EXAMPLES = (
    "platform-secrets rotate prod slack SLACK_BOT_TOKEN",
    "platform-secrets rotate prod backstage --generate --apply",
    "pass show slack/bot | platform-secrets rotate prod slack SLACK_BOT_TOKEN --stdin --apply",
    "platform-secrets rotate prod slack",
    "platform-secrets rotate prod --confirm-revoked 20250131-120000-4fa1c2",
    "platform-secrets rotate prod --undo 20250131-120000-4fa1c2 --apply",
)


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment")
    parser.add_argument("secret", metavar="SECRET", nargs="?", help="id of the secret in the catalogue")
    parser.add_argument("keys", metavar="KEY", nargs="*", help="keys to rotate; by default those with a limit")
    add_values(parser)
    parser.add_argument("--generate", action="store_true", help="make the values up, for keys with `issuer: self`")
    parser.exclude("--generate", "--from-file", "--stdin")
    parser.add_argument(
        "--confirm-revoked", metavar="RUN", help="close this run: the old value was revoked at its issuer"
    )
    add_writing(parser, apply_help="write without asking", recovers=False)
    parser.exclude("--confirm-revoked", "--from-file", "--stdin", "--generate", "--undo", "--audit")
    add_format(parser, REPORT_FORMATS)


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    refuse_values(arguments)
    with writing(invocation) as (environment, options, output):
        if arguments.undo is not None:
            ended = undo_rotation(arguments.undo, environment, options, output)
            return output.end(ended, of_undo(options, arguments.undo), is_undo=True)
        if arguments.confirm_revoked is not None:
            return _close(invocation, environment, options, output)
        if arguments.secret is None:
            message = "give a secret, or a run with --confirm-revoked or --undo"
            raise Refusal("usage", message, suggest("", environment.secrets, "secrets"))
        target = target_of_rotation(environment, arguments.secret, arguments.keys)
        found = open_rotation(options, target, is_any=not arguments.keys)
        if found is not None:
            return _go_on(found, invocation, environment, options, output)
        return _begin(target, invocation, options, output)


def _close(invocation: Invocation, environment: Environment, options: Options, output: RunOutput) -> int:
    given = invocation.arguments
    if given.secret is not None:
        raise Refusal("usage", "--confirm-revoked closes the whole run", "leave the secret out")
    closed = close_rotation(given.confirm_revoked, environment, options)
    invocation.lines([f"the rotation {closed.id} is closed; the new value is the only one"])
    output.report(Ended(Plan(COMMAND, environment.name), End.NOTHING), OK, _part(environment, closed))
    return OK


def _go_on(found: Run, invocation: Invocation, environment: Environment, options: Options, output: RunOutput) -> int:
    given = invocation.arguments
    if given.stdin or given.from_file is not None or given.generate:
        line = command_line(COMMAND, environment.name, *secrets_of(found))
        message = f"the rotation {found.id} of {listed(secrets_of(found))} is under way, and has its new value"
        raise Refusal("found", message, f"go on with it: {line}")
    standard_error().note(f"going on with the rotation {found.id}")
    begin_overlap(found, environment, options)
    invocation.lines(_next_lines(environment, found))
    output.report(Ended(Plan(COMMAND, environment.name), End.NOTHING), OK, _part(environment, found))
    return OK


def _begin(target: Target, invocation: Invocation, options: Options, output: RunOutput) -> int:
    arguments, environment = invocation.arguments, target.environment
    tell_of(target, is_everywhere=True)
    elsewhere = _tell_elsewhere(target, options)
    if is_without_overlap(environment, ((target.secret.id, key) for key in target.keys)):
        standard_error().note("the old value dies when the new one is made: there is no way back")
    values = _values(arguments, target, options)
    if not values:
        ended = Ended(Plan(COMMAND, environment.name), End.NOTHING)
        invocation.lines(["no value was entered"])
        return output.end(ended, _part(environment, None, target))
    require_together(target, values)
    rotation = NewValues(target, values, replace(options, asks=is_asked(arguments)), is_generated=arguments.generate)
    change = rotation.change()
    tell_forms(values)
    ended = carry_out(change, output)
    for line in rotation.kept:
        standard_error().note(line)
    code = output.tell(ended)
    done = find_run(options.root, ended.outcome.run) if ended.outcome is not None and code == OK else None
    if done is not None:
        begin_overlap(done, environment, options)
        invocation.lines(_next_lines(environment, done))
    part = _part(environment, done, target)
    part["rotation"] |= {"kept": list(rotation.kept), "otherEnvironments": list(elsewhere)}
    output.report(ended, code, part)
    return code


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
    """What is left to do by hand, and the lines that end the rotation."""
    yield from revocation_lines(environment, found)
    yield "then close it: ", command_line(COMMAND, environment.name, "--confirm-revoked", found.id)
    if not is_without_overlap(environment, keys_of(found)):
        yield "until then, to undo it: ", command_line(COMMAND, environment.name, "--undo", found.id, "--apply")


def revocation_lines(environment: Environment, found: Run) -> Iterator[Line]:
    """What to revoke, and where."""
    for each in revocations(environment, found):
        how = (
            "disable the old value first, and delete it after a while"
            if each.is_disabled_first
            else "revoke the old value"
        )
        yield f"{each.key}: {how}", f" at {each.issuer}" if each.issuer is not None else ""


def _part(environment: Environment, found: Run | None, target: Target | None = None) -> dict[str, Any]:
    """The command's own part of the report."""
    keys = list(found.identity["keys"]) if found is not None else list(target.keys) if target is not None else []
    secret = target.secret.id if target is not None else next(iter(secrets_of(found)), "") if found is not None else ""
    revoke = revocations(environment, found) if found is not None and found.phase is not RotationPhase.CLOSED else ()
    return {
        "secret": secret,
        "rotation": {
            "run": found.id if found is not None else None,
            "phase": str(found.phase) if found is not None and found.phase is not None else None,
            "keys": keys,
            "kept": [],
            "otherEnvironments": [],
            "revoke": [{**members(each, "key", "issuer"), "disableFirst": each.is_disabled_first} for each in revoke],
        },
    }
