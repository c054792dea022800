"""Makes the Helm values with which a version of CAIPE's chart mounts an environment's Secrets and creates none."""

import os
import re
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compiler.generate.files import header_for, manifest_text
from compiler.model.environment import Environment, Secret
from compiler.model.facts import MAX_BYTES, object_name_problem
from compiler.refusal import Refusal
from compiler.stages.emit import read_values
from compiler.text.wording import list_names, quote

# The forms of CAIPE's chart by version, as `caipe.yaml` describes them. It fits `schemas/platform.schema.json`, as its
# test proves.
Forms = Mapping[str, Any]
Row = Mapping[str, Any]
# The numbers of a release, whether it is one rather than a pre-release, and the identifiers of the pre-release.
Version = tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]

_FILE = Path(__file__).with_name("caipe.yaml")
# The official form without leading zeros; bounded, as it comes from the command line.
_NUMBER = r"(?:0|[1-9]\d{0,8})"
_FORM = re.compile(
    rf"v?({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-([0-9A-Za-z.-]{{1,128}}))?(?:\+[0-9A-Za-z.-]{{1,128}})?", re.ASCII
)
_IDENTIFIER = re.compile(r"0|[1-9]\d{0,18}|\d*[A-Za-z-][0-9A-Za-z-]*", re.ASCII)
# What Helm allows for a release, and for a name.
_LONGEST_RELEASE, _LONGEST = 53, 63
_TEMPLATES = (".yaml", ".yml", ".tpl")
# At the end of a path whose value is a list.
_LIST = "[]"


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of CAIPE as the command line names it."""

    name: str
    reads: frozenset[str] = frozenset()  # the names that its templates read
    true: frozenset[str] = frozenset()  # paths of values that are true or a text
    texts: Mapping[str, str] = field(default_factory=dict)  # the texts that rows compare


@dataclass(frozen=True, slots=True)
class PlatformValues:
    """The text of the values, ids of secrets that nobody reads, notes and warnings."""

    text: str
    unread: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    is_newer: bool = False  # the version is not known yet


@dataclass(slots=True)
class _Mounted:
    """The Helm values, the ids of the secrets that they mount, and notes about those."""

    values: dict[str, Any] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    wanting: dict[str, str] = field(default_factory=dict)  # for a key that a secret lacks, the value that reads it
    by_chart: bool = False  # the chart at hand decided whether a row counts

    def put(self, path: str, value: str | bool) -> None:  # noqa: FBT001 - a value, no option
        values = self.values
        *parents, last = path.removesuffix(_LIST).split(".")
        for parent in parents:
            values = values.setdefault(parent, {})
        values[last] = [value] if path.endswith(_LIST) else value

    def switch_off(self, row: Row) -> None:
        for path in row.get("disable", ()):
            self.put(path, value=False)


def caipe_forms() -> Forms:
    """The forms of every known version, with one row for each word of `of`."""
    data: Any = read_values(_FILE.read_text("utf-8"))
    return {**data, "rows": rows_of(data["rows"])}


def rows_of(rows: Sequence[Row]) -> list[Row]:
    """The rows with each word of their `of` in place of `{}`."""
    return [_fill(row, word) for row in rows for word in row.get("of", [""])]


def _fill(node: Any, word: str) -> Any:  # noqa: ANN401 - data of any shape
    if isinstance(node, dict):
        return {key.replace("{}", word): _fill(value, word) for key, value in node.items()}
    if isinstance(node, list):
        return [_fill(each, word) for each in node]
    return node.replace("{}", word) if isinstance(node, str) else node


def version_of(text: str) -> Version | None:
    """The semantic version that `text` is, with or without a leading `v` and build, or None."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    pre = match[4].split(".") if match[4] is not None else []
    if not all(_IDENTIFIER.fullmatch(each) for each in pre):
        return None
    # Numbers come before words; and a longer list after its own beginning, as tuples compare.
    identifiers = tuple((not each.isdigit(), int(each) if each.isdigit() else 0, each) for each in pre)
    return (int(match[1]), int(match[2]), int(match[3])), not pre, identifiers


def holds(row: Row, version: Version) -> bool:
    """Whether a row is one of `version`."""
    since, before = version_of(row.get("since", "")), version_of(row.get("before", ""))
    return (since is None or version >= since) and (before is None or version < before)


