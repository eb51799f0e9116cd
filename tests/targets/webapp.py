# SPDX-License-Identifier: BSD-2-Clause
"""A small web back end, standard library only: the workload of `make demo`, and a picture of what
profd is made for.

One process: an HTTP server with a thread per connection, routes that parse, query, sort, render
and hash, a worker thread that builds reports in native code (zlib, hashlib) from a queue, and a
load generator of its own: a child process of two clients on the loopback. It ends by itself after
the seconds given (30), or with SIGTERM.

    webapp.py [SECONDS]        prints READY PID as soon as it serves
"""

import hashlib
import html
import http.client
import json
import os
import queue
import random
import re
import signal
import sqlite3
import string
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = """time network socket buffer kernel thread stack frame sample profile flame graph engine
table index page cache queue worker request response header cookie session token order basket
customer invoice price""".split()

PAGE = string.Template("""<!doctype html><html><head><title>$title</title></head>
<body><h1>$title</h1><table>$rows</table><footer>$footer</footer></body></html>""")


# ---- storage -----------------------------------------------------------------------------------


class OrderStore:
    """Orders in an in-memory SQLite database."""

    def __init__(self, count=1200):
        self.lock = threading.Lock()
        self.db = sqlite3.connect(":memory:", check_same_thread=False)
        self.db.execute(
            "CREATE TABLE orders "
            "(id INTEGER PRIMARY KEY, customer TEXT, item TEXT, price REAL, note TEXT)"
        )
        chance = random.Random(7)
        self.db.executemany(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?)",
            (self.make_order(chance, i) for i in range(count)),
        )

    @staticmethod
    def make_order(chance, number):
        note = " ".join(chance.choices(WORDS, k=12))
        return (
            number,
            f"customer-{chance.randrange(300)}",
            chance.choice(WORDS),
            chance.random() * 100,
            note,
        )

    def search(self, word):
        query = (
            "SELECT id, customer, item, price, note FROM orders "
            "WHERE note LIKE ? ORDER BY price DESC LIMIT 60"
        )
        with self.lock:
            return self.db.execute(query, (f"%{word}%",)).fetchall()

    def turnover_by_customer(self):
        query = (
            "SELECT customer, SUM(price), COUNT(*) FROM orders "
            "GROUP BY customer ORDER BY 2 DESC LIMIT 40"
        )
        with self.lock:
            return self.db.execute(query).fetchall()


# ---- logic -------------------------------------------------------------------------------------


def edit_distance(left, right):
    previous = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        current = [i]
        for j, b in enumerate(right, 1):
            current.append(min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a != b)))
        previous = current
    return previous[-1]


def suggest_words(typed, limit=5):
    return sorted(WORDS, key=lambda word: edit_distance(typed, word))[:limit]


WORD_PATTERN = re.compile(r"\b([a-z]+)(?:ing|ed|er|s)?\b", re.IGNORECASE)


def tokenize(text):
    return [match.group(1).lower() for match in WORD_PATTERN.finditer(text)]


def rank_orders(rows, word):
    def relevance(row):
        tokens = tokenize(row[4])
        return tokens.count(word) * 10 + row[3] / 100

    return sorted(rows, key=relevance, reverse=True)


def sign_session(user, rounds=2500):
    return hashlib.pbkdf2_hmac("sha256", user.encode(), b"a salt of the demo", rounds).hex()


def serialize_orders(rows):
    return json.dumps(
        [{"id": r[0], "customer": r[1], "item": r[2], "price": round(r[3], 2)} for r in rows]
    )


def render_page(title, rows):
    cells = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return PAGE.substitute(title=html.escape(title), rows=cells, footer=time.strftime("%H:%M:%S"))


# ---- the worker thread -------------------------------------------------------------------------


