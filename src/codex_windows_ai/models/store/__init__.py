"""The models on this machine: listed, fetched, added, removed, verified."""

from codex_windows_ai.models.store.model_store import InstalledModel, ModelStore

__all__ = ["InstalledModel", "ModelStore"]
