"""Runs `put`, which sets keys of one secret or several in their stores, from prompts, standard input or a file."""

import re
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from compiler.change.attributes import AskedExpiry, parse_expiry, require_possible
from compiler.change.plan import End, Options, Outcome, Plan
from compiler.cli.exposed import IF_EXPOSED
from compiler.cli.invocation import Invocation
from compiler.cli.parser import REPORT_FORMATS, Parser, add_format, add_writing
from compiler.cli.running import Answer, run_writing
from compiler.cli.terminal.dialogue import ask_hidden_values, is_terminal, read_file, read_stdin
from compiler.cli.terminal.outlet import standard_error
from compiler.live.stores import LiveStores
from compiler.model.environment import Environment, Store
from compiler.operations.put import (
    COMMAND,
    InputForm,
    SharedKey,
    Target,
    explain_unserved,
    odd_forms,
    put,
    read_several,
    read_values,
    shared_keys,
    target_of,
)
from compiler.refusal import Refusal
from compiler.render.content import members
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import pieces_of, quote, suggest

DESCRIPTION = """Sets keys of a secret in its store; other keys stay as they are. Asks for the values without showing
them, or reads them from a pipe or a file; a value is never an argument. Shows which keys are created or updated, and
writes after confirmation or with --apply. Each write is read back and recorded in .platform-secrets/runs.

With one KEY, or for a secret of one key, bare input is its value; otherwise it is a JSON object, KEY=value lines
(dotenv) or a Kubernetes Secret in JSON, whose values are decoded. With --map, keys have other names in the input.
Empty values, placeholders, manifests and unknown keys are refused. After an interruption, run the same command with
the same values to continue.

--all sets keys of several secrets in one run, or none: from a JSON object {"SECRET": {"KEY": "value"}}, a List of
Kubernetes Secrets, or KEY=value lines whose keys belong to one secret each.

--expires sets the expiry date in a Key Vault, in place of the one that a store with requireExpiry gets from the
catalogue's limits. The plan shows the date.

--remove takes a key out of a secret with `extract: true`, or of a bundle with a text of all keys. The catalogue must
not list the key, and no pod may read it: the store does not serve the secret now. The new version keeps everything
else; --undo restores the one before.

--format json prints one object with the keys, what was written and the versions, and does not ask."""
EXAMPLES = (
    "platform-secrets put dev github",
    "platform-secrets put dev github GITHUB_APP_PRIVATE_KEY --from-file app.pem --apply",
    "pass show slack/bot | platform-secrets put prod slack SLACK_BOT_TOKEN --stdin --apply --audit audit.jsonl",
    "platform-secrets put prod jira --from-file jira.env --store azure",
    "kubectl get secret jira --output json | platform-secrets put prod jira --stdin --apply",
    "platform-secrets put prod jira --from-file app.env --map ATLASSIAN_TOKEN=JIRA_TOKEN --apply",
    "platform-secrets put prod --all --from-file secrets.json --apply",
    "platform-secrets put prod jira ATLASSIAN_TOKEN --store azure --expires 90d",
    "platform-secrets put prod datadog --remove OLD_TOKEN --store azure",
    "platform-secrets put prod --undo 20250131-120000-4fa1c2 --apply",
)

# A name in the input, and a key or a secret and its key: nothing that many values look like.
_MAPPED = re.compile(r"[A-Za-z0-9._/-]{1,253}", re.ASCII)


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment")
    parser.add_argument("secret", metavar="SECRET", nargs="?", help="id of the secret in the catalogue")
    parser.add_argument("keys", metavar="KEY", nargs="*", help="keys to set; by default all that the environment uses")
    parser.add_option("--store", "ID", "write to this store of the environment instead of the one the secret uses")
    parser.add_flag("--all", "set keys of several secrets, which the input names")
    add_values(parser)
    parser.add_repeatable(
        "--map",
        "KEY=NAME",
        "take this key from that name of the input (with --all also SECRET/KEY=NAME), and no other; repeatable",
    )
    parser.add_repeatable(
        "--remove", "KEY", "remove this key, which the catalogue does not list, from an extracted secret; repeatable"
    )
    parser.exclude("--all", "SECRET", "KEY")
    for option in ("--all", "--map"):
        parser.require(option, "--stdin", "--from-file")
    parser.add_option(
        "--expires", "DAYS", "expiry date in a Key Vault: days ahead such as 90d, or a date such as 2031-01-31"
    )
    add_writing(parser, apply_help="write without asking", removes=("--remove",))
    parser.exclude("--remove", "KEY", "--all", "--stdin", "--from-file", "--expires", "--recover")
    add_format(parser, REPORT_FORMATS)


def add_values(parser: Parser) -> None:
    """The options that say where values come from, where nobody is asked for them."""
    parser.add_option("--from-file", "FILE", "read the values from this file")
    parser.add_flag("--stdin", "read the values from standard input")
    forms = [str(form) for form in InputForm]
    parser.add_argument("--input", choices=forms, help="format of the input; detected by default")
    parser.exclude("--stdin", "--from-file")
    parser.require("--input", "--stdin", "--from-file")


def run(invocation: Invocation) -> int:
    refuse_values(invocation.arguments)
    return run_writing(_answer, invocation)


