"""Explains each error of a schema: the part of the document that is wrong, what belongs there, and the way out.

What stands where something else belongs may be a secret that somebody put in a wrong place. So only words that the
project knows already are shown, names of environment variables where keys belong, and words of truth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from compiler.model.document import Diagnostic, Severity, file_error
from compiler.model.facts import days_in_words, short_duration
from compiler.stores.registry import PROVIDERS, provider_called
from compiler.text.characters import foreign_character
from compiler.text.credential import looks_like_credential
from compiler.text.wording import closest, command_line, list_names, pluralize, quote, suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterator, Sequence

    from jsonschema import ValidationError

    from compiler.model.document import Node, Span


# The stores' names in `new project`.
_STORES = frozenset(each.store_id for each in PROVIDERS.values())
# Words of the schema and of every example; no secret is one of them.
_WORDS = frozenset({"base", "name", "provider", "key", "description", "value", *PROVIDERS, *_STORES})


# The keys of an environment that are no map of names.
SETTINGS = frozenset(
    {
        *("extends", "namespace", "store", "refreshInterval", "fetch", "externalSecretsOperator", "cluster"),
        *("secrets", "stores", "moves", "madeElsewhere", "partOf", "argocdProject", "subchart", "waive"),
        *("labels", "annotations", "secretLabels", "secretAnnotations"),
    }
)
# Those that one secret may have too.
_OF_A_SECRET = frozenset({"store", "namespace", "refreshInterval", "fetch"})


def of_setting(key: str) -> str:
    """The way out for one of `SETTINGS` that stands among the secrets."""
    if key == "secrets":
        return "`secrets:` stands twice: remove the second, and indent what is below it as the first one's"
    if key in _OF_A_SECRET:
        return f"`{key}:` is a setting: write it beside `secrets:`, or indent it below one secret"
    return f"`{key}:` is a setting of the environment: it stands a level higher, beside `secrets:`"


_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", re.ASCII)
# What is written as a number of days.
_DAYS = frozenset({"rotate", "maxAge", "maxValidity", "minValidity"})
_INTEGER = re.compile(r"-?[0-9]{1,6}", re.ASCII)
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_TRUTHS = dict.fromkeys(("yes", "y", "on", "true", "enabled", "enable"), "true")
_BOOLEANS = _TRUTHS | dict.fromkeys(("no", "n", "off", "false", "disabled", "disable"), "false")
# Keys under which people write a value where the catalogue describes its key.
_VALUE_KEYS = frozenset({"value", "default", "secret", "data", "stringData"})
_GLUED = re.compile(r"([A-Za-z]{1,30}):(\S.*)", re.ASCII | re.DOTALL)
_COLON_WITHOUT_SPACE = re.compile(r"([A-Za-z]{1,30}):[^\s:]")
# Keys that an entry of the catalogue has and the catalogue itself has not.
_OF_ENTRIES = frozenset({"target", "remote", "keys"})
# More names than this make an example that nobody reads.
_MOST_NAMES = 3
# A number below it is no number of seconds that anybody waits between two reads.
_FEW_SECONDS = 60
# Longer numbers are no settings.
_LONGEST_NUMBER = 20


class InputPlace(NamedTuple):
    """Where a value stands: the schema's name, the path in the document, and the project around it."""

    schema: str
    path: tuple[str | int, ...] = ()
    environments: Sequence[str] = ()  # those of the project
    environment: str | None = None  # the document's own, None for one that several share
    words: frozenset[str] = frozenset()  # names that may be shown wherever they stand
    secrets: Collection[str] = ()  # the ids of the catalogue, as far as it is read
    stores: Collection[str] = ()

    @property
    def key(self) -> str:
        """The key that the value stands under; empty for the whole document, an item of a list and a strange key."""
        key = self.path[-1] if self.path else ""
        return key if isinstance(key, str) and _is_key(key) else ""

    def knows(self, word: object) -> bool:
        """Whether `word` may be shown here."""
        if not isinstance(word, str):
            return False
        return word in _WORDS or word in self.words or (self.path[-1:] == ("keys",) and _is_variable(word))

    def has_store(self, word: object) -> bool:
        """Whether the word is the id of a store, as far as the stores are read."""
        return isinstance(word, str) and (word in _STORES or word in self.stores)

    def put(self, *names: str) -> str:
        """The command that sets a value in the store of an environment of the project."""
        return command_line("put", self.environment or self.other, *names)

    @property
    def other(self) -> str:
        """An environment of the project that is not the document's own; a word for one where there is none."""
        known = [name for name in self.environments if name != self.environment]
        return "dev" if "dev" in known else next(iter(known), "ENV")


