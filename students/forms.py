"""The forms of students in the back office."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, ClassVar

from django import forms
from django.contrib.auth import get_user_model
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import INPUT_CLASSES, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from core.times import FIRST_YEAR, LAST_YEAR, local, now
from permissions.scope import EVERYTHING, Scope, present_scope
from students.accounts import Fate
from students.classes import campuses, class_rows, classes_overfull
from students.columns import EDITABLE, OPTIONAL_FOR_STAFF, PHONES, label_of, phone_tidy
from students.models import PRESENT_STATES, ClassState, SchoolClass, Student, StudentState
from students.selectors import ClassSpelling, class_roster, classes_known, classes_present, folded, namesakes
from uploads.forms import PictureModelForm, picture_field

NEW_CLASS = "__new__"  # what the select of classes sends for "new class"
FULL = "full"  # form field: "1" says that a class may have more students than there is room for
NAMESAKE = "namesake"  # form field: "1" says that a student of the same name is another person
CLASS_LENGTH = Student._meta.get_field("class_name").max_length
MAX_SPLIT = 500  # students of a class to choose from


class ClassWidget(UnfoldAdminSelectWidget):
    """A select of the classes that exist; its last entry opens a field for the name of a new one."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        value = data.get(name)
        return data.get(f"{name}_new", "") if value == NEW_CLASS else value

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        scope = present_scope()
        may_add = not scope.kind.is_by_classes
        classes = sorted(classes_known(scope) if may_add else scope.classes | ({value} if value else set()))
        new = str(value) if value and value not in classes else ""
        others = [(NEW_CLASS, "新建班级…")] if may_add else []
        self.choices = [("", "请选择"), *((one, one) for one in classes), *others]
        select = super().render(name, NEW_CLASS if new else value, attrs, renderer)
        context = {"select": select, "name": name, "new": new, "length": CLASS_LENGTH, "look": " ".join(INPUT_CLASSES)}
        return render_to_string("students/class_widget.html", context)


class ClassField(forms.CharField):
    """A class in the spelling that it has already."""

    widget = ClassWidget

    def __init__(self) -> None:
        super().__init__(label=label_of("class_name"), max_length=CLASS_LENGTH)

    def to_python(self, value: Any) -> str:
        text = super().to_python(value)
        return ClassSpelling(present_scope()).of(text) if text else ""


def own_class(form: Any) -> str:
    """Clean a class that must be the user's own if the data scope says so, or the one that the student has.

    :raises forms.ValidationError: it is another one.
    """
    name: str = form.cleaned_data["class_name"]
    if name and name != form.initial.get("class_name") and (refusal := present_scope().class_refusal(name)):
        raise forms.ValidationError(refusal.msg)
    return name


def question(name: str, text: str, answer: str, students: Sequence[Student] = ()) -> forms.ValidationError:
    """Make an error that the next post of the form may answer by a tick called ``name``."""
    context = {"name": name, "text": text, "answer": answer, "students": students}
    return forms.ValidationError(render_to_string("students/question.html", context))


def ask_about_room(form: forms.BaseForm, field: str, more: Mapping[str, int], scope: Scope = EVERYTHING) -> None:
    """Ask once more where classes would get so many ``more`` students that they have no room for all of them."""
    if form.data.get(FULL) != "1" and (texts := classes_overfull(more, scope)):
        form.add_error(field, question(FULL, "；".join(texts), "仍然这样做"))


