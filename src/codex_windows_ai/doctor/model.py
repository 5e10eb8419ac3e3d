"""The check of the model that would answer."""

from __future__ import annotations

from codex_windows_ai.doctor.report import Finding
from codex_windows_ai.errors import ModelError
from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.settings import DEFAULT_MODEL, load_settings

__all__ = ["check_model"]


def check_model() -> Finding:
    """Which model would answer, whether it is installed, and whether its files are sound."""
    name = load_settings().model
    store = ModelStore()
    installed = {model.name: model for model in store.list()}
    details = {"model": name, "installed": sorted(installed)}
    if name not in installed:
        if name == DEFAULT_MODEL:
            summary = f"{name} would answer; it is not installed yet and is fetched on first use"
            return Finding("warning", summary, details, f"cwai models add {name}")
        from codex_windows_ai.windows_ai.model_proof import model_store

        model = model_store().resolve(name)  # a folder's path, a file that is added, or an error that says what to do
        details["cpu_graph"] = model.cpu_model_file.name
        return Finding("ok", f"the model folder {model.path} would answer", details)
    try:
        store.verify(name)
    except ModelError as error:
        fix = f"cwai models remove {name} && cwai models add {name if name == DEFAULT_MODEL else 'PATH'}"
        return Finding("fail", error.message, details, fix)
    details["path"] = str(installed[name].path)
    details["cpu_graph"] = store.resolve(name).cpu_model_file.name
    return Finding("ok", f"{name} would answer; it is installed and every file is sound", details)