class Advice(NamedTuple):
    """The way out, None where the message says it all, and what must not be shown."""

    help: str | None
    conceals: tuple[Span, ...] = ()


def of_type(place: InputPlace, node: Node, wanted: Sequence[str], schema: Mapping[str, Any]) -> Advice:
    """The advice in place of `node`, whose type is not among the `wanted` ones of its part of the schema."""
    if node.value is None:
        return Advice(_of_nothing(place, node, wanted))
    if "object" in wanted:
        return _of_map(place, node, schema)
    if "array" in wanted:
        return _of_list(place, node)
    if "boolean" in wanted and isinstance(node.value, str):
        word = _BOOLEANS.get(node.value.lower())
        if word is not None:
            return Advice(f"write `{place.key}: {word}`, without quotes")
    if "integer" in wanted and isinstance(node.value, str) and _INTEGER.fullmatch(node.value):
        return Advice(f"write `{place.key}: {int(node.value)}`, without quotes")
    if "string" in wanted and len(node.items) == 1 and place.knows(node.items[0].value):
        return Advice(f"write `{place.key}: {node.items[0].value}`")
    return Advice(None, _whole(node))


def of_number(place: InputPlace, node: Node) -> tuple[str, str, str]:
    """The rule, message and way out for an unquoted number or boolean where a text belongs."""
    written = node.source.text[node.start : node.end]
    way_out = "put it in double quotes"
    if len(written) <= _LONGEST_NUMBER:
        read = isinstance(node.value, float) and written != str(node.value)
        way_out = f'write "{written}" in double quotes' + (f"; unquoted, it is read as {node.value}" if read else "")
    if place.key == "refreshInterval" and type(node.value) is int and node.value > 0:
        return "invalid-duration", "a duration needs a unit", duration_help(node.value)
    if place.key in _DAYS and type(node.value) is int and node.value > 0:
        return "invalid-value", "a number of days needs its unit", f"write `{place.key}: {node.value}d`"
    return "ambiguous-scalar", "expected a string; unquoted, YAML reads another type", way_out


def _stem(path: str) -> str:
    """The name of a layer, where people have written its path."""
    return path.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml")


def duration_help(number: int) -> str:
    """The durations that a number without a unit may have meant."""
    if number < _FEW_SECONDS:
        return f"write {number}h, {number}m or {number}s"
    return f"write {short_duration(number)}, if seconds are meant"


def of_form(place: InputPlace, node: Node) -> Advice:
    """The advice in place of a text of another form: where a key is named, in place of a possible secret."""
    match place.schema, place.path:
        case "catalogue", ("secrets", _, "keys", _, "from"):
            return Advice("write the id of an entry, a slash and one of its keys", _whole(node))
        case "environment", ("extends", int()):
            name = _stem(str(node.value))
            named = f', "{name}"' if place.knows(name) else ""
            return Advice(f"write the layer's name{named}, without folder and ending")
        case _, (*_, str() as key) if key in _DAYS and (days := days_in_words(str(node.value))) is not None:
            return Advice(f"write `{key}: {days}d`")
        case _:
            return Advice(None)


