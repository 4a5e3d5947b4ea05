"""The dormitory in the back office: rooms as a list, and each building as rooms and beds."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import path, reverse
from unfold.decorators import action, display

from core import times
from core.admin.base import OfficeAdmin
from core.admin.tables import table
from core.api.request import present_request
from core.audit import StaffAction, action_record
from core.errors import DomainError
from core.times import format_office_time
from dormitory.errors import RecordMissing
from dormitory.models import Room, Stay
from dormitory.selectors import TAKEN, bed_history, buildings, homeless, rooms_found, stay_of, stays_of_rooms
from dormitory.services import check_in, check_out, move, room_add, room_remove, room_update
from permissions.scope import EVERYTHING, Scope, scope_of
from runs.exports import ExportableAdmin, ExportColumn, ExportSheet
from students.models import Student
from students.selectors import student_get

MAX_ROOMS = 200  # of a building on one page


def _beds(row: tuple[Room, list[Stay]]) -> Iterable[tuple[Room, int, Stay | None]]:
    room, stays = row
    by_bed = {stay.bed: stay for stay in stays}
    return ((room, bed, by_bed.get(bed)) for bed in range(1, room.beds + 1))


class BuildingFilter(admin.SimpleListFilter):
    title, parameter_name = "楼", "building"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in buildings(scope_of(request.user))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Room]) -> QuerySet[Room]:
        return queryset.filter(building=self.value()) if self.value() else queryset


class RoomForm(forms.ModelForm):  # type: ignore[type-arg]
    """What the service would refuse is an error of the form: checking it means to try it and take it back."""

    scope: Scope = EVERYTHING

    class Meta:
        model = Room
        fields = ["building", "name", "gender", "beds"]

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

    def apply(self) -> int | None:
        """Store the room by the service; return the key of a new one."""
        values = {name: self.cleaned_data[name] for name in self.changed_data}
        if self.instance.pk is None:
            return room_add(**{name: self.cleaned_data[name] for name in self.fields}, scope=self.scope).pk
        if values:
            room_update(pk=self.instance.pk, changes=values, scope=self.scope)
        return None


@admin.register(Room)
class RoomAdmin(ExportableAdmin):
    form = RoomForm
    rights: ClassVar = {**OfficeAdmin.rights, "export": "导出"}
    list_display = ["building", "name", "gender", "beds", "taken"]
    list_display_links = ["name"]
    list_filter = [BuildingFilter, "gender"]
    list_filter_submit = True
    list_before_template = "dormitory/room_bar.html"
    list_per_page = 30
    search_fields = ["name", "building"]
    search_help_text = "房间或楼；找学员请到床位图"
    fields = ["building", "name", "gender", "beds", "history"]
    readonly_fields = ["history"]
    actions = ["remove"]
    export_columns = (
        ExportColumn("楼", 12, lambda row: row[0].building),
        ExportColumn("房间", 10, lambda row: row[0].name),
        ExportColumn("男女", 8, lambda row: row[0].gender),
        ExportColumn("床位数", 8, lambda row: row[0].beds, is_summed=True),
        ExportColumn("已住", 8, lambda row: len(row[1]), is_summed=True),
    )
    export_sheets = (
        ExportSheet(
            "床位",
            (
                ExportColumn("楼", 12, lambda bed: bed[0].building),
                ExportColumn("房间", 10, lambda bed: bed[0].name),
                ExportColumn("床位", 8, lambda bed: bed[1]),
                ExportColumn("姓名", 14, lambda bed: bed[2].student.name if bed[2] else ""),
                ExportColumn("学号", 16, lambda bed: bed[2].student.sid if bed[2] else ""),
                ExportColumn("班级", 14, lambda bed: bed[2].student.class_name if bed[2] else ""),
                ExportColumn("入住时间", 20, lambda bed: bed[2].begins_at if bed[2] else None),
            ),
            _beds,
        ),
    )

    def export_loaded(self, rows: Iterable[Room]) -> Iterable[tuple[Room, list[Stay]]]:
        rooms = list(rows)
        stays = stays_of_rooms(rooms)
        return ((room, stays[room.pk]) for room in rooms)

    def may_export(self, request: HttpRequest) -> bool:
        # The sheet of beds names all students; who sees only some rows has none to hand out.
        return super().may_export(request) and not scope_of(request.user).is_own_only

    def get_queryset(self, request: HttpRequest) -> QuerySet[Room]:
        rooms = super().get_queryset(request).filter(scope_of(request.user).visible(), removed_at=None)
        return rooms.annotate(taken=TAKEN)

    def get_fields(self, request: HttpRequest, obj: Room | None = None) -> list[str]:
        return self.fields if obj else self.fields[:-1]

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(self.beds_page)
        return [path("beds/", page, name="dormitory_room_beds"), *super().get_urls()]

    def has_change_permission(self, request: HttpRequest, obj: Room | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or scope_of(request.user).may_change(obj))

    def has_delete_permission(self, request: HttpRequest, obj: Room | None = None) -> bool:
        return False  # a room is removed by the action, and its history stays

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dormitory.delete_room")

    def has_right(self, request: HttpRequest, verb: str) -> bool:
        if verb == "delete":
            return self.has_view_permission(request) and self.has_remove_permission(request)
        return super().has_right(request, verb)

    @display(description="已住", ordering="taken")
    def taken(self, room: Any) -> int:
        return int(room.taken)

    @display(description="住过的学员")
    def history(self, room: Room) -> str:
        request = present_request()  # a column is not passed it
        scope = scope_of(request.user if request else None)
        rows = [
            (f"{stay.bed}号", stay.name, stay.sid, format_office_time(stay.begins_at), format_office_time(stay.ends_at))
            for stay in bed_history(room, scope)
        ]
        return table(("床位", "姓名", "学号", "入住", "退宿"), rows)

    @action(description="删除所选的房间", permissions=["remove"])
    def remove(self, request: HttpRequest, rows: QuerySet[Room]) -> None:
        for room in rows:
            try:
                room_remove(pk=room.pk, now=times.now(), scope=scope_of(request.user))
                messages.success(request, f"已删除 {room}")
            except DomainError as refusal:
                messages.error(request, f"{room}：{refusal.msg}")

    def get_form(self, request: HttpRequest, obj: Room | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.scope = scope_of(request.user)
        return form

    def save_model(self, request: HttpRequest, obj: Room, form: Any, change: bool) -> None:
        obj.pk = form.apply() or obj.pk
        obj.refresh_from_db()

    # --- A building as rooms and beds ---
    def beds_page(self, request: HttpRequest) -> HttpResponse:
        """Show a building's rooms and beds. ``student`` in the address is who was chosen, for a bed or another one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._press(request)
        scope = scope_of(request.user)
        names = buildings(scope)
        asked = {name: request.GET.get(name, "").replace("\x00", "").strip()[:64] for name in ("building", "key", "q")}
        building = asked["building"] if asked["building"] in names else (names or [""])[0]
        # Who looks for a student finds the room in any building.
        found = rooms_found(
            building="" if asked["key"] else building, key=asked["key"], only_free="free" in request.GET, scope=scope
        )
        rooms = list(found[: MAX_ROOMS + 1])
        stays = stays_of_rooms(rooms[:MAX_ROOMS])
        student = self._chosen(request)
        context = self.admin_site.each_context(request) | {
            "title": "床位图",
            "buildings": names,
            "building": building,
            "key": asked["key"],
            "only_free": "free" in request.GET,
            "q": asked["q"],
            "rooms": [(room, self._shown(room, stays[room.pk], request)) for room in rooms[:MAX_ROOMS]],
            "has_more": len(rooms) > MAX_ROOMS,
            "student": student,
            "stay": stay_of(student) if student else None,
            "found": homeless(asked["q"], scope) if asked["q"] else (),
            "may_change": self.has_change_permission(request),
            "query": request.GET.urlencode(),
        }
        return render(request, "dormitory/beds.html", context)

    def _shown(self, room: Room, stays: list[Stay], request: HttpRequest) -> list[tuple[int, Stay | None, bool]]:
        """Return each bed's number, its stay and whether the user may know the student."""
        scope = scope_of(request.user)
        return [(bed, stay, stay is None or scope.may_see(stay.student)) for _, bed, stay in _beds((room, stays))]

    def _chosen(self, request: HttpRequest) -> Student | None:
        try:
            return student_get(request.GET.get("student", "").replace("\x00", ""), scope_of(request.user))
        except DomainError:
            return None

    def _press(self, request: HttpRequest) -> HttpResponse:
        """Let the student of the form move in, to another bed, or out."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        query = QueryDict(request.GET.urlencode(), mutable=True)
        sid, place = request.POST.get("student", "").replace("\x00", ""), request.POST.get("place", "")
        common: dict[str, Any] = {"sid": sid, "now": times.now(), "scope": scope_of(request.user)}
        try:
            student = student_get(sid, common["scope"])
            if place == "out":
                stay, what = check_out(**common), "退宿"
            else:
                room_pk, bed = self._place(place)
                has_bed = stay_of(student) is not None
                what = "换床" if has_bed else "入住"
                stay = (move if has_bed else check_in)(**common, room_pk=room_pk, bed=bed)
        except DomainError as refusal:
            messages.error(request, refusal.msg)
        else:
            words = {"学员": f"{stay.name}（{stay.sid}）", what: f"{stay.room} {stay.bed}号床"}
            action_record(stay.room, StaffAction.BULK, words)
            messages.success(request, f"{stay.name}：{what}完成，{stay.room} {stay.bed}号床")
            query.pop("student", None)
        return HttpResponseRedirect(f"{reverse('admin:dormitory_room_beds')}?{query.urlencode()}")

    def _place(self, text: str) -> tuple[int, int]:
        room, _, bed = text.partition("-")
        if not (room.isdecimal() and bed.isdecimal()):
            raise RecordMissing
        return int(room), int(bed)
