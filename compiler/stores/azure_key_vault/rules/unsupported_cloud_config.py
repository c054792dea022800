"""A rendered Key Vault store asks for an Azure SDK or a cloud that the operator does not have.

External Secrets Operator knows `useAzureSDK` from 0.20 on. It takes `customCloudConfig` from 1.2 on, with `useAzureSDK:
true` and an `activeDirectoryEndpoint` alone; anything else its webhook refuses, or the store never becomes ready.

    stores:
      azure: {environmentType: ChinaCloud, customCloudConfig: {resourceManagerEndpoint: https://management.chinacloudapi.cn/}}

In ChinaCloud, workload identity on AKS needs both, as the tokens there come from another issuer than the cloud's own:

    stores:
      azure:
        environmentType: ChinaCloud
        useAzureSDK: true
        customCloudConfig: {activeDirectoryEndpoint: https://login.partner.microsoftonline.cn/}
"""

from compiler.model.facts import NEWEST, parse_minor
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Findings, Store, rule, store_finding
from compiler.stores.azure_key_vault.provider import (
    CUSTOM_CLOUD_SINCE,
    LOG_IN_ENDPOINT,
    PROVIDER,
    USE_AZURE_SDK_SINCE,
    uses_azure_sdk,
)


@rule("unsupported-cloud-config", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    operator = parse_minor(environment.operator or "") or NEWEST
    for store in environment.stores.values():
        if store.rendered and store.provider is PROVIDER:
            yield from _judge(store, operator)


def _judge(store: Store, operator: tuple[int, int]) -> Findings:
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
