"""An API server whose every list is a lie: a part, or one without an end."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from itertools import count

from tests.api_double import Address, ApiDouble, _is_partial, _send, _type

Page = dict[str, object]


def _object(name: str, uid: str) -> Page:
    return {"metadata": {"name": name, "uid": uid}, "spec": {}}


# The pages of lists that have the kind that was asked for and are not whole, each with what is said of it. After the
# last page the server knows the list no more.
PARTS: tuple[tuple[Callable[[], Iterator[Page]], str], ...] = (
    (lambda: iter([{"metadata": {"remainingItemCount": 3}, "items": []}]), "ends although 3 more objects remain"),
    (lambda: iter([{"metadata": {}, "items": [_object("a", "1"), _object("a", "2")]}]), "has an object twice"),
    (lambda: iter([{"metadata": {}, "items": [_object("a", "1"), _object("b", "1")]}]), "has an object twice"),
    (
        lambda: iter(
            [
                {"metadata": {"continue": "2"}, "items": [_object("a", "1")]},
                {"metadata": {}, "items": [_object("b", "1")]},
            ]
        ),
        "has an object twice",
    ),
    (lambda: iter([{"metadata": {"continue": "2"}, "items": []}]), "ends in the middle"),
    (lambda: ({"metadata": {"continue": "again"}, "items": []} for _ in count()), "begins again in the middle"),
    (
        lambda: ({"metadata": {"continue": str(each)}, "items": []} for each in count(1)),
        "has more than 100 empty pages",
    ),
)


class LyingCluster(ApiDouble):
    """Gives the next of `pages`, with `status`, in place of each list that may be asked for."""

    pages: Iterator[Page] = iter(())
    status = 200

    def _list(self, handler: BaseHTTPRequestHandler, at: Address, query: dict[str, str]) -> None:
        del query
        version, kind = _type(at, is_partial=_is_partial(handler))
        page = next(self.pages, None)
        body = {"kind": f"{kind}List", "apiVersion": version, **(page or {})}
        _send(handler, 404 if page is None else self.status, json.dumps(body).encode())
