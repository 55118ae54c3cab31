{{/*
Refuses what the schema cannot see: values that contradict each other, and what the filter itself would
refuse. A filter that refuses its configuration can take a listener down with it.
*/}}
{{- define "podpin.check" -}}
{{- include "podpin.check.workload" . -}}
{{- if eq .Values.platform "envoy-gateway" -}}
{{- include "podpin.check.envoy_gateway" . -}}
{{- else -}}
{{- include "podpin.check.where" . -}}
{{- end -}}
{{- include "podpin.check.module" . -}}
{{- include "podpin.check.filter" . -}}
{{- include "podpin.check.cluster" . -}}
{{- end }}

{{- define "podpin.check.workload" -}}
{{- $mode := .Values.mode -}}
{{- if not $mode -}}
{{- fail "mode: missing; endpoint (by address, any workload) or authority (by name, a StatefulSet)" -}}
{{- end -}}
{{- with .Values.workload -}}
{{- if not .service -}}
{{- fail "workload.service: missing; the Service that clients call" -}}
{{- end -}}
{{- if eq $mode "authority" -}}
{{- range $key := list "stateful_set" "headless_service" "replicas" -}}
{{- if not (get $.Values.workload $key) -}}
{{- fail (printf "workload.%s: missing; mode authority needs it" $key) -}}
{{- end -}}
{{- end -}}
{{- if .addresses -}}
{{- fail "workload.addresses: is for mode endpoint; mode authority knows pods by their names" -}}
{{- end -}}
{{- if eq .service .headless_service -}}
{{- fail (printf "workload.headless_service: %q is workload.service too; requests without a session need a Service with an address of its own" .service) -}}
{{- end -}}
{{- if and .max_replicas (lt (int .max_replicas) (int .replicas)) -}}
{{- fail (printf "workload.max_replicas: %d is less than workload.replicas, %d" (int .max_replicas) (int .replicas)) -}}
{{- end -}}
{{- $last := include "podpin.pods" $ | fromJsonArray | last -}}
{{- if gt (len $last) 63 -}}
{{- fail (printf "workload.stateful_set: the pod name %q is longer than 63 bytes" $last) -}}
{{- end -}}
{{- $host := printf "%s.%s" $last (include "podpin.headless" $) -}}
{{- if gt (len $host) 253 -}}
{{- fail (printf "workload.cluster_domain: the pod host %q is longer than 253 bytes" $host) -}}
{{- end -}}
{{- else -}}
{{- range $key := list "headless_service" "replicas" "max_replicas" "first_ordinal" -}}
{{- if get $.Values.workload $key -}}
{{- fail (printf "workload.%s: is for mode authority; mode endpoint knows pods by their addresses" $key) -}}
{{- end -}}
{{- end -}}
{{- if and .pod_port (not .addresses) -}}
{{- fail "workload.pod_port: has no effect in mode endpoint without workload.addresses" -}}
{{- end -}}
{{- range .addresses -}}
{{- include "podpin.check.range" . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What the filter wants of a range, of which it knows 16 bits at a time. */}}
{{- define "podpin.check.range" -}}
{{- $range := . -}}
{{- $prefix := splitList "/" . | last | atoi -}}
{{- $address := splitList "/" . | first -}}
{{- $is_v6 := contains ":" . -}}
{{- $most := ternary 128 32 $is_v6 -}}
{{- if or (lt $prefix 8) (gt $prefix $most) -}}
{{- fail (printf "workload.addresses: %q: a prefix is 8 to %d bits long" . $most) -}}
{{- end -}}
{{- $groups := include (ternary "podpin.groups.v6" "podpin.groups.v4" $is_v6) $address | fromJsonArray -}}
{{- if ne (len $groups) (div $most 16 | int) -}}
{{- fail (printf "workload.addresses: %q is not a CIDR range such as 10.244.0.0/16 or fd00:10::/32" $range) -}}
{{- end -}}
{{- range $index, $group := $groups -}}
{{- $unit := include "podpin.unit" (list $prefix $index) | int -}}
{{- if mod (int $group) $unit -}}
{{- fail (printf "workload.addresses: %q has bits beyond its prefix" $range) -}}
{{- end -}}
{{- end -}}
{{- /* Link-local, where clouds have their metadata servers, and IPv6 forms of IPv4 addresses. */ -}}
{{- $none := ternary (list (dict "groups" (list 65152) "prefix" 10) (dict "groups" (list 0 0 0 0 0 65535) "prefix" 96)) (list (dict "groups" (list 43518) "prefix" 16)) $is_v6 -}}
{{- range $none -}}
{{- $prefix := min $prefix .prefix | int -}}
{{- $overlaps := true -}}
{{- range $index, $group := .groups -}}
{{- $unit := include "podpin.unit" (list $prefix $index) | int -}}
{{- if ne (div (index $groups $index | int) $unit) (div $group $unit) -}}
{{- $overlaps = false -}}
{{- end -}}
{{- end -}}
{{- if $overlaps -}}
{{- fail (printf "workload.addresses: %q has link-local or IPv4-mapped addresses, which no pod has" $range) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* How far apart networks are in a group of 16 bits: of a prefix, and the group's place. */}}
{{- define "podpin.unit" -}}
{{- $bits := max 0 (min 16 (sub (index . 0) (mul 16 (index . 1)))) | int -}}
{{- index (list 65536 32768 16384 8192 4096 2048 1024 512 256 128 64 32 16 8 4 2 1) $bits -}}
{{- end }}

{{- define "podpin.groups.v4" -}}
{{- $groups := list -}}
{{- if regexMatch "^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\\.|$)){4}$" . -}}
{{- $bytes := splitList "." . -}}
{{- range list 0 2 -}}
{{- $groups = append $groups (add (mul 256 (index $bytes . | atoi)) (index $bytes (add1 . | int) | atoi)) -}}
{{- end -}}
{{- end -}}
{{- toJson $groups -}}
{{- end }}

{{- define "podpin.groups.v6" -}}
{{- $groups := list -}}
{{- if and (regexMatch "^[0-9a-f:]+$" .) (le (len (splitList "::" .)) 2) -}}
{{- $halves := splitList "::" . -}}
{{- $first := compact (splitList ":" (first $halves)) -}}
{{- $last := ternary (compact (splitList ":" (last $halves))) list (gt (len $halves) 1) -}}
{{- $known := add (len $first) (len $last) | int -}}
{{- $zeros := ternary (sub 8 $known | int) 0 (gt (len $halves) 1) -}}
{{- $texts := concat $first (ternary (splitList "," (repeat (max 0 (sub $zeros 1) | int) "0," | printf "%s0")) list (gt $zeros 0)) $last -}}
{{- range $texts -}}
{{- if regexMatch "^[0-9a-f]{1,4}$" . -}}
{{- $groups = append $groups (int64 (printf "0x%s" .)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $groups -}}
{{- end }}

{{- define "podpin.check.where" -}}
{{- $gateway := .Values.where.gateway -}}
{{- if and (not .Values.where.sidecars) (not $gateway.labels) -}}
{{- fail "where: names neither sidecars nor a gateway; set where.sidecars or where.gateway.labels" -}}
{{- end -}}
{{- if $gateway.labels -}}
{{- if not $gateway.hosts -}}
{{- fail "where.gateway.hosts: missing; the public hosts of the workload" -}}
{{- end -}}
{{- if ne (len $gateway.hosts) (len (uniq $gateway.hosts)) -}}
{{- fail "where.gateway.hosts: names a host twice" -}}
{{- end -}}
{{- if eq .Values.mode "authority" -}}
{{- if not $gateway.gateway -}}
{{- fail "where.gateway.gateway: missing; mode authority needs the Gateway, as namespace/name" -}}
{{- end -}}
{{- else if $gateway.server_host -}}
{{- fail "where.gateway.server_host: is for mode authority; in mode endpoint the server sees the client's Host" -}}
{{- end -}}
{{- else if $gateway.hosts -}}
{{- fail "where.gateway.labels: missing; which pods are the gateway of where.gateway.hosts" -}}
{{- end -}}
{{- $seen := list -}}
{{- range .Values.where.sidecars -}}
{{- if has .namespace $seen -}}
{{- fail (printf "where.sidecars: names namespace %s twice; one sidecar could have the filter twice" .namespace) -}}
{{- end -}}
{{- $seen = append $seen .namespace -}}
{{- end -}}
{{- if and (ne .Values.kind "EnvoyFilter") (ne .Values.mode "authority") -}}
{{- fail (printf "kind: a %s cannot put stateful_session into the chain, which mode endpoint needs; take kind EnvoyFilter or mode authority" .Values.kind) -}}
{{- end -}}
{{- end }}

{{- define "podpin.check.envoy_gateway" -}}
{{- $values := .Values -}}
{{- if ne $values.mode "endpoint" -}}
{{- fail "mode: Envoy Gateway cannot have mode authority; take endpoint" -}}
{{- end -}}
{{- if ne $values.kind "EnvoyFilter" -}}
{{- fail "kind: is for platform istio" -}}
{{- end -}}
{{- if or $values.where.sidecars $values.where.gateway.labels $values.where.gateway.hosts -}}
{{- fail "where: is for platform istio; envoy_gateway says where" -}}
{{- end -}}
{{- with $values.envoy_gateway -}}
{{- range $key := list "namespace" "gateway" "hosts" -}}
{{- if not (get $values.envoy_gateway $key) -}}
{{- fail (printf "envoy_gateway.%s: missing; %s" $key (get (dict "namespace" "where the Gateway is" "gateway" "its name" "hosts" "the public hosts of the workload") $key)) -}}
{{- end -}}
{{- end -}}
{{- if ne (len .hosts) (len (uniq .hosts)) -}}
{{- fail "envoy_gateway.hosts: names a host twice" -}}
{{- end -}}
{{- end -}}
{{- if hasPrefix "file:" $values.module.url -}}
{{- fail "module.url: Envoy Gateway fetches modules by oci:// or https://" -}}
{{- end -}}
{{- if and (hasPrefix "oci:" $values.module.url) (contains "@" $values.module.url) -}}
{{- fail "module.url: has a digest; module.sha256 has it" -}}
{{- end -}}
{{- if $values.store.front.service -}}
{{- fail "store.front.service: Envoy Gateway's proxies have no cluster of it; take store.kind sealed, or store.cluster with a cluster of the EnvoyProxy's bootstrap" -}}
{{- end -}}
{{- end }}

{{- define "podpin.check.module" -}}
{{- with .Values.module -}}
{{- if not .url -}}
{{- fail "module.url: missing; oci://…, https://… or file:///… on the proxies" -}}
{{- end -}}
{{- if and (not .sha256) (not (hasPrefix "file:" .url)) -}}
{{- fail (printf "module.sha256: missing; %s" (ternary "the digest of the image's manifest, without sha256:" "that of the module" (hasPrefix "oci:" .url))) -}}
{{- end -}}
{{- if and .sha256 (hasPrefix "file:" .url) -}}
{{- fail "module.sha256: a file on the proxy is not checked; leave it out" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What does not go together of the era without sessions. */}}
{{- define "podpin.check.modern" -}}
{{- $values := . -}}
{{- $year := 31536000000 -}}
{{- with $values.modern -}}
{{- include "podpin.check.bounds" (list "modern.idle_timeout" .idle_timeout 1000 $year "1s to 8760h") -}}
{{- include "podpin.check.bounds" (list "modern.max_age" .max_age 1000 $year "1s to 8760h") -}}
{{- if .idle_timeout -}}
{{- $most := .max_age | default "24h" -}}
{{- if gt (include "podpin.milliseconds" .idle_timeout | atoi) (include "podpin.milliseconds" $most | atoi) -}}
{{- fail (printf "modern.idle_timeout: %s is longer than modern.max_age, %s" .idle_timeout $most) -}}
{{- end -}}
{{- end -}}
{{- if and .affinity (eq .era "refuse") -}}
{{- fail "modern.affinity: has no effect with modern.era refuse" -}}
{{- end -}}
{{- range $index, $rule := .affinity -}}
{{- $where := printf "modern.affinity[%d]" $index -}}
{{- if and (hasKey $rule "pod_in") (ne $values.mode "authority") -}}
{{- fail (printf "%s.pod_in: is for mode authority; mode endpoint knows no pod by its name" $where) -}}
{{- end -}}
{{- if and (hasKey $rule "task") (eq $values.store.kind "sealed") -}}
{{- fail (printf "%s.task: does not go with store.kind sealed, which keeps nothing" $where) -}}
{{- end -}}
{{- if hasKey $rule "key" -}}
{{- if and (ne $values.mode "authority") (not $rule.remember) -}}
{{- fail (printf "%s.remember: has to be true in mode endpoint, where Envoy picks the first pod of a key" $where) -}}
{{- end -}}
{{- if and $rule.remember (eq $values.store.kind "sealed") -}}
{{- fail (printf "%s.remember: does not go with store.kind sealed, which keeps nothing" $where) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "podpin.check.filter" -}}
{{- $values := .Values -}}
{{- include "podpin.check.store" $values.store -}}
{{- with $values.session -}}
{{- $year := 31536000000 -}}
{{- include "podpin.check.bounds" (list "session.idle_timeout" .idle_timeout 1000 $year "1s to 8760h") -}}
{{- include "podpin.check.bounds" (list "session.max_age" .max_age 1000 $year "1s to 8760h") -}}
{{- if .idle_timeout -}}
{{- $most := .max_age | default "24h" -}}
{{- if gt (include "podpin.milliseconds" .idle_timeout | atoi) (include "podpin.milliseconds" $most | atoi) -}}
{{- fail (printf "session.idle_timeout: %s is longer than session.max_age, %s" .idle_timeout $most) -}}
{{- end -}}
{{- end -}}
{{- if and .require_subject (not .bind_to) -}}
{{- fail "session.require_subject: session.bind_to does not say where a subject comes from" -}}
{{- end -}}
{{- end -}}
{{- include "podpin.check.modern" $values -}}
{{- if eq $values.store.kind "sealed" -}}
{{- if $values.session.idle_timeout -}}
{{- fail "session.idle_timeout: has no effect with store.kind sealed, where nobody notes uses; session.max_age has" -}}
{{- end -}}
{{- if $values.sse_paths -}}
{{- fail "sse_paths: does not go with store.kind sealed; the session id of HTTP+SSE is in a body" -}}
{{- end -}}
{{- if eq $values.placement.policy "least_sessions" -}}
{{- fail "placement.policy: least_sessions does not go with store.kind sealed, where nobody counts sessions" -}}
{{- end -}}
{{- end -}}
{{- if $values.placement.drain -}}
{{- if ne $values.mode "authority" -}}
{{- fail "placement.drain: is for mode authority; in mode endpoint Envoy picks" -}}
{{- end -}}
{{- $first := int $values.workload.first_ordinal -}}
{{- $end := add $first (int $values.workload.replicas) | int -}}
{{- range $values.placement.drain -}}
{{- if or (lt (int .) $first) (ge (int .) $end) -}}
{{- fail (printf "placement.drain: %d is outside the %d replicas of %s" (int .) (int $values.workload.replicas) $values.workload.stateful_set) -}}
{{- end -}}
{{- end -}}
{{- if ge (len (uniq $values.placement.drain)) (int $values.workload.replicas) -}}
{{- fail "placement.drain: leaves no pod to place a new session on" -}}
{{- end -}}
{{- end -}}
{{- if and $values.placement.eject (ne $values.mode "authority") -}}
{{- fail "placement.eject: is for mode authority; in mode endpoint Envoy picks" -}}
{{- end -}}
{{- include "podpin.check.bounds" (list "placement.eject" $values.placement.eject 1000 300000 "1s to 5m") -}}
{{- include "podpin.check.bounds" (list "probe.timeout" $values.probe.timeout 10 10000 "10ms to 10s") -}}
{{- if and $values.probe.cluster (ne $values.mode "endpoint") -}}
{{- fail "probe.cluster: is for mode endpoint; by name the pods' own clusters do" -}}
{{- end -}}
{{- if and $values.placement.policy (ne $values.mode "authority") -}}
{{- fail "placement.policy: is for mode authority; in mode endpoint Envoy picks" -}}
{{- end -}}
{{- if and (ne $values.mode "endpoint") (ne $values.endpoint_header "x-podpin-endpoint") -}}
{{- fail "endpoint_header: is for mode endpoint" -}}
{{- end -}}
{{- end }}

{{- define "podpin.check.store" -}}
{{- $store := . -}}
{{- if eq .kind "redis" -}}
{{- if and .front.service .cluster -}}
{{- fail "store.cluster: store.front.service names the front already" -}}
{{- end -}}
{{- if and .front.service .authority -}}
{{- fail "store.authority: store.front gives it; it goes with store.cluster" -}}
{{- end -}}
{{- if not (or .front.service .cluster) -}}
{{- fail "store.front.service: missing; the Service of the HTTP front of the Redis" -}}
{{- end -}}
{{- if and .front.service (not .front.port) -}}
{{- fail "store.front.port: missing" -}}
{{- end -}}
{{- if eq .dialect "upstash" -}}
{{- range $key := list "user" "password" "password_env" -}}
{{- if get $store $key -}}
{{- fail (printf "store.%s: is for the dialect webdis; upstash takes store.token" $key) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- range $key := list "token" "token_env" -}}
{{- if get $store $key -}}
{{- fail (printf "store.%s: is for the dialect upstash; webdis takes store.user and store.password" $key) -}}
{{- end -}}
{{- end -}}
{{- if ne (empty .user) (and (empty .password) (empty .password_env)) -}}
{{- fail (printf "store.%s: missing; user and password go together" (ternary "user" "password" (empty .user))) -}}
{{- end -}}
{{- end -}}
{{- include "podpin.check.bounds" (list "store.timeout" .timeout 1 60000 "1ms to 1m") -}}
{{- else -}}
{{- range $key := list "cluster" "authority" "timeout" "key_prefix" "dialect" "user" "password" "password_env" "token" "token_env" "on_error" -}}
{{- if get $store $key -}}
{{- fail (printf "store.%s: is for store.kind redis" $key) -}}
{{- end -}}
{{- end -}}
{{- if .front.service -}}
{{- fail "store.front.service: is for store.kind redis" -}}
{{- end -}}
{{- end -}}
{{- range $key := list "keys" "password" "token" -}}
{{- if and (get $store $key) (get $store (printf "%s_env" $key)) -}}
{{- fail (printf "store.%s_env: does not go with store.%s" $key $key) -}}
{{- end -}}
{{- end -}}
{{- if eq .kind "sealed" -}}
{{- if not (or .keys .keys_env) -}}
{{- fail "store.keys_env: missing; the environment variable that has the keys" -}}
{{- end -}}
{{- if not (kindIs "invalid" .capacity) -}}
{{- fail "store.capacity: is not for store.kind sealed, where no table has sessions" -}}
{{- end -}}
{{- else if not (kindIs "invalid" .remember_ended) -}}
{{- fail "store.remember_ended: is for store.kind sealed" -}}
{{- end -}}
{{- if eq .kind "shared_data" -}}
{{- range $key := list "keys" "keys_env" -}}
{{- if get $store $key -}}
{{- fail (printf "store.%s: is for store.kind sealed or redis" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- include "podpin.check.keys" .keys -}}
{{- end }}

{{/* What the filter wants of keys. No message shows one. */}}
{{- define "podpin.check.keys" -}}
{{- $ids := list -}}
{{- $all := list -}}
{{- range $index, $item := . -}}
{{- $name := printf "store.keys[%d].key" $index -}}
{{- $hex := lower .key -}}
{{- if not (regexMatch "^[0-9a-f]{64}$" $hex) -}}
{{- if not (regexMatch "^([A-Za-z0-9+/]{42}|[A-Za-z0-9_-]{42})[AEIMQUYcgkosw048]=?$" .key) -}}
{{- fail (printf "%s: is not 32 bytes as base64 or hex; make one by: openssl rand -base64 32" $name) -}}
{{- end -}}
{{- $standard := .key | trimSuffix "=" | replace "-" "+" | replace "_" "/" -}}
{{- $hex = printf "%x" (b64dec (printf "%s=" $standard)) -}}
{{- end -}}
{{- $bytes := regexFindAll ".." $hex -1 -}}
{{- $steps := list -}}
{{- range $at := until 31 -}}
{{- $pair := printf "0x%s 0x%s" (index $bytes $at) (index $bytes (add1 $at | int)) | splitList " " -}}
{{- $steps = append $steps (mod (add 256 (sub (last $pair | int64) (first $pair | int64))) 256) -}}
{{- end -}}
{{- if or (lt (len (uniq $bytes)) 16) (eq (len (uniq $steps)) 1) (regexMatch "^([2-6][0-9a-f]|7[0-9a-e]){32}$" $hex) -}}
{{- fail (printf "%s: is not random; make one by: openssl rand -base64 32" $name) -}}
{{- end -}}
{{- if or (has .id $ids) (has $hex $all) -}}
{{- fail (printf "store.keys[%d]: is the same key as another, or has the same id" $index) -}}
{{- end -}}
{{- $ids = append $ids .id -}}
{{- $all = append $all $hex -}}
{{- end -}}
{{- end }}

{{/* A duration between two numbers of milliseconds, if it is set. */}}
{{- define "podpin.check.bounds" -}}
{{- $name := index . 0 -}}
{{- with index . 1 -}}
{{- $value := include "podpin.milliseconds" . | atoi -}}
{{- if or (lt $value (index $ 2)) (gt $value (index $ 3)) -}}
{{- fail (printf "%s: %s is outside of %s" $name . (index $ 4)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What a cluster shows, if there is one to look at. */}}
{{- define "podpin.check.cluster" -}}
{{- $workload := .Values.workload -}}
{{- $namespace := .Release.Namespace -}}
{{- $service := lookup "v1" "Service" $namespace $workload.service -}}
{{- if $service -}}
{{- if eq (toString $service.spec.clusterIP) "None" -}}
{{- fail (printf "workload.service: Service %s is headless; requests without a session need one with an address of its own" $workload.service) -}}
{{- end -}}
{{- if eq .Values.platform "istio" -}}
{{- include "podpin.check.port" (list "workload.service" $service $workload.port) -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.mode "authority" -}}
{{- $set := lookup "apps/v1" "StatefulSet" $namespace $workload.stateful_set -}}
{{- if $set -}}
{{- if ne $set.spec.serviceName $workload.headless_service -}}
{{- fail (printf "workload.headless_service: StatefulSet %s has spec.serviceName %s, not %s" $workload.stateful_set $set.spec.serviceName $workload.headless_service) -}}
{{- end -}}
{{- $start := dig "spec" "ordinals" "start" 0 $set | int -}}
{{- if ne $start (int $workload.first_ordinal) -}}
{{- fail (printf "workload.first_ordinal: StatefulSet %s has spec.ordinals.start %d, not %d" $workload.stateful_set $start (int $workload.first_ordinal)) -}}
{{- end -}}
{{- end -}}
{{- $headless := lookup "v1" "Service" $namespace $workload.headless_service -}}
{{- if $headless -}}
{{- if ne (toString $headless.spec.clusterIP) "None" -}}
{{- fail (printf "workload.headless_service: Service %s is not headless, so pods have no names" $workload.headless_service) -}}
{{- end -}}
{{- include "podpin.check.port" (list "workload.headless_service" $headless $workload.port) -}}
{{- if and (eq .Values.pods.resolution "DNS") (not $headless.spec.publishNotReadyAddresses) -}}
{{- fail (printf "workload.headless_service: Service %s lacks publishNotReadyAddresses: true, so a pod that is not ready has no name; set it, or pods.resolution: STATIC" $workload.headless_service) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $front := .Values.store.front -}}
{{- if $front.service -}}
{{- $service := lookup "v1" "Service" ($front.namespace | default $namespace) $front.service -}}
{{- if and $service (eq (toString $service.spec.clusterIP) "None") -}}
{{- fail (printf "store.front.service: Service %s is headless; Envoy cannot send requests of its own there" $front.service) -}}
{{- end -}}
{{- end -}}
{{- $gateway := .Values.where.gateway -}}
{{- if and $gateway.labels (eq .Values.mode "authority") -}}
{{- $parts := splitList "/" $gateway.gateway -}}
{{- $object := lookup "networking.istio.io/v1" "Gateway" (first $parts) (last $parts) -}}
{{- if $object -}}
{{- $wanted := printf "*.%s" (include "podpin.headless" .) -}}
{{- $hosts := list -}}
{{- range $object.spec.servers -}}
{{- if or (not $gateway.port) (eq (int .port.number) (int $gateway.port)) -}}
{{- range .hosts -}}
{{- $hosts = append $hosts (splitList "/" . | last) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not (or (has $wanted $hosts) (has "*" $hosts)) -}}
{{- fail (printf "where.gateway.gateway: no server of %s has the host %q, to which requests are steered" $gateway.gateway $wanted) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A Service has the port, and Istio takes it for HTTP. */}}
{{- define "podpin.check.port" -}}
{{- $key := index . 0 -}}
{{- $service := index . 1 -}}
{{- $number := index . 2 | int -}}
{{- $found := dict -}}
{{- range $service.spec.ports -}}
{{- if eq (int .port) $number -}}
{{- $found = . -}}
{{- end -}}
{{- end -}}
{{- if not $found -}}
{{- fail (printf "%s: Service %s has no port %d" $key $service.metadata.name $number) -}}
{{- end -}}
{{- $is_http := or (regexMatch "^(http|http2|grpc)(-.*)?$" (toString (get $found "name"))) (has (toString (get $found "appProtocol")) (list "http" "http2" "grpc" "kubernetes.io/h2c")) -}}
{{- if not $is_http -}}
{{- fail (printf "%s: port %d of Service %s is named %q; Istio knows HTTP by a name that begins with http" $key $number $service.metadata.name (toString (get $found "name"))) -}}
{{- end -}}
{{- end }}
