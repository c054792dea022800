"""Builds the Helm values that make one version of a platform's chart mount an environment's Secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import total_ordering
from itertools import product
from pathlib import Path
from typing import Any

from compiler.generate.files import HEADER, manifest_text
from compiler.model.environment import Environment
from compiler.model.facts import MAX_BYTES
from compiler.refusal import Refusal
from compiler.rules.forms.names import object_name_problem
from compiler.stages.emit import read_values
from compiler.text.command_line import PROGRAM, shell_line
from compiler.text.wording import listed, quoted

# The official form without leading zeros; bounded, as it comes from the command line.
_NUMBER = r"(?:0|[1-9]\d{0,8})"
_FORM = re.compile(
    rf"v?({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-([0-9A-Za-z.-]{{1,128}}))?(?:\+[0-9A-Za-z.-]{{1,128}})?", re.ASCII
)
_IDENTIFIER = re.compile(r"0|[1-9]\d{0,18}|\d*[A-Za-z-][0-9A-Za-z-]*", re.ASCII)


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A version in the order of semantic versioning; `pre` holds the identifiers of a pre-release."""

    release: tuple[int, int, int]
    pre: tuple[str, ...] = ()

    def __lt__(self, other: Version) -> bool:
        return self._rank() < other._rank()

    def _rank(self) -> tuple[tuple[int, int, int], bool, list[tuple[bool, int, str]]]:
        # Numbers come before words; and a longer list after its own beginning, as lists compare.
        identifiers = [(not each.isdigit(), int(each) if each.isdigit() else 0, each) for each in self.pre]
        return self.release, not self.pre, identifiers


def version_of(text: str) -> Version | None:
    """The version that `text` is, with or without a leading `v`, or None; what is built of it does not count."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    pre = tuple(match[4].split(".")) if match[4] is not None else ()
    if not all(_IDENTIFIER.fullmatch(each) for each in pre):
        return None
    return Version((int(match[1]), int(match[2]), int(match[3])), pre)


@dataclass(frozen=True, slots=True)
class Absent:
    """What is written without the secret, with `beside`, and where an environment does not say others make `unless`."""

    values: Mapping[str, str]
    beside: str
    unless: str


@dataclass(frozen=True, slots=True)
class Derived:
    """A name that the chart makes of the release's, as `<release>-<chart><suffix>`."""

    chart: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Row:
    """One reader's form: where the names of its Secret and keys go, and what must be off, in a range of versions.

    Paths are keys from the top of the values, joined by dots. Of the entries `secrets` the first that there is counts;
    `mounted_by` is the component whose only Secret stands for them. A row that `reads` a name is that of a chart whose
    templates do, and `wanted` a key that is read of the Secret where a value is true, which stands beside.
    """

    secrets: tuple[str, ...] = ()
    mounted_by: str | None = None
    since: Version | None = None
    before: Version | None = None
    names: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    off: tuple[str, ...] = ()
    absent: Absent | None = None
    derived: Derived | None = None
    note: str | None = None
    reads: str | None = None
    wanted: tuple[str, str] | None = None

    def holds(self, version: Version) -> bool:
        """Whether the form is that of `version`."""
        return (self.since is None or version >= self.since) and (self.before is None or version < self.before)


@dataclass(frozen=True, slots=True)
class Forms:
    """The forms of one platform's chart; `newest` is the last minor version that was read, as major and minor."""

    oldest: Version
    newest: tuple[int, int]
    release: str
    off: tuple[Row, ...]
    rows: tuple[Row, ...]
    hints: Mapping[str, str]

    def is_newer(self, version: Version) -> bool:
        """Whether `version` is newer than the newest chart whose values are known."""
        return version.release[:2] > self.newest


