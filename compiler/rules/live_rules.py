"""Documents the rules that `verify`, `consumers` and `import` report: ids, severities and pages."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.rules.api import Rule, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ERRORS: dict[str, str] = {
    "no-answer": """A store did not answer, or another server did, so none of its secrets could be checked.

The message has the cause: no network, a sealed Vault, an unknown authority, a proxy's page, a redirect, too many
requests, no address, another Vault than `clusterId` names. The cluster may reach the store even if this machine does
not.

    stores: {vault: {server: http://vault.vault.svc.cluster.local:8200}}    # known inside the cluster only

Set VAULT_ADDR to a port-forward or to an address that this machine can reach, or write that as the store's
`reachableAt`, and run again.""",
    "unauthenticated": """A store rejected the caller: no credentials, a refused log-in or an expired token.

`verify` uses the caller's identity, not the cluster's.

    $ VAULT_TOKEN= platform-secrets verify prod

Log in again: `bao login` and VAULT_TOKEN for Vault and OpenBao, `az login` for Key Vault.""",
    "forbidden": """The store knows the caller, but does not allow the read; the message names the missing permission.

Neither the store nor this command can say whether the secret exists. External Secrets Operator has an
identity of its own, which may have the permission.

    path "secret/data/ai-platform-engineering/*" { capabilities = ["list"] }    # and not "read"

Give the caller the permission of the message, or run as an identity that has it.""",
    "missing-access": """`--access` is given, and the caller lacks a right that a role needs on a remote secret.

The role is that of `--for`, a reader by default. Only a Vault answers this; a Key Vault cannot be asked.

    $ platform-secrets verify prod --access --for writer

Add the rule of the message to a policy of the caller, or write the policy of the role with `generate access`.""",
    "wrong-mount": """Vault has no KV version 2 engine at the store's mount, or not in this namespace.

KV version 1 has other paths: External Secrets Operator would find no secret in it. HashiCorp's community edition
ignores namespaces: the operator reads the root there, whatever `vaultNamespace` says.

    stores: {vault: {mount: secrets}}                 # the engine is at "secret"

Correct `mount`, or correct or remove `vaultNamespace`; `bao secrets list` shows what is mounted.""",
    "missing-secret": """The store has no secret of that name, so its keys would not be synchronised.

One missing secret fails the whole ExternalSecret that asks for it, its other keys included.

    remote: {vault: ai-platform-engineering/github}    # the store has ai-platform-engineering/github-secret

Create it (`platform-secrets put ENV SECRET`), copy it (`platform-secrets migrate`), or correct the name.""",
    "missing-property": """The remote secret exists, but lacks the property that a key reads.

One missing property fails the whole ExternalSecret.

    keys: {GITHUB_APP_ID: {description: App id}}      # the remote secret has only GITHUB_PERSONAL_ACCESS_TOKEN

Add the property (`platform-secrets put ENV SECRET KEY`), or choose the variants in use with `use:`.""",
    "disabled-secret": """The secret's newest version is disabled in Key Vault, so it cannot be read.

    $ az keyvault secret set-attributes --enabled false ...

Enable it again, or write a new version.""",
    "soft-deleted-secret": """The secret is soft-deleted and can be recovered.

The cluster does not find it. If its newest version is destroyed, write it again.

    $ az keyvault secret delete --name ai-platform-engineering-github

Recover it: `az keyvault secret recover` or `bao kv undelete`.""",
    "not-json": """A key reads a property of a Key Vault secret whose text is not a JSON object, or has a name twice.

External Secrets Operator finds nothing in it.

    ghp_0123                                          # the token itself, where {"GITHUB_TOKEN": "..."} is expected

Store a JSON object, or mark the key `whole: true` in the catalogue.""",
    "not-a-string": """The property is a number, a boolean, a null, a list or an object.

Stores and External Secrets Operator each print such values in their own way: 9007199254740993 becomes another number,
and a null an empty value. Only strings stay the same.

    {"PORT": 8080}

Store it as text: {"PORT": "8080"}.""",
    "blank-value": """The value is empty or only white space.

A program that starts with an empty token fails later and far from the cause.

    {"GITHUB_PERSONAL_ACCESS_TOKEN": ""}

Set the value, or leave the key out with `use:`.""",
    "invalid-character": """The value has a NUL character, or half of a surrogate pair, which is not a character.

An environment variable cannot hold a NUL, so a container with this one does not start. In place of the half pair the
cluster gets U+FFFD, which is another value. `put`, `migrate` and `restore` write neither.

    {"PASSWORD": "pass\\u0000word", "NAME": "\\ud83d"}

Set the right value; where it is binary, store it as Base64 and let the program decode it.""",
    "placeholder-value": """The value is a placeholder.

These count: changeme, replace_me, TODO, TBD, placeholder, null, undefined, `<...>`, `${...}`, xxx, `****`, `your-...`,
and the beginning of a token with dots, `sk_test_...`. `put` refuses them.

    {"GITHUB_PERSONAL_ACCESS_TOKEN": "<token>"}

Set the real value.""",
    "expired-secret": """The secret's expiry date is past.

Key Vault still serves it, so the cluster gets a value that should no longer be used. On Vault it is a version that
`delete_version_after` deletes.

    $ az keyvault secret show ...                     # "expires": "2025-01-31T00:00:00+00:00"

Rotate it, and give the new version a date of its own: `put` and `migrate` keep the old one, and `put` shows the command
that changes it, `az keyvault secret set-attributes --expires`.""",
    "not-yet-valid": """The secret's activation date is in the future.

Key Vault serves it all the same: the cluster gets a value that is not valid yet.

    $ az keyvault secret show ...                     # "notBefore": "2035-01-01T00:00:00+00:00"

Correct the date, or write the version that is valid now.""",
    "invalid-reference": """External Secrets Operator or the store refuses the reference, whatever the store has.

    remoteKey: dev/github                             # Key Vault: "dev" is not an object type

Use a name that the store has: on Key Vault 1 to 127 letters, digits and hyphens; on Vault a path without empty parts,
`.`, `..`, and without one of % ? # * and backslash.""",
    "unproven-reference": """The reference uses features that this program does not evaluate, so it is not verified.

These are wildcards, pipes, places in a list, queries and everything else in gjson except names with dots between them;
and keys and certificates of Key Vault.

    property: 'tokens.#(name=="ci").value'

Use a plain property, or a secret of its own with `whole: true`.""",
    "unusable-bundle": """The operator cannot make keys of all the properties that a remote secret has.

With `fetch: bundle` it reads all of them, even those that no key asks for, and puts `_` in place of each character that
is not a letter, digit, `-`, `.` or `_`. Two names that become one, or a name longer than 253 bytes, fail the whole
ExternalSecret.

    {"GITHUB_TOKEN": "...", "GITHUB TOKEN": "..."}    # and `fetch: bundle`

Rename or remove one of them in the store, or read this secret by `fetch: perKey`.""",
    "cluster-no-answer": """`--cluster` is given, but the cluster does not answer or does not speak the expected API.

    $ KUBECONFIG=/nowhere platform-secrets verify prod --cluster

Set KUBECONFIG or name a context with `--context`; the stores are verified all the same.""",
    "cluster-forbidden": """The cluster denies the caller a permission, which the message names.

    $ kubectl auth can-i list externalsecrets --namespace ai-platform-engineering        # no

The caller needs `get` on clustersecretstores or secretstores, and `list` on externalsecrets, secrets and events. Only
the metadata of Secrets is read.""",
    "store-not-ready": """A store is missing, not ready, being deleted, closed to the namespace, or leads elsewhere.

An ExternalSecret then reads nothing, or another store than the one that was verified: with another provider, Key Vault,
mount (`path`), KV version or Vault namespace than the environment writes. VAULT_ADDR does not change that.

    $ kubectl get clustersecretstores                 # vault-secret-store   False

Correct the store object or the environment. On Key Vault, ready does not mean that it works: the operator never asks
it.""",
    "not-synchronised": """An ExternalSecret is not ready, being deleted, or not synchronised as it is now and in time.

The message is that of the newest event about it, with its age: it says more than the condition. It is shown only where
all values that it may quote could be read, so that they can be hidden; the condition's reason is always shown. The
reasons `SecretOwnedByOther` and `SecretImmutable`, which External Secrets Operator has from 2.10 on, are explained.

    $ kubectl get externalsecrets                     # agent-github-secrets   SecretSyncedError   False

Fix what the findings about the store name: `verify` has read the store itself. Events name the cause up to External
Secrets Operator 2.13; from 2.14 on they say no more than the condition, and the cause is in the operator's log. The
operator waits up to 7 minutes after failures; the annotation `force-sync` makes it try at once.""",
    "missing-target-key": """The ExternalSecret is ready, but its Secret is missing, or lacks keys of the environment.

    $ kubectl describe secret agent-github-secrets    # GITHUB_APP_ID is not there

Usually an older state of the environment is deployed: compile, merge, and let Argo CD synchronise.""",
}

_WARNINGS: dict[str, str] = {
    "surrounding-white-space": """The value begins or ends with white space, most often a line break.

`echo token | ...` stores the line break too, and servers refuse a header with it.

    {"GITHUB_PERSONAL_ACCESS_TOKEN": "ghp_0123\\n"}

Store it again without; where it is part of the value, as in a PEM file, leave it.""",
    "manifest-value": """The value is a whole manifest: a Kubernetes Secret, or a list of objects.

The pod gets the manifest's text, where it expects a value of that Secret. `put` refuses it. A kubeconfig and other
kinds may be values.

    GITHUB_TOKEN: "apiVersion: v1\\nkind: Secret\\n..."   # piped into `put` as YAML

Set the value itself. `put` reads a Secret that is given as JSON, and takes its values.""",
    "surrounding-quotes": """The value has quotes around it.

They came along from a line of dotenv, YAML or a shell, and are a part of what the pod gets.

    {"GITHUB_PERSONAL_ACCESS_TOKEN": "\\"ghp_0123\\""}

Store it again without; where they are part of the value, leave them.""",
    "expires-soon": """The secret expires within the days of `--expires-within`, 30 when it is not given.

    $ az keyvault secret show ...                     # "expires": the day after tomorrow

Rotate it before that day. In Vault it is a version with `delete_version_after`, which is then deleted.""",
    "no-expiry": """The secret has no expiry date, and its store has `requireExpiry`.

Azure Policy marks it as not compliant. The value is served all the same, so this is a warning; under the effect Deny
only a new version is refused.

    stores: {azure: {requireExpiry: true}}            # "expires": null

Set a new value with `put`, or run `migrate` or `restore` again: each gives it a date. Or set the date alone with
`az keyvault secret set-attributes --expires`.""",
    "shared-value": """Two keys have one value, and each should have one of its own.

If it leaks from one place, both are lost; rotating one breaks the other, or leaves the old value in use there. `verify
--shared-with` compares keys with a `rotate` or a `maxAge`, within an environment and across.

    $ platform-secrets verify prod --shared-with staging      # one LLM key serves both

Make a credential for each. If they are meant to share one, write `from:` in the catalogue, or `waive:` it with the
reason.""",
    "excess-access": """`--access` is given, and the caller may do more in a Vault than a role needs.

The role is that of `--for`, a reader by default. A root token may do everything, and a rule for a whole mount covers
secrets of others too. With such rights a leaked token, or a mistyped command, does more harm.

    path "secret/*" { capabilities = ["create", "read", "update", "delete", "list"] }    # for a reader

Log in with a policy that `generate access` writes for the role.""",
    "not-in-cluster": """An ExternalSecret of the environment is not in the cluster.

    $ kubectl get externalsecret agent-github-secrets # NotFound

Before the first deployment this is normal; afterwards check Argo CD's application.""",
    "foreign-secret": """The Secret that an ExternalSecret would make exists, and another controller or nobody owns it.

The operator adopts a Secret without a controller, overwrites it, and deletes it together with the ExternalSecret.

    $ kubectl get secret agent-github-secrets         # made by hand, two years ago

Choose another `target`, or save its content and agree with its owner.""",
    "foreign-external-secret": """An ExternalSecret of another owner has the same name, or creates the same Secret.

Two of them overwrite each other at each refresh. One with this name counts as the environment's own by its label
`app.kubernetes.io/part-of`: the environment's `partOf`, or `ai-platform-engineering`.

    $ kubectl get externalsecrets --show-labels       # without app.kubernetes.io/part-of=ai-platform-engineering

Remove one of the two, or choose another `target`.""",
    "unproven-store": """It is unknown whether a store object of the cluster leads to the environment's store.

A Vault's host is written in another way than in the cluster, or not at all: what was verified may not be what the
cluster reads. It is a note where the store selects namespaces by something that cannot be read, and for a store that
`--accept-store` names.

    stores: {vault: {server: http://127.0.0.1:8200}}  # the cluster has http://vault.vault.svc:8200

Write `server` as the cluster's store has it, and `reachableAt` for the address that this machine uses.""",
}

_NOTES: dict[str, str] = {
    "older-spec": """The cluster's ExternalSecret is not what the environment compiles to.

The message names the field that differs and, if the API server knows it, who changed it and when.

    $ kubectl get externalsecret agent-github-secrets -o yaml        # secretStoreRef: {name: vault-secret-store}

Deploy the newest values; after a `cutover` that is not deployed yet, this is normal.""",
    "unknown-access": """`--access` is given, and a store does not say what the caller may do.

A Key Vault cannot be asked. A Vault answers (`sys/capabilities-self`) unless a policy denies that.

    $ az role assignment list --assignee ada@example.com --scope "$vault"

Look at the caller's roles or policies by hand.""",
}

_CONSUMER_ERRORS: dict[str, str] = {
    "unmade-secret": """A pod needs a Secret that nothing makes: neither the environment nor the manifests.

The pod waits for ever, with `CreateContainerConfigError` or a volume that cannot be mounted. A Secret counts as made if
a Secret, ExternalSecret, SealedSecret, Certificate or SecretProviderClass among the manifests makes it, or if it is in
the cluster. An ExternalSecret of `v1beta1` makes nothing if `externalSecretsOperator` is 0.17 or newer, which does not
serve that API. If every reading is optional, it is a note.

    envFrom: [{secretRef: {name: agent-jira-secrets}}]   # and the environment does not list jira

List the secret in the environment, or say who else makes it:

    madeElsewhere: {registry-login: made by the cluster's administrators}""",
    "missing-consumed-key": """A pod needs a key of a Secret, and the Secret will not have it.

Keys that are named one by one are asked for by name: a missing one keeps the container from starting. If every reading
of it is optional, it is a note. Secrets whose keys the manifests do not show are not checked.

    env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: agent-github-secrets, key: GITHUB_TOKEN}}}]

Choose the variant that has the key with `use:`, add the key to the catalogue, or correct the reference.""",
    "doubly-made-secret": """The manifests make a Secret that the environment makes too.

Two writers fight over it: External Secrets Operator writes its value back at every refresh, the other at every
deployment, and if one deletes its Secret, both are gone. An ExternalSecret of the environment itself, which has its
label `app.kubernetes.io/part-of`, is not another writer.

    kind: Secret
    metadata: {name: agent-github-secrets}

Switch the chart's own Secret off, as with `create: false`, or remove the secret from the environment.""",
}

_CONSUMER_WARNINGS: dict[str, str] = {
    "unread-secret": """The environment makes a Secret that no pod reads.

A credential that nobody needs is a risk for nothing. The rule looks at namespaces that have workloads in the manifests;
a Secret that another object refers to, such as an Ingress, a ServiceAccount or a resource of an operator, counts as
read.

    secrets: {github: {}}                             # from CAIPE 0.5.22 on no pod mounts it

Remove it from the environment, or waive it where a program reads it through Kubernetes' API.""",
    "needed-by-hook": """A hook needs a Secret before the wave in which it is made.

Argo CD runs PreSync hooks, and Helm's pre-install and pre-upgrade hooks with them, before everything else of the same
Application, so that the hook waits for a Secret that waits for the hook. Hooks of the same phase run in the order of
their waves.

    kind: Job
    metadata: {annotations: {argocd.argoproj.io/hook: PreSync}}

Synchronise the secrets in an Application before that of the hook, and waive it, or put the hook into a later wave.""",
    "unusable-variable": """A pod takes a whole Secret as variables, and one of its keys is not a valid variable name.

Kubernetes up to 1.31 leaves out a name that begins with a digit, with only an event on the pod; shells cannot read such
names, nor those with dots or hyphens. A `prefix` counts as part of the name.

    envFrom: [{secretRef: {name: agent-argocd-secrets}}]   # with the key argocd.token

Name the key with letters, digits and `_`, or waive it where the program reads that variable all the same.""",
    "wrong-mounted-by": """`mountedBy` in the catalogue names other components than the workloads that read the Secret.

A workload belongs to a component whose name is the last part of its own, or stands in its labels
`app.kubernetes.io/name`, `component` or `instance`. `llm` stands for all, and is not checked.

    github: {mountedBy: [mcp-github]}                 # it is read by Deployment "caipe-agentgateway"

Correct `mountedBy`, or leave it out: it is optional.""",
    "repeated-key": """A manifest has a key twice in one map.

Helm and kubectl silently take the last one, which is not always the one that its author meant.

    env: [{name: A, value: "1", value: "2"}]

Tell the author of the manifest.""",
}

# For what `import` refuses.
NOT_IMPORTED = Rule(
    "not-imported",
    Severity.WARNING,
    Scope.LIVE,
    """An object cannot be imported as it is, and is left as it is.

An object is taken whole or not at all, so that no Secret loses a key. It is refused if it has a form that this project
does not make: templates with text of their own, types, `find`, generators, decoding, fixed versions, keys and
certificates of a Key Vault, merging into somebody else's Secret, and other providers. A manifest with values in it is
refused too.

    target: {name: db, template: {data: {URL: "postgres://app:{{ .password }}@db/app"}}}

Store the finished text as one value and name it under `data`, or leave the object where it is.""",
)

# What a store lacks, a cluster has wrong, keeps a pod from starting or makes two writers fight cannot be waived:
# `madeElsewhere` says what others make.
_WAIVABLE = frozenset({"shared-value", "unread-secret", "needed-by-hook", "unusable-variable", "wrong-mounted-by"})


def _documented(severity: Severity, pages: Mapping[str, str]) -> Iterator[Rule]:
    for identifier, page in pages.items():
        yield Rule(identifier, severity, Scope.LIVE, page, waivable=identifier in _WAIVABLE)


# For what `verify` finds in live stores and the cluster.
LIVE_RULES: tuple[Rule, ...] = (
    *_documented(Severity.ERROR, _ERRORS),
    *_documented(Severity.WARNING, _WARNINGS),
    *_documented(Severity.NOTE, _NOTES),
)
# For what `consumers` finds about what pods read.
CONSUMER_RULES: tuple[Rule, ...] = (
    *_documented(Severity.ERROR, _CONSUMER_ERRORS),
    *_documented(Severity.WARNING, _CONSUMER_WARNINGS),
)
BY_ID: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in (*LIVE_RULES, *CONSUMER_RULES, NOT_IMPORTED)})
