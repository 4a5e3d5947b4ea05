"""The seven calls as contracted: keys, types, texts, numbers."""

import re
from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from core.ids import object_id
from students.models import Student
from students.tests.factories import FIELDS, student, students
from tests.kit import encoded, posted
from uploads.models import ImageUse, Upload

pytestmark = pytest.mark.django_db


def add(client, format="json", **changes):
    return client.post("/students/addstu", FIELDS | changes, format=format).json()


def edit(client, **fields):
    return client.post("/students/updatestu", fields).json()


def rows(client):
    return client.get("/students/getstulist").json()["data"]


def test_the_list_is_the_seeds_sample_to_the_byte(yuangong):
    moment = datetime(2019, 5, 8, 18, 14, 12, tzinfo=UTC)
    tan = student(sid="WWLN97178546", created_at=moment)
    tan.save()

    body = yuangong.get("/students/getstulist").json()

    made = {"_id": object_id(moment, tan.pk), "headimgurl": "", "cTime": "2019/05/09 02:14:12", "__v": 0}
    row = FIELDS | made | {"sId": "WWLN97178546"}
    assert body == {"status": 1, "state": True, "msg": "请求成功", "total": 1, "data": [row]}
    assert re.fullmatch("[0-9a-f]{24}", row["_id"]) and isinstance(body["data"][0]["age"], str)


def test_the_newest_come_first_and_pages_count_from_1(yuangong, settings):
    students(*"甲乙丙丁戊")

    def names(**query):
        body = yuangong.get("/students/getstulist", **query).json()
        assert body["total"] == 5
        return "".join(row["name"] for row in body["data"])

    assert names() == "戊丁丙乙甲"
    assert names(page="1", count="2") == "戊丁"
    assert names(page="3", count="2") == "甲"
    assert names(page="4", count="2") == ""
    assert names(page="", count="2", **{"class": ""}) == "戊丁"
    assert names(count="999999999999") == "戊丁丙乙甲"
    assert names(page="999999999999", count="999999999999") == ""
    settings.API_MAX_ROWS = 3
    assert names() == names(count=4) == "戊丁丙"


def test_the_list_takes_class_and_key_together_and_so_does_the_search(yuangong):
    students("谭鹏", "王芳", class_name="H51901")
    students("谭丽", "谭鹏", class_name="H51902")

    def page_of(**query):
        body = yuangong.get("/students/getstulist", **query).json()
        return body["total"], [row["name"] for row in body["data"]]

    assert page_of(**{"class": "H51902"}) == (2, ["谭鹏", "谭丽"])
    assert page_of(key="谭") == (3, ["谭鹏", "谭丽", "谭鹏"])
    assert page_of(key="谭", **{"class": "H51901"}) == (1, ["谭鹏"])
    assert page_of(key="芳", **{"class": "H51902"}) == (0, [])
    assert page_of(key="谭", count=1, page=9, **{"class": "H51902"}) == (2, [])
    assert page_of(**{"class": "h51902"}) == (0, [])
    assert page_of(key=" 谭\u3000", **{"class": "\tH51901 "}) == (1, ["谭鹏"])
    assert yuangong.get("/students/searchstu", key="  谭丽 ").json()["total"] == 1
    body = yuangong.get("/students/searchstu", key="谭", count="1", page="2").json()
    (row,) = body.pop("data")
    assert body == {"status": 200, "state": True, "total": 3} and row["name"] == "谭丽"
    assert [yuangong.get("/students/searchstu", **query).json()["total"] for query in ({}, {"key": " "})] == [4, 4]


@pytest.mark.parametrize("format", ["json", "form", "multipart"])
def test_adding_answers_the_new_sid_and_text_comes_back_as_it_was_sent(zhuguan, format):
    odd = {"name": "O'Neil %_\\ 👩‍💻", "description": "<b>\u202e\n'; DROP TABLE x;--", "city": "İstanbul"}
    body = add(zhuguan, format, sId="AAAA00000000", cTime="", _id="", __v="7", **odd)

    assert body == {"status": 1, "state": True, "msg": "添加成功", "sId": body["sId"]}
    assert re.fullmatch(r"[A-Z]{4}[0-9]{8}", body["sId"]) and body["sId"] != "AAAA00000000"
    row = rows(zhuguan)[0]
    expected = FIELDS | odd | {"sId": body["sId"], "__v": 0}
    assert {name: row[name] for name in expected} == expected
    for age in (21, " 21 ", "021", "２１"):
        add(zhuguan, format, age=age)
        assert rows(zhuguan)[0]["age"] == "21"


