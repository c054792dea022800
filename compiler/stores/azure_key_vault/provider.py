"""Describes Azure Key Vault: its settings, log-ins, names and limits, and what the operator makes of it."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

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
from compiler.model.store import Address, fields_of, host_of, parse_address, reference_of, service_account_of

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
# Without the names that commands take for an option, which the service allows.
SECRET_NAME: Final = re.compile(rf"(?!-)[0-9A-Za-z-]{{1,{LONGEST_NAME}}}", re.ASCII)
_SECRET_KEY = ("name", "key")
_TENANT = "--tenant-id"
# The CRD defaults it to false since this minor and refuses it before (read in ESO's CRDs, tag by tag).
USE_AZURE_SDK_SINCE: Final = (0, 20)
# Its webhook refuses it before, in any cloud but an Azure Stack (read in ESO's source, tag by tag).
CUSTOM_CLOUD_SINCE: Final = (1, 2)
LOG_IN_ENDPOINT: Final = "activeDirectoryEndpoint"
_ENDPOINTS = (LOG_IN_ENDPOINT, "resourceManagerEndpoint", "keyVaultEndpoint", "keyVaultDNSSuffix")
_SECRET, _OTHER_OBJECTS = "secret", ("cert", "key")
_AZURE_DOMAIN = re.compile(rf"(.*)\.(?:{'|'.join(map(re.escape, CLOUDS.values()))})")
# As a page of the portal and an id of Azure Resource Manager name a Key Vault, and no vault of another service.
_RESOURCE = re.compile(r"microsoft\.keyvault(?:/|%2f)vaults(?:/|%2f)([a-z0-9-]+)", re.ASCII | re.IGNORECASE)
# A vault's host, also the private one, and where the end of its domain is wrong.
_VAULT_HOST = re.compile(r"([^.]+)\.(?:privatelink\.)?vault(?:core)?\.(?:azure|usgovcloudapi|microsoftazure)\.[a-z]+")


def key_vault_url(name: str, cloud: str | None = None) -> str:
    """The URL of the Key Vault `name` in `cloud`, the public one where that is absent or none that exists."""
    return f"https://{name}.{CLOUDS.get(cloud or '', CLOUDS[DEFAULT_CLOUD])}"


def vault_name_of(host: str) -> str:
    """The name of the vault that has this `host`; NAME, a word that stands for one, where it is no vault's."""
    found = _VAULT_HOST.fullmatch(host)
    return found[1] if found is not None and VAULT_NAME.fullmatch(found[1]) else "NAME"


def cloud_of(host: str) -> str | None:
    """The cloud whose domain `host`, in lower case, lies in; None for any other host."""
    return next((cloud for cloud, domain in CLOUDS.items() if host.endswith(f".{domain}")), None)


def uses_azure_sdk(store: Store) -> bool:
    return store.node.nearest("useAzureSDK").value is True


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
    others = (
        *("tenantId", "environmentType", "useAzureSDK", "customCloudConfig"),
        *("requireExpiry", "maxValidity", "minValidity"),
    )
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

    def url_meant(self, text: str, setting: Callable[[str], str | None]) -> str:
        address = parse_address(super().url_meant(text, setting))
        host = address.host if address is not None else ""
        resource = _RESOURCE.search(text)
        is_name = "://" not in text and "." not in host
        name = resource[1].lower() if resource is not None else host if is_name else vault_name_of(host)
        if VAULT_NAME.fullmatch(name):
            return key_vault_url(name, cloud_of(host) or setting("environmentType"))
        if address is None or any(sign in text for sign in "@?#"):
            return key_vault_url("NAME", setting("environmentType"))
        return f"https://{address.authority}"

    def value_problem(self, value: str) -> tuple[str, str] | None:
        if VAULT_NAME.fullmatch(value.lower()):
            return None
        named = _AZURE_DOMAIN.fullmatch(self.url_meant(value, lambda _: None).removeprefix("https://"))
        way_out = "set it to the vault's name" + (f', "{named[1]}"' if named and named[1] != "NAME" else " alone")
        return "is not the name of a Key Vault", way_out

    def address_problem(self, address: Address) -> tuple[str, str | None] | None:
        if address.path:
            return "has a path, which Key Vaults do not have", None
        if address.scheme != "https":
            return "is http, but Key Vault is reached over https only", None
        named = _AZURE_DOMAIN.fullmatch(address.host)
        if named and not VAULT_NAME.fullmatch(named[1]):
            return "has an invalid Key Vault name", "use 3 to 24 letters, digits and single hyphens, a letter first"
        return None

    def spec(self, store: Store, operator: tuple[int, int]) -> dict[str, ValuesData]:
        data: dict[str, ValuesData] = {
            "vaultUrl": store.address or "",
            "environmentType": store.node.text("environmentType") or DEFAULT_CLOUD,
        }
        if operator >= USE_AZURE_SDK_SINCE:
            data["useAzureSDK"] = uses_azure_sdk(store)
        if (endpoints := store.node.get("customCloudConfig")) is not None:
            data["customCloudConfig"] = fields_of(endpoints, *_ENDPOINTS)
        tenant = store.node.text("tenantId")
        if tenant:
            data["tenantId"] = tenant
        auth = store.node.nearest("auth")
        form = next((each for each in self.log_ins if auth.get(each) is not None), None)
        return data if form is None else data | self.log_ins[form].spec(auth.nearest(form))

    def is_another(self, one: str, other: str) -> bool:
        """Whether they are two vaults by name and cloud: any other host may be a second name of either."""
        hosts = [host_of(server) for server in (one, other)]
        named = [found[1] for host in hosts if host.isascii() and (found := _AZURE_DOMAIN.fullmatch(host))]
        # A private name of a vault has more parts before the domain.
        return hosts[0] != hosts[1] and len([name for name in named if "." not in name]) == len(hosts)

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

    def operator_name(self, mount: str, key: str) -> str:
        """`secret/name/more` is the secret `name`; the operator silently drops the rest."""
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
        return ["az", "keyvault", "secret", "recover", "--id", f"{url}/deletedsecrets/{name}"]

    def date_words(self, url: str, name: str, option: str) -> list[str]:
        return ["az", "keyvault", "secret", "set-attributes", "--id", f"{url}/secrets/{name}", option, "DATE"]


def _workload(node: Node) -> dict[str, ValuesData]:
    account = node.get("serviceAccount")
    reference = {"serviceAccountRef": service_account_of(account)} if account is not None else {}
    return {"authType": "WorkloadIdentity", **reference}


def _managed_identity(node: Node) -> dict[str, ValuesData]:
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
        "managedIdentity": LogIn({}, _managed_identity, lambda *_: {}),
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
