"""A hub of its own with its administrator and an agent, from the binaries under test (HITL_BIN, else target/debug)."""

import http.cookiejar
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

TESTS = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("HITL_BIN", TESTS.parent / "target/debug")).resolve()
WRAP = str(BIN / "hitl-wrap")
PASSWORD = "correct horse battery staple"
# Anything may take as long as this on a busy machine.
PATIENCE = 120


def until(what, look):
    """Waits until `look` returns something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.05)
    raise TimeoutError(f"waited {PATIENCE} s for {what}")


def built():
    """Leaves with a sentence where the binaries are missing."""
    if not (BIN / "hitl-hub").exists():
        sys.exit(f"{BIN} holds no binaries: run cargo build --bins, or name their folder with HITL_BIN")


class Place:
    """A running hub, with settings of its own by their variables; use it in a `with`."""

    def __init__(self, **settings):
        built()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="hitl-lab-"))
        self.env = {"HOME": str(self.dir), "PATH": os.environ["PATH"], "HITL_DATA_DIR": str(self.dir / "hub")}
        self.env |= settings
        self.run("user", "add", "ann", "--role", "admin", "--password-stdin", stdin=PASSWORD + "\n")
        self.token = self.run("agent", "add", "agent").splitlines()[-1]
        self.start()
        self.sign_in()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, *args, stdin=None):
        done = subprocess.run([BIN / "hitl-hub", *args], env=self.env, input=stdin, text=True, capture_output=True)
        if done.returncode:
            sys.exit(f"hitl-hub {' '.join(args)}: {done.stderr}")
        return done.stdout.strip()

    def start(self):
        log = open(self.dir / "hub.log", "wb")
        command = [BIN / "hitl-hub", "serve", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, env=self.env, stdout=subprocess.DEVNULL, stderr=log)
        said = lambda: re.search(r"listening on (http://\S+)", (self.dir / "hub.log").read_text())
        self.url = until("the hub", said)[1]

    def sign_in(self):
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)
        self.csrf = ""
        self.csrf = self.ask("POST", "/session", {"name": "ann", "password": PASSWORD})["csrf"]

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", "origin": self.url, "x-hitl-csrf": self.csrf}
        request = urllib.request.Request(self.url + "/api/v1" + path, data, headers, method=method)
        with self.opener.open(request, timeout=PATIENCE) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def approvals(self):
        """All there are, oldest first."""
        return self.ask("GET", "/approvals")["items"][::-1]

    def pending(self):
        """The card that waits, as soon as there is one."""
        return until("a card", lambda: self.ask("GET", "/approvals?status=pending")["items"])[0]

    def approve(self, card):
        self.ask("POST", f"/approvals/{card['id']}/approve", {})

    def reject(self, card, reason):
        self.ask("POST", f"/approvals/{card['id']}/reject", {"reason": reason})

    def knows(self, server):
        """Waits until the server's tools were reported."""
        named = lambda: [one for one in self.ask("GET", "/servers")["items"] if one["name"] == server and one["tools"]]
        return until(f"the tools of {server}", named)[0]

    def wrapped(self, server, command, **env):
        """The command with the shim in front, and the variables that it needs."""
        home = tempfile.mkdtemp(prefix="wrap-", dir=self.dir)
        variables = {"HITL_HUB": self.url, "HITL_AGENT_TOKEN": self.token, "HITL_DATA_DIR": home, **env}
        return [WRAP, "--server", server, "--", *command], variables
