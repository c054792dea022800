"""Caches what a round has read of a cluster and what it may not read, and reads what objects say."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from compiler.model.values import Manifest, child
from compiler.refusal import Refusal
from compiler.text.wording import command_line, install_line, quote

if TYPE_CHECKING:
    # It imports this module, and takes 0.6 s.
    from compiler.cluster.client import KubernetesCluster
    from compiler.model.environment import ClusterPin

LiveObject = Mapping[str, Any]
Objects = tuple[LiveObject, ...]
T = TypeVar("T")
EXTERNAL_SECRETS, SECRETS, PODS, EVENTS, NAMESPACES = "externalsecrets", "secrets", "pods", "events", "namespaces"
# Not plurals of the API: the operator's Deployments, their pods, and the events about a store object.
OPERATOR, OPERATOR_PODS, STORE_EVENTS = "operator", "operator-pods", "store-events"
# By this label the operator's chart knows its Deployments, with one of these values.
NAME_LABEL = "app.kubernetes.io/name"
CONTROLLER, WEBHOOK, CERTIFICATES = (f"external-secrets{part}" for part in ("", "-webhook", "-cert-controller"))
STORES = {"ClusterSecretStore": "clustersecretstores", "SecretStore": "secretstores"}
# By this annotation the operator is asked to synchronise at once, and in that one it notes what a Secret holds.
FORCE_SYNC, DATA_HASH = "force-sync", "reconcile.external-secrets.io/data-hash"
TRACKING_ID, INSTANCE = "argocd.argoproj.io/tracking-id", "app.kubernetes.io/instance"
# The annotations that say when an object is applied.
APPLIED = ("argocd.argoproj.io/hook", "argocd.argoproj.io/sync-wave", "helm.sh/hook", "helm.sh/hook-weight")
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
# What the API server answers to a write that would change the type of a Secret.
_OTHER_TYPE = "type: Invalid value"
# Every cluster has it from its first start, and its UID is taken for the cluster's.
_SYSTEM = "kube-system"
# The clocks of the stores and the cluster may differ by so much.
CLOCKS = timedelta(minutes=5)
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class ClusterError(Exception):
    """The cluster does not answer, or refuses. `permission` is the missing one, None for any other cause."""

    def __init__(self, reason: str, remedy: str, permission: str | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.permission = permission

    def way_out(self, environment: str) -> str:
        """The remedy; for a missing permission also the command that prints the environment's roles."""
        roles = f", which `{command_line('status', environment, '--rbac')}` prints"
        return self.remedy + (roles if self.permission is not None and environment else "")


class NotServedError(ClusterError):
    """The cluster does not have the operator's kinds."""


class ClusterName(NamedTuple):
    """How a person knows a cluster."""

    context: str | None  # the kubeconfig's; None for that of a pod
    server: str  # its address, without what may be a credential
    options: tuple[str, ...] = ()  # `--context` where one was given, for lines to paste

    def __str__(self) -> str:
        server = f"server {self.server}"
        return f"context {quote(self.context)}, {server}" if self.context is not None else server


class RefusedWriteError(ClusterError):
    """A webhook refused a write."""


def missing_permissions(errors: Iterable[ClusterError], remedy: str = "get roles that allow it") -> ClusterError:
    """One error for all missing permissions in `errors`."""
    missing = "; ".join(dict.fromkeys(str(each.permission) for each in errors))
    return ClusterError(f"you are not allowed to {missing}", remedy, missing)


@dataclass(frozen=True, slots=True)
class Live:
    """The live objects of one ExternalSecret, as the API returns them; None for what does not exist."""

    external_secret: LiveObject | None
    secret: LiveObject | None  # its metadata
    store: LiveObject | None
    has_secrets: bool = True  # False if Secrets were not read
    has_store: bool = True  # False if the store object may not be read
    is_other_type: bool = False  # whether the operator fails because the Secret has another type
    store_warning: LiveObject | None = None  # the newest one about a store object that is not ready


