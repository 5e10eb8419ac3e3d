import subprocess
from collections.abc import Iterator

import pytest

from tests.wine.driver_machine import DriverMachine
from tests.wine.windows import ROOT, WindowsMachine

AI_CLASSES = {
    "Microsoft__Windows__AI__Text": (
        "Microsoft.Windows.AI.Text.LanguageModel Microsoft.Windows.AI.Text.LanguageModelOptions "
        "Microsoft.Windows.AI.Text.TextSummarizer Microsoft.Windows.AI.Text.TextRewriter"
    ),
    "Microsoft__Windows__AI": "Microsoft.Windows.AI.AICapabilities",
    "Windows__AI__Actions": "Windows.AI.Actions.ActionRuntime",
    "Windows__ApplicationModel": "Windows.ApplicationModel.LimitedAccessFeatures",
}


@pytest.fixture(scope="session")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindowsMachine]:
    """Windows 11 25H2 with doubles of the AI services, which do what `DOUBLE_…` variables say."""
    machine = WindowsMachine(tmp_path_factory.mktemp("wine"))
    machine.register_classes(**AI_CLASSES)
    yield machine
    machine.close()


@pytest.fixture(scope="module")
def machine(windows: WindowsMachine) -> Iterator[DriverMachine]:
    """A Windows on which the driver runs."""
    subprocess.run(["make", "--silent", "--directory", str(ROOT / "driver")], check=True)
    machine = DriverMachine(windows)
    try:
        machine.install()
        yield machine
    finally:
        machine.close()
