"""Says how a live spec differs from the compiled one, who wrote it, and what makes it the same."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from compiler.cluster.times import TURNS
from compiler.cluster.view import LiveObject, moment_of, release_of, writers
from compiler.model.values import Manifest, child
from compiler.text.wording import kubectl_line, pluralize, quote

_Path = tuple[str | int, ...]
_STORE_FIELD, _TEMPLATES = ("secretStoreRef",), (("template",), ("manifest",))
_HELM = "helm"


def describe_difference(compiled: LiveObject, found: LiveObject) -> str:
    """The first differing field of two specs, the number of other ones, and who last changed one of them."""
    differing = sorted(
        _differences(compiled.get("spec"), found.get("spec")), key=lambda each: each[0][:1] != _STORE_FIELD
    )
    path, wanted, there = differing[0]
    field = quote(".".join(map(str, path)) or "spec")
    # Text in a template may be a secret value.
    is_text = isinstance(wanted, str) and isinstance(there, str) and path[1:2] not in _TEMPLATES
    words = f"{field} is {quote(there)}, not {quote(wanted)}" if is_text else f"{field} differs"
    if len(differing) > 1:
        words += f", and {pluralize(len(differing) - 1, 'other field')}"
    changes = [
        (time, manager)
        for time, manager, fields in writers(found, "f:spec")
        if any(_owns(fields, each) for each, _, _ in differing)
    ]
    if changes:
        time, manager = max(changes)
        words += f"; changed by {quote(manager)} at {time}"
        near = [each for each in spec_writers(found) if _are_near(each[0], time)]
        others = {name: when for when, name in sorted(near) if name != manager}
        words += "".join(f", and {quote(name)} wrote the spec at {when}" for name, when in others.items())
    return words


class SpecPatch(NamedTuple):
    """What makes the live spec the compiled one without a deployment."""

    line: str
    is_needed: bool  # a deployment leaves the fields as they are


def patch_of_spec(manifest: Manifest, found: LiveObject) -> SpecPatch | None:
    """The patch for fields that a deployment may leave; None where one sets them all.

    Helm and Argo CD leave what only another tool has set, as before a take-over. Helm compares what it deploys with
    what it deployed before, and never with the live object: what somebody has edited there stays, too.
    """
    differing = [*_differences(manifest.object.get("spec"), found.get("spec"))]
    owners = [*writers(found, "f:spec")]
    by_path = [{(time, name) for time, name, fields in owners if _owns(fields, path)} for path, _, _ in differing]
    # A field without an owner is a default of the API server's, which comes back.
    if not all(by_path):
        return None
    by_helm = max((each for each in spec_writers(found) if each[1] == _HELM), default=None)
    is_edited = release_of(found) is not None and by_helm is not None and all(max(each) > by_helm for each in by_path)
    if not is_edited and any(wanted is not None or {*map(type, path)} != {str} for path, wanted, _ in differing):
        return None
    changes = json.dumps([_operation(path, wanted, is_there=there is not None) for path, wanted, there in differing])
    words = ("patch", "externalsecret", manifest.name, "--type", "json", "-p", changes)
    newest, owning = max(spec_writers(found)), set[tuple[str, str]]().union(*by_path)
    return SpecPatch(kubectl_line("-n", manifest.namespace, *words), is_edited or newest not in owning)


def _operation(path: _Path, wanted: object, *, is_there: bool) -> dict[str, object]:
    """An operation of a JSON patch, as RFC 6902 has them."""
    pointer = "/".join(("/spec", *(str(key).replace("~", "~0").replace("/", "~1") for key in path)))
    if wanted is None:
        return {"op": "remove", "path": pointer}
    return {"op": "replace" if is_there else "add", "path": pointer, "value": wanted}


def _are_near(one: str, other: str) -> bool:
    """Whether two writes are so close in time that their writers may undo each other."""
    moments = moment_of(one), moment_of(other)
    return moments[0] is not None and moments[1] is not None and abs(moments[0] - moments[1]) <= TURNS


def spec_writers(found: LiveObject) -> list[tuple[str, str]]:
    """When each manager last wrote the spec of an object, and the manager's name."""
    return [(time, manager) for time, manager, _ in writers(found, "f:spec")]


def _differences(wanted: object, found: object, path: _Path = ()) -> Iterator[tuple[_Path, object, object]]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in dict.fromkeys((*wanted, *found)):
            yield from _differences(wanted.get(key), found.get(key), (*path, key))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for at, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _differences(one, other, (*path, at))
    elif wanted != found:
        yield path, wanted, found


def _owns(fields: LiveObject, path: _Path) -> bool:
    """Whether `fields`, which a manager owns, include the path; a list is one field."""
    for key in path:
        if isinstance(key, int):
            return True
        if f"f:{key}" not in fields:
            return False
        fields = child(fields, f"f:{key}")
    return True
