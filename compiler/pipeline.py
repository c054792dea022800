"""Compiles a project into checked values files and diagnostics; the public API beside the CLI."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from compiler.model.document import Diagnostic, Severity, Source, Span, file_error, first_of_a_kind
from compiler.model.environment import Environment, Project
from compiler.model.facts import MAX_BYTES, MAX_WRITTEN
from compiler.model.values import (
    SecretChange,
    compare,
    find_values,
    nest,
    nesting_change,
    outlines_of_values,
    values_of,
)
from compiler.project_files import Library
from compiler.rules import RULES, shadowed_variable, unused_waiver
from compiler.rules.api import Scope, places_below
from compiler.stages.files import Output, read_old, refuse_outside, write_all
from compiler.stages.resolve import FEWER, Outside, Resolver, catalogue_of, merge, merge_onto, outside_layer
from compiler.text.wording import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from compiler.model.document import Document, Node
    from compiler.model.environment import Catalogue
    from compiler.model.facts import ValuesData
    from compiler.rules.api import Finding, Rule
    from compiler.stages.emit import Excess

VALUES_FOLDER = "chart"


class Result(NamedTuple):
    """The result of a compile: the project as far as it could be resolved."""

    project: Project | None
    diagnostics: tuple[Diagnostic, ...]  # in the order of files and lines, each once
    notes: tuple[str, ...] = ()  # what came from outside the files

    @property
    def failed(self) -> bool:
        """Whether there is an error, so that nothing may be written."""
        return any(diagnostic.severity is Severity.ERROR for diagnostic in self.diagnostics)


class ValuesFile(NamedTuple):
    """One values file: its path, its new text, the old one (None where there is no file) and the changes."""

    environment: str
    output: Output
    old: str | None
    data: dict[str, ValuesData]  # as it is before it is nested under a subchart's name
    changes: tuple[SecretChange, ...] = ()

    @property
    def is_stale(self) -> bool:
        """Whether the file on disk is not what the environment compiles to."""
        return self.output.text != self.old


def compile_project(
    root: Path,
    names: Sequence[str] = (),
    outside: Outside | None = None,
    unwritten: Mapping[str, str] | None = None,
) -> Result:
    """Loads, validates, merges, resolves and checks the environments `names` of the project in `root`; all for none.

    `outside` is what options and variables set, and `unwritten` has texts by path that take the place of files. Raises
    Refusal for a name without a file.
    """
    library, checker = Library(root, unwritten), Checker()
    diagnostics, notes = list[Diagnostic](), list[str]()
    merged: dict[tuple[int, ...], Node] = {}
    wanted = library.select(names)
    document = library.catalogue()
    if document is None:
        return _result(None, library.diagnostics, notes, library.documents())
    catalogue = catalogue_of(document)
    diagnostics += checker.catalogue(catalogue)
    resolver, environments = Resolver(catalogue), list[Environment]()
    for name in wanted:
        layers = library.layers(name)
        if layers:
            tree, found = _merge_layers(layers, merged)
            diagnostics += found
            if outside is not None:
                top, refused = outside_layer(tree, outside)
                diagnostics += refused
                if top is not None:
                    notes += _notes(top)
                    tree = merge_onto(tree, top, diagnostics)
            if (excess := resolver.excess(name, tree)) is not None:
                diagnostics.append(excess)
                if resolver.is_full:
                    break
                continue
            environment = resolver.environment(name, tree, layers)
            diagnostics += checker.environment(environment)
            environments.append(environment)
    for loaded in library.documents():
        diagnostics += checker.document(loaded)
    values = library.values_files(VALUES_FOLDER)
    unread = library.unread_files(values.keys() - set(library.names))
    project = Project(catalogue, tuple(environments), library.names, values, unread)
    diagnostics += checker.project(project)
    return _result(project, [*library.diagnostics, *diagnostics], notes, library.documents())


def compile_edited(
    root: Path, texts: Mapping[str, str], outside: Outside | None = None, as_read: Mapping[str, str] | None = None
) -> tuple[Result, Result, tuple[Diagnostic, ...]]:
    """Compiles the project in `root` without and with `texts`, by path, in place of files; last the new diagnostics.

    `as_read` takes the place of files that may change meanwhile. Diagnostics are compared without their lines.
    """
    before, after = compile_project(root, (), outside, as_read), compile_project(root, (), outside, texts)
    known = Counter((each.rule, each.span.path, each.message) for each in before.diagnostics)
    new = []
    for each in after.diagnostics:
        key = (each.rule, each.span.path, each.message)
        known[key] -= 1
        if known[key] < 0:
            new.append(each)
    return before, after, tuple(new)


def _merge_layers(layers: Sequence[Document], known: dict[tuple[int, ...], Node]) -> tuple[Node, list[Diagnostic]]:
    """The tree of the layers; those below the last one are merged once for all environments that have them."""
    found: list[Diagnostic] = []
    shared = tuple(id(layer) for layer in layers[:-1])
    if shared and shared not in known:
        known[shared], conflicts = merge(layers[:-1])
        found += conflicts
    return merge_onto(known.get(shared), layers[-1], found), found


def _notes(top: Document) -> Iterable[str]:
    store = top.root.get("store")
    if store is not None:
        yield f"{store.source.path} chooses the store {quote(str(store.value))}"
    for name, node in top.root.members_at("stores").items():
        yield f"{node.source.path} gives the vaultUrl of the store {quote(name)}"


def _result(
    project: Project | None,
    diagnostics: Iterable[Diagnostic],
    from_outside: Iterable[str],
    documents: Iterable[Document],
) -> Result:
    seen: dict[tuple[str, str, int, str], Diagnostic] = {}
    for diagnostic in diagnostics:
        seen.setdefault((diagnostic.span.path, diagnostic.rule, diagnostic.span.start, diagnostic.message), diagnostic)
    ordered = sorted(seen.values(), key=lambda each: (each.span.path, each.span.start))
    if ordered and (texts := tuple(_template_texts(documents))):
        # What one diagnostic conceals is concealed in the lines of all.
        ordered[0] = ordered[0]._replace(conceals=(*ordered[0].conceals, *texts))
    # Each environment without a vaultUrl gets the one Key Vault that the variable names.
    notes = (note if count == 1 else f"{note} in {count} environments" for note, count in Counter(from_outside).items())
    return Result(project, tuple(ordered), tuple(notes))


def _template_texts(documents: Iterable[Document]) -> Iterator[Span]:
    """The texts of templates without an action, any of which may be a value of a store: no line shows them."""
    for document in documents:
        for entry in document.root.members_at("secrets").values():
            texts = entry.members_at("template", "data").values()
            yield from (each.span for each in texts if isinstance(each.value, str) and "{{" not in each.value)


_BY_SCOPE = {scope: tuple(rule for rule in RULES if rule.scope is scope) for scope in Scope}
# Without what `consumers` finds too, from evidence that is not here: a waiver may be needed there alone.
_KNOWN = frozenset(rule.id for rule in RULES) - {shadowed_variable.check.id}


class Checker:
    """Runs every rule on the parts of one run; `used` has the `id` of each waiver's reason that was needed."""

    def __init__(self) -> None:
        self.used: set[int] = set()

    def document(self, document: Document) -> tuple[Diagnostic, ...]:
        """Findings of the rules in one file by itself."""
        return tuple(self._judge(Scope.DOCUMENT, document, document.root))

    def catalogue(self, catalogue: Catalogue) -> tuple[Diagnostic, ...]:
        """Findings of the rules in the catalogue, independent of environments."""
        root = catalogue.document.root
        found = list(self._judge(Scope.CATALOGUE, catalogue, root))
        for rule in RULES:
            found += self.drop_waived(rule, rule.catalogue_check(catalogue), (root,))
        return tuple(found)

    def environment(self, environment: Environment) -> tuple[Diagnostic, ...]:
        """Findings of the rules in one environment."""
        catalogue_root = environment.catalogue.document.root
        return tuple(self._judge(Scope.ENVIRONMENT, environment, environment.root, catalogue_root))

    def project(self, project: Project) -> tuple[Diagnostic, ...]:
        """Findings across environments, and the waivers that no finding of this run needed."""
        # Once, not searched for each finding: a thousand environments on one vault have thousands of them.
        roots = {environment.document.source: (environment.root,) for environment in project.environments}
        found: list[Diagnostic] = []
        for rule in _BY_SCOPE[Scope.PROJECT]:
            findings = rule.check(project)
            kept = [each for each in findings if not self._is_waived(rule, each, roots.get(each.span.source, ()))]
            found += map(rule.diagnostic, rule.gather(kept))
        return (*found, *self._unused_waivers(project))

    def _judge(self, scope: Scope, subject: object, *roots: Node) -> Iterator[Diagnostic]:
        for rule in _BY_SCOPE[scope]:
            yield from self.drop_waived(rule, rule.check(subject), roots)

    def drop_waived(self, rule: Rule, findings: Iterable[Finding], roots: tuple[Node, ...]) -> Iterator[Diagnostic]:
        """The findings that no waiver in `roots` covers; the last of too many of a rule says that there are more."""
        kept = (finding for finding in findings if not self._is_waived(rule, finding, roots))
        return first_of_a_kind(map(rule.diagnostic, kept))

    def _is_waived(self, rule: Rule, finding: Finding, roots: tuple[Node, ...]) -> bool:
        reasons = rule.waivers(finding, roots)
        self.used.update(map(id, reasons))
        return bool(reasons)

    def _unused_waivers(self, project: Project) -> Iterator[Diagnostic]:
        # What several environments share is reported once. What a damaged one would need is not known.
        sound = [environment for environment in project.environments if not environment.damaged]
        is_whole = len(sound) == len(project.names) and not project.catalogue.document.damaged
        waivers: dict[int, tuple[str, Node]] = {}
        for environment in sound:
            own = environment.document.source
            for rule_id, reason in _waivers(environment.root):
                if is_whole or reason.source is own:
                    waivers[id(reason)] = rule_id, reason
        if is_whole:
            waivers |= {id(reason): (rule_id, reason) for rule_id, reason in _waivers(project.catalogue.document.root)}
        for rule_id, reason in waivers.values():
            if id(reason) not in self.used and rule_id in _KNOWN:
                yield from unused_waiver.check.diagnostics(rule_id, reason)


