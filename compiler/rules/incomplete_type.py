"""A Secret lacks keys that the API server demands of its type, or has a type that the operator refuses.

The API server refuses a Secret of a built-in type without its keys, so that the ExternalSecret fails with
`SecretSyncedError` and the Secret is never there. `kubernetes.io/basic-auth` needs one of its two keys, which with
`extract: true` the store tells; all others need all of theirs. External Secrets Operator refuses tokens of service
accounts and `bootstrap.kubernetes.io/token`.

    ingress:
      type: kubernetes.io/tls
      keys:
        certificate: {description: Certificate}

Make the keys, by their names or by a template:

    ingress:
      type: kubernetes.io/tls
      template: {data: {tls.crt: "{{ .certificate }}", tls.key: "{{ .private_key }}"}}
      keys:
        certificate: {description: Certificate}
        private_key: {description: Its private key}
"""

from collections.abc import Collection

from compiler.rules.api import (
    ENVIRONMENT,
    ERROR,
    Catalogue,
    Entry,
    Environment,
    Finding,
    Findings,
    list_names,
    quote,
    rule,
)

# As the API server validates a Secret; of `basic-auth` one is enough.
BASIC_AUTH = "kubernetes.io/basic-auth"
KEYS_OF_TYPES = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    BASIC_AUTH: ("username", "password"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
# The operator would let whoever may write an ExternalSecret make a log-in to the cluster.
_REFUSED = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})


def check_catalogue(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        if entry.type in _REFUSED:
            message = f"External Secrets Operator makes no Secret of the type {quote(entry.type)}"
            way_out = "have the cluster make it; leave it out here"
            yield Finding(message, entry.node.nearest("type"), help=way_out, scope=("secrets", entry.id))
        elif lacking := _lacking(entry, entry.target_nodes):
            yield _finding(entry, lacking, "", f"add {list_names(lacking)} to `keys` or `template.data`")


@rule("incomplete-type", ERROR, ENVIRONMENT, catalogue_check=check_catalogue)
def check(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        if secret.entry.type not in KEYS_OF_TYPES or secret.store is None:
            continue
        lacking = [key for key in _lacking(secret.entry, secret.target_keys) if key in secret.entry.target_nodes]
        if lacking:
            way_out = f"{list_names(lacking)} belongs to a variant: add it to `use:`"
            yield _finding(secret.entry, lacking, f" in {environment.name}", way_out)


def _lacking(entry: Entry, made: Collection[str]) -> tuple[str, ...]:
    wanted = KEYS_OF_TYPES.get(entry.type or "", ())
    lacking = tuple(key for key in wanted if key not in made)
    return () if entry.type == BASIC_AUTH and (entry.extract or len(lacking) < len(wanted)) else lacking


def _finding(entry: Entry, lacking: Collection[str], where: str, way_out: str) -> Finding:
    wanted = f"which the type {quote(entry.type or '')} needs"
    message = f"the Secret of {quote(entry.id)} lacks {list_names(lacking)}{where}, {wanted}"
    return Finding(message, entry.node.nearest("type"), help=way_out, scope=("secrets", entry.id))
