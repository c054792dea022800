from pathlib import Path

import pytest

from scripts.import_coverage import main

OBJECTS = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: shop}
spec:
  secretStoreRef: {kind: ClusterSecretStore, name: vault}
  data: [{secretKey: TOKEN, remoteRef: {key: team/<WHERE>, property: token}}]
---
apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata: {name: refused}
spec:
  secretStoreRef: {kind: ClusterSecretStore, name: vault}
  dataFrom: [{find: {name: {regexp: .*}}}]
---
kind: ConfigMap
---
kind: ExternalSecret
no: [yaml
"""


def test_each_object_is_counted_alone_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "objects.yaml").write_text(OBJECTS, "utf-8")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    assert main([str(tmp_path), "--token", "WHERE=shop"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "objects.yaml: shop: taken"
    assert lines[1].startswith("objects.yaml: refused: refused: ")
    assert lines[-1] == "1 of 2 taken"
    main([str(tmp_path), "--quiet"])
    assert "shop" not in capsys.readouterr().out
