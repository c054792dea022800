"""A Vault store's `caBundle` is not certificates in Base64.

External Secrets Operator decodes it and trusts the certificates in it. With anything else the store does not become
ready, and a private key in it would be in Git and in the cluster for all to read.

    stores:
      vault: {caBundle: /etc/ssl/ca.pem}

Write the PEM file in Base64, in one line, as `base64 -w0 ca.pem` prints it; or name an object in the cluster with
`caProvider`.
"""

from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Findings, rule, store_finding
from compiler.stores.vault.provider import PROVIDER
from compiler.text.credential import is_ca_bundle


@rule("invalid-ca-bundle", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        text = store.node.text("caBundle")
        if text is not None and store.provider is PROVIDER and not is_ca_bundle(text):
            message = "has a `caBundle` that is not PEM certificates in Base64"
            yield store_finding(store, store.node.nearest("caBundle"), message, "write what `base64 -w0 ca.pem` prints")