def forms_of(data: Mapping[str, Any]) -> Forms:
    """The forms of data that fits `schemas/platform.schema.json`."""
    major, minor = data["newest"].split(".")
    return Forms(
        _version(data["oldest"]) or Version((0, 0, 0)),
        (int(major), int(minor)),
        data["release"],
        tuple(_row(each, "") for each in data["disable"]),
        tuple(_row(each, word) for row in data["rows"] for each, word in product([row], row.get("of", [""]))),
        data["hints"],
    )


def _row(data: Mapping[str, Any], word: str) -> Row:
    absent, derived = data.get("absent"), data.get("derived")
    mounted_by = data.get("mountedBy")
    return Row(
        _filled(data.get("secrets", ()), word),
        mounted_by.replace("{}", word) if mounted_by is not None else None,
        _version(data.get("since")),
        _version(data.get("before")),
        _filled(data.get("name", ()), word),
        {path.replace("{}", word): key for path, key in data.get("keys", {}).items()},
        _filled(data.get("disable", ()), word),
        Absent(absent["values"], absent["with"], absent["unless"]) if absent is not None else None,
        Derived(derived["chart"], derived["suffix"]) if derived is not None else None,
        data.get("note"),
        data.get("reads"),
        (data["wants"]["key"], data["wants"]["with"]) if "wants" in data else None,
    )


def _filled(texts: Sequence[str], word: str) -> tuple[str, ...]:
    return tuple(text.replace("{}", word) for text in texts)


def _version(text: str | None) -> Version | None:
    return version_of(text) if text is not None else None


# What Helm lets a name have.
_LONGEST = 63


@dataclass(frozen=True, slots=True)
class Available:
    """A Secret that an environment makes: the entry's id, the Secret's name, its keys, and who mounts it."""

    id: str
    name: str
    keys: frozenset[str]
    mounted_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """What is known of the chart that is at hand: the names that its templates read, and the values that are true."""

    reads: frozenset[str] = frozenset()
    true: frozenset[str] = frozenset()


@dataclass(slots=True)
class Mounted:
    """The Helm values, the ids of the secrets that they mount, and notes about those.

    `misnamed` are secrets whose name is not the one that the chart derives, which stands beside; `lacking` those
    without a key that is read by its name, and `wanting` those without a key that is read where a value is true, which
    stands beside it. `by_chart` says that a row counts only for the chart that is at hand.
    """

    values: dict[str, Any] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    notes: list[tuple[str, str]] = field(default_factory=list)
    misnamed: list[tuple[Available, str]] = field(default_factory=list)
    lacking: list[tuple[Available, str]] = field(default_factory=list)
    wanting: list[tuple[Available, str, str]] = field(default_factory=list)
    by_chart: bool = False


def mounted(
    forms: Forms,
    version: Version,
    release: str,
    secrets: Sequence[Available],
    elsewhere: Container[str],
    chart: Chart | None = None,
) -> Mounted:
    """The values for `version`: the names of `secrets` where its pods take them, and whatever else makes them off.

    `elsewhere` are the names of Secrets that others make, and `chart` is what the values are for, where it is at hand.
    """
    made, by_id = Mounted(), {each.id: each for each in secrets}
    named = {secret for row in forms.rows for secret in row.secrets}
    for row in forms.off:
        if row.holds(version):
            _switch_off(made, row)
    for row in forms.rows:
        if not row.holds(version) or (row.reads is not None and (chart is None or row.reads not in chart.reads)):
            continue
        secret = _chosen(row, by_id, named)
        if secret is not None:
            _mount(made, row, secret, release)
            made.by_chart |= row.reads is not None
        elif row.absent is not None and row.absent.beside in by_id and row.absent.unless not in elsewhere:
            for path, value in row.absent.values.items():
                _put(made.values, path, value)
    return made


def derived_name(derived: Derived, release: str) -> str:
    """The name that Helm's usual template makes: a release that has the chart's name in it is not followed by it."""
    full = release if derived.chart in release else f"{release}-{derived.chart}"
    return full[:_LONGEST].removesuffix("-") + derived.suffix