class ClusterView:
    """One reading of a cluster: each list and object is read once. Its methods raise ClusterError.

    A missing permission is an error, except for the plurals in `optional`: these count as empty, and `refused` has the
    error by plural and namespace (empty for cluster-wide kinds). The plurals in `left_out` are never read.
    """

    def __init__(
        self,
        reader: KubernetesCluster,
        optional: Collection[str] = (),
        left_out: Collection[str] = (),
        waiting: list[str] | None = None,
    ) -> None:
        self._reader = reader
        self._optional = optional
        self.left_out = left_out
        self._found: dict[tuple[str, str, str], Any] = {}
        self.refused: dict[tuple[str, str], ClusterError] = {}
        self.is_pinned = False  # whether it is known to be the environment's cluster
        self.serves_operator = True
        # Requests without an answer yet, in words; shared with views made by `fresh`.
        self._waiting: list[str] = waiting if waiting is not None else []

    @property
    def unanswered_question(self) -> str:
        """The last request that the cluster has not answered, in words; empty if there is none."""
        return "".join(self._waiting[-1:])

    @property
    def name(self) -> ClusterName:
        """The name of the cluster in the kubeconfig."""
        return self._reader.name

    def cluster_id(self) -> str | None:
        """The UID of the namespace kube-system; None if there is no valid one."""
        with self.asks(f"read the namespace {_SYSTEM}"):
            found = self._reader.namespace_object(_SYSTEM)
        uid = child(found or {}, "metadata").get("uid")
        return uid if isinstance(uid, str) and _UID.fullmatch(uid) else None

    def require(self, pin: ClusterPin) -> None:
        """Raises Refusal if it is not the cluster of `pin`, and if that may not be read."""
        wanted = f"{quote(pin.environment)} runs in the cluster {pin.id} ({pin.where})"
        try:
            found = self.cluster_id()
        except ClusterError as error:
            if error.permission is None:
                raise
            found = None
            message = f"{wanted}, and whether this is it cannot be told ({self.name}): {error}"
            failure = Refusal("cannot run", message, error.way_out(pin.environment))
        else:
            if found == pin.id:
                self.is_pinned = True
                return
            message = f"{wanted}, and this is {found or 'one without an id'} ({self.name})"
            way_out = "choose the right one with --context; if it was made anew, write its new id there"
            failure = Refusal("cannot run", message, way_out)
        raise failure

    def fresh(self) -> ClusterView:
        """A new view of the same cluster, which has read nothing yet."""
        self._reader.renew()
        view = ClusterView(self._reader, self._optional, self.left_out, self._waiting)
        view.is_pinned = self.is_pinned
        return view

    @contextmanager
    def asks(self, what: str) -> Iterator[None]:
        """Note, while the block runs, what the cluster is asked."""
        self._waiting.append(what)
        try:
            yield
        finally:
            self._waiting.pop()

    def _read_once(self, what: str, ask: Callable[[], T], plural: str, namespace: str = "", name: str = "") -> T | None:
        """The result of `ask` from the first call for these objects, or for this one."""
        at = plural, namespace, name
        if at not in self._found:
            self._found[at] = self._ask_if_allowed(plural, namespace, what, ask)
        found: T | None = self._found[at]
        return found

    def _ask_if_allowed(self, plural: str, namespace: str, what: str, ask: Callable[[], T]) -> T | None:
        if plural in self.left_out or self.has_refused(plural, namespace):
            return None
        try:
            with self.asks(what):
                return ask()
        except ClusterError as error:
            if error.permission is None or plural not in self._optional:
                raise
            self.refused[plural, namespace] = error
            return None

    def objects(self, plural: str, namespace: str) -> Objects | None:
        """The objects of a kind in a namespace, None if they may not be read. The list is not cached."""
        return self._ask_if_allowed(
            plural, namespace, f"list {plural} in {namespace}", lambda: self._reader.collection(plural, namespace)
        )

    def read_each(self, readings: Iterable[Callable[[], T]]) -> list[T]:
        """The results of all readings. If permissions are missing, one error names all of them."""
        found, denied = list[T](), list[ClusterError]()
        for read in readings:
            try:
                found.append(read())
            except ClusterError as error:
                if error.permission is None:
                    raise
                denied.append(error)
        if denied:
            raise missing_permissions((*denied, *self.refused.values()))
        return found

    def by_name(self, plural: str, namespace: str) -> Mapping[str, LiveObject] | None:
        """The objects of a kind in a namespace by name, None if they may not be read."""

        def ask() -> Mapping[str, LiveObject]:
            found = self._reader.collection(plural, namespace)
            return {str(child(each, "metadata").get("name")): each for each in found}

        return self._read_once(f"list {plural} in {namespace}", ask, plural, namespace)

    def external_secrets(self, namespace: str) -> Mapping[str, LiveObject]:
        """The ExternalSecrets of a namespace by name; empty in a cluster without the operator.

        In a cluster that is known to be the environment's, that is an error instead.
        """
        try:
            return self.by_name(EXTERNAL_SECRETS, namespace) or {}
        except NotServedError:
            if self.is_pinned:
                raise
            self.serves_operator = False
            return {}

    def newest_sign(self, namespaces: Iterable[str]) -> datetime | None:
        """When the operator last handled any ExternalSecret of these namespaces, by their status."""
        every = (each for namespace in namespaces for each in self.external_secrets(namespace).values())
        return max(filter(None, map(sign_of, every)), default=None)

    def every_object(self, plural: str) -> Objects | None:
        """Names and specs of all objects of a kind; None if the cluster does not serve it."""
        return self._read_once(f"list {plural}", lambda: self._reader.every_object(plural), plural)

    def store(self, kind: str, name: str, namespace: str) -> LiveObject | None:
        """A store object; a ClusterSecretStore is read once for all namespaces."""
        plural, scope = STORES[kind], namespace if kind == "SecretStore" else ""
        what = f"read {plural} in {namespace}"
        return self._read_once(what, lambda: self._reader.store_object(kind, name, namespace), plural, scope, name)

    def warning(self, external_secret: LiveObject) -> LiveObject | None:
        """The newest warning about an ExternalSecret; None without one, or if events may not be read."""
        metadata = child(external_secret, "metadata")
        namespace = str(metadata.get("namespace"))
        return self.warnings(namespace).get(str(metadata.get("uid")))

    def warnings(self, namespace: str) -> Mapping[str, LiveObject]:
        """The newest warning about each ExternalSecret of a namespace, by UID."""
        what = f"read events in {namespace}"
        return self._read_once(what, lambda: self._reader.warnings(namespace), EVENTS, namespace) or {}

    def _lacks_type(self, manifest: Manifest, external_secret: LiveObject | None) -> bool:
        """Whether the operator says that it cannot give the Secret its type, as it has another one."""
        is_typed = "type" in child(manifest.object, "spec", "target", "template")
        if external_secret is None or not is_typed or ready_of(external_secret).get("status") != "False":
            return False
        said = (ready_of(external_secret), self.warning(external_secret) or {})
        return any(_OTHER_TYPE in str(each.get("message") or "") for each in said)

    def store_warning(self, store: LiveObject | None) -> LiveObject | None:
        """The newest warning about a store object that is not ready; None if events may not be read."""
        if store is None or ready_of(store).get("status") != "False":
            return None
        metadata, kind = child(store, "metadata"), str(store.get("kind") or "ClusterSecretStore")
        # Events about a cluster-wide object are in this namespace.
        namespace = str(metadata.get("namespace") or "default")
        what = f"read events in {namespace}"
        ask = partial(self._reader.warnings, namespace, kind)
        found = self._read_once(what, ask, STORE_EVENTS, namespace, kind) or {}
        return found.get(str(metadata.get("uid")))

    def operator_deployments(self) -> Objects | None:
        """The Deployments with the operator's labels in all namespaces; None if they may not be listed."""
        return self._read_once("list deployments", self._reader.operator_deployments, OPERATOR)

    def operator_pods(self, namespace: str, labels: Mapping[str, str]) -> Objects:
        """The pods of a Deployment of the operator, by their labels; empty if they may not be listed."""
        name = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        ask = partial(self._reader.pods_by_label, namespace, name)
        return self._read_once(f"list pods in {namespace}", ask, OPERATOR_PODS, namespace, name) or ()

    def live(self, manifest: Manifest) -> Live:
        """The live objects of one ExternalSecret."""
        namespace, reference = manifest.namespace, manifest.object["spec"]["secretStoreRef"]
        kind, name = reference["kind"], reference["name"]
        external_secret = self.external_secrets(namespace).get(manifest.name)
        secrets = self.by_name(SECRETS, namespace)
        store = self.store(kind, name, namespace)
        return Live(
            external_secret,
            (secrets or {}).get(manifest.target),
            store,
            secrets is not None,
            store is not None or not self.has_refused(STORES[kind], namespace if kind == "SecretStore" else ""),
            self._lacks_type(manifest, external_secret),
            self.store_warning(store),
        )

    def has_refused(self, plural: str, namespace: str) -> bool:
        return (plural, namespace) in self.refused

    def force_sync(self, namespace: str, name: str, mark: str) -> bool:
        """Make the operator synchronise an ExternalSecret at once; False if there is none."""
        return self._reader.force_sync(namespace, name, mark)


