"""Windows ML by the name that the product's plan gave it; the code is `devices/windows_ml.py`."""

from __future__ import annotations

from codex_windows_ai.devices.windows_ml import (
    CatalogProvider,
    Registration,
    fetch_provider,
    list_providers,
    register_libraries,
)

__all__ = ["CatalogProvider", "Registration", "fetch_provider", "list_providers", "register_libraries"]
