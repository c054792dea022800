"""Says what each use of a remote secret asks of Key Vault, and writes the script that assigns roles for it."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from compiler.model.environment import Store
from compiler.model.provider import OPERATOR
from compiler.model.store import parse_address
from compiler.refusal import Refusal
from compiler.stores.azure_key_vault.provider import SECRET_NAME, VAULT_NAME, cloud_of, vault_name_of
from compiler.stores.interface import Role, Use
from compiler.text.wording import quote, shell_line

_SECRETS: Final = "Microsoft.KeyVault/vaults/secrets"
GET, LIST, SET = (f"{_SECRETS}/{each}/action" for each in ("getSecret", "readMetadata", "setSecret"))
DELETE, RECOVER = f"{_SECRETS}/delete", f"{_SECRETS}/recover/action"
# The data actions of each use, as measured by the requests of each command. Tags beside a value are written with it.
ACCESS: Final[Mapping[Use, tuple[str, ...]]] = {
    Use.LIST: (LIST,),
    Use.READ: (GET,),
    Use.AGE: (GET, LIST),
    Use.CREATE: (GET, LIST, SET),
    Use.UPDATE: (GET, LIST, SET),
    Use.TAG: (),
    Use.DELETE: (GET, LIST, DELETE),
    Use.RECOVER: (GET, LIST, RECOVER),
    Use.DELETE_VERSIONS: (GET, LIST, DELETE),
    Use.RECOVER_VERSIONS: (GET, LIST, RECOVER),
}
# Key Vault Secrets User, the least built-in role that reads. https://learn.microsoft.com/azure/role-based-access-control
_SECRETS_USER: Final = "4633458b-17de-408a-b874-0445c86b69e6"
SECRETS_USER_ACTIONS: Final = frozenset({GET, LIST})
_WIDE: Final = 80


def access_text(
    store: Store, role: Role, title: str, names: Sequence[str], uses: Collection[Use], *, namespace: str, is_wide: bool
) -> str:
    """The `az` script that grants `uses` of `names`, or with `is_wide` of the vault. Raises Refusal for a bad name."""
    for name in names:
        if not SECRET_NAME.fullmatch(name):
            raise Refusal("usage", f"Key Vault has no secret of the name {quote(name)}", "correct it in the catalogue")
    address = parse_address(store.address or "")
    vault = vault_name_of(address.host if address is not None else "")
    # The name of any other host may be that of somebody else's vault.
    if address is None or cloud_of(address.host) is None or not VAULT_NAME.fullmatch(vault):
        raise Refusal("usage", f"the vaultUrl of {quote(store.id)} names no Key Vault", "write its own URL")
    is_wide = is_wide or role is Role.IMPORTER
    actions = sorted({action for use in uses for action in ACCESS[use]})
    subject = _subject(store, namespace) if role is Role.OPERATOR else None
    log_in = shell_line("az", "login")
    lines = ["# shellcheck shell=bash", f"# Run it with bash, logged in (`{log_in}`) as somebody who may assign roles."]
    if not is_wide:
        lines += ["# It takes nothing away: delete the assignments on secrets that are not named here any more."]
    lines += ["set -euo pipefail"]
    if subject is not None:
        lines += _identity(title, subject)
    else:
        kind = "ServicePrincipal" if role is Role.OPERATOR else "User"
        lines += [_require_variable("ASSIGNEE", "an object id"), f"type=${{ASSIGNEE_TYPE:-{kind}}}"]
    show = _az("keyvault", "show", "--name", vault, "--query", "id", "--output", "tsv")
    lines += [f"vault=$({show})"]
    identifier = _SECRETS_USER
    # Who imports reads no value, which that role may.
    if role is Role.IMPORTER or not SECRETS_USER_ACTIONS.issuperset(actions):
        identifier = str(uuid5(NAMESPACE_URL, f"https://{address.host}/{role}"))
        lines += _custom_role(identifier, f"Platform Secrets {role} of {vault}", actions)
    assignee = ("--assignee-object-id", '"$ASSIGNEE"', "--assignee-principal-type", '"$type"')
    assign = ("role", "assignment", "create", "--role", identifier, *assignee, "--output", "none", "--scope")
    if is_wide:
        return _text([*lines, _az(*assign, '"$vault"')])
    if role is Role.WRITER:
        lines += ["# Azure may refuse a role on a secret that is not there yet: write it first, or use --prefix."]
    every = " \\\n  ".join(["for name in", *(shell_line(name) for name in names)])
    return _text([*lines, every, "do", "  " + _az(*assign, '"$vault/secrets/$name"'), "done"])


def _az(*words: str) -> str:
    """A command of `az`, which the shell fills in where a word is in double quotes."""
    line = "az"
    for word in words:
        is_long = word.startswith("--") and len(line.rpartition("\n")[2]) > _WIDE
        line += " \\\n    " if is_long else " "
        line += word if word.startswith('"') else shell_line(word)
    return line


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _require_variable(variable: str, what: str) -> str:
    return f': "${{{variable}:?set it to {what}}}"'


def _subject(store: Store, namespace: str) -> str | None:
    """The ServiceAccount that the store logs in as, or a new store would; None where it is none."""
    auth = store.node.get("auth")
    if auth is None:
        return f"system:serviceaccount:{OPERATOR}:{OPERATOR}"
    account = auth.get("workloadIdentity", "serviceAccount")
    if account is None:
        return None
    return f"system:serviceaccount:{account.text('namespace') or namespace}:{account.text('name')}"


def _identity(title: str, subject: str) -> Iterator[str]:
    yield _require_variable("IDENTITY", "the name of the managed identity")
    yield _require_variable("IDENTITY_GROUP", "its resource group")
    yield _require_variable("CLUSTER_ISSUER", "the URL of the OIDC issuer of the cluster")
    own = ("--resource-group", '"$IDENTITY_GROUP"')
    yield _az("identity", "create", "--name", '"$IDENTITY"', *own, "--output", "none")
    trust = ("--issuer", '"$CLUSTER_ISSUER"', "--audiences", "api://AzureADTokenExchange", "--subject", subject)
    its = ("--identity-name", '"$IDENTITY"', *own, "--name", title)
    yield _az("identity", "federated-credential", "create", *its, *trust, "--output", "none")
    show = _az("identity", "show", "--name", '"$IDENTITY"', *own, "--query", "principalId", "--output", "tsv")
    yield f"ASSIGNEE=$({show})"
    yield "type=ServicePrincipal"


def _custom_role(identifier: str, name: str, actions: Sequence[str]) -> Iterator[str]:
    """The lines that make the role or, where it is there, bring it up to date; it cannot purge."""
    permission = {"actions": [], "notActions": [], "dataActions": actions, "notDataActions": []}
    about = {"roleName": name, "description": "Cannot purge", "type": "CustomRole", "permissions": [permission]}
    body = json.dumps({"properties": {**about, "assignableScopes": ["$group"]}}, indent=2)
    yield "group=${vault%/providers/*}"
    yield f"definition=$(cat <<JSON\n{body}\nJSON\n)"
    url = f"$group/providers/Microsoft.Authorization/roleDefinitions/{identifier}?api-version=2022-04-01"
    yield _az("rest", "--method", "put", "--url", f'"{url}"', "--body", '"$definition"', "--output", "none")
