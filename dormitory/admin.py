"""The dormitory in the back office: rooms as a list, and each building as rooms and beds."""

import re
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse

from core import times
from core.admin.base import OfficeAdmin, page_shown
from core.admin.tables import column, table
from core.api.request import present_request
from core.audit import change_note
from core.errors import DomainError
from core.ids import pk_of, storable
from core.times import format_office_time
from dormitory import services
from dormitory.models import Room
from dormitory.selectors import MAX_HOMELESS, TAKEN, beds_of, buildings, homeless, rooms, rooms_found, stays_of
from permissions.admin import ScopedAdmin
from permissions.scope import scope_of
from runs.exports import ExportableAdmin, ExportColumn, ExportSheet
from students.selectors import student_get

MAX_ROOMS = 200  # on one page
MAX_HISTORY = 50
MAX_AT_ONCE = 50  # rooms


def _of_student(label: str, width: int, field: str) -> ExportColumn:
    return ExportColumn(label, width, lambda bed: getattr(bed[2].student, field) if bed[2] else "")


def _history(room: Room) -> str:
    request = present_request()  # a column is not passed it
    rows = [
        (f"{stay.bed}号", stay.name, stay.sid, format_office_time(stay.begins_at), format_office_time(stay.ends_at))
        for stay in stays_of(scope_of(request.user if request else None), room=room)[:MAX_HISTORY]
    ]
    return table(("床位", "姓名", "学号", "入住", "退宿"), rows)


def _rooms_named(text: str) -> list[str]:
    """Return the numbers from 301 to 306 for "301-306", and any other text as it is: 1-301 is a flat's first room."""
    match = re.fullmatch(r"([0-9]{3,})-([0-9]{3,})", text)
    if not match or len(match[1]) != len(match[2]) or match[1] > match[2]:
        return [text]
    numbers = range(int(match[1]), int(match[2]) + 1)
    if len(numbers) > MAX_AT_ONCE:
        raise DomainError(f"一次最多新增 {MAX_AT_ONCE} 间")
    return [str(number).zfill(len(match[1])) for number in numbers]


class RoomForm(forms.ModelForm):  # type: ignore[type-arg]
    """What the service would refuse is an error of the form: checking it means to try it and take it back."""

    request: HttpRequest

    class Meta:
        model = Room
        fields = ["building", "name", "gender", "beds"]
        help_texts: ClassVar = {"name": "新增时可以一次填多间，如 301-306"}

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                with transaction.atomic():
                    self.apply()
                    transaction.set_rollback(True)
            except DomainError as refusal:
                raise forms.ValidationError(refusal.msg) from None
        return values

    def apply(self) -> list[Room]:
        """Store the rooms by the service; one that exists is a single one."""
        scope = scope_of(self.request.user)
        if self.instance.pk is None:
            names = _rooms_named(self.cleaned_data["name"])
            return [services.room_add(**self.cleaned_data | {"name": name}, scope=scope) for name in names]
        changes = {name: self.cleaned_data[name] for name in self.changed_data}
        return [services.room_update(room_pk=self.instance.pk, **changes, scope=scope) if changes else self.instance]


