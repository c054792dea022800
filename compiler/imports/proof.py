"""Proves an import: the compiled environment makes the operator read what the old objects read, key by key."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from compiler.imports.forms import USUAL, FoundObject
from compiler.imports.plan import ImportPlan
from compiler.model import group_pairs
from compiler.model.document import Span
from compiler.model.environment import ALL_KEYS, Environment, Store
from compiler.model.facts import ANNOTATION, parse_duration
from compiler.model.store import Sameness, StoreIdentity, compare_stores
from compiler.model.values import CHART_LABELS, Manifest, manifests_of
from compiler.refusal import Refusal
from compiler.text.wording import pluralize

# The namespace, the Secret and the key.
_Name = tuple[str, str, str]
# Where a key is read: the store, the name in it as it compares names, and the property, None for the whole.
_Place = tuple[StoreIdentity, str, str | None]
# What the chart makes of the environment, by the namespace and the name of the Secret.
_Made = Mapping[tuple[str, str], Manifest]


class Counts(NamedTuple):
    """How many objects, and how many keys of Secrets; those that no manifest names count as none."""

    objects: int
    keys: int


# What was found, and how much of it was taken and refused, by these words.
Proof = dict[str, Counts]


def prove(plan: ImportPlan, lost: Sequence[Span] = ()) -> Proof:
    """The proof of a plan; `lost` are the places of objects that nobody read. Raises Refusal where it fails."""
    environment = _find_environment(plan)
    old = dict(_old_places(plan.objects))
    manifests = manifests_of(environment).values() if environment is not None else ()
    new = dict(_new_places(manifests, old))
    wrong = [name for name, place in old.items() if name not in new or not _is_same(place, new[name])]
    new_keys = {name for name in new if name[:2] in {each[:2] for each in old}}
    wrong += sorted(new_keys - old.keys())
    made = {(each.namespace, each.target): each for each in manifests}
    lost_metadata = [*_find_lost_metadata(plan.objects, made)]
    other = [*_find_other_secrets(plan, made)]
    for names, what in (
        (wrong, "read {} where the manifests do"),
        (lost_metadata, "keep {} of the manifests"),
        (other, "make Secrets as the manifests do in {}"),
    ):
        if names:
            details = "".join(f"  {namespace}/{secret}: {name}\n" for namespace, secret, name in names)
            missing = what.format(pluralize(len(names), "key" if names is wrong else "field"))
            message = f"the compiled environment would not {missing}"
            raise Refusal("found", message, "nothing was written; report this with the lines above", details)
    found, refused = _counts(plan.objects), _counts([each for each in plan.objects if each.reasons])
    keys = sum(secret.key_count for each in plan.objects for secret in each.secrets_to_take)
    taken = Counts(len(plan.objects) - refused.objects, keys)
    if lost or found != Counts(taken.objects + refused.objects, taken.keys + refused.keys):
        message = f"found {found.keys} keys, but took {taken.keys} and refused {refused.keys}"
        details = "".join(f"  {each.where}\n" for each in lost)
        raise Refusal("found", message, "nothing was written; report this with the manifests' form", details)
    return {"found": found, "taken": taken, "refused": refused}


class ChangedText(NamedTuple):
    """A label or an annotation of a Secret that would have another text, or be new."""

    name: str  # with what it is
    before: str | None
    after: str


def find_changed_texts(plan: ImportPlan) -> dict[ChangedText, list[str]]:
    """What the chart or the environment writes in place of the manifests' or beside it, each with its Secrets.

    The labels that the chart adds to every Secret are left out.
    """
    environment = _find_environment(plan)
    made = {(each.namespace, each.target): each for each in (manifests_of(environment).values() if environment else ())}
    found: list[tuple[ChangedText, str]] = []
    for secret in (secret for each in plan.objects if each.namespace for secret in each.secrets_to_take):
        title, manifest = f"{secret.namespace}/{secret.name}", made.get((secret.namespace, secret.name))
        metadata: Any = manifest.object["spec"]["target"]["template"]["metadata"] if manifest is not None else {}
        for what, old in (("label", {**secret.own_labels, **secret.labels}), ("annotation", secret.annotations)):
            for key, text in metadata.get(f"{what}s", {}).items():
                if old.get(key) != text and (key in old or key not in CHART_LABELS):
                    found.append((ChangedText(f"{what} {key}", old.get(key), text), title))
    return group_pairs(found)


def _find_environment(plan: ImportPlan) -> Environment | None:
    environments = plan.result.project.environments if plan.result.project is not None else ()
    return next((each for each in environments if each.name == plan.environment), None)


def _counts(objects: Sequence[FoundObject]) -> Counts:
    keys = 0
    for each in objects:
        keys += each.counted if each.counted is not None else sum(secret.key_count for secret in each.secrets_to_take)
    return Counts(len(objects), keys)


def _old_places(objects: Iterable[FoundObject]) -> Iterator[tuple[_Name, _Place]]:
    for each in objects:
        for secret in each.secrets_to_take:
            for key in secret.keys:
                read, provider = key.store, key.store.provider
                store = provider.identity(read.address, read.text("mount"), read.text("vaultNamespace"))
                place = store, provider.remote_name(key.remote_key), key.property
                yield (secret.namespace, secret.name, key.name), place


def _new_places(manifests: Iterable[Manifest], old: Iterable[_Name]) -> Iterator[tuple[_Name, _Place]]:
    """What the operator would read for the ExternalSecrets as the chart renders them, of bundles for `old` keys."""
    wanted = group_pairs(((namespace, secret), key) for namespace, secret, key in old)
    for manifest in manifests:
        spec: Any = manifest.object["spec"]
        references = [(item["secretKey"], item["remoteRef"]) for item in spec.get("data", ())]
        for source in spec.get("dataFrom", ()):
            # It fetches every property; which of them the Secret has is compared with its template.
            fetched = wanted.get((manifest.namespace, manifest.target), ())
            references += [(key, {**source["extract"], "property": key}) for key in fetched if key != ALL_KEYS]
            if manifest.listed is not None and ALL_KEYS in fetched:
                references.append((ALL_KEYS, source["extract"]))
        for key, reference in references:
            yield (manifest.namespace, manifest.target, key), _place(manifest.store, reference)


def _find_lost_metadata(objects: Iterable[FoundObject], made: _Made) -> Iterator[_Name]:
    """The Secrets of which a label, an annotation or the wave would be lost; each by the field's name for a key."""
    for secret in (secret for each in objects for secret in each.secrets_to_take):
        manifest = made.get((secret.namespace, secret.name))
        if manifest is None:
            continue
        own, copied = manifest.object["metadata"], manifest.object["spec"]["target"]["template"]["metadata"]
        wave = {} if secret.wave is None else {ANNOTATION: str(secret.wave)}
        for name, wanted, there in (
            ("labels", secret.own_labels, own),
            ("annotations", {**secret.own_annotations, **wave}, own),
            ("labels", {key: text for key, text in secret.labels.items() if key not in CHART_LABELS}, copied),
            ("annotations", secret.annotations, copied),
        ):
            if not wanted.items() <= there.get(name, {}).items():
                yield secret.namespace, secret.name, f"metadata.{name}"


