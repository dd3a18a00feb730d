"""Values that people set, each with a name."""

from __future__ import annotations

from tests.chart.helm import Object

MATRIX: dict[str, Object] = {
    "default": {},
    "namespaced": {"watchNamespaces": ["team-a", "team-b"], "crds": {"enabled": False}},
    "replicas": {"replicas": 3, "priorityClassName": "system-cluster-critical"},
    "monitored": {
        "metrics": {
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "rules": {"enabled": True, "alertLabels": {"team": "ml"}},
            "dashboard": {"enabled": True},
        }
    },
    "bare": {
        "crds": {"enabled": False},
        "rbac": {"create": False},
        "serviceAccount": {"create": False, "name": "mine"},
        "masterSecret": {"existingSecret": "mine"},
        "networkPolicy": {"enabled": False},
        "metrics": {"service": {"enabled": False}},
        "cleanup": {"enabled": False},
        "tolerationSeconds": None,
    },
    "guarded": {
        "watchNamespaces": ["team-a"],
        "networkPolicy": {
            "apiServerPorts": [6443],
            "apiServerCIDRs": ["10.0.0.1/32"],
            "metricsFrom": [],
            "workers": {
                "enabled": True,
                "extraEgress": [{"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]}],
            },
        },
    },
    "placed": {
        "fullnameOverride": "tuner",
        "commonLabels": {"team": "ml"},
        "image": {"repository": "registry.example/tuner", "digest": "sha256:" + "0" * 64},
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "system", "operator": "Exists"}],
        "tolerationSeconds": 0,
        "affinity": {"podAntiAffinity": {}},
        "podLabels": {"sidecar": "off"},
        "podAnnotations": {"note": "1"},
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "test": {"namespace": "team-a", "storage": {"claimName": "checkpoints"}},
        "crds": {"keep": False},
        "masterSecret": {"keep": False},
    },
}
