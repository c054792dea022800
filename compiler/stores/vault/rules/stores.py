"""Judges stores in Vault: the address and the certificates that they are reached by, and the audience of a log-in."""

from compiler.model.environment import Environment
from compiler.model.store import is_near, parse_address
from compiler.rules.api import ENVIRONMENT, ERROR, WARNING, Findings, rule, store_finding, waiver
from compiler.stores.vault.provider import PROVIDER
from compiler.text.credential import is_ca_bundle


@rule("insecure-address", ERROR, ENVIRONMENT, waivable=True)
def find_insecure_address(environment: Environment) -> Findings:
    for store in environment.stores.values():
        for setting, text in store.addresses:
            # A Key Vault with http is `invalid-address`.
            if text.startswith("https:") or store.provider is not PROVIDER:
                continue
            address = parse_address(text)
            if address is None or address.scheme != "http" or is_near(address.host):
                continue
            inner = address.host.count(".") <= 1 or ".svc." in address.host
            way_out = "use https, or the full name of a Service in the cluster" if inner else "use https"
            way_out += f"; {waiver('insecure-address', store.id)}"
            yield store_finding(store, store.node.nearest(setting), "is reached over http", way_out)


@rule("invalid-ca-bundle", ERROR, ENVIRONMENT)
def find_invalid_ca_bundle(environment: Environment) -> Findings:
    for store in environment.stores.values():
        text = store.node.text("caBundle")
        if text is not None and store.provider is PROVIDER and not is_ca_bundle(text):
            message = "has a `caBundle` that is not PEM certificates in Base64"
            yield store_finding(store, store.node.nearest("caBundle"), message, "write what `base64 -w0 ca.pem` prints")


@rule("missing-audience", WARNING, ENVIRONMENT, waivable=True)
def find_missing_audience(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if not store.rendered or store.provider is not PROVIDER:
            continue
        account = store.node.get("auth", "kubernetes", "serviceAccount")
        if account is not None and not account.nearest("audiences").items:
            way_out = "add `audiences: [vault]` and set the same audience on the Vault role"
            yield store_finding(store, account.key_span, "logs in to Vault without an audience", way_out)