def _answer(invocation: Invocation, environment: Environment, options: Options) -> Answer:
    arguments = invocation.arguments
    names = _names(arguments.map)
    if arguments.all:
        return _answer_all(invocation, environment, options, names)
    if arguments.secret is None:
        message = "give either a secret or a run with --undo"
        raise Refusal("usage", message, suggest("", environment.secrets, "secrets"))
    keys = (*arguments.keys, *names) if not arguments.remove else None
    target = target_of(environment, arguments.secret, keys, arguments.store)
    if arguments.remove:
        from compiler.operations.removal import removal  # noqa: PLC0415 - `put` mostly sets values

        standard_error().note(*explain_unserved([target]))
        change = removal(target, arguments.remove, replace(options, asks=is_asked(arguments)))
        return change, _describe_target(target, ())
    if arguments.expires is not None:
        options = replace(options, expires=_expires(arguments.expires, target.store))
    shared = tell_of(target)
    standard_error().note(*explain_unserved([target]))
    values = values_of(arguments, target, options.stores, arguments.keys, names)
    if not values:
        invocation.lines(["no value was entered"])
        return Outcome(Plan(COMMAND, environment.name), End.NOTHING), _describe_target(target, shared)
    change = put([(target, values)], replace(options, asks=is_asked(arguments)))
    tell_forms(values)
    return change, _describe_target(target, shared)


def _answer_all(invocation: Invocation, environment: Environment, options: Options, names: Mapping[str, str]) -> Answer:
    arguments = invocation.arguments
    known = {secret.id: secret.entry.keys for secret in environment.secrets.values()}
    targets = {secret.entry.target: secret.id for secret in environment.secrets.values()}
    read = read_several(_data(arguments), known, _form(arguments), targets, names)
    given = [(target_of(environment, each, tuple(own), arguments.store), own) for each, own in read.items()]
    if arguments.expires is not None:
        for target, _ in given:
            options = replace(options, expires=_expires(arguments.expires, target.store))
    told = [_describe_target(target, tell_of(target)) for target, _ in given]
    standard_error().note(*explain_unserved([target for target, _ in given]))
    change = put(given, replace(options, asks=is_asked(arguments)))
    for _, values in given:
        tell_forms(values)
    return change, {"secret": None, "store": None, "inCommon": [each for own in told for each in own["inCommon"]]}


def _names(words: Sequence[str]) -> dict[str, str]:
    """The names in the input by the keys that --map gives them for. Raises Refusal, unseen: it may be a value."""
    names: dict[str, str] = {}
    for word in words:
        key, _, name = word.partition("=")
        if not _MAPPED.fullmatch(key) or not _MAPPED.fullmatch(name):
            raise Refusal(
                "usage",
                "--map is not of the form KEY=NAME",
                f"write the key, `=` and its name in the input; {IF_EXPOSED}",
            )
        if key in names:
            raise Refusal("usage", f"the key {quote(key)} is mapped twice", "map each key once")
        names[key] = name
    return names


def is_asked(arguments: Namespace) -> bool:
    """Whether a person is to agree to the plan."""
    return is_terminal() and not (arguments.apply or arguments.stdin or arguments.format == "json")


def tell_forms(values: Mapping[str, SecretValue]) -> None:
    """Note what is odd about the form of values, and is stored as it is."""
    standard_error().note(*(f"{key}: {what}" for key, what in odd_forms(values)))


def _expires(text: str, store: Store) -> AskedExpiry:
    """What `--expires` asks for, before a value is. Raises Refusal."""
    try:
        asked = parse_expiry(text)
    except (ValueError, OverflowError):
        message = f"--expires takes days or a date, not {quote(text)}"
        raise Refusal("usage", message, "such as 90d, 2031-01-31 or 2031-01-31T12:00Z") from None
    require_possible(asked, store, datetime.now(UTC))
    return asked


def tell_of(target: Target, *, is_everywhere: bool = False) -> tuple[SharedKey, ...]:
    """Notes which keys nobody reads and whose values others have; returns the latter."""
    if target.unused_keys:
        named = "".join(pieces_of(target.unused_keys))
        standard_error().note(f"{named}: in no variant that {target.environment.name} uses, so not read by it")
    shared = shared_keys(target)
    for each in shared:
        parts = [f"this is the value of {each.holder}, in {each.place}"] if each.holder is not None else []
        if each.readers:
            parts.append(f"also read by {', '.join(each.readers)}")
        apart = each.apart if not is_everywhere else ()
        parts += [f"{reader} reads it from {quote(store)}, which keeps its own" for reader, store in apart]
        if parts:
            standard_error().note(f"{each.key}: {'; '.join(parts)}")
    return shared


def _describe_target(target: Target, shared: Iterable[SharedKey]) -> dict[str, Any]:
    return {
        "secret": target.secret.id,
        "store": target.store.id,
        "inCommon": [
            {
                "secret": target.secret.id,
                **members(each, "key", "holder", "place", "readers"),
                "apart": [{"reader": reader, "store": store} for reader, store in each.apart],
            }
            for each in shared
        ],
    }


def refuse_values(arguments: Namespace) -> None:
    """Raises Refusal for values to be typed where they would be seen."""
    if arguments.stdin and is_terminal():
        message = "standard input is a terminal, which would show what you type"
        raise Refusal("usage", message, "leave --stdin out to be asked for the values")


def values_of(
    arguments: Namespace,
    target: Target,
    stores: LiveStores,
    keys: Sequence[str],
    names: Mapping[str, str] | None = None,
) -> Mapping[str, SecretValue]:
    """The values that are typed or given, by key. Raises Refusal, and the StoreError of a log-in."""
    if not arguments.stdin and arguments.from_file is None:
        if is_terminal():
            # Nobody should type values for a store that then does not answer.
            stores.open(target.store).whoami()
        return ask_hidden_values(target.keys)
    return read_values(_data(arguments), keys, target.secret.entry.keys, _form(arguments), names)


def _data(arguments: Namespace) -> bytes:
    return read_stdin() if arguments.stdin else read_file(arguments.from_file)


def _form(arguments: Namespace) -> InputForm | None:
    return InputForm(arguments.input) if arguments.input is not None else None
