"""What is needed is said once, in pyproject.toml: the conda environment installs that, and each dependency says why."""
import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PACKAGE = (ROOT / "pyproject.toml").read_text()


def test_conda_installs_what_the_package_names():
    found = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = found["dependencies"]
    assert found["channels"] == ["conda-forge"] and pip == {"pip": ["-c constraints.txt", "-e .[all]"]}
    version = next(line for line in conda if line.startswith("python=")).removeprefix("python=")
    least = tomllib.loads(PACKAGE)["project"]["requires-python"].removeprefix(">=")
    assert tuple(map(int, version.split("."))) >= tuple(map(int, least.split(".")))


def test_every_dependency_says_who_needs_it():
    named = PACKAGE[PACKAGE.index("\ndependencies = [") : PACKAGE.index("[tool.hatch")].splitlines()
    lines = [line for line in named if re.match(r'(    "|\w+ = \[")', line) and not line.startswith("all =")]
    assert len(lines) > 15 and not [line for line in lines if not re.search(r"#\s+\S", line)]


def test_every_dependency_has_the_version_that_the_results_were_made_with():
    package = tomllib.loads(PACKAGE)["project"]
    asked = [*package["dependencies"], *(one for extra in package["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[<>=\[]", one)[0].lower().replace("_", "-") for one in asked} - {"nib-utils"}
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.M)
    assert names <= {name.lower().replace("_", "-") for name in pinned} | {"setuptools"}
