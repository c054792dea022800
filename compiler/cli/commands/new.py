"""Runs `new`, which creates a project, an environment, a secret or the chart, and upgrades the chart."""

import os
import re
from argparse import Namespace
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from compiler import __version__
from compiler.cli.exposed import EXPOSED, IF_EXPOSED
from compiler.cli.invocation import (
    NOTHING_WRITTEN,
    InputError,
    Invocation,
    by_compile,
    interruption,
    report,
    working_folder,
)
from compiler.cli.parser import REPEATABLE, Parser, flag, member_of, option
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.edit.chart import VALUES, ShippedFile, new_chart, plan_upgrade, replacements
from compiler.edit.new_entry import FORMS, SecretForm, SecretRequest, StoreRequest, find_form, new_secret, new_store
from compiler.edit.new_project import (
    IGNORE_FILE,
    IGNORED,
    KEPT,
    check_name,
    known_provider,
    name_of_folder,
    new_environment,
    new_project,
    write_new,
)
from compiler.edit.yaml_edit import listing
from compiler.operations.diff import unified_lines
from compiler.pipeline import Result
from compiler.project_files import BASE, FOLDER
from compiler.refusal import FOUND, OK, Refusal
from compiler.stages.files import Output
from compiler.stores.registry import PROVIDERS, STORE_OPTIONS
from compiler.text.credential import CONCEALED
from compiler.text.wording import (
    BLANK,
    command_line,
    name_project,
    pluralize,
    quote,
    repeat_option,
    shell_line,
    suggest,
)

EXAMPLES = (
    "platform-secrets new project shop",
    "platform-secrets new project shop --store azurekv --vault-url https://shop-dev.vault.azure.net",
    "platform-secrets new secret db --key DB_USER --key DB_PASSWORD --into base",
    "platform-secrets new secret portal --key NEXTAUTH_SECRET --namespace portal --into base",
    "platform-secrets new secret board --key BOARD_URL --from BOARD_TOKEN=jira/ATLASSIAN_TOKEN --into base",
    "platform-secrets new secret ghcr --type dockerconfigjson --server ghcr.io --into base",
    "platform-secrets new environment qa --store azure --vault-url https://shop-qa.vault.azure.net",
    "platform-secrets new environment prod-eu --extends prod",
    "platform-secrets new store vault --auth kubernetes",
)


