"""Credentials planted in stores, Secrets, events and pods of a cluster reach no output of `status` and `verify`."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from compiler.live.stores import LiveStores
from compiler.pipeline import compile_project
from compiler.stores.interface import StoreOptions
from tests.api_double import ApiDouble
from tests.commands import run_command
from tests.leaks import leaks
from tests.live_platform import LivePlatform
from tests.sentinel.conftest import SECRET_PARTS, SHAPES
from tests.unit.cli.two_ends import Ends

ROOT = Path(__file__).resolve().parents[2]
SPACE, JIRA = "ai-platform-engineering", "agent-jira-secrets"
# What no pattern would take for a credential: only that it was read from a store hides it.
PLAIN = "horse-battery-staple-4711"
PLANTED = {**SHAPES, "plain": PLAIN}
PARTS = {**SECRET_PARTS, "plain": PLAIN}


@pytest.mark.parametrize("shape", PLANTED)
def test_nothing_planted_in_a_cluster_is_shown(
    shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret, ends = PLANTED[shape], Ends()
    project = compile_project(ROOT, ["dev"]).project
    assert project is not None
    (environment,) = project.environments
    for each in environment.secrets.values():
        for store, provider in ((ends.vault, "vault"), (ends.azure, "azurekv")):
            store.seed(each.entry.remote[provider], **{item.key.name: secret for item in each.keys})

    def stores(environ: Mapping[str, str], options: StoreOptions | None = None) -> LiveStores:
        del options
        return LiveStores(environ, ends.open)

    for command in ("status", "verify"):
        monkeypatch.setattr(f"compiler.cli.commands.{command}.open_stores_for_reading", stores)
    monkeypatch.setenv("AZURE_KEYVAULT_NAME", "ai-platform")
    with ApiDouble() as double:
        monkeypatch.setenv("KUBECONFIG", str(double.kubeconfig(tmp_path)))
        platform = LivePlatform(double)
        platform.run(environment)
        platform.fail(SPACE, JIRA, f"cannot use {secret} of {SPACE}")
        platform.pod(SPACE, "jira", JIRA, ready=False, waiting="CreateContainerConfigError", key="GONE")
        for plural, name in (("secrets", JIRA), ("pods", "jira")):
            found = double.get(plural, SPACE, name)
            found["metadata"].setdefault("annotations", {})["kubectl.kubernetes.io/last-applied"] = secret
            if plural == "pods":
                found["spec"]["containers"][0]["env"].append({"name": "PLAIN", "value": secret})
                found["status"]["containerStatuses"][0]["state"]["waiting"]["message"] = secret
            else:
                found["data"] = dict.fromkeys(found["data"], secret)
            double.put(plural, found)
        said = []
        for words in (
            ("status", "dev", "--cluster"),
            ("status", "dev", "--cluster", "--format", "json"),
            ("status", "dev", "--wait", "--timeout", "1s", "--force-sync"),
            ("verify", "dev", "--cluster"),
        ):
            done = run_command(capsys, "--root", str(ROOT), *words)
            said.append(f"{done.out}\n{done.err}")
            assert JIRA in said[-1]
        # As functions of a template quote what they are given; offline no value is known.
        platform.fail(SPACE, JIRA, f"could not execute template: strconv.Atoi: parsing {json.dumps(secret)}: invalid")
        for options in (("--cluster",), ("--offline", "--cluster")):
            done = run_command(capsys, "--root", str(ROOT), "status", "dev", *options)
            said.append(f"{done.out}\n{done.err}")
            assert "strconv.Atoi: parsing" in said[-1]
        assert json.loads(said[1].rpartition("}")[0] + "}")["exitCode"] == 1
    assert not any(leaks(text, PARTS[shape]) for text in said)
    assert not any(each.path.startswith("/api/v1") and each.method != "GET" for each in double.asked)
