{{/*
The labels of one ExternalSecret, or of the Secret it makes. Context: root (for the release's service and the
environment's `partOf`), name, labels (what the environment adds).
*/}}
{{- define "platform-secrets.secretLabels" -}}
app.kubernetes.io/name: {{ .name | quote }}
app.kubernetes.io/component: "secrets"
app.kubernetes.io/part-of: {{ .root.Values.partOf | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
{{- with .labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
The labels of one rendered store. Context: root, store.
*/}}
{{- define "platform-secrets.storeLabels" -}}
app.kubernetes.io/name: {{ .store.name | quote }}
app.kubernetes.io/component: "secret-store"
app.kubernetes.io/part-of: {{ .root.Values.partOf | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
{{- end }}
