"""Finds what the pods of manifests, a chart or a cluster read, and compares it with an environment."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from compiler.cluster.pods import SecretRead
from compiler.cluster.view import ClusterView
from compiler.consumers.findings import (
    EnvironmentSecrets,
    entry_for,
    is_read,
    judge,
    keys_of,
    namespace_of,
    secrets_of,
    target_options,
)
from compiler.consumers.readers import Name, ObjectIndex, Workload, gather, take
from compiler.edit.yaml_edit import listing
from compiler.helm import Helm, template
from compiler.model.document import Diagnostic, Node
from compiler.model.environment import Environment
from compiler.model.facts import MAX_MANIFEST_BYTES, as_label
from compiler.refusal import Refusal, system_reason
from compiler.stages.load import load_manifests
from compiler.text.characters import printable
from compiler.text.wording import command_line, shell_line

_TARGET_ENDINGS = ("-secrets", "-secret")
STDIN = "-"
SHOWN_STDIN = "<stdin>"
_MANIFEST_ENDINGS = (".yaml", ".yml", ".json")
_MARK = "\ufeff"


@dataclass(frozen=True, slots=True, eq=False)
class UpgradeNeed:
    """A Secret, or keys of one, that the new workloads need and the old ones did not."""

    namespace: str
    name: str
    secret: str | None  # the environment's, None where it has none
    keys: tuple[str, ...]  # those named one by one
    is_optional: bool
    workloads: tuple[Workload, ...]
    # Command lines to paste, and remarks that begin with `#`; none where only the store is to be checked.
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was found."""

    own: EnvironmentSecrets
    gathered: ObjectIndex | None  # None where a manifest is refused: then nothing is said of Secrets
    diagnostics: tuple[Diagnostic, ...]
    # What must exist before newer manifests are deployed; None without older ones.
    needs: tuple[UpgradeNeed, ...] | None = None
    unneeded: tuple[str, ...] = ()  # secrets that nobody reads after the upgrade
    notes: tuple[str, ...] = ()
    namespaces: frozenset[str] = frozenset()  # the cluster's that were looked at; none for manifests


def look_at_manifests(
    environment: Environment, paths: Sequence[str], since: Sequence[str], namespace: str | None
) -> Look:
    """What the manifests in `paths` need of the environment, and what they need more than those in `since`."""
    own, default = secrets_of(environment), namespace_of(environment, namespace)
    before, found = read_manifests(since, default) if since else (None, ())
    gathered, diagnostics = read_manifests(paths, default)
    if gathered is None or (since and before is None):
        return Look(own, None, (*found, *diagnostics))
    look = _judge(own, gathered, diagnostics)
    if before is None:
        return look
    needs, unneeded = needs_of_upgrade(own, before, gathered), unneeded_secrets(own, before, gathered)
    return replace(look, needs=tuple(needs), unneeded=tuple(unneeded))


def look_at_rendered(environment: Environment, shown: str, text: str) -> Look:
    """What rendered manifests, which people know as `shown`, need of the environment."""
    own = secrets_of(environment)
    gathered, diagnostics = read_texts([(shown, text)], shown, namespace_of(environment, None))
    return _judge(own, gathered, diagnostics) if gathered is not None else Look(own, None, diagnostics)


def look_at_cluster(environment: Environment, view: ClusterView, namespace: str | None) -> Look:
    """What the live workloads need of the environment, in its namespaces or in `namespace` alone."""
    own = secrets_of(environment)
    every = [namespace] if namespace is not None else [name for name, _ in own.secrets]
    gathered, notes = gather(view, every, environment.name)
    return replace(_judge(own, gathered), notes=notes, namespaces=frozenset(every))


def _judge(own: EnvironmentSecrets, gathered: ObjectIndex, diagnostics: tuple[Diagnostic, ...] = ()) -> Look:
    if not gathered.workloads:
        message = "there is no workload, so nothing can be said of what pods read"
        raise Refusal("cannot run", message, "check the namespace, and what writes the manifests")
    return Look(own, gathered, (*diagnostics, *judge(own, gathered)))


