"""Reads a list of an API server in pages, and takes it only if it is whole.

The only module that judges that: everywhere else an object that a list lacks does not exist.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from compiler.cluster.view import ClusterError, LiveObject, Objects
from compiler.model.values import child

T = TypeVar("T")
CHECK_SERVER = "check the kubeconfig's server, and what is before it"
_GROUP, _ALPHA = "external-secrets.io/v1", "external-secrets.io/v1alpha1"
_GENERATORS = "generators.external-secrets.io/v1alpha1"
# The API and the kind of each collection. A list is taken only where it is one of that kind: any other JSON with status
# 200 would be read as "there are none".
TYPES = {
    "externalsecrets": (_GROUP, "ExternalSecret"),
    "clusterexternalsecrets": (_GROUP, "ClusterExternalSecret"),
    "secretstores": (_GROUP, "SecretStore"),
    "clustersecretstores": (_GROUP, "ClusterSecretStore"),
    "pushsecrets": (_ALPHA, "PushSecret"),
    "clusterpushsecrets": (_ALPHA, "ClusterPushSecret"),
    "vaultdynamicsecrets": (_GENERATORS, "VaultDynamicSecret"),
    "clustergenerators": (_GENERATORS, "ClusterGenerator"),
    "secretproviderclasses": ("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass"),
    "deployments": ("apps/v1", "Deployment"),
    "statefulsets": ("apps/v1", "StatefulSet"),
    "daemonsets": ("apps/v1", "DaemonSet"),
    "jobs": ("batch/v1", "Job"),
    "cronjobs": ("batch/v1", "CronJob"),
    "rollouts": ("argoproj.io/v1alpha1", "Rollout"),
    "pods": ("v1", "Pod"),
    "events": ("v1", "Event"),
    "secrets": ("v1", "Secret"),
    "configmaps": ("v1", "ConfigMap"),
}
METADATA_ALONE = frozenset({"secrets", "configmaps"})
_PAGE = 500
# Kubernetes allows an empty page before the last one. A server that goes on with them would never end.
_MOST_EMPTY = 100


class ListError(ClusterError):
    """A list has to be requested again: with fewer objects if it `is_too_large`, else from the beginning."""

    def __init__(self, reason: str, remedy: str, *, is_too_large: bool) -> None:
        super().__init__(reason, remedy)
        self.is_too_large = is_too_large


def read_list(
    plural: str,
    ask: Callable[[Sequence[tuple[str, str]]], LiveObject | None],
    take: Callable[[object], LiveObject],
) -> tuple[Objects, str] | None:
    """All objects of a kind, each converted by `take`, and the list's version; None if the kind is not served.

    `ask` returns the page for a query, None for status 404. Raises ClusterError if the list is not complete.
    """
    limit, pages, is_second = _PAGE, _Pages(plural, take), False
    while True:
        following = [("continue", pages.mark)] if pages.mark else []
        try:
            page = ask([("limit", str(limit)), *following])
        except ListError as error:
            if error.is_too_large and limit > 1:
                # Request the same page again, and all further ones with this limit.
                limit = max(1, limit // 10)
                continue
            if error.is_too_large or is_second or not following:
                raise
            # The token for the next page has expired: begin again.
            pages, is_second = _Pages(plural, take), True
            continue
        if page is None and not following:
            return None
        if why := require_form(partial(pages.add, page)) if page is not None else "ends in the middle":
            raise ClusterError(f"its list of {plural} {why}", CHECK_SERVER)
        if not pages.mark:
            return tuple(pages.objects), pages.version


class _Pages:
    """The pages of a list so far; `mark` is the token for the next page, empty after the last one."""

    def __init__(self, plural: str, take: Callable[[object], LiveObject]) -> None:
        self.objects = list[LiveObject]()
        self.mark = self.version = ""
        self._plural, self._take = plural, take
        self._marks, self._keys, self._empty = set[str](), set[object](), 0

    def add(self, page: LiveObject) -> str:
        """Add a page; returns why the list cannot be complete, or "". Raises ClusterError for another kind."""
        is_metadata = self._plural in METADATA_ALONE
        version, kind = ("meta.k8s.io/v1", "PartialObjectMetadata") if is_metadata else TYPES[self._plural]
        if (page.get("apiVersion"), page.get("kind")) != (version, f"{kind}List"):
            raise ClusterError(f'its answer is not the "{kind}List" that was asked for', CHECK_SERVER)
        metadata, items = page.get("metadata") or {}, page["items"]
        # An API server's empty list of metadata is null (kubernetes/apiserver, handlers/response.go); no other one is.
        items = [] if items is None and is_metadata else items
        mark, left = metadata.get("continue") or "", metadata.get("remainingItemCount") or 0
        if not (isinstance(items, list) and isinstance(mark, str) and isinstance(left, int)):
            raise TypeError
        self.objects += map(self._take, items)
        keys, known = [key for each in items for key in _keys_of(each)], len(self._keys)
        self._keys.update(keys)
        self._empty += not items
        self.mark, self.version = mark, str(metadata.get("resourceVersion") or "")
        if len(self._keys) < known + len(keys):
            return "has an object twice"
        if not mark:
            return f"ends although {left} more objects remain" if left > 0 else ""
        if mark in self._marks:
            return "begins again in the middle"
        self._marks.add(mark)
        return f"has more than {_MOST_EMPTY} empty pages" if self._empty > _MOST_EMPTY else ""


def _keys_of(found: LiveObject) -> list[object]:
    """What is unique to each object of a kind: namespace with name, and UID."""
    metadata = child(found, "metadata")
    keys = (metadata.get("namespace"), metadata.get("name")), metadata.get("uid")
    return [key for key in keys if key is not None]


def require_form(take: Callable[[], T]) -> T:
    """What `take` finds in an answer. Raises ClusterError if the answer does not have the form of the API."""
    try:
        return take()
    except (AttributeError, LookupError, TypeError, ValueError):
        pass
    raise ClusterError("its answer is not in the form of the API", CHECK_SERVER)