# The address of each provider's stores in the parsed arguments.
_ADDRESSES = {each.id: member_of(each.option) for each in PROVIDERS.values()}
_DEFAULT, *_OTHERS = PROVIDERS
_DEFAULT_OR_OTHERS = " or ".join((f"{_DEFAULT} (by default)", *_OTHERS))
_NAME = option("NAME", "its name", nargs="?")
_URLS = {each.option: option("URL", f"where {each.title} is reached") for each in PROVIDERS.values()}
_NAMES = {
    f"--{each.id}": option(each.name_form.upper(), f"its {each.name_form} in {each.title}")
    for each in PROVIDERS.values()
}
# Each kind with what its help says, and its arguments.
KINDS: Mapping[str, tuple[str, Mapping[str, dict[str, Any]]]] = {
    "project": (
        "environments, schemas, the chart and editor settings in a folder without any",
        {
            "name": option("NAME", "its folder; the working folder by default", nargs="?"),
            "--name": option("NAME", "the platform's name; that of the folder by default", dest="platform"),
            "--namespace": option("NAME", "its namespace; the platform's name by default"),
            "--store": option("STORE", f"the provider that serves secrets: {_DEFAULT_OR_OTHERS}"),
            **_URLS,
        },
    ),
    "environment": (
        "environments/NAME.yaml, equal to what it extends except for the store and the addresses given",
        {
            "name": _NAME,
            "--extends": option("LAYER", "layer (input file) to extend; repeatable", **REPEATABLE),
            "--store": option("STORE", "id of the store that serves its secrets"),
            **_URLS,
        },
    ),
    "secret": (
        "an entry in the catalogue, which lists all secrets, and a line in each file of --into",
        {
            "name": _NAME,
            "--key": option("KEY", "one of its keys, without a value; repeatable", **REPEATABLE),
            "--from": option(
                "KEY=SECRET/KEY",
                "one of its keys, and the key of another secret whose value it takes; repeatable",
                dest="taken",
                **REPEATABLE,
            ),
            "--type": option("TYPE", f"a typed Secret with its keys: {', '.join(FORMS)}"),
            "--server": option("HOST", "the registry of --type dockerconfigjson"),
            "--into": option("ENV", "environment, layer or `base` to list it in; repeatable", **REPEATABLE),
            "--namespace": option("NAME", "another namespace than the environment's"),
            "--target": option("NAME", "name of the Kubernetes Secret"),
            **_NAMES,
            "--description": option("TEXT", "what it is used for"),
        },
    ),
    "store": (
        "a log-in under `stores` of --into, so that the chart makes the store's object in the cluster",
        {
            "name": _NAME,
            "--auth": option("METHOD", "how the operator logs in, such as kubernetes"),
            "--into": option("ENV", "environment or layer for it; base by default", **REPEATABLE),
            "--provider": option("NAME", f"{' or '.join(PROVIDERS)}; for a new store only"),
            "--name": option("NAME", "its name in the cluster", dest="platform"),
            **_URLS,
            **{each.flag: option(each.metavar, each.help) for each in STORE_OPTIONS.values()},
        },
    ),
    "chart": (
        "the chart that the values files are for, in a project without one",
        {
            "--upgrade": flag("show how its files and those of schemas/ differ from this release; exit 1 if they do"),
            "--apply": flag("with --upgrade: replace files that differ, and write missing ones"),
        },
    ),
}
DESCRIPTION = "Creates something new. Never prompts. Never overwrites a file, except with `chart --upgrade --apply`."
# What may be shown of `KEY=value`: the form that hardly any value has.
_KEY = re.compile(r"[A-Z][A-Z0-9_]{0,62}", re.ASCII)
# What `from` of the catalogue may hold.
_SOURCE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?/[A-Za-z0-9._-]{1,253}", re.ASCII)


def configure(parser: Parser) -> None:
    parser.require("--apply", "--upgrade")


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    if arguments.kind == "project":
        return _project(arguments)
    if arguments.kind == "chart" and arguments.upgrade:
        return _upgrade(invocation.root, applies=arguments.apply)
    if arguments.kind == "chart":
        _write(new_chart(invocation.root), invocation.root)
        _say_next(command_line("render", "ENV"))
        return OK
    # A wrong name is refused before the project is looked for: it is wrong in every project.
    name = check_name(arguments.kind, arguments.name)
    create = {"environment": _environment, "store": _store, "secret": _secret}[arguments.kind]
    return create(arguments, invocation.root, name)


def _project(arguments: Namespace) -> int:
    folder = working_folder() if arguments.name is None else Path(arguments.name)
    name = check_name("project", arguments.platform or name_of_folder(folder))
    provider = known_provider(arguments.store or next(iter(PROVIDERS))).id
    namespace = arguments.namespace or name
    outputs, result = new_project(folder, name, namespace, provider, _addresses(arguments))
    _write_sound(outputs, result, folder)
    for kept in (path for path in KEPT if path not in {output.shown for output in outputs}):
        to_add = f"; add {', '.join(IGNORED)}" if kept == IGNORE_FILE else ""
        standard_output().show([f"{kept}: kept as it is{to_add}"])
    standard_output().show([f'the platform is "{name}", its namespace "{namespace}"'])
    _warn_of_project_around(folder)
    # From there on the project is found without being named.
    name_project(None)
    enter = "" if folder.resolve() == working_folder().resolve() else f"{shell_line('cd', arguments.name)} && "
    _say_next(f"{enter}{command_line('new', 'secret', 'NAME', '--key', 'KEY', '--into', 'base')}")
    return OK


