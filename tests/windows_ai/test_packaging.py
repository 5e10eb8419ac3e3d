"""The manifests that lend package identity."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

FOLDER = Path(__file__).parents[2] / "packaging" / "windows"
NAMESPACES = {
    "": "http://schemas.microsoft.com/appx/manifest/foundation/windows10",
    "systemai": "http://schemas.microsoft.com/appx/manifest/systemai/windows10",
    "uap10": "http://schemas.microsoft.com/appx/manifest/uap/windows10/10",
    "asm": "urn:schemas-microsoft-com:asm.v1",
    "msix": "urn:schemas-microsoft-com:msix.v1",
}


def read(name: str) -> ElementTree.Element:
    return ElementTree.parse(FOLDER / name).getroot()


def find(root: ElementTree.Element, path: str) -> ElementTree.Element:
    found = root.find(path, NAMESPACES)
    assert found is not None, path
    return found


def test_the_package_declares_what_windows_asks_for() -> None:
    package = read("AppxManifest.xml")

    assert find(package, "Capabilities/systemai:Capability").get("Name") == "systemAIModels"
    assert find(package, "Properties/uap10:AllowExternalContent").text == "true"
    newest = find(package, "Dependencies/TargetDeviceFamily").get("MaxVersionTested", "")
    assert tuple(map(int, newest.split("."))) >= (10, 0, 26226, 0)


def test_the_package_brings_the_app_runtime_since_a_process_with_identity_gets_it_in_no_other_way() -> None:
    """Of the version that the projections are made for, which is what the bootstrapper asks for without identity."""
    runtime = find(read("AppxManifest.xml"), "Dependencies/PackageDependency")

    pinned = (FOLDER.parents[1] / "scripts" / "requirements.txt").read_text(encoding="utf-8")
    made_for = re.search(r"^winrt-microsoft-windowsappruntime-bootstrap==4!([\d.]+)", pinned, re.MULTILINE)
    assert made_for
    assert runtime.get("Name") == f"Microsoft.WindowsAppRuntime.{made_for[1].partition('.')[0]}"
    assert runtime.get("MinVersion") == f"{made_for[1]}.0"


def test_every_prefix_that_older_builds_do_not_know_may_be_ignored() -> None:
    text = (FOLDER / "AppxManifest.xml").read_text(encoding="utf-8")

    declared = set(re.findall(r"xmlns:(\w+)=", text))
    ignorable = re.search(r'IgnorableNamespaces="([^"]+)"', text)
    assert ignorable
    assert set(ignorable[1].split()) == declared


def test_program_and_package_name_each_other_and_have_the_projects_version() -> None:
    package, program = read("AppxManifest.xml"), read("python.exe.manifest")
    identity, link = find(package, "Identity"), find(program, "msix:msix")

    assert (link.get("packageName"), link.get("publisher")) == (identity.get("Name"), identity.get("Publisher"))
    application = find(package, "Applications/Application")
    assert (application.get("Id"), application.get("Executable")) == (link.get("applicationId"), "python.exe")
    ours = f"{version('codex-windows-ai')}.0"
    assert identity.get("Version") == find(program, "asm:assemblyIdentity").get("version") == ours


def test_every_image_that_the_package_names_is_there() -> None:
    text = (FOLDER / "AppxManifest.xml").read_text(encoding="utf-8")

    images = re.findall(r"images\\[\w-]+\.png", text)
    assert len(images) == 3
    for image in images:
        assert (FOLDER / image.replace("\\", "/")).read_bytes().startswith(b"\x89PNG")
