"""Plans what an import writes: a catalogue entry for each new Secret, and an environment's stores and list.

A Secret that the catalogue has keeps its entry, and the environment says what differs. What compiling then finds wrong
with a Secret refuses its object, and the rest is planned again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from compiler.edit.new_project import Draft, address_scalar, compile_drafts, new_draft
from compiler.edit.yaml_edit import Edit, add_members, apply_edits, apply_splices, in_braces
from compiler.imports.forms import USUAL, FoundKey, FoundObject, FoundSecret
from compiler.imports.found_stores import OWN_STORE, STORE_OPTION, Setting, SourceStore, setting_of
from compiler.imports.sources import ImportTarget, store_kind
from compiler.model import group_pairs
from compiler.model.document import Node, Severity, Span
from compiler.model.environment import Entry
from compiler.model.facts import SECRET_WAVE, as_label, parse_duration
from compiler.model.store import DEFAULT_MOUNT, place_of
from compiler.model.values import CHART_LABELS
from compiler.pipeline import Result
from compiler.refusal import Refusal
from compiler.rules import unreachable_store
from compiler.rules.api import Finding
from compiler.stages.emit import scalar
from compiler.stages.files import Output
from compiler.stages.load import load_text
from compiler.text.characters import has_control
from compiler.text.wording import quote

_SEPARATORS = "-._"
_Setting = str | Mapping[str, str]


class PlannedStore(NamedTuple):
    """A store of the environment that found keys are read from; `changes` are settings to write, all of a new one."""

    id: str
    source: SourceStore
    is_new: bool
    changes: Mapping[str, _Setting | bool]
    prefix: str = ""


class PlannedSecret(NamedTuple):
    """A found Secret with its id."""

    id: str
    found: FoundSecret
    store: PlannedStore
    entry: Entry | None  # that of the catalogue, None for a new one
    settings: Mapping[str, _Setting]  # what the environment says of it, by name
    additions: tuple[Edit, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ImportPlan:
    """What an import writes, and each object that was found: taken, or refused for its reasons."""

    environment: str
    objects: tuple[FoundObject, ...]
    secrets: tuple[PlannedSecret, ...]
    stores: tuple[PlannedStore, ...]
    outputs: tuple[Output, ...]
    result: Result  # what compiling would find, with the places of what was read


def plan_import(here: ImportTarget, objects: Sequence[FoundObject]) -> ImportPlan:
    """The plan for `objects`. Raises Refusal for a file that cannot be edited."""
    left = [_refuse_control_characters(each) for each in objects]
    while True:
        drafted = _Drafting(here, left)
        if drafted.objects != left:
            # What an object was planned with may be the choice of one that is refused.
            left = drafted.objects
            continue
        drafts = drafted.drafts()
        result = compile_drafts(here.root, drafts)
        # The lines of manifests are not shown: they may hold values.
        result = result._replace(diagnostics=tuple(each._replace(brief=True) for each in result.diagnostics))
        refused = _rule_errors(left, result)
        if not refused:
            outputs = tuple(_outputs(here, drafts)) if drafted.secrets else ()
            stores = tuple(drafted.stores.values())
            return ImportPlan(here.name, tuple(left), tuple(drafted.secrets), stores, outputs, result)
        left = [each.refuse(*refused.get(each, ())) for each in left]


def _refuse_control_characters(found: FoundObject) -> FoundObject:
    """The object; refused if a text in it has a control character, which no file of a project may have."""
    for secret in found.secrets_to_take:
        metadata = (secret.labels, secret.annotations, secret.own_labels, secret.own_annotations)
        texts = {
            "its name, type or policy": (secret.name, *secret.said.values()),
            "a key or its place": [
                text for key in secret.keys for text in (key.name, key.remote_key, key.property or "")
            ],
            "its template": [text for pair in secret.template.items() for text in pair],
            "a label or annotation": [text for each in metadata for pair in each.items() for text in pair],
        }
        for what, among in texts.items():
            if any(map(has_control, among)):
                message = f"{what} has a control character, which no file of a project may have"
                return found.refuse(Finding(message, secret.at, "leave the character out"))
    return found


def _outputs(here: ImportTarget, drafts: Iterable[Draft]) -> Iterator[Output]:
    old = {each.source.path: each.source.text for each in (here.catalogue, here.own)}
    for draft in drafts:
        shown = draft.source.path
        is_new = here.is_new and shown == here.own.source.path
        if is_new or draft.text != old[shown]:
            yield Output((here.root / shown).resolve(), shown, draft.text, replaces=None if is_new else old[shown])


def _rule_errors(objects: Iterable[FoundObject], result: Result) -> dict[FoundObject, list[Finding]]:
    """The objects whose Secrets would break a rule, with what it says."""
    spans = ((span, each) for each in objects for span in _spans(each))
    places = group_pairs(((id(span.source), span.start), each) for span, each in spans)
    found: dict[FoundObject, list[Finding]] = {}
    for diagnostic in result.diagnostics:
        if diagnostic.severity is Severity.ERROR:
            span = diagnostic.span
            for each in places.get((id(span.source), span.start), ()):
                option = _address_option(each, span) if diagnostic.rule == unreachable_store.check.id else None
                way_out = f"give its address with `{option} URL`" if option else diagnostic.help
                found.setdefault(each, []).append(Finding(diagnostic.message, span, way_out))
    return found


def _spans(each: FoundObject) -> Iterator[Span]:
    for secret in each.secrets_to_take:
        yield secret.at
        for key in secret.keys:
            yield key.at
            if key.store.at is not None:
                yield key.store.at


def _address_option(each: FoundObject, span: Span) -> str | None:
    """The option for the address of the store that `--store` names at `span`."""
    stores = [key.store for secret in each.secrets for key in secret.keys]
    return next((store.provider.option for store in stores if store.at == span and span.path == STORE_OPTION), None)


@dataclass(slots=True)
class _Drafting:
    """Chooses stores, ids and places for the objects that are still taken, and refuses those that have none."""

    here: ImportTarget
    objects: list[FoundObject]
    stores: dict[SourceStore, PlannedStore] = field(default_factory=dict)
    secrets: list[PlannedSecret] = field(default_factory=list)
    namespace: str = ""
    store: str = ""

    def __post_init__(self) -> None:
        self._refuse_without_keys()
        self._choose_stores()
        self._refuse_repeated()
        taken = [secret for each in self.objects for secret in each.secrets_to_take]
        self.namespace = self.here.namespace
        self.store = self.here.merged.text("store") or ""
        if taken and not self.here.secret_nodes:
            self.namespace = _commonest(secret.namespace for secret in taken)
            self.store = _commonest(self.stores[secret.keys[0].store].id for secret in taken)
        ids = self._new_ids(taken)
        self.objects = [self._plan_object(each, ids) for each in self.objects]
        used = {each.store.id for each in self.secrets}
        self.stores = {source: each for source, each in self.stores.items() if each.id in used}

    def _refuse_without_keys(self) -> None:
        message = "it makes a Secret without keys, or with keys that have no name or share one"
        reasons = {}
        for each in self.objects:
            for secret in each.secrets_to_take:
                names = {key.name for key in secret.keys}
                if not names or "" in names or len(names) < len(secret.keys):
                    reasons[each] = Finding(message, each.at)
        self._refuse(reasons)

    def _refuse(self, reasons: Mapping[FoundObject, Finding]) -> None:
        self.objects = [each.refuse(reasons[each]) if each in reasons else each for each in self.objects]

    def _choose_stores(self) -> None:
        found_keys = [(each, key) for each in self.objects for secret in each.secrets_to_take for key in secret.keys]
        uses = Counter(key.store for _, key in found_keys)
        reasons: dict[SourceStore, str] = {}
        for source, _ in uses.most_common():
            found = _choose_store(self.here, source)
            if isinstance(found, str):
                reasons[source] = found
            elif any(found.id == other.id for other in self.stores.values()):
                reasons[source] = f"the store {quote(source.name or found.id)} is found with two addresses or mounts"
            else:
                self.stores[source] = found
        refused = {}
        for each, key in found_keys:
            if key.store in reasons:
                way_out = f"import what reads it with --store NAME={key.store.provider.id}"
                refused[each] = Finding(reasons[key.store], key.at, way_out)
        self._refuse(refused)

    def _refuse_repeated(self) -> None:
        first: dict[tuple[str, str], FoundObject] = {}
        reasons = {}
        for each in self.objects:
            for secret in each.secrets_to_take:
                name = secret.namespace, secret.name
                if name in first:
                    message = f"{first[name].title} makes the Secret {quote(secret.name)} too"
                    reasons[each] = Finding(message, secret.at, "remove one of them")
                first.setdefault(name, each)
        self._refuse(reasons)

    def _new_ids(self, taken: Sequence[FoundSecret]) -> dict[FoundSecret, str]:
        """An id for each that may be new: its name without the common prefix, with its namespace on a clash."""
        prefix = _common_prefix([secret.name for secret in taken])
        short = {secret: as_label(secret.name.removeprefix(prefix)) for secret in taken}
        counts = Counter(short.values())
        return {
            secret: short[secret] if counts[short[secret]] == 1 else as_label(f"{secret.namespace}-{short[secret]}")
            for secret in taken
        }

    def _plan_object(self, each: FoundObject, ids: Mapping[FoundSecret, str]) -> FoundObject:
        planned: list[PlannedSecret] = []
        for secret in each.secrets_to_take:
            found = self._plan_secret(secret, ids[secret], [*self.secrets, *planned])
            if isinstance(found, Finding):
                return each.refuse(found)
            planned.append(found)
        self.secrets += planned
        return each

    def _plan_secret(
        self, secret: FoundSecret, new_id: str, others: Sequence[PlannedSecret]
    ) -> PlannedSecret | Finding:
        store = self.stores[secret.keys[0].store]
        if store.prefix and not all(key.remote_key.startswith(store.prefix) for key in secret.keys):
            return Finding(f"its names do not begin with the prefix {quote(store.prefix)} of the store", secret.at)
        entry = self._entry_of(secret, new_id, {each.id for each in others})
        if isinstance(entry, Finding):
            return entry
        settings = self._settings(secret, store, entry)
        if entry is not None:
            if secret.wave not in (None, entry.sync_wave):
                message = f"its sync wave is {secret.wave}, and that of {quote(entry.id)} is {entry.sync_wave}"
                return Finding(message, secret.at, "give both one sync wave")
            differing = _find_difference(entry, secret)
            if differing is not None:
                message = f"its {differing} is not that of {quote(entry.id)} in the catalogue"
                return Finding(message, secret.at, "make them agree, or leave the object as it is")
            listed = self.here.secret_nodes.get(entry.id)
            if listed is not None and listed.nearest("enabled").value is False:
                return Finding(f"the environment has {quote(entry.id)} disabled", secret.at, "remove `enabled: false`")
            fitted = _fit(entry, secret, store, listed)
            if isinstance(fitted, Finding):
                return fitted
            remote, additions = fitted
            provider = store.source.provider.id
            own = listed.text("remote", provider) if listed is not None else None
            if remote not in (None, own if own is not None else entry.remote.get(provider)):
                settings["remote"] = {provider: remote}
            return PlannedSecret(entry.id, secret, store, entry, settings, additions)
        candidates = (new_id, as_label(f"{secret.namespace}-{new_id}"))
        taken = {*self.here.entries, *(each.id for each in others)}
        free = next((each for each in candidates if each and each not in taken), None)
        if free is None:
            return Finding(f"the catalogue has another secret {quote(new_id)}", secret.at, "rename that one")
        return PlannedSecret(free, secret, store, None, settings, ())

    def _entry_of(self, secret: FoundSecret, new_id: str, assigned: set[str]) -> Entry | Finding | None:
        same = [entry for entry in self.here.entries.values() if entry.target == secret.name]
        listed = {entry.id: self.here.secret_nodes[entry.id] for entry in same if entry.id in self.here.secret_nodes}
        for entry in same:
            node = listed.get(entry.id)
            if node is not None and (node.text("namespace") or self.here.namespace) == secret.namespace:
                return entry
        free = [entry for entry in same if entry.id not in listed and entry.id not in assigned]
        named = [entry for entry in free if entry.id in (new_id, f"{secret.namespace}-{new_id}")]
        if len(free) > 1 and len(named) != 1:
            names = ", ".join(entry.id for entry in free)
            help_text = f"list the one that is meant in {self.here.own.source.path}, with its namespace"
            return Finding(f"the catalogue has several entries for this Secret: {names}", secret.at, help_text)
        return next(iter(named or free), None)

    def _settings(self, secret: FoundSecret, store: PlannedStore, entry: Entry | None) -> dict[str, _Setting]:
        """What the environment has to say of a Secret beyond what its layers say."""
        listed = self.here.secret_nodes.get(entry.id) if entry is not None else None
        above: dict[str, str | None] = {"store": self.store, "namespace": self.namespace}
        above["refreshInterval"] = self.here.merged.text("refreshInterval")
        wanted: dict[str, _Setting] = {"store": store.id, "namespace": secret.namespace}
        if secret.refresh is not None:
            wanted["refreshInterval"] = secret.refresh
        labels = {name: text for name, text in secret.labels.items() if name not in CHART_LABELS}
        wanted |= {"secretLabels": labels, "secretAnnotations": secret.annotations}
        wanted |= {"labels": secret.own_labels, "annotations": secret.own_annotations}
        found: dict[str, _Setting] = {}
        for name, value in wanted.items():
            said = listed.get(name) if listed is not None else None
            if isinstance(value, str):
                before = str(said.value) if said is not None else above[name] or ""
                if before != value and (
                    parse_duration(before) is None or parse_duration(before) != parse_duration(value)
                ):
                    found[name] = value
            elif value and (said is None or any(said.text(key) != text for key, text in value.items())):
                found[name] = value
        return found

    def drafts(self) -> list[Draft]:
        catalogue, own = self.here.catalogue, self.here.own
        origins: dict[tuple[str, ...], Span] = {}
        for each in self.secrets:
            origins["secrets", each.id] = each.found.at
            origins |= {("secrets", each.id, "keys", key.name): key.at for key in each.found.keys}
        for store in self.stores.values():
            if store.source.at is not None and (store.is_new or store.changes):
                origins["stores", store.id] = store.source.at
        texts = ((catalogue, self._catalogue_text()), (own, self._environment_text()))
        # As if all of a file were new: each place is found by its keys.
        return [new_draft(each.source.path, text, origins) for each, text in texts]

    def _catalogue_text(self) -> str:
        document = self.here.catalogue
        edits = [edit for each in self.secrets for edit in each.additions]
        text = apply_edits(document, edits) if edits else document.source.text
        new = [each for each in self.secrets if each.entry is None]
        blocks = [line for each in new for line in ("", *_entry_lines(each))][1:]
        return _with_members(document.source.path, text, ("secrets",), blocks, "secret")

    def _environment_text(self) -> str:
        document = self.here.own
        changed = {"namespace": self.namespace, "store": self.store}
        edits = [Edit((name,), new) for name, new in changed.items() if new and self.here.merged.text(name) != new]
        listed = document.root.members_at("secrets")
        for store in self.stores.values():
            if not store.is_new:
                edits += _setting_edits("stores", store.id, store.changes)
        for each in self.secrets:
            if each.id in listed:
                edits += _setting_edits("secrets", each.id, each.settings)
        text = apply_edits(document, edits) if edits else document.source.text
        stores = [line for each in self.stores.values() if each.is_new for line in _store_lines(each)]
        text = _with_members(document.source.path, text, ("stores",), stores, "store")
        # A lower layer may list a secret as it is.
        new = [each for each in self.secrets if each.id not in listed]
        needed = [each for each in new if each.id not in self.here.secret_nodes or each.settings]
        lines = [line for each in needed for line in _listing_lines(each)]
        return _with_members(document.source.path, text, ("secrets",), lines, "secret")


def _choose_store(here: ImportTarget, source: SourceStore) -> PlannedStore | str:
    """The environment's store for `source`, there or new; why it has none, in words."""
    provider, settings = source.provider, {name: _plain(value) for name, value in source.settings}
    store_id = as_label(source.name) if source.name else _store_by_address(here, source)
    if store_id is None:
        return f"the environment has no store for this {provider.title}"
    named = [
        key for key, node in here.stores.items() if (node.text("name"), store_kind(node)) == (source.name, source.kind)
    ]
    store_id = next(iter(named), store_id)
    node = here.stores.get(store_id)
    if node is None:
        return PlannedStore(store_id, source, is_new=True, changes=settings)
    if node.text("provider") != provider.id:
        return f"the environment's store {quote(store_id)} is not a {provider.title}"
    changes = _changes(node, source)
    if here.secret_nodes and not here.is_new and any(name in node.children for name in changes):
        return f"the environment has secrets in another store {quote(store_id)}: {', '.join(changes)} differs"
    return PlannedStore(store_id, source, is_new=False, changes=changes, prefix=node.text("prefix") or "")