def _chosen(row: Row, by_id: Mapping[str, Available], named: Container[str]) -> Available | None:
    for wanted in row.secrets:
        if wanted in by_id:
            return by_id[wanted]
    if row.mounted_by is None:
        return None
    # One that a row names has its own place, and stands for no other.
    candidates = [each for each in by_id.values() if row.mounted_by in each.mounted_by and each.id not in named]
    return candidates[0] if len(candidates) == 1 else None


def _mount(made: Mounted, row: Row, secret: Available, release: str) -> None:
    made.used.add(secret.id)
    if row.derived is not None and (name := derived_name(row.derived, release)) != secret.name:
        made.misnamed.append((secret, name))
    if row.note is not None:
        made.notes.append((secret.id, row.note))
    if row.wanted is not None and row.wanted[0] not in secret.keys:
        made.wanting.append((secret, *row.wanted))
    for path in row.names:
        _put(made.values, path, secret.name)
    for path, key in row.keys.items():
        if key not in secret.keys:
            made.lacking.append((secret, key))
        _put(made.values, path, key)
    _switch_off(made, row)


def _switch_off(made: Mounted, row: Row) -> None:
    for path in row.off:
        _put(made.values, path, value=False)


def _put(values: dict[str, Any], path: str, value: str | bool) -> None:  # noqa: FBT001 - a value, no option
    *parents, last = path.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
    values[last] = value


_FILE = Path(__file__).with_name("caipe.yaml")


def caipe_forms() -> Forms:
    """The forms of every known version. The file fits `schemas/platform.schema.json`, as its test proves."""
    data = read_values(_FILE.read_text("utf-8"))
    return forms_of(data if isinstance(data, dict) else {})


_TEMPLATES = (".yaml", ".yml", ".tpl")


def chart_at_hand(forms: Forms, chart: Path, values: Sequence[Path], under: str | None) -> Chart:
    """Which of the names that `forms` ask for the templates of `chart` read, and which of the values are true.

    `chart` is one that `chart_at` found nothing against, and `values` lie over its own; `under` is the chart's name in
    a parent. What cannot be read is left out.
    """
    names = {row.reads for row in forms.rows if row.reads is not None}
    switches = {row.wanted[1] for row in forms.rows if row.wanted is not None}
    read = {name for text in _templates(chart) for name in names if re.search(rf"[.]{re.escape(name)}\b", text)}
    layers = [data for path in (chart / "values.yaml", *values) if (data := read_values(_text(path))) is not None]
    return Chart(frozenset(read), frozenset(path for path in switches if _is_true(layers, path, under)))


def _is_true(layers: Sequence[Any], path: str, under: str | None) -> bool:
    """Whether the last layer that has the value, or has it below `global`, has it as true."""
    found = [
        value
        for data in layers
        for root in (data, _at(data, under) if under is not None else None)
        for place in (path, f"global.{path}")
        if (value := _at(root, *place.split("."))) is not None
    ]
    return bool(found) and found[-1] is True


def _at(node: Any, *path: str) -> Any:  # noqa: ANN401 - values of any shape
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


# What Helm allows for a release.
_LONGEST_RELEASE = 53


@dataclass(frozen=True, slots=True)
class PlatformText:
    """The text of the values; ids of secrets that nobody reads; what to know and to be warned of.

    `is_newer` says that the version is not known yet.
    """

    text: str
    unread: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    is_newer: bool = False


