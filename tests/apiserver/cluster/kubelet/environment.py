"""A container's environment, command and downward API, as the Pod's manifest says them."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from tests.apiserver.cluster.kubelet.api import Object

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ConfigError(Exception):
    """CreateContainerConfigError: what the Pod refers to is not there."""


@dataclass(frozen=True)
class Addresses:
    pod: str
    host: str
    api_host: str
    api_port: str


# (kind, name) -> the object's data as bytes, or None where there is no such object
Lookup = Callable[[str, str], Awaitable[Mapping[str, bytes] | None]]


def decoded(found: Object) -> dict[str, bytes]:
    """The data of a Secret or ConfigMap."""
    if found["kind"] == "ConfigMap":
        binary = {key: base64.b64decode(one) for key, one in found.get("binaryData", {}).items()}
        return {key: one.encode() for key, one in found.get("data", {}).items()} | binary
    return {key: base64.b64decode(one) for key, one in (found.get("data") or {}).items()}


async def environment(
    pod: Object, container: Object, base: Mapping[str, str], addresses: Addresses, lookup: Lookup
) -> dict[str, str]:
    """Raises `ConfigError` where a Secret, a ConfigMap or a key of it is missing."""
    found = {
        "PATH": PATH,
        "HOME": "/root",
        "HOSTNAME": hostname(pod),
        "KUBERNETES_SERVICE_HOST": addresses.api_host,
        "KUBERNETES_SERVICE_PORT": addresses.api_port,
        "KUBERNETES_SERVICE_PORT_HTTPS": addresses.api_port,
        **base,
    }
    for source in container.get("envFrom", ()):
        kind = "Secret" if "secretRef" in source else "ConfigMap"
        reference = source.get("secretRef") or source["configMapRef"]
        data = await lookup(kind, reference["name"])
        if data is None:
            if not reference.get("optional"):
                raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
            continue
        prefix = source.get("prefix", "")
        found |= {prefix + key: one.decode(errors="replace") for key, one in data.items()}
    for variable in container.get("env", ()):
        if "valueFrom" not in variable:
            found[variable["name"]] = expanded(variable.get("value", ""), found)
            continue
        text = await _from(pod, container, variable["valueFrom"], addresses, lookup)
        if text is not None:
            found[variable["name"]] = text
    return found


async def _from(
    pod: Object, container: Object, source: Object, addresses: Addresses, lookup: Lookup
) -> str | None:
    if "fieldRef" in source:
        return field(pod, source["fieldRef"]["fieldPath"], addresses)
    if "resourceFieldRef" in source:
        return resource(container, source["resourceFieldRef"]["resource"])
    kind = "Secret" if "secretKeyRef" in source else "ConfigMap"
    reference = source.get("secretKeyRef") or source["configMapKeyRef"]
    data = await lookup(kind, reference["name"])
    if data is not None and reference["key"] in data:
        return data[reference["key"]].decode(errors="replace")
    if reference.get("optional"):
        return None
    if data is None:
        raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    namespace = pod["metadata"]["namespace"]
    raise ConfigError(
        f"couldn't find key {reference['key']} in {kind} {namespace}/{reference['name']}"
    )


def command(
    container: Object, entrypoint: tuple[str, ...], args: tuple[str, ...], env: Mapping[str, str]
) -> list[str]:
    """`command` replaces the image's entrypoint and args, `args` alone only its args."""
    if container.get("command"):
        words = [*container["command"], *container.get("args", ())]
    else:
        words = [*entrypoint, *(container.get("args") or args)]
    return [expanded(word, env) for word in words]


def expanded(text: str, env: Mapping[str, str]) -> str:
    """`$(NAME)` where the name is known; `$$(NAME)` stands for itself with one `$`."""

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return env.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([^()]+)\)", replace, text)


def hostname(pod: Object) -> str:
    return str(pod["spec"].get("hostname") or pod["metadata"]["name"])[:63]


def field(pod: Object, path: str, addresses: Addresses) -> str:
    meta, spec = pod["metadata"], pod["spec"]
    if match := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
        return str(meta.get(match[1], {}).get(match[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        items = sorted(meta.get(path.removeprefix("metadata."), {}).items())
        return "\n".join(f'{key}="{escaped(text)}"' for key, text in items)
    known = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "spec.nodeName": spec["nodeName"],
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": addresses.host,
        "status.hostIPs": addresses.host,
        "status.podIP": addresses.pod,
        "status.podIPs": addresses.pod,
    }
    if path not in known:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return str(known[path])


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource(container: Object, name: str) -> str:
    """`limits.cpu` in whole units of the default divisor 1, rounded up."""
    kind, _, which = name.partition(".")
    text = container.get("resources", {}).get(kind, {}).get(which, "0")
    match = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text))
    if match is None:
        return str(text)
    units = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
    units |= {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
    return str(-int(-float(match[1]) * units.get(match[2], 1) // 1))


def rewritten(text: str, paths: Mapping[str, str]) -> str:
    """The text with mount paths replaced by host paths: where nothing can be mounted."""
    for target in sorted(paths, key=len, reverse=True):
        pattern = rf"(?<![\w./-]){re.escape(target)}(?![\w.-])"
        text = re.sub(pattern, lambda _, to=paths[target]: to, text)  # type: ignore[misc]
    return text
