"""A store's setting that its provider does not have, or that only a rendered store uses.

`server`, `reachableAt`, `clusterId`, `mount`, `vaultNamespace`, `caBundle` and `caProvider` belong to Vault.
`vaultUrl`, `tenantId`, `environmentType`, `useAzureSDK`, `customCloudConfig`, `requireExpiry`, `maxValidity` and
`minValidity` belong to Key Vault. `auth`, `conditions` and `caProvider` are printed into the store object, which the
chart renders only with `render: true`; `conditions` exist on a ClusterSecretStore only, and `caProvider` counts only
without `caBundle`. Elsewhere they have no effect, although they look as if they protected or changed something.

    stores:
      azure: {provider: azurekv, server: https://ai-platform-prod.vault.azure.net}

Use the provider's own setting, or add `render: true` where the store object is yours to render:

    stores:
      azure: {provider: azurekv, vaultUrl: https://ai-platform-prod.vault.azure.net}

Settings that only a rendered store uses are reported in the environment's own file alone: a shared layer may hold it
for those environments that do render.
"""

from functools import cache

from compiler.model.provider import Provider
from compiler.rules.api import ENVIRONMENT, WARNING, Environment, Finding, Findings, Store, rule
from compiler.stores.registry import PROVIDERS

_ADDRESSES = frozenset(provider.address for provider in PROVIDERS.values())
RENDERED_ONLY = ("auth", "conditions", "caProvider")


@rule("unused-setting", WARNING, ENVIRONMENT, waivable=True)
def check(environment: Environment) -> Findings:
    own_source = environment.document.source
    for store in environment.stores.values():
        settings = store.node.children
        foreign = _foreign(store.provider)
        for name in foreign:
            if name in settings:
                way_out = f'use "{store.provider.address}" instead' if name in _ADDRESSES else "remove it"
                yield _finding(store, name, f'"{name}" is not a setting of a {store.provider.title}', way_out)
        for name in RENDERED_ONLY:
            node = settings.get(name)
            if node is None or name in foreign or node.source is not own_source:
                continue
            if not store.rendered:
                message = f'"{name}" has no effect, as the store "{store.id}" is not rendered'
                yield _finding(store, name, message, "add `render: true`, or remove it")
            elif name == "caProvider" and "caBundle" in settings:
                yield _finding(store, name, '"caProvider" has no effect beside "caBundle"', "keep one of them")
            elif name == "conditions" and store.kind != "ClusterSecretStore":
                yield _finding(store, name, f'"{name}" has no effect on a {store.kind}', "remove it")


@cache
def _foreign(provider: Provider) -> tuple[str, ...]:
    """The settings that other providers have and this one has not; of an unknown provider, none is."""
    others = (name for each in PROVIDERS.values() for name in each.settings if name not in provider.settings)
    return tuple(dict.fromkeys(others)) if provider.settings else ()


def _finding(store: Store, name: str, message: str, way_out: str) -> Finding:
    return Finding(message, store.node.nearest(name).key_span, help=way_out, scope=("stores", store.id))