def platform_text(
    environment: Environment,
    forms: Forms,
    chart_version: str,
    release: str,
    under: str | None,
    words: Sequence[str],
    at_hand: tuple[str, Chart] | None = None,
) -> PlatformText:
    """The values that put CAIPE's chart into existing-secret mode for the secrets of an environment.

    `under` is the name that a parent chart has for CAIPE's, `words` the arguments that make them again, and `at_hand`
    the chart that they are for, as the command line names it. Raises Refusal for a version or a release that cannot be,
    and where the chart would read a name or key that nothing makes.
    """
    version = _parsed_version(forms, chart_version)
    problem = object_name_problem(release, _LONGEST_RELEASE)
    if problem is not None:
        raise Refusal("usage", f"--release {problem}")
    namespace = environment.root.text("namespace")
    near = [each for each in environment.secrets.values() if each.namespace == namespace]
    elsewhere = environment.root.get("madeElsewhere")
    made = mounted(
        forms,
        version,
        release,
        [
            Available(each.id, each.entry.target, frozenset(key.key.name for key in each.keys), each.entry.mounted_by)
            for each in near
        ],
        elsewhere.children if elsewhere is not None else (),
        at_hand[1] if at_hand is not None else None,
    )
    _refuse_misfits(made, release)
    values = {under: made.values} if under is not None else made.values
    if made.by_chart and at_hand is not None:
        words = [*words, "--against", at_hand[0]]
    header = f"{HEADER}platform`. Do not edit; run:\n#   {shell_line(PROGRAM, *words)}\n"
    unread = tuple(each.id for each in near if each.id not in made.used)
    wanting = {
        f"with `{path}` CAIPE reads {quoted(key)} of {quoted(entry.id)}, which lacks it: add its variant to `use`": path
        for entry, key, path in made.wanting
    }
    warned = [] if at_hand is None else [text for text, path in wanting.items() if path in at_hand[1].true]
    notes = [*_notes(environment, forms, chart_version, under, made, unread), *(wanting if at_hand is None else ())]
    if is_newer := forms.is_newer(version):
        form = f"the values have the form of {'.'.join(map(str, forms.newest))}"
        warned.insert(0, f"CAIPE's chart {chart_version} is newer than any that is known: {form}")
    return PlatformText(header + manifest_text(values), unread, tuple(notes), tuple(warned), is_newer)


def _parsed_version(forms: Forms, text: str) -> Version:
    version = version_of(text)
    if version is None:
        way_out = "write it as Chart.yaml of CAIPE's chart does, such as 0.6.0 or 1.3.0-rc.6"
        raise Refusal("usage", f"--chart-version is not a version: {quoted(text)}", way_out)
    if version < forms.oldest:
        oldest = ".".join(map(str, forms.oldest.release))
        way_out = f"upgrade it: the forms of {oldest} and newer are known"
        raise Refusal("usage", f"CAIPE's chart {text} is older than any that is known", way_out)
    return version


def _refuse_misfits(made: Mounted, release: str) -> None:
    for secret, name in made.misnamed:
        readers = f"pods of the release {quoted(release)}"
        message = f"{quoted(secret.id)} makes {quoted(secret.name)}, but {readers} read {quoted(name)}"
        way_out = (
            "name the release with --release, give the entry that target in the catalogue, or leave the secret out"
        )
        raise Refusal("usage", message, way_out)
    for secret, key in made.lacking:
        message = f"{quoted(secret.id)} lacks {quoted(key)}, which CAIPE reads by its name"
        way_out = "add the key to the catalogue, or its variant to `use:`"
        raise Refusal("usage", message, way_out)


def _notes(
    environment: Environment, forms: Forms, chart_version: str, under: str | None, made: Mounted, unread: Sequence[str]
) -> Iterator[str]:
    for secret, note in made.notes:
        yield f"{secret}: {note}"
    plain = [each for each in unread if each not in forms.hints]
    for each in unread:
        if each in forms.hints:
            yield f"{each}: no pod of CAIPE {chart_version} reads it; {forms.hints[each]}"
    if plain:
        yield f"no pod of CAIPE {chart_version} is known to read {listed(plain, len(plain))}"
    namespace = environment.root.text("namespace")
    far = [each.id for each in environment.secrets.values() if each.namespace != namespace]
    if far:
        own = quoted(namespace or "")
        yield f"{listed(far, len(far))} left out: pods of {own} mount no Secret of another namespace"
    if environment.subchart is not None and under is None:
        yield "these are values of CAIPE's own chart; --under NAME nests them for a parent chart that calls it NAME"
