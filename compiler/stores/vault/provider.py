"""Describes Vault and OpenBao: their settings, log-ins, paths, and what the operator makes of them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from compiler.model.document import Node
from compiler.model.environment import Store
from compiler.model.facts import ValuesData
from compiler.model.provider import (
    OPERATOR,
    UNKNOWN,
    LogIn,
    Provider,
    Spec,
    StoreOption,
    account_of_operator,
    key_of_new,
    text_of,
)
from compiler.model.store import (
    Address,
    StoreIdentity,
    clean_path,
    fields_of,
    one_spelling,
    reference_of,
    service_account_of,
)

_SECRET_KEY = ("name", "key")
_ROLE = "--role"
_ROOT_NAMESPACE = "root"
_NAMESPACE_HEADER = "x-vault-namespace"
# What Go takes from both ends of a header.
_GO_TRIMS = " \t\r\n"
_V1, _V2 = "v1", "v2"
# OpenBao's variables stand for Vault's as one set, and only where none of Vault's is there.
_SET = ("ADDR", "TOKEN", "NAMESPACE", "CACERT")
_DECIDING = ("VAULT_ADDR", "VAULT_TOKEN", "VAULT_NAMESPACE")

# Anybody between here and the server could take the token.
_SKIP_VERIFY = ("VAULT_SKIP_VERIFY", "BAO_SKIP_VERIFY")


def variable(environ: Mapping[str, str], name: str) -> str:
    """`VAULT_` and the name, one of those of OpenBao's set; `BAO_` and the name where that set counts."""
    is_bao = any(f"BAO_{each}" in environ for each in _SET) and not any(each in environ for each in _DECIDING)
    return f"BAO_{name}" if is_bao else f"VAULT_{name}"


def in_namespace(namespace: str | None) -> list[str]:
    """The option of `bao` for a namespace, where there is one."""
    return [f"-namespace={namespace}"] if namespace else []


class _Vault(Provider):
    id = "vault"
    title = "Vault"
    described = "HashiCorp Vault or OpenBao"
    called = frozenset({"vault", "hashicorp", "hashicorpvault", "hcp", "hcvault", "openbao", "bao"})
    name_form = "path"
    extra = "vault"
    adapter = "VaultStore"
    store_id = "vault"
    store_name = "vault-secret-store"

    address = "server"
    others = ("reachableAt", "clusterId", "mount", "vaultNamespace", "caBundle", "caProvider")
    option = "--server"
    # Where Vault's own chart puts it, in a namespace of its name.
    usual_address = "http://vault.vault.svc.cluster.local:8200"
    generator = "VaultDynamicSecret"
    options = (StoreOption(_ROLE, "NAME", "its role in Vault, or the role id of an AppRole"),)
    access_form = "hcl"

    separator = "/"
    has_mounts = True
    has_paths = True

    expires_by_itself = True
    drops_versions = True
    deletes_by_version = True

    csi_names = ("objectName",)
    csi_key = "secretPath"
    csi_property = "secretKey"
    csi_only = MappingProxyType({"method": ("GET",), "secretArgs": (), "encoding": ("utf-8",)})

    by_name_first = True
    sorts_names = True

    def address_variable(self, environ: Mapping[str, str]) -> str:
        return variable(environ, "ADDR")

    def namespace_variable(self, environ: Mapping[str, str]) -> str:
        return variable(environ, "NAMESPACE")

    def skip_verify_note(self, environ: Mapping[str, str]) -> str:
        is_set = {name: environ.get(name, "").lower() not in ("", "0", "f", "false") for name in _SKIP_VERIFY}
        name = next((each for each, is_true in is_set.items() if is_true), None)
        trusted = variable(environ, "CACERT")
        why = f"a Vault's certificate is always checked; {trusted} names the file of a private authority"
        return f"{name} is ignored: {why}" if name is not None else ""

    def log_in_source(self, environ: Mapping[str, str]) -> tuple[str, str] | None:
        log_in, token = self.load("log_in"), variable(environ, "TOKEN")
        return (token, log_in.HOME_TOKEN) if log_in.is_from_home(environ, token) else None

    def address_problem(self, address: Address) -> tuple[str, str | None] | None:
        return ("ends in an API path", None) if address.is_api else None

    def spec(self, store: Store, operator: tuple[int, int]) -> dict[str, ValuesData]:
        data: dict[str, ValuesData] = {"server": store.address or "", "path": store.mount, "version": _V2}
        if store.vault_namespace:
            data["namespace"] = store.vault_namespace
        if bundle := store.node.text("caBundle"):
            data["caBundle"] = bundle
        ca = store.node.get("caProvider")
        if ca is not None:
            data["caProvider"] = fields_of(ca, "type", "name", "key", "namespace")
        auth = store.node.get("auth")
        for form, node in (auth.children if auth is not None else {}).items():
            data["auth"] = self.log_ins[form].spec(node)
        return data

    @property
    def live_fields(self) -> dict[str, Any]:
        return {**dict.fromkeys(("server", "path", "namespace", "version"), str), "headers": {"*": str}}

    def read_spec(self, fields: Mapping[str, Any]) -> Spec:
        server, path, version = (text_of(fields.get(name)) for name in ("server", "path", "version"))
        return Spec(server, path, next(_namespaces(fields), None), version)

    def live_identity(self, fields: Mapping[str, Any]) -> StoreIdentity:
        spec = self.read_spec(fields)
        found = {self.identity(*spec._replace(namespace=each)) for each in (*_namespaces(fields), spec.namespace)}
        # Which of two namespaces counts depends on what is in between.
        return found.pop() if len(found) == 1 else StoreIdentity(UNKNOWN, None)

    def identity(
        self, url: str | None, mount: str | None, namespace: str | None, version: str | None = None
    ) -> StoreIdentity:
        first, _, below = (inside := clean_path((namespace or "").strip(_GO_TRIMS))).partition("/")
        inside = below if first == _ROOT_NAMESPACE else inside
        server, path = one_spelling(url) if url else None, clean_path(mount) if mount else None
        return StoreIdentity(self, server, path, inside, version or _V2)

    def csi_settings(self, parameters: Mapping[str, str]) -> dict[str, str]:
        known = {"server": parameters.get("vaultAddress"), "vaultNamespace": parameters.get("vaultNamespace")}
        return {name: text for name, text in known.items() if text}

    def remote_name(self, name: str) -> str:
        return clean_path(name)

    def remote_places(self, store: StoreIdentity, name: str) -> frozenset[str]:
        """Paths of the API, with and without the mount and `data/` in front of the name."""
        # A server that may ignore namespaces reads the root.
        ways = {True: (store.namespace,), False: ("",), None: (store.namespace, "")}[store.has_namespaces]
        paths = [clean_path(path) for path in _api_paths(store, name)]
        return frozenset(clean_path(f"{namespace}/{path}") for namespace in ways for path in paths)

    def operator_name(self, mount: str, key: str) -> str:
        """The mount is cut from the front, and `data/` after it; elsewhere `data` stays and is part of the name."""
        below = key.removeprefix(f"{mount}/")
        return below if below == key else below.removeprefix("data/")

    def recover_words(self, store: Store, url: str, name: str, version: str | None) -> list[str]:
        namespace = in_namespace(store.vault_namespace)
        words = ["bao", "kv", "undelete", *namespace, f"-mount={store.mount}", f"-versions={version}", name]
        return words if version else []


