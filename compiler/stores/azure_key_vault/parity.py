"""Derives the operator's fields of a Key Vault store a second time, without the descriptor, for the proof of parity."""

from typing import Any

PlainMap = dict[str, Any]


def expected_spec(store: PlainMap, operator: str) -> PlainMap:
    data: PlainMap = {"vaultUrl": store["vaultUrl"], "environmentType": store.get("environmentType", "PublicCloud")}
    if [int(number) for number in operator.split(".")] >= [0, 20]:
        data["useAzureSDK"] = False
    ((form, said),) = store["auth"].items()
    data |= {"authType": form[0].upper() + form[1:], **_renamed(store, tenantId="tenantId")}
    if form == "servicePrincipal":
        return data | {"authSecretRef": said}
    return data | _renamed(said, serviceAccount="serviceAccountRef", clientId="identityId")


def _renamed(said: PlainMap, **names: str) -> PlainMap:
    return {new: said[old] for old, new in names.items() if old in said}
