"""Finds references to variables in a container that nothing sets, or where Kubernetes expands none."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

from compiler.model.diagnostic import Related
from compiler.operations.consumers.expansion import Where
from compiler.operations.consumers.gaps import MISSPELT, in_other_variant
from compiler.operations.consumers.own import keys_of
from compiler.operations.consumers.source_keys import SourceKeys
from compiler.operations.consumers.wording import get
from compiler.operations.edit.list_secret import listing
from compiler.rules.forms.where import waiver
from compiler.rules.interface import Finding
from compiler.text.regex import regex
from compiler.text.suggestion import closest
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from compiler.model.environment import Secret
    from compiler.operations.consumers.objects import Container, Gathered, Use, Workload
    from compiler.operations.consumers.own import Own

_RULE = "unset-variable"
_MOST_PLACES = 3
# What Kubernetes sets for each Service of a namespace, which need not be among the manifests.
_OF_SERVICE = regex(
    r".+_(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)


class _Verdict(NamedTuple):
    """What is wrong with a reference, and the way out; `secret` is the one of the environment that has the value.

    Where it `is_ours`, the value is plainly one of the catalogue's. `gets` is what the workload has in its place, with
    the reference for `{}`.
    """

    why: str
    way_out: str
    secret: str | None = None
    is_ours: bool = True
    gets: str = "the text {} for a value"


def unset(own: Own, gathered: Gathered) -> Iterator[tuple[Finding, bool]]:
    """A finding for each variable that nothing sets, and whether its value need not be one of the catalogue's.

    None is found in a container that takes what cannot be told, such as a Secret of somebody else's.
    """
    found: dict[tuple[str, _Verdict], list[tuple[Workload, Use]]] = {}
    known = SourceKeys(own, gathered)
    for workload in gathered.workloads:
        for container in workload.containers:
            for use, verdict in _in_container(own, known, workload.namespace, container) if container.uses else ():
                found.setdefault((use.name, verdict), []).append((workload, use))
    for (name, verdict), every in found.items():
        yield _finding(own, name, verdict, every), not verdict.is_ours


def _in_container(own: Own, known: SourceKeys, namespace: str, container: Container) -> Iterator[tuple[Use, _Verdict]]:
    environment = _Environment.of(own, known, namespace, container)
    if environment is None:
        return
    for use in container.uses:
        verdict = None
        if use.where in {Where.PROBE, Where.HOOK}:
            verdict = _of_command(environment, use)
        elif not environment.has(use):
            verdict = _verdict(own, environment, use)
        if verdict is not None and use.where is Where.SUB_PATH:
            verdict = verdict._replace(gets=f"no container for want of {{}} in {use.where}")
        if verdict is not None:
            yield use, verdict


class _Environment(NamedTuple):
    """The variables of a container: `first` has the place in `env` that first sets each, `names` those of `envFrom`.

    `taken` are the environment's Secrets that it takes whole, by the prefix of their variables, `keys` the names by
    which it has single keys of them.
    """

    namespace: str
    first: Mapping[str, int]
    setters: tuple[str | None, ...]
    whole: frozenset[str]
    taken: tuple[tuple[str, Secret], ...]
    keys: Mapping[str, str]

    @staticmethod
    def of(own: Own, known: SourceKeys, namespace: str, container: Container) -> _Environment | None:
        """Those of `container`, None where something sets variables that cannot be told."""
        first: dict[str, int] = {}
        setters: list[str | None] = []
        whole: set[str] = set()
        taken, keys = [], {}
        for setting in container.settings:
            secret = own.secrets.get((namespace, setting.secret or ""))
            if setting.variable is not None:
                first.setdefault(setting.variable, len(setters))
                setters.append(secret.id if secret is not None else None)
                if secret is not None and setting.key is not None:
                    keys[setting.key] = setting.variable
                continue
            has = known.known(namespace, setting)
            if has is None:
                return None
            whole.update(setting.prefix + key for key in has)
            if secret is not None:
                taken.append((setting.prefix, secret))
        return _Environment(namespace, first, tuple(setters), frozenset(whole), tuple(taken), keys)

    def has(self, use: Use) -> bool:
        """Whether a reference has a value; one in a variable has those of the variables before it alone."""
        at = self.first.get(use.name)
        return use.name in self.whole or (at is not None and (use.earlier is None or at < use.earlier))


def _of_command(environment: _Environment, use: Use) -> _Verdict | None:
    """What is wrong with a variable of a Secret in the command of a probe or a hook, where Kubernetes puts none."""
    at = environment.first.get(use.name)
    held = next((each.id for before, each in environment.taken if use.name in _names(before, each)), None)
    secret = held if at is None else environment.setters[at]
    if secret is None or (use.is_script and not use.name.isupper()):
        return None
    gets = "an empty text for {}" if at is not None and use.where is Where.PROBE else "the text {}"
    why = "Kubernetes puts no variable of a Secret there"
    way_out = f"""have a shell read it there: `[sh, -c, '... "${use.name}"']`"""
    return _Verdict(why, way_out, secret, gets=f"{gets} in {use.where}")


def _names(before: str, secret: Secret) -> frozenset[str]:
    """The variables of a Secret that is taken whole."""
    return frozenset(before + key for key in keys_of(secret))


def _verdict(own: Own, environment: _Environment, use: Use) -> _Verdict | None:
    """What is wrong with a reference that has no value, None where it may be something else than one."""
    is_upper = use.name.isupper() or use.where is Where.SUB_PATH
    if _OF_SERVICE.fullmatch(use.name) or (use.is_script and not is_upper):
        # A word in a shell's script is a command, such as `$(date)`.
        return None
    later = _set_later(environment, use) or _taken_otherwise(environment, use) or _of_environment(own, environment, use)
    if later is not None or not is_upper:
        return later
    names = [*environment.first, *environment.whole]
    match = closest(use.name, names)
    ours = [*environment.keys.values(), *(name for before, each in environment.taken for name in _names(before, each))]
    is_ours = match in ours and SequenceMatcher(None, use.name, match or "").ratio() >= MISSPELT
    meant = f'did you mean "$({match})"? else ' if match is not None else ""
    way_out = f"{meant}set it in `env`; Kubernetes does not know the variables of an image"
    return _Verdict("nothing sets that variable", way_out, is_ours=is_ours)


def _set_later(environment: _Environment, use: Use) -> _Verdict | None:
    at = environment.first.get(use.name)
    if at is None or use.variable is None or use.name == use.variable:
        return None
    why = f"that variable is set after {quoted(use.variable)}, which has it"
    secret = environment.setters[at]
    way_out = f"move {quoted(use.name)} before {quoted(use.variable)} in `env`"
    return _Verdict(why, way_out, secret, is_ours=secret is not None)


def _taken_otherwise(environment: _Environment, use: Use) -> _Verdict | None:
    """What is wrong where the container takes the Secret that has, or could have, the key."""
    if (meant := environment.keys.get(use.name)) is not None:
        return _Verdict("nothing sets that variable", f'did you mean "$({meant})", which has that key?')
    for before, secret in environment.taken:
        if use.name in keys_of(secret):
            why = f"the variables of {quoted(secret.id)} begin with {quoted(before)}"
            return _Verdict(why, f'did you mean "$({before}{use.name})"?', secret.id)
        key = secret.entry.keys.get(use.name.removeprefix(before)) if use.name.startswith(before) else None
        if key is not None:
            return _Verdict(f"{quoted(secret.id)} leaves that key out", in_other_variant(key), secret.id)
    return None


def _of_environment(own: Own, environment: _Environment, use: Use) -> _Verdict | None:
    """What is wrong where a Secret in the container's namespace has the key, or would have it."""
    why = "nothing sets that variable"
    here = [secret for (namespace, _), secret in own.secrets.items() if namespace == environment.namespace]
    for secret in here:
        if use.name in keys_of(secret):
            return _Verdict(why, f"take it: `env: [{_reference(use.name, secret.entry.target)}]`", secret.id)
    for secret in here:
        if (key := secret.entry.keys.get(use.name)) is not None:
            way_out = f"{in_other_variant(key)}, and take it: `env: [{_reference(use.name, secret.entry.target)}]`"
            return _Verdict(why, way_out, secret.id)
    if own.other(environment.namespace) is None:
        for entry in own.environment.catalogue.entries.values():
            if use.name in entry.keys and entry.id not in own.environment.secrets:
                listed = f"list `{listing(entry.id, None)}` under `secrets:` of {own.environment.name}"
                return _Verdict(why, f"{listed}, and take it: `env: [{_reference(use.name, entry.target)}]`")
    return None


def _reference(name: str, target: str) -> str:
    return f"{{name: {name}, valueFrom: {{secretKeyRef: {{name: {target}, key: {name}}}}}}}"


def _finding(own: Own, name: str, verdict: _Verdict, every: list[tuple[Workload, Use]]) -> Finding:
    at = every[0][1].at
    accept = waiver(_RULE, verdict.secret if verdict.secret is not None else own.environment.name)
    related: dict[object, Related] = {}
    for workload, use in every:
        if use.at is not None and use.at != at:
            related.setdefault(use.at, Related(f"{workload.title} has it", use.at))
    return Finding(
        f"{get(workload for workload, _ in every)} {verdict.gets.format(quoted(f'$({name})'))}: {verdict.why}",
        at if at is not None else own.place.key_span,
        help=f"{verdict.way_out}; {accept}" if verdict.is_ours else verdict.way_out,
        related=tuple(related.values())[:_MOST_PLACES],
        scope=("secrets", verdict.secret) if verdict.secret is not None else (),
        brief=at is not None,
    )
