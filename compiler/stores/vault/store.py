"""Implements SecretWriter for Vault and OpenBao, KV version 2, over hvac; the only module that imports hvac."""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

import hvac  # type: ignore[import-untyped]
import hvac.adapters  # type: ignore[import-untyped]

from compiler.model.store_address import StoreAddress
from compiler.stores.errors import Action, InvalidNameError, StoreLocation
from compiler.stores.interface import Cluster
from compiler.stores.options import StoreOptions
from compiler.stores.sending.deadline import note_answer
from compiler.stores.vault.body import read_reply
from compiler.stores.vault.login import VaultLogin, variable
from compiler.stores.vault.names import name_problem
from compiler.stores.vault.replies import HEALTHY, RefusedError, Reply, cluster_of, is_trouble
from compiler.stores.vault.session import HttpReply
from compiler.stores.vault.transport import open_session, server_of
from compiler.stores.vault.writing import VaultWriting

_TLS_ONLY: Final = b"Client sent an HTTP request to an HTTPS server."


class VaultStore(VaultWriting):
    """One KV version 2 mount. Of `attributes` it keeps the tags, as custom_metadata of all versions of a secret.

    Vault parses what it stores: numbers come back as its server prints them, strings byte for byte.
    """

    def __init__(self, address: StoreAddress, environ: Mapping[str, str], options: StoreOptions) -> None:
        given = address.vault_namespace or environ.get(variable(environ, "NAMESPACE")) or ""
        # "ns/" is how Vault itself writes one; slashes alone name none, and must not pass for "no namespace".
        namespace = given if "//" in given else given.strip("/") or None
        address = replace(address, mount=address.mount.strip("/"), vault_namespace=namespace)
        place = StoreLocation(address.absolute)
        for what, text in (("mount", address.mount), ("Vault namespace", namespace)):
            if text is not None and (problem := name_problem(text)):
                raise InvalidNameError(
                    place, Action.CONNECT, f"the {what} cannot be used: {problem}", f"correct the {what}"
                )
        session = open_session(address, environ)
        client = hvac.Client(
            url=address.contact.rstrip("/"),
            # Not None, for which hvac would look into the environment by itself.
            token="",
            session=session,
            adapter=_JsonAdapter,
            namespace=namespace,
            timeout=(options.connect_timeout, options.read_timeout),
        )
        super().__init__(address, VaultLogin(environ, place), options, client, server_of(address, environ))


class _JsonAdapter(hvac.adapters.Adapter):  # type: ignore[misc] # hvac has no types
    """hvac's transport: returns JSON objects, None for an empty success, and raises RefusedError for other replies."""

    def get_login_token(self, response: Any) -> str:  # noqa: ANN401 - hvac has no types
        return str(response["auth"]["client_token"])

    def health(self) -> Cluster | None:
        """Return who the server says it is, asked without token and namespace; None where it does not say.

        Raises RefusedError where it shows no working server, or one that is to be asked again.
        """
        reply = self.session.request(
            "GET", "/v1/sys/health", {"X-Vault-Request": "true"}, timeout=self._kwargs["timeout"]
        )
        found = read_reply(reply.content)
        body = found or {}
        is_vaults = "initialized" in body
        if reply.status in HEALTHY and is_vaults:
            return cluster_of(body)
        if reply.status < HTTPStatus.BAD_REQUEST and (found is None or reply.status >= HTTPStatus.MULTIPLE_CHOICES):
            # A page, or the way to another host: nothing else is sent there.
            raise RefusedError(_refused(reply, None))
        if not is_trouble(reply.status) and reply.status != HTTPStatus.TOO_MANY_REQUESTS:
            return None
        if is_vaults and body.get("sealed") is True:
            raise RefusedError(Reply(reply.status, ("Vault is sealed",)))
        refused = _refused(reply, body)
        raise RefusedError(replace(refused, is_vaults=is_vaults or refused.is_vaults))

    def request(self, method: str, url: str, headers: Any = None, raise_exception: bool = True, **kwargs: Any) -> Any:  # noqa: ANN401, FBT001, FBT002 - hvac's signature
        del headers, raise_exception
        sent = {"X-Vault-Request": "true", "X-Vault-Token": self.token, "X-Vault-Namespace": self.namespace}
        reply = self.session.request(
            method,
            url,
            {name: value for name, value in sent.items() if value},
            timeout=self._kwargs["timeout"],
            **kwargs,
        )
        if not is_trouble(reply.status):
            # Now: a log-in and the questions after it are one attempt, at whose end this would come too late.
            note_answer()
        if reply.status == HTTPStatus.NO_CONTENT:
            return None
        body = read_reply(reply.content)
        if reply.status < HTTPStatus.MULTIPLE_CHOICES and body is not None:
            return body
        raise RefusedError(_refused(reply, body))


def _refused(reply: HttpReply, body: Mapping[str, Any] | None) -> Reply:
    errors, data = (body or {}).get("errors"), (body or {}).get("data")
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("version"), int):
        metadata = {}
    return Reply(
        reply.status,
        tuple(str(error) for error in errors) if isinstance(errors, list) else _plain(reply.content),
        metadata,
        reply.retry_after,
        is_vaults=isinstance(errors, list) or bool(metadata),
    )


def _plain(content: bytes) -> tuple[str, ...]:
    # Go says this itself, as plain text. No other text without JSON is a Vault's, whatever words are in it.
    return (_TLS_ONLY.decode(),) if content.strip() == _TLS_ONLY else ()
