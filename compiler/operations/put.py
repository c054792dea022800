"""Reads the values of a `put` from JSON, dotenv lines, a Kubernetes Secret or one bare value, and plans it.

It finds the named secret, keys and store, checks the values, and finds who shares them. No error quotes a value.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

from compiler.change.apply import Change
from compiler.change.compare import plan_entered_values
from compiler.change.plan import Kind, Location, OnConflict, Options, Plan, Step, location_of
from compiler.live.stores import secret_named, store_named
from compiler.model import group_pairs
from compiler.model.environment import Environment, Secret, Store
from compiler.model.facts import MAX_INPUT_BYTES
from compiler.model.inventory import Cell, Inventory
from compiler.model.store import Place, way_to_place
from compiler.model.values import place_text
from compiler.refusal import Refusal
from compiler.stores.secret_value import (
    Comparer,
    JsonKind,
    NotAnObjectError,
    SecretValue,
    Trait,
    read_members,
    read_object,
    traits,
)
from compiler.text.credential import looks_like_credential
from compiler.text.wording import closest, list_names, pluralize, quote, shell_line, suggest


class InputForm(StrEnum):
    """The format of the input."""

    JSON = "json"
    DOTENV = "dotenv"
    KUBERNETES = "kubernetes-secret"
    VALUE = "value"


def _unusable(message: str, help_text: str | None) -> Refusal:
    return Refusal("usage", message, help_text)


# Base64 with its padding looks like the name of a variable with its equals sign.
_PADDED = re.compile(r"[A-Za-z0-9+/_-]+={1,2}\s*", re.ASCII)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", re.ASCII)
_LINE = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=")
_OPENING = re.compile(r"[ \t]*+(['\"])")
_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
# Possessive: a long text without a closing quote must not be tried from every place.
_QUOTED = {"'": re.compile(r"([^']*+)'"), '"': re.compile(r'((?:[^"\\]|\\.)*+)"', re.DOTALL)}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\n": ""}
# The look-behind: a long run of blanks must not be tried from every place either.
_COMMENT = re.compile(r"(?<![ \t])[ \t]++#[^\n]*")


_ITSELF = "the secret"  # in messages about a single secret
# None is a value of a Kubernetes Secret that is not text: no store takes it.
Values = Mapping[str, SecretValue | None]


def read_values(
    data: bytes,
    keys: Sequence[str],
    known: Collection[str],
    form: InputForm | None,
    names: Mapping[str, str] | None = None,
) -> dict[str, SecretValue]:
    """The values in `data` of `keys`, or of all keys in it, which must be `known`. Raises Refusal.

    `names` are the names in the input of keys that are called otherwise there. Without a `form`, the text is the value
    of the only named or known key, or begins with a brace (a Kubernetes Secret or JSON), or is dotenv. A bare value
    does not include a final line break.
    """
    text, names = _decode(data), names or {}
    keys = tuple(dict.fromkeys((*keys, *names)))
    if form is None:
        keys = keys or _only_key(text, known)
        form = _guess_form(text, keys if not names else ())
    if form is InputForm.VALUE:
        if len(keys) != 1 or names:
            way_out = "leave --map out" if names else "name exactly one key"
            raise _unusable("a bare value is for one key only", way_out)
        return {keys[0]: SecretValue(re.sub(r"\r?\n\Z", "", text))}
    found = _READERS[form](text)
    for key in keys:
        if names.get(key, key) not in found:
            raise _absent(key, is_mapped=key in names)
    if not found:
        raise _unusable("the input is empty", "provide KEY=value lines, or a JSON object")
    values = _as_text({key: found[names.get(key, key)] for key in keys or found}, known)
    if not keys:
        _require_known(found, known, form)
    return values


def read_several(
    data: bytes,
    known: Mapping[str, Collection[str]],
    form: InputForm | None,
    targets: Mapping[str, str],
    names: Mapping[str, str],
) -> dict[str, dict[str, SecretValue]]:
    """The values of several secrets in `data`, by secret and key; `known` are the keys of each. Raises Refusal.

    JSON has an object for each secret, a List has Kubernetes Secrets (`targets` maps their names to secrets), dotenv
    lines name keys of one secret each. `names` maps KEY or SECRET/KEY to the dotenv lines to read, if not all.
    """
    text = _decode(data)
    form = form or _guess_form(text, ())
    if form is InputForm.VALUE:
        raise _unusable("a bare value is for one key only", "name the secret and its key in place of --all")
    if names and form is not InputForm.DOTENV:
        raise _unusable("--map with --all is for dotenv lines", "name secrets and keys in the input as they are here")
    if form is InputForm.DOTENV:
        return _group_by_secret(_dotenv(text), known, names)
    found = _secrets_of_json(text) if form is InputForm.JSON else _secrets_of_kubernetes(text, targets)
    if not found:
        raise _unusable("the input is empty", 'write {"SECRET": {"KEY": "value", ...}, ...}')
    for number, (secret, values) in enumerate(found.items(), 1):
        if secret not in known:
            shown = f'the secret "{secret}", which' if closest(secret, known) else f"a secret, number {number}, that"
            raise _unusable(f"the input has {shown} the environment does not have", suggest(secret, known, "secrets"))
        _require_known(values, known[secret], form, f'the secret "{secret}"')
    return {secret: _as_text(values, known[secret], f' of "{secret}"') for secret, values in found.items()}


def _group_by_secret(
    found: Mapping[str, SecretValue], known: Mapping[str, Collection[str]], names: Mapping[str, str]
) -> dict[str, dict[str, SecretValue]]:
    """The values of dotenv lines by secret and key; `names` maps KEY or SECRET/KEY to the name of its line."""
    by_secret: dict[str, dict[str, SecretValue]] = {}
    for given, name in (names or {key: key for key in found}).items():
        secret, _, key = given.rpartition("/")
        owners = [each for each, keys in known.items() if key in keys and secret in ("", each)]
        if not owners:
            if names:
                raise _unusable("--map names a key that no secret of the environment has", "write SECRET/KEY=NAME")
            keys = dict.fromkeys(each for own in known.values() for each in own)
            raise _refuse_unknown_keys([each for each in found if each not in keys], found, keys, "the environment")
        if len(owners) > 1:
            message = f'"{key}" is a key of {list_names(owners)}'
            raise _unusable(message, f"say which: `--map SECRET/{key}=NAME`, and likewise each other key to set")
        if name not in found:
            raise _absent(key, is_mapped=True)
        by_secret.setdefault(owners[0], {})[key] = found[name]
    if not by_secret:
        raise _unusable("the input is empty", "provide KEY=value lines, or a JSON object")
    return by_secret


_NAME_OR_VALUE = "correct the name; if it is a value, replace that: it is exposed"


def _absent(key: str, *, is_mapped: bool) -> Refusal:
    if not is_mapped:
        return _unusable(f'the input has no "{key}"', "add it to the input, or leave the key out")
    # The name is not shown: it may be a value that somebody typed there.
    return _unusable(f'the input does not have the name that --map gives for "{key}"', _NAME_OR_VALUE)


def _require_known(found: Values, known: Collection[str], form: InputForm, holder: str = _ITSELF) -> None:
    unknown = [name for name in found if name not in known]
    if not unknown:
        return
    if form is not InputForm.KUBERNETES:
        raise _refuse_unknown_keys(unknown, found, known, holder, form)
    # The API server checks names, so they can be shown.
    message = f"the Kubernetes Secret has keys that {holder} does not have: {list_names(unknown, len(unknown))}"
    way_out = "take them out of the input" if holder != _ITSELF else "name the keys to take, or --map KEY=NAME"
    raise _unusable(message, f"{way_out}; {suggest('', known, 'keys') or '`explain` lists the keys'}")


def _as_text(found: Values, known: Collection[str], of: str = "") -> dict[str, SecretValue]:
    """The values, if all are strings. Raises Refusal for a value of another kind."""
    for key, value in found.items():
        if value is None:
            message = f'the value of "{key}" in the Kubernetes Secret is not UTF-8 text'
            raise _unusable(message, "encode it, for example as Base64")
        if not value.is_string:
            shown = _name_key(key, found, known)
            message = f"the value of {shown}{of} is a JSON {value.kind}, and only strings can be stored"
            are_objects = all(each is not None and each.kind is JsonKind.OBJECT for each in found.values())
            raise _unusable(message, _FOR_ALL if are_objects and not of else "put the value in quotes")
    return {key: value for key, value in found.items() if value is not None}


_FOR_ALL = 'to set several secrets by {"SECRET": {"KEY": "value"}}, write --all in place of the secret\'s name'


def _name_key(name: str, found: Collection[str], known: Collection[str]) -> str:
    """A key of the input by its name, or by its number if the name may be half of a Base64 value with its padding."""
    is_name = name in known or (_VARIABLE.fullmatch(name) is not None and not looks_like_credential(name))
    return quote(name) if is_name else f"key {[*found].index(name) + 1}"


def _refuse_unknown_keys(
    unknown: Sequence[str],
    found: Collection[str],
    known: Collection[str],
    holder: str = _ITSELF,
    form: InputForm | None = None,
) -> Refusal:
    shown = [_name_key(name, found, known) for name in unknown]
    if len(shown) == 1:
        message = f"{shown[0]} of the input is a key that {holder} does not have"
    else:
        message = f"the input has keys that {holder} does not have: {', '.join(shown)}"
    if len(unknown) == 1 and (match := closest(unknown[0], known)) is not None:
        return _unusable(message, f'did you mean "{match}"?')
    leave = f"leave {'it' if len(shown) == 1 else 'them'} out of the input"
    if holder == _ITSELF:
        leave += f", or name the keys to take and add --input {form}"
    return _unusable(message, f"{leave}; {suggest('', known, 'keys') or '`explain` lists the keys'}")


def _decode(data: bytes) -> str:
    if len(data) > MAX_INPUT_BYTES:
        raise _unusable(f"the input is larger than {MAX_INPUT_BYTES} bytes", "shorten it; no store accepts that size")
    with suppress(UnicodeDecodeError):
        return data.decode("utf-8-sig")
    raise _unusable("the input is not UTF-8 text", "encode it, for example as Base64")


def _guess_form(text: str, keys: Sequence[str]) -> InputForm:
    is_object = text.lstrip().startswith("{")
    if is_object and _is_kubernetes(text):
        return InputForm.KUBERNETES
    if len(keys) != 1:
        return InputForm.JSON if is_object else InputForm.DOTENV
    try:
        names_itself = keys[0] in (_parse_object(text) if is_object else _dotenv(text))
    except Refusal:
        names_itself = False
    if names_itself:
        # If this were the value, its name and quotes would go into the store.
        message = f'the input names "{keys[0]}" itself, so it does not look like a bare value'
        raise _unusable(message, "add --input json, --input dotenv or --input value")
    return InputForm.VALUE


def _only_key(text: str, known: Collection[str]) -> tuple[str, ...]:
    """The one known key, if the text is neither JSON nor dotenv and does not name it."""
    if len(known) != 1 or any(key in text for key in known) or text.lstrip().startswith("{"):
        return ()
    if not _PADDED.fullmatch(text):
        with suppress(Refusal):
            _dotenv(text)
            return ()
    return tuple(known)


def _parse_object(text: str | SecretValue) -> dict[str, SecretValue]:
    try:
        return read_object(text) if isinstance(text, str) else read_members(text)
    except NotAnObjectError:
        raise _unusable("the input is not a JSON object with unique names", 'write {"KEY": "value", ...}') from None


def _is_kubernetes(text: str) -> bool:
    try:
        loaded = _load_json(text)
    except Refusal:
        return False
    # Also with a number in place of a text: taken for a bare value, the whole object would go into the store.
    return all(type(loaded.get(name)) in (str, int) for name in ("apiVersion", "kind"))


def _load_json(text: str) -> dict[str, Any]:
    # A number is no text to store: 0 stands for each.
    try:
        loaded = json.loads(text, object_pairs_hook=_require_unique, parse_int=lambda _: 0, parse_float=lambda _: 0)
    except (ValueError, RecursionError):
        # The decoder's error quotes the text.
        loaded = None
    if isinstance(loaded, dict):
        return loaded
    raise _unusable("the input is not a JSON object with unique names", "give it as the program printed it")


def _require_unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError
    return found


def _secrets_of_json(text: str) -> dict[str, Values]:
    found: dict[str, Values] = {}
    for number, (secret, members) in enumerate(_parse_object(text).items(), 1):
        if members.kind is not JsonKind.OBJECT:
            message = f"member {number} of the input is not an object of keys and values"
            raise _unusable(message, 'write {"SECRET": {"KEY": "value", ...}, ...}, or a secret in place of --all')
        found[secret] = _parse_object(members)
    return found


_PRINT = f"`{shell_line('kubectl', 'get', 'secret', 'NAME', '--output', 'json')}` prints one"
_KIND = re.compile(r"[A-Z][A-Za-z]{1,62}", re.ASCII)
# The name of a Secret or a key, as the API server takes it; any other text may be a value.
_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}", re.ASCII)


def _kubernetes(text: str) -> dict[str, SecretValue | None]:
    items = _kubernetes_items(text)
    if len(items) != 1:
        raise _unusable(f"the input has {pluralize(len(items), 'Kubernetes Secret')}, not one", _PRINT)
    return _kubernetes_values(items[0])


def _secrets_of_kubernetes(text: str, targets: Mapping[str, str]) -> dict[str, Values]:
    found: dict[str, Values] = {}
    for item in _kubernetes_items(text):
        name = _member(item, "metadata").get("name")
        if not isinstance(name, str) or name not in targets:
            shown = f" {quote(name)}" if isinstance(name, str) and _NAME.fullmatch(name) else " of that name"
            message = f"the environment makes no Kubernetes Secret{shown}"
            raise _unusable(message, suggest(str(name), targets, "Secrets"))
        if targets[name] in found:
            message = f"the input has the Kubernetes Secret {quote(name)} twice"
            raise _unusable(message, "print those of one namespace")
        found[targets[name]] = _kubernetes_values(item)
    return found


def _kubernetes_items(text: str) -> list[dict[str, Any]]:
    if not text.lstrip().startswith("{"):
        raise _unusable("the input is not a Kubernetes Secret in JSON", _PRINT)
    loaded = _load_json(text)
    listed_items = loaded.get("items")
    items = listed_items if loaded.get("kind") == "List" and isinstance(listed_items, list) else [loaded]
    for item in items:
        kind = item.get("kind") if isinstance(item, dict) else None
        if kind != "Secret" or item.get("apiVersion") != "v1":
            shown = f" but a {kind}" if isinstance(kind, str) and kind != "Secret" and _KIND.fullmatch(kind) else ""
            raise _unusable(f"the input is not a Kubernetes Secret{shown}", _PRINT)
    return items


def _member(item: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = item.get(name)
    if found is None:
        return {}
    if isinstance(found, dict):
        return found
    raise _unusable(f"`{name}` of the Kubernetes Secret is not a map", _PRINT)


def _kubernetes_values(item: Mapping[str, Any]) -> dict[str, SecretValue | None]:
    """The values as pods get them: `stringData` overrides `data`, as in the API server."""
    found: dict[str, SecretValue | None] = {}
    data, texts = _member(item, "data"), _member(item, "stringData")
    if not all(map(_NAME.fullmatch, (*data, *texts))):
        raise _unusable("a key of the Kubernetes Secret has a name that no API server takes", _PRINT)
    for key, value in data.items():
        try:
            held = base64.b64decode(value, validate=True) if type(value) is str else None
        except ValueError:
            held = None
        if held is None:
            raise _unusable(f"`data` of {quote(key)} in the Kubernetes Secret is not Base64", _PRINT)
        try:
            found[key] = SecretValue(held.decode())
        except UnicodeDecodeError:
            found[key] = None
    for key, value in texts.items():
        if type(value) is not str:
            raise _unusable(f"`stringData` of {quote(key)} in the Kubernetes Secret is not text", _PRINT)
        found[key] = SecretValue(value)
    return found


def _dotenv(text: str) -> dict[str, SecretValue]:
    text = text.replace("\r\n", "\n")
    found: dict[str, SecretValue] = {}
    position = counted = 0
    number = 1
    while position < len(text):
        if blank := _BLANK.match(text, position):
            position = blank.end()
            continue
        number += text.count("\n", counted, position)
        counted = position
        name = _LINE.match(text, position)
        if name is None:
            raise _unusable(f"line {number} of the input is not KEY=value", "correct it, or set the format by --input")
        if name[1] in found:
            raise _unusable(f"line {number} of the input repeats a key", "keep one of the two")
        value, position = _dotenv_value(text, name.end(), number)
        found[name[1]] = SecretValue(value)
    return found


def _dotenv_value(text: str, start: int, number: int) -> tuple[str, int]:
    if opening := _OPENING.match(text, start):
        match = _QUOTED[opening[1]].match(text, opening.end())
        rest = _BLANK.match(text, match.end()) if match else None
        if match is None or rest is None:
            raise _unusable(f"line {number} of the input has unbalanced quotes", "close them at the end of the value")
        value = match[1]
        if opening[1] == '"':
            value = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), value)
        return value, rest.end()
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    line = text[start:end]
    comment = _COMMENT.search(line)
    value = (line[: comment.start()] if comment else line).strip()
    if "\r" in value:
        # A line break of old: the next key and its value would become a part of this one.
        message = f"line {number} of the input has a carriage return in its value"
        raise _unusable(message, "end lines by a line feed, or put the value in quotes")
    return value, end + 1


_READERS: Mapping[InputForm, Callable[[str], Values]] = {
    InputForm.JSON: _parse_object,
    InputForm.DOTENV: _dotenv,
    InputForm.KUBERNETES: _kubernetes,
}


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A key of a `put` whose value other keys share."""

    key: str
    place: str  # the place to set
    holder: str | None  # the key whose value it takes
    readers: tuple[str, ...]  # the keys that get the new value, as SECRET/KEY
    apart: tuple[tuple[str, str], ...]  # keys, each with the other store that serves it the same value, which stays


