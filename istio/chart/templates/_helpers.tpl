{{/* Names, and what is derived from values. */}}

{{/* The filter's name in chains, and that of objects in other namespaces. */}}
{{- define "podpin.name" -}}
podpin.{{ .Release.Namespace }}.{{ .Release.Name }}
{{- end }}

{{- define "podpin.labels" -}}
app.kubernetes.io/name: podpin
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "podpin.scope" -}}
{{- with .Values.workload -}}
{{- $.Values.scope | default (printf "%s/%s" $.Release.Namespace (.stateful_set | default .service)) -}}
{{- end -}}
{{- end }}

{{/* Under this the filter notes the pod of a request. */}}
{{- define "podpin.note" -}}
wasm.podpin.{{ regexReplaceAll "[^A-Za-z0-9_./-]" (include "podpin.scope" .) "_" }}.pod
{{- end }}

{{- define "podpin.host" -}}
{{ .Values.workload.service }}.{{ .Release.Namespace }}.svc.{{ .Values.workload.cluster_domain }}
{{- end }}

{{- define "podpin.headless" -}}
{{ .Values.workload.headless_service }}.{{ .Release.Namespace }}.svc.{{ .Values.workload.cluster_domain }}
{{- end }}

{{/* The Services whose virtual hosts clients call, as a list. */}}
{{- define "podpin.hosts" -}}
{{- $hosts := list (include "podpin.host" .) -}}
{{- if eq .Values.mode "authority" -}}
{{- $hosts = append $hosts (include "podpin.headless" .) -}}
{{- end -}}
{{- toJson $hosts -}}
{{- end }}

{{/* The names of all pods that there may ever be, as a list. */}}
{{- define "podpin.pods" -}}
{{- $pods := list -}}
{{- with .Values.workload -}}
{{- $most := .max_replicas | default (mul 2 .replicas) -}}
{{- range $ordinal := untilStep (int .first_ordinal) (int (add .first_ordinal $most)) 1 -}}
{{- $pods = append $pods (printf "%s-%d" $.Values.workload.stateful_set $ordinal) -}}
{{- end -}}
{{- end -}}
{{- toJson $pods -}}
{{- end }}

{{/* A duration in milliseconds. The schema has seen to its form. */}}
{{- define "podpin.milliseconds" -}}
{{- $number := regexFind "^[0-9]+" . -}}
{{- $unit := trimPrefix $number . -}}
{{- mul (atoi $number) (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) $unit) -}}
{{- end }}

{{/* What of an object is set. */}}
{{- define "podpin.set" -}}
{{- $set := dict -}}
{{- range $key, $value := . -}}
{{- if and (ne (toString $value) "") (not (kindIs "invalid" $value)) (ne (toJson $value) "[]") -}}
{{- $_ := set $set $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $set -}}
{{- end }}

{{/* The environment variables of the proxies that the filter reads, as a list. */}}
{{- define "podpin.variables" -}}
{{- $names := list -}}
{{- range $key := list "keys_env" "password_env" "token_env" -}}
{{- $names = append $names (get $.Values.store $key) -}}
{{- end -}}
{{- compact $names | uniq | toJson -}}
{{- end }}

{{/* The configuration of the filter, as JSON. */}}
{{- define "podpin.configuration" -}}
{{- $values := .Values -}}
{{- $config := dict "scope" (include "podpin.scope" .) -}}
{{- with $values.workload -}}
{{- if eq $values.mode "authority" -}}
{{- $_ := set $config "steer" "authority" -}}
{{- $_ := set $config "workload" (dict "stateful_set" .stateful_set "service" .headless_service "namespace" $.Release.Namespace "replicas" (int .replicas) "first_ordinal" (int .first_ordinal) "port" (int .port) "cluster_domain" .cluster_domain) -}}
{{- else -}}
{{- $_ := set $config "steer" (dict "endpoint" (dict "header" $values.endpoint_header "encoding" "base64")) -}}
{{- if .addresses -}}
{{- $_ := set $config "workload" (dict "addresses" .addresses "port" (int (.pod_port | default .port))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $store := include "podpin.set" (omit $values.store "front") | fromJson -}}
{{- if $values.store.front.service -}}
{{- with $values.store.front -}}
{{- $host := printf "%s.%s.svc.%s" .service (.namespace | default $.Release.Namespace) $values.workload.cluster_domain -}}
{{- $_ := set $store "cluster" (printf "outbound|%d||%s" (int .port) $host) -}}
{{- $_ := set $store "authority" (printf "%s:%d" $host (int .port)) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "capacity" "remember_ended" -}}
{{- if hasKey $store $key -}}
{{- $_ := set $store $key (get $store $key | int) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $config "store" $store -}}
{{- $sections := dict "session" (include "podpin.set" $values.session | fromJson) "placement" (include "podpin.set" $values.placement | fromJson) "probe" (include "podpin.set" $values.probe | fromJson) "modern" (include "podpin.set" $values.modern | fromJson) -}}
{{- with get $sections "modern" -}}
{{- if hasKey . "capacity" -}}
{{- $_ := set . "capacity" (get . "capacity" | int) -}}
{{- end -}}
{{- end -}}
{{- range $key, $section := $sections -}}
{{- if $section -}}
{{- $_ := set $config $key $section -}}
{{- end -}}
{{- end -}}
{{- range $key := list "paths" "sse_paths" "on_unreachable" -}}
{{- $value := get $values $key -}}
{{- if $value -}}
{{- $_ := set $config $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $config -}}
{{- end }}
