{{- define "spanline.name" -}}
{{- if eq .Release.Name .Chart.Name }}{{ .Chart.Name }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "spanline.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "spanline.labels" -}}
{{ include "spanline.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "spanline.priorityClass" -}}
{{ .Values.priorityClass.name | default (include "spanline.name" .) }}
{{- end }}

{{- /* "true" or nothing: whether the pods are in the node's network. */ -}}
{{- define "spanline.hostNetwork" -}}
{{- $set := toString .Values.hostNetwork -}}
{{- if or (eq $set "true") (and (eq $set "") .Values.config.tap) }}true{{ end }}
{{- end }}

{{- /* "true" or nothing: whether kubelets are asked for their pods. */ -}}
{{- define "spanline.asksKubelet" -}}
{{- if eq ((.Values.config.metadata | default dict).from | default "path") "kubelet" }}true{{ end }}
{{- end }}

{{- /* Where the agent serves metrics and health: ADDRESS:PORT. */ -}}
{{- define "spanline.listen" -}}
{{- $telemetry := .Values.config.telemetry | default dict -}}
{{- $telemetry.listen | default (ternary "127.0.0.1:9464" "0.0.0.0:9464" (eq (include "spanline.hostNetwork" .) "true")) }}
{{- end }}

{{- /* What a probe asks, in the pod's network or on the node's loopback. */ -}}
{{- define "spanline.probe" -}}
{{- $listen := include "spanline.listen" . -}}
{{- $host := regexReplaceAll ":[0-9]+$" $listen "" | trimPrefix "[" | trimSuffix "]" -}}
{{- if or (hasPrefix "127." $host) (eq $host "::1") -}}
{{- if ne (include "spanline.hostNetwork" .) "true" }}
{{- fail (printf "config.telemetry.listen: %s is the loopback of the pod, where no probe reaches it; use 0.0.0.0" $listen) }}
{{- end -}}
host: {{ $host | quote }}
{{ end -}}
port: telemetry
{{- end }}

{{- /* The agent's configuration, with what follows from other values where it does not say. */ -}}
{{- define "spanline.config" -}}
{{- $state := dict "state" "/var/lib/spanline" -}}
{{- $listen := dict "telemetry" (dict "listen" (include "spanline.listen" .)) -}}
{{- $pods := dict -}}
{{- if and (not .Values.state.hostPath) (hasKey (.Values.config.inputs | default (dict "pods" dict)) "pods") -}}
{{- $pods = dict "inputs" (dict "pods" (dict "start" "beginning")) -}}
{{- end -}}
{{- toYaml (merge (deepCopy .Values.config) $state $listen $pods) }}
{{- end }}
