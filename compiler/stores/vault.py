"""Vault and OpenBao, KV version 2: an address in, a SecretWriter over hvac out; the only module that imports hvac."""

import json
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import hvac  # type: ignore[import-untyped]
import hvac.adapters  # type: ignore[import-untyped]

from compiler.model.store_address import StoreAddress
from compiler.stores.errors import Action, InvalidNameError, Place
from compiler.stores.options import StoreOptions
from compiler.stores.vault_login import VaultLogin
from compiler.stores.vault_names import name_problem
from compiler.stores.vault_replies import Refusal, Reply
from compiler.stores.vault_session import open_session
from compiler.stores.vault_writing import VaultWriting


class VaultStore(VaultWriting):
    """One KV version 2 mount. Of `attributes` it keeps the tags, as custom_metadata of all versions of a secret.

    Vault parses what it stores: numbers come back as its server prints them, strings byte for byte.
    """

    def __init__(self, address: StoreAddress, environ: Mapping[str, str], options: StoreOptions) -> None:
        namespace = (address.vault_namespace or environ.get("VAULT_NAMESPACE") or "").strip("/") or None
        address = replace(address, mount=address.mount.strip("/"), vault_namespace=namespace)
        place = Place(address.absolute)
        for what, text in (("mount", address.mount), ("Vault namespace", namespace)):
            if text is not None and (problem := name_problem(text)):
                raise InvalidNameError(
                    place, Action.CONNECT, f"the {what} cannot be used: {problem}", f"correct the {what}"
                )
        session = open_session(address, environ, options.workers)
        client = hvac.Client(
            url=address.url.rstrip("/"),
            # Not None, for which hvac would look into the environment by itself.
            token="",
            session=session,
            verify=session.verify,
            cert=session.cert,
            proxies=session.proxies,
            adapter=_JsonAdapter,
            namespace=namespace,
            # A redirect would take the token to another host.
            allow_redirects=False,
            timeout=(options.connect_timeout, options.read_timeout),
            strict_http=True,
        )
        super().__init__(address, VaultLogin(environ, place), options, client)


class _JsonAdapter(hvac.adapters.RawAdapter):  # type: ignore[misc] # hvac has no types
    """hvac's transport, which returns JSON objects only and raises Refusal for every other reply."""

    def request(self, method: str, url: str, headers: Any = None, raise_exception: bool = True, **kwargs: Any) -> Any:  # noqa: ANN401, FBT001, FBT002 - hvac's signature
        del raise_exception
        response = super().request(method, url, headers, raise_exception=False, **kwargs)
        if response.status_code == HTTPStatus.NO_CONTENT:
            return None
        body = _object(response.content)
        if response.status_code < HTTPStatus.MULTIPLE_CHOICES and body is not None:
            return body
        errors, data = (body or {}).get("errors"), (body or {}).get("data")
        metadata = data.get("metadata") if isinstance(data, dict) else None
        raise Refusal(
            Reply(
                response.status_code,
                tuple(str(error) for error in errors) if isinstance(errors, list) else _plain(response.content, body),
                metadata if isinstance(metadata, dict) else {},
                response.headers.get("Retry-After"),
            )
        )


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _plain(content: bytes, body: object) -> tuple[str, ...]:
    # Go's own "Client sent an HTTP request to an HTTPS server." comes as plain text.
    return (content[:200].decode("utf-8", "replace"),) if body is None else ()
