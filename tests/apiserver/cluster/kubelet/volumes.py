"""A Pod's volumes as folders of this machine."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.apiserver.cluster.client import ApiError
from tests.apiserver.cluster.kubelet.api import Api, Object
from tests.apiserver.cluster.kubelet.environment import (
    Addresses,
    ConfigError,
    decoded,
    expanded,
    field,
    resource,
)


class MountFailed(Exception):
    """FailedMount: the Pod waits in ContainerCreating."""


@dataclass(frozen=True)
class Mount:
    source: str
    target: str
    readonly: bool


class Volumes:
    """`await prepare()` as often as it takes, then `mounts(container)`; `remove()` at the end."""

    def __init__(self, api: Api, pod: Object, folder: Path, memory: Path, here: Addresses) -> None:
        self._api = api
        self._pod = pod
        self._meta = pod["metadata"]
        self._folder = folder / "volumes"
        self._memory = memory / self._meta["uid"]
        self._addresses = here
        self._paths: dict[str, Path] = {}

    async def prepare(self) -> None:
        """Raises `MountFailed` at the first volume that is not there yet."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for volume in self._pod["spec"].get("volumes", ()):
            name = volume["name"]
            if name in self._paths:
                continue
            try:
                self._paths[name] = await self._prepared(name, volume)
            except (MountFailed, ConfigError) as error:
                raise MountFailed(f'MountVolume.SetUp failed for volume "{name}" : {error}') from (
                    error
                )

    def mounts(self, container: Object, env: dict[str, str]) -> list[Mount]:
        found = []
        for mount in container.get("volumeMounts", ()):
            source = self._paths[mount["name"]]
            inner = mount.get("subPath") or expanded(mount.get("subPathExpr", ""), env)
            if inner:
                source = source / inner
                if not source.exists():
                    source.mkdir(parents=True)
                    source.chmod(0o777)
            found.append(Mount(str(source), mount["mountPath"], mount.get("readOnly", False)))
        return sorted(found, key=lambda one: one.target.count("/"))

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.rmtree(self._memory, ignore_errors=True)

    async def _prepared(self, name: str, volume: Object) -> Path:
        own = self._folder / name
        match volume:
            case {"emptyDir": empty}:
                if empty.get("medium") == "Memory":
                    own = self._memory / name
                own.mkdir(parents=True, exist_ok=True)
                own.chmod(0o777)
                return own
            case {"hostPath": source}:
                return _host_path(Path(source["path"]), source.get("type", ""))
            case {"persistentVolumeClaim": source}:
                return await self._claimed(source["claimName"])
            case {"ephemeral": _}:
                return await self._claimed(f"{self._meta['name']}-{name}")
            case {"projected": source}:
                for part in source.get("sources", ()):
                    await self._fill(own, part)
                own.mkdir(exist_ok=True)
                return own
            case {"secret": source}:
                part = {"secret": source | {"name": source["secretName"]}}
                await self._fill(own, part)
                return own
            case {"configMap": _} | {"downwardAPI": _}:
                await self._fill(own, volume)
                return own
        kinds = ", ".join(sorted(set(volume) - {"name"}))
        raise MountFailed(f"this node has no {kinds} volumes")

    async def _claimed(self, claim: str) -> Path:
        namespace = self._meta["namespace"]
        path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{claim}"
        found = await self._find(path)
        if found is None:
            raise MountFailed(f'persistentvolumeclaim "{claim}" not found')
        if found.get("status", {}).get("phase") != "Bound":
            raise MountFailed(f'PVC "{claim}" is not bound')
        volume = await self._find(f"/api/v1/persistentvolumes/{found['spec']['volumeName']}")
        source = (volume or {}).get("spec", {}).get("hostPath")
        if source is None:
            raise MountFailed(f'the volume of PVC "{claim}" has no hostPath')
        return _host_path(Path(source["path"]), source.get("type", ""))

    async def _fill(self, folder: Path, part: Object) -> None:
        match part:
            case {"secret": source} | {"configMap": source}:
                kind = "Secret" if "secret" in part else "ConfigMap"
                files = await self._data(kind, source)
            case {"downwardAPI": source}:
                files = {one["path"]: self._downward(one) for one in source.get("items", ())}
            case {"serviceAccountToken": source}:
                files = {source["path"]: await self._token(source)}
            case _:
                raise MountFailed(f"this node cannot project {', '.join(part)}")
        _write(folder, files)

    async def _data(self, kind: str, source: Object) -> dict[str, bytes]:
        plural = {"Secret": "secrets", "ConfigMap": "configmaps"}[kind]
        namespace, name = self._meta["namespace"], source.get("name", "")
        found = await self._find(f"/api/v1/namespaces/{namespace}/{plural}/{name}")
        if found is None:
            if source.get("optional"):
                return {}
            raise MountFailed(f'{kind.lower()} "{name}" not found')
        data = decoded(found)
        if not source.get("items"):
            return data
        missing = [one["key"] for one in source["items"] if one["key"] not in data]
        if missing and not source.get("optional"):
            raise MountFailed(f"references non-existent {kind.lower()} key: {missing[0]}")
        return {one["path"]: data[one["key"]] for one in source["items"] if one["key"] in data}

    def _downward(self, item: Object) -> bytes:
        if "fieldRef" in item:
            return field(self._pod, item["fieldRef"]["fieldPath"], self._addresses).encode()
        reference = item["resourceFieldRef"]
        for container in self._pod["spec"]["containers"]:
            if container["name"] == reference.get("containerName"):
                return resource(container, reference["resource"]).encode()
        return b""

    async def _token(self, source: Object) -> bytes:
        namespace = self._meta["namespace"]
        account = self._pod["spec"].get("serviceAccountName", "default")
        pod = {"kind": "Pod", "apiVersion": "v1"} | {
            key: self._meta[key] for key in ("name", "uid")
        }
        spec = {"boundObjectRef": pod, "expirationSeconds": source.get("expirationSeconds", 3600)}
        if source.get("audience"):
            spec["audiences"] = [source["audience"]]
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        try:
            answer = await self._api.create(path, {"spec": spec})
        except ApiError as error:
            raise MountFailed(f"failed to fetch token: {error}") from error
        return str(answer["status"]["token"]).encode()

    async def _find(self, path: str) -> Object | None:
        try:
            return await self._api.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise MountFailed(str(error)) from error


def _write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _host_path(path: Path, kind: str) -> Path:
    if kind == "Directory" and not path.is_dir():
        raise MountFailed(f"hostPath type check failed: {path} is not a directory")
    if kind == "File" and not path.is_file():
        raise MountFailed(f"hostPath type check failed: {path} is not a file")
    if kind == "FileOrCreate":
        path.touch()
    elif not path.exists():
        path.mkdir(parents=True)
    return path