class ReportWorker(threading.Thread):
    """Builds one report after another: native work beneath Python frames."""

    def __init__(self, store):
        super().__init__(name="report-worker", daemon=True)
        self.store = store
        self.jobs = queue.Queue(maxsize=32)
        self.archive = {}

    def run(self):
        while True:
            self.build_report(self.jobs.get())

    def build_report(self, name):
        text = self.collect_lines(name)
        self.archive[name] = self.checksum(self.compress(text))

    def collect_lines(self, name):
        rows = self.store.turnover_by_customer()
        return (
            "\n".join(f"{name};{customer};{total:.2f};{count}" for customer, total, count in rows)
            * 40
        )

    def compress(self, text):
        return zlib.compress(text.encode(), 9)

    def checksum(self, data):
        return hashlib.sha256(data * 20).hexdigest()


# ---- HTTP --------------------------------------------------------------------------------------


class Application(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = (
        -1
    )  # a reply is one packet: two small ones would wait for the client's acknowledgement
    store = None
    worker = None

    def do_GET(self):
        path, _, argument = self.path.partition("?")
        route = self.ROUTES.get(path)
        if route is None:
            self.reply(404, "text/plain", "no such page")
        else:
            route(self, argument)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        order = json.loads(body)
        self.reply(200, "application/json", json.dumps({"accepted": len(order["items"])}))

    def get_orders(self, word):
        rows = rank_orders(self.store.search(word), word)
        self.reply(200, "application/json", serialize_orders(rows))

    def get_report(self, name):
        try:
            self.worker.jobs.put_nowait(name)
        except queue.Full:
            pass
        self.reply(200, "text/html", render_page("Turnover", self.store.turnover_by_customer()))

    def get_login(self, user):
        self.reply(200, "text/plain", sign_session(user))

    def get_suggest(self, typed):
        self.reply(200, "application/json", json.dumps(suggest_words(typed)))

    ROUTES = {
        "/orders": get_orders,
        "/report": get_report,
        "/login": get_login,
        "/suggest": get_suggest,
    }

    def reply(self, status, kind, text):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


# ---- load --------------------------------------------------------------------------------------


def client_loop(port, seed, until):
    chance = random.Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    while time.monotonic() < until:
        turn = chance.random()
        if turn < 0.4:
            connection.request("GET", f"/orders?{chance.choice(WORDS)}")
        elif turn < 0.6:
            connection.request("GET", f"/report?{chance.randrange(100)}")
        elif turn < 0.75:
            connection.request("GET", f"/login?user{chance.randrange(1000)}")
        elif turn < 0.9:
            connection.request("GET", f"/suggest?{chance.choice(WORDS)[:-1]}")
        else:
            connection.request(
                "POST", "/orders", json.dumps({"items": chance.choices(WORDS, k=200)})
            )
        connection.getresponse().read()


def generate_load(port, seconds, parent):
    until = time.monotonic() + seconds

    def run(seed):
        try:
            client_loop(port, seed, until)
        except (OSError, http.client.HTTPException):
            pass  # the server has gone, and so does its load

    clients = [threading.Thread(target=run, args=(seed,), daemon=True) for seed in (1, 2)]
    for client in clients:
        client.start()
    while any(client.is_alive() for client in clients) and os.getppid() == parent:
        time.sleep(0.1)


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    Application.store = OrderStore()
    Application.worker = ReportWorker(Application.store)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Application)
    server.daemon_threads = True
    parent = os.getpid()
    load = os.fork()
    if load == 0:
        server.socket.close()
        try:
            generate_load(server.server_port, seconds, parent)
        finally:
            os._exit(0)
    Application.worker.start()
    # shutdown() waits for serve_forever(), which runs in this very thread: it needs one of its own.
    stop = lambda *_: threading.Thread(target=server.shutdown, daemon=True).start()
    signal.signal(signal.SIGTERM, stop)
    ending = threading.Timer(seconds, stop)
    ending.daemon = True
    ending.start()
    print(f"READY {os.getpid()}", flush=True)
    server.serve_forever(poll_interval=0.2)
    os.kill(load, signal.SIGTERM)
    os.waitpid(load, 0)


if __name__ == "__main__":
    main()
