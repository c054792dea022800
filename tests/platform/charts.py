"""Small charts in the forms of CAIPE's, one a range of versions: what pods mount, and what the chart itself makes."""

from pathlib import Path

# An agent or MCP server. As in CAIPE's, `mcpSecrets` lies over `agentSecrets`, a global setting only turns its
# ExternalSecret on, and the Secret's name is the component's where none is given.
_AGENT = """\
{{- range $name := .Values.components }}
{{- $own := index $.Values $name | default dict }}
{{- $secrets := %s }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $.Release.Name }}-{{ $name }}
spec:
  template:
    spec:
      containers:
        - name: main
          image: example/agent
          envFrom:
            - secretRef:
                name: {{ %s }}
            - secretRef:
                name: {{ $secrets.secretName | default (printf "%%s-secret" $name) }}
{{- if or $.Values.global.externalSecrets.enabled ($secrets.externalSecrets | default dict).enabled }}
---
apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata:
  name: {{ $secrets.secretName | default (printf "%%s-secret" $name) }}
spec:
  data: [{secretKey: A, remoteRef: {key: a}}]
{{- end }}
{{- if $secrets.create }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ $secrets.secretName | default (printf "%%s-secret" $name) }}
stringData: {A: sentinel-of-the-chart-4711}
{{- end }}
{{- end }}
"""
_OLD_LLM = '$.Values.global.secrets.secretName | default "llm-secret"'
_LLM = '$.Values.global.llmSecrets.secretName | default "llm-secret"'
_OF_AGENT = "$own.agentSecrets | default dict"
_OF_MCP = "mergeOverwrite (deepCopy ($own.agentSecrets | default dict)) ($own.mcpSecrets | default dict)"
_UI = """\
{{- $ui := index .Values "caipe-ui" }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-caipe-ui
spec:
  template:
    spec:
      containers:
        - name: ui
          image: example/ui
{{- if $ui.existingSecret }}
          envFrom:
            - secretRef:
                name: {{ $ui.existingSecret }}
{{- end }}
{{- if $ui.keycloakAdminClient.secretName }}
          env:
            - name: KEYCLOAK_ADMIN_CLIENT_SECRET
              valueFrom:
                secretKeyRef:
                  name: {{ $ui.keycloakAdminClient.secretName }}
                  key: {{ $ui.keycloakAdminClient.secretKey }}
{{- end }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .Release.Name }}-mongodb
spec:
  template:
    spec:
      containers:
        - name: mongodb
          image: example/mongodb
          env:
            - name: MONGO_INITDB_ROOT_PASSWORD
              valueFrom:
                secretKeyRef:
                  name: {{ .Release.Name }}-mongodb-secret
                  key: MONGO_INITDB_ROOT_PASSWORD
---
{{- $gateway := .Values.global.agentgateway }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-github-mcp-server
spec:
  template:
    spec:
      containers:
        - name: github-mcp-server
          image: example/github
          env:
            - name: GITHUB_PERSONAL_ACCESS_TOKEN
              valueFrom:
                secretKeyRef:
                  name: {{ required "existingSecret.name is required" $gateway.githubMcpServer.existingSecret.name }}
                  key: {{ $gateway.githubMcpServer.existingSecret.key }}
"""
_CAS = """\
---
{{- $cas := .Values.global.agentgateway.cas }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-agentgateway
spec:
  template:
    spec:
      containers:
        - name: agentgateway
          image: example/gateway
          env:
            - name: CAIPE_AGENT_CONTEXT_HMAC_SECRET
              valueFrom:
                secretKeyRef:
                  name: {{ $cas.contextSecret.name | default "context" }}
                  key: CAIPE_AGENT_CONTEXT_HMAC_SECRET
      volumes:
        - name: cas-credential
          secret:
            secretName: {{ $cas.existingSecret.name | default "cas" }}
            items: [{key: CAIPE_GATEWAY_AUTHZ_TOKEN, path: token}]
"""
_GLOBAL = """\
global:
  secrets: {secretName: llm-secret}
  llmSecrets: {secretName: llm-secret}
  externalSecrets: {enabled: %s}
  agentgateway:
    githubMcpServer: {existingSecret: {name: "", key: GITHUB_PERSONAL_ACCESS_TOKEN}}
    cas: {existingSecret: {name: ""}, contextSecret: {name: ""}}
caipe-ui:
  existingSecret: ""
  keycloakAdminClient: {secretName: caipe-platform-secret, secretKey: OIDC_CLIENT_SECRET}
"""
# By version: the templates, and the components that the chart has.
CHARTS = {
    "0.1.18": ((_AGENT % ("$own.secrets | default dict", _OLD_LLM),), "[agent-github, agent-jira]"),
    "0.5.21": ((_AGENT % (_OF_AGENT, _LLM),), "[agent-github, agent-jira]"),
    "0.5.23": ((_AGENT % (_OF_AGENT, _LLM),), "[mcp-argocd, mcp-jira]"),
    "0.5.24": ((_AGENT % (_OF_MCP, _LLM),), "[mcp-argocd, mcp-jira]"),
    "0.6.0": ((_AGENT % (_OF_MCP, _LLM), _UI), "[mcp-slack, mcp-jira]"),
    "1.3.0-rc.6": ((_AGENT % (_OF_MCP, _LLM), _UI + _CAS), "[mcp-sharepoint, mcp-slack, mcp-jira]"),
}


def write_chart(folder: Path, version: str, *, makes_secrets: bool = True) -> Path:
    """Writes the chart of `version`; with `makes_secrets` its own values have it make ExternalSecrets and Secrets."""
    templates, components = CHARTS[version]
    chart = folder / "caipe"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(f"apiVersion: v2\nname: caipe\nversion: {version}\n", "utf-8")
    values = _GLOBAL % str(makes_secrets).lower() + f"components: {components}\n"
    if makes_secrets:
        member = "mcpSecrets" if "mcp-jira" in components and version != "0.5.23" else "agentSecrets"
        component = "mcp-jira" if "mcp-jira" in components else "agent-jira"
        values += f"{component}: {{{member}: {{create: true, externalSecrets: {{enabled: true}}}}}}\n"
    (chart / "values.yaml").write_text(values, "utf-8")
    for index, template in enumerate(templates):
        (chart / f"templates/{index}.yaml").write_text(template, "utf-8")
    return chart