def shared_keys(target: Target) -> tuple[SharedKey, ...]:
    """The keys of `target` whose values other keys of the environment share."""
    inventory, store = Inventory(target.environment), target.store
    # By the place that is set: it may be in a store that nobody reads yet.
    at: dict[Place | None, list[Cell]] = group_pairs(
        (cell.place, cell) for cell in inventory.cells(store=store) if cell.in_use and cell.place is not None
    )
    own, found = inventory.of(target.secret, store), list[SharedKey]()
    for name in target.keys:
        key, place = target.secret.entry.keys[name], own[name].place
        others = [each for each in at.get(place, ()) if (each.secret, each.key) != (target.secret.id, name)]
        holder = f"{key.origin.entry.id}/{key.origin.key.name}" if key.origin is not None else None
        if others or holder is not None:
            readers = tuple(f"{each.secret}/{each.key}" for each in others if not each.is_elsewhere)
            away = [(f"{each.secret}/{each.key}", each.serving) for each in others if each.is_elsewhere]
            apart = tuple((reader, serving.id) for reader, serving in away if serving is not None)
            found.append(SharedKey(name, place_text(place) if place is not None else "", holder, readers, apart))
    return tuple(found)


def explain_unserved(targets: Sequence[Target]) -> Iterator[str]:
    """A sentence for each store that gets values which no secret of the environment reads from it."""
    written = {(each.secret.id, each.store.id) for each in targets}
    found: dict[tuple[str, str], list[str]] = {}
    for each in targets:
        serving, is_read = each.secret.store, any(key.readers for key in shared_keys(each))
        if serving is not None and not is_read and (each.secret.id, serving.id) not in written:
            found.setdefault((each.store.id, serving.id), []).append(each.secret.id)
    for (store, other), secrets in found.items():
        what = f"no pod of {targets[0].environment.name} reads {list_names(secrets)} from {quote(store)}"
        yield f"{what}: {quote(other)} serves {'it' if len(secrets) == 1 else 'them'}"


