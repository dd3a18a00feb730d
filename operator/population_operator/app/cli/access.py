"""Which cluster a command asks, as the user said it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Access:
    """As kubectl's flags of the same names; none: what the kubeconfig says."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None

    @property
    def given(self) -> bool:
        """Whether the user said anything: then a cluster is meant, whatever folders there are."""
        return (self.namespace, self.context, self.kubeconfig) != (None, None, None)