def open_cluster(environ: Mapping[str, str], context: str | None) -> KubernetesCluster:
    """The cluster of the kubeconfig's `context`, or of the current one for None; sends no request yet.

    Raises Refusal if the client is not installed, and ClusterError if no kubeconfig can be used.
    """
    try:
        # 0.6 s of import that only this needs.
        from compiler.cluster.client import KubernetesCluster  # noqa: PLC0415
    except ModuleNotFoundError:
        message = "--cluster needs the Kubernetes client"
        raise Refusal("cannot run", message, f"run: {install_line('cluster')}") from None
    return KubernetesCluster(environ, context)


def open_view(
    environ: Mapping[str, str],
    context: str | None,
    pin: ClusterPin | None,
    optional: Collection[str] = (),
    left_out: Collection[str] = (),
) -> ClusterView:
    """A view of that cluster. With a `pin`, only the cluster's id is read before.

    Raises Refusal if it is not the cluster of the pin, or if that is unclear, and ClusterError if it does not answer.
    """
    view = ClusterView(open_cluster(environ, context), optional, left_out)
    if pin is not None:
        view.require(pin)
    return view


def connect_cluster(
    environ: Mapping[str, str],
    context: str | None,
    pin: ClusterPin | None,
    optional: Collection[str] = (),
    left_out: Collection[str] = (),
) -> ClusterView:
    """As `open_view`, for commands that need the cluster: a ClusterError becomes a Refusal."""
    try:
        return open_view(environ, context, pin, optional, left_out)
    except ClusterError as error:
        failure = Refusal("cannot run", str(error), error.remedy)
    raise failure


