"""What can be known under Wine of the way to package identity: that the interpreter survives where it is put."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

from tests.wine.windows import PYTHON, ROOT, WindowsMachine, windows_path

REGISTER = (ROOT / "packaging" / "windows" / "register.ps1").read_text(encoding="utf-8")


def test_the_real_python_that_is_copied_into_an_environment_runs_that_environment(
    windows: WindowsMachine, tmp_path: Path
) -> None:
    base, environment = tmp_path / "Python311", tmp_path / "environment"
    scripts = environment / "Scripts"
    scripts.mkdir(parents=True)
    _install_python(base)
    copied = re.findall(r'"\$base\\([^"]+)"', REGISTER)
    for file in [file for pattern in copied for file in base.glob(pattern)]:
        shutil.copy(file, scripts)
    (environment / "pyvenv.cfg").write_text(f"home = {windows_path(base)}\n", encoding="utf-8")

    # Started as `cwai` starts the host: by the path that the program itself goes by.
    nested = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import ssl, sys; print(sys.prefix)'])"
    started = f"import subprocess; subprocess.run([{windows_path(scripts / 'python.exe')!r}, '-c', {nested!r}])"
    ran = windows.python("-c", started)

    assert copied
    assert ran.stdout.strip() == windows_path(environment), ran.stderr


def _install_python(folder: Path) -> None:
    """A Python as python.org's installer puts it on a PC, made of the embeddable one."""
    folder.mkdir()
    for file in [*PYTHON.parent.glob("*.dll"), *PYTHON.parent.glob("*.pyd"), PYTHON]:
        (folder / file.name).symlink_to(file)
    with zipfile.ZipFile(PYTHON.parent / "python311.zip") as library:
        library.extractall(folder / "Lib")
