{{/*
The labels of one ExternalSecret, and of the Secret it makes. Context: root (for the release's service), secret (one
of externalSecrets).
*/}}
{{- define "platform-secrets.secretLabels" -}}
app.kubernetes.io/name: {{ .secret.name | quote }}
app.kubernetes.io/component: "secrets"
app.kubernetes.io/part-of: "ai-platform-engineering"
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
{{- with .secret.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
The labels of one rendered store. Context: root, store.
*/}}
{{- define "platform-secrets.storeLabels" -}}
app.kubernetes.io/name: {{ .store.name | quote }}
app.kubernetes.io/component: "secret-store"
app.kubernetes.io/part-of: "ai-platform-engineering"
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
{{- end }}