def _store_by_address(here: ImportTarget, source: SourceStore) -> str | None:
    """The environment's store of that address; else its only one of the provider, if either address is not known."""
    address = source.provider.address
    url, existing = source.address, dict[str, str | None]()
    for key, node in here.stores.items():
        if node.text("provider") == source.provider.id:
            existing[key] = node.text(address)
    same = [key for key, text in existing.items() if url and text and source.provider.is_one_server(text, url)]
    known = same or [key for key, text in existing.items() if not url or not text]
    return known[0] if len(known) == 1 else None


def _plain(value: Setting) -> _Setting | bool:
    return dict(value) if isinstance(value, tuple) else value


def _changes(node: Node, source: SourceStore) -> dict[str, _Setting | bool]:
    """The settings of `source` that the environment's store does not have, the name of its object too."""
    found: dict[str, _Setting | bool] = {"name": source.name} if source.name not in ("", node.text("name")) else {}
    if source.name and store_kind(node) != source.kind:
        found["kind"] = source.kind
    for name, value in source.settings:
        child = node.children.get(name)
        written = setting_of(child.plain_data() if child is not None else DEFAULT_MOUNT if name == "mount" else "")
        is_same = written == value
        if name == source.provider.address and written:
            is_same = source.provider.is_one_server(str(written), str(value))
        if not is_same:
            found[name] = _plain(value)
    return found