def test_a_missing_field_is_named(zhuguan):
    for missing in FIELDS:
        for fields in (FIELDS | {missing: "  "}, {name: text for name, text in FIELDS.items() if name != missing}):
            body = zhuguan.post("/students/addstu", fields).json()
            assert body == {"status": 0, "state": False, "msg": f"缺少参数: {missing}"}
    everything = "缺少参数: class, name, age, city, degree, productUrl, description"
    assert zhuguan.post("/students/addstu", {}).json()["msg"] == everything and not Student.objects.exists()


@pytest.mark.parametrize("age", ["很老", "-1", "0", "151", "1e3", "21.5", "9" * 2000, "2_1", True, ["21"], {"$gt": ""}])
def test_an_age_that_is_none_is_refused(zhuguan, age):
    assert add(zhuguan, age=age) == {"status": 0, "state": False, "msg": "age: 必须是1到150之间的整数"}
    assert not Student.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        *({name: ["谭"]} for name in FIELDS if name != "age"),
        *({"name": value} for value in ({"$gt": ""}, True, "名" * 65, "谭\x00鹏")),
        *({"class": "班" * 65}, {"description": "长" * 2001}),
        *({"productUrl": url} for url in ("javascript:x", " JaVa\tScript\n:alert(1)", "data:text/html,x")),
        *({"headimgurl": url} for url in ("javascript:x", "ftp://example.com/a.png", ["http://example.com/a.png"])),
    ],
    ids=str,
)
def test_what_cannot_be_kept_is_refused_by_name(zhuguan, fields):
    body = add(zhuguan, **fields)

    assert (body["status"], body["state"]) == (0, False)
    assert body["msg"].startswith(f"{next(iter(fields))}: ")
    assert not Student.objects.exists()


def test_editing_changes_what_is_given_and_nothing_else(zhuguan):
    sid = add(zhuguan)["sId"]
    before = rows(zhuguan)[0]
    posted_back = before | {"city": "南京", "age": 22, "_id": "0" * 24, "cTime": "2000/01/01 00:00:00", "__v": 9}

    assert edit(zhuguan, token="x", **posted_back) == {"status": 200, "state": True, "msg": "更新成功"}
    assert rows(zhuguan) == [before | {"city": "南京", "age": "22"}]
    assert edit(zhuguan, sId=sid, **{"class": "H51999"})["state"] is True
    assert zhuguan.get("/students/getclasses").json()["data"] == ["H51999"]


def test_an_edit_that_cannot_be_says_why_and_changes_nothing(zhuguan):
    sid = add(zhuguan)["sId"]
    row = rows(zhuguan)[0]

    for fields in (row, {"sId": sid}, {"sId": sid, "name": "", "age": " ", "class": None}, {"sId": sid, "age": 21}):
        assert edit(zhuguan, **fields) == {"status": 304, "state": False, "msg": "没有做任何修改"}
    assert edit(zhuguan, name="谭") == {"status": 0, "state": False, "msg": "没有传递sId"}
    assert edit(zhuguan, sId="AAAA00000000", name="谭") == {"status": 0, "state": False, "msg": "没有该学员"}
    assert edit(zhuguan, sId=["x"], name="谭")["state"] is False
    assert edit(zhuguan, sId=sid, name="新名", age="很老")["msg"] == "age: 必须是1到150之间的整数"
    assert rows(zhuguan) == [row]


def upload(client, fields, format="multipart"):
    return client.post("/students/uploadStuAvatar", fields, format=format).json()


@pytest.mark.parametrize("format", ["json", "form", "multipart"])
@pytest.mark.parametrize("fields", [{}, {"headimgurl": "text"}, {"other": "x"}])
def test_an_upload_without_a_file_is_refused(api, fields, format):
    assert upload(api, fields, format) == {"status": 500, "state": False, "msg": "上传失败"}


def test_a_file_that_is_no_picture_is_refused_and_none_is_stored_for_an_unknown_student(api, zhuguan):
    page = SimpleUploadedFile("a.png", b"<script>", "image/png")

    assert upload(api, {"headimgurl": page})["state"] is False
    page.seek(0)
    assert add(zhuguan, "multipart", headimgurl=page)["state"] is False
    fields = {"sId": "AAAA00000000", "headimgurl": posted(encoded())}
    assert zhuguan.post("/students/updatestu", fields, format="multipart").json()["msg"] == "没有该学员"
    assert not Student.objects.exists() and not Upload.objects.exists()


