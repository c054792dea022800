"""Texts of `templateData`: printed byte for byte by both Helms, and read by this program as Go reads them."""

import re
from pathlib import Path

import pytest
import yaml

from compiler.model.facts import ValuesData
from compiler.stages.emit import values_text
from compiler.text.go_template import functions_of, read_template
from tests.conftest import Helm

# Every action that is read, what is only printed, and what a quoted text could lose on its way.
TEXTS = (
    "no action at all",
    "",
    "{{ .user }}",
    "{{.user}}",
    '{{ index . "tls.crt" }}',
    "{{- $user := .user -}}\n{{ $user | b64enc }}",
    '{{ printf "%s:%s" (.user | trim) (index . "tls.crt") | b64enc | toJson }}',
    '{{ range $at, $name := splitList "," .user }}{{ if $at }},{{ end }}{{ $name }}{{ $.pass }}{{ end }}',
    "{{ range . }}{{ . }}{{ else }}none{{ end }}",
    '{{ if eq .user "a" }}x{{ else if not .pass }}y{{ else }}z{{ end }}',
    "{{ with .user }}{{ . }}{{ else with .pass }}{{ . }}{{ end }}",
    "{{ with $x := .user }}{{ $x }}{{ end }}",
    "{{/* a comment with }} and .nobody */}}{{- /* another */ -}}",
    '{{ "}}" }}{{ `a "raw" }} text` }}{{ \'x\' }}',
    "{{ (fromJson .user).host }}{{ index (fromJson .user) `port` }}",
    '{{ .user | default "x" | quote }}{{ true }}{{ 1.5 }}{{ -3 }}',
    "{{ $x := .user }}{{ $x }}{{ $.pass }}",
    "{{ range $k, $v := . }}{{ $k }}={{ $v }}\n{{ end }}",
    "{{ range splitList `,` .user }}{{ break }}{{ end }}",
    "{{ $n := 1 }}{{ if .user }}{{ $n = 2 }}{{ end }}{{ $n }}",
    "{{\n  .user\n}}",
    "{{ .user | }}",
)
PRINTED_ONLY = (
    "quotes \" and ' and ` and \\ and \\n",
    " white space \t at both ends \n",
    "a: b # no comment",
    "{{ template `x` }}",
    "${PLAIN} $(x) %d {} { } }}",
    "über 日本 \U0001f600 \u2028 \u00a0",
    "- item\n- {{ .user }}\n\n\n",
    "---\n...\n",
)


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Path:
    one: dict[str, ValuesData] = {
        "name": "one",
        "namespace": "team",
        "storeRef": {"kind": "ClusterSecretStore", "name": "vault"},
        "refreshInterval": "1h0m0s",
        "syncWave": "0",
        "templateData": {f"K{at}": text for at, text in enumerate((*TEXTS, *PRINTED_ONLY))},
        "fetch": "perKey",
        "remoteKey": "team/one",
        "keys": ["user"],
    }
    path = tmp_path_factory.mktemp("templates") / "values-one.yaml"
    path.write_text(values_text({"externalSecrets": {"one": one}}, "one", ["one.yaml"]), "utf-8")
    return path


def test_every_text_is_printed_byte_for_byte(helm: Helm, values: Path) -> None:
    manifest = yaml.load(helm.template(values), yaml.CSafeLoader)
    printed = manifest["spec"]["target"]["template"]["data"]
    assert printed == {f"K{at}": text for at, text in enumerate((*TEXTS, *PRINTED_ONLY))}


def mistake_of(helm: Helm, folder: Path, text: str) -> str:
    """What Go, in a Helm, says of a text that it cannot parse, else nothing; it is not executed."""
    chart = folder / "chart"
    (chart / "templates").mkdir(parents=True, exist_ok=True)
    (chart / "Chart.yaml").write_text('{"apiVersion": "v2", "name": "chart", "version": "0.1.0"}', "utf-8")
    (chart / "templates/one.tpl").write_text('{{ define "one" }}' + text + "{{ end }}", "utf-8")
    done = helm.run("template", "x", chart)
    assert done.returncode == 0 or "parse error" in done.stderr, done.stderr
    return done.stderr if done.returncode != 0 else ""


def parses(helm: Helm, folder: Path, text: str) -> bool:
    return not mistake_of(helm, folder, text)


def test_what_is_read_is_what_go_parses(helms: tuple[Helm, ...], tmp_path: Path) -> None:
    helm = helms[-1]
    assert [text for text in TEXTS if not parses(helm, tmp_path, text)] == []
    assert [text for text in TEXTS if read_template(text).mistake or read_template(text).unread] == []


def test_the_functions_are_those_of_sprig_and_the_operators_own(helms: tuple[Helm, ...], tmp_path: Path) -> None:
    """Helm has sprig too, without what reads its surroundings; it names a function that it does not have."""
    left, unknown = set(functions_of((2, 6))), set[str]()
    # One at a time, as Helm names the first alone.
    while said := mistake_of(helms[-1], tmp_path, "".join(f"{{{{ {name} }}}}" for name in sorted(left))):
        (name,) = re.findall(r'function "(\w+)" not defined', said)
        left.remove(name)
        unknown.add(name)
    assert unknown == {
        *("pkcs12key", "pkcs12keyPass", "pkcs12cert", "pkcs12certPass", "pemToPkcs12", "pemToPkcs12Pass"),
        *("fullPemToPkcs12", "fullPemToPkcs12Pass", "pemTruststoreToPKCS12", "pemTruststoreToPKCS12Pass"),
        *("filterPEM", "filterCertChain", "jwkPublicKeyPem", "jwkPrivateKeyPem", "rsaDecrypt", "certSANs"),
    }
