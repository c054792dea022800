"""Finds wrong names of remote secrets and Kubernetes objects, and where a diagnostic about them points.

An environment that uses the catalogue's names unchanged is not checked again: they were, once, with the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from compiler.rules.api import Finding, quoted

if TYPE_CHECKING:
    from compiler.model.catalogue import Catalogue
    from compiler.model.document import Node
    from compiler.model.environment import Environment, Secret, Store
    from compiler.model.provider import Provider
    from compiler.rules.api import Findings


LONGEST_LABEL = 63
LONGEST_NAME = 253

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII)
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", re.ASCII)
_QUALIFIED = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?", re.ASCII)
_SECRET_KEY = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


def namespace_problem(name: str) -> str | None:
    """The mistake in the name of a namespace (a DNS-1123 label)."""
    return _problem(name, _LABEL, LONGEST_LABEL, "lower-case letters, digits and inner hyphens")


def as_label(text: str) -> str:
    """The DNS-1123 label that comes closest to `text`; empty where nothing of that can stand in one."""
    return re.sub("[^a-z0-9-]+", "-", text.lower())[:LONGEST_LABEL].strip("-")


def object_name_problem(name: str, longest: int = LONGEST_NAME) -> str | None:
    """The mistake in the name of an object (a DNS-1123 subdomain)."""
    return _problem(name, _SUBDOMAIN, longest, "lower-case letters, digits, inner hyphens and dots")


def secret_key_problem(key: str) -> str | None:
    """The mistake in a key of a Secret."""
    if key == "." or key.startswith(".."):
        return 'may not be "." or begin with ".."'
    return _problem(key, _SECRET_KEY, LONGEST_NAME, "letters, digits, -, _ and .")


def label_key_problem(key: str) -> str | None:
    """The mistake in the key of a label or annotation: a name, after a domain and `/` where there is one."""
    domain, slash, name = key.rpartition("/")
    if slash and (problem := object_name_problem(domain)):
        return f"has a domain that {problem}"
    return _problem(name, _QUALIFIED, LONGEST_LABEL, "letters, digits, and inner -, _ and .")


def label_value_problem(value: str) -> str | None:
    """The mistake in the value of a label; an empty one is allowed."""
    return _problem(value, _QUALIFIED, LONGEST_LABEL, "letters, digits, and inner -, _ and .") if value else None


def _problem(name: str, form: re.Pattern[str], longest: int, allowed: str) -> str | None:
    if len(name) > longest:
        return f"has {len(name)} characters, and Kubernetes allows {longest}"
    return None if form.fullmatch(name) else f"may only have {allowed}"


# The mistake in a name, as the end of the sentence `the name "…" …`, or None.
Judgement: TypeAlias = Callable[[str], str | None]
# The way out, given the name, empty for a mount or a prefix, and its mistake.
Advice: TypeAlias = Callable[[str, str], str]


def wrong_in_catalogue(catalogue: Catalogue, provider: Provider, judge: Judgement, advise: Advice) -> Findings:
    """The wrong ones of the names that entries and their keys have for `provider`."""
    for entry in catalogue.entries.values():
        name = entry.remote.get(provider.id)
        if name is not None and (problem := judge(name)):
            node = entry.node.nearest("remote", provider.id)
            yield _wrong_name(provider, name, problem, advise, node, entry.id)
        for key in entry.keys.values():
            own = key.remote.get(provider.id) if key.remote else None
            if own is not None and own.name is not None and (problem := judge(own.name)):
                node = key.node.nearest("remote", provider.id, "name")
                yield _wrong_name(provider, own.name, problem, advise, node, entry.id)


def wrong_in_environment(environment: Environment, provider: Provider, judge: Judgement, advise: Advice) -> Findings:
    """The wrong ones of the names that the environment makes itself, by a `remote`, or a store's mount or prefix."""
    wrong_prefixes = []
    for store in environment.stores.values():
        if store.provider is not provider:
            continue
        scope = ("stores", store.id)
        if provider.has_mounts and (problem := judge(store.mount)):
            message = f"the mount {quoted(store.mount)} {problem}"
            yield Finding(message, store.node.nearest("mount"), help=advise("", problem), scope=scope)
        # A prefix is judged with a name behind it, as it may end in what no name may end in.
        if store.prefix and (problem := judge(store.prefix + "x")):
            wrong_prefixes.append(store.id)
            yield Finding(f"the prefix {problem}", store.node.nearest("prefix"), help=advise("", problem), scope=scope)
    for secret in environment.secrets.values():
        own = secret.node.get("remote", provider.id)
        reads = secret.store is not None and secret.store.provider is provider
        if reads and secret.store is not None and secret.store.prefix:
            if secret.store.id not in wrong_prefixes:
                yield from _wrong_with_prefix(secret, secret.store, own, judge, advise)
        elif own is not None and isinstance(own.value, str) and (problem := judge(own.value)):
            yield _wrong_name(provider, own.value, problem, advise, own, secret.id)


def _wrong_with_prefix(secret: Secret, store: Store, own: Node | None, judge: Judgement, advise: Advice) -> Findings:
    provider, name = store.provider, secret.remote
    if name is not None and (problem := judge(name)):
        node = own or secret.entry.node.nearest("remote", provider.id)
        if own is not None or not judge(name.removeprefix(store.prefix)):
            yield _wrong_name(provider, name, problem, advise, node, secret.id)
    for key in secret.keys:
        if key.place is None or key.place.remote_key == name:
            continue
        key_name = key.place.remote_key
        if (problem := judge(key_name)) and not judge(key_name.removeprefix(store.prefix)):
            node = key.key.held.node.nearest("remote", provider.id, "name")
            yield _wrong_name(provider, key_name, problem, advise, node, secret.id)


def _wrong_name(provider: Provider, name: str, problem: str, advise: Advice, node: Node, secret: str) -> Finding:
    message = f"the {provider.name_form} {quoted(name)} {problem}"
    return Finding(message, node, help=advise(name, problem), scope=("secrets", secret))