def read_chart(forms: Forms, folder: Path, values: Sequence[Path], under: str | None, name: str) -> Chart:
    """Finds which names of `forms` a chart's templates read, and which of its values are true.

    `folder` is one of `chart_at`, `values` lie over its own, and `under` is its name in a parent. What cannot be read
    is left out.
    """
    reads = [row["reads"] for row in forms["rows"] if "reads" in row]
    names = {each for each in reads if isinstance(each, str)}
    compared = {path for each in reads if isinstance(each, dict) for path in each}
    switches = {row["wants"]["with"] for row in forms["rows"] if "wants" in row}
    switches |= {path for row in forms["rows"] for path in row.get("absent", {}).get("unset", ())}
    read = {each for text in _templates(folder) for each in names if re.search(rf"[.]{re.escape(each)}\b", text)}
    own = [data for path in (folder / "values.yaml", *values) if (data := read_values(_text(path))) is not None]
    layers = [*_defaults(folder), *own]
    found = {path: _value(layers, path, under) for path in compared | switches}
    texts = {path: value for path in compared if isinstance(value := found[path], str)}
    true = frozenset(path for path in switches if found[path] is True or (isinstance(found[path], str) and found[path]))
    return Chart(name, frozenset(read), true, texts)


def _defaults(folder: Path) -> Iterator[Any]:
    """The values of the subcharts, the innermost first, each also as its parent would write them."""
    files = [Path(place) / "values.yaml" for place, _, names in os.walk(folder / "charts") if "values.yaml" in names]
    for file in sorted(files, key=lambda each: (-len(each.parts), each)):
        data = read_values(_text(file))
        yield from (data, {file.parent.name: data})


def _value(layers: Sequence[Any], path: str, under: str | None) -> Any:  # noqa: ANN401 - what a person may have edited
    """What the last layer has at `path` that has it, itself or below `global`; None where none has."""
    found = [
        value
        for data in layers
        for root in (data, _at(data, under) if under is not None else None)
        for place in (path, f"global.{path}")
        if (value := _at(root, *place.split("."))) is not None
    ]
    return found[-1] if found else None


def _at(node: Any, *path: str) -> Any:  # noqa: ANN401 - what a person may have edited
    """What lies at `path` of maps in maps, None where there is nothing."""
    for member in path:
        node = node.get(member) if isinstance(node, dict) else None
    return node


def _templates(chart: Path) -> Iterator[str]:
    for folder, _, names in os.walk(chart):
        if f"{os.sep}templates" in folder.removeprefix(str(chart)):
            yield from (_text(chart / folder / name) for name in sorted(names) if name.endswith(_TEMPLATES))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def platform_values(
    environment: Environment,
    forms: Forms,
    chart_version: str,
    release: str,
    under: str | None,
    words: Sequence[str],
    chart: Chart | None = None,
) -> PlatformValues:
    """The values that put CAIPE's chart into existing-secret mode for the secrets of an environment.

    `under` is CAIPE's name in a parent chart, `words` the arguments that make them again. Raises Refusal for an
    impossible version or release, and where the chart would read a name or key that nothing makes.
    """
    version = _known_version(forms, chart_version)
    problem = object_name_problem(release, _LONGEST_RELEASE)
    if problem is not None:
        raise Refusal("usage", f"--release {problem}")
    namespace, elsewhere = environment.root.text("namespace"), environment.root.members_at("madeElsewhere")
    near = {each.id: each for each in environment.secrets.values() if each.namespace == namespace}
    made = _mount_secrets(forms, version, release, near, elsewhere, chart)
    if made.by_chart and chart is not None:
        words = [*words, "--against", chart.name]
    text = header_for("platform", words) + manifest_text({under: made.values} if under is not None else made.values)
    unread = tuple(each for each in near if each not in made.used)
    warned = [] if chart is None else [wanting for wanting, path in made.wanting.items() if path in chart.true]
    notes = [*_notes(environment, forms, chart_version, under, made, unread), *(made.wanting if chart is None else ())]
    is_newer = version[0][:2] > tuple(map(int, forms["newest"].split(".")))
    if is_newer:
        form = f"the values have the form of {forms['newest']}"
        warned.insert(0, f"CAIPE's chart {chart_version} is newer than any that is known: {form}")
    return PlatformValues(text, unread, tuple(notes), tuple(warned), is_newer)


def _known_version(forms: Forms, text: str) -> Version:
    version, oldest = version_of(text), version_of(forms["oldest"])
    if version is None:
        way_out = "write it as Chart.yaml of CAIPE's chart does, such as 0.6.0 or 1.3.0-rc.6"
        raise Refusal("usage", f"--chart-version is not a version: {quote(text)}", way_out)
    if oldest is not None and version < oldest:
        way_out = f"upgrade it: the forms of {forms['oldest']} and newer are known"
        raise Refusal("usage", f"CAIPE's chart {text} is older than any that is known", way_out)
    return version