def _find_difference(entry: Entry, secret: FoundSecret) -> str | None:
    """The first field of what is made in which an entry is unlike a found Secret."""
    said = {"type": entry.type, "creationPolicy": entry.creation_policy, "deletionPolicy": entry.deletion_policy}
    # Where all keys are known, an entry may list them and no more.
    if entry.extract != secret.extract and not (secret.extract and secret.names_keys):
        return "extract"
    unlike = (word for word, usual in USUAL.items() if (said[word] or usual) != secret.said.get(word, usual))
    return next(unlike, "template" if entry.template != secret.template else None)


def _fit(
    entry: Entry, secret: FoundSecret, store: PlannedStore, listed: Node | None
) -> tuple[str | None, tuple[Edit, ...]] | Finding:
    """The remote name that the environment has to give to an entry, and what the catalogue lacks of this provider."""
    provider = store.source.provider.id
    if entry.extract and secret.extract:
        remote = _main_remote(secret, store)
        return (remote, ()) if provider in entry.remote else (None, tuple(_additions(entry.id, secret, store)))
    found = {key.name: key for key in secret.keys}
    use = listed.get("use") if listed is not None else None
    usual = entry.variants if entry.default_variants is None else entry.default_variants
    variants = tuple(str(each.value) for each in use.items) if use is not None else usual
    expected = {key.name: key for key in entry.keys_of(variants)}
    if found.keys() != expected.keys():
        more, fewer = sorted(found.keys() - expected.keys()), sorted(expected.keys() - found.keys())
        words = [f"the entry has no key {quote(name)}" for name in more[:1]]
        words += [f"the entry has the key {quote(name)} as well" for name in fewer[:1]]
        line = entry.node.key_span
        way_out = f"give keys `variants` in {line.path}, line {line.line}, list {entry.id} with `use`, and import again"
        return Finding("; ".join(words), secret.at, way_out)
    if provider not in entry.remote and not any(provider in key.remote for key in entry.keys.values()):
        return None, tuple(_additions(entry.id, secret, store))
    remote = _main_remote(secret, store)
    if remote is None:
        remote = entry.remote.get(provider)
    for name, key in expected.items():
        place = place_of(key, provider, remote, store.prefix)
        wanted = found[name]
        if place is None or (place.remote_key, place.property) != (wanted.remote_key, wanted.property):
            message = (
                f"the catalogue has {quote(name)} at another path in the store; an environment cannot override that"
            )
            return Finding(message, wanted.at, f"make it a secret of its own beside {entry.id}")
    return remote, ()