def look_at_chart(
    environment: Environment, helm: Helm, chart: Path, values: str, others: Sequence[Path], release: str
) -> Look:
    """What the pods of `chart`, one of `chart_at`, need of the environment. Raises HelmError and Refusal."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "values.yaml"
        file.write_text(values, "utf-8")
        namespace = environment.root.text("namespace")
        text = template(helm, chart, [*others, file], release=release, namespace=namespace)
    return look_at_rendered(environment, f"<{chart.name}>", text)


def read_manifests(paths: Sequence[str], namespace: str) -> tuple[ObjectIndex | None, tuple[Diagnostic, ...]]:
    """What the manifests in `paths` hold, None where one is refused, and the findings.

    A folder means all .yaml, .yml and .json files below it; `-` is standard input. `namespace` is that of objects
    without one. Raises Refusal for what cannot be read, is empty, or is too large together.
    """
    piped = ("consumers", "ENV", "--manifests", STDIN)
    return read_texts(read_files(paths), ", ".join(map(_show_path, paths)), namespace, piped)


def read_texts(
    texts: Iterable[tuple[str, str]], shown: str, namespace: str, piped: Sequence[str] = ()
) -> tuple[ObjectIndex | None, tuple[Diagnostic, ...]]:
    """The same of `texts`, each after its name; `shown` stands for all of them. For `piped` see `read_documents`."""
    gathered = ObjectIndex()
    is_whole, found = read_documents(texts, partial(take, gathered=gathered, namespace=namespace), piped)
    if is_whole and not gathered.objects:
        # Most often the command before the pipe failed.
        raise Refusal("cannot run", f"there is no manifest in {shown}", "check the command that writes them")
    return gathered if is_whole else None, found


def read_documents(
    texts: Iterable[tuple[str, str]], keep: Callable[[Node], object], piped: Sequence[str]
) -> tuple[bool, tuple[Diagnostic, ...]]:
    """Gives `keep` each document of the manifests in `texts`; false where one of them is refused."""
    found, is_whole = list[Diagnostic](), True
    for shown, text in texts:
        kept, diagnostics = load_manifests(shown, text, keep)
        is_refused = kept is None
        found += (_of_template(each, text, piped) if is_refused and piped else each for each in diagnostics)
        is_whole &= not is_refused
    return is_whole, tuple(found)


def read_files(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each file that `paths` stand for, as people know it, and its text. Raises Refusal."""
    left = MAX_MANIFEST_BYTES
    for path in _files(paths):
        content = _content(path, left)
        left -= len(content)
        if left < 0:
            raise Refusal("cannot run", f"the manifests have more than {MAX_MANIFEST_BYTES} bytes")
        yield _show_path(path), _decode(_show_path(path), content)


def _of_template(diagnostic: Diagnostic, text: str, piped: Sequence[str]) -> Diagnostic:
    """With the way out for a chart's template, which a chart's folder holds in place of manifests."""
    start, end = diagnostic.span.source.line_bounds(diagnostic.span.line)
    helm = shell_line("helm", "template", "NAME", "CHART")
    render = f"{helm} | {command_line(*piped)}"
    is_template = "{{" in text[start:end]
    return diagnostic._replace(help=f"this is a chart's template: render it, `{render}`") if is_template else diagnostic


def _files(paths: Iterable[str]) -> list[str]:
    """Each file that `paths` stand for, once: what one manifest makes would be made twice."""
    found: dict[str, str] = {}
    for path in paths:
        try:
            for file in _below(path) if path != STDIN and Path(path).is_dir() else (path,):
                found.setdefault(STDIN if file == STDIN else os.path.realpath(file), file)
        except OSError as error:
            raise _refuse_file(path, error) from None
    return list(found.values())


def _content(path: str, most: int) -> bytes:
    """What a file holds, no longer than one byte past `most`; a pipe, as of `<(helm template …)`, counts as one."""
    try:
        with open(0, "rb", closefd=False) if path == STDIN else Path(path).open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise _refuse_file(_show_path(path), error) from None


def _show_path(path: str) -> str:
    return SHOWN_STDIN if path == STDIN else path


def _refuse_file(shown: str, error: OSError) -> Refusal:
    message = f"{shown} cannot be read: {system_reason(error)}"
    return Refusal("usage", message, "name a file or a folder of manifests, or - for standard input")


