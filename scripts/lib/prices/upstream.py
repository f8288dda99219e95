"""The genai-prices package: fetched with pip, checked against the pin, read without running it."""

import ast
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile
from typing import NamedTuple

DATA = "genai_prices/data.py"


class Fault(Exception):
    pass


class Package(NamedTuple):
    version: str
    pin: dict
    providers: list


def open_wheel(wheel, version, pin):
    """The package of the file `wheel`, or of `version` or the pin from the package index."""
    with tempfile.TemporaryDirectory() as folder:
        path = wheel or download(version or pin["version"], folder)
        return read(pathlib.Path(path), version, pin)


def download(version, folder):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run([*command, "--dest", folder, f"genai-prices=={version}"], check=False)
    if done.returncode != 0:
        raise Fault(f"pip could not get genai-prices {version}; give a wheel with --from")
    return next(pathlib.Path(folder).glob("*.whl"))


def read(path, version, pin):
    parts = path.name.split("-")
    if parts[0] != "genai_prices" or len(parts) < 3 or not zipfile.is_zipfile(path):
        raise Fault(f"{path} is no wheel of genai-prices")
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    found = {"version": parts[1], "sha256": checksum}
    if found["version"] != (version or pin["version"]):
        raise Fault(f"{path.name} is not version {version or pin['version']}; name its version with --version")
    if found["version"] == pin["version"] and checksum != pin["sha256"]:
        raise Fault(f"{path.name} has the checksum {checksum}, not the pinned {pin['sha256']}")
    with zipfile.ZipFile(path) as archive:
        source = archive.read(DATA).decode()
    return Package(found["version"], found, providers(source))


def providers(source):
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.AnnAssign) and statement.target.id == "providers":
            return value(statement.value)
    raise Fault(f"{DATA} has no providers: the package has a new layout")


def value(node):
    """Calls become dictionaries with the callee's name under `is`; decimals keep their text."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple)):
        return [value(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        return {value(key): value(item) for key, item in zip(node.keys, node.values)}
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        positional = [value(argument) for argument in node.args]
        if name == "Decimal":
            return positional[0]
        if name == "datetime.date" or name == "date":
            return "{:04}-{:02}-{:02}".format(*positional)
        return {"is": name, **{keyword.arg: value(keyword.value) for keyword in node.keywords}}
    return ast.unparse(node)
