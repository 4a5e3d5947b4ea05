"""Who may read the figures and the pages, and what a page may run; ``tests/long`` looks at them in a browser."""

import pytest

pytestmark = pytest.mark.django_db
TOKEN = "a-long-metrics-token"


class TestMetrics:
    def status(self, api, address="127.0.0.1", **headers):
        return api.http.get("/metrics", REMOTE_ADDR=address, headers=headers).status_code

    def test_development_shows_them_to_this_machine_alone(self, api):
        assert [self.status(api, address) for address in ("127.0.0.1", "::1", "192.168.1.7")] == [200, 200, 404]
        assert self.status(api, **{"X-Forwarded-For": "8.8.8.8"}) == 404

    def test_in_a_container_this_machine_has_an_address_more(self, api, settings):
        assert self.status(api, "172.17.0.1") == 404
        settings.OWN_ADDRESSES = {"172.17.0.1"}

        assert [self.status(api, address) for address in ("172.17.0.1", "172.17.0.3")] == [200, 404]
        assert self.status(api, "172.17.0.1", **{"X-Forwarded-For": "8.8.8.8"}) == 404

    def test_production_without_a_token_hides_them_from_all_clients(self, api, settings):
        settings.DEPLOYED = True

        assert {self.status(api), self.status(api, Authorization="Bearer ")} == {404}

    @pytest.mark.parametrize("is_production", [True, False])
    def test_every_client_needs_the_token(self, api, settings, is_production):
        settings.DEPLOYED, settings.METRICS_TOKEN = is_production, TOKEN

        assert self.status(api) == 404
        assert self.status(api, Authorization=f"Bearer {TOKEN}x") == 404
        assert self.status(api, Authorization="Bearer 不是") == 404
        assert self.status(api, "8.8.8.8", Authorization=f"Bearer {TOKEN}") == 200
        assert api.get("/metrics").json() == api.get("/no/such/path").json()  # strangers learn nothing


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/login/", "/admin/students/student/", "/admin", "/metrics", "/sandbox/", "/demo/"]
)
@pytest.mark.parametrize("allowed", [[], ["https://front.example"]], ids=["any origin", "an allowed one"])
def test_pages_for_people_cannot_be_read_by_other_origins(api, settings, path, allowed):
    settings.CORS_ALLOW_ALL_ORIGINS, settings.CORS_ALLOWED_ORIGINS = not allowed, allowed
    front = {"origin": "https://front.example"}
    headers = front | {"access-control-request-method": "POST"}

    for answer in (api.http.get(path, headers=front), api.http.options(path, headers=headers)):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def sources(answer, directive):
    policy = dict(entry.strip().split(" ", 1) for entry in answer["Content-Security-Policy"].split(";"))
    return policy[directive]


@pytest.mark.parametrize("path", ["/", "/docs/", "/docs/codes/", "/admin/login/", "/Admin/nowhere/"])
def test_no_page_runs_what_stands_in_it(api, path):
    answer = api.http.get(path)

    is_back_office = "admin" in path.lower()
    assert sources(answer, "script-src") == ("'self' 'unsafe-eval'" if is_back_office else "'self'")
    assert sources(answer, "default-src") == sources(answer, "frame-ancestors") == "'none'"


def test_answers_of_the_api_carry_none(api):
    for path in ("/health/live", "/nowhere", "/schema/"):
        assert "Content-Security-Policy" not in api.http.get(path).headers
