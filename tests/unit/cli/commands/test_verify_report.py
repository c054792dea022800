from types import SimpleNamespace
from typing import Any

from compiler.cli.commands.verify import cases_of, verification_content
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.document import Source, Span
from compiler.operations.verify import KeyStatus, ReadStore, Verification
from compiler.stores.interface import Attributes, Cluster, Identity, RemoteSecret

REFERENCE: Any = SimpleNamespace(
    secret="github",
    key="TOKEN",
    store=SimpleNamespace(id="vault"),
    remote_key="team/github",
    property="TOKEN",
)
ERROR, WARNING, _ = (Diagnostic("r", severity, "m", Span(Source("a.yaml"))) for severity in Severity)


def test_keys_point_at_their_diagnostics_and_stores_name_the_caller() -> None:
    seen = (
        ReadStore("vault", "https://vault/secret", Identity("ada", "token"), Cluster("c1", "vault-1")),
        ReadStore("azure", "https://v.vault.azure.net", None),
    )
    statuses = (KeyStatus(REFERENCE, [WARNING]), KeyStatus(REFERENCE, [ERROR, WARNING]), KeyStatus(REFERENCE, []))
    read = (RemoteSecret("a", "1", {}, Attributes()),) * 3
    found = Verification(statuses, (ERROR, WARNING), seen, answered=True, read=read)
    assert cases_of(found, (ERROR, WARNING)) == {"github": [1, 0, 1]}
    place = {"secret": "github", "key": "TOKEN", "store": "vault", "name": "team/github", "property": "TOKEN"}
    assert verification_content(None, found) == {
        "valuesFile": None,
        "stores": [
            {"store": "vault", "address": "https://vault/secret", "caller": "ada", "clusterId": "c1"},
            {"store": "azure", "address": "https://v.vault.azure.net", "caller": None, "clusterId": None},
        ],
        "remoteSecrets": 3,
        "counts": {"keys": 3, "ok": 1, "warning": 1, "error": 1},
        "keys": [
            {**place, "status": "warning", "rules": ["r"]},
            {**place, "status": "error", "rules": ["r"]},
            {**place, "status": "ok", "rules": []},
        ],
    }


def test_where_nothing_could_be_asked_there_are_no_keys() -> None:
    content = verification_content("values.yaml", None)
    assert (cases_of(None, (ERROR,)), content["keys"], content["valuesFile"]) == ({}, [], "values.yaml")