def _additions(entry_id: str, secret: FoundSecret, store: PlannedStore) -> Iterator[Edit]:
    provider, remote = store.source.provider.id, _main_remote(secret, store)
    if remote is not None:
        yield Edit(("secrets", entry_id, "remote", provider), remote)
    for key in secret.keys if not secret.extract else ():
        for name, value in _own_place(key, store, remote).items():
            yield Edit(("secrets", entry_id, "keys", key.name, "remote", provider, name), value)


def _main_remote(secret: FoundSecret, store: PlannedStore) -> str | None:
    """The remote secret that holds most keys as properties, without the store's prefix; None where none does."""
    parts = (key for key in secret.keys if key.property is not None or secret.extract)
    names = [key.remote_key.removeprefix(store.prefix) for key in parts]
    return _commonest(names) if names else None


def _own_place(key: FoundKey, store: PlannedStore, remote: str | None) -> dict[str, str | bool]:
    """What the key has to say of its place beside the entry's remote secret."""
    name, found = key.remote_key.removeprefix(store.prefix), dict[str, str | bool]()
    if name != remote:
        found["name"] = name
    if key.property is None:
        found["whole"] = True
    elif key.property != key.name:
        found["property"] = key.property
    return found


def _entry_lines(each: PlannedSecret) -> Iterator[str]:
    provider, remote = each.store.source.provider.id, _main_remote(each.found, each.store)
    yield f"{scalar(each.id)}:"
    yield f"  target: {scalar(each.found.name)}"
    yield from (f"  {word}: {scalar(text)}" for word, text in each.found.said.items())
    if remote is not None:
        yield f"  remote: {in_braces({provider: remote})}"
    if each.found.wave not in (None, SECRET_WAVE):
        yield f"  syncWave: {each.found.wave}"
    if each.found.extract:
        yield "  extract: true"
    if each.found.names_keys:
        yield "  keys:"
    for key in each.found.keys if each.found.names_keys else ():
        own = _own_place(key, each.store, remote)
        yield f"    {scalar(key.name)}: {in_braces(own, ('remote', provider)) if own else '{}'}"
    if each.found.template:
        yield "  template:"
        yield "    data:"
        yield from (f"      {scalar(key)}: {scalar(text)}" for key, text in each.found.template.items())