COMMAND = "put"
_REFUSED = {
    Trait.EMPTY: "is blank",
    Trait.PLACEHOLDER: "is a placeholder",
    Trait.MANIFEST: "is the manifest of a Kubernetes Secret",
    Trait.NOT_A_STRING: "is not text",
    Trait.LONE_SURROGATE: "is not valid Unicode text",
    Trait.NUL: "contains a NUL character, which no environment variable can hold",
}
_ODD = {
    Trait.SPACE_AT_END: "the value begins or ends with white space",
    # Such quotes often come from a line of dotenv or YAML.
    Trait.QUOTED: "the value has quotes around it, which are stored with it",
}
_KEY = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """The secret and store of one `put`, and the `keys` that get a value."""

    environment: Environment
    secret: Secret
    store: Store
    keys: tuple[str, ...]

    @property
    def unused_keys(self) -> tuple[str, ...]:
        """The keys that no variant in use has."""
        used = {item.key.name for item in self.secret.keys}
        return tuple(key for key in self.keys if key not in used)


def target_of(environment: Environment, secret_id: str, keys: Sequence[str] | None, store_id: str | None) -> Target:
    """The target on the command line. Without `keys`: all in use; None: only the listed ones in use. Raises Refusal."""
    secret = secret_named(environment, secret_id)
    listed, store = secret.entry.keys, secret.store if store_id is None else store_named(environment, store_id)
    if store is None:
        named = " or ".join(f"--store {store_id}" for store_id in environment.stores)
        way_out = f"add {named}" if named else "describe a store in it first"
        raise Refusal("usage", f'the secret "{secret.id}" has no store in "{environment.name}"', way_out)
    used = (item.key.name for item in secret.keys if keys is not None or item.key.name in listed)
    chosen = tuple(dict.fromkeys(keys or ())) or tuple(used)
    for key in (each for each in chosen if each not in listed):
        # A text that does not look like a key may be the value, typed after its key.
        what = f'key "{key}"' if _KEY.fullmatch(key) else "key with one of the given names"
        if secret.entry.extract and closest(key, listed) is None:
            way_out = "`put` sets only listed keys: add the key to its `keys` in the catalogue"
            raise Refusal("usage", f"{quote(secret.id)} lists no {what if listed else 'keys'}", way_out)
        raise Refusal("usage", f'the secret "{secret.id}" has no {what}', suggest(key, listed, "keys"))
    return Target(environment, secret, store, chosen)


