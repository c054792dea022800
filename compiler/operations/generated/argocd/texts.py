"""Checks the input of the Argo CD generator, and makes the texts of its files from a compiled project."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from compiler.generate.argocd.forms import files
from compiler.generate.argocd.wanted import IN_CLUSTER, Deployed
from compiler.generate.manifest import manifest_text
from compiler.model.confirmed_deletion import ASKS_FIRST, SYNC_OPTIONS, asks_before_pruning, lacking
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.operations.generated.files import HEADER
from compiler.refusal import Refusal
from compiler.text.command_line import PROGRAM, shell_line
from compiler.text.wording import counted, listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.generate.argocd.wanted import Wanted
    from compiler.model.environment import Environment

_CLUSTER_STORE = "ClusterSecretStore"


def argocd_texts(
    environments: Sequence[Environment], form: str, wanted: Wanted, words: Sequence[str]
) -> tuple[dict[str, str], tuple[Diagnostic, ...]]:
    """The texts of the files by path, and `unconfirmed-prune` for each environment that could lose Secrets unasked.

    `words` are the arguments that make them again. Raises Refusal for what Argo CD could not deploy: an environment
    without a secret or for a parent chart, a cluster of none, and two that make one Secret in one cluster.
    """
    _refuse(environments, wanted)
    deployed = [_deployed(environment) for environment in environments]
    header = f"{HEADER}argocd`. Do not edit; run:\n#   {shell_line(PROGRAM, *words)}\n"
    made = files(form, wanted, deployed)
    texts = {name: header + "---\n".join(map(manifest_text, manifests)) for name, manifests in made.items()}
    return texts, tuple(found for environment in environments for found in _unconfirmed(environment))


def unmade_namespaces(environments: Sequence[Environment], wanted: Wanted) -> Iterator[str]:
    """What to know of each environment with secrets in namespaces that none of these Applications makes."""
    deployed = [(_cluster(wanted, each), _deployed(each)) for each in environments]
    made = {(cluster, each.namespace) for cluster, each in deployed}
    for cluster, each in deployed:
        if unmade := [name for name in each.namespaces if (cluster, name) not in made]:
            names = f"namespace{'s' if len(unmade) > 1 else ''} {listed(unmade, len(unmade))}"
            them = "them" if len(unmade) > 1 else "it"
            yield f"{each.name}: no Application of these makes the {names}; create {them} first, or the sync fails"


def _refuse(environments: Sequence[Environment], wanted: Wanted) -> None:
    names = [environment.name for environment in environments]
    unknown = [name for name in wanted.clusters if name not in names]
    if unknown:
        raise Refusal("usage", f"--cluster names {quoted(unknown[0])}, which is not generated", "leave it out")
    for environment in environments:
        if not environment.secrets:
            way_out = "list a secret in it, or name other environments"
            raise Refusal("usage", f"{quoted(environment.name)} has no secret to deploy", way_out)
        if environment.subchart is not None:
            message = f"{quoted(environment.name)} nests its values under {quoted(environment.subchart)}"
            way_out = "the Application of its parent chart deploys it; name environments without `subchart`"
            raise Refusal("usage", message, way_out)
    for one, other in combinations(environments, 2):
        if _cluster(wanted, one) == _cluster(wanted, other) and (both := _places(one) & _places(other)):
            message = f"{quoted(one.name)} and {quoted(other.name)} both make {listed(sorted(both), 1)} in one cluster"
            way_out = f"name Argo CD's cluster of each, such as --cluster {one.name}=NAME, or generate one of them"
            raise Refusal("usage", message, way_out)


def _cluster(wanted: Wanted, environment: Environment) -> str:
    return wanted.clusters.get(environment.name, IN_CLUSTER)


def _places(environment: Environment) -> set[str]:
    return {f"{secret.namespace}/{secret.entry.target}" for secret in environment.secrets.values()}


def _deployed(environment: Environment) -> Deployed:
    used = [secret.namespace for secret in environment.secrets.values() if secret.namespace is not None]
    own = environment.root.text("namespace")
    rendered = [store for store in environment.stores.values() if store.rendered]
    kinds = {("external-secrets.io", store.kind) for store in rendered if store.kind != _CLUSTER_STORE}
    return Deployed(
        environment.name,
        tuple(dict.fromkeys([*([own] if own is not None else []), *used])),
        all(asks_before_pruning(secret.annotations.get(SYNC_OPTIONS, "")) for secret in environment.secrets.values()),
        tuple(sorted(kinds)),
        tuple(store.name for store in rendered if store.kind == _CLUSTER_STORE),
    )


def _unconfirmed(environment: Environment) -> Iterator[Diagnostic]:
    lacks = {
        secret.id: missing
        for secret in environment.secrets.values()
        if (missing := lacking(secret.annotations.get(SYNC_OPTIONS, "")))
    }
    if not lacks:
        return
    options = ",".join(dict.fromkeys(option for missing in lacks.values() for option in missing))
    of = f"{counted(len(lacks), 'ExternalSecret')} of {quoted(environment.name)}"
    message = f"{of} would be deleted without confirmation, as {options} is missing: {listed(lacks)}"
    annotation = f"{SYNC_OPTIONS}: {ASKS_FIRST}"
    way_out = f"write `{annotation}` under `annotations:` of environments/base.yaml, and compile"
    # Where the annotations are, else where the environment is.
    annotations = environment.root.get("annotations") or environment.root.nearest("secrets")
    yield Diagnostic("unconfirmed-prune", Severity.WARNING, message, annotations.key_span, help=way_out)
