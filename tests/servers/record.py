"""Runs a server and keeps what it reads: copies stdin to a file and to the server, byte for byte.

Usage: record.py FILE COMMAND [ARGS...]

The server's stdout is inherited, so what it writes is not touched. The exit code is the server's.
"""

import os
import subprocess
import sys

server = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE)
with open(sys.argv[1], "ab", buffering=0) as record:
    while chunk := os.read(0, 65536):
        record.write(chunk)
        server.stdin.write(chunk)
        server.stdin.flush()
server.stdin.close()
sys.exit(server.wait())