def ready_of(found: LiveObject) -> LiveObject:
    """The Ready condition of an operator's object, empty if there is none."""
    conditions = child(found, "status").get("conditions") or ()
    return next((each for each in conditions if each.get("type") == "Ready"), {})


def ready_reason(external_secret: LiveObject) -> str | None:
    """The reason why Ready is not true; None if it is."""
    condition = ready_of(external_secret)
    if not condition:
        return "NoCondition"
    return None if condition.get("status") == "True" else str(condition.get("reason") or "Unknown")


def wanted_keys(compiled: LiveObject) -> tuple[str, ...]:
    """The keys that the Secret of a manifest should have."""
    spec = child(compiled, "spec")
    made = tuple(map(str, child(spec, "target", "template", "data")))
    return made or tuple(str(item.get("secretKey")) for item in spec.get("data") or ())


def controllers_of(found: LiveObject) -> list[tuple[object, object]]:
    """Kind and name of the owner that controls an object; empty if there is none."""
    owners = child(found, "metadata").get("ownerReferences") or ()
    return [(each.get("kind"), each.get("name")) for each in owners if each.get("controller")]


# The fields by which stores name the Secret with their credential.
_CREDENTIALS = frozenset(
    {"clientSecret", "clientCertificate", "secretRef", "tokenSecretRef", "serviceAccountSecretRef"}
)


def credential_of(store: LiveObject, said: str = "") -> str | None:
    """The key and the Secret with the operator's credential for a store; None if it logs in by an identity.

    Of several, the one whose key, or else whose Secret, the operator's message `said` names.
    """
    waiting: list[tuple[str, object]] = [("", child(store, "spec", "provider"))]
    references: list[tuple[bool, Mapping[str, object]]] = []
    while waiting:
        field, found = waiting.pop(0)
        if not isinstance(found, dict):
            continue
        if isinstance(found.get("name"), str) and ("key" in found or field in _CREDENTIALS):
            references.append((field in _CREDENTIALS, found))
        waiting += found.items()
    named = [each for part in ("key", "name") for _, each in references if f'"{each.get(part)}"' in said]
    if not (chosen := named or [each for is_credential, each in references if is_credential]):
        return None
    found = chosen[0]
    namespace = str(found.get("namespace") or child(store, "metadata").get("namespace") or "")
    title = f"{namespace}/{found['name']}" if namespace else found["name"]
    return f"key {quote(str(found.get('key')))} of the Secret {quote(title)}"


def application_of(found: LiveObject) -> str:
    """The Argo CD Application that applied an object, by the object's own tracking id; empty if there is none.

    Argo CD up to 2.14 sets only its label by default.
    """
    metadata = child(found, "metadata")
    if TRACKING_ID not in child(metadata, "annotations"):
        is_argocds = any(manager.startswith("argocd-") for _, manager, _ in writers(found, "f:spec"))
        return str(child(metadata, "labels").get(INSTANCE) or "") if is_argocds else ""
    name, _, rest = str(child(metadata, "annotations").get(TRACKING_ID) or "").partition(":")
    # An object that was copied by hand has the tracking id of the original.
    is_own = rest.endswith(f":{metadata.get('namespace')}/{metadata.get('name')}")
    return name if is_own else ""


