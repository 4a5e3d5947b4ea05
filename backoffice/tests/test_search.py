"""Searching in the lists of the back office."""

import pytest
from django.contrib import admin
from django.urls import reverse

SEARCHED = [model for model, page in admin.site._registry.items() if page.search_fields]


@pytest.mark.parametrize("model", SEARCHED, ids=lambda model: model.__name__)
def test_of_an_endless_search_the_beginning_counts(office, django_assert_max_num_queries, model):
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")

    with django_assert_max_num_queries(60) as queries:
        assert office.get(url, {"q": "A " * 4_000}).status_code == 200

    assert max(len(query["sql"]) for query in queries.captured_queries) < 30_000
