"""WeChat's login as the application asks it: a code for a token, a token for the person. One thread, no faults."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Login(BaseHTTPRequestHandler):
    """A code is the person's name with something after a dash, and good for everything."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(place.query).items()}
        if place.path == "/sns/oauth2/access_token":
            person = asked["code"].partition("-")[0]
            said = {
                "access_token": person,
                "openid": f"openid-{person}",
                "expires_in": 7200,
                "scope": "snsapi_userinfo",
            }
        else:
            said = {"openid": asked["openid"], "nickname": asked["access_token"], "sex": 1}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def wechat_login_start() -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("0.0.0.0", 0), Login)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