def release_of(found: LiveObject) -> tuple[str, str] | None:
    """Namespace and name of the Helm release that applied an object, if there is one."""
    annotations = child(found, "metadata", "annotations")
    space, name = (str(annotations.get(f"meta.helm.sh/release-{each}") or "") for each in ("namespace", "name"))
    return (space, name) if space and name else None


def is_synced(external_secret: LiveObject) -> bool:
    """Whether the operator's last success was for this generation; a failure keeps the mark of the last success."""
    generation = child(external_secret, "metadata").get("generation")
    synced = str(child(external_secret, "status").get("syncedResourceVersion") or "")
    return generation is not None and synced.startswith(f"{generation}-")


def container_states(pod: LiveObject) -> list[LiveObject]:
    """The states of a pod's containers, init containers first."""
    status = child(pod, "status")
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def keys_of(secret: LiveObject) -> frozenset[str]:
    """The names of a Secret's keys, from the fields that its writers own: the data is never read."""
    every = (name for _, _, fields in writers(secret, "f:data") for name in fields)
    return frozenset(name.removeprefix("f:") for name in every if name.startswith("f:"))


def target_of(external_secret: LiveObject) -> str | None:
    """The name of the Secret that an ExternalSecret creates; None if it creates another kind of object, or none."""
    target = child(external_secret, "spec", "target")
    if target.get("creationPolicy") == "None" or child(target, "manifest").get("kind", "Secret") != "Secret":
        return None
    return str(target.get("name") or child(external_secret, "metadata").get("name") or "")


def writers(found: LiveObject | None, *path: str) -> Iterator[tuple[str, str, LiveObject]]:
    """For each manager that wrote under `path`: the time in ISO 8601, its name, and the fields that it wrote."""
    for each in child(found or {}, "metadata").get("managedFields") or ():
        if fields := child(each, "fieldsV1", *path):
            yield str(each.get("time") or ""), str(each.get("manager") or ""), fields


# With room on both sides for the intervals that are added and subtracted.
_YEARS = range(1970, 9000)


def moment_of(text: object) -> datetime | None:
    """A time of the API, in UTC; None for text that is not a time, and for Go's zero time."""
    try:
        found = datetime.fromisoformat(str(text))
        return found.astimezone(UTC) if found.tzinfo is not None and found.year in _YEARS else None
    except (ValueError, OverflowError):
        return None


def clock(when: datetime, now: datetime) -> str:
    """A time for people, with its date only if that is not today."""
    try:
        when, now = when.astimezone(UTC), now.astimezone(UTC)
    except OverflowError:
        return when.isoformat()
    return f"{when:{'%H:%M:%S' if when.date() == now.date() else '%Y-%m-%d %H:%M:%S'}} UTC"


def refresh_time(external_secret: LiveObject) -> datetime | None:
    """When the operator began its last success."""
    return moment_of(child(external_secret, "status").get("refreshTime"))


def sync_request_time(external_secret: LiveObject) -> datetime | None:
    """When somebody last asked the operator to synchronise: by the API server, else by the annotation."""
    mark = child(external_secret, "metadata", "annotations").get(FORCE_SYNC)
    if mark is None:
        return None
    every = writers(external_secret, "f:metadata", "f:annotations")
    noted = (moment_of(time) for time, _, fields in every if f"f:{FORCE_SYNC}" in fields)
    if (newest := max(filter(None, noted), default=None)) is not None:
        return newest
    try:
        asked = datetime.fromtimestamp(int(mark), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return asked if asked.year in _YEARS else None


def sign_of(external_secret: LiveObject) -> datetime | None:
    """When the operator last handled an ExternalSecret, by its status; None if it never did."""
    status = child(external_secret, "status")
    conditions = [moment_of(each.get("lastTransitionTime")) for each in status.get("conditions") or ()]
    return max(filter(None, (refresh_time(external_secret), *conditions)), default=None)


def success_mark(external_secret: LiveObject) -> str:
    """The mark of the operator's last success: another one shows that it has succeeded since. Empty if it never did."""
    return str(child(external_secret, "status").get("syncedResourceVersion") or "")
