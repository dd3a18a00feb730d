"""The Helm chart as text: what it renders to. `tests/apiserver/chart` installs it."""