def of_unknown_key(place: InputPlace, key: str, node: Node, known: Container[str] = ()) -> str | None:
    """The way out for a secret, a key of one, or its value, that stands beside the map that it belongs in."""
    if (glued := _GLUED.fullmatch(key)) is not None and glued[1] in known:
        value = glued[2] if place.knows(glued[2]) else "…"
        return f"write a space after the colon: `{glued[1]}: {value}`"
    match place.path:
        case ("secrets", "secrets") if key in place.secrets:
            return of_setting("secrets")
        case () if key in place.secrets or (place.schema == "catalogue" and not _OF_ENTRIES.isdisjoint(node.children)):
            return "did you mean to indent it under `secrets:`?"
        case ("secrets", str() as secret, "keys", str() as own) if (
            key in _VALUE_KEYS and _is_id(secret) and _is_key(own)
        ):
            return f"values go into the store: `{place.put(secret, own)}`; write `{own}: {{}}` here"
        case ("secrets", str() as secret) if _is_id(secret) and _is_variable(key):
            if place.schema == "catalogue":
                return f"keys stand under `keys:`: write `keys: {{{key}: {{}}}}`"
            command = place.put(secret, key)
            return f"keys are listed in the catalogue, and values go into the store: `{command}`"
        case _:
            return None


def as_id(name: str) -> str | None:
    """`name` in the form of an id, lower case with hyphens, or None where that is no id or is `name` itself."""
    form = re.sub(r"[\s_.]+", "-", name).strip("-").lower()
    return form if form != name and _ID.fullmatch(form) and not looks_like_credential(name) else None


def _of_nothing(place: InputPlace, node: Node, wanted: Sequence[str]) -> str | None:
    if not node.is_empty:
        return None
    if "object" in wanted:
        return f"write `{place.key}: {{}}` for an empty map" if place.key else "write `{}` for an empty map"
    return "write `[]` for an empty list" if "array" in wanted else None


def _of_map(place: InputPlace, node: Node, schema: Mapping[str, Any]) -> Advice:
    glued = _without_space(node.value, schema)
    if glued is not None:
        return Advice(f"write a space after the colon: `{glued}: …`", _whole(node))
    if not place.path:
        return Advice("write a map, such as `secrets: {github: {}}`", _whole(node))
    if not isinstance(node.value, tuple):
        return Advice(_instead_of_value(place, node, schema), _whole(node))
    names = [name for item in node.items for name in _names_of(place, item)]
    hidden = tuple(_unknown_parts(place, node))
    if not isinstance(schema.get("additionalProperties"), dict):
        return Advice(_of_properties(place, names, schema), hidden)
    content = "{}" if place.key in ("secrets", "keys") else "{…}" if place.key == "stores" else "…"
    shown = [f"{name}: {content}" for name in names[:_MOST_NAMES]] or [f"name: {content}"]
    more = ["…"] if len(node.items) > len(shown) else []
    return Advice(f"write a map, with the names as keys: `{place.key}: {{{', '.join(shown + more)}}}`", hidden)


def _without_space(value: object, schema: Mapping[str, Any]) -> str | None:
    """The key that a text begins with, where the colon after it has no space, which would make a map of both."""
    written = _COLON_WITHOUT_SPACE.match(value) if isinstance(value, str) else None
    return written[1] if written is not None and written[1] in schema.get("properties", ()) else None


def _instead_of_value(place: InputPlace, node: Node, schema: Mapping[str, Any]) -> str | None:
    match place.schema, place.path:
        case "catalogue", ("secrets", str() as secret, "keys", str() as key) if _is_id(secret) and _is_key(key):
            return f"values go into the store: `{place.put(secret, key)}`; write `{key}: {{}}` here"
        case "environment", ("secrets", str() as secret) if secret in SETTINGS and secret not in place.secrets:
            return of_setting(secret)
        case "environment", ("secrets", str() as secret) if _is_id(secret) and str(node.value).lower() in _BOOLEANS:
            is_true = str(node.value).lower() in _TRUTHS
            return f"write `{secret}: {{{'' if is_true else 'enabled: false'}}}`"
        case "environment", ("secrets", str() as secret) if _is_id(secret) and place.has_store(node.value):
            return f"write `{secret}: {{store: {node.value}}}`"
        case "environment", ("secrets", str() as secret) if _is_id(secret):
            return f"values go into the store: `{place.put(secret)}`; write `{secret}: {{}}` here"
        case _:
            return _of_properties(place, [], schema)


