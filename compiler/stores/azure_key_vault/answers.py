"""Compares what Key Vault's reply says that it is about, a name and a version, with what was asked.

A gateway, a cache or a vault behind the wrong address can answer a request with another secret's value. Every reply
carries the id of what it shows, so that such a value is neither compared nor copied.
"""

from typing import Final

from compiler.stores.azure_key_vault.bundle import Bundle
from compiler.stores.azure_key_vault.limits import is_name, is_version
from compiler.stores.errors import Action, StoreLocation, UnexpectedReplyError

_REMEDY: Final = "check the vault's URL and the proxy in between, and do not trust this address"


def require_name(bundle: Bundle, place: StoreLocation, action: Action) -> Bundle:
    """Return the bundle where it is of the place's secret, in whatever case, and its version, if any, is a vault's.

    Raises UnexpectedReplyError.
    """
    if bundle.name.lower() != (place.name or "").lower():
        other = f', "{bundle.name}"' if is_name(bundle.name) else ""
        raise UnexpectedReplyError(place, action, f"the reply is for another secret{other}", _REMEDY)
    if bundle.version is not None and not is_version(bundle.version):
        raise UnexpectedReplyError(place, action, "the reply has an invalid version id", _REMEDY)
    return bundle


def require_version(bundle: Bundle, version: str | None, place: StoreLocation, action: Action) -> Bundle:
    """The same for one version: `version`, or any where that is None. Raises UnexpectedReplyError."""
    require_name(bundle, place, action)
    if bundle.version is None:
        raise UnexpectedReplyError(place, action, "the reply has no version", _REMEDY)
    if version is not None and bundle.version != version:
        reason = f"the reply has version {bundle.version}, version {version} was requested"
        raise UnexpectedReplyError(place, action, reason, _REMEDY)
    return bundle
