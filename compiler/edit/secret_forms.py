"""Describes the typed Secrets that `new secret --type` writes: what is fetched, and the template of the rest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler.refusal import Refusal
from compiler.text.wording import quote, suggest

# A registry as Docker's configuration names it: a host, or an address as that of Docker Hub.
_SERVER = re.compile(
    r"(?:https://)?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?(?:/[A-Za-z0-9._/-]*)?", re.ASCII
)
_PREFIX = "kubernetes.io/"


@dataclass(frozen=True, slots=True)
class SecretForm:
    """A typed Secret: the keys that are fetched, and the text of each key of the Secret."""

    type: str
    keys: Mapping[str, str]  # with a description each
    data: Mapping[str, str] = field(default_factory=dict)  # empty where the fetched keys are the Secret's
    server: str | None = None  # of a registry


def _docker(server: str) -> str:
    # As `kubectl create secret docker-registry` writes it.
    log_in = '"username": {{ .username | toJson }}, "password": {{ .password | toJson }}'
    auth = '"auth": {{ printf "%s:%s" .username .password | b64enc | toJson }}'
    return f'{{"auths": {{"{server}": {{{log_in}, {auth}}}}}}}'


_USER, _PASSWORD = "User name", "Password or token"
FORMS = {
    "dockerconfigjson": SecretForm(
        "kubernetes.io/dockerconfigjson", {"username": f"{_USER} at the registry", "password": f"{_PASSWORD} of it"}
    ),
    "tls": SecretForm(
        "kubernetes.io/tls",
        {"certificate": "Certificate with its chain as PEM text", "private_key": "Its private key as PEM text"},
        {"tls.crt": "{{ .certificate }}", "tls.key": "{{ .private_key }}"},
    ),
    "basic-auth": SecretForm("kubernetes.io/basic-auth", {"username": _USER, "password": _PASSWORD}),
    "ssh-auth": SecretForm("kubernetes.io/ssh-auth", {"ssh-privatekey": "Private key as PEM text"}),
}


def find_form(name: str, server: str | None) -> SecretForm:
    """The form of a type, named with or without `kubernetes.io/`. Raises Refusal."""
    short = name.removeprefix(_PREFIX)
    form = FORMS.get(short)
    if form is None:
        message = f"--type knows no {quote(name)}"
        raise Refusal("usage", message, f"{suggest(short, FORMS, 'types')}; for another type write `type` by hand")
    if short != "dockerconfigjson":
        if server is not None:
            raise Refusal("usage", f"a Secret of the type {form.type} has no server", "leave --server out")
        return form
    if server is None:
        raise Refusal("usage", "the pull Secret needs its registry", "name it, such as --server ghcr.io")
    if not _SERVER.fullmatch(server):
        raise Refusal("usage", "--server is not the name of a registry", "write its host, such as --server ghcr.io")
    return SecretForm(form.type, form.keys, {".dockerconfigjson": _docker(server)}, server)
