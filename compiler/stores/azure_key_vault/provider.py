"""Describes Azure Key Vault: its settings, log-ins, names and limits, and what the operator makes of it."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from compiler.model.document import Node
from compiler.model.environment import Store
from compiler.model.facts import ValuesData
from compiler.model.provider import (
    InvalidReferenceError,
    LogIn,
    Provider,
    StoreOption,
    UnprovenReferenceError,
    account_of_operator,
    key_of_new,
)
from compiler.model.store import Address, reference_of, service_account_of

# The domain of each cloud's Key Vaults:
# https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#dns-suffixes-for-object-identifiers
CLOUDS: Final = {
    "PublicCloud": "vault.azure.net",
    "ChinaCloud": "vault.azure.cn",
    "USGovernmentCloud": "vault.usgovcloudapi.net",
    "GermanCloud": "vault.microsoftazure.de",
}
DEFAULT_CLOUD: Final = "PublicCloud"
# In ten seconds, per vault: all transactions but creates, and creates.
# https://learn.microsoft.com/azure/key-vault/general/service-limits
MOST_TRANSACTIONS: Final = 4000
MOST_CREATES: Final = 300
# https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#vault-name-and-object-name
VAULT_NAME = re.compile(r"(?=[a-z0-9-]{3,24}\Z)[a-z](?:-?[a-z0-9])*", re.ASCII)
LONGEST_NAME: Final = 127
SECRET_NAME: Final = re.compile(rf"[0-9A-Za-z-]{{1,{LONGEST_NAME}}}", re.ASCII)
_SECRET_KEY = ("name", "key")
_TENANT = "--tenant-id"
# The CRD defaults it to false since this minor and refuses it before (read in ESO's CRDs, tag by tag).
_USE_AZURE_SDK_SINCE = (0, 20)
_SECRET, _OTHER_OBJECTS = "secret", ("cert", "key")
_AZURE_DOMAIN = re.compile(rf"([^.]*)\.(?:{'|'.join(map(re.escape, CLOUDS.values()))})")
# What nearly every address looks like; it needs no closer look.
_PLAIN = re.compile(rf"https://[a-z][a-z0-9]{{2,23}}\.{re.escape(CLOUDS[DEFAULT_CLOUD])}/?", re.ASCII)


def key_vault_url(name: str, cloud: str | None = None) -> str:
    """The URL of the Key Vault `name` in `cloud`, the public one where that is absent or none that exists."""
    return f"https://{name}.{CLOUDS.get(cloud or '', CLOUDS[DEFAULT_CLOUD])}"


def vault_name_of(host: str) -> str:
    """The vault's name as `host` begins with it; NAME, a word that stands for one, where it begins with none."""
    name = host.partition(".")[0]
    return name if VAULT_NAME.fullmatch(name) else "NAME"


def cloud_of(host: str) -> str | None:
    """The cloud whose domain `host`, in lower case, lies in; None for any other host."""
    return next((cloud for cloud, domain in CLOUDS.items() if host.endswith(f".{domain}")), None)