@admin.register(Room)
class RoomAdmin(ScopedAdmin, ExportableAdmin):
    form = RoomForm
    rights: ClassVar = {**OfficeAdmin.rights, "export": "导出"}
    list_display = ["building", "name", "gender", "beds", "taken"]
    list_display_links = ["name"]
    list_filter = ["building", "gender"]
    list_filter_submit = True
    list_before_template = "dormitory/room_bar.html"
    list_per_page = 30
    search_fields = ["name", "building"]
    search_help_text = "房间或楼；找学员请到床位图"
    fields = ["building", "name", "gender", "beds", "history"]
    readonly_fields = ["history"]
    taken = column("已住", lambda room: room.taken, ordering="taken")
    history = column("住过的学员", _history)
    export_columns = (
        ExportColumn("楼", 12, lambda row: row.building),
        ExportColumn("房间", 10, lambda row: row.name),
        ExportColumn("男女", 8, lambda row: row.gender),
        ExportColumn("床位数", 8, lambda row: row.beds, is_summed=True),
        ExportColumn("已住", 8, lambda row: row.taken, is_summed=True),
    )
    export_sheets = (
        ExportSheet(
            "床位",
            (
                ExportColumn("楼", 12, lambda bed: bed[0].building),
                ExportColumn("房间", 10, lambda bed: bed[0].name),
                ExportColumn("床位", 8, lambda bed: bed[1]),
                _of_student("姓名", 14, "name"),
                _of_student("学号", 16, "sid"),
                _of_student("班级", 14, "class_name"),
                ExportColumn("入住时间", 20, lambda bed: bed[2].begins_at if bed[2] else None),
            ),
            lambda room: ((room, *bed) for bed in beds_of(room)),
        ),
    )

    def may_export(self, request: HttpRequest) -> bool:
        # The sheet of beds names all students; a user who sees only some rows has none to hand out.
        return super().may_export(request) and not scope_of(request.user).is_narrow

    def get_queryset(self, request: HttpRequest) -> QuerySet[Room]:
        return rooms(scope_of(request.user)).annotate(taken=TAKEN)

    def get_fields(self, request: HttpRequest, obj: Room | None = None) -> list[str]:
        return self.fields if obj else self.fields[:-1]

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(self.beds_page)
        return [path("beds/", page, name="dormitory_room_beds"), *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: Room, form: Any, change: bool) -> None:
        stored = form.apply()
        obj.pk = stored[0].pk
        obj.refresh_from_db()
        if len(stored) > 1:
            messages.success(request, f"{obj.building} 新增了 {len(stored)} 间")

    # A room that is deleted stays in the database, because its history names it.
    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        in_use = [f"{room}：该房间还有学员" for room in objs if room.stays.filter(ends_at=None).exists()]
        return [str(room) for room in objs], {}, set(), in_use

    def delete_model(self, request: HttpRequest, obj: Room) -> None:
        try:
            services.room_remove(room_pk=obj.pk, now=times.now(), scope=scope_of(request.user))
        except DomainError as refusal:  # somebody has moved in since the page was shown
            raise PermissionDenied(refusal.msg) from None

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Room]) -> None:
        for room in queryset.order_by("pk"):
            self.delete_model(request, room)

    # --- A building as rooms and beds ---
    def beds_page(self, request: HttpRequest) -> HttpResponse:
        """Show a building's rooms and beds. ``student`` in the address is who was chosen, for a bed or another one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._press(request)
        scope = scope_of(request.user)
        names = buildings(scope)
        fields = ("building", "key", "q", "student")
        asked = {name: storable(request.GET.get(name, "")) for name in fields}
        building = asked["building"] if asked["building"] in names else (names or [""])[0]
        # A search for a student finds the room in any building.
        found = rooms_found(
            building="" if asked["key"] else building, key=asked["key"], only_free="free" in request.GET, scope=scope
        )
        shown: list[Any] = list(found[: MAX_ROOMS + 1])
        try:
            student = student_get(asked["student"], scope)
        except DomainError:
            student = None
        context = asked | {
            "buildings": names,
            "building": building,
            "only_free": "free" in request.GET,
            "rooms": [(room, beds_of(room)) for room in shown[:MAX_ROOMS]],
            "unknown": [stay.pk for room in shown for stay in room.sleepers if not scope.may_see(stay.student)],
            "has_more": len(shown) > MAX_ROOMS,
            "student": student,
            "stay": student and stays_of(student=student, ends_at=None).first(),
            "found": homeless(asked["q"], scope) if asked["q"] else (),
            "max_found": MAX_HOMELESS,
            "may_change": self.has_change_permission(request),
        }
        return page_shown(self, request, "dormitory/beds.html", "床位图", **context)

    def _press(self, request: HttpRequest) -> HttpResponse:
        """Let the student of the form move in, to another bed, or out."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        sid, place = storable(request.POST.get("student", "")), request.POST.get("place", "")
        scope, now = scope_of(request.user), times.now()
        last = stays_of(student__sid=sid, ends_at=None).first()  # told only once the service allows it
        try:
            if place == "out":
                stay, what = services.check_out(sid=sid, now=now, scope=scope), "退宿"
            else:
                room, bed = map(pk_of, place.partition("-")[::2])  # the button of a bed sends both
                stay = services.check_in(sid=sid, room_pk=room, bed=bed, now=now, scope=scope, moves=True)
                what = "换床" if last else "入住"
        except DomainError as refusal:
            messages.error(request, refusal.msg)
            return HttpResponseRedirect(request.get_full_path())
        change_note(stay.student, "床位", last.place if last else "", "" if what == "退宿" else stay.place)
        messages.success(request, f"{stay.name}：{what}完成，{stay.place}")
        query = request.GET.copy()
        query.pop("student", None)
        return HttpResponseRedirect(f"{reverse('admin:dormitory_room_beds')}?{query.urlencode()}")
