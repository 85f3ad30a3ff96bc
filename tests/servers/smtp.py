"""A mail server for the tests, speaking real SMTP.

Usage: smtp.py plain|starttls|tls

Prints one JSON line when it is ready (port, and the PEM of the authority that signed its certificate), then one for
each mail it took. The login is hub / right. Recipients choose what happens: busy-once@ is refused with 451 the first
time, refused@ with 550 each time, and for hang@ there is never an answer.
"""

import asyncio
import json
import ssl
import sys

import trustme
from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self):
        self.seen = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "hang":
            await asyncio.Event().wait()
        if name == "refused":
            return "550 5.1.1 no such user here"
        if name == "busy-once" and address not in self.seen:
            self.seen.add(address)
            return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        say(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "encrypted": session.ssl is not None,
                "login": session.auth_data.login.decode() if session.auth_data else None,
                "mail": envelope.content.decode("ascii"),
            }
        )
        return "250 OK"


def say(message):
    print(json.dumps(message), flush=True)


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"hub" and data.password == b"right", handled=False, auth_data=data)


async def main(mode):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    handler = Handler()

    def connection():
        return SMTP(
            handler,
            tls_context=context if mode == "starttls" else None,
            require_starttls=mode == "starttls",
            authenticator=authenticate,
            auth_required=mode != "plain",
            auth_require_tls=mode == "starttls",
        )

    wrapped = context if mode == "tls" else None
    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0, ssl=wrapped)
    port = server.sockets[0].getsockname()[1]
    say({"port": port, "ca": authority.cert_pem.bytes().decode()})
    await server.serve_forever()


asyncio.run(main(sys.argv[1]))
