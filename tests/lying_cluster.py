"""An API server whose every list is one body: another kind, a refusal with status 200, or none at all."""

import json
from http.server import BaseHTTPRequestHandler

from tests.api_double import Address, ApiDouble, _send

# Each would be "there are none" to who looks for items alone.
BODIES: tuple[dict[str, object], ...] = (
    {},
    {"kind": "Status", "status": "Failure"},
    {"kind": "PodList", "apiVersion": "v1", "items": []},
    {"kind": "SecretList", "apiVersion": "v1", "items": []},
    {"items": None},
)


class LyingCluster(ApiDouble):
    """Gives `body` in place of each list that may be asked for."""

    body: object = None

    def _list(self, handler: BaseHTTPRequestHandler, at: Address, query: dict[str, str]) -> None:
        del at, query
        _send(handler, 200, json.dumps(self.body).encode())