def _waivers(root: Node) -> Iterator[tuple[str, Node]]:
    for place, _ in places_below(root, "secrets", "stores"):
        yield from place.members_at("waive").items()


def plan_values(
    project: Project, folder: Path, shown_folder: str, root: Path, *, nests: bool = True
) -> tuple[tuple[ValuesFile, ...], tuple[Diagnostic, ...]]:
    """The values files of a project without errors, compared with those in `folder`, shown as `shown_folder`.

    Each file that would replace another is read back first: `unproven-output` where it means other data, `too-large`
    where it could not be read back or all are too large together, `foreign-output` for a file of another program, and
    `unwritable-output` where a link leads `folder` out of `root`. Without `nests` each has the values as the chart
    itself takes them, whatever `subchart` says.
    """
    from compiler.stages.emit import read_back, values_text  # noqa: PLC0415 - commands on stores write no values file

    outside = refuse_outside(folder, shown_folder, root)
    if outside:
        return (), outside
    files: list[ValuesFile] = []
    diagnostics: list[Diagnostic] = []
    left = MAX_WRITTEN
    for environment in project.environments:
        name = f"values-{environment.name}.yaml"
        shown = f"{shown_folder}/{name}" if shown_folder else name
        data, subchart = values_of(environment), environment.subchart if nests else None
        text = values_text(data, environment.name, [layer.source.path for layer in environment.layers], subchart)
        old, before, found = read_values_file(folder / name, shown, text)
        diagnostics += found
        changes: tuple[SecretChange, ...] = ()
        if text != old:
            diagnostics += _check_read_back(text, *read_back(text), nest(data, subchart), shown)
            changes = _changes(before, data, subchart)
        files.append(ValuesFile(environment.name, Output(folder / name, shown, text), old, data, changes))
        left -= len(text)
        if left < 0:
            largest = max(files, key=lambda each: len(each.output.text)).environment
            message = (
                f"the values files up to {shown} have more than {MAX_WRITTEN} bytes; {quote(largest)} has the most"
            )
            diagnostics.append(file_error("too-large", shown, message, FEWER))
            break
    return tuple(files), tuple(diagnostics)


