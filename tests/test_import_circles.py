"""No two modules import each other, not even through others or inside a function."""

import tomllib
from graphlib import TopologicalSorter

import grimp
from django.conf import settings


def test_there_is_no_circle_of_imports_of_any_size():
    rooms = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    graph = grimp.build_graph(*rooms["root_packages"], cache_dir=None)
    modules = {module for module in graph.modules if ".tests" not in module and ".migrations" not in module}

    # `prepare` raises a CycleError that names the modules of the circle.
    TopologicalSorter({m: graph.find_modules_directly_imported_by(m) & modules for m in modules}).prepare()

    assert "payments.services.refund" in modules