def _refuse_folder(error: OSError) -> None:
    raise _refuse_file(str(error.filename), error)


def _below(folder: str) -> list[str]:
    """The files below a folder that may be manifests, in order; links to folders are not followed."""
    found = []
    for where, folders, names in os.walk(folder, onerror=_refuse_folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        paths = [
            Path(where, name) for name in sorted(names) if name.endswith(_MANIFEST_ENDINGS) and not name.startswith(".")
        ]
        found += [str(path) for path in paths if path.is_file() or not path.exists()]
    return found


def _decode(shown: str, content: bytes) -> str:
    try:
        return content.decode().removeprefix(_MARK)
    except UnicodeDecodeError:
        pass
    raise Refusal("cannot run", f"{shown} is not UTF-8", "check the command that writes it")


def unneeded_secrets(own: EnvironmentSecrets, old: ObjectIndex, new: ObjectIndex) -> Iterator[str]:
    """The environment's secrets that the `old` manifests read and the `new` ones do not."""
    readers, before = new.readers(), old.readers()
    for name, secret in own.secrets.items():
        if is_read(name, old, before) and not is_read(name, new, readers):
            yield secret.id


def needs_of_upgrade(own: EnvironmentSecrets, old: ObjectIndex, new: ObjectIndex) -> Iterator[UpgradeNeed]:
    """What the `new` manifests need and the `old` ones did not."""
    before = old.readers()
    for name, reading in new.readers().items():
        earlier = before.get(name, ())
        fresh = _fresh(reading, earlier)
        others = [made for made in new.made.get(name, ()) if not own.is_of(made)]
        if not fresh or name[1] in own.elsewhere or (others and name not in own.secrets):
            continue
        needed = [each for each in fresh if not each[1].optional]
        keys = sorted({each.key for _, each in needed or fresh if each.key})
        secret = own.secrets.get(name)
        yield UpgradeNeed(
            *name,
            secret.id if secret is not None else None,
            tuple(keys),
            not needed,
            tuple(dict.fromkeys(workload for workload, _ in needed or fresh)),
            tuple(_steps(own, name, keys, is_new=not earlier)),
        )


def _fresh(
    reading: Iterable[tuple[Workload, SecretRead]], earlier: Collection[tuple[Workload, SecretRead]]
) -> list[tuple[Workload, SecretRead]]:
    """The readings of a Secret that are new, or that need now what was optional in all `earlier` ones."""
    asked = {each.key for _, each in earlier}
    needed = {each.key for _, each in earlier if not each.optional}
    return [(workload, each) for workload, each in reading if each.key not in (asked if each.optional else needed)]


def _steps(own: EnvironmentSecrets, name: Name, keys: list[str], *, is_new: bool) -> Iterator[str]:
    environment, secret = own.environment.name, own.secrets.get(name)
    if secret is not None:
        has = keys_of(secret)
        lacking = [key for key in keys if key not in has]
        if lacking:
            # A line break in a key would end the remark, and what follows be run by whoever pastes it.
            yield f"# first add to {secret.id} in environments/catalogue.yaml: {', '.join(map(printable, lacking))}"
        yield command_line("put", environment, secret.id, *([] if is_new else [key for key in keys if key in has]))
        return
    entry = entry_for(own, name[1])
    if entry is not None:
        yield f"# first list `{listing(entry.id, own.other(name[0]))}` under `secrets:` of {environment}"
        yield command_line("put", environment, entry.id)
        return
    chosen = _free_id(own, name[1])
    if not keys:
        yield "# the manifests do not name its keys: write them in place of KEY"
    options = [word for key in keys or ["KEY"] for word in ("--key", key)]
    yield command_line("new", "secret", chosen, *target_options(own, name), *options, "--into", environment)
    yield command_line("put", environment, chosen)


def _free_id(own: EnvironmentSecrets, target: str) -> str:
    """A name for a new entry of the catalogue: the target's without its ending, where that is free."""
    short = next((target.removesuffix(end) for end in _TARGET_ENDINGS if target.endswith(end)), target)
    candidates = [as_label(each) for each in (short, target)]
    return next((each for each in candidates if each and each not in own.environment.catalogue.entries), "NAME")
