"""The base of every page of the back office."""

from collections.abc import Collection, Iterable
from functools import reduce
from operator import or_
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import actions
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import DataError
from django.db.models import Field, JSONField, Q, QuerySet, TextField
from django.forms import Media
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import DropdownFilter
from unfold.contrib.filters.forms import DropdownForm
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from core.admin.conflicts import MergingAdmin
from core.admin.password import require_password
from core.admin.phones import may_see_phones, phone_shown

MAX_SEARCH = 100  # characters; Django adds a condition for each word, and 12,000 words took 5.6 s
MAX_DELETED = 500  # Django's page has a hidden field for each row, and Django reads 1,000 fields of a request
MAX_COUNTED = 10_000
PREPOPULATING = ("urlify.js", "prepopulate.js", "xregexp.js", "xregexp.min.js")
# What only forms use, 36 KB compressed: without it a list comes a second earlier on a line of 400 kbit/s.
OF_FORMS = ("jquery.js", "jquery.min.js", "jquery.init.js", "RelatedObjectLookups.js")


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # Django's has none at run time
    """Stop counting at ``MAX_COUNTED``: a full count reads the whole table, and no person turns that many pages."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        number = rows.order_by()[: MAX_COUNTED + 1].count()
        return number if number <= MAX_COUNTED else AtLeast(MAX_COUNTED)


class AtLeast(int):
    """A number that pages show with a plus, because the count stopped there."""

    def __str__(self) -> str:
        return f"{int(self)}+"


class KnownCount(Paginator):  # type: ignore[type-arg]
    """Take the number of rows from the caller instead of counting them."""

    def __init__(self, rows: QuerySet[Any], per_page: int, count: int) -> None:
        super().__init__(rows, per_page)
        self.count = count  # replaces Django's cached property, which would count


class SelectForm(DropdownForm):
    """The form of a filter with a select of the browser, in place of the theme's: that one loads 76 KB compressed."""

    widget = UnfoldAdminSelectWidget()

    class Media: ...


class ChoiceFilter(admin.SimpleListFilter):
    """Filter by one of its conditions, or by several with commas; each has a value in the address and a label."""

    conditions: ClassVar[dict[str, tuple[str, Q]]]

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        self.known = self.conditions_for(request)
        super().__init__(request, *args)

    def conditions_for(self, request: HttpRequest) -> dict[str, tuple[str, Q]]:
        return self.conditions

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, label) for value, (label, _) in self.known.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        values = (self.value() or "").split(",")
        return queryset.filter(reduce(or_, (self.known[value][1] for value in values if value in self.known), Q()))


class SelectFilter(ChoiceFilter, DropdownFilter):
    form_class = SelectForm


def _files_without(files: Any, names: tuple[str, ...]) -> Media:
    # List by list: Django merges them by the order within each.
    files._js_lists = [[name for name in one if not name.endswith(names)] for one in files._js_lists]
    return files


