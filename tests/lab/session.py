"""A session with a server, one message at a time: what it wrote, on stdout and stderr, and how it ended."""

import json
import os
import queue
import signal
import subprocess
import threading
from dataclasses import dataclass

# How long an answer may take, and how long a client waits after EOF, and again after SIGTERM.
ANSWER, GRACE = 180, 30


@dataclass
class Seen:
    """What one run left behind; a signal n as exit code is 128+n, as a shell says it."""

    stdout: list
    stderr: str
    code: int
    answers: dict


class Session:
    def __init__(self, command, env, cwd, stderr=subprocess.PIPE):
        self.process = subprocess.Popen(
            command, env=env, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
            start_new_session=True,
        )
        self.lines, self.stdout, self.stderr, self.answers = queue.Queue(), [], [], {}
        reads = [self.read_stdout] + [self.read_stderr] * (stderr == subprocess.PIPE)
        self.readers = [threading.Thread(target=read, daemon=True) for read in reads]
        for reader in self.readers:
            reader.start()

    def read_stdout(self):
        for line in self.process.stdout:
            self.stdout.append(line)
            self.lines.put(line)
        self.lines.put(None)

    def read_stderr(self):
        for line in self.process.stderr:
            self.stderr.append(line)

    def send(self, message):
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ConnectionResetError):
            pass

    def ask(self, id, method, params):
        """Sends a request and waits for its answer; what the server asks meanwhile it is told we cannot do."""
        self.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        while True:
            try:
                line = self.lines.get(timeout=ANSWER)
            except queue.Empty:
                return None
            if line is None:
                self.lines.put(None)
                return None
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if "method" in message and "id" in message:
                error = {"code": -32601, "message": "not here"}
                self.send({"jsonrpc": "2.0", "id": message["id"], "error": error})
            elif message.get("id") == id:
                self.answers[id] = message
                return message

    def end(self):
        """Ends it as SDK clients do: EOF, a while, SIGTERM, a while, SIGKILL."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        for step in (signal.SIGTERM, signal.SIGKILL):
            try:
                self.process.wait(GRACE)
                break
            except subprocess.TimeoutExpired:
                self.process.send_signal(step)
        code = self.process.wait()
        for reader in self.readers:
            reader.join(GRACE)
        self.sweep()
        return Seen(self.stdout, b"".join(self.stderr).decode(errors="replace"), code if code >= 0 else 128 - code, self.answers)

    def sweep(self):
        """Whatever the server left running goes with its session."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def legacy(session, call):
    info = {"name": "lab", "version": "1"}
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info}
    if session.ask("hello", "initialize", hello) is None:
        return
    session.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    session.ask("list", "tools/list", {})
    if call:
        session.ask("call", "tools/call", call)


def modern(session, call):
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "lab", "version": "1"},
    }
    answer = session.ask("discover", "server/discover", {"_meta": meta})
    if answer is None or "result" not in answer:
        return
    session.ask("list", "tools/list", {"_meta": meta})
    session.ask("call", "tools/call", {**call, "_meta": meta})


ERAS = {"legacy": legacy, "modern": modern}
