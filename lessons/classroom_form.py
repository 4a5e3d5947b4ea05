"""The form with which a class is opened: its list is typed or pasted, a file, or the students of a class."""

from typing import Any

from django import forms

from accounts.errors import ClassAccountsRefused
from accounts.services.class_accounts import MAX_TRAINEES, Trainee, names_read
from core.sheets.read import SheetRefused, sheet_read
from permissions.models import DEFAULT_ROLEID, DataScope, Role
from permissions.scope import EVERYTHING
from permissions.selectors import roles_to_give
from students.classes import classes_of_user
from students.invented import MAX_PRACTICE
from students.selectors import class_list, class_roster

MAX_TITLE_LINES = 10  # above the heading of a list


class ClassForm(forms.Form):
    class_name = forms.RegexField(
        r"\A[\w-]{1,32}\Z",
        label="班级",
        required=False,
        help_text="没有学号的人，用户名是班级加序号，如 h51901-01；取班级学员时可以不填",
        error_messages={"invalid": "只能有文字、数字、下划线和减号，最多 32 个字符"},
    )
    role = forms.ChoiceField(label="角色", choices=roles_to_give, initial=DEFAULT_ROLEID)
    scope = forms.ChoiceField(
        label="数据权限",
        choices=[("", "与角色相同"), *Role.SCOPES],
        required=False,
        help_text="仅本人：每个人有自己的一份学员和商品，互相看不到；仅本人可改：看得到全部，只能改自己录入的",
    )
    practice = forms.IntegerField(
        label="每人的练习学员",
        min_value=0,
        max_value=MAX_PRACTICE,
        initial=0,
        required=False,
        help_text="为每个账号录入这么多名虚构的学员，例如 30；与“仅本人”一起用最合适",
    )
    names = forms.CharField(
        label="名单",
        required=False,
        widget=forms.Textarea({"rows": 8}),
        help_text="每行一人：姓名，或姓名和学号（逗号、空格或制表符隔开，可直接从 Excel 粘贴）",
    )
    file = forms.FileField(
        label="或上传名单",
        required=False,
        help_text=".xlsx、.xls、.csv 或 .txt；表格有“姓名”一列时取“姓名”和“学号”两列",
    )
    is_invited = forms.BooleanField(
        label="或用邀请码",
        required=False,
        help_text="不要名单：学员凭邀请码自己开账号；班级开好以后在上面发邀请码",
    )
    students_of = forms.ChoiceField(
        label="或取班级学员", required=False, help_text="学员表里这个班的全部学员，用户名是各人的学号"
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        """Offer what a user may give: a teacher takes students of the own classes, and each account 仅本人."""
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        names = class_list() if user.is_superuser else sorted(classes_of_user(user.pk, has_campus=False))
        fields["students_of"].choices = [("", "—"), *((name, name) for name in names)]
        if not user.is_superuser:
            fields["scope"].choices = [(DataScope.OWN.value, DataScope.OWN.label)]
            fields["scope"].required = True

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if not values.get("class_name") and "class_name" not in self.errors:
            values["class_name"] = values.get("students_of", "")
            if not values["class_name"]:
                self.add_error("class_name", "请填写班级")
        sources = [name for name in ("names", "file", "students_of", "is_invited") if values.get(name)]
        if len(sources) != 1:
            raise forms.ValidationError("名单、文件、班级学员三者选一，或用邀请码")
        try:
            values["trainees"] = self._trainees(values)
        except (ClassAccountsRefused, SheetRefused) as refusal:
            self.add_error(sources[0], refusal.msg)
        return values

    def _trainees(self, values: dict[str, Any]) -> list[Trainee]:
        if values.get("is_invited"):
            return []
        if values.get("students_of"):
            students = class_roster(values["students_of"], EVERYTHING.school, only_studying=True)[: MAX_TRAINEES + 1]
            if len(students) > MAX_TRAINEES:
                raise ClassAccountsRefused(f"一次最多 {MAX_TRAINEES} 人")
            return [Trainee(student.name, student.sid) for student in students]
        return names_read(values.get("names") or _text_of(values["file"]))


def _text_of(file: Any) -> str:
    """Return the lines of a file; of a table with a heading 姓名 that column, and 学号 if there is one.

    Above the heading may stand a title.

    :raises SheetRefused: see ``sheet_read``.
    """
    rows = dict(sheet_read(file.read()))
    for first, cells in list(rows.items())[:MAX_TITLE_LINES]:
        heading = ["".join(cell.split()) for cell in cells]  # 姓名 is often spread over its cell
        if "姓名" in heading:
            places = [heading.index(name) for name in ("姓名", "学号") if name in heading]
            below = ((number, row) for number, row in rows.items() if number > first)
            rows = {number: [row[at] for at in places if at < len(row)] for number, row in below}
            break
    return "\n".join("\t".join(rows.get(number, [])) for number in range(1, max(rows, default=0) + 1))
