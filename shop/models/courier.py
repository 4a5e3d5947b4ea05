"""The list of couriers, and what is known of the usual ones: their parcels' numbers, their pages about a parcel."""

import re
import unicodedata

from django.db import models

COURIER_LENGTH = 32
TRACKING_LENGTH = 40
_NUMBER = re.compile(rf"[0-9A-Z-]{{1,{TRACKING_LENGTH}}}")
NUMBER_RULE = f"只能有字母、数字和横线，最多 {TRACKING_LENGTH} 位"
# Staff may add couriers under any name; those are chosen by hand. Browsers use the same expressions.
NUMBERS = {
    "顺丰速运": r"^SF\d",
    "京东快递": r"^JD",
    "圆通速递": r"^YT\d",
    "极兔速递": r"^JT\d",
    "中通快递": r"^ZTO?\d|^7[3568]\d{12}$",
    "申通快递": r"^STO?\d|^77\d{11,13}$",
    "韵达快递": r"^YD\d|^4[36]\d{11}(\d\d)?$",
    "德邦快递": r"^DPK\d",
    "EMS": r"^E[A-Z]\d{9}CN$|^1[01]\d{11}$",
    "邮政快递包裹": r"^9[89]\d{11}$",
}
# The whole number as the courier writes it: staff are asked about one that has another form.
FORMS = {
    "顺丰速运": r"SF\d{12,15}|\d{12}|\d{15}",
    "京东快递": r"JD[A-Z]{0,2}\d{11,15}(-\d{1,3}){0,3}-?",
    "圆通速递": r"YT\d{13,16}|\d{10,18}",
    "极兔速递": r"JT\d{13,16}",
    "中通快递": r"(ZTO?)?\d{12,15}",
    "申通快递": r"(STO?)?\d{12,15}",
    "韵达快递": r"(YD)?\d{13,15}",
    "德邦快递": r"(DPK)?\d{9,15}",
    "EMS": r"E[A-Z]\d{9}CN|\d{13}",
    "邮政快递包裹": r"\d{13}",
}
_PAGES = {
    "顺丰速运": "https://www.sf-express.com/chn/sc/waybill/waybill-detail/{}",
    "京东快递": "https://www.jdl.com/orderSearch/?waybillCodes={}",
    "中通快递": "https://www.zto.com/express/expressCheck.html?txtBill={}",
}


def parcel_number(text: str) -> str | None:
    """Return a parcel's number as couriers write it, from what people type or scan; None if it can be none.

    People type spaces, lower case and full-width digits.
    """
    number = re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).upper()
    return number if not number or _NUMBER.fullmatch(number) else None


def courier_of(number: str) -> str:
    """Return the courier whose numbers look like this one, "" if none does."""
    return next((courier for courier, form in NUMBERS.items() if re.search(form, number)), "")


def number_fits(courier: str, number: str) -> bool:
    """Tell whether the courier writes numbers like this one. A courier that staff added may use any number."""
    return re.fullmatch(FORMS.get(courier, ".*"), number) is not None


def parcel_page(courier: str, number: str) -> str:
    """Return the address of the courier's page about a parcel, "" where it has none."""
    return _PAGES[courier].format(number) if number and courier in _PAGES else ""


class Courier(models.Model):
    """A name in the list on the shipping form. Orders keep the name as text, so a courier may be renamed or deleted."""

    name = models.CharField("名称", max_length=COURIER_LENGTH, unique=True)
    position = models.PositiveSmallIntegerField("排序", default=100, help_text="小的在前")
    is_active = models.BooleanField("使用中", default=True, help_text="不再使用的不出现在发货页，已发的订单不变")

    class Meta:
        verbose_name = verbose_name_plural = "快递公司"
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.name
