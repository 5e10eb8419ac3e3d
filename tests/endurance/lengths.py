"""How long the tests of this folder run: short by default, as long as the environment says for `make endurance`."""

from __future__ import annotations

import os

SOAK_MINUTES = float(os.environ.get("ENDURANCE_MINUTES", "0.2"))
KILLS = int(os.environ.get("ENDURANCE_KILLS", "4"))
BODIES = int(os.environ.get("ENDURANCE_BODIES", "600"))

PATIENCE_SECONDS = 6 * 3600
"""The longest that a test may take where it is told to run long."""
