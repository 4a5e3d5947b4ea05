"""The forms of students in the back office."""

from typing import Any, ClassVar

from django import forms
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import INPUT_CLASSES, UnfoldAdminSelectWidget, UnfoldBooleanWidget

from permissions.scope import EVERYTHING, Scope
from students.columns import EDITABLE, OPTIONAL_FOR_STAFF, label_of
from students.models import Student
from students.selectors import ClassSpelling, class_list, namesakes
from uploads.forms import PictureModelForm, picture_field

NEW_CLASS = "__new__"  # what the select of classes sends for "new class"
NAMESAKE = "namesake"  # form field: "1" says that a student of the same name is another person
CLASS_LENGTH = Student._meta.get_field("class_name").max_length


class ClassWidget(UnfoldAdminSelectWidget):
    """A select of the classes that exist; its last entry opens a field for the name of a new one."""

    scope: Scope = EVERYTHING

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        value = data.get(name)
        return data.get(f"{name}_new", "") if value == NEW_CLASS else value

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        classes = class_list(self.scope)
        new = str(value) if value and value not in classes else ""
        self.choices = [("", "请选择"), *((one, one) for one in classes), (NEW_CLASS, "新建班级…")]
        # CSS shows the field while "new class" is chosen, so it works without scripts, too.
        return format_html(
            '<div class="bo-new-choice">{}<input type="text" name="{}_new" value="{}" maxlength="{}" class="{}" '
            'aria-label="新班级的名称" placeholder="新班级的名称，如 H51901" autocomplete="off"></div>',
            super().render(name, NEW_CLASS if new else value, attrs, renderer),
            name, new, CLASS_LENGTH, " ".join(INPUT_CLASSES),
        )  # fmt: skip


class ClassField(forms.CharField):
    """A class in the spelling that it has already."""

    widget = ClassWidget

    def __init__(self) -> None:
        super().__init__(label=label_of("class_name"), max_length=CLASS_LENGTH)

    def to_python(self, value: Any) -> str:
        text = super().to_python(value)
        return ClassSpelling(self.widget.scope).of(text) if text else ""


class StudentForm(PictureModelForm):
    scope: Scope = EVERYTHING  # of the form's user
    class_name = ClassField()
    picture = picture_field("上传头像")
    no_picture = forms.BooleanField(label="移除现在的头像", required=False, widget=UnfoldBooleanWidget)
    columns: ClassVar = {"picture": "headimgurl"}

    class Meta:
        model = Student
        fields = EDITABLE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "class_name" in self.fields:
            self.fields["class_name"].widget.scope = self.scope
        for name in OPTIONAL_FOR_STAFF:
            if name in self.fields:  # none for who may only look
                self.fields[name].required = False

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if {"name", "class_name"} & {*self.changed_data} and {"name", "class_name"} <= values.keys():
            self._ask_about_namesakes(values["name"], values["class_name"])
        return values

    def _ask_about_namesakes(self, name: str, class_name: str) -> None:
        same = namesakes(name=name, class_name=class_name, except_pk=self.instance.pk)
        same = [one for one in same if self.scope.may_see(one)]
        if not same or self.data.get(NAMESAKE) == "1":
            return
        page = "admin:students_student_change"
        rows = ((reverse(page, args=[one.pk]), one.name, one.sid) for one in same)
        links = format_html_join("、", '<a class="underline" href="{}">{} {}</a>', rows)
        question = format_html(
            '{} 班已有同名学员：{}。<label class="bo-check"><input type="checkbox" name="{}" value="1"> '
            "是另一个人，再次保存</label>",
            class_name, links, NAMESAKE,
        )  # fmt: skip
        self.add_error(None, forms.ValidationError(question))


class ManyForm(forms.ModelForm):  # type: ignore[type-arg]
    """Values for many students; what is left empty stays as it is."""

    class_name = ClassField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = False

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        self.values = {name: value for name, value in values.items() if value not in (None, "")}
        if not self.values and not self.errors:
            raise forms.ValidationError("请至少填写一项")
        return values