def put(given: Sequence[tuple[Target, Mapping[str, SecretValue]]], options: Options) -> Change:
    """The change that sets the values of each target, by keys of the catalogue, in one run.

    All targets are of one environment, and nothing else in the remote secrets changes. Raises AddressError, and Refusal
    for a value that must not be written, or two for one place.
    """
    steps = tuple(step for target, values in given for step in _steps(target, values))
    _require_one_value(steps)
    first, used = given[0][0], {target.store.id: target.store for target, _ in given}
    for store in used.values():
        options.stores.address(store)
    # A given value replaces the current one: that is the intention.
    chosen = replace(options, on_conflict=OnConflict.OVERWRITE)
    told = tuple(explain_unserved([target for target, _ in given]))
    draft = Plan(COMMAND, first.environment.name, options=chosen, steps=steps, unserved=told)
    inventory = Inventory(first.environment)
    limits = {store.id: inventory.limits(store) for store in used.values()}
    return Change(COMMAND, partial(plan_entered_values, draft, used, limits), options)


def _require_one_value(steps: Sequence[Step]) -> None:
    """Raises Refusal if keys that share one place are given different values."""
    comparer, first = Comparer(), dict[Location, Step]()
    for step in steps:
        other = first.setdefault(step.place, step)
        if step.value is not None and other.value is not None and not comparer.same(step.value, other.value):
            both = f"{other.secret}/{other.key} and {step.secret}/{step.key}"
            message = f"{both} share one value, but the input gives two"
            raise Refusal("found", message, "give one of them; nothing was written")


