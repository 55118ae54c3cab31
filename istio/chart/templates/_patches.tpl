{{/*
The patches of one kind of proxies: a list of the release, the context of the patches (SIDECAR_OUTBOUND
or GATEWAY), the port of the virtual hosts, if it matters, and their hosts.

The filter comes disabled into the chain, after all that authenticates and authorizes, and each virtual
host of the workload enables it: all HTTP services of a port share one chain, and so do all hosts of a
gateway's port. Istio takes `config` only with a type, Envoy does not take it left out, and Empty stands
for a configuration that a Wasm filter does not have per host.
*/}}
{{- define "podpin.patches" -}}
{{- $root := index . 0 -}}
{{- $context := index . 1 -}}
{{- $port := index . 2 -}}
{{- $hosts := index . 3 -}}
{{- $name := include "podpin.name" $root -}}
{{- $values := $root.Values -}}
{{- $is_endpoint := eq $values.mode "endpoint" -}}
- applyTo: EXTENSION_CONFIG
  patch:
    operation: ADD
    value:
      name: {{ $name }}
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
        config:
          name: {{ $name }}
          failure_policy: {{ $values.failure_policy }}
          vm_config:
            # Filters with the same vm_id and scope share their sessions, across updates too.
            vm_id: {{ printf "podpin.%s" (include "podpin.scope" $root) | quote }}
            runtime: envoy.wasm.runtime.v8
            {{- if hasPrefix "file://" $values.module.url }}
            code: {local: {filename: {{ trimPrefix "file://" $values.module.url | quote }}}}
            {{- else }}
            code:
              remote:
                # The proxy's agent fetches it and hands Envoy a file; no cluster is used.
                http_uri: {uri: {{ $values.module.url | quote }}, cluster: _, timeout: 30s}
                sha256: {{ $values.module.sha256 | quote }}
            {{- end }}
            {{- $is_image := hasPrefix "oci://" $values.module.url }}
            {{- $variables := include "podpin.variables" $root | fromJsonArray }}
            {{- if or $is_image $variables }}
            environment_variables:
              {{- if $is_image }}
              key_values: {ISTIO_META_WASM_IMAGE_PULL_POLICY: {{ $values.module.pull_policy }}}
              {{- end }}
              {{- with $variables }}
              host_env_keys: {{ toJson . }}
              {{- end }}
            {{- end }}
            {{- with $variables }}
            # Without this, Envoy 1.36 would go on with a running VM, which has not been given these variables.
            configuration: {"@type": type.googleapis.com/google.protobuf.StringValue, value: {{ join " " . | quote }}}
            {{- end }}
          configuration:
            "@type": type.googleapis.com/google.protobuf.StringValue
            value: {{ include "podpin.configuration" $root | toJson }}
