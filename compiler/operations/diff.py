"""Compares environments and files by meaning, and a values file with the compiled one; masks all unknown values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import unified_diff
from functools import lru_cache
from typing import Any

from compiler.model.document import Diagnostic, Severity, Source, Span
from compiler.model.environment import Environment, Store
from compiler.model.facts import ANNOTATION, LABEL, MAX_MANIFEST_BYTES, PART_OF, PART_OF_VALUE, STORES
from compiler.model.store import StoreAddress
from compiler.model.values import (
    Outlines,
    SecretChange,
    SecretOutline,
    child,
    compare,
    find_values,
    nesting_change,
    outlines_of_manifests,
    outlines_of_values,
    subchart_of,
    values_of,
)
from compiler.pipeline import ValuesFile
from compiler.refusal import Refusal
from compiler.stages.emit import read_manifests, values_tree
from compiler.text.credential import CONCEALED
from compiler.text.wording import command_line, first_difference

Bounds = tuple[int, int]
_SCALARS = (str, bool, int, float)
# Between values: what a YAML file has there beside white space and punctuation is a comment.
_NO_PUNCTUATION = re.compile(r"#[^\n]*|[^\s\-:,?|>'\"{}\[\]#]+")


def _address(store: Store) -> str:
    url = StoreAddress(store.provider, store.address, mount="").absolute if store.address else "no address"
    # With names of fields, as a mount and a namespace may have the same text.
    named = (("mount", store.mount), ("namespace", store.vault_namespace), ("prefix", store.prefix))
    return ", ".join((url, *(f"{what} {text}" for what, text in named if text)))


_STORE_KINDS = dict(zip(STORES, ("ClusterSecretStore", "SecretStore"), strict=True))
_MEMBERS = {kind: member for member, kind in _STORE_KINDS.items()}
_OWN_FIELDS = ("key", "property", "version")


@dataclass(frozen=True, slots=True)
class Side:
    """One of two sides to compare."""

    secrets: Outlines
    stores: Mapping[str, Mapping[str, str]]  # the fields of each, by kind and name
    defaults: Mapping[str, str]  # the fields that every reference has
    subchart: str | None = None  # under which the values are nested, "" for none; None for manifests
    addresses: Mapping[str, str] | None = None  # of an environment's stores; None for a file


@dataclass(frozen=True, slots=True)
class EnvironmentDiff:
    """The differences between two sides."""

    changes: tuple[SecretChange, ...]
    addresses: tuple[tuple[str, str, str], ...] = ()  # store, before, after
    uncompared: tuple[str, ...] = ()  # stores whose addresses the file does not have

    @property
    def is_different(self) -> bool:
        return bool(self.changes or self.addresses)


def side_of_environment(environment: Environment) -> Side:
    side = _side_of_values(environment.subchart, values_of(environment))
    addresses = {f"{store.kind}/{store.name}": _address(store) for store in environment.stores_in_use()}
    return replace(side, addresses=addresses)


def side_of_content(content: bytes, shown: str, subchart: str | None = None) -> Side:
    """A values file, or manifests, from the file `shown`. Raises Refusal.

    For a parent chart's values it takes those under `subchart`. Values under keys that the chart does not know are
    masked.
    """
    if len(content) > MAX_MANIFEST_BYTES:
        raise Refusal("cannot run", f"{shown} has more than {MAX_MANIFEST_BYTES} bytes")
    if not content.strip():
        # Not "everything is new": most often the command before the pipe failed.
        raise Refusal("cannot run", f"{shown} is empty", "check the command that writes it")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise Refusal("cannot run", f"{shown} is not UTF-8") from None
    documents, excess = read_manifests(text)
    if excess is not None:
        what, offset = excess
        line, column = Source("", text).place(offset)
        raise _unreadable(shown, f"it has {what}, at line {line}, column {column}")
    if documents is None:
        raise _unreadable(shown, "it is not YAML")
    chart = ChartValues()
    found = find_values(documents[0], subchart) if len(documents) == 1 else None
    if found is not None:
        name, values = found
        return _side_of_values(name, chart.mask(values))
    objects = [each for document in documents for each in _objects(document)]
    if any(not isinstance(each, dict) or "kind" not in each for each in objects) or not objects:
        raise _unreadable(shown, "it contains neither values of this chart nor Kubernetes manifests")
    try:
        return _side_of_manifests(objects, chart)
    except (AttributeError, TypeError):
        raise _unreadable(shown, "a manifest in it does not have the form of an ExternalSecret") from None


def compare_sides(before: Side, after: Side) -> EnvironmentDiff:
    """What `after` adds, changes and removes, and the stores with another address."""
    changes = differences(before, after)
    if before.addresses is None or after.addresses is None:
        asked, told = (after, before) if before.addresses is None else (before, after)
        missing = [store for store in asked.addresses or () if store not in map(_reference, told.stores)]
        return EnvironmentDiff(changes, (), tuple(missing))
    # A store that the chart renders on both sides is already compared field by field.
    made = set(map(_reference, before.stores.keys() & after.stores.keys()))
    both = [store for store in before.addresses if store in after.addresses and store not in made]
    addresses = [(store, before.addresses[store], after.addresses[store]) for store in both]
    return EnvironmentDiff(changes, tuple(each for each in addresses if each[1] != each[2]))


def differences(before: Side, after: Side) -> tuple[SecretChange, ...]:
    """What `after` adds, changes and removes, without addresses; empty if both mean the same."""
    changes: list[SecretChange] = []
    if before.subchart is not None and after.subchart is not None:
        changes += nesting_change(before.subchart, after.subchart)
    changes += compare(_outlines(before.stores), _outlines(after.stores))
    changes += compare(before.secrets, after.secrets)
    if before.defaults and after.defaults:
        changes += compare(*(_outlines({"every reference": each.defaults}) for each in (before, after)))
    return tuple(changes)


def _side_of_values(subchart: str | None, data: dict[str, Any]) -> Side:
    part_of = data.get(PART_OF_VALUE, PART_OF)
    stores = {
        f"{kind} {store.get('name', '')}": _flat(
            {key: value for key, value in store.items() if key != "name"} | {PART_OF_VALUE: part_of}
        )
        for member, kind in _STORE_KINDS.items()
        for store in _maps(data.get(member))
    }
    return Side(outlines_of_values(data), stores, _flat(data.get("remoteRefDefaults") or {}), subchart or "")


def _side_of_manifests(objects: Sequence[dict[str, Any]], chart: ChartValues) -> Side:
    stores: dict[str, Mapping[str, str]] = {}
    defaults: Mapping[str, str] = {}
    for each in objects:
        metadata, spec = child(each, "metadata"), child(each, "spec")
        if each["kind"] in _STORE_KINDS.values():
            fields: dict[str, Any] = {"syncWave": child(metadata, "annotations").get(ANNOTATION, "")}
            fields |= {name: metadata[name] for name in ("namespace",) if name in metadata}
            known = chart.mask({"name": metadata.get("name", ""), **fields, **spec}, _MEMBERS[each["kind"]], "")
            name = known.pop("name")
            known[PART_OF_VALUE] = chart.mask(child(metadata, "labels").get(LABEL, ""), PART_OF_VALUE)
            stores[f"{each['kind']} {name}"] = _flat(known)
        elif each["kind"] == "ExternalSecret":
            defaults = defaults or _flat(chart.mask(next(_reference_defaults(spec), {}), "remoteRefDefaults"))
    return Side(outlines_of_manifests(objects), stores, defaults, None)


def _reference(title: str) -> str:
    return title.replace(" ", "/", 1)


def _unreadable(shown: str, why: str) -> Refusal:
    return Refusal("cannot run", f"{shown} cannot be compared: {why}")


def _reference_defaults(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for member, part in (("data", "remoteRef"), ("dataFrom", "extract")):
        for item in _maps(spec.get(member)):
            yield {key: value for key, value in child(item, part).items() if key not in _OWN_FIELDS}


def _outlines(fields: Mapping[str, Mapping[str, str]]) -> Outlines:
    """What has a title and fields, as `compare` takes Secrets."""
    return {(title,): SecretOutline(each, {}) for title, each in fields.items()}


def _objects(document: Any) -> list[Any]:  # noqa: ANN401 - foreign data of any shape
    is_list = isinstance(document, dict) and document.get("kind") == "List"
    items = document.get("items") if is_list else None
    return items if isinstance(items, list) else [document]


def _flat(data: object, path: str = "") -> dict[str, str]:
    if isinstance(data, dict):
        return {
            name: text
            for key, value in data.items()
            for name, text in _flat(value, f"{path}.{key}" if path else str(key)).items()
        }
    if isinstance(data, list):
        return {name: text for i, item in enumerate(data) for name, text in _flat(item, f"{path}[{i}]").items()}
    return {path: str(data)}


def _maps(data: object) -> list[dict[str, Any]]:
    members = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return [each for each in members if isinstance(each, dict)]


class ChartValues:
    """Masks values that the chart's schema does not know."""

    def __init__(self) -> None:
        from compiler.edit.chart import values_schema  # noqa: PLC0415 - most commands compare environments alone

        self._schema = values_schema()

    def mask(self, data: Any, *names: str) -> Any:  # noqa: ANN401 - foreign data of any shape
        """The values below `names`, with `…` for all that the schema does not know; a name may be any id of a map."""
        schema: dict[str, Any] | None = self._schema
        for name in names:
            schema = self._of(schema, name)
        return self._mask(data, schema)

    def _mask(self, data: Any, schema: dict[str, Any] | None) -> Any:  # noqa: ANN401 - foreign data of any shape
        kind = self._kind(schema)
        if kind == "scalar" and (data is None or isinstance(data, _SCALARS)):
            return data
        if kind == "object" and isinstance(data, dict):
            return {key: self._mask(value, self._of(schema, str(key))) for key, value in data.items()}
        if kind == "array" and isinstance(data, list):
            return [self._mask(item, self._of(schema, "")) for item in data]
        return CONCEALED

    def mask_bounds(self, text: str, root: Any) -> list[Bounds]:  # noqa: ANN401 - a node of PyYAML, which types none
        """The bounds of all text that may not be shown, in order; `root` is its tree by `emit.values_tree`."""
        found: list[Bounds] = []
        # A comment in the first line is the compiler's own.
        at = text.find("\n") + 1 if text.startswith("#") else 0
        for start, end, is_shown in [*sorted(self._nodes(root)), (len(text), len(text), True)]:
            found += (gap.span() for gap in _NO_PUNCTUATION.finditer(text, at, max(at, start)))
            if not is_shown:
                # A block of text ends after its line break, which the next line needs.
                found.append((start, start + len(text[start:end].rstrip())))
            at = max(at, end)
        return found

    def _nodes(self, root: Any) -> Iterator[tuple[int, int, bool]]:  # noqa: ANN401
        waiting: list[tuple[Any, dict[str, Any] | None]] = [(root, self._schema)]
        if _is_nested(root):
            ((key, values),) = root.value
            yield key.start_mark.index, key.end_mark.index, True
            waiting = [(values, self._schema)]
        while waiting:
            node, schema = waiting.pop()
            kind = self._kind(schema)
            if kind == "array" and node.id == "sequence":
                waiting += ((item, self._of(schema, "")) for item in node.value)
            elif kind == "object" and node.id == "mapping":
                for key, value in node.value:
                    yield key.start_mark.index, key.end_mark.index, True
                    waiting.append((value, self._of(schema, key.value)))
            else:
                yield node.start_mark.index, node.end_mark.index, kind == "scalar" == node.id

    def _of(self, schema: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
        """The schema of a member or an item; None if the chart does not know it."""
        whole = self._follow_reference(schema or {})
        found = whole.get("items") or whole.get("properties", {}).get(name) or whole.get("additionalProperties")
        return found if isinstance(found, dict) else None

    def _kind(self, schema: dict[str, Any] | None) -> str | None:
        if schema is None:
            return None
        whole = self._follow_reference(schema)
        if "properties" in whole or "additionalProperties" in whole or whole.get("type") == "object":
            return "object"
        return "array" if whole.get("type") == "array" else "scalar"

    def _follow_reference(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self._schema["definitions"][schema["$ref"].rpartition("/")[2]]
        return schema


def _is_nested(root: Any) -> bool:  # noqa: ANN401 - a node of PyYAML
    if root.id != "mapping" or len(root.value) != 1:
        return False
    ((key, values),) = root.value
    below = [name.value for name, _ in values.value] if values.id == "mapping" else []
    return subchart_of({key.value: below}) is not None


# Lines of the one times lines of the other, which is what comparing them may take: about a second's worth.
_MOST_PAIRS = 25_000_000


def stale_values(file: ValuesFile) -> Diagnostic:
    """The diagnostic `stale-values`, at the first line that differs."""
    from compiler.text.yaml_mistake import conflict_marker  # noqa: PLC0415 - for a stale file alone

    shown, old = file.output.shown, file.old
    way_out = f"run `{command_line('compile', file.environment)}` and commit the result"
    if old is None:
        message = f"{shown} is missing"
        return Diagnostic("stale-values", Severity.ERROR, message, Span(Source(shown)), help=way_out)
    start = first_difference(old, file.output.text)
    message = f'{shown} is not what "{file.environment}" compiles to'
    if (conflict := conflict_marker(old)) is not None:
        message, start = f"{message}: {conflict.message}", conflict.start
    elif "\r\n" in old:
        message += ": it has CRLF line breaks"
        way_out += "; `*.yaml text eol=lf` in .gitattributes keeps Git from making them"
    source = Source(shown, old)
    line_start, line_end = source.line_bounds(source.place(start)[0])
    # Only of the line that is shown: a message is searched for every text that is concealed.
    conceals = tuple(
        Span(source, *bounds) for bounds in _find_hidden(old) if bounds[1] > line_start and bounds[0] < line_end
    )
    span = Span(source, start, start)
    return Diagnostic("stale-values", Severity.ERROR, message, span, help=way_out, conceals=conceals)


def differing_lines(file: ValuesFile) -> Iterator[str]:
    """A unified diff from the file to its expected text; lines that the compiler did not write are left out."""
    old = file.old or ""
    return unified_lines(_conceal_bounds(old, _find_hidden(old)), file.output.text, file.output.shown, "compiled")


def unified_lines(old: str, new: str, shown: str, what: str) -> Iterator[str]:
    """A unified diff of the file `shown` and a text called `what`, or one line if that would take too long."""
    if old.count("\n") * new.count("\n") > _MOST_PAIRS:
        return iter([f"{shown} has too many lines to compare them"])
    return unified_diff(old.splitlines(), new.splitlines(), shown, f"{shown} ({what})", lineterm="")


@lru_cache(8)
def _find_hidden(text: str) -> list[Bounds]:
    if not text:
        return []
    root = values_tree(text)
    # The compiler did not write a text that is not YAML: hide all of it.
    return ChartValues().mask_bounds(text, root) if root is not None else [(text.find("\n") + 1, len(text))]


def _conceal_bounds(text: str, hidden: list[Bounds]) -> str:
    shown: list[str] = []
    at = 0
    for start, end in hidden:
        shown += (text[at:start], CONCEALED)
        at = end
    return "".join((*shown, text[at:]))