def _steps(target: Target, values: Mapping[str, SecretValue]) -> Iterator[Step]:
    cells = Inventory(target.environment).of(target.secret, target.store)
    for key, value in values.items():
        place = location_of(target.store, require_fit(target, key, value, cells[key].place))
        yield Step(target.secret.id, key, Kind.UPDATE, None, place, value=value)


def require_fit(target: Target, key: str, value: SecretValue, place: Place | None) -> Place:
    """The place of `key`. Raises Refusal if it has none in the store, and for a value that must not be written."""
    if unfit := next((trait for trait in _REFUSED if trait in traits(value)), None):
        way_out = "enter the real value"
        if unfit is Trait.MANIFEST:
            way_out = f"enter the value in it, or give the Secret as JSON, whose values are read ({_PRINT})"
        raise Refusal("found", f'the value of "{key}" {_REFUSED[unfit]}', f"{way_out}; nothing was written")
    if place is None:
        entry, store = target.secret.entry, target.store
        message = f'"{key}" has no place in "{store.id}": the catalogue names none for {store.provider.id}'
        way_out = way_to_place(entry.keys[key].holder(entry).id, store.provider)
        raise Refusal("found", message, f"{way_out}; nothing was written")
    return place


def odd_forms(values: Mapping[str, SecretValue]) -> Iterator[tuple[str, str]]:
    """The keys whose value has an unusual form, which is stored as it is, and that form in words."""
    for trait, what in _ODD.items():
        yield from ((key, what) for key, value in values.items() if trait in traits(value))