def _warn_of_project_around(folder: Path) -> None:
    for each in folder.resolve().parents:
        # Not by Path: a folder that may not be read is an error to it.
        if os.path.isdir(each / FOLDER):  # noqa: PTH112
            another = command_line("new", "environment", "NAME")
            standard_error().show(
                [
                    f'warning: this project is inside the project in "{each}", and shares nothing with it',
                    f"help: for one more environment there, run `{another}` in that folder; else move this project out",
                ]
            )
            return


def _environment(arguments: Namespace, root: Path, name: str) -> int:
    output, result, lacks = new_environment(root, name, arguments.extends, arguments.store, _addresses(arguments))
    _write_sound([output], result, root)
    what = f"the {lacks} of its store and whatever else" if lacks is not None else "whatever else"
    _say_next(f"add {what} differs, then run {command_line('compile', name)}")
    return OK


def _addresses(arguments: Namespace) -> dict[str, str]:
    """The addresses that the options give, by provider."""
    given = {provider: getattr(arguments, name) for provider, name in _ADDRESSES.items()}
    return {provider: address for provider, address in given.items() if address is not None}


def _store(arguments: Namespace, root: Path, name: str) -> int:
    if arguments.auth is None:
        ways = "; ".join(f"to {each.id} by {', '.join(each.log_ins)}" for each in PROVIDERS.values())
        raise Refusal("usage", "the store needs --auth", f"say how the operator logs in: {ways}")
    into, *others = arguments.into or [BASE]
    if others:
        raise Refusal("usage", "a store goes into one file", "give --into once")
    output, result = new_store(
        root,
        StoreRequest(
            name,
            arguments.auth,
            into,
            arguments.provider,
            arguments.platform,
            {PROVIDERS[provider].address: address for provider, address in _addresses(arguments).items()},
            {flag: value for flag in STORE_OPTIONS if (value := getattr(arguments, member_of(flag))) is not None},
        ),
    )
    _write_sound([output], result, root)
    _say_next(f"compare `auth` in {output.shown} with your cluster, then run {command_line('compile')}")
    return OK


def _secret(arguments: Namespace, root: Path, name: str) -> int:
    names = {"target": arguments.target, **{each: getattr(arguments, each) for each in PROVIDERS}}
    taken = _parse_sources(arguments.taken)
    form = _form(arguments, taken)
    if form is None:
        keys = _check_keys(name, arguments.key, taken)
    else:
        keys = tuple(key for key in form.keys if key not in taken)
    listed_in = tuple(arguments.into)
    request = SecretRequest(name, arguments.description, names, keys, listed_in, arguments.namespace, taken, form)
    outputs, unchanged, result = new_secret(root, request)
    if not outputs:
        report(result.diagnostics, see_all=by_compile())
        raise Refusal("usage", "the input has errors", "correct them first; nothing was written")
    _write_sound(outputs, result, root)
    standard_output().show(f"{path}: lists {name} already" for path in unchanged)
    environments = result.project.environments if result.project is not None else ()
    if listed_by := [each.name for each in environments if name in each.secrets]:
        _say_next(f"{command_line('compile')} && {command_line('put', listed_by[0], name)}")
    else:
        standard_output().show([f'no environment lists "{name}" yet'])
        line = listing(name, request.namespace)
        _say_next(f"write `{line}` under `secrets:` of environments/base.yaml, or of one environment")
    return OK


def _form(arguments: Namespace, taken: Collection[str]) -> SecretForm | None:
    """The form of a typed Secret, None without --type. Raises Refusal for keys that it does not have."""
    if arguments.type is None:
        if arguments.server is not None:
            raise Refusal("usage", "--server needs --type dockerconfigjson", "add it, or leave --server out")
        return None
    form = find_form(arguments.type, arguments.server)
    if arguments.key:
        raise Refusal("usage", f"a Secret of the type {form.type} has its own keys", "leave --key out")
    for key in taken:
        if key not in form.keys:
            raise Refusal(
                "usage", f"a Secret of the type {form.type} has no key {quote(key)}", suggest(key, form.keys, "keys")
            )
    return form


