"""What ``manage.py doctor`` says of clocks, certificates, proxies and the background work."""

import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from celery.signals import beat_init
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.cache import valkey
from core.observe import forwarded
from core.ops import doctor, heartbeat, servers

pytestmark = pytest.mark.django_db


class Upstream(BaseHTTPRequestHandler):
    skew_s = 0.0

    def do_GET(self):
        self.send_response_only(404)
        self.send_header("Date", formatdate(time.time() + self.skew_s, usegmt=True))
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    """Start a web server on this machine, over TLS where a context is given; answer its port."""
    servers = []

    def start(handler=Upstream, tls=None):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.handle_error = lambda *_: None  # a client that does not believe us hangs up
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def named(findings, word):
    (found,) = [finding for finding in findings if word in finding.what]
    return found


class TestClocks:
    def test_that_agree_are_in_order(self):
        assert [finding.ok for finding in doctor.clocks()] == [True, True]

    @pytest.mark.parametrize("skew_s", [-61, 61, 3600])
    def test_that_differ_from_the_engines_are_named(self, monkeypatch, skew_s):
        now = time.time()
        monkeypatch.setattr(doctor.time, "time", lambda: now + skew_s)

        for name, finding in zip(("PostgreSQL", "Valkey"), doctor.clocks(), strict=True):
            assert finding.ok is False and name in finding.what and "NTP" in finding.do

    @pytest.mark.parametrize(("skew_s", "ok"), [(0, True), (300, False), (-300, False)])
    def test_that_differ_from_an_upstream_are_named(self, serve, settings, skew_s, ok):
        skewed = type("Skewed", (Upstream,), {"skew_s": skew_s})
        for name in ("WECHAT_API_BASE_URL", "WECHAT_PAY_BASE_URL", "WEATHER_BASE_URL"):
            setattr(settings, name, f"http://127.0.0.1:{serve(skewed)}")

        finding = named(doctor.upstreams(), "Clock of WECHAT_PAY_BASE_URL")

        assert finding.ok is ok and bool(finding.do) is not ok

    def test_an_upstream_that_names_no_time_or_nonsense_is_no_trouble(self, serve, settings):
        class Timeless(Upstream):
            def send_header(self, keyword, value):
                super().send_header(keyword, "soon" if keyword == "Date" else value)

        for name in ("WECHAT_API_BASE_URL", "WECHAT_PAY_BASE_URL", "WEATHER_BASE_URL"):
            setattr(settings, name, f"http://127.0.0.1:{serve(Timeless)}")

        assert [finding.ok for finding in doctor.upstreams()] == [True, True, True]


class TestTheCertificate:
    @pytest.fixture
    def address(self, serve, tmp_path, monkeypatch):
        """Serve https with a certificate that this process believes in; answer the address."""

        def start(days, host="127.0.0.1", is_trusted=True):
            key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ours")])
            certificate = (
                x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
                .not_valid_before(now - timedelta(days=90))
                .not_valid_after(now + timedelta(days=days))
                .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
                .sign(key, hashes.SHA256())
            )
            chain, pem = tmp_path / "chain.pem", serialization.Encoding.PEM
            chain.write_bytes(
                certificate.public_bytes(pem)
                + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            )
            if is_trusted:
                monkeypatch.setenv("SSL_CERT_FILE", str(chain))
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(chain)
            return f"https://127.0.0.1:{serve(tls=tls)}"

        return start

    def found(self, settings, address):
        settings.PUBLIC_BASE_URL = address
        (finding,) = doctor.certificate()
        return finding

    def test_says_how_long_it_lasts(self, settings, address):
        finding = self.found(settings, address(60.5))

        assert (finding.ok, finding.what) == (True, "The certificate of 127.0.0.1 ends in 60 days")

    def test_one_that_ends_soon_is_to_be_renewed(self, settings, address):
        finding = self.found(settings, address(24.6))

        assert finding.ok is False and "ends in 25 days" in finding.what and "certbot renew" in finding.do

    @pytest.mark.parametrize(
        ("facts", "why"),
        [
            ({"days": -1}, "expired"),
            ({"days": 60, "host": "127.0.0.2"}, "not valid for '127.0.0.1'"),
            ({"days": 60, "is_trusted": False}, "self-signed"),
        ],
    )
    def test_one_that_clients_refuse_is_named_with_the_reason(self, settings, address, facts, why):
        finding = self.found(settings, address(**facts))

        assert finding.ok is False and why in finding.what and finding.do

    def test_an_address_where_nobody_answers_is_named(self, settings):
        finding = self.found(settings, "https://127.0.0.1:1")

        assert finding.ok is False and "ConnectionRefusedError" in finding.what and "nginx" in finding.do

    def test_is_not_looked_for_without_https(self, settings):
        settings.PUBLIC_BASE_URL = "http://127.0.0.1:8000"

        assert list(doctor.certificate()) == []