- applyTo: HTTP_FILTER
  match: {{ include "podpin.chain" (list $context $port) }}
  patch:
    operation: INSERT_BEFORE
    value:
      name: {{ $name }}
      disabled: true
      config_discovery:
        config_source: {ads: {}, resource_api_version: V3, initial_fetch_timeout: 0s}
        # RBAC is what the agent puts in the place of a module that it cannot fetch.
        type_urls:
        - type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
        - type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
{{- if $is_endpoint }}
{{- /* Envoy before 1.38, which is Istio before 1.30, does not know one of the fields. */}}
{{- range $version, $is_new := dict "^1\\.2[0-9]([.-]|$)" false "^(1\\.[3-9][0-9]|1\\.[1-9][0-9]{2}|[2-9])" true }}
- applyTo: HTTP_FILTER
  match: {{ include "podpin.chain" (list $context $port $version) }}
  patch:
    operation: INSERT_BEFORE
    value:
      name: {{ $name }}.stateful_session
      disabled: true
      typed_config: {{ include "podpin.stateful" (list $values $is_new) }}
{{- end }}
{{- end }}
{{- range $hosts }}
- applyTo: VIRTUAL_HOST
  match: {{ include "podpin.vhost" (list $context $port .) }}
  patch:
    operation: MERGE
    value:
      typed_per_filter_config:
        {{ $name }}:
          "@type": type.googleapis.com/envoy.config.route.v3.FilterConfig
          is_optional: true
          config: {"@type": type.googleapis.com/google.protobuf.Empty, value: {}}
{{- if $is_endpoint }}
        {{ $name }}.stateful_session:
          "@type": type.googleapis.com/envoy.config.route.v3.FilterConfig
          is_optional: true
          config: {"@type": type.googleapis.com/google.protobuf.Empty, value: {}}
{{- /* A second attempt would go to any pod. Nothing else of a route's retry policy can be undone by merging. */}}
- applyTo: HTTP_ROUTE
  match: {{ include "podpin.vhost" (list $context $port . "ROUTE") }}
  patch:
    operation: MERGE
    # And the pod need not see its own address.
    value: {route: {retry_policy: {retry_on: retriable-headers}}, request_headers_to_remove: [{{ $values.endpoint_header }}]}
{{- end }}
{{- end }}
{{- if not $is_endpoint }}
{{- if eq $context "GATEWAY" }}
{{- /* A client that names a pod as its Host is not led there: only Podpin sets that state. */}}
- applyTo: HTTP_ROUTE
  match: {{ include "podpin.vhost" (list $context $port (printf "*.%s" (include "podpin.headless" $root))) }}
  patch:
    operation: MERGE
    value: {match: {filter_state: [{key: {{ include "podpin.note" $root | quote }}, string_match: {prefix: {{ $values.workload.stateful_set }}-}}]}}
{{- end }}
{{- if eq $values.pods.resolution "DNS" }}
{{- range include "podpin.pods" $root | fromJsonArray }}
- applyTo: CLUSTER
  match: {context: {{ $context }}, cluster: {service: {{ . }}.{{ include "podpin.headless" $root }}}}
  patch:
    operation: MERGE
    # Istio's own is 60s, for a name that is missing too. That of a pod there is has its TTL.
    value: {dns_refresh_rate: {{ $values.pods.dns_refresh }}, dns_failure_refresh_rate: {base_interval: 1s, max_interval: {{ $values.pods.dns_refresh }}}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Matches the chain of a port: its context, the port, and the versions of proxies, if not all. A gateway
listens on a port that only its Service knows, so there it is every chain.
*/}}
{{- define "podpin.chain" -}}
{{- $filter := dict "name" "envoy.filters.network.http_connection_manager" "subFilter" (dict "name" "envoy.filters.http.router") -}}
{{- $listener := dict "filterChain" (dict "filter" $filter) -}}
{{- if ne (index . 0) "GATEWAY" -}}
{{- $_ := set $listener "portNumber" (index . 1) -}}
{{- end -}}
{{- $match := dict "context" (index . 0) "listener" $listener -}}
{{- if gt (len .) 2 -}}
{{- $_ := set $match "proxy" (dict "proxyVersion" (index . 2)) -}}
{{- end -}}
{{- toJson $match -}}
{{- end }}

{{/* Matches the virtual host that has a domain: its context, the port, the domain, and the action of a route, if any. */}}
{{- define "podpin.vhost" -}}
{{- $vhost := dict "domainName" (index . 2) -}}
{{- if gt (len .) 3 -}}
{{- $_ := set $vhost "route" (dict "action" (index . 3)) -}}
{{- end -}}
{{- $routes := dict "vhost" $vhost -}}
{{- with index . 1 -}}
{{- $_ := set $routes "portNumber" . -}}
{{- end -}}
{{- dict "context" (index . 0) "routeConfiguration" $routes | toJson -}}
{{- end }}

{{/* The configuration of stateful_session: values, and whether an endpoint that is gone can be told from one that is not healthy. */}}
{{- define "podpin.stateful" -}}
{{- $header := dict "@type" "type.googleapis.com/envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState" "name" (index . 0).endpoint_header -}}
{{- $state := dict "name" "envoy.http.stateful_session.header" "typed_config" $header -}}
{{- $config := dict "@type" "type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSession" "strict" true "session_state" $state -}}
{{- if index . 1 -}}
{{- $_ := set $config "status_on_strict_destination_not_found" 404 -}}
{{- end -}}
{{- toJson $config -}}
{{- end }}
