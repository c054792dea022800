"""Makes Secrets as External Secrets Operator 2.9 does of fetched values: the keys by templates, which Helm executes."""

import hashlib
import json
import os
import re
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.conftest import ONE_SHORT_RUN, installed_helm

LiveObject = dict[str, Any]
DATA_HASH = "reconcile.external-secrets.io/data-hash"
# What Go prints in place of a key that `index` does not find.
_NO_VALUE = "<no value>"
_ACTION = re.compile(r"{{(?!-?\s*/\*).*?}}", re.DOTALL)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')
_FIELD = re.compile(r"(?<![\w$.)])\.([A-Za-z_]\w*)")


class SecretError(Exception):
    """The operator cannot make a Secret; the text is that of its event."""


def target_of(found: LiveObject) -> str:
    """The name of the Secret that an ExternalSecret makes."""
    return str(found["spec"].get("target", {}).get("name") or found["metadata"]["name"])


def creation_policy(found: LiveObject) -> str:
    return str(found["spec"].get("target", {}).get("creationPolicy", "Owner"))


def deletion_policy(found: LiveObject) -> str:
    return str(found["spec"].get("target", {}).get("deletionPolicy", "Retain"))


def convert_keys(data: dict[str, str]) -> dict[str, str]:
    """The properties of a whole remote secret as keys. Raises SecretError if two become one."""
    names = [re.sub(r"[^\w.-]", "_", name) for name in data]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SecretError(f"secret name collision during conversion: {twice[0]}")
    return dict(zip(names, data.values(), strict=True))


def data_of(found: LiveObject, fetched: dict[str, str]) -> dict[str, str]:
    """The data of the Secret: `fetched`, or what the texts of a template make of it. Raises SecretError."""
    template = found["spec"].get("target", {}).get("template", {})
    texts = template.get("data")
    if not texts:
        return fetched
    kept = fetched if template.get("mergePolicy") == "Merge" else {}
    return {**kept, **_execute(texts, fetched)}


def secret_of(found: LiveObject, data: dict[str, str], old: LiveObject | None) -> LiveObject:
    """The Secret with `data` and without its values, in place of `old`. Raises SecretError."""
    metadata, name = found["metadata"], target_of(found)
    template = found["spec"].get("target", {}).get("template")
    owner = {"kind": "ExternalSecret", "name": metadata["name"], "uid": metadata["uid"], "controller": True}
    before = (old or {}).get("metadata", {})
    others = [each for each in before.get("ownerReferences") or () if each["name"] != metadata["name"]]
    if theirs := [each["name"] for each in others if each["kind"] == "ExternalSecret" and each.get("controller")]:
        said = f"unable to mutate secret {name}: secret is owned by another ExternalSecret: {theirs[0]}"
        raise SecretError(said)
    is_owner = creation_policy(found) == "Owner"
    # Without a template the operator copies what the ExternalSecret has.
    shown = metadata if template is None else template.get("metadata", {})
    managed = {"reconcile.external-secrets.io/managed": "true"}
    created_by = {"reconcile.external-secrets.io/created-by": digest(f"{metadata['namespace']}/{metadata['name']}")}
    keys: LiveObject = {".": {}, **{f"f:{key}": {} for key in sorted(data)}} if data else {}
    return {
        "type": _type(name, (template or {}).get("type"), old),
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": {**(shown.get("labels") or {}), **managed, **(created_by if is_owner else {})},
            "annotations": {
                **(shown.get("annotations") or {}),
                DATA_HASH: digest(json.dumps(data, sort_keys=True)),
            },
            "ownerReferences": [*others, *([owner] if is_owner else [])],
            "managedFields": [
                {
                    "manager": f"externalsecrets.external-secrets.io/{metadata['name']}",
                    "operation": "Update",
                    "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:data": keys, "f:type": {}},
                }
            ],
        },
    }


def digest(text: str) -> str:
    return hashlib.sha3_224(text.encode()).hexdigest()


def _type(name: str, wanted: str | None, old: LiveObject | None) -> str:
    """Without one the live Secret keeps its own; the API server changes none."""
    live = (old or {}).get("type")
    if wanted and live and live != wanted:
        refusal = f'type: Invalid value: "{wanted}": field is immutable'
        raise SecretError(f'unable to update secret {name}: Secret "{name}" is invalid: {refusal}')
    return str(wanted or live or "Opaque")


def _execute(texts: dict[str, str], fetched: dict[str, str]) -> dict[str, str]:
    """What Go's templates make of the texts, by Helm, which has the operator's functions but for its own few."""
    for key, text in texts.items():
        actions = (_QUOTED.sub('""', action) for action in _ACTION.findall(text))
        unknown = [name for action in actions for name in _FIELD.findall(action) if name not in fetched]
        if unknown:
            said = f'template: {key}: executing "{key}": map has no entry for key "{unknown[0]}"'
            raise SecretError(f"could not apply template: could not execute template: {said}")
    names = {f"text-{at}": key for at, key in enumerate(texts)}
    defined = "".join(f'{{{{- define "{name}" }}}}{texts[key]}{{{{ end -}}}}\n' for name, key in names.items())
    shown = " ".join(f'"{name}" (include "{name}" .Values.data)' for name in names)
    with TemporaryDirectory() as folder:
        chart, values = Path(folder) / "texts", Path(folder) / "values.json"
        (chart / "templates").mkdir(parents=True)
        (chart / "Chart.yaml").write_text("apiVersion: v2\nname: texts\nversion: 0.1.0\n", "utf-8")
        (chart / "templates/texts.yaml").write_text(f"{defined}{{{{ dict {shown} | toJson }}}}\n", "utf-8")
        values.write_text(json.dumps({"data": fetched}), "utf-8")
        command = [_helm(), "template", "texts", str(chart), "--values", str(values)]
        variables = {"PATH": os.defpath, "HOME": folder, **ONE_SHORT_RUN}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, timeout=60)
    if done.returncode != 0:
        raise SecretError("could not apply template: could not execute template")
    made: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return {key: made[name].replace(_NO_VALUE, "") for name, key in names.items()}


@cache
def _helm() -> str:
    helm = installed_helm(4) or installed_helm(3)
    if helm is None:
        raise RuntimeError("templates of Secrets are executed by Helm, which is not installed")
    return helm
