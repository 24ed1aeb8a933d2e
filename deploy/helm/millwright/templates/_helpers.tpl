{{/* Labels of what this chart adds itself. */}}
{{- define "millwright.labels" -}}
app.kubernetes.io/part-of: millwright
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* The objects of one of deploy's own manifests, so that they are written once.
     dict: root, file, replace (a list of [old, new]), overrides (a dict by kind) */}}
{{- define "millwright.manifest" -}}
{{- $text := .root.Files.Get .file -}}
{{- if not $text }}{{ fail (printf "%s is not in the chart" .file) }}{{ end -}}
{{- range .replace }}{{ $text = replace (first .) (last .) $text }}{{ end -}}
{{- $own := include "millwright.labels" .root | fromYaml -}}
{{- range regexSplit "(?m)^---$" $text -1 }}
{{- $object := fromYaml . }}
{{- if $object.kind }}
{{- $labels := merge (dict) $own (dig "metadata" "labels" (dict) $object) }}
{{- $_ := set $object.metadata "labels" $labels }}
{{- $object = mergeOverwrite $object (deepCopy (dig $object.kind (dict) $.overrides)) }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Of a pod and of a container, as the pod security standard "restricted" wants it. */}}
{{- define "millwright.pod-security" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}
{{- define "millwright.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Who may read the metrics of a role, port 8086, and of a relay, 8087; nobody while nobody was said to. */}}
{{- define "millwright.metrics-ingress" -}}
{{- if or .Values.networkPolicies.metricsFrom .Values.serviceMonitor.enabled -}}
- ports:
    - {port: 8086, protocol: TCP}
    - {port: 8087, protocol: TCP}
  from:
    {{- if .Values.networkPolicies.metricsFrom }}
    {{- toYaml .Values.networkPolicies.metricsFrom | nindent 4 }}
    {{- else }}
    - namespaceSelector: {}
    {{- end }}
{{- end -}}
{{- end -}}
