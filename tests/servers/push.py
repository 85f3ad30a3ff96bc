"""A push service and a browser's keys for the tests: takes sealed messages, opens them with libraries that are not ours.

Prints one JSON line when it is ready (port, and the keys of a subscription), then one for each message it took. The
path chooses what happens: /gone is answered 410, /busy-once 429 the first time, and everything else 201.
"""

import base64
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02

PRIVATE = ec.generate_private_key(ec.SECP256R1())
AUTH = os.urandom(16)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def say(message):
    print(json.dumps(message), flush=True)


def claims_of(authorization):
    token = authorization.split("t=", 1)[1].split(".", 2)[1]
    return json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))


class Service(BaseHTTPRequestHandler):
    busy = set()

    def do_POST(self):
        sealed = self.rfile.read(int(self.headers["content-length"]))
        authorization = self.headers["authorization"]
        say(
            {
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "signed": Vapid02.verify(authorization),
                "claims": claims_of(authorization),
                "key": authorization.split("k=", 1)[1],
                "length": len(sealed),
                "says": json.loads(http_ece.decrypt(sealed, private_key=PRIVATE, auth_secret=AUTH, version="aes128gcm")),
            }
        )
        self.answer()

    def answer(self):
        if self.path == "/gone":
            self.send_response(410)
        elif self.path == "/busy-once" and self.path not in self.busy:
            self.busy.add(self.path)
            self.send_response(429)
            self.send_header("retry-after", "1")
        else:
            self.send_response(201)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
public = PRIVATE.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
say({"port": server.server_address[1], "keys": {"p256dh": base64url(public), "auth": base64url(AUTH)}})
try:
    server.serve_forever()
except KeyboardInterrupt:
    sys.exit(0)