class OfficeAdmin(MergingAdmin):
    """A page whose form overwrites no colleague's work, and whose list survives any selection a client sends."""

    warn_unsaved_form = True
    list_before_template = "backoffice/list_bar.html"
    # Two counts of a whole table would take longer than its page.
    paginator = BoundedPaginator
    show_full_result_count = False
    # The rights that count on this page: the verb of `app.verb_model`, and what the form of a role calls it.
    rights: ClassVar[dict[str, str]] = {"view": "查看", "add": "新增", "change": "修改", "delete": "删除"}

    @property
    def media(self) -> Media:
        """Return the page's files without those of prepopulated fields, of which we have none: 170 KB."""
        return _files_without(super().media, PREPOPULATING)

    def has_right(self, request: HttpRequest, verb: str) -> bool:
        """Tell whether the user has a right of this page. A user who may not see the page has none."""
        if verb not in self.rights or not self.has_view_permission(request):
            return False
        check = getattr(self, f"has_{verb}_permission", None)
        name = f"{self.opts.app_label}.{verb}_{self.opts.model_name}"
        return check(request) if check else request.user.has_perm(name)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        sets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return sets
        # For users who may only look, Django also shows fields that exist in the form alone, such as the file of a new
        # picture: without a value, and under their names in Python. Leave those out.
        names = {*self.readonly_fields, *(field.name for field in self.opts.get_fields())}
        extras = getattr(self.form, "declared_fields", {}).keys() - names
        return [(title, {**facts, "fields": _without(extras, facts["fields"])}) for title, facts in sets]

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        # Django passes the selected keys to the database unchecked: the key "x" would be answered with a 500.
        texts = request.POST.getlist(ACTION_CHECKBOX_NAME)
        keys = [key for key in texts if _is_key(self.opts.pk, key)]
        if len(keys) < len(texts):
            data = request.POST.copy()
            data.setlist(ACTION_CHECKBOX_NAME, keys)
            request.POST = data  # type: ignore[assignment]
        return super().response_action(request, queryset)

    def unasked(self, request: HttpRequest) -> set[str]:
        """Name the columns that the list is not filtered by, because this user sees them in part or not at all."""
        return {field.name for field in self.opts.fields if isinstance(field, (JSONField, TextField))}

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # Django allows every column of the model itself: ?phone__startswith=1380 would tell hidden digits one by one.
        return lookup.partition("__")[0] not in self.unasked(request) and super().lookup_allowed(lookup, value, request)

    def formfield_for_dbfield(self, *args: Any, **options: Any) -> Any:
        field = super().formfield_for_dbfield(*args, **options)
        if isinstance(getattr(field, "widget", None), RelatedFieldWidgetWrapper):
            field.widget.can_delete_related = False  # in passing, on the page of another record
        return field

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        # Filters pass values of the address on to Python and the database: a day in the year 9999 has no next one, and
        # PostgreSQL takes no NUL. Django then shows the list without the filter.
        try:
            return super().get_changelist_instance(request)
        except (DataError, OverflowError, ValueError) as error:
            raise IncorrectLookupParameters from error

    def changelist_view(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        answer = super().changelist_view(request, *args, **options)
        if isinstance(answer, TemplateResponse) and answer.context_data:
            _files_without(answer.context_data["media"], OF_FORMS)
        return answer

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):  # Django would look for the row first, and tell if there is none
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return super().get_search_results(request, queryset, search_term[:MAX_SEARCH])


@admin.action(permissions=["delete"], description="删除所选的%(verbose_name_plural)s")
def delete_selected(page: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
    """Delete the chosen rows, on every list: as Django does, with a limit, and the password before it."""
    require_password(request)
    if rows.count() > MAX_DELETED:
        messages.error(request, f"一次最多删除 {MAX_DELETED} 条，请先筛选，或分批进行")
        return None
    return actions.delete_selected(page, request, rows)


def page_shown(page: ModelAdmin, request: HttpRequest, template: str, title: str, /, **context: Any) -> HttpResponse:
    """Render a page of our own among the others of ``page``."""
    base = page.admin_site.each_context(request) | {"opts": page.opts, "title": title}
    return render(request, template, base | context)


class FixedRows(ModelAdmin):
    """A page whose rows come and go by themselves: staff add and delete none."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyRows(FixedRows):
    """A page that can only be read."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class PasswordFirst(ModelAdmin):
    """A page that asks for the password before its forms, deletion and actions, but not for looking."""

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **options: Any) -> Any:
        if self.has_change_permission(request) if object_id else self.has_add_permission(request):
            require_password(request)
        return super().changeform_view(request, object_id, *args, **options)

    def delete_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        require_password(request)
        return super().delete_view(request, *args, **options)

    def changelist_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        if request.method == "POST":
            require_password(request)
        return super().changelist_view(request, *args, **options)


class PhoneAdmin(OfficeAdmin):
    """A page whose rows have a ``phone``; it shows ``phone_shown``."""

    @display(description="电话")
    def phone_shown(self, row: Any) -> str:
        return phone_shown(row) or "—"

    def unasked(self, request: HttpRequest) -> set[str]:
        return super().unasked(request) | (set() if may_see_phones(request.user, self.model) else {"phone"})


def _without(names: Collection[str], fields: Iterable[Any]) -> list[Any]:
    """Return the fields without those ``names``; a line of a form is a tuple of fields."""
    lines = ([field] if isinstance(field, str) else _without(names, field) for field in fields)
    lines_left = ([name for name in line if name not in names] for line in lines)
    return [line[0] if len(line) == 1 else line for line in lines_left if line]


def _is_key(field: "Field[Any, Any]", text: str) -> bool:
    try:
        field.clean(text, None)
    except ValidationError:
        return False
    return "\x00" not in text