def _changes(before: object, data: dict[str, ValuesData], subchart: str | None) -> tuple[SecretChange, ...]:
    old = find_values(before, subchart)
    if old is None:
        return compare({}, outlines_of_values(data))
    old_subchart, values = old
    return (*nesting_change(old_subchart, subchart), *compare(outlines_of_values(values), outlines_of_values(data)))


def read_values_file(
    path: Path, shown: str, expected: str | None = None
) -> tuple[str | None, ValuesData | None, tuple[Diagnostic, ...]]:
    """The text and data of a values file that this compiler wrote, None where there is none, and diagnostics.

    Where the file has the `expected` text, its data is not read. A file that breaks the limits of such files, or shares
    parts by aliases, is `foreign-output`: a few hundred bytes of aliases would be gigabytes written out.
    """
    from compiler.stages.emit import HEADER, read_back  # noqa: PLC0415 - likewise

    text, found = read_old(path, shown, HEADER)
    if text is None or text == expected:
        return text, None, found
    data, excess = read_back(text)
    if excess is None:
        return text, data, ()
    source = Source(shown, text)
    what, offset = excess
    line = Span(source, *source.line_bounds(source.place(offset)[0]))
    message = f"{shown} was not written by this compiler: it has {what}"
    span, way_out = Span(source, offset, offset), "move it away, or name another folder with `--out`"
    return None, None, (Diagnostic("foreign-output", Severity.ERROR, message, span, help=way_out, conceals=(line,)),)


def _check_read_back(
    text: str, found: ValuesData | None, excess: Excess | None, data: ValuesData, shown: str
) -> Iterator[Diagnostic]:
    what = f"more than {MAX_BYTES} bytes" if len(text) > MAX_BYTES else excess[0] if excess is not None else ""
    if what:
        message = f"{shown} would have {what}; nothing was written"
        yield file_error("too-large", shown, message, "split the environment into several")
    elif found != data:
        message = f"{shown} does not read back as the data it was written from; nothing was written"
        yield file_error("unproven-output", shown, message)


def write_values(files: Iterable[ValuesFile], root: Path) -> tuple[Diagnostic, ...]:
    """Writes the stale ones of `files`, all or none, and removes what a killed run left beside them.

    Nothing is written where a link leads one of them out of the project `root`.
    """
    every = list(files)
    folders = {file.output.path.parent for file in every}
    return write_all([file.output for file in every if file.is_stale], root, folders)