@pytest.mark.parametrize("how", ["json", "form", "multipart", "null"])
def test_a_picture_and_a_text_are_taken_away_by_a_blank(zhuguan, how):
    sid = add(zhuguan, "multipart", headimgurl=posted(encoded()))["sId"]
    row = rows(zhuguan)[0]
    blank = None if how == "null" else ""
    emptied = dict.fromkeys(("headimgurl", "description", "productUrl", "city", "degree"), "")
    body = {"sId": sid} | dict.fromkeys((*emptied, "name", "class", "age"), blank)
    kind = "json" if how == "null" else how

    answers = [zhuguan.post("/students/updatestu", body, format=kind).json()["status"] for _ in range(2)]

    assert answers == [200, 304]
    assert rows(zhuguan) == [row | emptied]
    assert not ImageUse.objects.exists() and Upload.objects.get().idle_since is not None


def test_a_picture_stays_if_none_is_chosen_or_a_new_one_comes_beside_the_blank(zhuguan):
    sid = add(zhuguan, "multipart", headimgurl=posted(encoded()))["sId"]
    old = Student.objects.get().headimgurl
    file = 'Content-Disposition: form-data; name="headimgurl"; filename=""\r\nContent-Type: application/octet-stream'
    parts = [f'Content-Disposition: form-data; name="sId"\r\n\r\n{sid}', f"{file}\r\n\r\n"]
    body = "".join(f"--x\r\n{part}\r\n" for part in parts) + "--x--\r\n"
    head = {"authorization": zhuguan.token}
    kind = "multipart/form-data; boundary=x"

    answer = zhuguan.http.post("/students/updatestu", body.encode(), content_type=kind, headers=head)
    assert answer.json()["status"] == 304 and Student.objects.get().headimgurl == old

    both = {"sId": sid, "headimgurl": ["", posted(encoded())]}
    assert zhuguan.post("/students/updatestu", both, format="multipart").json()["status"] == 200
    assert Student.objects.get().headimgurl not in {"", old}


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_a_file_is_taken_whose_name_a_chinese_windows_has_written(api, encoding):
    head = '--x\r\nContent-Disposition: form-data; name="headimgurl"; filename="谭鹏的头像.png"\r\n\r\n'.encode(
        encoding
    )
    kind = "multipart/form-data; boundary=x"

    answer = api.http.post("/students/uploadStuAvatar", head + encoded() + b"\r\n--x--\r\n", content_type=kind).json()

    assert answer["msg"] == "上传成功" and Upload.objects.count() == 1


def test_a_picture_belongs_to_its_student_until_replaced_or_deleted_which_works_once(zhuguan, api):
    sid = add(zhuguan, "multipart", headimgurl=posted(encoded()))["sId"]
    assert Student.objects.get().headimgurl == ImageUse.objects.get().upload.url_path

    body = upload(api, {"headimgurl": posted(encoded())})
    second = body["headimgurl"]
    assert body == {"status": 200, "state": True, "msg": "上传成功", "headimgurl": second}
    assert second.startswith("http://testserver/media/") and edit(zhuguan, sId=sid, headimgurl=second)["state"]
    assert ImageUse.objects.get().upload.url_path in second
    assert edit(zhuguan, sId=sid, headimgurl=second)["status"] == 304

    assert zhuguan.get("/students/delstu", sId=sid).json() == {"status": 1, "state": True, "msg": "删除成功"}
    assert zhuguan.get("/students/delstu", sId=sid).json() == {"status": 0, "state": False, "msg": "删除出错"}
    assert zhuguan.get("/students/delstu", sId="").json() == {"status": 0, "state": False, "msg": "没有传递sId"}
    assert not Student.objects.exists() and not ImageUse.objects.exists()
    add(zhuguan, headimgurl="https://example.com/a.png?x=1&y=谭")
    row = rows(zhuguan)[0]
    assert row["headimgurl"] == "https://example.com/a.png?x=1&y=谭", "a foreign address stays"


def test_classes_are_named_once_and_in_order(yuangong):
    for name in ("H51902", "H51901", "H51902", "A1"):
        student(class_name=name).save()
    Student.objects.filter(class_name="A1").delete()

    classes = {"status": 200, "state": True, "data": ["H51901", "H51902"]}
    assert yuangong.get("/students/getclasses").json() == classes
