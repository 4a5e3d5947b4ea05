"""Two hundred demo students of a school's year, for the first start. They are made only if DEMO_DATA is on."""

from datetime import datetime, timedelta
from random import Random

from django.utils import timezone

from core.times import SHANGHAI
from students.models import Student
from uploads.services import image_release

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN_NAMES = [
    "鹏",
    "欣怡",
    "子轩",
    "雨桐",
    "浩然",
    "思远",
    "佳琪",
    "梓涵",
    "俊杰",
    "晓彤",
    "志强",
    "婷婷",
    "建国",
    "明月",
    "一诺",
]
CITIES = ["重庆", "南京", "成都", "武汉", "西安", "长沙", "杭州", "合肥"]
DEGREES = ["大专", "本科", "专科", "硕士"]
WORDS = [
    "每天进步一点点",
    "O(∩_∩)O哈哈~",
    "喜欢写代码，也喜欢打篮球",
    "脚踏实地，仰望星空",
    "Talk is cheap, show me the code",
]
CLASSES = ["H51901", "H51902", "H51903", "H51904"]
COUNT = 60  # of the last weeks, with the one of the API document
# Those who came earlier in the year, by class.
EARLIER = {"H51901": 23, "H51902": 20, "H51903": 17, "H51904": 14, "H51905": 38, "H51906": 28}
YEAR, WEEKS = timedelta(days=360), timedelta(days=24)


def seed() -> str:
    """Add the demo students to an empty table. A table that holds anybody stays as it is."""
    if Student.objects.exists():
        return "已有学员，保持不变"
    # The numbers are always the same, so two starts at the same time add each student once.
    students = _all()
    Student.objects.bulk_create(students, ignore_conflicts=True)
    return f"新增 {len(students)} 名学员，{len(EARLIER)} 个班"


def reset() -> str:
    """Put the demo students back as they were, deleted ones too. All other students stay as they are."""
    fields = [field.name for field in Student._meta.concrete_fields if field.name not in {"id", "sid"}]
    demo = _all()
    for student in Student.objects.filter(sid__in=[student.sid for student in demo]).exclude(headimgurl=""):
        image_release(owner=student.owner_ref)
    Student.objects.bulk_create(demo, update_conflicts=True, unique_fields=["sid"], update_fields=fields)
    return f"恢复 {len(demo)} 名学员"


def _all() -> list[Student]:
    # Lists show the newest key first.
    return [_of_the_document(), *_earlier(), *_invented()]


def _earlier() -> list[Student]:
    random = Random(51906)  # noqa: S311  (always the same)
    classes = [name for name, count in EARLIER.items() for _ in range(count)]
    random.shuffle(classes)
    first = timezone.now() - YEAR
    pause = (YEAR - WEEKS) / len(classes)
    return [
        _student(random, number, class_name, first + pause * at)
        for at, (number, class_name) in enumerate(enumerate(classes, COUNT))
    ]


def _of_the_document() -> Student:
    return Student(
        sid="WWLN97178546",
        name="谭鹏",
        age=21,
        class_name="H51901",
        city="重庆",
        degree="专科",
        product_url="地址",
        description="O(∩_∩)O哈哈~",
        created_at=datetime(2019, 5, 9, 2, 14, 12, tzinfo=SHANGHAI),
    )


def _invented() -> list[Student]:
    random = Random(51901)  # noqa: S311  (always the same sixty)
    now = timezone.now()
    return [
        _student(random, number, CLASSES[number % len(CLASSES)], now - timedelta(hours=9 * (COUNT - number)))
        for number in range(1, COUNT)
    ]


def _student(random: Random, number: int, class_name: str, created_at: datetime) -> Student:
    return Student(
        sid=f"DEMO{number:08d}",
        name=random.choice(SURNAMES) + random.choice(GIVEN_NAMES),
        age=random.randint(18, 28),
        class_name=class_name,
        city=random.choice(CITIES),
        degree=random.choice(DEGREES),
        product_url=f"https://example.com/projects/{number}",
        description=random.choice(WORDS),
        created_at=created_at,
    )