def _store_lines(each: PlannedStore) -> Iterator[str]:
    yield f"{scalar(each.id)}:"
    yield f"  provider: {each.source.provider.id}"
    yield f"  name: {scalar(each.source.name)}"
    if each.source.kind == OWN_STORE:
        yield f"  kind: {OWN_STORE}"
    address = each.source.provider.address
    for name, value in each.changes.items():
        yield f"  {name}: {address_scalar(str(value)) if name == address else in_braces(value)}"


def _listing_lines(each: PlannedSecret) -> Iterator[str]:
    if not each.settings:
        yield f"{scalar(each.id)}: {{}}"
        return
    yield f"{scalar(each.id)}:"
    for name, value in each.settings.items():
        yield f"  {name}: {in_braces(value)}"


def _setting_edits(group: str, member: str, settings: Mapping[str, _Setting | bool]) -> Iterator[Edit]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from (Edit((group, member, name, key), text) for key, text in value.items())
        else:
            yield Edit((group, member, name), value)


def _with_members(path: str, text: str, at: Sequence[str], lines: Sequence[str], noun: str) -> str:
    if not lines:
        return text
    document, _ = load_text(path, text)
    if document is None:
        raise Refusal(
            "found", f"{path} cannot be edited, as it is not valid YAML", f"correct it, or add the {noun}s by hand"
        )
    return apply_splices(text, add_members(document, at, lines, noun))


def _commonest(names: Iterable[str]) -> str:
    return Counter(names).most_common(1)[0][0]


def _common_prefix(names: Sequence[str]) -> str:
    """What all names begin with, up to a separator; empty for a single name."""
    first, last = min(names, default=""), max(names, default="")
    length = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), 0)
    return first[: max(map(first[:length].rfind, _SEPARATORS)) + 1]
