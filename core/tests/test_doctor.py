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
from tests.kit import serving

pytestmark = pytest.mark.django_db


class Upstream(BaseHTTPRequestHandler):
    date = ""

    def do_GET(self):
        self.send_response_only(404)
        self.send_header("Date", self.date)
        self.end_headers()


class TestClocks:
    def test_that_agree_are_in_order(self):
        assert [finding.ok for finding in doctor.clocks()] == [True, True]

    @pytest.mark.parametrize("skew_s", [-61, 61, 3600])
    def test_that_differ_from_the_engines_are_named(self, monkeypatch, skew_s):
        now = time.time()
        monkeypatch.setattr(doctor.time, "time", lambda: now + skew_s)

        for name, finding in zip(("PostgreSQL", "Valkey"), doctor.clocks(), strict=True):
            assert finding.ok is False and name in finding.what and "NTP" in finding.do

    @pytest.mark.parametrize(
        ("differs_s", "oks"),
        [(-300, {True, False}), (300, {True, False}), (None, {True})],  # one that names no time is no trouble
    )
    def test_that_differ_from_an_upstream_are_named(self, settings, differs_s, oks):
        date = "soon" if differs_s is None else formatdate(time.time() + differs_s, usegmt=True)
        with serving(type("Skewed", (Upstream,), {"date": date})) as address:
            for name in ("WECHAT_API_BASE_URL", "WECHAT_PAY_BASE_URL", "WEATHER_BASE_URL"):
                setattr(settings, name, address)
            findings = list(doctor.upstreams())

        assert {finding.ok for finding in findings} == oks
        assert all("NTP" in finding.do for finding in findings if not finding.ok)


class TestTheCertificate:
    @pytest.fixture
    def address(self, tmp_path, monkeypatch):
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
            server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
            server.handle_error = lambda *_: None  # a client that does not believe us hangs up
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            servers.append(server)
            return f"https://127.0.0.1:{server.server_port}"

        servers = []
        yield start
        for server in servers:
            server.shutdown()
            server.server_close()

    def found(self, settings, address):
        settings.PUBLIC_BASE_URL = address
        (finding,) = doctor.certificate()
        return finding

    @pytest.mark.parametrize(("days", "ok", "said"), [(60.5, True, "in 60 days"), (24.6, False, "in 25 days")])
    def test_says_how_long_it_lasts_and_whether_to_renew_it(self, settings, address, days, ok, said):
        finding = self.found(settings, address(days))

        assert (finding.ok, finding.what) == (ok, f"The certificate of 127.0.0.1 ends {said}")
        assert ("certbot renew" in finding.do) is not ok

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

    def test_an_address_where_nobody_answers_is_named_and_without_https_there_is_none(self, settings):
        finding = self.found(settings, "https://127.0.0.1:1")
        assert finding.ok is False and "ConnectionRefusedError" in finding.what and "nginx" in finding.do

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
    @pytest.mark.parametrize("sender", ["172.18.0.3", "::1"])
    def test_a_proxy_of_ours_that_is_not_counted_is_a_fault(self, api, settings, hops, forwarded, sender):
        settings.PRODUCTION, settings.TRUSTED_PROXIES = True, hops

        assert self.found(api, sender, forwarded) == [(False, True)]
        settings.TRUSTED_PROXIES = 1
        assert list(servers.trusted_proxies()) == []  # it is over once the setting is right

    @pytest.mark.parametrize(("is_production", "sender"), [(True, "8.8.8.8"), (False, "127.0.0.1")])
    def test_what_anybody_may_have_made_up_is_a_hint(self, api, settings, is_production, sender):
        settings.PRODUCTION = is_production

        assert self.found(api, sender, "1.1.1.1") == [(None, True)]

    def test_costs_no_request_when_valkey_is_down(self, api, valkey_down):
        assert api.http.get("/health/live", headers={"X-Forwarded-For": "1.1.1.1"}).status_code == 200


def test_a_metrics_token_is_missed_in_production_alone(settings):
    assert list(doctor.metrics_token()) == []
    settings.PRODUCTION = True
    assert [finding.ok for finding in doctor.metrics_token()] == [None]
    settings.METRICS_TOKEN = "a-long-metrics-token"
    assert list(doctor.metrics_token()) == []


def test_beat_asks_for_a_sign_of_life_as_soon_as_it_starts():
    from config.celery import app

    app.loader.import_default_modules()
    app.control.purge()

    beat_init.send(sender=None)

    assert heartbeat.queue_depths() == dict.fromkeys(["money", "now", "bulk"], 1)
    assert app.control.purge() == 3