def _find_other_secrets(plan: ImportPlan, made: _Made) -> Iterator[_Name]:
    """The Secrets that would have another type, text or policy, or be made by an object of another name."""
    # An entry that was there before has a name of its own, and the Secret is handed over.
    new = {(each.found.namespace, each.found.name) for each in plan.secrets if each.entry is None}
    for found, secret in ((each, secret) for each in plan.objects for secret in each.secrets_to_take):
        manifest = made.get((secret.namespace, secret.name))
        if manifest is None:
            continue
        target: Any = manifest.object["spec"]["target"]
        texts = target["template"].get("data", {})
        names = {key.name for key in secret.keys}
        keeps = texts == secret.template if secret.template else not texts or set(texts) == names
        said = {
            "type": target["template"].get("type", "Opaque"),
            **{each: target[each] for each in ("creationPolicy", "deletionPolicy")},
        }
        for word, text in said.items():
            if text != secret.said.get(word, USUAL[word]):
                yield secret.namespace, secret.name, word
        if not keeps:
            yield secret.namespace, secret.name, "template"
        interval = parse_duration(str(manifest.object["spec"]["refreshInterval"]))
        if secret.refresh is not None and interval != parse_duration(secret.refresh):
            yield secret.namespace, secret.name, "refreshInterval"
        if manifest.listed is not None and not secret.extract:
            yield secret.namespace, secret.name, "extract"
        is_new = found.kind == "ExternalSecret" and (secret.namespace, secret.name) in new
        if is_new and manifest.name != found.name:
            yield secret.namespace, secret.name, "metadata.name"


def _place(store: Store, reference: Any) -> _Place:  # noqa: ANN401 - a part of a manifest
    name = store.provider.remote_name(store.provider.operator_name(store.mount, reference["key"]))
    return store.identity, name, reference.get("property")


def _is_same(old: _Place, new: _Place) -> bool:
    """Whether both are one place; an address that the old objects do not tell is the environment's."""
    store, name, property_ = old
    new_store, *of_new = new
    is_one = compare_stores(store._replace(server=store.server or new_store.server), new_store) is Sameness.SAME
    return is_one and of_new == [name, property_]
