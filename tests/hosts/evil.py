# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that lies: stands before a real moss-host and changes what it answers.

evil.py LISTEN PORT REAL-PORT MODE-FILE; the file holds one word, read at each request:
  honest            passes everything on
  flip              flips a bit in each object
  truncate          cuts bundles short
  withhold          has taken everything and gives nothing back
  slow              answers a byte at a time
  old               shows the first cell it ever had
  split DEVICE      shows the device with this fingerprint the cell of now, the others the newest
"""
import base64
import http.client
import http.server
import struct
import sys
import time

LISTEN, PORT, REAL, MODE_FILE = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
cells = []
frozen = []


def mode():
    with open(MODE_FILE, encoding="utf-8") as file:
        return (file.read().split() or ["honest"]) + [""]


def unbundle(body):
    at, objects = 0, []
    while at + 4 <= len(body):
        (length,) = struct.unpack_from("<I", body, at)
        objects.append(bytearray(body[at + 4:at + 4 + length]))
        at += 4 + length
    return objects


def bundle(objects):
    return b"".join(struct.pack("<I", len(data)) + bytes(data) for data in objects)


def asking_device(header):
    try:
        return base64.b64decode(header.split(" ", 1)[1])[64:96].hex()
    except (IndexError, ValueError):
        return ""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *unused):
        pass

    def pass_on(self, drop=()):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        real = http.client.HTTPConnection("127.0.0.1", REAL, timeout=400)
        headers = {key: value for key, value in self.headers.items()
                   if key.lower() not in ("host", "connection", "content-length") + drop}
        real.request(self.command, self.path, body=body or None, headers=headers)
        answer = real.getresponse()
        return answer, answer.read()

    def do(self):
        word, device, *_ = mode()
        is_cell = self.path.startswith("/cell/")
        wants_old = word == "old" or (word == "split" and
                                      asking_device(self.headers.get("Authorization", "")) == device)
        if word != "split":
            frozen[:] = []
        elif not frozen:
            frozen[:] = cells[-1:]
        lies = is_cell and self.command == "GET" and wants_old and cells
        answer, body = self.pass_on(("if-none-match", "prefer") if lies else ())
        status = answer.status
        headers = [(key, value) for key, value in answer.getheaders()
                   if key.lower() in ("etag", "content-type", "moss-used", "moss-quota", "retry-after")]
        if is_cell and self.command == "GET" and status == 200:
            if body not in cells:
                cells.append(body)
            if lies:
                body = frozen[0] if word == "split" else cells[0]
        if self.path.endswith("/fetch") and status == 200:
            body = self.spoil(word, body)
        if self.path.endswith("/missing") and word == "withhold":
            body = b""
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.give(word, body)

    def spoil(self, word, body):
        objects = unbundle(body)
        if word == "flip":
            for data in objects:
                if data:
                    data[len(data) // 2] ^= 1
            return bundle(objects)
        if word == "withhold":
            return bundle([b""] * len(objects))
        return body[:-7] if word == "truncate" else body

    def give(self, word, body):
        if word != "slow" or not self.path.endswith("/fetch"):
            self.wfile.write(body)
            return
        for byte in body:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.3)

    do_GET = do_PUT = do_POST = do_HEAD = do


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


Server((LISTEN, PORT), Handler).serve_forever()