def _namespaces(fields: Mapping[str, Any]) -> Iterator[str]:
    """That of a live store, and those of its headers, which the operator sends behind it with every request."""
    headers = fields.get("headers")
    named = headers.items() if isinstance(headers, Mapping) else ()
    every = (fields.get("namespace"), *(value for name, value in named if str(name).lower() == _NAMESPACE_HEADER))
    return filter(None, map(text_of, every))


def _api_paths(store: StoreIdentity, name: str) -> Iterator[str]:
    is_v2, short = store.version != _V1, clean_path(name)
    if store.mount is None:
        yield name
        if is_v2:
            mount, _, rest = short.partition("/")
            yield f"{mount}/data/{rest}"
        return
    inside = f"{store.mount}/data" if is_v2 else store.mount
    yield f"{inside}/{name}"
    for prefix in (f"{store.mount}/", "data/"):
        if short.startswith(prefix):
            short = short.removeprefix(prefix)
            yield f"{inside}/{short}"


def _kubernetes(node: Node) -> dict[str, ValuesData]:
    data: dict[str, ValuesData] = {"mountPath": node.text("mountPath") or "kubernetes", "role": node.text("role") or ""}
    account = node.get("serviceAccount")
    if account is not None:
        data["serviceAccountRef"] = service_account_of(account)
    return {"kubernetes": data}


def _app_role(node: Node) -> dict[str, ValuesData]:
    data: dict[str, ValuesData] = {"path": node.text("path") or "approle", "roleId": node.text("roleId") or ""}
    data["secretRef"] = reference_of(node.nearest("secretId"))
    return {"appRole": data}


def _jwt(node: Node) -> dict[str, ValuesData]:
    token: dict[str, ValuesData] = {"serviceAccountRef": service_account_of(node.nearest("serviceAccount"))}
    role, path = node.text("role") or "", node.text("path") or "jwt"
    return {"jwt": {"path": path, "role": role, "kubernetesServiceAccountToken": token}}


def _role_members(store_id: str, options: Mapping[str, str], namespace: str | None) -> dict[str, ValuesData]:
    account: dict[str, ValuesData] = {**account_of_operator(namespace), "audiences": ["vault"]}
    return {"role": options.get(_ROLE, OPERATOR), "serviceAccount": account}


_ROLE_AND_ACCOUNT = {"": ("role",), "serviceAccount": ("name",)}
_Vault.log_ins = MappingProxyType(
    {
        "kubernetes": LogIn(_ROLE_AND_ACCOUNT, _kubernetes, _role_members, takes=(_ROLE,)),
        "jwt": LogIn(_ROLE_AND_ACCOUNT, _jwt, _role_members, takes=(_ROLE,)),
        "appRole": LogIn(
            {"": ("roleId",), "secretId": _SECRET_KEY},
            _app_role,
            lambda store_id, options, namespace: {
                "roleId": options[_ROLE],
                "secretId": key_of_new(store_id, "secret-id", namespace),
            },
            title="an AppRole",
            takes=(_ROLE,),
            options_needed=((_ROLE, "give its role id, which is no credential"),),
        ),
        "token": LogIn(
            {"": _SECRET_KEY},
            lambda node: {"tokenSecretRef": reference_of(node)},
            lambda store_id, _, namespace: key_of_new(store_id, "token", namespace),
        ),
    }
)

PROVIDER = _Vault()
