"""Judges stores in Key Vault: their domain, cloud, log-in and the validity that they accept."""

from compiler.model.environment import Environment, Store
from compiler.model.facts import NEWEST, parse_minor
from compiler.model.store import parse_address
from compiler.rules.api import ENVIRONMENT, ERROR, NOTE, WARNING, Finding, Findings, rule, store_finding, waiver
from compiler.stores.azure_key_vault.provider import (
    CLOUDS,
    CUSTOM_CLOUD_SINCE,
    DEFAULT_CLOUD,
    LOG_IN_ENDPOINT,
    PROVIDER,
    USE_AZURE_SDK_SINCE,
    cloud_of,
    key_vault_url,
    uses_azure_sdk,
    vault_name_of,
)


@rule("unexpected-vault-domain", WARNING, ENVIRONMENT, waivable=True)
def find_unexpected_vault_domain(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if store.provider is not PROVIDER or not store.address:
            continue
        cloud = store.node.text("environmentType") or DEFAULT_CLOUD
        # The first is the quick answer for nearly every address.
        if cloud not in CLOUDS or store.address.rstrip("/").endswith(f".{CLOUDS[cloud]}"):
            continue
        address = parse_address(store.address)
        # `invalid-address` reports what is not an address at all, or a page's.
        if address is None or address.extra or address.path:
            continue
        other = cloud_of(address.host)
        if other == cloud:
            continue
        url = key_vault_url(vault_name_of(address.host), cloud)
        wanted = f"set `environmentType: {other}`" if other else f"write {url}"
        yield Finding(
            f'the host of the store "{store.id}" does not end in ".{CLOUDS[cloud]}", the domain of {cloud}',
            store.node.nearest("vaultUrl"),
            help=f"{wanted}; {waiver('unexpected-vault-domain', store.id)}",
            scope=("stores", store.id),
        )


@rule("unsupported-cloud-config", ERROR, ENVIRONMENT)
def find_unsupported_cloud_config(environment: Environment) -> Findings:
    operator = parse_minor(environment.operator or "") or NEWEST
    for store in environment.stores.values():
        if store.rendered and store.provider is PROVIDER:
            yield from _judge_cloud_config(store, operator)


def _judge_cloud_config(store: Store, operator: tuple[int, int]) -> Findings:
    cloud, uses_sdk = store.node.get("customCloudConfig"), uses_azure_sdk(store)
    for name, since, is_set in (
        ("useAzureSDK", USE_AZURE_SDK_SINCE, uses_sdk),
        ("customCloudConfig", CUSTOM_CLOUD_SINCE, cloud is not None),
    ):
        if is_set and operator < since:
            message = f"has `{name}`, which External Secrets Operator takes from {since[0]}.{since[1]} on"
            way_out = f"update the operator, and `externalSecretsOperator` with it, or remove `{name}`"
            yield store_finding(store, store.node.nearest(name).key_span, message, way_out)
    if cloud is not None and not uses_sdk:
        message = "has `customCloudConfig` without `useAzureSDK: true`"
        yield store_finding(store, cloud.key_span, message, "add that to the store")
    if cloud is not None and not (cloud.text(LOG_IN_ENDPOINT) or "").startswith("https://"):
        message = f"lacks an https address as `{LOG_IN_ENDPOINT}` in `customCloudConfig`"
        yield store_finding(store, cloud.key_span, message, "write the address where the operator logs in")


@rule("deprecated-managed-identity", NOTE, ENVIRONMENT, waivable=True)
def find_deprecated_managed_identity(environment: Environment) -> Findings:
    for store in environment.stores.values():
        way = store.node.get("auth", "managedIdentity")
        if way is not None and store.rendered and store.provider is PROVIDER:
            message = "logs in by managed identity, which External Secrets Operator calls deprecated"
            yield store_finding(store, way.key_span, message, "log in by `workloadIdentity`, or waive this")


@rule("contradictory-validity", ERROR, ENVIRONMENT)
def find_contradictory_validity(environment: Environment) -> Findings:
    for store in environment.stores.values():
        longest, shortest = store.longest_validity, store.shortest_validity
        if longest is not None and shortest is not None and shortest >= longest:
            message = f"accepts no expiry date: at least {shortest} days ahead, and at most {longest}"
            way_out = "write a `minValidity` that is shorter than `maxValidity`"
            yield store_finding(store, store.node.nearest("minValidity"), message, way_out)
