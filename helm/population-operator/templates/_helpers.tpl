{{- define "population.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "population.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "population.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "population.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* Whoever belongs to this release, hooks included. */ -}}
{{- define "population.releaseLabels" -}}
app.kubernetes.io/name: {{ include "population.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* The operator's own Pods. */ -}}
{{- define "population.selectorLabels" -}}
{{ include "population.releaseLabels" . }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "population.labels" -}}
{{ include "population.labelsAnd" (list . dict) }}
{{- end }}

{{- /*
(list . labels): those of everything, and `labels`. The chart's own cannot be said otherwise: what
selects counts on them.
*/ -}}
{{- define "population.labelsAnd" -}}
{{- $labels := default dict (index . 1) }}
{{- with index . 0 }}
{{- $ours := list "helm.sh/chart" "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "app.kubernetes.io/part-of" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{ include "population.releaseLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: population-operator
{{- range $key, $value := merge (dict) $labels (default dict .Values.commonLabels) }}
{{- if not (has $key $ours) }}
{{ toYaml (dict $key $value) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "population.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "population.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "population.masterSecretName" -}}
{{- default (printf "%s-master" (include "population.fullname" .)) .Values.masterSecret.existingSecret }}
{{- end }}

{{- define "population.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{- define "population.testNamespace" -}}
{{- $first := .Release.Namespace }}
{{- with .Values.watchNamespaces }}{{ $first = first . }}{{ end }}
{{- default $first .Values.test.namespace }}
{{- end }}

{{- define "population.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* Labels of the workers' Pods, as the operator sets them. */ -}}
{{- define "population.workerLabels" -}}
app.kubernetes.io/managed-by: population-operator
{{- end }}

{{- define "population.cleanupHook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- define "population.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- /* Those for a lost node come last; where two tolerate a taint, the shorter time counts. */ -}}
{{- define "population.tolerations" -}}
{{- with .Values.tolerations }}
{{- toYaml . }}
{{- end }}
{{- if not (kindIs "invalid" .Values.tolerationSeconds) }}
{{- range (list "not-ready" "unreachable") }}
- key: node.kubernetes.io/{{ . }}
  operator: Exists
  effect: NoExecute
  tolerationSeconds: {{ int $.Values.tolerationSeconds }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What the Pods of hooks have in common with the operator's: they run beside it. */ -}}
{{- define "population.hookPod" -}}
restartPolicy: Never
automountServiceAccountToken: true
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end }}

{{- define "population.hookContainer" -}}
image: {{ include "population.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  - name: POD_NAMESPACE
    valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources:
  requests: {cpu: 50m, memory: 128Mi}
  limits: {memory: 512Mi}
securityContext:
  {{- include "population.securityContext" . | nindent 2 }}
{{- end }}
