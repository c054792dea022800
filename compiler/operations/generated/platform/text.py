"""Checks the options of `generate platform`, and makes the text of the values file, with notes and warnings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.generate.manifest import manifest_text
from compiler.generate.platform.values import Available, mounted
from compiler.generate.platform.version import version_of
from compiler.operations.generated.files import HEADER
from compiler.refusal import Refusal
from compiler.rules.forms.kubernetes_form import object_name_problem
from compiler.text.command_line import PROGRAM, shell_line
from compiler.text.wording import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.generate.platform.forms import Forms
    from compiler.generate.platform.values import Chart, Mounted
    from compiler.generate.platform.version import Version
    from compiler.model.environment import Environment

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
    version = _version(forms, chart_version)
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


def _version(forms: Forms, text: str) -> Version:
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
