"""The students' calls. ``Access.ROWS``: a role with the path among its rows (``permissions.seed``), and root."""

from accounts.authentication import CallerRequest
from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Endpoint
from core.api.envelope import Envelope, ok
from core.api.once import done_once
from core.api.params import page_slice
from core.api.request import full_url
from students.api import docs
from students.api.params import AddParams, DeleteParams, EditParams, ListParams, SearchParams
from students.api.rows import student_json
from students.errors import AvatarMissing
from students.selectors import class_list, student_get, student_page
from students.services import student_add, student_delete, student_edit
from uploads.fields import image_file, image_or_url


class StudentViewSet(ApiViewSet):
    tag = "学员模块"

    @Endpoint("GET", "/students/getclasses", "获取班级列表", Access.ROWS, docs=docs.CLASSES, is_quick=True)
    def getclasses(self, request: CallerRequest) -> Envelope:
        return ok(data=class_list(request.user.scope))

    @Endpoint("GET", "/students/getstulist", "获取学员信息", Access.ROWS, docs=docs.LIST, is_quick=True)
    def getstulist(self, request: CallerRequest) -> Envelope:
        query = ListParams.read(request)
        window = page_slice(query)
        page = student_page(
            window, class_name=query.get("class_name", ""), key=query.get("key", ""), scope=request.user.scope
        )
        return ok("请求成功", status=1, total=page.total, data=[student_json(row) for row in page.rows])

    @Endpoint("POST", "/students/addstu", "增加学员信息", Access.ROWS, docs=docs.ADD, is_once=True)
    def addstu(self, request: CallerRequest) -> Envelope:
        fields, scope = AddParams.read(request), request.user.scope
        picture = image_or_url(request, "headimgurl")

        def add() -> Envelope:
            student = student_add(
                headimgurl=picture, created_by_id=request.user.pk, now=times.now(), scope=scope, **fields
            )
            return ok("添加成功", status=1, sId=student.sid)

        return done_once(request, add)

    @Endpoint("GET", "/students/delstu", "删除学员信息", Access.ROWS, docs=docs.DELETE)
    def delstu(self, request: CallerRequest) -> Envelope:
        student_delete(sid=DeleteParams.read(request)["sId"], now=times.now(), scope=request.user.scope)
        return ok("删除成功", status=1)

    @Endpoint("POST", "/students/updatestu", "修改学员信息", Access.ROWS, docs=docs.EDIT)
    def updatestu(self, request: CallerRequest) -> Envelope:
        changes = EditParams.read(request)
        sid = changes.pop("sId")
        scope = request.user.scope
        scope.require_change(student_get(sid, scope))  # before a picture is stored for it
        if picture := image_or_url(request, "headimgurl"):
            changes["headimgurl"] = picture
        student_edit(sid=sid, changes=changes, now=times.now(), scope=scope)
        return ok("更新成功")

    @Endpoint("GET", "/students/searchstu", "搜索学员", Access.ROWS, docs=docs.SEARCH, is_quick=True)
    def searchstu(self, request: CallerRequest) -> Envelope:
        query = SearchParams.read(request)
        page = student_page(page_slice(query), key=query.get("key", ""), scope=request.user.scope)
        return ok(total=page.total, data=[student_json(row) for row in page.rows])

    @Endpoint("POST", "/students/uploadStuAvatar", "上传学员头像", Access.OPEN, docs=docs.AVATAR)
    def upload_stu_avatar(self, request: CallerRequest) -> Envelope:
        url = image_file(request, "headimgurl")
        if not url:
            raise AvatarMissing
        return ok("上传成功", headimgurl=full_url(url))
