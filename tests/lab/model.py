"""A model on loopback that speaks Anthropic's, OpenAI's and Gemini's HTTP APIs, and checks what an agent sends it.

It asks for one tool call, again as long as it is told to call again, and then says that it is done. What an agent asks
besides, without offering the tool (a title, a summary), it answers with a word.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dialects

# An answer of hitl that wants the same call again.
AGAIN = "again with the same arguments"


class Model:
    """One conversation: `tool` is to be called with `arguments`; `before_retry` runs before it is called again."""

    def __init__(self, tool, arguments, before_retry=lambda: None):
        self.tool, self.arguments, self.before_retry = tool, arguments, before_retry
        self.results, self.complaints, self.unknown = [], [], []
        self.calls = 0
        self.lock = threading.Lock()
        handler = type("Handler", (Handler,), {"model": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def complain(self, what):
        if what not in self.complaints:
            self.complaints.append(what)

    def next_step(self, asked):
        """What to answer: a call of the tool under the name it was offered by, or a text."""
        offered = [name for name in asked.tools if name == self.tool or name.endswith(tuple(sign + self.tool for sign in "_-/"))]
        if not offered:
            return None, "ok"
        with self.lock:
            self.check(asked)
            new = asked.results[len(self.results) :]
            self.results += [text for _, text in new]
            again = bool(new) and AGAIN in new[-1][1] and self.calls < 3
            if again:
                self.before_retry()
            if not asked.results or again:
                self.calls += 1
                return offered[0], f"call_{self.calls}"
            return None, "All done."

    def check(self, asked):
        """The results are those of the calls we asked for, in order."""
        ids = [call for call, _ in asked.results]
        wanted = [f"call_{count + 1}" for count in range(self.calls)]
        if any(ids) and ids != wanted:
            self.complain(f"results for {ids} instead of {wanted}")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model = None

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.reply(b"", "text/plain")

    def do_GET(self):
        if self.path.split("?")[0].endswith("/models"):
            self.reply_json(dialects.MODELS)
        else:
            self.model.unknown.append("GET " + self.path)
            self.reply_json({})

    def do_POST(self):
        body = self.body()
        dialect = dialects.of(self.path)
        if not dialect:
            self.model.unknown.append("POST " + self.path)
            return self.reply_json({})
        try:
            asked = dialect.read(json.loads(body), self.path)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            self.model.complain(f"{self.path}: not what {dialect.__name__} says: {error!r}")
            return self.reply_json({"error": {"message": repr(error)}}, 400)
        tool, said = self.model.next_step(asked)
        if tool:
            events = dialect.call(said, tool, self.model.arguments)
        else:
            events = dialect.say(said)
        if asked.stream:
            self.reply(dialect.stream(events).encode(), "text/event-stream")
        else:
            self.reply_json(dialect.whole(events))

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def reply_json(self, value, status=200):
        self.reply(json.dumps(value).encode(), "application/json", status)

    def reply(self, body, kind, status=200):
        try:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            pass