class CampusWidget(UnfoldAdminTextInputWidget):
    """A text field that suggests the existing campuses."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        field = super().render(name, value, {**(attrs or {}), "list": "campuses", "autocomplete": "off"}, renderer)
        options = format_html_join("", '<option value="{}"></option>', ((campus,) for campus in campuses()))
        return format_html('{}<datalist id="campuses">{}</datalist>', field, options)


class CampusField(forms.CharField):
    """A campus in its one spelling; "" is none."""

    widget = CampusWidget

    def __init__(self, help_text: str = "") -> None:
        length = SchoolClass._meta.get_field("campus").max_length
        super().__init__(label="校区", required=False, max_length=length, help_text=help_text)

    def to_python(self, value: Any) -> str:
        return folded(super().to_python(value) or "")


class CampusForm(forms.Form):
    campus = CampusField("留空：没有校区")


class StudentForm(PictureModelForm):
    class_name = ClassField()
    picture = picture_field("上传头像")
    no_picture = forms.BooleanField(label="移除现在的头像", required=False, widget=UnfoldBooleanWidget)
    columns: ClassVar = {"picture": ["headimgurl"]}
    clean_class_name = own_class

    class Meta:
        model = Student
        fields = EDITABLE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in OPTIONAL_FOR_STAFF:
            if name in self.fields:  # none for users who may only look
                self.fields[name].required = False

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        values |= {name: phone_tidy(values[name]) for name in PHONES if name in values}
        if {"name", "class_name"} & {*self.changed_data} and {"name", "class_name"} <= values.keys():
            self._ask_about_namesakes(values["name"], values["class_name"])
        return values

    def _ask_about_namesakes(self, name: str, class_name: str) -> None:
        same = namesakes(name=name, class_name=class_name, except_pk=self.instance.pk)
        same = [student for student in same if present_scope().may_see(student)]
        if same and self.data.get(NAMESAKE) != "1":
            text = f"{class_name} 班已有同名学员："
            self.add_error(None, question(NAMESAKE, text, "是另一个人，再次保存", same))


class ManyForm(forms.ModelForm):  # type: ignore[type-arg]
    """Values for many students; what is left empty stays as it is."""

    class_name = ClassField()
    clean_class_name = own_class
    students: Sequence[Student] = ()  # those who would get the values

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = False

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        self.values = {name: value for name, value in values.items() if value not in (None, "")}
        if not self.values and not self.errors:
            raise forms.ValidationError("请至少填写一项")
        if name := self.values.get("class_name"):
            more = sum(student.class_name != name and not student.has_left for student in self.students)
            ask_about_room(self, "class_name", {name: more}, present_scope())
        return values


class SchoolClassForm(forms.ModelForm):  # type: ignore[type-arg]
    campus = CampusField()
    teachers: Any = forms.ModelMultipleChoiceField(
        label="任课老师", queryset=None, required=False, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = SchoolClass
        fields = ("name", "state", "head_teacher", "teachers", "begins_on", "ends_on", "campus", "room", "capacity")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        staff = get_user_model().objects.filter(is_staff=True).order_by("nickname", "username")
        for name in {"head_teacher", "teachers"} & self.fields.keys():
            self.fields[name].queryset = staff  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        return ClassSpelling().of(self.cleaned_data["name"])

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        first, last = values.get("begins_on"), values.get("ends_on")
        if first and last and last < first:
            self.add_error("ends_on", "结业日期早于开班日期")
        return values


# --- Steps of a class, and of many students ---
def day_field(label: str) -> forms.DateField:
    """Make a field for a day, at first today."""
    limits = [MinValueValidator(date(FIRST_YEAR, 1, 1)), MaxValueValidator(date(LAST_YEAR, 12, 31))]
    widget = UnfoldAdminTextInputWidget(attrs={"type": "date"})
    return forms.DateField(label=label, initial=lambda: local(now()).date(), validators=limits, widget=widget)


class StepForm(forms.Form):
    """What a step asks, of the class ``row`` or of many students."""

    def __init__(self, data: Any, *, request: HttpRequest, row: SchoolClass | None = None) -> None:
        super().__init__(data)
        self.request, self.class_name = request, row.name if row else ""
        self.prepare()

    def prepare(self) -> None:
        """Fill the fields whose choices depend on the class or the user."""


class RenameForm(StepForm):
    after = forms.CharField(label="新的名称", max_length=CLASS_LENGTH, widget=UnfoldAdminTextInputWidget)

    def clean_after(self) -> str:
        return ClassSpelling().of(self.cleaned_data["after"])


class MergeForm(StepForm):
    after = forms.ChoiceField(label="合并到", widget=UnfoldAdminSelectWidget)

    def prepare(self) -> None:
        sizes, choices = classes_present(), []
        for row in class_rows().exclude(name=self.class_name).exclude(state=ClassState.ENDED):
            about = [f"{sizes.get(row.name, 0)} 名", f"容量 {row.capacity}" if row.capacity else "", row.campus]
            choices.append((row.name, f"{row.name}（{'，'.join(filter(None, about))}）"))
        self.fields["after"].choices = choices  # type: ignore[attr-defined]

    def clean_after(self) -> str:
        name = str(self.cleaned_data["after"])
        ask_about_room(self, "after", {name: classes_present().get(self.class_name, 0)})
        return name


class SplitForm(RenameForm):
    after = forms.CharField(
        label="换到班级", max_length=CLASS_LENGTH, widget=UnfoldAdminTextInputWidget, help_text="可以是新的班级"
    )
    pks = forms.TypedMultipleChoiceField(label="学员", coerce=int, widget=forms.CheckboxSelectMultiple)

    def prepare(self) -> None:
        roster = class_roster(self.class_name).values_list("pk", "name", "sid")[:MAX_SPLIT]
        self.fields["pks"].choices = [(pk, f"{name} {sid}") for pk, name, sid in roster]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        if {"after", "pks"} <= self.cleaned_data.keys():
            chosen = Student.objects.filter(pk__in=self.cleaned_data["pks"], state__in=PRESENT_STATES)
            ask_about_room(self, "after", {self.cleaned_data["after"]: chosen.count()})
        return self.cleaned_data


class FateForm(StepForm):
    """Ask what becomes of the accounts; offers only what the user may do with accounts."""

    fate = forms.ChoiceField(label="学员的账号", required=False, widget=UnfoldAdminSelectWidget)

    def prepare(self) -> None:
        user = self.request.user
        fates = [Fate.KEEP, *([Fate.DISABLE] if user.has_perm("students.account_student") else [])]
        fates += [Fate.DELETE] if user.is_superuser else []
        self.fields["fate"].choices = [(fate.value, fate.label) for fate in fates]  # type: ignore[attr-defined]

    def clean_fate(self) -> str:
        return self.cleaned_data["fate"] or Fate.KEEP


class EndForm(FateForm):
    on = day_field("结业日期")
    field_order = ("on", "fate")


class StateForm(FateForm):
    state = forms.ChoiceField(label="状态", choices=StudentState.choices, widget=UnfoldAdminSelectWidget)
    on = day_field("从哪天起")
    reason = forms.CharField(label="原因", required=False, max_length=200, widget=UnfoldAdminTextInputWidget)
    fate = forms.ChoiceField(
        label="学员的账号", required=False, widget=UnfoldAdminSelectWidget, help_text="退学、结业时才变"
    )
    field_order = ("state", "on", "reason", "fate")
