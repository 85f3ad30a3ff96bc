"""Runs a command between a client and us, and keeps every byte of both directions as it passes.

Usage: tee.py NAME COMMAND [ARGS...]    writes NAME-PID.in (what the client sent) and NAME-PID.out (what it was sent)
"""

import ctypes
import os
import subprocess
import sys
import threading


def copy(source, target, record):
    with open(record, "ab", buffering=0) as kept:
        while chunk := os.read(source, 65536):
            kept.write(chunk)
            try:
                while chunk:
                    chunk = chunk[os.write(target, chunk) :]
            except BrokenPipeError:
                return


def die_with_us():
    """A client may kill us without a word, and a server that ignores EOF would stay."""
    pr_set_pdeathsig, sigterm = 1, 15
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, sigterm)


child = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_us)


def to_child():
    copy(0, child.stdin.fileno(), f"{sys.argv[1]}-{os.getpid()}.in")
    child.stdin.close()


threading.Thread(target=to_child, daemon=True).start()
copy(child.stdout.fileno(), 1, f"{sys.argv[1]}-{os.getpid()}.out")
code = child.wait()
sys.stdout.flush()
os._exit(code if code >= 0 else 128 - code)