class _KeyVault(Provider):
    id = "azurekv"
    title = "Key Vault"
    described = "Azure Key Vault"
    called = frozenset({"azure", "azurekv", "akv", "keyvault", "azurekeyvault", "azkv", "kv"})
    extra = "azure"
    adapter = "AzureKeyVaultStore"
    store_id = "azure"
    store_name = "azure-keyvault-store"

    address = "vaultUrl"
    others = ("tenantId", "environmentType", "requireExpiry", "maxValidity", "minValidity")
    example = "https://<name>.vault.azure.net"
    option = "--vault-url"
    variable = "AZURE_KEYVAULT_NAME"
    options = (StoreOption(_TENANT, "ID", "the tenant of a service principal", setting="tenantId"),)
    access_form = "az"

    separator = "-"
    ignores_case = True
    quota = MOST_TRANSACTIONS

    keeps_dates = True
    holds_texts = True

    csi_names = ("objectAlias", "objectName")
    csi_key = "objectName"
    # No key, no certificate, no fixed version, no decoding.
    csi_only = MappingProxyType(
        {
            "objectType": ("secret",),
            "objectVersion": ("",),
            "objectVersionHistory": (),
            "objectFormat": ("pem",),
            "objectEncoding": ("utf-8",),
        }
    )

    def url_of(self, value: str, text: Callable[[str], str | None]) -> str:
        return key_vault_url(value, text("environmentType"))

    def leads_to(self, value: str, url: str) -> bool:
        return url.partition("://")[2].partition(".")[0].lower() == value.lower()

    def is_plain(self, url: str) -> bool:
        return _PLAIN.fullmatch(url) is not None

    def url_like(self, host: str | None) -> str:
        if host is None:
            return key_vault_url("NAME")
        return key_vault_url(vault_name_of(host)) if "." not in host else f"https://{host}"

    def url_without(self, address: Address) -> str:
        return key_vault_url(vault_name_of(address.host))

    def address_problem(self, address: Address) -> tuple[str, str] | None:
        if address.path:
            return "has a path, which Key Vaults do not have", f"write it as {super().url_without(address)}"
        if address.scheme != "https":
            return "is http, but Key Vault is reached over https only", f"write it as https://{address.authority}"
        named = _AZURE_DOMAIN.fullmatch(address.host)
        if named and not VAULT_NAME.fullmatch(named[1]):
            return "has an invalid Key Vault name", "use 3 to 24 letters, digits and single hyphens, a letter first"
        return None

    def spec(self, store: Store, operator: tuple[int, int]) -> dict[str, ValuesData]:
        data: dict[str, ValuesData] = {
            "vaultUrl": store.address or "",
            "environmentType": store.node.text("environmentType") or DEFAULT_CLOUD,
        }
        if operator >= _USE_AZURE_SDK_SINCE:
            data["useAzureSDK"] = False
        tenant = store.node.text("tenantId")
        if tenant:
            data["tenantId"] = tenant
        auth = store.node.nearest("auth")
        form = next((each for each in self.log_ins if auth.get(each) is not None), None)
        return data if form is None else data | self.log_ins[form].spec(auth.nearest(form))

    def is_another(self, one: str, other: str) -> bool:
        """Whether they are vaults of two names, or of one name in two clouds."""
        hosts = [server.partition(":")[0] for server in (one, other)]
        names, clouds = {host.partition(".")[0] for host in hosts}, {cloud_of(host) for host in hosts}
        return len(names) > 1 or (len(clouds) > 1 and None not in clouds)

    def csi_settings(self, parameters: Mapping[str, str]) -> dict[str, str]:
        cloud = parameters.get("cloudName", "").removeprefix("Azure")
        vault, tenant = parameters.get("keyvaultName", ""), parameters.get("tenantId") or parameters.get("tenantID")
        found = {"vaultUrl": key_vault_url(vault, cloud)} if vault else {}
        return found | ({"tenantId": tenant} if tenant else {}) | ({"environmentType": cloud} if cloud else {})

    def fitting_name(self, name: str) -> str:
        return re.sub(r"[^0-9A-Za-z]+", "-", name).strip("-")

    def remote_name(self, name: str) -> str:
        """The operator takes the part after the first slash for the name and drops the rest."""
        return (name.split("/")[1] if "/" in name else name).lower()

    def asked_name(self, mount: str, key: str) -> str:
        """`secret/name/more` is the secret `name`; the operator silently drops the rest."""
        del mount
        kind, slash, rest = key.partition("/")
        if not slash:
            return key
        if kind in _OTHER_OBJECTS:
            raise UnprovenReferenceError(f"it refers to a {kind} of Key Vault, and only secrets can be checked")
        if kind != _SECRET:
            message = 'Key Vault splits it at "/", and its first part must be "secret", "cert" or "key"'
            raise InvalidReferenceError(message)
        return rest.partition("/")[0]

    def recover_words(self, store: Store, url: str, name: str, version: str | None) -> list[str]:
        del store, version
        return ["az", "keyvault", "secret", "recover", "--id", f"{url}/deletedsecrets/{name}"]

    def date_words(self, url: str, name: str, option: str) -> list[str]:
        return ["az", "keyvault", "secret", "set-attributes", "--id", f"{url}/secrets/{name}", option, "DATE"]


def _workload(node: Node) -> dict[str, ValuesData]:
    account = node.get("serviceAccount")
    reference = {"serviceAccountRef": service_account_of(account)} if account is not None else {}
    return {"authType": "WorkloadIdentity", **reference}


def _managed(node: Node) -> dict[str, ValuesData]:
    client = node.text("clientId")
    return {"authType": "ManagedIdentity", **({"identityId": client} if client else {})}


def _principal(node: Node) -> dict[str, ValuesData]:
    references: dict[str, ValuesData] = {
        name: reference_of(node.nearest(name)) for name in ("clientId", "clientSecret")
    }
    return {"authType": "ServicePrincipal", "authSecretRef": references}


_KeyVault.log_ins = MappingProxyType(
    {
        "workloadIdentity": LogIn(
            {"serviceAccount": ("name",)},
            _workload,
            lambda _, __, namespace: {"serviceAccount": account_of_operator(namespace)},
        ),
        "managedIdentity": LogIn({}, _managed, lambda *_: {}),
        "servicePrincipal": LogIn(
            {"clientId": _SECRET_KEY, "clientSecret": _SECRET_KEY},
            _principal,
            lambda store_id, _, namespace: {
                "clientId": key_of_new(store_id, "client-id", namespace),
                "clientSecret": key_of_new(store_id, "client-secret", namespace),
            },
            title="a service principal",
            needs=("tenantId",),
            options_needed=((_TENANT, "give the id of its tenant"),),
        ),
    }
)

PROVIDER = _KeyVault()


def expected_spec(store: dict[str, Any], operator: str) -> dict[str, Any]:
    """The operator's fields of a store, derived a second time: parity never compares the descriptor with itself."""
    data: dict[str, Any] = {
        "vaultUrl": store["vaultUrl"],
        "environmentType": store.get("environmentType", "PublicCloud"),
    }
    if [int(number) for number in operator.split(".")] >= [0, 20]:
        data["useAzureSDK"] = False
    ((form, said),) = store["auth"].items()
    data |= {"authType": form[0].upper() + form[1:], **_renamed(store, tenantId="tenantId")}
    if form == "servicePrincipal":
        return data | {"authSecretRef": said}
    return data | _renamed(said, serviceAccount="serviceAccountRef", clientId="identityId")


def _renamed(said: dict[str, Any], **names: str) -> dict[str, Any]:
    return {new: said[old] for old, new in names.items() if old in said}