def _of_properties(place: InputPlace, names: Sequence[str], schema: Mapping[str, Any]) -> str | None:
    known = list(schema.get("properties", ()))
    if known == ["namespaces"]:
        return f"write `{place.key}: {{namespaces: [{', '.join(names) or '…'}]}}`"
    if known:
        return f"write a map of {', '.join(f'`{each}:`' for each in known)}"
    return f"write a map, such as `{place.key}: {{name: …}}`" if place.key else None


def _of_list(place: InputPlace, node: Node) -> Advice:
    if isinstance(node.value, dict):
        names = [key for key in node.value if place.knows(key)]
        is_known = len(names) == len(node.value)
        hidden = tuple(span for child in node.value.values() for span in _whole(child))
        return Advice(_as_list(place, names[:_MOST_NAMES]), hidden if is_known else _whole(node))
    if place.key == "extends" and isinstance(node.value, str):
        meant = closest(_stem(node.value), sorted(_WORDS | place.words))
        if meant is not None:
            return Advice(f"did you mean `extends: [{meant}]`?" if meant != node.value else _as_list(place, [meant]))
    if place.knows(node.value):
        return Advice(_as_list(place, [str(node.value)]))
    return Advice(_as_list(place, []), _whole(node))


def _as_list(place: InputPlace, names: Sequence[str]) -> str:
    return f"write a list: `{place.key or 'key'}: [{', '.join(names) or 'name'}]`"


def _names_of(place: InputPlace, item: Node) -> Iterator[str]:
    """The name that an item of a list has, if it may be shown: a text, a map's only key, or what is its `name`."""
    for name in (item.value, item.children["name"].value if "name" in item.children else None, *item.children):
        if place.knows(name) and (name != "name" or len(item.children) == 1):
            yield str(name)
            return


def _unknown_parts(place: InputPlace, node: Node) -> Iterator[Span]:
    """The parts of a list that are not shown: values that are not known words, and maps with another key."""
    if isinstance(node.value, tuple) or (node.children and all(map(place.knows, node.children))):
        for child in (*node.items, *node.children.values()):
            yield from _unknown_parts(place, child)
    elif not place.knows(node.value):
        yield from _whole(node)


def _is_id(name: str) -> bool:
    return bool(_ID.fullmatch(name)) and not looks_like_credential(name)


def _is_variable(name: str) -> bool:
    return bool(_VARIABLE.fullmatch(name)) and not looks_like_credential(name)


def _is_key(name: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,62}", name, re.ASCII)) and not looks_like_credential(name)


def _whole(node: Node) -> tuple[Span, ...]:
    return () if node.value is None or isinstance(node.value, bool) else (node.span,)


_NAMES = {dict: "a map", tuple: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}
_TYPES = {
    "object": "a map",
    "array": "a list",
    "string": "a string",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
}
# The message for each limit of the schema; the limit fills the braces.
_BOUNDS = {
    "minLength": "this must not be empty",
    "maxLength": "this is longer than {} characters",
    "minItems": "expected at least {} item",
    "uniqueItems": "the list has duplicates",
    "minimum": "this is less than {}",
    "maximum": "this is more than {}",
}

_Path = tuple[str | int, ...]


def broken_path(error: ValidationError) -> _Path:
    """The path of the part that one error spoils; a key that may not stand there is a part by itself."""
    path: _Path = tuple(error.absolute_path)
    is_key = error.validator == "additionalProperties" or "propertyNames" in error.absolute_schema_path
    return (*path, str(error.instance)) if is_key else path


