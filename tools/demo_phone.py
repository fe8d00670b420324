"""A customer's phone and a desk's ear: calls with a cookie as a browser makes them, and streams of events. Python's
standard library only."""
import http.client
import http.cookies
import json
import threading

from demo_parts import Wrong


class Follower(threading.Thread):
    """Reads a stream of events and puts (name, event, object) into a queue for each; at last (name, None, why)."""

    def __init__(self, name, connection, path, headers, queue):
        super().__init__(daemon=True)
        self.title = name
        self.connection = connection
        self.path = path
        self.headers = {**headers, "Accept": "text/event-stream"}
        self.queue = queue

    def run(self):
        try:
            self.connection.request("GET", self.path, headers=self.headers)
            response = self.connection.getresponse()
            why = self.follow(response) if response.status == 200 else f"{response.status} {response.read()!r}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
        self.connection.close()
        self.queue.put((self.title, None, why))

    def follow(self, response):
        event = data = None
        while line := response.readline().decode():
            field, _, value = line.rstrip("\n").partition(": ")
            if field == "event":
                event = value
            elif field == "data":
                data = value
            elif line == "\n" and data is not None:
                self.queue.put((self.title, event, json.loads(data)))
                event = data = None
        return "the server has ended it"


class Phone:
    """What the customer's page does, without the page."""

    def __init__(self, server):
        self.server = server
        self.cookie = ""

    def headers(self):
        return {"Origin": self.server.url(), **({"Cookie": self.cookie} if self.cookie else {})}

    def call(self, method, path, body=None):
        """The answer's object."""
        headers = {**self.headers(), "Content-Type": "application/json"}
        answer = self.server.call(method, path, {} if body is None and method != "GET" else body, headers=headers)
        if answer.status >= 300:
            raise Wrong(f"the customer's {method} {path}: {answer}")
        jar = http.cookies.SimpleCookie(answer.headers.get("Set-Cookie", ""))
        for name, morsel in jar.items():
            self.cookie = f"{name}={morsel.value}"
        return answer.json()

    def follow(self, name, path, queue):
        Follower(name, self.server.connect(), path, self.headers(), queue).start()