def _parse_sources(words: Sequence[str]) -> dict[str, str]:
    """The keys with another's value. Raises Refusal for another form, unseen: it may be a value."""
    taken: dict[str, str] = {}
    for word in words:
        key, _, other = word.partition("=")
        if not key or not _SOURCE.fullmatch(other):
            help_text = "write the key, `=`, another secret's id, `/` and its key, such as `--from TOKEN=github/TOKEN`"
            raise Refusal("usage", "--from is not of the form KEY=SECRET/KEY", f"{help_text}; {IF_EXPOSED}")
        if key in taken:
            raise Refusal("usage", f"the key {quote(key)} is given twice", "give each --from once")
        taken[key] = other
    return taken


def _check_keys(name: str, keys: Sequence[str], taken: Collection[str]) -> tuple[str, ...]:
    """The keys of a new secret. Raises Refusal where there is none, for a value beside one, and for one given twice."""
    if not keys and not taken:
        help_text = "name each with --key, such as --key DB_PASSWORD; values go into the store later, by `put`"
        raise Refusal("usage", f'the new secret "{name}" needs its keys', help_text)
    for key in keys:
        if "=" in key:
            # What stands before the sign may be a value too: many end in it.
            before = key.partition("=")[0]
            shown = f" {before}" if _KEY.fullmatch(before) else ""
            put = f"values go into the store: `{command_line('put', 'ENV', name)}{shown}` asks for one"
            raise Refusal("usage", EXPOSED, f"give only the key's name, and replace that value: it is exposed; {put}")
        if "," in key:
            parts = key.split(",")
            options = (
                repeat_option("--key", parts) if all(map(_KEY.fullmatch, parts)) else ["--key", BLANK, "--key", BLANK]
            )
            raise Refusal("usage", "--key takes one key", f"give it once for each: `{shell_line(*options)}`")
        if keys.count(key) > 1 or key in taken:
            raise Refusal("usage", f"the key {quote(key)} is given twice", "give each --key once")
    return tuple(keys)


def _write_sound(outputs: Sequence[Output], result: Result, root: Path) -> None:
    """Shows what was found and writes `outputs`. Raises InputError, and writes none, where some of it is an error."""
    report(result.diagnostics)
    if result.failed:
        standard_error().show([NOTHING_WRITTEN])
        raise InputError
    _write(outputs, root)


def _upgrade(root: Path, *, applies: bool) -> int:
    files = plan_upgrade(root)
    outputs = replacements(files, root)
    with interruption("nothing was replaced"):
        for file in files:
            if file.state != "current":
                _show_difference(file)
        states = Counter(file.state for file in files)
        if states["current"]:
            standard_output().show([f"{pluralize(states['current'], 'file')} of {__version__}: up to date"])
    if outputs and applies:
        _write(outputs, root)
        _say_next(command_line("compile"))
    elif outputs:
        standard_output().show(["nothing was written; add --apply to write this"])
    return FOUND if states["unreadable"] or (outputs and not applies) else OK


def _show_difference(file: ShippedFile) -> None:
    said = {
        "different": f"not as in {__version__}:",
        "missing": "missing",
        "unreadable": f"kept as it is: {file.problem}",
    }
    standard_output().show([f"{file.path}: {said[file.state]}"])
    if file.state == "different":
        old = file.old.replace("\r\n", "\n")
        if file.path == VALUES:
            # Whatever somebody set for all environments may be a value in the clear.
            known = {*file.new.splitlines()}
            old = "\n".join(line if line in known else CONCEALED for line in old.splitlines())
        standard_output().block(unified_lines(old, file.new, file.path, __version__))


def _write(outputs: Sequence[Output], root: Path) -> None:
    with interruption("writing is all-or-nothing"):
        write_new(outputs, root)
    with interruption("the files were written"):
        standard_output().show(f"{output.shown}: written" for output in outputs)


def _say_next(step: str) -> None:
    standard_output().show([f"next: {step}"])