def explain_error(root: Node, path: _Path, error: ValidationError, place: InputPlace) -> Diagnostic:
    """What is wrong with the part at `path`, the `broken_path` of the error."""
    node, schema, place = node_at(root, path), _subschema(error), place._replace(path=path)
    key = str(path[-1]) if path else ""
    expected: Any = error.validator_value
    match error.validator:
        case "additionalProperties":
            return _unknown_key(node, key, schema.get("properties", {}), place._replace(path=path[:-1]))
        case _ if "propertyNames" in error.absolute_schema_path:
            meant = as_id(key)
            way_out = foreign_character(key) or (f'write "{meant}"' if meant is not None else None)
            return _invalid(_form(schema) or "this is not a valid id", node.key_span, way_out)
        case "not" if expected == {}:
            # A schema that refuses everything is under `dependencies`: another key of the same map forbids this one.
            message = f'{quote(key)} cannot be combined with "from"'
            way_out = "remove it: the setting of the `from` key applies to both"
            span = node.key_span
            return Diagnostic("contradictory-source", Severity.ERROR, message, span, way_out, conceals=(node.span,))
        case "type":
            return _wrong_type(node, expected, place, schema)
        case "enum":
            return _not_listed(node, [str(word) for word in expected if word is not None])
        case _:
            bound = _BOUNDS.get(str(error.validator), "").format(expected)
            help_text, conceals = of_form(place, node)
            if help_text is None and error.validator == "pattern" and isinstance(node.value, str):
                help_text = foreign_character(node.value)
            return _invalid(bound or _form(schema) or "this has the wrong form", node.span, help_text, conceals)


def node_at(root: Node, path: _Path) -> Node:
    """The node at `path` below `root`."""
    node = root
    for part in path:
        node = node.children[part] if isinstance(part, str) else node.items[part]
    return node


def _unknown_key(node: Node, key: str, known: Collection[str], place: InputPlace) -> Diagnostic:
    word, _, glued = key.partition(":")
    # The text behind a colon without a space may be a value.
    is_glued = bool(glued) and word in known and not place.knows(glued)
    return Diagnostic(
        "unknown-key",
        Severity.ERROR,
        f"unknown key {quote(f'{word}:…' if is_glued else key)}",
        node.key_span,
        help=of_unknown_key(place, key, node, known) or suggest(key, known, "keys here"),
        conceals=(node.span, *((node.key_span,) if is_glued else ())),
    )


def _wrong_type(node: Node, expected: str | list[str], place: InputPlace, schema: Mapping[str, Any]) -> Diagnostic:
    wanted = [expected] if isinstance(expected, str) else [name for name in expected if name != "null"]
    if "string" in wanted and isinstance(node.value, int | float) and node.plain:
        rule, message, help_text = of_number(place, node)
        return Diagnostic(rule, Severity.ERROR, message, node.span, help=help_text)
    found = "null" if node.value is None else _NAMES[type(node.value)]
    message = f"expected {' or '.join(_TYPES[name] for name in wanted)}, found {found}"
    advice = of_type(place, node, wanted, schema)
    return Diagnostic("wrong-type", Severity.ERROR, message, node.span, help=advice.help, conceals=advice.conceals)


def _not_listed(node: Node, allowed: list[str]) -> Diagnostic:
    word = str(node.value)
    provider = provider_called(re.sub(r"[^a-z]", "", word.lower()))
    other = provider.id if provider is not None else ""
    meant = f'did you mean "{other}"?' if other in allowed else suggest(word, allowed, "values here")
    message = "expected " + " or ".join(f'"{choice}"' for choice in allowed)
    return _invalid(message, node.span, meant, () if other in allowed or closest(word, allowed) else (node.span,))


def _subschema(error: ValidationError) -> Mapping[str, Any]:
    return error.schema if isinstance(error.schema, Mapping) else {}


def _form(schema: Mapping[str, Any]) -> str | None:
    description = schema.get("description")
    if isinstance(description, str):
        return "expected " + description[0].lower() + description[1:].rstrip(".")
    return None


def _invalid(message: str, at: Span, help_text: str | None, conceals: tuple[Span, ...] = ()) -> Diagnostic:
    return Diagnostic("invalid-value", Severity.ERROR, message, at, help=help_text, conceals=conceals)


