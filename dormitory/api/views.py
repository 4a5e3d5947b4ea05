"""The dormitory's calls (学员宿舍)."""

from accounts.authentication import CallerRequest
from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Endpoint
from core.api.envelope import Envelope, ok
from core.api.params import page_of
from dormitory import selectors, services
from dormitory.api import docs, params
from dormitory.api.rows import room_json


class DormitoryViewSet(ApiViewSet):
    tag = "宿舍模块"

    @Endpoint("GET", "/dorm/getRooms", "获取宿舍房间", Access.ROWS, docs=docs.LIST, is_quick=True)
    def get_rooms(self, request: CallerRequest) -> Envelope:
        query, scope = params.ListParams.read(request), request.user.scope
        found = selectors.rooms_found(
            building=query["building"], key=query["key"], only_free=query["free"], scope=scope
        )
        total, rooms = page_of(found, query)
        return ok("获取成功", total=total, data=[room_json(room, scope) for room in rooms])

    @Endpoint("POST", "/dorm/addRoom", "增加宿舍房间", Access.ROWS, docs=docs.ADD)
    def add_room(self, request: CallerRequest) -> Envelope:
        room = services.room_add(**params.AddParams.read(request), scope=request.user.scope)
        return ok("添加成功", room_id=str(room.pk))

    @Endpoint("POST", "/dorm/updateRoom", "修改宿舍房间", Access.ROWS, docs=docs.UPDATE)
    def update_room(self, request: CallerRequest) -> Envelope:
        services.room_update(**params.UpdateParams.read(request), scope=request.user.scope)
        return ok("修改成功")

    @Endpoint("GET", "/dorm/delRoom", "删除宿舍房间", Access.ROWS, docs=docs.REMOVE)
    def del_room(self, request: CallerRequest) -> Envelope:
        services.room_remove(**params.RoomParams.read(request), now=times.now(), scope=request.user.scope)
        return ok("删除成功")

    @Endpoint("POST", "/dorm/checkIn", "入住", Access.ROWS, docs=docs.CHECK_IN)
    def check_in(self, request: CallerRequest) -> Envelope:
        stay = services.check_in(**params.CheckInParams.read(request), now=times.now(), scope=request.user.scope)
        return ok("入住成功", bed=stay.bed)

    @Endpoint("POST", "/dorm/checkOut", "退宿", Access.ROWS, docs=docs.CHECK_OUT)
    def check_out(self, request: CallerRequest) -> Envelope:
        services.check_out(**params.StudentParams.read(request), now=times.now(), scope=request.user.scope)
        return ok("退宿成功")