class TestTrustedProxies:
    @pytest.fixture(autouse=True)
    def _not_said_yet(self, monkeypatch):
        valkey.client().delete(forwarded.KEY)
        monkeypatch.setattr(forwarded, "_noted_at", float("-inf"))

    def found(self, api, sender, forwarded=None):
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        assert api.http.get("/health/live", REMOTE_ADDR=sender, headers=headers).status_code == 200
        return [
            (finding.ok, finding.what.startswith(f"A request from {sender} ")) for finding in servers.trusted_proxies()
        ]

    @pytest.mark.parametrize(
        ("hops", "forwarded"), [(0, None), (1, None), (1, "1.1.1.1"), (1, "6.6.6.6, 1.1.1.1"), (2, "1.1.1.1, 2.2.2.2")]
    )
    def test_that_fit_are_no_finding(self, api, settings, hops, forwarded):
        settings.PRODUCTION, settings.TRUSTED_PROXIES = True, hops

        assert self.found(api, "127.0.0.1", forwarded) == []

    @pytest.mark.parametrize(("hops", "forwarded"), [(0, "1.1.1.1"), (2, "1.1.1.1")])
    @pytest.mark.parametrize("sender", ["127.0.0.1", "172.18.0.3", "::1"])
    def test_a_proxy_of_ours_that_is_not_counted_is_a_fault(self, api, settings, hops, forwarded, sender):
        settings.PRODUCTION, settings.TRUSTED_PROXIES = True, hops

        assert self.found(api, sender, forwarded) == [(False, True)]

    @pytest.mark.parametrize(("is_production", "sender"), [(True, "8.8.8.8"), (False, "127.0.0.1")])
    def test_what_anybody_may_have_made_up_is_a_hint(self, api, settings, is_production, sender):
        settings.PRODUCTION = is_production

        assert self.found(api, sender, "1.1.1.1") == [(None, True)]

    def test_is_over_once_the_setting_is_right(self, api, settings):
        settings.PRODUCTION = True
        assert self.found(api, "127.0.0.1", "1.1.1.1")

        settings.TRUSTED_PROXIES = 1

        assert list(servers.trusted_proxies()) == []

    def test_costs_no_request_when_valkey_is_down(self, api, valkey_down):
        assert api.http.get("/health/live", headers={"X-Forwarded-For": "1.1.1.1"}).status_code == 200


class TestMetricsToken:
    def test_is_missed_in_production_alone(self, settings):
        assert list(doctor.metrics_token()) == []

        settings.PRODUCTION = True
        (finding,) = doctor.metrics_token()
        assert finding.ok is None and "METRICS_TOKEN" in finding.what and finding.do

        settings.METRICS_TOKEN = "a-long-metrics-token"
        assert list(doctor.metrics_token()) == []


def test_beat_asks_for_a_sign_of_life_as_soon_as_it_starts():
    from config.celery import app

    app.loader.import_default_modules()
    app.control.purge()

    beat_init.send(sender=None)

    assert heartbeat.queue_depths() == dict.fromkeys(["money", "now", "bulk"], 1)
    assert app.control.purge() == 3
