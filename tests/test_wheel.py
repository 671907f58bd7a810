"""What an installation from a wheel holds: the package with its content, and nothing beside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nodeflow import content

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    return zipfile.ZipFile(wheel).namelist()


def test_nothing_but_the_package_is_put_into_site_packages(names: list[str]) -> None:
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"nodeflow"}


@pytest.mark.parametrize("folder", ["nodes", "graphs", "assets"])
def test_the_content_is_carried_whole_but_for_recipes_and_screenshots(names: list[str], folder: str) -> None:
    source = content.folder(folder)
    files = [file for file in source.rglob("[!.]*") if file.is_file() and "__pycache__" not in file.parts]
    kept = [file for file in files if not {"recipes", "screenshots"} & {*file.relative_to(source).parts}]
    wanted = {file.relative_to(source.parent).as_posix() for file in kept}
    carried = {name.removeprefix("nodeflow/_content/") for name in names}
    assert {name for name in carried if name.startswith(f"{folder}/")} == wanted


def test_an_unpacked_wheel_finds_its_own_nodes(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import nodeflow; from nodeflow import content; "
        "from nodeflow.packs import default_library; assert nodeflow.__file__.startswith(sys.argv[1]); "
        "assert str(content.folder('nodes')).startswith(sys.argv[1]); assert 'image/load' in default_library().ids(); "
        "assert not default_library().faults, default_library().faults"
    )
    subprocess.run([sys.executable, "-P", "-c", code, tmp_path / "site"], cwd=tmp_path, check=True)
