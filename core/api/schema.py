"""How drf-spectacular reads our endpoints."""

from typing import Any

from drf_spectacular.openapi import AutoSchema


class ContractSchema(AutoSchema):
    """Summaries come from the endpoint's title, tags from the viewset."""

    def get_summary(self) -> str | None:
        return getattr(self.view, "name", None)

    def get_tags(self) -> list[str]:
        return [getattr(self.view, "tag", "其他")]

    def get_operation_id(self) -> str:
        return f"{self.method.lower()}_{self.path.strip('/').replace('/', '_').replace('-', '_')}"


def drop_aliases(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Document a call under its documented path only."""
    return [
        entry
        for entry in endpoints
        if not hasattr(entry[3], "endpoint") or entry[0].rstrip("/") == _template(entry[3].endpoint.path)
    ]


def _template(path: str) -> str:
    return path.replace("<str:", "{").replace("<", "{").replace(">", "}")