def _mount_secrets(
    forms: Forms,
    version: Version,
    release: str,
    near: Mapping[str, Secret],
    elsewhere: Container[str],
    chart: Chart | None,
) -> _Mounted:
    """The values for `version`: the names of secrets where its pods take them, and whatever else makes them off."""
    made = _Mounted()
    named = {secret for row in forms["rows"] for secret in row.get("secrets", ())}
    for row in forms["disable"]:
        if holds(row, version):
            made.switch_off(row)
    for row in forms["rows"]:
        applies, by_chart = _applies(row, version, chart)
        secret, absent = _choose_secret(row, near, named), row.get("absent")
        made.by_chart |= by_chart and secret is not None
        if not applies:
            continue
        if secret is not None:
            _mount(made, row, secret, release)
        elif absent is not None and absent["with"] in near and absent.get("unless") not in elsewhere:
            for path, value in absent.get("values", {}).items():
                made.put(path, value)
            if "note" in absent and (chart is None or chart.true.isdisjoint(absent["unset"])):
                made.notes.append(absent["note"])
    return made


def _applies(row: Row, version: Version, chart: Chart | None) -> tuple[bool, bool]:
    """Whether the row counts, and whether the chart at hand decides that, as far as the row's `reads` asks."""
    reads, known = row.get("reads", {}), chart.texts if chart is not None else {}
    if isinstance(reads, str):
        applies = holds(row, version) and chart is not None and reads in chart.reads
        return applies, applies
    matches = [known[path] == text for path, text in reads.items() if path in known]
    return (all(matches), True) if matches else (holds(row, version), False)


def _choose_secret(row: Row, near: Mapping[str, Secret], named: Container[str]) -> Secret | None:
    for each in row.get("secrets", ()):
        if each in near:
            return near[each]
    # One that a row names has its own place, and stands for no other.
    component = row.get("mountedBy")
    candidates = [each for each in near.values() if component in each.entry.mounted_by and each.id not in named]
    return candidates[0] if len(candidates) == 1 else None


def _mount(made: _Mounted, row: Row, secret: Secret, release: str) -> None:
    target, keys = secret.entry.target, set(secret.target_keys)
    _refuse_misfit(row, secret, keys, release)
    made.used.add(secret.id)
    if "note" in row:
        made.notes.append(f"{secret.id}: {row['note']}")
    if "wants" in row and (key := row["wants"]["key"]) not in keys:
        path = row["wants"]["with"]
        lacks = f"CAIPE reads {quote(key)} of {quote(secret.id)}, which "
        lacks += "does not list it: add it to `keys`" if secret.takes_all else "lacks it: add its variant to `use`"
        made.wanting[f"with `{path}` {lacks}"] = path
    for path in row.get("name", ()):
        made.put(path, target)
    for path, key in row.get("keys", {}).items():
        made.put(path, key)
    made.switch_off(row)


def _refuse_misfit(row: Row, secret: Secret, keys: Collection[str], release: str) -> None:
    derived = row.get("derived")
    name = usual_name(derived["chart"], derived["suffix"], release) if derived is not None else secret.entry.target
    if name != secret.entry.target:
        readers = f"pods of the release {quote(release)}"
        message = f"{quote(secret.id)} makes {quote(secret.entry.target)}, but {readers} read {quote(name)}"
        way_out = (
            "name the release with --release, give the entry that target in the catalogue, or leave the secret out"
        )
        raise Refusal("usage", message, way_out)
    for key in row.get("keys", {}).values():
        if key not in keys:
            message = f"{quote(secret.id)} lacks {quote(key)}, which CAIPE reads by its name"
            raise Refusal("usage", message, "add the key to the catalogue, or its variant to `use:`")


def usual_name(chart: str, suffix: str, release: str) -> str:
    """The name that Helm's usual template makes: a release that has the chart's name in it is not followed by it."""
    full = release if chart in release else f"{release}-{chart}"
    return full[:_LONGEST].removesuffix("-") + suffix


def _notes(
    environment: Environment,
    forms: Forms,
    chart_version: str,
    under: str | None,
    made: _Mounted,
    unread: Sequence[str],
) -> Iterator[str]:
    yield from made.notes
    plain = [each for each in unread if each not in forms["hints"]]
    for each in unread:
        if each in forms["hints"]:
            yield f"{each}: no pod of CAIPE {chart_version} reads it; {forms['hints'][each]}"
    if plain:
        yield f"no pod of CAIPE {chart_version} is known to read {list_names(plain, len(plain))}"
    namespace = environment.root.text("namespace")
    far = [each.id for each in environment.secrets.values() if each.namespace != namespace]
    if far:
        own = quote(namespace or "")
        yield f"{list_names(far, len(far))} left out: pods of {own} mount no Secret of another namespace"
    if environment.subchart is not None and under is None:
        yield "these are values of CAIPE's own chart; --under NAME nests them for a parent chart that calls it NAME"
