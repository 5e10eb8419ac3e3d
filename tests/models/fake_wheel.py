"""A small wheel with a tiny model in it, pinned as the default model's real one is."""

import hashlib
import zipfile
from pathlib import Path

from codex_windows_ai.models.store.download import WheelModel
from tests.models.synthetic import Tiny

MEMBER = "tiny_model_wheel/tiny.gguf"
METADATA = "Metadata-Version: 2.1\nName: tiny-model-wheel\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path) -> tuple[Path, WheelModel]:
    """The wheel in `folder`, and its pin."""
    model = Tiny().write(folder / "tiny.gguf")
    content = model.read_bytes()
    model.unlink()
    wheel = folder / "tiny_model_wheel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(MEMBER), content)
        information = "tiny_model_wheel-1.0.dist-info"
        archive.writestr(zipfile.ZipInfo(f"{information}/METADATA"), METADATA)
        archive.writestr(zipfile.ZipInfo(f"{information}/WHEEL"), WHEEL)
        archive.writestr(zipfile.ZipInfo(f"{information}/RECORD"), "")
    pin = WheelModel(
        distribution="tiny-model-wheel",
        version="1.0",
        wheel_bytes=wheel.stat().st_size,
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member=MEMBER,
        member_bytes=len(content),
        member_sha256=hashlib.sha256(content).hexdigest(),
    )
    return wheel, pin