def misplaced_lines(
    root: Node, schema: object, broken: Collection[_Path], place: InputPlace
) -> Iterator[tuple[Diagnostic, set[_Path]]]:
    """A finding for each key whose lines stand beside it and not below it, with the `broken` parts it explains."""
    known = SETTINGS if place.schema == "environment" else frozenset[str]()
    wrong = {path[:length] for path in broken for length in range(1, len(path) + 1)}
    for path in sorted({path[:-1] for path in wrong if len(path) > 1}, key=str):
        members, around = node_at(root, path).children, _schema_at(schema, path)
        above, keys = "", list[str]()
        for key in (*members, ""):
            if above and (*path, key) in wrong and key not in known and _takes(members, above, key, around):
                keys.append(key)
                continue
            if keys:
                emptied = [above] if members[above].is_empty else []
                yield _to_indent(members, above, keys), {(*path, each) for each in (*emptied, *keys)}
            above, keys = key, []


def _schema_at(schema: Any, path: _Path) -> Any:  # noqa: ANN401 - any part of a schema
    for part in path:
        schema = schema.get("properties", {}).get(part, schema.get("additionalProperties"))
        schema = schema if isinstance(schema, Mapping) else {}
    return schema


def _takes(members: Mapping[str, Node], above: str, key: str, around: Mapping[str, Any]) -> bool:
    """Whether the lines of `key` may belong below those of `above`, which is a block of lines, or empty."""
    node, schema = members[above], _schema_at(around, (above,))
    if not node.is_empty and (not node.children or node.span.line == node.key_span.line):
        return False
    if key in schema.get("properties", ()):
        return _OF_ENTRIES.isdisjoint(members[key].children)
    takes_any = isinstance(schema.get("additionalProperties"), Mapping)
    return takes_any and node.is_empty and closest(key, around.get("properties", ())) is None


def _to_indent(members: Mapping[str, Node], above: str, keys: Sequence[str]) -> Diagnostic:
    node, nodes = members[above], [members[key] for key in keys]
    first, last = nodes[0].key_span, max(each.end for each in nodes[-1].walk() if not (each.children or each.items))
    column = next((child.key_span.column for child in node.children.values()), node.key_span.column + 2)
    end = node.source.place(last)[0]
    lines = f"line {end}" if end == first.line else f"lines {first.line} to {end}"
    message = f"{list_names(keys)} {'stands' if len(keys) == 1 else 'stand'} beside {quote(above)}, and not below it"
    way_out = f"indent {lines} by {pluralize(column - first.column, 'space')}"
    conceals = tuple(each.span for each in nodes)
    return Diagnostic("unknown-key", Severity.ERROR, message, first, way_out, conceals=conceals)


# A key or a kind that begins a line: a file of another kind may be no YAML that is read here.
_TOP_KEY, _KIND = re.compile(r"^([A-Za-z][\w.-]*):", re.MULTILINE), re.compile(r"^kind:[ \t]*(\w+)", re.MULTILINE)
# What `import` reads, by the kinds of the objects; of a List it reads what is in it.
_FORMS = dict.fromkeys(("ExternalSecret", "SecretStore", "ClusterSecretStore", "List"), "external-secrets")
_FORMS |= {"SecretProviderClass": "secret-provider-class"}


def foreign_file(path: str, text: str, place: InputPlace, *, is_read: bool) -> Diagnostic | None:
    """What to say of a file that is a manifest or a chart's values, in place of all else; None for others."""
    names = _TOP_KEY.findall(text)
    way_out = f"`{command_line('import', '--help')}` says which files of other tools are read"
    if "apiVersion" in names:
        what = "a Kubernetes manifest"
        if form := next((_FORMS[kind] for kind in _KIND.findall(text) if kind in _FORMS), None):
            words = ("import", form, "--environment", place.other, path.rpartition("/")[2])
            way_out = f"then `{command_line(*words)}` reads it"
    elif (is_read and place.schema == "environment") and (
        "externalSecrets" in names
        or (len(names) > 1 and not any(name in place.secrets or closest(name, SETTINGS) for name in names[:9]))
    ):
        what = "a values file"
    else:
        return None
    message = f"this is {what}, not an input file of this program"
    return file_error("unknown-key", path, message, f"move it out of environments/; {way_out}")
